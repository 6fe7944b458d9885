"""The catalogue. Its search index is built when the module is imported, which takes about half a second."""

from __future__ import annotations

from collections import defaultdict
from itertools import product

COLOURS = "amber azure beige black blue brown coral cyan green grey ivory lilac olive pink red white yellow".split()
MATERIALS = "bamboo brass canvas ceramic cotton copper glass granite iron leather linen oak silk steel wool".split()
THINGS = "basket bench bottle bowl box candle chair clock cup desk frame jug kettle lamp mirror mug pan plate rug shelf".split()


def trigrams(text: str) -> set[str]:
    padded = f"  {text.lower()} "
    return {padded[i : i + 3] for i in range(len(padded) - 2)}


def build_index(names: list[str]) -> dict[str, set[int]]:
    index: dict[str, set[int]] = defaultdict(set)
    for number, name in enumerate(names):
        for gram in trigrams(name):
            index[gram].add(number)
    return dict(index)


PRODUCTS = [" ".join(words) for words in product(COLOURS, MATERIALS, THINGS)]
_INDEX = build_index([f"{name} {suffix}" for name in PRODUCTS for suffix in ("", "large", "small", "set of two", "de luxe")])
_VARIANTS = 5


def search(text: str, limit: int = 5) -> list[str]:
    """Products whose names share most trigrams with *text*, best first."""
    hits: dict[int, int] = defaultdict(int)
    for gram in trigrams(text):
        for number in _INDEX.get(gram, ()):
            hits[number // _VARIANTS] += 1
    best = sorted(hits, key=lambda number: (-hits[number], PRODUCTS[number]))
    return [PRODUCTS[number] for number in best[:limit]]
