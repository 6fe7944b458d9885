"""The one pytest plugin of a run. Registered before the pause, because registering a plugin costs a run half a millisecond."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

import _pfexec

from .reports import PASSED_AT_TRY

if TYPE_CHECKING:
    from .controller import Controller
    from .worker import ItemRunner

_SETUP, _CALL, _TEARDOWN = 1, 2, 3


class RunHooks:
    """Hands pytest's hooks to the run's controller and, where items are run, to their runner. Inert without them."""

    def __init__(self) -> None:
        self.controller: Controller | None = None
        self.runner: ItemRunner | None = None

    # -- the session -------------------------------------------------------------------------------------------------

    def pytest_deselected(self, items: Sequence[Any]) -> None:
        if self.controller is not None:
            self.controller.deselected += len(items)

    def pytest_collectreport(self, report: Any) -> None:
        if self.controller is not None and not report.passed:
            self.controller.collect_reports.append(report)

    def pytest_warning_recorded(self, warning_message: Any, when: str, nodeid: str, location: Any) -> None:
        if self.controller is not None:
            self.controller.on_warning(
                {"warning_message": warning_message, "when": when, "nodeid": nodeid, "location": location}
            )

    def pytest_internalerror(self, excrepr: Any) -> None:
        if self.controller is not None:
            self.controller.on_internal_error(excrepr)

    @pytest.hookimpl(trylast=True)
    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        if self.controller is not None:
            self.controller.on_keyboard_interrupt(excinfo)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool | None:
        return self.controller.run_loop(session) if self.controller is not None else None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: Any) -> Generator[None, Any, Any]:
        if self.controller is None:
            return (yield)
        self.controller.before_sessionfinish()
        try:
            return (yield)
        finally:
            self.controller.session_exitstatus = session.exitstatus

    # -- items -------------------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        if self.runner is not None:
            self.runner.add_report(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, Any] | None:
        if report.outcome == "rerun":
            return "rerun", "R", ("RERUN", {"yellow": True})
        if hasattr(report, PASSED_AT_TRY):
            return "flaky", "f", ("FLAKY", {"yellow": True})
        return None

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        flaky = terminalreporter.stats.get("flaky", []) if self.controller is not None else []
        if flaky:
            terminalreporter.section("flaky tests")
        for report in flaky:
            terminalreporter.line(f"FLAKY {report.nodeid} - passed at try {getattr(report, PASSED_AT_TRY)}")

    # None of these wraps: a wrapper would be a frame in the tracebacks of the tests.

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: Any) -> None:
        if self.runner is not None and self.runner.inline:
            self.runner.begin(item)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self) -> None:
        if self.runner is not None and self.runner.inline:
            self.runner.complete()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        _pfexec.phase(_SETUP)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self) -> None:
        _pfexec.phase(_CALL)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self) -> None:
        _pfexec.phase(_TEARDOWN)
