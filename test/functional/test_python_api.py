"""`import pfast`: what Python programs use, and what pytest-fast 0.9.3 promises them, which is the oracle where it can be."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from harness import SUPPORT, Case, Finished, Running
from plugin_environment import environment_with, predecessor_environment
from processes import alive, wait_until
from python_package import SOURCE, stage_package
from suites_of_tests import SIX

GATED = {
    "test_gated.py": """
        import pathlib, time

        def test_gated():
            pathlib.Path("begun").touch()
            while pathlib.Path("gate").exists():
                time.sleep(0.01)
    """,
}
#: (part, name) -> why pfast answers otherwise.
DIFFERENT = {
    ("local_runs", "main, bench"): "pfast's bench prints the failures, too",
}


class Api:
    """A case whose interpreter has both modules."""

    def __init__(self, case: Case) -> None:
        self.case = case
        case.use_environment(predecessor_environment())
        self.python = str(Path(case.env["VIRTUAL_ENV"]) / "bin" / "python")
        case.env |= {"PYTHONPATH": str(stage_package(case.home / "lib")), "PFAST_EXECUTABLE": str(case.pfast_path)}
        self.address = str(case.home / "a.sock")
        case.where = ["--address", self.address]

    def start(self, *command: str, env: Mapping[str, str] | None = None) -> Running:
        case = self.case
        return Running([self.python, *command], case.project, {**case.env, **(env or {})}, case._folder())

    def python_(self, text: str, env: Mapping[str, str] | None = None) -> Finished:
        return self.start("-c", f"import json, os, sys\nADDRESS = {self.address!r}\n{text}", env=env).finish()

    def serve(self) -> None:
        done = self.case.pfast("serve", "--address", self.address)
        assert done.code == 0, done

    def answers(self, module: str) -> dict[str, dict[str, Any]]:
        folder = self.case._folder()
        done = self.start(str(SUPPORT / "api_script.py"), env={"API_MODULE": module, "API_FOLDER": str(folder)}).finish()
        lines = [line for line in done.out.splitlines() if line.startswith("ANSWER ")]
        assert done.code == 0 and lines, done
        return dict(json.loads(lines[-1].removeprefix("ANSWER ")))


@pytest.fixture
def api(case: Case) -> Iterator[Api]:
    case.write(SIX)
    yield Api(case)
    (case.project / "gate").unlink(missing_ok=True)


def last_line(done: Finished) -> Any:
    assert done.code == 0, done
    return json.loads(done.out.splitlines()[-1])


# -- the predecessor's script --------------------------------------------------------------------------------------------


def test_a_script_for_the_predecessor(api: Api) -> None:
    """Its names, signatures, types, errors, exit codes, texts and files, from one script with either module."""
    old, new = api.answers("pytest_fast"), api.answers("pfast")
    assert {part: list(found) for part, found in new.items()} == {part: list(found) for part, found in old.items()}
    assert sum(len(found) for found in old.values()) > 50
    wrong = [
        f"{part}, {name}:\n  pytest_fast {old[part][name]}\n  pfast       {new[part][name]}"
        for part in old
        for name in old[part]
        if (new[part][name] == old[part][name]) == ((part, name) in DIFFERENT)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("call", ["{}.Daemon(2, 'forkserver').run(1)", "{}.main(['--workers', '2'])", "{}.main(['--address', ADDRESS])"])
def test_a_mark_from_the_environment(api: Api, call: str) -> None:
    for module in ("pytest_fast", "pfast"):
        text = f"import {module}\nif __name__ == '__main__':\n    print(json.dumps(['code', {call.format(module)}]))"
        done = api.python_(text, {"PYTEST_FAST_MARK": "slow"})
        assert last_line(done) == ["code", 0] and "1 passed" in done.out and "failed" not in done.out, done
        api.case.pfast("stop", *api.case.where)


# -- importing -----------------------------------------------------------------------------------------------------------

_IMPORT = """
before, environment = set(sys.modules), dict(os.environ)
import signal, threading
before |= {"signal", "threading"} | set(sys.modules)
handlers = [signal.getsignal(number) for number in signal.valid_signals()]
import pfast
loaded = sorted(set(sys.modules) - before)
same = dict(os.environ) == environment and handlers == [signal.getsignal(number) for number in signal.valid_signals()]
print(json.dumps([loaded, same, threading.active_count(), sorted(set(dir(pfast)) & set(pfast.__all__)) == sorted(pfast.__all__)]))
"""


def test_importing_does_nothing(api: Api) -> None:
    """No other module is imported, nothing is set, and no variable can break it."""
    garbage = {name: "\udcff garbage" for name in ("PFAST_WORKERS", "PFAST_TTL", "PYTEST_FAST_WORKERS", "PYTEST_FAST_WATCH_POLL", "PFAST_EXECUTABLE")}
    for env in ({}, garbage):
        assert last_line(api.python_(_IMPORT, env)) == [["pfast"], True, 1, True]


def test_what_there_is_not(api: Api) -> None:
    done = api.python_("import pfast\npfast.nonsense")
    assert done.code == 1 and done.err.endswith("AttributeError: module 'pfast' has no attribute 'nonsense'\n"), done


def test_the_stub_has_the_names() -> None:
    stub = ast.parse((SOURCE / "__init__.pyi").read_text())
    imported = {alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    (listed,) = [ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign)]
    module = ast.parse((SOURCE / "__init__.py").read_text())
    (homes,) = [ast.literal_eval(n.value) for n in module.body if isinstance(n, ast.Assign) and isinstance(n.value, ast.Dict)]
    assert imported == set(listed) == set(homes)
    homes_of_stub = {alias.name: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert homes_of_stub == {name: f"pfast.{home}" for name, home in homes.items()}


def test_types(api: Api) -> None:
    """The package under mypy's strictest rules, and a program that uses it wrongly."""
    mypy = str(environment_with("mypy", ("mypy==1.18.2", "pytest==9.0.2", "typing-extensions==4.15.0")) / "bin" / "mypy")
    program = api.case.project / "program.py"
    options = ["--strict", "--no-incremental", "--cache-dir", os.devnull]
    program.write_text(
        "import pfast\n"
        "reply: dict[str, object] = pfast.request_run_streamed('a', print, ['x'])\n"
        "code: int = pfast.main(['--serve']) + pfast.Daemon(2, start_method='fork').run(1, bench=2)\n"
        "one: pfast.RunResult = {'nodeid': 'a', 'outcome': 'passed', 'duration': 0.5}\n"
        "pfast.resolve_workers('2')\n"
        "pfast.request_run('a', True)\n"
        "two: pfast.RunResult = {'nodeid': 'a'}\n"
        "pfast.nonsense\n"
    )
    done = subprocess.run([mypy, *options, str(program)], env=api.case.env, cwd=api.case.project, capture_output=True, text=True, check=False)
    lines = sorted({int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line})
    assert lines == [5, 6, 7, 8], done.stdout + done.stderr
    package = str(api.case.home / "lib" / "pfast")
    own = [str(path) for path in Path(package).glob("_*.py") if not path.name.startswith("__init__")]
    done = subprocess.run([mypy, *options, *own], env=api.case.env, cwd=api.case.home / "lib", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# -- what the predecessor does not say -------------------------------------------------------------------------------------


def test_an_address_longer_than_a_sockets_name(api: Api) -> None:
    """The predecessor serves one, by going to its folder."""
    folder = api.case.home / ("n" * 60) / ("m" * 60)
    folder.mkdir(parents=True)
    address = str(folder / "a.sock")
    daemon = api.start("-m", "pytest_fast", "--serve", "--address", address, "--workers", "1")
    assert wait_until(Path(address + ".pid").exists, 60), daemon.err
    text = f"import pfast\nprint(json.dumps([pfast.request_run({address!r})['rc'], os.getcwd()]))"
    assert last_line(api.python_(text)) == [1, str(api.case.project)]
    api.python_(f"import pytest_fast\npytest_fast._shutdown_daemon({address!r})")
    assert daemon.finish().code == 0


def test_one_node_id_is_no_list(api: Api) -> None:
    done = api.python_("import pfast\npfast.request_run_streamed(ADDRESS, print, 'test_six.py::test_slow')")
    assert done.code == 1 and "TypeError: nodeids is one text: give a list of node ids" in done.err, done


def test_a_daemon_that_dies(api: Api) -> None:
    api.case.write(GATED)
    (api.case.project / "gate").touch()
    api.serve()
    pid = api.case.daemon_pid()
    client = api.start("-c", f"import json, pfast\nprint(json.dumps(pfast.request_run({api.address!r})))")
    assert wait_until((api.case.project / "begun").exists, 60), client.err
    os.kill(pid, signal.SIGKILL)
    assert last_line(client.finish()) == {"rc": 1, "summary": "[pfast] the daemon closed the connection in mid-run"}
    (api.case.project / "gate").unlink()
    assert wait_until(lambda: not api.case.processes(), 20)


@pytest.mark.parametrize("call", ["request_run(ADDRESS)", "request_run_streamed(ADDRESS, print)", "main(['--address', ADDRESS])"])
def test_an_interrupt_cancels_the_run(api: Api, call: str) -> None:
    api.case.write(GATED)
    (api.case.project / "gate").touch()
    api.serve()
    client = api.start("-c", f"import pfast\nADDRESS = {api.address!r}\npfast.{call}")
    assert wait_until((api.case.project / "begun").exists, 60), client.err
    client.process.send_signal(signal.SIGINT)
    done = client.finish()
    assert done.code == -signal.SIGINT and "KeyboardInterrupt" in done.err, done
    assert wait_until(lambda: not (api.case.status() or {"runs": 1})["runs"], 20)


def test_no_runs_are_no_success(api: Api) -> None:
    done = api.python_("import pfast\npfast.Daemon(2, 'forkserver').run(0)")
    assert done.code == 1 and "ValueError: runs must be >= 1, got 0" in done.err, done
    done = api.start("-m", "pfast", "--runs", "0").finish()
    assert done.code == 2 and "--runs must be >= 1, got 0" in done.err, done


def test_no_tests_are_no_success(api: Api) -> None:
    (api.case.project / "test_six.py").unlink()
    text = "import pfast\nprint(json.dumps([pfast.Daemon(2, 'forkserver').run(1), pfast.main(['--address', ADDRESS])]))"
    assert last_line(api.python_(text)) == [5, 5]


def test_the_number_of_workers_is_the_programs(api: Api) -> None:
    """Also where it comes from a file or from a quota."""
    text = "import pfast\nprint(json.dumps([pfast.default_workers(), pfast.resolve_workers()]))"
    api.case.write({"pfast.toml": "workers = 5\n"})
    default, resolved = last_line(api.python_(text))
    assert resolved == 5
    narrow = f"os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n{text}"
    assert last_line(api.python_(narrow)) == [1, 5]
    assert default == int(api.case.pfast("run", "--print-inferred-workers", "-n", "auto").out)
    api.case.write({"pfast.toml": "workers = 'many'\n"})
    done = api.python_("import pfast\npfast.resolve_workers()")
    assert done.code == 1 and "ValueError: pfast: " in done.err and "pfast.toml" in done.err, done


@pytest.mark.skipif(bool(os.environ.get("PFAST_TEST_EXECUTABLE")), reason="an installed pfast is beside its interpreter")
def test_the_program_is_not_there(api: Api) -> None:
    done = api.python_("import pfast\npfast.default_workers()", {"PFAST_EXECUTABLE": ""})
    assert done.code == 1 and "FileNotFoundError: the program pfast is not in " in done.err and "PFAST_EXECUTABLE" in done.err, done
    done = api.python_("import pfast\npfast.default_workers()", {"PFAST_EXECUTABLE": "/nonsense"})
    assert done.code == 1 and "FileNotFoundError: PFAST_EXECUTABLE names '/nonsense', which is no program" in done.err, done


_SHOWS = """#!/bin/sh
[ "$2" = --print-inferred-workers ] && echo 7 && exit
echo "$PYTEST_FAST_WORKERS $PFAST_START_METHOD" "$@"
"""


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--address", "A"], "run --address A --python PYTHON"),
        (["--address", "A", "--workers", "3", "--ttl", "5", "--runs", "2", "--dump", "D"],
         "run --address A --python PYTHON --workers 3 --ttl 5.0 --runs 2 --dump D"),
        (["--address", "A", "--full-report", "--detailed", "--with-watcher", "--start-method", "spawn"],
         "run --address A --python PYTHON --detailed --durations=15 --start-method spawn --with-watcher"),
        (["--address", "A", "--bench", "--runs", "3"], "run --address A --python PYTHON --bench=2"),
        (["--workers", "3", "--dump", "D"], "run --no-daemon --python PYTHON --workers 3 --start-method forkserver --runs 1 --dump D"),
        (["--bench=4", "--start-method", "fork"], "run --no-daemon --python PYTHON --workers 7 --start-method fork --bench=4"),
        (["--serve", "--address", "A", "--ttl", "5"], "7 forkserver serve --foreground --address A --ttl 5.0 --python PYTHON --owner-pid PID"),
        (["--watch", "--address", "A"], "--address A"),
    ],
)  # fmt: skip
def test_what_the_program_is_told(api: Api, argv: list[str], expected: str) -> None:
    for name in ("pfast", "pfast-watch"):
        program = api.case.home / "programs" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(_SHOWS)
        program.chmod(0o755)
    done = api.start("-m", "pfast", *argv, env={"PFAST_EXECUTABLE": str(program.with_name("pfast"))}).finish()
    # A daemon takes the place of the process: it has no owner.
    expected = expected.replace("PYTHON", api.python).replace(" --owner-pid PID", "")
    assert done.code == 0 and done.out.split() == expected.split(), done


def test_what_was_printed_stands_in_order(api: Api) -> None:
    """To the process' own stdout, and to what a program has put in its place."""
    done = api.python_("import pfast\nprint('BEFORE')\nprint('CODE', pfast.main(['--workers', '1']))")
    assert done.out.index("BEFORE") < done.out.index("1 xpassed") < done.out.index("CODE 1"), done
    kept = "import contextlib, io, pfast\nkept = io.StringIO()\nwith contextlib.redirect_stdout(kept):\n    pfast.main(['--workers', '1'])\n"
    done = api.python_(kept + "print(json.dumps(kept.getvalue()))")
    text = last_line(done)
    assert "test_six.py::test_number[1]" in text and "1 xpassed" in text and len(done.out.splitlines()) == 1


# -- the daemon ------------------------------------------------------------------------------------------------------------


def test_serve_ends_with_its_process(api: Api) -> None:
    owner = api.start("-c", f"import pfast\npfast.Daemon(1, 'forkserver').serve({api.address!r}, 300)")
    assert wait_until(lambda: api.case.status() is not None, 60), owner.err
    pid = api.case.daemon_pid()
    assert pid != owner.process.pid
    keep = api.case.home / "keep"
    keep.touch()
    owner.process.kill()
    owner.process.wait()
    assert wait_until(lambda: not alive(pid), 20)
    assert keep.exists() and not Path(api.address).exists()


def test_serve_can_be_interrupted(api: Api) -> None:
    owner = api.start("-c", f"import pfast\npfast.Daemon(1, 'forkserver').serve({api.address!r}, 300)")
    assert wait_until(lambda: api.case.status() is not None, 60), owner.err
    owner.process.send_signal(signal.SIGINT)
    done = owner.finish()
    assert done.code == -signal.SIGINT and "KeyboardInterrupt" in done.err, done
    assert wait_until(lambda: not api.case.processes(), 20)


def test_serve_has_the_workers_and_the_start_method(api: Api) -> None:
    """Also for clients of version 1, which say neither."""
    owner = api.start("-c", f"import pfast\npfast.Daemon(3, 'spawn').serve({api.address!r}, 300)")
    assert wait_until(lambda: api.case.status() is not None, 60), owner.err
    api.case.write({"test_own.py": """
        import os
        import pytest

        COLLECTED_BY = os.getpid()

        @pytest.mark.parametrize("n", range(12))
        def test_it_has_collected_for_itself(n):
            assert os.getpid() == COLLECTED_BY
    """})
    text = "import pfast\nprint(json.dumps(pfast.request_run(ADDRESS)))"
    reply = last_line(api.python_(text))
    assert reply["rc"] == 1 and " 3w " in reply["summary"] and "test_own" not in reply["summary"] and "(n=20/20)" in reply["summary"], reply
    api.case.pfast("stop", *api.case.where)
    assert owner.finish().code == 0


def test_as_a_program(api: Api) -> None:
    """`python -m pfast`: the predecessor's command line, pfast's commands, and a daemon that has the process' own number."""
    done = api.start("-m", "pfast", "--workers", "2").finish()
    assert done.code == 1 and "1 xpassed" in done.out, done
    done = api.start("-m", "pfast", "run", "-q", "test_six.py::test_slow").finish()
    assert done.code == 0 and "1 passed" in done.out, done
    api.case.pfast("stop")
    daemon = api.start("-m", "pfast", "--serve", "--address", api.address, "--ttl", "300")
    assert wait_until(lambda: api.case.status() is not None, 60), daemon.err
    assert api.case.daemon_pid() == daemon.process.pid
    daemon.process.terminate()
    daemon.finish()
