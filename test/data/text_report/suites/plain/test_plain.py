import pytest


def test_one():
    pass


def test_two():
    pass


@pytest.mark.skip(reason="never")
def test_three():
    pass
