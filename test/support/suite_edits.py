"""A copy of a real suite, and random edits of it whose effect shows in node ids.

A test file is added that takes its node ids from values that edited modules, conftests at three depths and a data file have, so that
anything that was not loaded again, or was loaded twice, shows. Everything else is the suite's own.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from harness import Case

TEST = Path(__file__).resolve().parent.parent

BLOCK = "\n# <edit>\n{text}\n# </edit>\n"
A_BLOCK = re.compile(r"\n# <edit>\n.*\n# </edit>\n", re.S)

LEVEL = """import pytest as _pytest


@_pytest.fixture(params=["c{version}"])
def level_{depth}(request):
    return request.param"""

NEW_TEST = """import pytest as _pytest


@_pytest.mark.parametrize("version", ["v{version}"])
def test_of_an_edit(version):
    assert {version} % 5"""

WATCHER = """import importlib
import pathlib

import pytest

MODULES = {modules}
VERSIONS = [f"{{name}}-{{getattr(importlib.import_module(name), 'VERSION_OF_EDITS', 0)}}" for name in MODULES]
DATA = (pathlib.Path(__file__).parent / "data_of_edits.txt").read_text().split()


@pytest.mark.parametrize("version", VERSIONS)
def test_modules(version):
    pass


@pytest.mark.parametrize("word", DATA)
def test_data(word{levels}):
    pass
"""


class SuiteProject:
    """Edits *case*'s project, a copy of the suite *name* of test/conformance/suites.json; :meth:`edit` changes one thing and tells what."""

    def __init__(self, case: Case, name: str, cache_folder: Path, seed: int) -> None:
        sys.path.append(str(TEST / "conformance"))
        from suites import Cache, known_suites

        suite = known_suites()[name]
        cache = Cache(cache_folder, sys.executable)
        self.args = list(suite.args)
        self.root = case.project
        self._random = random.Random(seed)
        self._version = 0
        self._broken: tuple[Path, str] | None = None
        self._away: list[tuple[Path, str]] = []
        case.use_environment(cache.python.parent.parent)
        ignored = shutil.ignore_patterns("__pycache__", ".git", ".pytest_cache", "*.pyc")
        shutil.copytree(cache.source(suite), self.root, dirs_exist_ok=True, ignore=ignored)
        # The copy before the suite's dependencies: it may be among them.
        inner = [self.root / folder for folder in ("src", "lib") if (self.root / folder).is_dir()]
        case.env["PYTHONPATH"] = os.pathsep.join(map(str, [*inner, self.root, cache.dependencies(suite)]))
        tests = sorted(self.root.rglob("test_*.py"))
        self.home = min(tests, key=lambda path: (len(path.parts), path)).parent
        self.deep = self.home / "of_edits"
        self._modules = self._importable([path for path in sorted(self.root.rglob("*.py")) if self._is_module(path)], cache.python, case.env)
        self._conftests = [self.root / "conftest.py", self.home / "conftest.py", self.deep / "conftest.py"]
        self.deep.mkdir()
        for depth in range(3):
            self._level(depth)
        self._data()
        for folder, levels in ((self.home, 2), (self.deep, 3)):
            names = "".join(f", level_{depth}" for depth in range(levels))
            self._write(folder / f"test_edits_{levels}.py", WATCHER.format(modules=self._modules, levels=names))
            self._write(folder / "data_of_edits.txt", "word")

    def _is_module(self, path: Path) -> bool:
        inner = path.relative_to(self.root).parts
        return not {"tests", "test", "docs", "examples", "build", ".venv"} & set(inner) and path.name not in ("conftest.py", "setup.py", "noxfile.py", "__main__.py") and len(inner) > 1

    def _importable(self, files: list[Path], python: Path, env: dict[str, str]) -> list[str]:
        """Some modules of the suite's package, by name."""
        self._files: dict[str, Path] = {}
        for path in files:
            parts = list(path.relative_to(self.root).with_suffix("").parts)
            if parts[0] in ("src", "lib"):
                parts = parts[1:]
            if parts[-1] == "__init__":
                parts = parts[:-1]
            if all(part.isidentifier() and not part.startswith("_") for part in parts) and parts:
                self._files[".".join(parts)] = path
        packages = Counter(name.split(".")[0] for name in self._files)
        mine = [name for name in self._files if name.split(".")[0] == packages.most_common(1)[0][0]]
        self._random.shuffle(mine)
        chosen: list[str] = []
        while mine and len(chosen) < 6:
            name = mine.pop()
            if subprocess.run([python, "-c", f"import {name}"], env=env, cwd=self.root, capture_output=True).returncode == 0:
                chosen.append(name)
        return sorted(chosen)

    # -- writing ---------------------------------------------------------------------------------------------------

    def _next(self) -> int:
        self._version += 1
        return self._version

    def _write(self, path: Path, text: str) -> None:
        """With a time of its own: a .pyc is checked by whole seconds and size, and plain pytest is to see every edit."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        stamp = int(time.time()) - 1_000_000 + self._next()
        os.utime(path, (stamp, stamp))

    def _set_block(self, path: Path, text: str) -> None:
        old = path.read_text() if path.exists() else ""
        self._write(path, A_BLOCK.sub("", old) + BLOCK.format(text=text))

    def _tests(self) -> list[Path]:
        return [path for path in sorted(self.root.rglob("test_*.py")) if not path.name.startswith("test_edits_")]

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.root))

    # -- the edits -------------------------------------------------------------------------------------------------

    def edit(self) -> str:
        if self._broken is not None:
            path, text = self._broken
            self._broken = None
            self._write(path, text)
            return f"mend {self._name(path)}"
        edits: list[tuple[int, Callable[[], str]]] = [
            (10, self._test), (5, self._module), (4, lambda: self._level(self._random.randrange(3))), (3, self._data), (2, self._delete),
            (3, self._bring_back), (2, self._rename), (2, self._new), (3, self._break), (1, self._settings), (1, self._touch),
        ]  # fmt: skip
        return self._random.choices([edit for _, edit in edits], [weight for weight, _ in edits])[0]()

    def _test(self) -> str:
        path = self._random.choice(self._tests())
        self._set_block(path, NEW_TEST.format(version=self._next()))
        return f"edit {self._name(path)}"

    def _module(self) -> str:
        path = self._files[self._random.choice(self._modules)]
        self._set_block(path, f"VERSION_OF_EDITS = {self._next()}")
        return f"edit {self._name(path)}"

    def _level(self, depth: int) -> str:
        self._set_block(self._conftests[depth], LEVEL.format(version=self._next(), depth=depth))
        return f"edit {self._name(self._conftests[depth])}"

    def _data(self) -> str:
        path = self._random.choice((self.home, self.deep)) / "data_of_edits.txt"
        self._write(path, " ".join(f"w{self._next()}" for _ in range(self._random.randint(1, 3))))
        return f"edit {self._name(path)}"

    def _delete(self) -> str:
        tests = self._tests()
        if len(tests) < 4 or len(self._away) > 3:
            return self._bring_back()
        path = self._random.choice(tests)
        self._away.append((path, path.read_text()))
        path.unlink()
        return f"delete {self._name(path)}"

    def _bring_back(self) -> str:
        if not self._away:
            return self._test()
        path, text = self._away.pop()
        self._write(path, text)
        return f"bring back {self._name(path)}"

    def _rename(self) -> str:
        old = self._random.choice(self._tests())
        new = old.with_name(f"test_r{self._next()}.py")
        text = old.read_text()
        old.unlink()
        self._write(new, text)
        return f"rename {self._name(old)} to {self._name(new)}"

    def _new(self) -> str:
        if sum(path.name.startswith("test_n") for path in self._tests()) > 8:
            return self._delete()
        path = self._random.choice((self.home, self.deep, self.home / "more")) / f"test_n{self._next()}.py"
        self._write(path, NEW_TEST.format(version=self._next()))
        return f"new {self._name(path)}"

    def _break(self) -> str:
        path = self._random.choice([*self._tests(), *self._conftests[:2], *(self._files[name] for name in self._modules)])
        text = path.read_text()
        self._broken = path, text
        self._write(path, text + self._random.choice(("\ndef broken(:\n", "\nraise ValueError('broken')\n", "\nimport missing_module\n")))
        return f"break {self._name(path)}"

    def _settings(self) -> str:
        path = self.root / "pyproject.toml"
        self._set_block(path, f"# {self._next()}")
        return "edit pyproject.toml"

    def _touch(self) -> str:
        path = self._random.choice(self._tests())
        path.write_bytes(path.read_bytes())
        return f"touch {self._name(path)}"
