"""What collection leaves running in the image, where no forked child can have it as its own, and how the interpreter was set up."""

from __future__ import annotations

import _thread
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import _pfexec

#: sys.flags that have an option of one letter; it is repeated as often as the flag counts.
_LETTERS = {"debug": "d", "inspect": "i", "interactive": "i", "optimize": "O", "dont_write_bytecode": "B", "no_user_site": "s",
            "no_site": "S", "ignore_environment": "E", "verbose": "v", "bytes_warning": "b", "quiet": "q", "isolated": "I"}  # fmt: skip

#: Threads that no fork misses: the server of pytest-rerunfailures counts what forks count for themselves.
_NOT_MISSED = ("pytest_rerunfailures",)


def watch() -> None:
    """Before the suite is imported: from now on it is noted who starts a thread and who opens a socket."""
    _pfexec.watch_origins(os.path.dirname(os.__file__))
    if hasattr(threading, "_start_new_thread"):  # CPython 3.11 has no audit event for it
        threading._start_new_thread = _start_noted_thread


def _start_noted_thread(function: Callable[..., object], *rest: Any) -> int:
    _pfexec.note_thread(function)
    return _thread.start_new_thread(function, *rest)


def describe() -> dict[str, Any]:
    """The fields threads, native_threads and flags of the message `ready`."""
    if getattr(threading, "_start_new_thread", None) is _start_noted_thread:
        threading._start_new_thread = _thread.start_new_thread  # type: ignore[attr-defined]
    return {
        "threads": list(_python_threads()),
        "native_threads": max(0, len(os.listdir("/proc/self/task")) - len(sys._current_frames())),
        "flags": list(_flags()),
    }


def _python_threads() -> Iterator[tuple[str, str, str]]:
    """Name, module and location of each but this one."""
    known = {threading.get_ident()}
    for thread in threading.enumerate():
        known.add(thread.ident or 0)
        if thread is not threading.main_thread():
            module, location = _pfexec.thread_origin(thread)
            if not {module, _module_of_target(thread)}.intersection(_NOT_MISSED):
                yield thread.name, module or _module_of_target(thread), location
    # Of _thread.start_new_thread, which threading does not know: what it runs is all that can be told.
    for ident, frame in sys._current_frames().items():
        if ident not in known:
            while frame.f_back is not None:
                frame = frame.f_back
            yield f"thread {ident}", str(frame.f_globals.get("__name__", "")), f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _module_of_target(thread: threading.Thread) -> str:
    return getattr(getattr(thread, "_target", None), "__module__", None) or type(thread).__module__


def _flags() -> Iterator[str]:
    for name, letter in _LETTERS.items():
        if count := int(getattr(sys.flags, name, 0)):
            yield "-" + letter * count
    for name, value in sys._xoptions.items():
        yield f"-X {name}" if value is True else f"-X {name}={value}"
    if sys.flags.dev_mode and "dev" not in sys._xoptions:
        yield "-X dev"
    for option in sys.warnoptions:
        yield f"-W {option}"
