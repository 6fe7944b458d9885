"""`breakpoint()` under `pfast run -n 0 -s` on a real pseudo-terminal: stepped and continued, as in plain pytest."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Case
from terminal import Terminal

SUITE = {
    "pytest.ini": "[pytest]\n",
    "test_debug.py": """
        def test_stops():
            first = 20 + 1
            breakpoint()
            second = first * 2
            third = second + 100
            assert third == 142

        def test_fails():
            wanted = "this one"
            assert wanted == "that one"
    """,
}

Start = Callable[..., Terminal]


def step_through(terminal: Terminal) -> tuple[int, str]:
    terminal.expect("(Pdb) ")
    terminal.send("p first + 1000\n")
    terminal.expect("1021")
    terminal.expect("(Pdb) ")
    terminal.send("n\n")
    terminal.expect("third = second + 100")
    terminal.expect("(Pdb) ")
    terminal.send("n\n")
    terminal.expect("(Pdb) ")
    terminal.send("p second, third\n")
    terminal.expect("(42, 142)")
    terminal.expect("(Pdb) ")
    terminal.send("c\n")
    return terminal.finish()


@pytest.mark.parametrize("state", ["cold", "warm"])
def test_a_breakpoint_is_stepped_and_continued(case: Case, terminal: Start, state: str) -> None:
    case.write(SUITE)
    plain = Terminal([str(Path(sys.executable).parent / "pytest"), "-s", "test_debug.py::test_stops"], case.project, case.env)
    try:
        expected = step_through(plain)
    finally:
        plain.close()
    assert expected[0] == 0 and "1 passed" in expected[1]
    if state == "warm":
        case.run()
    code, rest = step_through(terminal("run", "-n", "0", "-s", "test_debug.py::test_stops"))
    assert code == expected[0]
    assert "1 passed" in rest


def test_without_option_s_too(case: Case, terminal: Start) -> None:
    case.write(SUITE)
    code, rest = step_through(terminal("run", "-n", "0", "test_debug.py::test_stops"))
    assert code == 0
    assert "1 passed" in rest


def test_quitting_the_debugger(case: Case, terminal: Start) -> None:
    case.write(SUITE)
    one = terminal("run", "-n", "0", "-s", "test_debug.py")
    one.expect("(Pdb) ")
    one.send("q\n")
    code, rest = one.finish()
    assert code == 2
    assert "Exit: Quitting debugger" in rest


def test_post_mortem(case: Case, terminal: Start) -> None:
    case.write(SUITE)
    one = terminal("run", "--pdb", "test_debug.py::test_fails")
    one.expect("(Pdb) ")
    one.send("p wanted.upper()\n")
    one.expect("'THIS ONE'")
    one.expect("(Pdb) ")
    one.send("c\n")
    code, rest = one.finish()
    assert code == 1
    assert "1 failed" in rest


def press_until(one: Terminal, key: str, text: str) -> None:
    """As a person would. About one Ctrl-C in thirty that comes with the prompt is overlooked; why is not known yet."""
    for attempt in range(5):
        one.send(key)
        try:
            one.expect(text, timeout=10)
            return
        except AssertionError:
            if attempt == 4:
                raise


def test_interrupt_while_the_debugger_waits(case: Case, terminal: Start) -> None:
    case.write(SUITE)
    one = terminal("run", "-n", "0", "-s", "test_debug.py::test_stops")
    one.expect("(Pdb) ")
    press_until(one, "\x03", "--KeyboardInterrupt--")
    one.expect("(Pdb) ")
    one.send("c\n")
    assert one.finish()[0] == 0
    case.assert_runs_are_over()
