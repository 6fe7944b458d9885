"""examples/: what stands there is run as it stands there, beside plain pytest."""

from __future__ import annotations

import json
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest
from build_tree import ROOT
from editor import OURS, Editor
from harness import Case, Finished, Running
from plugin_environment import fast_environment

EXAMPLES = ROOT / "examples"
SUITE = {
    "pytest.ini": "[pytest]\nmarkers = slow: takes long\n",
    "test_a.py": """
        import pytest

        def test_passes():
            pass

        def test_fails():
            assert 1 == 2

        @pytest.mark.slow
        def test_slow():
            pass
    """,
}


class Project:
    """With pytest, pfast and nothing else on its PATH before the system's."""

    def __init__(self, case: Case) -> None:
        self.case = case
        case.use_environment(fast_environment())
        bin_ = Path(case.env["VIRTUAL_ENV"]) / "bin"
        programs = case.home / "programs"
        programs.mkdir()
        (programs / "pfast").symlink_to(case.pfast_path)
        case.env |= {"PATH": f"{programs}:{bin_}:{case.env['PATH']}", "PFAST_EXECUTABLE": str(case.pfast_path)}
        self.python = bin_ / "python"
        case.write(SUITE)

    def run(self, *command: str) -> Finished:
        return Running(list(command), self.case.project, self.case.env, self.case._folder()).finish()


@pytest.fixture
def project(case: Case) -> Iterator[Project]:
    yield Project(case)


def test_every_example_says_what_it_is() -> None:
    for folder in ("vscode", "pycharm", "tmux", "make", "github-actions"):
        readme = (EXAMPLES / folder / "README.md").read_text()
        assert readme.startswith("# ") and "installed pfast" in readme or "pip can install pfast" in readme, folder


def test_vscode(project: Project) -> None:
    settings = json.loads((EXAMPLES / "vscode" / "settings.json").read_text())
    assert settings["python.testing.pytestEnabled"] is True
    args = settings["python.testing.pytestArgs"]
    project.case.env["PFAST_SESSION_PLUGINS"] = OURS.plugin
    editor = Editor(project.case, OURS, project.python)
    ids = [str(project.case.project / "test_a.py") + "::" + name for name in ("test_passes", "test_fails")]
    assert editor.discover(*args).messages == editor.discover().messages
    assert editor.run(ids, *args).messages == editor.run(ids).messages
    assert project.case.status() is not None


def test_pycharm(project: Project) -> None:
    root = ElementTree.parse(EXAMPLES / "pycharm" / "pytest_fast.xml").getroot()
    options = {one.get("name"): one.get("value") for one in root.iter("option")}
    assert options["MODULE_MODE"] == "true"
    done = project.run(str(project.python), "-m", str(options["SCRIPT_NAME"]), *str(options["PARAMETERS"]).split())
    assert done.code == 1 and "1 failed, 2 passed" in done.out and project.case.status() is not None, done


def test_tmux() -> None:
    text = (EXAMPLES / "tmux" / "pfast.tmux.conf").read_text()
    commands = re.findall(r"'((?:pytest|pfast) [^']*)'", text)
    assert len(commands) == 3
    for command in commands:
        subprocess.run(["sh", "-n", "-c", command], check=True)


@pytest.mark.parametrize(
    ("target", "code", "expected"),
    [
        ("test", 1, "1 failed, 2 passed"),
        ("slow", 1, "1 failed, 2 passed"),
        ("warm", 0, "ready: pid"),
        ("ci", 1, "1 failed, 2 passed"),
    ],
)
def test_make(project: Project, target: str, code: int, expected: str) -> None:
    done = project.run("make", "-f", str(EXAMPLES / "make" / "Makefile"), target)
    assert bool(done.code) == bool(code) and expected in done.out, done
    if target == "test":
        failed = project.run("make", "-f", str(EXAMPLES / "make" / "Makefile"), "failed", "ARGS=-v")
        assert "test_a.py::test_fails" in failed.out and "1 failed" in failed.out and "passed" not in failed.out, failed
    if target == "ci":
        assert (project.case.project / "junit.xml").exists() and project.case.status() is None
    else:
        assert project.run("make", "-f", str(EXAMPLES / "make" / "Makefile"), "stop").code == 0


def test_github_actions(project: Project) -> None:
    text = (EXAMPLES / "github-actions" / "tests.yml").read_text()
    commands = [line.strip().removeprefix("run: ") for line in text.splitlines() if re.match(r"\s+(run: )?(pytest|pfast) ", line)]
    assert len(commands) == 3, commands
    expected = {"pfast run": "1 failed, 2 passed", "-m slow": "1 passed", "not slow": "1 failed, 1 passed"}
    for command in commands:
        done = project.run("sh", "-c", command)
        (words,) = [value for key, value in expected.items() if key in command]
        assert words in done.out and "warning" not in done.err, done
    assert os.path.exists(project.case.project / "junit.xml")
