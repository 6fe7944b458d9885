"""The layering test passes on the tree and fails on a forbidden include."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TREE = ("lib", "frontends", "test", "meson.build", "README.md", "pyproject.toml")


def layering(root: Path) -> subprocess.CompletedProcess[str]:
    script = ROOT / "test" / "layering.py"
    return subprocess.run([sys.executable, str(script), str(root)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("tree")
    for name in TREE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.is_file():
            shutil.copy(source, copy / name)
    return copy


def test_the_tree_keeps_its_layers() -> None:
    done = layering(ROOT)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].endswith(" passed, 0 failed")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("lib/pfcore/src/value.cpp", "#include <uv.h>"),
        ("lib/pfcore/src/value.cpp", "#include <Python.h>"),
        ("lib/pfcore/include/pfcore/value.hpp", "#include <pfctl/loop.hpp>"),
        ("lib/pfcore/src/value.cpp", "#include <spawn.h>"),
        ("lib/pfexec/src/forkserver.cpp", "#include <uv.h>"),
        ("lib/pfexec/src/forkserver.cpp", "#include <pfctl/run.hpp>"),
        ("lib/pfexec/include/pfexec/forkserver.hpp", "#include <pybind11/pybind11.h>"),
        ("lib/pfctl/src/loop.cpp", "#include <Python.h>"),
        ("lib/pfctl/src/loop.cpp", "#include <pfexec/forkserver.hpp>"),
        ("lib/pfctl/src/loop.cpp", "#include <CLI/CLI.hpp>"),
        ("lib/pfctl/src/loop.cpp", "#include <toml++/toml.h>"),
        ("lib/pfctl/src/loop.cpp", "static int child() { return ::fork(); }"),
        ("frontends/cli/main.cpp", "#include <uv.h>"),
        ("frontends/cli/main.cpp", "#include <CLI/CLI.hpp>"),
        ("frontends/cli/main.cpp", 'static const char* where = "/' + 'root/build";'),
        ("lib/pfctl/src/loop.cpp", '#include "../../pfexec/src/fork.hpp"'),
    ],
)
def test_a_forbidden_line_fails(pristine: Path, path: str, line: str) -> None:
    file = pristine / path
    before = file.read_text() if file.exists() else None
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{line}\n{before or ''}")
    try:
        done = layering(pristine)
    finally:
        file.unlink() if before is None else file.write_text(before)
    assert done.returncode == 1
    assert f"{path}:1: {line if not line.startswith('#') else ''}" in done.stdout


def test_comments_and_strings_are_no_code(pristine: Path) -> None:
    file = pristine / "lib/pfctl/src/commented.cpp"
    file.write_text('// calls fork()\n/* vfork()\n */\nconst char* text = "fork()";\n')
    try:
        assert layering(pristine).returncode == 0
    finally:
        file.unlink()
