#!/usr/bin/env python3
"""--detailed on a whole suite: do its figures add up with each number of workers, and what does measuring cost?

python3 test/bench/bench_detailed.py --suite networkx --workers 1,2,4
"""

from __future__ import annotations

import re
import subprocess
import sys

from measure import Bench, bench, compare, options, report


def numbers(text: str, label: str) -> list[float]:
    (line,) = [line for line in text.splitlines() if line.startswith(label + " ")]
    return [float(number) for number in re.findall(r"\d+\.\d+", line)]


def check_sums(one: Bench, workers: int) -> bool:
    contender = one.pfast("-n", str(workers), "--detailed", "-q", *one.suite.args)
    done = subprocess.run(contender.command, env=contender.env, cwd=contender.cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    text = done.stdout[done.stdout.index("where the time went") :]
    wall = numbers(text, "run")[0]
    total, busy, bus_wait, start, tail = numbers(text, "account")
    off = abs(busy + bus_wait + start + tail - workers * wall) / (workers * wall)
    whole, *parts = numbers(text, "busy")
    off_parts = abs(sum(parts) - whole) / whole
    doubtful = "doubtful" in text
    print(f"-n {workers}: {workers} x {wall:.3f} s = {busy:.3f} busy + {bus_wait:.3f} bus wait + {start:.3f} start + {tail:.3f} tail; "
          f"off by {off:.3%}, busy's parts by {off_parts:.3%}{'; DOUBTFUL' if doubtful else ''}")
    for label in ("parallelism", "verdict", "advice"):
        print("   ", next(line for line in text.splitlines() if line.startswith(label)))
    return off <= 0.01 and off_parts <= 0.01 and not doubtful


def main(argv: list[str]) -> int:
    parser = options(__doc__, rounds=3)
    parser.add_argument("--workers", default="1,2,4")
    arguments = parser.parse_args(argv)
    with bench(arguments) as one:
        one.warm()
        good = all([check_sums(one, int(workers)) for workers in arguments.workers.split(",")])
        if arguments.rounds > 0:
            contenders = [
                one.pfast("-n", "1", "-q", *one.suite.args, name="pfast -n 1"),
                one.pfast("-n", "1", "-q", "--detailed", *one.suite.args, name="pfast -n 1 --detailed"),
            ]
            compare(contenders, arguments.rounds)
            report(contenders, f"all of {one.suite.name}", arguments.json)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
