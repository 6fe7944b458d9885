"""A warm daemon honours every option of a run: outcomes and exit code are pytest's, and the daemon stays the same."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Case

SUITE = {
    "pytest.ini": """
        [pytest]
        markers =
            slow: slow tests
            fast: fast tests
    """,
    "conftest.py": """
        import pytest

        def pytest_addoption(parser):
            parser.addoption("--greeting", default="hello")
            parser.addoption("--all", action="store_true")
            parser.addini("flavour", "an ini value", default="plain")

        def pytest_collection_modifyitems(config, items):
            if not config.getoption("--all"):
                for item in items:
                    if "only_with_all" in item.name:
                        item.add_marker(pytest.mark.skip(reason="needs --all"))

        @pytest.fixture
        def greeting(request):
            return request.config.getoption("--greeting")
    """,
    "test_a.py": """
        import os, warnings
        import pytest

        def test_one():
            pass

        def test_two():
            assert 1 == 2

        @pytest.mark.slow
        def test_slow():
            pass

        @pytest.mark.fast
        class TestClass:
            def test_method(self):
                pass

            def test_method_fails(self):
                raise ValueError

        def test_greeting(greeting):
            assert greeting == "hello"

        def test_only_with_all():
            pass

        def test_flavour(pytestconfig):
            assert pytestconfig.getini("flavour") == "plain"

        def test_warns():
            warnings.warn("careful", UserWarning)

        def test_variable():
            assert os.environ.get("APP_MODE") != "broken"

        def test_three():
            assert 0

        @pytest.mark.parametrize("n", [1, 2, 3])
        def test_cache_and_tmp(n, tmp_path):
            assert tmp_path.is_dir() and n
    """,
    "sub/test_b.py": """
        import os
        HERE = os.path.basename(os.getcwd())

        def test_b():
            pass

        def test_c():
            assert False
    """,
    "other.ini": """
        [pytest]
        markers =
            slow: slow tests
            fast: fast tests
        flavour = other
    """,
}


@pytest.fixture(scope="module")
def warm() -> Iterator[Case]:
    case = Case()
    try:
        case.write(SUITE)
        case.run("-n", "2")
        yield case
    finally:
        case.close()


#: All of them with one worker too, where the order of tests is pytest's.
ARGUMENTS = [
    [],
    ["-k", "two or three"],
    ["-k", "not two"],
    ["-m", "slow"],
    ["-m", "not slow and not fast"],
    ["test_a.py"],
    ["test_a.py::TestClass"],
    ["test_a.py::test_two"],
    ["sub", "test_a.py::test_one"],
    ["-q"],
    ["-vv"],
    ["-rA"],
    ["-l", "--tb=short"],
    ["--tb=line"],
    ["--tb=no"],
    ["--durations=3"],
    ["--color=yes"],
    ["--no-header", "--no-summary"],
    ["-s"],
    ["--capture=sys"],
    ["--deselect", "test_a.py::test_two"],
    ["--ignore", "sub"],
    ["--ignore-glob", "*/test_a.py"],
    ["-p", "no:doctest"],
    ["-p", "no:randomly"],
    ["-p", "no:cacheprovider"],
    ["-p", "no:warnings"],
    ["-o", "flavour=strawberry"],
    ["-o", "python_functions=check_*"],
    ["-W", "error"],
    ["-W", "ignore::UserWarning"],
    ["-c", "other.ini"],
    ["--rootdir", "sub", "sub"],
    ["--greeting", "good day"],
    ["--greeting=hello"],
    ["--all"],
    ["--co"],
    ["--co", "-q"],
    ["--fixtures"],
    ["--markers"],
    ["--version"],
    ["--setup-show", "-k", "greeting"],
    ["--strict-markers"],
    ["--import-mode=importlib"],
    ["--doctest-modules"],
    ["--runxfail"],
    ["--assert=plain"],
    ["--basetemp", "own-tmp"],
    ["--trace-config", "-k", "one"],
    ["-x", "-k", "one"],
]


@pytest.mark.parametrize("args", ARGUMENTS, ids=lambda args: " ".join(args) or "none")
def test_an_option_means_what_it_means_in_pytest(warm: Case, args: list[str]) -> None:
    daemon = warm.daemon_pid()
    warm.same(*args)
    assert warm.daemon_pid() == daemon


@pytest.mark.parametrize(
    "plugin",
    "cacheprovider capture debugging doctest faulthandler junitxml logging pastebin setuponly setupplan skipping stepwise "
    "terminal threadexception tmpdir unittest unraisableexception warnings".split(),
)
def test_a_suite_may_do_without_a_plugin_of_pytests(case: Case, plugin: str) -> None:
    case.write({**SUITE, "pytest.ini": SUITE["pytest.ini"].rstrip() + f"\n        addopts = -p no:{plugin}\n"})
    for _ in range(2):
        case.same()


def test_pytests_own_help(warm: Case) -> None:
    expected = warm.plain("--help")
    actual = warm.run("--", "--help")
    assert actual.code == expected.code == 0
    assert "--greeting=GREETING" in expected.out and "--greeting=GREETING" in actual.out


@pytest.mark.parametrize("args", [["-x"], ["--maxfail=2"], ["--exitfirst", "sub", "test_a.py"]], ids=" ".join)
def test_stopping_early(warm: Case, args: list[str]) -> None:
    daemon = warm.daemon_pid()
    warm.same(*args, options=["-n", "1"])
    warm.same(*args, options=["-n", "0"])
    assert warm.daemon_pid() == daemon


def test_stopping_early_with_workers_in_parallel(case: Case) -> None:
    case.write(
        {
            "pytest.ini": "[pytest]\n",
            "test_x.py": """
                import time, pytest

                def test_fails_at_once():
                    assert 0

                @pytest.mark.parametrize("n", range(200))
                def test_takes_time(n):
                    time.sleep(0.05)
            """,
        }
    )
    expected = case.plain("-x")
    actual = case.run("-n", "2", "-x")
    assert actual.code == expected.code == 1
    assert actual.outcomes["test_x.py::test_fails_at_once"] == "failed"
    assert len(actual.outcomes) < 100


def test_last_failed_and_failed_first(case: Case) -> None:
    case.write(SUITE)
    case.same()
    daemon = case.daemon_pid()
    case.same("--lf")
    case.same("--ff", "-x", options=["-n", "1"])
    case.write({"test_a.py": SUITE["test_a.py"].replace("assert 1 == 2", "assert 1 == 1")})
    case.same("--lf", options=["--reporter", "pytest"])
    case.same("--lf")
    case.same("--nf")
    assert case.daemon_pid() == daemon


def test_what_one_side_remembers_the_other_reads(case: Case) -> None:
    """pfast's failures are plain pytest's --lf, with one cache for both."""
    case.write(SUITE)
    own_cache = ("-o", "cache_dir=shared-cache")
    case.run(*own_cache)
    failed = case.plain(*own_cache, "--lf")
    assert set(failed.outcomes.values()) == {"failed"}
    case.assert_same(failed, case.run(*own_cache, "--lf"))


def test_stepwise(case: Case) -> None:
    case.write(SUITE)
    for _ in range(3):
        case.same("--sw", options=["-n", "1"])


def test_environment_that_only_tests_read(warm: Case) -> None:
    daemon = warm.daemon_pid()
    expected, _ = warm.same(env={"APP_MODE": "broken"})
    assert expected.outcomes["test_a.py::test_variable"] == "failed"
    warm.same(env={"APP_MODE": "fine"})
    assert warm.daemon_pid() == daemon


def test_environment_that_imports_read(case: Case) -> None:
    case.write(
        {
            "pytest.ini": "[pytest]\n",
            "settings.py": "import os\nMODE = os.environ.get('APP_MODE', 'none')\nCOUNT = int(os.getenv('APP_COUNT') or 2)\n",
            "test_mode.py": """
                import pytest, settings

                def test_mode():
                    assert settings.MODE == "good"

                @pytest.mark.parametrize("n", range(settings.COUNT))
                def test_count(n):
                    pass
            """,
        }
    )
    case.same()
    daemon = case.daemon_pid()
    case.same(env={"APP_MODE": "good"})
    case.same(env={"APP_MODE": "good", "APP_COUNT": "4"})
    case.same()
    assert case.daemon_pid() == daemon


def test_addopts_from_the_environment(warm: Case) -> None:
    daemon = warm.daemon_pid()
    warm.same(env={"PYTEST_ADDOPTS": "-k one"})
    warm.same(env={"PYTEST_ADDOPTS": "-m fast -q"})
    assert warm.daemon_pid() == daemon


def test_another_working_directory(warm: Case) -> None:
    daemon = warm.daemon_pid()
    warm.same(cwd="sub")
    warm.same("test_b.py::test_b", cwd="sub")
    warm.same("../test_a.py::test_one", cwd="sub")
    assert warm.daemon_pid() == daemon


@pytest.mark.parametrize("addopts", ["-q -m 'not slow'", "-x", "-p no:cacheprovider --strict-markers", "--tb=line -rA"])
def test_addopts_in_the_ini_file(case: Case, addopts: str) -> None:
    case.write({**SUITE, "pytest.ini": SUITE["pytest.ini"] + f"    addopts = {addopts}\n"})
    case.same(options=["-n", "1"])
    case.same("-m", "", options=["-n", "1"])


def properties(path: Path) -> list[tuple[str, str, list[str]]]:
    """Test cases of a JUnit file with what came of each; times left out."""
    return sorted(
        (one.get("classname", ""), one.get("name", ""), [child.tag for child in one])
        for one in ElementTree.parse(path).iter("testcase")
    )


@pytest.mark.parametrize("options", [["-n", "2"], ["-n", "0"], ["--reporter", "pytest", "-n", "2"]], ids=" ".join)
def test_junit_file(warm: Case, options: list[str]) -> None:
    daemon = warm.daemon_pid()
    warm.plain("--junitxml=plain.xml")
    warm.run(*options, "--junitxml=pfast.xml")
    assert properties(warm.project / "pfast.xml") == properties(warm.project / "plain.xml")
    assert warm.daemon_pid() == daemon


def test_ignored_options_are_none(warm: Case) -> None:
    """The way that a run's options took is told."""
    done = warm.run("--verbose-plan", "-k", "one")
    assert "adopt" in done.out + done.err
    done = warm.run("--verbose-plan", "-p", "no:doctest", "-k", "one")
    assert "fresh" in done.out + done.err
