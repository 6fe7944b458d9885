"""A Ctrl-C at some moment of a run, and what must be true afterwards, whenever it came."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass

from harness import Case
from processes import wait_until

#: Something hangs.
PATIENCE_S = 60.0


@dataclass
class Interruption:
    after_s: float      # from the start of the client
    prompt_s: float     # from the signal to the client's end
    gone_s: float       # from then on, until no process of the run is left
    code: int
    results: int        # tests that have an outcome

    @property
    def hit(self) -> bool:
        """The run was not over yet."""
        return self.code == 2


def interrupt(case: Case, after_s: float, expected: Mapping[str, str], code: int, arguments: list[str]) -> Interruption:
    """Starts a run, sends SIGINT to its client, and asserts everything but how long that took.

    *expected* and *code* are what the whole run has: what is told of an interrupted one is part of it.
    """
    daemon = case.daemon_pid()
    running = case.start_pfast("run", *arguments)
    started = time.monotonic()
    try:
        running.process.wait(after_s)
    except subprocess.TimeoutExpired:
        pass
    sent = time.monotonic()
    if running.process.poll() is None:
        os.kill(running.process.pid, signal.SIGINT)
    done = running.finish(PATIENCE_S)
    ended = time.monotonic()
    assert wait_until(lambda: not case.run_processes(), PATIENCE_S), "\n".join(map(str, case.run_processes()))
    gone = time.monotonic()
    assert done.code in (2, code), done
    if done.code == 2:
        # Before its session has begun a run has nothing to say.
        assert not done.outcomes or " KeyboardInterrupt !!" in done.out, done
        wrong = {nodeid: word for nodeid, word in done.outcomes.items() if expected.get(nodeid) != word}
        assert not wrong, (wrong, str(done))
    else:
        assert done.outcomes == expected, done
    assert case.daemon_pid() == daemon, "the daemon is another one"
    return Interruption(sent - started, ended - sent, gone - ended, done.code, len(done.outcomes))


def assert_warm(case: Case) -> None:
    """The next run waits for no collection."""
    status = case.status()
    assert status is not None
    assert any(generation["state"] == "ready" for generation in status["generations"]), status
