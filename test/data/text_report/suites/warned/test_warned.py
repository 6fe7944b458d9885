import warnings

import pytest

warnings.warn("while importing")


def helper():
    warnings.warn("from a helper", DeprecationWarning)


@pytest.mark.no_such_mark
@pytest.mark.parametrize("n", range(12))
def test_many(n):
    helper()


@pytest.mark.parametrize("n", range(3))
def test_few(n):
    warnings.warn("a few\nwith two lines  ", UserWarning)


def test_alone():
    warnings.warn(ResourceWarning("alone"))
    warnings.warn("once more")
