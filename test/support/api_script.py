"""A script that was written for pytest-fast 0.9.3, and uses everything that it promises.

The module that API_MODULE names is imported as `pytest_fast`; API_FOLDER is where sockets and files go. Prints, after "ANSWER ", a JSON object: what came of each use.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import json
import os
import pickle
import re
import socket
import struct
import sys
import threading
import time
import typing
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

if typing.TYPE_CHECKING:
    import pfast as pytest_fast
else:
    pytest_fast = importlib.import_module(os.environ["API_MODULE"])

FOLDER = Path(os.environ["API_FOLDER"])
ADDRESS = str(FOLDER / "a.sock")
IDS = ["test_six.py::test_number[2]", "test_six.py::test_xfailed"]


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def tried(call: Callable[[], Any], **variables: str) -> list[Any]:
    """What a call returned or raised, and what it printed on stdout."""
    out, err = io.StringIO(), io.StringIO()
    with environment(**variables), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            value = call()
        except (Exception, SystemExit) as error:
            value = [type(error).__name__, error.code if isinstance(error, SystemExit) else ""]
    return [value, out.getvalue()]


# -- what it looks like ------------------------------------------------------------------------------------------------


def surface() -> dict[str, Any]:
    found: dict[str, Any] = {"__all__": sorted(pytest_fast.__all__)}
    for name in pytest_fast.__all__:
        value = getattr(pytest_fast, name)
        found[name + " is a"] = type(value).__name__
        if typing.is_typeddict(value):
            found[name] = [sorted(value.__required_keys__), sorted(value.__optional_keys__), fields(value)]
        elif inspect.isclass(value):
            members = [one for one in vars(value) if not one.startswith("_") or one == "__init__"]
            found[name] = {one: signature(getattr(value, one)) for one in members if callable(getattr(value, one))}
            found[name + " has"] = sorted(set(vars(value(1, "forkserver"))) - {"ctx"} - {one for one in vars(value(1, "forkserver")) if one[0] == "_"})
        else:
            found[name] = signature(value)
    return found


def fields(value: Any) -> dict[str, str]:
    return {key: str(kind) for key, kind in typing.get_type_hints(value).items()}


def signature(value: Callable[..., Any]) -> list[Any]:
    """Types of parameters may be wider than they were."""
    found = inspect.signature(value)
    return [[(one.name, one.kind.name, repr(one.default)) for one in found.parameters.values()], str(found.return_annotation)]


# -- what it says to what is wrong --------------------------------------------------------------------------------------


def errors() -> dict[str, Any]:
    gone = FOLDER / "gone.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(gone))
    long_path = str(FOLDER / ("n" * 120) / "a.sock")
    nobody = str(FOLDER / "nobody.sock")
    return {
        "Daemon(0)": tried(lambda: pytest_fast.Daemon(0, "forkserver")),
        "Daemon of no method": tried(lambda: pytest_fast.Daemon(1, "threads")),
        "nobody": tried(lambda: pytest_fast.request_run(nobody)),
        "nobody, streamed": tried(lambda: pytest_fast.request_run_streamed(nobody, print)),
        "nobody, by a long path": tried(lambda: pytest_fast.request_run(long_path)),
        "a socket that is left": tried(lambda: pytest_fast.request_run(str(gone))),
        "option": tried(lambda: pytest_fast.main(["--nonsense"])),
        "word": tried(lambda: pytest_fast.main(["nonsense"])),
        "method": tried(lambda: pytest_fast.main(["--start-method", "threads"])),
        "--serve": tried(lambda: pytest_fast.main(["--serve"])),
        "--watch": tried(lambda: pytest_fast.main(["--watch"])),
        "--workers 0": tried(lambda: pytest_fast.main(["--workers", "0"])),
        "--workers x": tried(lambda: pytest_fast.main(["--workers", "x"])),
        "variable 0": tried(lambda: pytest_fast.main(["--print-inferred-workers"]), PYTEST_FAST_WORKERS="0"),
    }


# -- numbers of workers --------------------------------------------------------------------------------------------------


def workers() -> dict[str, Any]:
    found: dict[str, Any] = {
        "default": tried(pytest_fast.default_workers),
        "default, with a variable": tried(pytest_fast.default_workers, PYTEST_FAST_WORKERS="7"),
        "printed": tried(lambda: pytest_fast.main(["--print-inferred-workers"])),
        "printed, asked": tried(lambda: pytest_fast.main(["--print-inferred-workers", "--workers", "3"])),
        "printed, variable": tried(lambda: pytest_fast.main(["--print-inferred-workers"]), PYTEST_FAST_WORKERS="7"),
    }
    for value in (None, 1, 3, 0, -1):
        found[f"resolve {value}"] = tried(lambda: pytest_fast.resolve_workers(value))
    for text in ("7", "0", "-2", "many", "", "2.5"):
        found[f"resolve with {text!r}"] = tried(pytest_fast.resolve_workers, PYTEST_FAST_WORKERS=text)
    found["asked before the variable"] = tried(lambda: pytest_fast.resolve_workers(2), PYTEST_FAST_WORKERS="7")
    return found


# -- runs ----------------------------------------------------------------------------------------------------------------


def local_runs() -> dict[str, Any]:
    dump = FOLDER / "dump.json"

    def outcomes(call: Callable[[], Any], **variables: str) -> list[Any]:
        dump.unlink(missing_ok=True)
        value, printed = tried(call, **variables)
        names = {name for name in ("test_six.py::test_number[1]", "test_six.py::test_error") if name in printed}
        return [value, json.loads(dump.read_text()) if dump.exists() else None, sorted(names)]

    options = ["--workers", "2", "--dump", str(dump)]
    return {
        "run": outcomes(lambda: pytest_fast.Daemon(2, "forkserver", str(dump)).run(1)),
        "run, keywords": outcomes(lambda: pytest_fast.Daemon(num_workers=1, start_method="spawn", dump_path=str(dump)).run(runs=1)),
        "run, full report": outcomes(lambda: pytest_fast.Daemon(2, "forkserver").run(1, full_report=True)),
        "run, detailed": outcomes(lambda: pytest_fast.Daemon(2, "forkserver").run(1, detailed=True)),
        "main, twice": outcomes(lambda: pytest_fast.main([*options, "--runs", "2"])),
        "main, bench": outcomes(lambda: pytest_fast.main(["--workers", "2", "--bench=1"])),
        "main_cli": outcomes(main_cli),
    }


def main_cli() -> int:
    before = sys.argv
    sys.argv = ["pytest-fast", "--workers", "2"]
    try:
        return pytest_fast.main_cli()
    finally:
        sys.argv = before


def served_runs() -> dict[str, Any]:
    """On a daemon that this process serves in a thread."""
    ended: list[Any] = []
    serving = threading.Thread(target=lambda: ended.append(pytest_fast.Daemon(2, "forkserver").serve(ADDRESS, 300.0)))
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        serving.start()
        while not Path(ADDRESS + ".pid").exists():
            assert serving.is_alive()
            time.sleep(0.01)
    found: dict[str, Any] = {
        "request_run": summary(tried(lambda: pytest_fast.request_run(ADDRESS))),
        "request_run, keywords": summary(tried(lambda: pytest_fast.request_run(ADDRESS, full_report=True, detailed=True, bench=0))),
        "request_run_streamed": streamed(),
        "request_run_streamed, node ids": streamed(IDS),
        "main at the address": served_main(),
        "raises": raises(),
    }
    found["another environment"] = tried(lambda: pytest_fast.request_run(ADDRESS), PYTEST_FAST_MARK="slow")[0]
    serving.join(60)
    found["served"] = ended
    found["left there"] = sorted(path.name for path in FOLDER.iterdir() if path.suffix in (".sock", ".pid") and path.name != "gone.sock")
    return found


def summary(done: list[Any]) -> list[Any]:
    reply, printed = done
    if not isinstance(reply, dict) or "summary" not in reply:
        return [reply, ""]
    line = re.search(r"results : (.*) {2}\(n=(\d+/\d+)\)", reply["summary"])
    progress = re.findall(r"running (\d+/\d+) …", printed)
    return [sorted(reply), reply["rc"], line and line.groups(), progress[-1:], printed.endswith("\r"), "DURATIONS" in reply["summary"]]


def served_main() -> Any:
    value, printed = tried(lambda: pytest_fast.main(["--address", ADDRESS]))
    return [value, "test_six.py::test_number[1]" in printed]


def streamed(nodeids: list[str] | None = None) -> Any:
    reports: list[dict[str, Any]] = []
    if nodeids is None:
        reply = pytest_fast.request_run_streamed(ADDRESS, reports.append)
    else:
        reply = pytest_fast.request_run_streamed(ADDRESS, on_report=reports.append, nodeids=nodeids)
    from _pytest.config import get_config

    config = get_config([])
    config.parse([])
    config.hook.pytest_configure.call_historic(kwargs={"config": config})
    found: dict[str, list[Any]] = {}
    for data in reports:
        report = config.hook.pytest_report_from_serializable(config=config, data=data)
        found.setdefault(report.nodeid, []).append(report)
    phases = {nodeid: [(one.when, one.outcome) for one in of_test] for nodeid, of_test in found.items()}
    outcomes = {nodeid: pytest_fast.categorize(config, of_test) for nodeid, of_test in found.items()}
    outcomes["nothing"] = pytest_fast.categorize(config, [])
    return [sorted(reply), reply["rc"], phases, outcomes, dict(Counter(outcomes.values()))]


def raises() -> Any:
    """What the callback raises comes through, and the daemon serves the next one."""

    def refuse(report: dict[str, object]) -> None:
        raise KeyError(str(report["nodeid"])[:4])

    return [tried(lambda: pytest_fast.request_run_streamed(ADDRESS, refuse)), streamed(IDS[:1])]


# -- a daemon that does not keep its word ---------------------------------------------------------------------------------


def broken_daemons() -> dict[str, Any]:
    good = pickle.dumps({"progress": (1, 2)})
    said = {
        "nothing": b"",
        "half a frame": struct.pack("!I", 100) + b"x",
        "no pickle": struct.pack("!I", 3) + b"xyz",
        "a length of 4 GB": b"\xff\xff\xff\xff",
        "no answer": struct.pack("!I", len(pickle.dumps([1]))) + pickle.dumps([1]),
        "an end after progress": struct.pack("!I", len(good)) + good,
    }
    return {name: answered(data) for name, data in said.items()}


def answered(data: bytes) -> Any:
    path = FOLDER / "broken.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(2)

        def serve() -> None:
            for _ in range(2):
                client, _ = server.accept()
                with client:
                    client.recv(1 << 16)
                    client.sendall(data)

        serving = threading.Thread(target=serve)
        serving.start()
        replies = [tried(lambda: pytest_fast.request_run(str(path)))[0], tried(lambda: pytest_fast.request_run_streamed(str(path), print))[0]]
        serving.join()
    path.unlink()
    return [[sorted(reply), reply["rc"]] if isinstance(reply, dict) and "rc" in reply else reply for reply in replies]


if __name__ == "__main__":  # the predecessor's processes import this file, too
    answer = {part.__name__: part() for part in (surface, errors, workers, broken_daemons, local_runs, served_runs)}
    print("\nANSWER " + json.dumps(answer, default=str))
