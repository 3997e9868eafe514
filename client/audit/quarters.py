"""A zone's quarter on its way to being settled, as the accountant keeps it."""

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from client.audit.amounts import NOTHING, Amount, Rates


class Bill(NamedTuple):
    """A unit's quarter; the retailer's energy is the opposite of all others' together."""

    import_wh: int
    export_wh: int
    substituted: bool
    bought_wh: int
    sold_wh: int
    is_retailer: bool

    @property
    def imbalance_wh(self) -> int:
        """Return by how much metered exceeds contracted."""
        return self.export_wh - self.import_wh - self.sold_wh + self.bought_wh


class ClaimShare(NamedTuple):
    """What a claim must be paid, and what is left of it."""

    participant: int
    quarter_s: int
    paid_uthb: int
    left_uthb: int


@dataclass(slots=True)
class Quarter:
    """Tariffs and price, the bills, and the sums of what was charged and paid so far."""

    import_per_wh: int
    feed_in_per_wh: int
    fee_per_wh: int
    price: tuple[int, int] | None = None
    """p* as µTHB for Wh."""
    import_wh: int = 0
    export_wh: int = 0
    is_delivered: bool = False
    is_opened: bool = False
    is_closed: bool = False
    bills: dict[int, Bill] = field(default_factory=dict)
    unsettled: set[int] = field(default_factory=set)
    pool_uthb: int = 0
    charged_uthb: int = 0
    fees_uthb: int = 0
    arrears_uthb: int = 0
    due_uthb: int = 0
    corrected_uthb: int = 0
    claims_paid_uthb: int = 0
    grid_uthb: int = 0
    is_solvent: bool = False
    plan: deque[ClaimShare] = field(default_factory=deque)

    @property
    def rates(self) -> Rates:
        """Return what imbalance costs."""
        clearing = None if self.price is None else Fraction(*self.price)
        return Rates(self.import_per_wh, self.feed_in_per_wh, self.fee_per_wh, clearing)

    @property
    def price_parts(self) -> tuple[int, int, int]:
        """Return p* as events tell it: whole + rest / Wh."""
        if self.price is None:
            return 0, 0, 0
        uthb, wh = self.price
        return uthb // wh, uthb % wh, wh

    def amount(self, bill: Bill) -> Amount:
        """Return what a bill comes to; the retailer's moves no money."""
        return NOTHING if bill.is_retailer else self.rates.amount(bill.imbalance_wh)
