"""A client is interrupted, killed, stopped or cut off: its run ends, and nobody else notices."""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Callable

import pytest
from faults import SUITE, Faults
from harness import Case, Finished
from processes import alive, wait_until
from terminal import Terminal

WAYS = {
    "-n 2": ["-n", "2"],
    "-n 0": ["-n", "0"],
    "pytest's reporter": ["-n", "2", "--reporter", "pytest"],
}


def beside(case: Case) -> Finished:
    """Another client's run, which has nothing to do with it."""
    done = case.run("-n", "1", "test_faults.py::test_quick")
    assert done.code == 0 and len(done.outcomes) == 4, done
    return done


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_client_is_told_to_leave(case: Case, number: signal.Signals, way: str) -> None:
    with Faults(case) as faults:
        running = faults.start_waiting(*WAYS[way])
        beside(case)
        workers = faults.waiting()
        running.process.send_signal(number)
        running.process.wait(30)
        assert wait_until(lambda: not any(alive(pid) for pid in workers), 10)
        faults.wait_for_status(lambda status: not status["runs"])
        beside(case)
        if number == signal.SIGINT:
            assert running.process.returncode == 2
        elif number == signal.SIGKILL:
            assert running.process.returncode == -signal.SIGKILL
        else:
            assert running.process.returncode == 128 + number


@pytest.mark.parametrize("options", [["-n", "2"], ["-n", "0", "-s"]], ids=" ".join)
def test_a_terminal_is_closed(case: Case, terminal: Callable[..., Terminal], options: list[str]) -> None:
    with Faults(case) as faults:
        faults.close_gate()
        shown = terminal("run", *options)
        assert wait_until(faults.waiting, 60), shown.shown
        workers = faults.waiting()
        shown.hang_up()
        assert wait_until(lambda: shown.process.poll() is not None, 10)
        assert wait_until(lambda: not any(alive(pid) for pid in workers), 10)


def test_a_stopped_client_is_waited_for(case: Case) -> None:
    """The run ends without it; what it gets when it goes on is whole."""
    with Faults(case) as faults:
        running = faults.start_waiting()
        running.process.send_signal(signal.SIGSTOP)
        beside(case)
        faults.open_gate()
        faults.wait_for_status(lambda status: not status["runs"])
        beside(case)
        running.process.send_signal(signal.SIGCONT)
        case.assert_same(faults.expected, running.finish(30))


def test_a_client_is_interrupted_before_its_run_has_begun(case: Case) -> None:
    with Faults(case, boots=True) as faults:
        (case.home / "hold-boot").touch()
        running = case.start_pfast("run", *faults.arguments)
        faults.wait_for_status(lambda status: any(one["state"] == "booting" for one in status["generations"]))
        running.process.send_signal(signal.SIGINT)
        assert running.finish(30).code == 2
        faults.open_gate()
        faults.wait_for_status(lambda status: all(one["state"] != "booting" for one in status["generations"]))
        # Its boot goes on: what the next run finds is warm.
        assert "booted 0.0 ms" in case.run("--verbose-plan", *faults.arguments).err


NOISY = {
    **SUITE,
    "test_noisy.py": """
        import os

        def test_noise():
            if "NOISE" in os.environ:
                for _ in range(2000):
                    print("x" * 1000)
    """,
}


NATIVE = ["-n", "2", "-rA"]


@pytest.mark.parametrize("options", [["-n", "0", "-s"], ["-n", "2", "--reporter", "pytest", "-rA"], NATIVE], ids=" ".join)
def test_a_reader_of_the_output_is_not_there_and_then_gone(case: Case, options: list[str]) -> None:
    """`pfast run | less`, whose reader reads nothing and then quits."""
    with Faults(case, suite=NOISY) as faults:
        mine, theirs = socket.socketpair()
        with mine, theirs:
            running = case.start_pfast("run", *options, "test_noisy.py", env={"NOISE": "1"}, stdout=theirs.fileno())
        done = running.finish(30)
        # The native reporter's verdict stands though nobody reads it; pytest's own reporter fails, as in plain pytest.
        told = done.outcomes == {"test_noisy.py::test_noise": "passed"}
        assert done.code != 0 or (told and options == NATIVE), done
        beside(case)

    # And with somebody who holds on to it.
    mine, theirs = socket.socketpair()
    with mine, theirs, Faults(case, suite=NOISY) as faults:
        running = case.start_pfast("run", *options, "test_noisy.py", env={"NOISE": "1"}, stdout=theirs.fileno())
        assert wait_until(lambda: select.select([mine], [], [], 0)[0], 30)
        beside(case)
        os.kill(running.process.pid, signal.SIGINT)
        beside(case)
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait(30)


OTHERS = {
    "environment": ([], {"TZ": "Asia/Tokyo"}),
    "an option that acts on imports": (["--import-mode", "importlib"], {}),
    "interpreter flags": ([], {"PYTHONOPTIMIZE": "1"}),
}


@pytest.mark.parametrize("what", OTHERS)
def test_two_clients_that_need_two_generations(case: Case, what: str) -> None:
    options, env = OTHERS[what]
    with Faults(case, boots=True) as faults:
        case.assert_same(faults.expected, case.run(*faults.arguments, *options, env=env))
        both = faults.level().generations
        assert len(both) == 2
        for _ in range(3):
            clients = [case.start_pfast("run", "-n", "1"), case.start_pfast("run", "-n", "1", *options, env=env)]
            for client in clients:
                case.assert_same(faults.expected, client.finish())
            assert faults.level().generations == both
