#!/usr/bin/env python3
"""How busy a plan keeps the workers: suites of sleeping tests, so that processors do not matter.

python3 test/bench/bench_distribution.py --pfast build/frontends/cli/pfast --python VENV

modules   6 modules of 20 tests with a module fixture, 4 workers: no worker has less than two modules to run
long      24 equal modules and a long one among them that history knows, 2 workers

Figures are --detailed's. busy: wall time of the tests' protocols, pytest's own part included; best: the shortest wall time that the
modules as a whole allow, for what they took in that run; efficiency: busy / (workers x wall).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

MODULE = """
import os, time
import pytest

@pytest.fixture(scope="module", autouse=True)
def shared():
    with open(os.environ["BENCH_LOG"], "a") as log:
        log.write("set up\\n")
    time.sleep({setup})

{tests}
"""


@dataclass
class Scenario:
    name: str
    modules: list[float]  # seconds of each test in it
    tests: int
    setup: float
    workers: int
    share: float  # of all busy time, that the worker with the most to do has at the least

    def write(self, folder: Path) -> None:
        (folder / "pytest.ini").write_text("[pytest]\n")
        for number, each in enumerate(self.modules):
            tests = "\n\n".join(f"def test_{i}():\n    time.sleep({each})" for i in range(self.tests))
            (folder / f"test_m{number:02}.py").write_text(MODULE.format(setup=self.setup, tests=tests))


@dataclass
class Measured:
    wall_s: float
    busy_s: float
    setups: int


def scenarios() -> list[Scenario]:
    return [
        Scenario("modules", [0.02] * 6, 20, 0.4, 4, 2 / 6),
        Scenario("long", [0.2 if number == 17 else 0.02 for number in range(25)], 20, 0.1, 2, 1 / 2),
    ]


def run_once(pfast: Path, python: Path, scenario: Scenario, folder: Path, dist: str) -> Measured:
    log, events = folder / "log", folder / "events"
    log.unlink(missing_ok=True)
    command = [pfast, "run", "--python", python, "-n", str(scenario.workers), "--dist", dist, "--events", events, "-q", "--detailed"]
    env = {**os.environ, "PFAST_RUNTIME_DIR": str(folder / "run"), "BENCH_LOG": str(log)}
    done = subprocess.run([str(part) for part in command], cwd=folder / "suite", env=env, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{command}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
    told = [json.loads(line) for line in events.read_text().splitlines()]
    measured = next(event for event in told if event["type"] == "measured")
    busy = sum(life["busy_s"] for life in measured["lives"])
    return Measured(measured["wall_s"], busy, len(log.read_text().splitlines()))


def measure(pfast: Path, python: Path, scenario: Scenario, rounds: int, dist: str) -> None:
    folder = Path(tempfile.mkdtemp(prefix="pfb-", dir="/tmp"))
    try:
        (folder / "suite").mkdir()
        (folder / "run").mkdir(mode=0o700)
        scenario.write(folder / "suite")
        first = run_once(pfast, python, scenario, folder, dist)
        later = [run_once(pfast, python, scenario, folder, dist) for _ in range(rounds)]
        rows = [("first run", first)]
        wall = statistics.median(one.wall_s for one in later)
        rows.append((f"median of {rounds} more", min(later, key=lambda one: abs(one.wall_s - wall))))
        for title, one in rows:
            efficiency = one.busy_s / (scenario.workers * one.wall_s)
            best = one.busy_s * scenario.share
            print(
                f"{scenario.name:8} --dist {dist:9} {title:18} wall {one.wall_s:6.2f} s   best {best:5.2f} s   "
                f"{one.wall_s / best - 1:+6.1%}   efficiency {efficiency:6.1%}   module set-ups {one.setups}"
            )
    finally:
        env = {**os.environ, "PFAST_RUNTIME_DIR": str(folder / "run")}
        subprocess.run([pfast, "stop", "--python", python], cwd=folder / "suite", env=env, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pfast", type=Path, required=True)
    parser.add_argument("--python", type=Path, required=True, help="interpreter or virtual environment with pytest")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dist", default="auto")
    parser.add_argument("--only", help="one of the scenarios")
    arguments = parser.parse_args(argv)
    for scenario in scenarios():
        if arguments.only in (None, scenario.name):
            measure(arguments.pfast.absolute(), arguments.python.absolute(), scenario, arguments.rounds, arguments.dist)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
