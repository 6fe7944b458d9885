"""`pytest.main([... "--fast"])` in a program of the user's: the exit code comes back, the process goes on."""

from __future__ import annotations

import os

import pytest
from fast_pytest import FastPytest
from harness import Case
from oracle import last_line
from plugin_environment import fast_environment

pytestmark = pytest.mark.skipif(bool(os.environ.get("PFAST_TEST_EXECUTABLE")), reason="makes environments of the build tree's package")

SUITE = {
    "pytest.ini": "[pytest]\n",
    "tests/conftest.py": "import sys\nsys.modules['seen_conftest'] = sys\n",
    "tests/test_a.py": "def test_one(): pass\ndef test_two(): assert 0\n",
}


@pytest.fixture
def fast(case: Case) -> FastPytest:
    case.write(SUITE)
    return FastPytest(case, fast_environment())


def test_the_exit_code_comes_back_and_the_process_goes_on(fast: FastPytest) -> None:
    done = fast.script(
        """
        import atexit, os, signal, sys
        import pytest
        atexit.register(lambda: print("at the end", flush=True))
        handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGTSTP, signal.SIGWINCH)]
        environ = dict(os.environ)
        for arguments in (["tests"], ["tests", "-k", "one"], ["tests", "-k", "nothing"], ["tests/no_such.py"], ["tests", "--no-such"]):
            code = pytest.main([*arguments, "-q", "--fast"])
            print("code", int(code), type(code).__name__, flush=True)
        assert "seen_conftest" not in sys.modules, "a conftest was imported here"
        assert handlers == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGTSTP, signal.SIGWINCH)]
        assert environ == dict(os.environ)
        print("goes on")
        """
    )
    assert done.code == 0, done
    codes = [line for line in done.out.splitlines() if line.startswith("code ")]
    assert codes == [f"code {number} ExitCode" for number in (1, 0, 5, 4, 4)], done
    assert done.out.endswith("goes on\nat the end\n")
    assert fast.has_daemon()


@pytest.mark.parametrize("version", ["8.0.2", "8.4.2", "9.0.2"])
def test_other_versions_of_pytest(case: Case, version: str) -> None:
    case.write(SUITE)
    fast = FastPytest(case, fast_environment(version))
    assert fast.fast("-n", "2").code == 1
    assert fast.fast("-n", "0", "-k", "one").code == 0
    done = fast.script(
        """
        import sys
        import pytest
        codes = [int(pytest.main(["tests", "-q", *more])) for more in (["--fast"], ["--fast", "-k", "one"], ["-k", "one"])]
        sys.exit(codes != [1, 0, 0] or "goes on")
        """
    )
    assert done.err.strip() == "goes on", done
    back = fast.pytest("--fast", "-n", "2", "-k", "one", env={"PFAST_DISABLE": "1"})
    assert back.code == 0 and back.err == "pfast: warning: PFAST_DISABLE=1 is set: plain pytest runs\n", back


def test_plain_pytest_still_works_in_that_process(fast: FastPytest) -> None:
    done = fast.script(
        """
        import pytest
        assert pytest.main(["tests", "--fast", "-k", "one"]) == 0
        assert pytest.main(["tests", "-k", "one"]) == 0
        assert pytest.main(["tests", "--fast", "-k", "two"]) == 1
        """
    )
    assert done.code == 0, done


def test_sys_exit_of_it(fast: FastPytest) -> None:
    assert fast.script("import pytest, sys\nsys.exit(pytest.main(['tests', '--fast']))\n").code == 1


@pytest.mark.parametrize("plugins", ["[Spy()]", "[sys]", "['no_such', Spy()]"])
def test_objects_that_cannot_cross_are_refused_loudly(fast: FastPytest, plugins: str) -> None:
    done = fast.script(
        f"""
        import sys
        import pytest

        class Spy:
            def pytest_runtest_logreport(self, report):
                print("spied", report.nodeid, report.when, file=sys.stderr)

        sys.modules["no_such"] = Spy()
        sys.exit(pytest.main(["tests", "--fast", "-k", "one"], plugins={plugins}))
        """
    )
    name = "sys" if "sys" in plugins else "Spy"
    assert done.code == 0, done
    assert f"pfast: warning: the plugin '{name}' was passed to pytest.main as an object, and cannot be had in another process: plain pytest runs" in done.err
    assert ("spied" in done.err) == ("Spy" in plugins)
    assert not fast.has_daemon()


def test_names_of_plugins_cross(fast: FastPytest) -> None:
    fast.case.write({"spying.py": "import os\n\ndef pytest_sessionstart():\n    open(f'session-{os.getpid()}', 'w').close()\n"})
    done = fast.script(
        """
        import os, sys
        import pytest
        code = pytest.main(["tests", "--fast", "-k", "one", "-p", "spying"])
        code += pytest.main(["tests", "--fast", "-k", "one"], plugins=["spying"])
        sys.exit(int(code) or os.path.exists(f"session-{os.getpid()}"))
        """
    )
    assert done.code == 0 and not done.err, done
    assert len(list(fast.case.project.glob("session-*"))) >= 1


def test_a_path_that_the_program_added(fast: FastPytest) -> None:
    fast.case.write({"elsewhere/helper.py": "VALUE = 7\n", "tests/test_a.py": "import helper, sys\ndef test_one(): assert helper.VALUE == 7; assert 'PFAST_SYS_PATH' not in __import__('os').environ\n"})
    for _ in range(2):
        done = fast.script(
            """
            import os, sys
            import pytest
            sys.path.append(os.path.abspath("elsewhere"))
            sys.exit(pytest.main(["tests", "--fast"]))
            """
        )
        assert done.code == 0 and not done.err, done
    without = fast.script("import pytest, sys\nsys.exit(pytest.main(['tests', '--fast']))\n")
    assert without.code == 2 and "No module named 'helper'" in without.out
    assert fast.has_daemon()


def test_streams_that_are_no_files(fast: FastPytest) -> None:
    done = fast.script(
        """
        import contextlib, io, sys
        import pytest
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            code = pytest.main(["tests", "--fast", "-k", "one"])
        assert "1 passed" in text.getvalue()
        sys.exit(code)
        """
    )
    assert done.code == 0 and "sys.stdout was replaced by an object that is no file" in done.err, done


def test_streams_that_are_other_files(fast: FastPytest) -> None:
    done = fast.script(
        """
        import contextlib, sys
        import pytest
        with open("log", "w") as log, contextlib.redirect_stdout(log):
            print("before")
            code = pytest.main(["tests", "--fast", "-k", "one"])
            print("after")
        sys.exit(code)
        """
    )
    assert done.code == 0 and not done.out and not done.err, done
    log = (fast.case.project / "log").read_text()
    assert log.startswith("before\n") and log.endswith("after\n") and "1 passed" in log


def test_from_another_thread(fast: FastPytest) -> None:
    done = fast.script(
        """
        import sys, threading
        import pytest
        codes, ticks = [], []
        thread = threading.Thread(target=lambda: codes.append(pytest.main(["tests", "--fast", "-k", "one"])))
        thread.start()
        thread.join()
        sys.exit(int(codes[0]))
        """
    )
    assert done.code == 0 and "1 passed" in last_line(done.out), done


def test_a_debugger_in_this_process(fast: FastPytest) -> None:
    done = fast.script("import pytest, sys\nsys.settrace(lambda *args: None)\nsys.exit(pytest.main(['tests', '--fast', '-k', 'one']))\n")
    assert done.code == 0 and "a debugger, profiler or coverage tracer watches this process" in done.err, done
