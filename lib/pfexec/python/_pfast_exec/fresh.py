"""Fresh session: the child leaves the paused session and calls pytest anew, with every module imported already."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

import _pfexec

from . import nodes
from .controller import Controller
from .hooks import RunHooks

if TYPE_CHECKING:
    from .baseline import Baseline
    from .image import Image


def run(image: Image, request: Mapping[str, Any], why: str, outside_scope: bool) -> NoReturn:
    """Runs the request in a new session and ends the process."""
    leave_session(image.config, image.baseline)
    argv = [os.fsdecode(arg) for arg in request["argv"]]
    plugin = FreshSession(request, why, outside_scope)
    code = run_pytest(argv, plugin)
    # Only a run that never came to its run loop gets here: usage errors, --help, an unimportable conftest.
    plugin.end_without_session(code)


def run_pytest(argv: list[str], plugin: object) -> int:
    """pytest's exit code; or, when a conftest or a plugin ended the interpreter, what Python would have ended with."""
    try:
        return int(_pytest_main(argv, plugin))
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return int(end.code or 0)
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        return 128 + signal.SIGINT
    except BaseException:
        traceback.print_exc()
        return 1


def leave_session(config: Any, baseline: Baseline) -> None:
    """Out of a paused session, or a controller's: nothing of it is to be seen by the one that begins."""
    manager = config.pluginmanager.getplugin("capturemanager")
    if manager is not None:
        manager.stop_global_capturing()
    baseline.restore()
    _keep_imported_conftests()


def _pytest_main(argv: list[str], plugin: object) -> int:
    from _pytest import config

    if hasattr(config, "_main") and hasattr(config, "_get_prog_name"):
        return config._main(args=argv, plugins=[plugin], prog=config._get_prog_name(sys.argv))
    return pytest.main(argv, plugins=[plugin])


def _keep_imported_conftests() -> None:
    """A conftest of a folder that is no package is known as "conftest" only: pytest drops that name before it imports the
    next one. The modules imported already are found again by their file, so that none exists twice."""
    from _pytest import config as pytest_config

    known: dict[str, ModuleType] = {
        str(getattr(module, "__file__", "")): module
        for module in list(sys.modules.values())
        if str(getattr(module, "__file__", "")).endswith("conftest.py")
    }
    known.update(_loaded_conftests)
    original = pytest_config.import_path

    def import_path(path: Any, *args: Any, **kwargs: Any) -> ModuleType:
        module = known.get(str(path))
        if module is None:
            return original(path, *args, **kwargs)
        sys.modules.setdefault(module.__name__, module)
        # What importing it would have done to sys.path.
        root = Path(str(path)).parent
        while (root / "__init__.py").is_file():
            root = root.parent
        mode = kwargs.get("mode", "prepend")
        if str(getattr(mode, "value", mode)) == "prepend" and str(root) not in sys.path:
            sys.path.insert(0, str(root))
        return module

    pytest_config.import_path = import_path  # type: ignore[assignment]


_loaded_conftests: dict[str, ModuleType] = {}


def remember_conftests(config: Any) -> None:
    """Called by the image: conftest modules by file, also those whose name a later one took."""
    for module in config.pluginmanager._conftest_plugins:
        file = getattr(module, "__file__", None)
        if file:
            _loaded_conftests[str(file)] = module


class FreshSession:
    """pytest plugin that starts the controller once the new session knows its options."""

    def __init__(self, request: Mapping[str, Any], why: str, outside_scope: bool) -> None:
        self._request = request
        self._why = why
        self._outside_scope = outside_scope
        self._controller: Controller | None = None
        self._hooks = RunHooks()

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: Any) -> None:
        from . import options

        options.neutralise_xdist(config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: Any) -> None:
        from .image import WorkerIdentity

        nodes.register_hooks(config)
        if not config.pluginmanager.hasplugin("xdist"):
            config.pluginmanager.register(WorkerIdentity(), "pfast-worker-identity")
        config.pluginmanager.register(self._hooks, "pfast-run")
        self._controller = Controller(config, self._request, self._hooks, "fresh", self._why, self._outside_scope)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: Any) -> None:
        if self._controller is not None:
            self._controller.begin_fresh(session)

    def end_without_session(self, code: int) -> NoReturn:
        sys.stdout.flush()
        sys.stderr.flush()
        if self._controller is not None and self._controller.selected_sent:
            self._controller.leave(code)
        Controller.send_nothing_selected("fresh", self._why, self._outside_scope)
        _pfexec.controller_finished(code, "", b"", 0.0)
        _pfexec.leave(code)
        raise SystemExit(code)
