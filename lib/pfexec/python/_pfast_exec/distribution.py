"""Which items of a run belong together, told to the daemon as one word an item (``Selected.groups``)."""

from __future__ import annotations

import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from unittest import TestCase

import pytest

#: As in <pfcore/plan.hpp>: what it means to begin a worker's range at this item, and not at the one of its group before it.
CUT_SHARES_SETUP = 0x80000000  # fixtures that both sides share are set up once more
CUT_NEVER = 0x40000000

_GROUP_MARK = "xdist_group"

#: A fixture at work: its definition, the node whose end is its end, its parameter. Compared by identity.
_Instance = tuple[int, int, int]
_NO_PARAMETER = -1


def prepare(items: Sequence[Any]) -> None:
    """Looks the fixtures of an image's items up once: they live as long as this process and its children."""
    fixtures = _Fixtures()
    _prepared.update((id(item), fixtures.used_by(item)) for item in items)


def group_words(items: Sequence[Any], dist: str) -> bytes:
    """Per item, in its place, a native 32-bit word: its group's number and how its group may be cut before it."""
    if dist == "auto":
        return _Automatic().words(items)
    by_nodeid = _BY_NODEID.get(dist)
    if by_nodeid is None:
        return bytes(4 * len(items))  # load, worksteal: any two items may be apart
    names = GroupNames()
    numbers: dict[str, int] = {}
    return array.array("I", [numbers.setdefault(by_nodeid(item, names), len(numbers)) | CUT_NEVER for item in items]).tobytes()


class GroupNames:
    """The names that xdist_group marks give to items. What the nodes above an item carry is looked up once a node."""

    def __init__(self) -> None:
        self._above: dict[int, frozenset[str]] = {}

    def of(self, item: Any) -> str | None:
        """As xdist joins them: an item may have several."""
        parent = item.parent
        names = self._above.get(id(parent))
        if names is None:
            names = self._of_node(parent)
        marks = item.own_markers
        if marks:
            for mark in marks:
                if mark.name == _GROUP_MARK:
                    names |= {_name_in(mark)}
        return "_".join(sorted(names)) if names else None

    def _of_node(self, node: Any) -> frozenset[str]:
        if node is None:
            return frozenset()
        found = self._above.get(id(node))
        if found is None:
            own = frozenset(_name_in(mark) for mark in node.own_markers if mark.name == _GROUP_MARK)
            found = self._above[id(node)] = own | self._of_node(node.parent)
        return found


def _name_in(mark: Any) -> str:
    return str(mark.args[0] if mark.args else mark.kwargs.get("name", "default"))


# -- xdist's ways: what xdist derives from node ids --------------------------------------------------------------------


def _file_of(item: Any, names: GroupNames) -> str:
    return str(item.nodeid).split("::", 1)[0]


def _scope_of(item: Any, names: GroupNames) -> str:
    return str(item.nodeid).rsplit("::", 1)[0]


def _named_group_of(item: Any, names: GroupNames) -> str:
    # xdist writes the group behind the node id and reads it back from there. A node id of its own may look like that, too.
    name = names.of(item)
    nodeid = str(item.nodeid) if name is None else f"{item.nodeid}@{name}"
    return nodeid.split("@")[-1] if nodeid.rfind("@") > nodeid.rfind("]") else f"{nodeid}::"


_BY_NODEID: dict[str, Callable[[Any, GroupNames], str]] = {
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

    def words(self, items: Sequence[Any]) -> bytes:
        used_by = _Fixtures().used_by
        name_of = GroupNames().of
        uses = [_prepared.get(id(item)) or used_by(item) for item in items]
        keys = [name_of(item) or (item.path if use is _NOTHING else self._key(item, use)) for item, use in zip(items, uses)]
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
