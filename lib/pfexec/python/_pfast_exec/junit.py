"""--junitxml with workers: pytest's own log, in the controller, with what only the workers know, in the order of the items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

#: What a worker adds to a report: attributes of its testcase, and properties of the suite. _pfexec.add_junit_pass looks for it.
_EXTRA = "pfast_junit"


def find(config: Any) -> Any:
    """pytest's LogXML of this run, None without --junitxml."""
    try:
        from _pytest.junitxml import xml_key
    except ImportError:
        return None
    return config.stash.get(xml_key, None)


def is_log(plugin: Any) -> bool:
    return type(plugin).__name__ == "LogXML" and type(plugin).__module__ == "_pytest.junitxml"


def writes_output(log: Any) -> bool:
    """Does a passing test's captured output belong in the file?"""
    return log is not None and log.logging != "no" and bool(log.log_passing_tests)


class WorkerPart:
    """What record_xml_attribute and record_testsuite_property leave in a worker's copy of the log."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._told = len(log.global_properties)

    def note(self, report: Any) -> None:
        """Before *report* is serialised."""
        new = self._log.global_properties[self._told :]
        self._told += len(new)
        attributes = self._attributes(report) if report.when == "teardown" else {}
        if new or attributes:
            setattr(report, _EXTRA, {"attributes": attributes, "suite": new})

    def _attributes(self, report: Any) -> dict[str, str]:
        if not self._log.node_reporters:
            return {}
        reporter = self._log.node_reporters.get((getattr(report, "id", report.nodeid), None))
        return dict(reporter.attrs) if reporter is not None else {}


class PassedPhase(pytest.TestReport):
    """As much of a report as the log reads of a phase that passed and has nothing to tell: what _pfexec.add_junit_pass sends."""

    def __init__(self, item: Any, when: str, duration: float) -> None:
        identity = {"_id": item.id} if hasattr(item, "id") else {"nodeid": item.nodeid}
        self.__dict__.update(
            identity, location=item.location, when=when, duration=duration, outcome="passed", longrepr=None, sections=(), user_properties=()
        )


class ControllerPart:
    """Tells the log what the workers' reports carry, and puts its testcases into the order of the items."""

    def __init__(self, log: Any) -> None:
        self.log = log
        self._before = 0
        self._places: dict[int, int] = {}
        self._suite: list[tuple[int, str, bool, tuple[str, str]]] = []

    def begin(self, item: int, worker: str, reports: Iterable[Any]) -> None:
        self._before = len(self.log.node_reporters_ordered)
        for report in reports:
            extra: Mapping[str, Any] | None = report.__dict__.pop(_EXTRA, None)
            if extra is None:
                continue
            if extra["attributes"]:
                self.log.node_reporter(report).attrs.update(extra["attributes"])
            self._suite += [(item, worker, report.when == "setup", tuple(pair)) for pair in extra["suite"]]

    def end(self, item: int) -> None:
        for reporter in self.log.node_reporters_ordered[self._before :]:
            self._places[id(reporter)] = item

    def finish(self) -> None:
        testcases = self.log.node_reporters_ordered
        # A try whose worker was lost after it: the next one was told by another worker.
        testcases[:] = [one for one in testcases if id(one) not in self._places or getattr(one, "attrs", True)]
        if any(id(one) in self._places for one in testcases):
            first = next(place for place, one in enumerate(testcases) if id(one) in self._places)
            last = max(self._places.values()) + 1
            # Collectors come first, an internal error last.
            order = {id(one): -1 if place < first else last for place, one in enumerate(testcases)}
            order.update(self._places)
            testcases.sort(key=lambda one: order[id(one)])
        self.log.global_properties += self._properties_of_suite()

    def _properties_of_suite(self) -> list[tuple[str, str]]:
        # A session fixture is set up once in each worker; one process would have recorded what it records once.
        in_workers = Counter((worker, pair) for _, worker, shared, pair in self._suite if shared)
        left: dict[tuple[str, str], int] = {}
        for (_, pair), times in in_workers.items():
            left[pair] = max(left.get(pair, 0), times)
        found = []
        for _, _, shared, pair in sorted(self._suite, key=lambda one: one[0]):
            if shared and left[pair] == 0:
                continue
            if shared:
                left[pair] -= 1
            found.append(pair)
        return found
