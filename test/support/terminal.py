"""A command on a real pseudo-terminal, and waiting for what it shows."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping
from pathlib import Path


class Terminal:
    def __init__(self, args: list[str], cwd: Path, env: Mapping[str, str], columns: int = 80) -> None:
        self.shown = ""
        #: Everything that was ever shown: the record of the session.
        self.record = ""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

        def own_terminal() -> None:
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            args,
            cwd=cwd,
            env={**env, "TERM": "xterm"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=own_terminal,
        )
        os.close(slave)

    def expect(self, text: str, timeout: float = 60.0) -> str:
        """Waits for *text*, returns everything before it, and forgets both."""
        end = time.monotonic() + timeout
        while text not in self.shown:
            if not self._read(end - time.monotonic()):
                raise AssertionError(f"the terminal never showed {text!r}, but:\n{self.shown}")
        before, _, self.shown = self.shown.partition(text)
        return before

    def send(self, text: str) -> None:
        os.write(self._master, text.encode())

    def resize(self, columns: int, rows: int = 24) -> None:
        """As the window does: the foreground processes are told by SIGWINCH."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def finish(self, timeout: float = 60.0) -> tuple[int, str]:
        """Reads to the end; exit code and what was shown since the last expect()."""
        end = time.monotonic() + timeout
        while self._read(end - time.monotonic()):
            pass
        code = self.process.wait(max(1.0, end - time.monotonic()))
        return code, self.shown

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.hang_up()

    def hang_up(self) -> None:
        """The terminal is gone: its window was closed, its line has dropped."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def _read(self, seconds: float) -> bool:
        """False at the end of the output or of the time."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, seconds))
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: nobody holds the other end any more
            return False
        text = data.decode(errors="replace")
        self.shown += text
        self.record += text
        return bool(data)
