#!/usr/bin/env python3
"""Ctrl-C at random moments of a run of a published suite: how soon the prompt is back, and whether everything else is right.

    python3 test/soak/interrupts.py --pfast build/frontends/cli/pfast --suite networkx --moments 50 --seed 1

After each one: no process of the run is left, the daemon is the same and warm, what was told of the run is what a whole run
tells, and a run of --then (a part of the suite) has the outcomes that it has otherwise. At the end the whole suite runs
again. Ends with "N passed, N failed"; a prompt that is back after more than --most seconds counts as failed.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import sys
import time
from pathlib import Path

TEST = Path(__file__).resolve().parent.parent
WHOLE_RUN_S = 3600.0
sys.path[:0] = [str(TEST / "support"), str(TEST / "conformance")]


def percentiles(values: list[float]) -> str:
    ordered = sorted(values)
    at = {share: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.9, 0.99)}
    found = ", ".join(f"p{share * 100:.0f} {value:.3f} s" for share, value in at.items())
    return f"min {ordered[0]:.3f} s, {found}, max {ordered[-1]:.3f} s, mean {statistics.mean(ordered):.3f} s"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pfast", type=Path)
    parser.add_argument("--suite", default="networkx")
    parser.add_argument("--cache", type=Path, default=TEST.parent / "build" / "suites")
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--within", type=float, default=0.0, help="seconds from the start of a run; 0: all of it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=float, default=2.0)
    parser.add_argument("--then", default="networkx/utils", help="what the run after each one selects")
    parser.add_argument("--options", default="-n 2", help="pfast's options")
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)     # a script's job in the background ignores it, and so would its children
    if arguments.pfast:
        os.environ["PFAST_TEST_EXECUTABLE"] = str(arguments.pfast.absolute())
    from harness import Case, Finished
    from interruptions import assert_warm, interrupt
    from suites import Cache, known_suites

    cache, suite = Cache(arguments.cache), known_suites()[arguments.suite]
    case = Case()
    case.project = cache.source(suite)
    case.env |= {"PYTHONPATH": cache.environment(suite)["PYTHONPATH"], "VIRTUAL_ENV": str(cache.python.parent.parent)}
    options = [*arguments.options.split(), "-q"]
    whole_suite = [*options, *suite.args]

    def run_all() -> Finished:
        return case.start_pfast("run", *whole_suite).finish(WHOLE_RUN_S)

    chance = random.Random(arguments.seed)
    wrong: list[str] = []
    found = []
    try:
        case.run(*options, "--collect-only", *suite.args)       # warm
        started = time.monotonic()
        whole = run_all()
        length = time.monotonic() - started
        last_moment = min(arguments.within or length, length)
        part = case.run(*options, arguments.then)
        print(f"{suite.name}: {len(whole.outcomes)} tests in {length:.1f} s, exit code {whole.code}; {len(part.outcomes)} in {arguments.then}")
        for number in range(arguments.moments):
            try:
                one = interrupt(case, chance.uniform(0, last_moment), whole.outcomes, whole.code, whole_suite)
                found.append(one)
                print(
                    f"{number:3}  after {one.after_s:7.3f} s: prompt {one.prompt_s:.3f} s, processes gone {one.gone_s:.3f} s later, "
                    f"exit code {one.code}, {one.results} tests", flush=True,
                )
                assert one.prompt_s <= arguments.most, f"the prompt is back after {one.prompt_s:.3f} s"
                assert_warm(case)
                case.assert_same(part, case.run(*options, arguments.then))
            except AssertionError as error:
                wrong.append(str(error))
                print(f"WRONG at moment {number}: {error}", flush=True)
        case.assert_same(whole, run_all())
    finally:
        try:
            case.close()
        except AssertionError as error:
            wrong.append(str(error))
            print(f"WRONG at the end: {error}")
    hit = [one for one in found if one.hit]
    if hit:
        print(f"{len(hit)} of {len(found)} were in time\nprompt:    {percentiles([one.prompt_s for one in hit])}")
        print(f"processes: {percentiles([one.gone_s for one in hit])} later")
    print(f"{arguments.moments - len(wrong)} passed, {len(wrong)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
