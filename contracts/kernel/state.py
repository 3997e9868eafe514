"""State: the working copy of one execution over an immutable base.

Reads fall through to the base; writes are kept aside and can be undone to any savepoint, so that
every call, transaction and due unit runs in an overlay of its own, nested as deep as needed. An
undo journal makes this cheap: one dictionary for all overlays, and entries only for writes.

Keys begin with their table's 2-byte id. Ranges are ordered by raw key bytes and see all writes.
"""

import enum
from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Final, Protocol

from contracts.kernel.meter import Meter

TABLE_ID_BYTES: Final = 2
KEY_BYTES_MAX: Final = 128
VALUE_BYTES_MAX: Final = 64 * 2**10


class Reader(Protocol):
    """A published version of the state, immutable while it is read."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value, or None."""

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield pairs with start ≤ key < end in key order, or in the reverse of it."""


class _Mark(enum.Enum):
    """Stands for the value of a key whose writes were all undone: the base has it."""

    BASE = 0


_BASE: Final = _Mark.BASE


class State:
    """Reads and writes of one execution, metered; not safe for more than one thread."""

    __slots__ = ("_base", "_dirty", "_journal", "_sorted", "_writes", "meter")

    def __init__(self, base: Reader, meter: Meter) -> None:
        """Start without writes."""
        self._base = base
        self.meter = meter
        self._writes: dict[bytes, bytes | _Mark | None] = {}
        self._journal: list[tuple[bytes, bytes | _Mark | None]] = []
        # The written keys of each table; sorted once a range of that table has been asked for.
        self._dirty: dict[bytes, list[bytes]] = {}
        self._sorted: dict[bytes, bool] = {}

    def get(self, key: bytes) -> bytes | None:
        """Return the value of `key`, or None."""
        value = self._writes.get(key, _BASE)
        if value is _BASE:
            value = self._base.get(key)
        self.meter.charge_sized(self.meter.table.read, 0 if value is None else len(value))
        return value

    def put(self, key: bytes, value: bytes | None) -> None:
        """Write `value`, or delete the key if it is None."""
        assert TABLE_ID_BYTES <= len(key) <= KEY_BYTES_MAX, f"key of {len(key)} bytes"
        assert value is None or 0 < len(value) <= VALUE_BYTES_MAX, "value is empty or too large"
        self.meter.charge_sized(self.meter.table.write, 0 if value is None else len(value))
        before = self._writes.get(key)
        if before is None and key not in self._writes:
            before = _BASE
            self._remember(key)
        self._journal.append((key, before))
        self._writes[key] = value

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs with start ≤ key < end, in key order or its reverse.

        Writes made while iterating: changed and deleted keys show their latest state, keys that
        are new since the iteration began may not appear.
        """
        weight = self.meter.table.range_item
        for key, value in self._merged(start, end, reverse=reverse):
            self.meter.charge_sized(weight, len(value))
            yield key, value

    def savepoint(self) -> int:
        """Return a mark to which `rollback` can return."""
        return len(self._journal)

    def rollback(self, mark: int) -> None:
        """Undo every write since the mark, newest first."""
        while len(self._journal) > mark:
            key, before = self._journal.pop()
            self._writes[key] = before

    def settle(self) -> None:
        """Make all writes so far permanent for this execution: no earlier mark is valid now."""
        self._journal.clear()

    def changes(self) -> list[tuple[bytes, bytes | None]]:
        """Return what differs from the base, ascending by key; None means deleted."""
        out: list[tuple[bytes, bytes | None]] = []
        for key in sorted(self._writes):
            value = self._writes[key]
            if value is not _BASE and value != self._base.get(key):
                out.append((key, value))
        return out

    def _remember(self, key: bytes) -> None:
        table = key[:TABLE_ID_BYTES]
        keys = self._dirty.setdefault(table, [])
        if self._sorted.get(table):
            insort(keys, key)
        else:
            keys.append(key)

    def _dirty_between(self, start: bytes, end: bytes) -> list[bytes]:
        table = start[:TABLE_ID_BYTES]
        assert end[:TABLE_ID_BYTES] == table or end == after(table), "a range stays in its table"
        keys = self._dirty.get(table)
        if not keys:
            return []
        if not self._sorted.get(table):
            keys.sort()
            self._sorted[table] = True
        return keys[bisect_left(keys, start) : bisect_left(keys, end)]

    def _merged(self, start: bytes, end: bytes, *, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        own = self._dirty_between(start, end)
        if reverse:
            own.reverse()
        position = 0
        for key, base_value in self._base.scan(start, end, reverse=reverse):
            while position < len(own) and (own[position] > key if reverse else own[position] < key):
                yield from self._own(own[position])
                position += 1
            if position < len(own) and own[position] == key:
                position += 1
            value = self._writes.get(key, _BASE)
            if value is _BASE:
                yield key, base_value
            elif value is not None:
                yield key, value
        for key in own[position:]:
            yield from self._own(key)

    def _own(self, key: bytes) -> Iterator[tuple[bytes, bytes]]:
        value = self._writes[key]
        if isinstance(value, bytes):
            yield key, value


def after(prefix: bytes) -> bytes:
    """Return the first key after all keys that begin with `prefix`."""
    stripped = prefix.rstrip(b"\xff")
    assert stripped, "no key comes after a prefix of ff bytes"
    return stripped[:-1] + bytes((stripped[-1] + 1,))
