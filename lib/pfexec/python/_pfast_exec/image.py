"""The image: pytest paused between its collection and ``pytest_collection_modifyitems``."""

from __future__ import annotations

import argparse
import gc
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

import _pfexec

from . import adopt, distribution, environ, fresh, nodes, options, randomness, remains, repair
from .baseline import Baseline
from .hooks import RunHooks
from .ladder import Ladder, is_related
from .option_use import OptionUse
from .selection import ItemIndex, NotCovered, Selector


_current: Image | None = None


class WorkerIdentity:
    """xdist's fixtures, for suites that ask for them where xdist is not installed."""

    @pytest.fixture(scope="session")
    def worker_id(self, request: pytest.FixtureRequest) -> str:
        """Name of the worker: "gw0", …; "master" where items run in the controller."""
        return getattr(request.config, "workerinput", {}).get("workerid", "master")

    @pytest.fixture(scope="session")
    def testrun_uid(self, request: pytest.FixtureRequest) -> str:
        """Unique id of the run, the same in all of its workers."""
        return getattr(request.config, "workerinput", {}).get("testrunuid", "")


class Image:
    """pytest plugin of the warm process. Everything it keeps is kept so that children need not free it."""

    def __init__(self, boot: Mapping[str, Any], baseline: Baseline, recording: environ.Recording) -> None:
        self.argv = [os.fsdecode(arg) for arg in boot["argv"]]
        self._boot_scope = [os.fsdecode(path) for path in boot["scope"]]
        self.baseline = baseline
        self._recording = recording
        self.scope: list[str] = []
        self.whole = True
        self.config: Any = None
        #: Collectors that failed or skipped, and the others by node id: what a run replays of its own collection.
        self.notable_reports: list[Any] = []
        self.passed_reports: dict[str, Any] = {}
        self.warnings: list[dict[str, Any]] = []
        self.shape: dict[str, Any] = {}
        self.index = ItemIndex(())
        #: Paths that items were collected from.
        self.test_files: frozenset[str] = frozenset()
        self._keep: tuple[Any, ...] = ()
        self.hooks = RunHooks()
        self.ladder = Ladder(self)
        self.defaults = argparse.Namespace()
        self.option_use = OptionUse(options.ADOPTABLE)
        global _current
        _current = self

    # -- making the image ------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: Any) -> None:
        self.ladder.begin(early_config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: Any) -> None:
        options.neutralise_xdist(config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: Any) -> None:
        self.config = config
        _pfexec.set_root(str(config.rootpath))
        config.pluginmanager.register(self.hooks, "pfast-run")
        self.defaults = options.parse(config, []) or argparse.Namespace()
        options.neutralise_run_options(config, self.defaults)
        namespace = options.parse(config, self.argv)
        if namespace is not None:
            self.shape = options.without_run_options(namespace, namespace)
        self._choose_scope(config, namespace)
        nodes.register_hooks(config)
        if not config.pluginmanager.hasplugin("xdist"):
            config.pluginmanager.register(WorkerIdentity(), "pfast-worker-identity")
        self.option_use.begin(config)

    def _choose_scope(self, config: Any, namespace: argparse.Namespace | None) -> None:
        asked = list(getattr(namespace, options.FILE_OR_DIR, None) or [])
        self.whole = not asked
        if asked:
            paths = self._boot_scope or [_without_names(argument) for argument in asked]
            config.args = list(dict.fromkeys(paths))
        pyargs = bool(getattr(config.option, "pyargs", False))
        if pyargs and asked:
            self.scope = []
        else:
            folder = config.invocation_params.dir
            self.scope = [os.path.abspath(folder / _without_names(str(path))) for path in config.args]
        for path in self.scope:
            _pfexec.add_input_directory(path if os.path.isdir(path) else os.path.dirname(path))

    def pytest_collection(self, session: Any) -> None:
        manager = session.config.pluginmanager
        original = manager.check_pending

        def check_pending() -> None:
            original()
            if sys._getframe(1).f_code.co_name == "perform_collect":
                del manager.check_pending
                self._pause(session)

        # pytest calls this right before pytest_collection_modifyitems, before any wrapper of that hook has begun.
        manager.check_pending = check_pending

    @pytest.hookimpl(tryfirst=True)
    def pytest_make_collect_report(self, collector: Any) -> Any:
        if isinstance(collector, (pytest.File, pytest.Directory)):
            if self.ladder.passes_over(collector):
                return pytest.CollectReport(collector.nodeid, "passed", None, [])
            self.ladder.before_collector(collector)
            # In a new forkserver, which goes on from here, this may be none of what it is to collect.
            if self.ladder.passes_over(collector):
                return pytest.CollectReport(collector.nodeid, "passed", None, [])
        return None

    def pytest_collectreport(self, report: Any) -> None:
        if report.passed:
            self.passed_reports[str(report.nodeid)] = report
        else:
            self.notable_reports.append(report)

    def pytest_warning_recorded(self, warning_message: Any, when: str, nodeid: str, location: Any) -> None:
        self.warnings.append(
            {"warning_message": warning_message, "when": when, "nodeid": nodeid, "location": location}
        )

    # -- the pause -------------------------------------------------------------------------------------------------

    def _pause(self, session: Any) -> None:
        """Returns in a forked child only, with the session cut down to what its run asked for."""
        all_items = list(session.items)
        # Emptied here and not in the children: there, dropping thousands of references would dirty every item's page.
        session.items.clear()
        self.test_files = frozenset(str(item.path) for item in all_items)
        items = self._cut_down(all_items)
        self.option_use.end(session.config)
        self.index = ItemIndex(items)
        fresh.remember_conftests(session.config)
        options.prepare(session.config)
        self._rehearse(items)
        distribution.prepare(items)
        nodes.wants_own_sessions(session.config)
        self._keep = (all_items, session._collection_cache, session._initial_parts)
        ready = self._describe(items)
        changes = environ.changes_since(self._recording.before)
        # By name, and here: the folder may be another one of the same name when a run comes.
        cwd = os.getcwd()
        self._tell_errors()
        sys.stdout.flush()
        sys.stderr.flush()
        randomness.freeze()
        gc.collect()
        gc.freeze()
        self._run(session, _pfexec.pause(ready), changes, cwd)

    def _tell_errors(self) -> None:
        """For the daemon's log, and for whoever had this image made without running anything on it."""
        for report in self.notable_reports:
            if report.failed:
                text = f" ERROR collecting {report.nodeid} ".center(80, "_")
                sys.stderr.write(f"{text}\n{str(report.longreprtext).rstrip()}\n")

    def _cut_down(self, items: list[Any]) -> list[Any]:
        """An image that goes on from a checkpoint with a part of the suite has what came before that checkpoint, too."""
        only = self.ladder.only
        if only is None:
            return items
        self.scope, self.whole = only, False
        self.notable_reports = [report for report in self.notable_reports if self.ladder.is_asked_for(str(report.nodeid))]
        return [item for item in items if is_related(str(item.path), only)]

    def _rehearse(self, items: Sequence[Any]) -> None:
        """Parses and selects once, so that the caches of argparse, re and fnmatch are warm in every child."""
        arguments = [*self.argv, str(items[0].path)] if items else self.argv
        options.parse(self.config, arguments)
        try:
            Selector(self.config, self.index, self.scope, self.whole).select(arguments[-1:], False)
        except NotCovered:
            pass

    def _describe(self, items: Sequence[Any]) -> dict[str, Any]:
        return {
            "nodeids": [str(item.nodeid) for item in items],
            "env_read": self._recording.read(),
            "env_absent": self._recording.absent(),
            "env_read_whole": self._recording.whole,
            **remains.describe(),
            "python_version": platform.python_version(),
            "pytest_version": pytest.__version__,
            "collect_errors": sum(1 for report in self.notable_reports if report.failed),
        }

    def _run(self, session: Any, request: Mapping[str, Any], changes: Mapping[bytes, bytes | None], image_cwd: str) -> None:
        repair.after_fork(request, changes, session.config)
        refusal = self._try_to_adopt(session, request, image_cwd)
        if refusal is not None:  # outside of any except block: the suite must not see an exception being handled
            fresh.run(self, request, str(refusal), outside_scope=refusal.outside)

    def _try_to_adopt(self, session: Any, request: Mapping[str, Any], image_cwd: str) -> NotCovered | None:
        try:
            if os.path.realpath(image_cwd) != os.path.realpath(os.getcwd()):
                return NotCovered("another working directory")
            adopt.adopt(self, session, request)
        except NotCovered as refusal:
            return refusal.with_traceback(None)
        return None


def baseline() -> Baseline:
    """The interpreter's state before pytest touched it, of the image that this process is a fork of."""
    assert _current is not None
    return _current.baseline


def _without_names(argument: str) -> str:
    return argument.partition("[")[0].split("::")[0]


def prepare_spare() -> None:
    """In a child that waits for its run: what every run reads first, read ahead of time."""
    if _current is not None:
        known = _current.config.pluginmanager.getplugin("nfplugin")
        if isinstance(known, options.KnownNodeIds):
            known.load()
