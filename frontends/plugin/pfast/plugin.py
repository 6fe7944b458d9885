"""pytest's entry point: the options, and the decision whether a run is pfast's. Everything else is imported when it is.

Plain pytest pays for this file alone: no module is imported that pytest has not imported already, nothing is set, no hook runs
while tests do.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pytest

#: The predecessor's module and entry point, which offers options of the same names.
PREDECESSOR = "pytest_fast"

_YES = ("1", "true", "yes", "on")


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """As early as a plugin can be: other plugins may not be loaded yet, conftests are not."""
    config = pluginmanager.getplugin("pytestconfig")
    clash = _predecessor_is_there(pluginmanager)
    if not clash:
        _add_options(parser)
    if "_pfexec" in sys.modules:
        from . import plugin_fast

        pluginmanager.register(plugin_fast.WorkersOption(), "pfast-workers-option")
    elif config is not None and not is_inside_of_a_run() and is_wanted(config):
        from . import plugin_fast

        plugin_fast.take_over(config, clash)


def _add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("pfast", "pfast: the suite warm, in a daemon")
    group.addoption("--fast", action="store_true", default=False, help="Run through pfast's daemon, which is started when there is none")
    group.addoption(
        "--fast-address",
        default=None,
        metavar="PATH",
        help="Socket of the daemon (or $PYTEST_FAST_ADDRESS), instead of the one that project and interpreter give",
    )
    group.addoption(
        "--fast-workers",
        type=int,
        default=None,
        metavar="N",
        help="Processes that run tests (or $PYTEST_FAST_WORKERS); -n N says the same, and -n 0: one process, on this terminal",
    )
    group.addoption(
        "--fast-ttl", type=float, default=None, metavar="S", help="Seconds after which an idle daemon leaves (or $PYTEST_FAST_TTL; 600)"
    )
    group.addoption("--fast-watch", action="store_true", default=False, help="Keep the daemon warm while sources change: starts pfast-watch")
    group.addoption(
        "--fast-required", action="store_true", default=False, help="Where --fast cannot be had, end with an error; else plain pytest runs"
    )


def pytest_configure(config: pytest.Config) -> None:
    if not is_inside_of_a_run() and os.environ.get("OUTCOME_DUMP"):
        from . import plugin_dump

        plugin_dump.register(config)


def is_inside_of_a_run() -> bool:
    """In pfast's own processes, which carry out a run, and in pytest-xdist's workers, whose controller has decided."""
    if "_pfexec" in sys.modules:
        return True  # and the environment is not asked: what is asked for while collecting keys a generation
    return "PYTEST_XDIST_WORKER" in os.environ and "execnet.gateway_base" in sys.modules


def is_wanted(config: pytest.Config) -> bool:
    """--fast on the command line or in addopts, PYTEST_FAST=1, or [tool.pfast] plugin = "always"."""
    given = [os.fspath(argument) for argument in config.invocation_params.args]
    if any(argument in ("--help", "-h", "--version", "-V") for argument in given):
        return False
    if "--fast" in _before_the_rest(given) or "--fast" in config.getini("addopts"):
        return True
    if "PYTEST_CURRENT_TEST" in os.environ:
        return False  # a test's own pytest: what the environment says is meant for the run that it is part of
    if "--fast" in os.environ.get("PYTEST_ADDOPTS", "").split():
        return True
    return os.environ.get("PYTEST_FAST", "").lower() in _YES or os.environ.get("PFAST_PLUGIN") == "always" or _is_always()


def _before_the_rest(arguments: list[str]) -> list[str]:
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


def _is_always() -> bool:
    """Cheap where no file of settings speaks of it; where one may, pfast's own reader decides."""
    if not any(_may_speak_of_the_plugin(folder) for folder in _settings_folders()):
        return False
    try:
        from . import _client
    except ImportError:
        return False
    return _client.is_always_fast()


def _settings_folders() -> list[str]:
    folders = [os.environ[name] for name in ("PFAST_ROOT", "PYTEST_FAST_ROOT") if os.environ.get(name)]
    try:
        folder = os.getcwd()
    except OSError:
        return folders
    while folder not in folders:
        folders.append(folder)
        folder = os.path.dirname(folder)
    return folders


def _may_speak_of_the_plugin(folder: str) -> bool:
    for name in ("pfast.toml", "pyproject.toml"):
        try:
            with open(os.path.join(folder, name), "rb") as file:
                content = file.read(4 << 20)
        except (OSError, ValueError):
            continue
        if b"plugin" in content and b"always" in content and (name == "pfast.toml" or b"pfast" in content):
            return True
    return False


def _predecessor_is_there(pluginmanager: pytest.PytestPluginManager) -> bool:
    """pytest-fast, whose plugin is loaded already or will be."""
    if pluginmanager.has_plugin(PREDECESSOR):
        return True
    if pluginmanager.is_blocked(PREDECESSOR):
        return False
    from importlib.util import find_spec

    try:
        if find_spec(PREDECESSOR) is None:
            return False
    except (ImportError, ValueError):
        return False
    from importlib import metadata

    try:
        points = metadata.distribution("pytest-fast").entry_points
    except metadata.PackageNotFoundError:
        return False
    return any(point.group == "pytest11" for point in points)
