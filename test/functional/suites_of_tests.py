"""Small suites that several stories use."""

from __future__ import annotations

#: One test of every outcome that pytest knows, in every way that pytest collects tests.
ZOO = {
    "pytest.ini": """
        [pytest]
        markers =
            slow: slow tests
        addopts = --doctest-modules
    """,
    "conftest.py": """
        import pytest

        @pytest.fixture
        def broken():
            raise RuntimeError("set-up fails")

        @pytest.fixture
        def breaks_later():
            yield
            raise RuntimeError("teardown fails")
    """,
    "arithmetic.py": '''
        def add(a, b):
            """
            >>> add(1, 2)
            3
            """
            return a + b

        def sub(a, b):
            """
            >>> sub(1, 2)
            1
            """
            return a - b
    ''',
    "test_outcomes.py": """
        import pytest

        def test_passes():
            pass

        def test_fails():
            value = [1, 2, 3]
            assert value == [1, 2, 4], "a message"

        def test_setup_fails(broken):
            pass

        def test_teardown_fails(breaks_later):
            pass

        def test_call_and_teardown_fail(breaks_later):
            assert False

        @pytest.mark.skip(reason="by a mark")
        def test_is_skipped():
            pass

        def test_skips_itself():
            pytest.skip("at run time")

        @pytest.mark.skipif(True, reason="by a condition")
        def test_is_skipped_by_condition():
            pass

        @pytest.mark.xfail(reason="known")
        def test_xfails():
            assert False

        @pytest.mark.xfail
        def test_xpasses():
            pass

        @pytest.mark.xfail(strict=True)
        def test_strict_xpass_fails():
            pass

        @pytest.mark.xfail(raises=ValueError)
        def test_fails_in_another_way():
            raise KeyError("other")

        @pytest.mark.xfail(run=False)
        def test_xfail_is_not_run():
            raise SystemExit(3)

        def test_imperative_xfail():
            pytest.xfail("by hand")

        @pytest.mark.parametrize("number", range(5))
        @pytest.mark.parametrize("word", ["a", "b c", "d::e", "é"])
        def test_parameters(word, number):
            assert number != 3

        @pytest.mark.slow
        class TestClass:
            @pytest.fixture(autouse=True)
            def remember(self):
                self.seen = 1

            def test_method(self):
                assert self.seen == 1

            class TestInner:
                def test_inner(self):
                    assert 0, "inner"

        def test_prints(capsys):
            print("captured")
            assert capsys.readouterr().out == "captured\\n"
    """,
    "test_unittest.py": """
        import unittest

        class Case(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                cls.shared = 1

            def test_passes(self):
                self.assertEqual(self.shared, 1)

            def test_fails(self):
                self.assertEqual(self.shared, 2)

            @unittest.skip("unittest's skip")
            def test_skipped(self):
                pass

            @unittest.expectedFailure
            def test_expected_failure(self):
                self.fail()

            @unittest.expectedFailure
            def test_unexpected_success(self):
                pass

            def test_sub_tests(self):
                for i in range(3):
                    with self.subTest(i=i):
                        self.assertNotEqual(i, 1)

        class BrokenClass(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                raise RuntimeError("no class")

            def test_never_runs(self):
                pass
    """,
    "test_subtests.py": """
        def test_subtests(subtests):
            for i in range(3):
                with subtests.test("message", i=i):
                    assert i != 1

        def test_subtests_pass(subtests):
            with subtests.test(msg="fine"):
                pass
    """,
    "sub/test_skipped_module.py": """
        import pytest
        pytest.skip("the whole module", allow_module_level=True)

        def test_never_seen():
            pass
    """,
    "sub/test_needs.py": """
        import pytest
        pytest.importorskip("no_such_module_anywhere")

        def test_never_seen():
            pass
    """,
    "sub/test_more.py": """
        import pytest

        @pytest.fixture(scope="module", params=["x", "y"])
        def letter(request):
            return request.param

        def test_first(letter):
            assert letter in "xy"

        def test_second(letter):
            assert letter == "x"
    """,
}

#: What many stories need: a few tests that pass.
SMALL = {
    "pytest.ini": "[pytest]\n",
    "test_small.py": """
        import pytest

        @pytest.mark.parametrize("n", range(6))
        def test_number(n):
            assert n >= 0

        def test_other():
            pass
    """,
}

#: Tests that tell when they have begun, and go on when they are told to.
GATED = {
    "pytest.ini": "[pytest]\n",
    "gate.py": """
        import os, pathlib, time

        def wait(name):
            folder = pathlib.Path(__file__).parent / "gate"
            folder.mkdir(exist_ok=True)
            (folder / f"{name}.{os.getpid()}").touch()
            end = time.monotonic() + 100
            while not (folder / "open").exists():
                assert time.monotonic() < end
                time.sleep(0.02)
    """,
    "test_gated.py": """
        import gate

        def test_before():
            pass

        def test_waits():
            gate.wait("first")

        def test_also_waits():
            gate.wait("second")

        def test_after():
            pass
    """,
}

#: Files that make pytest end early, besides SMALL.
ENDS_BADLY = {
    "collection error": {"test_broken.py": "def test_a(:\n"},
    "conftest raises": {"conftest.py": "raise RuntimeError('no')\n"},
    "failing test": {"test_fails.py": "def test_f(): assert 0\n"},
}

#: A test of each outcome, for what pytest-fast is compared by.
SIX = {
    "pytest.ini": "[pytest]\nmarkers = slow: takes long\n",
    "test_six.py": """
        import time
        import pytest

        @pytest.fixture
        def broken():
            raise ValueError("broken fixture")

        @pytest.mark.parametrize("n", range(3))
        def test_number(n):
            print("number", n)
            assert n != 1

        def test_error(broken):
            pass

        def test_skipped():
            pytest.skip("not today")

        @pytest.mark.xfail
        def test_xfailed():
            assert 0

        @pytest.mark.xfail
        def test_xpassed():
            pass

        @pytest.mark.slow
        def test_slow():
            time.sleep(0.01)
            print("from the test")
    """,
}
