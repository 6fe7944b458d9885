"""How long a test may take: --timeout for all, a mark for one."""

from __future__ import annotations

import pytest
from harness import Case
from plugin_environment import plugin_environment

INI = "[pytest]\nmarkers =\n    timeout\n"
MARKED = """
    import time
    import pytest

    @pytest.mark.timeout(0.5)
    def test_hangs():
        time.sleep(600)

    @pytest.mark.timeout(timeout=0)
    def test_may_take_any_time():
        time.sleep(1.5)

    @pytest.mark.timeout(0.5)
    class TestMany:
        @pytest.mark.timeout(60, method="thread", func_only=True)
        def test_own_limit(self):
            time.sleep(1.2)

        def test_limit_of_the_class(self):
            time.sleep(600)

    def test_quick():
        pass
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_mark_limits_its_test(case: Case, workers: str) -> None:
    case.write({"pytest.ini": INI, "test_slow.py": MARKED})
    for options in ([], ["--timeout", "1"]):
        done = case.run("-n", workers, *options)
        assert done.code == 1
        assert done.outcomes == {
            "test_slow.py::test_hangs": "failed",
            "test_slow.py::test_may_take_any_time": "passed",
            "test_slow.py::TestMany::test_own_limit": "passed",
            "test_slow.py::TestMany::test_limit_of_the_class": "failed",
            "test_slow.py::test_quick": "passed",
        }, done
        assert done.out.count("timed out after 0.5 s in worker") >= 2
        case.assert_runs_are_over()


def test_a_single_test_has_its_limit_too(case: Case) -> None:
    case.write({"pytest.ini": INI, "test_slow.py": MARKED})
    done = case.run("test_slow.py::test_hangs")
    assert (done.code, done.outcomes) == (1, {"test_slow.py::test_hangs": "failed"})
    case.same("test_slow.py::test_quick")


@pytest.mark.parametrize("value", ["'soon'", "-1", "True", "", "float('nan')"])
def test_a_mark_that_makes_no_sense_is_refused_by_name(case: Case, value: str) -> None:
    text = f"import pytest\n\n@pytest.mark.timeout({value})\ndef test_marked(): pass\n\ndef test_other(): pass\n"
    case.write({"pytest.ini": INI, "test_a.py": text})
    done = case.run("-n", "2")
    assert done.code == 4, done
    assert "test_a.py::test_marked: pytest.mark.timeout(" in done.out + done.err


def test_where_pytest_timeout_is_installed_its_marks_are_its_own(case: Case) -> None:
    case.use_environment(plugin_environment())
    text = """
        import time
        import pytest

        @pytest.mark.timeout(0.3)
        def test_slow():
            time.sleep(60)

        def test_after():
            pass
    """
    case.write({"pytest.ini": "[pytest]\naddopts = -p no:randomly\n", "test_a.py": text})
    _, actual = case.same(options=["-n", "1"])
    assert "Failed: Timeout (>0.3s) from pytest-timeout" in actual.out
