"""The program `pfast`: where it is, and running it as a part of this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def find_program(name: str = "pfast") -> str:
    """A program that was installed with this package. FileNotFoundError when there is none."""
    named = os.environ.get("PFAST_EXECUTABLE")
    if named and not os.access(named, os.X_OK):
        raise FileNotFoundError(f"PFAST_EXECUTABLE names {named!r}, which is no program: name pfast's, or unset the variable")
    if named and name == "pfast":
        return named
    # PREFIX/lib*/python3.X/site-packages/pfast/_native.py; scripts can be elsewhere, as with `pip install --prefix` on Debian.
    folders = [os.path.dirname(named)] if named else []
    folders += [os.path.join(os.path.dirname(folder), "watch") for folder in folders]  # a build folder's
    folders += [os.fspath(folder / "bin") for folder in Path(__file__).resolve().parents[4:5]]
    folders.append(sysconfig.get_path("scripts"))
    for folder in folders:
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(f"the program {name} is not in {' or '.join(folders)}: install pfast again, or name pfast with PFAST_EXECUTABLE")


def interpreter_options() -> list[str]:
    """Tests run in this interpreter, as with the predecessor."""
    return ["--python", sys.executable] if sys.executable else []


def ask_pfast(arguments: Sequence[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command that prints a line."""
    done = subprocess.run([find_program(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
    return done.returncode, done.stdout, done.stderr


def run_program(name: str, arguments: Sequence[str], env: Mapping[str, str] | None = None) -> int:
    """Runs one of pfast's programs to its end; its exit code.

    It has this process' terminal and files, but for a `sys.stdout` or `sys.stderr` that somebody has replaced: those are given what
    it prints. KeyboardInterrupt is passed on to it, and raised here once it has ended.
    """
    _flush()
    out, err = _target(sys.stdout, 1), _target(sys.stderr, 2)
    child = subprocess.Popen(
        [find_program(name), *arguments],
        env=None if env is None else dict(env),
        stdout=None if out is None else subprocess.PIPE,
        stderr=None if err is None else subprocess.PIPE,
    )
    copying = [
        threading.Thread(target=_copy, args=(source, target), daemon=True)
        for source, target in ((child.stdout, out), (child.stderr, err))
        if source is not None and target is not None
    ]
    for thread in copying:
        thread.start()
    code, interrupted = _wait(child)
    for thread in copying:
        thread.join()
    if interrupted:
        raise KeyboardInterrupt
    return code if code >= 0 else 128 - code   # as a shell says it


def _flush() -> None:
    """What was printed before stands before what pfast prints."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()


def _target(stream: TextIO | None, fd: int) -> TextIO | None:
    """The stream, when it does not write where the program would."""
    if stream is None:
        return None
    try:
        return None if stream.fileno() == fd else stream
    except (AttributeError, OSError, ValueError):
        return stream


def _copy(source: IO[bytes], target: TextIO) -> None:
    with source:
        for line in source:
            # A target that takes no more is no reason to stop the program on a full pipe.
            with suppress(OSError, ValueError):
                target.write(line.decode(errors="replace"))
                target.flush()


def _wait(child: subprocess.Popen[bytes]) -> tuple[int, bool]:
    """Exit code, and whether this process was interrupted meanwhile."""
    interrupted = False
    while True:
        try:
            return child.wait(), interrupted
        except KeyboardInterrupt:
            interrupted = True
            if not _terminal_interrupts_both():
                child.send_signal(signal.SIGINT)


def _terminal_interrupts_both() -> bool:
    """Whether Ctrl-C of a terminal comes to every process of this group, so that passing it on would be a second one."""
    for fd in (0, 1, 2):
        with suppress(OSError):
            return os.tcgetpgrp(fd) == os.getpgrp()
    return False
