"""Paired runs of commands, one after the other: A B C A B C. Medians, spread, ratios; a table and JSON."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

TEST = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TEST / "conformance"), str(TEST / "support")]

from build_tree import ROOT  # noqa: E402
from suites import Cache, Suite, known_suites  # noqa: E402


@dataclass
class Contender:
    """One way to do the job. *before* runs untimed ahead of every timed run."""

    name: str
    command: list[str]
    env: Mapping[str, str]
    cwd: Path
    before: Callable[[], None] | None = None
    seconds: list[float] = field(default_factory=list)

    def run(self) -> int:
        done = subprocess.run(self.command, env=self.env, cwd=self.cwd, stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode not in (0, 1):
            raise SystemExit(
                f"{' '.join(self.command)}\nended with {done.returncode}:\n{done.stdout.decode()}{done.stderr.decode()}"
            )
        return done.returncode

    def measure(self) -> None:
        if self.before is not None:
            self.before()
        started = time.perf_counter()
        self.run()
        self.seconds.append(time.perf_counter() - started)


def compare(contenders: list[Contender], rounds: int) -> None:
    for _ in range(rounds):
        for one in contenders:
            one.measure()


def report(contenders: list[Contender], title: str, json_path: str) -> None:
    """The first contender is what the others are compared with, round by round."""
    base = contenders[0]
    rows = []
    for one in contenders:
        ratios = [a / b for a, b in zip(base.seconds, one.seconds)]
        rows.append(
            {
                "name": one.name,
                "command": one.command,
                "median_ms": round(1000 * statistics.median(one.seconds), 2),
                "min_ms": round(1000 * min(one.seconds), 2),
                "max_ms": round(1000 * max(one.seconds), 2),
                "times_faster": round(statistics.median(ratios), 2),
                "all_ms": [round(1000 * second, 2) for second in one.seconds],
            }
        )
    print(f"{title} ({len(base.seconds)} rounds, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f})")
    print(f"{'':<28}{'median ms':>11}{'min':>10}{'max':>10}{'x faster':>10}")
    for row in rows:
        print(f"{row['name']:<28}{row['median_ms']:>11}{row['min_ms']:>10}{row['max_ms']:>10}{row['times_faster']:>10}")
    if json_path:
        text = json.dumps({"title": title, "rounds": len(base.seconds), "processors": os.cpu_count(), "results": rows}, indent=1)
        sys.stdout.write(text + "\n") if json_path == "-" else Path(json_path).write_text(text + "\n")


class Bench:
    """A suite, plain pytest for it, and pfast with a daemon of its own."""

    def __init__(self, arguments: argparse.Namespace, scratch: Path) -> None:
        cache = Cache(arguments.cache, arguments.python)
        self.suite: Suite = known_suites()[arguments.suite]
        self.cwd = cache.source(self.suite)
        self.python = cache.python
        self.pytest = str(cache.python.parent / "pytest")
        self.scratch = scratch
        self.plain_env = cache.environment(self.suite)
        self._pfast = arguments.pfast.absolute()
        runtime = scratch / "r"
        runtime.mkdir(mode=0o700)
        own = {"VIRTUAL_ENV": str(cache.python.parent.parent), "PFAST_RUNTIME_DIR": str(runtime)}
        self.pfast_env = {**self.plain_env, **own}

    def plain(self, *args: str, name: str = "pytest", before: Callable[[], None] | None = None) -> Contender:
        return Contender(name, [self.pytest, *args], self.plain_env, self.cwd, before)

    def pfast(self, *args: str, name: str = "pfast run", before: Callable[[], None] | None = None) -> Contender:
        return Contender(name, [str(self._pfast), "run", *args], self.pfast_env, self.cwd, before)

    def warm(self) -> None:
        """Collects the whole suite, as the daemon of somebody who works on it has."""
        self.pfast(*self.suite.args, "--collect-only", "-q").run()

    def stop(self) -> None:
        subprocess.run([str(self._pfast), "stop"], env=self.pfast_env, cwd=self.cwd, capture_output=True, timeout=60)


@contextmanager
def bench(arguments: argparse.Namespace) -> Iterator[Bench]:
    scratch = Path(tempfile.mkdtemp(prefix="pf-", dir="/tmp"))  # short: a socket's name has 108 bytes
    one = Bench(arguments, scratch)
    try:
        yield one
    finally:
        one.stop()
        shutil.rmtree(scratch, ignore_errors=True)


def options(description: str | None, rounds: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pfast", type=Path, default=ROOT / "build" / "frontends" / "cli" / "pfast")
    parser.add_argument("--suite", default="networkx", help="a name of test/conformance/suites.json")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "suites", help="archives and environments")
    parser.add_argument("--python", default=sys.executable, help="interpreter that pfast was built for")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--json", default="", help="file for all figures, '-' for stdout")
    return parser
