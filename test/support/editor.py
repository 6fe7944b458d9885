"""An editor that discovers and runs tests through its own pytest plugin, as VS Code does: what it is told comes by a pipe.

The plugin is ours (editor_side/). PFAST_TEST_VSCODE names the folder `python_files` of VS Code's Python extension: then it is VS Code's.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import SUPPORT, Case, Finished, Running

VSCODE = os.environ.get("PFAST_TEST_VSCODE")


@dataclass(frozen=True)
class Adapter:
    """An editor's part that runs in the tests' interpreter."""

    folder: Path
    plugin: str
    script: str


OURS = Adapter(SUPPORT / "editor_side", "editor_pytest", "run_editor_pytest.py")
ADAPTERS = {"ours": OURS}
if VSCODE:
    ADAPTERS["vscode"] = Adapter(Path(VSCODE), "vscode_pytest", "vscode_pytest/run_pytest_script.py")


@dataclass
class Told:
    """What an editor has heard of one command."""

    done: Finished
    messages: list[dict[str, Any]] = field(default_factory=list)

    def outcomes(self) -> dict[str, tuple[str, str | None]]:
        """By absolute node id: outcome and message. No test is told twice."""
        found: dict[str, tuple[str, str | None]] = {}
        for message in self.messages:
            for test, result in (message.get("result") or {}).items():
                assert test not in found, f"{test} was told twice: {found[test]}, {result}"
                found[test] = (result["outcome"], result["message"])
        return found


class Editor:
    def __init__(self, case: Case, adapter: Adapter, python: Path) -> None:
        self.case = case
        self.adapter = adapter
        self.python = str(python)

    def discover(self, *args: str, env: Mapping[str, str] | None = None) -> Told:
        command = [self.python, "-m", "pytest", "-p", self.adapter.plugin, "--collect-only", f"--rootdir={self.case.project}", *args]
        return self._listen(command, env or {})

    def run(self, ids: Sequence[str], *args: str, env: Mapping[str, str] | None = None) -> Told:
        file = self.case._folder() / "ids"
        file.write_text("\n".join(ids))
        command = [self.python, str(self.adapter.folder / self.adapter.script), f"--rootdir={self.case.project}", *args]
        return self._listen(command, {"RUN_TEST_IDS_PIPE": str(file), **(env or {})})

    def _listen(self, command: list[str], env: Mapping[str, str]) -> Told:
        folder = self.case._folder()
        pipe = folder / "pipe"
        os.mkfifo(pipe)
        received = bytearray()
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        keeper = os.open(pipe, os.O_WRONLY)   # until the command has ended, so that there is no end before
        os.set_blocking(reader, True)

        def read() -> None:
            while data := os.read(reader, 1 << 16):
                received.extend(data)

        listening = threading.Thread(target=read)
        listening.start()
        try:
            variables = {**self.case.env, "PYTHONPATH": str(self.adapter.folder), "TEST_RUN_PIPE": str(pipe), **env}
            done = Running(command, self.case.project, variables, folder).finish()
        finally:
            os.close(keeper)
            listening.join(30)
            held = listening.is_alive()
            if not held:
                os.close(reader)
        assert not held, "somebody keeps the editor's pipe open after the run"
        return Told(done, list(messages_in(bytes(received))))


def messages_in(data: bytes) -> list[dict[str, Any]]:
    found = []
    while data:
        head, separator, rest = data.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        size = int(fields["content-length"])
        assert separator and fields["content-type"] == "application/json" and len(rest) >= size, data[:200]
        message = json.loads(rest[:size])
        assert message["jsonrpc"] == "2.0"
        found.append(message["params"])
        data = rest[size:]
    return found
