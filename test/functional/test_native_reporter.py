"""What `pfast run` shows while a run goes on, and what it does about signals and a daemon that is lost. A fake daemon."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator

import fake_daemon as fake
import pytest
from fake_daemon import Conversation, FakeDaemon, Script
from harness import Case
from terminal import Terminal

LOST = 78
ERASE = "\x1b[K"

Start = Callable[[Script], FakeDaemon]
Open = Callable[..., Terminal]


@pytest.fixture
def daemon(case: Case) -> Iterator[Start]:
    started: list[FakeDaemon] = []

    def start(script: Script) -> FakeDaemon:
        address = case.home / "fake.sock"
        case.env["PFAST_ADDRESS"] = str(address)
        started.append(FakeDaemon(address, script))
        return started[-1]

    yield start
    case.env.pop("PFAST_ADDRESS", None)
    for one in started:
        one.close()


@pytest.fixture
def on_terminal(case: Case) -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(*args: str, columns: int = 80) -> Terminal:
        opened.append(Terminal([str(case.pfast_path), "run", *args], case.project, case.env, columns))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def plays(*steps: fake.Event | float) -> Script:
    """Sends events; a number is a pause in seconds."""

    def script(conversation: Conversation) -> None:
        for step in steps:
            if isinstance(step, (int, float)):
                time.sleep(step)
            else:
                conversation.send(step)

    return script


def names(count: int) -> list[str]:
    return [f"test_a.py::test_{number}" for number in range(count)]


MIXED = [
    fake.collected(6, deselected=3),
    fake.result(0, "test_a.py::test_p"),
    fake.result(1, "test_a.py::test_f", "failed", fake.FAILED),
    fake.result(2, "test_a.py::test_s", "skipped", fake.SKIPPED),
    fake.result(3, "test_a.py::test_x", "xfailed", fake.XFAILED),
    fake.result(4, "test_a.py::test_e", "error", fake.ERROR),
    fake.result(5, "test_a.py::test_q"),
]


# -- no terminal -------------------------------------------------------------------------------------------------------


def test_letters(case: Case, daemon: Start) -> None:
    daemon(plays(*MIXED, fake.finished(1, 6)))
    lines = case.run().out.splitlines()
    assert re.fullmatch(r"pfast 0\.\S+ · python 3\.\d+ · root \S+ · 2 workers · 6 tests \(3 deselected\)", lines[0])
    assert lines[1] == ".FsxE." + " " * 66 + " [100%]"
    assert lines[2].startswith("=====") and "ERRORS" in lines[2]
    assert "2 passed, 1 skipped, 3 deselected, 1 xfailed, 1 error in 0.50s" in lines[-1]


def test_lines_of_letters_end_with_a_percentage(case: Case, daemon: Start) -> None:
    daemon(plays(fake.collected(150), *[fake.result(i, name) for i, name in enumerate(names(150))], fake.finished(0, 150)))
    lines = case.run("-q").out.splitlines()
    assert lines[:3] == ["." * 72 + " [ 48%]", "." * 72 + " [ 96%]", "." * 6 + " " * 66 + " [100%]"]
    narrow = case.run("-q", env={"COLUMNS": "50"}).out.splitlines()
    assert narrow[0] == "." * 42 + " [ 28%]"


def test_one_line_a_test(case: Case, daemon: Start) -> None:
    daemon(plays(*MIXED, fake.finished(1, 6)))
    lines = case.run("-v").out.splitlines()
    expected = [
        ("test_p PASSED", "16%"),
        ("test_f FAILED", "33%"),
        ("test_s SKIPPED (not here)", "50%"),
        ("test_x XFAIL (known)", "66%"),
        ("test_e ERROR", "83%"),
        ("test_q PASSED", "100%"),
    ]
    for line, (text, percent) in zip(lines[1:], expected):
        assert line == f"test_a.py::{text}".ljust(79 - 7) + f" [{percent:>4}]"


def test_every_phase_that_has_a_word_is_told(case: Case, daemon: Start) -> None:
    twice = [fake.quick("setup"), fake.FAILED[1], fake.loud("teardown", "failed", "error", "E", "ERROR", reason="no")]
    daemon(plays(fake.collected(1), fake.result(0, "test_a.py::test_a", "failed", twice), fake.finished(1, 1)))
    assert case.run("-q").out.startswith("FE ")
    lines = case.run("-v").out.splitlines()
    assert lines[1].startswith("test_a.py::test_a FAILED ") and lines[2].startswith("test_a.py::test_a ERROR ")


def test_a_long_reason_is_cut_to_the_line(case: Case, daemon: Start) -> None:
    long = [fake.loud("setup", "skipped", "skipped", "s", "SKIPPED", reason="because " * 20 + "\nmore"), fake.quick("teardown")]
    daemon(plays(fake.collected(1), fake.result(0, "test_a.py::test_a", "skipped", long), fake.finished(0, 1)))
    line = case.run("-v").out.splitlines()[1]
    assert len(line) == 79 and line.endswith("...) [100%]")
    assert "because " * 20 in case.run("-vv").out


@pytest.mark.parametrize(("args", "header"), [([], True), (["-v"], True), (["-q"], False), (["--no-header"], False), (["-qq"], False)])
def test_the_header(case: Case, daemon: Start, args: list[str], header: bool) -> None:
    daemon(plays(*MIXED, fake.finished(1, 6)))
    assert case.run(*args).out.startswith("pfast 0.") == header


def test_no_percentage_when_tests_may_print(case: Case, daemon: Start) -> None:
    daemon(plays(*MIXED, fake.finished(1, 6)))
    assert "%" not in case.run("-s").out
    assert "%" not in case.run("-v", "--capture=no").out


def test_colours(case: Case, daemon: Start) -> None:
    daemon(plays(*MIXED, fake.finished(1, 6)))
    out = case.run("--color=yes").out
    assert "\x1b[32m.\x1b[0m\x1b[31mF\x1b[0m\x1b[33ms\x1b[0m\x1b[33mx\x1b[0m\x1b[31mE\x1b[0m\x1b[32m.\x1b[0m" in out
    assert "\x1b[31m" + " " * 66 + " [100%]\x1b[0m" in out
    assert "\x1b" not in case.run("--color=no", env={"FORCE_COLOR": "1"}).out


def test_names_are_seen_from_the_current_folder(case: Case, daemon: Start) -> None:
    case.write({"pytest.ini": "[pytest]\n", "sub/x": ""})
    daemon(plays(fake.collected(1), fake.result(0, "sub/test_a.py::test_a"), fake.finished(0, 1)))
    assert case.run("-v", cwd="sub").out.splitlines()[1].startswith("test_a.py::test_a PASSED")
    assert case.run("-v").out.splitlines()[1].startswith("sub/test_a.py::test_a PASSED")


def test_a_try_that_another_one_follows_does_not_count(case: Case, daemon: Start) -> None:
    again = fake.result(0, "test_a.py::test_a", "rerun", fake.RERUN)
    daemon(plays(fake.collected(2), again, fake.result(0, "test_a.py::test_a"), fake.result(1, "test_a.py::test_b"), fake.finished(0, 2)))
    lines = case.run("-v").out.splitlines()
    assert [re.sub(r"\s+", " ", line) for line in lines[1:4]] == [
        "test_a.py::test_a RERUN [ 0%]",
        "test_a.py::test_a PASSED [ 50%]",
        "test_a.py::test_b PASSED [100%]",
    ]


def test_output_of_plugins_is_part_of_the_summary(case: Case, daemon: Start) -> None:
    output = {"type": "output", "stream": 1, "data": b"a plugin's table\n"}
    daemon(plays(fake.collected(1), fake.result(0, names(1)[0]), output, fake.finished(0, 1)))
    assert case.run("-q").out.splitlines()[1:] == ["a plugin's table", "1 passed in 0.50s"]


def test_nothing_is_added_to_pytests_own_text(case: Case, daemon: Start) -> None:
    daemon(plays(*MIXED, fake.finished(1, 6, text_shown=True)))
    done = case.run("--reporter", "pytest")
    assert (done.out, done.err, done.code) == ("", "", 1)


def test_why_a_run_ended_early_is_said_with_either_reporter(case: Case, daemon: Start) -> None:
    daemon(plays(*MIXED, fake.finished(3, 6, reason="the controller was lost")))
    assert "the controller was lost" in case.run("--reporter", "pytest").err
    assert "the controller was lost" in case.run().out


def test_the_plan_is_told_when_asked_for(case: Case, daemon: Start) -> None:
    plan = {"type": "plan", "way": "fresh", "why": "-p differs"}
    daemon(plays(plan, *MIXED, fake.finished(1, 6, select_ms=12.5)))
    assert case.run().err == ""
    err = case.run("--verbose-plan").err
    assert "fresh: -p differs" in err and "selected 12.5 ms" in err


# -- a terminal --------------------------------------------------------------------------------------------------------


def live_lines(shown: str) -> list[str]:
    """Every state of the live line, in order."""
    return re.findall(r"\r([^\r\n\x1b]+)" + re.escape(ERASE), shown)


def test_the_live_line(daemon: Start, on_terminal: Open) -> None:
    running = fake.progress(1, 6, 0, [("gw0", "test_a.py::test_slow"), ("gw1", "test_b.py::test_é")])
    daemon(plays({"type": "phase", "name": "boot", "detail": "changed: test_a.py"}, 0.35, MIXED[0], MIXED[1], running, 0.45, *MIXED[2:], 0.3, fake.finished(1, 6)))
    code, shown = on_terminal("-n", "2").finish()
    assert code == 1
    lines = live_lines(shown)
    assert re.fullmatch(r"collecting … \(changed: test_a\.py\) · 0\.\ds", lines[0])
    assert any(re.fullmatch(r"1/6 · \d\.\ds · test_a\.py::test_slow · test_b\.py::test_é", line) for line in lines)
    assert any(line.startswith("6/6 · 2 failed · ") for line in lines)
    # Failures come as they happen, above the line; the summary has the line to itself.
    plain = re.sub(r"\x1b\[\d+m", "", shown)
    assert f"\r{ERASE}FAILED test_a.py::test_f - assert 1 == 2\r\n" in plain
    assert "ERROR test_a.py::test_e - KeyError: 'db'\r\n" in plain
    assert re.search(re.escape(f"\r{ERASE}") + r"=+ ERRORS =+\r\n", plain)


def test_the_live_line_is_redrawn_ten_times_a_second(daemon: Start, on_terminal: Open) -> None:
    steps: list[fake.Event | float] = [fake.collected(100)]
    for number, name in enumerate(names(100)):
        steps += [fake.result(number, name), fake.progress(number, 100), 0.01]
    daemon(plays(*steps, fake.finished(0, 100)))
    begun = time.monotonic()
    _, shown = on_terminal().finish()
    assert 3 <= len(live_lines(shown)) <= 10 * (time.monotonic() - begun) + 1


def test_the_clock_goes_on_while_nothing_happens(daemon: Start, on_terminal: Open) -> None:
    daemon(plays(fake.collected(1), 0.8, fake.result(0, names(1)[0]), fake.finished(0, 1)))
    _, shown = on_terminal().finish()
    assert len({line for line in live_lines(shown)}) >= 4


def test_a_quick_run_shows_no_live_line(daemon: Start, on_terminal: Open) -> None:
    daemon(plays(*MIXED, fake.finished(1, 6)))
    _, shown = on_terminal().finish()
    assert live_lines(shown) == [] and ERASE not in shown


@pytest.mark.parametrize("args", [["-s"], ["--reporter", "pytest"], ["-n", "0"]], ids=" ".join)
def test_no_live_line_where_others_write(daemon: Start, on_terminal: Open, args: list[str]) -> None:
    daemon(plays(fake.collected(1), 0.4, fake.result(0, names(1)[0]), fake.finished(0, 1)))
    _, shown = on_terminal(*args).finish()
    assert ERASE not in shown


def test_no_live_line_on_a_dumb_terminal(case: Case, daemon: Start) -> None:
    daemon(plays(fake.collected(1), 0.4, fake.result(0, names(1)[0]), fake.finished(0, 1)))
    one = Terminal(["env", "TERM=dumb", str(case.pfast_path), "run"], case.project, case.env)
    try:
        _, shown = one.finish()
    finally:
        one.close()
    assert "\x1b" not in shown and "." in shown


def test_one_line_a_test_above_the_live_line(daemon: Start, on_terminal: Open) -> None:
    daemon(plays(fake.collected(2), 0.3, fake.result(0, "test_a.py::test_a"), 0.3, fake.result(1, "test_a.py::test_b"), fake.finished(0, 2)))
    _, shown = on_terminal("-v").finish()
    plain = re.sub(r"\x1b\[\d+m", "", shown)
    assert f"\r{ERASE}test_a.py::test_a PASSED" in plain
    assert any(line.startswith("1/2 · ") for line in live_lines(shown))


def test_the_live_line_fits_and_has_no_control_characters(daemon: Start, on_terminal: Open) -> None:
    long = "test_a.py::test_" + "wörd漢字" * 30 + "\x1b[2J\n"
    daemon(plays(fake.collected(2), fake.progress(0, 2, 0, [("gw0", "a\tb" + long), ("gw1", long)]), 0.5, fake.finished(2, 2)))
    _, shown = on_terminal(columns=50).finish()
    lines = live_lines(shown)
    assert lines and all(columns_of(line) <= 49 for line in lines)
    assert columns_of(lines[-1]) >= 48
    assert any("a?b" in line for line in lines)


def columns_of(text: str) -> int:
    return sum(2 if "\u4e00" <= character <= "\u9fff" else 1 for character in text)


def test_the_live_line_follows_the_terminals_size(daemon: Start, on_terminal: Open) -> None:
    resized = threading.Event()
    told: list[dict[str, object]] = []

    def script(conversation: Conversation) -> None:
        conversation.send(fake.collected(2))
        conversation.send(fake.progress(0, 2, 0, [("gw0", "test_a.py::test_" + "x" * 200)]))
        told.append(conversation.receive())
        resized.set()
        time.sleep(0.4)
        conversation.send(fake.finished(2, 2))

    daemon(script)
    one = on_terminal(columns=60)
    one.expect("test_xxx")
    fcntl.ioctl(one._master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    assert resized.wait(20)
    _, shown = one.finish()
    assert told == [{"type": "resize", "columns": 100, "rows": 30}]
    assert len(live_lines(shown)[-1]) == 99


# -- signals, and a daemon that is lost --------------------------------------------------------------------------------


def test_an_interrupt_asks_and_a_second_one_insists(case: Case, daemon: Start) -> None:
    asked, insisted = threading.Event(), threading.Event()
    said: list[object] = []

    def script(conversation: Conversation) -> None:
        conversation.send(MIXED[0])
        started.set()
        for event in (asked, insisted):
            said.append(conversation.expect("cancel")["how"])
            event.set()
        conversation.send(fake.finished(2, 6, reason="KeyboardInterrupt", not_run=6))

    started = threading.Event()
    daemon(script)
    running = case.start_pfast("run")
    for event in (started, asked):
        assert event.wait(20)
        running.process.send_signal(signal.SIGINT)
    done = running.finish()
    assert said == ["interrupt", "kill"]
    assert done.code == 2 and "KeyboardInterrupt" in done.out


def test_ctrl_c_on_a_terminal(daemon: Start, on_terminal: Open) -> None:
    def script(conversation: Conversation) -> None:
        conversation.send(MIXED[0])
        conversation.expect("cancel")
        conversation.send(fake.finished(2, 6, reason="KeyboardInterrupt", not_run=6))

    daemon(script)
    one = on_terminal()
    one.expect("0/6")
    one.send("\x03")
    code, shown = one.finish()
    assert code == 2 and "KeyboardInterrupt" in shown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("answers", [True, False])
def test_a_signal_to_end_kills_the_run(case: Case, daemon: Start, number: signal.Signals, answers: bool) -> None:
    started, over = threading.Event(), threading.Event()
    said: list[object] = []

    def script(conversation: Conversation) -> None:
        started.set()
        said.append(conversation.expect("cancel")["how"])
        if answers:
            conversation.send(fake.finished(2, 6))
        else:
            assert over.wait(20)

    daemon(script)
    running = case.start_pfast("run")
    assert started.wait(20)
    running.process.send_signal(number)
    done = running.finish(15)
    over.set()
    assert said == ["kill"]
    assert done.code == 128 + number


def test_a_daemon_that_does_not_answer_is_given_up(case: Case, daemon: Start) -> None:
    started, over = threading.Event(), threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.send(MIXED[0])
        started.set()
        assert over.wait(30)

    daemon(script)
    running = case.start_pfast("run")
    assert started.wait(20)
    begun = time.monotonic()
    running.process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    running.process.send_signal(signal.SIGINT)
    done = running.finish(15)
    over.set()
    assert done.code == LOST and "did not answer" in done.err and "hint:" in done.err
    assert time.monotonic() - begun < 6


def test_half_a_frame_makes_nobody_deaf(case: Case, daemon: Start) -> None:
    started, cancelled = threading.Event(), threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.socket.sendall(struct.pack(">I", 1000) + b"\x80\x04")
        started.set()
        conversation.expect("cancel")
        cancelled.set()

    daemon(script)
    running = case.start_pfast("run")
    assert started.wait(20)
    time.sleep(0.2)
    running.process.send_signal(signal.SIGINT)
    assert cancelled.wait(10)
    assert running.finish(15).code == LOST


def test_a_lost_daemon_is_named(case: Case, daemon: Start) -> None:
    running = fake.progress(2, 6, 1, [("gw0", "test_a.py::test_s")])
    daemon(plays(*MIXED[:3], running))
    done = case.run()
    assert done.code == LOST
    assert "after 2 of 6 tests" in done.err and "test_a.py::test_s" in done.err and "hint:" in done.err
    assert done.out.endswith(".F\n")
    assert done.outcomes == {"test_a.py::test_p": "passed", "test_a.py::test_f": "failed"}


def test_a_daemon_that_is_lost_at_once(case: Case, daemon: Start) -> None:
    daemon(plays())
    done = case.run()
    assert done.code == LOST and "before any test was run" in done.err


@pytest.mark.parametrize("payload", [b"\x00\x00\x00\x04abcd", b"\xff\xff\xff\xff", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_bytes_that_are_no_events(case: Case, daemon: Start, payload: bytes) -> None:
    daemon(lambda conversation: conversation.socket.sendall(payload))
    assert case.run().code == LOST


def test_stopping_with_ctrl_z_leaves_a_clean_line(daemon: Start, on_terminal: Open) -> None:
    stopped = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.send(fake.collected(2))
        assert stopped.wait(20)
        conversation.send(fake.finished(0, 2))

    daemon(script)
    one = on_terminal()
    one.expect("0/2")
    os.kill(one.process.pid, signal.SIGTSTP)
    _, status = os.waitpid(one.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    one._read(1)
    assert one.shown.endswith(f"\r{ERASE}")
    os.kill(one.process.pid, signal.SIGCONT)
    stopped.set()
    assert one.finish()[0] == 0
