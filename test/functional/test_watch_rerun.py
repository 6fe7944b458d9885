"""`pfast-watch --rerun`: on a real pseudo-terminal with real keys, and as plain lines without one."""

from __future__ import annotations

import os
import signal
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import watching
from harness import Case, Running
from processes import alive, wait_until
from terminal import Terminal

SUITE = {
    "pytest.ini": "[pytest]\nnorecursedirs = t\n",
    "helper.py": "VALUE = 1\n",
    "test_a.py": "import helper\n\ndef test_a(): assert helper.VALUE == 1\ndef test_a2(): pass\n",
    "test_b.py": "def test_b(): pass\n",
    "sub/test_c.py": "def test_c(): pass\n",
}
WAITS = "waits for a save"


@pytest.fixture
def screen(case: Case) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*args: str) -> Terminal:
        opened.append(Terminal([str(watching.find_watch()), "--rerun", *args], case.project, {**case.env, "NO_COLOR": "1"}, columns=100))
        return opened[-1]

    yield start
    for one in opened:
        if one.process.poll() is None:
            one.process.terminate()
            one.finish(30)
        one.close()
    case.stop()
    assert wait_until(lambda: not case.processes(), 20), case.processes()


def quit_with_q(one: Terminal) -> None:
    one.send("q")
    code, shown = one.finish(30)
    assert code == 0, shown


def test_first_what_was_edited_then_the_rest(case: Case, screen: Callable[..., Terminal]) -> None:
    case.write(SUITE)
    one = screen()
    shown = one.expect(WAITS)
    assert "runs all" in shown and "4 passed" in shown
    (case.project / "test_b.py").write_text("def test_b(): assert 0\n")
    shown = one.expect(WAITS)
    first, _, rest = shown.partition("runs the rest")
    assert "runs what was edited" in first and "1 failed" in first and "passed" not in first, shown
    assert "3 passed" in rest and "failed" not in rest, shown
    # A source is edited: what failed last comes first, then the others.
    (case.project / "helper.py").write_text("VALUE = 2\n")
    shown = one.expect(WAITS)
    first, _, rest = shown.partition("runs the rest")
    assert "1 failed" in first and "passed" not in first, shown
    assert "1 failed, 2 passed" in rest, shown
    quit_with_q(one)


def test_keys(case: Case, screen: Callable[..., Terminal]) -> None:
    case.write({**SUITE, "test_b.py": "def test_b(): assert 0\ndef test_b2(): pass\n"})
    one = screen()
    assert "1 failed, 4 passed" in one.expect(WAITS)
    one.send("h")
    shown = one.expect("h: help")
    one.send("f")
    shown = one.expect(WAITS)
    assert "runs what failed last" in shown and "1 failed" in shown and "passed" not in shown, shown
    one.send("\n")
    shown = one.expect(WAITS)
    assert "runs all" in shown and "1 failed, 4 passed" in shown, shown
    one.send("zx\x1b")
    (case.project / "test_b.py").write_text("def test_b(): pass\n")
    one.expect(WAITS)
    one.send("f")
    one.expect("nothing failed last")
    quit_with_q(one)


def test_a_newer_save_cancels_the_run(case: Case, screen: Callable[..., Terminal]) -> None:
    case.write({**SUITE, "test_slow.py": SLOW})
    (case.project / "t").mkdir()
    one = screen()
    assert wait_until((case.project / "t" / "runs").exists, 60)
    (case.project / "test_slow.py").write_text("def test_slow(): pass\ndef test_new(): pass\n")
    shown = one.expect(WAITS)
    assert "cancelled" in shown, shown
    assert "2 passed" in shown.partition("runs what was edited")[2] or "6 passed" in shown, shown
    quit_with_q(one)


SLOW = """
    import os, pathlib, time

    def test_slow():
        here = pathlib.Path(__file__).parent / "t"
        (here / "runs").touch()
        while not os.access(here / "go", os.F_OK):
            time.sleep(0.02)
"""


def test_a_key_cancels_the_run(case: Case, screen: Callable[..., Terminal]) -> None:
    case.write({"pytest.ini": SUITE["pytest.ini"], "test_slow.py": SLOW})
    (case.project / "t").mkdir()
    one = screen()
    assert wait_until((case.project / "t" / "runs").exists, 60)
    (case.project / "t" / "go").touch()
    one.expect(WAITS)
    (case.project / "t" / "go").unlink()
    (case.project / "t" / "runs").unlink()
    one.send("\n")
    assert wait_until((case.project / "t" / "runs").exists, 60)
    one.send("q")
    code, shown = one.finish(60)
    assert code == 0, shown
    assert wait_until(lambda: not case.run_processes(), 10)


def test_the_terminal_is_given_back(case: Case) -> None:
    case.write(SUITE)
    one = Terminal([str(watching.find_watch()), "--rerun"], case.project, case.env)
    try:
        one.expect(WAITS)
        assert not termios.tcgetattr(one._master)[3] & termios.ICANON
        one.send("\x03")
        code, shown = one.finish(30)
        assert code in (128 + signal.SIGINT, -signal.SIGINT), shown
    finally:
        one.close()
        case.stop()


def test_a_hang_up_ends_it(case: Case, screen: Callable[..., Terminal]) -> None:
    case.write(SUITE)
    one = screen()
    one.expect(WAITS)
    one.hang_up()
    assert wait_until(lambda: one.process.poll() is not None, 30)


class TestPlainLines:
    @pytest.fixture
    def lines(self, case: Case) -> Iterator[Callable[..., Running]]:
        started: list[Running] = []

        def start(*args: str) -> Running:
            case.write(SUITE)
            started.append(Running([str(watching.find_watch()), "--rerun", *args], case.project, case.env, case._folder()))
            return started[-1]

        yield start
        for one in started:
            one.process.terminate()
            assert one.finish(30).code == 128 + signal.SIGTERM
        case.stop()

    def wait(self, one: Running, times: int) -> str:
        assert wait_until(lambda: one.out.count(WAITS) == times, 60), one.out + one.err
        return one.out

    def test_a_broken_file_and_its_mending(self, case: Case, lines: Callable[..., Running]) -> None:
        one = lines()
        self.wait(one, 1)
        assert "\x1b" not in one.out and "Enter" not in one.out
        file = case.project / "test_a.py"
        good = file.read_text()
        file.write_text("def test_a(:\n")
        shown = self.wait(one, 2)
        assert "SyntaxError" in shown
        file.write_text(good)
        shown = self.wait(one, 3).rpartition("SyntaxError")[2]
        assert "2 passed" in shown, shown

    def test_what_is_no_change_runs_nothing(self, case: Case, lines: Callable[..., Running]) -> None:
        one = lines()
        self.wait(one, 1)
        os.utime(case.project / "test_a.py")
        watching.replace(case.project / "test_b.py", (case.project / "test_b.py").read_text())
        watching.edit(case.project / "sub" / "test_c.py")
        shown = self.wait(one, 2)
        assert shown.count("runs what was edited") == 1 and "1 passed" in shown, shown

    def test_arguments_are_those_of_each_run(self, case: Case, lines: Callable[..., Running]) -> None:
        one = lines("-n", "1", "-k", "not a2", "sub", "test_a.py")
        assert "2 passed, 1 deselected" in self.wait(one, 1)
        watching.edit(case.project / "test_b.py")  # is none of what was asked for
        watching.edit(case.project / "test_a.py")
        shown = self.wait(one, 2).partition(WAITS)[2]
        first, _, rest = shown.partition("runs the rest")
        assert "1 passed, 1 deselected" in first and "1 passed, 2 deselected" in rest, shown

    def test_a_new_file_comes_first(self, case: Case, lines: Callable[..., Running]) -> None:
        one = lines()
        self.wait(one, 1)
        case.write({"test_new.py": "def test_new(): assert 0\n"})
        shown = self.wait(one, 2).partition(WAITS)[2]
        first, _, rest = shown.partition("runs the rest")
        assert "1 failed" in first and "4 passed" in rest, shown

    def test_a_test_whose_name_begins_like_another(self, case: Case, lines: Callable[..., Running]) -> None:
        """pytest would leave out test_b2 with test_b."""
        one = lines()
        self.wait(one, 1)
        case.write({"test_b.py": "def test_b(): assert 0\ndef test_b2(): pass\n"})
        self.wait(one, 2)
        watching.edit(case.project / "test_a.py")
        shown = self.wait(one, 3).rpartition("runs what was edited")[2]
        first, _, rest = shown.partition("runs the rest")
        assert "1 failed, 2 passed" in first, shown
        assert "1 failed, 2 passed, 2 deselected" in rest, shown

    def test_a_daemon_that_is_gone_is_started_again(self, case: Case, lines: Callable[..., Running]) -> None:
        one = lines()
        self.wait(one, 1)
        daemon = case.daemon_pid()
        assert case.stop().code == 0
        assert "another one is started" in self.wait(one, 2)
        assert case.daemon_pid() != daemon and not alive(daemon)
        watching.edit(case.project / "test_b.py")
        self.wait(one, 3)

    def test_events_are_its_own(self, case: Case) -> None:
        case.write(SUITE)
        done = watching.start(case, "--rerun", "--events", str(Path(case.home) / "e")).finish(30)
        assert done.code == 79 and "--events" in done.err, done
