"""The figures of a report: all that is told of a run, computed from its facts.

Units: energy in Wh, prices in µTHB/Wh, money in µTHB. Shares are left to those who show them.

Bills have no network charges, which are zero for now on both sides of the comparison; transaction
fees are not in them either. *Alone* is the same metered load at the retail price and the same
surplus at the feed-in price, the battery idle.
"""

from collections import Counter
from dataclasses import dataclass

from client.replay.dispatch import PPM, Values, best_dispatch
from client.replay.report.facts import Facts, HouseholdQuarter
from client.replay.report.kinds import Interval, Trader, Volume, interval_of, volume_of
from client.replay.report.welfare import Welfare, alone_uthb, stored_wh, welfare_of
from client.replay.week import QUARTERS_PER_DAY
from contracts.trading.uniform_price import Side


@dataclass(frozen=True, slots=True)
class Trading:
    """What was ordered and traded; orders are those that stood at the gate."""

    household_bids: int
    household_bid_wh: int
    household_asks: int
    household_ask_wh: int
    retailer_orders: int
    other_orders: int
    """Of participants that the replay does not know, registered after genesis."""
    other_order_wh: int
    trades: int
    """Filled orders: each is one trade with the market."""
    volume_wh: int
    turnover_uthb: int
    price_low_per_wh: int | None
    price_high_per_wh: int | None
    intervals: dict[Interval, int]
    sold_wh: dict[Trader, int]
    bought_wh: dict[Trader, int]


@dataclass(frozen=True, slots=True)
class ForecastError:
    """How far forecasts of load less generation were off, over households and quarters."""

    quarters: int
    """Household-quarters that were forecast."""
    actual_wh: int
    """The sum of the actual values without their signs: what errors are measured by."""
    error_wh: int
    """The sum of the errors without their signs."""
    bias_wh: int
    """Forecast less actual, summed with signs."""
    neighbourhood_error_wh: int
    """The sum over quarters of the error of all households together, without its sign."""


@dataclass(frozen=True, slots=True)
class Imbalance:
    """Metered against contracted: what households fell short or gave beyond, and its price.

    It has two causes: forecasts that were off, and orders that were not filled.
    """

    unfilled_bid_wh: int
    unfilled_ask_wh: int

    short_wh: int
    long_wh: int
    paid_uthb: int
    received_uthb: int
    neighbourhood_wh: int
    """The sum over quarters of all households' imbalance together, without its sign."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What a household pays over the run; negative if it earns."""

    participant: int
    bus: int
    has_generation: bool
    has_battery: bool
    bought_wh: int
    sold_wh: int
    trades_uthb: int
    imbalance_uthb: int
    alone_uthb: int
    stored_wh: int
    """Stored at the end less at the start; it is in neither bill."""

    @property
    def has(self) -> str:
        """Return in words what the household has beside its load."""
        things = (("generation", self.has_generation), ("battery", self.has_battery))
        return ", ".join(name for name, there in things if there)

    @property
    def market_uthb(self) -> int:
        """Return the bill with the market: trades and imbalance."""
        return self.trades_uthb + self.imbalance_uthb

    @property
    def saving_uthb(self) -> int:
        """Return what the market saved; negative if it cost."""
        return self.alone_uthb - self.market_uthb


@dataclass(frozen=True, slots=True)
class BatteryUse:
    """What a battery did, in Wh at its terminals, and what it held."""

    participant: int
    bus: int
    energy_wh: int
    charge_wh: int
    discharge_wh: int
    start_wh: int
    end_wh: int


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the run, by the data's local time."""

    start_s: int
    volume_wh: int
    trades: int
    intervals: dict[Interval, int]
    error_wh: int
    actual_wh: int
    short_wh: int
    long_wh: int


@dataclass(frozen=True)
class Report:
    """All figures of a run."""

    start_s: int
    quarters: int
    values: Values
    trading: Trading
    forecast: ForecastError
    imbalance: Imbalance
    bills: tuple[Bill, ...]
    """In the order of the week's households."""
    batteries: tuple[BatteryUse, ...]
    welfare: Welfare
    days: tuple[Day, ...]


def report_of(facts: Facts, values: Values | None = None) -> Report:
    """Compute the figures; raises `DispatchError`. Takes seconds for the optimum of a week."""
    values = values or Values()
    optimum_uthb = round(best_dispatch(facts.run.week, values).welfare_thb * PPM)
    ones = [one for row in facts.of_household for one in row]
    return Report(
        start_s=facts.run.week.start_s,
        quarters=len(facts.quarters),
        values=values,
        trading=_trading(facts),
        forecast=_forecast(facts, ones),
        imbalance=_imbalance(facts, ones),
        bills=bills_of(facts, values),
        batteries=_batteries(facts),
        welfare=welfare_of(facts, values, optimum_uthb),
        days=tuple(_day(facts, first) for first in range(0, len(facts.quarters), QUARTERS_PER_DAY)),
    )


def bills_of(facts: Facts, values: Values) -> tuple[Bill, ...]:
    """Return every household's bill."""
    bills = []
    for row, household in enumerate(facts.run.week.households):
        ones = facts.of_household[row]
        start_wh, end_wh = stored_wh(facts, row)
        bills.append(
            Bill(
                participant=facts.run.parties[row].number,
                bus=household.bus,
                has_generation=household.solar_wh is not None,
                has_battery=household.battery is not None,
                bought_wh=sum(one.bought_wh for one in ones),
                sold_wh=sum(one.sold_wh for one in ones),
                trades_uthb=-sum(
                    one.contracted_wh * (quarter.price_per_wh or 0)
                    for one, quarter in zip(ones, facts.quarters, strict=True)
                ),
                imbalance_uthb=-sum(one.settled_uthb for one in ones),
                alone_uthb=alone_uthb(household.net_wh, values),
                stored_wh=end_wh - start_wh,
            )
        )
    return tuple(bills)


def balances_uthb(facts: Facts) -> dict[str, int]:
    """Return what everybody has after the run, before transaction fees, by role and number.

    Opening credit and what auctions and settlement moved; the holds of a finished run are empty.
    """
    retailer = facts.run.retailer
    auctions_uthb = sum(
        (facts.retailer_wh(quarter, Side.ASK) - facts.retailer_wh(quarter, Side.BID))
        * (quarter.price_per_wh or 0)
        for quarter in facts.quarters
    )
    settled_uthb = sum(one.settled_uthb for row in facts.of_household for one in row)
    balances = {
        f"participant {retailer.number}": retailer.opening_uthb + auctions_uthb,
        "grid account": facts.run.grid_opening_uthb - settled_uthb,
    }
    for party, bill in zip(facts.run.parties, bills_of(facts, Values()), strict=True):
        balances[f"participant {party.number}"] = party.opening_uthb - bill.market_uthb
    return balances


def _trading(facts: Facts) -> Trading:
    volumes = [volume_of(facts, quarter) for quarter in facts.quarters]
    total = sum(volumes, Volume.nothing())
    kinds = Counter(map(interval_of, volumes))
    offers = [offer for quarter in facts.quarters for offer in quarter.offers]
    retailer = facts.run.retailer.number
    theirs = [offer for offer in offers if offer.participant in facts.household_numbers]
    ours = {*facts.household_numbers, retailer}
    others_wh = [offer.quantity_wh for offer in offers if offer.participant not in ours]
    bids_wh = [offer.quantity_wh for offer in theirs if offer.side is Side.BID]
    asks_wh = [offer.quantity_wh for offer in theirs if offer.side is Side.ASK]
    prices = [q.price_per_wh for q in facts.quarters if q.price_per_wh is not None]
    return Trading(
        household_bids=len(bids_wh),
        household_bid_wh=sum(bids_wh),
        household_asks=len(asks_wh),
        household_ask_wh=sum(asks_wh),
        retailer_orders=len(offers) - len(theirs) - len(others_wh),
        other_orders=len(others_wh),
        other_order_wh=sum(others_wh),
        trades=sum(fill.trades for quarter in facts.quarters for fill in quarter.fills),
        volume_wh=sum(quarter.volume_wh for quarter in facts.quarters),
        turnover_uthb=sum(q.volume_wh * (q.price_per_wh or 0) for q in facts.quarters),
        price_low_per_wh=min(prices, default=None),
        price_high_per_wh=max(prices, default=None),
        intervals={kind: kinds[kind] for kind in Interval},
        sold_wh=dict(total.sold_wh),
        bought_wh=dict(total.bought_wh),
    )


def _forecast(facts: Facts, ones: list[HouseholdQuarter]) -> ForecastError:
    together = [
        sum(one.forecast_wh - one.actual_wh for one in quarter.households)
        for quarter in facts.quarters
    ]
    return ForecastError(
        quarters=len(ones),
        actual_wh=sum(abs(one.actual_wh) for one in ones),
        error_wh=sum(abs(one.forecast_wh - one.actual_wh) for one in ones),
        bias_wh=sum(together),
        neighbourhood_error_wh=sum(map(abs, together)),
    )


def _imbalance(facts: Facts, ones: list[HouseholdQuarter]) -> Imbalance:
    offered_wh = dict.fromkeys(Side, 0)
    for quarter in facts.quarters:
        for offer in quarter.offers:
            if offer.participant in facts.household_numbers:
                offered_wh[offer.side] += offer.quantity_wh
    return Imbalance(
        unfilled_bid_wh=offered_wh[Side.BID] - sum(one.bought_wh for one in ones),
        unfilled_ask_wh=offered_wh[Side.ASK] - sum(one.sold_wh for one in ones),
        short_wh=-sum(one.imbalance_wh for one in ones if one.imbalance_wh < 0),
        long_wh=sum(one.imbalance_wh for one in ones if one.imbalance_wh > 0),
        paid_uthb=-sum(one.settled_uthb for one in ones if one.settled_uthb < 0),
        received_uthb=sum(one.settled_uthb for one in ones if one.settled_uthb > 0),
        neighbourhood_wh=sum(
            abs(sum(one.imbalance_wh for one in quarter.households)) for quarter in facts.quarters
        ),
    )


def _batteries(facts: Facts) -> tuple[BatteryUse, ...]:
    found = []
    for row, household in enumerate(facts.run.week.households):
        if household.battery is None:
            continue
        ones = facts.of_household[row]
        found.append(
            BatteryUse(
                facts.run.parties[row].number,
                household.bus,
                household.battery.energy_wh,
                sum(one.charge_wh for one in ones),
                sum(one.discharge_wh for one in ones),
                *stored_wh(facts, row),
            )
        )
    return tuple(found)


def _day(facts: Facts, first: int) -> Day:
    quarters = facts.quarters[first : first + QUARTERS_PER_DAY]
    ones = [one for quarter in quarters for one in quarter.households]
    kinds = Counter(interval_of(volume_of(facts, quarter)) for quarter in quarters)
    return Day(
        start_s=quarters[0].start_s,
        volume_wh=sum(quarter.volume_wh for quarter in quarters),
        trades=sum(fill.trades for quarter in quarters for fill in quarter.fills),
        intervals={kind: kinds[kind] for kind in Interval},
        error_wh=sum(abs(one.forecast_wh - one.actual_wh) for one in ones),
        actual_wh=sum(abs(one.actual_wh) for one in ones),
        short_wh=-sum(one.imbalance_wh for one in ones if one.imbalance_wh < 0),
        long_wh=sum(one.imbalance_wh for one in ones if one.imbalance_wh > 0),
    )
