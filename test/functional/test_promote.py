"""`promote`, a verb of version 1: a daemon that was started beside the one in use takes that one's address."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Case
from predecessor import Predecessor
from processes import alive, wait_until

SUITE = {
    "pytest.ini": "[pytest]\n",
    "test_small.py": """
        import os, pathlib, time

        def test_small():
            pass

        def test_gated():
            while pathlib.Path("gate").exists():
                time.sleep(0.01)
    """,
}
SMALL = "test_small.py::test_small"


@pytest.fixture
def old(case: Case) -> Iterator[Predecessor]:
    case.write(SUITE)
    old = Predecessor(case)
    yield old
    (case.project / "gate").unlink(missing_ok=True)
    if case.processes():
        old.stop(staging(old), old.address)


def staging(old: Predecessor) -> str:
    return old.address + ".staging"


def promote(old: Predecessor, address: str | None = None) -> bool:
    return bool(old.ask(f"answer(pytest_fast._promote({staging(old)!r}, {address or old.address!r}))"))


def names(old: Predecessor) -> set[str]:
    return {path.name for path in old.folder.iterdir()}


def start_staging(old: Predecessor) -> int:
    assert old.serve_pfast(staging(old)).code == 0
    return int(Path(staging(old) + ".pid").read_text())


def test_to_a_free_address(old: Predecessor) -> None:
    pid = start_staging(old)
    assert promote(old)
    assert old.case.daemon_pid() == pid and old.case.status()["daemon"]["address"] == old.address  # type: ignore[index]
    assert Path(old.address + ".pid").read_text().strip() == str(pid)
    assert names(old) & {"a.sock.staging", "a.sock.staging.pid", "a.sock.staging.json"} == set()
    assert stat.S_IMODE(os.stat(old.address).st_mode) == 0o600
    assert old.streamed([SMALL])["reply"]["rc"] == 0
    assert old.case.run(*old.case.where, SMALL).outcomes == {SMALL: "passed"}
    assert "promoted: serving" in Path(old.address + ".log").read_text()
    # It is the owner: another one does not get in, and the old name is free.
    assert "already running" in old.serve_pfast().out
    other = start_staging(old)
    assert other != pid
    old.case.pfast("stop", "--address", staging(old))
    old.stop()
    assert {name for name in names(old) if not name.endswith((".lock", ".spawn", ".log"))} == set()


def test_over_a_daemon_that_runs_tests(old: Predecessor) -> None:
    assert old.serve_pfast().code == 0
    before = old.case.daemon_pid()
    (old.case.project / "gate").touch()
    running = old.case.start_pfast("run", *old.case.where, "-n", "2")
    assert wait_until(lambda: "test_gated" in str((old.case.status() or {}).get("runs")), 30)
    pid = start_staging(old)
    assert promote(old)
    assert old.case.daemon_pid() == pid != before and alive(before)
    assert old.case.run(*old.case.where, SMALL).outcomes == {SMALL: "passed"}
    (old.case.project / "gate").unlink()
    done = running.finish()
    assert done.code == 0 and len(done.outcomes) == 2, done
    assert wait_until(lambda: not alive(before), 10)
    assert old.case.daemon_pid() == pid


def test_no_client_is_refused(old: Predecessor) -> None:
    assert old.serve_pfast().code == 0
    start_staging(old)
    clients = [old.case.start_pfast("run", *old.case.where, SMALL) for _ in range(4)]
    assert promote(old)
    clients += [old.case.start_pfast("run", *old.case.where, SMALL) for _ in range(4)]
    for client in clients:
        done = client.finish()
        assert done.code == 0 and done.outcomes == {SMALL: "passed"}, done


def test_over_the_predecessors_daemon(old: Predecessor) -> None:
    before = old.serve()
    pid = start_staging(old)
    assert promote(old)
    assert old.case.daemon_pid() == pid
    assert wait_until(lambda: before.process.poll() is not None, 10)
    assert Path(old.address + ".pid").read_text().strip() == str(pid)
    assert old.streamed([SMALL])["reply"]["rc"] == 0


def test_the_predecessors_successor_comes_after_pfast(old: Predecessor) -> None:
    """What its watcher does: a daemon beside, the old one asked to leave and waited for, the new one promoted."""
    assert old.serve_pfast().code == 0
    pid = old.case.daemon_pid()
    old.serve(staging(old))
    done = old.ask(f"""
        pytest_fast._shutdown_daemon(ADDRESS)
        gone = pytest_fast._await_socket_gone(ADDRESS, 30)
        answer([gone, pytest_fast._promote({staging(old)!r}, ADDRESS), pytest_fast._daemon_alive(ADDRESS)])
    """)
    assert done == [True, True, True]
    assert wait_until(lambda: not alive(pid), 10)
    assert old.client().code == 0


@pytest.mark.parametrize("target", ["elsewhere", "relative", "itself", "file", "link", "folder", "open socket", "open folder"])
def test_refused(old: Predecessor, target: str) -> None:
    pid = start_staging(old)
    path = old.folder / "target"
    if target == "elsewhere":
        path = old.case.home / "a.sock"
    elif target == "relative":
        path = Path("target")
    elif target == "itself":
        path = Path(staging(old))
    elif target == "file":
        path.write_text("precious")
    elif target == "link":
        (old.folder / "precious").write_text("precious")
        path.symlink_to("precious")
    elif target == "folder":
        path.mkdir()
    elif target == "open socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
        path.chmod(0o777)
    else:
        old.folder.chmod(0o777)
    before = {name: os.lstat(old.folder / name).st_ino for name in names(old)}
    assert promote(old, str(path)) is False
    old.folder.chmod(0o700)
    assert {name: os.lstat(old.folder / name).st_ino for name in before} == before
    assert not {name for name in names(old) - before.keys() if not name.endswith((".lock", ".spawn"))}
    log = Path(staging(old) + ".log").read_text()
    assert "not promoted: failed to" in log and str(path) in log
    old.case.where = ["--address", staging(old)]
    assert old.case.daemon_pid() == pid
    if target in ("file", "link"):
        assert path.read_text() == "precious"
