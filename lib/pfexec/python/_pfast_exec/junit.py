"""--junitxml with workers: pytest's own log, in the controller, with what only the workers know, in the order of the items."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import groupby
from typing import Any
from xml.etree import ElementTree

import pytest

import _pfexec

#: What a worker adds to a report: attributes of its testcase, and properties of the suite. TestcaseWriter looks for it.
_EXTRA = "pfast_junit"

_PHASES = ("setup", "call", "teardown")


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


def write_testcases(log: Any) -> None:
    """From now on an item of this worker that passed, and of which there is nothing else to tell, is sent as its testcase."""
    if not WrittenTestcases.can_be_written() or not _is_unchanged(log):
        return
    _pfexec.write_testcases(partial(example, log), [log.report_duration in ("total", when) for when in _PHASES])


def _is_unchanged(log: Any) -> bool:
    """Whoever has replaced parts of pytest's log may give each testcase something of its own."""
    from _pytest import junitxml

    parts = [*vars(log).values(), *vars(type(log)).values(), *vars(junitxml._NodeReporter).values()]
    parts += [junitxml.mangle_test_address, junitxml.bin_xml_escape]
    return all(getattr(part, "__globals__", None) is vars(junitxml) for part in parts if callable(part))


def example(log: Any, report: Any, name: str, line: str) -> list[tuple[str, str]] | None:
    """
    What pytest writes of the item of *report*, if it passed: [(text, what stands behind it)], the latter "name", "line" or "time" (those
    of an item, *name* and *line* of this one), or "" at the end. None when they are not found in it.
    """
    scratch = copy.copy(log)
    scratch.node_reporters, scratch.node_reporters_ordered = {}, []
    scratch.stats = dict(log.stats)
    for when in _PHASES:
        scratch.pytest_runtest_logreport(PassedPhase(report, when, 0.0))
    [testcase] = scratch.node_reporters_ordered
    text = ElementTree.tostring(testcase.to_xml(), encoding="unicode")
    places = []
    for key, value in (("name", name), ("line", line), ("time", "0.000")):
        before, found, _ = text.partition(f' {key}="{value}"')
        if found:
            begin = len(before) + len(f' {key}="')
            places.append((begin, begin + len(value), key))
        elif key != "line":
            return None
    pieces: list[tuple[str, str]] = []
    done = 0
    for begin, end, key in sorted(places):
        pieces.append((text[done:begin], key))
        done = end
    return [*pieces, (text[done:], "")]


class WorkerPart:
    """What record_xml_attribute and record_testsuite_property leave in a worker's copy of the log."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._told = len(log.global_properties)

    def note(self, report: Any) -> None:
        """Before *report* is serialised."""
        if len(self._log.global_properties) == self._told and not self._log.node_reporters:
            return
        new = self._log.global_properties[self._told :]
        self._told += len(new)
        attributes = self._attributes(report) if report.when == "teardown" else {}
        if new or attributes:
            setattr(report, _EXTRA, {"attributes": attributes, "suite": new})

    def _attributes(self, report: Any) -> dict[str, str]:
        reporter = self._log.node_reporters.get((getattr(report, "id", report.nodeid), None))
        return dict(reporter.attrs) if reporter is not None else {}


class PassedPhase(pytest.TestReport):
    """As much of a report as the log reads of a phase that passed and has nothing to tell: what _pfexec.add_junit_pass sends."""

    def __init__(self, item: Any, when: str, duration: float) -> None:
        identity = {"_id": item.id} if hasattr(item, "id") else {"nodeid": item.nodeid}
        self.__dict__.update(
            identity, location=item.location, when=when, duration=duration, outcome="passed", longrepr=None, sections=(), user_properties=()
        )


class _Verbatim(str):
    """Is written to XML as it is: ElementTree asks a text for what it would have to escape."""

    def __contains__(self, part: object) -> bool:
        return False


class WrittenTestcases:
    """Among the log's testcases: some that workers have written."""

    def __init__(self, text: str) -> None:
        self._text = text

    def to_xml(self) -> Any:
        element = ElementTree.Element(None)  # type: ignore[arg-type]  # no element of its own, only its text
        element.text = _Verbatim(self._text)
        return element

    @classmethod
    def can_be_written(cls) -> bool:
        suite = ElementTree.Element("a")
        suite.append(cls("<b />").to_xml())
        return ElementTree.tostring(suite, encoding="unicode") == "<a><b /></a>"


class ControllerPart:
    """Tells the log what the workers' reports carry, and puts its testcases into the order of the items."""

    def __init__(self, config: Any, log: Any) -> None:
        self.log = log
        self._collectors = len(log.node_reporters_ordered)
        self._before = 0
        self._places: dict[int, int] = {}
        for hook in config.hook.pytest_sessionfinish.get_hookimpls():
            if hook.plugin is log:
                hook.function = partial(self._finish_session, hook.function)
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

    def _finish_session(self, write_file: Any) -> None:
        self._put_in_order()
        self.log.global_properties += self._properties_of_suite()
        write_file()

    def _put_in_order(self) -> None:
        told = self.log.node_reporters_ordered
        written = _pfexec.testcases()
        self.log.stats["passed"] += len(written)
        last = max([*self._places.values(), *(item for item, _ in written), 0]) + 1
        ordered: list[tuple[int, Any]] = list(written)
        for place, one in enumerate(told):
            item = self._places.get(id(one))
            # Collectors come first, an internal error last.
            if item is None:
                ordered.append((-1 if place < self._collectors else last, one))
            elif getattr(one, "attrs", True):  # else a try whose worker was lost after it: the next one was told by another worker
                ordered.append((item, one))
        ordered.sort(key=lambda entry: entry[0])
        told[:] = []
        for is_text, group in groupby((one for _, one in ordered), lambda one: isinstance(one, str)):
            told += [WrittenTestcases("".join(group))] if is_text else group

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
