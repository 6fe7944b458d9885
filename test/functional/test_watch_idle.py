"""A watcher that has nothing to do costs nothing, and neither does the daemon that it watches for."""

from __future__ import annotations

import time

import watching
from harness import Case
from processes import wait_until
from suites_of_tests import SMALL
from test_idle import IDLE_S, MOST_BYTES, build_options, switches


def test_it_sleeps_and_is_small(case: Case) -> None:
    case.write(SMALL)
    assert case.run().code == 0
    with watching.watching(case) as watcher:
        before = watching.newest(case)
        watching.edit(case.project / next(name for name in SMALL if name.startswith("test_")))
        watching.await_ready(case, before)
        assert wait_until(lambda: "ready: " in watcher.err, 30), watcher.err
        processes = case.processes()
        everyone = [process.pid for process in processes]
        assert len([one for one in processes if not one.command.startswith("pfast checkpoint")]) == 4, "daemon, forkserver and its spare, watcher"

        def quiet() -> bool:
            earlier = {pid: switches(pid) for pid in everyone}
            time.sleep(0.5)
            return {pid: switches(pid) for pid in everyone} == earlier

        assert wait_until(quiet, 20)
        earlier = {pid: switches(pid) for pid in everyone}
        time.sleep(IDLE_S)  # that nothing happens cannot be waited for otherwise
        assert {pid: switches(pid) for pid in everyone} == earlier
        if build_options().get("b_sanitize", "none") == "none":
            assert rss_bytes(watcher.process.pid) <= MOST_BYTES


def rss_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/status") as lines:
        (line,) = [line for line in lines if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024
