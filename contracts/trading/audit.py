"""The books recounted: what units and accounts must show if every order was kept track of. Pure.

Used by invariants alone, so it goes the long way: one order after another.
"""

from collections.abc import Iterable
from typing import NamedTuple

from contracts.trading.model import MAKER, BookEntry, Position, day_and_slot
from contracts.trading.terms import Terms
from contracts.trading.uniform_price import Side
from contracts.trading.units import Holding, UnitDay, holdings_of, positions_of

UnitKey = tuple[int, int, int]


class StandingOrder(NamedTuple):
    """An order in the book with all that its key and its product say of it."""

    market: int
    start_s: int
    side: Side
    limit_per_wh: int
    entry: BookEntry
    terms: Terms

    @property
    def held_uthb(self) -> int:
        """Return what the order holds on its owner's account."""
        quantity_wh = self.entry.quarter_wh * self.terms.quarters
        if self.side is Side.BID:
            return quantity_wh * (self.limit_per_wh + self.terms.fee_per_wh)
        return quantity_wh * self.entry.margin_per_wh


def units_agree(orders: Iterable[StandingOrder], units: Iterable[tuple[UnitKey, UnitDay]]) -> bool:
    """Say whether units show the open Wh and orders of the books, and nobody has both sides.

    A market maker may have one order a side, the ask above the bid.
    """
    open_wh: dict[tuple[UnitKey, int], Position] = {}
    by_product: dict[tuple[UnitKey, int, int], list[StandingOrder]] = {}
    for order in orders:
        day, slot = day_and_slot(order.start_s)
        key = order.entry.zone, day, order.entry.participant
        for i in range(order.terms.quarters):
            position = open_wh.get((key, slot + i), Position())
            open_wh[key, slot + i] = position.with_open(order.side, order.entry.quarter_wh)
        by_product.setdefault((key, order.market, slot), []).append(order)
    if not all(_sides_are_allowed(own) for own in by_product.values()):
        return False
    holdings = {place: _holding(own) for place, own in by_product.items()}
    for key, record in units:
        for market, slot, holding in holdings_of(record):
            if holdings.pop((key, market, slot), None) != holding:
                return False
        for slot, position in positions_of(record):
            expected = open_wh.pop((key, slot), Position())
            if position[:2] != expected[:2] or min(position) < 0:
                return False
    return not holdings and not open_wh


def holds(
    orders: Iterable[StandingOrder], units: Iterable[tuple[UnitKey, UnitDay]]
) -> dict[int, tuple[int, int, int]]:
    """Return (escrow, margin, proceeds) in µTHB that each participant's accounts must hold."""
    due: dict[int, list[int]] = {}
    for order in orders:
        own = due.setdefault(order.entry.participant, [0, 0, 0])
        own[0 if order.side is Side.BID else 1] += order.held_uthb
    for (_, _, participant), record in units:
        own = due.setdefault(participant, [0, 0, 0])
        for _, position in positions_of(record):
            own[1] += position.margin_uthb
            own[2] += position.proceeds_uthb
    return {participant: (own[0], own[1], own[2]) for participant, own in due.items()}


def _holding(own: list[StandingOrder]) -> Holding:
    holding = Holding()
    for order in own:
        holding = holding.with_orders(order.side, 1, order.limit_per_wh)
    return holding


def _sides_are_allowed(own: list[StandingOrder]) -> bool:
    bids = [order for order in own if order.side is Side.BID]
    asks = [order for order in own if order.side is Side.ASK]
    if not bids or not asks:
        return True
    all_by_maker = all(order.entry.flags & MAKER for order in own)
    return all_by_maker and len(own) == 2 and asks[0].limit_per_wh > bids[0].limit_per_wh  # noqa: PLR2004 - a bid and an ask
