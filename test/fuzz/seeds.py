"""Writes what the fuzzers begin with: the judged frames, and every message of the wire.

python3 test/fuzz/seeds.py FOLDER
"""

from __future__ import annotations

import itertools
import struct
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "test" / "support"))

from pickle_canon import judged_frames  # noqa: E402

MOST_BYTES = 16_384


def framed(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


def board(order: list[int], ranges: list[tuple[int, int]], workers: int) -> bytes:
    """A run board as it is laid out in PROTOCOL.md, section 8."""

    def aligned(part: bytes) -> bytes:
        return part + bytes(-len(part) % 64)

    slot = struct.pack("<QQQIii", 0, 0xFFFFFFFF << 32, 0, 0xFFFFFFFF, 0, 0)
    slots = [aligned(struct.pack("<II", end, begin) + slot[8:]) for begin, end in ranges[:workers]]
    slots += [aligned(slot)] * (workers - len(slots))
    parts = b"".join(slots)
    parts += aligned(b"".join(struct.pack("<II", *one) for one in ranges))
    parts += aligned(struct.pack(f"<{len(order)}I", *order))
    parts += aligned(bytes(4 * len(order)))
    header = aligned(struct.pack("<8sIIIIQ", b"PFBORD1\0", 2, len(order), len(ranges), workers, 192 + len(parts)))
    return header + aligned(struct.pack("<I", min(workers, len(ranges)))) + bytes(64) + parts


def seeds() -> dict[str, dict[str, bytes]]:
    frames = {frame.name: (frame.wire, frame.content()) for frame in judged_frames()}
    messages = {path.stem: path.read_bytes() for path in sorted((ROOT / "test" / "data").glob("wire*/*.pickle"))}
    payloads = {name: content for name, (wire, content) in frames.items() if not wire} | messages
    streams = {name: content for name, (wire, content) in frames.items() if wire}
    streams |= {name: framed(content) for name, content in messages.items()}
    pairs = itertools.pairwise(messages.values())
    streams |= {f"pair-{number}": framed(one) + framed(other) for number, (one, other) in enumerate(pairs)}
    boards = {
        "one": board([0], [(0, 1)], 1),
        "none": board([], [], 2),
        "some": board([2, 0, 1, 3, 4], [(0, 2), (2, 5)], 3),
        "many": board(list(range(30)), [(i, i + 3) for i in range(0, 30, 3)], 4),
    }
    ways = {f"memory-{name}": b"\2" + content for name, content in boards.items()}
    ways |= {f"plan-{kind}": bytes([kind, 20, 0]) + bytes(range(200)) for kind in (0, 1)}
    return {"pickle": payloads, "frame_stream": streams, "message": payloads, "run_board": ways}


def main() -> int:
    folder = Path(sys.argv[1])
    for target, contents in seeds().items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(contents.values()):
            if len(content) <= MOST_BYTES:
                (folder / target / f"{number:04}").write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
