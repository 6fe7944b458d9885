"""The socket, the lock file or the runtime directory is taken away, replaced, opened up, or somebody else's."""

from __future__ import annotations

import os
import pickle
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from daemon_client import Client
from faults import SUITE, Faults
from harness import Case, Finished
from processes import alive, remove_tree, wait_until

#: Somebody who is neither root nor whoever runs this.
STRANGER = 61234
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


def socket_of(case: Case) -> Path:
    return next(case.runtime.glob("*.sock"))


def served_again(faults: Faults) -> bool:
    status = faults.case.status()
    return status is not None and int(status["daemon"]["pid"]) == faults.before.daemon


# -- the socket --------------------------------------------------------------------------------------------------------


def removed(path: Path) -> None:
    path.unlink()


def replaced_by_a_file(path: Path) -> None:
    path.with_name("other").write_text("no socket\n")
    os.rename(path.with_name("other"), path)


def replaced_by_a_dead_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path.with_name("other")))
    os.rename(path.with_name("other"), path)


def replaced_by_a_link(path: Path) -> None:
    path.with_name("other").symlink_to("/nowhere")
    os.rename(path.with_name("other"), path)


def moved_away(path: Path) -> None:
    path.rename(path.parent.parent / "moved")


@pytest.mark.parametrize("how", [removed, replaced_by_a_dead_socket, moved_away], ids=lambda how: how.__name__)
def test_the_socket_is_taken_away_in_mid_run(case: Case, how: Callable[[Path], None]) -> None:
    with Faults(case) as faults:
        running = faults.start_waiting()
        how(socket_of(case))
        assert wait_until(lambda: served_again(faults), 30)
        faults.open_gate()
        case.assert_same(faults.expected, running.finish(60))
        assert socket_of(case).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("how", [replaced_by_a_file, replaced_by_a_link], ids=lambda how: how.__name__)
def test_what_is_no_socket_is_left_alone_and_named(case: Case, how: Callable[[Path], None]) -> None:
    with Faults(case) as faults:
        path = socket_of(case)
        how(path)
        done = case.run(*faults.arguments)
        assert done.code >= 70 and str(path) in done.err and "rm " in done.err, done
        path.unlink()
        assert wait_until(lambda: served_again(faults), 30)


def test_a_run_right_after_the_socket_was_removed(case: Case) -> None:
    """Whether it is there again already or not."""
    with Faults(case) as faults:
        for _ in range(20):
            removed(socket_of(case))
            case.assert_same(faults.expected, case.run(*faults.arguments))
        assert served_again(faults)


# -- the lock file -----------------------------------------------------------------------------------------------------


def test_the_lock_file_is_removed_while_idle(case: Case) -> None:
    with Faults(case, daemon_dies=True) as faults:
        next(case.runtime.glob("*.lock")).unlink()
        assert wait_until(lambda: not alive(faults.before.daemon), 30)
        faults.everyone_is_gone()


def test_the_lock_file_is_removed_in_mid_run(case: Case) -> None:
    """The run ends; from then on there is another daemon."""
    with Faults(case, daemon_dies=True) as faults:
        running = faults.start_waiting()
        next(case.runtime.glob("*.lock")).unlink()
        faults.open_gate()
        case.assert_same(faults.expected, running.finish(60))


# -- the runtime directory ---------------------------------------------------------------------------------------------


def assert_refused(done: Finished, *words: str) -> None:
    assert done.code == 75 and not done.outcomes, done
    for word in words:
        assert word in done.err, done


def test_the_runtime_directory_is_opened_up(case: Case) -> None:
    with Faults(case) as faults:
        running = faults.start_waiting()
        case.runtime.chmod(0o777)
        assert_refused(case.run(*faults.arguments), str(case.runtime), "777", f"chmod 700 {case.runtime}")
        case.runtime.chmod(0o700)
        faults.open_gate()
        case.assert_same(faults.expected, running.finish(60))


@needs_root
def test_the_runtime_directory_is_given_away(case: Case) -> None:
    with Faults(case) as faults:
        running = faults.start_waiting()
        os.chown(case.runtime, STRANGER, STRANGER)
        assert_refused(case.run(*faults.arguments), str(case.runtime), str(STRANGER))
        os.chown(case.runtime, os.geteuid(), os.getegid())
        faults.open_gate()
        case.assert_same(faults.expected, running.finish(60))


def test_the_runtime_directory_is_a_link_now(case: Case) -> None:
    with Faults(case, daemon_dies=True) as faults:
        elsewhere = case.home / "elsewhere"
        case.runtime.rename(elsewhere)
        case.runtime.symlink_to(elsewhere)
        assert_refused(case.run(*faults.arguments), str(case.runtime), "link")
        assert wait_until(lambda: not alive(faults.before.daemon), 30)
        case.runtime.unlink()
        shutil.rmtree(elsewhere)
        faults.everyone_is_gone()


def test_the_runtime_directory_is_removed_in_mid_run(case: Case) -> None:
    with Faults(case, daemon_dies=True) as faults:
        running = faults.start_waiting()
        remove_tree(case.runtime)   # the daemon binds its socket again while the folder is there
        faults.open_gate()
        case.assert_same(faults.expected, running.finish(60))


def in_namespace(script: str) -> list[str]:
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script]


@needs_root
def test_the_runtime_directory_is_read_only(case: Case) -> None:
    """A read-only mount, since root may write into every folder."""
    if subprocess.run(in_namespace("mount -t tmpfs none /mnt"), capture_output=True).returncode != 0:
        pytest.skip("no mount namespaces here")
    with Faults(case) as faults:
        script = f"mount --bind {case.runtime} {case.runtime}; mount -o remount,bind,ro {case.runtime}; exec {case.pfast_path} run"
        done = subprocess.run(in_namespace(script), cwd=case.project, env=case.env, capture_output=True, text=True)
        assert done.returncode == 75 and str(case.runtime) in done.stderr and "Read-only" in done.stderr, done
        case.assert_same(faults.expected, case.run(*faults.arguments))


# -- somebody else -----------------------------------------------------------------------------------------------------

#: Answers whatever it is asked with a green verdict, as the predecessor's clients would have believed.
IMPOSTOR = """
import os, pickle, socket, struct, sys
os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
listener.listen()
print("ready", flush=True)
def frame(message):
    data = pickle.dumps(message, protocol=4)
    return struct.pack(">I", len(data)) + data
while True:
    client, _ = listener.accept()
    try:
        client.sendall(frame({"type": "welcome", "protocol": 2, "version": "0.10.0", "pid": os.getpid()}))
        heard = client.recv(65536)
        open(sys.argv[1] + ".heard", "ab").write(heard)
        client.sendall(frame({"type": "finished", "exit_code": 0, "counts": {"passed": 1}}))
    except OSError:
        pass
"""


@needs_root
def test_a_stranger_has_bound_the_address_first(case: Case) -> None:
    """In /tmp, say: nothing is sent to them, and they are named."""
    case.write(SUITE)
    shared = case.home / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    case.home.chmod(0o755)
    address = shared / "pfast.sock"
    impostor = subprocess.Popen(
        [sys.executable, "-c", IMPOSTOR, str(address), str(STRANGER)], stdout=subprocess.PIPE, text=True, env=case.env
    )
    try:
        assert impostor.stdout is not None and impostor.stdout.readline() == "ready\n"
        for command in (["run", "-n", "1"], ["status"], ["stop"]):
            done = case.pfast(*command, "--address", str(address))
            assert done.code >= 70 and str(address) in done.err and str(STRANGER) in done.err, done
            assert not done.outcomes and "passed" not in done.out
        assert not address.with_name("pfast.sock.heard").exists()
        assert impostor.poll() is None
    finally:
        impostor.kill()
        impostor.wait()
    address.unlink()
    case.where = ["--address", str(address)]
    assert case.run(*case.where).code == 0


@needs_root
def test_a_stranger_owns_the_runtime_directory(case: Case) -> None:
    case.write(SUITE)
    theirs = case.home / "theirs"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, STRANGER, STRANGER)
    assert_refused(case.run(env={"PFAST_RUNTIME_DIR": str(theirs)}), str(theirs), str(STRANGER))
    assert not list(theirs.iterdir())


@needs_root
def test_a_stranger_who_reaches_the_socket_gets_no_word(case: Case) -> None:
    """Only when folder and socket were opened up by hand; the daemon looks at who it is then."""
    with Faults(case) as faults:
        name = socket_of(case)
        case.home.chmod(0o755)
        case.runtime.chmod(0o755)
        name.chmod(0o777)
        hello = pickle.dumps({"type": "hello", "protocol": 2, "version": "x", "pid": 1}, protocol=4)
        script = (
            "import os, socket, sys; os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]));"
            "client = socket.socket(socket.AF_UNIX); client.settimeout(20); client.connect(sys.argv[1]);"
            "client.sendall(bytes.fromhex(sys.argv[3])); print(len(client.recv(4096)))"
        )
        said = (struct.pack(">I", len(hello)) + hello).hex()
        done = subprocess.run(
            [sys.executable, "-c", script, str(name), str(STRANGER), said], capture_output=True, text=True, env=case.env
        )
        assert done.stdout.strip() in ("0", "") and ("Error" in done.stderr or done.stdout.strip() == "0"), done
        with Client(str(name)) as mine:
            assert (mine.hello() or {})["type"] == "welcome"
        name.chmod(0o600)
        case.runtime.chmod(0o700)
        case.home.chmod(0o700)
        assert served_again(faults)


@needs_root
@pytest.mark.parametrize("which", ["log", "lock", "spawn", "pid", "json"])
def test_a_strangers_link_in_a_shared_folder_is_not_followed(case: Case, which: str) -> None:
    case.write(SUITE)
    shared = case.home / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    victim = case.home / "victim"
    victim.write_text("precious\n")
    address = shared / "pfast.sock"
    link = shared / f"pfast.sock.{which}"
    link.symlink_to(victim)
    os.chown(link, STRANGER, STRANGER, follow_symlinks=False)
    case.where = ["--address", str(address)]
    done = case.run(*case.where)
    if which in ("pid", "json"):  # put there by rename: the link is gone, what it led to is not
        assert done.code == 0, done
    else:
        assert done.code >= 70 and str(link) in done.err and "link" in done.err, done
    assert victim.read_text() == "precious\n"
