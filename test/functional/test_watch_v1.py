"""pfast-watch at the address of the predecessor's daemon: a successor beside it, then `promote`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import watching
from harness import Case
from predecessor import Predecessor
from processes import alive, wait_until

SUITE = {
    "pytest.ini": "[pytest]\n",
    "src/app.py": "VALUE = 1\n",
    "tests/test_small.py": "def test_small(): pass\n",
}
SMALL = "tests/test_small.py::test_small"


@pytest.fixture
def old(case: Case) -> Iterator[Predecessor]:
    case.write(SUITE)
    case.env["PFAST_ROOT"] = str(case.project)
    old = Predecessor(case)
    yield old
    if case.processes():
        old.stop(old.address + ".staging", old.address)


def test_a_save_brings_a_successor(old: Predecessor) -> None:
    case = old.case
    daemon = old.serve()
    with watching.watching(case) as watcher:
        assert "pytest-fast's daemon" in watcher.err
        (case.project / "tests" / "test_small.py").write_text("def test_small(): assert 0\n")
        assert wait_until(lambda: "pfast's daemon serves the address" in watcher.err, watching.PATIENCE_S), watcher.err
        assert wait_until(lambda: not alive(daemon.process.pid), 20)
        assert wait_until(lambda: watcher.err.count("watching for ") == 2, 20), watcher.err
        status = case.status()
        assert status is not None and status["daemon"]["address"] == old.address
        # Its own clients run on it, and so do pfast's; what is saved from now on is the daemon's to see.
        assert old.streamed()["outcomes"] == {SMALL: "failed"}
        before = watching.newest(case)
        (case.project / "tests" / "test_small.py").write_text("def test_small(): assert 1\n")
        watching.await_ready(case, before)
        assert case.run(*case.where).outcomes == {SMALL: "passed"}
        assert not Path(old.address + ".staging").exists()
    old.stop()


def test_a_broken_edit_replaces_nothing(old: Predecessor) -> None:
    """The predecessor's own watcher promotes a daemon without the broken file: red turns green."""
    case = old.case
    daemon = old.serve()
    with watching.watching(case) as watcher:
        file = case.project / "tests" / "test_small.py"
        file.write_text("def test_small(:\n")
        assert wait_until(lambda: "the daemon in use is kept" in watcher.err, watching.PATIENCE_S), watcher.err
        assert "SyntaxError" in watcher.err
        assert alive(daemon.process.pid)
        assert wait_until(lambda: not Path(old.address + ".staging").exists(), 20)
        file.write_text("def test_small(): assert 0\n")
        assert wait_until(lambda: "pfast's daemon serves the address" in watcher.err, watching.PATIENCE_S), watcher.err
        assert old.streamed()["outcomes"] == {SMALL: "failed"}
    old.stop()


def test_what_is_no_change_starts_nothing(old: Predecessor) -> None:
    case = old.case
    daemon = old.serve()
    with watching.watching(case) as watcher:
        file = case.project / "tests" / "test_small.py"
        watching.replace(file, file.read_text())
        (case.project / "src" / "notes.txt").write_text("")
        (case.project / "src" / "app.py").write_text("VALUE = 2\n")
        assert wait_until(lambda: "pfast's daemon serves the address" in watcher.err, watching.PATIENCE_S), watcher.err
        assert watcher.err.count("collects at") == 1 and "changed: src/app.py" in watcher.err, watcher.err
        assert not alive(daemon.process.pid)
    old.stop()


def test_it_ends_after_the_predecessors_daemon(old: Predecessor) -> None:
    old.serve()
    watcher = watching.start(old.case)
    assert wait_until(lambda: "watching for " in watcher.err, 30), watcher.err
    old.case.pfast("stop", "--address", old.address)
    done = watcher.finish(30)
    assert (done.code, "the daemon is gone" in done.err) == (0, True), done


def test_the_predecessors_watcher_and_this_one_share_a_lock(old: Predecessor) -> None:
    old.serve()
    with watching.watching(old.case):
        theirs = old.start("-m", "pytest_fast", "--watch", "--address", old.address).finish(30)
        assert "another watcher already holds the lock" in theirs.out + theirs.err, theirs
    old.stop()
