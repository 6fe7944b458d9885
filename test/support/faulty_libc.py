"""Faults of libc in processes of pfast: what faulty_libc.cpp is told, and what it did."""

from __future__ import annotations

import mmap
import os
import signal
import struct
from pathlib import Path

import pytest
from harness import Case, find_pfast

#: In the order of faulty_libc.cpp.
WHO = ["nobody", "client", "daemon", "forkserver", "child"]
FUNCTIONS = (
    "none open write_file socket socketpair accept4 bind listen connect renameat fork memfd_create "
    "mmap fcntl sendmsg recvmsg ftruncate inotify_init1 inotify_add_watch posix_spawn mkdir"
).split()
LIBRARY = find_pfast().parents[2] / "test" / "support" / "faulty_libc.so"
FORMAT = "6iq"


def require() -> None:
    if not LIBRARY.exists():
        pytest.skip("faulty_libc.so was not built")
    if "ASAN_OPTIONS" in os.environ or "TSAN_OPTIONS" in os.environ:
        pytest.skip("a sanitizer's library wants to be the first one")


def without_tid_address(asked: Path) -> dict[str, str]:
    """The environment of processes on a kernel that does not tell where it clears a thread's id; *asked* is made when one wanted to know."""
    require()
    return {"LD_PRELOAD": str(LIBRARY), "PFAST_TEST_NO_TID_ADDRESS": str(asked)}


class FaultyLibc:
    """Preloaded into everything that *case* starts from now on. Nothing fails before fail() says so."""

    def __init__(self, case: Case) -> None:
        require()
        path = case.home / "fault"
        path.write_bytes(struct.pack(FORMAT, *[0] * 7))
        self._path = path
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        case.env |= {"LD_PRELOAD": str(LIBRARY), "PFAST_TEST_FAULT": str(path)}

    def fail(self, who: str, function: str, action: int | signal.Signals, at: int = 1, for_ever: bool = False) -> None:
        """The call number *at* from now on fails with an errno, or raises a signal; *for_ever*: and all later ones."""
        action = -int(action) if isinstance(action, signal.Signals) else action
        self._write(0, 0, 0, 0, 0, 0)  # nobody, while the rest is half written
        self._write(0, FUNCTIONS.index(function), at, action, int(for_ever), 0)
        self._memory[0:4] = struct.pack("i", WHO.index(who))

    def heal(self) -> int:
        """Nothing fails any more. Returns how many calls did."""
        self._memory[0:4] = struct.pack("i", 0)
        return int(struct.unpack_from("i", self._memory, 20)[0])

    def shift_clock(self, seconds: float) -> None:
        """The clock of the wall, not the monotonic one."""
        self._memory[24:32] = struct.pack("q", int(seconds * 1e9))

    def _write(self, *numbers: int) -> None:
        self._memory[0:24] = struct.pack("6i", *numbers)
