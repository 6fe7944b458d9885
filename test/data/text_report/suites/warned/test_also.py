import warnings


def test_also():
    warnings.warn("a few\nwith two lines  ", UserWarning)
