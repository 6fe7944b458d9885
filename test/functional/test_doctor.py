"""`doctor`: what is wrong with this machine and this suite, and what to do about it."""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Case, Finished
from processes import wait_until
from suites_of_tests import SMALL

PROBLEMS = 80
CHECKS = ["installation", "interpreter", "settings", "runtime", "processors", "memory", "limits", "daemon", "generations", "watch", "threads",
          "connections"]  # fmt: skip

#: A module that leaves behind what no fork can have, and one that reads the environment.
CARELESS = {
    "pytest.ini": "[pytest]\n",
    "shop/__init__.py": "",
    "shop/pulse.py": """
        import _thread
        import threading

        stop = threading.Event()
        threading.Thread(target=stop.wait, name="heartbeat", daemon=True).start()
        begun = threading.Event()

        def beat():
            begun.set()
            stop.wait()

        _thread.start_new_thread(beat, ())
        assert begun.wait(60)
    """,
    "shop/links.py": """
        import os
        import socket
        import sqlite3

        home = os.environ.get("SHOP_HOME"), os.environ["SHOP_NAME"]
        server = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(server.getsockname())
        left, right = socket.socketpair()
        base = sqlite3.connect(os.environ["SHOP_NAME"])
        base.execute("create table if not exists a(x)")
        closed = socket.socket()
        closed.close()
    """,
    # What notes who starts threads is gone before the first fork.
    "test_shop.py": """
        import _thread, threading
        import shop.pulse, shop.links

        def test_shop():
            assert getattr(threading, "_start_new_thread", _thread.start_new_thread) is _thread.start_new_thread
            threading.Thread(target=lambda: None).start()
    """,
}

FINDING = {"level": str, "what": str, "advice": str}
CHECK = {"name": str, "state": str, "summary": str, "unknown": str, "facts": dict, "findings": [FINDING]}
SCHEMA = {"version": int, "pfast": str, "root": str, "problems": int, "notes": int, "checks": [CHECK]}
THREAD = {"generation": int, "name": str, "module": str, "location": str}
SOCKET = {"generation": int, "fd": int, "kind": str, "local": str, "peer": str, "listening": bool, "module": str, "location": str}
GENERATION = {"id": int, "state": str, "reason": str, "pid": int, "items": int, "rss_bytes": int, "age_s": float, "boot_s": float, "cwd": str,
              "argv": [str], "scope": [str], "scope_is_whole": bool, "options": [str], "flags": [str], "env_keys": [str], "env_read": [str],
              "env_absent": [str], "env_read_whole": bool, "inputs": int, "input_folders": int, "input_absent": int, "collect_errors": int,
              "checkpoints": [{"pid": int, "before": str, "pss_bytes": int}], "no_checkpoints": str, "resumed_before": str,
              "python": str, "pytest": str, "libpython": str}  # fmt: skip


def assert_is(value: Any, schema: Any, path: str = "") -> None:
    """Exactly the schema's keys, and values of its types."""
    if isinstance(schema, dict):
        assert isinstance(value, dict) and value.keys() == schema.keys(), (path, value)
        for key, part in schema.items():
            assert_is(value[key], part, f"{path}.{key}")
    elif isinstance(schema, list):
        assert isinstance(value, list), (path, value)
        for item in value:
            assert_is(item, schema[0], f"{path}[]")
    else:
        assert type(value) is schema, (path, value)


class Report:
    """`pfast doctor --json`, checked against the schema."""

    def __init__(self, done: Finished) -> None:
        self.done = done
        self.data = json.loads(done.out)
        assert_is(self.data, SCHEMA)
        assert [check["name"] for check in self.data["checks"]] == CHECKS
        levels = [finding["level"] for check in self.data["checks"] for finding in check["findings"]]
        assert self.data["problems"] == levels.count("problem") and self.data["notes"] == levels.count("note")
        assert done.code == (PROBLEMS if self.data["problems"] else 0), done
        for check in self.data["checks"]:
            assert check["state"] in ("ok", "note", "problem", "unknown")
            assert all(finding["advice"] for finding in check["findings"]), check

    def check(self, name: str) -> dict[str, Any]:
        return next(check for check in self.data["checks"] if check["name"] == name)

    def facts(self, name: str) -> dict[str, Any]:
        return self.check(name)["facts"]

    def problems(self, name: str) -> list[str]:
        return [f"{finding['what']} -> {finding['advice']}" for finding in self.check(name)["findings"] if finding["level"] == "problem"]

    def notes(self, name: str) -> list[str]:
        return [f"{finding['what']} -> {finding['advice']}" for finding in self.check(name)["findings"] if finding["level"] == "note"]


def examine(case: Case, *args: str, env: dict[str, str] | None = None) -> Report:
    return Report(case.pfast("doctor", "--json", *case.where, *args, env=env))


# -- without a daemon --------------------------------------------------------------------------------------------------


def test_without_a_daemon_it_says_what_it_cannot_know_and_starts_nothing(case: Case) -> None:
    case.write(SMALL)
    report = examine(case)
    assert report.data["problems"] == 0
    for name in ("generations", "threads", "connections"):
        assert report.check(name)["state"] == "unknown"
        assert "--collect" in report.check(name)["unknown"]
    facts = report.facts("interpreter")
    assert facts["executable"] == f"{sys.prefix}/bin/python" and facts["source"] == "VIRTUAL_ENV"
    assert facts["version"] == ".".join(map(str, sys.version_info[:3])) and facts["pytest"] == pytest.__version__
    assert facts["built_for"] == ".".join(map(str, sys.version_info[:2])) and "libpython" in facts["libpython"]
    assert report.facts("daemon")["running"] is False
    assert report.facts("processors")["workers"] >= 1
    assert case.status() is None and case.processes() == []
    text = case.pfast("doctor")
    assert text.code == 0 and "nothing is wrong" in text.out and "none is running" in text.out


def test_it_collects_when_it_is_told_to(case: Case) -> None:
    case.write(SMALL)
    report = examine(case, "--collect")
    assert report.data["problems"] == 0, report.done
    (generation,) = report.facts("generations")["generations"]
    assert_is(generation, GENERATION)
    assert (generation["items"], generation["state"], generation["scope_is_whole"]) == (7, "ready", True)
    assert generation["pytest"] == pytest.__version__ and "libpython" in generation["libpython"]
    assert report.check("threads")["state"] == report.check("connections")["state"] == "ok"
    assert report.facts("daemon")["pid"] == case.daemon_pid()
    assert report.facts("watch")["folders"] >= 1


# -- the suite ---------------------------------------------------------------------------------------------------------


def test_what_importing_the_suite_leaves_behind_is_told_with_who_did_it(case: Case) -> None:
    case.write(CARELESS)
    base = str(case.home / "base.db")
    assert case.run("-W", "ignore", env={"SHOP_NAME": base}).code == 0
    report = examine(case)
    threads = report.facts("threads")["threads"]
    for thread in threads:
        assert_is(thread, THREAD)
    pulse = f"{case.project}/shop/pulse.py:"
    assert [(t["name"], t["module"], t["location"]) for t in threads if t["name"] == "heartbeat"] == [("heartbeat", "shop.pulse", pulse + "5")]
    assert len(threads) == 2 and all(t["module"] == "shop.pulse" and t["location"].startswith(pulse) for t in threads)
    assert any("'heartbeat'" in p and "shop.pulse (shop/pulse.py:5)" in p and "fixture" in p for p in report.problems("threads"))

    sockets = report.facts("connections")["sockets"]
    for one in sockets:
        assert_is(one, SOCKET)
        assert one["module"] == "shop.links"
    lines = {(one["kind"], one["listening"]): one["location"].rpartition(":")[2] for one in sockets}
    assert lines == {("tcp", True): "6", ("tcp", False): "7", ("unix", False): "8", ("sqlite", False): "9"}
    (listener,) = (one for one in sockets if one["listening"])
    (client,) = (one for one in sockets if one["peer"] == listener["local"])
    assert client["kind"] == "tcp"
    assert [one["local"] for one in sockets if one["kind"] == "sqlite"] == [base]
    problems = report.problems("connections")
    assert len(problems) == 3 and len(report.notes("connections")) == 2
    assert any(f"connected to {listener['local']}" in p and "shop/links.py:7" in p and "fixture" in p for p in problems)

    (generation,) = report.facts("generations")["generations"]
    assert generation["options"] == ["-W", "ignore"]
    assert {"SHOP_NAME"} <= set(generation["env_keys"]) and "SHOP_HOME" in generation["env_absent"]
    assert generation["env_read_whole"] is False
    text = case.pfast("doctor")
    assert text.code == PROBLEMS and "5 problems, 2 notes" in text.out and "shop/pulse.py:5" in text.out
    assert base not in json.dumps(generation), "values of variables are nobody's business"
    assert "heartbeat (shop.pulse, " in case.pfast("logs").out


def test_a_suite_that_reads_the_whole_environment_and_then_breaks(case: Case) -> None:
    case.write({**SMALL, "conftest.py": "import os\ncopy = dict(os.environ)\n"})
    assert case.run().code == 0
    report = examine(case)
    (generation,) = report.facts("generations")["generations"]
    assert generation["env_read_whole"] is True
    assert any("environment" in note for note in report.notes("generations"))
    assert report.data["problems"] == 0

    case.write({"conftest.py": "1 +\n"})
    assert case.run().code != 0
    report = examine(case)
    assert any("failed" in problem and "pfast logs" in problem for problem in report.problems("daemon"))
    assert any("stale" in note and "conftest.py" in note for note in report.notes("generations"))
    status = case.pfast("status")
    assert re.search(r"generation 1 · stale · pid \d+ · 7 items · \d+ s old · \d+\.\d MiB · changed: conftest.py", status.out), status
    assert examine(case, "--collect").problems("generations")


# -- the machine -------------------------------------------------------------------------------------------------------


def test_what_a_killed_daemon_left_can_be_removed_as_it_says(case: Case) -> None:
    case.write(SMALL)
    assert case.run().code == 0
    (address,) = case.runtime.glob("*.sock")
    os.kill(case.daemon_pid(), signal.SIGKILL)
    assert wait_until(lambda: not case.processes(), 10)
    report = examine(case)
    (problem,) = report.problems("runtime")
    assert str(case.project) in problem and "killed" in problem
    assert report.facts("runtime")["leftovers"][0]["root"] == str(case.project)
    assert report.facts("runtime")["locks"] == 2
    command = problem.partition("`")[2].partition("`")[0]
    subprocess.run(command, shell=True, check=True)
    assert not address.exists() and len(list(case.runtime.glob("*.lock"))) == 1
    assert examine(case).data["problems"] == 0
    (log,) = case.runtime.glob("*.log")
    os.utime(log, (1000, 1000))
    report = examine(case)
    assert report.data["problems"] == 0 and str(log) in report.notes("runtime")[0]
    assert case.run().code == 0


def test_limits_that_a_run_would_meet(case: Case) -> None:
    case.write(SMALL)
    command = f"ulimit -n 80; exec '{case.pfast_path}' doctor --json"
    done = subprocess.run(["sh", "-c", command], cwd=case.project, env={**case.env, "PFAST_WORKERS": "64"}, capture_output=True, text=True, timeout=60)
    report = Report(Finished([command], done.returncode, done.stdout, done.stderr))
    (problem,) = report.problems("limits")
    assert "80 files" in problem and "64 workers" in problem and "ulimit -Hn" in problem
    assert any("64 workers" in note for note in report.notes("processors"))


def test_interpreters_that_will_not_do(case: Case) -> None:
    case.write(SMALL)
    (problem,) = examine(case, "--python", "/no/such/python").problems("interpreter")
    assert "/no/such/python" in problem and "--python" in problem
    venv = case.home / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (problem,) = examine(case, "--python", str(venv)).problems("interpreter")
    assert "No module named 'pytest'" in problem and f"{venv}/bin/python -m pip install" in problem


def test_settings_and_folders_that_will_not_do(case: Case) -> None:
    case.write({**SMALL, "pfast.toml": "# mine\nworkerz = 3\n"})
    (problem,) = examine(case).problems("settings")
    assert "pfast.toml:2" in problem and "workerz" in problem
    case.write({"pfast.toml": "workers = 1\n"})
    report = examine(case)
    assert report.facts("settings")["set"]["workers"].endswith("pfast.toml:1") and report.facts("processors")["workers"] == 1
    case.runtime.chmod(0o777)
    (problem,) = examine(case).problems("runtime")
    case.runtime.chmod(0o700)
    assert str(case.runtime) in problem and "chmod 700" in problem
    alone = case.home / "bin" / "pfast"
    alone.parent.mkdir()
    alone.write_bytes(case.pfast_path.read_bytes())
    alone.chmod(0o755)
    done = subprocess.run([alone, "doctor", "--json"], cwd=case.project, env=case.env, capture_output=True, text=True, timeout=60)
    (problem,) = Report(Finished(["doctor"], done.returncode, done.stdout, done.stderr)).problems("installation")
    assert "pfast-forkserver" in problem and "PFAST_FORKSERVER" in problem


# -- what only other machines have: a daemon that says so --------------------------------------------------------------


@pytest.fixture
def answers(case: Case) -> Iterator[Callable[[dict[str, Any], dict[str, Any]], str]]:
    """A daemon with these answers to status and explain; returns its address."""
    listener = socket.socket(socket.AF_UNIX)
    listener.settimeout(60)
    address = case.home / "answers"
    threads: list[threading.Thread] = []

    def serve(status: dict[str, Any], explanation: dict[str, Any]) -> None:
        with listener.accept()[0] as client:
            client.settimeout(60)
            replies = {"hello": {"type": "welcome", "protocol": 2, "version": "x", "pid": 1}, "status": status, "explain": explanation}
            while header := client.recv(4, socket.MSG_WAITALL):
                message = pickle.loads(client.recv(struct.unpack(">I", header)[0], socket.MSG_WAITALL))
                payload = pickle.dumps(replies[message["type"]], protocol=4)
                client.sendall(struct.pack(">I", len(payload)) + payload)

    def start(status: dict[str, Any], explanation: dict[str, Any]) -> str:
        listener.bind(str(address))
        listener.listen()
        threads.append(threading.Thread(target=serve, args=({"type": "status_reply", **status}, {"type": "explanation", **explanation})))
        threads[-1].start()
        return str(address)

    yield start
    for thread in threads:
        thread.join(60)
    listener.close()


def test_a_daemon_in_trouble(case: Case, answers: Callable[[dict[str, Any], dict[str, Any]], str]) -> None:
    case.write(SMALL)
    version = case.pfast("--version").out.split()[1]
    generation = {"status": {"id": 3, "state": "ready", "rss_bytes": 3 << 30}, "watch_folders": 9000, "native_threads": 2, "python_version": "3.0.1",
                  "watch_problem": "watch /p/tests (fs.inotify.max_user_watches): No space left on device",
                  "sockets": [{"fd": 7, "kind": "tcp", "local": "10.0.0.1:4000", "peer": "10.0.0.2:5432"}]}  # fmt: skip
    elsewhere = {"status": {"id": 4, "state": "stale", "reason": "changed: a.py"}, "watch_problem": "watch /nfs: its file system does not tell of every change"}
    address = answers({"version": "0.0.1"}, {"generations": [generation, elsewhere], "memory_bytes": 1 << 30, "descriptors": 99, "descriptor_limit": 100})
    report = examine(case, "--address", address)
    (problem,) = report.problems("watch")
    assert "max_user_watches" in problem and "sudo sysctl fs.inotify.max_user_watches=" in problem
    assert any("/nfs" in note for note in report.notes("watch"))
    assert any("0.0.1" in p and version in p and "pfast restart" in p for p in report.problems("daemon"))
    assert any("more than they may" in p and "memory" in p for p in report.problems("memory"))
    assert any("descriptors" in p for p in report.problems("limits"))
    assert any("2 threads" in note and "OMP_NUM_THREADS" in note for note in report.notes("threads"))
    assert any("10.0.0.2:5432" in p and "native code, descriptor 7" in p for p in report.problems("connections"))
    assert any("3.0.1" in note for note in report.notes("interpreter"))
    assert any("changed: a.py" in note for note in report.notes("generations"))


def test_an_older_daemon_that_cannot_explain(case: Case, answers: Callable[[dict[str, Any], dict[str, Any]], str]) -> None:
    case.write(SMALL)
    address = answers({"version": "0.0.1"}, {"type": "error", "code": "unknown-verb", "message": "understand the verb 'explain'"})
    report = examine(case, "--address", address)
    assert "explain" in report.check("threads")["unknown"] and "pfast restart" in report.check("threads")["unknown"]


@pytest.mark.parametrize("args", [["--root", "nowhere"], ["extra"], ["--fix"]], ids=" ".join)
def test_wrong_command_lines(case: Case, args: list[str]) -> None:
    done = case.pfast("doctor", *args)
    assert done.code == 79 and args[0].lstrip("-") in done.err, done
