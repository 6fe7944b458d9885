"""`pytest --fast`: the warm path behind pytest's own command. Options, exit codes, guards, and the way back to plain pytest."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from fast_pytest import FastPytest
from harness import Case, Finished
from oracle import differences, last_line, masked, read_outcomes
from plugin_environment import clash_environment, fast_environment
from processes import wait_until
from suites_of_tests import ZOO

SUITE = {
    "pytest.ini": "[pytest]\n",
    "test_a.py": """
        import os

        def test_one():
            pass

        def test_two():
            pass

        def test_pid():
            print("pid", os.getpid())
    """,
}


@pytest.fixture
def fast(case: Case) -> FastPytest:
    case.write(SUITE)
    return FastPytest(case, fast_environment())


@pytest.fixture(scope="module")
def zoo() -> Iterator[FastPytest]:
    case = Case()
    try:
        case.write(ZOO)
        yield FastPytest(case, fast_environment())
    finally:
        case.close()


# ---------------------------------------------------------------- the run


@pytest.mark.parametrize("workers", ["0", "1", "2"])
def test_outcomes_and_exit_code_are_pytests(zoo: FastPytest, workers: str) -> None:
    expected = zoo.case.plain()
    actual = zoo.fast("-n", workers)
    Case.assert_same(expected, actual)
    assert zoo.has_daemon()


@pytest.mark.parametrize(
    "args",
    [
        ["test_outcomes.py::test_passes"],
        ["test_outcomes.py::test_fails"],
        ["-k", "nothing_is_called_that"],
        ["no_such_file.py"],
        ["test_outcomes.py::no_such_test"],
        ["--no-such-option"],
        ["-k", "("],
        ["--co", "-q"],
        ["--markers"],
        ["-x"],
        ["--maxfail=2"],
    ],
    ids=" ".join,
)
def test_exit_codes(zoo: FastPytest, args: list[str]) -> None:
    expected = zoo.pytest("-p", "no:cacheprovider", *args)
    actual = zoo.fast("-n", "0", "-p", "no:cacheprovider", *args)
    assert actual.code == expected.code, f"{expected}\n{actual}"


def test_a_usage_error_is_pytests_own(zoo: FastPytest) -> None:
    expected = zoo.pytest("--no-such-option")
    for _ in range(2):
        actual = zoo.fast("--no-such-option")
        assert (actual.code, actual.out) == (expected.code, expected.out)
        assert "unrecognized arguments: --no-such-option" in actual.err


def test_one_daemon_for_the_command_and_the_plugin(fast: FastPytest) -> None:
    assert fast.case.run().code == 0
    pid = fast.case.daemon_pid()
    assert fast.fast().code == 0
    assert fast.case.daemon_pid() == pid
    status = fast.case.status()
    assert status is not None and len(status["generations"]) == 1


@pytest.mark.parametrize("way", ["command line", "addopts", "PYTEST_ADDOPTS", "PYTEST_FAST", "always", "early"])
def test_ways_to_ask_for_it(fast: FastPytest, way: str) -> None:
    env = {}
    args: list[str] = []
    if way == "command line":
        args = ["--fast"]
    elif way == "addopts":
        fast.case.write({"pytest.ini": "[pytest]\naddopts = --fast -n 1\n"})
    elif way == "PYTEST_ADDOPTS":
        env["PYTEST_ADDOPTS"] = "--fast"
    elif way == "PYTEST_FAST":
        env["PYTEST_FAST"] = "1"
    elif way == "always":
        fast.case.write({"pyproject.toml": '[tool.pfast]\nplugin = "always"\n'})
    else:
        args = ["-p", "pfast", "--fast"]
    for _ in range(2):
        done = fast.pytest(*args, env=env)
        assert done.code == 0 and "3 passed" in last_line(done.out), done
        assert not done.err
    assert fast.has_daemon()


@pytest.mark.parametrize("way", ["nothing", "not the plugin", "after --", "asked", "another value", "help"])
def test_nothing_happens_unasked(fast: FastPytest, way: str) -> None:
    args = {"not the plugin": ["-p", "no:pfast"], "after --": ["--", "test_a.py"], "help": ["--fast", "--help"]}.get(way, [])
    if way == "asked":
        fast.case.write({"pyproject.toml": '[tool.pfast]\nplugin = "asked" # or always\n'})
    env = {"PYTEST_FAST": "no"} if way == "another value" else {}
    done = fast.pytest(*args, env=env)
    assert done.code == 0 and not done.err, done
    assert not fast.has_daemon()


def test_a_tests_own_pytest_is_plain_unless_told(fast: FastPytest) -> None:
    fast.case.write(
        {
            "test_a.py": """
                import subprocess, sys

                def test_inner(tmp_path):
                    (tmp_path / "pytest.ini").write_text("[pytest]")
                    (tmp_path / "test_b.py").write_text("def test_b(): pass")
                    done = subprocess.run([sys.executable, "-m", "pytest"], cwd=tmp_path, capture_output=True, text=True)
                    assert done.returncode == 0, done
                    assert "1 passed" in done.stdout
                    assert not done.stderr
            """
        }
    )
    assert fast.pytest(env={"PYTEST_FAST": "1"}).code == 0
    assert len(list(fast.case.runtime.glob("*.sock"))) == 1


def test_python_m_pytest_has_the_folder_on_its_path(fast: FastPytest) -> None:
    fast.case.write(
        {
            "helper.py": "VALUE = 1\n",
            "tests/test_b.py": "import helper\nimport sys\n\ndef test_b():\n    assert sys.path.count(sys.path[0]) == 1\n",
        }
    )
    module = [str(fast.python), "-m", "pytest", "tests"]
    for _ in range(2):
        for command in (module, [*module, "--fast"]):
            done = fast.start(*command).finish()
            assert done.code == 0, done
        for options in ([], ["--fast"]):
            done = fast.pytest("tests", *options)
            assert done.code == 2 and "No module named 'helper'" in done.out, done


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("args", "addopts", "workers"),
    [
        (["--fast-workers", "2"], "", 2),
        (["--fast-workers=1"], "", 1),
        (["-n", "2"], "", 2),
        (["-n2"], "", 2),
        (["--numprocesses=2"], "", 2),
        (["-n", "4", "--maxprocesses=2"], "", 2),
        (["-n", "0"], "", 0),
        (["-n", "0"], "-n 2", 0),
        ([], "-n 2", 2),
        (["--fast-workers=1"], "-n 2", 1),
        (["-s"], "", 0),
        (["-n", "2", "-s"], "", 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value) or "none",
)
def test_workers(fast: FastPytest, args: list[str], addopts: str, workers: int) -> None:
    """Neither the environment nor the project has xdist."""
    fast.case.write(
        {
            "pytest.ini": f"[pytest]\naddopts = {addopts}\n",
            "test_a.py": """
                import os, pytest

                @pytest.mark.parametrize("n", range(8))
                def test_a(n):
                    with open("seen", "a") as file:
                        print(os.environ.get("PYTEST_XDIST_WORKER", "none"), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0"), file=file)
            """,
        }
    )
    for _ in range(2):
        assert fast.fast(*args, env={"PYTEST_FAST_WORKERS": "3"}).code == 0
        seen = {line.split()[1] for line in (fast.case.project / "seen").read_text().splitlines()}
        assert seen == {str(workers)} if workers > 1 else seen <= {"0", "1"}
        (fast.case.project / "seen").unlink()


def test_the_predecessors_variables(fast: FastPytest) -> None:
    address = str(fast.case.home / "s.sock")
    done = fast.fast(env={"PYTEST_FAST_ADDRESS": address, "PYTEST_FAST_TTL": "300", "PYTEST_FAST_WORKERS": "2"})
    assert done.code == 0 and "2 workers [3 items]" in done.out
    fast.case.where = ["--address", address]
    status = fast.case.status()
    assert status is not None


def test_an_address_and_a_time_to_live(fast: FastPytest) -> None:
    address = str(fast.case.home / "own.sock")
    assert fast.fast(f"--fast-address={address}", "--fast-ttl", "333").code == 0
    fast.case.where = ["--address", address]
    assert fast.has_daemon()
    line = next(line for line in fast.case.pfast("status", *fast.case.where).out.splitlines() if "333" in line or "daemon" in line)
    assert line


@pytest.mark.parametrize("named", [False, True], ids=["", "with an address"])
def test_a_watcher_is_started(fast: FastPytest, named: bool) -> None:
    """By the name that stands beside pfast, for the daemon of the run. What it does then is told elsewhere."""
    programs = fast.case.home / "bin"
    programs.mkdir()
    (programs / "pfast").symlink_to(fast.case.pfast_path)
    watcher = programs / "pfast-watch"
    watcher.write_text(f'#!/bin/sh\necho "$PWD $@" >{fast.case.home}/started.new && mv {fast.case.home}/started.new {fast.case.home}/started\n')
    watcher.chmod(0o755)
    address = str(fast.case.home / "own.sock")
    options = [f"--fast-address={address}"] if named else []
    fast.case.where = ["--address", address] if named else []
    env = {"PFAST_EXECUTABLE": str(programs / "pfast")}
    assert fast.fast("--fast-watch", *options, env=env).code == 0
    started = fast.case.home / "started"
    assert wait_until(started.exists, 20)
    words = started.read_text().split()
    assert words[:3] == [str(fast.case.project), "--python", str(fast.python.parent.parent)]
    assert words[3:] == (["--address", address] if named else [])
    watcher.unlink()
    done = fast.fast("--fast-watch", *options, env=env)
    assert done.code == 0 and f"there will be no watcher: the program {watcher} is not there" in done.err


@pytest.mark.parametrize(
    ("args", "env", "message"),
    [
        (["--fast-workers", "0"], {}, "worker count must be >= 1, got 0"),
        (["--fast-workers=-1"], {}, "worker count must be >= 1, got -1"),
        (["--fast-workers", "x"], {}, "argument --fast-workers: invalid int value: 'x'"),
        (["--fast-ttl", "x"], {}, "argument --fast-ttl: invalid float value: 'x'"),
        (["--fast-ttl", "0"], {}, "must be a finite number of seconds > 0, got 0"),
        (["--fast-address"], {}, "argument --fast-address: expected one argument"),
        (["-n", "many"], {}, "takes a number, auto or logical, not 'many'"),
        (["--dist", "sideways"], {}, "argument --dist: invalid choice: 'sideways'"),
        ([], {"PYTEST_FAST_WORKERS": "0"}, "PYTEST_FAST_WORKERS: it must be >= 1"),
        ([], {"PFAST_WORKERS": "few"}, "environment variable PFAST_WORKERS"),
        (["--fast-address=/nowhere/at/all.sock"], {}, "/nowhere/at"),
    ],
    ids=str,
)
def test_wrong_use_is_a_usage_error(fast: FastPytest, args: list[str], env: dict[str, str], message: str) -> None:
    done = fast.fast(*args, env=env)
    assert done.code == 4 and message in done.err, done
    assert not done.out or "usage" in done.err
    assert not fast.has_daemon()


@pytest.mark.skipif(bool(os.environ.get("PFAST_TEST_EXECUTABLE")), reason="makes an environment of the build tree's package")
def test_the_predecessor_beside_pfast(case: Case) -> None:
    case.write(SUITE)
    fast = FastPytest(case, clash_environment())
    done = fast.pytest("--fast")
    assert done.code == 4
    assert done.err.strip() == (
        "ERROR: --fast: pytest-fast and pfast are both installed and both offer it; keep one: "
        "`pip uninstall pytest-fast` (pfast has all of its options), or `pip uninstall pfast`"
    )
    plain = fast.pytest()
    assert plain.code == 0 and not plain.err, plain
    assert fast.pytest("--fast", "-p", "no:pytest_fast").code == 0
    assert fast.has_daemon()


# ---------------------------------------------------------------- what is written down


def test_outcome_dump_of_plain_pytest(zoo: FastPytest) -> None:
    expected = zoo.case.plain()
    dump = zoo.case.home / "dump.json"
    for args in (["-p", "pfast"], ["-p", "pfast", "--fast", "-n", "2"]):
        done = zoo.pytest(*args, env={"OUTCOME_DUMP": str(dump)})
        assert done.code == expected.code
        assert not differences(expected.outcomes, read_outcomes(dump))
        dump.unlink()


def test_a_lost_worker_is_no_green_run(fast: FastPytest) -> None:
    fast.case.write({"test_a.py": "import os\n\ndef test_dies():\n    os._exit(0)\n\ndef test_two():\n    pass\n"})
    for workers in ("1", "2"):
        done = fast.fast("-n", workers)
        assert done.code == 1 and done.outcomes["test_a.py::test_dies"] in ("failed", "error"), done
        assert "test_a.py::test_dies" in done.out


def test_a_missing_test_is_named(fast: FastPytest) -> None:
    done = fast.fast("test_a.py::test_one", "test_a.py::test_gone")
    assert done.code == 4 and "test_gone" in done.err, done


# ---------------------------------------------------------------- the way back


def fell_back(done: Finished, reason: str) -> None:
    err = done.err.splitlines()
    assert done.code == 0 and "3 passed" in last_line(done.out), done
    assert len(err) == 1 and err[0].startswith("pfast: warning: ") and err[0].endswith(": plain pytest runs") and reason in err[0], done


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["", "with workers"])
def test_disabled(fast: FastPytest, workers: list[str]) -> None:
    fell_back(fast.pytest("--fast", *workers, env={"PFAST_DISABLE": "1"}), "PFAST_DISABLE=1 is set")
    assert not fast.has_daemon()


def test_the_daemon_cannot_be_started(fast: FastPytest) -> None:
    fell_back(fast.pytest("--fast", env={"PFAST_FORKSERVER": "/nowhere/pfast-forkserver"}), "/nowhere/pfast-forkserver")
    fell_back(fast.pytest("--fast", env={"PFAST_EXECUTABLE": "/nowhere/pfast"}), "/nowhere/pfast")


def test_a_runtime_directory_that_is_not_ours(fast: FastPytest) -> None:
    folder = fast.case.home / "open"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    fell_back(fast.pytest("--fast", env={"PFAST_RUNTIME_DIR": str(folder)}), str(folder))


def test_flags_of_the_interpreter_cannot_cross(fast: FastPytest) -> None:
    fell_back(fast.start(str(fast.python), "-X", "dev", "-m", "pytest", "--fast").finish(), "-X dev")


def test_what_only_xdist_can_do(fast: FastPytest) -> None:
    done = fast.pytest("--fast", "--dist=each")
    assert "--dist=each is pytest-xdist's alone" in done.err


@pytest.mark.parametrize("env", [{"PFAST_DISABLE": "1"}, {"PFAST_FORKSERVER": "/nowhere/pfast-forkserver"}], ids=str)
def test_required_makes_it_an_error(fast: FastPytest, env: dict[str, str]) -> None:
    done = fast.pytest("--fast", "--fast-required", env=env)
    assert done.code == 4 and done.err.startswith("ERROR: --fast-required: ") and not done.out, done


# ---------------------------------------------------------------- inert


GARBAGE = "\x7f;rm -rf 'x\" = ] 0x99 \\"
VARIABLES = (
    "PFAST_ADDRESS PFAST_BOOT_TIMEOUT PFAST_CHECKPOINTS PFAST_DISABLE PFAST_DIST PFAST_EXECUTABLE PFAST_FLAKY PFAST_FORKSERVER "
    "PFAST_MAX_WORKER_RESTART PFAST_MEMORY PFAST_MEMORY_FLOOR PFAST_NICE PFAST_PLUGIN PFAST_PYTHON PFAST_REPORTER PFAST_RETRIES "
    "PFAST_RETRY_DELAY PFAST_ROOT PFAST_RUNTIME_DIR PFAST_SCOPE PFAST_START_METHOD PFAST_TIMEOUT PFAST_TTL PFAST_WORKERS "
    "PYTEST_FAST PYTEST_FAST_ADDRESS PYTEST_FAST_ENV_PREFIXES PYTEST_FAST_MARK PYTEST_FAST_ROOT PYTEST_FAST_TTL "
    "PYTEST_FAST_WATCH_DEBOUNCE PYTEST_FAST_WATCH_DIRS PYTEST_FAST_WATCH_FILES PYTEST_FAST_WATCH_POLL "
    "PYTEST_FAST_WORKER_HANG_TIMEOUT PYTEST_FAST_WORKERS"
).split()


@pytest.mark.parametrize("settings", ["", '[tool.pfast]\nplugin = "asked"\nworkers = "always many"\n', "[tool.pfast\nplugin = always"], ids=["none", "wrong", "broken"])
def test_broken_variables_do_not_touch_plain_pytest(fast: FastPytest, settings: str) -> None:
    fast.case.write({"test_a.py": ZOO["test_outcomes.py"], "conftest.py": ZOO["conftest.py"]})
    if settings:
        fast.case.write({"pyproject.toml": settings})
    args = ["-p", "no:cacheprovider", "-rA", "-W", "error"]
    expected = fast.pytest(*args)
    garbage = {name: GARBAGE for name in VARIABLES}
    actual = fast.pytest(*args, env=garbage)
    assert (actual.code, masked(actual.out), actual.err) == (expected.code, masked(expected.out), expected.err)
    without = fast.pytest(*args, "-p", "no:pfast")
    assert (without.code, masked(without.out), without.err) == (expected.code, masked(expected.out), expected.err)


def test_importing_the_entry_point_imports_and_sets_nothing(fast: FastPytest) -> None:
    done = fast.script(
        """
        import os, signal, sys
        import pytest, _pytest.config
        before, environ, path = set(sys.modules), dict(os.environ), list(sys.path)
        handlers = [signal.getsignal(n) for n in signal.valid_signals()]
        import pfast.plugin
        print(sorted(set(sys.modules) - before), dict(os.environ) == environ, sys.path == path)
        print(handlers == [signal.getsignal(n) for n in signal.valid_signals()])
        """
    )
    assert done.out.splitlines() == ["['pfast', 'pfast.plugin'] True True", "True"]


def test_no_hook_of_plain_pytests_run_is_pfasts(fast: FastPytest) -> None:
    fast.case.write(
        {
            "conftest.py": """
                def pytest_collection_finish(session):
                    hook = session.config.hook
                    names = [name for name in dir(hook) if name.startswith("pytest_runtest") or name.startswith("pytest_session")]
                    for name in names:
                        for impl in getattr(hook, name).get_hookimpls():
                            assert "pfast" not in impl.plugin_name, (name, impl)
            """
        }
    )
    assert fast.pytest().code == 0

