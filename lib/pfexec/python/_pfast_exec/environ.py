"""Which environment variables collection asked for, and installing another environment in a forked child."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping

_Environ: type = type(os.environ)

#: Read by pytest's terminal code again in every run, so that reading them while collecting decides nothing.
_DISPLAY_KEYS = frozenset(
    b"COLUMNS LINES TERM COLORTERM NO_COLOR FORCE_COLOR PY_COLORS CI BUILD_NUMBER PYTEST_VERSION "
    b"PYTEST_CURRENT_TEST PYTEST_THEME PYTEST_THEME_MODE PYTEST_XDIST_WORKER".split()
)
_DISPLAY_READERS = ("_pytest", "pytest", "shutil", "pygments", "pluggy", "_pfast_exec")
#: A client's way to tell its sys.path. No suite is to see it.
SYS_PATH = b"PFAST_SYS_PATH"
_PLUMBING = ("os", "_collections_abc", "collections.abc", __name__)


def _asked_by_display_code() -> bool:
    frame = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") in _PLUMBING:
        frame = frame.f_back
    name = frame.f_globals.get("__name__", "") if frame is not None else ""
    return name.partition(".")[0] in _DISPLAY_READERS


class Recording:
    """What was asked of the environment since :func:`start_recording`."""

    def __init__(self, data: dict[bytes, bytes]) -> None:
        self.before = dict(data)
        self.asked: set[bytes] = set()
        self.whole = False
        self._sweep: list[bytes] = []  # keys of an iteration under way, the next one last

    def begin_sweep(self, keys: list[bytes]) -> None:
        self.whole = True
        self._sweep = keys[::-1]

    def ask(self, key: bytes) -> None:
        """Remembers a key that was asked for by name; one that an iteration comes to is not."""
        if self._sweep and self._sweep[-1] == key:
            self._sweep.pop()
            return
        self._sweep = []
        self.asked.add(key)

    def read(self) -> dict[bytes, bytes]:
        return {key: self.before[key] for key in sorted(self.asked) if key in self.before}

    def absent(self) -> list[bytes]:
        return sorted(key for key in self.asked if key not in self.before)


_recording: Recording | None = None


class RecordingEnviron(_Environ):  # type: ignore[misc, valid-type]
    """os.environ while an image is made. Same object, same behaviour; it remembers the keys."""

    def __getitem__(self, key: str) -> str:
        try:
            raw = self.encodekey(key)
        except TypeError:
            raw = None
        if raw is not None and _recording is not None:
            if raw not in _DISPLAY_KEYS or not _asked_by_display_code():
                _recording.ask(raw)
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[str]:
        if _recording is not None and not _asked_by_display_code():
            _recording.begin_sweep(list(self._data))
        return super().__iter__()


def start_recording() -> Recording:
    global _recording
    _recording = Recording(os.environ._data)  # type: ignore[attr-defined]
    os.environ.__class__ = RecordingEnviron
    return _recording


def stop_recording() -> None:
    """Gives os.environ its own class back. Called in forked children, where reading decides nothing any more."""
    global _recording
    _recording = None
    os.environ.__class__ = _Environ


def changes_since(before: Mapping[bytes, bytes]) -> dict[bytes, bytes | None]:
    """What collection itself set (value) or removed (None)."""
    now: dict[bytes, bytes] = os.environ._data  # type: ignore[attr-defined]
    changed: dict[bytes, bytes | None] = {k: v for k, v in now.items() if before.get(k) != v}
    changed.update((k, None) for k in before if k not in now)
    return changed


def install(target: Mapping[bytes, bytes], changes: Mapping[bytes, bytes | None]) -> None:
    """Makes the process environment equal to *target* plus what collection changed, touching only what differs."""
    wanted = {key: value for key, value in target.items() if key != SYS_PATH}
    for key, value in changes.items():
        if value is None:
            wanted.pop(key, None)
        else:
            wanted[key] = value
    now = dict(os.environ._data)  # type: ignore[attr-defined]
    for key in now.keys() - wanted.keys():
        del os.environb[key]
    for key, value in wanted.items():
        if now.get(key) != value:
            os.environb[key] = value
