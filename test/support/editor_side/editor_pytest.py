"""A plugin that tells an editor what pytest does, over a pipe, in the way of VS Code's.

TEST_RUN_PIPE names the pipe; a message is a header of two lines and `{"jsonrpc": "2.0", "params": …}`. With --collect-only the one
message is the tree of tests; else there is one for each test, from whichever hook hears of it first. As VS Code's, it keeps what it
knows in its module, opens the pipe when there is something to say, and looks at the environment and the arguments when pytest starts.
"""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

PIPE = os.environ.get("TEST_RUN_PIPE")
DISCOVERS = False
told: set[str] = set()
files: dict[str, Path] = {}
problems: list[str] = []
_writer: BinaryIO | None = None


def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    global PIPE, DISCOVERS
    PIPE = os.environ.get("TEST_RUN_PIPE")
    DISCOVERS = "--collect-only" in args
    if not PIPE:
        raise pytest.UsageError("TEST_RUN_PIPE is not set")
    for arg in args:
        name, _, folder = arg.partition("=")
        if name == "--rootdir" and not Path(folder).exists():
            raise pytest.UsageError(f"{arg}: there is no such folder")


def pytest_internalerror(excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    problems.append(excinfo.exconly())


def pytest_exception_interact(node: pytest.Item | pytest.Collector, call: pytest.CallInfo[Any], report: Any) -> None:
    if DISCOVERS:
        problems.append(report.longreprtext)
        return
    assert call.excinfo is not None
    tell(absolute(node.nodeid, node.path), "failure" if call.excinfo.typename == "AssertionError" else "error", report.longreprtext)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    files[item.nodeid] = item.path
    if item.get_closest_marker("skip"):
        tell(absolute(item.nodeid, item.path), "skipped", None)
    yield


@pytest.hookimpl(hookwrapper=True, trylast=True)
def pytest_report_teststatus(report: Any) -> Iterator[None]:
    if report.when == "call" or (report.when == "setup" and report.skipped):
        outcome = {"passed": "success", "failed": "failure"}.get(report.outcome, "skipped")
        tell(absolute(report.nodeid, files.get(report.nodeid, Path.cwd())), outcome, report.longreprtext if report.failed else None)
    yield


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if DISCOVERS:
        send({"cwd": os.getcwd(), "status": "error" if problems else "success", "tests": tree(session), "error": problems})
    elif exitstatus not in (0, 1):
        problems.append(f"pytest ended with {int(exitstatus)}")
        send({"cwd": os.getcwd(), "status": "error", "result": None, "error": problems})


def tree(session: pytest.Session) -> dict[str, Any]:
    """Folders, files, classes, functions with parameters, tests: each below what it is in."""
    root = node("folder", session.path.name, session.path, str(session.path))
    for item in session.items:
        at = root
        for folder in reversed([one for one in item.path.parents if session.path in one.parents]):
            at = below(at, node("folder", folder.name, folder, str(folder)))
        at = below(at, node("file", item.path.name, item.path, str(item.path)))
        for parent in reversed([one for one in item.iter_parents() if isinstance(one, pytest.Class)]):
            at = below(at, node("class", parent.name, parent.path, absolute(parent.nodeid, parent.path)))
        if hasattr(item, "callspec"):
            name = item.nodeid.split("[")[0]
            at = below(at, node("function", item.name.split("[")[0], item.path, absolute(name, item.path)))
        test = node("test", item.name, item.path, absolute(item.nodeid, item.path))
        test |= {"lineno": str((item.location[1] or 0) + 1), "runID": test["id_"]}
        del test["children"]
        below(at, test)
    return root


def node(kind: str, name: str, path: Path, id_: str) -> dict[str, Any]:
    return {"name": name, "path": str(path), "type_": kind, "id_": id_, "children": []}


def below(parent: dict[str, Any], child: dict[str, Any]) -> dict[str, Any]:
    for known in parent["children"]:
        if known["id_"] == child["id_"]:
            return known
    parent["children"].append(child)
    return child


def absolute(nodeid: str, path: Path) -> str:
    return "::".join([str(path), *nodeid.split("::")[1:]])


def tell(test: str, outcome: str, message: str | None) -> None:
    if test in told:
        return
    told.add(test)
    result = {test: {"test": test, "outcome": outcome, "message": message, "traceback": None, "subtest": None}}
    send({"cwd": os.getcwd(), "status": "success", "result": result, "not_found": None, "error": problems or None})


def send(params: dict[str, Any]) -> None:
    global _writer
    if _writer is None:
        assert PIPE is not None
        _writer = open(PIPE, "wb")
    data = json.dumps({"jsonrpc": "2.0", "params": params})
    _writer.write(f"content-length: {len(data)}\r\ncontent-type: application/json\r\n\r\n{data}".encode())
    _writer.flush()


@atexit.register
def _close() -> None:
    if _writer is not None:
        _writer.close()


class FewerWorkers:
    """No more workers than tests were asked for."""

    @pytest.hookimpl(hookwrapper=True)
    def pytest_xdist_auto_num_workers(self, config: pytest.Config) -> Iterator[None]:
        outcome: Any = yield
        number = min(outcome.get_result(), len(config.option.file_or_dir))
        outcome.force_result(0 if number == 1 else number)


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    if manager.hasplugin("xdist") and not isinstance(plugin, FewerWorkers) and not manager.hasplugin("editor-workers"):
        manager.register(FewerWorkers(), name="editor-workers")
