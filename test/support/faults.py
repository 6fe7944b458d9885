"""What has to be true after every fault, checked in one place.

    with Faults(case) as faults:
        faults.close_gate()
        running = case.start_pfast("run")
        …                              # something goes wrong

On the way in a green suite is run until it is warm, and what the daemon holds then is noted. Meanwhile a thread asks for the
status all the time. On the way out: no process of a run is left, the daemon is the one that it was, the next plain run has plain
pytest's outcomes and boots nothing unless a boot is due, and descriptors, sockets and files are what they were.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from daemon_client import Client
from harness import GRACE_S, TIMEOUT_S, Case, Finished, Running
from processes import alive, descriptors, wait_until

#: 50 ms are what is promised, and what the summary shows; a machine that builds something else meanwhile is allowed this.
SLOWEST_P99_S = 3.0
#: A status that takes so long will never come.
SILENCE_S = 20.0

#: Descriptors of the daemon for a generation: its channel, its output, its watch.
EACH_GENERATION = 3

SUITE = {
    "pytest.ini": "[pytest]\n",
    # Nothing of the gate lies below the project: listings there are inputs.
    "test_faults.py": """
        import os, pathlib, time
        import pytest

        HOME = pathlib.Path(__file__).parent.parent

        while (HOME / "hold-boot").exists():
            time.sleep(0.01)

        def gate(name):
            (HOME / "waiting").mkdir(exist_ok=True)
            (HOME / "waiting" / f"{name}.{os.getpid()}").touch()
            while (HOME / "closed").exists():
                time.sleep(0.01)

        @pytest.mark.parametrize("n", range(4))
        def test_quick(n):
            assert n >= 0

        def test_waits():
            gate("first")

        def test_also_waits():
            gate("second")

        def test_after():
            pass
    """,
}


class Prober(threading.Thread):
    """Asks for the status again and again, each time on a connection of its own."""

    def __init__(self, runtime: Path) -> None:
        super().__init__(daemon=True)
        self.times_s: list[float] = []
        #: Probes that found nobody, and one that found somebody silent.
        self.refused = 0
        self.silent = 0
        self._runtime = runtime
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.01):
            self._ask()

    def stop(self) -> None:
        self._over.set()
        self.join()

    def _ask(self) -> None:
        began = time.monotonic()
        try:
            name = next(self._runtime.glob("*.sock"))
            with Client(str(name)) as client:
                client.socket.settimeout(SILENCE_S)
                greeting = client.hello()
                # Without descriptors the daemon says that it is busy: an answer, too.
                if greeting is not None and greeting["type"] == "welcome":
                    client.status()
        except TimeoutError:
            self.silent += 1
        except (OSError, StopIteration, AssertionError):
            self.refused += 1
        else:
            self.times_s.append(time.monotonic() - began)


@dataclass
class Probed:
    """The status while one fault was there."""

    name: str
    times_s: list[float]
    refused: int

    def percentile(self, of_hundred: float) -> float:
        return percentile(self.times_s, of_hundred)


def percentile(times_s: list[float], of_hundred: float) -> float:
    return sorted(times_s)[min(len(times_s) - 1, int(len(times_s) * of_hundred / 100))]


#: Of this session, for the summary.
PROBED: list[Probed] = []


def summary() -> list[str]:
    """Status times of all faults of this session, and the worst of them."""
    probed = [one for one in PROBED if one.times_s]
    if not probed:
        return []
    every = [seconds for one in probed for seconds in one.times_s]
    figures = ", ".join(f"p{of_hundred:g} {percentile(every, of_hundred) * 1e3:.1f} ms" for of_hundred in (50, 99, 99.9))
    lines = [f"status during {len(probed)} faults: {len(every)} answers, {figures}, slowest {max(every) * 1e3:.0f} ms"]
    worst = sorted(probed, key=lambda one: one.percentile(99), reverse=True)[:5]
    lines += [f"  p99 {one.percentile(99) * 1e3:6.1f} ms of {len(one.times_s):4}: {one.name}" for one in worst]
    return lines


@dataclass
class Level:
    """What is there while nothing runs."""

    daemon: int = 0
    descriptors: int = 0
    #: Ids of generations, oldest first, and the process of the newest.
    generations: list[int] = field(default_factory=list)
    forkserver: int = 0
    runtime: set[str] = field(default_factory=set)
    temporary: set[str] = field(default_factory=set)


class Faults:
    """*daemon_dies*: the fault ends the daemon. *boots*: the next run after it has to collect anew. *probed*: ask for the status."""

    def __init__(
        self,
        case: Case,
        *arguments: str,
        suite: dict[str, str] | None = None,
        daemon_dies: bool = False,
        boots: bool = False,
        workers: int = 2,
        probed: bool = True,
    ) -> None:
        self._began_waiting = 0.0
        self.case = case
        self.daemon_dies = daemon_dies
        self.boots = boots or daemon_dies
        self.arguments = ["-n", str(workers), *arguments]
        self._name = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition("/")[2].removesuffix(" (call)")
        self._probed = probed
        self._suite = SUITE if suite is None else suite
        self.before = Level()
        self.expected = Finished([], 0, "", "")
        self.prober = Prober(case.runtime)

    # -- in and out ------------------------------------------------------------------------------------------------

    def __enter__(self) -> Faults:
        self.case.write(self._suite)
        self.expected = self.case.plain(*self.arguments[2:])
        assert self.expected.code == 0, self.expected
        for _ in range(2):  # the second one begins to watch files
            self.run_is_right()
        self.case.assert_runs_are_over()
        self.before = self.level()
        if self._probed:
            self.prober.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.open_gate()
        try:
            if kind is None:
                self.check()
        finally:
            if self.prober.is_alive():
                self.prober.stop()

    def check(self) -> None:
        if self.daemon_dies:
            assert wait_until(lambda: not alive(self.before.daemon), 30), "the daemon is still there"
        else:
            self.case.assert_runs_are_over()
            assert self.case.daemon_pid() == self.before.daemon
        if self.boots:
            self.run_is_right()
        warm = self.level()
        self.run_is_right()
        if self._probed:
            self.prober.stop()
            self._check_status()
        self.case.assert_runs_are_over()
        after = self.level()
        assert after.generations == warm.generations, f"a warm run booted: {warm.generations} became {after.generations}"
        if not self.boots:
            # One that shows a broken edit may have come beside it.
            assert set(self.before.generations) <= set(after.generations), f"a boot that was not due: {self.before} became {after}"
        if not self.daemon_dies:
            assert after.daemon == self.before.daemon
            held = self.before.descriptors + EACH_GENERATION * (len(after.generations) - len(self.before.generations))
            fewer = wait_until(lambda: self.level().descriptors <= held, 5)
            assert fewer, f"{held} descriptors became {self.level().descriptors}: {names_of(after.daemon)}"
        assert after.runtime == self.before.runtime
        assert after.temporary <= self.before.temporary, after.temporary

    def _check_status(self) -> None:
        prober = self.prober
        PROBED.append(Probed(self._name, prober.times_s, prober.refused))
        assert not prober.silent, f"{prober.silent} times no status for {SILENCE_S:.0f} s"
        assert prober.times_s, "the status was never answered"
        assert percentile(prober.times_s, 99) < SLOWEST_P99_S, PROBED[-1].percentile(99)

    # -- meanwhile -------------------------------------------------------------------------------------------------

    def run_is_right(self) -> Finished:
        done = self.case.run(*self.arguments)
        self.case.assert_same(self.expected, done)
        return done

    def level(self) -> Level:
        status = self.case.status()
        assert status is not None, "there is no daemon"
        pid = int(status["daemon"]["pid"])
        live = [one for one in status["generations"] if one["state"] in ("ready", "stale")]
        newest = max(live, key=lambda one: int(one["id"]), default={"id": 0, "pid": 0})
        return Level(
            pid,
            # Each checkpoint is held by one, and how many there are depends on what was edited.
            descriptors(pid) - len({one["pid"] for generation in status["generations"] for one in generation["checkpoints"]}),
            sorted(int(one["id"]) for one in live),
            int(newest["pid"]),
            {path.name for path in self.case.runtime.iterdir()},
            {path.name for path in (self.case.home / "t").iterdir() if not path.name.startswith("pytest-of-")},
        )

    def close_gate(self) -> None:
        for path in (self.case.home / "waiting").glob("*"):
            path.unlink()
        (self.case.home / "closed").touch()

    def open_gate(self) -> None:
        # What changes while a run goes on is looked for in runs that take longer than 100 ms.
        wait_until(lambda: time.monotonic() - self._began_waiting > 0.3, 1)
        (self.case.home / "closed").unlink(missing_ok=True)
        (self.case.home / "hold-boot").unlink(missing_ok=True)

    def waiting(self) -> list[int]:
        """Processes that wait at the gate."""
        return [int(path.name.rpartition(".")[2]) for path in (self.case.home / "waiting").glob("*.*")]

    def start_waiting(self, *options: str, **more: Any) -> Running:
        """A run that waits at the gate."""
        self.close_gate()
        self._began_waiting = time.monotonic()
        running = self.case.start_pfast("run", *self.arguments, *options, **more)
        assert wait_until(self.waiting, 60), running.finish(1)
        return running

    def not_green(self, done: Finished) -> None:
        """No green, and nothing that is untrue."""
        assert done.code != 0, done
        self.true_as_far_as_told(done)

    def true_as_far_as_told(self, done: Finished) -> None:
        wrong = {key: value for key, value in done.outcomes.items() if value == "passed" and self.expected.outcomes.get(key) != value}
        assert not wrong, f"{wrong}\n{done}"
        if done.code == 0:
            assert done.outcomes == self.expected.outcomes, done

    def everyone_is_gone(self) -> None:
        """After the daemon's death."""
        gone = wait_until(lambda: not self.case.processes(), GRACE_S)
        assert gone, "left by a dead daemon:\n" + "\n".join(map(str, self.case.processes()))

    def wait_for_status(self, condition: Any, seconds: float = TIMEOUT_S) -> None:
        """Until *condition* holds of the status."""
        def holds() -> bool:
            status = self.case.status()
            return status is not None and bool(condition(status))

        assert wait_until(holds, seconds), self.case.status()


def names_of(pid: int) -> list[str]:
    folder = Path(f"/proc/{pid}/fd")
    return sorted(str(path.readlink()) for path in folder.iterdir() if path.is_symlink())
