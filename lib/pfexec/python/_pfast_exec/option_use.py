"""Which adoptable options a plugin or conftest has used before the pause: what it made of them is a part of the image.

pytest's own plugins are configured again by the table in options.py. Nobody else is: a run whose value of such an option is another one
gets a fresh session, and so does every run when one was changed (``config.option.verbose = 2``), since applying the run's would undo that.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection
from typing import Any

#: Of modules whose use of an option is accounted for.
_ACCOUNTED = ("_pytest", "pytest", "pluggy", "_pfast_exec", "pfast", "argparse", "copy")


class OptionUse:
    """Watches ``config.option`` from :meth:`begin` to :meth:`end`. *names* are the options that count."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names)
        #: option -> the module that did so first
        self.readers: dict[str, str] = {}
        self.changers: dict[str, str] = {}

    def begin(self, config: Any) -> None:
        use = self
        names = self._names

        class WatchedNamespace(argparse.Namespace):
            def __getattribute__(self, name: str) -> Any:
                if name in names:
                    use._note(use.readers, name)
                return super().__getattribute__(name)

            def __setattr__(self, name: str, value: Any) -> None:
                if name in names:
                    use._note(use.changers, name)
                super().__setattr__(name, value)

        WatchedNamespace.__name__ = WatchedNamespace.__qualname__ = "Namespace"   # as its repr says
        self._own = type(config.option)
        if self._own is argparse.Namespace:
            config.option.__class__ = WatchedNamespace

    def end(self, config: Any) -> None:
        if self._own is argparse.Namespace:
            config.option.__class__ = argparse.Namespace

    def _note(self, found: dict[str, str], name: str) -> None:
        frame = sys._getframe(2)
        # config.getoption() and its like are asked by somebody.
        while frame.f_globals.get("__name__") == "_pytest.config" and frame.f_back is not None:
            frame = frame.f_back
        module = str(frame.f_globals.get("__name__"))
        if module.partition(".")[0] in _ACCOUNTED or module.startswith("pytest_randomly") and name.startswith("randomly_"):
            return
        found.setdefault(name, module)

    def objection(self, image_options: Any, run_options: argparse.Namespace) -> str | None:
        """Why a run with these options cannot go on with the image."""
        for name, module in self.changers.items():
            return f"'{module}' has changed the option '{name}' when the suite was collected"
        for name, module in self.readers.items():
            if getattr(run_options, name, None) != getattr(image_options, name, None):
                return f"'{module}' has used the option '{name}' when the suite was collected"
        return None
