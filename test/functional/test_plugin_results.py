"""What `pytest --fast` leaves in files: JUnit, coverage, HTML and allure results are plain pytest's, or pytest-xdist's, in content."""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fast_pytest import FastPytest
from harness import Case
from plugin_environment import reporting_environment
from suites_of_tests import ZOO
from terminal_text import of_workers

pytestmark = pytest.mark.skipif(bool(os.environ.get("PFAST_TEST_EXECUTABLE")), reason="makes environments of the build tree's package")

FILES = {
    **ZOO,
    "shop.py": """
        def price(count):
            if count > 10:
                return count * 9
            return count * 10

        def never():
            return 0
    """,
    "test_shop.py": """
        import shop

        def test_few():
            print("captured")
            assert shop.price(1) == 10

        def test_many(record_property):
            record_property("kind", "bulk")
            assert shop.price(20) == 180
    """,
}


@pytest.fixture(scope="module")
def zoo() -> Iterator[FastPytest]:
    case = Case()
    try:
        case.write(FILES)
        yield FastPytest(case, reporting_environment())
    finally:
        case.close()


def both(zoo: FastPytest, workers: str, name: str, args: Callable[[Path], list[str]], quiet: bool = True) -> tuple[Path, Path]:
    """The plugin's results without and with --fast."""
    made = []
    for kind in ("plain", "fast"):
        target = zoo.case.home / f"{name}-{kind}-{workers}"
        options = ["--fast", "-n", workers] if kind == "fast" else ["-n", workers]
        done = zoo.pytest(*options, *(["-p", "no:sugar"] if quiet else []), *args(target))
        assert done.code == 1, done
        made.append(target)
    return made[0], made[1]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_junit(zoo: FastPytest, workers: str) -> None:
    """Plain pytest's in both cases: skipped modules, which pytest-xdist leaves out, are in it."""
    plain, _ = both(zoo, "0", "junit.xml", lambda path: [f"--junitxml={path}"])
    _, fast = both(zoo, workers, "junit.xml", lambda path: [f"--junitxml={path}"])
    assert junit(fast) == junit(plain)


def junit(path: Path) -> list[str]:
    suite = ElementTree.parse(path).getroot()[0]
    for element in suite.iter():
        for volatile in ("time", "timestamp"):
            element.attrib.pop(volatile, None)
    cases = [masked(ElementTree.tostring(case, encoding="unicode")) for case in suite]
    suite[:] = []
    return [ElementTree.tostring(suite, encoding="unicode"), *sorted(cases)]


def masked(text: str) -> str:
    return re.sub(r"\bgw\d\b", "gwN", re.sub(r"0x[0-9a-f]{6,}", "0x0", text))


@pytest.mark.parametrize("workers", ["0", "2"])
def test_coverage(zoo: FastPytest, workers: str) -> None:
    plain, fast = both(zoo, workers, "cov.xml", lambda path: ["--cov=.", "--cov-branch", f"--cov-report=xml:{path}", "--cov-report=term-missing"])
    assert coverage(fast) == coverage(plain)


def coverage(path: Path) -> list[tuple[str, list[dict[str, str]]]]:
    root = ElementTree.parse(path).getroot()
    return sorted((item.attrib["filename"], [line.attrib for line in item.iter("line")]) for item in root.iter("class"))


@pytest.mark.parametrize("workers", ["0", "2"])
def test_html(zoo: FastPytest, workers: str) -> None:
    plain, fast = both(zoo, workers, "report.html", lambda path: [f"--html={path}", "--self-contained-html"])
    assert html(fast) == html(plain)


def html(path: Path) -> dict[str, Any]:
    match = re.search(r'data-jsonblob="([^"]*)"', path.read_text())
    assert match is not None
    import html as escapes

    blob = json.loads(escapes.unescape(match.group(1)))
    tests = {}
    for nodeid, runs in blob["tests"].items():
        # Times, and the rows that show them.
        tests[nodeid] = [{key: value for key, value in run.items() if key not in ("duration", "resultsTableRow")} for run in runs]
    return {"environment": blob["environment"], "tests": json.loads(masked(json.dumps(dict(sorted(tests.items())))))}


@pytest.mark.parametrize("workers", ["0", "2"])
def test_allure(zoo: FastPytest, workers: str) -> None:
    plain, fast = both(zoo, workers, "allure", lambda path: [f"--alluredir={path}"])
    assert allure(fast) == allure(plain)


def allure(folder: Path) -> list[Any]:
    results = []
    for path in folder.glob("*-result.json"):
        result = json.loads(path.read_text())
        labels = sorted((label["name"], label["value"]) for label in result.get("labels", []) if label["name"] not in ("thread", "host"))
        attachments = sorted((attachment["name"], (folder / attachment["source"]).read_text()) for attachment in result.get("attachments", []))
        result = {key: value for key, value in result.items() if key not in ("uuid", "start", "stop", "labels", "attachments")}
        results.append(masked(json.dumps([result, labels, attachments], sort_keys=True)))
    return sorted(results)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_sugar(zoo: FastPytest, workers: str) -> None:
    texts = []
    for options in (["-n", workers], ["--fast", "-n", workers]):
        # Not the subtests: there plain pytest-sugar counts a test with failed subtests as passed.
        done = zoo.pytest(*options, "--force-sugar", "test_outcomes.py", "test_shop.py", env={"COLUMNS": "100"})
        assert done.code == 1
        texts.append(sugar(done.out))
    assert texts[1] == texts[0]


def sugar(text: str) -> list[str]:
    """Its summary: the bars on the way there are redrawn as tests come."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    lines = [re.sub(r"\d+\.\d+s", "0.00s", line.rpartition("\r")[2]).strip() for line in of_workers(plain).splitlines()]
    return sorted(line for line in lines if re.match(r"(Results|\d+ (passed|failed|error|skipped|xfailed|xpassed)|- |FAILED|ERROR)", line))
