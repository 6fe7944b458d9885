import pytest


def test_top():
    assert 0


@pytest.mark.xfail(reason="above")
def test_top_xfail():
    assert 0
