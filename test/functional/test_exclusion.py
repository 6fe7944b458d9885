"""Tests that may not run beside each other: the marks serial and resource, seen by the tests themselves."""

from __future__ import annotations

import os
import signal

import pytest
from harness import Case
from processes import wait_until

INI = """
    [pytest]
    pythonpath = .
    markers =
        serial: alone on the machine, after the rest
        resource: a named semaphore
"""
#: Who is at work is a file in a folder: `beside` says how many there are of a kind.
WATCH = """
    import contextlib, os, time
    from pathlib import Path

    HERE = Path(__file__).parent / "at-work"
    LOG = Path(__file__).parent / "log"

    @contextlib.contextmanager
    def at_work(kind):
        HERE.mkdir(exist_ok=True)
        mine = HERE / f"{kind}-{os.getpid()}-{time.monotonic_ns()}"
        mine.touch()
        try:
            yield
        finally:
            mine.unlink()
            with LOG.open("a") as log:
                log.write(kind + "\\n")

    def beside(kind=""):
        return len(list(HERE.glob(f"{kind}*")))

    def wait_for(condition):
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.005)
"""
SERIAL = """
    import time
    import pytest
    from watch import at_work, beside

    def test_some():
        with at_work("some"):
            time.sleep(0.02)

    @pytest.mark.serial
    @pytest.mark.parametrize("n", range(2))
    def test_alone(n):
        with at_work("alone"):
            for _ in range(10):
                assert beside() == 1
                time.sleep(0.005)

    def test_more():
        with at_work("some"):
            time.sleep(0.02)
"""


@pytest.mark.parametrize("dist", ["auto", "load", "loadfile"])
def test_serial_tests_run_alone_and_last(case: Case, dist: str) -> None:
    case.write({"pytest.ini": INI, "watch.py": WATCH, **{f"test_{i}.py": SERIAL for i in range(5)}})
    case.same(options=["-n", "3", "--dist", dist])
    assert (case.project / "log").read_text().split()[-10:] == ["alone"] * 10


def test_only_serial_tests(case: Case) -> None:
    case.write({"pytest.ini": INI, "watch.py": WATCH, **{f"test_{i}.py": SERIAL for i in range(3)}})
    case.same("-k", "alone", options=["-n", "3"])


def test_failures_of_serial_tests_and_no_serial_tests_after_a_stop(case: Case) -> None:
    suite = """
        import os
        import pytest

        def test_fails():
            assert 0

        @pytest.mark.serial
        def test_alone_fails():
            assert 0

        @pytest.mark.serial
        def test_alone_dies():
            os._exit(3)

        @pytest.mark.serial
        def test_alone():
            pass
    """
    case.write({"pytest.ini": INI, "test_a.py": suite, "test_b.py": "def test_b(): pass\n"})
    done = case.run("-n", "2")
    assert done.code == 1
    assert done.outcomes == {
        "test_a.py::test_fails": "failed",
        "test_a.py::test_alone_fails": "failed",
        "test_a.py::test_alone_dies": "failed",
        "test_a.py::test_alone": "passed",
        "test_b.py::test_b": "passed",
    }
    assert "crashed while running 'test_a.py::test_alone_dies'" in done.out
    stopped = case.run("-n", "2", "-x")
    assert stopped.code == 1
    assert not [nodeid for nodeid in stopped.outcomes if "alone" in nodeid]


RESOURCE = """
    import pytest
    from pathlib import Path
    from watch import at_work, beside, wait_for

    SEEN = Path(__file__).with_name("two-were-there")

    @pytest.mark.resource("db", n=2)
    @pytest.mark.parametrize("n", range(4))
    def test_db(n):
        with at_work("db"):
            if beside("db") == 2:
                SEEN.touch()
            wait_for(SEEN.exists)          # it can be had by two
            assert beside("db") <= 2

    @pytest.mark.resource("printer")
    class TestPrinter:
        def test_prints(self):
            with at_work("printer"):
                assert beside("printer") == 1

        @pytest.mark.resource("db", n=3)   # the smaller number counts
        def test_prints_a_table(self):
            with at_work("printer"), at_work("db"):
                assert beside("printer") == 1
                assert beside("db") <= 2

    def test_free():
        pass
"""


@pytest.mark.parametrize("dist", ["auto", "load", "loadscope", "worksteal"])
def test_a_resource_is_had_by_as_many_as_it_allows(case: Case, dist: str) -> None:
    case.write({"pytest.ini": INI, "watch.py": WATCH, **{f"test_{i}.py": RESOURCE for i in range(4)}})
    done = case.run("-n", "4", "--dist", dist)
    assert done.code == 0, done
    assert len(done.outcomes) == 4 * 7


def test_a_resource_of_a_worker_that_dies_is_free_again(case: Case) -> None:
    suite = """
        import os
        import pytest

        @pytest.mark.resource("db")
        def test_dies():
            os.kill(os.getpid(), 9)

        @pytest.mark.resource("db")
        def test_lives():
            pass
    """
    case.write({"pytest.ini": INI, **{f"test_{i}.py": suite for i in range(4)}})
    done = case.run("-n", "3", "--dist", "load")
    assert done.code == 1
    assert sorted(done.outcomes.values()) == ["failed"] * 4 + ["passed"] * 4, done


def test_a_run_that_waits_for_a_resource_is_cancelled(case: Case) -> None:
    suite = """
        import os, time
        from pathlib import Path
        import pytest

        @pytest.mark.resource("db")
        def test_keeps_it():
            Path(__file__).with_name(f"kept-{os.getpid()}").touch()
            time.sleep(600)
    """
    case.write({"pytest.ini": INI, **{f"test_{i}.py": suite for i in range(2)}})
    running = case.start_pfast("run", "-n", "2", "--dist", "load")
    assert wait_until(lambda: list(case.project.glob("kept-*")), 60), running.finish(1)
    os.kill(running.process.pid, signal.SIGINT)
    assert running.finish(30).code == 2
    assert len(list(case.project.glob("kept-*"))) == 1
    case.assert_runs_are_over()


def test_a_number_that_makes_no_sense_is_refused_by_name(case: Case) -> None:
    suite = """
        import pytest

        @pytest.mark.resource("db", n=0)
        def test_db(): pass
        def test_other(): pass
    """
    case.write({"pytest.ini": INI, "test_a.py": suite})
    done = case.run("-n", "2")
    assert done.code == 4, done
    assert "test_a.py::test_db: pytest.mark.resource('db', n=0)" in done.out + done.err
    assert not done.outcomes


def test_a_suites_own_mark_of_that_name_is_its_own(case: Case) -> None:
    suite = """
        import pytest

        @pytest.mark.resource
        def test_bare(): pass

        @pytest.mark.resource(kind=3)
        def test_other(): pass
    """
    case.write({"pytest.ini": INI, "test_a.py": suite})
    case.same(options=["-n", "2"])
