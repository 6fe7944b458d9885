"""A daemon that does what a test tells it: greets, takes one run after the other, and plays a script to each.

Speaks protocol version 2 with Python's pickle. Runs in a thread of the test; standard library only.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

Event = dict[str, Any]


class Gone(Exception):
    """The client closed the connection."""


class Conversation:
    """One client's connection, from its run request on."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.fds: list[int] = []
        self.request: Event = {}
        self.messages: list[Event] = []  # what the client said after its request

    def send(self, event: Event) -> None:
        payload = pickle.dumps(event, protocol=4)
        self.socket.sendall(struct.pack(">I", len(payload)) + payload)

    def receive(self, timeout: float = 20.0) -> Event:
        self.socket.settimeout(timeout)
        return pickle.loads(self._exactly(struct.unpack(">I", self._exactly(4))[0]))

    def expect(self, kind: str) -> Event:
        """The client's next message, which is of that type. Resizes in between are kept and passed over."""
        while True:
            message = self.receive()
            self.messages.append(message)
            if message["type"] == kind:
                return message
            assert message["type"] == "resize", message

    def close(self) -> None:
        for fd in self.fds:
            os.close(fd)
        self.fds = []
        self.socket.close()

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            chunk, fds, _, _ = socket.recv_fds(self.socket, count - len(data), 8)
            self.fds += fds
            if not chunk:
                raise Gone
            data += chunk
        return data


Script = Callable[[Conversation], None]


class FakeDaemon:
    """Listens at *address* from its construction on. Exceptions of scripts are raised by close()."""

    def __init__(self, address: Path, script: Script) -> None:
        self.address = str(address)
        self.runs: list[Conversation] = []
        self._script = script
        self._error: BaseException | None = None
        # Who serves without its life lock is taken for the predecessor.
        self._lock = open(f"{address}.lock", "wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.address)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def request(self) -> Event:
        """The last run's."""
        return self.runs[-1].request

    @property
    def argv(self) -> list[str]:
        return [os.fsdecode(argument) for argument in self.request["argv"]]

    def close(self) -> None:
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._thread.join(20)
        self._listener.close()
        self._lock.close()
        for run in self.runs:
            run.close()
        if self._error is not None:
            raise self._error

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            try:
                self._talk(Conversation(connection))
            except Gone:
                pass
            except BaseException as error:  # noqa: BLE001: the test's thread raises it again
                self._error = self._error or error

    def _talk(self, conversation: Conversation) -> None:
        hello = conversation.receive()
        # Any other version would be asked to leave.
        conversation.send({"type": "welcome", "protocol": 2, "version": hello["version"], "pid": os.getpid()})
        conversation.request = conversation.receive()
        self.runs.append(conversation)
        try:
            self._script(conversation)
        finally:
            conversation.close()


# -- events ------------------------------------------------------------------------------------------------------------


def collected(selected: int, workers: int = 2, **more: Any) -> Event:
    return {"type": "collected", "selected": selected, "workers": workers, **more}


def quick(when: str) -> tuple[Any, ...]:
    """A phase with nothing to tell, in its short form."""
    return (when, 0.001, 0.001, 1700000000.0)


def loud(when: str, outcome: str, category: str, letter: str, word: str, **more: Any) -> Event:
    return {"when": when, "outcome": outcome, "category": category, "letter": letter, "word": word, **more}


PASSED = [quick("setup"), quick("call"), quick("teardown")]
FAILED = [
    quick("setup"),
    loud("call", "failed", "failed", "F", "FAILED", reason="assert 1 == 2", longrepr="E   assert 1 == 2", headline="test_f"),
    quick("teardown"),
]
SKIPPED = [loud("setup", "skipped", "skipped", "s", "SKIPPED", reason="not here", location="test_a.py:3"), quick("teardown")]
XFAILED = [quick("setup"), loud("call", "skipped", "xfailed", "x", "XFAIL", reason="known", wasxfail=True), quick("teardown")]
ERROR = [loud("setup", "failed", "error", "E", "ERROR", reason="KeyError: 'db'", longrepr="E   KeyError", headline="test_e"), quick("teardown")]
RERUN = [quick("setup"), loud("call", "rerun", "rerun", "R", "RERUN"), quick("teardown")]


def result(item: int, nodeid: str, outcome: str = "passed", phases: list[Any] | None = None, **more: Any) -> Event:
    return {
        "type": "result",
        "item": item,
        "nodeid": nodeid,
        "worker": "gw0",
        "outcome": outcome,
        "phases": PASSED if phases is None else phases,
        **more,
    }


def progress(done: int, total: int, failed: int = 0, running: list[tuple[str, str]] | None = None) -> Event:
    return {"type": "progress", "done": done, "total": total, "failed": failed, "running": running or []}


def finished(exit_code: int = 0, total: int = 0, **more: Any) -> Event:
    return {"type": "finished", "exit_code": exit_code, "total": total, "duration_s": 0.5, **more}


def ends_at_once(conversation: Conversation) -> None:
    """A run without tests that is green all the same: for tests that look at the request."""
    conversation.send(finished())
