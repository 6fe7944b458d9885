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
        contenders = [
            one.plain(arguments.nodeid),
            one.pfast(arguments.nodeid),
            one.pfast("--reporter", "pytest", arguments.nodeid, name="pfast run --reporter pytest"),
        ]
        one.warm()
        compare(contenders, 1)
        for contender in contenders:
            contender.seconds.clear()
        compare(contenders, arguments.rounds)
        report(contenders, f"one test: {arguments.nodeid}", arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
