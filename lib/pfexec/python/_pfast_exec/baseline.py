"""Interpreter-wide state before pytest touched it, so that a fresh session can begin where plain pytest begins."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from typing import Any


class Baseline:
    """A snapshot, taken before pytest.main runs in the image; :meth:`restore` puts it back in a child."""

    def __init__(self) -> None:
        self._path = list(sys.path)
        self._meta_path = list(sys.meta_path)
        self._path_hooks = list(sys.path_hooks)
        self._filters = list(warnings.filters)
        self._show: tuple[Any, Any] = (warnings.showwarning, getattr(warnings, "_showwarnmsg_impl", None))
        root = logging.getLogger()
        self._log: tuple[int, list[logging.Handler], int] = (root.level, list(root.handlers), root.manager.disable)
        self._hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook, sys.displayhook, sys.breakpointhook)

    def restore(self) -> None:
        sys.path[:] = self._path
        sys.meta_path[:] = self._meta_path
        sys.path_hooks[:] = self._path_hooks
        warnings.filters[:] = self._filters  # type: ignore[index]
        warnings._filters_mutated()  # type: ignore[attr-defined]
        warnings.showwarning = self._show[0]
        if self._show[1] is not None:
            warnings._showwarnmsg_impl = self._show[1]  # type: ignore[attr-defined]
        root = logging.getLogger()
        root.setLevel(self._log[0])
        root.handlers[:] = self._log[1]
        logging.disable(self._log[2])
        sys.excepthook, threading.excepthook, sys.unraisablehook, sys.displayhook, sys.breakpointhook = self._hooks
