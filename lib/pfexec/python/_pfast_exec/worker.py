"""Running items: as a forked worker, in the controller for a single item, or inline on the client's terminal."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

import _pfexec

from . import coverage_data, interruption, junit, measure, nodes, randomness, repair, report_wire, reports
from .retries import Tries
from .terminal import CapturedTerminal, silence_in_worker

if TYPE_CHECKING:
    from .controller import Controller

_TEARDOWN = 3

#: In a worker it would count failures of its own; failures_to_stop is told to it.
_CONTROLLER_ONLY = ("stepwiseplugin",)


class ItemRunner:
    """Runs items of one session in this process and reports each as one result."""

    def __init__(
        self, controller: Controller, session: Any, inline: bool = False, opaque: bool = False, workers: int = 1
    ) -> None:
        self.controller = controller
        self.session = session
        self.config = session.config
        self.inline = inline
        self._complete = False
        self._begun: Any = None
        self._teardown_passed = False
        self._shown = False
        self._item: int | None = None
        self._captured = CapturedTerminal(session.config, controller.items)
        self._tries = Tries(session, controller.request["options"])
        self._pid = os.getpid()
        self._workers = workers
        #: In the controller nobody republishes: what names the worker of a report is put there at once.
        self.names_worker = False
        #: Everything that pytest's hooks are told here is told to the controller's as well.
        self.sends_reports = opaque
        self._numbers = {id(item): number for number, item in enumerate(controller.items)} if inline else {}
        self._failed_subtests = reports.failed_subtests(session.config)
        log = junit.find(session.config) if opaque else None
        self._junit = junit.WorkerPart(log) if log is not None else None
        self._told_shortly = opaque and controller.only_junit and not controller.request["options"]["full_report"]
        self._serializes_as_usual = opaque and report_wire.serializes_as_usual(session.config)
        self._pickles_passed = self._serializes_as_usual and not self._told_shortly
        self._wants_sections = controller.renderer.wants_pass_sections or junit.writes_output(log)
        if log is not None and controller.only_junit:
            junit.write_testcases(log)
        measure.install(session.config, controller.request["options"]["measure"])

    # -- called by RunHooks ------------------------------------------------------------------------------------------

    def add_report(self, report: Any) -> None:
        if os.getpid() != self._pid:
            _pfexec.leave(0)  # a child that a test forked and that came back: it has no part in this run
        if report.when == "setup":
            self._complete = self._shown = False
        self._teardown_passed = report.when == "teardown" and report.passed
        if self.names_worker:
            self.controller.name_worker(report, "gw0")
        is_flaky = self._tries.judge(report)
        reports.bound_sections(report)
        if report.sections and report.when != "teardown":
            _pfexec.note_sections(report.sections)
        # Before it is serialised: asking for the status fails a passed test that has failed subtests.
        renderer = self.controller.renderer
        wordy = is_flaky or renderer.words_passes or self._has_failed_subtests(report)
        # What the teardown of a test printed is shown below its failure.
        with_output = report.when == "teardown" and self._shown
        self._shown = self._shown or not report.passed or hasattr(report, "wasxfail")
        described = renderer.describe(report, with_output) if wordy else None
        if self._junit is not None:
            self._junit.note(report)
        captured = report.when == "call" and report_wire.terminal_is_captured(self.config)
        if not self._add_passed(report, described, with_output, captured):
            blob = report_wire.to_wire(self.config, report, self._serializes_as_usual) if self.sends_reports else b""
            if described is not None or not _pfexec.add_plain_report(report, self._wants_sections or with_output, blob):
                _pfexec.add_described_report(described or renderer.describe(report, with_output), blob)
        if self._item is not None and captured:
            self._captured.show(self._item, report)
        if report.when == "call" and _pfexec.stopped() and not self.session.shouldstop:
            self.session.shouldstop = "the run was stopped"

    def _add_passed(self, report: Any, described: dict[str, Any] | None, with_output: bool, captured: bool) -> bool:
        """Most reports of most runs, in one call; False for all others."""
        if described is not None or type(report) is not pytest.TestReport:
            return False
        if self._told_shortly:
            return bool(_pfexec.add_junit_pass(report, self._wants_sections or with_output))
        return self._pickles_passed and not captured and bool(_pfexec.add_passed_report(report, self._wants_sections or with_output))

    def _has_failed_subtests(self, report: Any) -> bool:
        if report.when != "call" or self._failed_subtests is None:
            return False
        return bool(self._failed_subtests.get(getattr(report, "id", report.nodeid)))

    # Items that pytest's own loop runs (inline). One is over when the next one begins: plugins that repeat an item tell the end
    # of every try. One that was interrupted has no result.

    def begin(self, item: Any) -> None:
        if self._begun is item:
            return  # its tries are begun and ended by run_inline
        self.finish()
        _pfexec.begin_item(self._numbers[id(item)], item.nodeid)

    def complete(self) -> None:
        self._complete = self._begun is None

    def finish(self) -> None:
        if self._complete:
            _pfexec.finish_item()
            self._complete = False

    def run_inline(self, session: Any) -> None:
        """pytest's own loop, with tries: it knows none."""
        for place, item in enumerate(session.items):
            nextitem = session.items[place + 1] if place + 1 < len(session.items) else None
            self._complete = False
            number = _pfexec.begin_item(place, item.nodeid)
            self._begun = item
            self._tries.run(item, number, partial(item.config.hook.pytest_runtest_protocol, item=item, nextitem=nextitem))
            self._begun = None
            _pfexec.finish_item()
            self._complete = False
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)

    # -- the loop ----------------------------------------------------------------------------------------------------

    def _run_claimed_items(self) -> None:
        items = self.controller.items
        while (claim := _pfexec.claim()) is not None:
            number, expected = claim
            item = items[number]
            nextitem = items[expected] if expected is not None else None
            protocol = partial(item.config.hook.pytest_runtest_protocol, item=item, nextitem=nextitem)
            self._item = number
            self._tries.run(item, _pfexec.begin_item(number, item.nodeid), protocol)
            if self.session.shouldfail or self.session.shouldstop:
                _pfexec.stop()
            # What was expected may have gone to another worker meanwhile.
            following = _pfexec.reserve()
            if following != expected:
                self._tear_down_further(item, items[following] if following is not None else None)
            _pfexec.finish_item()

    def _tear_down_further(self, item: Any, nextitem: Any) -> None:
        """Fixtures that *item* left standing for an item that does not come are its own to tear down, as in plain pytest."""
        capture = self.config.pluginmanager.getplugin("capturemanager")
        with capture.item_capture("teardown", item) if capture is not None else nullcontext():
            call = pytest.CallInfo.from_call(
                lambda: self.session._setupstate.teardown_exact(nextitem),
                when="teardown",
                reraise=(pytest.exit.Exception, KeyboardInterrupt),
            )
        if call.excinfo is None:
            return
        if self._teardown_passed:
            _pfexec.drop_phase()  # one report of the teardown, as reporters expect
        report = item.ihook.pytest_runtest_makereport(item=item, call=call)
        item.ihook.pytest_runtest_logreport(report=report)

    def run_in_controller(self, slot: int) -> None:
        """One item, in the controller itself: its own hooks see the reports at once."""
        self._run(slot, finish_session=False)

    def run_as_worker(self, slot: int, own_session: str = "") -> NoReturn:
        """*own_session*: "fork" or "spawn" when this process did not come out of the controller's own session."""
        config = self.config
        if not own_session:
            repair.own_exit_functions()
        repair.write_last_words(config)
        if own_session != "spawn":
            randomness.after_fork()
        silence_in_worker(config)
        # The controller's hooks say it all, and a worker of pytest-xdist is not heard either. With -s somebody wants to hear the tests.
        if not self.controller.native and config.option.capture == "fd":
            repair.silence_stdout(config)
        # The worker stops by itself: the daemon's word would come an item too late.
        config.option.maxfail = self.controller.failures_to_stop()
        for name in _CONTROLLER_ONLY:
            if config.pluginmanager.hasplugin(name):
                config.pluginmanager.unregister(name=name)
        for plugin in list(config.pluginmanager.get_plugins()):
            if junit.is_log(plugin):
                config.pluginmanager.unregister(plugin)
        _pfexec.attach()
        self._run(slot, finish_session=True, own_session=bool(own_session))
        repair.run_exit_functions()
        _pfexec.leave(0)
        raise SystemExit(0)

    def _run(self, slot: int, finish_session: bool, own_session: bool = False) -> None:
        config = self.config
        identity = Identity(config, self.controller.nodes.find(f"gw{slot}", self._workers))
        ended = Ended(config, self.controller.renderer)
        identity.assume(own_basetemp=finish_session and not own_session)
        try:
            ended.run(self._run_claimed_items)
            _pfexec.phase(_TEARDOWN)  # as the daemon sees it: what is interrupted may tear down in peace
            ended.run(lambda: self.session._setupstate.teardown_exact(None))
            if finish_session:
                exitstatus = 1 if self.session.testsfailed else 0
                ended.run(lambda: config.hook.pytest_sessionfinish(session=self.session, exitstatus=exitstatus))
                ended.run(lambda: coverage_data.finish_worker(config))
        finally:
            if not finish_session:
                identity.drop()
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                pass
        if finish_session and config.workeroutput:
            ended.run(lambda: _pfexec.note_output(nodes.dumped(config.workeroutput, "config.workeroutput")))
        _pfexec.worker_finished(ended.interrupted, ended.interrupted_at, ended.exit_code, ended.internal_error)


class Ended:
    """How a worker's work ended, when not by running out of items."""

    def __init__(self, config: Any, renderer: reports.Renderer) -> None:
        self._config = config
        self._renderer = renderer
        self.interrupted = ""
        self.interrupted_at = ""
        self.exit_code = -1
        self.internal_error = ""

    def run(self, step: Any) -> None:
        try:
            step()
        except pytest.exit.Exception as error:
            self._note_interruption()
            self.exit_code = error.returncode if error.returncode is not None else 2
        except KeyboardInterrupt:
            self._note_interruption()
        except BaseException:
            self.internal_error = self.internal_error or traceback.format_exc()

    def _note_interruption(self) -> None:
        if not self.interrupted:
            self.interrupted, self.interrupted_at = interruption.describe(self._config, self._renderer)


class Identity:
    """Who a worker is, in the places where suites look: environment, config.workerinput, tmp_path's base."""

    def __init__(self, config: Any, node: nodes.Node) -> None:
        self._config = config
        self._node = node
        self._had: dict[str, str | None] = {}

    def assume(self, own_basetemp: bool) -> None:
        told = self._node.workerinput
        variables = {
            "PYTEST_XDIST_WORKER": str(told["workerid"]),
            "PYTEST_XDIST_WORKER_COUNT": str(told["workercount"]),
            "PYTEST_XDIST_TESTRUNUID": str(told["testrunuid"]),
        }
        self._had = {key: os.environ.get(key) for key in variables}
        os.environ.update(variables)
        self._config.workerinput = told
        self._config.workeroutput = getattr(self._config, "workeroutput", None) or {}
        if own_basetemp:
            _own_basetemp(self._config, str(told["workerid"]))

    def drop(self) -> None:
        for key, value in self._had.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
        self._node.workeroutput = self._config.workeroutput
        del self._config.workerinput
        del self._config.workeroutput


def prepare_basetemp(config: Any) -> None:
    """One base folder a run: made by the controller before it forks, so that workers share its number."""
    factory = getattr(config, "_tmp_path_factory", None)
    if factory is not None:
        factory.getbasetemp()


def _own_basetemp(config: Any, name: str) -> None:
    factory = getattr(config, "_tmp_path_factory", None)
    base: Path | None = getattr(factory, "_basetemp", None)
    if base is not None:
        factory._given_basetemp = base / f"popen-{name}"
        factory._basetemp = None


def lost_report(item: Any, text: str, sections: list[tuple[str, str]]) -> Any:
    """The failure of an item whose worker is gone."""
    path, line, domain = item.location
    return pytest.TestReport(item.nodeid, (path, line, domain), {}, "failed", text, "call", sections=sections)
