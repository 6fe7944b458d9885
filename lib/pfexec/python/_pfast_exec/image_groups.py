"""Which items belong together when a run is distributed."""

from __future__ import annotations

import array
from collections.abc import Sequence
from typing import Any


def group_numbers(items: Sequence[Any]) -> bytes:
    """Per item the number of its file's group, as native 32-bit words: consecutive items of one file share a number."""
    numbers = array.array("I")
    last: Any = None
    number = -1
    for item in items:
        if item.path != last:
            last = item.path
            number += 1
        numbers.append(number)
    return numbers.tobytes()
