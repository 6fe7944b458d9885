"""The native reporter's text follows pytest's options wherever they were given: command line, environment, ini file."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from harness import Case, Finished
from oracle import PHASES, masked
from suites_of_tests import ZOO

FILES = {
    **ZOO,
    "test_noisy.py": """
        import logging, sys, warnings
        import pytest

        def test_warns():
            warnings.warn("take care", DeprecationWarning)

        def test_warns_twice():
            warnings.warn("take care", DeprecationWarning)
            warnings.warn(UserWarning("two\\nlines"))

        @pytest.fixture
        def noisy():
            print("in setup")
            yield
            print("in teardown")

        def test_noisy_pass(noisy):
            print("in call")
            logging.getLogger("x").warning("logged")

        def test_noisy_failure(noisy):
            print("in call", file=sys.stderr)
            assert 0, "x" * 200

        @pytest.mark.xfail
        def test_noisy_xpass(noisy):
            print("in call")

        @pytest.mark.xfail(reason="why not")
        def test_noisy_xfail(noisy):
            print("in call")
            assert 0, "xf"
    """,
}

_SUMMARY = re.compile(
    r"^(?:\x1b\[[0-9;]*m)*=+ (?:(?:ERRORS|FAILURES|X?PASSES|XFAILURES|warnings summary|slowest .*|short test summary info) =|(?:\x1b\[[0-9;]*m)*\d+ )|"
    r"^(?:\x1b\[[0-9;]*m)*\d+ .* in (?:\x1b\[[0-9;]*m)*0\.00s"
)
#: Which tests were slowest is another matter in each run.
_SLOWEST = re.compile(r"^\d+\.\d\ds (?:setup|call|teardown) .*\n|^\n?\(\d+ durations < .*\n", re.MULTILINE)


def summary(done: Finished) -> list[str]:
    """What follows progress, without pfast's own line about the phases."""
    lines = _SLOWEST.sub("", masked(done.out)).splitlines()
    first = next((number for number, line in enumerate(lines) if _SUMMARY.match(line)), len(lines))
    return [line for line in lines[first:] if not PHASES.match(line)]


def progress(done: Finished) -> list[str]:
    """Lines with something of progress at their end, without the name of the file that pytest begins them with."""
    found = re.findall(r"^.*?\[ *\d+(?:%|/\d+)\]$", done.out, re.MULTILINE)
    return [re.sub(r"^(\S+\.py) (?=[.FEsxXuy,-]+ )", "", line) for line in found]


@pytest.fixture(scope="module")
def zoo() -> Iterator[Case]:
    case = Case()
    try:
        case.write(FILES)
        yield case
    finally:
        case.close()


COMMAND_LINES = [
    "-rA",
    "-ra",
    "-rP",
    "-rw",
    "-rN",
    "-rNf",
    "-rFS",
    "-rXp -q",
    "-rA -qq",
    "-rA -vv",
    "-rA --disable-warnings --show-capture=stdout",
    "-rA --tb=line",
    "-rs --no-fold-skipped",
    "--xfail-tb --no-header",
    "--no-summary -rA",
    "--durations=3",
    "--durations=0 -vv",
    "--durations=3 --durations-min=10",
    "--force-short-summary -vv",
    "-rA --color=yes",
    "-p no:warnings -p no:terminalprogress",
]


@pytest.mark.parametrize("args", COMMAND_LINES)
def test_the_summary_is_pytests(zoo: Case, args: str) -> None:
    expected, actual = zoo.plain_once(*args.split()), zoo.run("-n", "1", *args.split())
    assert summary(actual) == summary(expected) != []
    assert actual.code == expected.code


INI_FILES = [
    "addopts = --doctest-modules -rA -v",
    "addopts = --doctest-modules -q --durations=2",
    "addopts = --doctest-modules --tb=short -ra --show-capture=no --color=yes",
    "addopts = --doctest-modules --no-summary --disable-warnings",
    "addopts = --doctest-modules -rA --xfail-tb --no-fold-skipped",
    "verbosity_test_cases = 2",
    "verbosity_assertions = 2",
]


@pytest.mark.parametrize("line", INI_FILES)
def test_the_ini_files_options_count(case: Case, line: str) -> None:
    case.write({**FILES, "pytest.ini": f"[pytest]\nmarkers =\n    slow: slow tests\n{line}\n"})
    expected, actual = case.plain(oracle=False), case.run("-n", "1")
    assert summary(actual) == summary(expected) != []
    assert ("\x1b[" in actual.out) == ("color" in line)
    assert actual.out.startswith("pfast ") == ("-q" not in line)
    verbose = re.search(r"^test_noisy\.py::test_warns PASSED", actual.out, re.MULTILINE)
    assert bool(verbose) == bool(re.search(r"^test_noisy\.py::test_warns PASSED", expected.out, re.MULTILINE))


def test_the_environments_options_and_the_command_lines_go_before(case: Case) -> None:
    case.write({**FILES, "pytest.ini": "[pytest]\nmarkers =\n    slow: slow tests\naddopts = -v --tb=no -rN\n"})
    for args, env in ((["-q"], {}), (["-rA"], {"PYTEST_ADDOPTS": "-qq --tb=line"}), (["--color=no"], {"PYTEST_ADDOPTS": "--color=yes"})):
        expected = case.plain(*args, env=env, oracle=False)
        actual = case.run("-n", "1", *args, env=env)
        assert summary(actual) == summary(expected)


@pytest.mark.parametrize("style", ["progress", "count", "classic", "progress-even-when-capture-no"])
def test_what_stands_at_the_end_of_a_line(case: Case, style: str) -> None:
    # One file, no subtests: a line of letters is then the same line.
    test = "import pytest\n@pytest.mark.parametrize('n', range(170))\ndef test_n(n):\n    assert n != 100\n"
    case.write({"pytest.ini": f"[pytest]\nconsole_output_style = {style}\n", "test_n.py": test})
    for args in ([], ["-s"], ["-v"], ["-v", "-s"]):
        expected, actual = case.plain(*args, oracle=False), case.run("-n", "1", *args)
        if "-v" in args:
            assert progress(actual) == progress(expected)
        else:
            # pytest's first line begins with the file's name, and breaks earlier.
            assert [text.split("[")[1:] for text in progress(actual)][-1:] == [text.split("[")[1:] for text in progress(expected)][-1:]
        shows = style == "progress-even-when-capture-no" or (style != "classic" and "-s" not in args)
        assert bool(progress(actual)) == bool(progress(expected)) == shows


def test_times_at_the_end_of_a_line(case: Case) -> None:
    case.write({"pytest.ini": "[pytest]\nconsole_output_style = times\n", "test_n.py": "def test_a(): pass\ndef test_b(): assert 0\n"})
    for name in ("a", "b"):
        line = next(line for line in case.run("-n", "1", "-v").out.splitlines() if line.startswith(f"test_n.py::test_{name} "))
        assert re.search(r" \d+(?:\.\d+)?(?:us|ms|s)$", line), line
    assert "[100%]" in case.run("-n", "1").out


def test_a_line_says_where_the_time_went(zoo: Case) -> None:
    number = r"\d+(?:\.\d)? ms"
    lines = zoo.run("-n", "2").out.splitlines()
    pattern = (
        rf"connect {number} · (?:wait {number} · )?boot {number} · select {number} · run {number} · parallelism \d\.\d\d of 2 workers"
    )
    assert re.fullmatch(pattern, lines[-2]), lines[-2]
    assert re.search(r"=+ .*\d+ failed.* in \d+\.\d\ds =+", lines[-1])
    assert not any(line.startswith("connect ") for line in zoo.run("-n", "2", "-q").out.splitlines())
    assert not any(line.startswith("connect ") for line in zoo.run("-n", "2", "--reporter", "pytest").out.splitlines())


@pytest.mark.parametrize("where", ["command line", "ini file"])
def test_too_many_warnings_are_an_exit_code(case: Case, where: str) -> None:
    test = "import warnings\ndef test_a(): warnings.warn('a')\ndef test_b(): warnings.warn('b')\n"
    case.write({"pytest.ini": "[pytest]\n" + ("max_warnings = 1\n" if where == "ini file" else ""), "test_w.py": test})
    args = ["--max-warnings=1"] if where == "command line" else []
    expected = case.plain(*args)
    if "unrecognized" in expected.err:
        pytest.skip("this pytest has no --max-warnings")
    for options in (["-n", "2"], ["-n", "1"], ["-n", "2", "--reporter", "pytest"]):
        actual = case.run(*options, *args)
        case.assert_same(expected, actual)
        assert "Tests pass, but maximum allowed warnings exceeded: 2 > 1" in actual.out
