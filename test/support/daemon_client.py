"""A daemon of one's own, and a client that speaks protocol version 2 with Python's pickle. Standard library only."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import find_pfast

FAKE = Path(__file__).with_name("fake_forkserver.py")
Event = dict[str, Any]


class Daemon:
    """`pfast serve --foreground` (the one under test) over the fake forkserver, at an address in *folder*."""

    def __init__(self, folder: Path, ttl_s: float = 600, boot_timeout_s: float = 30, **settings: object) -> None:
        self.folder = folder
        self.address = folder / "d.sock"
        self.log = folder / "daemon.log"
        launcher = folder / "forkserver"
        launcher.write_text(f"#!{sys.executable}\nimport runpy, sys\nrunpy.run_path({str(FAKE)!r}, run_name='__main__')\n")
        launcher.chmod(0o755)
        options = {"--address": self.address, "--root": folder, "--python": sys.executable, "--ttl": ttl_s}
        arguments = ["serve", "--foreground", *(str(part) for option in options.items() for part in option)]
        env = {**os.environ, "PFAST_FORKSERVER": str(launcher), "PFAST_BOOT_TIMEOUT": str(boot_timeout_s)}
        env |= {f"PFAST_{name.upper()}": str(value) for name, value in settings.items()}
        reading, writing = os.pipe()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(find_pfast()), *arguments, "--ready-fd", str(writing)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[writing], env=env, start_new_session=True,
            )
        os.close(writing)
        with open(reading, "rb") as pipe:
            self.readiness = pipe.read().decode()

    @property
    def pid(self) -> int:
        return self.process.pid

    def connect(self, greet: bool = True) -> Client:
        client = Client(str(self.address))
        if greet:
            client.hello()
        return client

    def status(self) -> Event:
        with self.connect() as client:
            return client.status()

    def children(self) -> set[int]:
        return descendants(self.pid)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


class Client:
    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(20)
        self.socket.connect(address)
        self.streams: list[int] = []

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, message: Event, fds: Sequence[int] = ()) -> None:
        payload = pickle.dumps(message, protocol=4)
        data = struct.pack(">I", len(payload)) + payload
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(fds)}i", *fds))] if fds else []
        sent = self.socket.sendmsg([data], ancillary)
        if sent < len(data):
            self.socket.sendall(data[sent:])

    def receive(self) -> Event | None:
        """The next event; None at the end of the stream."""
        header = self._exactly(4)
        if header is None:
            return None
        payload = self._exactly(struct.unpack(">I", header)[0])
        return None if payload is None else pickle.loads(payload)

    def _exactly(self, count: int) -> bytes | None:
        data = b""
        while len(data) < count:
            try:
                chunk = self.socket.recv(min(count - len(data), 1 << 20))
            except ConnectionResetError:
                return None
            if not chunk:
                return None
            data += chunk
        return data

    def hello(self, protocol: int = 2) -> Event | None:
        self.send({"type": "hello", "protocol": protocol, "version": "test", "pid": os.getpid()})
        return self.receive()

    def status(self) -> Event:
        self.send({"type": "status"})
        reply = self.receive()
        assert reply is not None and reply["type"] == "status_reply"
        return reply

    def start_run(
        self,
        fake: Mapping[str, Any],
        argv: Sequence[str] = (),
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
        stdout: int | None = None,
        **options: Any,
    ) -> None:
        null = os.open(os.devnull, os.O_RDWR)
        try:
            run = {"type": "run", **run_fields(fake, argv, cwd, env), "options": {"workers": 2, "reporter": "native", **options}}
            self.send(run, [null, null if stdout is None else stdout, null])
        finally:
            os.close(null)

    def refresh(self, fake: Mapping[str, Any], argv: Sequence[str] = (), cwd: str = "/", env: Mapping[str, str] | None = None) -> Event:
        """The last event: refreshed or error."""
        self.send({"type": "refresh", "request": run_fields(fake, argv, cwd, env)})
        while (event := self.receive()) is not None and event["type"] == "phase":
            pass
        assert event is not None
        return event

    def events(self) -> Iterator[Event]:
        """Everything up to the event that ends the run."""
        while (event := self.receive()) is not None:
            yield event
            if event["type"] in ("finished", "error"):
                return

    def run(self, fake: Mapping[str, Any], argv: Sequence[str] = (), **more: Any) -> Run:
        self.start_run(fake, argv, **more)
        return Run(list(self.events()))


def run_fields(fake: Mapping[str, Any], argv: Sequence[str], cwd: str, env: Mapping[str, str] | None) -> Event:
    environment = {"PATH": os.environ["PATH"], "PFAST_FAKE": json.dumps(fake), **(env or {})}
    return {
        "argv": [a.encode() for a in argv],
        "cwd": cwd.encode(),
        "env": {k.encode(): v.encode() for k, v in environment.items()},
        "umask": 0o22,
        "program": b"pytest",
        "terminal": {},
    }


class Run:
    def __init__(self, events: list[Event]) -> None:
        self.events = events
        self.last = events[-1]

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["type"] == kind]

    @property
    def code(self) -> int:
        return self.last["exit_code"]

    @property
    def outcomes(self) -> dict[str, str]:
        return {event["nodeid"]: event["outcome"] for event in self.of("result")}

    @property
    def lost(self) -> dict[str, str]:
        return {event["nodeid"]: event["lost"] for event in self.of("result") if event.get("lost")}

    def phases(self) -> list[str]:
        return [event["name"] for event in self.of("phase")]


def descendants(pid: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: set[int] = set()
    stack = [pid]
    while stack:
        for child in children.get(stack.pop(), []):
            if child not in found:
                found.add(child)
                stack.append(child)
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_for(condition: Any, seconds: float = 5) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"did not come true within {seconds} s")


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    os.kill(pid, number)
