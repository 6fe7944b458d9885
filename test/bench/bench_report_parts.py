#!/usr/bin/env python3
"""What --events, --full-report and --junitxml cost a run of many trivial tests, process by process.

    python3 test/bench/bench_report_parts.py --tests 10000 --workers 2 --rounds 9

The whole run, which bench_reports.py times, varies by more than they cost. Here each part is measured where it varies least:

* client, daemon and controller: processor seconds of that process alone, with and without, paired as in bench_reports.py. They are a
  few hundredths of the run, and so is what a slow moment makes of them.
* workers: in one and the same worker of a further run every second test does without what the option asks for, and what the two halves
  took is compared (thread time from one test's beginning to the next one's, without the slowest tenth).

All figures are shares of the processor seconds of the run without the options, of all its processes; "sum" is their sum. "pfast" against
itself is the noise.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench_reports import Bench, options, with_interval  # noqa: E402

#: In the suite's folder. Of every process: its processor seconds, and a worker's time with and without.
CONFTEST = '''
import itertools, json, os, resource, time
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "parts"
ALTERNATES = FOLDER / "alternates"
SWITCHES = {"sends_reports": False, "_pickles_passed": False, "_told_shortly": False, "_junit": None}
spent = ([], [])
alternator = None


def alternate(runner):
    """A generator that goes on at every test's beginning."""
    as_asked = {name: getattr(runner, name) for name in SWITCHES}
    for count in itertools.count():
        mode = (count + count // 100) % 2  # a file's first test takes longer: it is not always the same half's
        for name, value in (as_asked if mode else SWITCHES).items():
            setattr(runner, name, value)
        began = time.thread_time_ns()
        yield
        spent[mode].append(time.thread_time_ns() - began)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    global alternator
    if alternator is None:
        runner = item.config.pluginmanager.get_plugin("pfast-run").runner
        alternator = alternate(runner) if ALTERNATES.exists() else itertools.repeat(None)
    next(alternator)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    usage = resource.getrusage(resource.RUSAGE_SELF)
    role = "worker" if hasattr(session.config, "workerinput") else "controller"
    fastest = [sorted(times)[: len(times) * 9 // 10] for times in spent]
    told = {"role": role, "seconds": usage.ru_utime + usage.ru_stime}
    if all(fastest):
        told["without"], told["with"] = (sum(times) / len(times) for times in fastest)
    (FOLDER / f"{os.getpid()}.json").write_text(json.dumps(told))
'''

PARTS = ("client", "daemon", "controller", "workers")


@dataclass
class Contender:
    name: str
    command: list[str]
    #: A figure a round, a share of the run's processor seconds.
    costs: dict[str, list[float]] = field(default_factory=lambda: {part: [] for part in PARTS})


class PartsBench(Bench):
    def __init__(self, arguments: argparse.Namespace, scratch: Path) -> None:
        super().__init__(arguments, scratch)
        self._parts = scratch / "parts"
        self._parts.mkdir()
        (self.project / "conftest.py").write_text(CONFTEST)

    def measured(self, command: list[str]) -> dict[str, float]:
        """Processor seconds of each part of one run."""
        before = self.daemon_seconds()[0]
        client = self._run(command)
        told = self._told()
        found = {"client": client, "daemon": self.daemon_seconds()[0] - before}
        for part, role in (("controller", "controller"), ("workers", "worker")):
            found[part] = sum(one["seconds"] for one in told if one["role"] == role)
        return found

    def workers_ratio(self, command: list[str]) -> float:
        """Time of a worker's tests with what the command asks for, to that of tests without."""
        (self._parts / "alternates").touch()
        self._run(command)
        return statistics.mean(one["with"] / one["without"] for one in self._told() if one["role"] == "worker")

    def _run(self, command: list[str]) -> float:
        """Processor seconds of the client."""
        process = subprocess.Popen(command, cwd=self.project, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}\nended with {process.returncode}")
        return usage.ru_utime + usage.ru_stime

    def _told(self) -> list[dict[str, Any]]:
        told = [json.loads(path.read_text()) for path in self._parts.glob("*.json")]
        for path in self._parts.iterdir():
            path.unlink()
        return told


def measure_round(bench: PartsBench, base: list[str], contenders: list[Contender]) -> None:
    for one in contenders:
        without = bench.measured(base)
        found = bench.measured(one.command)
        total = sum(without.values())
        for part in ("client", "daemon", "controller"):
            one.costs[part].append((found[part] - without[part]) / total)
        one.costs["workers"].append((bench.workers_ratio(one.command) - 1) * without["workers"] / total)


def main(argv: list[str]) -> int:
    parser = options(__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="e.g. 'pfast --events'; more than once")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="pf-", dir="/tmp") as folder:  # short: a socket's name has 108 bytes
        scratch = Path(folder)
        bench = PartsBench(arguments, scratch)
        run = [bench.pfast, "run", "-n", arguments.workers]
        events, junit = ["--events", str(scratch / "events.jsonl")], [f"--junitxml={scratch / 'out.xml'}"]
        contenders = [
            Contender("pfast", run),
            Contender("pfast --events", [*run, *events]),
            Contender("pfast --events --dump", [*run, *events, "--dump", str(scratch / "dump.json")]),
            Contender("pfast --events --full-report", [*run, *events, "--full-report"]),
            Contender("pfast --junitxml", [*run, *junit]),
            Contender("all of them", [*run, *events, "--dump", str(scratch / "dump.json"), "--full-report", *junit]),
        ]
        if unknown := set(arguments.only) - {one.name for one in contenders}:
            parser.error(f"--only: {sorted(unknown)}: there are {[one.name for one in contenders]}")
        if arguments.only:
            contenders = [one for one in contenders if one.name in arguments.only]
        try:
            bench.measured(run)
            for _ in range(arguments.rounds):
                measure_round(bench, run, contenders)
        finally:
            bench.stop()
    print(f"{arguments.tests} trivial tests, {arguments.rounds} rounds, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(f"{'':<30}" + "".join(f"{part:>18}" for part in (*PARTS, "sum")))
    for one in contenders:
        sums = [sum(costs) for costs in zip(*one.costs.values())]
        print(f"{one.name:<30}" + "".join(f"{with_interval(figures, 2):>18}" for figures in (*one.costs.values(), sums)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
