"""The one pytest plugin of a run. Registered before the pause, because registering a plugin costs a run half a millisecond."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

import _pfexec

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

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: Any, nextitem: Any) -> Generator[None, Any, Any]:
        __tracebackhide__ = True
        if self.runner is None or not self.runner.inline:
            return (yield)
        self.runner.begin(item)
        result = yield
        _pfexec.finish_item()
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: Any) -> Generator[None, Any, Any]:
        __tracebackhide__ = True
        _pfexec.phase(_SETUP)
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: Any) -> Generator[None, Any, Any]:
        __tracebackhide__ = True
        _pfexec.phase(_CALL)
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: Any) -> Generator[None, Any, Any]:
        __tracebackhide__ = True
        _pfexec.phase(_TEARDOWN)
        return (yield)
