"""--detailed: where the time went. Figures that add up, and the verdict and advice that a run was built for."""

from __future__ import annotations

import re

from harness import Case, Finished

HEADER = "where the time went"


def block(done: Finished) -> list[str]:
    lines = done.out.splitlines()
    starts = [number for number, line in enumerate(lines) if HEADER in line]
    assert len(starts) == 1, done
    return lines[starts[0] :]


def line(done: Finished, label: str) -> str:
    found = [text for text in block(done) if text.startswith(label + " ")]
    assert len(found) == 1, (label, str(done))
    return found[0][len(label) :].strip()


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+\.\d+", text)]


def assert_adds_up(done: Finished, workers: int) -> None:
    """Within 1 %, and within the milliseconds that printing rounds to."""
    wall = numbers(line(done, "run"))[0]
    total, busy, *idle = numbers(line(done, "account"))
    assert abs(total - workers * wall) <= 0.01 * total + 0.001 * workers, done
    assert abs(busy + sum(idle) - total) <= 0.01 * total + 0.004, done
    whole, *parts = numbers(line(done, "busy"))
    assert whole == busy and len(parts) == 4, done
    assert abs(sum(parts) - busy) <= 0.01 * busy + 0.004, done
    assert "doubtful" not in done.out, done
    rows = [text for text in block(done) if re.match(r"gw\d+ ", text)]
    assert len(rows) == workers, done
    for row in rows:
        row_wall, *row_parts = numbers(row)[:5]
        assert abs(row_wall - wall) <= 0.0011 and abs(sum(row_parts) - row_wall) <= 0.01 * wall + 0.004, row


def sleeps(count: int, seconds: float) -> str:
    return f"""
        import time, pytest
        @pytest.mark.parametrize("number", range({count}))
        def test_sleep(number):
            time.sleep({seconds})
    """


def test_a_run_that_sleeps_waits_and_more_workers_may_help(case: Case) -> None:
    case.write({"test_a.py": sleeps(12, 0.25)})
    done = case.run("-n", "2", "--dist", "load", "--detailed")
    assert done.code == 0, done
    assert line(done, "verdict").startswith("waiting on input/output"), done
    advised = re.match(r"-n (\d+) instead of -n 2: ", line(done, "advice"))
    assert advised and int(advised.group(1)) > 2, done
    assert_adds_up(done, 2)


def test_an_unbalanced_run_has_a_long_tail_and_its_cause_by_name(case: Case) -> None:
    case.write(
        {
            "test_long.py": "import time\ndef test_long(): time.sleep(3)\n",
            "test_short.py": sleeps(4, 0.05),
        }
    )
    done = case.run("-n", "2", "--detailed")
    assert done.code == 0, done
    verdict = line(done, "verdict")
    assert verdict.startswith("long tail") and "test_long.py::test_long" in verdict, done
    assert "more would not help" in line(done, "advice") and "test_long.py::test_long" in line(done, "advice"), done
    assert_adds_up(done, 2)


def test_a_module_fixture_that_each_worker_pays_is_set_up_time_and_one_worker_is_enough(case: Case) -> None:
    case.write(
        {
            "test_a.py": """
                import time, pytest
                @pytest.fixture(scope="module")
                def database():
                    time.sleep(1)
                @pytest.mark.parametrize("number", range(4))
                def test_query(database, number): pass
            """
        }
    )
    done = case.run("-n", "2", "--dist", "load", "--detailed")
    assert done.code == 0, done
    assert line(done, "verdict").startswith("set-up bound"), done
    advice = line(done, "advice")
    assert advice.startswith("-n 1 instead of -n 2") and "of its own start and set-up" in advice, done
    assert numbers(line(done, "busy"))[1] >= 2, done    # set-up: a second in each worker
    assert_adds_up(done, 2)


def test_every_block_of_the_predecessor_is_there(case: Case) -> None:
    case.write(
        {
            "test_a.py": """
                import time, pytest
                @pytest.fixture
                def slow():
                    time.sleep(0.02)
                def test_slow(slow):
                    time.sleep(0.03)
                def test_fails(): assert [1] == [2]
                @pytest.mark.xfail
                def test_stale(): pass
                def test_skipped(): pytest.skip("why")
            """,
            "test_b.py": "def test_b(): pass\n",
        }
    )
    done = case.run("-n", "2", "--detailed")
    assert done.code == 1, done
    assert "5 of 5" in line(done, "results") and "1 failed" in line(done, "results") and "1 xpassed" in line(done, "results"), done
    assert "collected for this run" in line(done, "warm-up"), done
    assert re.search(r"efficiency \d+\.\d %", line(done, "parallelism")), done
    assert "messages from the workers" in line(done, "bus"), done
    text = "\n".join(block(done))
    assert re.search(r"slowest tests\n.*\n +0\.0\d\d +0\.0[2-9]\d +0\.0[3-9]\d .*  test_a\.py::test_slow\n", text), text
    assert re.search(r"slowest files\n +0\.0\d\d +4 tests  test_a\.py\n", text), text
    assert re.search(r"slowest durations\n( .*\n)* +0\.0\d\d  setup +test_a\.py::test_slow\n", text), text
    assert "XPASS (1)" in text and "  test_a.py::test_stale\n" in text, text
    assert "assert [1] == [2]" in done.out, done        # the failure itself is the summary's
    again = case.run("-n", "2", "--detailed")
    assert "was collected already" in line(again, "warm-up"), again


def test_sums_hold_when_a_worker_is_lost_and_when_tests_are_tried_again(case: Case) -> None:
    case.write(
        {
            "test_a.py": """
                import os, pathlib, time
                def test_crash():
                    time.sleep(0.2)
                    os._exit(3)
                def test_flaky():
                    time.sleep(0.1)
                    seen = pathlib.Path("seen")
                    if not seen.exists():
                        seen.touch()
                        assert False
            """,
            "test_b.py": sleeps(6, 0.1),
        }
    )
    done = case.run("-n", "2", "--retries", "1", "--detailed", "--dist", "load")
    assert done.code == 1, done
    assert done.outcomes["test_a.py::test_crash"] == "failed" and done.outcomes["test_a.py::test_flaky"] == "passed", done
    assert_adds_up(done, 2)


def test_a_run_without_workers_is_measured_too(case: Case) -> None:
    case.write({"test_a.py": sleeps(4, 0.05)})
    one = case.run("--detailed", "test_a.py::test_sleep[1]")      # in the controller
    assert one.code == 0, one
    assert_adds_up(one, 1)
    inline = case.run("-n", "0", "--detailed")
    assert inline.code == 0 and "4 passed" in inline.out, inline
    assert "4 of 4" in line(inline, "results"), inline
    assert_adds_up(inline, 1)


def test_results_are_the_same_and_nothing_is_told_unasked(case: Case) -> None:
    case.write({"test_a.py": "import pytest\ndef test_a(): pass\ndef test_b(): assert 0\ndef test_c(): pytest.skip('x')\n"})
    expected, actual = case.same(options=["--detailed", "-n", "2"])
    assert HEADER in actual.out
    assert HEADER not in case.run("-n", "2").out
    with_pytest = case.run("--reporter", "pytest", "--detailed", "-n", "2")
    assert "1 failed, 1 passed, 1 skipped" in with_pytest.out and HEADER in with_pytest.out, with_pytest
    nothing = case.run("--detailed", "-k", "nothing_has_this_name")
    assert nothing.code == 5 and HEADER not in nothing.out, nothing
