from __future__ import annotations

import sys

import pytest
from shop.orders import Order, discount
from shop.stock import OutOfStock, Stock


@pytest.mark.parametrize(("pieces", "percent"), [(1, 0), (9, 0), (10, 5), (49, 5), (50, 10), (99, 10), (100, 15), (1000, 15)])
def test_discount(pieces: int, percent: int) -> None:
    assert discount(pieces) == percent


@pytest.mark.parametrize(("pieces", "cents"), [(1, 8900), (10, 84550), (100, 756500)])
def test_total_of_one_line(stock: Stock, order: Order, pieces: int, cents: int) -> None:
    order.add("red oak chair", pieces)
    assert order.total(stock) == cents


def test_lines_of_the_same_product_add_up(stock: Stock, order: Order) -> None:
    order.add("red oak chair", 5)
    order.add("red oak chair", 5)
    assert order.total(stock) == 84550


def test_an_order_of_nothing(order: Order) -> None:
    with pytest.raises(ValueError, match="at least one"):
        order.add("red oak chair", 0)


def test_shipping_takes_from_the_stock(stock: Stock, order: Order) -> None:
    order.add("blue glass lamp", 4)
    order.ship(stock)
    assert stock.pieces("blue glass lamp") == 6
    assert stock.sold() == {"blue glass lamp": 4}


def test_more_than_there_is(stock: Stock, order: Order) -> None:
    order.add("white wool rug", 2)
    with pytest.raises(OutOfStock):
        order.ship(stock)
    assert stock.pieces("white wool rug") == 1


@pytest.mark.skipif(sys.platform != "win32", reason="prices of the Windows till")
def test_till() -> None:
    raise AssertionError("there is no till here")
