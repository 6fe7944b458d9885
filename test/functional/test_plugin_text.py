"""What `pytest --fast` prints: plain pytest's text with one process, pytest-xdist's with workers."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from fast_pytest import FastPytest
from harness import Case
from plugin_environment import reporting_environment
from suites_of_tests import ZOO
from terminal import Terminal
from terminal_text import exact, of_workers

pytestmark = pytest.mark.skipif(bool(os.environ.get("PFAST_TEST_EXECUTABLE")), reason="makes environments of the build tree's package")

FILES = {
    **ZOO,
    "test_slow.py": """
        import time, pytest

        @pytest.fixture
        def slow():
            time.sleep(0.45)

        def test_slow_setup(slow):
            pass

        @pytest.mark.parametrize("seconds", [0.3, 0.35, 0.4, 0.5])
        def test_slow(seconds):
            time.sleep(seconds)
    """,
    "test_warnings.py": """
        import logging, sys, warnings

        def test_warns():
            warnings.warn("take care", DeprecationWarning)

        def test_warns_too():
            warnings.warn("and again", UserWarning)

        def test_output():
            print("to stdout")
            print("to stderr", file=sys.stderr)
            logging.getLogger("app").warning("to the log")
            assert 0

        def test_output_of_a_pass():
            print("seen with -rA")
    """,
}
ARGS = [[], ["-q"], ["-v"], ["-rA"], ["--durations=5"], ["-q", "-rA", "--durations=5"], ["-vv", "--tb=short"], ["-v", "test_warnings.py"], ["test_warnings.py::test_output"]]
PLUGINS = ["-p", "no:sugar"]


@pytest.fixture(scope="module")
def zoo() -> Iterator[FastPytest]:
    case = Case()
    try:
        case.write(FILES)
        fast = FastPytest(case, reporting_environment())
        fast.fast("-n", "0", *PLUGINS)
        yield fast
    finally:
        case.close()


@pytest.mark.parametrize("args", ARGS, ids=lambda args: " ".join(args) or "none")
def test_one_process_is_pytests(zoo: FastPytest, args: list[str]) -> None:
    expected = zoo.pytest(*PLUGINS, *args)
    actual = zoo.pytest("--fast", "-n", "0", *PLUGINS, *args)
    assert actual.code == expected.code
    assert exact(actual.out).splitlines() == exact(expected.out).splitlines()
    assert actual.err == expected.err


@pytest.mark.parametrize("args", ARGS, ids=lambda args: " ".join(args) or "none")
def test_workers_are_xdists(zoo: FastPytest, args: list[str]) -> None:
    expected = zoo.pytest("-n", "2", *PLUGINS, *args)
    actual = zoo.pytest("--fast", "-n", "2", *PLUGINS, *args)
    assert actual.code == expected.code
    assert of_workers(actual.out).splitlines() == of_workers(expected.out).splitlines()
    assert actual.err == expected.err


def test_workers_of_a_fresh_session_are_xdists(zoo: FastPytest) -> None:
    args = ["-v", "-p", "no:doctest", "-o", "console_output_style=count"]
    expected = zoo.pytest("-n", "2", *PLUGINS, *args)
    actual = zoo.pytest("--fast", "-n", "2", *PLUGINS, *args)
    assert of_workers(actual.out).splitlines()[:12] == of_workers(expected.out).splitlines()[:12]
    assert actual.code == expected.code


@pytest.mark.parametrize("args", [["-v"], []], ids=" ".join)
@pytest.mark.parametrize("workers", ["0", "2"])
def test_on_a_terminal(zoo: FastPytest, workers: str, args: list[str]) -> None:
    shown = []
    for options in (["-n", workers], ["--fast", "-n", workers]):
        one = Terminal([str(zoo.case.pytest), *PLUGINS, *options, *args, "test_warnings.py"], zoo.case.project, zoo.env)
        try:
            shown.append(one.finish())
        finally:
            one.close()
    (plain, text), (fast, ours) = shown
    read = of_workers if workers != "0" else exact
    assert fast == plain == 1
    assert _without_bars(read(ours)) == _without_bars(read(text))


def _without_bars(text: str) -> list[str]:
    """What a terminal still shows: a line that was written over is not there."""
    return [line.rpartition("\r")[2].rstrip() for line in text.splitlines()]


def test_one_test_of_many_workers_is_one_process(zoo: FastPytest) -> None:
    """Nobody asked for workers by number: one test needs none."""
    expected = zoo.pytest(*PLUGINS, "test_outcomes.py::test_fails")
    actual = zoo.pytest("--fast", *PLUGINS, "test_outcomes.py::test_fails")
    assert exact(actual.out) == exact(expected.out)
