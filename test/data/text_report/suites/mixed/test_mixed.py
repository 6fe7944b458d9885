import sys
import unittest

import pytest


@pytest.fixture
def breaks_before():
    print("before it breaks")
    raise RuntimeError("no set-up today")


@pytest.fixture
def breaks_after():
    yield
    print("after it worked")
    raise ValueError("no teardown\nin two lines")


@pytest.fixture
def talks_after():
    print("set up")
    yield
    print("torn down")
    print("torn down loudly", file=sys.stderr)


def test_passes():
    print("quiet success")


def test_passes_before_talk(talks_after):
    pass


def test_fails(talks_after):
    print("out")
    print("err", file=sys.stderr)
    assert 1 == 2, "numbers"


class TestGroup:
    def test_method(self):
        raise KeyError("a key")

    @pytest.mark.parametrize("value", [1, "a::b", "x[y]"])
    def test_many(self, value):
        assert value == 1


class TestOld(unittest.TestCase):
    def test_old(self):
        self.assertEqual([1], [2])


def test_error_before(breaks_before):
    pass


def test_error_after(breaks_after):
    pass


def test_both(breaks_after):
    assert 0


def test_no_such_fixture(nowhere):
    pass


@pytest.mark.skip
def test_skip_mark():
    pass


@pytest.mark.skip(reason="not today")
@pytest.mark.parametrize("n", range(3))
def test_skip_reason(n):
    pass


def test_skip_inside():
    pytest.skip("from inside")


def test_skip_silent():
    pytest.skip()


@pytest.mark.xfail(reason="known bug")
def test_xfail():
    assert 0


@pytest.mark.xfail
def test_xfail_plain():
    assert 0


def test_xfail_call():
    pytest.xfail("called")


@pytest.mark.xfail(reason="fixture is broken")
def test_xfail_setup(breaks_before):
    pass


@pytest.mark.xfail(reason="was fixed")
def test_xpass():
    print("unexpectedly")


@pytest.mark.xfail(strict=True, reason="must fail")
def test_xpass_strict():
    pass


def test_short_fail():
    pytest.fail("no trace", pytrace=False)


def test_no_newline():
    sys.stdout.write("no line break at the end")
    assert False
