"""Tests that left processes behind: named as a warning of the test that started them. pfexec has ended them by then."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import pytest


class LeakedProcessWarning(pytest.PytestWarning):
    """Processes that were still there when the worker that had started them was through, fixtures torn down and all."""

    __module__ = "pytest"


def warn(config: Any, items: Sequence[Any], who: str, leftovers: Iterable[tuple[int, str, str]]) -> None:
    by_test: dict[str, list[str]] = {}
    for pid, name, test in leftovers:
        by_test.setdefault(test, []).append(f"{pid} ({name})")
    for test, processes in by_test.items():
        item = _find(items, test)
        nodeid = str(item.nodeid) if item is not None else test
        starter = nodeid or f"a test of {who}"
        text = f"leaked: {starter} left {'a process' if len(processes) == 1 else 'processes'} behind: {', '.join(processes)}; ended by pfast"
        path, line, _ = item.location if item is not None else ("", None, "")
        record = warnings.WarningMessage(
            message=LeakedProcessWarning(text),
            category=LeakedProcessWarning,
            filename=str(config.rootpath / path),
            lineno=(line or 0) + 1,
        )
        config.hook.pytest_warning_recorded.call_historic(
            kwargs={"warning_message": record, "when": "runtest", "nodeid": nodeid, "location": None}
        )


def _find(items: Sequence[Any], test: str) -> Any:
    """By node id; one in a process' title may have been cut."""
    if not test:
        return None
    exact = next((item for item in items if str(item.nodeid) == test), None)
    return exact if exact is not None else next((item for item in items if str(item.nodeid).startswith(test)), None)
