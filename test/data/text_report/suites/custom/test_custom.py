def test_special():
    pass


def test_unusual():
    pass


def test_other():
    pass


def test_with_subtests(subtests):
    with subtests.test("one", i=1):
        assert 1
    with subtests.test("two", i=2):
        assert 0
