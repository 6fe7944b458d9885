"""Orders and what they cost."""

from __future__ import annotations

from dataclasses import dataclass, field

from shop.stock import Stock

#: From this many pieces on, so many percent off.
DISCOUNTS = ((100, 15), (50, 10), (10, 5))


def discount(pieces: int) -> int:
    """Percent off for a number of pieces.

    >>> discount(9), discount(10), discount(120)
    (0, 5, 15)
    """
    return next((percent for least, percent in DISCOUNTS if pieces >= least), 0)


@dataclass
class Order:
    lines: dict[str, int] = field(default_factory=dict)

    def add(self, product: str, pieces: int = 1) -> None:
        if pieces < 1:
            raise ValueError("an order has at least one piece")
        self.lines[product] = self.lines.get(product, 0) + pieces

    def total(self, stock: Stock) -> int:
        """Cents, rounded down line by line."""
        return sum(stock.price(product) * pieces * (100 - discount(pieces)) // 100 for product, pieces in self.lines.items())

    def ship(self, stock: Stock) -> None:
        for product, pieces in self.lines.items():
            stock.sell(product, pieces)
