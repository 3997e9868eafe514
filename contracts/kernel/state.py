"""State: the working copy of one execution over an immutable base.

Reads fall through to the base; writes are kept aside and can be undone to any savepoint, so that
every call, transaction and due unit runs in an overlay of its own, nested as deep as needed. An
undo journal makes this cheap: one dictionary for all overlays, and entries only for writes.

Keys begin with their table's 2-byte id. Ranges are ordered by raw key bytes and see all writes.
"""

import enum
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import Any, Final, Protocol

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
    """Stands in the journal for "this execution had not written the key before"."""

    UNWRITTEN = 0


_UNWRITTEN: Final = _Mark.UNWRITTEN


class Decoded:
    """What stored bytes of each table decode to, for one execution or for many in one thread.

    Values never change and equal bytes stand for equal values, so that these outlive any state. No
    charge depends on them.
    """

    __slots__ = ("_tables",)

    def __init__(self) -> None:
        """Start without values."""
        self._tables: dict[int, dict[bytes, Any]] = {}

    def of(self, table_id: int) -> dict[bytes, Any]:
        """Return the values of a table by their bytes; the table bounds how many it keeps."""
        return self._tables.setdefault(table_id, {})


class State:
    """Reads and writes of one execution, metered; not safe for more than one thread."""

    __slots__ = (
        "_base", "_journal", "_keys", "_keys_changed", "_sorted", "_writes", "decoded", "meter",
    )  # fmt: skip

    def __init__(self, base: Reader, meter: Meter, decoded: Decoded | None = None) -> None:
        """Start without writes; `decoded` is what earlier executions have decoded."""
        self._base = base
        self.meter = meter
        self.decoded = Decoded() if decoded is None else decoded
        self._writes: dict[bytes, bytes | None] = {}
        self._journal: list[tuple[bytes, bytes | _Mark | None]] = []
        # The written keys of each table: in order of writing until a range of the table has been
        # asked for, in order of the keys from then on.
        self._keys: dict[bytes, list[bytes]] = {}
        self._sorted: dict[bytes, None] = {}
        self._keys_changed = 0

    def get(self, key: bytes) -> bytes | None:
        """Return the value of `key`, or None."""
        value: bytes | _Mark | None = self._writes.get(key, _UNWRITTEN)
        if value is _UNWRITTEN:
            value = self._base.get(key)
        meter = self.meter
        meter.charge_sized(meter.table.read, 0 if value is None else len(value))
        return value

    def put(self, key: bytes, value: bytes | None) -> None:
        """Write `value`, or delete the key if it is None."""
        assert TABLE_ID_BYTES <= len(key) <= KEY_BYTES_MAX, f"key of {len(key)} bytes"
        assert value is None or 0 < len(value) <= VALUE_BYTES_MAX, "value is empty or too large"
        meter = self.meter
        meter.charge_sized(meter.table.write, 0 if value is None else len(value))
        before: bytes | _Mark | None = self._writes.get(key, _UNWRITTEN)
        if before is _UNWRITTEN:
            self._remember(key)
        self._journal.append((key, before))
        self._writes[key] = value

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs with start ≤ key < end, in key order or its reverse.

        Writes made while iterating are seen wherever the iteration has not been yet. Every step is
        charged, also over a key that this execution deleted.
        """
        table = start[:TABLE_ID_BYTES]
        assert end[:TABLE_ID_BYTES] == table or end == after(table), "a range stays in its table"
        meter, weight = self.meter, self.meter.table.range_item
        keys = self._sorted_keys(table)
        base = self._base.scan(start, end, reverse=reverse)
        pending = next(base, None)
        seen_changes, last = self._keys_changed, None
        position = _following(keys, start, end, last, reverse=reverse)
        while True:
            if seen_changes != self._keys_changed:
                seen_changes = self._keys_changed
                position = _following(keys, start, end, last, reverse=reverse)
            own = keys[position] if 0 <= position < len(keys) else None
            if own is not None and (own < start if reverse else own >= end):
                own = None
            if own is not None and (
                pending is None or own == pending[0] or (own > pending[0]) is reverse
            ):
                position += -1 if reverse else 1
                if pending is not None and own == pending[0]:
                    pending = next(base, None)
                last, value = own, self._writes[own]
            elif pending is not None:
                last, value = pending
                pending = next(base, None)
            else:
                return
            meter.charge_sized(weight, 0 if value is None else len(value))
            if value is not None:
                yield last, value

    def savepoint(self) -> int:
        """Return a mark to which `rollback` can return."""
        return len(self._journal)

    def rollback(self, mark: int) -> None:
        """Undo every write since the mark, newest first."""
        assert 0 <= mark <= len(self._journal), "the mark is of writes already undone or settled"
        while len(self._journal) > mark:
            key, before = self._journal.pop()
            if before is _UNWRITTEN:
                del self._writes[key]
                self._forget(key)
            else:
                self._writes[key] = before

    def settle(self) -> None:
        """Make all writes so far permanent for this execution: no earlier mark is valid now."""
        self._journal.clear()

    def changes(self) -> list[tuple[bytes, bytes | None]]:
        """Return what differs from the base, ascending by key; None means deleted."""
        written = ((key, self._writes[key]) for key in sorted(self._writes))
        return [(key, value) for key, value in written if value != self._base.get(key)]

    def _remember(self, key: bytes) -> None:
        table = key[:TABLE_ID_BYTES]
        keys = self._keys.setdefault(table, [])
        if table in self._sorted:
            insort(keys, key)
            self._keys_changed += 1
        else:
            keys.append(key)

    def _forget(self, key: bytes) -> None:
        """Drop a key whose first write is undone: nothing may remember what did not happen."""
        table = key[:TABLE_ID_BYTES]
        keys = self._keys[table]
        if table in self._sorted:
            del keys[bisect_left(keys, key)]
            self._keys_changed += 1
        else:
            newest = keys.pop()
            assert newest == key, "writes are undone newest first"

    def _sorted_keys(self, table: bytes) -> list[bytes]:
        keys = self._keys.setdefault(table, [])
        if table not in self._sorted:
            keys.sort()
            self._sorted[table] = None
        return keys


def _following(
    keys: list[bytes], start: bytes, end: bytes, last: bytes | None, *, reverse: bool
) -> int:
    """Return where in the sorted keys the iteration goes on after the key `last`."""
    if reverse:
        return bisect_left(keys, end if last is None else last) - 1
    return bisect_left(keys, start) if last is None else bisect_right(keys, last)


def after(prefix: bytes) -> bytes:
    """Return the first key after all keys that begin with `prefix`."""
    stripped = prefix.rstrip(b"\xff")
    assert stripped, "no key comes after a prefix of ff bytes"
    return stripped[:-1] + bytes((stripped[-1] + 1,))
