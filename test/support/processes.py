"""Processes found by a cookie in their environment, and what one of them holds."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    command: str

    def __str__(self) -> str:
        return f"{self.pid} (child of {self.parent}): {self.command}"


def _stat(pid: int) -> tuple[str, int]:
    """State letter and parent."""
    rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return rest[0], int(rest[1])


def _numbers() -> Iterator[int]:
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            yield int(name)


def with_cookie(cookie: str) -> list[Process]:
    """Every living process that was started with *cookie* in its environment. Zombies hold nothing and are left out."""
    found = []
    for pid in _numbers():
        try:
            if cookie.encode() not in Path(f"/proc/{pid}/environ").read_bytes():
                continue
            state, parent = _stat(pid)
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except (OSError, ValueError, IndexError):
            continue
        if state not in "ZX":
            found.append(Process(pid, parent, command))
    return found


def alive(pid: int) -> bool:
    try:
        return _stat(pid)[0] not in "ZX"
    except (OSError, ValueError, IndexError):
        return False


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def wait_until(condition: Callable[[], object], seconds: float) -> bool:
    """True as soon as *condition* holds; false when it never did."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(0.02)
    return True


def remove_tree(folder: Path) -> None:
    """A folder that a daemon may still write to: its socket, the suite's history."""

    def is_removed() -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    assert wait_until(is_removed, 60), f"{folder} cannot be removed"
