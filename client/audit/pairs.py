"""Two sides of a comparison, key by key."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def both(expected: Mapping[K, V], found: Mapping[K, V]) -> Iterator[tuple[K, V | None, V | None]]:
    """Yield what either has, first in the order of the expected."""
    for key, value in expected.items():
        yield key, value, found.get(key)
    for key, value in found.items():
        if key not in expected:
            yield key, None, value
