"""--bench, --bench-save and --bench-compare. What depends on the machine's speed is compared with files that were made up."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from harness import Case, Finished

SUITE = {
    "test_a.py": """
        import time, pytest
        @pytest.fixture
        def slow_setup():
            time.sleep(0.3)
        @pytest.mark.parametrize("number", range(4))
        def test_setup(slow_setup, number): pass
        def test_waits(): time.sleep(0.7)
        def hot(count): return sum(range(count))
        def test_computes():
            end = time.process_time() + 0.7
            while time.process_time() < end: hot(10_000)
    """,
}


def saved(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def made_up(tests: dict[str, list[float]], **changes: Any) -> dict[str, Any]:
    """A saved bench in which each test took these seconds, waiting."""
    entry = {name: {"own_ns": [int(s * 1e9) for s in times], "cpu_ns": [1000] * len(times)} for name, times in tests.items()}
    return {"pfast_bench": 1, "pfast": "0", "python": "3", "workers": 1, "processors": 1, "walls_ns": [10**9], "tests": entry, **changes}


def write(path: Path, content: Any) -> str:
    path.write_text(json.dumps(content))
    return str(path)


def lever(done: Finished, what: str) -> str:
    """The lever's lines, to the next one or the end of the list."""
    found = re.search(rf"^ *\d+\. \d+\.\d+ s  {what}(?:\n     .*)*", done.out, re.M)
    assert found, (what, str(done))
    return found.group(0)


def test_levers_are_found_with_their_kind_and_their_hottest_functions(case: Case) -> None:
    case.write(SUITE)
    done = case.run("--bench", "-n", "1")
    assert done.code == 0, done
    assert "run 1 of 2: 6 tests" in done.out and "(warm-up, not counted)" in done.out, done
    assert "1 run behind one warm-up of 6 tests on 1 worker" in done.out, done
    cluster = lever(done, r"shared set-up +fixture slow_setup \(function, test_a\.py\)")
    assert "set up 4 times in 1 worker" in cluster and "a wider scope pays it once" in cluster, done
    waits = lever(done, r"I/O-bound +test_a\.py::test_waits")
    assert "time.sleep" in waits, done
    assert re.search(r"in \d+ calls of hot \(test_a\.py:\d+\)", lever(done, r"CPU-bound +test_a\.py::test_computes")), done
    assert "passed" not in done.out, done      # the report stands in place of the summary


def test_profiles_take_no_part_in_the_runs_that_are_timed(case: Case) -> None:
    """The suite sees whether it is profiled."""
    case.write(
        {
            "test_a.py": """
                import os, sys
                def test_a():
                    with open("log", "a") as log: log.write("profiled " if sys.getprofile() is not None else "plain ")
            """
        }
    )
    assert case.run("--bench=3", "-n", "1").code == 0
    assert (case.project / "log").read_text().split() == ["plain"] * 3 + ["profiled"]


def test_a_fixture_that_each_worker_pays_is_a_cluster(case: Case) -> None:
    body = "import time\n" + "".join(f"def test_{i}(pool): time.sleep(0.1)\n" for i in range(6))
    case.write(
        {
            "conftest.py": """
                import time, pytest
                @pytest.fixture(scope="session")
                def pool():
                    time.sleep(0.8)
            """,
            "test_a.py": body,
        }
    )
    done = case.run("--bench=1", "-n", "2", "--dist", "load")
    assert done.code == 0, done
    found = lever(done, r"shared set-up +fixture pool \(session\)")
    assert "set up 2 times in 2 workers" in found and "each worker pays it" in found, done


def test_what_is_saved_is_every_counted_run_of_every_test(case: Case) -> None:
    case.write({"test_a.py": "def test_a(): pass\ndef test_b(): pass\ndef test_red(): assert 0\n"})
    done = case.run("--bench=4", "--bench-save", "b.json", "-n", "2")
    assert done.code == 1 and "failed in a run that counts (1)\n  test_a.py::test_red\n" in done.out, done
    content = saved(case.project / "b.json")
    assert content["pfast_bench"] == 1 and content["workers"] == 2 and len(content["walls_ns"]) == 3
    assert set(content["tests"]) == {"test_a.py::test_a", "test_a.py::test_b"}     # a time to failure says nothing
    assert all(len(test["own_ns"]) == len(test["cpu_ns"]) == 3 for test in content["tests"].values())
    assert all(isinstance(n, int) and n > 0 for test in content["tests"].values() for n in test["own_ns"])


def test_a_change_is_told_from_noise_by_name(case: Case) -> None:
    noisy = [0.5, 1.5, 0.7, 1.2, 0.9]
    steady = {f"test_a.py::test_{i}": [1.0, 1.01, 0.99, 1.0, 1.005] for i in range(9)}
    before = {**steady, "test_a.py::test_slower": [1.0, 1.01, 0.99, 1.0, 1.005], "test_a.py::test_noisy": noisy}
    slower = [1.2, 1.21, 1.19, 1.2, 1.205]
    now = {**steady, "test_a.py::test_slower": slower, "test_a.py::test_noisy": [s * 1.2 for s in noisy]}
    old, new = write(case.project / "old.json", made_up(before)), write(case.project / "new.json", made_up(now))
    done = case.run("--bench-compare", old, "--bench-compare", new)
    assert done.code == 0, done
    assert "1 test slower, 0 tests faster" in done.out and re.search(r"\+20 % .*test_a\.py::test_slower\n", done.out), done
    assert "test_noisy" not in done.out, done
    back = case.run("--bench-compare", new, "--bench-compare", old)
    assert "0 tests slower, 1 test faster" in back.out and re.search(r"-17 % .*test_slower\n", back.out), back
    same = case.run("--bench-compare", old, "--bench-compare", old)
    assert "no change that is more than noise" in same.out, same
    assert case.status() is None       # nothing was run for it


def test_a_bench_is_compared_with_a_saved_one(case: Case) -> None:
    case.write({"test_a.py": "import time\ndef test_a(): time.sleep(0.02)\ndef test_b(): time.sleep(0.02)\ndef test_new(): pass\n"})
    minute = [60.0, 60.1, 59.9]
    wide = [0.001, 300.0, 0.5]
    old = write(case.project / "old.json", made_up({"test_a.py::test_a": minute, "test_a.py::test_b": wide, "test_a.py::test_gone": minute}))
    done = case.run("--bench=4", "--bench-compare", old, "-n", "1")
    assert done.code == 0, done
    assert "0 tests slower, 1 test faster" in done.out and re.search(r"-100 % .*test_a\.py::test_a\n", done.out), done
    assert "1 new, 1 gone" in done.out and "not measured under the same conditions" in done.out, done
    few = case.run("--bench", "--bench-compare", old, "-n", "1")
    assert few.code == 0 and "nothing can be said" in few.out, few


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("no json", "it is no JSON"),
        ("[]", 'it has no "pfast_bench"'),
        ('{"pfast_bench": 2}', 'its "pfast_bench" is 2, and this pfast reads 1'),
        ('{"pfast_bench": 1, "walls_ns": [1], "tests": []}', 'its "tests" are no object'),
        ('{"pfast_bench": 1, "walls_ns": [1], "tests": {"t": {"own_ns": [-1], "cpu_ns": []}}}', "the \"own_ns\" of 't' are not all whole"),
        (None, "No such file or directory"),
    ],
)
def test_a_file_that_is_no_bench_is_refused_before_anything_runs(case: Case, content: str | None, says: str) -> None:
    case.write({"test_a.py": "def test_a(): open('ran', 'w')\n"})
    if content is not None:
        (case.project / "old.json").write_text(content)
    done = case.run("--bench", "--bench-compare", "old.json")
    assert done.code == 79 and says in done.err and "'old.json'" in done.err, done
    assert not (case.project / "ran").exists()


def test_options_that_do_not_go_together_are_refused(case: Case) -> None:
    case.write({"test_a.py": "def test_a(): pass\n"})
    for options, says in {
        ("--bench", "--runs", "2"): "--runs",
        ("--bench", "--detailed"): "--detailed",
        ("--bench", "-n", "0"): "-n 1 instead of -n 0",
        ("--bench", "--reporter", "pytest"): "--reporter",
        ("--bench=0",): "--bench",
        ("--bench=many",): "--bench",
    }.items():
        done = case.run(*options)
        assert done.code == 79 and says in done.err, done


def test_the_word_after_bench_is_pytests(case: Case) -> None:
    case.write({"test_a.py": "def test_a(): pass\n", "test_b.py": "def test_b(): pass\n"})
    done = case.run("--bench", "test_a.py")
    assert done.code == 0 and "run 1 of 2: 1 test," in done.out, done


def test_a_bench_file_that_cannot_be_written_is_an_error(case: Case) -> None:
    case.write({"test_a.py": "def test_a(): pass\n"})
    done = case.run("--bench=1", "--bench-save", "nowhere/b.json")
    assert done.code == 70 and "nowhere/b.json" in done.err and "what to save time on" in done.out, done
