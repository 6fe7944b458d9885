"""`--events`: real streams are what the published schema says, whatever happens in a run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from build_tree import ROOT
from harness import Case
from plugin_environment import environment_with
from processes import wait_until
from suites_of_tests import GATED, ZOO

SCHEMA = ROOT / "lib" / "pfcore" / "events.schema.json"
VALIDATE = ROOT / "test" / "support" / "validate_events.py"

Events = list[dict[str, Any]]

FILES = {
    **ZOO,
    "test_more_events.py": """
        import datetime, os, sys, warnings
        import pytest

        def test_warns():
            warnings.warn("take care", DeprecationWarning)

        def test_prints_what_is_no_text():
            os.write(1, b"\\xff\\xfe\\n")
            print("lone \\udc80 surrogate", file=sys.stderr)
            assert 0, "lone \\udcff too"

        def test_properties(record_property):
            record_property("number", 1)
            record_property("when", datetime.date(2020, 1, 2))

        @pytest.mark.parametrize("n", [1])
        def test_number(n, record_property):
            record_property("number", n)

        @pytest.fixture
        def noted(record_property):
            record_property("early", [1, 2.0, None, True])
            print("early")
            yield
            print("late")
            record_property("late", 1)

        def test_phases_differ(noted, record_property):
            record_property("between", {"a": 1})
            print("between")

        def test_phases_differ_at_the_end(request):
            request.addfinalizer(lambda: print("at the end"))
    """,
}


@pytest.fixture(scope="module")
def library() -> Path:
    return environment_with("jsonschema", ["jsonschema==4.26.0"])


@pytest.fixture(scope="module")
def zoo() -> Iterator[Case]:
    case = Case()
    try:
        case.write(FILES)
        yield case
    finally:
        case.close()


def read_events(path: Path) -> Events:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def assert_valid(library: Path, *files: Path) -> None:
    command = [library / "bin" / "python", VALIDATE, SCHEMA, *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and done.stdout == "", done.stdout[:5000] + done.stderr[-3000:]


def kinds(events: Events) -> set[str]:
    return {event["type"] for event in events}


def test_every_way_to_run_a_suite(zoo: Case, library: Path) -> None:
    """Passes, failures, skips, xfails, errors, subtests, warnings; every reporter and number of workers."""
    files = []
    for number, options in enumerate(
        [
            ["-n", "2", "--verbose-plan"],
            ["-n", "1", "--full-report", "-vv", "-rA", "-l"],
            ["-n", "0"],
            ["-n", "0", "--reporter", "native", "--full-report"],
            ["-n", "2", "--reporter", "pytest"],
            ["-n", "2", "--runs", "2", "test_more_events.py"],
            ["-n", "1", "-p", "no:terminal", "test_more_events.py"],
            ["--co", "-q"],
            ["-x"],
            ["no_such_file.py"],
        ]
    ):
        files.append(zoo.project / f"events-{number}.jsonl")
        zoo.run("--events", str(files[-1]), *options)
    assert_valid(library, *files)
    first = read_events(files[0])
    assert kinds(first) >= {"phase", "plan", "collected", "result", "warning", "finished"}
    outcomes = {event["outcome"] for event in first if event["type"] == "result"}
    assert outcomes == {"passed", "failed", "error", "skipped", "xfailed", "xpassed"}
    assert [event["type"] for event in read_events(files[5])].count("finished") == 2
    assert read_events(files[5])[-1]["type"] == "finished"


def test_events_tell_what_a_dump_tells(zoo: Case) -> None:
    done = zoo.run("-n", "2", "--events", "told.jsonl")
    told = {event["nodeid"]: event["outcome"] for event in read_events(zoo.project / "told.jsonl") if event["type"] == "result"}
    assert told == done.outcomes != {}


def test_a_full_report_is_pytests_own(zoo: Case) -> None:
    zoo.run("-n", "1", "--full-report", "--events", "full.jsonl", "test_more_events.py")
    found = {event["nodeid"].partition("::")[2]: event for event in read_events(zoo.project / "full.jsonl") if event["type"] == "result"}
    setup, call, teardown = found["test_number[1]"]["reports"]
    assert [report["when"] for report in (setup, call, teardown)] == ["setup", "call", "teardown"]
    assert call["nodeid"] == "test_more_events.py::test_number[1]" and call["outcome"] == "passed"
    assert call["user_properties"] == [["number", 1]]
    for event in found.values():
        told = [(phase["when"], phase["duration_s"], phase["start_s"]) for phase in event["phases"]]
        assert [report and (report["when"], report["duration"], report["start"]) for report in event["reports"]] == [
            time if report else None for time, report in zip(told, event["reports"])
        ]
        assert all(report["stop"] >= report["start"] for report in event["reports"] if report)
    failed = found["test_prints_what_is_no_text"]["reports"][1]
    assert failed["longrepr"]["reprcrash"]["lineno"] > 0
    assert ["Captured stderr call", "lone \ufffd\ufffd\ufffd surrogate\n"] in failed["sections"] or any(
        "lone" in text for _, text in failed["sections"]
    )
    # A date is a value that only Python can read.
    assert found["test_properties"]["reports"] == [found["test_properties"]["reports"][0], None, None]


def test_plain_reports_are_what_the_hook_makes_of_them(zoo: Case) -> None:
    """Written without the hook where nobody but pytest has a say in it."""
    zoo.write(
        {
            "plugins/asks_the_hook.py": "def pytest_report_to_serializable(report):\n    return None\n",
            # What has been reported is changed afterwards, the same for each phase.
            "plugins/changes_reports.py": """
                import pytest

                @pytest.hookimpl(hookwrapper=True)
                def pytest_runtest_logreport(report):
                    yield
                    report.keywords["changed"] = 1
                    report.sections.append(("changed", "changed"))
            """,
        }
    )

    def reports(name: str, *options: str) -> dict[str, list[dict[str, object] | None]]:
        args = ("-n", "1", "-l", "--full-report", "-p", "changes_reports", "--events", name, *options)
        zoo.run(*args, env={"PYTHONPATH": str(zoo.project / "plugins")})
        (zoo.project / name).write_text(re.sub("0x[0-9a-f]+", "0x", (zoo.project / name).read_text()))
        found = [event for event in read_events(zoo.project / name) if event["type"] == "result"]
        for report in (report for event in found for report in event["reports"] if report is not None):
            for key in ("duration", "start", "stop"):
                assert report.pop(key) >= 0
        return {event["nodeid"]: event["reports"] for event in found}

    by_hook = reports("by_hook.jsonl", "-p", "asks_the_hook")
    assert reports("plain.jsonl") == by_hook
    assert len(by_hook) > 10


def test_a_pass_with_nothing_to_tell_is_told_in_short(zoo: Case) -> None:
    """Nobody but pytest has words for it: no report of it is rendered."""
    zoo.run("-n", "2", "--events", "short.jsonl", "test_more_events.py")
    (found,) = [
        event for event in read_events(zoo.project / "short.jsonl") if event.get("nodeid") == "test_more_events.py::test_phases_differ_at_the_end"
    ]
    times = ["when", "outcome", "duration_s", "cpu_s", "start_s"]
    assert [list(phase) for phase in found["phases"]] == [times, [*times, "category", "letter", "word"], times]


def test_suites_that_cannot_be_run(case: Case, library: Path) -> None:
    case.write({**FILES, "test_broken.py": "import no_such_module_anywhere\n", "test_syntax.py": "def (:\n"})
    case.run("--events", "collection.jsonl")
    case.run("--events", "continued.jsonl", "--continue-on-collection-errors")
    case.write({"conftest.py": "raise RuntimeError('no')\n"})
    assert case.run("--events", "conftest.jsonl").code not in (0, 1)
    files = [case.project / f"{name}.jsonl" for name in ("collection", "continued", "conftest")]
    assert_valid(library, *files)
    (collected,) = [event for event in read_events(files[0]) if event["type"] == "collected"]
    broken = [report["headline"] for report in collected["collect_reports"] if report["outcome"] == "failed"]
    assert {"test_broken.py", "test_syntax.py"} <= set(broken) and collected["errors"] == len(broken)
    assert read_events(files[2])[-1]["type"] in ("error", "finished")


def test_lost_workers_retries_and_time_limits(case: Case, library: Path) -> None:
    case.write(
        {
            "pytest.ini": "[pytest]\n",
            "test_l.py": """
                import os, time

                def test_dies():
                    os.kill(os.getpid(), 9)

                def test_never_ends():
                    time.sleep(1000)

                def test_at_second_try():
                    if not os.path.exists("tried"):
                        open("tried", "w").close()
                        assert 0

                def test_fine():
                    pass
            """,
        }
    )
    case.run("-n", "2", "--retries", "1", "--timeout", "1", "--events", "losses.jsonl")
    assert_valid(library, case.project / "losses.jsonl")
    results = [event for event in read_events(case.project / "losses.jsonl") if event["type"] == "result"]
    assert any("crashed" in event.get("lost", "") for event in results)
    assert {event["outcome"] for event in results} >= {"rerun", "failed", "passed"}
    assert any(event.get("attempt") == 2 for event in results)


def test_an_interrupt(case: Case, library: Path) -> None:
    case.write(GATED)
    running = case.start_pfast("run", "-n", "2", "--events", "interrupted.jsonl")
    gate = case.project / "gate"
    assert wait_until(lambda: gate.is_dir() and len(list(gate.iterdir())) == 2, 60)
    # Whoever follows the file has seen that the tests run.
    assert wait_until(lambda: "collected" in (case.project / "interrupted.jsonl").read_text(), 20)
    running.process.send_signal(signal.SIGINT)
    assert running.finish().code == 2
    assert_valid(library, case.project / "interrupted.jsonl")
    last = read_events(case.project / "interrupted.jsonl")[-1]
    assert last["type"] == "finished" and last["exit_code"] == 2 and last["not_run"] >= 1


def test_two_things_in_one_place_are_refused(case: Case) -> None:
    case.write(ZOO)
    for place in ("-", "both.json"):
        done = case.run("--dump", place, "--events", place)
        assert done.code == 79 and "both be written to" in done.err, done
    assert not (case.project / "both.json").exists()
    assert case.status() is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_that_may_not_be_written(case: Case) -> None:
    case.write(ZOO)
    (case.project / "events.jsonl").touch(mode=0o444)
    done = case.run("--events", "events.jsonl")
    assert done.code == 79 and "events.jsonl" in done.err


def test_a_folder_that_is_not_there(case: Case) -> None:
    case.write(ZOO)
    done = case.run("--events", "no/such/folder.jsonl")
    assert done.code == 79 and "no/such/folder.jsonl" in done.err


def test_the_schema_says_its_version() -> None:
    schema = json.loads(SCHEMA.read_text())
    assert schema["properties"]["v"] == {"const": 1}
    assert schema["$id"].endswith(":1")
