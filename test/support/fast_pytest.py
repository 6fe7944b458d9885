"""`pytest --fast` as people have it: pfast's package in the environment that pytest runs in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness import Case, Finished, Running
from oracle import read_outcomes


class FastPytest:
    """A case whose environment has pfast's plugin. Commands are plain pytest's; --fast is the caller's to give."""

    def __init__(self, case: Case, environment: Path) -> None:
        self.case = case
        case.use_environment(environment)
        case.env["PFAST_EXECUTABLE"] = str(case.pfast_path)
        self.python = environment / "bin" / "python"
        self.env = case.env

    def start(self, *command: str, env: Mapping[str, str] | None = None, cwd: str = "", stdout: int | None = None) -> Running:
        case = self.case
        return Running(list(command), case.project / cwd, {**case.env, **(env or {})}, case._folder(), stdout=stdout)

    def pytest(self, *args: str, env: Mapping[str, str] | None = None, cwd: str = "") -> Finished:
        return self.start(str(self.case.pytest), *args, env=env, cwd=cwd).finish()

    def fast(self, *args: str, env: Mapping[str, str] | None = None, cwd: str = "") -> Finished:
        """With the outcomes that OUTCOME_DUMP says."""
        dump = self.case._folder() / "dump.json"
        done = self.pytest("--fast", *args, env={"OUTCOME_DUMP": str(dump), **(env or {})}, cwd=cwd)
        done.outcomes = read_outcomes(dump)
        return done

    def script(self, text: str, *args: str, env: Mapping[str, str] | None = None, name: str = "script.py") -> Finished:
        """A Python program in the project's folder."""
        self.case.write({name: text})
        return self.start(str(self.python), name, *args, env=env).finish()

    def has_daemon(self) -> bool:
        return self.case.status() is not None
