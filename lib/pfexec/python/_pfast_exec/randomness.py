"""Random state after a fork: children differ where plain pytest would have seen fresh state, and only there.

CPython reseeds the module-level generator in every forked child. That is right unless the suite seeded it while it was
imported: then plain pytest would go on from that seed, so the state is put back.
"""

from __future__ import annotations

import random
import sys
import weakref
from collections.abc import Callable
from typing import Any

_original_seed: Callable[..., None] = random.Random.seed
_original_module_seed: Callable[..., None] = random.seed


class _Watch:
    def __init__(self) -> None:
        self.unseeded: weakref.WeakSet[random.Random] = weakref.WeakSet()
        self.module_seeded = False
        self.numpy_seeded_state: Any = None


_watch = _Watch()


def _watching_seed(self: random.Random, a: Any = None, version: int = 2) -> None:
    if a is None and type(self) is random.Random:
        _watch.unseeded.add(self)
    else:
        _watch.unseeded.discard(self)
    _original_seed(self, a, version)


def _watching_module_seed(a: Any = None, version: int = 2) -> None:
    _watch.module_seeded = a is not None
    _original_module_seed(a, version)


def start_watching() -> None:
    random.Random.seed = _watching_seed  # type: ignore[method-assign, assignment]
    random.seed = _watching_module_seed


_frozen_state: Any = None


def freeze() -> None:
    """Right before the first fork: remembers a state that the suite chose, gives the random module its own face back."""
    global _frozen_state
    random.Random.seed = _original_seed  # type: ignore[method-assign, assignment]
    random.seed = _original_module_seed
    _frozen_state = random.getstate() if _watch.module_seeded else None


def state() -> Any:
    """While collecting: the state of the module's generator, when the suite chose it."""
    return random.getstate() if _watch.module_seeded else None


def resumed(chosen: Any) -> None:
    """A new image that goes on from a checkpoint, where :func:`state` was *chosen*."""
    if chosen is not None:
        random.setstate(chosen)
    _reseed()


def after_fork() -> None:
    if _frozen_state is not None:
        random.setstate(_frozen_state)
    _reseed()
    _forget_hypothesis_generator()


def _reseed() -> None:
    """What nobody seeded is different in every process."""
    for generator in list(_watch.unseeded):
        _original_seed(generator)
    _reseed_numpy()


def _reseed_numpy() -> None:
    # numpy's legacy global generator keeps a SeedSequence only while nobody seeded it with a number.
    mtrand = sys.modules.get("numpy.random.mtrand")
    generator = getattr(mtrand, "_rand", None)
    bits = getattr(generator, "_bit_generator", None)
    if bits is not None and getattr(bits, "_seed_seq", None) is not None:
        generator.seed(None)


def _forget_hypothesis_generator() -> None:
    core = sys.modules.get("hypothesis.core")
    if core is None:
        return
    holder = getattr(core, "threadlocal", None)
    for owner in (holder, core):
        if owner is not None and getattr(owner, "_hypothesis_global_random", None) is not None:
            owner._hypothesis_global_random = None
