#!/usr/bin/env python3
"""What a watcher is worth: from a save to "ready", and the first run after it.

python3 test/bench/bench_watch.py --pfast build-release/frontends/cli/pfast

Pairs, one after the other: a run of one test with no edit; an edit of its file, the wait for "ready" (`pfast status --json`), the same
run; and a cold boot (a new daemon that collects the suite). Promised: the run within 20 % of the one without an edit, and "ready" within
1.2 times the debounce and a cold boot.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import time

from measure import Bench, bench, compare, options, report

DEBOUNCE_S = 0.7


def generations(one: Bench) -> list[dict[str, object]]:
    done = subprocess.run([one.pfast().command[0], "status", "--json"], env=one.pfast_env, cwd=one.cwd, capture_output=True)
    return json.loads(done.stdout)["generations"] if done.returncode == 0 else []


def newest(one: Bench) -> int:
    return max((int(str(generation["id"])) for generation in generations(one)), default=0)


def cold_boot_s(one: Bench) -> float:
    one.stop()
    started = time.perf_counter()
    done = subprocess.run([one.pfast().command[0], "serve"], env=one.pfast_env, cwd=one.cwd, capture_output=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr.decode())
    return time.perf_counter() - started


def await_ready(one: Bench, after: int) -> None:
    while True:
        found = generations(one)
        if any(int(str(each["id"])) > after and each["state"] == "ready" for each in found):
            return
        time.sleep(0.005)


def main(argv: list[str]) -> int:
    parser = options(__doc__, rounds=7)
    parser.add_argument("--test", default="networkx/algorithms/tests/test_dag.py::TestDAG::test_topological_sort1")
    arguments = parser.parse_args(argv)
    ready: list[float] = []
    boots: list[float] = []
    with bench(arguments) as one:
        pfast = arguments.pfast.absolute()
        watch = pfast.parent.parent / "watch" / "pfast-watch"
        program = watch if watch.is_file() else pfast.with_name("pfast-watch")
        file = one.cwd / arguments.test.partition("::")[0]
        original = file.read_bytes()
        numbers = itertools.count(1)
        watcher = None

        def edit_and_wait() -> None:
            before = newest(one)
            saved = time.perf_counter()
            file.write_bytes(original + f"\n# edit {next(numbers)} of {os.getpid()}\n".encode())
            await_ready(one, before)
            ready.append(time.perf_counter() - saved)
            time.sleep(2.2)  # until nothing of it is racy any more, as with somebody who reads before running

        try:
            boots = [cold_boot_s(one) for _ in range(3)]
            one.stop()
            one.warm()  # with the suite's own arguments, so that its first conftest is the one of the runs, too
            watcher = subprocess.Popen([str(program)], env=one.pfast_env, cwd=one.cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(2.2)
            contenders = [one.pfast(arguments.test, name="warm, no edit"), one.pfast(arguments.test, name="after edit and ready", before=edit_and_wait)]
            for contender in contenders:
                contender.run()
            compare(contenders, arguments.rounds)
            boots += [cold_boot_s(one) for _ in range(3)]
        finally:
            file.write_bytes(original)
            if watcher is not None:
                watcher.terminate()
                watcher.wait()
        report(contenders, f"one test, {arguments.test}", arguments.json)
    boot = statistics.median(boots)
    limit = 1.2 * (DEBOUNCE_S + boot)
    took = statistics.median(ready)
    print(f"save to ready: median {took:.3f} s (min {min(ready):.3f}, max {max(ready):.3f}); cold boot {boot:.3f} s; 1.2 x (0.7 s + boot) = {limit:.3f} s")
    slower = statistics.median(contenders[1].seconds) / statistics.median(contenders[0].seconds)
    print(f"run after edit and ready: {slower:.2f} x the run without an edit")
    return 0 if took <= limit and slower <= 1.2 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
