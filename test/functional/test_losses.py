"""Lost processes and interrupted runs: the right verdict, by name, and nothing left."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from harness import GRACE_S, Case, Running
from processes import alive, wait_until
from suites_of_tests import GATED

ENDS = {
    "os._exit(1)": "import os; os._exit(1)",
    "os._exit(0)": "import os; os._exit(0)",
    "os._exit(3)": "import os; os._exit(3)",
    "segmentation fault": "import ctypes; ctypes.string_at(0)",
    "abort": "import os; os.abort()",
    "kill -9 of itself": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
}


def crashing_suite(how: str) -> dict[str, str]:
    return {
        "pytest.ini": "[pytest]\n",
        "test_crash.py": f"""
            import pytest

            @pytest.mark.parametrize("n", range(8))
            def test_fine(n):
                pass

            def test_crashes():
                {how}

            def test_after():
                pass
        """,
        "test_other.py": """
            def test_other():
                assert 0
        """,
    }


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("how", ENDS)
def test_a_test_that_ends_its_process(case: Case, how: str, workers: str) -> None:
    case.write(crashing_suite(ENDS[how]))
    # The oracle is plain pytest of the same suite with a test that fails instead.
    case.write({"plain/pytest.ini": "[pytest]\n"})
    for name, text in crashing_suite("assert 0").items():
        case.write({f"plain/{name}": text})
    expected = case.plain(cwd="plain")
    for _ in range(2):
        actual = case.run("-n", workers, "--ignore", "plain")
        case.assert_same(expected, actual)
        told = actual.out + actual.err
        assert "test_crash.py::test_crashes" in told
        assert "crashed while running" in told
        case.assert_runs_are_over()


def test_crash_of_a_single_test(case: Case) -> None:
    case.write(crashing_suite("import os; os._exit(0)"))
    actual = case.run("test_crash.py::test_crashes")
    assert actual.code == 1
    assert actual.outcomes == {"test_crash.py::test_crashes": "failed"}
    assert case.run("test_other.py").outcomes == {"test_other.py::test_other": "failed"}


@pytest.mark.parametrize("options", [[], ["--reporter", "pytest"]], ids=["native", "pytest"])
def test_crash_at_the_end_of_a_workers_session(case: Case, options: list[str]) -> None:
    """No test is to blame, but plain pytest would have died of it: never green."""
    case.write(
        {
            "pytest.ini": "[pytest]\n",
            "conftest.py": """
                import os

                def pytest_sessionfinish(session):
                    if os.environ.get("PYTEST_XDIST_WORKER") == "gw1":
                        os.abort()
            """,
            "test_a.py": "import time, pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_a(n): time.sleep(0.1)\n",
            "test_b.py": "import time, pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_b(n): time.sleep(0.1)\n",
        }
    )
    done = case.run("-n", "2", *options)
    assert done.code == 3, done
    assert "worker 'gw1' crashed after its last test: killed by signal 6 (SIGABRT)" in done.out + done.err
    assert set(done.outcomes.values()) == {"passed"} and len(done.outcomes) == 12


def test_crash_in_the_session_on_the_terminal(case: Case) -> None:
    case.write(crashing_suite("import os; os._exit(0)"))
    actual = case.run("-n", "0")
    assert actual.code not in (0, 5)
    assert "test_crash.py::test_crashes" in actual.out + actual.err
    case.assert_runs_are_over()


def test_crash_with_pytests_reporter(case: Case) -> None:
    case.write(crashing_suite("import os; os._exit(0)"))
    actual = case.run("-n", "2", "--reporter", "pytest")
    assert actual.code == 1
    assert "crashed while running 'test_crash.py::test_crashes'" in actual.out
    assert "2 failed, 9 passed" in actual.out


# -- processes killed in mid-run ---------------------------------------------------------------------------------------


def waiting(case: Case, name: str) -> list[int]:
    """Processes that wait in the gated test *name*."""
    return [int(path.name.rpartition(".")[2]) for path in (case.project / "gate").glob(f"{name}.*")]


def start_gated(case: Case, *options: str) -> Running:
    case.write(GATED)
    running = case.start_pfast("run", *options)
    assert wait_until(lambda: waiting(case, "first"), 60), running.finish(1)
    return running


def open_gate(case: Case) -> None:
    (case.project / "gate").mkdir(exist_ok=True)
    (case.project / "gate" / "open").touch()


def assert_next_run_is_right(case: Case) -> None:
    open_gate(case)
    case.same()


def test_the_daemon_is_killed(case: Case) -> None:
    running = start_gated(case, "-n", "2")
    os.kill(case.daemon_pid(), signal.SIGKILL)
    done = running.finish(30)
    assert done.code >= 70, done
    assert "daemon" in done.err
    assert wait_until(lambda: not case.processes(), GRACE_S), "\n".join(map(str, case.processes()))
    assert_next_run_is_right(case)


def test_the_forkserver_is_killed(case: Case) -> None:
    running = start_gated(case, "-n", "2")
    status = case.status()
    assert status is not None
    os.kill(int(status["generations"][0]["pid"]), signal.SIGKILL)
    open_gate(case)
    done = running.finish(60)
    assert done.code in (0, 3), done
    assert done.code or len(done.outcomes) == 4
    case.assert_runs_are_over()
    assert_next_run_is_right(case)


def test_a_worker_is_killed(case: Case) -> None:
    running = start_gated(case, "-n", "2")
    os.kill(waiting(case, "first")[0], signal.SIGKILL)
    open_gate(case)
    done = running.finish(60)
    assert done.code == 1, done
    assert done.outcomes.pop("test_gated.py::test_waits") == "failed"
    assert done.outcomes == {f"test_gated.py::{name}": "passed" for name in ("test_before", "test_also_waits", "test_after")}
    assert "SIGKILL" in done.out + done.err or "signal 9" in done.out + done.err
    case.assert_runs_are_over()
    case.same()


@pytest.mark.parametrize("options", [["-n", "2"], ["-n", "1"], ["-n", "0"], ["-n", "2", "--reporter", "pytest"]], ids=" ".join)
def test_interrupt_from_the_keyboard(case: Case, options: list[str]) -> None:
    running = start_gated(case, *options)
    daemon = case.daemon_pid()
    os.kill(running.process.pid, signal.SIGINT)
    done = running.finish(30)
    assert done.code == 2, done
    assert "test_gated.py::test_after" not in done.outcomes
    assert "KeyboardInterrupt" in done.out + done.err
    case.assert_runs_are_over()
    assert case.daemon_pid() == daemon
    assert_next_run_is_right(case)


def test_interrupt_of_a_test_that_ignores_it(case: Case) -> None:
    case.write(
        {
            **GATED,
            "test_gated.py": """
                import signal, gate

                def test_waits():
                    signal.signal(signal.SIGINT, signal.SIG_IGN)
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                    gate.wait("first")
            """,
        }
    )
    running = case.start_pfast("run", "-n", "1")
    assert wait_until(lambda: waiting(case, "first"), 60)
    os.kill(running.process.pid, signal.SIGINT)
    os.kill(running.process.pid, signal.SIGINT)
    assert running.finish(30).code == 2
    case.assert_runs_are_over()


def test_the_client_is_killed(case: Case) -> None:
    running = start_gated(case, "-n", "2")
    workers = waiting(case, "first") + waiting(case, "second")
    daemon = case.daemon_pid()
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()
    # A run gets a grace to tear down before it is killed.
    assert wait_until(lambda: not any(alive(pid) for pid in workers), 10 + GRACE_S)
    case.assert_runs_are_over()
    assert case.daemon_pid() == daemon
    assert_next_run_is_right(case)


def test_what_a_test_leaves_running_is_ended(case: Case) -> None:
    case.write(
        {
            "pytest.ini": "[pytest]\n",
            "test_leaves.py": """
                import subprocess, sys

                def test_leaves_a_child():
                    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])

                def test_leaves_a_daemon():
                    subprocess.Popen(
                        [sys.executable, "-c", "import os, time; os.fork() and os._exit(0); os.setsid(); time.sleep(1000)"]
                    ).wait()

                def test_leaves_a_thread():
                    import threading, time
                    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
            """,
        }
    )
    done = case.run("-n", "2")
    assert done.code == 0
    assert set(done.outcomes.values()) == {"passed"}
    case.assert_runs_are_over()


def test_a_test_that_kills_its_process_group(case: Case) -> None:
    case.write(crashing_suite("import os, signal; os.killpg(0, signal.SIGKILL)"))
    done = case.run("-n", "2")
    daemon = case.daemon_pid()
    assert done.code == 1
    assert done.outcomes.pop("test_crash.py::test_crashes") == "failed"
    assert done.outcomes.pop("test_other.py::test_other") == "failed"
    assert set(done.outcomes.values()) == {"passed"} and len(done.outcomes) == 9
    assert case.run("test_other.py").code == 1
    assert case.daemon_pid() == daemon


def test_nothing_grows_from_run_to_run(case: Case) -> None:
    case.write(crashing_suite("import os; os._exit(1)"))
    for _ in range(2):  # the second one begins to watch files
        case.run("-n", "2")
    daemon = case.daemon_pid()
    folder = Path(f"/proc/{daemon}/fd")

    def settled() -> int:
        case.assert_runs_are_over()
        return len(list(folder.iterdir()))

    before = settled()
    for _ in range(8):
        case.run("-n", "2")
    assert wait_until(lambda: settled() <= before, 5), f"{before} descriptors became {settled()}"
    assert case.daemon_pid() == daemon
