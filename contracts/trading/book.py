"""Rows of a book as columns: what a raw scan of open orders means, for whole-range work.

The book's keys are (market, start, side, limit, id), its values packed `BookEntry`s, so that
the rows of one side come in the order of their limits and, within a limit, of their ids.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from contracts.kernel.rounding import Int64s
from contracts.trading.model import MAKER, BookEntry
from contracts.trading.rationing import OrderIds
from contracts.trading.uniform_price import Orders

_KEY: Final = np.dtype([("limit", ">u8"), ("id", "u1", (32,))])
_ENTRY: Final = np.dtype(
    [
        ("version", "u1"),
        ("quarter_wh", ">u4"),
        ("participant", ">u4"),
        ("group", ">u4"),
        ("account", "u1", (20,)),
        ("zone", ">u2"),
        ("margin_per_wh", ">u8"),
        ("source", "u1"),
        ("flags", "u1"),
    ]
)
assert _ENTRY.itemsize == BookEntry.shape.packed_size, "the columns are those of the record"
assert tuple(_ENTRY.names or ()) == ("version", *BookEntry.shape.names), "in its order"


@dataclass(frozen=True, slots=True, eq=False)
class BookRows:
    """Open orders of one side of one product; int64[n], uint8[n], uint8[n, 20], uint8[n, 32]."""

    limit_per_wh: Int64s
    quarter_wh: Int64s
    participant: Int64s
    group: Int64s
    zone: Int64s
    margin_per_wh: Int64s
    flags: npt.NDArray[np.uint8]
    account: npt.NDArray[np.uint8]
    id: OrderIds

    def __len__(self) -> int:
        """Return the number of orders."""
        return int(self.limit_per_wh.size)

    @classmethod
    def of(cls, keys: bytes, values: bytes) -> "BookRows":
        """Decode joined keys (limit ‖ id) and joined values."""
        key = np.frombuffer(keys, dtype=_KEY)
        entry = np.frombuffer(values, dtype=_ENTRY)
        assert key.size == entry.size, "a key has a value"
        return cls(
            limit_per_wh=key["limit"].astype(np.int64),
            quarter_wh=entry["quarter_wh"].astype(np.int64),
            participant=entry["participant"].astype(np.int64),
            group=entry["group"].astype(np.int64),
            zone=entry["zone"].astype(np.int64),
            margin_per_wh=entry["margin_per_wh"].astype(np.int64),
            flags=entry["flags"],
            account=entry["account"],
            id=key["id"],
        )

    @classmethod
    def at(cls, limit_per_wh: int, ids: bytes, values: bytes) -> "BookRows":
        """Decode joined ids and values of one price."""
        limit = limit_per_wh.to_bytes(8, "big")
        keys = [limit + ids[start : start + 32] for start in range(0, len(ids), 32)]
        return cls.of(b"".join(keys), values)

    def where(self, chosen: npt.NDArray[np.bool_] | slice) -> "BookRows":
        """Return the chosen rows, in their order."""
        return BookRows(
            self.limit_per_wh[chosen],
            self.quarter_wh[chosen],
            self.participant[chosen],
            self.group[chosen],
            self.zone[chosen],
            self.margin_per_wh[chosen],
            self.flags[chosen],
            self.account[chosen],
            self.id[chosen],
        )

    def orders(self) -> Orders:
        """Return what the auction needs: quarter Wh by group, so that affiliates count as one."""
        return Orders(
            price_per_wh=self.limit_per_wh,
            quantity_wh=self.quarter_wh,
            participant=self.group,
            is_maker=(self.flags & MAKER) != 0,
        )

    def total_wh(self) -> int:
        """Return the Wh of all orders in one quarter."""
        return int(self.quarter_wh.sum())

    def accounts(self) -> list[bytes]:
        """Return each row's account."""
        return _split(self.account)

    def ids(self) -> list[bytes]:
        """Return each row's id."""
        return _split(self.id)


def _split(rows: npt.NDArray[np.uint8]) -> list[bytes]:
    """Return the rows of uint8[n, size] as byte strings."""
    size = rows.shape[1]
    joined = rows.tobytes()
    return [joined[start : start + size] for start in range(0, len(joined), size)]
