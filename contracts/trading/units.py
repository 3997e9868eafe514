"""Units: what each participant has open, bought, sold and held, by day.

One record holds a participant's day in a zone: a `Position` for each quarter, over all markets, and
for each market a `Holding` for each of its products, by the start of delivery. An order changes
this one record, however many rules look at it. Slots and products in which nothing is left take no
space; settlement removes a quarter's position when it has closed the unit.

    version u8 ‖ size u16 ‖ positions ‖ { market u16 ‖ open orders u32 ‖ size u16 ‖ holdings } …

Positions and holdings are daybooks, markets ascend, all numbers are big-endian.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, NamedTuple, TypeAlias

from contracts.kernel import Size
from contracts.kernel.daybook import SLOTS, Daybook
from contracts.trading.model import Position
from contracts.trading.terms import ZONE_MARKETS_MAX
from contracts.trading.uniform_price import Side

VERSION: Final = 1
U32_MAX: Final = 2**32 - 1
DAY_BYTES_MAX: Final = 32 * 2**10


class Holding(NamedTuple):
    """A participant's open orders in one product; of a single order the sum is its limit."""

    bids: int = 0
    asks: int = 0
    limits_sum_per_wh: int = 0

    def on(self, side: Side) -> int:
        """Return the number of orders of one side."""
        return self.bids if side is Side.BID else self.asks

    def with_orders(self, side: Side, count: int, limits_per_wh: int) -> "Holding":
        """Return the holding with `count` orders more, or fewer if negative."""
        limits = self.limits_sum_per_wh + limits_per_wh
        if side is Side.BID:
            return Holding(self.bids + count, self.asks, limits)
        return Holding(self.bids, self.asks + count, limits)


POSITIONS: Final = Daybook("IIIIQQ")
HOLDINGS: Final = Daybook("HHQ")
assert SLOTS * (POSITIONS.stride + ZONE_MARKETS_MAX * HOLDINGS.stride) + 256 <= DAY_BYTES_MAX
DayBytes: TypeAlias = Annotated[bytes, Size(0, DAY_BYTES_MAX)]
_NO_POSITION: Final = Position()
_NO_HOLDING: Final = Holding()


_HEAD: Final = struct.Struct(">BH")
_MARKET: Final = struct.Struct(">HIH")


class MarketDay(NamedTuple):
    """A participant's holdings in the products of one market that deliver on one day."""

    market: int
    open_orders: int
    holdings: bytes


class UnitDay(NamedTuple):
    """A participant's day in a zone, decoded as far as its parts."""

    positions: bytes
    markets: tuple[MarketDay, ...]

    @classmethod
    def of(cls, data: bytes) -> "UnitDay":
        """Take the stored bytes apart."""
        if not data:
            return cls(b"", ())
        version, size = _HEAD.unpack_from(data)
        assert version == VERSION, f"a stored day has version {version}"
        end = _HEAD.size + size
        positions, markets = data[_HEAD.size : end], []
        while end < len(data):
            market, open_orders, size = _MARKET.unpack_from(data, end)
            begin = end + _MARKET.size
            end = begin + size
            markets.append(MarketDay(market, open_orders, data[begin:end]))
        return cls(positions, tuple(markets))

    def encode(self) -> bytes:
        """Return the bytes to store; a day without anything is empty."""
        if not self.positions and not self.markets:
            return b""
        pieces = [_HEAD.pack(VERSION, len(self.positions)), self.positions]
        for market, open_orders, holdings in self.markets:
            pieces += (_MARKET.pack(market, open_orders, len(holdings)), holdings)
        return b"".join(pieces)


class Unit:
    """A participant's day, taken out of the state for the length of a call.

    Slots are those of the day: the quarter's, or the one in which a product begins to deliver.
    Slots are decoded as they are asked for, and encoded together at the end.
    """

    __slots__ = ("_holdings", "_new_holdings", "_new_positions", "_open_orders", "_positions")

    def __init__(self, data: bytes) -> None:
        """Keep what is stored, and what changes in it apart."""
        self._positions = b""
        self._holdings: dict[int, bytes] = {}
        self._open_orders: dict[int, int] = {}
        if data:
            self._positions, markets = UnitDay.of(data)
            for market, open_orders, holdings in markets:
                self._holdings[market] = holdings
                self._open_orders[market] = open_orders
        self._new_positions: dict[int, Position] = {}
        self._new_holdings: dict[int, dict[int, Holding]] = {}

    @property
    def is_changed(self) -> bool:
        """Return whether anything was written."""
        return bool(self._new_positions or self._new_holdings)

    def position(self, slot: int) -> Position:
        """Return what the participant has in a quarter."""
        changed = self._new_positions.get(slot)
        if changed is not None:
            return changed
        values = POSITIONS.get(self._positions, slot)
        return _NO_POSITION if values is None else Position(*values)

    def set_position(self, slot: int, position: Position) -> None:
        """Write a quarter; one without anything in it goes."""
        self._new_positions[slot] = position

    def holding(self, market: int, slot: int) -> Holding:
        """Return the participant's open orders in a product."""
        changed = self._new_holdings.get(market)
        if changed is not None and slot in changed:
            return changed[slot]
        values = HOLDINGS.get(self._holdings.get(market, b""), slot)
        return _NO_HOLDING if values is None else Holding(*values)

    def set_holding(self, market: int, slot: int, holding: Holding) -> None:
        """Write a product's holding and keep count of the market's open orders."""
        bids, asks, _ = self.holding(market, slot)
        change = holding.bids + holding.asks - bids - asks
        self._open_orders[market] = self._open_orders.get(market, 0) + change
        self._new_holdings.setdefault(market, {})[slot] = holding

    def open_orders(self, market: int) -> int:
        """Return how many orders are open in all products of a market on this day."""
        return self._open_orders.get(market, 0)

    def encode(self) -> bytes:
        """Return the bytes to store."""
        positions = _changed(POSITIONS, self._positions, self._new_positions)
        holdings = self._holdings
        if self._new_holdings:
            holdings = dict(holdings)
            for market, changes in self._new_holdings.items():
                holdings[market] = _changed(HOLDINGS, holdings.get(market, b""), changes)
        markets = [
            MarketDay(market, self._open_orders[market], holdings[market])
            for market in sorted(holdings)
            if holdings[market]
        ]
        return UnitDay(positions, tuple(markets)).encode()


def position_in(data: bytes, slot: int) -> Position:
    """Return a quarter of a stored day; quicker than the whole `Unit` where nothing changes."""
    if not data:
        return _NO_POSITION
    version, size = _HEAD.unpack_from(data)
    assert version == VERSION, f"a stored day has version {version}"
    values = POSITIONS.get(data[_HEAD.size : _HEAD.size + size], slot)
    return _NO_POSITION if values is None else Position(*values)


def positions_of(day: UnitDay) -> Iterator[tuple[int, Position]]:
    """Yield the slots of a stored day that have a position, ascending."""
    for slot, values in POSITIONS.items(day.positions):
        yield slot, Position(*values)


def holdings_of(day: UnitDay) -> Iterator[tuple[int, int, Holding]]:
    """Yield (market, slot, holding) of a stored day, ascending."""
    for one in day.markets:
        for slot, values in HOLDINGS.items(one.holdings):
            yield one.market, slot, Holding(*values)


def _changed(book: Daybook, data: bytes, changes: Mapping[int, tuple[int, ...]]) -> bytes:
    """Return the record with slots written; one in which nothing but zeros is left goes."""
    if not changes:
        return data
    return book.put_all(
        data, {slot: values if any(values) else None for slot, values in changes.items()}
    )
