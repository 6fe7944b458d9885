"""The predecessor, pytest-fast 0.9.3 as its wheel has it, on either end of version 1: its clients, its plugin and its daemon."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import SUPPORT, Case, Finished, Running
from oracle import read_outcomes
from plugin_environment import predecessor_environment
from processes import wait_until

#: What a script for its interpreter begins with.
_PRELUDE = """
import json, os, sys
import pytest_fast
from _pytest.config import get_config

ADDRESS = sys.argv[1]


def outcomes_of(reports):
    config = get_config([])
    config.parse([])
    config.hook.pytest_configure.call_historic(kwargs={"config": config})
    by_test = {}
    for data in reports:
        report = config.hook.pytest_report_from_serializable(config=config, data=data)
        by_test.setdefault(report.nodeid, []).append(report)
    return {nodeid: pytest_fast.categorize(config, found) for nodeid, found in by_test.items()}


def streamed(nodeids=None):
    reports = []
    reply = pytest_fast.request_run_streamed(ADDRESS, reports.append, nodeids)
    return {"reply": reply, "outcomes": outcomes_of(reports), "order": list(dict.fromkeys(r["nodeid"] for r in reports))}


def answer(value):
    print("ANSWER " + json.dumps(value, default=str))


"""


class Predecessor:
    """A case whose interpreter has pytest-fast, and an address that both sides are told."""

    def __init__(self, case: Case) -> None:
        self.case = case
        case.use_environment(predecessor_environment())
        self.python = Path(case.env["VIRTUAL_ENV"]) / "bin" / "python"
        self.folder = case.home / "s"
        self.folder.mkdir(mode=0o700)
        self.address = str(self.folder / "a.sock")
        case.where = ["--address", self.address]

    # -- its clients ---------------------------------------------------------------------------------------------------

    def start(self, *command: str, env: Mapping[str, str] | None = None) -> Running:
        case = self.case
        return Running([str(self.python), *command], case.project, {**case.env, **(env or {})}, case._folder())

    def client(self, *options: str, env: Mapping[str, str] | None = None) -> Finished:
        """`pytest-fast --address A`."""
        return self.start("-m", "pytest_fast", "--address", self.address, *options, env=env).finish()

    def plugin(self, *args: str, env: Mapping[str, str] | None = None) -> Finished:
        """`pytest --fast`, with the outcomes that it saw."""
        dump = self.case._folder() / "dump.json"
        oracle = {"PYTHONPATH": str(SUPPORT), "PFAST_ORACLE_DUMP": str(dump)}
        fast = ("--fast", f"--fast-address={self.address}")
        done = self.start("-m", "pytest", "-p", "pfast_outcomes", *fast, *args, env={**oracle, **(env or {})}).finish()
        done.outcomes = read_outcomes(dump)
        return done

    def ask(self, script: str, env: Mapping[str, str] | None = None) -> Any:
        """Runs Python text that ends with `answer(value)`; the value."""
        done = self.start("-c", _PRELUDE + textwrap.dedent(script), self.address, env=env).finish()
        lines = [line for line in done.out.replace("\r", "\n").splitlines() if line.startswith("ANSWER ")]
        assert done.code == 0 and lines, done
        return json.loads(lines[-1].removeprefix("ANSWER "))

    def streamed(self, nodeids: list[str] | None = None, env: Mapping[str, str] | None = None) -> Any:
        return self.ask(f"answer(streamed({nodeids!r}))", env)

    def send(self, command: tuple[Any, ...], address: str | None = None) -> Any:
        """The last frame that comes for it, None when there is none."""
        return self.ask(
            f"""
            import socket
            with socket.socket(socket.AF_UNIX) as client:
                client.connect({address or self.address!r})
                pytest_fast._send(client, {command!r})
                last = None
                while True:
                    frame, _ = pytest_fast._recv(client)
                    if frame is None:
                        break
                    last = frame
            answer(last)
            """
        )

    # -- daemons -------------------------------------------------------------------------------------------------------

    def serve_pfast(self, address: str | None = None, env: Mapping[str, str] | None = None) -> Finished:
        return self.case.pfast("serve", "--address", address or self.address, env=env)

    def serve(self, address: str | None = None, workers: int = 2, env: Mapping[str, str] | None = None) -> Running:
        """Its daemon, from when it listens."""
        address = address or self.address
        started = self.start("-m", "pytest_fast", "--serve", "--address", address, "--ttl", "300", "--workers", str(workers), env=env)
        assert wait_until(Path(address + ".pid").exists, 60), started.err
        return started

    def stop(self, *addresses: str) -> None:
        """Whoever serves there leaves, and everything with him."""
        for address in addresses or (self.address,):
            self.case.pfast("stop", "--address", address)
        assert wait_until(lambda: not self.case.processes(), 20), self.case.processes()
