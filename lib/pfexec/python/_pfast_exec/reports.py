"""pytest's reports as plain fields: rendered text, for a run that asked for text."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

#: What a report of a passing test carries that had failed before (see retries.py).
PASSED_AT_TRY = "pfast_passed_at_try"

#: Since pytest 9.0 the traceback and what was captured come before the line of --tb=line.
_LINE_STYLE_HAS_TEXT = int(pytest.__version__.partition(".")[0]) >= 9

#: Plugins whose pytest_report_teststatus leaves a passed report to pytest.
_USUAL_STATUS = frozenset(
    "RunHooks _pytest.terminal _pytest.runner _pytest.skipping _pytest.subtests _pytest.unittest pytest_rerunfailures pytest_subtests".split()
)

#: Text of one section or traceback that is kept; the middle of anything longer is left out and counted.
MAX_TEXT = 8 << 20


def bounded(text: str) -> str:
    if len(text) <= MAX_TEXT:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out by pfast ...\n{text[-half:]}"


def bound_sections(report: Any) -> None:
    """Shortens captured output at its source, before it is copied anywhere."""
    if any(len(content) > MAX_TEXT for _, content in report.sections):
        report.sections = [(title, bounded(content)) for title, content in report.sections]


class Renderer:
    """Turns reports into the fields of a PhaseReport, in the words of pytest's terminal reporter."""

    def __init__(self, config: Any, color: bool, columns: int) -> None:
        self._config = config
        self._color = color
        self._columns = columns
        option = config.option
        chars = getattr(option, "reportchars", "") or ""
        self.wants_pass_sections = any(char in chars for char in "PA")
        #: The suite or a plugin has words of its own for what passes (pytest_report_teststatus).
        self.words_passes = any(
            getattr(impl.plugin, "__name__", type(impl.plugin).__name__) not in _USUAL_STATUS
            for impl in config.hook.pytest_report_teststatus.get_hookimpls()
        )

    def describe(self, report: Any, with_output: bool = False) -> dict[str, Any]:
        """*with_output*: what was captured matters although the phase passed."""
        status = self._config.hook.pytest_report_teststatus(report=report, config=self._config)
        category, letter, word = status if status is not None else _default_status(report)
        if isinstance(word, tuple):
            word = word[0]
        when = report.when or "collect"
        crash_line = self._crash_line(report)
        shown = report.failed or category in ("failed", "error", "xpassed", "rerun") or hasattr(report, "wasxfail")
        return {
            "when": when,
            "outcome": report.outcome,
            "duration_s": float(getattr(report, "duration", 0.0)),
            "start_s": float(getattr(report, "start", 0.0)),
            "longrepr": self._traceback(report) if shown and (_LINE_STYLE_HAS_TEXT or not crash_line) else "",
            "crash_line": crash_line,
            "reason": self._reason(report),
            "category": category,
            "letter": letter,
            "word": word,
            "wasxfail": hasattr(report, "wasxfail"),
            "headline": str(report.head_line or str(report.nodeid)),
            "location": self._skip_location(report),
            "sections": self._sections(report, with_output) if _LINE_STYLE_HAS_TEXT or not crash_line else [],
            "properties": [(str(k), str(v)) for k, v in getattr(report, "user_properties", ())],
        }

    def describe_collector(self, report: Any) -> dict[str, Any]:
        fields = self.describe(report)
        fields["when"] = "collect"
        fields["headline"] = str(report.nodeid)
        if report.failed:
            fields["category"] = "error"
            fields["longrepr"] = self._traceback(report)
        return fields

    def _writer(self) -> tuple[Any, io.StringIO]:
        from _pytest._io import TerminalWriter

        buffer = io.StringIO()
        writer = TerminalWriter(buffer)
        writer.hasmarkup = self._color
        writer.fullwidth = self._columns
        writer.code_highlight = getattr(self._config.option, "code_highlight", "yes") == "yes"
        return writer, buffer

    def text_of(self, shown: Any) -> str:
        """What pytest's reporter would write of it: anything with toterminal()."""
        writer, buffer = self._writer()
        shown.toterminal(writer)
        return bounded(buffer.getvalue())

    def _traceback(self, report: Any) -> str:
        style = self._config.option.tbstyle
        return "" if style == "no" or report.longrepr is None else self.text_of(report)

    def _crash_line(self, report: Any) -> str:
        """With --tb=line, what a failed test's line is."""
        if self._config.option.tbstyle != "line" or report.when != "call" or report.longrepr is None:
            return ""
        crash = getattr(report.longrepr, "reprcrash", None)
        return str(crash) if crash is not None else str(report.longrepr)[:50]

    @staticmethod
    def _reason(report: Any) -> str:
        if hasattr(report, "wasxfail"):
            return str(report.wasxfail)
        if report.skipped and isinstance(report.longrepr, tuple):
            reason = str(report.longrepr[2])
            return reason.removeprefix("Skipped: ") if reason != "Skipped" else ""
        if report.failed and isinstance(report.longrepr, str):
            return bounded(report.longrepr)
        if hasattr(report, PASSED_AT_TRY):
            return f"passed at try {getattr(report, PASSED_AT_TRY)}"
        crash = getattr(report.longrepr, "reprcrash", None)
        return bounded(str(crash.message)) if crash is not None else ""

    def _skip_location(self, report: Any) -> str:
        if not (report.skipped and isinstance(report.longrepr, tuple)) or hasattr(report, "wasxfail"):
            return ""
        path, line, _ = report.longrepr
        path = _best_relative_path(self._config.invocation_params.dir, Path(path))
        keywords = getattr(report, "keywords", {})
        if report.when == "setup" and "skip" in keywords and "pytestmark" not in keywords:
            return path
        return f"{path}:{line}"

    def _sections(self, report: Any, with_output: bool) -> list[tuple[str, str]]:
        show = self._config.option.showcapture
        passed = report.passed and not hasattr(report, "wasxfail")
        if passed and not with_output and not self.wants_pass_sections:
            return []
        shown = [(title, bounded(text)) for title, text in report.sections if show == "all" or (show != "no" and show in title)]
        # Below PASSES and XPASSES a test has its head line for what it printed, shown or not.
        return [("", "")] if report.passed and report.sections and not shown else shown


def _default_status(report: Any) -> tuple[str, str, str]:
    """What pytest's terminal plugin says, for runs that block it (-p no:terminal)."""
    if report.failed and report.when != "call":
        return "error", "E", "ERROR"
    letter = {"passed": ".", "skipped": "s"}.get(report.outcome, "F")
    category = "" if report.passed and report.when != "call" else report.outcome
    return category, letter if category else "", report.outcome.upper()


def _best_relative_path(directory: Path, path: Path) -> str:
    from _pytest.pathlib import bestrelpath

    return bestrelpath(directory, path)


def describe_warning(config: Any, record: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of pytest_warning_recorded as pytest's summary words them."""
    from _pytest.pathlib import absolutepath
    from _pytest.warnings import warning_record_to_str

    message = record["warning_message"]
    location = record["location"]
    where = ""
    if record["nodeid"]:
        where = str(record["nodeid"])
    elif location is not None or message.filename:
        path = _best_relative_path(config.invocation_params.dir, absolutepath(message.filename))
        where = f"{path}:{message.lineno}"
    return {
        "when": record["when"],
        "nodeid": str(record["nodeid"]),
        "message": bounded(warning_record_to_str(message)),
        "category": message.category.__name__,
        "location": where,
        "opaque": b"",
    }


def failed_subtests(config: Any) -> Any:
    """pytest's count of failed subtests per item (pytest 9); None where it keeps none."""
    try:
        from _pytest.subtests import failed_subtests_key
    except ImportError:
        return None
    return config.stash.get(failed_subtests_key, None)
