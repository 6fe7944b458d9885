#!/usr/bin/env python3
"""One test of a real suite: warm `pfast run NODEID`, with either reporter, against `pytest NODEID`.

python3 test/bench/bench_one_test.py --pfast build/frontends/cli/pfast
"""

from __future__ import annotations

import sys

from measure import bench, compare, options, report


def main(argv: list[str]) -> int:
    parser = options(__doc__, rounds=15)
    parser.add_argument("--nodeid", default="networkx/algorithms/tests/test_dag.py::TestDagLongestPath::test_empty")
    arguments = parser.parse_args(argv)
    with bench(arguments) as one:
        one.warm()
        for reporter in ("native", "pytest"):
            ours = one.pfast("--reporter", reporter, arguments.nodeid, name=f"pfast run, {reporter} reporter")
            pair = [one.plain(arguments.nodeid), ours]
            compare(pair, 2)
            for contender in pair:
                contender.seconds.clear()
            compare(pair, arguments.rounds)
            report(pair, f"one test: {arguments.nodeid}", arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
