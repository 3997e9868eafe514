"""The rules an order must meet, each a pure check that names what is wrong.

All of MARKET §2 that needs no storage: bounds, band and tick; one side a product; market makers;
caps. `contracts/trading/desk.py` fetches what they look at.
"""

from contracts.kernel.rounding import div_mod, floor_mod
from contracts.trading.model import OrderItem, Position
from contracts.trading.order_words import (
    BadLimit,
    BadQuantity,
    BadSource,
    BothSides,
    CapExceeded,
    MakerOrders,
)
from contracts.trading.terms import Terms
from contracts.trading.uniform_price import Side
from contracts.trading.units import U32_MAX, Holding


def quarter_wh_of(item: OrderItem, terms: Terms) -> int:
    """Return the Wh that an order delivers in each quarter; raises if a bound is broken."""
    low, high = terms.band_low_per_wh, terms.band_high_per_wh
    if not low <= item.limit_per_wh <= high or floor_mod(item.limit_per_wh, terms.tick_per_wh):
        raise BadLimit(
            limit_per_wh=item.limit_per_wh,
            low_per_wh=low,
            high_per_wh=high,
            tick_per_wh=terms.tick_per_wh,
        )
    if (item.source is None) is not (item.side is Side.BID):
        raise BadSource(side=int(item.side))
    quarter_wh, rest = div_mod(item.quantity_wh, terms.quarters)
    if not terms.order_min_wh <= item.quantity_wh <= terms.order_max_wh or rest:
        raise BadQuantity(
            quantity_wh=item.quantity_wh,
            min_wh=terms.order_min_wh,
            max_wh=terms.order_max_wh,
            quarters=terms.quarters,
        )
    return quarter_wh


def check_side(item: OrderItem, own: Holding, *, is_maker: bool) -> None:
    """Raise if what the participant itself holds in the product forbids the order."""
    other_side = Side.ASK if item.side is Side.BID else Side.BID
    others = own.on(other_side)
    if not is_maker:
        if others:
            raise BothSides(side=int(item.side))
        return
    limit, other_limit = item.limit_per_wh, own.limits_sum_per_wh
    if own.on(item.side) or others > 1:
        raise MakerOrders(side=int(item.side), bids=own.bids, asks=own.asks)
    if others and not (other_limit > limit if item.side is Side.BID else limit > other_limit):
        raise MakerOrders(side=int(item.side), limit_per_wh=limit, other_limit_per_wh=other_limit)


def check_affiliate(item: OrderItem, affiliate: int, theirs: Holding) -> None:
    """Raise if an affiliate holds the other side; market makers are no exception here."""
    if theirs.on(Side.ASK if item.side is Side.BID else Side.BID):
        raise BothSides(side=int(item.side), affiliate=affiliate)


def check_cap(side: Side, quarter_wh: int, quarter_s: int, position: Position, cap_wh: int) -> None:
    """Raise if open and filled orders of a quarter would exceed the participant's cap.

    A position's fields hold 32 bits; whoever could trade more in a quarter has no more room either.
    """
    if side is Side.BID:
        opposite, done, open_wh = position.sold_wh, position.bought_wh, position.open_bid_wh
    else:
        opposite, done, open_wh = position.bought_wh, position.sold_wh, position.open_ask_wh
    room_wh = min(cap_wh + opposite, U32_MAX) - done - open_wh
    if quarter_wh > room_wh:
        raise CapExceeded(
            quarter_s=quarter_s, cap_wh=cap_wh, room_wh=max(0, room_wh), quarter_wh=quarter_wh
        )
