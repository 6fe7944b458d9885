"""Pickles for the codec tests: the judged frames, the canonical text in Python, and a client of the pickle_canon program."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD_DIR = Path(os.environ.get("PFAST_BUILD_DIR", ROOT / "build"))
FRAMES = ROOT / "test" / "data" / "pickle_frames.jsonl"


# ---------------------------------------------------------------- the judged frames


@dataclass(frozen=True)
class Frame:
    name: str
    cls: str
    wire: bool
    policy: str
    canon: str | None
    canon_sha256: str | None
    source: dict[str, Any]

    def content(self) -> bytes:
        if (digits := self.source.get("hex")) is not None:
            return bytes.fromhex(digits)
        if (recipe := self.source.get("recipe")) is not None:
            content = GENERATORS[recipe["gen"]](recipe["n"])
        else:
            content = b"".join(bytes.fromhex(digits) * repeat for digits, repeat in self.source["segments"])
        assert hashlib.sha256(content).hexdigest() == self.source["sha256"], self.name
        return content

    def has_canon(self) -> bool:
        return self.canon is not None or self.canon_sha256 is not None

    def is_canon(self, text: str) -> bool:
        if self.canon is not None:
            return text == self.canon
        return hashlib.sha256(text.encode()).hexdigest() == self.canon_sha256


def int_hash_collision(count: int) -> bytes:
    """A dict of ints that all hash to 0 in CPython."""
    modulus = (1 << 61) - 1
    entries = []
    for k in range(1, count + 1):
        key = k * modulus
        digits = key.to_bytes(key.bit_length() // 8 + 1, "little", signed=True)
        entries.append(b"\x8a" + bytes([len(digits)]) + digits + b"N")
    return b"\x80\x02}(" + b"".join(entries) + b"u."


GENERATORS = {"int_hash_collision": int_hash_collision}


def judged_frames(path: Path = FRAMES) -> list[Frame]:
    frames = []
    for line in path.read_text().splitlines():
        row = json.loads(line)
        frames.append(
            Frame(row["name"], row["cls"], row["level"] == "wire", row["policy"], row.get("canon"), row.get("canon_sha256"), row)
        )
    return frames


# ---------------------------------------------------------------- the canonical text


def canon(value: object) -> str:
    """As canonical_text in lib/pfcore: the format is in test/data/pickle_frames.md."""
    return _canon(value, {}, [])


def _canon(value: object, numbers: dict[int, int], keep: list[object]) -> str:
    kind = type(value)
    if value is None:
        return "N"
    if kind is bool:
        return "T" if value else "F"
    if kind is int:
        assert isinstance(value, int)
        if -(1 << 63) <= value < 1 << 63:
            return f"i{value}"
        return f"i{value:#x}"
    if kind is float:
        return "f" + struct.pack(">d", value).hex()
    if kind is complex:
        assert isinstance(value, complex)
        return f"c{struct.pack('>d', value.real).hex()}:{struct.pack('>d', value.imag).hex()}"
    if kind is str:
        assert isinstance(value, str)
        return "s" + value.encode("utf-8", "surrogatepass").hex()
    if kind is bytes:
        assert isinstance(value, bytes)
        return "b" + value.hex()
    if value == () or kind is frozenset and not value:
        return "t()" if kind is tuple else "Z{}"
    if (number := numbers.get(id(value))) is not None:
        return f"@{number}"
    numbers[id(value)] = len(numbers)
    keep.append(value)
    if kind is bytearray:
        assert isinstance(value, bytearray)
        return "B" + value.hex()
    if kind is tuple or kind is list:
        assert isinstance(value, (tuple, list))
        parts = ",".join(_canon(item, numbers, keep) for item in value)
        return f"t({parts})" if kind is tuple else f"l[{parts}]"
    if kind is dict:
        assert isinstance(value, dict)
        parts = ",".join(f"{_canon(key, numbers, keep)}={_canon(item, numbers, keep)}" for key, item in value.items())
        return f"d{{{parts}}}"
    assert isinstance(value, (set, frozenset)), kind
    alone = sorted(value, key=lambda item: _canon(item, {}, keep))
    parts = ",".join(sorted(_canon(item, numbers, keep) for item in alone))
    return ("S" if kind is set else "Z") + "{" + parts + "}"


# ---------------------------------------------------------------- the program


@dataclass(frozen=True)
class Answer:
    accepted: bool
    microseconds: int
    document_bytes: int
    peak_bytes: int
    text: str  # the canonical text, the encoded pickle's digits, or the error

    @property
    def verdict(self) -> str | None:
        return self.text if self.accepted else None


class PickleCanon:
    """The program, answering one pickle after the other."""

    def __init__(self, *options: str) -> None:
        program = BUILD_DIR / "test" / "support" / "pickle_canon"
        self.process = subprocess.Popen([program, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> PickleCanon:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Fails when the program did."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        rest = self.process.stdout.read()
        self.process.stdout.close()
        assert self.process.wait() == 0
        assert rest == b""

    def ask(self, pickles: Iterable[bytes]) -> Iterator[Answer]:
        """In batches that the pipes hold, so that neither side waits for the other."""
        batch: list[bytes] = []
        held = 0
        for pickle in pickles:
            batch.append(pickle)
            held += len(pickle)
            if held > 4000 or len(batch) >= 100:
                yield from self._ask(batch)
                batch, held = [], 0
        yield from self._ask(batch)

    def ask_one(self, pickle: bytes) -> Answer:
        return next(self._ask([pickle]))

    def _ask(self, pickles: list[bytes]) -> Iterator[Answer]:
        stdin: IO[bytes] | None = self.process.stdin
        stdout: IO[bytes] | None = self.process.stdout
        assert stdin and stdout
        for pickle in pickles:
            stdin.write(struct.pack("<Q", len(pickle)))
            stdin.write(pickle)
        stdin.flush()
        for pickle in pickles:
            line = stdout.readline()
            assert line.endswith(b"\n"), f"pickle_canon ended with code {self.process.wait()} at {pickle[:200].hex()}"
            word, microseconds, held, peak, text = line.decode().rstrip("\n").split(" ", 4)
            yield Answer(word == "ok", int(microseconds), int(held), int(peak), text)
