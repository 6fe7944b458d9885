#!/usr/bin/env python3
"""From a saved file to a verdict: one test file is edited, then run; before every run, on either side.

python3 test/bench/bench_edit.py --pfast build/frontends/cli/pfast
python3 test/bench/bench_edit.py --pfast build/frontends/cli/pfast --whole --rounds 5

With --whole: the whole suite right after the edited file was run, against the whole suite with no daemon.
"""

from __future__ import annotations

import itertools
import sys

from measure import bench, compare, options, report


def main(argv: list[str]) -> int:
    parser = options(__doc__, rounds=8)
    parser.add_argument("--file", default="networkx/algorithms/tests/test_dag.py", help="the file that is edited and run")
    parser.add_argument("--whole", action="store_true")
    arguments = parser.parse_args(argv)
    with bench(arguments) as one:
        file = one.cwd / arguments.file
        original = file.read_bytes()
        numbers = itertools.count(1)

        def edit() -> None:
            file.write_bytes(original + f"\n# edit {next(numbers)}\n".encode())

        def edit_and_run() -> None:
            edit()
            one.pfast(arguments.file).run()

        try:
            one.warm()
            if arguments.whole:
                cold = one.pfast(*one.suite.args, name="cold: no daemon", before=one.stop)
                contenders = [cold, one.pfast(*one.suite.args, name="after edit and run", before=edit_and_run)]
                title = f"the whole suite right after {arguments.file}"
            else:
                contenders = [one.plain(arguments.file, before=edit), one.pfast(arguments.file, before=edit)]
                title = f"edit and run {arguments.file}"
            compare(contenders, arguments.rounds)
        finally:
            file.write_bytes(original)
        report(contenders, title, arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
