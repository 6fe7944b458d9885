"""What a test and a worker come to, in the predecessor's shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NotRequired, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest import Config, TestReport


class RunResult(TypedDict):
    """One test's result."""

    nodeid: str
    outcome: str
    duration: float
    cpu: NotRequired[float]
    profile: NotRequired[list[tuple[str, int, float, float]]]
    longrepr: NotRequired[str]
    reports: NotRequired[list[dict[str, object]]]


class WorkerStats(TypedDict):
    """One worker's run: seconds, and the number of tests."""

    wid: int
    ran: int
    busy: float
    cpu: float
    bus_wait: float
    run_wall: float


#: The heaviest wins: a test that passed and whose teardown failed is an error.
_WEIGHTS = {"passed": 0, "skipped": 1, "xfailed": 2, "xpassed": 3, "failed": 4, "error": 5}


def categorize(config: Config, reports: Iterable[TestReport]) -> str:
    """A test's outcome from the reports of its phases, as pytest and the plugins of *config* call it (``pytest_report_teststatus``).

    One of passed, skipped, xfailed, xpassed, failed, error. Tries that were repeated ("rerun") and categories of a plugin's own do not
    count; without any other report the test passed.
    """
    found = (config.hook.pytest_report_teststatus(report=report, config=config)[0] for report in reports)
    return max((category for category in found if category in _WEIGHTS), key=_WEIGHTS.__getitem__, default="passed")
