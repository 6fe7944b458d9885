"""Clients that want no good: the connection ends with a reason, memory stays bounded, and no run begins."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import struct
import time
from pathlib import Path

import pytest
from build_tree import ROOT
from daemon_client import Client
from faults import Faults
from harness import TIMEOUT_S, Case
from processes import wait_until

ROUNDS = int(os.environ.get("PFAST_TEST_ROUNDS", "2"))
#: 1 GB when many rounds are asked for.
GARBAGE_BYTES = (1 << 30) if ROUNDS > 2 else (64 << 20)
#: What the daemon may grow by, whatever it is sent: a few frames of 16 MiB at most.
MOST_GROWTH = 48 << 20
if "ASAN_OPTIONS" in os.environ or "TSAN_OPTIONS" in os.environ:  # they keep what is freed, to see who uses it
    MOST_GROWTH = 12 << 30
CORPUS = ROOT / "test" / "data" / "pickle_frames.jsonl"


def address(case: Case) -> str:
    return str(next(case.runtime.glob("*.sock")))


def connect(case: Case, greet: bool = False) -> Client:
    client = Client(address(case))
    if greet:
        assert (client.hello() or {})["type"] == "welcome"
    return client


def resident(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) << 10


def peak(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) << 10


def ends(client: Client) -> dict | None:
    """The daemon's last word; the connection is over then."""
    last = None
    while (event := client.receive()) is not None:
        last = event
    return last


def no_run_began(faults: Faults) -> None:
    status = faults.case.status()
    assert status is not None and not status["runs"]
    assert faults.level().generations == faults.before.generations


def test_two_hundred_clients_that_say_nothing(case: Case) -> None:
    with Faults(case) as faults:
        clients = [connect(case, greet=number % 2 == 0) for number in range(200)]
        for _ in range(3):
            faults.run_is_right()
        status = case.status()
        assert status is not None and status["clients"] >= 200
        for client in clients:
            client.close()
        faults.wait_for_status(lambda status: status["clients"] < 10)


def test_slow_and_half_commands_are_given_up(case: Case) -> None:
    """A byte now and then, half a header, half a command: five seconds from the first byte, whatever comes meanwhile."""
    with Faults(case) as faults:
        slow = [connect(case, greet=number % 2 == 0) for number in range(20)]
        half = [connect(case, greet=number % 2 == 0) for number in range(20)]
        for client in half:
            client.socket.sendall(b"\0\0")
        began = time.monotonic()
        while slow and time.monotonic() < began + 60:
            for client in list(slow):
                client.socket.settimeout(0.05)
                try:
                    client.socket.sendall(b"\0")
                    if not client.socket.recv(4096):
                        slow.remove(client)
                except TimeoutError:
                    pass
                except OSError:
                    slow.remove(client)
            time.sleep(0.2)
        assert not slow, f"{len(slow)} clients that send a byte now and then are still there"
        for client in half:
            last = ends(client)
            assert last is None or last["code"] == "timed-out", last
            client.close()
        no_run_began(faults)


@pytest.mark.parametrize("greet", [True, False])
def test_random_bytes_without_end(case: Case, greet: bool) -> None:
    noise = random.Random(1).randbytes(1 << 20)
    with Faults(case) as faults:
        before = resident(faults.before.daemon)
        sent = 0
        while sent < GARBAGE_BYTES:
            with connect(case, greet=greet) as client, contextlib.suppress(OSError):
                # As large a frame as is allowed, so that as much as possible is read.
                client.socket.sendall(struct.pack(">I", (16 << 20) if greet else (64 << 10)))
                for _ in range(17):
                    client.socket.sendall(noise)
                    sent += len(noise)
            sent += len(noise)
        assert peak(faults.before.daemon) < before + MOST_GROWTH
        assert wait_until(lambda: resident(faults.before.daemon) < before + MOST_GROWTH // 12, 20)
        no_run_began(faults)


TEXTS = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "SSH": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    "an empty frame": struct.pack(">I", 0),
    "the longest length": b"\xff" * 4,
    "JSON": json.dumps({"type": "hello", "protocol": 2}).encode(),
}


@pytest.mark.parametrize("greet", [True, False])
def test_other_protocols(case: Case, greet: bool) -> None:
    with Faults(case) as faults:
        for what, text in list(TEXTS.items()) * 10:
            with connect(case, greet=greet) as client:
                client.socket.sendall(text)
                client.socket.shutdown(socket.SHUT_WR)
                last = ends(client)
                assert last is None or last["type"] == "error", (what, last)
        no_run_began(faults)


@pytest.mark.parametrize("greet", [True, False])
def test_every_judged_frame(case: Case, greet: bool) -> None:
    """As a greeting and as a command: each is answered with a reason or a closed connection. A command of version 1 is among them."""
    frames = [json.loads(line) for line in CORPUS.read_text().splitlines()]
    assert len(frames) > 1000
    with Faults(case) as faults:
        before = resident(faults.before.daemon)
        for frame in frames:
            payload = bytes.fromhex(frame["hex"]) if "hex" in frame else b""
            data = payload if frame.get("level") == "stream" else struct.pack(">I", len(payload)) + payload
            with connect(case, greet=greet) as client, contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.socket.sendall(data)
                client.socket.shutdown(socket.SHUT_WR)
                last = ends(client)
                said = last is None or last.get("type") == "error"
                # Its client has gone already: a word may reach it nevertheless.
                assert said or ("/msg_run/" in frame["name"] and not greet and "type" not in last), (frame["name"], last)
        assert peak(faults.before.daemon) < before + MOST_GROWTH
        # One of them is a command of version 1, a run whose client has gone.
        assert wait_until(lambda: not (case.status() or {"runs": [1]})["runs"], TIMEOUT_S)
        no_run_began(faults)


def test_a_client_leaves_at_every_byte_of_a_run(case: Case) -> None:
    """With the descriptors of its streams already on their way. Only the last byte makes it a run, and that one is cancelled."""
    with Faults(case) as faults:
        recorded = record_run(case)
        assert len(recorded) > 200
        null = os.open(os.devnull, os.O_RDWR)
        step = 1 if ROUNDS > 2 else 3
        for length in [*range(1, len(recorded), step), len(recorded) - 1]:
            with connect(case, greet=True) as client:
                rights = struct.pack("3i", null, null, null)
                client.socket.sendmsg([recorded[:length]], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        os.close(null)
        no_run_began(faults)


def record_run(case: Case) -> bytes:
    """The bytes of a run of this suite, as a client would send them."""

    class Recorder(Client):
        data = b""

        def __init__(self) -> None:
            self.socket, self._other = socket.socketpair()
            self.streams = []

    recorder = Recorder()
    recorder.start_run({}, ["test_faults.py"], cwd=str(case.project), env=case.env)
    recorder.socket.close()
    data = b""
    while chunk := recorder._other.recv(1 << 20):
        data += chunk
    recorder._other.close()
    return data
