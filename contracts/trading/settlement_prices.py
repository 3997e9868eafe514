"""What imbalance costs: the prices of a quarter, and what follows from a difference. Pure.

A unit that metered d Wh more than it contracted receives d × min(p*, feed-in price); one that
metered |d| Wh less pays |d| × max(p*, import price), and the market fee on |d| besides, so that not
ordering is never cheaper. p* is the volume-weighted price of the quarter's auctions if enough was
traded, and is kept as a fraction: an amount is rounded once, against the participant.

Prices in µTHB/Wh, energy in Wh, amounts in µTHB; an amount is positive if the participant receives
it. (MARKET §4, §5.)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

from contracts.kernel.rounding import ceil_div, floor_div
from contracts.kernel.types import PPM


class Price(NamedTuple):
    """A price per Wh as a fraction: so many µTHB for so many Wh."""

    uthb: int
    wh: int = 1

    def below(self, other: "Price") -> bool:
        """Say whether this is the lower price."""
        return self.uthb * other.wh < other.uthb * self.wh


class Amount(NamedTuple):
    """What a unit's difference comes to: either a charge, with its fee in it, or what is due."""

    charge_uthb: int = 0
    fee_uthb: int = 0
    due_uthb: int = 0

    @property
    def net_uthb(self) -> int:
        """Return what the participant receives, negative if it pays."""
        return self.due_uthb - self.charge_uthb


@dataclass(frozen=True, slots=True)
class Rates:
    """The prices by which the units of one quarter are settled."""

    short: Price
    """What a missing Wh costs."""
    long: Price
    """What a Wh too many brings."""
    feed_in_per_wh: int
    fee_per_wh: int

    @classmethod
    def of(
        cls, import_per_wh: int, feed_in_per_wh: int, fee_per_wh: int, clearing: Price | None
    ) -> "Rates":
        """Return the rates of a quarter with these tariffs; without p* the tariffs alone count."""
        short, long = Price(import_per_wh), Price(feed_in_per_wh)
        if clearing is not None:
            short = clearing if short.below(clearing) else short
            long = clearing if clearing.below(long) else long
        return cls(short, long, feed_in_per_wh, fee_per_wh)

    def amount(self, imbalance_wh: int) -> Amount:
        """Return what a unit pays or receives for its difference."""
        if imbalance_wh >= 0:
            return Amount(due_uthb=floor_div(imbalance_wh * self.long.uthb, self.long.wh))
        fee_uthb = -imbalance_wh * self.fee_per_wh
        energy_uthb = ceil_div(-imbalance_wh * self.short.uthb, self.short.wh)
        return Amount(charge_uthb=energy_uthb + fee_uthb, fee_uthb=fee_uthb)

    def correction_uthb(self, old_wh: int, new_wh: int, *, was_substituted: bool) -> int:
        """Return what a unit receives or pays when its difference was `old_wh` and is `new_wh`.

        A refund for what was substituted is no more than the feed-in price of each Wh: whoever
        sends no readings never gains by it.
        """
        change_uthb = self.amount(new_wh).net_uthb - self.amount(old_wh).net_uthb
        if was_substituted and change_uthb > 0:
            return min(change_uthb, (new_wh - old_wh) * self.feed_in_per_wh)
        return change_uthb


def clearing_price(
    trades: Iterable[tuple[int, int]], metered_import_wh: int, rule_wh: int, rule_ppm: int
) -> Price | None:
    """Return p* of a quarter, or None if too little was traded to have one.

    `trades` are (price per Wh, Wh) of each auction with trade; their Wh must reach `rule_wh` and
    `rule_ppm` of what was metered as import.
    """
    uthb = wh = 0
    for price_per_wh, volume_wh in trades:
        uthb += price_per_wh * volume_wh
        wh += volume_wh
    if wh == 0 or wh < rule_wh or wh * PPM < rule_ppm * metered_import_wh:
        return None
    return Price(uthb, wh)


def gap_uthb(rates: Sequence[Rates], import_wh: int, export_wh: int) -> int:
    """Return what a participant receives or pays for what a gap's substitutes missed.

    What it drew more, or fed in less, costs the gap's highest price for missing Wh and the highest
    fee; what it fed in more brings the lowest price for Wh too many, and what it drew less the
    lowest feed-in price.
    """
    short, long = highest(one.short for one in rates), lowest(one.long for one in rates)
    fee_per_wh = max(one.fee_per_wh for one in rates)
    feed_in_per_wh = min(one.feed_in_per_wh for one in rates)
    missing_wh = max(0, import_wh) + max(0, -export_wh)
    charge_uthb = ceil_div(missing_wh * short.uthb, short.wh) + missing_wh * fee_per_wh
    fed_in_uthb = floor_div(max(0, export_wh) * long.uthb, long.wh)
    return fed_in_uthb + max(0, -import_wh) * feed_in_per_wh - charge_uthb


def highest(prices: Iterable[Price]) -> Price:
    """Return the highest of at least one price."""
    return reduce(lambda one, other: other if one.below(other) else one, prices)


def lowest(prices: Iterable[Price]) -> Price:
    """Return the lowest of at least one price."""
    return reduce(lambda one, other: other if other.below(one) else one, prices)
