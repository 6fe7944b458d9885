"""pfcore's pickle codec against CPython's, on result frames of the usual kinds.

    python test/bench/bench_codec.py --program build/test/bench/codec_bench

In every round each frame is decoded (encoded) by pickle.loads (pickle.dumps) and by pfcore, one right after the other, as
often as fills a few milliseconds; the figure is the median over the rounds of the ratio of the two. The same for the
predecessor's reader with --predecessor-python. "borrowed" leaves the texts in the frame, as a reader that is through with
it at once does (Texts::borrowed). Neither CPython nor codec_bench gives memory back between rounds. Build with
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
        "sections": [
            ("Captured stdout call", "parsing … done\n" * 40),
            ("Captured log call", "WARNING  parser:parser.py:88 slow\n" * 20),
        ],
        "crash": {"path": "/srv/project/tests/unit/test_parser.py", "lineno": number, "message": "AssertionError: assert"},
    }


def on_the_wire(name: str) -> object:
    return pickle.loads((ROOT / "test" / "data" / "wire" / f"{name}.pickle").read_bytes())


FRAMES: dict[str, object] = {
    "wire: a pass": on_the_wire("result-of-a-pass"),
    "wire: a result": on_the_wire("result"),
    "one passed test": passed(1),
    "one failed test": failed(2),
    "200 passed tests": [passed(i) for i in range(200)],
    "20 failed tests": [failed(i) for i in range(20)],
    "5,000 node ids": [str(passed(i)["nodeid"]) for i in range(5000)],
    "5,000 outcomes": {str(passed(i)["nodeid"]): "passed" for i in range(5000)},
    "5,000 durations": {i: i * 1.7e-4 for i in range(5000)},
}


OURS = {b"d": "ours", b"b": "borrowed", b"e": "ours"}

#: As codec_bench's decoding, by the predecessor.
PREDECESSOR = """
import struct, sys, time
from pytest_fast import _loads
from gc import disable
disable()
while what := sys.stdin.buffer.read(1):
    repeat, length = struct.unpack("<QQ", sys.stdin.buffer.read(16))
    content = sys.stdin.buffer.read(length)
    started = time.perf_counter_ns()
    for _ in range(repeat):
        _loads(content)
    print(time.perf_counter_ns() - started, length, flush=True)
"""


class Timed:
    """A program that answers a record with the nanoseconds that it took."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def seconds(self, what: bytes, content: bytes, repeat: int) -> float:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(what + struct.pack("<QQ", repeat, len(content)) + content)
        self.process.stdin.flush()
        nanoseconds, _ = self.process.stdout.readline().split()
        return int(nanoseconds) / 1e9 / repeat


class Python:
    """CPython's pickle in this process."""

    def seconds(self, what: bytes, content: bytes, repeat: int) -> float:
        if what != b"e":
            started = time.perf_counter()
            for _ in range(repeat):
                pickle.loads(content)
        else:
            value = pickle.loads(content)
            started = time.perf_counter()
            for _ in range(repeat):
                pickle.dumps(value, 4)
        return (time.perf_counter() - started) / repeat


def measure(native: Timed, other: Timed | Python, what: bytes, content: bytes, rounds: int) -> tuple[float, float, float]:
    """Medians of both in microseconds, theirs first, and the median ratio."""
    pair = (other, native)
    repeats = [max(1, round(SLICE_S / one.seconds(what, content, 3))) for one in pair]
    times = [tuple(one.seconds(what, content, repeat) for one, repeat in zip(pair, repeats)) for _ in range(rounds)]
    theirs, ours = (1e6 * statistics.median(column) for column in zip(*times))
    return theirs, ours, statistics.median(them / us for them, us in times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "build" / "test" / "bench" / "codec_bench")
    parser.add_argument("--predecessor-python", help="an interpreter that has pytest-fast 0.9.3: its _loads is measured, too")
    parser.add_argument("--rounds", type=int, default=41)
    arguments = parser.parse_args()
    native = Timed(str(arguments.program))
    contenders: list[tuple[str, bytes, Timed | Python]] = [("loads", b"d", Python()), ("loads", b"b", Python()), ("dumps", b"e", Python())]
    if arguments.predecessor_python:
        predecessor = Timed(arguments.predecessor_python, "-c", PREDECESSOR)
        contenders += [("_loads", b"d", predecessor), ("_loads", b"b", predecessor)]
    gc.disable()
    print(f"CPython {sys.version.split()[0]}, {arguments.rounds} rounds, load {os.getloadavg()[0]:.1f}; microseconds")
    print(f"{'':<20}{'bytes':>9}" + "".join(f"{name:>11}{OURS[what]:>10}{'x faster':>10}" for name, what, _ in contenders))
    for name, value in FRAMES.items():
        content = pickle.dumps(value, 4)
        row = f"{name:<20}{len(content):>9}"
        for _, what, other in contenders:
            theirs, ours, ratio = measure(native, other, what, content, arguments.rounds)
            row += f"{theirs:>11.2f}{ours:>10.2f}{ratio:>10.2f}"
        print(row, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
