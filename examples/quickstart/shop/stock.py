"""What is there, in SQLite."""

from __future__ import annotations

import sqlite3

SCHEMA = """
CREATE TABLE stock (product TEXT PRIMARY KEY, pieces INTEGER NOT NULL CHECK (pieces >= 0), cents INTEGER NOT NULL);
CREATE TABLE sales (product TEXT NOT NULL REFERENCES stock (product), pieces INTEGER NOT NULL);
"""


class OutOfStock(Exception):
    pass


class Stock:
    def __init__(self, path: str, durable: bool = True) -> None:
        self._db = sqlite3.connect(path)
        self._db.execute("PRAGMA foreign_keys = ON")
        if not durable:
            self._db.execute("PRAGMA synchronous = OFF")

    def create(self) -> None:
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    def receive(self, product: str, pieces: int, cents: int) -> None:
        with self._db:
            self._db.execute(
                "INSERT INTO stock VALUES (?, ?, ?) ON CONFLICT (product) DO UPDATE SET pieces = pieces + excluded.pieces",
                (product, pieces, cents),
            )

    def pieces(self, product: str) -> int:
        row = self._db.execute("SELECT pieces FROM stock WHERE product = ?", (product,)).fetchone()
        return row[0] if row else 0

    def price(self, product: str) -> int:
        row = self._db.execute("SELECT cents FROM stock WHERE product = ?", (product,)).fetchone()
        if row is None:
            raise KeyError(product)
        return int(row[0])

    def sell(self, product: str, pieces: int) -> None:
        try:
            with self._db:
                self._db.execute("INSERT INTO sales VALUES (?, ?)", (product, pieces))
                self._db.execute("UPDATE stock SET pieces = pieces - ? WHERE product = ?", (pieces, product))
        except sqlite3.IntegrityError as error:
            raise OutOfStock(product) from error

    def sold(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT product, SUM(pieces) FROM sales GROUP BY product"))
