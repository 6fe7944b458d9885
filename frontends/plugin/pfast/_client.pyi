"""The native client of ``pytest --fast``. Private to the package."""

from collections.abc import Sequence
from typing import Final, Literal, TypedDict

VERSION: Final[str]

class End(TypedDict):
    how: Literal["finished", "not-begun", "wrong-use", "failed"]
    """'not-begun': nothing was run or printed, plain pytest can do it. 'wrong-use': an option, variable or setting is wrong."""
    exit_code: int
    message: str
    hint: str
    ended_by: int
    """The signal that came and ended the run, 0 when none did."""
    address: str
    """The daemon's socket."""
    notes: list[str]
    """Lines for stderr."""
    outcomes: dict[str, str]

def run(
    *,
    argv: Sequence[bytes],
    program: bytes,
    sys_path: bytes | None,
    python: bytes,
    executable: bytes,
    address: bytes | None,
    workers: int | None,
    dist: str | None,
    ttl_s: float | None,
    streams: tuple[int, int, int],
    keep_outcomes: bool,
    dies_by_interrupt: bool,
) -> End:
    """Runs through the daemon, which is started when there is none, and returns when the run is over.

    *sys_path* is this process's, where that of a new one would be another. Folder, environment and umask are this process's. Signals are passed on meanwhile; the interpreter's lock is free.
    """

def is_always_fast() -> bool:
    """Does [tool.pfast] of the project say plugin = "always"?"""

def daemon_address(python: bytes, address: bytes | None) -> str:
    """The socket of the daemon that a run from here would use; empty when that cannot be told."""
