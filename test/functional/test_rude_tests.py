"""Tests that harm their own process: the outcome is plain pytest's, or a failure by name, and the daemon does not notice."""

from __future__ import annotations

import signal

import pytest
from harness import Case
from processes import wait_until

#: Plain pytest survives these: the same outcomes are wanted.
SURVIVED = {
    "recursion": "f = lambda: f()\nf()",
    "removed cwd": "import os, shutil, tempfile\nd = tempfile.mkdtemp()\nos.chdir(d)\nshutil.rmtree(d)",
    "umask 0": "import os\nos.umask(0)",
    "few descriptors": "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (32, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))",
    "no core, little stack": "import resource\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))",
    "stdout replaced": "import io, sys\nsys.stdout = io.StringIO()\nprint('lost')",
    "stdout closed": "import sys\nsys.stdout.close()\nsys.stdout = None",
    "much output": "print('x' * 99 + '\\n', end='') or [print('y' * 1000) for _ in range(5000)]",
    "surrogates": "print('\\udc80 \\ud800')\nassert '\\udcff' == 'x'",
    "null bytes": "print('a\\x00b\\x1b[31m')\nassert 'a\\x00b' == ''",
    "bytes to the descriptor": "import os\nos.write(1, bytes(range(256)))\nos.write(2, b'\\xff\\xfe')\nassert 0",
    "daemon threads": "import threading, time\n[threading.Thread(target=time.sleep, args=(1000,), daemon=True).start() for _ in range(20)]",
    "signals ignored": "import signal\n[signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)]",
    "children ignored": "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "signals blocked": "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))",
    "a timer": "import signal\nsignal.signal(signal.SIGALRM, lambda *_: None)\nsignal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)\nimport time\ntime.sleep(0.1)\nsignal.setitimer(signal.ITIMER_REAL, 0)",
    "environment cleared": "import os\nos.environ.clear()",
    "modules cleared": "import sys\n[sys.modules.pop(name) for name in list(sys.modules) if name.startswith(('json', 'email', 'xml'))]",
    "garbage collector": "import gc\ngc.disable(); gc.unfreeze(); gc.collect(); gc.freeze()",
    "recursion limit": "import sys\nsys.setrecursionlimit(10000)",
    "trace function": "import sys\nsys.settrace(lambda *_: None)",
    "system exit": "raise SystemExit(0)",
    "base exception": "class Odd(BaseException): pass\nraise Odd('odd')",
    "generator exit": "raise GeneratorExit",
    "unprintable": "class Odd(Exception):\n    def __str__(self): raise ValueError\n    __repr__ = __str__\nraise Odd",
    "assertion about bytes": "assert b'\\xff' * 10000 == b'\\xfe' * 10000",
    "many children": "import os, time\n[os.fork() or (time.sleep(1000), os._exit(0)) for _ in range(100)]",
    "fork bomb": "import os, time\nown = os.getpid()\nfor _ in range(8): os.fork()\nif os.getpid() != own: time.sleep(1000); os._exit(0)",
    "another session": "import os\npid = os.fork()\nif not pid:\n    os.setsid(); os.fork() and os._exit(0)\n    import time; time.sleep(1000); os._exit(0)\nos.waitpid(pid, 0)",
    "exit function": "import atexit\natexit.register(print, 'said at exit')",
    "an event loop that goes on": "import asyncio, threading\nloop = asyncio.new_event_loop()\nthreading.Thread(target=loop.run_forever, daemon=True).start()",
    "tasks that nobody awaits": "import asyncio\nloop = asyncio.new_event_loop()\nloop.create_task(asyncio.sleep(1000))\nasyncio.set_event_loop(loop)",
    "files that may not grow": "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))",
    "little memory": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (4 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))",
    "a stack of a megabyte": "import resource\nresource.setrlimit(resource.RLIMIT_STACK, (1 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))",
    "stderr replaced": "import sys\nclass Broken:\n    def __getattr__(self, name): raise OSError(name)\nsys.stderr = Broken()",
    "input": "assert input() == 'x'",
    "warnings": "import warnings\n[warnings.warn(f'number {n}') for n in range(300)]",
}
#: Plain pytest does not: the test fails by name, the others have their results.
FATAL = {
    "all descriptors closed": "import os\nos.closerange(0, 1024)",
    "C stack overflow": "import sys, ctypes\nsys.setrecursionlimit(10**9)\ndef f(o): return repr([o])\no = []\nfor _ in range(10**6): o = [o]\nrepr(o)",
    "kill of its parent's group": "import os, signal\nos.killpg(os.getpgid(0), signal.SIGKILL)",
    "exec": "import os\nos.execv('/bin/true', ['true'])",
    "trap": "import os, signal\nos.kill(os.getpid(), signal.SIGTRAP)",
    "no more processor time": "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass",
    "an exit from a thread": "import os, threading\nthread = threading.Thread(target=os._exit, args=(3,))\nthread.start(); thread.join()",
}


def suite(body: str) -> dict[str, str]:
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    return {
        "pytest.ini": "[pytest]\n",
        "test_rude.py": f"def test_before(): pass\n\ndef test_rude():\n{indented}\n\ndef test_after(): pass\n",
        "test_other.py": "import pytest\n\n@pytest.mark.parametrize('n', range(6))\ndef test_other(n): assert n != 3\n",
    }


def assert_all_is_well(case: Case, daemon: int) -> None:
    case.assert_runs_are_over()
    assert case.daemon_pid() == daemon
    case.same("test_other.py")


@pytest.mark.parametrize("name", SURVIVED)
def test_what_plain_pytest_survives(case: Case, name: str) -> None:
    case.write(suite(SURVIVED[name]))
    case.write({"empty/pytest.ini": "[pytest]\n"})
    if name in ("many children", "fork bomb", "another session"):  # they would outlive plain pytest
        case.write({"plain/pytest.ini": "[pytest]\n", **{f"plain/{file}": text for file, text in suite("pass").items()}})
        expected = case.plain("--ignore=empty", cwd="plain")
        arguments = ["--ignore=plain"]
    else:
        expected, arguments = case.plain(), []
    daemon = 0
    for workers in ("1", "2"):
        actual = case.run("-n", workers, *arguments)
        case.assert_same(expected, actual)
        daemon = daemon or case.daemon_pid()
    assert_all_is_well(case, daemon)


def test_a_forked_child_that_comes_back_has_no_part_in_the_run(case: Case) -> None:
    """Plain pytest runs the rest of the suite twice then."""
    case.write(suite("import os\nif not os.fork(): raise ValueError('in the child')"))
    for workers in ("1", "2"):
        done = case.run("-n", workers)
        assert done.outcomes.pop("test_other.py::test_other[3]") == "failed"
        assert len(done.outcomes) == 8 and set(done.outcomes.values()) == {"passed"}
    assert_all_is_well(case, case.daemon_pid())


@pytest.mark.parametrize("name", FATAL)
def test_what_ends_the_process(case: Case, name: str) -> None:
    case.write(suite(FATAL[name]))
    daemon = 0
    for workers in ("1", "2"):
        actual = case.run("-n", workers)
        daemon = daemon or case.daemon_pid()
        assert actual.code == 1
        assert actual.outcomes.pop("test_rude.py::test_rude") == "failed"
        assert "test_rude.py::test_rude" in actual.out
        assert len(actual.outcomes) == 8
        assert [key for key, value in actual.outcomes.items() if value != "passed"] == ["test_other.py::test_other[3]"]
    assert_all_is_well(case, daemon)


@pytest.mark.parametrize("loop", ["while True: pass", "import re\nre.match('(a*)*b', 'a' * 60)"], ids=["Python", "C"])
def test_an_endless_loop_is_interrupted_and_nobody_waits_for_it(case: Case, loop: str) -> None:
    case.write(suite("open('started', 'w').close()\n" + loop))
    running = case.start_pfast("run", "-n", "2")
    assert wait_until(lambda: (case.project / "started").exists(), 60)
    daemon = case.daemon_pid()
    status = case.status()
    assert status is not None
    assert "test_rude.py::test_rude" in [worker["nodeid"] for run in status["runs"] for worker in run["workers"]]
    case.same("test_other.py")
    running.process.send_signal(signal.SIGINT)
    done = running.finish(30)
    assert done.code == 2
    assert_all_is_well(case, daemon)


HANGS = {
    "in Python": "while True: pass",
    "in C, with the lock of the interpreter": "import re\nre.match('(a*)*b', 'a' * 60)",
    "deaf": "import signal\nfor number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1): signal.signal(number, signal.SIG_IGN)\nwhile True: pass",
    "for a child": "import subprocess\nsubprocess.run(['sleep', '1000'])",
    "at a lock": "import threading\nlock = threading.Lock()\nlock.acquire(); lock.acquire()",
}


@pytest.mark.parametrize("how", HANGS)
def test_a_time_limit_ends_what_hangs(case: Case, how: str) -> None:
    case.write(suite(HANGS[how]))
    done = case.run("-n", "2", "--timeout", "1")
    assert done.code == 1
    assert done.outcomes.pop("test_other.py::test_other[3]") == "failed"
    assert len(done.outcomes) == 8
    assert done.outcomes["test_rude.py::test_rude"] == "failed"
    assert "timed out after 1 s" in done.out
    assert_all_is_well(case, case.daemon_pid())


def test_a_test_that_kills_its_parent_is_named(case: Case) -> None:
    """The parent is the run's session: the run cannot go on, and says why."""
    case.write(suite("import os, signal, time\nos.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(100)"))
    case.run("test_other.py")
    daemon = case.daemon_pid()
    for options in (["-n", "1"], ["-n", "2"], ["-n", "1", "--reporter", "pytest"]):
        done = case.run(*options)
        assert done.code == 3, done
        told = done.out + done.err   # with the other worker's test, when there was one
        assert "SIGKILL)) while running '" in told and "'test_rude.py::test_rude'" in told, done
        assert "test_rude.py::test_rude" not in done.outcomes
        assert set(done.outcomes.values()) <= {"passed", "failed"}
    assert_all_is_well(case, daemon)


def test_a_hundred_megabytes_of_output(case: Case) -> None:
    case.write(suite("[print('line', number, 'z' * 980) for number in range(100_000)]\nassert 0"))
    done = case.run("-n", "2")
    assert done.outcomes["test_rude.py::test_rude"] == "failed" and len(done.outcomes) == 9
    assert "line 0 zzz" in done.out and "line 99999 zzz" in done.out
    assert "characters left out by pfast" in done.out
    assert len(done.out) < 32 << 20
    assert_all_is_well(case, case.daemon_pid())


def test_threads_that_would_hold_an_interpreter_do_not_hold_a_run(case: Case) -> None:
    """Plain pytest does not end: it joins them."""
    case.write(suite("import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()"))
    for options in (["-n", "1"], ["-n", "2"], ["test_rude.py::test_rude"]):
        done = case.run(*options)
        assert done.outcomes["test_rude.py::test_rude"] == "passed", done
        assert wait_until(lambda: not case.run_processes(), 20)
    assert_all_is_well(case, case.daemon_pid())


def test_blocking_exit_functions_do_not_hold_a_run(case: Case) -> None:
    case.write(suite("import atexit, time\natexit.register(time.sleep, 1000)"))
    done = case.run("-n", "2")
    assert done.outcomes["test_rude.py::test_rude"] == "passed"
    assert len(done.outcomes) == 9
    case_daemon = case.daemon_pid()
    assert wait_until(lambda: not case.run_processes(), 20)
    assert case.daemon_pid() == case_daemon
