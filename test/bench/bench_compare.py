#!/usr/bin/env python3
"""--bench-compare: what it claims of runs in which nothing was changed, and whether it finds tests that were made slower.

python3 test/bench/bench_compare.py --pfast build/frontends/cli/pfast --python VENV --pairs 20 --slower 1.2

A suite of tests that compute, allocate and wait, 5 ms to 1 s. Each of `pairs` + 1 benches is saved and compared with the one
before it; then two tests, one that waits and one that computes, are made slower by the factor, and the suite is measured again.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SUITE = '''
import time
import pytest

def compute(loops):
    total = 0
    for i in range(loops):
        total += i * i % 7
    return total

@pytest.mark.parametrize("loops", [50_000, 200_000, 400_000, 800_000, 1_600_000, 3_200_000])
def test_computes(loops): compute(loops)

@pytest.mark.parametrize("size", [100_000, 300_000, 1_000_000])
def test_allocates(size): sorted({str(i): [i] for i in range(size)})

@pytest.mark.parametrize("ms", [5, 20, 50, 100, 300, 1000])
def test_waits(ms): time.sleep(ms / 1000)

@pytest.fixture(scope="module")
def shared(): compute(400_000)

@pytest.mark.parametrize("number", range(20))
def test_with_fixture(shared, number): compute(30_000 + 2_000 * number)

def test_made_slower_waits(): time.sleep(0.5 * FACTOR)
def test_made_slower_computes(): compute(int(3_000_000 * FACTOR))
'''


def write_suite(folder: Path, factor: float) -> None:
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_suite.py").write_text(SUITE.replace("FACTOR", str(factor)))


class Benches:
    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self._pfast = [str(arguments.pfast.absolute()), "run", "--python", str(arguments.python.absolute())]
        self._options = [f"--bench={arguments.runs + 1}", "-n", str(arguments.workers)]
        self._folder = folder
        self.suite = folder / "suite"
        self.suite.mkdir()
        (folder / "r").mkdir(mode=0o700)
        self._env = {**os.environ, "PFAST_RUNTIME_DIR": str(folder / "r")}

    def _run(self, *args: str) -> str:
        done = subprocess.run([*self._pfast, *args], cwd=self.suite, env=self._env, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{args} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def save(self, name: str) -> Path:
        path = self._folder / f"{name}.json"
        self._run(*self._options, "--bench-save", str(path))
        return path

    def changes(self, before: Path, now: Path) -> tuple[list[str], str]:
        text = self._run("--bench-compare", str(before), "--bench-compare", str(now))
        return re.findall(r"^ *([+-]\d+ %.*)$", text, re.M), text

    def stop(self) -> None:
        subprocess.run([self._pfast[0], "stop", *self._pfast[2:]], cwd=self.suite, env=self._env, capture_output=True)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pfast", type=Path, required=True)
    parser.add_argument("--python", type=Path, required=True, help="virtual environment, or interpreter, with pytest")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--runs", type=int, default=5, help="that count, in each bench")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--slower", type=float, default=1.2)
    arguments = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp(prefix="pf-", dir="/tmp"))
    benches = Benches(arguments, folder)
    try:
        write_suite(benches.suite, 1)
        files = [benches.save(str(number)) for number in range(arguments.pairs + 1)]
        claims = [benches.changes(before, now)[0] for before, now in zip(files, files[1:])]
        for number, claim in enumerate(claims):
            if claim:
                print(f"pair {number}:", *claim, sep="\n  ")
        false_claims = sum(1 for claim in claims if claim)
        print(f"unchanged: {false_claims} of {len(claims)} pairs claim a change (load {os.getloadavg()[0]:.1f})")
        write_suite(benches.suite, arguments.slower)
        slower, text = benches.changes(files[-1], benches.save("slower"))
        print(f"{arguments.slower:.2f} times as long:", *slower, sep="\n  ")
        print(text)
    finally:
        benches.stop()
        shutil.rmtree(folder, ignore_errors=True)
    found = {name for name in ("waits", "computes") if any(f"test_made_slower_{name}" in line for line in slower)}
    return 0 if false_claims == 0 and len(found) == 2 and len(slower) == 2 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
