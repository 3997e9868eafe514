"""What settlement speaks of: rules, the course of a quarter, bills, and what is kept of both.

- A **bill** is a unit's quarter: what was metered, bought and sold. What it costs follows from the
  quarter's prices, so that no amount is stored but what corrections changed afterwards.
- A **quarter** of a zone has its tariffs, frozen a day before delivery, and, from settlement on,
  its clearing price and what was metered in all.
- A **run** is the state of a quarter that is being settled, slice by slice.

Bills and quarters are daybooks: one value a day. Energy in Wh, prices in µTHB/Wh, amounts in µTHB.
(MARKET §5.)
"""

import enum
from collections.abc import Iterator
from typing import Annotated, Final, NamedTuple, Self, TypeAlias

from contracts.kernel import Range, Record, Size, record
from contracts.kernel.daybook import SLOTS, Daybook
from contracts.kernel.ledger import pool_address
from contracts.kernel.rounding import div_mod
from contracts.kernel.types import (
    PPM,
    U32,
    Hash32,
    NetUthb,
    NetWh,
    PricePerWh,
    TimeS,
    Uint,
    Uthb,
    Wh,
)
from contracts.trading.settlement_prices import Price, Rates
from contracts.trading.terms import DAY_S

SLICE_UNITS_MAX: Final = 512
FREEZE_AHEAD_S_MAX: Final = 2 * DAY_S

# Where charges wait, within one quarter's settlement, until they are paid out.
SETTLEMENT_POOL: Final = pool_address("settlement")
# What is due to participants without an account, until one has joined.
UNCLAIMED_POOL: Final = pool_address("unclaimed")


@record(version=1)
class SettlementRules(Record):
    """How quarters are settled."""

    freeze_ahead_s: Annotated[int, Range(0, FREEZE_AHEAD_S_MAX)]
    """How long before its delivery a quarter's tariffs are fixed."""
    clearing_wh: Wh
    """Wh that a quarter's auctions must trade for their price to count in settlement,"""
    clearing_ppm: Annotated[int, Range(0, PPM)]
    """and their part of what is metered as import."""
    arrears_limit_uthb: Uthb
    """What a participant may owe and still order and transfer."""
    grid_minimum_uthb: Uthb
    """Below this a grid account's free credit raises an alarm."""
    slice_units: Annotated[int, Range(1, SLICE_UNITS_MAX)]
    """Units that one step of due work settles."""


class Phase(enum.IntEnum):
    """How far a quarter's settlement has come; each phase ends before the next begins."""

    TRADE = 0
    """Bills begin with what was traded."""
    METER = 1
    """Readings become final and enter the bills; then the quarter has its prices."""
    CHARGE = 2
    """Units that owe are charged."""
    CORRECT = 3
    """Corrections of earlier quarters are charged, or become claims."""
    GAPS = 4
    """So are the differences of gaps."""
    PAY = 5
    """Units that are owed are paid, or get a claim if there is not enough for all."""
    CLAIM = 6
    """Claims are paid in order of quarter."""
    CLOSE = 7
    """What is left goes to the grid account, and the quarter is done."""


@record(version=1)
class Run(Record):
    """A quarter under way; `after` is the last participant that the phase has done."""

    phase: Phase
    after: U32
    units: U32
    import_wh: Wh
    export_wh: Wh
    pool_uthb: Uthb
    """What of the settlement pool is this quarter's."""
    charged_uthb: Uthb
    """What was charged, whether it could be collected or not."""
    fees_uthb: Uthb
    """What of the collected charges is market fee."""
    arrears_uthb: Uthb
    due_uthb: Uthb
    """What units that are owed are to receive."""
    corrected_uthb: NetUthb
    """What corrections and gaps brought to participants, or cost them if negative."""
    solvent: bool
    """Whether the pool holds all that is due and claimed."""
    grid_uthb: NetUthb
    """What the grid account has received, negative if it has paid."""
    claims_paid_uthb: Uthb
    claim_quarter_s: TimeS
    """The quarter whose claims are being paid: of `claim_total_uthb` as much as the budget is."""
    claim_total_uthb: Uthb
    claim_budget_uthb: Uthb
    claim_passed_uthb: Uthb
    """Claims of it that are done, before payment."""


NEW_RUN: Final = Run(Phase.TRADE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, False, 0, 0, 0, 0, 0, 0)

SUBSTITUTED: Final = 1
RETAILER: Final = 2


class Bill(NamedTuple):
    """A unit's quarter; the retailer's has no metered energy, which is that of all others."""

    import_wh: int = 0
    export_wh: int = 0
    bought_wh: int = 0
    sold_wh: int = 0
    flags: int = 0

    @property
    def imbalance_wh(self) -> int:
        """Return by how much metered exceeds contracted."""
        return self.export_wh - self.import_wh - self.sold_wh + self.bought_wh

    def of_zone(self, quarter: "Quarter") -> "Bill":
        """Return the bill with the retailer's energy: it gives what others draw, and reverse."""
        if not self.flags & RETAILER:
            return self
        return self._replace(import_wh=quarter.export_wh, export_wh=quarter.import_wh)


BILLS: Final = Daybook("IIIIB")
BILLS_BYTES_MAX: Final = SLOTS * BILLS.stride
BillBytes: TypeAlias = Annotated[bytes, Size(0, BILLS_BYTES_MAX)]

CORRECTIONS: Final = Daybook("q")
CorrectionBytes: TypeAlias = Annotated[bytes, Size(0, SLOTS * CORRECTIONS.stride)]


class Quarter(NamedTuple):
    """A zone's quarter: its tariffs, and from settlement on what it was; p* without Wh is none.

    The price is `whole + rest / of` µTHB/Wh, in which each part has 64 bits whatever was traded.
    """

    import_per_wh: int
    feed_in_per_wh: int
    fee_per_wh: int
    price_whole: int = 0
    price_rest: int = 0
    price_of_wh: int = 0
    import_wh: int = 0
    export_wh: int = 0
    is_closed: int = 0

    @property
    def clearing(self) -> Price | None:
        """Return p*, or None if too little was traded."""
        if self.price_of_wh == 0:
            return None
        return Price(self.price_whole * self.price_of_wh + self.price_rest, self.price_of_wh)

    def shown(self) -> "QuarterPrices":
        """Return the quarter as queries show it."""
        return QuarterPrices(*self[:-1], is_settled=bool(self.is_closed))

    @property
    def rates(self) -> Rates:
        """Return what imbalance costs."""
        return Rates.of(self.import_per_wh, self.feed_in_per_wh, self.fee_per_wh, self.clearing)

    def settled_by(self, clearing: Price | None, import_wh: int, export_wh: int) -> Self:
        """Return the quarter with its price and what was metered."""
        whole, rest = (0, 0) if clearing is None else div_mod(clearing.uthb, clearing.wh)
        return self._replace(
            price_whole=whole,
            price_rest=rest,
            price_of_wh=0 if clearing is None else clearing.wh,
            import_wh=import_wh,
            export_wh=export_wh,
        )


QUARTERS: Final = Daybook("QQQQQQQQB")
QuarterBytes: TypeAlias = Annotated[bytes, Size(0, SLOTS * QUARTERS.stride)]


def quarter_in(data: bytes, slot: int) -> Quarter | None:
    """Return a zone's quarter out of its day, or None."""
    values = QUARTERS.get(data, slot)
    return None if values is None else Quarter(*values)


def quarters_in(data: bytes) -> Iterator[tuple[int, Quarter]]:
    """Yield the slots of a zone's day with their quarters."""
    for slot, values in QUARTERS.items(data):
        yield slot, Quarter(*values)


def bill_in(data: bytes, slot: int) -> Bill | None:
    """Return a unit's bill out of its participant's day, or None."""
    values = BILLS.get(data, slot)
    return None if values is None else Bill(*values)


@record(version=1)
class QuarterPrices(Record):
    """A zone's quarter as queries show it; p* is whole + rest / of, and there is none for 0 Wh."""

    import_per_wh: PricePerWh
    feed_in_per_wh: PricePerWh
    fee_per_wh: PricePerWh
    price_whole: PricePerWh
    price_rest: Uint
    price_of_wh: Wh
    import_wh: Wh
    export_wh: Wh
    is_settled: bool


@record(version=1)
class QuarterBill(Record):
    """A unit's quarter as queries show it: energy, and what its imbalance costs or brings."""

    quarter_s: TimeS
    import_wh: Wh
    export_wh: Wh
    substituted: bool
    bought_wh: Wh
    sold_wh: Wh
    imbalance_wh: NetWh
    charge_uthb: Uthb
    """What was charged, the fee in it."""
    fee_uthb: Uthb
    due_uthb: Uthb
    corrected_uthb: NetUthb
    """What corrections brought afterwards; negative if they cost."""


@record(version=1)
class BillTotals(Record):
    """What bills come to: of a day, or of all days that are no longer kept by quarter."""

    days: U32
    quarters: Uint
    import_wh: Wh
    export_wh: Wh
    bought_wh: Wh
    sold_wh: Wh
    charge_uthb: Uthb
    due_uthb: Uthb
    corrected_uthb: NetUthb
    head: Hash32
    """SHA-256(head ‖ day as 4 bytes ‖ SHA-256(bills) ‖ SHA-256(corrections)), from zeros on."""


NO_BILLS: Final = BillTotals(0, 0, 0, 0, 0, 0, 0, 0, 0, bytes(32))
