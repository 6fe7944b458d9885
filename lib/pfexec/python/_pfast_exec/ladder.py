"""Where a collecting image leaves checkpoints behind, and what a forkserver that goes on from one does differently.

A checkpoint stands where something of the suite is about to be read: a test module or a folder (its conftest) by pytest, a module of
the project by an import. Whether it is time for one and whether it is safe is for pfexec to say.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

import _pfexec

from . import randomness, repair

if TYPE_CHECKING:
    from .image import Image

_current: Ladder | None = None


class Ladder:
    """The checkpoints of one image."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._config: Any = None
        self._root = ""
        #: What a new forkserver is to collect from here on; None: all that there is.
        self.only: list[str] | None = None

    def begin(self, config: Any) -> None:
        """pytest knows its root, nothing of the suite was read."""
        global _current
        self._config = config
        self._root = str(config.rootpath) + os.sep
        _current = self

    # -- where -----------------------------------------------------------------------------------------------------

    def before_collector(self, collector: Any) -> None:
        path = str(collector.path)
        named = self.only is not None and path in self.only
        hot = _pfexec.checkpoint_is_hot(path)
        if hot or _pfexec.checkpoint_due() or (named and _pfexec.checkpoint_worth_one()):
            self._leave_one(path, hot)

    def before_import(self, name: str, hot: bool) -> None:
        if self._is_of_project(name.partition(".")[0]):
            self._leave_one(name, hot)

    def _is_of_project(self, package: str) -> bool:
        module = sys.modules.get(package)
        if module is not None:
            return self._is_below_root(getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), ""))
        # os.access: the recorder does not take it for a question of the suite's.
        for entry in sys.path:
            folder = os.path.join(entry or os.getcwd(), package)
            if self._is_below_root(folder) and (os.access(folder, os.F_OK) or os.access(folder + ".py", os.F_OK)):
                return True
        return False

    def _is_below_root(self, path: object) -> bool:
        return isinstance(path, str) and path.startswith(self._root) and "/site-packages/" not in path[len(self._root) - 1 :]

    # -- making one ------------------------------------------------------------------------------------------------

    def _leave_one(self, before: str, hot: bool) -> None:
        # What is frozen no later pass of the collector looks at: one that did would write to every page that is shared with the
        # checkpoint, and take longer than collecting an edited file. Each object has its one full pass, here or at the pause.
        gc.collect()
        gc.freeze()
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                stream.flush()
        random_state = randomness.state()
        captures = [
            (capture.tmpfile.fileno(), capture.targetfd if capture._state == "started" else -1)
            for capture in repair.fd_captures(self._config)
            if capture.targetfd != 0
        ]
        boot = _pfexec.leave_checkpoint(before, hot, captures)
        if boot is not None:
            randomness.resumed(random_state)
            self._resumed(boot)

    def _resumed(self, boot: Mapping[str, Any]) -> None:
        self.only = None if boot["scope_is_whole"] else [os.fsdecode(path) for path in boot["scope"]]

    # -- a part of what is left ------------------------------------------------------------------------------------

    def passes_over(self, collector: Any) -> bool:
        """Not part of what this image is to collect. Folders on the way to what pytest was given are never passed over."""
        if self.only is None or not isinstance(collector, (pytest.File, pytest.Directory)):
            return False
        if is_related(str(collector.path), self.only):
            return False
        return isinstance(collector, pytest.File) or not collector.session.isinitpath(collector.path, with_parents=True)

    def is_asked_for(self, nodeid: str) -> bool:
        """Of a collector's report: it is of what this image is to collect, or above it."""
        if self.only is None:
            return True
        return is_related(os.path.join(str(self._config.rootpath), nodeid.partition("::")[0]), self.only)


def is_related(path: str, wanted: Sequence[str]) -> bool:
    """*path* is one of *wanted*, below one, or above one."""
    return any(path == one or path.startswith(one.rstrip("/") + "/") or one.startswith(path.rstrip("/") + "/") for one in wanted)


def before_import(name: str, hot: bool) -> None:
    """Called by pfexec for a module that is about to be looked for when it is time for a checkpoint; *hot*: it was edited lately."""
    if _current is not None:
        _current.before_import(name, hot)
