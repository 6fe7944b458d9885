"""Plugins that suites use most do in a forked run what they do in plain pytest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from harness import Case, Finished
from oracle import last_line
from plugin_environment import plugin_environment

INI = {"pyproject.toml": "[tool.pytest.ini_options]\npythonpath = ['.']\naddopts = '-p no:randomly'\n"}
PACKAGE = {
    "shop/__init__.py": """
        def price(number):
            if number > 10:
                return number - 1
            return number


        def never(number):
            return number
    """,
    "test_small.py": "from shop import price\n\n\ndef test_small():\n    assert price(1) == 1\n",
    "test_big.py": "from shop import price\n\n\ndef test_big():\n    assert price(20) == 19\n",
}
WORKERS = ["0", "1", "2"]


@pytest.fixture
def suite(case: Case) -> Iterator[Case]:
    case.use_environment(plugin_environment())
    case.write({**INI, **PACKAGE})
    yield case


def coverage_of(case: Case) -> Any:
    found = json.loads((case.project / "coverage.json").read_text())
    (case.project / "coverage.json").unlink()
    return found["files"]


def coverage_section(done: Finished) -> str:
    return done.out.partition("tests coverage ===")[2].rpartition("\n=")[0]


@pytest.mark.parametrize("options", [[], ["--cov-branch"], ["--cov-context=test"], ["--cov-append"]], ids=lambda o: " ".join(o))
def test_coverage_is_what_plain_pytest_measures(suite: Case, options: list[str]) -> None:
    arguments = ["--cov=shop", "--cov-report=json", *options]
    suite.plain(*arguments)
    expected = coverage_of(suite)
    assert expected["shop/__init__.py"]["executed_lines"]
    for workers in WORKERS:
        for _ in range(2):
            (suite.project / ".coverage").unlink(missing_ok=True)
            suite.assert_same(suite.plain(), suite.run("-n", workers, *arguments))
            assert coverage_of(suite) == expected
    assert [path.name for path in suite.project.glob(".coverage*")] == [".coverage"]


def test_coverage_of_the_run_before_is_gone(suite: Case) -> None:
    arguments = ["--cov=shop", "--cov-report=json"]
    suite.run(*arguments)
    assert 4 not in coverage_of(suite)["shop/__init__.py"]["missing_lines"]
    suite.run(*arguments, "test_small.py")
    assert 3 in coverage_of(suite)["shop/__init__.py"]["missing_lines"]


def test_coverage_that_is_too_low_fails_the_run(suite: Case) -> None:
    arguments = ["--cov=shop", "--cov-fail-under=95"]
    expected = suite.plain(*arguments)
    assert expected.code == 1
    for workers in WORKERS:
        actual = suite.run("-n", workers, *arguments)
        assert actual.code == 1
        assert "Required test coverage of 95% not reached" in actual.out


def test_coverage_is_off_without_its_option(suite: Case) -> None:
    suite.run("--cov=shop")
    (suite.project / ".coverage").unlink()
    done = suite.run()
    assert "coverage" not in done.out
    assert not (suite.project / ".coverage").exists()


def test_an_option_that_acts_at_import(suite: Case) -> None:
    suite.write({"test_old.py": "import warnings\nwarnings.warn('old', DeprecationWarning)\n\ndef test_a(): pass\n"})
    for arguments in ([], ["-W", "error"], [], ["-W", "error"]):
        suite.same(*arguments)


def test_a_conftests_option_that_modules_read_at_import(suite: Case) -> None:
    suite.write(
        {
            "conftest.py": """
                import builtins

                def pytest_addoption(parser):
                    parser.addoption("--full", action="store_true")

                def pytest_configure(config):
                    builtins.full = config.getoption("--full")
            """,
            "test_full.py": """
                import pytest

                @pytest.mark.parametrize("n", range(5 if full else 2))
                def test_n(n):
                    pass
            """,
        }
    )
    for arguments in ([], ["--full"], [], ["--full"]):
        expected, actual = suite.same(*arguments)
        assert len(expected.outcomes) == len(actual.outcomes) == (7 if arguments else 4)


def test_reruns(suite: Case) -> None:
    suite.write(
        {
            "test_flaky.py": """
                import pytest
                tries = []

                @pytest.mark.flaky(reruns=2)
                def test_passes_at_the_second_try():
                    tries.append(1)
                    assert len(tries) > 1

                @pytest.mark.flaky(reruns=1)
                def test_never_passes():
                    assert 0
            """
        }
    )
    for arguments in ([], ["--reruns", "1"]):
        expected = suite.plain(*arguments)
        for workers in WORKERS:
            actual = suite.run("-n", workers, *arguments)
            suite.assert_same(expected, actual)
            assert last_line(actual.out) == last_line(expected.out)


def test_asyncio_hypothesis_mock_and_timeout(suite: Case) -> None:
    suite.write(
        {
            "test_all.py": """
                import asyncio, random, time
                import pytest
                from hypothesis import given, settings, strategies as st

                @pytest.fixture
                async def value():
                    await asyncio.sleep(0)
                    yield 5

                @pytest.mark.asyncio
                async def test_async():
                    await asyncio.sleep(0.001)

                @given(st.integers())
                @settings(max_examples=10)
                def test_holds(n):
                    assert n == n

                @given(st.integers())
                def test_does_not_hold(n):
                    assert n < 1000

                def test_mock(mocker):
                    mocker.patch("shop.price", return_value=7)
                    import shop
                    assert shop.price(1) == 7

                @pytest.mark.timeout(0.2)
                def test_takes_too_long():
                    time.sleep(20)
            """
        }
    )
    expected = suite.plain()
    for workers in WORKERS:
        suite.assert_same(expected, suite.run("-n", workers))


def test_randomly_orders_and_seeds_each_run_anew(suite: Case) -> None:
    names = "\n".join(f"def test_{n}(): pass" for n in range(40))
    suite.write({"pyproject.toml": "[tool.pytest.ini_options]\npythonpath = ['.']\n", "test_many.py": names})

    def order(done: Finished) -> list[str]:
        return re.findall(r"^(test_\w+\.py::\w+) PASSED", done.out, re.MULTILINE)

    seeded = ["-v", "-p", "randomly", "--randomly-seed=7"]
    expected = order(suite.plain(*seeded))
    assert len(expected) == 42
    for _ in range(2):
        assert order(suite.run("-n", "1", "--reporter", "pytest", *seeded)) == expected
    for option in ("--randomly-dont-reorganize", "--randomly-dont-reset-seed"):
        assert order(suite.run("-n", "1", "--reporter", "pytest", *seeded, option)) == order(suite.plain(*seeded, option))
    free = ["-v", "-n", "1", "--reporter", "pytest"]
    assert order(suite.run(*free)) != order(suite.run(*free))


def test_a_suite_whose_addopts_ask_for_xdist(suite: Case) -> None:
    suite.write({"pyproject.toml": INI["pyproject.toml"].replace("no:randomly", "no:randomly -n 2")})
    suite.write({"test_worker.py": "def test_id(worker_id, testrun_uid):\n    assert worker_id.startswith('gw') and testrun_uid\n"})
    expected = suite.plain()
    for workers in ["1", "2"]:
        suite.assert_same(expected, suite.run("-n", workers))
