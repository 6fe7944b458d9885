#!/usr/bin/env python3
"""What checkpoints bring and cost: edit and run a file, against plain pytest; a cold boot with and without them; their memory.

python3 test/bench/bench_checkpoints.py --pfast build/frontends/cli/pfast --cache build/suites
python3 test/bench/bench_checkpoints.py --only first hot

first   another test file is edited before every run: the first edit of each
hot     a test file is edited again and again: --hot-files of them, or --file
base    a module is edited that everything imports
boot    the whole suite is collected by a new daemon, with and without checkpoints
memory  private and proportional memory of each checkpoint, once the suite is warm
"""

from __future__ import annotations

import itertools
import random
import re
import statistics
import sys
from pathlib import Path

from measure import Bench, bench, compare, options, report

PARTS = ("first", "hot", "base", "boot", "memory")


def edit(file: Path, numbers: itertools.count[int]) -> None:
    text = re.sub(rb"\n# edit \d+\n$", b"", file.read_bytes())
    file.write_bytes(text + f"\n# edit {next(numbers)}\n".encode())


def restore(originals: dict[Path, bytes]) -> None:
    """What was not edited keeps its times, and so its bytecode: a boot that compiles is another boot."""
    for file, text in originals.items():
        if file.read_bytes() != text:
            file.write_bytes(text)


def edit_and_run(one: Bench, files: list[Path], rounds: int, title: str, json_path: str) -> None:
    """Both sides meet the same edited file, one after the other; each after an edit of its own."""
    numbers = itertools.count(1)
    plain, fast = one.plain(name="pytest FILE"), one.pfast(name="pfast run FILE")
    heads = list(plain.command), list(fast.command)
    for file in itertools.islice(itertools.cycle(files), rounds):
        target = test_for(one, file)
        for contender, head in zip((plain, fast), heads):
            edit(file, numbers)
            contender.command = [*head, target]
            contender.measure()
    report([plain, fast], title, json_path)


def hot(one: Bench, files: list[Path], rounds: int, json_path: str) -> None:
    numbers = itertools.count(1)
    plain, fast = one.plain(name="pytest FILE"), one.pfast(name="pfast run FILE")
    heads = list(plain.command), list(fast.command)
    for file in files:
        target = test_for(one, file)
        fast.command = [*heads[1], target]
        edit(file, numbers)
        fast.run()
        for _ in range(max(1, rounds // len(files))):
            for contender, head in zip((plain, fast), heads):
                edit(file, numbers)
                contender.command = [*head, target]
                contender.measure()
    report([plain, fast], f"{len(files)} test files, each again and again", json_path)


def test_for(one: Bench, file: Path) -> str:
    name = str(file.relative_to(one.cwd))
    return name if file.name.startswith("test_") else "networkx/classes/tests/test_graph.py"


def checkpoints(one: Bench) -> list[int]:
    runtime = one.pfast_env["PFAST_RUNTIME_DIR"].encode()
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and (folder / "cmdline").read_bytes().startswith(b"pfast checkpoint") and runtime in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def memory(one: Bench) -> None:
    one.warm()
    print(f"{'checkpoint':<12}{'PSS MiB':>9}{'private MiB':>13}")
    own = []
    for pid in sorted(checkpoints(one)):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        sizes = {key: int(value) for key, value in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}
        own.append((sizes["Private_Dirty"] + sizes["Private_Clean"]) / 1024)
        print(f"{pid:<12}{sizes['Pss'] / 1024:>9.1f}{own[-1]:>13.1f}")
    print(f"{len(own)} checkpoints: {statistics.mean(own):.1f} MiB of their own on average, {max(own):.1f} at most")


def main(argv: list[str]) -> int:
    parser = options(__doc__, rounds=20)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--hot-files", type=int, default=4, help="so many files share the rounds of 'hot'; their first edits are not counted")
    parser.add_argument("--file", help="the only file of 'hot'")
    arguments = parser.parse_args(argv)
    with bench(arguments) as one:
        # A file that is skipped as a whole says nothing about running one.
        tests = sorted(file for file in (one.cwd / "networkx").glob("**/tests/test_*.py") if b"importorskip" not in file.read_bytes())
        random.Random(1).shuffle(tests)
        base = one.cwd / "networkx/classes/graph.py"
        originals = {file: file.read_bytes() for file in [*tests, base]}
        try:
            one.warm()
            if "first" in arguments.only:
                edit_and_run(one, tests[: arguments.rounds], arguments.rounds, "the first edit of a test file", arguments.json)
            if "hot" in arguments.only:
                files = [one.cwd / arguments.file] if arguments.file else tests[-arguments.hot_files :]
                hot(one, files, arguments.rounds, arguments.json)
            if "base" in arguments.only:
                edit_and_run(one, [base], arguments.rounds, "an edit of networkx/classes/graph.py", arguments.json)
            restore(originals)
            if "boot" in arguments.only:
                without = one.pfast(*one.suite.args, "--collect-only", "-q", name="without checkpoints", before=one.stop)
                without.env = {**without.env, "PFAST_CHECKPOINTS": "0"}
                with_them = one.pfast(*one.suite.args, "--collect-only", "-q", name="with checkpoints", before=one.stop)
                compare([without, with_them], max(1, arguments.rounds // 3))
                report([without, with_them], "a cold boot", arguments.json)
            if "memory" in arguments.only:
                memory(one)
        finally:
            restore(originals)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
