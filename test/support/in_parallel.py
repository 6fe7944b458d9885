#!/usr/bin/env python3
"""Runs test files beside each other, one pytest process a file, and adds up what they say.

    python3 test/support/in_parallel.py -n 3 test/functional [pytest's options]

Not pytest-xdist: what it would add to the environment that the tests give to pfast changes what they test. The largest files
begin first. Each file's output is shown whole when it has ended. A file with a failure is run once more, alone, and that result
counts: what passes then is named as flaky, for somebody to mend. The last line is "N passed, N failed, N skipped".
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

#: pytest's exit code for a file in which nothing was selected.
NOTHING_RAN = 5


@dataclass
class Ended:
    file: Path
    code: int
    output: str
    seconds: float

    def counts(self) -> Counter[str]:
        """Of pytest's last line; a file that failed without saying how many counts as one failure."""
        found: Counter[str] = Counter()
        lines = self.output.strip().splitlines() or [""]
        for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", lines[-1]):
            found["failed" if word == "error" else word] += int(number)
        if self.code not in (0, NOTHING_RAN) and not found["failed"]:
            found["failed"] = 1
        return found


def files_of(paths: list[Path]) -> list[Path]:
    found = {file for path in paths for file in (path.glob("test_*.py") if path.is_dir() else [path])}
    return sorted(found, key=lambda file: (-file.stat().st_size, file))


def run(file: Path, options: list[str]) -> Ended:
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file), *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return Ended(file, done.returncode, done.stdout.decode(errors="backslashreplace"), time.monotonic() - started)


def show(ended: Ended) -> None:
    print(f"-- {ended.file} ({ended.seconds:.0f} s)\n{ended.output}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=2, help="processes at a time")
    parser.add_argument("paths", type=Path, nargs="+", help="test files, or folders of them")
    arguments, options = parser.parse_known_args()
    total: Counter[str] = Counter()
    again: list[Path] = []
    with ThreadPoolExecutor(arguments.n) as pool:
        for future in as_completed([pool.submit(run, file, options) for file in files_of(arguments.paths)]):
            ended = future.result()
            show(ended)
            if ended.counts()["failed"]:
                again.append(ended.file)
            else:
                total += ended.counts()
    for file in again:
        ended = run(file, options)
        show(ended)
        total += ended.counts()
        if not ended.counts()["failed"]:
            print(f"flaky: {file} failed beside other files and passed alone", flush=True)
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 0 if total["passed"] and not total["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
