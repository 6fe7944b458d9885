"""Where the kernel does not tell of changes, or has lost some: it is said once, and every save is still seen."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
import watching
from fake_daemon import Conversation, FakeDaemon
from faulty_libc import FaultyLibc
from harness import Case
from processes import wait_until
from watching import await_ready, boot_ms, edit, newest

SUITE = {
    "pytest.ini": "[pytest]\n",
    "helper.py": "VALUE = 1\n",
    "test_a.py": "import helper\n\ndef test_a(): assert helper.VALUE\n",
    "sub/test_b.py": "def test_b(): pass\n",
}
POLL = {"PYTEST_FAST_WATCH_POLL": "0.1"}


def saves_are_seen(case: Case, rounds: int = 2) -> None:
    for number in range(rounds):
        for name in ("helper.py", "sub/test_b.py"):
            before = newest(case)
            edit(case.project / name, f"OTHER_{number} = 1\n")
            await_ready(case, before)
            done = case.run()
            assert (done.code, boot_ms(done.out)) == (0, 0), done
    before = newest(case)
    (case.project / "sub" / "test_b.py").write_text("def test_b(): assert 0\n")
    await_ready(case, before)
    done = case.run()
    assert done.outcomes["sub/test_b.py::test_b"] == "failed" and boot_ms(done.out) == 0, done


@pytest.mark.parametrize("function", ["inotify_init1", "inotify_add_watch"])
def test_no_watch_is_left(case: Case, function: str) -> None:
    case.write(SUITE)
    libc = FaultyLibc(case)
    assert case.pfast("refresh").code == 0
    libc.fail("daemon", function, errno.EMFILE if function == "inotify_init1" else errno.ENOSPC, for_ever=True)
    with watching.watching(case, env=POLL) as watcher:
        saves_are_seen(case)
        os.utime(case.project / "helper.py")
        limit = "max_user_instances" if function == "inotify_init1" else "max_user_watches"
        told = [line for line in watcher.err.splitlines() if "files are looked at every 0.10 s" in line]
        assert len(told) == 1 and limit in told[0], watcher.err
    libc.heal()


def test_a_reason_to_look_by_the_clock_is_told_once(case: Case) -> None:
    """Between two generations that cannot be watched there may be a moment without one."""

    def script(daemon: Conversation) -> None:
        for serial, problem in enumerate(["watch a (limit)", "", "watch a (limit)", "watch b (limit)"]):
            daemon.send({"type": "watch_state", "serial": serial, "generations": 1, "problem": problem})
        while True:
            daemon.receive()

    address = case.runtime / "fake.sock"
    fake = FakeDaemon(address, script)
    try:
        with watching.watching(case, "--address", str(address), env=POLL) as watcher:
            assert wait_until(lambda: "watch b" in watcher.err, 30), watcher.err
            assert watcher.err.count("failed to watch a") == 1 and watcher.err.count("failed to watch b") == 1, watcher.err
    finally:
        fake.close()
        address.unlink()


def test_a_file_system_that_tells_of_nothing(case: Case) -> None:
    """As network file systems are: the folder lies on one that is not on the list of those that tell."""
    if not Path("/dev/shm").is_dir() or not Path("/proc/self/mountinfo").is_file():
        pytest.skip("no file system of another kind is at hand")
    kinds = {line.split(" - ")[1].split()[0]: line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    folder = next((Path(kinds[kind]) for kind in ("9p", "fuse", "fuse.sshfs", "nfs", "nfs4", "cifs", "virtiofs", "hugetlbfs") if kind in kinds and os.access(kinds[kind], os.W_OK)), None)
    if folder is None:
        libc = FaultyLibc(case)
        case.write(SUITE)
        assert case.pfast("refresh").code == 0
        libc.fail("daemon", "inotify_add_watch", errno.ENOSYS, for_ever=True)
        with watching.watching(case, env=POLL) as watcher:
            saves_are_seen(case, 1)
            assert watcher.err.count("files are looked at every") == 1, watcher.err
        libc.heal()


def test_more_events_than_the_queue_holds(case: Case) -> None:
    case.write(SUITE)
    assert case.pfast("refresh").code == 0
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    names = [case.project / "helper.py", case.project / "test_a.py"]
    with watching.watching(case) as watcher:
        for number in range(2 * most):  # equal neighbours count once
            os.utime(names[number % 2])
        assert watching.boots(case) == 1, watcher.err
        saves_are_seen(case, 1)


def test_a_watched_folder_is_removed_and_made_again(case: Case) -> None:
    case.write(SUITE)
    assert case.pfast("refresh").code == 0
    folder, aside = case.project / "sub", case.home / "aside"
    with watching.watching(case):
        for _ in range(2):
            before = newest(case)
            shutil.copytree(folder, aside)
            shutil.rmtree(folder)
            before = await_ready(case, before)
            assert len(case.run().outcomes) == 1
            shutil.move(aside, folder)
            await_ready(case, before)
            assert len(case.run().outcomes) == 2
        saves_are_seen(case)


def test_a_folder_is_replaced_by_an_equal_one(case: Case) -> None:
    case.write(SUITE)
    assert case.pfast("refresh").code == 0
    folder, other = case.project / "sub", case.home / "other"
    with watching.watching(case):
        shutil.copytree(folder, other)
        os.rename(folder, case.home / "old")
        os.rename(other, folder)
        assert wait_until(lambda: watching.is_ready(case), watching.PATIENCE_S)
        # The one that lies there now is looked at, and not the one that was moved away.
        edit(case.home / "old" / "test_b.py")
        done = case.run()
        assert done.code == 0 and boot_ms(done.out) == 0, done
        saves_are_seen(case, 1)
