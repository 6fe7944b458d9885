#!/usr/bin/env python3
"""`pytest --fast` against the import of pytest, plain pytest and the predecessor's plugin: one test, and the whole suite.

python3 test/bench/bench_plugin.py --pfast build-release/frontends/cli/pfast
Each plugin is in an environment of its own, ours by links into the build folder that --pfast is of.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path

from measure import Bench, Contender, bench, compare, options, report

from plugin_environment import PREDECESSOR, environment_with, with_pfast

NODEID = "networkx/algorithms/tests/test_dag.py::TestDagLongestPath::test_empty"


def main(argv: list[str]) -> int:
    parser = options(__doc__, rounds=15)
    parser.add_argument("--nodeid", default=NODEID)
    parser.add_argument("--whole-rounds", type=int, default=5, help="rounds of the whole suite; 0 = none")
    arguments = parser.parse_args(argv)
    os.environ["PFAST_BUILD_DIR"] = str(arguments.pfast.absolute().parents[2])
    ours = with_pfast(environment_with("fast", ["pytest==9.2.0"]))
    theirs = environment_with("predecessor", PREDECESSOR)
    with bench(arguments) as one:
        fast_env = {**one.pfast_env, "VIRTUAL_ENV": str(ours), "PFAST_EXECUTABLE": str(arguments.pfast.absolute())}
        one.pfast_env = fast_env  # its daemon is the one that bench() stops at the end
        their_env = {**one.plain_env, "PYTEST_FAST_ADDRESS": str(one.scratch / "theirs.sock"), "PYTEST_FAST_TTL": "120"}

        def contenders(*args: str) -> list[Contender]:
            return [
                command(one, "python -c 'import pytest'", ours, fast_env, "python", "-c", "import pytest"),
                command(one, "pytest --fast", ours, fast_env, "pytest", "--fast", *args),
                command(one, "pytest", ours, one.plain_env, "pytest", *args),
                command(one, "predecessor's --fast", theirs, their_env, "pytest", "--fast", *args),
            ]

        run(contenders(arguments.nodeid), arguments.rounds, f"one test: {arguments.nodeid}", arguments.json)
        if arguments.whole_rounds:
            run(contenders(*one.suite.args)[1:], arguments.whole_rounds, f"the whole of {one.suite.name}", "")
    return 0


def command(one: Bench, name: str, environment: Path, env: Mapping[str, str], program: str, *args: str) -> Contender:
    return Contender(name, [str(environment / "bin" / program), *args], env, one.cwd)


def run(group: list[Contender], rounds: int, title: str, json_path: str) -> None:
    compare(group, 1)  # boots the daemons, fills caches
    for contender in group:
        contender.seconds.clear()
    compare(group, rounds)
    report(group, title, json_path)
    base, *rest = group
    for contender in rest:
        more = statistics.median(b - a for a, b in zip(base.seconds, contender.seconds))
        print(f"{contender.name}: {1000 * more:+.0f} ms beside {base.name}, median of pairs")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
