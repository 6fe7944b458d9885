from pfast._client_v1 import request_run as request_run
from pfast._client_v1 import request_run_streamed as request_run_streamed
from pfast._daemon import Daemon as Daemon
from pfast._main import main as main
from pfast._main import main_cli as main_cli
from pfast._results import RunResult as RunResult
from pfast._results import WorkerStats as WorkerStats
from pfast._results import categorize as categorize
from pfast._workers import default_workers as default_workers
from pfast._workers import resolve_workers as resolve_workers

__all__ = [
    "Daemon",
    "RunResult",
    "WorkerStats",
    "categorize",
    "default_workers",
    "main",
    "main_cli",
    "request_run",
    "request_run_streamed",
    "resolve_workers",
]
