"""After an edit a run that names a file waits for that file's collection only; the rest is collected behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from harness import TIMEOUT_S, Case
from processes import wait_until

#: Collecting test_slow.py ends when the file `open` is there.
SUITE = {
    "pytest.ini": "[pytest]\n",
    "test_quick.py": "def test_one(): pass\ndef test_two(): pass\n",
    "sub/test_other.py": "def test_other(): pass\n",
    "test_slow.py": """
        import pathlib, time

        gate = pathlib.Path(__file__).with_name("open")
        pathlib.Path(__file__).with_name("reached").touch()
        while not gate.exists():
            time.sleep(0.02)

        def test_slow(): pass
    """,
}


@pytest.fixture
def suite(case: Case) -> Case:
    case.write(SUITE)
    return case


def generations(case: Case) -> list[dict[str, Any]]:
    status = case.status()
    return status["generations"] if status is not None else []


def states(case: Case) -> list[tuple[str, int]]:
    return sorted((one["state"], one["items"]) for one in generations(case))


def edit(file: Path) -> None:
    with file.open("a") as out:
        out.write("\n# edited\n")


def test_a_run_of_one_file_waits_for_no_wider_boot(suite: Case) -> None:
    whole = suite.start_pfast("run")
    assert wait_until((suite.project / "reached").exists, TIMEOUT_S)
    done = suite.run("test_quick.py")
    assert (done.code, len(done.outcomes)) == (0, 2), done
    assert ("booting", 0) in states(suite)
    (suite.project / "open").touch()
    assert whole.finish().code == 0
    assert len(whole.finish().outcomes) == 4


def test_a_second_run_of_the_same_waits_for_the_boot(suite: Case) -> None:
    first, second = suite.start_pfast("run"), suite.start_pfast("run")
    assert wait_until((suite.project / "reached").exists, TIMEOUT_S)
    (suite.project / "open").touch()
    assert (first.finish().code, second.finish().code) == (0, 0)
    assert len(generations(suite)) == 1


def test_the_rest_is_collected_behind_the_run_of_an_edited_file(suite: Case) -> None:
    (suite.project / "open").touch()
    assert suite.run().code == 0
    assert states(suite) == [("ready", 4)]
    (first,) = generations(suite)
    edit(suite.project / "test_quick.py")
    (suite.project / "open").unlink()
    (suite.project / "reached").unlink()
    done = suite.run("test_quick.py")
    assert (done.code, len(done.outcomes)) == (0, 2), done
    assert wait_until((suite.project / "reached").exists, TIMEOUT_S), "nothing is collected behind the run"
    assert ("ready", 2) in states(suite)
    assert "the rest of what was collected before" in suite.pfast("logs").out
    # The file is edited again while that boot is under way: its run is served all the same.
    edit(suite.project / "test_quick.py")
    assert suite.run("test_quick.py").code == 0
    (suite.project / "open").touch()
    assert wait_until(lambda: states(suite) == [("ready", 4)], TIMEOUT_S), states(suite)
    before = generations(suite)
    assert before[0]["id"] > first["id"]
    done = suite.run()
    assert (done.code, len(done.outcomes)) == (0, 4), done
    assert [one["id"] for one in generations(suite)] == [one["id"] for one in before], "the run booted again"


def test_a_whole_run_waits_for_what_is_collected_behind(suite: Case) -> None:
    (suite.project / "open").touch()
    assert suite.run().code == 0
    edit(suite.project / "test_quick.py")
    (suite.project / "open").unlink()
    (suite.project / "reached").unlink()
    assert suite.run("test_quick.py").code == 0
    assert wait_until((suite.project / "reached").exists, TIMEOUT_S)
    events = suite.home / "events"
    whole = suite.start_pfast("run", "--events", str(events))
    assert wait_until(lambda: events.exists() and '"wait"' in events.read_text(), TIMEOUT_S)
    (suite.project / "open").touch()
    done = whole.finish()
    assert (done.code, len(done.outcomes)) == (0, 4), done
    assert wait_until(lambda: states(suite) == [("ready", 4)], TIMEOUT_S), states(suite)


def test_after_many_edits_all_is_warm_again(suite: Case) -> None:
    (suite.project / "open").touch()
    assert suite.run().code == 0
    for _ in range(3):
        edit(suite.project / "test_quick.py")
        assert suite.run("test_quick.py").code == 0
    edit(suite.project / "sub" / "test_other.py")
    assert suite.run("sub").code == 0

    def runs_without_a_boot() -> bool:
        before = [one["id"] for one in generations(suite)]
        done = suite.run()
        assert (done.code, len(done.outcomes)) == (0, 4), done
        return [one["id"] for one in generations(suite)] == before

    assert wait_until(runs_without_a_boot, TIMEOUT_S), states(suite)
    assert len(generations(suite)) <= 2
