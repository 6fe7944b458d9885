"""Which items of a run belong together, and which may not run at the same time: what the daemon plans with."""

from __future__ import annotations

import array
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from unittest import TestCase

import pytest

#: As in <pfcore/plan.hpp>: what it means to begin a worker's range at this item, and not at the one of its group before it.
CUT_SHARES_SETUP = 0x80000000  # fixtures that both sides share are set up once more
CUT_NEVER = 0x40000000

_GROUP_MARK, _SERIAL_MARK, _RESOURCE_MARK, _TIMEOUT_MARK = "xdist_group", "serial", "resource", "timeout"
_MARKS = frozenset({_GROUP_MARK, _SERIAL_MARK, _RESOURCE_MARK, _TIMEOUT_MARK})
_MOST_SECONDS = 4_000_000  # in milliseconds it is a 32-bit number
_MOST_RESOURCES = 64  # a bit each on the run board

#: A fixture at work: its definition, the node whose end is its end, its parameter. Compared by identity.
_Instance = tuple[int, int, int]
_NO_PARAMETER = -1


def prepare(items: Sequence[Any]) -> None:
    """Looks the fixtures of an image's items up once: they live as long as this process and its children."""
    fixtures = _Fixtures()
    _prepared.update((id(item), fixtures.used_by(item)) for item in items)


def describe(config: Any, items: Sequence[Any], dist: str) -> dict[str, Any]:
    """The fields of ``Selected`` that plans are made of, by the items' places."""
    marks = _all_marks(items)
    serial = array.array("I", [place for place, own in enumerate(marks) if any(mark.name == _SERIAL_MARK for mark in own)])
    return {
        "groups": group_words(items, dist, marks),
        "serial": serial.tobytes(),
        **_resources(items, marks),
        "time_limits": _time_limits(config, items, marks),
        "cache_dir": _cache_folder(config),
    }


def nothing() -> dict[str, Any]:
    return {"groups": b"", "serial": b"", "resources": [], "seats": b"", "needs": b"", "time_limits": b"", "cache_dir": b""}


def _cache_folder(config: Any) -> bytes:
    """pfast's own folder in the suite's cache, made when it is not there; empty when there is no cache, or none to write to."""
    cache = getattr(config, "cache", None)
    if cache is None:
        return b""
    try:
        return os.fsencode(cache.mkdir("pfast"))
    except OSError:
        return b""


def group_words(items: Sequence[Any], dist: str, marks: Sequence[_Marks]) -> bytes:
    """Per item, in its place, a native 32-bit word: its group's number and how its group may be cut before it."""
    if dist == "auto":
        return _Automatic().words(items, marks)
    by_nodeid = _BY_NODEID.get(dist)
    if by_nodeid is None:
        return bytes(4 * len(items))  # load, worksteal: any two items may be apart
    numbers: dict[str, int] = {}
    keys = map(by_nodeid, items, marks)
    return array.array("I", [numbers.setdefault(key, len(numbers)) | CUT_NEVER for key in keys]).tobytes()


# -- marks -------------------------------------------------------------------------------------------------------------

#: Of an item or a node: those of its marks that matter here, the closest first.
_Marks = Sequence[Any]


def _all_marks(items: Sequence[Any]) -> list[_Marks]:
    """What the nodes above an item carry is looked up once a node."""
    above: dict[int, tuple[Any, ...]] = {}

    def of_node(node: Any) -> tuple[Any, ...]:
        if node is None:
            return ()
        found = above.get(id(node))
        if found is None:
            found = above[id(node)] = (*(mark for mark in node.own_markers if mark.name in _MARKS), *of_node(node.parent))
        return found

    marks: list[_Marks] = []
    for item in items:
        parent = item.parent
        found = above.get(id(parent))
        if found is None:
            found = of_node(parent)
        own = item.own_markers
        if own:
            own = tuple([mark for mark in own if mark.name in _MARKS])
        marks.append((*own, *found) if own else found)
    return marks


def _group_name(marks: _Marks) -> str | None:
    """As xdist joins them: an item may have several."""
    names = {
        str(mark.args[0] if mark.args else mark.kwargs.get("name", "default")) for mark in marks if mark.name == _GROUP_MARK
    }
    return "_".join(sorted(names)) if names else None


def _resources(items: Sequence[Any], marks: Sequence[_Marks]) -> dict[str, Any]:
    numbers: dict[str, int] = {}
    seats: list[int] = []
    needs = array.array("I")  # pairs: an item's place, a resource's number
    for place, own in enumerate(marks):
        for mark in own:
            wanted = _resource_of(mark, items[place])
            if wanted is None:
                continue
            name, count = wanted
            number = numbers.setdefault(name, len(numbers))
            if number == len(seats):
                seats.append(count)
            seats[number] = min(seats[number], count)
            needs.extend((place, number))
    if len(seats) > _MOST_RESOURCES:
        raise pytest.UsageError(f"pytest.mark.resource names {len(seats)} resources; pfast keeps {_MOST_RESOURCES} apart")
    return {"resources": list(numbers), "seats": array.array("I", seats).tobytes(), "needs": needs.tobytes()}


def _resource_of(mark: Any, item: Any) -> tuple[str, int] | None:
    """The mark's name and its ``n``; None for a mark of a suite's own that happens to be called so."""
    if mark.name != _RESOURCE_MARK:
        return None
    name = mark.args[0] if mark.args else mark.kwargs.get("name")
    if not isinstance(name, str):
        return None
    count = mark.args[1] if len(mark.args) > 1 else mark.kwargs.get("n", 1)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count < 2**31:
        raise pytest.UsageError(
            f"{item.nodeid}: pytest.mark.resource({name!r}, n={count!r}): n is how many tests may have it at a time, 1 or more"
        )
    return name, count


def _time_limits(config: Any, items: Sequence[Any], marks: Sequence[_Marks]) -> bytes:
    """Pairs: an item's place, milliseconds (0: none). pytest-timeout, where it is installed, sees to its marks itself."""
    limits = array.array("I")
    if config.pluginmanager.hasplugin("timeout"):
        return limits.tobytes()
    for place, own in enumerate(marks):
        mark = next((mark for mark in own if mark.name == _TIMEOUT_MARK), None)
        if mark is None:
            continue
        seconds = mark.args[0] if mark.args else mark.kwargs.get("timeout")
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= _MOST_SECONDS:
            raise pytest.UsageError(
                f"{items[place].nodeid}: pytest.mark.timeout({seconds!r}): it takes the seconds that the test may take, 0 for any number"
            )
        limits.extend((place, max(1, round(seconds * 1000)) if seconds else 0))
    return limits.tobytes()


# -- xdist's ways: what xdist derives from node ids --------------------------------------------------------------------


def _file_of(item: Any, marks: _Marks) -> str:
    return str(item.nodeid).split("::", 1)[0]


def _scope_of(item: Any, marks: _Marks) -> str:
    return str(item.nodeid).rsplit("::", 1)[0]


def _named_group_of(item: Any, marks: _Marks) -> str:
    # xdist writes the group behind the node id and reads it back from there. A node id of its own may look like that, too.
    name = _group_name(marks)
    nodeid = str(item.nodeid) if name is None else f"{item.nodeid}@{name}"
    return nodeid.split("@")[-1] if nodeid.rfind("@") > nodeid.rfind("]") else f"{nodeid}::"


_BY_NODEID: dict[str, Callable[[Any, _Marks], str]] = {
    "loadfile": _file_of,
    "loadscope": _scope_of,
    "loadgroup": _named_group_of,
}


# -- auto: files, joined and cut by what they share --------------------------------------------------------------------


class _Uses:
    """What an item shares with others: fixtures between function and session, and the parameters of any of them."""

    __slots__ = ("instances", "package", "session")

    def __init__(self, instances: tuple[_Instance, ...], session: tuple[_Instance, ...], package: tuple[_Instance, ...]) -> None:
        self.instances = instances
        self.session = session  # a part of instances: parameters of the whole session, by which pytest sorts across files
        self.package = package  # a part of instances


_NOTHING = _Uses((), (), ())


_prepared: dict[int, _Uses] = {}


class _Automatic:
    def __init__(self) -> None:
        self._joined: dict[Any, Any] = {}  # a forest of group keys

    def words(self, items: Sequence[Any], marks: Sequence[_Marks]) -> bytes:
        used_by = _Fixtures().used_by
        uses = [_prepared.get(id(item)) or used_by(item) for item in items]
        keys = [
            (own and _group_name(own)) or (item.path if use is _NOTHING else self._key(item, use))
            for item, use, own in zip(items, uses, marks)
        ]
        if self._joined:
            keys = [self._root(key) for key in keys]
        numbers: dict[Any, int] = {}
        words = array.array("I", [numbers.setdefault(key, len(numbers)) for key in keys])
        named = {number for key, number in numbers.items() if isinstance(key, str)}
        sharing = {word for word, use in zip(words, uses) if use is not _NOTHING}
        members: dict[int, list[int]] = {number: [] for number in named | sharing}
        if members:
            for place, number in enumerate(words):
                if number in members:
                    members[number].append(place)
        for number, places in members.items():
            for place in _shared_cuts(places, uses):
                words[place] |= CUT_SHARES_SETUP
            if number in named:
                for place in places:
                    words[place] |= CUT_NEVER
        return words.tobytes()

    # -- groups

    def _key(self, item: Any, use: _Uses) -> Any:
        if use.session:
            return use.session
        path = item.path
        for instance in use.package:
            self._join(path, instance)
        return path

    def _join(self, one: Any, other: Any) -> None:
        one, other = self._root(one), self._root(other)
        if one != other:
            self._joined[other] = one

    def _root(self, key: Any) -> Any:
        while (above := self._joined.get(key)) is not None:
            key = above
        return key


class _Fixtures:
    """Finds an item's fixtures; what items have in common is looked at once."""

    def __init__(self) -> None:
        self._lasting: dict[int, bool] = {}  # by definition: it may outlast an item, and not be as old as the session
        self._shared: dict[int, Sequence[tuple[str, Any]]] = {}  # by fixture info, which a function's variants have in common
        self._uses: dict[tuple[int, int], _Uses] = {}

    def used_by(self, item: Any) -> _Uses:
        info = getattr(item, "_fixtureinfo", None)
        if info is None:
            return _NOTHING
        shared = self._shared.get(id(info))
        if shared is None:
            shared = self._shared[id(info)] = self._shared_in(info, item)
        if not shared:
            return _NOTHING
        indices = getattr(getattr(item, "callspec", None), "indices", None) or {}
        if any(name in indices for name, _ in shared):
            return _uses_of(item, shared, indices)
        known = self._uses.get((id(info), id(item.parent)))
        if known is None:
            known = self._uses[id(info), id(item.parent)] = _uses_of(item, shared, indices)
        return known

    def _shared_in(self, info: Any, item: Any) -> Sequence[tuple[str, Any]]:
        found: list[tuple[str, Any]] = []
        lasting = self._lasting
        for name, definitions in info.name2fixturedefs.items():
            for one in definitions:  # the last one counts, but it may ask for those that it overrides
                lasts = lasting.get(id(one))
                if lasts is None:
                    lasts = lasting[id(one)] = _lasts(one)
                if lasts and not _does_nothing(name, item):
                    found.append((name, one))
        return found


def _lasts(definition: Any) -> bool:
    scope = definition.scope
    return scope != "function" and (scope != "session" or bool(definition.params))


def _does_nothing(name: str, item: Any) -> bool:
    """unittest's own setUpClass and tearDownClass: pytest makes a fixture of them in every TestCase."""
    cls = getattr(item, "cls", None)
    if "unittest_setUpClass" not in name or cls is None:
        return False
    return all(
        getattr(getattr(cls, method, None), "__func__", None) is getattr(TestCase, method).__func__
        for method in ("setUpClass", "tearDownClass")
    )


def _uses_of(item: Any, shared: Iterable[tuple[str, Any]], indices: Any) -> _Uses:
    instances: list[_Instance] = []
    session: list[_Instance] = []
    package: list[_Instance] = []
    chain = item.listchain()
    for name, definition in shared:
        node = _node_of(definition, chain)
        index = indices.get(name, _NO_PARAMETER)
        if node is item or (node is None and index == _NO_PARAMETER):
            continue  # as short as the item, or as long as the session
        instance = (id(definition), id(node), index)
        instances.append(instance)
        if node is None:
            session.append(instance)
        elif definition.scope == "package":
            package.append(instance)
    return _Uses(tuple(instances), tuple(session), tuple(package))


def _node_of(definition: Any, chain: Sequence[Any]) -> Any:
    """The node with which a fixture ends; None for the session."""
    if definition.scope == "session":
        return None
    if definition.scope == "package":
        folders = (definition.baseid, f"{definition.baseid}/__init__.py")  # as pytest 8 names packages, and as 7 did
        return next((node for node in reversed(chain) if isinstance(node, pytest.Package) and node.nodeid in folders), None)
    kind = pytest.Class if definition.scope == "class" else pytest.Module
    # A class' fixture without a class lives as long as its item.
    return next((node for node in reversed(chain) if isinstance(node, kind)), chain[-1])


def _shared_cuts(places: Sequence[int], uses: Sequence[_Uses]) -> Iterable[int]:
    """Places before which a cut has an instance on both of its sides."""
    last: dict[_Instance, int] = {}
    for rank, place in enumerate(places):
        for instance in uses[place].instances:
            last[instance] = rank
    reach = -1
    for rank, place in enumerate(places):
        if rank <= reach:
            yield place
        for instance in uses[place].instances:
            reach = max(reach, last[instance])
