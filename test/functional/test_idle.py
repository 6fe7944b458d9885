"""A daemon that has nothing to do: it costs nothing, and its log can be followed for as long as it takes."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from harness import Case, find_pfast
from processes import wait_until
from suites_of_tests import SMALL

#: The promise is a minute; a shorter look finds what wakes up more often.
IDLE_S = float(os.environ.get("PFAST_TEST_IDLE_S", "10"))
MOST_BYTES = 6_000_000


def build_options() -> dict[str, str]:
    """Of the build that is tested; empty when it was installed."""
    for folder in find_pfast().parents:
        if (found := folder / "meson-info" / "intro-buildoptions.json").is_file():
            return {option["name"]: option["value"] for option in json.loads(found.read_text())}
    return {}


def switches(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)


def test_it_sleeps_and_is_small(case: Case) -> None:
    case.write(SMALL)
    for _ in range(3):
        assert case.run().code == 0
    case.assert_runs_are_over()
    daemon = case.daemon_pid()
    processes = case.processes()
    everyone = [process.pid for process in processes]
    assert len([one for one in processes if not one.command.startswith("pfast checkpoint")]) == 3, "daemon, forkserver and its spare"

    def quiet() -> bool:
        before = switches(daemon)
        time.sleep(0.5)
        return switches(daemon) == before

    assert wait_until(quiet, 20)  # the end of the last run: timers, and the clients' sockets
    before = {pid: switches(pid) for pid in everyone}
    time.sleep(IDLE_S)  # that nothing happens cannot be waited for otherwise
    assert {pid: switches(pid) for pid in everyone} == before
    if build_options().get("b_sanitize", "none") == "none":
        status = case.status()
        assert status is not None and status["daemon"]["rss_bytes"] <= MOST_BYTES, status


def test_the_log_is_followed_across_its_rotation(case: Case) -> None:
    case.write(SMALL)
    assert case.run().code == 0
    first = case.daemon_pid()
    (log,) = case.runtime.glob("*.log")
    follower = case.start_pfast("logs", "-f")
    assert wait_until(lambda: "ready with 7 items" in follower.out, 30)
    assert case.stop().code == 0
    with log.open("a") as file:
        file.write("x" * (1 << 20) + "\nthe last line of the old log\n")
    assert case.run().code == 0
    second = case.daemon_pid()
    assert first != second
    assert wait_until(lambda: follower.out.count("ready with 7 items") == 2, 30), follower.out[-500:]
    told = follower.out
    assert told.index("the last line of the old log") < told.rindex("serving ")
    assert told.count("the last line of the old log") == 1 and told.count("\nxxx") == 1
    assert "the last line of the old log" in log.with_name(f"{log.name}.1").read_text()
    assert log.stat().st_size < 1 << 20
    assert "the last line of the old log" not in case.pfast("logs").out
    follower.process.send_signal(signal.SIGINT)
    assert follower.finish(20).code in (-signal.SIGINT, 128 + signal.SIGINT)


def test_a_follower_ends_with_its_reader(case: Case) -> None:
    case.write(SMALL)
    assert case.run().code == 0
    (log,) = case.runtime.glob("*.log")
    reading, writing = os.pipe()
    follower = os.posix_spawn(case.pfast_path, [str(case.pfast_path), "logs", "-f"], {**case.env, "PFAST_ROOT": str(case.project)},
                              file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)])  # fmt: skip
    os.close(writing)
    assert os.read(reading, 65536)
    os.close(reading)

    def has_ended() -> bool:
        with log.open("a") as file:
            file.write("one more line\n")
        return os.waitpid(follower, os.WNOHANG)[0] == follower

    assert wait_until(has_ended, 20)
