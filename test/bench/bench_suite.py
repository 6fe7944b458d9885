#!/usr/bin/env python3
"""A whole suite: plain pytest, pfast warm and cold, and the predecessor where its environment is given.

python3 test/bench/bench_suite.py --suite networkx --workers 2 --predecessor VENV
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from measure import Bench, Contender, bench, compare, options, report


def predecessor(one: Bench, venv: Path, workers: str) -> Contender:
    """`pytest --fast` of pytest-fast, its daemon warm."""
    address = str(one.scratch / "fast.sock")
    flags = ["--fast", "--fast-address", address, "--fast-workers", workers]
    env = {**one.plain_env, "PYTEST_FAST_ROOT": str(one.cwd), "VIRTUAL_ENV": str(venv)}
    return Contender("predecessor, warm", [str(venv / "bin" / "pytest"), *flags, *one.suite.args], env, one.cwd)


def stop_predecessor(one: Bench, contender: Contender, venv: Path) -> None:
    script = "import sys, pytest_fast; pytest_fast._shutdown_daemon(sys.argv[1])"
    command = [str(venv / "bin" / "python"), "-c", script, str(one.scratch / "fast.sock")]
    subprocess.run(command, env=contender.env, capture_output=True, timeout=60)


def main(argv: list[str]) -> int:
    parser = options(__doc__, rounds=3)
    parser.add_argument("--workers", default="2")
    parser.add_argument("--predecessor", type=Path, help="virtual environment with pytest-fast and the suite's needs")
    arguments = parser.parse_args(argv)
    with bench(arguments) as one:
        flags = ["-n", arguments.workers]
        contenders = [
            one.plain(*one.suite.args, name="pytest"),
            one.pfast(*flags, *one.suite.args, name=f"pfast -n {arguments.workers}, cold", before=one.stop),
            one.pfast(*flags, *one.suite.args, name=f"pfast -n {arguments.workers}, warm"),
        ]
        old = predecessor(one, arguments.predecessor.absolute(), arguments.workers) if arguments.predecessor else None
        if old is not None:
            old.run()
            contenders.append(old)
        try:
            compare(contenders, arguments.rounds)
        finally:
            if old is not None:
                stop_predecessor(one, old, arguments.predecessor.absolute())
        report(contenders, f"all of {one.suite.name}", arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
