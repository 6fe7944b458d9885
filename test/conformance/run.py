#!/usr/bin/env python3
"""Published suites under plain pytest and under pfast: the same outcome per node id, the same exit code.

    python3 test/conformance/run.py --pfast build/frontends/cli/pfast --suites networkx,attrs --workers 1,2,4

Plain pytest runs twice; a test whose outcome differs between the two is flaky and listed by name, not compared.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from suites import HERE, PYTEST, Cache, Suite, known_suites

SUPPORT = HERE.parent / "support"
sys.path.insert(0, str(SUPPORT))

from build_tree import ROOT  # noqa: E402
from oracle import differences, read_outcomes  # noqa: E402

TIMEOUT_S = 3600


@dataclass
class Run:
    code: int
    seconds: float
    outcomes: dict[str, str]
    tail: str = ""


@dataclass
class Oracle:
    """Two runs of plain pytest."""

    runs: list[Run]

    @property
    def flaky(self) -> set[str]:
        first, second = (run.outcomes for run in self.runs)
        return {nodeid for nodeid in first.keys() | second.keys() if first.get(nodeid) != second.get(nodeid)}

    @property
    def code(self) -> int | None:
        codes = {run.code for run in self.runs}
        return codes.pop() if len(codes) == 1 else None


def execute(command: list[str], cwd: Path, env: Mapping[str, str], dump: Path) -> Run:
    dump.unlink(missing_ok=True)
    started = time.monotonic()
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        code = subprocess.run(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=TIMEOUT_S
        ).returncode
        seconds = time.monotonic() - started
        output.seek(0)
        return Run(code, seconds, read_outcomes(dump), output.read()[-3000:])


class Side:
    """One suite and where it runs."""

    def __init__(self, cache: Cache, suite: Suite, scratch: Path) -> None:
        self.suite = suite
        self.cwd = cache.source(suite)
        self._python = cache.python
        self._scratch = scratch
        self.env = {**cache.environment(suite), "TMPDIR": str(scratch), "VIRTUAL_ENV": str(cache.python.parent.parent)}

    def plain(self) -> Run:
        dump = self._scratch / "plain.json"
        env = {**self.env, "PFAST_ORACLE_DUMP": str(dump)}
        env["PYTHONPATH"] = os.pathsep.join((env["PYTHONPATH"], str(SUPPORT)))
        return execute([str(self._python.parent / "pytest"), "-p", "pfast_outcomes", *self.suite.args], self.cwd, env, dump)


class Pfast:
    """pfast for one suite, with a daemon of its own."""

    def __init__(self, executable: Path, side: Side, scratch: Path, options: list[str]) -> None:
        self._executable = str(executable.absolute())
        self._side = side
        self._dump = scratch / "pfast.json"
        self._options = options
        runtime = scratch / "r"
        runtime.mkdir(mode=0o700)
        self._env = {**side.env, "PFAST_RUNTIME_DIR": str(runtime)}

    def run(self, workers: int) -> Run:
        options = ["-n", str(workers), "--dump", str(self._dump), *self._options]
        return execute([self._executable, "run", *options, *self._side.suite.args], self._side.cwd, self._env, self._dump)

    def stop(self) -> None:
        subprocess.run([self._executable, "stop"], cwd=self._side.cwd, env=self._env, capture_output=True, timeout=60)


def oracle_of(cache: Cache, side: Side, reuse: bool) -> Oracle:
    path = cache.root / side.suite.name / "oracle.json"
    made_for = [side.suite.sdist, PYTEST, list(side.suite.args)]
    if reuse and path.is_file():
        data = json.loads(path.read_text())
        if data["made_for"] == made_for:
            return Oracle([Run(**run) for run in data["runs"]])
    oracle = Oracle([side.plain(), side.plain()])
    path.write_text(json.dumps({"made_for": made_for, "runs": [asdict(run) for run in oracle.runs]}))
    return oracle


def known_differences(suite: str) -> list[tuple[str, str]]:
    entries = tomllib.loads((HERE / "known.toml").read_text()).get("difference", [])
    return [(entry["nodeid"], entry["reason"]) for entry in entries if entry["suite"] == suite]


def unexplained(oracle: Oracle, run: Run, suite: str) -> Iterator[str]:
    known = known_differences(suite)
    for line in differences(oracle.runs[0].outcomes, run.outcomes):
        nodeid = line.partition(": pytest ")[0]
        if nodeid not in oracle.flaky and not any(fnmatchcase(nodeid, pattern) for pattern, _ in known):
            yield line
    if oracle.code is not None and oracle.code != run.code:
        yield f"exit code: pytest {oracle.code}, pfast {run.code}"


HEADER = f"{'suite':<16}{'run':<12}{'tests':>7}{'equal':>7}{'differ':>7}{'flaky':>7}{'exit':>6}{'seconds':>9}"


def row(suite: str, what: str, run: Run, differ: int, flaky: int) -> str:
    tests = len(run.outcomes)
    return f"{suite:<16}{what:<12}{tests:>7}{max(0, tests - differ):>7}{differ:>7}{flaky:>7}{run.code:>6}{run.seconds:>9.2f}"


def compare(arguments: argparse.Namespace, cache: Cache, suite: Suite, scratch: Path) -> list[str]:
    side = Side(cache, suite, scratch)
    oracle = oracle_of(cache, side, arguments.reuse_oracle)
    flaky = sorted(oracle.flaky)
    for number, run in enumerate(oracle.runs, 1):
        print(row(suite.name, f"plain {number}", run, 0, len(flaky)), flush=True)
    problems = [] if oracle.runs[0].outcomes else [f"plain pytest ran nothing:\n{oracle.runs[0].tail}"]
    if arguments.oracle_only:
        return problems
    pfast = Pfast(arguments.pfast, side, scratch, arguments.option)
    try:
        for workers in arguments.workers:
            pfast.stop()
            for state in ("cold", "warm"):
                run = pfast.run(workers)
                found = list(unexplained(oracle, run, suite.name))
                print(row(suite.name, f"-n {workers} {state}", run, len(found), len(flaky)), flush=True)
                problems += [f"-n {workers} {state}: {line}" for line in found]
                if found:
                    problems.append(f"-n {workers} {state}: ends with\n{run.tail}")
    finally:
        pfast.stop()
    print("".join(f"    flaky under plain pytest: {nodeid}\n" for nodeid in flaky), end="")
    return problems


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pfast", type=Path, default=ROOT / "build" / "frontends" / "cli" / "pfast")
    parser.add_argument("--suites", default="networkx,attrs,click,more-itertools", help="names of suites.json, or all")
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "suites", help="archives and environments")
    parser.add_argument("--python", default=sys.executable, help="interpreter that pfast was built for")
    parser.add_argument("--reuse-oracle", action="store_true", help="take plain pytest's results from the cache")
    parser.add_argument("--oracle-only", action="store_true", help="fetch and run plain pytest, nothing else")
    parser.add_argument("--option", action="append", default=[], help="further option for `pfast run`, repeatable")
    arguments = parser.parse_args(argv)
    arguments.workers = [int(number) for number in arguments.workers.split(",")]
    return arguments


def main(argv: list[str]) -> int:
    arguments = parse(argv)
    table = known_suites()
    names = list(table) if arguments.suites == "all" else arguments.suites.split(",")
    if wrong := [name for name in names if name not in table]:
        raise SystemExit(f"no such suite: {', '.join(wrong)}; there are {', '.join(table)}")
    if not arguments.oracle_only and not arguments.pfast.is_file():
        raise SystemExit(f"{arguments.pfast} is not there: build first, or name it with --pfast")
    cache = Cache(arguments.cache, arguments.python)
    failed = 0
    print(HEADER, flush=True)
    for name in names:
        scratch = Path(tempfile.mkdtemp(prefix="pf-", dir="/tmp"))  # short: a socket's name has 108 bytes
        try:
            problems = compare(arguments, cache, table[name], scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        failed += bool(problems)
        for problem in problems[:60]:
            print(f"  {name} {problem}")
        if len(problems) > 60:
            print(f"  {name}: and {len(problems) - 60} more")
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
