from __future__ import annotations

import sqlite3

import pytest
from shop.stock import OutOfStock, Stock


class TestStock:
    def test_receiving_adds_up(self, stock: Stock) -> None:
        stock.receive("blue glass lamp", 5, 2599)
        assert stock.pieces("blue glass lamp") == 15

    def test_unknown_product(self, stock: Stock) -> None:
        assert stock.pieces("pink silk kettle") == 0
        with pytest.raises(KeyError):
            stock.price("pink silk kettle")

    @pytest.mark.parametrize("pieces", [11, 12, 10_000])
    def test_selling_too_much_changes_nothing(self, stock: Stock, pieces: int) -> None:
        with pytest.raises(OutOfStock):
            stock.sell("blue glass lamp", pieces)
        assert stock.pieces("blue glass lamp") == 10
        assert stock.sold() == {}

    def test_selling_what_was_never_there(self, stock: Stock) -> None:
        with pytest.raises(OutOfStock):
            stock.sell("pink silk kettle", 1)


@pytest.mark.slow
def test_a_busy_day(stock: Stock) -> None:
    for _ in range(200):
        stock.sell("red oak chair", 1)
    assert stock.pieces("red oak chair") == 0
    assert stock.sold() == {"red oak chair": 200}


def test_the_schema_is_made_once(stock: Stock) -> None:
    with pytest.raises(sqlite3.OperationalError):
        stock.create()
