"""Fixtures of the functional tests; what they do is in test/support."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
pytest.register_assert_rewrite("faults", "harness", "oracle", "run_log")

import faults  # noqa: E402
from harness import Case  # noqa: E402
from terminal import Terminal  # noqa: E402


#: Stories that are told already and not true yet, a node id's beginning a line; each is work, none is an excuse.
#: PFAST_TEST_NOT_YET=1 runs them.
NOT_YET = Path(__file__).with_name("not_yet.txt")


def pytest_configure() -> None:
    """A script's job in the background is started with these ignored, and what is ignored stays so in every program started here."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    lines = NOT_YET.read_text().splitlines() if NOT_YET.exists() and not os.environ.get("PFAST_TEST_NOT_YET") else []
    known = tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    for item in items:
        name = item.nodeid.rpartition("/")[2]
        if known and name.startswith(known):
            item.add_marker(pytest.mark.skip(reason="listed in not_yet.txt"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in faults.summary():
        terminalreporter.write_line(line)


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
