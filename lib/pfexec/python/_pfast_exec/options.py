"""Which of a run's options can be applied to an image that is collected already.

One table: every row is an option that acts only after the pause in ``pytest_collection_modifyitems``. Any other
difference between a run's options and the image's sends the run to a fresh session, so none is ever ignored.
"""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable, Sequence
from typing import Any

FILE_OR_DIR = "file_or_dir"


def prepare(config: Any) -> None:
    """Before the pause: replaces pytest's list of known node ids by one that a run need not parse."""
    manager = config.pluginmanager
    if manager.hasplugin("nfplugin"):
        manager.unregister(name="nfplugin")
        manager.register(KnownNodeIds(config), "nfplugin")


def _configure_cache(config: Any) -> None:
    # The image read .pytest_cache when it was made; every run reads it anew.
    from _pytest import cacheprovider

    manager = config.pluginmanager
    if not manager.hasplugin("cacheprovider"):
        return
    config.cache = cacheprovider.Cache.for_config(config, _ispytest=True)
    last_failed = manager.getplugin("lfplugin")
    if last_failed is not None:
        type(last_failed).__init__(last_failed, config)
    if config.option.newfirst:
        manager.unregister(name="nfplugin")
        manager.register(cacheprovider.NFPlugin(config), "nfplugin")


class KnownNodeIds:
    """pytest's cache/nodeids kept up to date without parsing it into objects; writes only when an id is new.

    A spare child reads the file while it waits; the run reads it again only when it has changed since.
    """

    def __init__(self, config: Any) -> None:
        self._config = config
        self._items: Sequence[Any] = ()
        self._known: frozenset[str] = frozenset()
        self._identity: tuple[int, ...] | None = None

    def load(self) -> frozenset[str]:
        identity = self._file_identity()
        if identity != self._identity or identity is None:
            self._known = frozenset(self._config.cache.get("cache/nodeids", []))
            self._identity = identity
        return self._known

    def _file_identity(self) -> tuple[int, ...] | None:
        try:
            info = os.stat(self._config.cache._getvaluepath("cache/nodeids"))
        except OSError:
            return None
        return info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns

    def pytest_collection_finish(self, session: Any) -> None:
        self._items = session.items

    def pytest_sessionfinish(self) -> None:
        config = self._config
        if hasattr(config, "workerinput") or config.getoption("collectonly") or config.getoption("cacheshow"):
            return
        known = self.load()
        new = {str(item.nodeid) for item in self._items} - known
        if new:
            config.cache.set("cache/nodeids", sorted(known | new))


def _configure_stepwise(config: Any) -> None:
    # Either of the others implies it, says pytest's own configuration.
    if any(getattr(config.option, name, False) for name in ("stepwise", "stepwise_skip", "stepwise_reset")):
        from _pytest import stepwise

        stepwise.pytest_configure(config)


def _configure_junit(config: Any) -> None:
    if config.getoption("xmlpath", None):
        from _pytest import junitxml

        junitxml.pytest_configure(config)


def _configure_tmp_path(config: Any) -> None:
    factory = getattr(config, "_tmp_path_factory", None)
    if factory is not None:
        from _pytest.tmpdir import TempPathFactory

        config._tmp_path_factory = TempPathFactory.from_config(config, _ispytest=True)


def _configure_debugger(config: Any) -> None:
    if any(config.getoption(name, None) for name in ("usepdb", "trace", "usepdb_cls")):
        from _pytest import debugging

        debugging.pytest_configure(config)


def _configure_log_colors(config: Any) -> None:
    plugin = config.pluginmanager.getplugin("logging-plugin")
    if plugin is None:
        return
    from _pytest import logging

    def formatter(kind: str) -> Any:
        wanted = [logging.get_option_ini(config, f"log_{kind}{name}", f"log_{name}") for name in ("format", "date_format")]
        return plugin._create_formatter(*wanted, logging.get_option_ini(config, "log_auto_indent"))

    plugin.formatter = formatter("")
    plugin.caplog_handler.setFormatter(plugin.formatter)
    plugin.report_handler.setFormatter(plugin.formatter)
    plugin.log_cli_handler.setFormatter(formatter("cli_"))


def _configure_randomly(config: Any) -> None:
    # pytest-randomly chooses a seed when it is configured: the image's would be every run's.
    plugin = config.pluginmanager.getplugin("randomly")
    if plugin is None or not hasattr(config.option, "randomly_seed"):
        return
    plugin.pytest_configure(config)
    plugin._reseed(config)


def _configure_capture(config: Any) -> None:
    manager = config.pluginmanager.getplugin("capturemanager")
    if manager is None or manager._method == config.option.capture:
        return
    manager.stop_global_capturing()
    manager._method = config.option.capture
    manager.start_global_capturing()
    manager.suspend_global_capture()


#: dest -> what has to be configured again, None when pytest reads the option when it needs it.
ADOPTABLE: dict[str, Callable[[Any], None] | None] = {
    # selection, read by pytest_collection_modifyitems
    "keyword": None,
    "markexpr": None,
    "deselect": None,
    "failedfirst": _configure_cache,
    "newfirst": _configure_cache,
    "last_failed_no_failures": _configure_cache,
    "cacheclear": _configure_cache,
    "stepwise": _configure_stepwise,
    "stepwise_skip": _configure_stepwise,
    "stepwise_reset": _configure_stepwise,
    # when to stop
    "maxfail": None,
    "continue_on_collection_errors": None,
    # what is shown: the terminal reporter is made anew for every run
    "verbose": None,
    "quiet": None,
    "no_header": None,
    "no_summary": None,
    "force_short_summary": None,
    "no_fold_skipped": None,
    "fold_skipped": None,
    "reportchars": None,
    "disable_warnings": None,
    "max_warnings": None,
    "showlocals": None,
    "tbstyle": None,
    "xfail_tb": None,
    "showcapture": None,
    "fulltrace": None,
    "color": _configure_log_colors,
    "code_highlight": None,
    "durations": None,
    "durations_min": None,
    # files and terminals
    "xmlpath": _configure_junit,
    "junitprefix": _configure_junit,
    "basetemp": _configure_tmp_path,
    "capture": _configure_capture,
    # pytest-randomly
    "randomly_seed": _configure_randomly,
    "randomly_reset_seed": None,
    "randomly_reorganize": None,
    "usepdb": _configure_debugger,
    "usepdb_cls": _configure_debugger,
    "trace": _configure_debugger,
}

#: Options that must not shape an image even though they cannot be adopted: what they do belongs to one run.
RUN_ONLY = (
    "lf collectonly showfixtures show_fixtures_per_test markers cacheshow setupshow setuponly setupplan help version"
).split()

#: Commands that print and end, or whose printing is their purpose: pytest shows them itself.
PRINTING = "collectonly showfixtures show_fixtures_per_test markers cacheshow setupshow setuponly setupplan help version".split()


def full_arguments(config: Any, argv: Sequence[str]) -> list[str]:
    """*argv* with what PYTEST_ADDOPTS and the ini file's addopts put before it, as pytest joins them."""
    return [*config.getini("addopts"), *shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *argv]


def parse(config: Any, argv: Sequence[str]) -> argparse.Namespace | None:
    """The options that *argv* means to this image's parser; None when only pytest itself can say what is wrong."""
    try:
        namespace, unknown = config._parser.parse_known_and_unknown_args(
            full_arguments(config, argv), namespace=argparse.Namespace()
        )
    except BaseException:  # UsageError, SystemExit, PrintHelp: a fresh session words it
        return None
    return None if unknown else namespace


def without_run_options(namespace: argparse.Namespace, defaults: argparse.Namespace) -> dict[str, Any]:
    """The options that shape an image."""
    skipped = {FILE_OR_DIR, *ADOPTABLE, *RUN_ONLY, *XDIST, *PLUGIN}
    return {name: value for name, value in vars(namespace).items() if name not in skipped}


#: pfast's own plugin, in addopts say: its client has read them.
PLUGIN = "fast fast_address fast_workers fast_ttl fast_watch fast_required".split()

#: pytest-xdist would take the run loop over: its part is done by pfast's own workers.
XDIST = {"numprocesses": None, "dist": "no", "tx": [], "distload": False, "looponfail": False, "maxprocesses": None}


def neutralise_xdist(config: Any) -> None:
    if config.pluginmanager.hasplugin("xdist"):
        for name, value in XDIST.items():
            if hasattr(config.option, name):
                setattr(config.option, name, value)


def xdist_restarts(config: Any) -> int:
    """pytest-xdist's --max-worker-restart, in the suite's addopts say; -1: not given, or no number (xdist takes any text)."""
    given = getattr(config.option, "maxworkerrestart", None)
    try:
        return max(int(given), 0) if given is not None else -1
    except ValueError:
        return -1


def neutralise_run_options(config: Any, defaults: argparse.Namespace) -> None:
    """Takes out of an image's options what belongs to the run that asked for it."""
    for name in (*ADOPTABLE, *RUN_ONLY):
        if hasattr(config.option, name) and hasattr(defaults, name):
            setattr(config.option, name, getattr(defaults, name))


def apply(config: Any, namespace: argparse.Namespace) -> None:
    """Sets the run's options and configures again what acts on them."""
    for name in ADOPTABLE:
        if hasattr(namespace, name):
            setattr(config.option, name, getattr(namespace, name))
    handlers = {handler for name, handler in ADOPTABLE.items() if handler is not None}
    for handler in sorted(handlers, key=lambda handler: handler.__name__):
        handler(config)
