"""A Ctrl-C or pytest.exit() that hit a worker, in the words of pytest's terminal reporter: what it was, and where."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .reports import Renderer

_OWN_FOLDER = Path(__file__).resolve().parent


def message_of(excinfo: Any) -> str:
    """What pytest writes between exclamation marks."""
    crash = getattr(excinfo.getrepr(funcargs=True), "reprcrash", None)
    return str(crash.message) if crash is not None else str(excinfo.typename)


def describe(config: Any, renderer: Renderer) -> tuple[str, str]:
    """The exception that is being handled: its message, and the lines below it; those of a pytest.exit() are none."""
    excinfo = pytest.ExceptionInfo.from_current()
    representation = excinfo.getrepr(funcargs=True)
    crash = getattr(representation, "reprcrash", None)
    message = str(crash.message) if crash is not None else str(excinfo.typename)
    between_tests = crash is None or Path(os.path.abspath(crash.path)).parent == _OWN_FOLDER
    if between_tests or isinstance(excinfo.value, pytest.exit.Exception):
        return message, ""
    return message, renderer.text_of(representation if config.option.fulltrace else crash)


def exception_for(message: str, exit_code: int) -> BaseException:
    """What the session of a run ends with that a worker was interrupted in."""
    if exit_code < 0:
        return KeyboardInterrupt()
    return pytest.exit.Exception(message.partition(": ")[2], returncode=exit_code)


class RemoteTrace:
    """Stands for the traceback that pytest's reporter keeps of a KeyboardInterrupt: it was raised in another process."""

    def __init__(self, message: str, place: str) -> None:
        self.message = message
        self._place = place

    @property
    def reprcrash(self) -> RemoteTrace:
        return self

    def toterminal(self, writer: Any) -> None:
        for line in self._place.splitlines():
            writer.line(line)
