"""How fast this machine's processors are from moment to moment, so that a figure can be taken in units of that.

A virtual machine's processors slow down for seconds at a time, when a neighbour uses the other half of a core, and a run that falls
into such a phase seems to cost half as much again. On each processor a process does the same little work 50 times a second, before
everything else where it may (SCHED_FIFO, which needs root), and notes how long it took: two or three percent of the processor.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
import sys
import time
from types import TracebackType

_BEAT_S = 0.02
_WORK = 4000
_NOTES = 1 << 18  # 1.5 hours of beats; older ones are written over
_NOTE = struct.Struct("dd")


def _work() -> float:
    started = time.perf_counter()
    total = 0
    for number in range(_WORK):
        total += number
    return time.perf_counter() - started


class _Beats:
    """What one process notes for another: moment and duration, in a ring."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8 + _NOTES * _NOTE.size)

    def _count(self) -> int:
        count: int = struct.unpack_from("q", self._memory)[0]
        return count

    def note(self, moment: float, duration: float) -> None:
        count = self._count()
        _NOTE.pack_into(self._memory, 8 + count % _NOTES * _NOTE.size, moment, duration)
        struct.pack_into("q", self._memory, 0, count + 1)

    def within(self, start: float, end: float) -> list[float]:
        found = []
        for number in range(self._count() - 1, max(-1, self._count() - _NOTES), -1):
            moment, duration = _NOTE.unpack_from(self._memory, 8 + number % _NOTES * _NOTE.size)
            if moment < start:
                break
            if moment <= end:
                found.append(duration)
        return found


class Metronome:
    """Beats on every processor while it is entered."""

    def __init__(self) -> None:
        self._beats: list[_Beats] = []
        self._pids: list[int] = []

    def __enter__(self) -> Metronome:
        for processor in sorted(os.sched_getaffinity(0)):
            beats = _Beats()
            pid = os.fork()
            if pid == 0:
                self._beat(processor, beats)
            self._beats.append(beats)
            self._pids.append(pid)
        return self

    @staticmethod
    def _beat(processor: int, beats: _Beats) -> None:
        parent = os.getppid()
        try:
            os.sched_setaffinity(0, {processor})
            try:
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            except PermissionError:
                print("metronome: no SCHED_FIFO: a beat that was interrupted counts as a slow processor", file=sys.stderr)
            while os.getppid() == parent:
                time.sleep(_BEAT_S)
                beats.note(time.perf_counter(), _work())
        finally:
            os._exit(0)

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        for pid in self._pids:
            os.kill(pid, 9)
            os.waitpid(pid, 0)

    def beat_s(self, start: float, end: float) -> float:
        """Seconds of one beat's work between two moments of time.perf_counter(), mean of all processors."""
        means = [sum(found) / len(found) for found in (beats.within(start, end) for beats in self._beats) if found]
        return sum(means) / len(means) if means else math.nan
