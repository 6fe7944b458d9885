"""What earlier runs measured decides what a run begins with, and is lost to nobody."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

from harness import Case
from processes import remove_tree
from run_log import run, suite

HISTORY = ".pytest_cache/d/pfast/history-1"
SHORT = "".join(f"\ndef test_short_{i}(): pass\n" for i in range(4))
LONG = "import time\n\ndef test_long(): time.sleep(0.3)\n"


def files_with_a_long_test() -> dict[str, str]:
    """Without history the file with the long test is the smallest one, and therefore the last."""
    return {"test_z.py": LONG, **{f"test_{i}.py": SHORT for i in range(6)}}


def before_the_long_test(case: Case, *options: str) -> int:
    """In the same worker: how soon another one starts is chance."""
    _, log = run(case, "-n", "2", *options)
    process = next(line.process for line in log.lines if line.what == "test_z.py::test_long")
    return [line.what for line in log.lines if line.process == process and "::" in line.what].index("test_z.py::test_long")


def test_what_took_long_begins_first(case: Case) -> None:
    suite(case, files_with_a_long_test())
    assert before_the_long_test(case) > 0
    assert before_the_long_test(case) == 0
    case.stop()                                    # the next daemon knows it, too
    assert before_the_long_test(case) == 0


def test_a_history_from_elsewhere_is_used(case: Case) -> None:
    """As a CI job restores it."""
    suite(case, files_with_a_long_test())
    assert before_the_long_test(case) > 0
    case.stop()
    kept = case.home / "kept"
    shutil.copy(case.project / HISTORY, kept)
    remove_tree(case.project / ".pytest_cache")
    assert before_the_long_test(case) > 0
    case.stop()
    shutil.copy(kept, case.project / HISTORY)
    assert before_the_long_test(case) == 0


def test_a_run_without_a_daemon_is_remembered(case: Case) -> None:
    suite(case, files_with_a_long_test())
    assert case.run("--no-daemon", "-n", "2").code == 0
    assert before_the_long_test(case) == 0


def test_a_history_that_is_broken_harms_nothing(case: Case) -> None:
    suite(case, files_with_a_long_test())
    run(case, "-n", "2")
    case.stop()
    path = case.project / HISTORY
    for content in (b"", b"PFHIST1\n", path.read_bytes()[:-1], b"\0" * 100_000):
        path.write_bytes(content)
        assert before_the_long_test(case) > 0
        case.stop()
        assert before_the_long_test(case) == 0
        case.stop()


def test_a_history_that_cannot_be_written_harms_nothing(case: Case) -> None:
    suite(case, files_with_a_long_test())
    folder = case.project / HISTORY
    folder.mkdir(parents=True)                     # in its place
    (folder / "keep").touch()
    assert before_the_long_test(case) > 0
    assert before_the_long_test(case) == 0     # the daemon knows
    case.stop()
    assert before_the_long_test(case) > 0
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert "history" in case.pfast("logs").out


def test_a_suite_without_a_cache_has_no_history(case: Case) -> None:
    suite(case, files_with_a_long_test())
    for _ in range(2):
        assert before_the_long_test(case, "-p", "no:cacheprovider") > 0
    assert not (case.project / ".pytest_cache").exists()


def test_the_cache_looks_as_pytest_makes_it(case: Case) -> None:
    suite(case, files_with_a_long_test())
    run(case, "-n", "2")
    case.stop()
    names = {path.name for path in (case.project / ".pytest_cache").iterdir()}
    assert {".gitignore", "CACHEDIR.TAG", "README.md", "d", "v"} <= names
    assert [path.name for path in (case.project / HISTORY).parent.iterdir()] == [Path(HISTORY).name]
    assert (case.project / HISTORY).stat().st_size < 60 * 25 + 20


CHEAP = """
    import time
    import pytest
    from noting import note

    @pytest.fixture(scope="module", autouse=True)
    def shared():
        note(__name__)
        time.sleep({seconds})
"""


def modules(seconds: float, each: float) -> dict[str, str]:
    tests = "".join(f"\ndef test_{i}(): time.sleep({each})\n" for i in range(8))
    return {f"test_m{i}.py": textwrap.dedent(CHEAP).format(seconds=seconds) + tests for i in range(3)}


def setups(case: Case) -> int:
    _, log = run(case, "-n", "2")
    return sum(log.setups(f"test_m{i}") for i in range(3))


def test_a_module_is_split_once_its_fixture_is_known_to_be_cheap(case: Case) -> None:
    """Three modules on two workers: two thirds of the time when one is halved."""
    suite(case, modules(0, 0.05))
    assert setups(case) == 3
    assert setups(case) == 4


def test_a_module_whose_fixture_is_known_to_be_expensive_is_not_split(case: Case) -> None:
    suite(case, modules(0.8, 0.02))
    assert [setups(case) for _ in range(3)] == [3, 3, 3]
