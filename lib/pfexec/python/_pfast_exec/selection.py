"""From a run's path and node id arguments to the items of an image that they mean."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Argument(NamedTuple):
    path: str
    names: tuple[str, ...]


class Selection(NamedTuple):
    items: list[int]
    arguments: list[Argument] | None  # None: everything


class NotCovered(Exception):
    """The image cannot answer these arguments; the run needs a fresh session. ``outside`` asks for a wider image."""

    def __init__(self, why: str, outside: bool = False) -> None:
        super().__init__(why)
        self.outside = outside


_CONFIG_FILES = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")


class ItemIndex:
    """Where an image's items lie. Built once, before the pause."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = items
        self.by_path: dict[str, list[int]] = {}
        self.names: list[tuple[str, ...]] = []  # per item: ("TestClass", "test_name[x]"), without the file's own node
        for number, item in enumerate(items):
            self.by_path.setdefault(str(item.path), []).append(number)
            chain = [node.name for node in item.listchain() if node.name and getattr(node, "path", None) == item.path]
            self.names.append(tuple(chain[1:]))

    def below(self, directory: str) -> list[int]:
        prefix = directory.rstrip("/") + "/"
        found = [numbers for path, numbers in self.by_path.items() if path.startswith(prefix)]
        return sorted(number for numbers in found for number in numbers)


def split_argument(text: str, cwd: Path) -> Argument:
    """``path::Class::test[param::x]`` as pytest splits it: a parameter may hold colons itself."""
    base, bracket, rest = text.partition("[")
    path, *names = base.split("::")
    if names:
        names[-1] = f"{names[-1]}{bracket}{rest}"
    else:
        path = text
    return Argument(os.path.abspath(cwd / path), tuple(names))


def _matches(chain: tuple[str, ...], names: tuple[str, ...]) -> bool:
    *outer, last = names
    if len(names) > len(chain) or chain[: len(outer)] != tuple(outer):
        return False
    name = chain[len(outer)]
    return name == last or ("[" not in last and name.split("[")[0] == last)


def covered_by(path: str, scope: Sequence[str]) -> bool:
    return any(path == root or path.startswith(root.rstrip("/") + "/") for root in scope)


def only_these(session: Any, nodeids: Sequence[str]) -> None:
    """Leaves *session* those of its items that *nodeids* name, in that order; a name that two items have stands for one a time."""
    items: dict[str, list[Any]] = {}
    for item in reversed(session.items):
        items.setdefault(str(item.nodeid), []).append(item)
    session.items[:] = [items[nodeid].pop() for nodeid in nodeids if items.get(nodeid)]
    session.testscollected = len(session.items)


class Selector:
    def __init__(self, config: Any, index: ItemIndex, scope: Sequence[str], whole: bool) -> None:
        self._config = config
        self._index = index
        self._scope = scope
        self._whole = whole

    def select(self, arguments: Sequence[str], pyargs: bool) -> Selection:
        """The items that plain pytest would collect for *arguments*, in its order. Raises NotCovered."""
        if not arguments:
            if not self._whole:
                raise NotCovered("the whole suite was asked for, the generation collected a part of it", outside=True)
            return Selection(list(range(len(self._index.items))), None)
        if pyargs:
            raise NotCovered("--pyargs with arguments")
        parsed = [split_argument(text, Path.cwd()) for text in arguments]
        self._check_disjoint(parsed)
        self._check_rootdir(parsed)
        chosen: list[int] = []
        for text, argument in zip(arguments, parsed):
            chosen += self._one(text, argument)
        return Selection(chosen, parsed)

    def _one(self, text: str, argument: Argument) -> list[int]:
        if not covered_by(argument.path, self._scope):
            raise NotCovered(f"{text} is not part of what the generation collected", outside=os.path.exists(argument.path))
        if os.path.isdir(argument.path):
            found = self._index.below(argument.path)
        else:
            self._check_file(text, argument.path)
            found = self._index.by_path.get(argument.path, [])
            if argument.names:
                found = [number for number in found if _matches(self._index.names[number], argument.names)]
        if not found:
            raise NotCovered(f"{text} has no item in the generation")
        return found

    def _check_file(self, text: str, path: str) -> None:
        # A file that is named is collected even where discovery would pass it over or treat it differently.
        if os.path.basename(path) in ("__init__.py", "conftest.py") or not path.endswith(".py"):
            raise NotCovered(f"{text} is collected differently when it is named")
        from _pytest.pathlib import fnmatch_ex

        if not any(fnmatch_ex(pattern, Path(path)) for pattern in self._config.getini("python_files")):
            raise NotCovered(f"{text} does not match python_files")

    @staticmethod
    def _check_disjoint(arguments: Sequence[Argument]) -> None:
        if len(arguments) < 2:
            return
        seen: set[Argument] = set()
        for argument in arguments:
            nested = any(
                other is not argument
                and (covered_by(argument.path, [other.path]) and argument.names[: len(other.names)] == other.names)
                for other in arguments
            )
            if nested or argument in seen:
                raise NotCovered("overlapping arguments")
            seen.add(argument)

    def _check_rootdir(self, arguments: Sequence[Argument]) -> None:
        """pytest looks for its rootdir from the arguments upward: it must come out as in the image."""
        rootpath, inipath = self._config.rootpath, self._config.inipath
        directories = [a.path if os.path.isdir(a.path) else os.path.dirname(a.path) for a in arguments]
        common = Path(os.path.commonpath(directories))
        if inipath is not None and inipath.parent == rootpath and (common == rootpath or rootpath in common.parents):
            between = []
            while common != rootpath:
                between.append(common)
                common = common.parent
            if any(os.path.isfile(f"{folder}/{name}") for folder in between for name in _CONFIG_FILES):
                raise NotCovered("a configuration file lies between the arguments and the rootdir")
            return
        if _determine_rootdir(self._config, [a.path for a in arguments]) != rootpath:
            raise NotCovered("the arguments have another rootdir")


def _determine_rootdir(config: Any, paths: list[str]) -> Path | None:
    from _pytest.config.findpaths import determine_setup

    known: dict[str, Any] = {
        "inifile": config.option.inifilename,
        "override_ini": config.option.override_ini,
        "args": paths,
        "rootdir_cmd_arg": config.option.rootdir or None,
        "invocation_dir": Path.cwd(),
        "config": None,
    }
    wanted = inspect.signature(determine_setup).parameters
    try:
        return determine_setup(**{name: value for name, value in known.items() if name in wanted})[0]
    except Exception:
        return None
