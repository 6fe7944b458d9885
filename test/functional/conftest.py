"""Fixtures of the functional tests; what they do is in test/support."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
pytest.register_assert_rewrite("harness", "oracle")

from harness import Case  # noqa: E402
from terminal import Terminal  # noqa: E402


@pytest.fixture
def case() -> Iterator[Case]:
    case = Case()
    try:
        yield case
    finally:
        case.close()


@pytest.fixture
def terminal(case: Case) -> Iterator[Callable[..., Terminal]]:
    """Starts pfast on a pseudo-terminal."""
    opened: list[Terminal] = []

    def start(*args: str) -> Terminal:
        opened.append(Terminal([str(case.pfast_path), *args], case.project, case.env))
        return opened[-1]

    yield start
    for one in opened:
        one.close()
