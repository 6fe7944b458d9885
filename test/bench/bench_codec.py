"""pfcore's pickle codec against CPython's, on result frames of the usual kinds.

    python test/bench/bench_codec.py --program build/test/bench/codec_bench

In every round each frame is decoded (encoded) by pickle.loads (pickle.dumps) and by pfcore, one right after the other, as
often as fills a few milliseconds; the figure is the median over the rounds of the ratio of the two. Build with
`meson setup --buildtype=release -Dbenchmarks=true`.
"""

from __future__ import annotations

import argparse
import gc
import os
import pickle
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SLICE_S = 0.004  # of one measurement


def passed(number: int) -> dict[str, object]:
    node = f"tests/unit/test_parser_{number % 37}.py::TestParser::test_accepts_input[{number}-case]"
    return {
        "type": "result",
        "run": 7,
        "worker": number % 4,
        "nodeid": node,
        "outcome": "passed",
        "location": ("tests/unit/test_parser.py", 10 + number, f"TestParser.test_accepts_input[{number}-case]"),
        "keywords": {"test_accepts_input": 1, "parametrize": 1, "pytestmark": 1, node: 1},
        "phases": [("setup", "passed", 0.000183 + number * 1e-6), ("call", "passed", 0.0041), ("teardown", "passed", 9e-05)],
        "sections": [],
        "user_properties": [],
    }


def failed(number: int) -> dict[str, object]:
    lines = "".join(f"    def helper_{i}(value, *, expected=None):\n>       assert value == expected, {i}\n" for i in range(60))
    return {
        **passed(number),
        "outcome": "failed",
        "longrepr": f"{lines}E       AssertionError: assert {number} == {number + 1}\n\ntests/unit/test_parser.py:{number}: AssertionError",
        "sections": [("Captured stdout call", "parsing … done\n" * 40), ("Captured log call", "WARNING  parser:parser.py:88 slow\n" * 20)],
        "crash": {"path": "/srv/project/tests/unit/test_parser.py", "lineno": number, "message": "AssertionError: assert"},
    }


FRAMES: dict[str, object] = {
    "one passed test": passed(1),
    "one failed test": failed(2),
    "200 passed tests": [passed(i) for i in range(200)],
    "20 failed tests": [failed(i) for i in range(20)],
    "5,000 node ids": [str(passed(i)["nodeid"]) for i in range(5000)],
    "5,000 outcomes": {str(passed(i)["nodeid"]): "passed" for i in range(5000)},
    "5,000 durations": {i: i * 1.7e-4 for i in range(5000)},
}


class Native:
    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def seconds(self, what: bytes, content: bytes, repeat: int) -> float:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(what + struct.pack("<QQ", repeat, len(content)) + content)
        self.process.stdin.flush()
        nanoseconds, _ = self.process.stdout.readline().split()
        return int(nanoseconds) / 1e9 / repeat


def python_seconds(job: Callable[[], object], repeat: int) -> float:
    started = time.perf_counter()
    for _ in range(repeat):
        job()
    return (time.perf_counter() - started) / repeat


def measure(native: Native, what: bytes, value: object, rounds: int) -> tuple[float, float, float]:
    """Medians of both in microseconds, and the median ratio."""
    content = pickle.dumps(value, 4)
    job: Callable[[], object] = (lambda: pickle.loads(content)) if what == b"d" else (lambda: pickle.dumps(value, 4))
    python_repeat = max(1, round(SLICE_S / python_seconds(job, 3)))
    native_repeat = max(1, round(SLICE_S / native.seconds(what, content, 3)))
    pairs = [(python_seconds(job, python_repeat), native.seconds(what, content, native_repeat)) for _ in range(rounds)]
    ratio = statistics.median(python / ours for python, ours in pairs)
    return 1e6 * statistics.median(p for p, _ in pairs), 1e6 * statistics.median(n for _, n in pairs), ratio


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "build" / "test" / "bench" / "codec_bench")
    parser.add_argument("--rounds", type=int, default=41)
    arguments = parser.parse_args()
    native = Native(arguments.program)
    gc.disable()
    print(f"CPython {sys.version.split()[0]}, {arguments.rounds} rounds, load {os.getloadavg()[0]:.1f}")
    print(f"{'':<20}{'bytes':>9}{'loads us':>11}{'ours us':>10}{'x faster':>10}{'dumps us':>11}{'ours us':>10}{'x faster':>10}")
    for name, value in FRAMES.items():
        row = f"{name:<20}{len(pickle.dumps(value, 4)):>9}"
        for what in (b"d", b"e"):
            python, ours, ratio = measure(native, what, value, arguments.rounds)
            row += f"{python:>11.2f}{ours:>10.2f}{ratio:>10.2f}"
        print(row, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
