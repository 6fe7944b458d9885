"""`pytest --fast` of pytest-fast 0.9.3, unmodified, and of pfast: options, guards and exit codes, each tried on both. The last test
prints what came of it as a table."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from harness import Case, Finished, Running
from plugin_environment import fast_environment, predecessor_environment
from processes import alive, wait_until
from suites_of_tests import SIX

SUITE = {
    **SIX,
    "sub/test_pid.py": """
        import os, pathlib

        def test_pid():
            with open("pids", "a") as file:
                file.write(f"{os.getpid()}\\n")
    """,
}
#: Waits until three processes run tests: there are that many workers. Each of the predecessor's takes two tests before it begins.
MEETING = """
    import os, pathlib, time
    import pytest

    @pytest.mark.parametrize("n", range(9))
    def test_meet(n):
        pathlib.Path(f"here-{os.getpid()}").touch()
        end = time.monotonic() + 30
        while len(list(pathlib.Path().glob("here-*"))) < 3:
            assert time.monotonic() < end
            time.sleep(0.01)
"""
#: Behaviour -> what each did.
ROWS: dict[str, tuple[str, str]] = {}
#: Behaviour -> why pfast does otherwise.
OTHERWISE = {
    "a worker dies": "the test that killed it has failed, by name; the others have their results",
    "a socket that is a file": "pfast names it, and plain pytest runs; the predecessor removes the file and serves there",
    "--fast -x": "pfast stops after the first failure, as pytest does; the predecessor runs on",
    "--fast --collect-only": "pfast lists, as pytest does; the predecessor runs the tests",
    "the other one's daemon at the socket": "pfast says whose it is and how to replace it, and plain pytest runs",
    "--help": "pfast has --fast-required, too",
}


class Side:
    """One of the two plugins, on a socket and a project of its own."""

    def __init__(self, case: Case, name: str, environment: Path) -> None:
        self.case = case
        self.name = name
        self.python = str(environment / "bin" / "python")
        self.project = case.home / f"project-{name}"
        self.folder = case.home / f"s-{name[:2]}"
        self.folder.mkdir(mode=0o700)
        self.address = str(self.folder / "a.sock")
        self.env = {**case.env, "VIRTUAL_ENV": str(environment), "PFAST_EXECUTABLE": str(case.pfast_path)}
        self.write(SUITE)

    def write(self, files: Mapping[str, str]) -> None:
        project, self.case.project = self.case.project, self.project
        self.project.mkdir(exist_ok=True)
        self.case.write(files)
        self.case.project = project

    def start(self, *args: str, env: Mapping[str, str] | None = None) -> Running:
        return Running([self.python, "-m", "pytest", *args], self.project, {**self.env, **(env or {})}, self.case._folder())

    def plain(self, *args: str, env: Mapping[str, str] | None = None) -> Finished:
        return self.start(*args, env=env).finish()

    def fast(self, *args: str, env: Mapping[str, str] | None = None) -> Finished:
        return self.start("--fast", f"--fast-address={self.address}", *args, env=env).finish()

    def daemon(self, address: str | None = None) -> int | None:
        """Its process id, by the file that both write."""
        try:
            pid = int(Path((address or self.address) + ".pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if alive(pid) else None

    def stop(self, address: str | None = None) -> None:
        if self.daemon(address) is not None:
            self.case.pfast("stop", "--address", address or self.address)
            assert wait_until(lambda: self.daemon(address) is None, 30)

    def pids(self) -> list[str]:
        file = self.project / "pids"
        return file.read_text().split() if file.exists() else []


def outcomes(done: Finished) -> str:
    """The counts of pytest's last line."""
    lines = [line for line in done.out.splitlines() if re.search(r" in \d+\.\d+s", line)]
    found = re.findall(r"(\d+ (?:passed|failed|errors?|skipped|xfailed|xpassed|deselected))", lines[-1]) if lines else []
    return f"exit {int(done.code)}, " + (", ".join(sorted(found)) or "nothing run")


def behaviour(name: str) -> Callable[[Callable[[Side], str]], Callable[..., None]]:
    """A test that tries one thing with both plugins and compares what came of it."""

    def decorate(trial: Callable[[Side], str]) -> Callable[..., None]:
        ROWS[name] = ("not tried", "not tried")

        def test(sides: list[Side]) -> None:
            ROWS[name] = ("FAILED", "FAILED")
            ROWS[name] = (trial(sides[0]), trial(sides[1]))
            old, new = ROWS[name]
            assert (old != new) == (name in OTHERWISE), f"pytest-fast: {old}\npfast: {new}"

        test.__doc__ = trial.__doc__
        return test

    return decorate


@pytest.fixture
def sides(case: Case) -> Iterator[list[Side]]:
    both = [Side(case, "pytest-fast", predecessor_environment()), Side(case, "pfast", fast_environment())]
    yield both
    for side in both:
        side.stop()
    # The predecessor's own temporary folder, where it was killed.
    for path in (case.home / "t").glob("pymp-*"):
        shutil.rmtree(path, ignore_errors=True)


# -- selection and exit codes --------------------------------------------------------------------------------------------


@behaviour("--fast")
def test_fast(side: Side) -> str:
    done = side.fast()
    assert side.daemon() is not None, done
    assert outcomes(done) == outcomes(side.plain())
    return outcomes(done)


@behaviour("--fast, everything passes")
def test_green(side: Side) -> str:
    return outcomes(side.fast("sub", "test_six.py::test_slow"))


@behaviour("--fast -k / -m / path / node id")
def test_selection(side: Side) -> str:
    found = []
    for args in (["-k", "number"], ["-m", "slow"], ["sub"], ["test_six.py::test_number[0]"]):
        # pytest-xdist, and so a run with workers, does not count what was deselected.
        done, plain = (re.sub(r", \d+ deselected", "", outcomes(one)) for one in (side.fast(*args), side.plain(*args)))
        assert done == plain
        found.append(done.removeprefix("exit "))
    return "; ".join(found)


@behaviour("no test was selected")
def test_nothing_selected(side: Side) -> str:
    return outcomes(side.fast("-k", "nothing"))


@behaviour("a node id that is not there")
def test_unknown_node_id(side: Side) -> str:
    done = side.fast("test_six.py::test_gone")
    assert "test_gone" in done.err + done.out
    return outcomes(done)


@behaviour("a file that cannot be imported")
def test_collection_error(side: Side) -> str:
    side.write({"test_broken.py": "import nonsense\n"})
    done = side.fast()
    assert "No module named 'nonsense'" in done.out and "Interrupted: 1 error" in done.out and not side.pids(), done
    return f"exit {done.code}, pytest's text, nothing run"


@behaviour("--continue-on-collection-errors")
def test_continue_on_errors(side: Side) -> str:
    side.write({"test_broken.py": "import nonsense\n"})
    done = side.fast("--continue-on-collection-errors")
    return outcomes(done)


@behaviour("--fast -x")
def test_exitfirst(side: Side) -> str:
    done = side.fast("-x", "test_six.py::test_number")
    return outcomes(done)


@behaviour("--fast --collect-only")
def test_collect_only(side: Side) -> str:
    done = side.fast("--collect-only", "-q")
    assert done.out.splitlines()[:9] == side.plain("--collect-only", "-q").out.splitlines()[:9], done
    return f"exit {int(done.code)}, {len(side.pids())} tests run of those in a file"


# -- options and variables -------------------------------------------------------------------------------------------------


@behaviour("--help")
def test_help(side: Side) -> str:
    done = side.plain("--help")
    return " ".join(sorted(set(re.findall(r"^  (--fast[a-z-]*)", done.out, re.MULTILINE))))


@behaviour("PYTEST_FAST_ADDRESS")
def test_address_variable(side: Side) -> str:
    address = str(side.folder / "v.sock")
    done = side.start("--fast", "sub", env={"PYTEST_FAST_ADDRESS": address}).finish()
    assert side.daemon(address) is not None, done
    side.stop(address)
    return outcomes(done) + ", at that socket"


@behaviour("--fast-address over the variable")
def test_address_option(side: Side) -> str:
    address = str(side.folder / "v.sock")
    done = side.fast("sub", env={"PYTEST_FAST_ADDRESS": address})
    assert side.daemon() is not None and side.daemon(address) is None, done
    return outcomes(done) + ", the option's socket"


@behaviour("--fast-address PATH, written apart")
def test_address_apart(side: Side) -> str:
    found = []
    for _ in range(2):  # the second time there is a file of that name
        done = side.start("--fast", "--fast-address", side.address, "sub").finish()
        found.append(outcomes(done))
    return "; ".join(found)


@behaviour("--fast-workers=3")
def test_workers_option(side: Side) -> str:
    side.write({"meet/test_meet.py": MEETING})
    return outcomes(side.fast("--fast-workers=3", "meet")) + ": at the same time"


@behaviour("PYTEST_FAST_WORKERS=3")
def test_workers_variable(side: Side) -> str:
    side.write({"meet/test_meet.py": MEETING})
    return outcomes(side.fast("meet", env={"PYTEST_FAST_WORKERS": "3"})) + ": at the same time"


@behaviour("--fast-workers=0, x")
def test_wrong_workers(side: Side) -> str:
    zero, word = side.fast("--fast-workers=0"), side.fast("--fast-workers=x")
    assert "worker count must be >= 1, got 0" in zero.err and "invalid int value: 'x'" in word.err, f"{zero}{word}"
    return f"exit {zero.code}, {word.code}: both named"


@behaviour("PYTEST_FAST_WORKERS=0, x")
def test_wrong_workers_variable(side: Side) -> str:
    zero, word = side.fast("sub", env={"PYTEST_FAST_WORKERS": "0"}), side.fast("sub", env={"PYTEST_FAST_WORKERS": "x"})
    assert "PYTEST_FAST_WORKERS" in zero.err and "must be >= 1" in zero.err, zero
    return f"exit {zero.code}; {outcomes(word)}"


@behaviour("--fast-ttl=1")
def test_ttl_option(side: Side) -> str:
    done = side.fast("--fast-ttl=1", "sub")
    assert wait_until(lambda: side.daemon() is None, 60)
    return outcomes(done) + ", the daemon has left"


@behaviour("PYTEST_FAST_TTL=1")
def test_ttl_variable(side: Side) -> str:
    done = side.fast("sub", env={"PYTEST_FAST_TTL": "1"})
    assert wait_until(lambda: side.daemon() is None, 60)
    return outcomes(done) + ", the daemon has left"


@behaviour("--fast-ttl=x")
def test_wrong_ttl(side: Side) -> str:
    done = side.fast("--fast-ttl=x")
    assert "invalid float value: 'x'" in done.err, done
    return f"exit {done.code}"


@behaviour("--fast in addopts")
def test_addopts(side: Side) -> str:
    side.write({"pytest.ini": f"[pytest]\naddopts = --fast --fast-address={side.address}\n"})
    done = side.plain("sub")
    assert side.daemon() is not None, done
    return outcomes(done) + ", through the daemon"


@behaviour("-v, -rA, --durations, --junitxml")
def test_reporting(side: Side) -> str:
    args = ["-v", "-rA", "--durations=2", "-vv", f"--junitxml={side.folder}/junit.xml"]
    done = side.fast(*args)
    plain = side.plain(*args)
    lines = {line for line in plain.out.splitlines() if re.match(r"(PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS) ", line)}
    assert len(lines) >= 8 and lines <= set(done.out.splitlines()) and "slowest 2 durations" in done.out, done
    found = re.findall(r'(tests|failures|errors|skipped)="(\d+)"', Path(f"{side.folder}/junit.xml").read_text())
    return ", ".join(f"{number} {name}" for name, number in sorted(found))


@behaviour("no --fast: no daemon, pytest's loop")
def test_inert(side: Side) -> str:
    done = side.plain("sub", env={"PYTEST_FAST_ADDRESS": side.address, "PYTEST_FAST_WORKERS": "0", "PYTEST_FAST_TTL": "x"})
    assert side.daemon() is None and len(side.pids()) == 1, done
    return outcomes(done)


@behaviour("OUTCOME_DUMP=PATH pytest -p NAME")
def test_outcome_dump(side: Side) -> str:
    dump = side.folder / "dump.json"
    name = {"pytest-fast": "pytest_fast", "pfast": "pfast"}[side.name]
    done = side.plain("-p", name, env={"OUTCOME_DUMP": str(dump)})
    return f"exit {done.code}, " + json.dumps(json.loads(dump.read_text()))


@behaviour("OUTCOME_DUMP=PATH pytest --fast")
def test_outcome_dump_fast(side: Side) -> str:
    dump = side.folder / "dump.json"
    done = side.fast(env={"OUTCOME_DUMP": str(dump)})
    return f"exit {done.code}, " + json.dumps(json.loads(dump.read_text()))


# -- the daemon --------------------------------------------------------------------------------------------------------------


@behaviour("a second run")
def test_second_run(side: Side) -> str:
    side.fast("sub")
    pid = side.daemon()
    done = side.fast("sub")
    assert side.daemon() == pid is not None
    return outcomes(done) + ", on the same daemon"


@behaviour("an edit between two runs")
def test_edit(side: Side) -> str:
    side.write({"tests/test_edit.py": "def test_edit():\n    pass\n"})
    first = side.fast("tests")
    side.write({"tests/test_edit.py": "def test_edit():\n    assert 0\n"})
    # The predecessor goes by the time of the file.
    os.utime(side.project / "tests" / "test_edit.py", (2_000_000_000, 1_999_999_999))
    os.utime(side.project / "tests" / "test_edit.py")
    second = side.fast("tests")
    return f"{outcomes(first)}; {outcomes(second)}"


@behaviour("the daemon was killed")
def test_killed(side: Side) -> str:
    side.fast("sub")
    pid = side.daemon()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not alive(pid), 20)
    done = side.fast("sub")
    assert side.daemon() not in (None, pid), done
    return outcomes(done) + ", on a new daemon"


@behaviour("a worker dies")
def test_worker_dies(side: Side) -> str:
    side.write({"dies/test_dies.py": "import os\n\ndef test_first():\n    pass\n\ndef test_dies():\n    os._exit(0)\n\ndef test_last():\n    pass\n"})
    done = side.fast("--fast-workers=1", "dies")
    assert done.code != 0, done
    named = "test_dies" in done.out + done.err
    return f"exit {done.code}, {'named' if named else 'not named'}: {outcomes(done).partition(', ')[2]}"


@behaviour("Ctrl-C")
def test_interrupt(side: Side) -> str:
    side.write({"wait/test_wait.py": """
        import pathlib, time

        def test_wait():
            pathlib.Path("begun").touch()
            while not pathlib.Path("go").exists():
                time.sleep(0.01)
    """})
    running = side.start("--fast", f"--fast-address={side.address}", "wait")
    assert wait_until((side.project / "begun").exists, 60), running.err
    running.process.send_signal(signal.SIGINT)
    (side.project / "go").touch() if side.name == "pytest-fast" else None
    done = running.finish()
    (side.project / "go").touch()
    assert "KeyboardInterrupt" in done.out + done.err and side.daemon() is not None, done
    return f"exit {done.code}, the daemon stays"


@behaviour("a socket that is a file")
def test_address_is_a_file(side: Side) -> str:
    Path(side.address).write_text("mine")
    done = side.fast("sub")
    kept = Path(side.address).is_file() and Path(side.address).read_text() == "mine"
    if kept:
        assert side.address in done.err, done
        Path(side.address).unlink()
    return f"exit {done.code}, the file is {'kept' if kept else 'gone'}"


@behaviour("the other one's daemon at the socket")
def test_the_others_daemon(side: Side) -> str:
    if side.name == "pytest-fast":
        assert side.case.pfast("serve", "--address", side.address, cwd=str(side.project), env={"VIRTUAL_ENV": side.env["VIRTUAL_ENV"]}).code == 0
    else:
        old = predecessor_environment() / "bin" / "python"
        command = [str(old), "-m", "pytest_fast", "--serve", "--address", side.address, "--workers", "2"]
        serving = Running(command, side.project, side.env, side.case._folder())
        assert wait_until(lambda: side.daemon() is not None, 60), serving.err
    pid = side.daemon()
    done = side.fast("sub")
    refused = "is pytest-fast's" in done.err and "pfast restart" in done.err
    assert side.daemon() == pid and refused == (len(side.pids()) == 1 and side.name == "pfast"), done
    return f"{outcomes(done)}, {'not ' if refused else ''}served by it"


# -- the table ---------------------------------------------------------------------------------------------------------------


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Stands last: what the tests before it have found."""
    width = max(map(len, ROWS))
    lines = []
    for name, (old, new) in ROWS.items():
        lines.append(f"  {name:<{width}}  {shown(old) if old == new else 'pytest-fast: ' + shown(old)}")
        if old != new:
            lines += [f"  {'':<{width}}  pfast:       {shown(new)}", f"  {'':<{width}}  ({OTHERWISE.get(name, 'NOT EXPLAINED')})"]
    with capsys.disabled():
        print("\n".join(["", f"`pytest --fast` of pytest-fast 0.9.3 and of pfast: {len(ROWS)} behaviours", *lines]))
    assert all("FAILED" not in row for row in ROWS.values())


def shown(text: str) -> str:
    return text if len(text) <= 110 else text[:107] + "..."
