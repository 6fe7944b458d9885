#!/usr/bin/env python3
"""Random edits of a project beside a watcher: every run is right and warm, no change is missed, nothing is booted for a non-change.

    python3 test/soak/watch_edits.py --edits 500 --seed 1
    python3 test/soak/watch_edits.py --edits 50 --seed 2 --suite toolz

Works in a copy of examples/quickstart, or of a suite of test/conformance/suites.json. An edit is one of: a write, an atomic rename, a
deletion, a new file, a folder that is moved, a git checkout (there; there and back), a file that is broken or mended; or no change:
touch, chmod, the same content once more, an editor's swap file. After each the watcher is waited for and the suite is run; plain
pytest says what is right. Ends with "N passed, N failed".
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

TEST = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TEST / "support"), str(TEST / "conformance")]

from harness import Case  # noqa: E402
from oracle import differences  # noqa: E402
from processes import wait_until  # noqa: E402
import watching  # noqa: E402

DEBOUNCE_S = 0.15
PATIENCE_S = 120.0
#: A folder beside the first test files, under either name; two files are there from the beginning.
MOVED = ("extra", "moved")
GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "core.hooksPath=/dev/null"]


def variant(number: int) -> str:
    """A test whose outcome changes with every edit."""
    return f"\n\ndef test_of_an_edit():\n    assert {number} % 3\n"


class Edits:
    def __init__(self, case: Case, seed: int, args: list[str]) -> None:
        self.case = case
        self.random = random.Random(seed)
        self.args = args
        self.number = 0
        self.original = {path: path.read_text() for path in self.test_files()}
        self.home = next(path.parent for path in self.original if path.parent.name not in MOVED)
        self.boots = 0
        self.good = ""  # what lay there when a generation without errors was made
        self.broken = ""  # the same of one with errors, that is still there
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []

    # -- the project ---------------------------------------------------------------------------------------------------

    def test_files(self) -> list[Path]:
        found = sorted(self.case.project.rglob("test_*.py"))
        return [path for path in found if not {".git", ".venv", "build"} & set(path.relative_to(self.case.project).parts)]

    def any_file(self) -> Path:
        return self.random.choice(self.test_files())

    def snapshot(self) -> str:
        return repr([(str(path), path.read_text()) for path in self.test_files()])

    def git(self, *args: str) -> None:
        subprocess.run([*GIT, *args], cwd=self.case.project, check=True, capture_output=True)

    def next(self) -> int:
        self.number += 1
        return self.number

    def base_of(self, path: Path) -> str:
        moved = self.home / MOVED[0] / path.name
        return self.original.get(path) or self.original.get(moved) or "def test_new(): pass\n"

    # -- changes -------------------------------------------------------------------------------------------------------

    def write(self) -> None:
        path = self.any_file()
        path.write_text(self.base_of(path) + variant(self.next()))

    def rename_over(self) -> None:
        path = self.any_file()
        watching.replace(path, self.base_of(path) + variant(self.next()))

    def delete(self) -> None:
        if len(self.test_files()) > 2:
            self.any_file().unlink()
        else:
            self.create()

    def create(self) -> None:
        folder = self.random.choice([self.home, *(path for name in MOVED if (path := self.home / name).is_dir())])
        (folder / f"test_new_{self.next()}.py").write_text(variant(self.number))

    def move_folder(self) -> None:
        here, there = (self.home / name for name in MOVED)
        if not here.is_dir():
            here, there = there, here
        if here.is_dir():
            os.rename(here, there)

    def restore(self) -> None:
        """Everything as it was in the beginning; new files go."""
        for path in self.test_files():
            if path not in self.original:
                path.unlink()
        shutil.rmtree(self.home / MOVED[1], ignore_errors=True)
        for path, text in self.original.items():
            path.parent.mkdir(exist_ok=True)
            if not path.exists() or path.read_text() != text:
                path.write_text(text)

    def check_out(self) -> None:
        self.commit()
        self.git("checkout", "-q", "other")

    def break_it(self) -> None:
        path = self.any_file()
        path.write_text(self.base_of(path) + f"\ndef test_broken_{self.next()}(:\n")

    def mend(self) -> None:
        broken = [path for path in self.test_files() if "(:\n" in path.read_text()]
        if not broken:
            return self.write()
        for path in broken:
            path.write_text(self.base_of(path))

    # -- no changes ----------------------------------------------------------------------------------------------------

    def touch(self) -> None:
        os.utime(self.any_file())

    def chmod(self) -> None:
        path = self.any_file()
        path.chmod(0o600 if path.stat().st_mode & 0o077 else 0o644)

    def same_content(self) -> None:
        path = self.any_file()
        watching.replace(path, path.read_text())

    def swap_file(self) -> None:
        path = self.any_file()
        swap = path.with_name(f".{path.name}.swp")
        swap.write_text("swap")
        if self.random.random() < 0.7:
            swap.unlink()

    def commit(self) -> None:
        self.git("checkout", "-q", "-B", "now")
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "now")

    def there_and_back(self) -> None:
        self.commit()
        self.git("checkout", "-q", "other")
        self.git("checkout", "-q", "now")

    # -- what is expected ----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        self.git("init", "-q")
        self.git("checkout", "-q", "-b", "first")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "first")
        self.git("checkout", "-q", "-b", "other")
        for path in list(self.original)[:2]:
            path.write_text(self.original[path] + variant(0))
        self.git("commit", "-q", "-a", "-m", "other")
        self.git("checkout", "-q", "first")
        done = self.case.pfast("refresh", *self.args)
        assert done.code == 0, done
        self.good = self.snapshot()
        self.boots = watching.boots(self.case)

    def expect(self) -> None:
        """How many boots the daemon has started by the time that it has settled."""
        now = self.snapshot()
        if now == self.good:
            self.broken = ""
        elif now != self.broken:
            self.boots += 1
            if "(:\\n" in now:
                self.broken = now
            else:
                self.good, self.broken = now, ""

    def settled(self) -> bool:
        if watching.boots(self.case) < self.boots:
            return False
        states = Counter(one["state"] for one in watching.generations(self.case))
        return not states["booting"] and (states["ready"] > 0 if self.broken else states["ready"] == sum(states.values()))

    def judge(self, name: str) -> None:
        if not wait_until(self.settled, PATIENCE_S):
            self.note(name, f"the watcher did not make it warm: {watching.generations(self.case)}")
        if watching.boots(self.case) != self.boots:
            self.note(name, f"{watching.boots(self.case)} boots, expected {self.boots}")
            self.boots = watching.boots(self.case)
        done, expected = self.case.run(*self.args), self.case.plain(*self.args)
        if (done.code, done.outcomes) != (expected.code, expected.outcomes):
            self.note(name, f"pytest {expected.code}, pfast {done.code}: {differences(expected.outcomes, done.outcomes)}\n{done}")
        if watching.boots(self.case) != self.boots:
            self.note(name, "the run was not warm")
            self.boots = watching.boots(self.case)

    def note(self, name: str, text: str) -> None:
        self.wrong.append(text)
        print(f"\nWRONG at edit {sum(self.done.values())}, {name}: {text}\n", flush=True)

    # -- all of it -----------------------------------------------------------------------------------------------------

    def run(self, count: int) -> None:
        changes: list[Callable[[], None]] = [
            self.write, self.write, self.rename_over, self.delete, self.create, self.move_folder, self.check_out,
            self.break_it, self.mend, self.restore,
        ]  # fmt: skip
        others: list[Callable[[], None]] = [self.touch, self.chmod, self.same_content, self.swap_file, self.there_and_back]
        for turn in range(1, count + 1):
            is_change = self.random.random() < 0.65
            edit = self.random.choice(changes if is_change else others)
            before = self.snapshot()
            edit()
            if self.snapshot() != before:
                self.expect()
            else:
                time.sleep(3 * DEBOUNCE_S)  # that nothing is booted cannot be waited for otherwise
            self.done[edit.__name__] += 1
            self.judge(edit.__name__)
            if turn % 50 == 0:
                print(f"{turn} edits: {self.boots} boots, {len(self.wrong)} wrong", flush=True)


def copy_project(case: Case, options: argparse.Namespace) -> list[str]:
    """The arguments that the suite is run with."""
    args: list[str] = []
    source = TEST.parent / "examples" / "quickstart"
    if options.suite:
        from suites import Cache, known_suites

        suite = known_suites()[options.suite]
        cache = Cache(options.cache, sys.executable)
        source, args = cache.source(suite), list(suite.args)
        case.use_environment(cache.python.parent.parent)
    ignored = shutil.ignore_patterns("__pycache__", ".git", ".pytest_cache", "*.pyc")
    shutil.copytree(source, case.project, dirs_exist_ok=True, ignore=ignored)
    (case.project / "conftest.py").touch()  # its folder is on sys.path: the copy is imported, not what is installed
    home = next(path.parent for path in sorted(case.project.rglob("test_*.py")))
    for name in ("test_first.py", "test_second.py"):
        path = home / MOVED[0] / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"def test_{name[5:-3]}(): pass\n")
    # A .pyc is checked by whole seconds and size: plain pytest would miss the second edit within one.
    case.env["PYTHONDONTWRITEBYTECODE"] = "1"
    return args


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edits", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pfast", type=Path, default=None)
    parser.add_argument("--suite", default="", help="a name of test/conformance/suites.json instead of the quickstart")
    parser.add_argument("--cache", type=Path, default=TEST.parent / "build" / "suites")
    options = parser.parse_args(argv)
    if options.pfast is not None:
        os.environ["PFAST_TEST_EXECUTABLE"] = str(options.pfast.absolute())
    case = Case()
    try:
        args = copy_project(case, options)
        edits = Edits(case, options.seed, args)
        edits.begin()
        with watching.watching(case, env={"PYTEST_FAST_WATCH_DEBOUNCE": str(DEBOUNCE_S)}) as watcher:
            edits.run(options.edits)
            said = watcher.err
    finally:
        case.close()
    print(", ".join(f"{count} {name}" for name, count in sorted(edits.done.items())))
    if edits.wrong:
        print(said[-3000:])
    print(f"{sum(edits.done.values()) - len(edits.wrong)} passed, {len(edits.wrong)} failed")
    return 1 if edits.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
