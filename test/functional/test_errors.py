"""What goes wrong outside of the tests is said: what, where, and how to mend it; each with its own exit code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness import Case, Finished
from suites_of_tests import SMALL

#: As README and `pfast --help` have them; pytest's own codes end at 5.
NO_DAEMON = 71
INTERPRETER = 73
PYTEST = 74
RUNTIME_DIR = 75
CONFIGURATION = 76
BOOT_HUNG = 77
USAGE = 79


def assert_refused(done: Finished, code: int, *words: str) -> None:
    assert done.code == code, done
    assert done.outcomes == {}
    for word in words:
        assert word in done.err, done
    assert "Traceback" not in done.err


def test_pytest_is_missing(case: Case) -> None:
    case.write(SMALL)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(case.home / "venv")], check=True)
    case.where = ["--python", str(case.home / "venv" / "bin" / "python")]
    done = case.run(*case.where)
    assert_refused(done, PYTEST, "pytest", str(case.home / "venv"))


def test_the_interpreter_has_another_version(case: Case) -> None:
    case.write(SMALL)
    other = case.home / "other" / "bin"
    other.mkdir(parents=True)
    shutil.copy(Path(sys.executable).resolve(), other / "python3.99")
    (other / "python").symlink_to("python3.99")
    (case.home / "other" / "lib" / "python3.99").mkdir(parents=True)
    done = case.run("--python", str(other / "python"))
    assert_refused(done, INTERPRETER, "3.99", f"{sys.version_info.major}.{sys.version_info.minor}")


def test_an_interpreter_of_this_machine_with_another_version(case: Case) -> None:
    own = f"python3.{sys.version_info.minor}"
    found = [path for minor in range(8, 20) if (name := f"python3.{minor}") != own and (path := shutil.which(name))]
    real = next((path for path in found if subprocess.run([path, "-c", ""], capture_output=True).returncode == 0), None)
    if real is None:
        pytest.skip("there is no other Python here")
    case.write(SMALL)
    assert_refused(case.run("--python", real), INTERPRETER, own.removeprefix("python"))


def test_there_is_no_such_interpreter(case: Case) -> None:
    case.write(SMALL)
    assert_refused(case.run("--python", "/no/such/python"), INTERPRETER, "/no/such/python")


@pytest.mark.parametrize(
    "args",
    [
        ["-n", "many"],
        ["-n", "-3"],
        ["--reporter", "loud"],
        ["--dist", "nowhere"],
        ["--timeout", "soon"],
        ["--python"],
        ["--ttl", "nan"],
    ],
    ids=" ".join,
)
def test_a_wrong_option_of_our_own(case: Case, args: list[str]) -> None:
    case.write(SMALL)
    assert_refused(case.run(*args), USAGE, args[0].lstrip("-"))


def test_a_wrong_command(case: Case) -> None:
    done = case.pfast("rnu")
    assert_refused(done, USAGE, "rnu")


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("pfast.toml", "workers = = 3\n", 1),
        ("pfast.toml", "# settings\nworkerz = 3\n", 2),
        ("pfast.toml", "workers = 'three'\n", 1),
        ("pyproject.toml", "[tool.pfast]\nreporter = 7\n", 2),
    ],
)
def test_an_unreadable_configuration(case: Case, name: str, text: str, line: int) -> None:
    case.write({**SMALL, name: text})
    assert_refused(case.run(), CONFIGURATION, f"{name}:{line}")
    (case.project / name).unlink()
    case.same()


def test_a_wrong_variable(case: Case) -> None:
    case.write(SMALL)
    assert_refused(case.run(env={"PFAST_WORKERS": "many"}), CONFIGURATION, "PFAST_WORKERS", "many")


def test_a_runtime_directory_that_others_may_use(case: Case) -> None:
    case.write(SMALL)
    case.runtime.chmod(0o777)
    done = case.run()
    case.runtime.chmod(0o700)
    assert_refused(done, RUNTIME_DIR, str(case.runtime), "chmod")


def test_a_runtime_directory_that_is_a_link(case: Case) -> None:
    case.write(SMALL)
    link = case.home / "link"
    link.symlink_to(case.runtime)
    assert_refused(case.run(env={"PFAST_RUNTIME_DIR": str(link)}), RUNTIME_DIR, str(link))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_runtime_directory_of_somebody_else(case: Case) -> None:
    case.write(SMALL)
    os.chown(case.runtime, 65534, 65534)
    done = case.run()
    os.chown(case.runtime, os.geteuid(), os.getegid())
    assert_refused(done, RUNTIME_DIR, str(case.runtime))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_runtime_directory_that_cannot_be_made(case: Case) -> None:
    case.write(SMALL)
    assert_refused(case.run(env={"PFAST_RUNTIME_DIR": "/proc/nowhere"}), RUNTIME_DIR, "/proc/nowhere")


def test_a_boot_that_hangs_shows_where(case: Case) -> None:
    case.write(
        {
            **SMALL,
            "test_hangs.py": """
                import time

                def waits_for_ever():
                    time.sleep(1000)

                waits_for_ever()
            """,
        }
    )
    done = case.run("--boot-timeout", "6")   # time enough to come to the file on a busy machine
    told = done.out + done.err
    assert done.code == BOOT_HUNG, done
    assert "waits_for_ever" in told and "test_hangs.py" in told and "within 6 s" in told and "--boot-timeout" in told
    assert case.run(env={"PFAST_BOOT_TIMEOUT": "1.5"}).code == BOOT_HUNG
    (case.project / "test_hangs.py").unlink()
    case.same()


@pytest.mark.parametrize(
    "how",
    [
        "import os; os._exit(0)",
        "import os; os._exit(3)",
        "import ctypes; ctypes.string_at(0)",
        "import os; os.kill(os.getpid(), 9)",
    ],
)
def test_a_boot_that_dies(case: Case, how: str) -> None:
    case.write({**SMALL, "conftest.py": f"{how}\n"})
    done = case.run()
    assert done.code >= 70, done
    (case.project / "conftest.py").unlink()
    case.same()


@pytest.mark.parametrize("how", ["raise RuntimeError('no')", "import sys; sys.exit(3)", "1 +"])
def test_a_conftest_that_fails_is_pytests_to_tell(case: Case, how: str) -> None:
    case.write({**SMALL, "conftest.py": f"{how}\n"})
    expected, actual = case.same()
    for line in expected.err.splitlines():
        if line.startswith("E  ") or "Error" in line:
            assert line.strip() in actual.out + actual.err
    case.same()


@pytest.mark.parametrize("module", [True, False])
def test_what_a_module_prints_when_it_is_collected(case: Case, module: bool) -> None:
    name = "test_talks.py" if module else "conftest.py"
    case.write({**SMALL, name: "import sys\nprint('a word at import')\ndef test_t(): pass\n"})
    case.same()
    case.same("-s", options=["-n", "0"])


def test_no_daemon_to_ask(case: Case) -> None:
    assert case.pfast("status").code == NO_DAEMON
    assert case.pfast("status", "--json").code == NO_DAEMON
    assert case.pfast("logs").code == NO_DAEMON


def test_a_full_disk_is_no_reason(case: Case) -> None:
    """The dump cannot be written: said, and the verdict stands on its own."""
    case.write(SMALL)
    done = case.pfast("run", "--dump", "/dev/full")
    assert "/dev/full" in done.err
    done = case.pfast("run", "--dump", "/no/such/folder/dump.json")
    assert "/no/such/folder" in done.err and done.code != 0
