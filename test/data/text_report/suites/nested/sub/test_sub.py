import pytest


def test_sub():
    assert 0


@pytest.mark.skip(reason="below")
def test_sub_skip():
    pass


@pytest.fixture
def broken():
    raise OSError("broken")


def test_sub_error(broken):
    pass
