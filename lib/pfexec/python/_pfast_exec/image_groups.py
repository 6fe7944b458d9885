"""Which items belong together when a run is distributed."""

from __future__ import annotations

import array
from collections.abc import Sequence
from typing import Any

#: As in <pfcore/plan.hpp>: the items of the group share fixtures of a scope between function and session.
_SHARES_SETUP = 0x80000000
_SHARED_SCOPES = frozenset({"class", "module", "package"})


def group_numbers(items: Sequence[Any]) -> bytes:
    """Per item the number of its file's group, as native 32-bit words: consecutive items of one file share a number."""
    numbers = array.array("I")
    begin = 0
    for end in range(1, len(items) + 1):
        if end < len(items) and items[end].path == items[begin].path:
            continue
        number = begin | (_SHARES_SETUP if any(map(_shares_setup, items[begin:end])) else 0)
        numbers.extend([number] * (end - begin))
        begin = end
    return numbers.tobytes()


def _shares_setup(item: Any) -> bool:
    info = getattr(item, "_fixtureinfo", None)
    definitions = info.name2fixturedefs.values() if info is not None else ()
    # The last definition is the one that counts, but it may ask for those that it overrides.
    return any(one.scope in _SHARED_SCOPES for several in definitions for one in several)
