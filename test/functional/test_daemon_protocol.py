"""The daemon against a fake forkserver: every promise that does not need pytest."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import resource
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

from daemon_client import Client, Daemon, Run, alive, kill, wait_for  # noqa: E402

#: What a sanitizer keeps of freed memory is the daemon's, too; and without descriptors UBSan cannot tell memory that it may read.
SANITIZED = bool(os.environ.get("PFAST_TEST_SANITIZED"))
NOT_SANITIZED = pytest.mark.skipif(SANITIZED, reason="a sanitizer's own memory and descriptors would be judged")

ITEMS = [f"t.py::test_{number}" for number in range(6)]
SUITE: dict[str, Any] = {"items": ITEMS}


def suite(**more: Any) -> dict[str, Any]:
    return {**SUITE, **more}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    daemons: list[Daemon] = []

    def make(**options: Any) -> Daemon:
        daemons.append(Daemon(tmp_path, **options))
        return daemons[-1]

    yield make
    for daemon in daemons:
        pids = daemon.children()
        daemon.stop()
        wait_for(lambda: not any(alive(pid) for pid in pids))


@pytest.fixture
def daemon(start: Callable[..., Daemon]) -> Daemon:
    return start()


def run(daemon: Daemon, fake: dict[str, Any], *argv: str, **more: Any) -> Run:
    with daemon.connect() as client:
        return client.run(fake, argv, **more)


def generation(daemon: Daemon) -> dict[str, Any]:
    return next(g for g in daemon.status()["generations"] if g["state"] in ("ready", "stale"))


def idle(daemon: Daemon) -> bool:
    """Only forkservers are left, and no run."""
    status = daemon.status()
    return not status["runs"] and daemon.children() <= {g["pid"] for g in status["generations"]}


class TestRuns:
    def test_a_green_run(self, daemon: Daemon) -> None:
        assert daemon.readiness == "ready\n"
        result = run(daemon, SUITE)
        assert result.code == 0
        assert result.outcomes == dict.fromkeys(ITEMS, "passed")
        assert result.phases() == ["boot"]
        collected = result.of("collected")[0]
        assert (collected["selected"], collected["workers"]) == (6, 2)
        assert result.last["not_run"] == 0
        assert result.last["boot_ms"] > 0
        assert {event["worker"] for event in result.of("result")} <= {"gw0", "gw1"}
        wait_for(lambda: idle(daemon))

    def test_the_second_run_is_warm(self, daemon: Daemon) -> None:
        run(daemon, SUITE)
        pid = generation(daemon)["pid"]
        result = run(daemon, SUITE)
        assert result.phases() == []
        assert result.code == 0
        assert generation(daemon)["pid"] == pid

    def test_several_runs_on_one_connection(self, daemon: Daemon) -> None:
        with daemon.connect() as client:
            for _ in range(3):
                assert client.run(SUITE).code == 0

    def test_a_single_item_runs_in_the_controller(self, daemon: Daemon) -> None:
        result = run(daemon, SUITE, ITEMS[2])
        assert result.outcomes == {ITEMS[2]: "passed"}
        assert result.of("collected")[0]["workers"] == 1

    def test_a_failing_item_is_1(self, daemon: Daemon, tmp_path: Path) -> None:
        note = tmp_path / "end"
        result = run(daemon, suite(do={ITEMS[1]: "fail"}, note_end=str(note)))
        assert result.code == 1
        assert result.outcomes[ITEMS[1]] == "failed"
        assert json.loads(note.read_text())["failed"] == 1

    def test_maxfail_stops(self, daemon: Daemon) -> None:
        items = [f"t.py::test_{number}" for number in range(40)]
        result = run(daemon, {"items": items, "do": {items[0]: "fail"}, "do_all": "sleep:0.05", "maxfail": 1})
        assert result.code == 1
        assert result.last["reason"] == "stopping after 1 failures"
        assert 0 < result.last["not_run"] < 40
        assert len(result.last["not_run_nodeids"]) <= 20

    def test_more_workers_than_fit_one_message(self, daemon: Daemon) -> None:
        items = [f"t.py::test_{number}" for number in range(40)]
        result = run(daemon, {"items": items, "do_all": "sleep:0.02"}, workers=12)
        assert result.code == 0
        assert result.of("collected")[0]["workers"] == 12
        assert len(result.outcomes) == 40

    def test_workers_that_cannot_be_forked(self, daemon: Daemon) -> None:
        result = run(daemon, suite(workers_limit=1), workers=4)
        assert result.code == 0
        assert "run" in result.phases()

    def test_an_inline_run(self, daemon: Daemon) -> None:
        result = run(daemon, suite(select="inline"), workers=0)
        assert result.code == 0
        assert len(result.outcomes) == 6

    def test_a_session_that_is_over_at_once(self, daemon: Daemon, tmp_path: Path) -> None:
        with open(tmp_path / "out", "wb") as out:
            result = run(daemon, suite(select="over"), stdout=out.fileno())
        assert result.code == 0
        assert result.last["text_shown"]
        assert (tmp_path / "out").read_text() == "text of pytest\n"

    def test_reports_are_forwarded_to_the_controller(self, daemon: Daemon, tmp_path: Path) -> None:
        note = tmp_path / "end"
        result = run(daemon, suite(do={ITEMS[0]: "exit3"}, note_end=str(note)), reporter="pytest")
        assert result.code == 1
        forwarded = json.loads(note.read_text())["forwarded"]
        assert len(forwarded) == 6
        assert sum("crashed" in text for text in forwarded) == 1

    def test_plugins_output_comes_before_the_end(self, daemon: Daemon) -> None:
        result = run(daemon, suite(output="summary of a plugin"))
        assert [e["type"] for e in result.events[-2:]] == ["output", "finished"]

    def test_progress(self, daemon: Daemon) -> None:
        result = run(daemon, suite(do_all="sleep:0.3"))
        progress = result.of("progress")
        assert progress and progress[0]["total"] == 6
        assert {name for name, *_ in progress[0]["running"]} <= {"gw0", "gw1"} and progress[0]["running"]

    def test_two_runs_at_once_on_one_generation(self, daemon: Daemon) -> None:
        run(daemon, SUITE)
        with daemon.connect() as one, daemon.connect() as two:
            one.start_run(suite(do_all="sleep:0.1"))
            two.start_run(suite(do_all="sleep:0.1"))
            assert Run(list(one.events())).code == 0
            assert Run(list(two.events())).code == 0
        assert len(daemon.status()["generations"]) == 1


    def test_runs_share_the_workers(self, daemon: Daemon) -> None:
        """The budget is 2 here: the second run begins with one worker and gets another when the first one is over."""
        run(daemon, SUITE)
        with daemon.connect() as one, daemon.connect() as two:
            one.start_run(suite(do_all="sleep:0.4"))
            wait_for(lambda: [len(r["workers"]) for r in daemon.status()["runs"]] == [2])
            two.start_run(suite(do_all="sleep:0.4"))
            wait_for(lambda: [len(r["workers"]) for r in daemon.status()["runs"]] == [2, 1])
            assert Run(list(one.events())).code == 0
            wait_for(lambda: [len(r["workers"]) for r in daemon.status()["runs"]] == [2])
            last = Run(list(two.events()))
        assert last.code == 0
        assert last.of("collected")[0]["workers"] == 2
        assert {event["worker"] for event in last.of("result")} == {"gw0", "gw1"}


class TestLosses:
    @pytest.mark.parametrize(
        ("what", "cause"),
        [("crash", "SIGSEGV"), ("exit0", "exit code 0"), ("exit3", "exit code 3"), ("half", "exit code 0"), ("killgroup", "SIGKILL")],
    )
    def test_a_lost_worker_is_a_named_failure_and_the_rest_goes_on(self, daemon: Daemon, what: str, cause: str) -> None:
        result = run(daemon, suite(do={ITEMS[2]: what}))
        assert result.code == 1
        assert list(result.lost) == [ITEMS[2]]
        text = result.lost[ITEMS[2]]
        assert f"crashed while running '{ITEMS[2]}'" in text and cause in text
        assert len(result.outcomes) == 6
        wait_for(lambda: idle(daemon))

    @pytest.mark.parametrize("what", ["stop", "close", "garbage"])
    def test_a_silent_worker_is_killed(self, daemon: Daemon, what: str) -> None:
        began = time.monotonic()
        result = run(daemon, suite(do={ITEMS[2]: what}))
        assert list(result.lost) == [ITEMS[2]]
        assert len(result.outcomes) == 6
        assert time.monotonic() - began < 5

    def test_every_item_crashes(self, daemon: Daemon) -> None:
        result = run(daemon, suite(do_all="crash"))
        assert result.code == 1
        assert len(result.lost) == 6

    def test_a_worker_that_never_begins(self, daemon: Daemon) -> None:
        result = run(daemon, suite(worker="barren"))
        assert result.code == 0
        assert len(result.outcomes) == 6

    def test_a_crash_in_the_controller(self, daemon: Daemon) -> None:
        result = run(daemon, suite(do={ITEMS[0]: "crash"}), ITEMS[0])
        assert result.code == 1
        assert "SIGSEGV" in result.lost[ITEMS[0]]
        assert "controller" in result.last["reason"]

    def test_a_crash_in_an_inline_run(self, daemon: Daemon) -> None:
        result = run(daemon, suite(select="inline", do={ITEMS[2]: "exit0"}), workers=0)
        assert result.code == 3
        assert list(result.lost) == [ITEMS[2]]
        assert result.last["not_run"] == 3

    def test_an_item_reported_twice(self, daemon: Daemon) -> None:
        result = run(daemon, suite(do={ITEMS[2]: "twice"}))
        assert result.code == 3
        assert "twice" in result.last["reason"]

    def test_an_item_that_does_not_exist(self, daemon: Daemon) -> None:
        result = run(daemon, suite(do={ITEMS[2]: "ghost"}))
        assert len(result.outcomes) == 6

    def test_the_controller_dies_mid_run(self, daemon: Daemon) -> None:
        result = run(daemon, suite(controller="die", do_all="sleep:0.3"))
        assert result.code == 3
        assert "controller" in result.last["reason"] and "SIGKILL" in result.last["reason"]
        wait_for(lambda: idle(daemon))

    def test_the_controller_dies_while_it_selects(self, daemon: Daemon) -> None:
        assert run(daemon, suite(select="die")).code == 3

    def test_the_controller_dies_at_its_end(self, daemon: Daemon) -> None:
        result = run(daemon, suite(finish="die"))
        assert result.code == 3
        assert len(result.outcomes) == 6

    def test_a_worker_that_lingers_is_killed(self, daemon: Daemon) -> None:
        assert run(daemon, suite(worker="linger")).code == 0
        wait_for(lambda: idle(daemon))

    @pytest.mark.parametrize("what", ["orphan", "child"])
    def test_what_a_test_leaves_behind_is_killed(self, daemon: Daemon, tmp_path: Path, what: str) -> None:
        note = tmp_path / "pids"
        assert run(daemon, suite(do={ITEMS[0]: f"{what}:{note}", ITEMS[3]: f"{what}:{note}"})).code == 0
        pids = [int(line) for line in note.read_text().split()]
        assert len(pids) == 2
        wait_for(lambda: not any(alive(pid) for pid in pids))


class TestTimeLimits:
    def test_an_item_over_its_limit(self, daemon: Daemon) -> None:
        result = run(daemon, suite(do={ITEMS[1]: "hang"}), timeout_s=0.5)
        assert result.code == 1
        assert result.lost[ITEMS[1]].startswith("timed out after 0.5 s")
        assert len(result.outcomes) == 6

    def test_a_single_item_over_its_limit(self, daemon: Daemon) -> None:
        result = run(daemon, suite(do={ITEMS[1]: "hang"}), ITEMS[1], timeout_s=0.3)
        assert result.code == 1
        assert result.lost[ITEMS[1]].startswith("timed out")


class TestCancel:
    def running(self, client: Client, daemon: Daemon) -> None:
        wait_for(lambda: any(w["nodeid"] for r in daemon.status()["runs"] for w in r["workers"]))

    @pytest.mark.parametrize(("what", "seconds"), [("sleep:60", 1.5), ("spin:60", 4), ("hang", 4)])
    def test_interrupt(self, daemon: Daemon, what: str, seconds: float) -> None:
        with daemon.connect() as client:
            client.start_run(suite(do_all=what))
            self.running(client, daemon)
            began = time.monotonic()
            client.send({"type": "cancel", "how": "interrupt"})
            result = Run(list(client.events()))
        assert result.code == 2
        assert result.last["reason"] == "KeyboardInterrupt"
        assert result.last["not_run"] == 6
        assert time.monotonic() - began < seconds
        wait_for(lambda: idle(daemon))

    def test_kill(self, daemon: Daemon) -> None:
        with daemon.connect() as client:
            client.start_run(suite(do_all="hang"))
            self.running(client, daemon)
            began = time.monotonic()
            client.send({"type": "cancel", "how": "kill"})
            assert Run(list(client.events())).code == 2
        assert time.monotonic() - began < 2
        wait_for(lambda: idle(daemon))

    def test_the_client_goes_away(self, daemon: Daemon) -> None:
        with daemon.connect() as client:
            client.start_run(suite(do_all="hang"))
            self.running(client, daemon)
        wait_for(lambda: idle(daemon), 3)
        assert run(daemon, SUITE).code == 0

    def test_interrupt_of_an_inline_run(self, daemon: Daemon) -> None:
        with daemon.connect() as client:
            client.start_run(suite(select="inline", do={ITEMS[0]: "sleep:60"}), workers=0)
            wait_for(lambda: daemon.status()["runs"])
            time.sleep(0.5)
            client.send({"type": "cancel", "how": "interrupt"})
            assert Run(list(client.events())).code == 2
        wait_for(lambda: idle(daemon))

    def test_interrupt_during_a_boot_leaves_the_boot_alone(self, daemon: Daemon) -> None:
        with daemon.connect() as client:
            client.start_run(suite(boot_delay=1))
            wait_for(lambda: daemon.status()["generations"])
            client.send({"type": "cancel", "how": "interrupt"})
            result = Run(list(client.events()))
            assert (result.code, result.last["reason"]) == (2, "KeyboardInterrupt")
        wait_for(lambda: [g["state"] for g in daemon.status()["generations"]] == ["ready"])

    def test_interrupt_while_selecting(self, daemon: Daemon) -> None:
        with daemon.connect() as client:
            client.start_run(suite(select="hang"))
            wait_for(lambda: len(daemon.children()) > 1)
            time.sleep(0.2)
            client.send({"type": "cancel", "how": "interrupt"})
            assert Run(list(client.events())).code == 2
        wait_for(lambda: idle(daemon))

    def test_a_session_end_that_hangs_is_killed_after_a_cancel(self, daemon: Daemon) -> None:
        with daemon.connect() as client:
            client.start_run(suite(finish="hang"))
            events = client.events()
            while next(events)["type"] != "result":
                pass
            time.sleep(0.5)
            client.send({"type": "cancel", "how": "kill"})
            assert Run(list(events)).code == 2
        wait_for(lambda: idle(daemon))


class TestGenerations:
    def test_a_changed_file_boots_a_successor(self, daemon: Daemon, tmp_path: Path) -> None:
        source = tmp_path / "a.py"
        source.write_text("1")
        fake = suite(inputs=[str(source)])
        run(daemon, fake)
        old = generation(daemon)["pid"]
        source.write_text("22")
        result = run(daemon, fake)
        assert result.code == 0
        assert "a.py" in result.of("phase")[0]["detail"]
        wait_for(lambda: not alive(old))
        assert len(daemon.status()["generations"]) == 1

    def test_a_broken_successor_replaces_nothing(self, daemon: Daemon, tmp_path: Path) -> None:
        source, broken = tmp_path / "a.py", tmp_path / "broken"
        source.write_text("1")
        fake = suite(inputs=[str(source)], fail_if_exists=str(broken))
        run(daemon, fake)
        old = generation(daemon)["pid"]
        source.write_text("22")
        broken.write_text("")
        result = run(daemon, fake)
        assert (result.last["code"], result.code) == ("collection-failed", 4)
        assert b"SyntaxError" in result.last["output"]
        assert alive(old)
        states = {g["state"] for g in daemon.status()["generations"]}
        assert states == {"stale", "failed"}
        broken.unlink()
        assert run(daemon, fake).code == 0
        assert {g["state"] for g in daemon.status()["generations"]} == {"ready"}

    def test_very_many_inputs_are_checked_beside_the_loop(self, daemon: Daemon, tmp_path: Path) -> None:
        source = tmp_path / "a.py"
        source.write_text("1")
        fake = suite(inputs=[str(source)], absent_inputs=30000)
        run(daemon, fake)
        warm = run(daemon, fake)
        assert warm.phases() == ["wait"]
        assert "30001 files" in warm.of("phase")[0]["detail"]
        source.write_text("22")
        changed = run(daemon, fake)
        assert changed.phases() == ["wait", "boot"]
        assert "a.py" in changed.of("phase")[1]["detail"]
        with daemon.connect() as client:
            client.start_run(fake)
        wait_for(lambda: idle(daemon))

    def test_another_environment_is_another_generation(self, daemon: Daemon) -> None:
        fake = suite(env_read=["FLAVOUR"])
        pids = []
        for flavour in ("a", "b", "a", "b"):
            assert run(daemon, fake, env={"FLAVOUR": flavour}).code == 0
            pids.append({g["pid"] for g in daemon.status()["generations"]})
        assert len(pids[1]) == 2
        assert pids[1] == pids[2] == pids[3]

    def test_no_more_generations_than_four(self, daemon: Daemon) -> None:
        for flavour in range(7):
            assert run(daemon, suite(env_read=["FLAVOUR"]), env={"FLAVOUR": str(flavour)}).code == 0
        wait_for(lambda: len(daemon.status()["generations"]) <= 4)

    def test_no_more_memory_than_allowed(self, start: Callable[..., Daemon]) -> None:
        daemon = start(memory=1)  # MiB: any two are too many
        fake = suite(env_read=["FLAVOUR"])
        for flavour in "abc":
            assert run(daemon, fake, env={"FLAVOUR": flavour}).code == 0
            wait_for(lambda: len(daemon.status()["generations"]) == 1)
        assert "are allowed (memory)" in daemon.log.read_text()
        assert run(daemon, fake, env={"FLAVOUR": "c"}).phases() == []

    def test_concurrent_clients_share_one_boot(self, daemon: Daemon, tmp_path: Path) -> None:
        note = tmp_path / "boots"
        results: list[Run] = []

        def one() -> None:
            results.append(run(daemon, suite(boot_delay=0.5, note_boot=str(note))))

        threads = [threading.Thread(target=one) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [result.code for result in results] == [0] * 8
        assert len(note.read_text().splitlines()) == 1

    def test_scope_is_what_was_asked_for(self, daemon: Daemon, tmp_path: Path) -> None:
        (tmp_path / "tests").mkdir()
        note = tmp_path / "boots"
        run(daemon, suite(note_boot=str(note)), "tests", cwd=str(tmp_path))
        boot = json.loads(note.read_text())
        assert boot["scope"] == [str(tmp_path / "tests")]
        assert not boot["whole"]
        assert boot["cwd"] == str(tmp_path)

    def test_a_run_outside_the_scope_widens_in_the_background(self, daemon: Daemon, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
        note = tmp_path / "boots"
        run(daemon, suite(note_boot=str(note)), "a", cwd=str(tmp_path))
        old = generation(daemon)["pid"]
        fake = suite(note_boot=str(note), select="outside")
        assert run(daemon, fake, "b", cwd=str(tmp_path)).last["type"] == "finished"
        wait_for(lambda: len(note.read_text().splitlines()) == 2)
        assert json.loads(note.read_text().splitlines()[1])["scope"] == [str(tmp_path / "a"), str(tmp_path / "b")]
        wait_for(lambda: not alive(old))
        assert len(daemon.status()["generations"]) == 1

    @pytest.mark.parametrize(("how", "code"), [("fail", "collection-failed"), ("die", "boot-died"), ("garbage", "boot-died")])
    def test_a_boot_that_comes_to_nothing(self, daemon: Daemon, how: str, code: str) -> None:
        result = run(daemon, suite(boot=how))
        assert result.last["type"] == "error"
        assert result.last["code"] == code
        assert result.code != 0
        assert b"collecting" in result.last["output"]
        assert run(daemon, SUITE).code == 0

    def test_a_boot_that_hangs_is_dumped(self, start: Callable[..., Daemon]) -> None:
        daemon = start(boot_timeout_s=0.5)
        result = run(daemon, suite(boot="hang"))
        assert (result.last["code"], result.code) == ("boot-hung", 77)
        assert b"most recent call first" in result.last["output"]

    def test_a_boot_that_somebody_stopped(self, daemon: Daemon) -> None:
        with daemon.connect() as client:
            client.start_run(suite(boot_delay=1.5))
            booting = wait_for(lambda: [g["pid"] for g in daemon.status()["generations"] if g["pid"]])
            time.sleep(0.3)
            kill(booting[0], signal.SIGSTOP)
            result = Run(list(client.events()))
        assert result.code == 0
        assert result.phases() == ["boot", "boot"]

    def test_another_clients_usage_error_is_not_ours(self, daemon: Daemon) -> None:
        with daemon.connect() as bad, daemon.connect() as good:
            bad.start_run(suite(boot="fail", boot_delay=0.5), ["--bogus"])
            wait_for(lambda: daemon.status()["generations"])
            good.start_run(SUITE)
            assert Run(list(bad.events())).code == 4
            assert Run(list(good.events())).code == 0

    def test_a_forkserver_that_cannot_be_started(self, start: Callable[..., Daemon], tmp_path: Path) -> None:
        daemon = start()
        (tmp_path / "forkserver").unlink()
        result = run(daemon, SUITE)
        assert result.last["code"] == "boot-failed"
        assert "forkserver" in result.last["message"]


class TestForkserverFaults:
    def test_killed_while_idle(self, daemon: Daemon) -> None:
        run(daemon, SUITE)
        kill(generation(daemon)["pid"])
        wait_for(lambda: not daemon.status()["generations"])
        result = run(daemon, SUITE)
        assert result.code == 0
        assert result.phases() == ["boot"]

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
    def test_lost_mid_run(self, daemon: Daemon, number: int) -> None:
        with daemon.connect() as client:
            client.start_run(suite(do_all="sleep:0.2"))
            wait_for(lambda: any(w["nodeid"] for r in daemon.status()["runs"] for w in r["workers"]))
            kill(generation(daemon)["pid"], number)
            result = Run(list(client.events()))
        assert result.code == 0
        assert len(result.outcomes) == 6

    def test_stopped_before_the_fork(self, daemon: Daemon) -> None:
        run(daemon, SUITE)
        old = generation(daemon)["pid"]
        kill(old, signal.SIGSTOP)
        result = run(daemon, SUITE)
        assert result.code == 0
        assert "boot" in result.phases()
        assert not alive(old)

    def test_dies_on_the_fork_request(self, daemon: Daemon, tmp_path: Path) -> None:
        run(daemon, SUITE)
        result = run(daemon, suite(fork="die_once", note_fork=str(tmp_path / "forked")))
        assert result.code == 0

    def test_dies_on_every_fork_request(self, daemon: Daemon) -> None:
        result = run(daemon, suite(fork="die"))
        assert result.last["code"] == "forkserver-died"

    def test_cannot_fork(self, daemon: Daemon) -> None:
        result = run(daemon, suite(fork="error"))
        assert result.last["code"] == "fork-failed"
        assert "temporarily unavailable" in result.last["message"]
        wait_for(lambda: idle(daemon))


class TestClients:
    def test_status_is_answered_during_a_run(self, daemon: Daemon) -> None:
        with daemon.connect() as client:
            client.start_run(suite(do_all="sleep:0.3"))
            wait_for(lambda: any(w["nodeid"] for r in daemon.status()["runs"] for w in r["workers"]))
            status = daemon.status()
            assert status["runs"][0]["total"] == 6
            assert status["generations"][0]["items"] == 6
            assert status["pid"] == daemon.pid
            assert status["rss_bytes"] > 0
            list(client.events())

    @pytest.mark.parametrize(
        "bytes_",
        [
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\xff" * 64,
            struct.pack(">I", 4) + b"abcd",
            struct.pack(">I", 0),
            struct.pack(">I", 70000) + b"x" * 70000,
            struct.pack(">I", 15) + pickle.dumps(("status",), protocol=4)[:15],
        ],
        ids=["http", "ones", "no pickle", "empty", "too long", "cut"],
    )
    def test_bytes_that_are_no_protocol(self, daemon: Daemon, bytes_: bytes) -> None:
        client = daemon.connect(greet=False)
        try:
            client.socket.sendall(bytes_)
        except (BrokenPipeError, ConnectionResetError):
            pass
        event = client.receive()
        assert event is None or event["type"] == "error"
        assert client.receive() is None
        assert daemon.status()["clients"] == 1

    @pytest.mark.parametrize(
        "message",
        [{"type": "hello", "protocol": 3}, {"type": "status"}, {"type": "hello", "protocol": "x"}, [], None, 5],
    )
    def test_a_wrong_greeting_is_refused_politely(self, daemon: Daemon, message: Any) -> None:
        with daemon.connect(greet=False) as client:
            client.send(message)
            event = client.receive()
            assert event is not None and event["type"] == "error" and event["code"] == "protocol"
            assert client.receive() is None

    def test_a_command_of_version_1_is_answered_and_all_that_is_heard(self, daemon: Daemon) -> None:
        with daemon.connect(greet=False) as client:
            client.send(("status", "fp"))  # type: ignore[arg-type]
            client.send(("shutdown",))  # type: ignore[arg-type]
            assert client.receive() == {"ready": True, "stale": True}
            assert client.receive() is None
        assert daemon.status()["pid"] == daemon.pid

    @pytest.mark.parametrize(
        "message", [{"type": "dance"}, {"type": "run"}, {"type": "run", "argv": 5}, {"type": "cancel", "how": 1}, {}, []]
    )
    def test_a_wrong_command_is_refused(self, daemon: Daemon, message: Any) -> None:
        with daemon.connect() as client:
            client.send(message)
            event = client.receive()
            assert event is not None and event["type"] == "error"
            assert client.receive() is None

    @NOT_SANITIZED
    def test_large_frames_leave_no_memory_behind(self, daemon: Daemon) -> None:
        def resident() -> int:
            return daemon.status()["rss_bytes"]

        before = resident()
        noise = bytes(1 << 20)
        for _ in range(4):
            with daemon.connect() as client, contextlib.suppress(OSError):
                client.socket.sendall(struct.pack(">I", 16 << 20))
                for _ in range(20):
                    client.socket.sendall(noise)
        wait_for(lambda: resident() < before + (2 << 20))

    def test_a_command_byte_by_byte(self, daemon: Daemon) -> None:
        payload = pickle.dumps({"type": "hello", "protocol": 2, "version": "", "pid": 1}, protocol=4)
        with daemon.connect(greet=False) as client:
            for byte in struct.pack(">I", len(payload)) + payload:
                client.socket.sendall(bytes([byte]))
            welcome = client.receive()
            assert welcome is not None and welcome["type"] == "welcome" and welcome["pid"] == daemon.pid

    def test_a_slow_command_is_given_up(self, daemon: Daemon) -> None:
        with daemon.connect(greet=False) as client:
            began = time.monotonic()
            client.socket.sendall(b"\0\0")
            event = client.receive()
            assert event is None or event["code"] == "timed-out"
            assert 4 < time.monotonic() - began < 7

    def test_disconnect_at_every_byte(self, daemon: Daemon) -> None:
        payload = pickle.dumps({"type": "hello", "protocol": 2, "version": "", "pid": 1}, protocol=4)
        data = struct.pack(">I", len(payload)) + payload
        for length in range(len(data) + 1):
            with daemon.connect(greet=False) as client:
                client.socket.sendall(data[:length])
        wait_for(lambda: daemon.status()["clients"] == 1)

    def test_many_idle_clients(self, daemon: Daemon) -> None:
        clients = [daemon.connect(greet=False) for _ in range(200)]
        assert daemon.status()["clients"] == 201
        assert run(daemon, SUITE).code == 0
        for client in clients:
            client.close()
        wait_for(lambda: daemon.status()["clients"] == 1)

    def test_a_second_run_on_a_busy_connection(self, daemon: Daemon) -> None:
        with daemon.connect() as client:
            client.start_run(suite(do_all="sleep:0.5"))
            client.start_run(SUITE)
            assert client.receive() is not None
            assert any(e["type"] == "error" and e["code"] == "busy" for e in client.events())
        wait_for(lambda: idle(daemon))

    def test_a_client_that_does_not_read_is_waited_for_and_loses_nothing(self, daemon: Daemon) -> None:
        items = [f"t.py::test_{number}" for number in range(30)]
        with daemon.connect() as client:
            client.start_run({"items": items, "do_all": "big:1000000"})
            time.sleep(2)
            assert SANITIZED or daemon.status()["rss_bytes"] < 200 << 20
            result = Run(list(client.events()))
        assert result.code == 0
        assert len(result.outcomes) == 30

    def test_a_client_that_never_reads_is_dropped(self, daemon: Daemon) -> None:
        items = [f"t.py::test_{number}" for number in range(200)]
        with daemon.connect() as client:
            client.start_run({"items": items, "do_all": "big:1000000"})
            wait_for(lambda: daemon.status()["runs"])
            wait_for(lambda: not daemon.status()["runs"], 15)
            assert daemon.status()["rss_bytes"] < 300 << 20
        wait_for(lambda: idle(daemon))
        assert run(daemon, SUITE).code == 0

    def test_descriptors_do_not_leak(self, daemon: Daemon) -> None:
        def count() -> int:
            return len(os.listdir(f"/proc/{daemon.pid}/fd"))

        for _ in range(2):  # the second one begins to watch files
            run(daemon, SUITE)
        wait_for(lambda: idle(daemon))
        before = count()
        for what in ("pass", "crash", "exit0", "fail") * 5:
            run(daemon, suite(do={ITEMS[2]: what}))
        wait_for(lambda: idle(daemon))
        wait_for(lambda: count() <= before)


class TestLimits:
    @NOT_SANITIZED
    @pytest.mark.parametrize("spare", range(0, 16))
    def test_out_of_descriptors(self, daemon: Daemon, spare: int) -> None:
        run(daemon, SUITE)
        wait_for(lambda: idle(daemon))
        before = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        used = len(os.listdir(f"/proc/{daemon.pid}/fd"))
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (used + spare, before[1]))
        try:
            with daemon.connect(greet=False) as client:
                greeting = client.hello()
                assert greeting is not None
                if greeting["type"] == "error":
                    assert greeting["code"] == "busy"
                else:
                    result = client.run(SUITE, workers=6)
                    if result.last["type"] == "error":
                        assert result.last["code"] in ("bad-request", "fork-failed", "no-workers")
                        assert result.last["hint"]
                    else:
                        assert result.outcomes == dict.fromkeys(ITEMS, "passed")
                        assert result.code == 0
        finally:
            resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, before)
        assert run(daemon, SUITE).code == 0
        wait_for(lambda: idle(daemon))

    def test_what_a_run_is_limited_to_is_not_the_daemons_limit(self, daemon: Daemon) -> None:
        run(daemon, SUITE)
        mine = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert resource.prlimit(generation(daemon)["pid"], resource.RLIMIT_NOFILE) == mine


class TestEnd:
    def test_sigterm_leaves_nothing(self, start: Callable[..., Daemon]) -> None:
        daemon = start()
        run(daemon, SUITE)
        pids = daemon.children()
        assert pids
        assert daemon.stop() == 0
        assert not any(alive(pid) for pid in pids)
        left = {path.name for path in daemon.folder.iterdir()} - {"forkserver", "daemon.log"}
        assert left == {"d.sock.lock"}

    def test_sigterm_during_a_run(self, start: Callable[..., Daemon]) -> None:
        daemon = start()
        with daemon.connect() as client:
            client.start_run(suite(do_all="hang"))
            wait_for(lambda: any(w["nodeid"] for r in daemon.status()["runs"] for w in r["workers"]))
            pids = daemon.children()
            daemon.process.terminate()
            assert Run(list(client.events())).code == 2
        assert daemon.process.wait(5) == 0
        assert not any(alive(pid) for pid in pids)

    def test_sigkill_takes_everything_along(self, start: Callable[..., Daemon]) -> None:
        daemon = start()
        with daemon.connect() as client:
            client.start_run(suite(do_all="sleep:60"))
            wait_for(lambda: any(w["nodeid"] for r in daemon.status()["runs"] for w in r["workers"]))
            forkserver = generation(daemon)["pid"]
            daemon.process.kill()
            assert list(client.events())[-1:] == [] or True
        daemon.process.wait()
        wait_for(lambda: not alive(forkserver), 1)

    def test_shutdown_waits_for_runs(self, start: Callable[..., Daemon]) -> None:
        daemon = start()
        with daemon.connect() as client, daemon.connect() as other:
            client.start_run(suite(do_all="sleep:0.3"))
            wait_for(lambda: any(w["nodeid"] for r in daemon.status()["runs"] for w in r["workers"]))
            other.send({"type": "shutdown"})
            assert other.receive() == {"type": "bye"}
            refused = run(daemon, SUITE)
            assert refused.last["code"] == "shutting-down"
            assert Run(list(client.events())).code == 0
            assert other.receive() is None
        assert daemon.process.wait(5) == 0

    def test_shutdown_now_cancels(self, start: Callable[..., Daemon]) -> None:
        daemon = start()
        with daemon.connect() as client, daemon.connect() as other:
            client.start_run(suite(do_all="hang"))
            wait_for(lambda: any(w["nodeid"] for r in daemon.status()["runs"] for w in r["workers"]))
            other.send({"type": "shutdown", "now": True})
            assert Run(list(client.events())).code == 2
        assert daemon.process.wait(5) == 0

    def test_idle_daemons_leave(self, start: Callable[..., Daemon]) -> None:
        daemon = start(ttl_s=0.5)
        assert run(daemon, suite(do_all="sleep:0.4")).code == 0
        assert daemon.process.wait(5) == 0
        assert not daemon.address.exists()

    def test_one_daemon_an_address(self, start: Callable[..., Daemon]) -> None:
        first, second = start(), start()
        assert second.process.wait(5) == 72
        assert str(first.pid) in second.readiness
        assert run(first, SUITE).code == 0

    def test_a_removed_socket_is_bound_again(self, daemon: Daemon) -> None:
        daemon.address.unlink()
        wait_for(daemon.address.exists)
        assert run(daemon, SUITE).code == 0

    def test_a_replaced_socket_is_bound_again(self, daemon: Daemon, tmp_path: Path) -> None:
        other = socket.socket(socket.AF_UNIX)
        other.bind(str(tmp_path / "other"))
        os.rename(tmp_path / "other", daemon.address)
        wait_for(lambda: run(daemon, SUITE).code == 0 if _accepts(daemon) else False)

    def test_an_idle_daemon_sleeps(self, daemon: Daemon) -> None:
        run(daemon, SUITE)
        wait_for(lambda: idle(daemon))
        time.sleep(0.3)

        def switches() -> int:
            text = Path(f"/proc/{daemon.pid}/status").read_text()
            return sum(int(line.split()[1]) for line in text.splitlines() if "ctxt_switches" in line)

        before = switches()
        time.sleep(1.5)
        assert switches() - before == 0


def _accepts(daemon: Daemon) -> bool:
    try:
        daemon.connect().close()
        return True
    except OSError:
        return False
