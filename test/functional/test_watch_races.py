"""Saves at the wrong moment: no wrong verdict, and at most one boot in vain."""

from __future__ import annotations

from pathlib import Path

import pytest
import watching
from harness import TIMEOUT_S, Case
from processes import wait_until
from watching import await_ready, boot_ms, boots, newest

#: Collecting test_gate.py ends when the file `open` is there; test_long.py runs until `go` is. access() makes nothing an input.
SUITE = {
    "pytest.ini": "[pytest]\n",
    "test_a.py": "def test_a(): assert 1\n",
    "test_gate.py": """
        import os, pathlib, time

        here = pathlib.Path(__file__).parent
        (here / "t" / "reached").touch()
        while not os.access(here / "t" / "open", os.F_OK):
            time.sleep(0.02)

        def test_gate(): pass
    """,
    "test_long.py": """
        import pathlib, time

        def test_long():
            here = pathlib.Path(__file__).parent
            (here / "t" / "runs").touch()
            while not (here / "t" / "go").exists():
                time.sleep(0.02)
    """,
}


class Gates:
    def __init__(self, case: Case) -> None:
        self.case = case
        # A folder that nobody lists.
        self.folder = case.project / "t"
        self.folder.mkdir()
        self.open("open")
        self.open("go")

    def open(self, name: str) -> None:
        (self.folder / name).touch()

    def shut(self, name: str) -> None:
        (self.folder / name).unlink()

    def has(self, name: str) -> bool:
        return (self.folder / name).exists()

    def await_(self, name: str) -> None:
        assert wait_until(lambda: self.has(name), TIMEOUT_S), name


@pytest.fixture
def gates(case: Case) -> Gates:
    case.write({**SUITE, "pytest.ini": "[pytest]\nnorecursedirs = t\n"})
    gates = Gates(case)
    assert case.pfast("refresh").code == 0
    return gates


def a(case: Case) -> Path:
    return case.project / "test_a.py"


def verdict(case: Case) -> tuple[int, str]:
    done = case.run("test_a.py")
    return done.code, done.outcomes.get("test_a.py::test_a", "")


def test_a_save_while_a_run_is_on(gates: Gates) -> None:
    case = gates.case
    with watching.watching(case):
        gates.shut("go")
        run = case.start_pfast("run", "test_a.py", "test_long.py")
        gates.await_("runs")
        before, made = newest(case), boots(case)
        a(case).write_text("def test_a(): assert 0\n")
        assert wait_until(lambda: "stale" in {one["state"] for one in watching.generations(case)}, 30)
        # The run has its generation, and the processor for itself.
        assert boots(case) == made
        gates.open("go")
        done = run.finish()
        assert done.code == 0 and done.outcomes["test_long.py::test_long"] == "passed", done
        await_ready(case, before)
        assert boots(case) == made + 1
        done = case.run("test_a.py")
        assert (done.code, boot_ms(done.out)) == (1, 0), done


def test_two_saves_during_a_boot(gates: Gates) -> None:
    case = gates.case
    with watching.watching(case):
        made = boots(case)
        gates.shut("open")
        gates.shut("reached")
        a(case).write_text("def test_a(): assert 0\n")
        gates.await_("reached")
        a(case).write_text("def test_a(): assert 0, 'second'\n")
        a(case).write_text("def test_a(): assert 1, 'third'\n")
        gates.open("open")
        assert wait_until(lambda: boots(case) == made + 2, watching.PATIENCE_S), watching.generations(case)
        await_ready(case, 0)
        done = case.run("test_a.py")
        assert (done.code, boot_ms(done.out)) == (0, 0), done
        assert boots(case) == made + 2, "one in vain"


def test_a_save_before_the_boot_has_read_the_file(gates: Gates) -> None:
    """What is collected is what lies there: no second boot."""
    case = gates.case
    case.write({"test_0.py": SUITE["test_gate.py"].replace("reached", "first").replace("open", "second")})
    gates.open("second")
    assert case.pfast("refresh").code == 0
    with watching.watching(case):
        made, before = boots(case), newest(case)
        gates.shut("second")
        gates.shut("first")
        a(case).write_text("def test_a(): assert 0\n")
        gates.await_("first")  # test_0.py is imported, and test_a.py is not yet
        a(case).write_text("def test_a(): assert 1, 'in time'\n")
        gates.open("second")
        await_ready(case, before)
        done = case.run("test_a.py")
        assert (done.code, boot_ms(done.out)) == (0, 0), done
        assert boots(case) == made + 1


@pytest.mark.parametrize("back", [True, False], ids=["taken back", "mended otherwise"])
def test_one_save_that_breaks_and_one_that_mends(gates: Gates, back: bool) -> None:
    case = gates.case
    good = a(case).read_text()
    with watching.watching(case):
        made = boots(case)
        gates.shut("open")
        gates.shut("reached")
        a(case).write_text("def test_a(:\n")
        gates.await_("reached")
        a(case).write_text(good if back else "def test_a(): assert 0, 'mended'\n")
        gates.open("open")
        wanted = made + (1 if back else 2)
        assert wait_until(lambda: boots(case) == wanted and watching.is_ready(case), watching.PATIENCE_S), watching.generations(case)
        done = case.run("test_a.py")
        assert (done.code, boot_ms(done.out)) == (0 if back else 1, 0), done
        assert boots(case) == wanted


def test_runs_in_between_are_right(gates: Gates) -> None:
    """Whoever asks before the watcher has settled gets the file as it is."""
    case = gates.case
    with watching.watching(case, env={"PYTEST_FAST_WATCH_DEBOUNCE": "0.1"}):
        for number in range(6):
            a(case).write_text(f"def test_a(): assert {number % 2}\n")
            assert verdict(case) == ((0, "passed") if number % 2 else (1, "failed"))
        a(case).write_text("def test_a(:\n")
        assert verdict(case)[0] == 2
        a(case).write_text("def test_a(): assert 1\n")
        assert verdict(case) == (0, "passed")
