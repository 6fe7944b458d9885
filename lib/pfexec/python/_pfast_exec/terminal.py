"""pytest's terminal reporter in a run that it was not made for, and its silence when pfast's own reporter speaks."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

#: The parts of the summary that pfast prints itself; what is left is what plugins have to say.
_OWN_SECTIONS = (
    "summary_errors summary_failures summary_xfailures summary_warnings summary_passes summary_xpasses "
    "short_test_summary summary_stats _report_keyboardinterrupt"
).split()


def renew_terminal_reporter(config: Any, request: Mapping[str, Any], session: Any, announce: bool, collection: bool = True) -> None:
    """Makes the image's reporter one of this run: its options, the client's terminal, no history. *announce*: the header is shown,
    with *collection* that collecting has begun, too."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None:
        return
    type(reporter).__init__(reporter, config, sys.stdout)
    reporter._session = session
    if announce:
        reporter.pytest_sessionstart(session)
        if collection:
            reporter.pytest_collection()


def replay_collection(
    config: Any, session: Any, reports: Sequence[Any], passed: Mapping[str, Any], collected: int
) -> None:
    """Tells the reporter, the cache and the JUnit log what was collected before this run began."""
    manager = config.pluginmanager
    reporter = manager.getplugin("terminalreporter")
    if reporter is not None:
        reporter._numcollected = collected
        for report in reports:
            if report.failed:
                reporter._add_stats("error", [report])
            elif report.skipped:
                reporter._add_stats("skipped", [report])
    stepwise = manager.getplugin("stepwiseplugin")
    if stepwise is not None:
        stepwise.pytest_sessionstart(session)
    cache = manager.getplugin("lfplugin")
    junit = next((plugin for plugin in manager.get_plugins() if type(plugin).__name__ == "LogXML"), None)
    if junit is not None:
        junit.pytest_sessionstart()
    if cache is not None:
        for nodeid in [str(key) for key in cache.lastfailed]:
            if nodeid in passed:
                cache.pytest_collectreport(passed[nodeid])
    for report in reports:
        if cache is not None:
            cache.pytest_collectreport(report)
        if junit is not None:
            junit.pytest_collectreport(report)


def flush_output(config: Any) -> None:
    """Writes out what this process has printed; a stream that is broken or closed is left alone."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    streams = [sys.stdout, sys.stderr] + ([reporter._tw._file] if reporter is not None else [])
    for stream in streams:
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass


def is_reader_gone() -> bool:
    """Standard output is a pipe that nobody reads any more, and something was still to be written."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return True
    except (AttributeError, OSError, ValueError):
        pass
    return False


@contextmanager
def unseen(config: Any) -> Iterator[None]:
    """What pytest's reporter prints in here is not shown: in one process, the running test's capture would have it."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None:
        yield
        return
    file = reporter._tw._file
    reporter._tw._file = io.StringIO()
    try:
        yield
    finally:
        reporter._tw._file = file


class MutedTerminal:
    """Keeps pytest's reporter in place, for plugins that ask for it, while it prints nothing of its own."""

    def __init__(self, config: Any) -> None:
        self._config = config
        self._buffer = io.StringIO()
        self._internal_error = ""

    def _reporter(self) -> Any:
        return self._config.pluginmanager.getplugin("terminalreporter")

    def mute(self) -> None:
        reporter = self._reporter()
        if reporter is None:
            return
        writer = reporter._tw
        writer._file = self._buffer
        for name in ("pytest_runtest_logstart", "pytest_runtest_logreport", "pytest_runtest_logfinish"):
            self._remove(name, reporter)

    def _remove(self, hook: str, plugin: Any) -> None:
        try:
            getattr(self._config.hook, hook)._remove_plugin(plugin)
        except ValueError:
            pass

    def listen_to_plugins(self) -> None:
        """From here on what is written comes from plugins' own terminal summaries."""
        reporter = self._reporter()
        if reporter is None:
            return
        for name in _OWN_SECTIONS:
            if hasattr(reporter, name):
                setattr(reporter, name, lambda *args, **kwargs: None)
        original = reporter.write_sep

        def write_sep(sep: str, title: Any = None, fullwidth: Any = None, **markup: bool) -> None:
            if sep != "!":  # "!!! stopping after 1 failures !!!" is pfast's to say
                original(sep, title, fullwidth, **markup)

        reporter.write_sep = write_sep
        self._buffer.seek(0)
        self._buffer.truncate()

    def note_internal_error(self, text: str) -> None:
        self._internal_error += "".join(f"INTERNALERROR> {line}\n" for line in text.split("\n"))

    def plugin_output(self) -> str:
        return self._internal_error + self._buffer.getvalue().lstrip("\n")


class CapturedTerminal:
    """What pytest's reporter prints while a test runs (a unittest subtest's letter) is captured as the test's own output: here
    too, where the reporter is silent otherwise. How far the run has come is what one process would say."""

    def __init__(self, config: Any, items: Sequence[Any]) -> None:
        self._reporter = config.pluginmanager.getplugin("terminalreporter")
        self._items = items
        self._begun: int | None = None

    def _is_silent(self) -> bool:
        if self._reporter is None or type(self._reporter).__module__ != "_pytest.terminal":
            return False
        hook = self._reporter.config.hook.pytest_runtest_logreport
        return all(impl.plugin is not self._reporter for impl in hook.get_hookimpls())

    def show(self, number: int, report: Any) -> None:
        if not self._is_silent():
            return
        writer = self._reporter._tw
        file, stats = writer._file, {category: list(reports) for category, reports in self._reporter.stats.items()}
        try:
            if self._begun != number:
                writer._file = io.StringIO()
                self._begin(number)
            writer._file = sys.__stdout__
            self._reporter.pytest_runtest_logreport(report)
        finally:
            writer._file, self._reporter.stats = file, stats

    def _begin(self, number: int) -> None:
        self._begun = number
        item = self._items[number]
        done = {getattr(one, "id", one.nodeid) for one in self._items[:number]}
        self._reporter._progress_nodeids_reported = done
        self._reporter.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)


def silence_in_worker(config: Any) -> None:
    """A worker's reporter stays for whoever asks for its writer; it prints nothing."""
    terminal = MutedTerminal(config)
    terminal.mute()
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None:
        for hook in ("pytest_sessionfinish", "pytest_keyboard_interrupt", "pytest_warning_recorded"):
            terminal._remove(hook, reporter)
