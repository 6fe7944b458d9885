import pytest


def test_wide_reason():
    raise ValueError("日本語の長い理由が端末の幅を超えるまで続きます、それでも続きます、まだ続きます")


def test_long_reason():
    raise ValueError("long " * 40)


def test_two_lines():
    raise ValueError("first line\nsecond line")


def test_tab():
    raise ValueError("a\ttab and then a text that is much longer than the line has any room for, as one can see here")


def test_combining():
    raise ValueError("e\u0301" * 60)


def test_a_name_so_long_that_the_line_has_no_room_for_any_reason_whatever_it_may_be_called_by_its_author():
    raise ValueError("unseen")


def test_日本語の名前():
    assert 0


@pytest.mark.parametrize("e", ["🎉🎉", "ü"])
def test_param(e):
    print("🎉 captured")
    assert not e
