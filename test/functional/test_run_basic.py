"""Outcomes and exit codes are plain pytest's: cold and warm, however many workers, with either reporter."""

from __future__ import annotations

import pytest
from harness import Case
from suites_of_tests import SMALL, ZOO

REPORTERS = ("native", "pytest")


@pytest.mark.parametrize("reporter", REPORTERS)
@pytest.mark.parametrize("workers", ["0", "1", "2"])
def test_outcomes_of_every_kind(case: Case, workers: str, reporter: str) -> None:
    case.write(ZOO)
    expected = case.plain()
    assert set(expected.outcomes.values()) == {"passed", "failed", "error", "skipped", "xfailed", "xpassed"}
    options = ("-n", workers, "--reporter", reporter)
    case.assert_same(expected, case.run(*options))
    daemon = case.daemon_pid()
    case.assert_same(expected, case.run(*options))
    assert case.daemon_pid() == daemon


@pytest.mark.parametrize(
    "args",
    [
        ["test_outcomes.py::test_passes"],
        ["test_outcomes.py::test_fails"],
        ["test_outcomes.py::test_setup_fails"],
        ["test_outcomes.py::test_call_and_teardown_fail"],
        ["test_outcomes.py::test_parameters[d::e-2]"],
        ["test_outcomes.py::test_parameters[é-3]"],
        ["test_outcomes.py::TestClass"],
        ["test_outcomes.py::TestClass::TestInner::test_inner"],
        ["test_unittest.py::Case"],
        ["test_unittest.py::Case::test_sub_tests"],
        ["arithmetic.py"],
        ["arithmetic.py::arithmetic.sub"],
        ["sub"],
        ["sub/test_skipped_module.py"],
        ["sub/test_more.py", "test_outcomes.py::test_passes"],
        ["test_outcomes.py::test_passes", "test_outcomes.py"],
        ["test_outcomes.py::test_passes", "test_outcomes.py::test_passes"],
        ["./sub/../sub/test_more.py::test_second[y]"],
    ],
    ids=" ".join,
)
def test_a_selection_of_a_warm_suite(zoo: Case, args: list[str]) -> None:
    daemon = zoo.daemon_pid()
    zoo.same(*args)
    assert zoo.daemon_pid() == daemon


@pytest.fixture(scope="module")
def zoo() -> object:
    case = Case()
    try:
        case.write(ZOO)
        case.run()
        yield case
    finally:
        case.close()


#: name -> files besides SMALL, arguments
ENDINGS: dict[str, tuple[dict[str, str], list[str]]] = {
    "all passed": ({}, []),
    "nothing collected": ({}, ["-k", "no_such_test"]),
    "no tests in a folder": ({"empty/readme.txt": ""}, ["empty"]),
    "unknown node id": ({}, ["test_small.py::test_none"]),
    "unknown parameter": ({}, ["test_small.py::test_number[99]"]),
    "unknown path": ({}, ["nowhere/test_x.py"]),
    "known and unknown path": ({}, ["test_small.py", "nowhere.py"]),
    "unknown option": ({}, ["--no-such-option"]),
    "bad option value": ({}, ["--maxfail=many"]),
    "bad expression": ({}, ["-k", "a and and b"]),
    "syntax error": ({"test_broken.py": "def test_a(:\n"}, []),
    "import error": ({"test_broken.py": "import no_such_module_anywhere\n"}, []),
    "collection error, gone on": ({"test_broken.py": "1 / 0\n"}, ["--continue-on-collection-errors"]),
    "collection error elsewhere": ({"test_broken.py": "1 / 0\n"}, ["test_small.py"]),
    "collection error and nothing else": ({"test_broken.py": "1 / 0\n"}, ["test_broken.py"]),
    "duplicate parameters": (
        {"test_twice.py": "import pytest\n@pytest.mark.parametrize('n', [1, 2], ids=['a', 'a'])\ndef test_a(n): pass\n"},
        ["test_twice.py"],
    ),
    "conftest raises": ({"conftest.py": "raise RuntimeError('no')\n"}, []),
    "conftest of a folder raises": (
        {"sub/conftest.py": "raise RuntimeError('no')\n", "sub/test_s.py": "def test_s(): pass\n"},
        [],
    ),
    "conftest exits": ({"conftest.py": "import pytest\npytest.exit('enough', returncode=7)\n"}, []),
    "test exits": ({"test_exit.py": "import pytest\ndef test_e(): pytest.exit('enough', returncode=9)\n"}, ["test_exit.py"]),
    "test raises SystemExit": ({"test_exit.py": "def test_e(): raise SystemExit(0)\n"}, ["test_exit.py"]),
    "test interrupts": ({"test_exit.py": "def test_e(): raise KeyboardInterrupt\n"}, ["test_exit.py"]),
    "configure raises": ({"conftest.py": "def pytest_configure(): raise ValueError('no')\n"}, []),
    "modifyitems raises": ({"conftest.py": "def pytest_collection_modifyitems(): raise ValueError('no')\n"}, []),
    "sessionfinish sets the exit code": (
        {"conftest.py": "def pytest_sessionfinish(session): session.exitstatus = 11\n"},
        [],
    ),
    "a hook that deselects": (
        {"conftest.py": "def pytest_collection_modifyitems(items): items[:] = items[1:3]\n"},
        [],
    ),
    "usage error of a hook": (
        {"conftest.py": "import pytest\ndef pytest_collection_modifyitems(): raise pytest.UsageError('no')\n"},
        [],
    ),
    "broken ini file": ({"pytest.ini": "[pytest\n"}, []),
    "required plugin is missing": ({"pytest.ini": "[pytest]\nrequired_plugins = pytest-nowhere\n"}, []),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_the_way_a_run_ends(case: Case, name: str) -> None:
    files, args = ENDINGS[name]
    case.write({**SMALL, **files})
    expected = case.plain(*args)
    case.assert_same(expected, case.run(*args))
    case.assert_same(expected, case.run(*args))
    case.assert_same(expected, case.run("--reporter", "pytest", "-n", "0", *args))


def test_a_root_without_tests(case: Case) -> None:
    case.write({"pytest.ini": "[pytest]\n"})
    expected, actual = case.same()
    assert expected.code == 5
    assert "no tests ran" in actual.out


def test_many_items_have_one_result_each(case: Case) -> None:
    case.write(
        {
            "pytest.ini": "[pytest]\n",
            "test_many.py": """
                import pytest

                @pytest.mark.parametrize("n", range(3000))
                def test_n(n):
                    assert n % 1000 != 999
            """,
        }
    )
    expected = case.plain("-q")
    for workers in ("1", "2", "4"):
        case.assert_same(expected, case.run("-n", workers, "-q"))
