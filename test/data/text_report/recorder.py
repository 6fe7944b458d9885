"""A pytest plugin for make.py: keeps what pfast's processes would send, and where pytest's summary begins.

The durations are made up, so that the text is the same every time.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import struct
from pathlib import Path

import pytest

MARK = "\x02summary begins\x03"
SESSION_SECONDS = float(os.environ.get("RECORD_SECONDS", "0.12"))
COLLECT = []
FRAMES = []
ITEMS = {}
RESULTS = {}


def _reports_module():
    path = Path(os.environ["RECORD_REPORTS"])
    spec = importlib.util.spec_from_file_location("pfast_reports", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reports = _reports_module()


class Elapsed:
    def __init__(self, seconds):
        self.seconds = seconds

    def elapsed(self):
        return self


def _renderer(config):
    reporter = config.pluginmanager.getplugin("terminalreporter")
    return reports.Renderer(config, reporter.hasmarkup, reporter._tw.fullwidth)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    number = list(ITEMS).index(item.nodeid) if item.nodeid in ITEMS else 0
    report.duration = {"setup": 0.25, "call": 1.5, "teardown": 0.001}[call.when] * (number + 1) / 10
    report.start = 1.0
    return report


def pytest_collection_modifyitems(session, config, items):
    for item in items:
        ITEMS[item.nodeid] = len(ITEMS)


def pytest_collectreport(report):
    COLLECT.append(report)


def pytest_warning_recorded(warning_message, when, nodeid, location):
    FRAMES.append({"warning_message": warning_message, "when": when, "nodeid": nodeid, "location": location})


def pytest_runtest_logreport(report):
    FRAMES.append(report)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session, exitstatus):
    config = session.config
    reporter = config.pluginmanager.getplugin("terminalreporter")
    reporter._tw._file.write(MARK)
    reporter.currentfspath = None  # its progress is over: no line to be ended before the first section
    reporter._session_start = Elapsed(SESSION_SECONDS)
    renderer = _renderer(config)
    messages = []
    for entry in FRAMES:
        if isinstance(entry, dict):
            message = reports.describe_warning(config, entry)
            message["type"] = "warning"
            messages.append(message)
            continue
        phase = renderer.describe(entry)
        if entry.longrepr is not None and (entry.failed or hasattr(entry, "wasxfail")):
            config.option.tbstyle, style = "short", config.option.tbstyle
            phase["longrepr"] = renderer._traceback(entry)
            config.option.tbstyle = style
            if style == "line":
                phase["crash_line"] = reporter._getcrashline(entry)
        if isinstance(entry.longrepr, str) and entry.failed:
            phase["reason"] = entry.longrepr
        phase["sections"] = [(title, text) for title, text in entry.sections if config.option.showcapture != "no"]
        result = RESULTS.get(entry.nodeid)
        if result is None:
            result = RESULTS[entry.nodeid] = {
                "type": "result", "item": ITEMS.get(entry.nodeid, 0), "nodeid": entry.nodeid, "outcome": "", "phases": [],
            }
            messages.append(result)
        result["phases"].append(phase)
    collected = {
        "type": "collected",
        "selected": session.testscollected,
        "deselected": len(reporter.stats.get("deselected", [])),
        "collect_reports": [renderer.describe_collector(r) for r in COLLECT if r.failed or r.skipped],
    }
    memo = reporter._keyboardinterrupt_memo
    reason = str(session.shouldfail or session.shouldstop or "")
    if exitstatus == 2 and memo is not None:
        reason = memo.reprcrash.message
    finished = {
        "type": "finished", "exit_code": int(exitstatus), "reason": reason, "duration_s": SESSION_SECONDS,
        "total": session.testscollected, "not_run": 0 if exitstatus == 5 else session.testscollected - len(RESULTS),
    }
    with open(os.environ["RECORD_TO"], "wb") as out:
        for message in [collected, *messages, finished]:
            payload = pickle.dumps(message, protocol=4)
            out.write(struct.pack(">I", len(payload)) + payload)
