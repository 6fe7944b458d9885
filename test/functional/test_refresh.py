"""`refresh`: what the next run would use is collected now, and stale generations get their successors."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

from daemon_client import Daemon, alive, wait_for  # noqa: E402
from harness import Case  # noqa: E402
from suites_of_tests import SMALL  # noqa: E402


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


def states(daemon: Daemon) -> list[str]:
    return sorted(generation["state"] for generation in daemon.status()["generations"])


class TestTheVerb:
    def test_it_boots_and_runs_nothing(self, daemon: Daemon) -> None:
        with daemon.connect() as client:
            done = client.refresh({"items": ["t.py::test_a", "t.py::test_b"]})
        assert done["type"] == "refreshed"
        (generation,) = done["generations"]
        assert (generation["items"], generation["booted"], generation["why"]) == (2, True, "no generation yet")
        assert daemon.status()["runs"] == []

    def test_what_is_fresh_is_left_as_it_is(self, daemon: Daemon) -> None:
        with daemon.connect() as client:
            first = client.refresh({"items": ["t.py::test_a"]})
            second = client.refresh({"items": ["t.py::test_a"]})
        assert [generation["booted"] for generation in second["generations"]] == [False]
        assert second["generations"][0]["id"] == first["generations"][0]["id"]

    def test_every_stale_generation_gets_its_successor(self, daemon: Daemon, tmp_path: Path) -> None:
        source = tmp_path / "a.py"
        source.write_text("1")
        fake = {"items": ["t.py::test_a"], "inputs": [str(source)], "env_read": ["FLAVOUR"]}
        with daemon.connect() as client:
            for flavour in "abc":
                client.refresh(fake, env={"FLAVOUR": flavour})
        old = [generation["pid"] for generation in daemon.status()["generations"]]
        assert len(old) == 3
        source.write_text("22")
        with daemon.connect() as client:
            done = client.refresh(fake, env={"FLAVOUR": "b"})
        assert [generation["booted"] for generation in done["generations"]] == [True] * 3
        assert all("a.py" in generation["why"] for generation in done["generations"])
        wait_for(lambda: not any(alive(pid) for pid in old))
        assert states(daemon) == ["ready"] * 3

    def test_a_broken_successor_replaces_nothing_and_the_reason_is_told(self, daemon: Daemon, tmp_path: Path) -> None:
        source, broken = tmp_path / "a.py", tmp_path / "broken"
        source.write_text("1")
        fake = {"items": ["t.py::test_a"], "inputs": [str(source)], "fail_if_exists": str(broken)}
        with daemon.connect() as client:
            client.refresh(fake)
            (old,) = daemon.status()["generations"]
            source.write_text("22")
            broken.write_text("")
            failed = client.refresh(fake)
            assert (failed["type"], failed["code"], failed["exit_code"]) == ("error", "collection-failed", 4)
            assert b"SyntaxError" in failed["output"]
            assert alive(old["pid"])
            assert states(daemon) == ["failed", "stale"]
            broken.unlink()
            assert client.refresh(fake)["generations"][0]["booted"]
        assert states(daemon) == ["ready"]

    def test_a_generation_that_collected_less_is_widened(self, daemon: Daemon, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
        note = tmp_path / "boots"
        fake = {"items": ["t.py::test_a"], "note_boot": str(note)}
        with daemon.connect() as client:
            client.refresh(fake, ["a"], cwd=str(tmp_path))
            again = client.refresh(fake, ["a"], cwd=str(tmp_path))
            assert not again["generations"][0]["booted"]
            client.refresh(fake, ["b"], cwd=str(tmp_path))
            client.refresh(fake, [], cwd=str(tmp_path))
        boots = [json.loads(line) for line in note.read_text().splitlines()]
        assert [boot["scope"] for boot in boots] == [[str(tmp_path / "a")], [str(tmp_path / "a"), str(tmp_path / "b")], []]
        assert boots[-1]["whole"]
        wait_for(lambda: len(daemon.status()["generations"]) == 1)

    def test_a_client_that_leaves_leaves_the_boot(self, daemon: Daemon) -> None:
        fake = {"items": ["t.py::test_a"], "boot_delay": 0.3}
        with daemon.connect() as client:
            client.send({"type": "refresh", "request": {"cwd": b"/"}})      # an environment without PFAST_FAKE
        with daemon.connect() as client:
            client.send({"type": "refresh", "request": {}})
            refused = client.receive()
            assert refused is not None and refused["code"] == "bad-request"
        with daemon.connect() as client:
            assert client.refresh(fake)["type"] == "refreshed"

    def test_one_refresh_a_client(self, daemon: Daemon) -> None:
        with daemon.connect() as client:
            request = {"type": "refresh", "request": {"cwd": b"/"}}
            client.send(request)
            client.send(request)
            while (event := client.receive()) is not None and event["type"] == "phase":
                pass
            assert event is not None and event["code"] == "busy"


class TestTheCommand:
    def test_a_run_after_it_boots_nothing(self, case: Case) -> None:
        case.write(SMALL)
        done = case.pfast("refresh")
        assert done.code == 0, done
        assert "no generation yet" in done.out
        assert "booted 0.0 ms" in case.run("--verbose-plan").err
        assert "fresh" in case.pfast("refresh").out

    def test_an_edit_is_collected_ahead_of_the_run(self, case: Case) -> None:
        case.write(SMALL)
        case.pfast("refresh")
        case.write({"test_more.py": "def test_more(): assert True\n"})
        done = case.pfast("refresh")
        assert "files came or went" in done.out, done
        run = case.run("--verbose-plan")
        assert run.outcomes["test_more.py::test_more"] == "passed"
        assert "booted 0.0 ms" in run.err, run

    def test_a_collection_that_fails_is_shown(self, case: Case) -> None:
        case.write({**SMALL, "conftest.py": "raise RuntimeError('not today')\n"})
        done = case.pfast("refresh")
        assert done.code == 4, done
        assert "not today" in done.err

    def test_paths(self, case: Case) -> None:
        case.write({"a/test_a.py": "def test_a(): pass\n", "b/test_b.py": "def test_b(): pass\n"})
        assert "1 items" in case.pfast("refresh", "a").out
        assert "2 items" in case.pfast("refresh").out
