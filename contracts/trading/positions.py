"""Positions: what every participant has open, bought, sold and held, by zone and quarter.

All mechanisms write here, because caps and settlement count over all of them. A unit is
(participant, zone, quarter); a day of units is one record. Wh move from open to bought or sold when
a product clears; the proceeds and margins of filled asks, which sit on the accounts of their
orders, are counted here until settlement has taken or paid them out. (MARKET §2, §5.)

Settlement looks at a unit by `position` or `positions_after`, and ends it by `take_unit` in the
step in which what its accounts hold for it is charged or released.
"""

from collections.abc import Iterator

from contracts.kernel import Contract, Lane, Map, invariant, query
from contracts.kernel.types import U16, U32, TimeS
from contracts.trading.closing import UnitChange
from contracts.trading.model import Position, UnitPosition, day_and_slot
from contracts.trading.terms import QUARTER_STEPS
from contracts.trading.uniform_price import Side
from contracts.trading.units import DayBytes, Unit, UnitDay, holdings_of, position_in, positions_of


class Positions(Contract, name="positions", number=0x34, lane=Lane.MARKET):
    """Every participant's open and filled Wh, and what is held for them, until settled."""

    units = Map[tuple[U16, U32, U32], DayBytes](id=0x3401, default=b"")

    def unit(self, zone: int, day: int, participant: int) -> Unit:
        """Return a participant's day in a zone, to be read and changed."""
        return Unit(self.units[zone, day, participant])

    def store(self, zone: int, day: int, participant: int, unit: Unit) -> None:
        """Write a participant's day back; an empty one leaves the state."""
        self.units[zone, day, participant] = unit.encode()

    def close_orders(
        self,
        product: tuple[int, int],
        quarters: int,
        side: Side,
        owner: tuple[int, int],
        change: UnitChange,
    ) -> None:
        """Count orders of an `owner`, (zone, participant), that left the book of a product.

        A product is (market, start); all its quarters change alike.
        """
        self.charge_steps(QUARTER_STEPS * quarters)
        market, start_s = product
        zone, participant = owner
        day, slot = day_and_slot(start_s)
        unit = self.unit(zone, day, participant)
        holding = unit.holding(market, slot)
        unit.set_holding(
            market, slot, holding.with_orders(side, -change.orders, -change.limits_per_wh)
        )
        for i in range(quarters):
            unit.set_position(slot + i, change.applied(side, unit.position(slot + i)))
        self.store(zone, day, participant, unit)

    def position(self, zone: int, participant: int, quarter_s: int) -> Position:
        """Return a unit's open and filled Wh, and what is held for its filled asks."""
        day, slot = day_and_slot(quarter_s)
        return position_in(self.units[zone, day, participant], slot)

    def positions_after(
        self, zone: int, quarter_s: int, after: int, limit: int
    ) -> list[tuple[int, Position]]:
        """Return the next units of a quarter that hold anything, by participant, above `after`."""
        day, slot = day_and_slot(quarter_s)
        found: list[tuple[int, Position]] = []
        for (_, _, participant), data in self.units.items(zone, day, start=after + 1):
            position = position_in(data, slot)
            if any(position):
                found.append((participant, position))
            if len(found) == limit:
                break
        return found

    def take_unit(self, zone: int, participant: int, quarter_s: int) -> Position:
        """Forget a unit with nothing open, as it is settled; returns what it was and held.

        What its accounts hold for it is moved in the same step.
        """
        day, slot = day_and_slot(quarter_s)
        data = self.units[zone, day, participant]
        position = position_in(data, slot)
        assert position.open_bid_wh == position.open_ask_wh == 0, "a settled unit has open orders"
        if any(position):
            unit = Unit(data)
            unit.set_position(slot, Position())
            self.store(zone, day, participant, unit)
        return position

    def all_units(self) -> Iterator[tuple[tuple[int, int, int], UnitDay]]:
        """Yield every (zone, day, participant) with what is stored of it."""
        for key, data in self.units.items():
            yield key, UnitDay.of(data)

    @query
    def unit_of(self, participant: U32, zone: U16, quarter_s: TimeS) -> UnitPosition:
        """What a participant has open, bought, sold and held for one quarter."""
        return UnitPosition(*self.position(zone, participant, quarter_s))

    @invariant
    def open_orders_are_counted(self) -> bool:
        """The orders of a day in a market are those of its products, and nothing empty is kept."""
        for _, record in self.all_units():
            if any(not one.holdings for one in record.markets):
                return False
            counts = dict.fromkeys((one.market for one in record.markets), 0)
            for market, _, holding in holdings_of(record):
                if not any(holding):
                    return False
                counts[market] += holding.bids + holding.asks
            if any(one.open_orders != counts[one.market] for one in record.markets):
                return False
            if not all(any(position) for _, position in positions_of(record)):
                return False
        return True
