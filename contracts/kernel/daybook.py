"""Daybook: up to 96 quarters of one day in one value, each a slot of the same width.

Layout: `slot u8 ‖ fields`, big-endian, ascending by slot; slots without fields take no space. What
the state keeps by quarter (readings, positions, prices) is one key a day instead of 96.
"""

import struct
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

SLOTS: Final = 96


class Daybook:
    """The form of one kind of day record; the records themselves are bytes."""

    __slots__ = ("_struct", "stride")

    def __init__(self, fields: str) -> None:
        """Take the struct codes of the fields, without byte order."""
        self._struct = struct.Struct(">B" + fields)
        self.stride = self._struct.size

    def get(self, data: bytes, slot: int) -> tuple[int, ...] | None:
        """Return the fields of a slot, or None."""
        slots = data[:: self.stride]
        place = bisect_left(slots, slot)
        if place == len(slots) or slots[place] != slot:
            return None
        return self._struct.unpack_from(data, place * self.stride)[1:]

    def put(self, data: bytes, slot: int, values: Sequence[int]) -> bytes:
        """Return the record with the fields of a slot written."""
        before, after = self._around(data, slot)
        return before + self._struct.pack(slot, *values) + after

    def remove(self, data: bytes, slot: int) -> bytes:
        """Return the record without a slot."""
        before, after = self._around(data, slot)
        return before + after

    def put_all(self, data: bytes, changes: Mapping[int, Sequence[int] | None]) -> bytes:
        """Return the record with slots written, or removed where the change is None."""
        if len(changes) == 1:
            # Nearly all changes are of one slot.
            ((slot, only),) = changes.items()
            return self.remove(data, slot) if only is None else self.put(data, slot, only)
        slots, end, pieces = data[:: self.stride], 0, []
        for slot in sorted(changes):
            assert 0 <= slot < SLOTS, f"a day has no slot {slot}"
            values, place = changes[slot], bisect_left(slots, slot)
            pieces.append(data[end : place * self.stride])
            if values is not None:
                pieces.append(self._struct.pack(slot, *values))
            end = (place + (place < len(slots) and slots[place] == slot)) * self.stride
        return b"".join((*pieces, data[end:]))

    def items(self, data: bytes) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield slots and their fields, ascending."""
        for slot, *values in self._struct.iter_unpack(data):
            yield slot, tuple(values)

    def is_sound(self, data: bytes) -> bool:
        """Say whether these bytes are a record: whole slots of one day, ascending, each once."""
        slots = data[:: self.stride]
        ascending = all(a < b for a, b in pairwise(slots))
        return len(data) == len(slots) * self.stride and ascending and max(slots, default=0) < SLOTS

    def _around(self, data: bytes, slot: int) -> tuple[bytes, bytes]:
        """Return what stands before and after a slot, whether it is there or not."""
        assert 0 <= slot < SLOTS, f"a day has no slot {slot}"
        slots = data[:: self.stride]
        place = bisect_left(slots, slot)
        end = place + (place < len(slots) and slots[place] == slot)
        return data[: place * self.stride], data[end * self.stride :]
