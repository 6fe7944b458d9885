"""pfast-watch beside a daemon, and waiting for what it brings about."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import Case, Running, find_pfast
from processes import wait_until

#: Long enough for a boot on a busy machine.
PATIENCE_S = 90.0
#: Of the tests: a save that comes in two parts is one.
DEBOUNCE_S = 0.2


def find_watch() -> Path:
    """Beside pfast in an installation, in a folder of its own in a build."""
    pfast = find_pfast()
    beside = pfast.with_name("pfast-watch")
    return beside if beside.is_file() else pfast.parent.parent / "watch" / "pfast-watch"


def start(case: Case, *args: str, env: Mapping[str, str] | None = None, cwd: str = "") -> Running:
    settings = {"PYTEST_FAST_WATCH_DEBOUNCE": str(DEBOUNCE_S), **(env or {})}
    return Running([str(find_watch()), *case.where, *args], case.project / cwd, {**case.env, **settings}, case._folder())


@contextmanager
def watching(case: Case, *args: str, env: Mapping[str, str] | None = None) -> Iterator[Running]:
    """A watcher for the daemon that is there."""
    watcher = start(case, *args, env=env)
    assert wait_until(lambda: "watching for " in watcher.err, 30), watcher.err
    try:
        yield watcher
    finally:
        watcher.process.terminate()
        watcher.finish(30)


def generations(case: Case) -> list[dict[str, Any]]:
    status = case.status()
    return status["generations"] if status is not None else []


def newest(case: Case) -> int:
    return max((int(one["id"]) for one in generations(case)), default=0)


def boots(case: Case) -> int:
    """How many forkservers the daemon has started so far, from the beginning or from a checkpoint."""
    log = case.pfast("logs", *case.where).out
    return log.count(": boots as process ") + log.count(": goes on before ")


def is_ready(case: Case) -> bool:
    found = generations(case)
    return bool(found) and all(one["state"] == "ready" for one in found)


def await_ready(case: Case, after: int) -> int:
    """Waits for generations that are ready, one of them with an id above *after*, and no other ones. Returns the newest id."""
    assert wait_until(lambda: newest(case) > after and is_ready(case), PATIENCE_S), f"{generations(case)}\n{case.pfast('logs', *case.where).out}"
    return newest(case)


def boot_ms(text: str) -> float:
    """What a run's last line says of its boot."""
    (line,) = [line for line in text.splitlines() if "boot " in line and " ms · select " in line]
    return float(line.split("boot ")[1].split(" ms")[0])


def edit(path: Path, text: str = "# edited\n") -> None:
    with path.open("a") as file:
        file.write(text)


def replace(path: Path, text: str) -> None:
    """As most editors save: a new file takes the name."""
    other = path.with_name(f".{path.name}.new~")
    other.write_text(text)
    os.replace(other, path)
