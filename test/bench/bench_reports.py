#!/usr/bin/env python3
"""What --events, --full-report and --junitxml cost a run of many trivial tests, against the same run without them.

    python3 test/bench/bench_reports.py --tests 10000 --workers 2 --rounds 9

Paired: each round runs every command once, every second round from the last to the first, so that a machine that gets slower favours
none. Two figures a command, seconds by the clock, and processor seconds of client, daemon, forkserver, controller and workers together;
and both once more in beats of a metronome (metronome.py), which a machine that is slow for seconds at a time disturbs less. A command
without reports runs a second time as "(again)": what it "costs" is the noise.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

TEST = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TEST / "support"))

from build_tree import ROOT  # noqa: E402
from metronome import Metronome  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def write_suite(folder: Path, tests: int, a_file: int = 100) -> None:
    (folder / "pytest.ini").write_text("[pytest]\n")
    for number in range(0, tests, a_file):
        lines = [f"def test_{one}():\n    pass\n\n" for one in range(min(a_file, tests - number))]
        (folder / f"test_{number // a_file:04}.py").write_text("\n".join(lines))


def process_seconds(pid: int) -> float:
    """Processor seconds of a process, by its clock: clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


def seconds_of_children(pid: int) -> float:
    """Processor seconds of those that it has waited for, and of theirs."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / TICKS


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@dataclass
class Contender:
    name: str
    command: list[str]
    seconds: list[float] = field(default_factory=list)
    processor_s: list[float] = field(default_factory=list)
    beat_s: list[float] = field(default_factory=list)

    def in_beats(self, seconds: list[float]) -> list[float]:
        return [one / beat for one, beat in zip(seconds, self.beat_s)]


class Bench:
    def __init__(self, arguments: argparse.Namespace, scratch: Path) -> None:
        self.project = scratch / "p"
        self.project.mkdir()
        (scratch / "r").mkdir(mode=0o700)
        self.pfast = str(arguments.pfast.absolute())
        # Not resolved: the python of a virtual environment is a symbolic link.
        environment = Path(arguments.python).absolute().parent.parent
        self.pytest = str(environment / "bin" / "pytest")
        self.env = {key: value for key, value in os.environ.items() if key not in ("PYTHONDONTWRITEBYTECODE", "PYTEST_ADDOPTS")}
        self.env |= {
            "PFAST_RUNTIME_DIR": str(scratch / "r"),
            "VIRTUAL_ENV": str(environment),
        }
        write_suite(self.project, arguments.tests)

    def daemon_seconds(self) -> tuple[float, float]:
        """Of the daemon, and of forkservers with every process of runs that are over."""
        text = subprocess.run([self.pfast, "status", "--json"], cwd=self.project, env=self.env, capture_output=True).stdout
        if not text:
            return 0.0, 0.0
        status = json.loads(text)
        forkservers = [generation["pid"] for generation in status["generations"]]
        # A controller's seconds are its forkserver's once it is reaped: then the spare child is alone.
        end = time.monotonic() + 20
        while any(len(children_of(pid)) > 1 for pid in forkservers) and time.monotonic() < end:
            time.sleep(0.01)
        return process_seconds(status["daemon"]["pid"]), sum(process_seconds(pid) + seconds_of_children(pid) for pid in forkservers)

    def measure(self, one: Contender, metronome: Metronome) -> None:
        others = sum(self.daemon_seconds())
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        self.run(one)
        ended = time.perf_counter()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        client = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        one.seconds.append(ended - started)
        one.processor_s.append(client + sum(self.daemon_seconds()) - others)
        one.beat_s.append(metronome.beat_s(started, ended))

    def run(self, one: Contender) -> None:
        done = subprocess.run(one.command, cwd=self.project, env=self.env, stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(one.command)}\nended with {done.returncode}:\n{done.stdout.decode()}{done.stderr.decode()}")

    def stop(self) -> None:
        subprocess.run([self.pfast, "stop"], cwd=self.project, env=self.env, capture_output=True, timeout=60)


def with_interval(shares: list[float], digits: int = 1) -> str:
    """Mean in percent, and half the width of its 95 % interval."""
    half = 1.96 * statistics.stdev(shares) / len(shares) ** 0.5 if len(shares) > 1 else math.inf
    return f"{statistics.mean(shares):+.{digits}%} ± {half:.{digits}%}"


def over(figures: list[float], base: list[float]) -> str:
    """Of the paired ratios."""
    return "" if figures == base else with_interval([a / b - 1 for a, b in zip(figures, base)])


def table(contenders: list[Contender], bases: dict[str, Contender], tests: int) -> None:
    print(f"{tests} trivial tests, {len(contenders[0].seconds)} rounds, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(f"{'':<30}{'median s':>10}{'over base':>18}{'in beats':>18}{'processor s':>13}{'over base':>18}{'in beats':>18}")
    for one in contenders:
        base = bases[one.name]
        columns = [
            f"{statistics.median(ours):>{width}.3f}{over(ours, theirs):>18}{over(one.in_beats(ours), base.in_beats(theirs)):>18}"
            for ours, theirs, width in ((one.seconds, base.seconds, 10), (one.processor_s, base.processor_s, 13))
        ]
        print(f"{one.name:<30}" + "".join(columns))


def options(description: str | None) -> argparse.ArgumentParser:
    """Of this bench and of bench_report_parts.py."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pfast", type=Path, default=ROOT / "build" / "frontends" / "cli" / "pfast")
    parser.add_argument("--python", default=sys.executable, help="interpreter that pfast was built for, of an environment with pytest")
    parser.add_argument("--tests", type=int, default=10_000)
    parser.add_argument("--workers", default="2")
    parser.add_argument("--rounds", type=int, default=9)
    return parser


def main(argv: list[str]) -> int:
    parser = options(__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="beside its base, e.g. 'pfast --events'; more than once")
    arguments = parser.parse_args(argv)
    scratch = Path(tempfile.mkdtemp(prefix="pf-", dir="/tmp"))  # short: a socket's name has 108 bytes
    bench = Bench(arguments, scratch)
    run = [bench.pfast, "run", "-n", arguments.workers]
    # Not in the project's folder: a new file there may make the generation stale.
    events, junit = str(scratch / "events.jsonl"), f"--junitxml={scratch / 'out.xml'}"
    contenders = [
        Contender("pfast", run),
        Contender("pfast (again)", run),
        Contender("pfast --events", [*run, "--events", events]),
        Contender("pfast --events --dump", [*run, "--events", events, "--dump", str(scratch / "dump.json")]),
        Contender("pfast --events --full-report", [*run, "--events", events, "--full-report"]),
        Contender("pfast --junitxml", [*run, junit]),
        Contender("pytest", [bench.pytest]),
        Contender("pytest --junitxml", [bench.pytest, junit]),
    ]
    bases = {one.name: contenders[0 if one.name.startswith("pfast") else 6] for one in contenders}
    if unknown := set(arguments.only) - set(bases):
        parser.error(f"--only: {sorted(unknown)}: there are {list(bases)}")
    if arguments.only:
        contenders = [one for one in contenders if one.name in arguments.only or one.name in {bases[name].name for name in arguments.only}]
    try:
        for one in contenders:
            bench.run(one)
        with Metronome() as metronome:
            for number in range(arguments.rounds):
                for one in contenders if number % 2 == 0 else reversed(contenders):
                    bench.measure(one, metronome)
    finally:
        bench.stop()
        shutil.rmtree(scratch, ignore_errors=True)
    table(contenders, bases, arguments.tests)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
