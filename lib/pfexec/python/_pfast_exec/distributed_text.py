"""What pytest's terminal shows of a run with several workers before their tests: pytest-xdist's lines, whether or not it is there.

Whether there will be several is known only when the daemon has planned. Until then pytest's own line of what was collected is
held back; it is shown where one process runs everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SCHEDULERS = {
    "loadscope": "LoadScopeScheduling",
    "loadfile": "LoadFileScheduling",
    "loadgroup": "LoadGroupScheduling",
    "worksteal": "WorkStealingScheduling",
}


class DistributedText:
    def __init__(self, config: Any, options: Mapping[str, Any]) -> None:
        self._config = config
        self._options = options
        self._reporter: Any = None
        self._collected = False
        self._finish_lines: list[Any] = []
        self._held = False
        #: The text is that of several workers, and reports name theirs.
        self.decided = False

    def hold_back(self, is_fresh: bool) -> None:
        """From here on nothing is shown of the collection. *is_fresh*: it has not begun yet."""
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        if reporter is None or type(reporter).__module__ != "_pytest.terminal":
            return
        self._reporter = reporter
        self._held = True
        if is_fresh:
            self._config.hook.pytest_collection._remove_plugin(reporter)
        reporter.report_collect = self._note_collected

    def decide(self, workers: int, items: int) -> None:
        """*workers*: that run the items, 1 for this process itself."""
        wanted = int(self._options["workers"])
        self.decided = workers > 1 or wanted > 1
        self._show(workers, items)

    def give_up(self) -> None:
        """The session ends before anything was planned: a test that is not there, say."""
        self._show(1, 0)

    def _note_collected(self, final: bool = False) -> None:
        if final:
            self._collected = True
            # What plugins have to say of the collection comes next.
            self._reporter._write_report_lines_from_hooks = self._finish_lines.append

    def _show(self, workers: int, items: int) -> None:
        wanted = int(self._options["workers"])
        if not self._held:
            return
        self._held = False
        for name in ("report_collect", "_write_report_lines_from_hooks"):
            vars(self._reporter).pop(name, None)
        if self.decided:
            self._show_workers(wanted if wanted > 1 else workers, items)
        else:
            self._reporter.pytest_collection()
            if self._collected:
                self._reporter.report_collect(True)
            for lines in self._finish_lines:
                self._reporter._write_report_lines_from_hooks(lines)

    # Source: xdist/dsession.py, TerminalDistReporter.

    def _show_workers(self, workers: int, items: int) -> None:
        self._reporter.showfspath = False
        self._forget_what_a_controller_does_not_know(self._reporter.stats)
        quiet = self._config.option.verbose < 0
        plural = "" if items == 1 else "s"
        for line in (f"created: {workers}/{workers} workers", f"{workers} workers [{items} item{plural}]"):
            self._show_status("bringing up nodes..." if quiet else line.ljust(len("created: 1/1 workers")))
        self._reporter.write_line("")
        if self._config.option.verbose > 0:
            self._reporter.write_line(f"scheduling tests via {_SCHEDULERS.get(self._options['dist'], 'LoadScheduling')}")

    @staticmethod
    def _forget_what_a_controller_does_not_know(stats: dict[str, list[Any]]) -> None:
        """Of what was collected its workers tell it which collectors were skipped, one for a reason and a place (a module that is
        collected for its doctests, too, is two), and not how many tests were deselected."""
        stats.pop("deselected", None)
        if "skipped" in stats:
            stats["skipped"] = list({str(report.longrepr): report for report in reversed(stats["skipped"])}.values())[::-1]

    def _show_status(self, line: str) -> None:
        isatty = self._reporter.isatty
        if isatty() if callable(isatty) else isatty:  # until pytest 8.3 it was a property
            self._reporter.rewrite(line, bold=True)
        else:
            self._reporter.write_line(line.rstrip())
