"""A worker that is killed or stopped at a moment that is known: whose failure it is, in which phase, and that nothing else is lost."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from harness import Case, Running
from processes import wait_until

SUITE = {
    "pytest.ini": "[pytest]\n",
    "conftest.py": """
        import os
        import time
        from pathlib import Path

        import pytest

        HERE = Path(__file__).parent
        forks = 0

        def wait_at(place):
            if os.environ.get("PLACE") != place:
                return
            try:
                descriptor = os.open(HERE / "at.new", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            except FileExistsError:
                return                              # it was somebody's turn already
            os.write(descriptor, str(os.getpid()).encode())
            os.close(descriptor)
            os.rename(HERE / "at.new", HERE / "at")
            (HERE / "at.new").touch()
            end = time.monotonic() + 100
            while not (HERE / "open").exists():
                assert time.monotonic() < end
                time.sleep(0.02)

        def forked():
            global forks
            forks += 1
            if forks == 2:                          # a worker: the session of its run was the first
                wait_at("start")

        os.register_at_fork(after_in_child=forked)

        @pytest.fixture
        def slow():
            wait_at("setup")
            yield
            wait_at("teardown")

        @pytest.hookimpl(trylast=True)
        def pytest_runtest_logfinish(nodeid):
            if os.environ.get("PLACE") == "sending" and nodeid.endswith("test_victim"):
                (HERE / "finished").touch()
    """,
    "test_a.py": """
        from conftest import wait_at

        def test_before():
            pass

        def test_victim(slow):
            wait_at("call")
            wait_at("sending")
            print("x" * (4 << 20))                  # more than a socket takes at once

        def test_after():
            pass
    """,
    "test_b.py": """
        import pytest

        @pytest.mark.parametrize("n", range(6))
        def test_other(n):
            pass
    """,
}
VICTIM = "test_a.py::test_victim"
OTHERS = {f"test_a.py::test_{name}" for name in ("before", "after")} | {f"test_b.py::test_other[{n}]" for n in range(6)}


def forget(case: Case) -> None:
    for name in ("at", "at.new", "open", "finished"):
        (case.project / name).unlink(missing_ok=True)


def waits_in_the_kernel(pid: int) -> bool:
    """For a socket that takes nothing: asleep, and no processor time is used."""

    def look() -> list[str]:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return [fields[0], *fields[11:13]]

    seen = [look()]
    wait_until(lambda: seen.append(look()) or len(seen) > 10, 10)
    return seen[0][0] == "S" and all(one == seen[0] for one in seen)


def bring_to(case: Case, place: str, *options: str) -> tuple[Running, int]:
    """A run with a worker that waits at *place*, and that worker."""
    forget(case)
    running = case.start_pfast("run", "-rP", "--events", "events", *options, env={"PLACE": place})
    assert wait_until((case.project / "at").exists, 60), running.finish(1)
    return running, int((case.project / "at").read_text())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=lambda number: number.name)
@pytest.mark.parametrize("place", ["start", "setup", "call", "teardown", "sending"])
def test_a_worker_that_is(case: Case, place: str, number: signal.Signals) -> None:
    case.write(SUITE)
    for options in (["-n", "2"], ["-n", "1", "--reporter", "pytest"]):
        running, worker = bring_to(case, place, *options)
        daemon = case.daemon_pid()
        if place == "sending":
            os.kill(daemon, signal.SIGSTOP)
            try:
                (case.project / "open").touch()
                assert wait_until((case.project / "finished").exists, 60)
                assert wait_until(lambda: waits_in_the_kernel(worker), 60)
                os.kill(worker, number)
            finally:
                os.kill(daemon, signal.SIGCONT)
        else:
            os.kill(worker, number)
        (case.project / "open").touch()
        done = running.finish(60)
        if place == "start":
            assert done.code == 0, done
            assert done.outcomes == dict.fromkeys({VICTIM, *OTHERS}, "passed")
        else:
            assert done.code == 1, done
            assert done.outcomes == {VICTIM: "failed", **dict.fromkeys(OTHERS, "passed")}
            assert_blamed(case, place, number)
            assert f"crashed while running '{VICTIM}'" in done.out
        case.assert_runs_are_over()
        assert case.daemon_pid() == daemon
    case.same()


def assert_blamed(case: Case, place: str, number: signal.Signals) -> None:
    events = [json.loads(line) for line in (case.project / "events").read_text().splitlines()]
    (result,) = [event for event in events if event["type"] == "result" and event["nodeid"] == VICTIM]
    assert result["worker"] in ("gw0", "gw1")
    (phase,) = result["phases"]
    assert phase["when"] == ("teardown" if place == "sending" else place)
    cause = "killed by signal 9 (SIGKILL)" if number == signal.SIGKILL else "it was stopped by a signal and did not go on"
    assert result["lost"] == f"worker '{result['worker']}' crashed while running '{VICTIM}': {cause}"
    assert len([event for event in events if event["type"] == "result"]) == 1 + len(OTHERS)
