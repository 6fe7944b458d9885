"""pfast.wire: libpfcore's codec as a Python module."""

from __future__ import annotations

import ast
import collections
import enum
import gc
import importlib.util
import os
import pickle
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pickle_canon import ROOT, PickleCanon, canon, judged_frames
from pickle_values import Values

BUILD_DIR = Path(os.environ.get("PFAST_BUILD_DIR", ROOT / "build"))
STUB = ROOT / "frontends" / "plugin" / "pfast" / "wire.pyi"


def load_module() -> ModuleType:
    if os.environ.get("PFAST_TEST_EXECUTABLE"):
        return importlib.import_module("pfast.wire")
    (file,) = (BUILD_DIR / "frontends" / "plugin").glob("wire.*.so")
    spec = importlib.util.spec_from_file_location("pfast.wire", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


wire: Any = load_module()


# ---------------------------------------------------------------- loads and dumps


def canon_of_any_depth(value: object) -> str:
    try:
        return canon(value)
    except RecursionError:
        with PickleCanon() as reader:
            return reader.ask_one(wire.dumps(value)).text


@pytest.mark.parametrize("cls", sorted({frame.cls for frame in judged_frames()}))
def test_judged_frames(cls: str) -> None:
    broken = []
    for frame in judged_frames():
        if frame.cls != cls or frame.wire:
            continue
        content = frame.content()
        try:
            value = wire.loads(content)
        except wire.DecodeError as error:
            assert 0 <= error.offset <= len(content)
            if frame.policy == "accept":
                broken.append(f"{frame.name}: {error}")
            continue
        if frame.policy in ("reject", "strict-reject"):
            broken.append(f"{frame.name}: accepted")
        elif frame.has_canon() and not frame.is_canon(text := canon_of_any_depth(value)):
            broken.append(f"{frame.name}: {text[:200]}")
    assert not broken, "\n".join(broken)


def test_generated_values_come_back_in_both_directions() -> None:
    values = Values(7)
    python2_names = wire.Limits(python2_names=True)
    for number in range(4000):
        value = values.next()
        text = canon(value)
        written = wire.dumps(value, (2, 4, 5)[number % 3])
        assert canon(pickle.loads(written)) == text
        assert canon(wire.loads(written, python2_names)) == text
        content = pickle.dumps(value, 2 + number % 4)
        assert canon(wire.loads(content, python2_names)) == text


def test_shared_and_cyclic_containers_keep_their_identity() -> None:
    shared: list[Any] = [1]
    cycle: list[Any] = []
    cycle.append((cycle, {"k": cycle}))
    array = bytearray(b"x")
    value = {"a": shared, "b": (shared, shared), "c": cycle, "d": [array, array], "e": [[1], [1]]}
    for back in (wire.loads(pickle.dumps(value)), wire.loads(wire.dumps(value)), pickle.loads(wire.dumps(value))):
        assert back["a"] is back["b"][0] is back["b"][1]
        assert back["c"][0][0] is back["c"] is back["c"][0][1]["k"]
        assert back["d"][0] is back["d"][1]
        assert back["e"][0] is not back["e"][1]


def test_a_text_that_stands_many_times_is_one() -> None:
    for text in ("x" * (1 << 20), b"x" * (1 << 20), 1 << 4000):
        written = wire.dumps([text] * 100_000)
        assert len(written) < 3 << 20
        for back in (wire.loads(written), pickle.loads(written)):
            assert len(back) == 100_000 and back[0] == text
            assert len({id(one) for one in back}) == 1


@pytest.mark.parametrize("make", [lambda inner: [inner], lambda inner: (inner,), lambda inner: {"k": inner}])
def test_depth_is_bounded_by_the_limits_alone(make: Any) -> None:
    value: Any = None
    for _ in range(9_990):
        value = make(value)
    written = wire.dumps(value)
    back = wire.loads(written)
    depth = 0
    while back is not None:
        back = back["k"] if isinstance(back, dict) else back[0]
        depth += 1
    assert depth == 9_990
    with pytest.raises(wire.DecodeError, match="nested too deep") as raised:
        wire.loads(written, wire.Limits.control())
    assert raised.value.code == "limit"
    for _ in range(200_000):
        value = make(value)
    with pytest.raises(wire.DecodeError, match="nested too deep"):
        wire.loads(wire.dumps(value))


def test_an_error_says_what_and_where() -> None:
    with pytest.raises(wire.DecodeError) as raised:
        wire.loads(b"\x80\x04]\x8c\x02os\x8c\x06system\x93.")
    error = raised.value
    assert isinstance(error, ValueError)
    assert (error.code, error.offset) == ("refused", 15)
    assert error.reason.startswith("decode the pickle: STACK_GLOBAL at byte 15: ")
    assert str(error) == f"failed to {error.reason}"


class Colour(enum.IntEnum):
    RED = 1


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    "value", [object(), Colour.RED, Point(1, 2), collections.OrderedDict(), print, [{"k": (1, {2: object()})}], frozenset({Colour.RED})]
)
def test_what_is_no_plain_value_is_named(value: object) -> None:
    with pytest.raises(TypeError, match=r"encode <(class|enum) '.*'>: it is no plain value"):
        wire.dumps(value)


@pytest.mark.parametrize("protocol", [-1, 0, 1, 6])
def test_protocols_that_cannot_be_written(protocol: int) -> None:
    with pytest.raises(ValueError, match=f"write protocol {protocol}: it is not 2 to 5"):
        wire.dumps(None, protocol)


def test_bytes_of_any_owner_are_read() -> None:
    content = wire.dumps(["text", b"data" * 10_000])
    for owner in (content, bytearray(content), memoryview(content)):
        assert wire.loads(owner) == ["text", b"data" * 10_000]
    for wrong in ("text", None, 3):
        with pytest.raises(TypeError):
            wire.loads(wrong)


def test_limits() -> None:
    assert wire.Limits.greeting().max_bytes == 64 << 10
    assert wire.Limits.control().max_depth == 512
    assert wire.Limits.result(99).max_bytes == 99
    limits = wire.Limits(max_objects=3, python2_names=True)
    limits.max_depth = 2
    assert repr(limits).startswith("Limits(max_bytes=268435456, max_objects=3, max_depth=2, ")
    with pytest.raises(wire.DecodeError, match="too many values"):
        wire.loads(pickle.dumps([1, 2, 3]), limits)
    with pytest.raises(TypeError, match="no bound 'max_dept'"):
        wire.Limits(max_dept=3)
    with pytest.raises(wire.DecodeError, match="4 bytes, 3 are allowed"):
        wire.loads(b"\x80\x02N.", wire.Limits(max_bytes=3))


def test_nothing_is_kept() -> None:
    cycle: list[Any] = []
    cycle.append((cycle,))
    value = {"a": [1.5, "text", 2**100, (1, frozenset({"x"})), bytearray(b"y"), {3}, 1j], "c": cycle}
    content = pickle.dumps(value)
    reader = wire.FrameReader()

    def use() -> None:
        wire.loads(content)
        wire.dumps(value)
        reader.feed(wire.frame(content))
        assert next(reader) == content
        for bad in (content[:-5], b"\x80\x04cos\nsystem\n."):
            with pytest.raises(wire.DecodeError):
                wire.loads(bad)
        with pytest.raises(TypeError):
            wire.dumps([value, object()])

    def blocks() -> int:
        gc.collect()
        return sys.getallocatedblocks()

    for _ in range(50):
        use()
    before = blocks()
    for _ in range(1000):
        use()
    assert blocks() < before + 500  # half a block a round would be a leak


# ---------------------------------------------------------------- frames


def test_frames_come_out_however_the_stream_is_split() -> None:
    payloads = [b"", b"a", wire.dumps({"k": "v"}), b"x" * 300]
    stream = b"".join(wire.frame(payload) for payload in payloads)
    assert stream[:9] == b"\0\0\0\0\0\0\0\1a"
    for size in range(1, 40):
        reader = wire.FrameReader()
        out = []
        for at in range(0, len(stream), size):
            reader.feed(stream[at : at + size])
            out += list(reader)
        assert out == payloads
        assert reader.pending_bytes == 0 and reader.next() is None


def test_a_payload_that_does_not_decode_costs_its_frame_only() -> None:
    reader = wire.FrameReader()
    reader.feed(wire.frame(b"nonsense") + wire.frame(wire.dumps(7)) + b"\0\0\0\5ab")
    with pytest.raises(wire.DecodeError):
        wire.loads(reader.next())
    assert wire.loads(reader.next()) == 7
    assert reader.next() is None
    assert (reader.pending_bytes, reader.missing_bytes) == (6, 3)


def test_a_frame_over_the_bound_ends_the_stream() -> None:
    reader = wire.FrameReader(10)
    reader.feed(wire.frame(b"x" * 10) + wire.frame(b"x" * 11))
    assert next(reader) == b"x" * 10
    for _ in range(2):
        with pytest.raises(wire.FrameError, match="11"):
            reader.next()
    assert wire.FRAME_CAP_BYTES == 256 << 20
    with pytest.raises(wire.FrameError):
        wire.frame(bytes(wire.FRAME_CAP_BYTES + 1))


# ---------------------------------------------------------------- the stub


def test_the_stub_names_what_there_is() -> None:
    def names(body: list[ast.stmt]) -> dict[str, ast.stmt]:
        found: dict[str, ast.stmt] = {}
        for node in body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                found[node.name] = node
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found[node.target.id] = node
        return found

    stub = names(ast.parse(STUB.read_text()).body)
    assert set(stub) == {name for name in vars(wire) if not name.startswith("_")}
    for name, node in stub.items():
        if isinstance(node, ast.FunctionDef):
            signature = getattr(wire, name).__doc__.splitlines()[0]
            there = re.findall(r"(\w+): ", signature[signature.index("(") :])
            assert [argument.arg for argument in node.args.args] == there
        elif isinstance(node, ast.ClassDef) and name in ("Limits", "FrameReader"):
            there = {one for one in vars(getattr(wire, name)) if not one.startswith("_")}
            assert {one for one in names(node.body) if not one.startswith("_")} == there


# ---------------------------------------------------------------- the manual's examples


def test_the_frames_of_the_manual_are_frames() -> None:
    manual = (ROOT / "lib" / "pfcore" / "PROTOCOL.md").read_text()
    dumps = re.findall(r"(?:^    [0-9a-f]{4}  .*\n)+", manual, re.MULTILINE)
    assert len(dumps) >= 19
    for dump in dumps:
        lines = dump.splitlines()
        content = b"".join(bytes.fromhex(line[10:57].strip()) for line in lines)
        assert [int(line[4:8], 16) for line in lines] == list(range(0, len(content), 16))
        reader = wire.FrameReader()
        reader.feed(content)
        assert isinstance(wire.loads(next(reader)), (dict, tuple))
        assert reader.next() is None and reader.pending_bytes == 0
