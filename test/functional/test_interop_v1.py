"""Version 1 with the real predecessor, pytest-fast 0.9.3 from its wheel, on either end. The last test prints what was tried."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from harness import Case, Finished
from predecessor import Predecessor
from processes import alive, wait_until
from suites_of_tests import SIX

SERVED = "pytest-fast -> pfast serve"
CLIENT = "pfast -> pytest-fast --serve"
#: (direction, verb or option) -> what came of it.
CELLS: dict[tuple[str, str], str] = {}

SUITE = {
    **SIX,
    "sub/test_gated.py": """
        import pathlib, time

        def test_gated():
            while pathlib.Path("gate").exists():
                time.sleep(0.01)
    """,
}
IDS = ["test_six.py::test_number[2]", "test_six.py::test_slow", "test_six.py::test_number[0]"]


def cell(direction: str, name: str) -> Callable[[Callable[..., str]], Callable[..., None]]:
    """A test that says what came of one verb or option."""

    def decorate(test: Callable[..., str]) -> Callable[..., None]:
        CELLS[direction, name] = "not tried"

        @wraps(test)
        def tried(*args: Any, **kwargs: Any) -> None:
            CELLS[direction, name] = "FAILED"
            CELLS[direction, name] = test(*args, **kwargs)

        return tried

    return decorate


@pytest.fixture
def old(case: Case) -> Iterator[Predecessor]:
    case.write(SUITE)
    old = Predecessor(case)
    yield old
    (case.project / "gate").unlink(missing_ok=True)
    if case.processes():
        old.stop()


@pytest.fixture
def served(old: Predecessor) -> Predecessor:
    """pfast's daemon, warm."""
    done = old.serve_pfast()
    assert done.code == 0, done
    return old


@pytest.fixture
def serving(old: Predecessor) -> Predecessor:
    """The predecessor's daemon."""
    old.serve()
    return old


def counts_in(summary: str) -> dict[str, int]:
    line = re.search(r"results : (.*)\(n=(\d+)/(\d+)\)", summary)
    assert line and line[2] == line[3], summary
    return {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", line[1])}


def assert_summary(summary: str, plain: Finished) -> None:
    assert counts_in(summary) == dict(Counter(plain.outcomes.values()))
    for nodeid, outcome in plain.outcomes.items():
        assert (f"✗ {nodeid}" in summary) == (outcome in ("failed", "error"))


def pid_of(old: Predecessor) -> int:
    return old.case.daemon_pid()


# -- the predecessor's clients, pfast's daemon -------------------------------------------------------------------------


@cell(SERVED, "run (command line)")
def test_its_command_line(served: Predecessor) -> str:
    plain = served.case.plain()
    done = served.client()
    assert done.code == plain.code == 1
    assert_summary(done.out, plain)
    assert "FORKSERVER DAEMON" in done.out and "running 9/9" in done.out
    assert pid_of(served) and "starting resident daemon" not in done.err
    return f"exit {done.code}, counts and failures as plain pytest, progress"


@cell(SERVED, "run: --full-report")
def test_its_option_full_report(served: Predecessor) -> str:
    done = served.client("--full-report")
    assert done.code == 1 and "DURATIONS (top " in done.out, done
    return "table of phases"


@cell(SERVED, "run: --detailed, --bench")
def test_its_options_for_longer_texts(served: Predecessor) -> str:
    plain = served.case.plain()
    done = served.client("--detailed")
    assert done.code == 1 and "results :" in done.out, done
    assert_summary(done.out, plain)
    for word in ("busy", "start", "tail", "verdict"):
        assert word in done.out, (word, done)
    done = served.client("--bench=2")
    assert done.code == 1 and "results :" in done.out, done
    assert "bench" in done.out.lower() and "1 run" in done.out, done
    return "the blocks of `pfast run --detailed` and `--bench`"


@cell(SERVED, "request_run_streamed")
def test_streamed_reports(served: Predecessor) -> str:
    plain = served.case.plain()
    got = served.streamed()
    assert got["outcomes"] == plain.outcomes and got["reply"]["rc"] == 1
    assert_summary(got["reply"]["summary"], plain)
    return "every report; outcomes as plain pytest"


@cell(SERVED, "request_run_streamed: node ids")
def test_streamed_node_ids(served: Predecessor) -> str:
    got = served.streamed(IDS)
    assert got["outcomes"] == dict.fromkeys(IDS, "passed") and got["reply"]["rc"] == 0
    one = served.streamed(IDS[:1])
    assert one["outcomes"] == {IDS[0]: "passed"} and one["reply"]["rc"] == 0
    unknown = served.streamed([*IDS, "test_six.py::test_none"])
    assert unknown["outcomes"] == dict.fromkeys(IDS, "passed") and unknown["reply"]["rc"] == 4
    assert "test_six.py::test_none" in unknown["reply"]["summary"]
    assert served.streamed([])["reply"]["rc"] == 5
    return "exactly these; unknown ones: rc 4, none: rc 5"


@cell(SERVED, "request_run_streamed: a frame of many node ids")
def test_many_node_ids(served: Predecessor) -> str:
    every_other = "[f'test_many.py::test_many[{60 * \"n\"}-{number}]' for number in range(0, 3000, 2)]"
    served.case.write({"test_many.py": f"""
        import pytest

        @pytest.mark.parametrize("n", ["{'n' * 60}-%d" % number for number in range(3000)])
        def test_many(n):
            pass
    """})
    got = served.ask(f"names = {every_other}; got = streamed(names); answer([got['reply']['rc'], got['order'] and set(got['outcomes']) == set(names)])")
    assert got == [0, True]
    return "1500 of 3000, more than the 64 KiB of a greeting"


@cell(SERVED, "pytest --fast")
def test_its_plugin(served: Predecessor) -> str:
    plain = served.case.plain("-rA")
    done = served.plugin("-rA")
    assert done.code == plain.code == 1 and done.outcomes == plain.outcomes, done
    summary = [line for line in plain.out.splitlines() if re.match(r"(PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS) ", line)]
    assert len(summary) == len(plain.outcomes) and not set(summary) - set(done.out.splitlines())
    return "exit code, outcomes and pytest's own text as plain pytest"


@cell(SERVED, "pytest --fast: -k, -m, paths, node ids")
def test_its_plugin_selects(served: Predecessor) -> str:
    served.case.write({"pytest.ini": "[pytest]\nmarkers = slow: takes long\naddopts = -m 'not slow' -x\n"})
    for args in (["-k", "number"], ["-m", "slow"], ["-m", "not slow", "--maxfail=9"], ["sub"], [IDS[0]]):
        plain = served.case.plain(*args, "--maxfail=9")
        done = served.plugin(*args)
        assert (done.code, done.outcomes) == (plain.code, plain.outcomes), done
    assert served.plugin("-k", "nothing").code == 5
    return "as plain pytest, over the suite's own addopts"


@cell(SERVED, "pytest --fast: a worker dies")
def test_its_plugin_and_a_crash(served: Predecessor) -> str:
    served.case.write({"test_crash.py": "import os\n\ndef test_crash():\n    os._exit(0)\n\ndef test_after():\n    pass\n"})
    done = served.plugin("test_crash.py")
    assert done.code == 1 and "1 failed, 1 passed" in done.out, done
    assert re.search(r"worker 'gw\d+' crashed while running 'test_crash.py::test_crash'", done.out), done
    return "that test failed, by name; exit 1"


@cell(SERVED, "status")
def test_status(served: Predecessor) -> str:
    status = "answer(pytest_fast._status(ADDRESS))"
    assert served.ask(status) == {"ready": True, "stale": False}
    assert served.ask(status, {"PYTEST_FAST_MARK": "slow"}) == {"ready": True, "stale": True}
    assert served.ask(status, {"PYTEST_FAST_WORKERS": "7"}) == {"ready": True, "stale": False}
    return "ready; stale for another fingerprint"


@cell(SERVED, "sources change")
def test_changed_sources(served: Predecessor) -> str:
    pid = pid_of(served)
    served.case.write({"test_six.py": "def test_new():\n    assert 0\n"})
    assert served.ask("answer(pytest_fast._status(ADDRESS))") == {"ready": True, "stale": False}
    got = served.streamed()
    assert got["outcomes"]["test_six.py::test_new"] == "failed" and got["reply"]["rc"] == 1
    done = served.ask("answer([pytest_fast._staging_promote(2, 'forkserver', ADDRESS, 60.0), os.path.exists(ADDRESS + '.staging')])")
    assert done == [True, False] and pid_of(served) == pid
    return "collected anew by the same daemon; its watcher has nothing to do"


@cell(SERVED, "run: stale (another environment)")
def test_another_environment(served: Predecessor) -> str:
    pid = pid_of(served)
    done = served.client("--ttl", "60", env={"PYTEST_FAST_MARK": "slow"})
    assert "restarting daemon" in done.err and done.code == 0, done
    assert counts_in(done.out) == {"passed": 1}
    assert wait_until(lambda: not alive(pid), 10)
    # The one that the client has started in its place.
    assert Path(served.address + ".pid").read_text() != str(pid)
    return "{'stale': True}, leaves; the client starts its own"


@cell(SERVED, "shutdown")
def test_shutdown(served: Predecessor) -> str:
    pid = pid_of(served)
    (served.case.project / "gate").touch()
    running = served.start("-m", "pytest_fast", "--address", served.address)
    assert wait_until(lambda: "test_gated" in str((served.case.status() or {}).get("runs")), 30)
    leaving = served.start("-c", "import pytest_fast, sys; pytest_fast._shutdown_daemon(sys.argv[1]); "
                           "sys.exit(not pytest_fast._await_socket_gone(sys.argv[1], 30))", served.address)
    assert not wait_until(lambda: leaving.process.poll() is not None, 0.5)
    (served.case.project / "gate").unlink()
    assert running.finish().code == 1 and leaving.finish().code == 0
    assert wait_until(lambda: not alive(pid), 10)
    return "{'bye': True} when its run is over, then its end"


@cell(SERVED, "an unknown verb, no tuple")
def test_nonsense(served: Predecessor) -> str:
    for nonsense in (("dance", 1), (), ("run", 5), "status", ["status"]):
        last = served.send(nonsense)
        assert last is None or last.get("code") == "protocol", (nonsense, last)
    assert served.send(("run",))["rc"] == 1
    return "closed; the daemon goes on"


@cell(SERVED, "PYTEST_FAST_MARK, _WORKERS")
def test_its_variables_at_the_start(old: Predecessor) -> str:
    env = {"PYTEST_FAST_MARK": "slow", "PYTEST_FAST_WORKERS": "3", "PYTEST_FAST_TTL": "many"}
    assert old.serve_pfast(env=env).code == 0
    assert counts_in(old.client(env=env).out) == {"passed": 1}
    old.stop()
    del env["PYTEST_FAST_MARK"]
    assert old.serve_pfast(env=env).code == 0
    done = old.client(env=env)
    assert "—  3w  —" in done.out, done
    return "as at the daemon's start"


@cell(SERVED, "bad values of its variables")
def test_bad_values(old: Predecessor) -> str:
    for name, value in (("WORKERS", "0"), ("WORKERS", "-2"), ("TTL", "nan"), ("TTL", "inf"), ("TTL", "0")):
        done = old.serve_pfast(env={f"PYTEST_FAST_{name}": value})
        assert done.code == 76 and f"PYTEST_FAST_{name}" in done.err, done
    return "workers < 1, TTL not finite or <= 0: refused; no number: unset"


@cell(SERVED, "a file that cannot be imported")
def test_a_broken_file(served: Predecessor) -> str:
    served.case.write({"test_broken.py": "def broken(:\n"})
    done = served.client()
    assert done.code == 2 and "COLLECTION ERRORS (1)" in done.out and "test_broken.py" in done.out, done
    return "exit 2 with pytest's reason (the predecessor: 0)"


@cell(SERVED, "a suite without tests")
def test_no_tests(old: Predecessor) -> str:
    for name in SUITE:
        (old.case.project / name).unlink()
    assert old.serve_pfast().code == 0
    done = old.client()
    assert done.code == 5 and "NO TESTS RAN" in done.out, done
    return "exit 5 (the predecessor: 0)"


@cell(SERVED, "a client that leaves; two at once")
def test_clients_beside_each_other(served: Predecessor) -> str:
    (served.case.project / "gate").touch()
    first = served.start("-m", "pytest_fast", "--address", served.address)
    assert wait_until(lambda: "test_gated" in str((served.case.status() or {}).get("runs")), 30)
    assert served.streamed(IDS)["reply"]["rc"] == 0
    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait()
    assert wait_until(lambda: not (served.case.status() or {"runs": 1})["runs"], 10)
    return "the second is served beside the first, whose run is cancelled"


# -- pfast's client, the predecessor's daemon --------------------------------------------------------------------------


@cell(CLIENT, "run")
def test_run(serving: Predecessor) -> str:
    plain = serving.case.plain()
    done = serving.case.pfast("run", "--address", serving.address, "--dump", os.devnull)
    assert done.code == plain.code == 1
    assert_summary(done.out, plain)
    assert serving.case.pfast("run", "--address", serving.address, "--dump", os.devnull, IDS[0]).code == 0
    return "exit code and summary"


@cell(CLIENT, "run: --dump")
def test_dump(serving: Predecessor) -> str:
    plain = serving.case.plain()
    done = serving.case.run("--address", serving.address)
    assert (done.code, done.outcomes) == (plain.code, plain.outcomes)
    return "outcomes as plain pytest, from streamed reports"


@cell(CLIENT, "run: node ids")
def test_node_ids(serving: Predecessor) -> str:
    done = serving.case.run("--address", serving.address, *IDS)
    assert done.code == 0 and done.outcomes == dict.fromkeys(IDS, "passed"), done
    below = serving.case.run("--address", serving.address, "test_gated.py::test_gated", cwd="sub")
    assert below.code == 0 and below.outcomes == {"sub/test_gated.py::test_gated": "passed"}, below
    unknown = serving.case.run("--address", serving.address, IDS[0], "test_six.py::test_number")
    assert unknown.code == 4 and "test_six.py::test_number" in unknown.err and unknown.outcomes == {IDS[0]: "passed"}, unknown
    return "exactly these; one that is none: exit 4 and its name"


@cell(CLIENT, "run: --runs, --full-report")
def test_options_that_can_be_carried(serving: Predecessor) -> str:
    done = serving.case.run("--address", serving.address, "--runs", "2", "--full-report", *IDS)
    assert done.code == 0 and done.out.count("FORKSERVER DAEMON") == 2 and "DURATIONS" in done.out, done
    return "two runs; table of phases"


REFUSED = [
    ["-n", "3"], ["--dist", "load"], ["--reporter", "pytest"], ["--ttl", "9"], ["--boot-timeout", "9"], ["--timeout", "9"],
    ["--retries", "1"], ["--retry-delay", "1"], ["--flaky", "fail"], ["--events", "-"], ["--verbose-plan"], ["-k", "number"], ["sub"], ["-x"],
]  # fmt: skip


@cell(CLIENT, "run: what version 1 cannot carry")
def test_options_that_cannot_be_carried(serving: Predecessor) -> str:
    for words in REFUSED:
        done = serving.case.run("--address", serving.address, *words)
        name = "--workers" if words[0] == "-n" else words[0]
        assert done.code == 79 and name in done.err and "version 1" in done.err and not done.out, done
    noted = serving.case.run("--address", serving.address, IDS[0], env={"PFAST_TIMEOUT": "9"})
    assert noted.code == 0 and "without effect there: timeout (PFAST_TIMEOUT)" in noted.err, noted
    return "refused by name: " + " ".join(words[0] for words in REFUSED)


@cell(CLIENT, "run: no tests")
def test_nothing_there(old: Predecessor) -> str:
    for name in SUITE:
        (old.case.project / name).unlink()
    old.serve()
    assert old.client().code == 0
    assert old.case.run("--address", old.address).code == 5
    return "exit 5, whatever the daemon calls it"


@cell(CLIENT, "run: a daemon that is busy; Ctrl-C")
def test_busy(serving: Predecessor) -> str:
    case = serving.case
    (case.project / "gate").touch()
    first = case.start_pfast("run", "--address", serving.address, "--dump", os.devnull)
    # It answers nobody while its run lasts.
    assert wait_until(lambda: '"busy"' in case.pfast("status", "--json", *case.where).out, 30)
    second = case.start_pfast("run", "--address", serving.address, IDS[0])
    assert wait_until(lambda: "serves one run at a time" in second.err, 30)
    first.process.send_signal(signal.SIGINT)
    done = first.finish()
    assert done.code == 2 and "version 1 cannot cancel one" in done.err, done
    (case.project / "gate").unlink()
    assert second.finish().code == 0
    return "waits its turn and says so; exit 2, the daemon's run goes on"


@cell(CLIENT, "run: stale")
def test_stale(serving: Predecessor) -> str:
    pid = int(Path(serving.address + ".pid").read_text())
    done = serving.case.run("--address", serving.address, "--ttl", "60", *IDS, env={"PYTEST_FAST_MARK": "slow"})
    assert done.code == 79
    done = serving.case.run("--address", serving.address, env={"PYTEST_FAST_MARK": "slow"})
    assert done.code == 0 and done.outcomes == {"test_six.py::test_slow": "passed"} and "was stale" in done.err, done
    assert pid_of(serving) != pid and not alive(pid)
    return "it leaves, pfast's own daemon takes the address and runs"


@cell(CLIENT, "status")
def test_status_of_it(serving: Predecessor) -> str:
    pid = int(Path(serving.address + ".pid").read_text())
    status = serving.case.status()
    assert status is not None
    assert (status["daemon"]["pid"], status["daemon"]["protocol"], status["daemon"]["state"]) == (pid, 1, "ready")
    text = serving.case.pfast("status", *serving.case.where, env={"PYTEST_FAST_MARK": "x"})
    assert text.code == 0 and f"daemon {pid} · pytest-fast, protocol version 1 · stale" in text.out, text
    return "pid, memory, ready or stale or busy"


@cell(CLIENT, "stop; --now")
def test_stop_it(serving: Predecessor) -> str:
    pid = int(Path(serving.address + ".pid").read_text())
    now = serving.case.pfast("stop", "--now", *serving.case.where)
    assert now.code == 79 and "--now" in now.err and alive(pid), now
    done = serving.case.pfast("stop", *serving.case.where)
    assert done.code == 0 and done.out == f"stopped: pid {pid}\n" and not alive(pid), done
    return "it ends; --now is refused by name"


@cell(CLIENT, "serve, refresh; restart")
def test_restart_instead_of_it(serving: Predecessor) -> str:
    pid = int(Path(serving.address + ".pid").read_text())
    for verb in ("serve", "refresh"):
        done = serving.case.pfast(verb, *serving.case.where)
        assert done.code == 79 and "pfast restart" in done.err, done
    done = serving.case.pfast("restart", *serving.case.where)
    assert done.code == 0 and done.out.endswith(f"instead of {pid}\n"), done
    assert wait_until(lambda: not alive(pid), 10)
    assert serving.case.run("--address", serving.address, *IDS).code == 0
    return "refused, with the way out; pfast's own daemon in its place"


# -- the table ---------------------------------------------------------------------------------------------------------


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Stands last: what the tests before it have found."""
    width = max(len(name) for _, name in CELLS)
    lines = [f"  {name:<{width}}  {result}" for direction in (SERVED, CLIENT) for name, result in
             [(direction, ""), *((name, result) for (where, name), result in CELLS.items() if where == direction)]]
    with capsys.disabled():
        print("\n".join(["", "Version 1 with pytest-fast 0.9.3", *lines]))
    assert "FAILED" not in CELLS.values()
