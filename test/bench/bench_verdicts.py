#!/usr/bin/env python3
"""How long after a fault its client has the verdict: at most 2 s after it could be known.

    python test/bench/bench_verdicts.py --pfast build/frontends/cli/pfast [--rounds 10]

Each run waits at a gate. At the moment of the fault the gate is opened, so that all that is left to do takes milliseconds; the
time is that from the fault to the end of the client's process.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "test" / "support"))

from faults import SUITE  # noqa: E402
from harness import Case, Running  # noqa: E402
from processes import wait_until  # noqa: E402

MOST_S = 2.0

RUDE = {
    "os._exit(3)": "import os\ndef test_rude(gate):\n    gate()\n    os._exit(3)\n",
    "a segmentation fault": "import ctypes\ndef test_rude(gate):\n    gate()\n    ctypes.string_at(0)\n",
    "abort()": "import os\ndef test_rude(gate):\n    gate()\n    os.abort()\n",
    "killpg(0)": "import os, signal\ndef test_rude(gate):\n    gate()\n    os.killpg(0, signal.SIGKILL)\n",
    "it kills its parent": "import os, signal\ndef test_rude(gate):\n    gate()\n    os.kill(os.getppid(), signal.SIGKILL)\n",
}
CONFTEST = """
import pathlib, time, pytest, os
HOME = pathlib.Path(__file__).parent.parent

@pytest.fixture
def gate():
    def wait():
        (HOME / "waiting").mkdir(exist_ok=True)
        (HOME / "waiting" / f"rude.{os.getpid()}").touch()
        while (HOME / "closed").exists():
            time.sleep(0.001)
    return wait
"""


class Stage:
    """A project with a gate, and a daemon that is warm."""

    def __init__(self) -> None:
        self.case = Case()
        self.case.write({**SUITE, "conftest.py": CONFTEST})
        assert self.case.run("-n", "2").code == 0

    def generation(self) -> int:
        return int((self.case.status() or {})["generations"][-1]["pid"])

    def daemon(self) -> int:
        return int((self.case.status() or {})["daemon"]["pid"])

    def waiting(self) -> list[int]:
        return [int(path.name.rpartition(".")[2]) for path in (self.case.home / "waiting").glob("*.*")]

    def start(self, *arguments: str) -> Running:
        for path in (self.case.home / "waiting").glob("*"):
            path.unlink()
        (self.case.home / "closed").touch()
        running = self.case.start_pfast("run", *arguments)
        assert wait_until(lambda: len(self.waiting()) >= 1, 60), running.finish(1)
        return running

    def time(self, cause: Callable[[], None], *arguments: str) -> tuple[float, int]:
        running = self.start(*(arguments or ("-n", "2")))
        began = time.perf_counter()
        cause()
        (self.case.home / "closed").unlink()
        code = running.process.wait(60)
        return time.perf_counter() - began, code


def nothing() -> None:
    pass


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pfast", type=Path, default=ROOT / "build" / "frontends" / "cli" / "pfast")
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    os.environ["PFAST_TEST_EXECUTABLE"] = str(arguments.pfast.resolve())
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
        os.environ.pop(name, None)
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; milliseconds from the fault to the end of the client")
    print(f"{'fault':<44}{'rounds':>8}{'median':>9}{'most':>9}  exit codes")
    stage = Stage()
    good = True

    def report(name: str, once: Callable[[], tuple[float, int]]) -> None:
        nonlocal good
        measured = [once() for _ in range(arguments.rounds)]
        times = [seconds for seconds, _ in measured]
        codes = sorted({code for _, code in measured})
        print(f"{name:<44}{len(times):>8}{statistics.median(times) * 1e3:>9.1f}{max(times) * 1e3:>9.1f}  {codes}", flush=True)
        good &= max(times) < MOST_S

    def client(number: int) -> tuple[float, int]:
        running = stage.start("-n", "2")
        began = time.perf_counter()
        running.process.send_signal(number)
        code = running.process.wait(60)
        seconds = time.perf_counter() - began
        (stage.case.home / "closed").unlink()
        wait_until(lambda: not (stage.case.status() or {"runs": []})["runs"], 30)
        return seconds, code

    def warmed(cause: Callable[[], None]) -> Callable[[], tuple[float, int]]:
        def once() -> tuple[float, int]:
            stage.case.run("-n", "2")
            return stage.time(cause)

        return once

    try:
        report("none", lambda: stage.time(nothing))
        report("SIGKILL to a worker", lambda: stage.time(lambda: os.kill(stage.waiting()[0], signal.SIGKILL)))
        report("SIGKILL to all workers", lambda: stage.time(lambda: [os.kill(pid, signal.SIGKILL) for pid in stage.waiting()] and None))
        report("SIGKILL to the controller, -n 0", lambda: stage.time(lambda: os.kill(stage.waiting()[0], signal.SIGKILL), "-n", "0"))
        report("SIGKILL to the forkserver", warmed(lambda: os.kill(stage.generation(), signal.SIGKILL)))
        report("SIGKILL to the daemon", warmed(lambda: os.kill(stage.daemon(), signal.SIGKILL)))
        stage.case.run("-n", "2")
        report("Ctrl-C", lambda: client(signal.SIGINT))
        report("SIGTERM to the client", lambda: client(signal.SIGTERM))
        for name, source in RUDE.items():
            stage.case.write({"test_rude.py": source})
            stage.case.run("-n", "1", "--collect-only", "-q")
            report(f"a test: {name}", lambda: stage.time(nothing, "-n", "2", "test_rude.py", "test_faults.py::test_quick"))
        stage.case.pfast("stop", "--now")
    finally:
        (stage.case.home / "closed").unlink(missing_ok=True)
        stage.case.close()
    print("every verdict is there within 2 s" if good else "a verdict took more than 2 s")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
