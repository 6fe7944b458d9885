"""The controller: the pytest session of one run, from ``pytest_collection_modifyitems`` to ``pytest_sessionfinish``."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

import _pfexec

from . import (
    coverage_data,
    distribution,
    interruption,
    junit,
    leaks,
    nodes,
    options,
    repair,
    report_wire,
    reports,
    text_options,
    worker,
)
from .distributed_text import DistributedText
from .selection import only_these
from .terminal import MutedTerminal, flush_output, is_reader_gone, renew_terminal_reporter, replay_collection, unseen

if TYPE_CHECKING:
    from .hooks import RunHooks
    from .image import Image

#: Plugins whose pytest_runtest_logreport is brought up to date without seeing every report.
_KNOWN_REPORT_READERS = ("Session", "TerminalReporter", "LFPlugin", "LoggingPlugin", "RunHooks")

#: Seconds that a worker which collects for itself may take, when the run does not say.
_COLLECTING_S = 120.0
#: A helper that waits for the end of a pipe leaves by itself: it is given the time.
_LEFTOVER_GRACE_MS = 100

#: An own controller runs its items itself when the user wants to talk to them.
_INTERACTIVE = ("usepdb", "trace")


class Controller:
    """Selects, waits for the daemon's plan, and takes part in nothing that pytest does itself. RunHooks calls it."""

    def __init__(
        self, config: Any, request: Mapping[str, Any], hooks: RunHooks, way: str, why: str, outside_scope: bool = False
    ) -> None:
        self.config = config
        self._hooks = hooks
        self.request = request
        self._way, self._why, self._outside_scope = way, why, outside_scope
        interactive = any(getattr(config.option, name, None) for name in _INTERACTIVE)
        self.native = request["options"]["reporter"] == "native" and not interactive and not _prints_for_itself(config)
        self.inline = request["options"]["workers"] == 0 or interactive
        self.selected_sent = False
        self.items: Sequence[Any] = ()
        self.deselected = 0
        self.collect_reports: list[Any] = []
        self._warnings: list[Mapping[str, Any]] = []
        self._started = time.perf_counter()
        self._terminal = MutedTerminal(config) if self.native else None
        self._color = text_options.wants_color(config, request)
        self.renderer = reports.Renderer(config, self._color, request["terminal"]["columns"])
        self._ran_items = False
        #: The reports' only reader here is pytest's JUnit log: of what passed it need not be told all.
        self.only_junit = False
        self._junit: junit.ControllerPart | None = None
        self._republishing = False
        #: Of a lost worker, by its name: what its item had captured, and its stacks.
        self._last_words: dict[str, tuple[list[tuple[str, str]], str]] = {}
        self.session_exitstatus: Any = 3
        self._stop_reason = ""
        self._interruption: interruption.RemoteTrace | None = None
        self.uid = f"{os.getpid():x}{time.time_ns():x}"
        self.nodes = nodes.Nodes(config, self.uid)
        self._way_of_workers = "fork"
        self._text = DistributedText(config, request["options"])

    # -- beginnings ------------------------------------------------------------------------------------------------

    def begin_adopted(
        self, session: Any, collected: int, collect_reports: list[Any], image: Image
    ) -> None:
        """Takes over a paused session: what the image's plugins saw for their own run is replayed for this one."""
        session.testsfailed = sum(1 for report in collect_reports if report.failed)
        session.shouldstop = session.shouldfail = False
        self.collect_reports = [report for report in collect_reports if not report.passed]
        self._warnings = list(image.warnings)
        coverage_data.begin_run(self.config)
        held = not self.native and not self.inline and not _prints_for_itself(self.config)
        renew_terminal_reporter(self.config, self.request, session, announce=not self.native, collection=not held)
        if held:
            self._text.hold_back(is_fresh=False)
        if self._terminal is not None:
            self._terminal.mute()
        replay_collection(self.config, session, collect_reports, image.passed_reports, collected)
        self._register()

    def begin_fresh(self, session: Any) -> None:
        if not self.native and not self.inline and not _prints_for_itself(self.config):
            self._text.hold_back(is_fresh=True)
        if self._terminal is not None:
            self._terminal.mute()
        self._register()

    def _register(self) -> None:
        self._hooks.controller = self
        if self.request["options"]["hang_dump_s"] > 0:
            repair.dump_stacks_on_demand()
        original = self.config._ensure_unconfigure

        def unconfigure_and_leave() -> None:
            failure = sys.exc_info()[1]
            original()
            if isinstance(failure, pytest.UsageError):
                return  # pytest.main words it on its way out
            if failure is not None:
                traceback.print_exception(failure)
            self.leave(int(self.session_exitstatus) if failure is None else 1)

        # Unwinding pytest.main would free the image's items one by one.
        self.config._ensure_unconfigure = unconfigure_and_leave

    # -- called by RunHooks ------------------------------------------------------------------------------------------

    def on_warning(self, record: Mapping[str, Any]) -> None:
        runner = self._hooks.runner
        if self._republishing:
            pass  # a worker's: it has been told
        elif runner is not None and runner.sends_reports:
            blob = report_wire.warning_to_wire(record)
            _pfexec.warning({**reports.describe_warning(self.config, record), "opaque": blob})
        elif self.selected_sent:
            self.send_warning(record)
        else:
            self._warnings.append(record)

    def on_internal_error(self, excrepr: Any) -> None:
        if self._terminal is not None:
            self._terminal.note_internal_error(str(excrepr))

    def on_keyboard_interrupt(self, excinfo: Any) -> None:
        """pytest's reporter keeps where it was raised; what was interrupted is elsewhere."""
        self._stop_reason = interruption.message_of(excinfo)
        reporter = self.config.pluginmanager.getplugin("terminalreporter")
        if self._interruption is not None and reporter is not None:
            reporter._keyboardinterrupt_memo = self._interruption

    def send_warning(self, record: Mapping[str, Any]) -> None:
        if self.native:
            _pfexec.warning(reports.describe_warning(self.config, record))

    def run_loop(self, session: Any) -> bool | None:
        """Replaces pytest's loop over the items; None leaves it to pytest."""
        if self.request["options"]["nodeids"]:
            only_these(session, self.request["options"]["nodeids"])
        self.items = session.items
        option = session.config.option
        errors = session.testsfailed and not option.continue_on_collection_errors
        over = bool(errors or option.collectonly or not session.items)
        if self.request["options"]["start_method"] == "spawn":
            self._way_of_workers = "spawn"
        elif nodes.wants_own_sessions(session.config):
            self._way_of_workers = "session"
        self._send_selected(over)
        if over:
            self._text.give_up()
            return None  # pytest's own loop words it
        if self.inline:
            self._hooks.runner = worker.ItemRunner(self, session, inline=True)
            if self.request["options"]["retries"] == 0:
                return None
            self._hooks.runner.run_inline(session)
            return True
        self._run_with_daemon(session)
        return True

    def before_sessionfinish(self) -> None:
        self._text.give_up()
        if self._hooks.runner is not None and self._hooks.runner.inline:
            self._hooks.runner.finish()
        if self._terminal is not None and not hasattr(self.config, "workerinput"):
            self._terminal.listen_to_plugins()

    # -- the run ---------------------------------------------------------------------------------------------------

    def _send_selected(self, over: bool) -> None:
        option = self.config.option
        describe = self.renderer.describe_collector
        _pfexec.send_selected(
            {
                "way": self._way,
                "why": self._why,
                "nodeids": [] if over else [str(item.nodeid) for item in self.items],
                **(distribution.nothing() if over else distribution.describe(self.config, self.items, self.request["options"]["dist"])),
                "deselected": self.deselected,
                "collect_reports": [describe(report) for report in self.collect_reports] if self.native else [],
                "maxfail": self.failures_to_stop(),
                "max_worker_restart": options.xdist_restarts(self.config),
                "inline_run": self.inline and not over,
                "own_sessions": self._way_of_workers != "fork",
                "session_over": over,
                "outside_scope": self._outside_scope,
                "text_shown": not self.native,
                "wants_reports": self._wants_reports(),
                "text": text_options.describe(self.config, self._color),
            }
        )
        self.selected_sent = True
        for record in self._warnings:
            self.send_warning(record)

    @staticmethod
    def send_nothing_selected(way: str, why: str, outside_scope: bool) -> None:
        """For a session that ended before it could select: pytest has printed the reason."""
        _pfexec.send_selected(
            {
                "way": way,
                "why": why,
                "nodeids": [],
                **distribution.nothing(),
                "deselected": 0,
                "collect_reports": [],
                "maxfail": 0,
                "max_worker_restart": -1,
                "inline_run": False,
                "own_sessions": False,
                "session_over": True,
                "outside_scope": outside_scope,
                "text_shown": True,
                "wants_reports": False,
            }
        )

    def failures_to_stop(self) -> int:
        """How many failures end the run; 0 = none does."""
        option = self.config.option
        if getattr(option, "stepwise", False):
            return 2 if option.stepwise_skip else 1
        return int(option.maxfail or 0)

    def _wants_reports(self) -> bool:
        hooks = self.config.hook.pytest_runtest_logreport.get_hookimpls()
        readers = [impl.plugin for impl in hooks if type(impl.plugin).__name__ not in _KNOWN_REPORT_READERS]
        self.only_junit = self.native and all(map(junit.is_log, readers))
        return bool(readers) or self._counts_warnings()

    def _counts_warnings(self) -> bool:
        """--max-warnings: the exit code is the terminal reporter's to decide, and it has to know of all warnings."""
        reporter = self.config.pluginmanager.getplugin("terminalreporter")
        most = getattr(reporter, "_get_max_warnings", lambda: None)
        return most() is not None

    def _run_with_daemon(self, session: Any) -> None:
        log = junit.find(self.config)
        if log is not None:
            self._junit = junit.ControllerPart(self.config, log)
        if self.request["options"]["workers"] != 1 and len(self.items) > 1:
            worker.prepare_basetemp(self.config)
        if self._way_of_workers != "fork":
            nodes.serve_other_processes(self.config)
        decided = False
        while True:
            flush_output(self.config)  # a worker is a fork of this process: what is in a buffer would be written by both
            event = _pfexec.wait()
            if not decided:
                decided = True
                self._text.decide(_pfexec.worker_count(), len(self.items))
            if event[0] == "work":
                self._work(session, *event[1:])
            elif event[0] == "spawn":
                self._start_worker(session, *event[1:])
            elif event[0] == "gone":
                self._on_worker_gone(*event[1:])
            elif event[0] == "report":
                self._republish(session, *event[1:])
            elif event[0] == "warning":
                self._republish_warning(*event[1:])
            else:
                self._end(session, *event[1:])
                return

    def _work(self, session: Any, slot: int, in_controller: bool, opaque: bool, workers: int) -> None:
        runner = worker.ItemRunner(self, session, opaque=opaque and not in_controller, workers=workers)
        self._hooks.runner = runner
        if in_controller:
            runner.names_worker = self._text.decided
            node = self.nodes.configure(slot, workers)
            self.nodes.ready(node)
            runner.run_in_controller(slot)
            self._hooks.runner = None
            self._ran_items = True
            self.nodes.down(slot, None, None)
        else:
            runner.run_as_worker(slot)

    def _start_worker(self, session: Any, slot: int) -> None:
        workers = _pfexec.worker_count()
        node = self.nodes.configure(slot, workers)
        flush_output(self.config)
        if self._way_of_workers == "fork":
            work = _pfexec.fork_worker(0.0)
            if work is not None:
                self._work(session, *work[1:])
        else:
            self._start_own_session(node)
        self.nodes.ready(node)

    def _start_own_session(self, node: nodes.Node) -> None:
        from . import image, own_session

        factory = getattr(self.config, "_tmp_path_factory", None)
        base = str(getattr(factory, "_basetemp", None) or "")
        identity = own_session.identity_of(node, self.items, self.uid, base)
        seconds = self.request["options"]["boot_timeout_s"] or _COLLECTING_S
        if self._way_of_workers == "spawn":
            environment = [key + b"=" + value for key, value in os.environ._data.items()]  # type: ignore[attr-defined]
            _pfexec.spawn_worker(identity, environment, repair.client_streams(self.config), seconds)
            return
        work = _pfexec.fork_worker(seconds)
        if work is not None:
            _, slot, _, opaque, workers = work
            told = {**self.request, "slot": slot, "workers": workers, "opaque": opaque, "identity": identity}
            own_session.run_forked(told, self.config, image.baseline())

    def _on_worker_gone(
        self,
        exited: tuple[int, int, int, str],
        stacks: str,
        sections: list[tuple[str, str]],
        leftovers: list[tuple[int, str, str]],
        output: bytes,
    ) -> None:
        slot, pid, status, cause = exited
        show = self.config.option.showcapture
        shown = [(title, text) for title, text in sections if show == "all" or show in title]
        if status != 0:
            self._last_words[f"gw{slot}"] = (sections, stacks)
        _pfexec.tell_worker_exited(
            {"slot": slot, "pid": pid, "status": status, "cause": cause, "stacks": stacks, "sections": shown}
        )
        leaks.warn(self.config, self.items, f"worker 'gw{slot}'", leftovers)
        self.nodes.down(slot, output, None if status == 0 else "Not properly terminated")

    def _republish(self, session: Any, number: int, name: str, blobs: list[bytes], lost: str) -> None:
        if self._ran_items and not lost:
            return  # run in this very process: its hooks have been called already
        item = self.items[number]
        found = report_wire.from_wire(self.config, blobs, item)
        if lost:
            sections, stacks = self._last_words.pop(name, ([], ""))
            found.append((worker.lost_report(item, f"{lost}\n\n{stacks}" if stacks else lost, sections), False))
        if self._text.decided:
            for report, _ in found:
                self.name_worker(report, name)
        if self._junit is not None:
            self._junit.begin(number, name, (report for report, _ in found))
        if self.only_junit:
            for report, _ in found:
                self._junit_report(item, report)
        else:
            self._call_report_hooks(item, found)
        if self._junit is not None:
            self._junit.end(number)
        if session.shouldfail or session.shouldstop:
            _pfexec.stop()

    def name_worker(self, report: Any, name: str) -> None:
        """As xdist's controller does with a report of a worker's."""
        report.node = self.nodes.find(name, _pfexec.worker_count())
        report.worker_id = name
        report.testrun_uid = self.uid
        longrepr = report.longrepr
        if hasattr(longrepr, "toterminal") and not (hasattr(longrepr, "reprtraceback") and hasattr(longrepr, "reprcrash")):
            report.longrepr = str(longrepr)  # a doctest's: all that pytest's serialised reports keep of it

    def _junit_report(self, item: Any, report: Any) -> None:
        if isinstance(report, junit.PassedPhase):
            if self._junit is not None:
                self._junit.log.pytest_runtest_logreport(report)
        else:
            item.ihook.pytest_runtest_logreport(report=report)

    def _call_report_hooks(self, item: Any, found: list[tuple[Any, bool]]) -> None:
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report, captured in found:
            with unseen(self.config) if captured and not self._text.decided else nullcontext():
                item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def _republish_warning(self, blob: bytes) -> None:
        self._republishing = True
        try:
            self.config.hook.pytest_warning_recorded.call_historic(kwargs=report_wire.warning_from_wire(blob))
        finally:
            self._republishing = False

    def _end(
        self, session: Any, failed: list[int], passed: list[int], reason: str, interrupted: bool, place: str, exit_code: int
    ) -> None:
        grace_ms = _LEFTOVER_GRACE_MS if self._ran_items else 0
        leaks.warn(self.config, self.items, "the run", _pfexec.kill_descendants(grace_ms))
        self._update_last_failed(failed, passed)
        session.testsfailed = max(session.testsfailed, len(failed))
        if interrupted:
            self._interruption = interruption.RemoteTrace(reason, place)
            raise interruption.exception_for(reason, exit_code)
        if session.shouldfail:
            self._stop_reason = str(session.shouldfail)
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        if reason:
            raise session.Failed(reason)

    def _update_last_failed(self, failed: list[int], passed: list[int]) -> None:
        plugin = self.config.pluginmanager.getplugin("lfplugin")
        if plugin is None:
            return
        for number in failed:
            plugin.lastfailed[_cache_key(self.items[number])] = True
        if plugin.lastfailed:
            for number in passed:
                plugin.lastfailed.pop(_cache_key(self.items[number]), None)

    def leave(self, code: int) -> NoReturn:
        """The end of this process: streams flushed, exit functions run, the verdict sent."""
        output = self._terminal.plugin_output() if self._terminal is not None else ""
        repair.run_exit_functions()
        if is_reader_gone():
            code = 1  # as pytest's own command ends then
        flush_output(self.config)
        if not self.selected_sent:
            self.send_nothing_selected(self._way, self._why, self._outside_scope)
        _pfexec.kill_descendants()
        seconds = time.perf_counter() - self._started
        _pfexec.controller_finished(code, self._stop_reason, output.encode("utf-8", "surrogateescape"), seconds)
        _pfexec.leave(code & 0xFF)
        raise SystemExit(code)


def _cache_key(item: Any) -> Any:
    # pytest 9.2 keys its cache by NodeId objects, earlier ones by the node id's text.
    return getattr(item, "id", None) or item.nodeid


def _prints_for_itself(config: Any) -> bool:
    return any(getattr(config.option, name, None) for name in options.PRINTING)
