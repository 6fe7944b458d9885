"""`pfast restart`: another daemon serves the same address; clients see a pause and no refusal."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from harness import Case
from processes import alive, wait_until

SUITE = {
    "pytest.ini": "[pytest]\n",
    "test_small.py": """
        import os, pathlib, time
        import pytest

        @pytest.mark.parametrize("n", range(3))
        def test_small(n):
            assert n != 1

        def test_gated():
            gate = pathlib.Path("gate")
            while gate.exists() and not (gate / "open").exists():
                time.sleep(0.01)
    """,
}


def names(case: Case) -> list[str]:
    return sorted(path.suffix for path in case.runtime.iterdir())


def test_another_daemon_serves_the_same_address(case: Case) -> None:
    case.write(SUITE)
    case.run("--ttl", "77")
    old = case.daemon_pid()
    before = names(case)
    done = case.pfast("restart")
    assert done.code == 0, done
    new = case.daemon_pid()
    assert new != old and done.out.strip() == f"restarted: pid {new} instead of {old}"
    assert wait_until(lambda: not alive(old), 5)
    assert names(case) == before
    assert [path.read_text().strip() for path in case.runtime.glob("*.pid")] == [str(new)]
    case.same()
    assert case.daemon_pid() == new
    assert "--ttl 77" in Path(f"/proc/{new}/cmdline").read_text().replace("\0", " ")
    assert case.stop().code == 0
    assert wait_until(lambda: not case.processes(), 5)


def test_without_a_daemon_one_is_started(case: Case) -> None:
    case.write(SUITE)
    done = case.pfast("restart")
    assert done.code == 0 and done.out.strip() == f"started: pid {case.daemon_pid()}; there was no daemon"
    case.same()


def test_a_run_ends_where_it_began(case: Case) -> None:
    case.write(SUITE)
    (case.project / "gate").mkdir()
    running = case.start_pfast("run", "-n", "1")
    assert wait_until(lambda: "test_gated" in str((case.status() or {}).get("runs")), 30)
    old = case.daemon_pid()
    assert case.pfast("restart").code == 0
    new = case.daemon_pid()
    assert new != old and alive(old)
    assert case.run("test_small.py::test_small[0]").outcomes == {"test_small.py::test_small[0]": "passed"}
    (case.project / "gate" / "open").touch()
    done = running.finish()
    assert done.code == 1 and done.outcomes["test_small.py::test_gated"] == "passed"
    assert wait_until(lambda: not alive(old), 10)
    assert case.daemon_pid() == new
    case.same()


def test_no_client_is_refused(case: Case) -> None:
    case.write(SUITE)
    expected = case.run().outcomes
    pids = {case.daemon_pid()}
    for _ in range(10):
        clients = [case.start_pfast("run") for _ in range(3)]
        restart = case.start_pfast("restart")
        late = [case.start_pfast("run") for _ in range(2)]
        for client in clients + late:
            done = client.finish()
            assert (done.code, done.outcomes) == (1, expected), done
        assert restart.finish().code == 0
        pids.add(case.daemon_pid())
    assert len(pids) == 11
    newest = case.daemon_pid()
    assert wait_until(lambda: not any(alive(pid) for pid in pids - {newest}), 10)
    case.same()


def test_a_daemon_that_cannot_start_replaces_nothing(case: Case) -> None:
    case.write(SUITE)
    case.run()
    old = case.daemon_pid()
    broken = case.pfast("restart", env={"PFAST_FORKSERVER": str(case.home / "there-is-none")})
    assert broken.code == 72 and "the old daemon goes on" in broken.err, broken
    assert case.daemon_pid() == old
    case.same()
    assert case.daemon_pid() == old


def test_a_successor_that_is_killed_before_it_serves_leaves_the_address(case: Case) -> None:
    """Between the lock's sharing and the end of the take-over the old daemon keeps the address."""
    case.write(SUITE)
    case.run()
    old = case.daemon_pid()
    for _ in range(15):
        restart = case.start_pfast("restart")
        wait_until(lambda: any("--take-over" in one.command for one in case.processes()), 5)
        for process in case.processes():
            if "--take-over" in process.command:
                try:
                    os.kill(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        restart.finish()
        done = case.run()
        assert done.code == 1 and done.outcomes["test_small.py::test_small[0]"] == "passed", done
    assert case.daemon_pid() > 0
    assert wait_until(lambda: len({path.name for path in case.runtime.glob("*.sock*")}) == 1, 5)
    assert alive(old) or case.daemon_pid() != old
    case.same()
