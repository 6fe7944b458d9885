"""`--reporter pytest` prints what pytest prints: the same text but for times and the header."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import Case, Finished
from oracle import masked
from suites_of_tests import ZOO

FILES = {
    **ZOO,
    "test_warnings.py": """
        import warnings, logging

        def test_warns():
            warnings.warn("take care", DeprecationWarning)

        def test_output():
            print("to stdout")
            logging.getLogger("app").warning("to the log")
            assert 0
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


def assert_same_text(expected: Finished, actual: Finished) -> None:
    assert actual.code == expected.code
    assert masked(actual.out).splitlines() == masked(expected.out).splitlines()
    assert masked(actual.err) == masked(expected.err)


@pytest.mark.parametrize("workers", ["0", "1"])
@pytest.mark.parametrize(
    "args",
    [
        [],
        ["-q"],
        ["-v"],
        ["-vv"],
        ["-rA"],
        ["--tb=short", "-l"],
        ["--tb=line"],
        ["--tb=native"],
        ["--tb=no"],
        ["--color=yes"],
        ["--color=yes", "-v"],
        ["-x"],
        ["--maxfail=3"],
        ["-k", "parameters"],
        ["--no-header"],
        ["--show-capture=no"],
        ["--co", "-q"],
        ["-p", "no:warnings"],
        ["-o", "console_output_style=count"],
        ["test_outcomes.py::test_passes"],
        ["test_outcomes.py::test_fails"],
        ["test_outcomes.py::test_none"],
        ["-k", "nothing_is_called_that"],
    ],
    ids=lambda args: " ".join(args) or "none",
)
def test_text_is_pytests(zoo: Case, args: list[str], workers: str) -> None:
    expected = zoo.plain_once(*args)
    assert_same_text(expected, zoo.run("--reporter", "pytest", "-n", workers, *args))


def test_collection_errors(case: Case) -> None:
    case.write({**FILES, "test_broken.py": "import no_such_module_anywhere\n", "test_syntax.py": "def (:\n"})
    expected = case.plain(oracle=False)
    for _ in range(2):
        assert_same_text(expected, case.run("--reporter", "pytest", "-n", "0"))


def test_uncaptured_output(case: Case) -> None:
    case.write(
        {
            "pytest.ini": "[pytest]\n",
            "test_s.py": "import os\ndef test_a():\n    print('from print')\n    os.system('echo from a child')\n",
        }
    )
    expected = case.plain("-s", oracle=False)
    for _ in range(2):
        assert_same_text(expected, case.run("--reporter", "pytest", "-n", "0", "-s"))


def test_plugins_write_into_the_summary(case: Case) -> None:
    case.write(
        {
            **FILES,
            "conftest.py": FILES["conftest.py"].rstrip()
            + """

        def pytest_report_header(config):
            return "a header line"

        def pytest_report_teststatus(report, config):
            if report.when == "call" and report.passed:
                return "passed", "o", "FINE"

        def pytest_terminal_summary(terminalreporter, exitstatus):
            terminalreporter.section("from the suite")
            terminalreporter.line(f"exit status {int(exitstatus)}, {len(terminalreporter.stats.get('failed', []))} failed")
    """,
        }
    )
    for args in ([], ["-v"]):
        expected = case.plain(*args, oracle=False)
        assert_same_text(expected, case.run("--reporter", "pytest", "-n", "0", *args))
        assert_same_text(expected, case.run("--reporter", "pytest", "-n", "1", *args))


def test_reports_of_one_test_share_nothing(case: Case) -> None:
    """A plugin may change what it is given: the next report of the test is not changed with it."""
    case.write(
        {
            "pytest.ini": "[pytest]\n",
            "conftest.py": """
                seen = []

                def pytest_runtest_logreport(report):
                    report.keywords[f"seen {report.when}"] = 1
                    report.user_properties.append(("seen", report.when))
                    report.sections.append((report.when, "seen"))
                    seen.append((report.when, sorted(report.keywords), report.user_properties, report.sections))

                def pytest_terminal_summary(terminalreporter):
                    for one in seen:
                        terminalreporter.line(str(one))
            """,
            "test_one.py": "def test_a():\n    pass\n",
        }
    )
    expected = [line for line in case.plain(oracle=False).out.splitlines() if "seen" in line]
    assert len(expected) == 3
    # A time limit has it run in a worker.
    actual = case.run("--reporter", "pytest", "-n", "2", "--timeout", "60")
    assert [line for line in actual.out.splitlines() if "seen" in line] == expected


def test_all_of_it_arrives_with_workers_in_parallel(zoo: Case) -> None:
    """Order is the workers' own; every line of the summary is there. A doctest's has its first line more, as with pytest-xdist."""
    expected = zoo.plain_once("-v")
    actual = zoo.run("--reporter", "pytest", "-n", "2", "-v")
    heads = ("FAILED ", "ERROR ", "SKIPPED ", "SUBFAILED")
    wanted = sorted(line for line in masked(expected.out).splitlines() if line.startswith(heads))
    assert wanted
    lines = [line.removesuffix(" - 009") for line in masked(actual.out).splitlines() if line.startswith(heads)]
    assert sorted(lines) == wanted
