"""Runs a suite with plain pytest and with pfast: cold, warm, after an edit. Prints what they say and how long it took."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent
EDITED = Path("tests") / "test_orders.py"


def timed(command: list[str], suite: Path) -> float:
    print(f"\n$ {Path(command[0]).name} {' '.join(command[1:])}", flush=True)
    started = time.perf_counter()
    code = subprocess.run(command, cwd=suite).returncode
    seconds = time.perf_counter() - started
    if code != 0:
        raise SystemExit(f"ended with {code}")
    return seconds


def edit(suite: Path, number: int) -> None:
    with (suite / EDITED).open("a") as file:
        file.write(f"\n\ndef test_added_by_edit_{number}() -> None:\n    assert discount(10) == 5\n")


def main(suite: Path) -> int:
    os.environ["VIRTUAL_ENV"] = str(BIN.parent)
    plain = [str(BIN / "pytest"), "-q"]
    fast = [str(BIN / "pfast"), "run"]
    subprocess.run([str(BIN / "pfast"), "stop"], cwd=suite, capture_output=True)
    rows = []
    try:
        print("\n== cold: nothing is imported yet")
        timed(plain, suite)  # writes the bytecode files that both sides read
        rows.append(("cold", timed(plain, suite), timed(fast, suite)))
        print("\n== warm: the suite is as it was")
        rows.append(("warm", timed(plain, suite), timed(fast, suite)))
        print(f"\n== after an edit of {EDITED}: a test is added for either of them")
        edit(suite, 1)
        slow = timed(plain, suite)
        edit(suite, 2)
        rows.append(("after an edit", slow, timed(fast, suite)))
    finally:
        subprocess.run([str(BIN / "pfast"), "stop"], cwd=suite, capture_output=True)
    print(f"\n{'':<16}{'pytest':>10}{'pfast':>10}")
    for name, slow, quick in rows:
        print(f"{name:<16}{slow:>8.2f} s{quick:>8.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
