"""What a functional test stands on: a private project, runtime directory and daemon, and the two runners.

Nothing here can meet a developer's own daemon: PFAST_RUNTIME_DIR is the test's own, and every process that a test
starts carries a cookie by which it is found again.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import processes
from build_tree import ROOT
from oracle import differences, read_outcomes
from processes import Process

SUPPORT = Path(__file__).resolve().parent
#: No test of this suite takes long: a command that does has hung.
TIMEOUT_S = 120.0
#: How long after its run a process may take to be gone.
GRACE_S = float(os.environ.get("PFAST_TEST_GRACE_S", "1"))
#: Would change what either side does or prints.
NOT_INHERITED = (
    "PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED PYTHONPATH PYTHONWARNINGS NO_COLOR FORCE_COLOR PY_COLORS CI BUILD_NUMBER COLUMNS "
    "LINES VIRTUAL_ENV COV_CORE_SOURCE"
).split()


# Under nohup every child would ignore what a test sends to it.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@dataclass
class Finished:
    """A command that has ended."""

    args: list[str]
    code: int
    out: str
    err: str
    outcomes: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"$ {' '.join(self.args)}\nexit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}\n---"


class Running:
    """A command under way. Its output goes to files: a process that it leaves behind cannot keep us waiting."""

    def __init__(self, args: list[str], cwd: Path, env: Mapping[str, str], folder: Path, umask: int = -1, stdout: int | None = None) -> None:
        self.args = args
        self._folder = folder
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            to = out if stdout is None else stdout
            self.process = subprocess.Popen(
                args, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=to, stderr=err, start_new_session=True, umask=umask
            )

    @property
    def out(self) -> str:
        return (self._folder / "stdout").read_text(errors="backslashreplace")

    @property
    def err(self) -> str:
        return (self._folder / "stderr").read_text(errors="backslashreplace")

    def finish(self, timeout: float = TIMEOUT_S) -> Finished:
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            code = self.process.wait()
            raise AssertionError(f"no end within {timeout:.0f} s\n{self._finished(code)}") from None
        return self._finished(code)

    def _finished(self, code: int) -> Finished:
        return Finished(self.args, code, self.out, self.err, read_outcomes(self._folder / "outcomes.json"))


def find_pfast() -> Path:
    build = os.environ.get("PFAST_BUILD_DIR", str(ROOT / "build"))
    return Path(os.environ.get("PFAST_TEST_EXECUTABLE", f"{build}/frontends/cli/pfast")).absolute()


def base_environment() -> dict[str, str]:
    """The environment of either side: this one without what would take part in the test."""
    env = {
        key: value for key, value in os.environ.items() if key not in NOT_INHERITED and not key.startswith(("PFAST_", "PYTEST_"))
    }
    env["VIRTUAL_ENV"] = sys.prefix
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    if checkpoints := os.environ.get("PFAST_TEST_CHECKPOINTS"):  # any test, with one at every place where it may be
        env |= {"PFAST_CHECKPOINTS": checkpoints, "PFAST_CHECKPOINT_GAP_MS": "0"}
    if forkserver := os.environ.get("PFAST_TEST_FORKSERVER"):  # of another build than pfast itself
        env["PFAST_FORKSERVER"] = forkserver
    return env


class Case:
    """One test's world. Paths are short: a socket's name has 108 bytes."""

    def __init__(self) -> None:
        self.pfast_path = find_pfast()
        assert self.pfast_path.is_file(), f"{self.pfast_path} is not there: build first (HACKING.md)"
        self.home = Path(tempfile.mkdtemp(prefix="pf-", dir="/tmp"))
        self.project = self.home / "p"
        self.runtime = self.home / "r"
        self.cookie = f"PFAST_TEST_COOKIE={uuid.uuid4().hex}"
        #: Plain pytest, of the environment that pfast is told to use.
        self.pytest = Path(sys.executable).parent / "pytest"
        #: Options that name a daemon of its own kind: --python, --address, …
        self.where: list[str] = []
        self._count = 0
        self._plain: dict[tuple[str, ...], Finished] = {}
        for folder in (self.project, self.home / "t"):
            folder.mkdir()
        self.runtime.mkdir(mode=0o700)
        key, _, value = self.cookie.partition("=")
        self.env = {
            **base_environment(),
            "PFAST_RUNTIME_DIR": str(self.runtime),
            "TMPDIR": str(self.home / "t"),
            key: value,
        }

    def use_environment(self, folder: Path) -> None:
        """Another virtual environment for both sides."""
        self.env["VIRTUAL_ENV"] = str(folder)
        self.pytest = folder / "bin" / "pytest"

    # -- the project -------------------------------------------------------------------------------------------------

    def write(self, files: Mapping[str, str]) -> None:
        """Writes files below the project's folder. A test file is written as it is read: indented."""
        for name, text in files.items():
            path = self.project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"))

    # -- running -----------------------------------------------------------------------------------------------------

    def start_pfast(
        self, *args: str, cwd: str = "", env: Mapping[str, str] | None = None, umask: int = -1, stdout: int | None = None
    ) -> Running:
        folder = self._folder()
        arguments = [str(self.pfast_path), *args]
        if args and args[0] == "run" and "--dump" not in args:
            arguments[2:2] = ["--dump", str(folder / "outcomes.json")]
        return Running(arguments, self.project / cwd, {**self.env, **(env or {})}, folder, umask, stdout)

    def pfast(self, *args: str, cwd: str = "", env: Mapping[str, str] | None = None, umask: int = -1) -> Finished:
        return self.start_pfast(*args, cwd=cwd, env=env, umask=umask).finish()

    def run(self, *args: str, cwd: str = "", env: Mapping[str, str] | None = None) -> Finished:
        return self.pfast("run", *args, cwd=cwd, env=env)

    def plain(
        self,
        *args: str,
        cwd: str = "",
        env: Mapping[str, str] | None = None,
        umask: int = -1,
        oracle: bool = True,
        own_cache: bool = True,
    ) -> Finished:
        """Plain pytest for the same arguments; with the plugin that writes outcomes, and a cache of its own."""
        folder = self._folder()
        extra = {}
        arguments = [str(self.pytest), *args]
        if own_cache:
            arguments[1:1] = ["-o", f"cache_dir={self.home / 'plain-cache'}"]
        if oracle:
            arguments[1:1] = ["-p", "pfast_outcomes"]
            path = [str(SUPPORT), *filter(None, [{**self.env, **(env or {})}.get("PYTHONPATH")])]
            extra = {"PYTHONPATH": os.pathsep.join(path), "PFAST_ORACLE_DUMP": str(folder / "outcomes.json")}
        environment = {**self.env, **(env or {}), **extra}
        return Running(arguments, self.project / cwd, environment, folder, umask).finish()

    def plain_once(self, *args: str) -> Finished:
        """Plain pytest for a project that does not change: its text, run once for the same arguments."""
        if args not in self._plain:
            self._plain[args] = self.plain(*args, oracle=False)
        return self._plain[args]

    def _folder(self) -> Path:
        self._count += 1
        folder = self.home / f"c{self._count}"
        folder.mkdir()
        return folder

    # -- comparing ---------------------------------------------------------------------------------------------------

    def same(
        self,
        *args: str,
        options: Iterable[str] = (),
        cwd: str = "",
        env: Mapping[str, str] | None = None,
    ) -> tuple[Finished, Finished]:
        """Runs both and asserts that outcome map and exit code agree. *options* are pfast's own."""
        expected = self.plain(*args, cwd=cwd, env=env)
        actual = self.run(*options, *args, cwd=cwd, env=env)
        self.assert_same(expected, actual)
        return expected, actual

    @staticmethod
    def assert_same(expected: Finished, actual: Finished) -> None:
        lines = differences(expected.outcomes, actual.outcomes)
        if expected.code != actual.code:
            lines.append(f"exit code: pytest {expected.code}, pfast {actual.code}")
        if lines:
            raise AssertionError("\n".join([*lines, str(expected), str(actual)]))

    # -- the daemon --------------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any] | None:
        """`pfast status --json`, None when there is no daemon."""
        done = self.pfast("status", "--json", *self.where)
        assert done.code in (0, 71), done
        return dict(json.loads(done.out)) if done.code == 0 else None

    def daemon_pid(self) -> int:
        status = self.status()
        assert status is not None, "there is no daemon"
        return int(status["daemon"]["pid"])

    def processes(self) -> list[Process]:
        return processes.with_cookie(self.cookie)

    def run_processes(self) -> list[Process]:
        """Processes of runs: those of this test that are neither the daemon, nor a generation, nor what a generation keeps: spare, checkpoints."""
        status = self.status()
        everyone = self.processes()
        if status is None:
            return everyone
        generations = {int(generation["pid"]) for generation in status["generations"]}
        waiting = {int(status["daemon"]["pid"]), *generations}
        for generation in generations:
            spare = next((process.pid for process in everyone if process.parent == generation), None)
            waiting |= {spare} if spare is not None else set()
        return [process for process in everyone if process.pid not in waiting and not process.command.startswith("pfast checkpoint")]

    def assert_runs_are_over(self) -> None:
        if not processes.wait_until(lambda: not self.run_processes(), GRACE_S):
            left = "\n".join(map(str, self.run_processes()))
            assert not left, f"left by a run {GRACE_S:.0f} s after its end:\n{left}"

    def stop(self) -> Finished:
        return self.pfast("stop", *self.where)

    # -- the end -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Asserts that nothing is left, then stops the daemon and asserts that again. Kills and removes what is."""
        try:
            self.assert_runs_are_over()
            if self.processes():
                self.stop()
            if not processes.wait_until(lambda: not self.processes(), GRACE_S):
                left = "\n".join(map(str, self.processes()))
                assert not left, f"left {GRACE_S:.0f} s after the daemon was stopped:\n{left}"
            self._assert_no_leftovers()
        finally:
            for process in self.processes():
                try:
                    os.kill(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            shutil.rmtree(self.home, ignore_errors=True)

    def _assert_no_leftovers(self) -> None:
        sockets = [path.name for path in self.runtime.glob("**/*") if stat.S_ISSOCK(path.lstat().st_mode)]
        assert not [name for name in sockets if not self._answers(name)], f"sockets left: {sockets}"
        temporary = [path.name for path in (self.home / "t").iterdir() if not path.name.startswith("pytest-of-")]
        assert not temporary, f"temporary files left: {temporary}"

    def _answers(self, name: str) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self.runtime / name))
            except OSError:
                return False
        return True
