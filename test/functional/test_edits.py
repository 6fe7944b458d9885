"""The next run after an edit is right, whatever the edit was; the daemon stays."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Case

SUITE = {
    "pytest.ini": "[pytest]\n",
    "conftest.py": """
        import pytest

        @pytest.fixture
        def number():
            return 1
    """,
    "app.py": "VALUE = 1\n",
    "pkg/__init__.py": "",
    "pkg/deep.py": "VALUE = 1\n",
    "data.txt": "1 2 3\n",
    "test_a.py": """
        import pathlib
        import pytest
        import app
        from pkg import deep

        NUMBERS = (pathlib.Path(__file__).parent / "data.txt").read_text().split()

        def test_app():
            assert app.VALUE == 1

        def test_deep():
            assert deep.VALUE == 1

        def test_number(number):
            assert number == 1

        @pytest.mark.parametrize("n", NUMBERS)
        def test_data(n):
            assert n != "4"
    """,
    "test_b.py": """
        def test_b():
            pass
    """,
    "sub/test_c.py": """
        def test_c():
            pass
    """,
}


@pytest.fixture
def edited(case: Case) -> Iterator[Case]:
    """A warm suite; its daemon has to be the same at the end."""
    case.write(SUITE)
    case.same()
    daemon = case.daemon_pid()
    yield case
    assert case.daemon_pid() == daemon


def generations(case: Case) -> list[object]:
    status = case.status()
    assert status is not None
    return [one["id"] for one in status["generations"]]


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_test_is_edited_and_mended(edited: Case) -> None:
    file = edited.project / "test_b.py"
    replace(file, "pass", "assert 0")
    expected, _ = edited.same()
    assert expected.outcomes["test_b.py::test_b"] == "failed"
    replace(file, "assert 0", "pass")
    edited.same()


def test_a_test_is_added_to_a_file(edited: Case) -> None:
    with (edited.project / "test_b.py").open("a") as file:
        file.write("\ndef test_new():\n    assert 0\n")
    expected, _ = edited.same()
    assert "test_b.py::test_new" in expected.outcomes
    edited.same("test_b.py::test_new")


def test_a_file_is_added(edited: Case) -> None:
    edited.write({"sub/test_d.py": "def test_d(): assert 0\n"})
    expected, _ = edited.same()
    assert expected.outcomes["sub/test_d.py::test_d"] == "failed"


def test_a_folder_is_added(edited: Case) -> None:
    edited.write({"more/below/test_e.py": "def test_e(): assert 0\n"})
    expected, _ = edited.same()
    assert expected.outcomes["more/below/test_e.py::test_e"] == "failed"


def test_a_file_with_an_old_time_is_moved_in(edited: Case) -> None:
    elsewhere = edited.home / "test_old.py"
    elsewhere.write_text("def test_old(): assert 0\n")
    os.utime(elsewhere, (1_000_000_000, 1_000_000_000))
    elsewhere.rename(edited.project / "test_old.py")
    expected, _ = edited.same()
    assert "test_old.py::test_old" in expected.outcomes


def test_a_file_is_deleted(edited: Case) -> None:
    (edited.project / "test_b.py").unlink()
    expected, _ = edited.same()
    assert "test_b.py::test_b" not in expected.outcomes
    edited.same("test_b.py::test_b")


def test_a_file_is_renamed(edited: Case) -> None:
    (edited.project / "test_b.py").rename(edited.project / "test_z.py")
    expected, _ = edited.same()
    assert "test_z.py::test_b" in expected.outcomes


def test_a_folder_is_renamed_and_deleted(edited: Case) -> None:
    (edited.project / "sub").rename(edited.project / "other")
    edited.same()
    shutil.rmtree(edited.project / "other")
    edited.same()


def test_a_test_file_is_broken_and_mended(edited: Case) -> None:
    file = edited.project / "test_b.py"
    replace(file, "def test_b():", "def test_b(:")
    expected, actual = edited.same()
    assert expected.code == 2
    assert "SyntaxError" in actual.out
    edited.same("sub")
    replace(file, "def test_b(:", "def test_b():")
    edited.same()


def test_a_module_is_broken_and_mended(edited: Case) -> None:
    file = edited.project / "app.py"
    replace(file, "VALUE = 1", "VALUE = 1 / 0")
    assert edited.same()[0].code == 2
    replace(file, "VALUE = 1 / 0", "VALUE = 1")
    edited.same()


def test_the_conftest_is_broken_and_mended(edited: Case) -> None:
    file = edited.project / "conftest.py"
    replace(file, "import pytest", "import pytest, no_such_module_anywhere")
    assert edited.same()[0].code == 4
    replace(file, ", no_such_module_anywhere", "")
    edited.same()


def test_the_conftest_is_edited(edited: Case) -> None:
    replace(edited.project / "conftest.py", "return 1", "return 2")
    expected, _ = edited.same()
    assert expected.outcomes["test_a.py::test_number"] == "failed"


@pytest.mark.parametrize(("name", "test"), [("app.py", "test_app"), ("pkg/deep.py", "test_deep")])
def test_an_imported_module_is_edited(edited: Case, name: str, test: str) -> None:
    replace(edited.project / name, "VALUE = 1", "VALUE = 22")
    expected, _ = edited.same()
    assert expected.outcomes[f"test_a.py::{test}"] == "failed"


def test_a_data_file_read_at_import_is_edited(edited: Case) -> None:
    (edited.project / "data.txt").write_text("1 2 3 4\n")
    expected, _ = edited.same()
    assert expected.outcomes["test_a.py::test_data[4]"] == "failed"


def test_an_edit_that_keeps_time_and_size(edited: Case) -> None:
    # A .pyc is checked by time and size, too: plain pytest would miss this edit of an imported module with one.
    shutil.rmtree(edited.project / "__pycache__")
    file = edited.project / "data.txt"
    before = file.stat()
    file.write_text("1 2 4\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    expected, _ = edited.same()
    assert "test_a.py::test_data[4]" in expected.outcomes


@pytest.mark.parametrize("name", ["app.py", "test_b.py"])
@pytest.mark.parametrize("prefix", [False, True])
def test_bytecode_of_an_older_source_is_not_believed(case: Case, name: str, prefix: bool) -> None:
    """A .pyc is checked by whole seconds and size. Plain pytest believes it here; a daemon would for as long as it lives."""
    env = {"PYTHONPYCACHEPREFIX": str(case.home / "bytecode")} if prefix else {}
    test = {"app.py": "test_a.py::test_app", "test_b.py": "test_b.py::test_b"}[name]
    green, red = {"app.py": ("VALUE = 1\n", "VALUE = 2\n"), "test_b.py": ("def test_b(): assert 1\n", "def test_b(): assert 0\n")}[name]
    case.write(SUITE)
    file = case.project / name
    file.write_text(green)
    os.utime(file, ns=(0, 1_700_000_000_100_000_000))
    assert case.run(env=env).outcomes[test] == "passed"
    folder = case.home / "bytecode" / str(case.project).lstrip("/") if prefix else case.project / "__pycache__"
    assert list(folder.glob(f"{file.stem}.cpython-*.pyc"))
    for _ in range(2):
        file.write_text(red)
        os.utime(file, ns=(0, 1_700_000_000_900_000_000))
        assert case.run(env=env).outcomes[test] == "failed"
        file.write_text(green)
        os.utime(file, ns=(0, 1_700_000_000_100_000_000))
        assert case.run(env=env).outcomes[test] == "passed"


def test_a_file_is_replaced_by_one_with_its_time(edited: Case) -> None:
    """What `cp -p` and `rsync -t` do."""
    file = edited.project / "data.txt"
    before = file.stat()
    copy = edited.home / "data.new"
    copy.write_text("5 6 4\n")
    os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(copy, file)
    expected, _ = edited.same()
    assert "test_a.py::test_data[5]" in expected.outcomes


def test_a_file_with_a_time_in_the_future(edited: Case) -> None:
    future = 4_000_000_000
    os.utime(edited.project / "app.py", (future, future))
    edited.same()
    replace(edited.project / "test_b.py", "pass", "assert 0")
    expected, _ = edited.same()
    assert expected.outcomes["test_b.py::test_b"] == "failed"


def test_a_new_conftest(edited: Case) -> None:
    edited.write({"sub/conftest.py": "import pytest\n@pytest.fixture(autouse=True)\ndef no(): raise ValueError\n"})
    expected, _ = edited.same()
    assert expected.outcomes["sub/test_c.py::test_c"] == "error"
    (edited.project / "sub" / "conftest.py").unlink()
    edited.same()


def test_a_module_that_hides_another(edited: Case) -> None:
    """app.py was found in the second folder of sys.path; now there is one in the first."""
    edited.write({"sub/json_like.py": "", "sub/test_h.py": "import app\ndef test_h(): assert app.VALUE == 1\n"})
    edited.same()
    edited.write({"sub/app.py": "VALUE = 2\n"})
    edited.same("sub")


def test_the_ini_file_is_edited(edited: Case) -> None:
    (edited.project / "pytest.ini").write_text("[pytest]\npython_functions = test_b test_new_*\n")
    expected, _ = edited.same()
    assert list(expected.outcomes) == ["test_b.py::test_b"]


def test_an_ini_file_that_comes_first_is_added(edited: Case) -> None:
    edited.write({"pytest.toml": '[pytest]\npython_functions = ["test_b"]\n'})
    edited.same()


def test_a_symbolic_link_is_retargeted(edited: Case) -> None:
    edited.write({"one.txt": "1\n", "two.txt": "4 4x\n"})
    link = edited.project / "data.txt"
    link.unlink()
    link.symlink_to("one.txt")
    edited.same()
    link.unlink()
    link.symlink_to("two.txt")
    expected, _ = edited.same()
    assert "test_a.py::test_data[4x]" in expected.outcomes


def test_a_file_that_is_only_touched_costs_no_boot(edited: Case) -> None:
    before = generations(edited)
    (edited.project / "app.py").touch()
    edited.same()
    assert generations(edited) == before


@pytest.mark.parametrize("name", [".test_b.py.swp", "sub/.#test_c.py", "sub/test_c.py~", "4913"])
def test_an_editors_file_that_was_there_while_collecting(edited: Case, name: str) -> None:
    edited.write({name: "x"})
    edited.write({"test_new.py": "def test_new(): pass\n"})
    edited.same()
    before = generations(edited)
    (edited.project / name).unlink()
    edited.same()
    assert generations(edited) == before


def test_edits_in_a_row(edited: Case) -> None:
    file = edited.project / "app.py"
    for number, value in enumerate((2, 1, 3, 1)):
        # Of another size each time: a .pyc cannot tell edits of one second apart otherwise, in plain pytest neither.
        file.write_text(f"VALUE = {value}  #{'.' * number}\n")
        expected, _ = edited.same()
        assert expected.outcomes["test_a.py::test_app"] == ("passed" if value == 1 else "failed")
