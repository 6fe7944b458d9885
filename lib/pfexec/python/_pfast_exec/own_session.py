"""Workers that begin a session of their own: processes of their own (start method "spawn"), or forks of a suite that is to be
configured as a worker. Each collects for itself and proves that it found what its controller found."""

from __future__ import annotations

import marshal
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

import _pfexec

from . import environ, fresh, nodes, options, repair
from .controller import Controller
from .hooks import RunHooks
from .terminal import MutedTerminal
from .worker import ItemRunner

#: pytest-xdist's exit code for workers that disagree.
_DISAGREED = 1
_SHOWN = 3


def identity_of(node: nodes.Node, items: Sequence[Any], uid: str, basetemp: str) -> bytes:
    """What a worker has to be told beside the run's request."""
    told = {
        "nodeids": [str(item.nodeid) for item in items],
        "uid": uid,
        "basetemp": basetemp,
        "workerinput": nodes.dumped(node.workerinput, "node.workerinput"),
    }
    return marshal.dumps(told)


def run_spawned(work: Mapping[str, Any]) -> NoReturn:
    """Entry point of a worker that is a process of its own."""
    from . import boot

    request = work
    repair.dump_stacks_on_signal(_pfexec.last_words()[2])
    os.umask(request["umask"])
    os.chdir(request["cwd"])
    program = os.fsdecode(request["program"])
    sys.argv[:] = [program, *map(os.fsdecode, request["argv"])]
    boot.look_like_the_pytest_script(program, work["env"].get(environ.SYS_PATH))
    if request["options"]["hang_dump_s"] > 0:
        repair.dump_stacks_on_demand()
    run_session(work, is_fork=False)


def run_forked(work: Mapping[str, Any], config: Any, baseline: Any) -> NoReturn:
    """The same in a fork of the controller, which leaves the controller's session."""
    repair.own_exit_functions()
    fresh.leave_session(config, baseline)
    run_session(work, is_fork=True)


def run_session(work: Mapping[str, Any], is_fork: bool) -> NoReturn:
    told = marshal.loads(work["identity"])
    workerinput = marshal.loads(told["workerinput"])
    os.environ["PYTEST_XDIST_WORKER"] = workerinput["workerid"]
    os.environ["PYTEST_XDIST_WORKER_COUNT"] = str(workerinput["workercount"])
    os.environ["PYTEST_XDIST_TESTRUNUID"] = told["uid"]
    plugin = OwnSession(work, told, workerinput, is_fork)
    code = fresh.run_pytest([os.fsdecode(arg) for arg in work["argv"]], plugin)
    # Only a session that never came to its loop gets here: an unimportable conftest, a usage error.
    _refuse(f"worker '{workerinput['workerid']}' did not come to its tests: its pytest ended with exit code {code}")


def _refuse(text: str) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    # As pytest words its own exit with a reason: the run's session ends with one.
    _pfexec.worker_finished(f"_pytest.outcomes.Exit: {text}", "", _DISAGREED, "")
    _pfexec.leave(0)
    raise SystemExit(0)


class OwnSession:
    """pytest plugin that makes the session a worker's before anything of the suite is configured."""

    def __init__(self, work: Mapping[str, Any], told: Mapping[str, Any], workerinput: dict[str, Any], is_fork: bool) -> None:
        self._work = work
        self._told = told
        self._workerinput = workerinput
        self._is_fork = is_fork
        self._hooks = RunHooks()
        self._failed_collectors: list[str] = []
        self._terminal: MutedTerminal | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: Any) -> None:
        options.neutralise_xdist(config)
        config.workerinput = self._workerinput
        config.workeroutput = {}
        if self._told["basetemp"]:
            config.option.basetemp = str(Path(self._told["basetemp"]) / f"popen-{self._workerinput['workerid']}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: Any) -> None:
        from .image import WorkerIdentity

        nodes.register_hooks(config)
        if not config.pluginmanager.hasplugin("xdist"):
            config.pluginmanager.register(WorkerIdentity(), "pfast-worker-identity")
        config.pluginmanager.register(self._hooks, "pfast-run")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: Any) -> None:
        self._terminal = MutedTerminal(session.config)
        self._terminal.mute()

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._failed_collectors.append(str(report.nodeid))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> NoReturn:
        found = [str(item.nodeid) for item in session.items]
        if found != self._told["nodeids"]:
            _refuse(describe_difference(self._workerinput["workerid"], found, self._told["nodeids"], self._failed_collectors))
        controller = Controller(session.config, self._work, self._hooks, "", "")
        controller.items = session.items
        controller.uid = self._told["uid"]
        controller.selected_sent = True
        controller.nodes.find(self._workerinput["workerid"], self._workerinput["workercount"]).workerinput = self._workerinput
        self._hooks.controller = controller
        runner = ItemRunner(controller, session, opaque=self._work["opaque"], workers=self._work["workers"])
        self._hooks.runner = runner
        runner.run_as_worker(self._work["slot"], own_session="fork" if self._is_fork else "spawn")


def describe_difference(name: str, found: list[str], expected: list[str], failed: list[str]) -> str:
    """In xdist's first words, and what to do about it."""
    lines = [f"Different tests were collected by worker '{name}' ({len(found)}) and its controller ({len(expected)})"]
    known, wanted = set(found), set(expected)
    for who, only in (("the worker", [n for n in found if n not in wanted]), ("the controller", [n for n in expected if n not in known])):
        if only:
            more = f" and {len(only) - _SHOWN} more" if len(only) > _SHOWN else ""
            lines.append(f"only {who} has {', '.join(only[:_SHOWN])}{more}")
    if len(lines) == 1:
        place = next((n for n, pair in enumerate(zip(found, expected)) if pair[0] != pair[1]), min(len(found), len(expected)))
        both = [nodes_[place] if place < len(nodes_) else "nothing" for nodes_ in (found, expected)]
        lines.append(f"in another order: number {place} is {both[0]} in the worker and {both[1]} in the controller")
    if failed:
        lines.append(f"the worker failed to collect {', '.join(failed[:_SHOWN])}")
    lines.append("a parametrization that differs from process to process needs the start method forkserver")
    return "; ".join(lines)
