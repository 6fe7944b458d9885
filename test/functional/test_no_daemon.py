"""`--no-daemon` gives the same results and leaves nothing behind."""

from __future__ import annotations

import pytest
from harness import GRACE_S, Case
from processes import wait_until
from suites_of_tests import ENDS_BADLY, SMALL, ZOO


@pytest.mark.parametrize("workers", ["0", "1", "2"])
def test_outcomes_without_a_daemon(case: Case, workers: str) -> None:
    case.write(ZOO)
    case.same(options=["--no-daemon", "-n", workers])
    assert wait_until(lambda: not case.processes(), GRACE_S), "\n".join(map(str, case.processes()))
    assert case.pfast("status", "--json").code == 71


@pytest.mark.parametrize("name", ENDS_BADLY)
def test_bad_ends_without_a_daemon(case: Case, name: str) -> None:
    case.write({**SMALL, **ENDS_BADLY[name]})
    case.same(options=["--no-daemon"])
    assert wait_until(lambda: not case.processes(), GRACE_S)


def test_a_daemon_that_is_there_is_left_alone(case: Case) -> None:
    case.write(SMALL)
    case.run()
    daemon = case.daemon_pid()
    case.same(options=["--no-daemon"])
    assert case.daemon_pid() == daemon


def test_the_runtime_directory_stays_clean(case: Case) -> None:
    case.write(SMALL)
    before = sorted(path.name for path in case.runtime.rglob("*"))
    case.same(options=["--no-daemon"])
    assert sorted(path.name for path in case.runtime.rglob("*")) == before
