"""A small project whose collection depends on everything that a checkpoint could get wrong, and random edits of it.

Node ids come from imported values, from a data file, from conftests at three depths and from a registry that every test module adds
itself to while it is imported, so that a module that was loaded twice, or not again, or in another order, shows in a node id.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

from harness import Case, Finished

FOLDERS = ("", "sub/", "sub/deep/")

REGISTRY = '''"""version {version}"""
names = []
count = 0


def register(name):
    global count
    count += 1
    names.append(f"{{name}}{{count}}")
    return list(names)
'''

CORE = """
from pkg import registry

VALUES = {values}
SEEN = len(registry.names)
registry.patched = {values}


class Base:
    pass
"""

CONFTEST = """
import pytest
from pkg import core

LEVEL = {version}


class Plugin{version}(core.Base):
    pass


@pytest.fixture
def level_{depth}():
    return LEVEL


def pytest_generate_tests(metafunc):
    if "{name}" in metafunc.fixturenames:
        metafunc.parametrize("{name}", [f"c{version}-{{len(core.Base.__subclasses__())}}"])
"""

TEST = '''
import pathlib
import pytest
from pkg import core, registry

ALL = registry.register("{name}")
DATA = pathlib.Path("pkg/data.txt").read_text().split()


class Local(core.Base):
    pass


@pytest.mark.parametrize("seen", ALL)
def test_seen(seen):
    assert seen in registry.names


@pytest.mark.parametrize("word", DATA)
def test_data(word):
    assert word


@pytest.mark.parametrize("value", core.VALUES)
def test_value(value{fixtures}):
    assert value % {fails} != 0


@pytest.mark.parametrize("kinds", [len(core.Base.__subclasses__())])
def test_kinds(kinds):
    assert kinds


class TestGroup:
{methods}
'''

PYPROJECT = """[tool.pytest.ini_options]
addopts = "{addopts}"
python_classes = "{classes}"
"""


class Project:
    """Writes itself below *root*; :meth:`edit` changes one thing and tells what."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self._random = random.Random(seed)
        self._version = 0
        self._broken: tuple[str, str] | None = None
        self._tests = [f"{folder}test_{letter}.py" for folder, letter in zip(FOLDERS * 3, "abcdefghi")]
        self._away: list[str] = []
        self._write("pyproject.toml", PYPROJECT.format(addopts="", classes="Test"))
        self._write("pkg/__init__.py", "")
        self._write("pkg/registry.py", REGISTRY.format(version=0))
        self._core()
        self._data()
        for depth in range(len(FOLDERS)):
            self._conftest(depth)
        for name in self._tests:
            self._test(name)

    def edit(self) -> str:
        if self._broken is not None:
            name, text = self._broken
            self._broken = None
            self._write(name, text)
            return f"mend {name}"
        edits: list[tuple[int, Callable[[], str]]] = [
            (12, lambda: self._test(self._random.choice(self._tests))),
            (3, self._core),
            (2, self._registry),
            (3, lambda: self._conftest(self._random.randrange(len(FOLDERS)))),
            (2, self._data),
            (2, self._delete),
            (2, self._bring_back),
            (2, self._rename),
            (2, self._new),
            (3, self._break),
            (1, self._settings),
            (1, self._touch),
        ]
        chosen = self._random.choices([edit for _, edit in edits], [weight for weight, _ in edits])[0]
        return chosen()

    # -- the edits -------------------------------------------------------------------------------------------------

    def _write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _next(self) -> int:
        self._version += 1
        return self._version

    def _test(self, name: str) -> str:
        version = self._next()
        depth = name.count("/")
        fixtures = f", level_{depth}, con_{self._random.randint(0, depth)}"
        methods = "\n".join(f"    def test_m{version}_{i}(self):\n        pass\n" for i in range(self._random.randint(1, 3)))
        text = TEST.format(name=Path(name).stem, fixtures=fixtures, fails=self._random.choice((5, 1000)), methods=methods)
        self._write(name, text)
        return f"edit {name}"

    def _core(self) -> str:
        self._write("pkg/core.py", CORE.format(values=[self._next() * 10 + i for i in range(self._random.randint(1, 3))]))
        return "edit pkg/core.py"

    def _registry(self) -> str:
        self._write("pkg/registry.py", REGISTRY.format(version=self._next()))
        return "edit pkg/registry.py"

    def _conftest(self, depth: int) -> str:
        name = f"{FOLDERS[depth]}conftest.py"
        self._write(name, CONFTEST.format(version=self._next(), depth=depth, name=f"con_{depth}"))
        return f"edit {name}"

    def _data(self) -> str:
        self._write("pkg/data.txt", " ".join(f"w{self._next()}" for _ in range(self._random.randint(1, 3))))
        return "edit pkg/data.txt"

    def _delete(self) -> str:
        if len(self._tests) < 4:
            return self._bring_back()
        name = self._tests.pop(self._random.randrange(len(self._tests)))
        (self.root / name).unlink()
        self._away.append(name)
        return f"delete {name}"

    def _bring_back(self) -> str:
        if not self._away:
            return self._new()
        name = self._away.pop()
        self._tests.append(name)
        self._test(name)
        return f"bring back {name}"

    def _rename(self) -> str:
        old = self._random.choice(self._tests)
        new = f"{self._random.choice(FOLDERS)}test_r{self._next()}.py"
        self._tests.remove(old)
        (self.root / old).unlink()
        self._tests.append(new)
        self._test(new)
        return f"rename {old} to {new}"

    def _new(self) -> str:
        name = f"{self._random.choice((*FOLDERS, 'more/', 'sub/other/'))}test_n{self._next()}.py"
        self._tests.append(name)
        text = TEST.format(name=Path(name).stem, fixtures="", fails=1000, methods="    def test_one(self):\n        pass\n")
        self._write(name, text)
        return f"new {name}"

    def _break(self) -> str:
        name = self._random.choice([*self._tests, "pkg/core.py", "conftest.py", "sub/conftest.py"])
        text = (self.root / name).read_text()
        self._broken = name, text
        self._write(name, text + self._random.choice(("\ndef broken(:\n", "\nraise ValueError('broken')\n", "\nimport missing_module\n")))
        return f"break {name}"

    def _settings(self) -> str:
        options = self._random.choice(("", "-q", "--strict-markers"))
        self._write("pyproject.toml", PYPROJECT.format(addopts=options, classes=self._random.choice(("Test", "TestG", "Nothing"))))
        return "edit pyproject.toml"

    def _touch(self) -> str:
        name = self._random.choice(self._tests)
        path = self.root / name
        path.write_bytes(path.read_bytes())
        return f"touch {name}"


def run_in_order(case: Case, *args: str) -> tuple[Finished, list[str]]:
    """`pfast run`, and the node ids that it selected, in its order."""
    events = case.home / "events.jsonl"
    events.unlink(missing_ok=True)
    done = case.run("--events", str(events), *args)
    lines = [json.loads(line) for line in events.read_text().splitlines()] if events.exists() else []
    results = {line["item"]: line["nodeid"] for line in lines if line["type"] == "result"}
    return done, [results[item] for item in sorted(results)]
