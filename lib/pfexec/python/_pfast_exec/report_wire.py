"""pytest's reports and warnings on their way from a worker to the controller, whose plugins then see them as if it had run the test."""

from __future__ import annotations

import io
import os
import pickle
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

import _pfexec

from . import junit

#: Keys that pytest's own serialisation does not use.
_TERMINAL_TEXT = "$pfast_terminal_text"
_CAPTURED = "$pfast_captured"


#: What a report in the short form tells, in this order (pfcore/short_report.hpp).
_SHORT_FORM = ("when", "duration", "start", "stop")


class RenderedRepr:
    """A longrepr that pytest sends as mere text (a doctest's, a plugin's): it stays one that writes itself to a terminal."""

    def __init__(self, text: str, coloured: str) -> None:
        self._text = text
        self._coloured = coloured

    def __str__(self) -> str:
        return self._text

    def toterminal(self, writer: Any) -> None:
        text = self._coloured if writer.hasmarkup else self._text
        writer._file.write(text if text.endswith("\n") else f"{text}\n")


class StandIn:
    """What a value that pickle cannot carry looked like."""

    def __init__(self, value: Any) -> None:
        self._repr = repr(value)
        self._str = str(value)

    def __repr__(self) -> str:
        return self._repr

    def __str__(self) -> str:
        return self._str


#: Modules whose pytest_report_to_serializable has nothing to say of a pytest.TestReport but what pytest itself has.
_USUAL_SERIALIZERS = frozenset("_pytest.reports _pytest.subtests pytest_subtests pytest_subtests.plugin".split())


def serializes_as_usual(config: Any) -> bool:
    """Is what pytest makes of a plain report all that anybody makes of it?"""
    return all(
        impl.function.__module__ in _USUAL_SERIALIZERS for impl in config.hook.pytest_report_to_serializable.get_hookimpls()
    )


def to_wire(config: Any, report: Any, as_usual: bool = False) -> bytes:
    """One serialised report, as pytest's own hook makes it. A value that cannot cross is replaced by its text."""
    if as_usual and type(report) is pytest.TestReport and not (report.when == "call" and terminal_is_captured(config)):
        blob: bytes | None = _pfexec.pickle_plain_report(report)
        if blob is not None:
            return blob
    data = config.hook.pytest_report_to_serializable(config=config, report=report)
    longrepr = getattr(report, "longrepr", None)
    if isinstance(data, dict):
        if hasattr(longrepr, "toterminal") and isinstance(data.get("longrepr"), str):
            data[_TERMINAL_TEXT] = _coloured(longrepr)
        if report.when == "call" and terminal_is_captured(config):
            data[_CAPTURED] = True
    try:
        return pickle.dumps(data, protocol=4)
    except Exception:
        return pickle.dumps(_plain(data), protocol=4)


def from_wire(config: Any, blobs: Sequence[bytes], item: Any) -> list[tuple[Any, bool]]:
    """One item's reports as :func:`to_wire` was given them, as far as text tells; and whether a terminal would have shown nothing of each."""
    return [_from_wire(config, _whole(blob, blobs[0]), item) for blob in blobs]


def _whole(blob: bytes, first: bytes) -> Any:
    """The short form is of what differs from the item's first report. Each report has containers of its own."""
    data = pickle.loads(blob)
    if isinstance(data, tuple) and len(data) == len(_SHORT_FORM):
        return {**pickle.loads(first), **dict(zip(_SHORT_FORM, data))}
    return data


def _from_wire(config: Any, data: Any, item: Any) -> tuple[Any, bool]:
    if isinstance(data, tuple):
        return junit.PassedPhase(item, *data), False
    extra = {key: data.pop(key) for key in (_TERMINAL_TEXT, _CAPTURED) if isinstance(data, dict) and key in data}
    subtest = data.get("_subtest.context") if isinstance(data, dict) else None
    report = config.hook.pytest_report_from_serializable(config=config, data=data)
    if _TERMINAL_TEXT in extra and isinstance(report.longrepr, str):
        report.longrepr = RenderedRepr(report.longrepr, extra[_TERMINAL_TEXT])
    if isinstance(subtest, dict) and hasattr(report, "context"):
        # pytest takes the repr of each parameter whenever it makes a context: once is what a run in one process has.
        object.__setattr__(report.context, "kwargs", subtest["kwargs"])
    return report, _CAPTURED in extra


def warning_to_wire(record: Mapping[str, Any]) -> bytes:
    """The arguments of pytest_warning_recorded. A message that pickle cannot carry is sent as its text."""
    message = record["warning_message"]
    try:
        warning = pickle.dumps((message.message, message.category), protocol=4)
        pickle.loads(warning)
    except Exception:
        warning = b""
    return pickle.dumps(
        {
            "warning": warning,
            "text": str(message.message),
            "category": message.category.__name__,
            "filename": message.filename,
            "lineno": message.lineno,
            "line": message.line,
            "has_source": message.source is not None,
            "when": record["when"],
            "nodeid": str(record["nodeid"]),
            "location": record["location"],
        },
        protocol=4,
    )


def warning_from_wire(blob: bytes) -> dict[str, Any]:
    """The keyword arguments for pytest_warning_recorded."""
    data = pickle.loads(blob)
    if data["warning"]:
        message, category = pickle.loads(data["warning"])
    else:
        category = type(data["category"], (Warning,), {})
        message = category(data["text"])
    # pytest asks only whether there was a source; the object stays in the worker.
    source = object() if data["has_source"] else None
    recorded = warnings.WarningMessage(message, category, data["filename"], data["lineno"], line=data["line"], source=source)
    return {
        "warning_message": recorded,
        "when": data["when"],
        "nodeid": data["nodeid"],
        "location": data["location"],
    }


def _coloured(longrepr: Any) -> str:
    from _pytest._io import TerminalWriter

    buffer = io.StringIO()
    writer = TerminalWriter(buffer)
    writer.hasmarkup = True
    longrepr.toterminal(writer)
    return buffer.getvalue()


def terminal_is_captured(config: Any) -> bool:
    """Is this a report from inside a test (a unittest subtest's), when what pytest prints is captured as the test's own?"""
    manager = config.pluginmanager.getplugin("capturemanager")
    capturing = getattr(manager, "_global_capturing", None)
    return bool(capturing is not None and manager._method == "fd" and capturing.is_started())


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [_plain(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    try:
        pickle.dumps(value, protocol=4)
    except Exception:
        return StandIn(value)
    return value
