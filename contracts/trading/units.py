"""Units: what each participant has open, bought, sold and held, by day.

One record holds a participant's day in a zone: a `Position` for each quarter, over all markets, and
for each market a `Holding` for each of its products, by the start of delivery. An order changes
this one record, however many rules look at it. Slots and products in which nothing is left take no
space; settlement removes a quarter's position when it has closed the unit.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, NamedTuple

from contracts.kernel import Items, Record, Size, record
from contracts.kernel.daybook import Daybook
from contracts.kernel.types import U16, U32
from contracts.trading.model import Position
from contracts.trading.uniform_price import Side

DAY_MARKETS_MAX: Final = 16
SLOTS_PER_DAY: Final = 96
U32_MAX: Final = 2**32 - 1


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
_NO_POSITION: Final = Position()
_NO_HOLDING: Final = Holding()


@record(version=1)
class MarketDay(Record):
    """A participant's holdings in the products of one market that deliver on one day."""

    market: U16
    open_orders: U32
    holdings: Annotated[bytes, Size(1, SLOTS_PER_DAY * HOLDINGS.stride)]


@record(version=1)
class UnitDay(Record):
    """A participant's day in a zone: positions by quarter, holdings by market and product."""

    positions: Annotated[bytes, Size(0, SLOTS_PER_DAY * POSITIONS.stride)]
    markets: Annotated[tuple[MarketDay, ...], Items(DAY_MARKETS_MAX)]


EMPTY_DAY: Final = UnitDay(b"", ())


class Unit:
    """A participant's day, taken out of the state for the length of a call.

    Slots are those of the day: the quarter's, or the one in which a product begins to deliver.
    Slots are decoded as they are asked for, and encoded together at the end.
    """

    __slots__ = ("_day", "_holdings", "_markets", "_open_orders", "_positions")

    def __init__(self, day: UnitDay) -> None:
        """Keep the record, and what changes in it apart."""
        self._day = day
        self._markets = {one.market: one for one in day.markets}
        self._open_orders = {one.market: one.open_orders for one in day.markets}
        self._positions: dict[int, Position] = {}
        self._holdings: dict[int, dict[int, Holding]] = {}

    @property
    def is_changed(self) -> bool:
        """Return whether anything was written."""
        return bool(self._positions or self._holdings)

    def position(self, slot: int) -> Position:
        """Return what the participant has in a quarter."""
        changed = self._positions.get(slot)
        if changed is not None:
            return changed
        values = POSITIONS.get(self._day.positions, slot)
        return _NO_POSITION if values is None else Position(*values)

    def set_position(self, slot: int, position: Position) -> None:
        """Write a quarter; one without anything in it goes."""
        self._positions[slot] = position

    def holding(self, market: int, slot: int) -> Holding:
        """Return the participant's open orders in a product."""
        changed = self._holdings.get(market)
        if changed is not None and slot in changed:
            return changed[slot]
        stored = self._markets.get(market)
        values = None if stored is None else HOLDINGS.get(stored.holdings, slot)
        return _NO_HOLDING if values is None else Holding(*values)

    def set_holding(self, market: int, slot: int, holding: Holding) -> None:
        """Write a product's holding and keep count of the market's open orders."""
        before = self.holding(market, slot)
        change = holding.bids + holding.asks - before.bids - before.asks
        self._open_orders[market] = self.open_orders(market) + change
        self._holdings.setdefault(market, {})[slot] = holding

    def open_orders(self, market: int) -> int:
        """Return how many orders are open in all products of a market on this day."""
        return self._open_orders.get(market, 0)

    def day(self) -> UnitDay:
        """Return the record to store."""
        positions = POSITIONS.put_all(self._day.positions, _without_empty(self._positions))
        markets = []
        for market in sorted(self._markets.keys() | self._holdings.keys()):
            stored = self._markets.get(market)
            holdings = HOLDINGS.put_all(
                b"" if stored is None else stored.holdings,
                _without_empty(self._holdings.get(market, {})),
            )
            if holdings:
                markets.append(MarketDay(market, self._open_orders[market], holdings))
        return UnitDay(positions, tuple(markets))


def positions_of(day: UnitDay) -> Iterator[tuple[int, Position]]:
    """Yield the slots of a stored day that have a position, ascending."""
    for slot, values in POSITIONS.items(day.positions):
        yield slot, Position(*values)


def holdings_of(day: UnitDay) -> Iterator[tuple[int, int, Holding]]:
    """Yield (market, slot, holding) of a stored day, ascending."""
    for one in day.markets:
        for slot, values in HOLDINGS.items(one.holdings):
            yield one.market, slot, Holding(*values)


def _without_empty(changes: Mapping[int, tuple[int, ...]]) -> dict[int, tuple[int, ...] | None]:
    """Return the changes in which nothing but zeros stands for none."""
    return {slot: values if any(values) else None for slot, values in changes.items()}
