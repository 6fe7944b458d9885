"""--retries: a failed test is set up, called and torn down again, in the worker that it failed in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import _pfexec

from . import reports
from .reports import PASSED_AT_TRY

if TYPE_CHECKING:
    from collections.abc import Mapping


class Tries:
    """The tries of one item after the other. Fixtures of wider scopes stay up between two tries of an item."""

    def __init__(self, session: Any, options: Mapping[str, Any]) -> None:
        self._session = session
        self._most = int(options["retries"]) + 1
        self._delay_s = float(options["retry_delay_s"])
        self._number = 1
        self._failed = False
        self._item: Any = None
        if self._most > 1:
            self._keep_what_is_shared(session._setupstate)

    def run(self, item: Any, number: int, once: Callable[[], Any]) -> None:
        """Calls *once* for a try, until one has not failed or was the last one. *number* is that of the first one."""
        self._item = item
        self._number = number
        self._failed = False
        written = _testcases(item) if self._most > 1 else []
        once()
        while self._failed and not (self._session.shouldfail or self._session.shouldstop or _pfexec.stopped()):
            self._forget(item, written)
            self._number = _pfexec.begin_try(self._delay_s)
            if self._delay_s > 0:
                time.sleep(self._delay_s)
            self._failed = False
            once()
        self._item = None

    def judge(self, report: Any) -> bool:
        """Makes a failure that another try follows a rerun. True: the report is that of a flaky test's pass."""
        if self._most == 1:
            return False
        if report.failed and not hasattr(report, "wasxfail") and self._number < self._most:
            report.outcome = "rerun"
            self._failed = True
        elif report.when == "call" and report.passed and self._number > 1 and not hasattr(report, "wasxfail"):
            setattr(report, PASSED_AT_TRY, self._number)
            return True
        return False

    def _keep_what_is_shared(self, state: Any) -> None:
        original = state.teardown_exact

        def teardown_exact(nextitem: Any) -> None:
            if not self._failed:
                original(nextitem)
                return
            original(self._item.parent)
            for definition in _raised_in_setup(self._item):
                definition.finish(self._item._request)

        state.teardown_exact = teardown_exact

    @staticmethod
    def _forget(item: Any, written: list[tuple[list[Any], int]]) -> None:
        """What a try left in the item and in plugins that count tests: captured output, subtests that failed, a testcase."""
        item._report_sections.clear()
        subtests = reports.failed_subtests(item.config)
        if subtests is not None:
            subtests.pop(getattr(item, "id", item.nodeid), None)
        for testcases, before in written:
            del testcases[before:]


def _testcases(item: Any) -> list[tuple[list[Any], int]]:
    """Of --junitxml: its list of testcases and how many there are. It ends a testcase with its teardown."""
    plugins = item.config.pluginmanager.get_plugins()
    lists = [testcases for plugin in plugins if (testcases := getattr(plugin, "node_reporters_ordered", None)) is not None]
    return [(testcases, len(testcases)) for testcases in lists]


def _raised_in_setup(item: Any) -> list[Any]:
    """Fixtures of wider scopes that would raise again what they raised: they are asked anew."""
    info = getattr(item, "_fixtureinfo", None)
    definitions = [one for several in info.name2fixturedefs.values() for one in several] if info is not None else []
    return [one for one in definitions if one.cached_result is not None and one.cached_result[2] is not None]
