"""Workers as the machine sees them: names in `ps`, niceness, memory; how many are replaced; what a lost one leaves behind."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from harness import Case, Running
from processes import wait_until
from suites_of_tests import GATED

INI = {"pytest.ini": "[pytest]\n"}


def titles(case: Case) -> list[str]:
    return [process.command for process in case.processes()]


def open_gate(case: Case) -> None:
    (case.project / "gate").mkdir(exist_ok=True)
    (case.project / "gate" / "open").touch()


def test_ps_shows_who_runs_which_test(case: Case) -> None:
    case.write(GATED)
    running = case.start_pfast("run", "-n", "2")
    wanted = ("pfast worker gw0: test_gated.py::test_", "pfast worker gw1: test_gated.py::test_", "pfast run 1", "pfast forkserver: 4 items of ")
    assert wait_until(lambda: all(any(title.startswith(one) for title in titles(case)) for one in wanted), 60), titles(case)
    names = {Path(f"/proc/{process.pid}/comm").read_text().strip() for process in case.processes()}
    assert {"pfast-gw0", "pfast-gw1", "pfast-run"} <= names
    open_gate(case)
    assert running.finish().code == 0
    assert wait_until(lambda: "pfast spare" in titles(case), 30), titles(case)


def test_a_title_is_cut_and_the_process_else_what_it_was(case: Case) -> None:
    name = "test_" + "x" * 300
    case.write(
        {
            **INI,
            "test_long.py": f"""
                import os, sys

                def test_argv():
                    assert sys.argv[1:] == ["-q"], sys.argv
                    assert "pfast worker gw0: test_long.py::test_argv" in open("/proc/self/cmdline").read()

                def {name}():
                    shown = open("/proc/self/cmdline", "rb").read()
                    assert shown.startswith(b"pfast worker gw0: test_long.py::test_xxx"), shown
                    assert b"PFAST_TEST_COOKIE" not in shown
                    assert b"PFAST_TEST_COOKIE" in open("/proc/self/environ", "rb").read()

                def test_after_a_long_one():
                    assert "xxx" not in open("/proc/self/cmdline").read()

                def test_lone_surrogates(monkeypatch):
                    assert os.environ["PYTEST_CURRENT_TEST"]
            """,
        }
    )
    done = case.run("-n", "1", "-q")
    assert done.code == 0, done


def test_niceness_is_the_runs(case: Case) -> None:
    case.write({**INI, "test_nice.py": "import os\n\ndef test_nice():\n    assert os.nice(0) >= 7\n\ndef test_too():\n    assert os.nice(0) >= 7\n"})
    before = os.nice(0)
    assert case.run("-n", "2", "--nice", "7").code == 0
    assert case.run("-n", "2", env={"PFAST_NICE": "7"}).code == 0
    if before < 7:
        assert case.run("-n", "2").code == 1
    assert case.run("--nice", "20").code == 79


def test_short_of_memory_one_worker_does_it_all(case: Case) -> None:
    case.write({**INI, "test_many.py": "import pytest\n\n@pytest.mark.parametrize('n', range(12))\ndef test_n(n, worker_id):\n    assert worker_id == 'gw0'\n"})
    done = case.run("-n", "3", "--dist", "load", env={"PFAST_MEMORY_FLOOR": str(1 << 30)})
    assert done.code == 0, done
    assert len(done.outcomes) == 12
    assert done.err.count("1 of 3 workers for now: ") == 1 and "(memory-floor)" in done.err
    done = case.run("-n", "3", "--dist", "load", "--reporter", "pytest", env={"PFAST_MEMORY_FLOOR": str(1 << 30)})
    assert (done.code, done.err.count("workers for now")) == (0, 1), done
    assert "memory-floor" not in case.run("-n", "3", env={"PFAST_MEMORY_FLOOR": "0"}).err


CRASHES = """
    import os
    import pytest

    @pytest.mark.parametrize("n", range(6))
    def test_crashes(n):
        os._exit(3)
"""


@pytest.mark.parametrize(
    ("most", "reason"),
    [("0", "worker gw0 crashed and worker restarting disabled"), ("2", "maximum crashed workers reached: 2")],
)
def test_no_more_than_so_many_workers_are_replaced(case: Case, most: str, reason: str) -> None:
    case.write({**INI, "test_crash.py": CRASHES})
    done = case.run("-n", "1", "--max-worker-restart", most)
    assert done.code == 1, done
    assert list(done.outcomes.values()) == ["failed"] * (int(most) + 1)
    assert reason in done.out + done.err
    done = case.run("-n", "1", env={"PFAST_MAX_WORKER_RESTART": most})
    assert (done.code, len(done.outcomes)) == (1, int(most) + 1)


def test_lost_workers_are_replaced_under_their_names(case: Case) -> None:
    case.write({**INI, "test_crash.py": CRASHES.replace("test_crashes(n)", "test_crashes(n, worker_id)")})
    done = case.run("-n", "1", "-v")
    assert done.code == 1
    assert list(done.outcomes.values()) == ["failed"] * 6
    assert done.out.count("worker 'gw0' crashed while running") >= 6
    assert "gw1" not in done.out


def make_memory_group(limit: int) -> Path | None:
    """A control group of our own below this process'; None where we may not make one."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        old = "memory" in controllers.split(",")
        if controllers and not old:
            continue
        parent = Path(f"/sys/fs/cgroup/{'memory' if old else ''}{path}")
        group = parent / f"pfast-test-{os.getpid()}"
        limit_file = group / ("memory.limit_in_bytes" if old else "memory.max")
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            limit_file.write_text(str(limit))
            return group
        except OSError:
            group.rmdir()
    return None


def test_a_worker_that_the_kernel_kills_for_want_of_memory(case: Case) -> None:
    group = make_memory_group(256 << 20)
    if group is None:
        pytest.skip("no control group can be made here")
    case.write({**INI, "test_large.py": "def test_large():\n    assert len(b'x' * (1 << 30))\n\ndef test_small():\n    pass\n"})
    folder = case.home / "c0"
    folder.mkdir()
    enter = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group)]
    run = [str(case.pfast_path), "run", "-n", "1", "--dump", str(folder / "outcomes.json")]
    try:
        done = Running([*enter, *run], case.project, {**case.env, "PFAST_MEMORY_FLOOR": "0"}, folder).finish()
        assert done.code == 1, done
        assert done.outcomes == {"test_large.py::test_large": "failed", "test_large.py::test_small": "passed"}
        assert "killed by signal 9 (SIGKILL), probably by the kernel, since memory ran out" in done.out, done
    finally:
        case.stop()
        assert wait_until(lambda: not (group / "cgroup.procs").read_text().strip(), 10)
        group.rmdir()


# -- what a lost worker leaves behind ----------------------------------------------------------------------------------

LAST_WORDS = """
    import ctypes, os, sys, threading, time
    import pytest

    @pytest.fixture
    def talks():
        print("said in setup")

    def test_exits(talks):
        print("said in call")
        print("to stderr", file=sys.stderr)
        os.system("echo a child said it")
        os._exit(3)

    def test_segfaults(talks):
        ctypes.string_at(0)

    def wait_in_a_thread():
        time.sleep(600)

    def test_hangs(talks):
        print("before it hangs")
        threading.Thread(target=wait_in_a_thread, daemon=True).start()
        time.sleep(600)

    def test_quiet():
        pass

    def test_dies_in_teardown(request):
        print("call is over")
        request.addfinalizer(lambda: os._exit(4))
"""


@pytest.mark.parametrize("reporter", ["native", "pytest"])
def test_a_lost_tests_report_has_its_output_and_its_stacks(case: Case, reporter: str) -> None:
    case.write({**INI, "test_words.py": LAST_WORDS})
    done = case.run("-n", "1", "--timeout", "3", "--reporter", reporter)
    assert done.code == 1, done
    assert done.outcomes == {
        "test_words.py::test_exits": "failed",
        "test_words.py::test_segfaults": "failed",
        "test_words.py::test_hangs": "failed",
        "test_words.py::test_quiet": "passed",
        "test_words.py::test_dies_in_teardown": "failed",
    }
    for text in (
        "said in setup",
        "said in call",
        "to stderr",
        "a child said it",
        "Captured stdout setup",
        "Captured stdout call",
        "Captured stderr call",
        "before it hangs",
        "in test_segfaults",
        "in test_hangs",
        "in wait_in_a_thread",
        "call is over",
        "timed out after 3 s in worker 'gw0'",
    ):
        assert text in done.out, (text, str(done))
    # Each once: what a test said is not in the next one's report.
    assert done.out.count("said in call") == 1
    assert "Segmentation fault" in done.out


def test_shown_capture_is_the_users_choice(case: Case) -> None:
    case.write({**INI, "test_words.py": LAST_WORDS})
    done = case.run("-n", "1", "--show-capture=stderr", "test_words.py::test_exits", "test_words.py::test_quiet")
    assert "to stderr" in done.out
    assert "said in call" not in done.out


def test_a_lost_test_that_said_very_much(case: Case) -> None:
    case.write(
        {
            **INI,
            "test_loud.py": """
                import os

                def test_loud():
                    print("the beginning")
                    for _ in range(100):
                        print("x" * 100_000)
                    print("the end")
                    os._exit(1)

                def test_quiet():
                    pass
            """,
        }
    )
    done = case.run("-n", "1")
    assert done.code == 1
    assert "the beginning" in done.out and "the end" in done.out and "bytes left out by pfast" in done.out
    assert len(done.out) < 4 << 20


# -- PYTEST_FAST_WORKER_HANG_TIMEOUT -------------------------------------------------------------------------------------

SLOW = """
    import time

    def sleep_for_long():
        time.sleep(2.5)

    def test_slow():
        sleep_for_long()

    def test_quick():
        pass
"""


@pytest.mark.parametrize("options", [["-n", "2"], ["-n", "2", "--reporter", "pytest"], ["test_slow.py::test_slow"]], ids=" ".join)
def test_the_stacks_of_a_slow_test_are_dumped_and_it_goes_on(case: Case, options: list[str]) -> None:
    case.write({**INI, "test_slow.py": SLOW})
    done = case.run(*options, env={"PYTEST_FAST_WORKER_HANG_TIMEOUT": "1"})
    assert done.code == 0, done
    assert re.search(r"worker 'gw[01]' has been running 'test_slow.py::test_slow' for 1 s", done.err), done
    assert "in sleep_for_long" in done.err
    assert "test_quick" not in done.err


@pytest.mark.parametrize("value", ["0", "-1", "soon", ""])
def test_no_dump_without_a_time(case: Case, value: str) -> None:
    case.write({**INI, "test_slow.py": SLOW.replace("2.5", "0.3")})
    done = case.run("-n", "2", env={"PYTEST_FAST_WORKER_HANG_TIMEOUT": value})
    assert (done.code, "has been running" in done.err) == (0, False), done


# -- processes that tests leave behind -----------------------------------------------------------------------------------

LEAKS = """
    import multiprocessing, os, subprocess, sys, time
    import pytest

    SLEEP = [sys.executable, "-c", "import time; time.sleep(1000)"]

    def test_program():
        subprocess.Popen(SLEEP)

    def test_fork():
        if os.fork() == 0:
            time.sleep(1000)
            os._exit(0)

    def test_daemon():
        subprocess.run([sys.executable, "-c", "import os, time; os.fork() and os._exit(0); os.setsid(); time.sleep(1000)"])

    def test_tidy():
        process = subprocess.Popen(SLEEP)
        process.kill()
        process.wait()

    @pytest.fixture(scope="session")
    def service():
        process = subprocess.Popen(SLEEP)
        yield
        process.kill()
        process.wait()

    def test_service(service):
        pass

    def test_ends_with_its_parent():
        test_ends_with_its_parent.pipe = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)

    def test_pythons_own():
        multiprocessing.get_context("spawn").Semaphore()
"""


@pytest.mark.parametrize("options", [["-n", "2"], ["-n", "1", "--reporter", "pytest"]], ids=" ".join)
def test_processes_that_tests_leave_are_named_and_ended(case: Case, options: list[str]) -> None:
    case.write({**INI, "test_leaks.py": LEAKS})
    done = case.run(*options, "--events", str(case.home / "events"))
    assert done.code == 0, done
    for name in ("test_program", "test_fork", "test_daemon"):
        assert f"leaked: test_leaks.py::{name} left a process behind" in done.out, (name, str(done))
    for name in ("test_tidy", "test_service", "test_ends_with_its_parent", "test_pythons_own"):
        assert f"leaked: test_leaks.py::{name}" not in done.out, (name, str(done))
    warnings = [json.loads(line) for line in (case.home / "events").read_text().splitlines()]
    leaked = [event for event in warnings if event.get("category") == "LeakedProcessWarning"]
    if "pytest" not in options:
        assert sorted(event["nodeid"] for event in leaked) == sorted(f"test_leaks.py::{n}" for n in ("test_program", "test_fork", "test_daemon"))
    case.assert_runs_are_over()


def test_a_single_test_that_leaves_a_process(case: Case) -> None:
    case.write({**INI, "test_leaks.py": LEAKS})
    done = case.run("test_leaks.py::test_program")
    assert done.code == 0
    assert "leaked: test_leaks.py::test_program left a process behind" in done.out
    assert "leaked" not in case.run("test_leaks.py::test_tidy").out
