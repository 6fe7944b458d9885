"""Plugins that shuffle a suite: one worker has exactly their order, several keep it as far as what belongs together may be moved."""

from __future__ import annotations

from itertools import groupby

import pytest
from harness import Case
from plugin_environment import random_order_environment
from run_log import CONFTEST, Log, run, suite

TESTS = """
    import pytest
    from noting import note

    @pytest.fixture(scope="module", autouse=True)
    def of_module(request):
        note("module " + request.node.name)

    class TestOne:
        @pytest.mark.parametrize("n", range(4))
        def test_a(self, n): pass
        def test_b(self): pass

    def test_c(): pass
    def test_d(): pass
"""
#: Of these, no worker goes on before every worker has begun.
MEETING_TESTS = (
    TESTS
    + """
    import os
    import time

    @pytest.fixture(autouse=True)
    def meeting(noted):
        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        end = time.monotonic() + 60
        while len({line.split()[1] for line in open("log")}) < workers and time.monotonic() < end:
            time.sleep(0.01)
"""
)
SHUFFLES = {
    "pytest-randomly": ["--randomly-seed=11"],
    "by module": ["-p", "no:randomly", "--random-order-seed=11", "--random-order-bucket=module"],
    "all tests": ["-p", "no:randomly", "--random-order-seed=11", "--random-order-bucket=global"],
    "none": ["-p", "no:randomly"],
}


def module_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def plain_order(case: Case, options: list[str]) -> list[str]:
    (case.project / "log").unlink(missing_ok=True)
    done = case.plain(*options)
    assert done.code == 0, done
    return Log(case).nodeids()


@pytest.mark.parametrize("name", SHUFFLES)
def test_the_order_of(case: Case, name: str) -> None:
    options = SHUFFLES[name]
    case.use_environment(random_order_environment())
    suite(case, {f"test_{i}.py": TESTS for i in range(5)})
    order = plain_order(case, options)
    if name != "none":
        assert order != sorted(order)
    place = {nodeid: number for number, nodeid in enumerate(order)}

    _, log = run(case, "-n", "1", *options)
    assert log.nodeids() == order                           # all of it

    _, log = run(case, "-n", "3", *options)
    for i in range(5):                                      # a module is one worker's, in the plugin's order
        own = log.order(f"test_{i}.py")
        assert own == [nodeid for nodeid in order if module_of(nodeid) == f"test_{i}.py"]
        assert log.setups(f"module test_{i}.py") == 1


def test_groups_of_one_length_begin_in_the_order_that_a_plugin_chose(case: Case) -> None:
    case.use_environment(random_order_environment())
    suite(case, {f"test_{i}.py": MEETING_TESTS for i in range(5)})
    options = SHUFFLES["by module"]
    wanted = [module for module, _ in groupby(plain_order(case, options), module_of)]
    _, log = run(case, "-n", "2", "-p", "no:cacheprovider", *options)      # without a history all five are equally long
    assert {module_of(nodeid) for nodeid in log.first_of_workers()} == set(wanted[:2])
