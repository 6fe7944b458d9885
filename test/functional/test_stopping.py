"""Runs that end early: what pytest would have run is run, what was set up is torn down, the rest is not run, in pytest's words.

The suites write a log of their own: which fixture of which scope went up and down, in which process.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections import defaultdict

import pytest
from harness import Case, Finished, Running
from oracle import masked
from processes import wait_until

SCOPES = ("session", "package", "module", "class", "function")
CONFTEST = """
    import os
    import time
    from pathlib import Path

    import pytest

    HERE = Path(__file__).parent

    def note(what):
        with (HERE / "log").open("a") as log:
            log.write(f"{os.getpid()} {what}\\n")

    def wait(name):
        (HERE / f"at-{name}").touch()
        end = time.monotonic() + 100
        while not (HERE / f"open-{name}").exists():
            assert time.monotonic() < end
            time.sleep(0.02)

    def sleep(name):
        # One line of C calls: an interrupt hits this line and no other.
        if not (HERE / f"open-{name}").exists():
            os.mkdir(HERE / f"at-{name}"); time.sleep(100)

    def logged(scope):
        @pytest.fixture(scope=scope, name=f"of_{scope}")
        def fixture(request):
            note(f"up {scope}")
            yield
            if scope == os.environ.get("WAITS_IN"):
                wait("teardown")
            note(f"down {scope}")
        return fixture

    of_session, of_package, of_module, of_class, of_function = map(logged, "session package module class function".split())

    @pytest.fixture
    def all_of_them(of_session, of_package, of_module, of_class, of_function):
        pass
"""
FAILING = """
    import pytest
    from conftest import note

    class TestIt:
        @pytest.mark.parametrize("n", range(3))
        def test_fails(self, all_of_them, n):
            note("ran")
            assert 0
"""
WAITING = """
    from conftest import note, sleep

    def test_before():
        note("ran")

    class TestIt:
        def test_waits(self, all_of_them):
            note("ran")
            sleep("test")

        def test_after(self, of_class):
            note("ran")
"""
WORKERS_AND_REPORTERS = [
    ["-n", "1"], ["-n", "4"], ["-n", "0"], ["-n", "1", "--reporter", "pytest"], ["-n", "4", "--reporter", "pytest"],
]


def write(case: Case, modules: dict[str, str]) -> None:
    case.write({"pytest.ini": "[pytest]\n", "pack/__init__.py": "", "conftest.py": CONFTEST})
    case.write({f"pack/{name}": text for name, text in modules.items()})


def take_log(case: Case) -> dict[str, list[str]]:
    """What each process noted; the log is gone then."""
    path = case.project / "log"
    noted: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text().splitlines() if path.exists() else []:
        process, _, what = line.partition(" ")
        noted[process].append(what)
    path.unlink(missing_ok=True)
    return noted


SCOPES = "session package module class function".split()


def assert_torn_down(noted: dict[str, list[str]]) -> None:
    """In each process every fixture that went up came down, the narrowest one first: a class's may have gone up before the session's, for
    another of its tests."""
    for process, lines in noted.items():
        standing: list[str] = []
        for line in lines:
            direction, _, scope = line.partition(" ")
            if direction == "up":
                standing.append(scope)
            elif direction == "down":
                assert scope in standing and scope == max(standing, key=SCOPES.index), (process, lines)
                standing.remove(scope)
        assert not standing, (process, lines)


def stop_lines(text: str) -> list[str]:
    """"!!! why !!!" and what belongs to it."""
    found = []
    for line in masked(text).splitlines():
        if re.match(r"!!! .* !!!$", line) or line.endswith(": KeyboardInterrupt") or line.startswith("(to show a full traceback"):
            found.append(line)
    return found


# -- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", WORKERS_AND_REPORTERS, ids=" ".join)
def test_x_on_twelve_failing_tests(case: Case, options: list[str]) -> None:
    write(case, {f"test_{i}.py": FAILING for i in range(4)})
    expected = case.plain("-x")
    as_plain = take_log(case)
    done = case.run(*options, "-x")
    noted = take_log(case)
    ran = sum(lines.count("ran") for lines in noted.values())
    assert done.code == expected.code == 1, done
    assert len(done.outcomes) == ran, done                  # what ran is told, each once
    assert set(done.outcomes.values()) == {"failed"}
    assert_torn_down(noted)
    if "4" in options:
        assert 1 <= ran <= 4
        assert re.search(r"!!! stopping after [1-4] failures !!!", done.out), done
        return
    assert ran == 1
    assert done.outcomes == expected.outcomes
    assert list(noted.values()) == list(as_plain.values())
    assert stop_lines(done.out) == stop_lines(expected.out) == ["!!! stopping after 1 failures !!!"]
    assert done.out.count("test_fails[0] - assert 0") == 1


@pytest.mark.parametrize("options", WORKERS_AND_REPORTERS, ids=" ".join)
def test_maxfail(case: Case, options: list[str]) -> None:
    write(case, {f"test_{i}.py": FAILING for i in range(4)})
    expected = case.plain("--maxfail=3")
    take_log(case)
    done = case.run(*options, "--maxfail=3")
    noted = take_log(case)
    assert done.code == 1, done
    assert_torn_down(noted)
    if "4" in options:
        # Each worker stops by itself at its third failure; the daemon's word may come later than that.
        assert 3 <= len(done.outcomes) == sum(lines.count("ran") for lines in noted.values()) <= 4 * 3
    else:
        case.assert_same(expected, done)
        assert stop_lines(done.out) == stop_lines(expected.out)


SOME_FAIL = """
    import pytest

    @pytest.mark.parametrize("n", range(12))
    def test_number(n):
        assert n not in (3, 5, 6, 9)
"""


@pytest.mark.parametrize("options", [["-n", "1"], ["-n", "0"], ["-n", "1", "--reporter", "pytest"]], ids=" ".join)
@pytest.mark.parametrize("stepwise", [["--sw"], ["--sw-skip"], ["--sw", "--sw-skip"]], ids=" ".join)
def test_stepwise_goes_on_where_the_run_before_stopped(case: Case, stepwise: list[str], options: list[str]) -> None:
    case.write({"pytest.ini": "[pytest]\n", "test_some.py": SOME_FAIL})
    for _ in range(3):
        expected = case.plain(*stepwise)
        done = case.run(*options, *stepwise)
        case.assert_same(expected, done)
        assert stop_lines(done.out) == stop_lines(expected.out)
        assert expected.code == 2


def test_stepwise_with_several_workers_stops_and_goes_on_with_a_failure(case: Case) -> None:
    case.write({"pytest.ini": "[pytest]\n", **{f"test_{i}.py": SOME_FAIL for i in range(3)}})
    ran: set[str] = set()
    for _ in range(2):
        done = case.run("-n", "3", "--sw")
        assert done.code == 2, done
        assert 1 <= list(done.outcomes.values()).count("failed") <= 3
        ran |= set(done.outcomes)
    assert len(ran) < 36


def test_pytest_exit_ends_a_run_in_its_own_words(case: Case) -> None:
    ends = "import pytest\ndef test_a(): pass\ndef test_ends(): pytest.exit('enough', returncode={code})\ndef test_c(): pass\n"
    for code in ("9", "None"):
        case.write({"pytest.ini": "[pytest]\n", "test_ends.py": ends.format(code=code)})
        expected = case.plain()
        for options in (["-n", "1"], ["-n", "1", "--reporter", "pytest"]):
            done = case.run(*options)
            case.assert_same(expected, done)
            assert stop_lines(done.out) == stop_lines(expected.out) == ["!!! _pytest.outcomes.Exit: enough !!!"], done


# -- Ctrl-C ------------------------------------------------------------------------------------------------------------


def at(case: Case, name: str, running: Running) -> None:
    assert wait_until((case.project / f"at-{name}").exists, 60), running.finish(1)


def opened(case: Case, name: str) -> None:
    (case.project / f"open-{name}").touch()


def forget(case: Case) -> None:
    for path in (*case.project.glob("at-*"), *case.project.glob("open-*"), case.project / "log"):
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)


def interrupted_plain(case: Case, *arguments: str) -> Finished:
    folder = case.home / "plain-interrupted"
    folder.mkdir(exist_ok=True)
    running = Running([str(case.pytest), "-p", "no:cacheprovider", *arguments], case.project, case.env, folder)
    at(case, "test", running)
    os.kill(running.process.pid, signal.SIGINT)
    return running.finish()


@pytest.mark.parametrize("options", [*WORKERS_AND_REPORTERS, ["-n", "1", "--full-trace"]], ids=" ".join)
def test_ctrl_c_tears_down_and_says_where(case: Case, options: list[str]) -> None:
    write(case, {"test_it.py": WAITING})
    pytests = [option for option in options if option == "--full-trace"]
    expected = interrupted_plain(case, *pytests)
    as_plain = list(take_log(case).values())
    forget(case)
    running = case.start_pfast("run", *options, "--events", "events")
    at(case, "test", running)
    os.kill(running.process.pid, signal.SIGINT)
    done = running.finish()
    assert done.code == expected.code == 2, done
    assert "pack/test_it.py::TestIt::test_waits" not in done.outcomes
    told = stop_lines(done.out)
    assert (set(stop_lines(expected.out)) <= set(told)) if "4" in options else (told == stop_lines(expected.out)), done
    noted = take_log(case)
    assert_torn_down(noted)
    assert any("up session" in lines for lines in noted.values())
    if "4" not in options:
        assert list(noted.values()) == as_plain
        finished = json.loads((case.project / "events").read_text().splitlines()[-1])
        assert finished["type"] == "finished" and finished["exit_code"] == 2
        assert finished["not_run_nodeids"] == [f"pack/test_it.py::TestIt::{name}" for name in ("test_waits", "test_after")]
    if pytests:
        assert "def sleep(name):" in done.out and "test_it.py:9" in done.out, done
    case.assert_runs_are_over()
    opened(case, "test")
    case.same()


@pytest.mark.parametrize("scope", ["session", "module", "function"])
def test_a_slow_teardown_is_waited_for(case: Case, scope: str) -> None:
    write(case, {"test_it.py": WAITING})
    running = case.start_pfast("run", "-n", "1", env={"WAITS_IN": scope})
    at(case, "test", running)
    os.kill(running.process.pid, signal.SIGINT)
    at(case, "teardown", running)
    # Longer than what a test has that does not obey.
    assert wait_until(lambda: "Ctrl-C again ends it" in running.err, 30), running.finish(1)
    opened(case, "teardown")
    done = running.finish()
    assert done.code == 2
    assert_torn_down(take_log(case))
    assert done.err.count("Ctrl-C again ends it") == 1


def test_a_second_ctrl_c_ends_it(case: Case) -> None:
    write(case, {"test_it.py": WAITING})
    for options in (["-n", "1"], ["-n", "2", "--reporter", "pytest"]):
        forget(case)
        running = case.start_pfast("run", *options, env={"WAITS_IN": "module"})
        at(case, "test", running)
        daemon = case.daemon_pid()
        os.kill(running.process.pid, signal.SIGINT)
        at(case, "teardown", running)
        os.kill(running.process.pid, signal.SIGINT)
        done = running.finish(30)
        assert done.code == 2, done
        noted = [line for lines in take_log(case).values() for line in lines]
        assert "down class" in noted and "down session" not in noted
        case.assert_runs_are_over()
        assert case.daemon_pid() == daemon
    opened(case, "test")
    case.same()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_client_that_is_gone_leaves_nothing_standing(case: Case, number: signal.Signals) -> None:
    write(case, {"test_it.py": WAITING})
    running = case.start_pfast("run", "-n", "1")
    at(case, "test", running)
    daemon = case.daemon_pid()
    os.kill(running.process.pid, number)
    assert running.process.wait(30) in (-number, 128 + number)
    assert wait_until(lambda: not case.run_processes(), 20)
    noted = take_log(case)
    if number == signal.SIGKILL:            # it has five seconds; otherwise the client waits, and has not got them
        assert_torn_down(noted)
    assert case.daemon_pid() == daemon
    opened(case, "test")
    case.same()
