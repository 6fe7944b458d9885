#!/usr/bin/env python3
"""Random edits of a project, each compared with plain pytest: exit code, outcomes, and node ids in their order.

python3 test/soak/checkpoint_edits.py --edits 1000 --seed 1
python3 test/soak/checkpoint_edits.py --edits 500 --suite toolz --gap-ms 20 --cold-every 10

The project is made for this (test/support/random_edits.py), or a copy of a suite of test/conformance/suites.json.

Every --cold-every edits `pfast run --no-daemon` is compared, too. Prints how many collections went on from a checkpoint; ends with 1
at the first difference, naming the edit, and keeps the project then.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

TEST = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TEST / "support")]

from harness import Case  # noqa: E402
from random_edits import Project, run_in_order  # noqa: E402
from suite_edits import SuiteProject  # noqa: E402


def differences(case: Case, args: list[str], cold: bool) -> list[str]:
    expected = case.plain(*args)
    found = []
    for name, options in [("run", ())] + ([("cold", ("--no-daemon",))] if cold else []):
        actual, collected = run_in_order(case, *options, *args)
        if actual.code != expected.code:
            found.append(f"{name}: exit code {actual.code}, pytest {expected.code}\n{actual}\n{expected}")
        elif actual.outcomes != expected.outcomes:
            found.append(f"{name}: other outcomes\n{sorted(set(actual.outcomes.items()) ^ set(expected.outcomes.items()))}")
        elif collected != list(expected.outcomes):
            found.append(f"{name}: another order\n{collected}\n{list(expected.outcomes)}")
    return found


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edits", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gap-ms", type=float, default=0, help="work between two checkpoints; 0: one at every place where it may be")
    parser.add_argument("--cold-every", type=int, default=20)
    parser.add_argument("--suite", default="", help="a name of test/conformance/suites.json")
    parser.add_argument("--cache", type=Path, default=TEST.parent / "build" / "suites")
    parser.add_argument("--pfast", type=Path, default=None)
    arguments = parser.parse_args(argv)
    if arguments.pfast is not None:
        os.environ["PFAST_TEST_EXECUTABLE"] = str(arguments.pfast.absolute())
    case = Case()
    case.env["PFAST_CHECKPOINTS"] = "12"
    case.env["PFAST_CHECKPOINT_GAP_MS"] = str(arguments.gap_ms)
    project = SuiteProject(case, arguments.suite, arguments.cache, arguments.seed) if arguments.suite else Project(case.project, arguments.seed)
    args = project.args if isinstance(project, SuiteProject) else []
    history: list[str] = []
    for number in range(1, arguments.edits + 1):
        history.append(project.edit())
        found = differences(case, args, number % arguments.cold_every == 0)
        if found:
            print(f"edit {number}: {history[-1]} (before: {', '.join(history[-6:-1])})", *found, case.pfast("logs").out[-4000:], sep="\n")
            print(f"the project is in {case.project}")
            return 1
        if number % 50 == 0:
            print(f"{number} edits, all as plain pytest", flush=True)
    text = case.pfast("logs").out
    print(f"{arguments.edits} edits, 0 differences; in the last log {text.count('goes on before')} boots went on from a checkpoint, "
          f"{text.count('begins anew')} of them in vain, {text.count(': boots as process')} began anew")  # fmt: skip
    case.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
