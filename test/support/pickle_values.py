"""Random plain values for the tests of the codec, every kind and every edge of it; one seed gives one sequence."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

EDGES = [0, 1, -1, 127, 128, 255, 256, 32767, 65535, 65536, 2**31 - 1, 2**31, 2**32, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64]
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.1, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), 2.0**53, 2.0**63, 2.0**64, 1e22]
TEXTS = ["", "a", "ab", "name", "type", "\x00", "\n", "\\", "'", '"', "\x1a", "\x7f", "\x80", "é", "€", "\ud800", "\udfff", "😀", "\\u20ac"]
#: Lengths at which opcodes and memos change.
LENGTHS = [0, 1, 2, 3, 63, 64, 65, 255, 256, 257, 1023, 1024, 1025]
LONG_LENGTHS = [4095, 4096, 5000, 65535, 65536]


class Values:
    """Makes values; what it made lately may be met again in what it makes next, so that graphs and cycles arise."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._known: list[Any] = []  # of this value
        self._scalars: list[Callable[[], Any]] = [
            lambda: None,
            lambda: True,
            lambda: False,
            self._int,
            self._int,
            self._float,
            self._text,
            self._text,
            self._bytes,
            self._complex,
        ]

    def next(self) -> Any:
        self._known = []
        chance = self._random.random()
        if chance < 0.002:
            return self._deep()
        if chance < 0.006:
            return self._wide()
        return self._value(self._random.choice((0, 1, 2, 3, 4)))

    def choice(self, options: Any) -> Any:
        return self._random.choice(options)

    # ---------------------------------------------------------------- scalars

    def _int(self) -> int:
        chance = self._random.random()
        if chance < 0.5:
            return self._random.choice(EDGES) * self._random.choice((1, -1)) + self._random.choice((-1, 0, 0, 1))
        if chance < 0.95:
            return self._random.randrange(-(1 << 16), 1 << 16)
        bits = self._random.choice((64, 100, 127, 128, 500, 2040, 2048, 4000))
        return self._random.getrandbits(bits) * self._random.choice((1, -1))

    def _float(self) -> float:
        chance = self._random.random()
        if chance < 0.5:
            return self._random.choice(FLOATS)
        if chance < 0.6:  # a NaN with a payload, of either sign, signalling or not
            bits = 0x7FF0000000000000 | self._random.getrandbits(1) << 63 | (self._random.getrandbits(52) or 1)
            value: float = struct.unpack("<d", struct.pack("<Q", bits))[0]
            return value
        if chance < 0.9:
            value = struct.unpack("<d", self._random.randbytes(8))[0]
            return value
        return float(self._int() % 10**300)

    def _complex(self) -> complex:
        return complex(self._float(), self._float())

    def _length(self) -> int:
        chance = self._random.random()
        if chance < 0.8:
            return self._random.randrange(12)
        return self._random.choice(LENGTHS if chance < 0.995 else LONG_LENGTHS)

    def _text(self) -> str:
        if self._random.random() < 0.6:
            return self._random.choice(TEXTS) + self._random.choice(("", "", "x", "€"))
        alphabet = self._random.choice(("abc", "ab\x00\n\\", "aé\x80", "a€\ud83d\ude00", "a😀\U0010ffff"))
        return "".join(self._random.choices(alphabet, k=self._length()))

    def _bytes(self) -> bytes:
        return self._random.randbytes(self._length())

    def _scalar(self) -> Any:
        if self._known and self._random.random() < 0.15:
            known = self._random.choice(self._known)
            if isinstance(known, (str, bytes, int)):
                return known
        value = self._random.choice(self._scalars)()
        self._known.append(value)
        return value

    # ---------------------------------------------------------------- keys and elements

    def _key(self, depth: int = 2) -> Any:
        chance = self._random.random()
        if depth == 0 or chance < 0.7:
            return self._scalar()
        parts = [self._key(depth - 1) for _ in range(self._random.randrange(4))]
        return tuple(parts) if chance < 0.9 else frozenset(parts)

    # ---------------------------------------------------------------- containers

    def _value(self, depth: int) -> Any:
        if self._known and self._random.random() < 0.1:
            return self._random.choice(self._known)
        if depth == 0 or self._random.random() < 0.3:
            return bytearray(self._bytes()) if self._random.random() < 0.1 else self._scalar()
        make = self._random.choice((self._tuple, self._list, self._list, self._dict, self._dict, self._set))
        return make(depth - 1)

    def _size(self) -> int:
        return self._random.choice((0, 1, 1, 2, 2, 3, 4, 5, 8))

    def _remember(self, value: Any) -> Any:
        self._known.append(value)
        return value

    def _tuple(self, depth: int) -> Any:
        return self._remember(tuple(self._value(depth) for _ in range(self._size())))

    def _list(self, depth: int) -> Any:
        # Known while it is filled: an element may lead back to it.
        made: list[Any] = self._remember([])
        for _ in range(self._size()):
            made.append(self._value(depth))
        return made

    def _dict(self, depth: int) -> Any:
        made: dict[Any, Any] = self._remember({})
        for _ in range(self._size()):
            made[self._key()] = self._value(depth)
        return made

    def _set(self, _: int) -> Any:
        elements = [self._key() for _ in range(self._size())]
        return self._remember(set(elements) if self._random.random() < 0.5 else frozenset(elements))

    def _deep(self) -> Any:
        value: Any = self._scalar()
        for _ in range(self._random.choice((50, 150))):
            value = self._random.choice((lambda v: [v], lambda v: (v,), lambda v: {"k": v}, lambda v: [v, None]))(value)
        return value

    def _wide(self) -> Any:
        """Around the size of a writer's batch and the reader's index."""
        size = self._random.choice((15, 16, 17, 999, 1000, 1001, 1024, 1025, 2001))
        kind = self._random.choice((list, tuple, dict, set, frozenset))
        if kind is dict:
            return {self._key(): self._scalar() for _ in range(size)}
        if kind in (set, frozenset):
            return kind(self._key() for _ in range(size))
        return kind(self._scalar() for _ in range(size))
