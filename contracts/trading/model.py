"""What markets, orders and the auction speak of: terms, products, orders and units.

Types and no rules.

- A **market** trades **products** of one length; a product is (market, start of its delivery).
- A **quarter** is a delivery start, a multiple of 900 s; a longer product delivers the same Wh in
  each of its quarters, so its orders, fills and caps are counted in *quarter Wh*: Wh a quarter.
- A **unit** is what is settled: (participant, zone, quarter). Days and slots are those of UTC.
- A **group** is a participant with all its registered affiliates, named by its head.

Units: energy in Wh, prices in µTHB/Wh, money in µTHB, times in seconds of market time.
(MARKET §2, §3, §5.)
"""

import enum
from typing import Final, NamedTuple

from contracts.kernel import Record, record
from contracts.kernel.ledger import pool_address
from contracts.kernel.rounding import div_mod, floor_div
from contracts.kernel.types import (
    QUARTER_S,
    U8,
    U16,
    U32,
    Address,
    Hash32,
    PricePerWh,
    Text32,
    TimeS,
    Uthb,
    Wh,
)
from contracts.trading.terms import DAY_S, Terms
from contracts.trading.uniform_price import Side

# The rules by which a product trades; one that changes them counts up and keeps the old ones.
RULES_VERSION: Final = 1

# Where the bids' payments wait, within one product's allocation, until its asks receive them.
CLEARING_POOL: Final = pool_address("clearing")


class EnergySource(enum.IntEnum):
    """What the energy of an ask was made of."""

    SOLAR = 1
    WIND = 2
    HYDRO = 3
    BIOMASS = 4
    GEOTHERMAL = 5
    NATURAL_GAS = 6
    COAL = 7
    NUCLEAR = 8
    GRID_MIX = 9
    BATTERY = 10
    OTHER = 11


class ProductState(enum.IntEnum):
    """Where a product stands; orders change only while it is OPEN and its gate is ahead."""

    OPEN = 0
    CLEARING = 1
    CLEARED = 2
    REFUNDING = 3
    CANCELLED = 4


@record(version=1)
class Market(Record):
    """A market: its name, the terms of the products that it opens, whether it is halted."""

    name: Text32
    terms: Terms
    halted: bool


@record(version=1)
class Product(Record):
    """One product: the market's terms and those who serve it as they were when it opened."""

    terms: Terms
    operator: Address
    gate_s: TimeS
    orders_each_max: U32
    """Open orders of one participant in this product: its share of `product_orders_max`."""
    rules_version: U16
    state: ProductState
    unsettled_quarters: U8


@record(version=1)
class OrderItem(Record):
    """One order as it is submitted; an ask names its source, a bid null."""

    market: U16
    start_s: TimeS
    zone: U16
    side: Side
    quantity_wh: Wh
    limit_per_wh: PricePerWh
    source: EnergySource | None
    green: bool


@record(version=1)
class BookEntry(Record):
    """An open order in the book; product, side, limit and id are its key."""

    quarter_wh: U32
    participant: U32
    group: U32
    account: Address
    zone: U16
    margin_per_wh: PricePerWh
    source: U8
    """An `EnergySource`, or 0 for a bid."""
    flags: U8
    """Of `GREEN`, `MAKER`, `RETAILER`."""


GREEN: Final = 1
MAKER: Final = 2
RETAILER: Final = 4


@record(version=1)
class OpenOrder(Record):
    """An open order as queries show it."""

    id: Hash32
    account: Address
    participant: U32
    zone: U16
    side: Side
    quantity_wh: Wh
    limit_per_wh: PricePerWh
    source: EnergySource | None
    green: bool


@record(version=1)
class Depth(Record):
    """The open orders of a product in total; single limits stay unseen before the gate."""

    bids: U32
    bid_wh: Wh
    asks: U32
    ask_wh: Wh


class Tariffs(NamedTuple):
    """What settlement charges and pays for energy that was not traded, µTHB/Wh."""

    import_per_wh: int
    feed_in_per_wh: int
    fee_per_wh: int


class Position(NamedTuple):
    """A unit's part in all markets: open and filled Wh, and what is held for its filled asks."""

    open_bid_wh: int = 0
    open_ask_wh: int = 0
    bought_wh: int = 0
    sold_wh: int = 0
    proceeds_uthb: int = 0
    margin_uthb: int = 0

    def with_open(self, side: Side, quarter_wh: int) -> "Position":
        """Return the position with so many Wh more, or fewer if negative, open on one side."""
        bids_wh, asks_wh, *others = self
        if side is Side.BID:
            return Position(bids_wh + quarter_wh, asks_wh, *others)
        return Position(bids_wh, asks_wh + quarter_wh, *others)


@record(version=1)
class UnitPosition(Record):
    """A `Position` as queries show it."""

    open_bid_wh: Wh
    open_ask_wh: Wh
    bought_wh: Wh
    sold_wh: Wh
    proceeds_uthb: Uthb
    margin_uthb: Uthb


def day_of(time_s: int) -> int:
    """Return the UTC day, counted from the epoch."""
    return floor_div(time_s, DAY_S)


def day_and_slot(quarter_s: int) -> tuple[int, int]:
    """Return the UTC day of a quarter and its place in it, 0 … 95."""
    day, second = div_mod(quarter_s, DAY_S)
    return day, floor_div(second, QUARTER_S)
