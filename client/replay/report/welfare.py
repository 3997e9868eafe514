"""Welfare: what trading was worth, after imbalance, against the best that could have been.

At true values a Wh that a household takes is worth the retail price and one that it gives costs the
feed-in price; a battery has no value of its own, and what is traded or settled with the retailer
brings nothing. So all that counts is what the neighbourhood exchanged with the retailer:

    from_retailer_t = Wh the retailer sold in the auction + Wh that households fell short
    to_retailer_t   = Wh the retailer bought in the auction + Wh that households gave beyond
    cost     = Σ_t retail · from_retailer_t − feed_in · to_retailer_t
    alone    = the cost if every household dealt with the retailer alone, batteries idle
    realised = alone − cost + feed_in · (stored at the end − stored at the start)

Whoever else trades, a participant registered after genesis, counts with the retailer: what the two
trade with each other is nobody's in the neighbourhood.

The optimum is that of `client/replay/dispatch.py`: perfect information, the same span and data, as
much stored at the end as at the start. It is an upper bound of a run that ends with at least as
much stored as it began with. Ending with Δ Wh less, a run can beat it, because the Δ Wh count at
the feed-in price but may have saved the retail price; by `drawn_down_uthb` at most.

What is lacking has two parts. *Missed* is what some households took from the retailer while others
gave to it in the same quarter, times the spread: forecast errors, and orders that did not meet. The
rest is what the batteries could have done better.
"""

from dataclasses import dataclass
from typing import Final

from client.replay.battery import Storage
from client.replay.dispatch import Values
from client.replay.report.facts import Facts, Quarter
from contracts.kernel.rounding import ceil_div
from contracts.trading.uniform_price import Side

PPM: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Welfare:
    """The welfare of a run and what it is made of."""

    alone_uthb: int
    cost_uthb: int
    from_retailer_wh: int
    to_retailer_wh: int
    stored_wh: int
    """Stored at the end less at the start."""
    stored_uthb: int
    missed_uthb: int
    optimum_uthb: int
    drawn_down_uthb: int
    """By how much at most the run can be above the optimum; 0 if no less is stored at the end."""

    @property
    def realised_uthb(self) -> int:
        """Return what trading was worth."""
        return self.alone_uthb - self.cost_uthb + self.stored_uthb

    @property
    def unstored_uthb(self) -> int:
        """Return what is lacking beyond what was missed: what batteries could have done better."""
        return self.optimum_uthb - self.realised_uthb - self.missed_uthb


def exchange_wh(facts: Facts, quarter: Quarter) -> tuple[int, int]:
    """Return (from, to) the retailer in a quarter, by trade and by imbalance."""
    imbalances = [one.imbalance_wh for one in quarter.households]
    short_wh = -sum(d for d in imbalances if d < 0)
    long_wh = sum(d for d in imbalances if d > 0)
    sold_wh, bought_wh = (facts.outside_wh(quarter, side) for side in (Side.ASK, Side.BID))
    among_wh = min(sold_wh, bought_wh)
    return sold_wh - among_wh + short_wh, bought_wh - among_wh + long_wh


def alone_uthb(net_wh: tuple[int, ...], values: Values) -> int:
    """Return what a household pays if it deals with the retailer alone, its battery idle."""
    return sum(wh * (values.retail_per_wh if wh > 0 else values.feed_in_per_wh) for wh in net_wh)


def stored_wh(facts: Facts, row: int) -> tuple[int, int]:
    """Return what a household's battery held at the start and at the end; 0 without one."""
    battery = facts.run.week.households[row].battery
    if battery is None:
        return 0, 0
    return Storage.at_start(battery).soc_wh, facts.of_household[row][-1].soc_wh


def welfare_of(facts: Facts, values: Values, optimum_uthb: int) -> Welfare:
    """Return the welfare of a run."""
    exchanges = [exchange_wh(facts, quarter) for quarter in facts.quarters]
    taken_wh = sum(taken for taken, _ in exchanges)
    given_wh = sum(given for _, given in exchanges)
    households = facts.run.week.households
    ends = [stored_wh(facts, row) for row in range(len(households))]
    change_wh = sum(end - start for start, end in ends)
    fallen_wh = sum(max(start - end, 0) for start, end in ends)
    worth_most = values.retail_per_wh * values.efficiency_ppm - values.feed_in_per_wh * PPM
    return Welfare(
        alone_uthb=sum(alone_uthb(household.net_wh, values) for household in households),
        cost_uthb=values.retail_per_wh * taken_wh - values.feed_in_per_wh * given_wh,
        from_retailer_wh=taken_wh,
        to_retailer_wh=given_wh,
        stored_wh=change_wh,
        stored_uthb=change_wh * values.feed_in_per_wh,
        missed_uthb=(values.retail_per_wh - values.feed_in_per_wh)
        * sum(min(exchange) for exchange in exchanges),
        optimum_uthb=optimum_uthb,
        drawn_down_uthb=max(ceil_div(fallen_wh * worth_most, PPM), 0),
    )
