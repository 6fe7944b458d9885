"""The daemon or a forkserver is killed or stopped: everything below ends, the client is told, the next run is right."""

from __future__ import annotations

import os
import signal

import pytest
from faults import Faults
from faulty_libc import FaultyLibc
from harness import Case
from processes import alive, wait_until


def test_the_daemon_is_killed_while_idle(case: Case) -> None:
    with Faults(case, daemon_dies=True) as faults:
        os.kill(faults.before.daemon, signal.SIGKILL)
        faults.everyone_is_gone()


def test_the_daemon_is_killed_during_a_boot(case: Case) -> None:
    with Faults(case, daemon_dies=True) as faults:
        (case.home / "hold-boot").touch()
        running = case.start_pfast("run", *faults.arguments)
        faults.wait_for_status(lambda status: any(one["state"] == "booting" for one in status["generations"]))
        os.kill(faults.before.daemon, signal.SIGKILL)
        done = running.finish(30)
        assert done.code == 78 and "the daemon was lost" in done.err, done
        faults.everyone_is_gone()


def test_the_daemon_is_killed_in_mid_run(case: Case) -> None:
    with Faults(case, daemon_dies=True) as faults:
        running = faults.start_waiting()
        os.kill(faults.before.daemon, signal.SIGKILL)
        done = running.finish(30)
        assert done.code == 78 and "the daemon was lost" in done.err, done
        faults.not_green(done)
        faults.everyone_is_gone()


@pytest.mark.parametrize("function", ["bind", "listen", "renameat"])
def test_the_daemon_is_killed_before_its_socket_has_its_name(case: Case, function: str) -> None:
    libc = FaultyLibc(case)
    with Faults(case, daemon_dies=True) as faults:
        assert case.stop().code == 0
        libc.fail("daemon", function, signal.SIGKILL)
        done = case.run(*faults.arguments)
        assert libc.heal() == 1
        assert done.code == 72 and "SIGKILL" in done.err, done
        faults.everyone_is_gone()
        assert not list(case.runtime.glob("*.sock"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_an_idle_forkserver_is_lost(case: Case, number: signal.Signals) -> None:
    with Faults(case, boots=True) as faults:
        os.kill(faults.before.forkserver, number)
        done = case.run("--verbose-plan", *faults.arguments)
        case.assert_same(faults.expected, done)
        assert "booted 0.0 ms" not in done.err, done
        assert not alive(faults.before.forkserver)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_forkserver_is_lost_in_mid_run(case: Case, number: signal.Signals) -> None:
    with Faults(case, boots=True) as faults:
        running = faults.start_waiting()
        os.kill(faults.before.forkserver, number)
        faults.open_gate()
        done = running.finish(60)
        assert done.code in (0, 3), done
        faults.true_as_far_as_told(done)


@pytest.mark.parametrize("workers", ["0", "1", "2"])
def test_a_forkserver_is_killed_during_a_request_to_fork(case: Case, workers: str) -> None:
    with Faults(case, boots=True) as faults:
        os.kill(faults.before.forkserver, signal.SIGSTOP)
        running = case.start_pfast("run", "-n", workers)
        faults.wait_for_status(lambda status: status["runs"])
        os.kill(faults.before.forkserver, signal.SIGKILL)
        case.assert_same(faults.expected, running.finish(60))


def test_every_generation_is_killed_while_runs_of_both_go_on(case: Case) -> None:
    with Faults(case, boots=True) as faults:
        first = faults.start_waiting()
        second = case.start_pfast("run", "-p", "no:doctest", "-n", "1", "-k", "quick")
        assert second.finish().code == 0
        for generation in (case.status() or {})["generations"]:
            os.kill(int(generation["pid"]), signal.SIGKILL)
        assert wait_until(lambda: not (case.status() or {})["generations"], 30)
        faults.open_gate()
        done = first.finish(60)
        assert done.code in (0, 3), done
        faults.true_as_far_as_told(done)
