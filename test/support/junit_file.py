"""JUnit files, compared as texts without what differs between two runs of one program: times, host and time stamps."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}")
#: Folders that tmp_path makes, and where pfast's workers have theirs.
_TMP = re.compile(r"pytest-of-\w+/pytest-\d+(?:/popen-gw\d+)?")


def _masked(element: ElementTree.Element) -> str:
    for one in element.iter():
        for name in ("time", "timestamp", "hostname"):
            if name in one.attrib:
                one.set(name, "…")
        # Hypothesis' statistics of a test are its times.
        if one.tag == "property" and one.get("name", "").startswith("hypothesis-statistics-"):
            one.set("value", "…")
    text = ElementTree.tostring(element, encoding="unicode")
    return _TMP.sub("pytest-of-me/pytest-0", _ADDRESS.sub("0x0", text))


def normal_lines(path: Path) -> list[str]:
    """One line an element or a line of its text; what is masked is there as "…"."""
    root = ElementTree.parse(path).getroot()
    ElementTree.indent(root)
    return _masked(root).splitlines()


def difference(expected: Path, actual: Path, most_lines: int = 60) -> str:
    """Empty when the two are equal."""
    lines = list(difflib.unified_diff(normal_lines(expected), normal_lines(actual), "pytest", "pfast", lineterm="", n=2))
    return "\n".join(lines[:most_lines])


@dataclass
class Compared:
    testcases: int
    difference: str
    unstable: list[str] = field(default_factory=list)


def compared(oracle: Sequence[Path], actual: Path) -> Compared:
    """*actual* against the first of *oracle*, without the testcases in which the oracle's own files differ."""
    first, second, found = (_testcases(path) for path in (*oracle, actual))
    unstable = sorted({name for name, _ in (Counter(first) - Counter(second)) | (Counter(second) - Counter(first))})
    wanted, got = ([text for name, text in one if name not in unstable] for one in (first, found))
    heads = [_head(path) for path in (oracle[0], actual)]
    if unstable:  # the counts of the suite may be other ones
        heads = ["", ""]
    lines = difflib.unified_diff([heads[0], *wanted], [heads[1], *got], "pytest", "pfast", lineterm="", n=0)
    return Compared(len(found), "\n".join(line for line in lines), unstable)


def _testcases(path: Path) -> list[tuple[str, str]]:
    return [
        (f"{one.get('classname')}.{one.get('name')}", _masked(one)) for one in ElementTree.parse(path).getroot().iter("testcase")
    ]


def _head(path: Path) -> str:
    """The suite without its testcases: counts and properties."""
    root = ElementTree.parse(path).getroot()
    for suite in root.iter("testsuite"):
        for testcase in suite.findall("testcase"):
            suite.remove(testcase)
    return _masked(root)
