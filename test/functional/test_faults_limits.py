"""Disks that are full, descriptors and processes that have run out, and every call of libc that can fail once."""

from __future__ import annotations

import errno
import os
import resource
import shlex
import shutil
import stat
import subprocess
from collections.abc import Iterator

import pytest
from daemon_client import Daemon
from faults import Faults
from faulty_libc import FaultyLibc
from harness import Case, Finished, Running
from processes import wait_until

STRANGER = 61234


def right_or_refused(faults: Faults, done: Finished, *words: str) -> None:
    """Plain pytest's outcomes, or no verdict at all and a reason with one of *words* in it."""
    faults.true_as_far_as_told(done)
    if done.code != 0:
        told = done.err + done.out
        assert told.strip() and (not words or any(word in told for word in words)), str(done)


# -- disks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["client", "daemon", "forkserver", "child"])
def test_the_disk_is_full(case: Case, who: str) -> None:
    """No byte can be written to any file: history, cache, log, bytecode."""
    libc = FaultyLibc(case)
    with Faults(case, boots=True) as faults:
        libc.fail(who, "write_file", errno.ENOSPC, for_ever=True)
        (case.project / "test_faults.py").write_text((case.project / "test_faults.py").read_text() + "\n# an edit\n")
        for _ in range(2):
            done = case.pfast("run", "--dump", "-", *faults.arguments)
            if who in ("client", "daemon"):
                assert done.code == 0, done
            # pytest itself needs temporary files.
            if done.code == 0:
                assert done.out.count('"passed"') == len(faults.expected.outcomes), done
            else:
                assert "No space left" in done.out + done.err or "No usable temporary directory" in done.out + done.err, done
        libc.heal()


@pytest.mark.parametrize("option", ["--dump", "--events", "--junitxml"])
def test_a_report_has_no_room(case: Case, option: str) -> None:
    """What cannot be written is named, and the exit code is not green; for pytest's own report it is as in plain pytest."""
    with Faults(case) as faults:
        done = case.run(*faults.arguments, option, "/dev/full")
        assert done.code != 0 and ("/dev/full" in done.err or "No space" in done.err + done.out), done
        if option == "--junitxml":
            plain = case.plain(option, "/dev/full", oracle=False)
            assert plain.code != 0, plain


def test_the_daemon_starts_where_its_log_has_no_room(case: Case) -> None:
    libc = FaultyLibc(case)
    with Faults(case, daemon_dies=True) as faults:
        assert case.stop().code == 0
        libc.fail("client", "write_file", errno.ENOSPC, for_ever=True)
        running = case.start_pfast("run", "--dump", "-", *faults.arguments)
        assert running.finish().code == 0
        libc.fail("daemon", "write_file", errno.ENOSPC, for_ever=True)
        faults.run_is_right()
        libc.heal()


# -- descriptors -------------------------------------------------------------------------------------------------------


def start_with_descriptors(case: Case, count: int, *args: str) -> Running:
    """A client that may hold *count* descriptors."""
    folder = case.home / f"few-{count}"
    folder.mkdir()
    command = ["sh", "-c", 'ulimit -n "$1"; shift; exec "$@"', "sh", str(count), str(case.pfast_path), *args]
    return Running(command, case.project, case.env, folder)


def test_a_client_with_few_descriptors(case: Case) -> None:
    """From none beside its streams on: a refusal that names the limit, or the right verdict."""
    with Faults(case) as faults:
        codes = []
        for count in range(3, 16):
            done = start_with_descriptors(case, count, "run", *faults.arguments).finish()
            codes.append(done.code)
            if done.code != 0:
                assert "open files" in done.err or "RLIMIT_NOFILE" in done.err or "shared libraries" in done.err, done
        assert codes[-1] == 0
        assert sorted(codes, reverse=True) == codes or set(codes[codes.index(0) :]) == {0}, codes


@pytest.mark.parametrize("workers", [1, 4])
def test_a_forkserver_and_its_children_with_few_descriptors(case: Case, workers: int) -> None:
    with Faults(case, workers=workers, boots=True) as faults:
        forkserver = faults.before.forkserver
        spare = [process.pid for process in case.processes() if process.parent == forkserver]
        before = resource.prlimit(forkserver, resource.RLIMIT_NOFILE)
        used = len(os.listdir(f"/proc/{forkserver}/fd"))
        for more in range(0, 10, 1 if workers > 1 else 2):
            for pid in [forkserver, *spare]:
                try:
                    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + more, before[1]))
                except ProcessLookupError:
                    pass
            done = case.run(*faults.arguments)
            right_or_refused(faults, done, "open files", "RLIMIT_NOFILE", "ulimit", "forkserver", "descriptors")
            level = faults.level()
            if level.forkserver != forkserver:
                break
            spare = [process.pid for process in case.processes() if process.parent == forkserver]
        try:
            resource.prlimit(forkserver, resource.RLIMIT_NOFILE, before)
            for process in case.processes():
                if process.parent == forkserver:
                    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
        except ProcessLookupError:
            pass


# -- processes ---------------------------------------------------------------------------------------------------------


#: Another user, who may nevertheless read a tree that lies in a home folder: root itself has no limit of processes.
AS_STRANGER = [
    "setpriv", "--reuid", str(STRANGER), "--regid", str(STRANGER), "--clear-groups",
    "--securebits", "+no_setuid_fixup", "--inh-caps", "+dac_override,+dac_read_search", "--ambient-caps", "+dac_override,+dac_read_search",
]


@pytest.fixture
def strangers(case: Case) -> Iterator[Case]:
    """A case of a user who has no other processes."""
    pfast = case.pfast_path
    if os.geteuid() != 0 or shutil.which("setpriv") is None or subprocess.run([*AS_STRANGER, "true"], capture_output=True).returncode != 0:
        pytest.skip("only root can be somebody else")
    for program in (pfast, case.pytest):
        wrapper = case.home / "bin" / program.name
        wrapper.parent.mkdir(exist_ok=True)
        wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(AS_STRANGER)} {program} "$@"\n')
        wrapper.chmod(0o755)
    case.pfast_path, case.pytest = case.home / "bin" / pfast.name, case.home / "bin" / case.pytest.name
    case.env |= {"HOME": str(case.home)}
    before = os.umask(0)  # what is made for them from now on they can write to
    for folder in (case.project, case.runtime, case.home / "t"):
        os.chown(folder, STRANGER, STRANGER)
    case.home.chmod(0o1777)
    yield case
    os.umask(before)


def test_a_user_who_may_have_no_more_processes(strangers: Case) -> None:
    """Fewer workers are declared, or the limit is named."""
    case = strangers
    free = case.pfast_path
    with Faults(case, workers=4, daemon_dies=True) as faults:
        codes = []
        for most in (1, 2, 3, 4, 5, 6, 8, 12, 20):
            assert case.stop().code in (0, 71)
            assert wait_until(lambda: not case.processes(), 10)
            case.pfast_path = case.home / "bin" / f"pfast-{most}"
            case.pfast_path.write_text(f'#!/bin/sh\nexec prlimit --nproc={most} {free} "$@"\n')
            case.pfast_path.chmod(0o755)
            done = case.run(*faults.arguments)
            right_or_refused(faults, done, "RLIMIT_NPROC", "Resource temporarily unavailable", "can't start new thread")
            codes.append(done.code)
            case.pfast_path = free
        assert codes[0] != 0 and codes[-1] == 0, codes
        assert case.stop().code == 0


# -- every call that can fail ------------------------------------------------------------------------------------------

NO_DESCRIPTORS, NO_MEMORY, NO_ROOM, NO_PROCESSES = errno.EMFILE, errno.ENOMEM, errno.ENOSPC, errno.EAGAIN

WARM = {
    "client": {"open": NO_DESCRIPTORS, "socket": NO_DESCRIPTORS, "fcntl": NO_DESCRIPTORS},
    "daemon": {
        "accept4": NO_DESCRIPTORS, "socketpair": NO_DESCRIPTORS, "memfd_create": NO_DESCRIPTORS, "ftruncate": NO_MEMORY,
        "fcntl": NO_DESCRIPTORS, "open": NO_DESCRIPTORS, "mmap": NO_MEMORY, "posix_spawn": NO_PROCESSES,
    },
    "forkserver": {"fork": NO_PROCESSES, "socketpair": NO_DESCRIPTORS, "fcntl": NO_DESCRIPTORS},
    "child": {"fork": NO_PROCESSES, "socketpair": NO_DESCRIPTORS, "fcntl": NO_DESCRIPTORS},
}
#: Of one function; a run that makes more calls than this is one that a loop makes.
MOST_CALLS = 40


@pytest.mark.parametrize("who", WARM)
def test_every_call_of_a_warm_run_fails_once(case: Case, who: str) -> None:
    """The n-th call for n = 1, 2, 3, … until none fails: the right verdict, or a refusal; never a wrong one."""
    libc = FaultyLibc(case)
    # What the prober makes the daemon call would be counted.
    with Faults(case, boots=True, probed=who != "daemon") as faults:
        for function, error in WARM[who].items():
            for number in range(1, MOST_CALLS + 1):
                libc.fail(who, function, error, at=number)
                done = case.run(*faults.arguments)
                right_or_refused(faults, done)
                if not libc.heal():
                    break
                case.assert_runs_are_over()
            assert number > 1 or function in ("posix_spawn", "fork", "open", "socketpair", "fcntl"), f"{who} never calls {function}"


START = {
    "socket": NO_DESCRIPTORS, "bind": NO_ROOM, "listen": errno.EADDRINUSE, "renameat": NO_ROOM, "open": NO_DESCRIPTORS,
    "fcntl": NO_DESCRIPTORS, "inotify_init1": NO_DESCRIPTORS, "inotify_add_watch": NO_ROOM,
}


@pytest.mark.parametrize("function", START)
def test_every_call_of_a_start_fails_once(case: Case, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    """The daemon serves nevertheless, or says why not; what it leaves behind hinders no start."""
    libc = FaultyLibc(case)
    for name in ("LD_PRELOAD", "PFAST_TEST_FAULT"):
        monkeypatch.setenv(name, case.env[name])
    folder = case.home / "d"
    folder.mkdir()
    for number in range(1, MOST_CALLS + 1):
        libc.fail("daemon", function, START[function], at=number)
        daemon = Daemon(folder)
        failed = libc.heal()
        if daemon.readiness != "ready\n":
            assert failed and 70 <= daemon.process.wait(10) < 80, daemon.readiness
            assert os.strerror(START[function]) in daemon.readiness + daemon.log.read_text()
        else:
            with daemon.connect() as client:
                assert client.run({"items": ["t.py::test_a"]}).code == 0
            assert daemon.stop() == 0
        left = {path.name for path in folder.iterdir()} - {"forkserver", "daemon.log", "d.sock.lock"}
        assert not left or (failed and all(name.startswith(".pfast-") or stat.S_ISREG((folder / name).stat().st_mode) for name in left)), left
        if not failed:
            assert not left, left
            break
    assert number < MOST_CALLS
    assert wait_until(lambda: not case.processes(), 10)
