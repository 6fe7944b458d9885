"""The clock of the wall jumps, and files have odd times: no stale answer, no time limit that was not reached."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from faults import Faults
from faulty_libc import FaultyLibc
from harness import Case

YEAR_S = 365 * 86400.0
JUMPS = {"a year ahead": YEAR_S, "a year back": -YEAR_S, "an hour back": -3600.0}


def add(path: Path, line: str) -> None:
    path.write_text(path.read_text() + line)


@pytest.mark.parametrize("jump", JUMPS)
def test_the_clock_jumps_in_mid_run(case: Case, jump: str) -> None:
    libc = FaultyLibc(case)
    with Faults(case) as faults:
        running = faults.start_waiting("--timeout", "60")
        libc.shift_clock(JUMPS[jump])
        faults.wait_for_status(lambda status: any(0 <= worker["for_s"] < 60 for run in status["runs"] for worker in run["workers"]))
        faults.open_gate()
        case.assert_same(faults.expected, running.finish(60))
        faults.run_is_right()
        libc.shift_clock(0)


@pytest.mark.parametrize("jump", JUMPS)
def test_edits_while_the_clock_is_wrong(case: Case, jump: str) -> None:
    libc = FaultyLibc(case)
    file = case.project / "test_faults.py"
    with Faults(case, boots=True) as faults:
        for shift in (JUMPS[jump], 0.0):
            libc.shift_clock(shift)
            add(file, f"\ndef test_of_{int(shift) % 10}{len(file.read_text())}(): assert 0\n")
            case.same(*faults.arguments[2:], options=["-n", "1"])
        faults.expected = case.plain()


@pytest.mark.parametrize("when", [0, 1, 2**31 - 1, 2**33, time.time() + YEAR_S], ids=["zero", "one", "2038", "2242", "next year"])
def test_files_with_odd_times(case: Case, when: float) -> None:
    """A time that is set is no edit; an edit that keeps the time is one."""
    file = case.project / "test_faults.py"
    with Faults(case, boots=True) as faults:
        os.utime(file, (when, when))
        faults.run_is_right()
        for number in range(2):
            add(file, f"\ndef test_more_{number}(): assert {number}\n")
            os.utime(file, (when, when))
            case.same()
        faults.expected = case.plain()


def test_two_edits_in_one_tick(case: Case) -> None:
    """Of one size, with one time: the second one while the first one is being looked at, or right after."""
    file = case.project / "test_tick.py"
    with Faults(case, boots=True) as faults:
        for _ in range(3):
            file.write_text("def test_tick(): assert 1\n")
            running = case.start_pfast("run", "-n", "1", "test_tick.py")
            file.write_text("def test_tick(): assert 0\n")
            when = file.stat().st_mtime_ns
            assert running.finish().code in (0, 1)
            assert case.run("-n", "1", "test_tick.py").outcomes == {"test_tick.py::test_tick": "failed"}
            file.write_text("def test_tick(): assert 1\n")
            os.utime(file, ns=(when, when))
            assert case.run("-n", "1", "test_tick.py").outcomes == {"test_tick.py::test_tick": "passed"}
        file.unlink()
        faults.run_is_right()
