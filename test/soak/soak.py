#!/usr/bin/env python3
"""Many short runs with random faults: every verdict is right, and the daemon's descriptors, memory and processes stay flat.

    python3 test/soak/soak.py --pfast build/frontends/cli/pfast --runs 10000 --seed 1

A run of the small suite has a verdict that is known beforehand. Before or during it one thing goes wrong: a file is edited,
broken or touched; the daemon, a forkserver, a worker or the client is killed or stopped; the client is interrupted; somebody
talks nonsense to the socket; the socket or the runtime directory's note is removed. Ends with "N passed, N failed".
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

TEST = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TEST / "support"))

from faults import EACH_GENERATION  # noqa: E402
from processes import alive, descriptors, wait_until  # noqa: E402

#: A run is given this long; one that takes longer hangs.
PATIENCE_S = 60.0
#: Growth of the daemon's memory that counts as a leak.
MOST_GROWTH_BYTES = 2 << 20
#: Descriptors that come and go: a spare child's, a connection that is just being closed.
FEW = 2
LOOK_EVERY = 50


def suite(value: int, broken: bool) -> dict[str, str]:
    return {
        "pytest.ini": "[pytest]\n",
        "test_edited.py": "def (:\n" if broken else f"def test_edited():\n    assert {value} % 2 == 0\n",
        "test_steady.py": """
            import os, time
            import pytest

            @pytest.mark.parametrize("n", range(4))
            def test_steady(n):
                time.sleep(float(os.environ.get("PAUSE", "0")))
                assert n != 3
        """,
    }


@dataclass
class Soak:
    case: object
    random: random.Random
    value: int = 0
    broken: bool = False
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    # -- what is expected ------------------------------------------------------------------------------------------

    def expected(self) -> tuple[int, dict[str, str]]:
        if self.broken:
            return 2, {}
        outcomes = {f"test_steady.py::test_steady[{n}]": "failed" if n == 3 else "passed" for n in range(4)}
        outcomes["test_edited.py::test_edited"] = "failed" if self.value % 2 else "passed"
        return 1, outcomes

    def note(self, text: str) -> None:
        self.wrong.append(text)
        print(f"\nWRONG at run {sum(self.done.values())}: {text}\n", flush=True)

    def write(self) -> None:
        self.case.write(suite(self.value, self.broken))

    def judge(self, what: str, done: object, exact: bool) -> None:
        """Right, or (where a run may be lost with what was killed) no green and nothing untrue."""
        code, outcomes = self.expected()
        right = (done.code, done.outcomes) == (code, outcomes)
        if not exact and not right:
            untrue = {
                key: value for key, value in done.outcomes.items() if outcomes.get(key) != value and value in ("passed", "skipped")
            }
            right = done.code != 0 and not untrue
        if not right:
            self.note(f"{what}: expected {code} {outcomes}\n{done}\n{done.outcomes}")

    # -- the runs --------------------------------------------------------------------------------------------------

    def arguments(self) -> list[str]:
        return ["run", "-n", self.random.choice(["1", "2"]), *self.random.choice([[], ["-q"], ["--reporter", "pytest"]])]

    def plain_run(self) -> None:
        self.judge("a run", self.case.start_pfast(*self.arguments()).finish(PATIENCE_S), exact=True)

    def disturbed_run(self, what: str, disturb: Callable[[object], None]) -> None:
        running = self.case.start_pfast(*self.arguments(), env={"PAUSE": "0.05"})
        time.sleep(self.random.random() * 0.3)
        disturb(running)
        self.judge(what, running.finish(PATIENCE_S), exact=False)

    def edit(self) -> None:
        self.value += 1
        self.broken = self.random.random() < 0.2
        self.write()
        self.plain_run()

    def touch(self) -> None:
        os.utime(self.case.project / "test_steady.py")
        self.plain_run()

    def kill_daemon(self) -> None:
        self.disturbed_run("the daemon is killed", lambda _: self.kill(self.daemon()))

    def kill_forkserver(self) -> None:
        self.disturbed_run("a forkserver is killed", lambda _: self.kill(self.generation()))

    def stop_forkserver(self) -> None:
        self.disturbed_run("a forkserver is stopped", lambda _: self.kill(self.generation(), signal.SIGSTOP))

    def kill_worker(self) -> None:
        self.disturbed_run("a worker is killed", lambda _: self.kill(self.worker()))

    def stop_worker(self) -> None:
        self.disturbed_run("a worker is stopped", lambda _: self.kill(self.worker(), signal.SIGSTOP))

    def kill_client(self) -> None:
        self.disturbed_run("the client is killed", lambda running: running.process.kill())

    def interrupt(self) -> None:
        self.disturbed_run("the client is interrupted", lambda running: running.process.send_signal(signal.SIGINT))

    def nonsense(self) -> None:
        for name in list(self.case.runtime.glob("*.sock")):
            with socket.socket(socket.AF_UNIX) as client:
                try:
                    client.connect(str(name))
                    client.sendall(self.random.randbytes(self.random.choice([1, 3, 4, 100, 70000])))
                except OSError:
                    pass
        self.plain_run()

    def remove_socket(self) -> None:
        for name in list(self.case.runtime.glob("*.sock")):
            name.unlink()
        self.plain_run()

    def clients_at_once(self) -> None:
        running = [self.case.start_pfast(*self.arguments()) for _ in range(3)]
        for one in running:
            self.judge("one of three clients", one.finish(PATIENCE_S), exact=True)

    # -- whom it hits ----------------------------------------------------------------------------------------------

    def status(self) -> dict:
        try:
            return self.case.status() or {}
        except AssertionError:
            return {}

    def daemon(self) -> int:
        return int(self.status().get("daemon", {}).get("pid", 0))

    def live_generations(self) -> int:
        return sum(1 for one in self.status().get("generations", []) if one["pid"])

    def generation(self) -> int:
        generations = self.status().get("generations", [])
        return int(self.random.choice(generations)["pid"]) if generations else 0

    def worker(self) -> int:
        workers = [int(worker["pid"]) for run in self.status().get("runs", []) for worker in run["workers"]]
        return self.random.choice(workers) if workers else 0

    @staticmethod
    def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        if pid > 1:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    # -- the whole -------------------------------------------------------------------------------------------------

    FAULTS = {
        "plain_run": 30, "edit": 10, "touch": 4, "kill_daemon": 3, "kill_forkserver": 4, "stop_forkserver": 1, "kill_worker": 8,
        "stop_worker": 1, "kill_client": 8, "interrupt": 8, "nonsense": 8, "remove_socket": 3, "clients_at_once": 6,
    }

    def run(self, runs: int) -> None:
        self.write()
        self.plain_run()
        level = Level(self)
        for number in range(1, runs + 1):
            name = self.random.choices(list(self.FAULTS), list(self.FAULTS.values()))[0]
            self.done[name] += 1
            getattr(self, name)()
            if number % LOOK_EVERY == 0:
                level.look(number)


class Level:
    """What a daemon holds when nothing runs; another daemon begins at its own level."""

    def __init__(self, soak: Soak) -> None:
        self._soak = soak
        self._daemon = 0
        self._first: tuple[int, int] = (0, 0)

    def _held(self, pid: int) -> int:
        """Descriptors of the daemon, those of its generations left out: how many are warm depends on what was edited last."""
        return descriptors(pid) - EACH_GENERATION * self._soak.live_generations()

    def look(self, number: int) -> None:
        soak = self._soak
        soak.plain_run()
        if not wait_until(lambda: not soak.case.run_processes(), 10):
            soak.note(f"after {number} runs processes are left:\n" + "\n".join(map(str, soak.case.run_processes())))
        pid = soak.daemon()
        if pid == self._daemon:
            wait_until(lambda: self._held(pid) <= self._first[0] + FEW, 10)
        held = self._held(pid), resident_bytes(pid)
        print(f"{number} runs: daemon {pid}, {held[0]} descriptors without those of generations, {held[1] >> 10} KiB, {len(soak.wrong)} wrong", flush=True)
        if pid != self._daemon:
            self._daemon, self._first = pid, held
            return
        if held[0] > self._first[0] + FEW:
            soak.note(f"the daemon's descriptors grew from {self._first[0]} to {held[0]}")
        if held[1] > self._first[1] + MOST_GROWTH_BYTES:
            soak.note(f"the daemon's memory grew from {self._first[1]} to {held[1]} bytes")


def resident_bytes(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pfast", type=Path)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.pfast:
        os.environ["PFAST_TEST_EXECUTABLE"] = str(arguments.pfast.absolute())
    from harness import Case

    case = Case()
    soak = Soak(case, random.Random(arguments.seed))
    started = time.monotonic()
    try:
        soak.run(arguments.runs)
    finally:
        for process in case.processes():  # what a fault stopped
            if alive(process.pid):
                soak.kill(process.pid, signal.SIGCONT)
        try:
            case.close()
        except AssertionError as error:
            soak.note(f"at the end: {error}")
    print(f"\n{sum(soak.done.values())} runs in {time.monotonic() - started:.0f} s, seed {arguments.seed}: {dict(soak.done)}")
    print(f"{arguments.runs - len(soak.wrong)} passed, {len(soak.wrong)} failed")
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
