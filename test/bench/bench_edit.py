#!/usr/bin/env python3
"""From a saved file to a verdict: one test file is edited, then run; before every run, on either side.

python3 test/bench/bench_edit.py --pfast build/frontends/cli/pfast
"""

from __future__ import annotations

import itertools
import sys

from measure import bench, compare, options, report


def main(argv: list[str]) -> int:
    parser = options(__doc__, rounds=8)
    parser.add_argument("--file", default="networkx/algorithms/tests/test_dag.py", help="the file that is edited and run")
    arguments = parser.parse_args(argv)
    with bench(arguments) as one:
        file = one.cwd / arguments.file
        original = file.read_bytes()
        numbers = itertools.count(1)

        def edit() -> None:
            file.write_bytes(original + f"\n# edit {next(numbers)}\n".encode())

        try:
            one.warm()
            contenders = [one.plain(arguments.file, before=edit), one.pfast(arguments.file, before=edit)]
            compare(contenders, arguments.rounds)
        finally:
            file.write_bytes(original)
        report(contenders, f"edit and run {arguments.file}", arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
