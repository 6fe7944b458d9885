"""The native reporter's text: tracebacks, short summary and last line are pytest's own."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from harness import Case
from oracle import last_line, masked, section
from suites_of_tests import ZOO

FILES = {
    **ZOO,
    "test_text.py": """
        import logging, sys
        import pytest

        def helper(value):
            local = value * 2
            raise ValueError(f"deep {local}")

        def test_deep():
            outer = [1, 2, 3]
            helper(outer)

        def test_chained():
            try:
                {}["missing"]
            except KeyError as error:
                raise RuntimeError("while handling") from error

        def test_output():
            print("to stdout")
            print("to stderr", file=sys.stderr)
            logging.getLogger("app").warning("to the log")
            assert {"a": 1, "b": [1, 2]} == {"a": 1, "b": [1, 3]}

        def test_fails_by_hand():
            pytest.fail("by hand", pytrace=False)

        def test_long_message():
            assert "x" * 300 == "y" * 300

        def test_multiline():
            assert "one\\ntwo\\nthree" == "one\\n2\\nthree"
    """,
}


@pytest.fixture(scope="module")
def zoo() -> Iterator[Case]:
    case = Case()
    try:
        case.write(FILES)
        case.run()
        yield case
    finally:
        case.close()


def blocks(text: str, title: str) -> dict[str, list[str]]:
    """One of pytest's sections by its head lines, '___ test_name ___'. Names may repeat."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in section(text, title).splitlines():
        match = re.match(r"^_+ (.+?) _+$", line)
        if match:
            name = match.group(1)
            found.setdefault(name, []).append("")
        elif name:
            found[name][-1] += line + "\n"
    return {name: sorted(bodies) for name, bodies in found.items()}


STYLES = [
    [],
    ["--tb=short"],
    ["--tb=native"],
    ["-l"],
    ["-vv"],
    ["--show-capture=no"],
    ["--show-capture=log"],
    ["--tb=long", "-q"],
]


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("args", STYLES, ids=lambda args: " ".join(args) or "none")
def test_tracebacks_are_pytests(zoo: Case, args: list[str], workers: str) -> None:
    expected = masked(zoo.plain_once(*args).out)
    actual = masked(zoo.run("-n", workers, *args).out)
    for title in ("FAILURES", "ERRORS"):
        wanted = blocks(expected, title)
        assert wanted
        assert blocks(actual, title) == wanted


def frames(text: str) -> dict[str, list[list[str]]]:
    """Per test the places that its tracebacks go through."""
    places = re.compile(r"^(\S+:\d+): ?(.*)$", re.MULTILINE)
    return {name: sorted([place for place, _ in places.findall(body)] for body in bodies) for name, bodies in blocks(text, "FAILURES").items()}


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_full_trace_goes_through_the_same_places(zoo: Case, workers: str) -> None:
    """The plugins that pluggy's frames show are another list: ours is among them."""
    wanted = frames(masked(zoo.plain_once("--full-trace").out))
    assert wanted
    assert frames(masked(zoo.run("-n", workers, "--full-trace").out)) == wanted


@pytest.mark.parametrize("args", [["--tb=line"], ["--tb=no"]], ids=" ".join)
def test_short_styles(zoo: Case, args: list[str]) -> None:
    expected = section(masked(zoo.plain_once(*args).out), "FAILURES")
    actual = section(masked(zoo.run("-n", "2", *args).out), "FAILURES")
    assert sorted(actual.splitlines()) == sorted(expected.splitlines())


def test_order_with_one_worker_is_pytests(zoo: Case) -> None:
    expected = masked(zoo.plain_once().out)
    actual = masked(zoo.run("-n", "1").out)
    for title in ("ERRORS", "FAILURES", "short test summary info"):
        assert section(actual, title) == section(expected, title)


@pytest.mark.parametrize(
    "args", [[], ["-rA"], ["-rs"], ["-rxX"], ["-rN"], ["-v"], ["-q"]], ids=lambda args: " ".join(args) or "none"
)
def test_short_summary(zoo: Case, args: list[str]) -> None:
    expected = section(zoo.plain_once(*args).out, "short test summary info")
    actual = section(zoo.run("-n", "2", *args).out, "short test summary info")
    assert summary_lines(actual) == summary_lines(expected)
    if args == []:
        assert any(
            line.startswith("FAILED test_text.py::test_deep - ValueError: deep [1, 2, 3, 1, 2, 3]")
            for line in summary_lines(actual)
        )


def summary_lines(text: str) -> list[str]:
    """Without the last line, which -q writes without bars."""
    return sorted(line for line in text.splitlines() if not re.search(r" in \d+\.\d+s", line))


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["-k", "passes"],
        ["-k", "nothing_is_called_that"],
        ["-m", "slow"],
        ["-x"],
        ["test_text.py"],
        ["-q"],
        ["sub"],
        ["--co", "-q"],
    ],
    ids=lambda args: " ".join(args) or "none",
)
def test_last_line(zoo: Case, args: list[str]) -> None:
    expected = last_line(zoo.plain_once(*args).out)
    assert expected
    assert last_line(zoo.run("-n", "1", *args).out) == expected


def test_colours(zoo: Case) -> None:
    expected = zoo.plain("--color=yes", "test_text.py", oracle=False).out
    actual = zoo.run("-n", "1", "--color=yes", "test_text.py").out
    assert "\x1b[" in expected
    for line in expected.splitlines():
        if line.startswith("\x1b[1m\x1b[31mE ") or "\x1b[31mFAILED\x1b[0m" in line:
            assert line in actual.splitlines()
    for env in ({}, {"NO_COLOR": "1", "FORCE_COLOR": ""}, {"PY_COLORS": "0"}):
        assert "\x1b[" not in zoo.run("test_text.py", env=env).out
    assert "\x1b[" in zoo.plain("test_text.py", env={"FORCE_COLOR": "1"}).out
    assert "\x1b[" in zoo.run("test_text.py", env={"FORCE_COLOR": "1"}).out


def test_collection_errors(case: Case) -> None:
    case.write({**FILES, "test_broken.py": "import no_such_module_anywhere\n", "test_syntax.py": "def (:\n"})
    expected = masked(case.plain(oracle=False).out)
    interrupted = [line for line in expected.splitlines() if line.startswith("!!!")]
    assert interrupted
    for _ in range(2):
        actual = masked(case.run().out)
        assert blocks(actual, "ERRORS") == blocks(expected, "ERRORS") != {}
        assert section(actual, "short test summary info") == section(expected, "short test summary info")
        assert [line for line in actual.splitlines() if line.startswith("!!!")] == interrupted


def test_a_terminal_shows_progress(case: Case, terminal: object) -> None:
    case.write({"pytest.ini": "[pytest]\n", "test_t.py": "import time\ndef test_a(): time.sleep(1)\ndef test_b(): pass\n"})
    case.run()
    one = terminal("run", "-n", "1")  # type: ignore[operator]
    code, shown = one.finish()
    assert code == 0
    assert re.search(r"\b[01]/2\b", shown), shown
    assert "2 passed" in shown


def test_a_file_gets_plain_lines(zoo: Case) -> None:
    done = zoo.run("-n", "2", "test_text.py")
    assert "\r" not in done.out and "\x1b" not in done.out


def test_no_python_speaks_unasked(zoo: Case) -> None:
    """Nothing is on stderr that plain pytest would not write there."""
    assert zoo.run("-n", "2").err == zoo.plain_once().err
