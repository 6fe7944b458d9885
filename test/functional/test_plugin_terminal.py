"""`pytest --fast` in a shell with job control on a real pseudo-terminal. Each test keeps a record of the session."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator

import pytest
from fast_pytest import FastPytest
from harness import Case
from plugin_environment import fast_environment
from processes import wait_until
from terminal import Terminal

pytestmark = pytest.mark.skipif(bool(os.environ.get("PFAST_TEST_EXECUTABLE")), reason="makes environments of the build tree's package")

PROMPT = "shell> "
SUITE = {
    "pytest.ini": "[pytest]\n",
    "test_fails.py": """
        def outer():
            x = 41
            return inner(x + 1)

        def inner(x):
            assert x == 43, "not what was wanted"

        def test_fails():
            outer()
    """,
    "test_waits.py": """
        import os, time

        def test_waits():
            open(f"running-{os.getpid()}", "w").close()
            end = time.monotonic() + 60
            while time.monotonic() < end and not os.path.exists("go"):
                time.sleep(0.02)
                with open("ticks", "a") as file:
                    file.write(".")

        def test_after():
            pass
    """,
    "test_asks.py": """
        import shutil

        def test_asks():
            assert input("name? ") == "gudrun"

        def test_sizes():
            print("first", shutil.get_terminal_size().columns)
            input("resized? ")
            print("then", shutil.get_terminal_size().columns)
    """,
}


class Shell:
    """bash, interactive, whose commands are pytest's of the environment."""

    def __init__(self, fast: FastPytest) -> None:
        self.fast = fast
        bash = shutil.which("bash")
        assert bash is not None
        env = {**fast.env, "PS1": PROMPT, "PATH": f"{fast.case.pytest.parent}:{os.environ['PATH']}", "HISTFILE": "/dev/null"}
        self.terminal = Terminal([bash, "--norc", "--noprofile", "--noediting", "-i"], fast.case.project, env)
        self.terminal.expect(PROMPT)

    def type(self, line: str) -> None:
        self.terminal.send(line + "\n")

    def expect(self, text: str) -> str:
        return self.terminal.expect(text)

    def press(self, key: str) -> None:
        self.terminal.send(key)

    def exit_code(self) -> int:
        self.type("echo code=$?.")
        self.expect("code=$?.")  # the line itself
        self.expect("code=")
        return int(self.expect("."))

    def leave(self) -> None:
        self.type("exit")
        self.terminal.finish()

    def runs(self) -> list[str]:
        return [path.name for path in self.fast.case.project.glob("running-*")]


@pytest.fixture
def shell(case: Case) -> Iterator[Shell]:
    case.write(SUITE)
    shell = Shell(FastPytest(case, fast_environment()))
    try:
        yield shell
    finally:
        shell.terminal.close()
        if folder := os.environ.get("PFAST_TEST_RECORDS"):
            name = re.sub(r"\W+", "-", os.environ["PYTEST_CURRENT_TEST"].partition(" ")[0].rpartition("::")[2])
            with open(os.path.join(folder, f"{name}.txt"), "w") as file:
                file.write(shell.terminal.record)


@pytest.mark.parametrize("options", ["--fast", "--fast -n 2", ""], ids=["fast", "workers", "plain"])
def test_pdb_on_a_failure(shell: Shell, options: str) -> None:
    """The same session with plain pytest."""
    for _ in range(2):
        shell.type(f"pytest {options} --pdb test_fails.py")
        shell.expect("(Pdb) ")
        shell.type("p x")
        shell.expect("42")
        shell.expect("(Pdb) ")
        shell.type("up")
        shell.expect("return inner(x + 1)")
        shell.expect("(Pdb) ")
        shell.type("p x")
        shell.expect("41")
        shell.expect("(Pdb) ")
        shell.type("c")
        shell.expect("1 failed")
        shell.expect(PROMPT)
        assert shell.exit_code() == 1


@pytest.mark.parametrize("options", ["--fast", "--fast -n 2", "--fast -n 0", ""], ids=["fast", "workers", "inline", "plain"])
def test_control_c(shell: Shell, options: str) -> None:
    shell.type(f"pytest {options} test_waits.py")
    assert wait_until(shell.runs, 60)
    shell.press("\x03")
    shell.expect("KeyboardInterrupt")
    # Another worker may have come to the other test.
    shell.expect("no tests ran" if options in ("--fast -n 0", "") else " in ")
    shell.expect(PROMPT)
    assert shell.exit_code() == 2
    shell.leave()
    shell.fast.case.assert_runs_are_over()


@pytest.mark.parametrize("options", ["--fast", "--fast -n 2", "--fast -n 0", ""], ids=["fast", "workers", "inline", "plain"])
def test_control_z_and_fg(shell: Shell, options: str) -> None:
    """The tests stop, too: nothing is written while the shell has the terminal."""
    shell.type(f"pytest {options} test_waits.py")
    assert wait_until(shell.runs, 60)
    ticks = shell.fast.case.project / "ticks"
    assert wait_until(lambda: ticks.exists() and ticks.stat().st_size > 0, 60)
    shell.press("\x1a")
    shell.expect("Stopped")
    shell.expect(PROMPT)
    (pid,) = (int(name.partition("-")[2]) for name in shell.runs())
    assert wait_until(lambda: _state(pid) == "T", 10)
    before = ticks.stat().st_size
    shell.type("echo the shell works")
    shell.expect("the shell works")
    shell.expect(PROMPT)
    assert ticks.stat().st_size == before
    shell.type("fg")
    assert wait_until(lambda: ticks.stat().st_size > before, 60)
    (shell.fast.case.project / "go").touch()
    shell.expect("2 passed")
    shell.expect(PROMPT)
    assert shell.exit_code() == 0


def test_a_debugger_is_stopped_and_goes_on(shell: Shell) -> None:
    shell.type("pytest --fast --pdb test_fails.py")
    shell.expect("(Pdb) ")
    shell.press("\x1a")
    shell.expect("Stopped")
    shell.expect(PROMPT)
    shell.type("fg")
    shell.expect("pytest --fast --pdb")
    shell.type("p x")
    shell.expect("42")
    shell.expect("(Pdb) ")
    shell.type("c")
    shell.expect("1 failed")
    shell.expect(PROMPT)
    assert shell.exit_code() == 1


def test_a_stopped_run_that_is_killed_leaves_nothing(shell: Shell) -> None:
    shell.type("pytest --fast test_waits.py")
    assert wait_until(shell.runs, 60)
    shell.press("\x1a")
    shell.expect("Stopped")
    shell.expect(PROMPT)
    shell.type("kill -9 %1")
    shell.expect(PROMPT)
    # bash does not leave while it takes the job for stopped, and "wait" returns at once for such a one.
    shell.type('until [ -z "$(jobs -s)" ]; do sleep 0.05; done')
    shell.expect(PROMPT)
    shell.leave()
    shell.fast.case.assert_runs_are_over()


@pytest.mark.parametrize("options", ["--fast", ""], ids=["fast", "plain"])
def test_input(shell: Shell, options: str) -> None:
    shell.type(f"pytest {options} -s test_asks.py::test_asks")
    shell.expect("name? ")
    shell.type("gudrun")
    shell.expect("1 passed")
    shell.expect(PROMPT)
    assert shell.exit_code() == 0


@pytest.mark.parametrize("options", ["--fast", ""], ids=["fast", "plain"])
def test_resize(shell: Shell, options: str) -> None:
    shell.type(f"pytest {options} -s test_asks.py::test_sizes")
    shell.expect("first 80")
    shell.expect("resized? ")
    shell.terminal.resize(100)
    shell.type("yes")
    shell.expect("then 100")
    shell.expect("1 passed")
    shell.expect(PROMPT)
    assert shell.exit_code() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_dies_by_the_signal_that_ends_it(case: Case, number: signal.Signals) -> None:
    case.write(SUITE)
    fast = FastPytest(case, fast_environment())
    running = fast.start(str(case.pytest), "--fast", "-n", "1", "test_waits.py")
    assert wait_until(lambda: list(case.project.glob("running-*")), 60)
    running.process.send_signal(number)
    assert running.finish().code == -number
    case.assert_runs_are_over()


@pytest.mark.parametrize("options", [["--fast"], []], ids=["fast", "plain"])
def test_a_reader_that_leaves(case: Case, options: list[str]) -> None:
    """pytest | head -1: the exit code is pytest's for a broken pipe, and nothing hangs."""
    case.write({**SUITE, "test_many.py": "import pytest\n\n@pytest.mark.parametrize('n', range(3000))\ndef test_n(n): pass\n"})
    fast = FastPytest(case, fast_environment())
    reader, writer = os.pipe()
    running = fast.start(str(case.pytest), *options, "-n0" if options else "-q", "-v", "test_many.py", stdout=writer)
    os.close(writer)
    os.read(reader, 100)
    os.close(reader)
    done = running.finish()
    assert done.code == 1, done
    case.assert_runs_are_over()


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]
