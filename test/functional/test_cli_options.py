"""The command line of `pfast`: what is pfast's own, what goes to pytest as it is, and what is refused. No real daemon."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import fake_daemon
import pytest
from fake_daemon import Conversation, FakeDaemon, Script
from harness import Case, Finished
from processes import wait_until

INTERNAL = 70
NO_DAEMON = 71
USAGE = 79

Start = Callable[..., FakeDaemon]


@pytest.fixture
def daemon(case: Case) -> Iterator[Start]:
    """Starts a fake daemon for the case's address, which is set in the environment."""
    started: list[FakeDaemon] = []

    def start(script: Script = fake_daemon.ends_at_once) -> FakeDaemon:
        address = case.home / "fake.sock"
        case.env["PFAST_ADDRESS"] = str(address)
        started.append(FakeDaemon(address, script))
        return started[-1]

    yield start
    case.env.pop("PFAST_ADDRESS", None)
    for one in started:
        one.close()


def assert_refused(done: Finished, code: int, *words: str) -> None:
    assert done.code == code, done
    assert done.err.startswith("pfast: error: "), done
    for word in words:
        assert word in done.err, done


# -- what goes to pytest -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["-k", "a or b"],
        ["-k", "not (a and b)"],
        ["-vv"],
        ["-x", "-q"],
        ["-xvs"],
        ["--tb=line"],
        ["--tb", "line"],
        ["-p", "no:randomly"],
        ["--durations=5"],
        ["-m", ""],
        ["-k", "-x y"],
        ["-k", "-n 2"],
        ["-k", "--dump it"],
        ["-k", "status"],
        ["run"],
        ["serve", "stop"],
        ["-"],
        ["-o", "addopts=-n 3 --dump x"],
        ["--deselect", "test_a.py::test_b[c d]"],
        ["--color=yes"],
        ["-h"],
        ["--version"],
        ["--maxfail", "-1"],
        ["-W", "error::UserWarning"],
        ["@more-arguments"],
        ["test_é.py::test_x[ü-1]"],
        ["--dumpling", "--workersome=1", "-Nope"],
        ["a", "-x", "b", "-q", "c"],
        ["{x}", "[y]", "'z'", '"w"', "\\"],
    ],
    ids=" ".join,
)
def test_unknown_arguments_are_pytests(case: Case, daemon: Start, args: list[str]) -> None:
    fake = daemon()
    assert case.run(*args).code == 0
    assert fake.argv == args


@pytest.mark.parametrize(
    ("args", "rest"),
    [
        (["-n2", "-x"], ["-x"]),
        (["-x", "-n", "2", "a.py"], ["-x", "a.py"]),
        (["-nauto", "-k", "b"], ["-k", "b"]),
        (["a.py", "--workers=3", "b.py"], ["a.py", "b.py"]),
        (["--dist", "loadfile", "-q", "--dist=load"], ["-q"]),
        (["-k", "x", "--reporter", "pytest", "-m", "y"], ["-k", "x", "-m", "y"]),
        (["-x", "--", "-q"], ["-x", "-q"]),
        (["--", "--help", "-n3", "--bench"], ["--help", "-n3", "--bench"]),
        (["-x", "--", "--", "-weird-name.py"], ["-x", "--", "-weird-name.py"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_own_options_are_taken_out_wherever_they_are(case: Case, daemon: Start, args: list[str], rest: list[str]) -> None:
    fake = daemon()
    assert case.run(*args).code == 0
    assert fake.argv == rest


def test_bytes_that_are_no_text(case: Case, daemon: Start) -> None:
    fake = daemon()
    assert case.run(os.fsdecode(b"test_\xff.py"), env={"ODD": os.fsdecode(b"a\xfe\nb")}).code == 0
    assert fake.request["argv"] == [b"test_\xff.py"]
    assert fake.request["env"][b"ODD"] == b"a\xfe\nb"


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], {"workers": -1, "dist": "auto", "reporter": "native", "timeout_s": 0.0}),
        (["-n", "3"], {"workers": 3, "reporter": "native"}),
        (["-n2", "-n", "auto"], {"workers": -1}),
        (["--dist", "loadgroup"], {"dist": "loadgroup"}),
        (["--timeout", "2.5"], {"timeout_s": 2.5}),
        ([], {"retries": 0, "retry_delay_s": 0.0, "flaky_fails": False}),
        (["--retries", "3", "--retry-delay", "0.5", "--flaky", "fail"], {"retries": 3, "retry_delay_s": 0.5, "flaky_fails": True}),
        (["--retries", "0", "--flaky=pass"], {"retries": 0, "flaky_fails": False}),
        (["--full-report", "--verbose-plan"], {"full_report": True, "verbose_plan": True}),
        (["-n", "0"], {"workers": 0, "reporter": "pytest"}),
        (["-n", "0", "--reporter", "native"], {"workers": 0, "reporter": "native"}),
        (["--pdb"], {"workers": 0, "reporter": "pytest"}),
        (["--trace", "-n", "4"], {"workers": 0, "reporter": "pytest"}),
        (["--pdbcls=a:B"], {"workers": 0, "reporter": "pytest"}),
        (["--pdb", "--reporter", "native"], {"workers": 0, "reporter": "native"}),
        (["-k", "--pdb x"], {"workers": -1, "reporter": "native"}),
        (["-s"], {"workers": -1, "reporter": "native"}),
        (["--co"], {"reporter": "pytest"}),
        (["--collect-only", "-q"], {"reporter": "pytest"}),
        (["--fixtures"], {"reporter": "pytest"}),
        (["--markers"], {"reporter": "pytest"}),
        (["--version"], {"reporter": "pytest"}),
        (["--setup-show"], {"reporter": "pytest"}),
        (["--setup-plan"], {"reporter": "pytest"}),
        (["--", "--help"], {"reporter": "pytest"}),
        (["--cache-show=*"], {"reporter": "pytest"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_options_of_a_run(case: Case, daemon: Start, args: list[str], expected: dict[str, object]) -> None:
    fake = daemon()
    assert case.run(*args).code == 0
    options = fake.request["options"]
    assert {key: options[key] for key in expected} == expected


@pytest.mark.parametrize(("addopts", "workers"), [("--pdb", 0), ("-k 'x --pdb y'", -1), ('-k "a\\"b" --trace', 0), ("", -1)])
def test_addopts_of_the_environment_are_read_as_a_shell_would(case: Case, daemon: Start, addopts: str, workers: int) -> None:
    fake = daemon()
    assert case.run(env={"PYTEST_ADDOPTS": addopts}).code == 0
    assert fake.request["options"]["workers"] == workers
    assert fake.argv == []


@pytest.mark.parametrize(
    ("args", "env", "color"),
    [
        ([], {}, "no"),
        (["--color=yes"], {}, "yes"),
        (["--color", "yes"], {"NO_COLOR": "1"}, "yes"),
        (["--color=no"], {"FORCE_COLOR": "1"}, "no"),
        ([], {"FORCE_COLOR": "1"}, "yes"),
        ([], {"FORCE_COLOR": ""}, "no"),
        ([], {"PY_COLORS": "1"}, "yes"),
        ([], {"PY_COLORS": "0", "FORCE_COLOR": "1"}, "no"),
        ([], {"NO_COLOR": "1", "FORCE_COLOR": "1"}, "no"),
        ([], {"PY_COLORS": "1", "NO_COLOR": "1"}, "yes"),
        (["--color=auto"], {"FORCE_COLOR": "1"}, "yes"),
    ],
)
def test_colour_is_decided_as_in_pytest(case: Case, daemon: Start, args: list[str], env: dict[str, str], color: str) -> None:
    fake = daemon()
    assert case.run(*args, env=env).code == 0
    assert fake.request["options"]["color"] == color


def test_a_run_takes_its_surroundings_along(case: Case, daemon: Start) -> None:
    fake = daemon()
    (case.project / "sub").mkdir()
    done = case.pfast("run", cwd="sub", env={"OWN": "value", "COLUMNS": "123"}, umask=0o27)
    assert done.code == 0
    request = fake.request
    assert request["cwd"] == os.fsencode(case.project / "sub")
    assert request["env"][b"OWN"] == b"value"
    assert request["env"][b"PATH"] == os.fsencode(case.env["PATH"])
    assert request["umask"] == 0o27
    assert request["program"] == os.fsencode(Path(sys.prefix) / "bin" / "pytest")
    assert request["terminal"]["columns"] == 123
    assert not request["terminal"]["stdout_is_tty"]


def test_the_three_streams_are_the_clients(case: Case, daemon: Start) -> None:
    def script(conversation: Conversation) -> None:
        assert len(conversation.fds) == 3
        os.write(conversation.fds[1], b"to stdout\n")
        os.write(conversation.fds[2], b"to stderr\n")
        conversation.send(fake_daemon.finished(text_shown=True))

    daemon(script)
    done = case.run()
    assert (done.out, done.err) == ("to stdout\n", "to stderr\n")


def test_closed_streams_are_no_trouble(case: Case, daemon: Start) -> None:
    fake = daemon(lambda conversation: conversation.send(fake_daemon.finished(exit_code=1)))
    command = f"exec '{case.pfast_path}' run -q <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], cwd=case.project, env=case.env, timeout=30).returncode == 1
    assert len(fake.runs) == 1


def test_a_reader_who_left_changes_no_verdict(case: Case, daemon: Start) -> None:
    daemon(lambda conversation: conversation.send(fake_daemon.finished(exit_code=1)))
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([case.pfast_path, "run"], cwd=case.project, env=case.env, stdout=writing, timeout=30)
    os.close(writing)
    assert done.returncode == 1


# -- settings ----------------------------------------------------------------------------------------------------------


def test_settings_stand_below_options(case: Case, daemon: Start) -> None:
    case.write({"pytest.ini": "[pytest]\n", "pfast.toml": "workers = 3\nreporter = 'pytest'\ndist = 'loadfile'\ntimeout = 4\n"})
    fake = daemon()
    case.run()
    options = fake.request["options"]
    assert (options["workers"], options["reporter"], options["dist"], options["timeout_s"]) == (3, "pytest", "loadfile", 4.0)
    case.run("-n5", "--reporter=native", env={"PFAST_DIST": "load"})
    options = fake.request["options"]
    assert (options["workers"], options["reporter"], options["dist"]) == (5, "native", "load")


def test_a_mark_of_the_environment_comes_first(case: Case, daemon: Start) -> None:
    fake = daemon()
    case.run("-m", "own", env={"PYTEST_FAST_MARK": "fast"})
    assert fake.argv == ["-m", "fast", "-m", "own"]


@pytest.mark.parametrize(("args", "count"), [([], "4"), (["-n", "3"], "3"), (["-n", "auto"], None)])
def test_inferred_workers(case: Case, args: list[str], count: str | None) -> None:
    env = {"PYTEST_FAST_WORKERS": "4"} if not args else {}
    done = case.pfast("run", "--print-inferred-workers", *args, env=env)
    assert done.code == 0 and done.err == ""
    if count is None:
        assert int(done.out) >= 1
    else:
        assert done.out == f"{count}\n"


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        ["run", "--runs", "0"],
        ["run", "--dump"],
        ["run", "--retries", "-1"],
        ["run", "--retry-delay", "-0.1"],
        ["run", "--retry-delay", "nan"],
        ["run", "--flaky", "maybe"],
        ["serve", "--ttl", "nan"],
        ["serve", "--foreground", "some/path"],
        ["status", "extra"],
        ["stop", "--later"],
        ["list", "--root", "/"],
        ["nonsense"],
        ["--nonsense", "run"],
    ],
    ids=" ".join,
)
def test_wrong_command_lines(case: Case, args: list[str]) -> None:
    done = case.pfast(*args)
    assert_refused(done, USAGE, "hint:")
    assert done.out == ""


def test_a_root_that_is_no_folder(case: Case) -> None:
    assert_refused(case.run("--root", "nowhere"), USAGE, "nowhere", "--root", "hint:")


def test_an_address_in_no_folder(case: Case) -> None:
    assert_refused(case.run("--address", "/no/such/folder/s"), USAGE, "/no/such/folder", "mkdir")


def test_a_root_is_relative_to_the_current_folder(case: Case) -> None:
    case.write({"pytest.ini": "[pytest]\n", "sub/pytest.ini": "[pytest]\n", "sub/pfast.toml": "workers = 7\n"})
    done = case.pfast("run", "--root", "sub", "--print-inferred-workers")
    assert done.out == "7\n"
    assert case.pfast("run", "--root", "../sub/.", "--print-inferred-workers", cwd="sub").out == "7\n"


@pytest.mark.parametrize("args", [[], ["--help"], ["run", "--help"]], ids=lambda args: " ".join(args) or "none")
def test_help_names_the_exit_codes(case: Case, args: list[str]) -> None:
    done = case.pfast(*args)
    assert done.code == 0
    for code in range(70, 80):
        assert str(code) in done.out


def test_version(case: Case) -> None:
    done = case.pfast("--version")
    assert done.code == 0 and done.out.startswith("pfast 0.")


@pytest.mark.parametrize("command", ["status", "stop", "logs"])
def test_broken_settings_do_not_hide_a_daemon(case: Case, command: str) -> None:
    case.write({"pfast.toml": "workers = = 3\n"})
    assert_refused(case.pfast(command), NO_DAEMON, str(case.runtime))
    assert case.run().code == 76


@pytest.mark.parametrize("command", ["status", "stop", "logs"])
def test_an_address_that_is_named_needs_no_interpreter(case: Case, command: str) -> None:
    done = case.pfast(command, "--address", str(case.home / "none"), "--python", "/no/such/python")
    assert_refused(done, NO_DAEMON, str(case.home / "none"))


def test_a_list_of_no_daemons(case: Case) -> None:
    assert json.loads(case.pfast("list", "--json").out) == []
    assert str(case.runtime) in case.pfast("list").out


# -- answers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 72, 77])
def test_the_exit_code_is_the_daemons(case: Case, daemon: Start, code: int) -> None:
    daemon(lambda conversation: conversation.send(fake_daemon.finished(exit_code=code)))
    assert case.run().code == code


def test_an_error_says_what_and_how_to_mend_it(case: Case, daemon: Start) -> None:
    error = {"type": "error", "code": "boot-hung", "message": "collect the suite within 30 s", "hint": "look above", "exit_code": 77, "output": b"the stacks\n"}
    daemon(lambda conversation: conversation.send(error))
    done = case.run()
    assert done.code == 77 and done.out == ""
    assert done.err == "the stacks\npfast: error: failed to collect the suite within 30 s\n  hint: look above\n"


def test_pytests_own_words_are_enough(case: Case, daemon: Start) -> None:
    error = {"type": "error", "code": "collection-failed", "message": "", "exit_code": 4, "output": b"ERROR: usage\n"}
    daemon(lambda conversation: conversation.send(error))
    done = case.run()
    assert (done.code, done.err) == (4, "ERROR: usage\n")


RESULTS = [
    fake_daemon.collected(2),
    fake_daemon.result(1, "test_a.py::test_b[é]", "failed", fake_daemon.FAILED),
    fake_daemon.result(0, "test_a.py::test_a"),
]


def plays(*events: fake_daemon.Event) -> Script:
    def script(conversation: Conversation) -> None:
        for event in events:
            conversation.send(event)

    return script


def test_a_dump_is_the_predecessors(case: Case, daemon: Start) -> None:
    daemon(plays(*RESULTS, fake_daemon.finished(1, 2)))
    target = case.project / "dump.json"
    assert case.run("--dump", str(target)).code == 1
    expected = {"test_a.py::test_a": "passed", "test_a.py::test_b[é]": "failed"}
    assert json.loads(target.read_text()) == expected
    variable = {**case.env, "OUTCOME_DUMP": "other.json"}
    assert subprocess.run([case.pfast_path, "run"], cwd=case.project, env=variable, stdout=subprocess.DEVNULL, timeout=30).returncode == 1
    assert json.loads((case.project / "other.json").read_text()) == expected
    assert sorted(path.name for path in case.project.iterdir()) == ["dump.json", "other.json"]


@pytest.mark.parametrize("args", [["--dump", "-"], ["--events", "-"]], ids=" ".join)
def test_results_on_stdout_are_alone_there(case: Case, daemon: Start, args: list[str]) -> None:
    daemon(plays(*RESULTS, fake_daemon.finished(1, 2)))
    done = case.run(*args)
    for line in [done.out] if args[0] == "--dump" else done.out.splitlines():
        json.loads(line)
    assert "1 failed, 1 passed" in done.err


def test_a_dump_through_a_link_and_into_a_pipe(case: Case, daemon: Start) -> None:
    daemon(plays(*RESULTS, fake_daemon.finished(1, 2)))
    (case.project / "real").mkdir()
    link = case.project / "link.json"
    link.symlink_to("real/dump.json")
    (case.project / "real" / "dump.json").write_text("old")
    case.run("--dump", str(link))
    assert link.is_symlink() and "test_a.py::test_a" in (case.project / "real" / "dump.json").read_text()

    pipe = case.project / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    case.run("--dump", str(pipe))
    reader.join(20)
    assert json.loads(read[0])["test_a.py::test_a"] == "passed"
    assert pipe.is_fifo()


@pytest.mark.parametrize(("verdict", "code"), [(0, INTERNAL), (1, 1), (2, 2)])
@pytest.mark.parametrize("args", [["--dump", "/dev/full"], ["--events", "/dev/full"], ["--dump", "/no/folder/x"]], ids=" ".join)
def test_results_that_cannot_be_written_are_no_green(case: Case, daemon: Start, args: list[str], verdict: int, code: int) -> None:
    daemon(plays(*RESULTS, fake_daemon.finished(verdict, 2)))
    done = case.run(*args)
    assert done.code == code, done
    assert "pfast: error: failed to write" in done.err and args[1] in done.err
    assert Path("/dev/full").is_char_device()


def test_events_are_json_lines(case: Case, daemon: Start) -> None:
    warning = {"type": "warning", "when": "runtest", "nodeid": "a", "message": "m", "category": "W", "location": "x:1"}
    output = {"type": "output", "stream": 1, "data": b"bytes \xff\n"}
    daemon(plays({"type": "phase", "name": "run"}, *RESULTS, warning, output, {"type": "from-the-future", "x": [1]}, fake_daemon.finished(1, 2)))
    case.run("--events", "events.jsonl")
    events = [json.loads(line) for line in (case.project / "events.jsonl").read_text().splitlines()]
    assert [event["type"] for event in events] == [
        "phase", "collected", "result", "result", "warning", "output", "from-the-future", "finished",
    ]  # fmt: skip
    assert {event["v"] for event in events} == {1}
    assert events[5]["data"] == "bytes \ufffd\n"
    for event in events:
        for phase in event.get("phases", []):
            assert phase["when"] in ("setup", "call", "teardown") and phase["outcome"] in ("passed", "failed")


def test_a_try_that_another_one_follows_is_no_outcome(case: Case, daemon: Start) -> None:
    again = fake_daemon.result(0, "test_a.py::test_a", "rerun", fake_daemon.RERUN)
    daemon(plays(fake_daemon.collected(1), again, fake_daemon.result(0, "test_a.py::test_a"), fake_daemon.finished(0, 1)))
    assert case.run().outcomes == {"test_a.py::test_a": "passed"}


@pytest.mark.parametrize(
    ("codes", "expected", "runs"), [([0, 1, 0], 1, 3), ([5, 0, 5], 5, 3), ([5, 1, 0], 1, 3), ([0, 2, 0], 2, 2), ([1, 72, 0], 72, 2)]
)
def test_several_runs_have_the_worst_exit_code(case: Case, daemon: Start, codes: list[int], expected: int, runs: int) -> None:
    left = list(codes)
    fake = daemon(lambda conversation: conversation.send(fake_daemon.finished(left.pop(0))))
    assert case.run("--runs", "3", "-x").code == expected
    assert len(fake.runs) == runs
    assert fake.argv == ["-x"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT], ids=["nohup", "a script's job in the background"])
def test_a_client_that_ignores_a_signal_goes_on(case: Case, daemon: Start, number: signal.Signals) -> None:

    def script(conversation: Conversation) -> None:
        started.set()
        assert signalled.wait(20)
        with contextlib.suppress(TimeoutError):
            heard.append(conversation.receive(timeout=0.3))
        conversation.send(fake_daemon.finished(0))

    heard: list[object] = []
    started, signalled = threading.Event(), threading.Event()
    daemon(script)
    command = f"trap '' {number.value}; exec '{case.pfast_path}' run"
    with subprocess.Popen(["sh", "-c", command], cwd=case.project, env=case.env, stdout=subprocess.DEVNULL) as process:
        assert started.wait(20)
        process.send_signal(number)
        signalled.set()
        assert process.wait(20) == 0
    assert not heard


# -- a daemon of one's own ---------------------------------------------------------------------------------------------


SLEEPER = {"pytest.ini": "[pytest]\n", "test_s.py": "import time\ndef test_s():\n    open('begun', 'w').close()\n    time.sleep(60)\n"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_daemon_leaves_nothing_behind_however_it_ends(case: Case, number: signal.Signals) -> None:
    case.write(SLEEPER)
    running = case.start_pfast("run", "--no-daemon", "-n", "2")
    assert wait_until((case.project / "begun").exists, 60), running.err
    private = [path.name for path in (case.home / "t").iterdir() if path.name.startswith("pfast-")]
    assert len(private) == 1
    running.process.send_signal(number)
    done = running.finish(20)
    assert done.code == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 2}[number]
    assert wait_until(lambda: not case.processes(), 5), "\n".join(map(str, case.processes()))
    assert wait_until(lambda: not (case.home / "t" / private[0]).exists(), 2)


def test_no_daemon_says_why_it_could_not_start(case: Case) -> None:
    assert_refused(case.run("--no-daemon", env={"TMPDIR": "/no/such/folder"}), 72, "/no/such/folder", "TMPDIR")


@pytest.mark.parametrize("args", [["run"], ["run", "--no-daemon"], ["serve"]], ids=" ".join)
def test_a_forkserver_that_is_not_installed(case: Case, args: list[str]) -> None:
    alone = case.home / "bin" / "pfast"
    alone.parent.mkdir()
    shutil.copy(case.pfast_path, alone)
    done = subprocess.run([alone, *args], cwd=case.project, env=case.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 72
    assert "pfast-forkserver" in done.stderr and "PFAST_FORKSERVER" in done.stderr
