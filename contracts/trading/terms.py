"""Terms: what a market trades and under which conditions, and the bounds that these keep.

The bounds have reasons:

- products divide the UTC day, so that a product's quarters lie in one day;
- a tick is even, so that the middle of two limits is a whole µTHB;
- the largest order at the top of the band, fee included, fits 63 bits;
- at most 100 products of a market are open, which bounds what a halt or a query touches;
- a participant's open orders in a product are at most its share of what the clearing is sized for,
  counted when the product opens: no few can crowd out the many, and no order writes a counter.

Units: Wh, µTHB/Wh, seconds. (MARKET §2.)
"""

import enum
from typing import Annotated, Final

from contracts.kernel import Items, Range, Record, record
from contracts.kernel.rounding import floor_mod
from contracts.kernel.types import QUARTER_S, U16, U32, DurationS, PricePerWh
from contracts.trading.uniform_price import ORDER_WH_MAX

DAY_S: Final = 86_400
QUARTERS_MAX: Final = 96  # a day
ZONES_MAX: Final = 16
ZONE_MARKETS_MAX: Final = 16
PRODUCTS_OPEN_MAX: Final = 100
OPEN_AHEAD_S_MAX: Final = 2 * DAY_S
# Far below what a clearing can take at all: participants may join after a product opened.
PRODUCT_ORDERS_MAX: Final = 400_000
SLICE_ORDERS_MAX: Final = 5_000
AMOUNT_LIMIT_UTHB: Final = 2**63
# What each quarter of a product adds to the work on an order, in turns of a loop.
QUARTER_STEPS: Final = 4


class Mechanism(enum.IntEnum):
    """How a market finds its trades."""

    UNIFORM_PRICE = 0


@record(version=1)
class Terms(Record):
    """What a market trades and how; a product keeps those of the moment it opened."""

    zones: Annotated[tuple[U16, ...], Items(ZONES_MAX, low=1)]
    quarters: Annotated[int, Range(1, QUARTERS_MAX)]
    """Over how many quarters a product delivers, the same Wh in each."""
    mechanism: Mechanism
    tick_per_wh: PricePerWh
    band_low_per_wh: PricePerWh
    band_high_per_wh: PricePerWh
    fee_per_wh: PricePerWh
    import_per_wh: PricePerWh
    feed_in_per_wh: PricePerWh
    gate_lead_s: DurationS
    open_ahead_s: Annotated[int, Range(1, OPEN_AHEAD_S_MAX)]
    order_min_wh: U32
    order_max_wh: U32
    orders_max: U32
    """Open orders of one participant in all products of the market; market makers aside."""
    product_orders_max: Annotated[int, Range(1, PRODUCT_ORDERS_MAX)]
    """Open orders of all participants in one product."""
    slice_orders_max: Annotated[int, Range(1, SLICE_ORDERS_MAX)]
    """Orders that one unit of due work fills or refunds."""

    @property
    def length_s(self) -> int:
        """Return how long a product delivers."""
        return self.quarters * QUARTER_S


def fault_of(terms: Terms) -> str | None:
    """Return which bound the terms break, or None."""
    tick = terms.tick_per_wh
    low, high = terms.band_low_per_wh, terms.band_high_per_wh
    if len(terms.zones) != 1:
        return "a uniform price is of one zone"
    if floor_mod(QUARTERS_MAX, terms.quarters) != 0:
        return "quarters do not divide the day"
    if not terms.gate_lead_s < terms.open_ahead_s <= PRODUCTS_OPEN_MAX * terms.length_s:
        return f"open_ahead_s is not above gate_lead_s and at most {PRODUCTS_OPEN_MAX} products"
    if tick == 0 or floor_mod(tick, 2) != 0:
        return "tick_per_wh is not even and above 0"
    if not 0 < low <= high or floor_mod(low, tick) != 0 or floor_mod(high, tick) != 0:
        return "the band is empty, or an end is not on the tick"
    if terms.feed_in_per_wh > terms.import_per_wh:
        return "feed_in_per_wh is above import_per_wh"
    if not 0 < terms.order_min_wh <= terms.order_max_wh <= ORDER_WH_MAX:
        return f"order sizes are not 1 … {ORDER_WH_MAX} Wh"
    dearest = max(high + terms.fee_per_wh, terms.import_per_wh)
    if terms.order_max_wh * dearest >= AMOUNT_LIMIT_UTHB:
        return "the largest order costs more than 63 bits hold"
    if terms.orders_max == 0:
        return "orders_max is 0"
    return None


def kept(terms: Terms) -> tuple[object, ...]:
    """Return what the terms of one market never change."""
    return terms.zones, terms.quarters, terms.mechanism
