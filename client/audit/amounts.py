"""Amounts: what an imbalance costs, worked out with exact fractions from MARKET §4 and §5 alone.

Who metered less than contracted pays the dearer of the auctions' price and the import price, and
the fee; who metered more receives the cheaper of that price and the feed-in price. An amount is
rounded once, against the participant. Energy in Wh, prices in µTHB/Wh, amounts in µTHB.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Final, NamedTuple

PPM: Final = 1_000_000


class Amount(NamedTuple):
    """A charge, with the fee in it, or what is due."""

    charge_uthb: int
    fee_uthb: int
    due_uthb: int

    @property
    def net_uthb(self) -> int:
        """Return what the participant receives, negative if it pays."""
        return self.due_uthb - self.charge_uthb


NOTHING: Final = Amount(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Rates:
    """The prices of a quarter; `clearing` is None where too little was traded."""

    import_per_wh: int
    feed_in_per_wh: int
    fee_per_wh: int
    clearing: Fraction | None

    @property
    def short(self) -> Fraction:
        """Return what a missing Wh costs, before the fee."""
        dearest = Fraction(self.import_per_wh)
        return dearest if self.clearing is None else max(dearest, self.clearing)

    @property
    def long(self) -> Fraction:
        """Return what a Wh too many brings."""
        cheapest = Fraction(self.feed_in_per_wh)
        return cheapest if self.clearing is None else min(cheapest, self.clearing)

    def amount(self, imbalance_wh: int) -> Amount:
        """Return what a unit pays or receives."""
        if imbalance_wh >= 0:
            return Amount(0, 0, floor(imbalance_wh * self.long))
        fee_uthb = -imbalance_wh * self.fee_per_wh
        return Amount(ceil(-imbalance_wh * self.short) + fee_uthb, fee_uthb, 0)

    def corrected_uthb(self, old_wh: int, new_wh: int, *, was_substituted: bool) -> int:
        """Return what a changed imbalance brings, negative if it costs.

        What was substituted brings no more than the feed-in price of each Wh.
        """
        change_uthb = self.amount(new_wh).net_uthb - self.amount(old_wh).net_uthb
        if was_substituted and change_uthb > 0:
            return min(change_uthb, (new_wh - old_wh) * self.feed_in_per_wh)
        return change_uthb


def gap_uthb(rates: Sequence[Rates], import_wh: int, export_wh: int) -> int:
    """Return what a gap's difference brings, at the prices of all its quarters that suit it least.

    `import_wh` and `export_wh` are by how much registers exceed the substitutes.
    """
    missing_wh = max(0, import_wh) + max(0, -export_wh)
    cost_uthb = ceil(missing_wh * max(one.short for one in rates))
    cost_uthb += missing_wh * max(one.fee_per_wh for one in rates)
    brings_uthb = floor(max(0, export_wh) * min(one.long for one in rates))
    brings_uthb += max(0, -import_wh) * min(one.feed_in_per_wh for one in rates)
    return brings_uthb - cost_uthb


def clearing_price(
    trades: Iterable[tuple[int, int]], import_wh: int, least_wh: int, least_ppm: int
) -> tuple[int, int] | None:
    """Return p* as µTHB for Wh, of (price, Wh) of each auction; None if too little was traded."""
    pairs = list(trades)
    volume_wh = sum(wh for _, wh in pairs)
    if volume_wh == 0 or volume_wh < least_wh or volume_wh * PPM < least_ppm * import_wh:
        return None
    return sum(price * wh for price, wh in pairs), volume_wh
