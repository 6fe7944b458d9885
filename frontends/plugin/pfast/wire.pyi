"""pfast's wire codec: pickles of plain values, read without calling anything, and the frames that carry them.

Plain values are None, bool, int, float, complex, str, bytes, bytearray, tuple, list, dict, set and frozenset, of exactly these
types. The format is in PROTOCOL.md of libpfcore, which does the work.
"""

from collections.abc import Iterator
from typing import Final, final

from typing_extensions import Buffer

FRAME_CAP_BYTES: Final[int]
"""Payload bytes that a frame can have at most."""

class DecodeError(ValueError):
    """Bytes that are no pickle of plain values, or break a bound."""

    code: str
    """'malformed', 'truncated', 'limit' (a bound was passed) or 'refused' (a class or call that is never accepted)."""
    offset: int
    """The byte at which the offending opcode starts."""
    reason: str
    """What is wrong with it; the opcode is named."""

class FrameError(ValueError):
    """A frame longer than is allowed: the stream is lost, since nobody knows where the next frame begins."""

@final
class Limits:
    """Bounds in force while one pickle is decoded. Memory is bounded besides: 8 bytes for each byte of the pickle + 1 MiB."""

    max_bytes: int
    """Size of the pickle itself."""
    max_objects: int
    """Values built, None and small ints included."""
    max_depth: int
    """Nesting of containers."""
    max_int_digits: int
    """Decimal digits of an int in text form."""
    max_int_bytes: int
    """Bytes of an int in binary form."""
    max_key_depth: int
    """Nesting of containers in a dict key or set element; 64 at most."""
    max_key_nodes: int
    """Values in one dict key or set element, itself included."""
    python2_names: bool
    """Take what protocols 0 to 2 spell by Python 2's names."""

    def __init__(
        self,
        *,
        max_bytes: int = ...,
        max_objects: int = ...,
        max_depth: int = ...,
        max_int_digits: int = ...,
        max_int_bytes: int = ...,
        max_key_depth: int = ...,
        max_key_nodes: int = ...,
        python2_names: bool = False,
    ) -> None:
        """The bounds of :meth:`result`, but for those that are named."""
    @staticmethod
    def greeting() -> Limits:
        """For whoever has not said who he is: 64 KiB, 512 deep."""
    @staticmethod
    def control() -> Limits:
        """For commands: 16 MiB, 512 deep."""
    @staticmethod
    def result(max_bytes: int = ...) -> Limits:
        """For results: FRAME_CAP_BYTES, 10,000 deep."""

@final
class FrameReader:
    """Cuts a byte stream into payloads, whatever way it was split. Iterating gives those that are complete.

    A payload that does not decode costs its frame only: the reader stands behind it.
    """

    def __init__(self, max_payload_bytes: int = ...) -> None: ...
    def __iter__(self) -> Iterator[bytes]: ...
    def __next__(self) -> bytes: ...
    def feed(self, data: Buffer) -> None:
        """Takes the next bytes of the stream."""
    def next(self) -> bytes | None:
        """The next whole payload; None when more bytes are needed. Raises FrameError for a frame over the bound."""
    @property
    def pending_bytes(self) -> int:
        """Bytes held of a frame that is not whole yet."""
    @property
    def missing_bytes(self) -> int:
        """Bytes to the end of the header, or, once next() has seen it, of the frame."""

def dumps(value: object, protocol: int = 4) -> bytes:
    """The pickle of a plain value, which pickle.loads reads, too.

    protocol is 2 to 5; 3 is written as 2. Shared and cyclic containers keep their identity. Raises TypeError for what is no plain value, and
    ValueError for another protocol.
    """

def loads(data: Buffer, limits: Limits | None = None) -> object:
    """The value of one whole pickle of protocol 0 to 5, by Limits.result() or the given bounds. Raises DecodeError."""

def frame(payload: Buffer) -> bytes:
    """The payload with its header before it. Raises FrameError when it is longer than FRAME_CAP_BYTES."""
