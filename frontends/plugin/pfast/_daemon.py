"""Running tests here, and serving them to others, under the predecessor's name for both."""

from __future__ import annotations

import os

from pfast._native import interpreter_options, run_program

_START_METHODS = ("forkserver", "fork", "spawn", "auto")


class Daemon:
    """A number of workers and the way that they are started.

    :meth:`run` runs the suite of the current folder without leaving anything behind, :meth:`serve` serves it to others.
    """

    def __init__(self, num_workers: int, start_method: str, dump_path: str | None = None) -> None:
        """*dump_path*: a file for :meth:`run` to write ``{node id: outcome}`` to, as JSON.

        Raises ValueError for a number below 1 and for a start method that there is not.
        """
        if num_workers < 1:
            raise ValueError(f"num_workers must be >= 1, got {num_workers}")
        if start_method not in _START_METHODS:
            raise ValueError(f"cannot find context for {start_method!r}: the start methods are {', '.join(_START_METHODS)}")
        self.num_workers = num_workers
        self.start_method = start_method
        self.dump_path = dump_path

    def run(self, runs: int, *, full_report: bool = False, detailed: bool = False, bench: int = 0) -> int:
        """Runs the suite *runs* times, in processes of its own, and prints the reports. The exit code: pytest's, the worst one.

        *full_report* prints the durations of all phases, *detailed* where the time went. *bench* runs the suite that often instead,
        and tells what to save time on.
        """
        if runs < 1 and bench <= 0:
            raise ValueError(f"runs must be >= 1, got {runs}")
        options = ["run", "--no-daemon", *interpreter_options(), "--workers", str(self.num_workers), "--start-method", self.start_method]
        options += report_options(full_report=full_report, detailed=detailed, bench=bench)
        if bench <= 0:
            options += ["--runs", str(runs)]
        if self.dump_path is not None:
            options += ["--dump", os.fspath(self.dump_path)]
        return run_program("pfast", options)

    def serve(self, address: str, ttl: float) -> int:
        """Serves the socket *address* until nobody has asked for *ttl* seconds, or it is told to leave. Ends with this process."""
        options = [*serve_options(address, ttl), "--owner-pid", str(os.getpid())]
        return run_program("pfast", options, serve_environment(self.num_workers, self.start_method))


def serve_options(address: str, ttl: float | None) -> list[str]:
    return [
        *("serve", "--foreground", "--address", os.fspath(address)),
        *(["--ttl", repr(float(ttl))] if ttl is not None else []),
        *interpreter_options(),
    ]


def serve_environment(workers: int, start_method: str) -> dict[str, str]:
    """A daemon is told by its environment what a run has that does not say it itself."""
    return {**os.environ, "PYTEST_FAST_WORKERS": str(workers), "PFAST_START_METHOD": start_method}


def report_options(*, full_report: bool, detailed: bool, bench: int) -> list[str]:
    """What a run prints besides. The predecessor's full report is a table of durations; pfast's own option of that name is for events."""
    if bench > 0:
        return [f"--bench={bench}"]
    return [*(["--detailed"] if detailed else []), *(["--durations=15"] if full_report else [])]
