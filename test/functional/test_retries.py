"""--retries: what fails is tried again, and what passes then is flaky: neither a failure nor a plain pass."""

from __future__ import annotations

import json
import re

import pytest
from harness import Case, Finished

INI = "[pytest]\npythonpath = .\n"
#: How often each name was counted, over all processes and tries.
COUNTING = """
    import os
    from pathlib import Path

    FOLDER = Path(__file__).parent / "counted"

    def count(name):
        FOLDER.mkdir(exist_ok=True)
        with (FOLDER / name).open("a") as file:
            file.write("x")
        return len((FOLDER / name).read_text())
"""
FLAKY = """
    import pytest
    from counting import count

    @pytest.fixture(scope="session")
    def of_session():
        count("session")

    @pytest.fixture(scope="module")
    def of_module():
        count("module")
        yield
        count("module-over")

    @pytest.fixture
    def own():
        count("own")
        yield
        count("own-over")

    def test_before(of_session):
        pass

    def test_flaky(of_session, of_module, own):
        print("try", count("flaky"))
        assert count("seen") >= 3, "not yet"

    def test_fails(of_module):
        assert count("fails") == 0, "never"

    def test_after(of_session, of_module):
        pass
"""


def counted(case: Case, name: str) -> int:
    path = case.project / "counted" / name
    return len(path.read_text()) if path.exists() else 0


def forget(case: Case) -> None:
    for path in (case.project / "counted").glob("*"):
        path.unlink()


def write(case: Case, text: str = FLAKY) -> None:
    case.write({"pytest.ini": INI, "counting.py": COUNTING, "test_flaky.py": text})


def assert_flaky(case: Case, done: Finished, workers: int) -> None:
    assert done.code == 1, done
    assert done.outcomes == {
        "test_flaky.py::test_before": "passed",
        "test_flaky.py::test_flaky": "passed",
        "test_flaky.py::test_fails": "failed",
        "test_flaky.py::test_after": "passed",
    }
    assert counted(case, "flaky") == 3
    assert counted(case, "fails") == 3
    assert counted(case, "own") == counted(case, "own-over") == 3
    # Wider fixtures stay up between tries. With two workers the file may be split.
    assert 1 <= counted(case, "module") == counted(case, "module-over") <= workers
    assert 1 <= counted(case, "session") <= workers


@pytest.mark.parametrize("workers", ["0", "1", "2"])
def test_a_failure_is_tried_again_with_its_own_fixtures_made_anew(case: Case, workers: str) -> None:
    write(case)
    assert_flaky(case, case.run("-n", workers, "--retries", "2"), max(1, int(workers)))


def test_flaky_is_a_class_of_its_own(case: Case) -> None:
    write(case)
    done = case.run("-n", "1", "--retries", "2")
    assert "1 failed, 2 passed, 4 rerun, 1 flaky in" in done.out.replace("1 flaky, 4 rerun", "4 rerun, 1 flaky"), done
    assert "FLAKY test_flaky.py::test_flaky - passed at try 3" in done.out
    assert "= FLAKY =" in done.out
    assert "not yet" in done.out                    # why it failed before
    assert done.out.count("AssertionError: never") == 2, "of a failure its last try is told, and its line in the summary"


@pytest.mark.parametrize("workers", ["0", "1", "2"])
def test_pytests_own_reporter_tells_it_too(case: Case, workers: str) -> None:
    write(case)
    done = case.run("-n", workers, "--retries", "2", "--reporter", "pytest", "-v", "--junitxml", "junit.xml")
    assert_flaky(case, done, max(1, int(workers)))
    for word, times in (("RERUN", 2), ("FLAKY", 1)):   # one process says it behind the name, several before it
        assert len(re.findall(rf"{word} test_flaky.py::test_flaky *\n|test_flaky.py::test_flaky {word}", done.out)) == times, done
    assert "FLAKY test_flaky.py::test_flaky - passed at try 3" in done.out
    assert "1 failed, 2 passed, " in done.out
    xml = (case.project / "junit.xml").read_text()
    assert 'errors="0" failures="1" skipped="0" tests="4"' in xml, xml
    assert xml.count("<testcase") == 4


def test_a_flaky_test_fails_where_that_is_asked_for(case: Case) -> None:
    write(case, FLAKY.replace('def test_fails(of_module):\n        assert count("fails") == 0, "never"', ""))
    assert case.run("-n", "2", "--retries", "2").code == 0
    forget(case)
    done = case.run("-n", "2", "--retries", "2", "--flaky", "fail")
    assert done.code == 1, done
    assert done.outcomes["test_flaky.py::test_flaky"] == "failed"
    assert list(case.run("--lf", "--retries", "1", "-n", "1").outcomes) == ["test_flaky.py::test_flaky"]
    forget(case)
    assert case.run("-n", "2", env={"PFAST_RETRIES": "2", "PFAST_FLAKY": "fail"}).code == 1


def test_a_failure_counts_when_its_tries_are_used_up(case: Case) -> None:
    write(case)
    done = case.run("-n", "1", "-x", "--retries", "1")
    assert done.code == 1
    assert done.outcomes == {"test_flaky.py::test_before": "passed", "test_flaky.py::test_flaky": "failed"}
    assert counted(case, "flaky") == 2
    forget(case)
    done = case.run("-n", "1", "-x", "--retries", "2")
    assert done.outcomes["test_flaky.py::test_flaky"] == "passed"
    assert done.outcomes["test_flaky.py::test_fails"] == "failed"
    assert "test_flaky.py::test_after" not in done.outcomes


PHASES = """
    import unittest
    import pytest
    from counting import count

    @pytest.fixture
    def set_up_at_try_two():
        assert count("set-up") > 1

    @pytest.fixture
    def torn_down_at_try_two():
        yield
        assert count("torn-down") > 1

    @pytest.fixture(scope="module")
    def of_module_at_try_two():
        assert count("of-module") > 1
        return 7

    def test_set_up(set_up_at_try_two): pass
    def test_torn_down(torn_down_at_try_two): pass
    def test_module_fixture(of_module_at_try_two): assert of_module_at_try_two == 7

    @pytest.mark.parametrize("n", [1, 2])
    def test_parameters(n, tmp_path, capsys):
        print("try")
        assert capsys.readouterr().out == "try\\n"
        assert count(f"parameter-{n}") > 1

    class TestUnit(unittest.TestCase):
        def setUp(self):
            self.fresh = True
        def test_unit(self):
            assert self.fresh
            self.fresh = False
            assert count("unit") > 1

    @pytest.mark.xfail
    def test_xfails(): assert count("xfail") == 0

    @pytest.mark.xfail(strict=True)
    def test_passes_strictly(): count("strict")

    def test_skips(): pytest.skip("why not")
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_every_phase_and_kind_of_test_is_tried_again(case: Case, workers: str) -> None:
    write(case, PHASES)
    done = case.run("-n", workers, "--retries", "2")
    passed = ["set_up", "torn_down", "module_fixture", "parameters[1]", "parameters[2]"]
    assert done.outcomes == {
        **{f"test_flaky.py::test_{name}": "passed" for name in passed},
        "test_flaky.py::TestUnit::test_unit": "passed",
        "test_flaky.py::test_xfails": "xfailed",
        "test_flaky.py::test_passes_strictly": "failed",
        "test_flaky.py::test_skips": "skipped",
    }, done
    assert counted(case, "xfail") == 1
    assert counted(case, "strict") == 3
    assert "6 flaky" in done.out


DYING = """
    import os
    from counting import count

    def test_dies_once():
        if count("dies-once") == 1:
            os._exit(3)

    def test_dies():
        count("dies")
        os.kill(os.getpid(), 9)

    def test_fine():
        pass
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_test_that_takes_its_worker_with_it_is_tried_again(case: Case, workers: str) -> None:
    write(case, DYING)
    done = case.run("-n", workers, "--retries", "2")
    assert done.code == 1
    assert {name.rpartition("::")[2]: outcome for name, outcome in done.outcomes.items()} == {
        "test_dies_once": "passed",
        "test_dies": "failed",
        "test_fine": "passed",
    }, done
    assert (counted(case, "dies-once"), counted(case, "dies")) == (2, 3)
    assert "crashed while running 'test_flaky.py::test_dies'" in done.out
    assert "FLAKY test_flaky.py::test_dies_once - passed at try 2" in done.out
    case.assert_runs_are_over()


def test_a_single_test_that_kills_its_process_is_tried_again(case: Case) -> None:
    write(case, DYING)
    done = case.run("--retries", "1", "test_flaky.py::test_dies_once")
    assert (done.code, done.outcomes) == (0, {"test_flaky.py::test_dies_once": "passed"}), done


def test_a_test_that_hangs_is_tried_again(case: Case) -> None:
    hangs = """
        import time
        from counting import count

        def test_hangs_once():
            if count("hangs") == 1:
                time.sleep(600)
    """
    write(case, hangs)
    done = case.run("--retries", "1", "--timeout", "1")
    assert (done.code, done.outcomes) == (0, {"test_flaky.py::test_hangs_once": "passed"}), done


def test_the_delay_lies_between_two_tries_and_is_nobodys_time(case: Case) -> None:
    slow = """
        import time
        from counting import FOLDER, count

        def test_waits():
            n = count("waits")
            (FOLDER / f"began-{n}").write_text(str(time.monotonic()))
            assert n > 2
    """
    write(case, slow)
    done = case.run("-n", "1", "--retries", "2", "--retry-delay", "0.6", "--timeout", "0.5", "--events", "events")
    assert done.code == 0, done                     # the time limit is one of a try
    began = [float((case.project / "counted" / f"began-{n}").read_text()) for n in (1, 2, 3)]
    assert began[1] - began[0] >= 0.6
    assert began[2] - began[1] >= 0.6
    events = [json.loads(line) for line in (case.project / "events").read_text().splitlines()]
    tries = [(event.get("attempt", 1), event["outcome"]) for event in events if event["type"] == "result"]
    assert tries == [(1, "rerun"), (2, "rerun"), (3, "passed")]


def test_without_the_option_nothing_is_tried_again(case: Case) -> None:
    write(case)
    done = case.run("-n", "2")
    assert done.outcomes["test_flaky.py::test_flaky"] == "failed"
    assert counted(case, "flaky") == 1
