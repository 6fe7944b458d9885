"""How workers come to be: forks of the warm suite, of one collected for the run, or processes that collect for themselves."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from harness import Case
from plugin_environment import plugin_environment
from processes import wait_until
from suites_of_tests import GATED, ZOO

#: Every process that imports the suite notes itself.
NOTES = """
    import os
    import subprocess

    # Not opened here, nor beside the tests: what collecting opens or lists is an input of the generation.
    subprocess.run(["sh", "-c", 'echo "$0" >> imports', os.environ.get("PYTEST_XDIST_WORKER", "-")], cwd=os.path.dirname(os.path.dirname(__file__)))
"""


def imports(case: Case) -> list[str]:
    path = case.home / "imports"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


MANY = """
    import os
    import pytest

    @pytest.mark.parametrize("n", range(8))
    def test_n(n, worker_id, testrun_uid, tmp_path):
        assert os.environ["PYTEST_XDIST_WORKER"] == worker_id
        assert tmp_path.parent.name == f"popen-{worker_id}"

    def test_fails():
        assert "this" == "that"
"""


@pytest.mark.parametrize("method", ["forkserver", "fork", "spawn", "auto"])
@pytest.mark.parametrize("reporter", ["native", "pytest"])
def test_every_method_has_plain_pytests_results(case: Case, method: str, reporter: str) -> None:
    case.write(ZOO)
    expected = case.plain()
    for _ in range(2):
        actual = case.run("-n", "2", "--start-method", method, "--reporter", reporter)
        case.assert_same(expected, actual)
        case.assert_runs_are_over()
    assert case.run("-n", "2", env={"PFAST_START_METHOD": method}).code == expected.code


def test_who_imports_the_suite(case: Case) -> None:
    case.write({"pytest.ini": "[pytest]\n", "conftest.py": NOTES, "test_many.py": MANY})
    assert case.run("-n", "2").code == 1
    assert imports(case) == ["-"]
    assert case.run("-n", "2").code == 1
    assert imports(case) == []
    # fork: each run collects, nothing of it is kept, and the warm generation stays.
    for _ in range(2):
        done = case.run("-n", "2", "--start-method", "fork")
        assert (done.code, imports(case)) == (1, ["-"])
        assert wait_until(lambda: len((case.status() or {})["generations"]) == 1, 10)
    # spawn: each worker collects.
    done = case.run("-n", "2", "--start-method", "spawn")
    assert done.code == 1, done
    assert sorted(imports(case)) == ["gw0", "gw1"]
    assert "AssertionError" in done.out and "assert 'this' == 'that'" in done.out
    done = case.run("-n", "2", "--start-method", "spawn", "test_many.py::test_fails")
    assert (done.code, imports(case)) == (1, ["gw0"])
    assert case.run("-n", "2").code == 1
    assert imports(case) == []


def test_options_and_environment_reach_spawned_workers(case: Case) -> None:
    case.write(
        {
            "pytest.ini": "[pytest]\n",
            "conftest.py": """
                def pytest_addoption(parser):
                    parser.addoption("--color-of-sky", default="grey")
            """,
            "test_options.py": """
                import os, sys

                def test_option(pytestconfig):
                    assert pytestconfig.getoption("--color-of-sky") == "blue"

                def test_environment():
                    assert os.environ["SKY"] == "blue"
                    assert sys.argv[1:] == ["--color-of-sky", "blue", "-k", "not left_out"], sys.argv

                def test_loud(capsys):
                    print("said")
                    assert capsys.readouterr().out == "said\\n"

                def test_left_out():
                    assert 0
            """,
        }
    )
    done = case.run("-n", "2", "--start-method", "spawn", "--color-of-sky", "blue", "-k", "not left_out", env={"SKY": "blue"})
    assert done.code == 0, done
    assert set(done.outcomes.values()) == {"passed"} and len(done.outcomes) == 3


def test_a_worker_that_collects_other_tests_is_named(case: Case) -> None:
    case.write(
        {
            "pytest.ini": "[pytest]\n",
            "test_random.py": """
                import os
                import pytest

                @pytest.mark.parametrize("n", [os.environ.get("PYTEST_XDIST_WORKER", "none"), "b"])
                def test_n(n):
                    pass
            """,
        }
    )
    done = case.run("-n", "1", "--start-method", "spawn")
    assert done.code == 1, done
    told = done.out + done.err
    assert "Different tests were collected by worker 'gw0' (2) and its controller (2)" in told
    assert "only the worker has test_random.py::test_n[gw0]" in told
    assert "only the controller has test_random.py::test_n[none]" in told
    case.same(options=["-n", "2"])


def test_a_worker_that_cannot_collect_is_named(case: Case) -> None:
    case.write(
        {
            "pytest.ini": "[pytest]\n",
            "conftest.py": "import os\n\nif os.environ.get('PYTEST_XDIST_WORKER'):\n    raise RuntimeError('not in a worker')\n",
            "test_any.py": "def test_one():\n    pass\n\ndef test_two():\n    pass\n",
        }
    )
    done = case.run("-n", "2", "--start-method", "spawn")
    assert done.code == 1, done
    assert "did not come to its tests" in done.out + done.err
    assert "not in a worker" in done.out + done.err
    case.assert_runs_are_over()


def test_a_worker_that_hangs_while_it_collects(case: Case) -> None:
    case.write(
        {
            "pytest.ini": "[pytest]\n",
            "conftest.py": "import os, time\n\nif os.environ.get('PYTEST_XDIST_WORKER'):\n    time.sleep(600)\n",
            "test_any.py": "def test_one():\n    pass\n\ndef test_two():\n    pass\n",
        }
    )
    assert case.run("-n", "2").code == 0
    done = case.run("-n", "1", "--start-method", "spawn", "--boot-timeout", "4")
    assert done.code not in (0, 5), done
    assert "it did not collect the suite in time" in done.out + done.err
    assert "conftest.py" in done.err
    case.assert_runs_are_over()


THREADED = {
    "pytest.ini": "[pytest]\n",
    "conftest.py": """
        import queue, threading

        asked, answered = queue.Queue(), queue.Queue()

        def serve():
            while True:
                answered.put(asked.get() + 1)

        threading.Thread(target=serve, daemon=True, name="server").start()

        def ask(number):
            asked.put(number)
            return answered.get(timeout=2)
    """,
    "test_threads.py": """
        from conftest import ask

        def test_one():
            assert ask(1) == 2

        def test_two():
            assert ask(2) == 3
    """,
}


def test_auto_spawns_where_importing_started_a_thread_and_says_so(case: Case) -> None:
    case.write(THREADED)
    expected = case.plain()
    for workers in ("1", "2"):
        actual = case.run("-n", workers, "--start-method", "auto")
        case.assert_same(expected, actual)
        assert actual.err.count("workers are spawned: importing the suite started the thread server (conftest, ") == 1, actual
    single = case.run("--start-method", "auto", "test_threads.py::test_two")
    assert (single.code, single.outcomes) == (0, {"test_threads.py::test_two": "passed"})


def test_forks_without_a_thread_are_told_of_once(case: Case) -> None:
    case.write(THREADED)
    first = case.run("-n", "2")
    assert first.code == 1
    assert first.err.count("importing the suite started the thread server (conftest, ") == 1, first
    assert "which no forked worker has" in first.err
    assert "thread server" not in case.run("-n", "2").err
    case.write({"conftest.py": "def ask(number):\n    return number + 1\n"})
    assert "spawned" not in case.run("-n", "2", "--start-method", "auto").err


def test_a_spawned_worker_is_killed_and_replaced(case: Case) -> None:
    case.write(GATED)
    running = case.start_pfast("run", "-n", "2", "--start-method", "spawn")
    gate = case.project / "gate"
    assert wait_until(lambda: list(gate.glob("first.*")) and list(gate.glob("second.*")), 60), running.finish(1)
    os.kill(int(next(gate.glob("first.*")).name.rpartition(".")[2]), signal.SIGKILL)
    (gate / "open").touch()
    done = running.finish(60)
    assert done.code == 1, done
    assert done.outcomes.pop("test_gated.py::test_waits") == "failed"
    assert set(done.outcomes.values()) == {"passed"} and len(done.outcomes) == 3
    case.assert_runs_are_over()


@pytest.mark.parametrize("victim", ["controller", "daemon"])
def test_spawned_workers_die_with_who_started_them(case: Case, victim: str) -> None:
    case.write(GATED)
    running = case.start_pfast("run", "-n", "2", "--start-method", "spawn")
    gate = case.project / "gate"
    assert wait_until(lambda: list(gate.glob("first.*")) and list(gate.glob("second.*")), 60), running.finish(1)
    worker = int(next(gate.glob("first.*")).name.rpartition(".")[2])
    controller = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(controller if victim == "controller" else case.daemon_pid(), signal.SIGKILL)
    assert running.finish(30).code not in (0, 5)
    assert wait_until(lambda: not Path(f"/proc/{worker}").exists(), 10)
    (gate / "open").touch()
    case.same(options=["-n", "2", "--start-method", "spawn"])


def test_ctrl_c_ends_spawned_workers(case: Case) -> None:
    case.write(GATED)
    running = case.start_pfast("run", "-n", "2", "--start-method", "spawn")
    gate = case.project / "gate"
    assert wait_until(lambda: list(gate.glob("first.*")), 60), running.finish(1)
    os.kill(running.process.pid, signal.SIGINT)
    assert running.finish(30).code == 2
    case.assert_runs_are_over()


def test_coverage_of_spawned_workers(case: Case) -> None:
    case.use_environment(plugin_environment())
    case.write(
        {
            "pytest.ini": "[pytest]\n",
            "numbers_.py": "def double(n):\n    return 2 * n\n\n\ndef half(n):\n    return n / 2\n\n\ndef third(n):\n    return n / 3\n",
            "test_double.py": "import numbers_\n\ndef test_double():\n    assert numbers_.double(2) == 4\n",
            "test_half.py": "import numbers_\n\ndef test_half():\n    assert numbers_.half(2) == 1\n",
        }
    )
    args = ["--cov", "numbers_", "--cov-report", "term-missing"]
    expected = case.plain(*args)
    actual = case.run("-n", "2", "--start-method", "spawn", *args)
    case.assert_same(expected, actual)
    line = next(line for line in expected.out.splitlines() if line.startswith("numbers_.py"))
    assert line in actual.out.splitlines(), actual
