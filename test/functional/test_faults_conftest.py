"""A suite that does not collect, collects for ever, or does more than collect: told as pytest tells it, and nothing good is lost."""

from __future__ import annotations

import time

import pytest
from faults import Faults
from harness import Case
from processes import wait_until

#: A shorter run is not looked at for edits in between (k_longest_unseen, 0.1 s).
LOOKED_AT_S = 0.15
#: What pytest itself tells.
TOLD_BY_PYTEST = {
    "raises": "raise RuntimeError('no conftest today')",
    "SyntaxError": "def (:",
    "sys.exit": "import sys; sys.exit(3)",
    "usage error": "import pytest; raise pytest.UsageError('not like this')",
}
#: What ends or keeps the process, with pfast's exit code and what it says.
TOLD_BY_PFAST = {
    "os._exit(0)": ("import os; os._exit(0)", (72,), "exit"),
    "os._exit(7)": ("import os; os._exit(7)", (72,), "7"),
    "SIGKILL": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", (72,), "SIGKILL"),
    "infinite loop": ("while True: pass", (77,), "conftest.py"),
    "infinite loop in C": ("import itertools, collections; collections.deque(itertools.repeat(0), maxlen=0)", (77,), "conftest.py"),
}
#: What plain pytest does not mind.
HARMLESS = {
    "background thread": "import threading, time; threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
    "forks at import": "import os, time\nif os.fork() == 0:\n    time.sleep(1000)\n    os._exit(0)\n",
    "forks twice": "import os, time\nif os.fork() == 0:\n    if os.fork() == 0:\n        os.setsid()\n        time.sleep(1000)\n    os._exit(0)\nos.wait()\n",
    "a child that is waited for": "import subprocess, sys\nsubprocess.run([sys.executable, '-c', ''], check=True)\n",
}


@pytest.mark.parametrize("how", TOLD_BY_PYTEST)
def test_a_conftest_that_fails(case: Case, how: str) -> None:
    """The good generation is not lost: when the conftest is gone again, nothing boots."""
    with Faults(case) as faults:
        case.write({"conftest.py": TOLD_BY_PYTEST[how] + "\n"})
        expected = case.plain()
        for _ in range(2):
            actual = case.run(*faults.arguments)
            case.assert_same(expected, actual)
            assert actual.code != 0
        for line in (expected.out + expected.err).splitlines():
            if line.startswith("E  ") and "Error" in line:
                assert line.strip() in actual.out + actual.err, (line, actual)
        (case.project / "conftest.py").unlink()


@pytest.mark.parametrize("how", TOLD_BY_PFAST)
def test_a_conftest_that_ends_or_keeps_the_process(case: Case, how: str) -> None:
    text, codes, told = TOLD_BY_PFAST[how]
    with Faults(case) as faults:
        case.write({"conftest.py": text + "\n"})
        done = case.run(*faults.arguments, "--boot-timeout", "8")
        assert done.code in codes and told in done.err + done.out and not done.outcomes, done
        (case.project / "conftest.py").unlink()


@pytest.mark.parametrize("how", HARMLESS)
def test_a_conftest_that_leaves_something_running(case: Case, how: str) -> None:
    """It lives as long as the generation, and no longer."""
    with Faults(case, boots=True) as faults:
        case.write({"conftest.py": HARMLESS[how] + "\n"})
        for _ in range(2):
            case.assert_same(faults.expected, case.run(*faults.arguments))
        (case.project / "conftest.py").write_text("# mended\n")
        faults.run_is_right()
        status = case.status()
        assert status is not None
        alive = {int(status["daemon"]["pid"]), *(int(one["pid"]) for one in status["generations"])}

        def strays() -> list[str]:
            return [str(one) for one in case.processes() if one.pid not in alive and one.parent not in alive]

        assert wait_until(lambda: not strays(), 20), strays()


def test_a_broken_edit_during_a_run_that_is_then_mended(case: Case) -> None:
    """The run ends on its own generation; the broken successor is never used, and the good one is still warm."""
    file = case.project / "test_faults.py"
    with Faults(case) as faults:
        good = file.read_text()
        running = faults.start_waiting()
        file.write_text(good + "\ndef (:\n")
        case.assert_same(case.plain("test_faults.py::test_after"), case.run("-n", "1", "test_faults.py::test_after"))
        assert all(one["state"] != "booting" for one in (case.status() or {})["generations"])
        file.write_text(good)
        faults.open_gate()
        done = running.finish(60)
        case.assert_same(faults.expected, done)
        assert "while the run went on" not in done.err, done


@pytest.mark.parametrize("options", [[], ["--reporter", "pytest"], ["-n", "0"]], ids=" ".join)
def test_a_run_during_which_its_suite_was_broken(case: Case, options: list[str]) -> None:
    """It ends on its own generation, and says so."""
    file = case.project / "test_faults.py"
    with Faults(case) as faults:
        good = file.read_text()
        running = faults.start_waiting(*options)
        time.sleep(LOOKED_AT_S)
        file.write_text(good + "\ndef (:\n")
        faults.open_gate()
        done = running.finish(60)
        assert done.code == 0 and "while the run went on: changed: test_faults.py" in done.err, done
        assert case.run(*faults.arguments).code == 2
        file.write_text(good)


def test_an_edit_during_a_run_is_of_the_next_one(case: Case) -> None:
    file = case.project / "test_faults.py"
    with Faults(case, boots=True) as faults:
        running = faults.start_waiting()
        time.sleep(LOOKED_AT_S)
        file.write_text(file.read_text() + "\ndef test_new(): assert 0\n")
        faults.open_gate()
        done = running.finish(60)
        case.assert_same(faults.expected, done)
        assert "while the run went on: changed: test_faults.py" in done.err, done
        assert case.run(*faults.arguments).outcomes["test_faults.py::test_new"] == "failed"
        file.write_text(file.read_text().replace("test_new(): assert 0", "test_new(): pass"))
        faults.expected = case.plain()
