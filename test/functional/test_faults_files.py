"""Files that change in ways that a look at one file's time does not tell, and watches that tell nothing any more."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from faults import SUITE, Faults
from faulty_libc import FaultyLibc
from harness import Case
from processes import remove_tree

COMPILER = shutil.which("c++") or shutil.which("g++")
MANY = 5000


# -- ordinary commands -------------------------------------------------------------------------------------------------

LAYOUT = {
    **SUITE,
    "helper.py": "VALUE = 1\n",
    # Of another size: Python itself believes bytecode by seconds and size.
    "other.py": "VALUE = 22\n",
    "data.txt": "1\n",
    "sub/__init__.py": "",
    "sub/deep.py": "VALUE = 1\n",
    "test_layout.py": """
        import pathlib, sys
        HERE = pathlib.Path(__file__).parent
        sys.path.insert(0, str(HERE))
        import helper
        from sub import deep
        import linked
        DATA = (HERE / "data.txt").read_text()

        def test_helper(): assert helper.VALUE == 1
        def test_deep(): assert deep.VALUE == 1
        def test_linked(): assert linked.VALUE == 1
        def test_data(): assert DATA == "1\\n"
    """,
}


def copied_with_its_times(project: Path) -> None:
    subprocess.run(["cp", "-p", project / "other.py", project / "helper.py"], check=True)


def moved_over(project: Path) -> None:
    os.rename(project / "other.py", project / "helper.py")


def deleted(project: Path) -> None:
    (project / "helper.py").unlink()


def retargeted(project: Path) -> None:
    (project / "next").symlink_to("other.py")
    os.rename(project / "next", project / "linked.py")


def folder_renamed(project: Path) -> None:
    os.rename(project / "sub", project / "sub2")


def folder_swapped(project: Path) -> None:
    shutil.copytree(project / "sub", project / "next")
    (project / "next" / "deep.py").write_text("VALUE = 3\n")
    os.rename(project / "sub", project / "old")
    os.rename(project / "next", project / "sub")


def data_rewritten(project: Path) -> None:
    with (project / "data.txt").open("r+") as file:
        file.write("2")


def mode_changed(project: Path) -> None:
    (project / "data.txt").chmod(0o600)


def written_through_a_map(project: Path) -> None:
    import mmap

    with (project / "data.txt").open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[0:1] = b"2"


EDITS = [
    copied_with_its_times, moved_over, deleted, retargeted, folder_renamed, folder_swapped, data_rewritten, mode_changed,
    written_through_a_map,
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_what_a_command_does(case: Case, edit: Callable[[Path], None]) -> None:
    case.write(LAYOUT)
    (case.project / "linked.py").symlink_to("helper.py")
    os.utime(case.project / "helper.py", (1e9, 1e9))
    os.utime(case.project / "other.py", (1e9, 1e9))
    with Faults(case, suite={}, boots=edit is not mode_changed) as faults:
        backup = case.home / "backup"
        shutil.copytree(case.project, backup, symlinks=True)
        edit(case.project)
        case.same(options=["-n", "1"])
        remove_tree(case.project)
        shutil.copytree(backup, case.project, symlinks=True)
        del faults


# -- what is installed or built ------------------------------------------------------------------------------------------

SOURCE = """
#include <Python.h>
static PyObject* value(PyObject*, PyObject*) { return PyLong_FromLong(%d); }
static PyMethodDef methods[] = {{"value", value, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "built", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};
PyMODINIT_FUNC PyInit_built() { return PyModule_Create(&module); }
extern "C" int plain_value() { return %d; }
"""


def build(folder: Path, value: int) -> None:
    """As a linker does it: a new file under the old name."""
    source = folder.parent / "built.cpp"
    source.write_text(SOURCE % (value, value))
    target = folder / f"built{sysconfig.get_config_var('EXT_SUFFIX')}"
    includes = f"-I{sysconfig.get_paths()['include']}"
    subprocess.run([COMPILER, "-shared", "-fPIC", includes, str(source), "-o", f"{target}.new"], check=True)
    os.rename(f"{target}.new", target)


@pytest.mark.skipif(COMPILER is None, reason="no compiler")
def test_an_extension_module_is_built_again(case: Case) -> None:
    case.write(
        {
            **SUITE,
            "test_built.py": """
                import ctypes, pathlib, sys
                sys.path.insert(0, str(pathlib.Path(__file__).parent))
                import built
                LIBRARY = ctypes.CDLL(built.__file__)

                def test_value(): assert built.value() == 1
                def test_plain(): assert LIBRARY.plain_value() == 1
            """,
        }
    )
    build(case.project, 1)
    with Faults(case, suite={}, boots=True) as faults:
        build(case.project, 2)
        expected, _ = case.same(options=["-n", "1"])
        assert expected.code == 1
        build(case.project, 1)
        del faults


def wheel(folder: Path, version: str, value: int) -> Path:
    """A distribution with a module, and with a plugin of pytest from version 2 on."""
    name = folder / f"pfdep-{version}-py3-none-any.whl"
    info = f"pfdep-{version}.dist-info"
    with zipfile.ZipFile(name, "w") as file:
        file.writestr("pfdep.py", f"VALUE = {value}\n")
        file.writestr("pfdep_plugin.py", "import pytest\n@pytest.fixture\ndef from_plugin(): return 1\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: pfdep\nVersion: {version}\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        if value > 1:
            file.writestr(f"{info}/entry_points.txt", "[pytest11]\npfdep = pfdep_plugin\n")
        file.writestr(f"{info}/RECORD", "")
    return name


def test_a_distribution_is_installed_and_upgraded(case: Case) -> None:
    """Its module, and its plugin, which only its metadata names."""
    target = case.home / "site"

    def install(version: str, value: int) -> None:
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--upgrade", "--target", str(target)]
        subprocess.run([*command, "--no-warn-script-location", str(wheel(case.home, version, value))], check=True, env=case.env)

    case.write(
        {
            **SUITE,
            "test_installed.py": """
                try:
                    import pfdep
                except ImportError:
                    pfdep = None

                def test_value(): assert pfdep is None or pfdep.VALUE == 1
                def test_plugin(request): assert request.config.pluginmanager.hasplugin("pfdep") is (pfdep is not None and pfdep.VALUE > 1)
            """,
        }
    )
    target.mkdir()
    case.env["PYTHONPATH"] = str(target)
    # The oracle's own plugin comes by PYTHONPATH, too: both sides have both.
    with Faults(case, suite={}, boots=True) as faults:
        for version, value in (("1.0", 1), ("2.0", 2), ("3.0", 1)):
            install(version, value)
            plain = case.plain(oracle=False)
            done = case.run("-n", "1")
            assert done.code == plain.code and (value == 1 or done.code == 1), done
        shutil.rmtree(target)
        target.mkdir()
        del faults


# -- the watch ---------------------------------------------------------------------------------------------------------


def edit_is_seen(case: Case, number: int) -> None:
    file = case.project / "test_faults.py"
    file.write_text(file.read_text() + f"\ndef test_edit_{number}(): assert {number % 2}\n")
    case.same(options=["-n", "1"])


def test_more_events_than_the_queue_holds(case: Case) -> None:
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    with Faults(case, boots=True) as faults:
        edited = case.project / "test_faults.py"
        names = [case.project / "pytest.ini", edited]
        good = edited.read_text()
        for number in range(most + 1000):  # equal neighbours count once
            os.utime(names[number % 2])
        faults.run_is_right()
        for number in range(most + 1000):
            os.utime(names[number % 2])
        edit_is_seen(case, 0)
        edited.write_text(good)


@pytest.mark.parametrize("function", ["inotify_init1", "inotify_add_watch"])
def test_no_watch_is_left(case: Case, function: str) -> None:
    """Every check is a walk then, and the log says why."""
    libc = FaultyLibc(case)
    with Faults(case, boots=True) as faults:
        libc.fail("daemon", function, errno.EMFILE if function == "inotify_init1" else errno.ENOSPC, for_ever=True)
        for number in (1, 3):
            edit_is_seen(case, number)
            case.same(options=["-n", "1"])
        faults.expected = case.plain()
        limit = "max_user_instances" if function == "inotify_init1" else "max_user_watches"
        log = case.pfast("logs").out
        assert "every file is looked at before each run" in log and limit in log, log
        libc.heal()
        edit_is_seen(case, 5)
        faults.expected = case.plain()


# -- a checkout --------------------------------------------------------------------------------------------------------

CHECKED_OUT = {
    **SUITE,
    "test_many.py": """
        import pathlib
        TEXTS = [path.read_text() for path in sorted((pathlib.Path(__file__).parent / "many").rglob("*.txt"))]

        def test_all_of_one_commit():
            assert len(set(TEXTS)) == 1 and len(TEXTS) > 100

        def test_first_commit():
            assert TEXTS[0] == "first"
    """,
}


def check_out(case: Case, text: str) -> None:
    """As git does it: new files under the old names."""
    for number in range(MANY):
        folder = case.project / "many" / str(number % 50)
        folder.mkdir(parents=True, exist_ok=True)
        name = folder / f"{number}.txt"
        name.with_suffix(".new").write_text(text)
        os.rename(name.with_suffix(".new"), name)


def test_a_checkout_of_5000_files_in_mid_run(case: Case) -> None:
    case.write(CHECKED_OUT)
    check_out(case, "first")
    with Faults(case, suite={}, boots=True) as faults:
        running = faults.start_waiting()
        check_out(case, "second")
        faults.open_gate()
        done = running.finish(60)
        case.assert_same(faults.expected, done)
        assert "while the run went on: changed: " in done.err, done
        expected, _ = case.same(options=["-n", "1"])
        assert expected.code == 1
        check_out(case, "first")
