"""Runs on a daemon that is there, by version 1 of the protocol: pfast's own daemon serves it, and so does the predecessor's."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from pfast import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_LOST: dict[str, object] = {"rc": 1, "summary": "[pfast] the daemon closed the connection in mid-run"}
#: sockaddr_un has 108 bytes for a path and its end.
_LONGEST_PATH = 107


def request_run(address: str, *, full_report: bool = False, detailed: bool = False, bench: int = 0) -> dict[str, object]:
    """Runs the suite of the daemon at *address* and shows the progress on stdout.

    Returns ``{"rc": exit code, "summary": text}``, or ``{"stale": True}`` when the daemon leaves because this environment is not the one
    that it was started with: start another one and ask again. *full_report* adds a table of durations to the summary, *detailed* where
    the time went; *bench* runs the suite that often and tells what to save time on. Raises FileNotFoundError or
    ConnectionRefusedError when nobody serves there, and PermissionError when somebody else does. Whoever is interrupted cancels the
    run.
    """
    shown = False
    for frame in _answers(address, ("run", _fingerprint(), full_report, False, None, detailed, bench)):
        if "progress" not in frame:
            print("\r" + " " * 32 + "\r", end="", flush=True)
            return frame
        done, total = cast("tuple[int, int]", frame["progress"])
        print(f"\r  running {done}/{total} …", end="", flush=True)
        shown = True
    if shown:
        print()
    return dict(_LOST)


def request_run_streamed(
    address: str, on_report: Callable[[dict[str, object]], None], nodeids: Iterable[str] | None = None
) -> dict[str, object]:
    """Runs *nodeids*, by default the whole suite, and calls *on_report* with every report as it comes.

    A report is what ``pytest_report_from_serializable`` takes. Returns and raises what :func:`request_run` does; what *on_report* raises
    cancels the run.
    """
    if isinstance(nodeids, str):
        raise TypeError("nodeids is one text: give a list of node ids")
    wanted = None if nodeids is None else list(nodeids)
    for frame in _answers(address, ("run", _fingerprint(), True, True, wanted)):
        report = frame.get("report")
        if report is None:
            return frame
        on_report(cast("dict[str, object]", report))
    return dict(_LOST)


def _answers(address: str, command: tuple[object, ...]) -> Iterator[dict[str, object]]:
    """The daemon's answers. They end early when it is lost, or says what is no answer."""
    with _connected(address) as daemon:
        reader = wire.FrameReader()
        try:
            daemon.sendall(wire.frame(wire.dumps(command)))
            while data := daemon.recv(1 << 16):
                reader.feed(data)
                for payload in reader:
                    answer = wire.loads(payload)
                    if not isinstance(answer, dict):
                        return
                    yield answer
        except (ConnectionError, wire.DecodeError, wire.FrameError):
            return


@contextmanager
def _connected(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon:
        _connect(daemon, address)
        _, uid, _ = struct.unpack("3i", daemon.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        if uid != os.geteuid():
            raise PermissionError(f"the daemon at {address!r} is the one of user {uid}: name another address")
        yield daemon


def _connect(daemon: socket.socket, address: str) -> None:
    if len(os.fsencode(address)) <= _LONGEST_PATH:
        daemon.connect(address)
        return
    folder, name = os.path.split(address)
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        daemon.connect(f"/proc/self/fd/{fd}/{name}")
    finally:
        os.close(fd)


# PROTOCOL.md, section 7: what makes a daemon stale for a client.
_KEYS = frozenset(
    "PYTEST_FAST_MARK PYTEST_ADDOPTS OUTCOME_DUMP PYTEST_FAST_WATCH_DIRS PYTEST_FAST_WATCH_FILES PYTEST_FAST_ROOT "
    "PYTEST_FAST_ENV_PREFIXES".split()
)
#: The predecessor sets these in every process that imports it, and both daemons count on that.
_SET_BY_PREDECESSOR = {"no_proxy": "*", "NO_PROXY": "*", "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES"}


def _fingerprint() -> str:
    prefixes = tuple(part.strip() for part in os.environ.get("PYTEST_FAST_ENV_PREFIXES", "").split(",") if part.strip())
    environment = {**_SET_BY_PREDECESSOR, **os.environ}
    counted = sorted(key for key in environment if key in _KEYS or key.startswith(prefixes))
    joined = "\0".join(f"{key}={environment[key]}" for key in counted)
    return hashlib.sha1(joined.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
