"""pytest plugin for the oracle: writes {node id: outcome} of a plain run to $PFAST_ORACLE_DUMP.

The words, and which of several phases decides, are the predecessor's: error, failed, xpassed, xfailed, skipped, passed.
"""

from __future__ import annotations

import json
import os
from typing import Any

PRECEDENCE = ("error", "failed", "xpassed", "xfailed", "skipped", "passed")


class Outcomes:
    def __init__(self, config: Any, path: str) -> None:
        self._config = config
        self._path = path
        self._categories: dict[str, set[str]] = {}
        self._finished: set[str] = set()  # an item that was interrupted has no outcome

    def pytest_runtest_logreport(self, report: Any) -> None:
        status = self._config.hook.pytest_report_teststatus(report=report, config=self._config)
        # Nobody answers in a suite that blocks the terminal plugin.
        own = "error" if report.failed and report.when != "call" else report.outcome
        self._categories.setdefault(str(report.nodeid), set()).add(status[0] if status is not None else own)
        if report.when == "teardown":
            self._finished.add(str(report.nodeid))

    def pytest_unconfigure(self) -> None:
        outcomes = {
            nodeid: next((word for word in PRECEDENCE if word in categories), "passed")
            for nodeid, categories in self._categories.items()
            if nodeid in self._finished
        }
        with open(self._path, "w") as file:
            json.dump(outcomes, file)


def pytest_configure(config: Any) -> None:
    path = os.environ.get("PFAST_ORACLE_DUMP")
    if path:
        config.pluginmanager.register(Outcomes(config, path), "pfast-outcomes")
