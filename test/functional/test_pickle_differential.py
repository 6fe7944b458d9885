"""pfcore's codec against CPython's: generated values in both directions, and judged frames that are cut and changed.

PFAST_DIFFERENTIAL_VALUES is the number of values, 5,000 by default; from a million on every accepted frame is cut at every
byte and 200 of them get every other byte at every place.
"""

from __future__ import annotations

import io
import itertools
import os
import pickle
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from pickle_canon import PickleCanon, canon, judged_frames
from pickle_values import Values

WANTED = int(os.environ.get("PFAST_DIFFERENTIAL_VALUES", "5000"))
THOROUGH = WANTED >= 1_000_000
CHUNK = 500
MOST_SHOWN = 10
CLASSES = ("set", "frozenset", "bytearray", "complex")
NAMES = {("builtins", name) for name in CLASSES}
NAMES_OF_PYTHON2 = {("__builtin__", name) for name in (*CLASSES, "bytes")} | {("_codecs", "encode"), ("builtins", "bytes")}


class Strict(pickle.Unpickler):
    """CPython's reader, with the names that pfcore knows and no others."""

    allowed = NAMES

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(f"{module}.{name} is forbidden")
        return super().find_class(module, name)


class StrictOfPython2(Strict):
    allowed = NAMES | NAMES_OF_PYTHON2


def dumps_c(value: object, protocol: int, fix_imports: bool) -> bytes:
    return pickle.dumps(value, protocol, fix_imports=fix_imports)


def dumps_python(value: object, protocol: int, fix_imports: bool) -> bytes:
    out = io.BytesIO()
    pickle._Pickler(out, protocol, fix_imports=fix_imports).dump(value)  # type: ignore[attr-defined]
    return out.getvalue()


def loads_c(content: bytes) -> object:
    return StrictOfPython2(io.BytesIO(content)).load()


def loads_python(content: bytes) -> object:
    return pickle._loads(content)  # type: ignore[attr-defined]


def expected(value: object, content: bytes, protocol: int) -> str:
    # The text of a NaN has neither sign nor payload.
    return canon(value if protocol > 0 else pickle.loads(content))


def chunks() -> Iterator[tuple[int, int]]:
    for seed in range((WANTED + CHUNK - 1) // CHUNK):
        yield seed, min(CHUNK, WANTED - seed * CHUNK)


def fail_with(broken: list[str]) -> None:
    assert not broken, f"{len(broken)} of them:\n" + "\n".join(broken[:MOST_SHOWN])


def test_what_cpython_writes_is_read_as_the_same_value() -> None:
    broken: list[str] = []
    done = 0
    writers: list[Callable[[object, int, bool], bytes]] = [dumps_c, dumps_python]
    with PickleCanon("--python2-names") as reader:
        for seed, size in chunks():
            values = Values(seed)
            wanted = []
            for value in [values.next() for _ in range(size)]:
                protocol = values.choice(range(6))
                content = values.choice(writers)(value, protocol, values.choice((True, False)))
                wanted.append((content, expected(value, content, protocol)))
            for (content, text), answer in zip(wanted, reader.ask(content for content, _ in wanted), strict=True):
                done += 1
                if answer.verdict != text:
                    broken.append(f"seed {seed}: {content[:500].hex()}: {text[:300]} is read as {answer.text[:300]}")
            if len(broken) >= MOST_SHOWN:
                break
    fail_with(broken)
    assert done == WANTED


def test_what_is_written_is_read_by_cpython_as_the_same_value() -> None:
    broken: list[str] = []
    done = 0
    with PickleCanon("--encode", "2") as two, PickleCanon("--encode", "4") as four, PickleCanon("--encode", "5") as five:
        for seed, size in chunks():
            writer, protocol = ((two, 2), (four, 4), (four, 4), (five, 5))[seed % 4]
            values = Values(~seed)
            wanted = [(value, pickle.dumps(value, 5)) for value in (values.next() for _ in range(size))]
            answers = writer.ask(content for _, content in wanted)
            loads = loads_python if seed % 8 == 0 else loads_c
            for (value, content), answer in zip(wanted, answers, strict=True):
                done += 1
                if not answer.accepted:
                    broken.append(f"seed {seed}: {content[:500].hex()} is refused: {answer.text}")
                    continue
                written = bytes.fromhex(answer.text)
                assert written[:2] == bytes([0x80, protocol])
                text = canon(value)
                if (read := canon(loads(written))) != text:
                    broken.append(f"seed {seed}: {content[:500].hex()}: {text[:300]} is written as {read[:300]}")
            if len(broken) >= MOST_SHOWN:
                break
    fail_with(broken)
    assert done == WANTED


# ---------------------------------------------------------------- judged frames, cut and changed

ACCEPTED = sorted(
    (frame.content() for frame in judged_frames() if frame.policy == "accept" and not frame.wire),
    key=lambda content: (len(content), content),
)


def cpython_verdict(content: bytes, strict: type[Strict]) -> str:
    """The value that CPython's reader gives, or what it raises, which is no value of ours."""
    try:
        stream = io.BytesIO(content)
        value = strict(stream).load()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return canon(value) if stream.tell() == len(content) else "there are bytes after it"


def check_refused_or_equal(contents: Iterable[bytes], *options: str) -> Counter[bool]:
    """How many were accepted, and how many were not."""
    strict = StrictOfPython2 if options else Strict
    verdicts: Counter[bool] = Counter()
    broken: list[str] = []
    with PickleCanon(*options) as reader:
        asked, kept = itertools.tee(contents)
        for content, answer in zip(kept, reader.ask(asked), strict=True):
            verdicts[answer.accepted] += 1
            if answer.accepted and (theirs := cpython_verdict(content, strict)) != answer.text:
                broken.append(f"{content[:500].hex()}: {answer.text[:300]}, by CPython {theirs[:300]}")
                if len(broken) >= MOST_SHOWN:
                    break
    fail_with(broken)
    return verdicts


def test_a_frame_cut_anywhere_is_refused_or_what_cpython_reads() -> None:
    frames = [content for content in ACCEPTED if THOROUGH or len(content) < 300]
    assert len(frames) > 300
    verdicts = check_refused_or_equal(content[:end] for content in frames for end in range(len(content)))
    assert verdicts[False] > 1000
    assert verdicts[True] == 0


@pytest.mark.parametrize("options", [(), ("--python2-names",)], ids=["default", "python2_names"])
def test_a_frame_with_any_byte_changed_is_refused_or_what_cpython_reads(options: tuple[str, ...]) -> None:
    candidates = [content for content in ACCEPTED if 4 <= len(content) <= 300]
    frames = random.Random(1).sample(candidates, 200 if THOROUGH else 10)

    def changed() -> Iterator[bytes]:
        for content in frames:
            for at, byte in itertools.product(range(len(content)), range(256)):
                if byte != content[at]:
                    yield content[:at] + bytes([byte]) + content[at + 1 :]

    verdicts = check_refused_or_equal(changed(), *options)
    assert verdicts[True] > 500
    assert verdicts[False] > 500
