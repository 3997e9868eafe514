"""The uniform-price double auction: one price at which the most energy changes hands.

Pure functions over one product's frozen book; no storage, no clock. All who trade pay or receive
the same price, so a limit above the price costs a buyer nothing.

Let S(p) be the Wh asked at p or less and D(p) the Wh bid at p or more.

    µTHB/Wh
      │ D ────┐     ┌───── S       lowest ask not wholly filled
   hi ├ ─ ─ ─ └─────┤              lowest accepted bid
   p* ├ ─ ─ ─ ─ ─ ─ ┤
   lo ├ ─ ─ ─ ┌─────┤              highest accepted ask
      │ S ────┘     └───── D       highest bid not wholly filled
      └─────────────┴──────── Wh
                    V*

    V* = max over p of min(S(p), D(p))
    lo = max(highest accepted ask, highest bid not wholly filled)
    hi = min(lowest accepted bid, lowest ask not wholly filled)
    p* = (lo + hi) / 2

A level is all orders of one side at one price. Levels fill in merit order, lowest asks and highest
bids first, up to V*; the last level that gets anything is the side's marginal level. A level filled
in part counts as accepted and as not wholly filled, so it fixes the price (lo = hi).

[lo, hi] is the set of market-clearing prices: at each, every order better than the price is wholly
filled, none worse is filled, and only orders at the price may be filled in part. Taking its middle
splits the surplus evenly: the rule of EUPHEMIA (NEMO Committee, "EUPHEMIA Public Description") for
an undetermined price, and the k-double auction with k = 1/2 (Satterthwaite and Williams 1989).
Without trade there is no price.

**lo ≤ hi.** Some p has S(p), D(p) ≥ V* > 0, so accepted asks are ≤ p ≤ accepted bids. On one side
an accepted order is never worse than one not wholly filled. Were an ask at a not wholly filled and
a bid at b > a neither, then S(a) > V* and D(a) ≥ D(b) > V*, so min(S(a), D(a)) would exceed V*.

**At most one level is rationed.** Only a marginal level can be filled in part. Were both, the ask
level a and the bid level b would have S(a) > V* and D(b) > V* with a ≤ b: the same contradiction.

A market maker (the retailer, who backs up the market at its two limits) is served at a price only
after all others there. Its level counts as one with theirs, hence as partly filled when it is left
short. So of the rationed level one pool is shared pro rata: the others' if what is left for the
level does not fill them, else the makers' (`contracts/trading/rationing.py`).

Units: energy in Wh, price in µTHB/Wh. Ticks are even, so the middle of two limits is a whole
number; it need not lie on the tick. Rows of a book may stand in any order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from contracts.kernel.rounding import MUL_DIV_DIVISOR_MAX, Int64s, floor_div, floor_mod
from contracts.trading.rationing import (
    OrderIds,
    Rationing,
    np_share_and_split,
    ration,
    share,
    split,
    sum_by_participant,
)

ORDERS_PER_SIDE_MAX: Final = 1_000_000
ORDER_WH_MAX: Final = 10_000_000
PRICE_PER_WH_MAX: Final = 2**40
SEED_SIZE: Final = 32
AUCTION_SIZE_MAX: Final = 64

# No sum of quantities leaves int64 or the range of exact proportions: 10^13 < 2^46.
assert ORDERS_PER_SIDE_MAX * ORDER_WH_MAX <= MUL_DIV_DIVISOR_MAX


class Side(IntEnum):
    """Which way the energy goes: a bid buys, an ask sells."""

    BID = 0
    ASK = 1

    def is_better(self, price: int, than: int) -> bool:
        """Return whether a limit is served before another one of this side."""
        return price > than if self is Side.BID else price < than


@dataclass(frozen=True, slots=True, eq=False)
class Orders:
    """One side of a book as columns, one row an order, in any order.

    `price_per_wh` even, 1 … 2^40; `quantity_wh` 1 … 10 000 000; `participant` ≥ 0: the owner of
    all accounts and affiliates that count as one; `is_maker`: the participant is a market maker.
    Orders were checked when they were submitted, so another value is a bug.
    """

    price_per_wh: Int64s
    quantity_wh: Int64s
    participant: Int64s
    is_maker: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        columns = (self.price_per_wh, self.quantity_wh, self.participant)
        count = self.price_per_wh.size
        assert count <= ORDERS_PER_SIDE_MAX, f"{count} orders"
        assert all(column.shape == (count,) for column in (*columns, self.is_maker)), "ragged"
        assert all(column.dtype == np.int64 for column in columns), "not int64"
        assert self.is_maker.dtype == np.bool_, "not bool"
        assert _within(self.price_per_wh, 1, PRICE_PER_WH_MAX), "price out of range"
        assert not np.any(self.price_per_wh & 1), "ticks are even"
        assert _within(self.quantity_wh, 1, ORDER_WH_MAX), "quantity out of range"
        assert _within(self.participant, 0, 2**63 - 1), "participant out of range"


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """One product's orders at the gate, and what decides ties among them.

    `seed` is fixed only after the gate; `auction` names the auction, so that two auctions of one
    block do not share their luck.
    """

    bids: Orders
    asks: Orders
    seed: bytes
    auction: bytes

    def __post_init__(self) -> None:
        assert len(self.seed) == SEED_SIZE, f"a seed has {SEED_SIZE} bytes"
        assert len(self.auction) <= AUCTION_SIZE_MAX, "auction name too long"


@dataclass(frozen=True, slots=True)
class Clearing:
    """The outcome of an auction, of constant size: every order's fill follows from it.

    Without trade `volume_wh` is 0 and all else None. `bid_level_per_wh` and `ask_level_per_wh` are
    the marginal levels: a side's better levels are filled, worse ones not, and the marginal level
    is filled unless this side is the rationed one.
    """

    volume_wh: int
    price_per_wh: int | None = None
    lo_per_wh: int | None = None
    hi_per_wh: int | None = None
    bid_level_per_wh: int | None = None
    ask_level_per_wh: int | None = None
    rationed_side: Side | None = None
    # True: at the rationed level the others are filled and the makers share; False: the others
    # share and the makers get nothing.
    makers_share: bool | None = None
    rationing: Rationing | None = None

    def level_per_wh(self, side: Side) -> int | None:
        """Return the marginal level of a side, None without trade."""
        return self.bid_level_per_wh if side is Side.BID else self.ask_level_per_wh


@dataclass(frozen=True, slots=True, eq=False)
class Fills:
    """One side's fills: Wh of each order in the order given, and of each participant, ascending."""

    order_wh: Int64s
    participant: Int64s
    participant_wh: Int64s


def clear(book: Book) -> Clearing:
    """Find volume, price interval, price and how the marginal level is rationed.

    O(n log n) for sorting by price; the result does not depend on the order of the rows.
    """
    supply = _curve(book.asks, Side.ASK)
    demand = _curve(book.bids, Side.BID)
    volume_wh = _volume(supply, demand)
    if volume_wh == 0:
        return Clearing(volume_wh=0)
    ask = _margin(supply, volume_wh)
    bid = _margin(demand, volume_wh)
    lo = max(p for p in (ask.accepted_per_wh, bid.unfilled_per_wh) if p is not None)
    hi = min(p for p in (bid.accepted_per_wh, ask.unfilled_per_wh) if p is not None)
    assert lo <= hi, "the price interval is empty"
    assert floor_mod(lo + hi, 2) == 0, "ticks are even"

    rationed_side, makers_share, rationing = None, None, None
    for side, orders, margin in ((Side.BID, book.bids, bid), (Side.ASK, book.asks, ask)):
        if margin.accepted_per_wh == margin.unfilled_per_wh:
            assert rationed_side is None, "both sides are rationed"
            rationed_side = side
            makers_share, rationing = _ration_level(book, orders, margin)
    return Clearing(
        volume_wh=volume_wh,
        price_per_wh=floor_div(lo + hi, 2),
        lo_per_wh=lo,
        hi_per_wh=hi,
        bid_level_per_wh=bid.accepted_per_wh,
        ask_level_per_wh=ask.accepted_per_wh,
        rationed_side=rationed_side,
        makers_share=makers_share,
        rationing=rationing,
    )


def participant_fill(
    clearing: Clearing,
    side: Side,
    price_per_wh: int,
    participant: int,
    quantity_wh: int,
    *,
    is_maker: bool,
) -> int:
    """Return the Wh filled of all a participant's orders at one price, `quantity_wh` in sum."""
    level = clearing.level_per_wh(side)
    if level is None or side.is_better(level, than=price_per_wh):
        return 0
    if price_per_wh != level or side is not clearing.rationed_side:
        return quantity_wh
    if is_maker != clearing.makers_share:
        return 0 if is_maker else quantity_wh
    assert clearing.rationing is not None, "a rationed side has a rationing"
    return share(clearing.rationing, participant, quantity_wh)


def order_fills(
    participant_fill_wh: int, quantities_wh: Sequence[int], order_ids: Sequence[bytes]
) -> list[int]:
    """Spread a participant's fill at one price over its orders there, pro rata to the Wh.

    Largest remainder, ties to the smallest order id. A market maker's orders and others are apart.
    """
    return split(participant_fill_wh, quantities_wh, order_ids)


def fills(clearing: Clearing, side: Side, orders: Orders, order_ids: OrderIds) -> Fills:
    """Return what `participant_fill` and `order_fills` give for every order of a side.

    `order_ids` is uint8[n, 32], distinct, row for row with the orders. O(n log n).
    """
    assert order_ids.shape == (orders.price_per_wh.size, 32), "one 32-byte id an order"
    assert order_ids.dtype == np.uint8, "ids are bytes"
    level = clearing.level_per_wh(side)
    order_wh = np.zeros_like(orders.quantity_wh)
    if level is not None:
        price = orders.price_per_wh
        accepted = price >= level if side is Side.BID else price <= level
        order_wh[accepted] = orders.quantity_wh[accepted]
    if side is clearing.rationed_side:
        assert clearing.rationing is not None, "a rationed side has a rationing"
        at_level = orders.price_per_wh == level
        sharing = np.flatnonzero(at_level & (orders.is_maker == clearing.makers_share))
        if not clearing.makers_share:
            order_wh[at_level & orders.is_maker] = 0
        order_wh[sharing] = np_share_and_split(
            clearing.rationing,
            orders.participant[sharing],
            orders.quantity_wh[sharing],
            order_ids[sharing],
        )
    assert int(order_wh.sum()) == clearing.volume_wh, "a side's fills sum to the volume"
    participant, participant_wh = sum_by_participant(orders.participant, order_wh)
    return Fills(order_wh=order_wh, participant=participant, participant_wh=participant_wh)


# ── Curves ──


@dataclass(frozen=True, slots=True, eq=False)
class _Curve:
    """A side's levels, best first, with the Wh of each level and all better ones.

    `merit` ascends: it is the price of asks and the negated price of bids.
    """

    side: Side
    merit: Int64s
    cumulative_wh: Int64s

    def price_per_wh(self, level: int) -> int:
        merit = int(self.merit[level])
        return -merit if self.side is Side.BID else merit


@dataclass(frozen=True, slots=True)
class _Margin:
    """Where a side stops being filled; the two prices are equal if the level is filled in part."""

    accepted_per_wh: int  # the worst price that is filled at all: the marginal level
    unfilled_per_wh: int | None  # the best price not wholly filled; None if all are
    residual_wh: int  # what is left of the volume for the marginal level


def _curve(orders: Orders, side: Side) -> _Curve:
    merit = -orders.price_per_wh if side is Side.BID else orders.price_per_wh
    by_merit = np.argsort(merit, kind="stable")
    merit = merit[by_merit]
    last_of_level = np.flatnonzero(np.append(merit[1:] != merit[:-1], merit.size > 0))
    cumulative_wh = np.cumsum(orders.quantity_wh[by_merit])
    return _Curve(side, merit[last_of_level], cumulative_wh[last_of_level])


def _volume(supply: _Curve, demand: _Curve) -> int:
    """Return V*.

    S is constant from one ask level to the next while D only falls as prices rise, so an ask level
    is among the best prices.
    """
    accepting_levels = np.searchsorted(demand.merit, -supply.merit, side="right")
    demand_wh = np.concatenate(([0], demand.cumulative_wh))[accepting_levels]
    return int(np.minimum(supply.cumulative_wh, demand_wh).max(initial=0))


def _margin(curve: _Curve, volume_wh: int) -> _Margin:
    level = int(np.searchsorted(curve.cumulative_wh, volume_wh, side="left"))
    is_wholly_filled = int(curve.cumulative_wh[level]) == volume_wh
    unfilled = level + 1 if is_wholly_filled else level
    better_wh = int(curve.cumulative_wh[level - 1]) if level > 0 else 0
    return _Margin(
        accepted_per_wh=curve.price_per_wh(level),
        unfilled_per_wh=curve.price_per_wh(unfilled) if unfilled < curve.merit.size else None,
        residual_wh=volume_wh - better_wh,
    )


def _ration_level(book: Book, orders: Orders, margin: _Margin) -> tuple[bool, Rationing]:
    """Return whether the makers share, and how the pool that shares is rationed."""
    at_level = orders.price_per_wh == margin.accepted_per_wh
    others_wh = int(orders.quantity_wh[at_level & ~orders.is_maker].sum())
    makers_share = margin.residual_wh >= others_wh
    sharing = at_level & (orders.is_maker == makers_share)
    return makers_share, ration(
        orders.participant[sharing],
        orders.quantity_wh[sharing],
        margin.residual_wh - others_wh if makers_share else margin.residual_wh,
        book.seed + book.auction,
    )


def _within(column: Int64s, low: int, high: int) -> bool:
    return int(column.min(initial=high)) >= low and int(column.max(initial=low)) <= high
