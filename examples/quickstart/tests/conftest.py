from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from shop.orders import Order
from shop.stock import Stock


@pytest.fixture
def stock(tmp_path: Path) -> Iterator[Stock]:
    stock = Stock(str(tmp_path / "shop.db"), durable=False)
    stock.create()
    for product, pieces, cents in (("blue glass lamp", 10, 2599), ("red oak chair", 200, 8900), ("white wool rug", 1, 12950)):
        stock.receive(product, pieces, cents)
    yield stock
    stock.close()


@pytest.fixture
def order() -> Order:
    return Order()
