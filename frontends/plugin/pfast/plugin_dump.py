"""``OUTCOME_DUMP=PATH pytest -p pfast``: {node id: outcome} of a run of plain pytest, in the predecessor's form."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import pytest

#: The words of the predecessor, the gravest last; a plugin's own word decides nothing.
_GRAVITY = ("passed", "skipped", "xfailed", "xpassed", "failed", "error")


def write(path: str, outcomes: Mapping[str, str]) -> None:
    with open(path, "w") as file:
        json.dump(outcomes, file, indent=0, sort_keys=True)


def register(config: pytest.Config) -> None:
    """Not in a worker of pytest-xdist: its controller sees every report."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(OutcomeDump(config), "pfast-outcome-dump")


class OutcomeDump:
    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._reports: dict[str, list[pytest.TestReport]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._reports.setdefault(report.nodeid, []).append(report)

    def pytest_sessionfinish(self) -> None:
        path = os.environ.get("OUTCOME_DUMP")
        if path:
            write(path, {nodeid: self._outcome(reports) for nodeid, reports in self._reports.items()})

    def _outcome(self, reports: list[pytest.TestReport]) -> str:
        """The gravest of what pytest counts its phases under; a try that another one followed is none."""
        words = []
        for report in reports:
            status: Any = self._config.hook.pytest_report_teststatus(report=report, config=self._config)
            words.append(status[0])
        return max((word for word in words if word in _GRAVITY), key=_GRAVITY.index, default="passed")
