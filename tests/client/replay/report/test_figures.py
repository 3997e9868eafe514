"""The report's figures: worked out by hand for three households, and true of all others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.replay.battery import EFFICIENCY_PPM
from client.replay.dispatch import Values
from client.replay.report.collect import facts_of, forecasts_wh
from client.replay.report.facts import Facts
from client.replay.report.figures import Report, balances_uthb, report_of
from client.replay.report.kinds import Interval, Trader, Volume, interval_of, volume_of
from client.replay.week import Battery
from contracts.trading.uniform_price import Side
from tests.client.replay.report.street import FEED_IN, RETAIL, Street, example, home, street

QUARTERS = 5


@pytest.fixture(scope="module")
def facts() -> Facts:
    told = example()
    return facts_of(told.run, told.events)


@pytest.fixture(scope="module")
def report(facts: Facts) -> Report:
    return report_of(facts)


def test_trading(report: Report) -> None:
    trading = report.trading
    assert (trading.household_bids, trading.household_bid_wh) == (4, 500 + 100 + 700 + 500)
    assert (trading.household_asks, trading.household_ask_wh) == (3, 600 + 800 + 500)
    assert trading.retailer_orders == 8
    assert trading.trades == 3 + 3 + 2
    assert trading.volume_wh == 600 + 800 + 500
    assert trading.turnover_uthb == 600 * 2_700 + 800 * 2_200 + 500 * 3_050
    assert (trading.price_low_per_wh, trading.price_high_per_wh) == (2_200, 3_050)


def test_every_kind_of_interval_occurs_once(facts: Facts, report: Report) -> None:
    kinds = [interval_of(volume_of(facts, quarter)) for quarter in facts.quarters]
    assert kinds == [Interval.PEERS, Interval.RETAILER, Interval.BATTERY, Interval.NONE]
    assert report.trading.intervals == dict.fromkeys(Interval, 1)


def test_volume_by_kind_of_seller_and_of_buyer(report: Report) -> None:
    sold, bought = report.trading.sold_wh, report.trading.bought_wh
    # Of the 700 Wh that the battery gave, 500 were sold; 200 stayed in its house.
    assert sold == {Trader.HOUSEHOLD: 1_400, Trader.BATTERY: 500, Trader.RETAILER: 0}
    assert bought == {Trader.HOUSEHOLD: 1_100, Trader.BATTERY: 700, Trader.RETAILER: 100}


def test_a_battery_that_takes_its_own_surplus_too_trades_only_what_was_bought() -> None:
    told = Street(street([[0], [-300]], home(1, [-1]), home(2, [-300], Battery(9_000, 4_000))))
    told.quarter({2: (Side.ASK, 500, 2_200), 3: (Side.BID, 500, 3_000)})
    facts = facts_of(told.run, told.events)
    assert facts.quarters[0].households[1].charge_wh == 800
    assert volume_of(facts, facts.quarters[0]).bought_wh[Trader.BATTERY] == 500


def test_forecast_error(report: Report) -> None:
    error = report.forecast
    assert error.quarters == 12
    assert error.actual_wh == 1_000 + 800 + 800 + 80
    assert error.error_wh == 200 + 100 + 50 + 30
    assert error.bias_wh == -200 - 100 - 50 + 30
    assert error.neighbourhood_error_wh == 200 + 100 + 20


def test_imbalance(report: Report) -> None:
    imbalance = report.imbalance
    assert (imbalance.short_wh, imbalance.long_wh) == (200 + 100 + 50, 30)
    assert imbalance.paid_uthb == 350 * RETAIL
    assert imbalance.received_uthb == 30 * FEED_IN
    assert imbalance.neighbourhood_wh == 200 + 100 + 20
    assert (imbalance.unfilled_bid_wh, imbalance.unfilled_ask_wh) == (0, 0)


def test_bills_against_the_retailer_alone(report: Report) -> None:
    consumer, producer, storing = report.bills
    assert consumer.trades_uthb == 500 * 2_700 + 500 * 3_050
    assert consumer.imbalance_uthb == 150 * RETAIL
    assert consumer.alone_uthb == 1_150 * RETAIL
    assert consumer.saving_uthb == 1_075_000
    assert producer.trades_uthb == -(600 * 2_700 + 800 * 2_200)
    assert producer.imbalance_uthb == 200 * RETAIL - 30 * FEED_IN
    assert producer.alone_uthb == -1_230 * FEED_IN
    # It sold 200 Wh that it did not have: the market cost it more than it brought.
    assert producer.saving_uthb == -50_000
    assert storing.trades_uthb == 100 * 2_700 + 700 * 2_200 - 500 * 3_050
    assert storing.saving_uthb == 300 * RETAIL - 285_000
    assert [bill.bus for bill in report.bills] == [11, 12, 13]
    assert [bill.has_generation for bill in report.bills] == [False, True, False]
    assert [bill.has_battery for bill in report.bills] == [False, False, True]


def test_the_battery_loses_on_both_ways(report: Report) -> None:
    (use,) = report.batteries
    assert (use.charge_wh, use.discharge_wh) == (700, 700)
    # 700 Wh in arrive as 664, 700 Wh out take 738.
    assert (use.start_wh, use.end_wh) == (1_000, 1_000 + 664 - 738)
    assert report.bills[2].stored_wh == -74


def test_welfare_after_imbalance_against_the_optimum(report: Report) -> None:
    welfare = report.welfare
    assert (welfare.from_retailer_wh, welfare.to_retailer_wh) == (350, 30 + 100)
    assert welfare.alone_uthb == 1_150 * RETAIL - 1_230 * FEED_IN + 300 * RETAIL
    assert welfare.cost_uthb == 350 * RETAIL - 130 * FEED_IN
    assert welfare.stored_uthb == -74 * FEED_IN
    assert welfare.realised_uthb == 1_925_000 - 162_800
    assert welfare.missed_uthb == 30 * (RETAIL - FEED_IN)
    # In the optimum 430 Wh meet within their quarter, and the battery brings 720 of 800 Wh over.
    best_uthb = 430 * (RETAIL - FEED_IN) + 720 * RETAIL - 800 * FEED_IN
    assert welfare.optimum_uthb == pytest.approx(best_uthb, abs=10)
    assert welfare.realised_uthb <= welfare.optimum_uthb
    assert welfare.drawn_down_uthb == 114_501


def test_balances_before_fees_are_what_was_there_and_what_was_paid(facts: Facts) -> None:
    assert balances_uthb(facts) == {
        "participant 1": 100_000_000_000 - 100 * FEED_IN,
        "participant 2": 5_000_000_000 - 3_467_500,
        "participant 3": 5_000_000_000 + 2_656_000,
        "participant 4": 5_000_000_000 - 285_000,
        "grid account": 100_000_000_000 + 350 * RETAIL - 30 * FEED_IN,
    }


def test_a_day_is_counted_by_itself(report: Report) -> None:
    (day,) = report.days
    assert (day.volume_wh, day.trades) == (1_900, 8)
    assert (day.short_wh, day.long_wh, day.error_wh, day.actual_wh) == (350, 30, 380, 2_680)


def test_two_days_add_up_to_the_run() -> None:
    run = street([[0] * 100] * 2, home(1, [300] * 100), home(2, [-200] * 100))
    told = Street(run)
    for quarter in range(100):
        told.quarter({2: (Side.BID, 100 + quarter, 3_000), 3: (Side.ASK, 150, 2_500)})
    found = report_of(facts_of(run, told.events))
    assert [day.start_s - found.start_s for day in found.days] == [0, 86_400]
    assert sum(day.volume_wh for day in found.days) == found.trading.volume_wh
    assert sum(day.short_wh for day in found.days) == found.imbalance.short_wh
    assert sum(day.trades for day in found.days) == found.trading.trades


def test_forecasts_are_those_of_the_agents_and_blind_to_what_comes() -> None:
    week = street([[0] * 4], home(1, [100, 200, 300, 400])).week
    # At the gate of a quarter the newest reading is that of two quarters before.
    assert forecasts_wh(week, 5) == ((0, 0, 100, 200),)


# ── What is true of all streets ──

PLANS = st.tuples(
    st.sampled_from(Side),
    st.integers(1, 3_000),
    st.integers(FEED_IN // 10, RETAIL // 10).map(lambda tens: tens * 10),
)
NETS = st.lists(st.integers(-2_000, 2_000), min_size=QUARTERS, max_size=QUARTERS)


@st.composite
def streets(draw: st.DrawFn) -> Facts:
    """Draw three households of which one or two have batteries, and let them trade anything.

    The order of a household with a battery is what its forecast and battery can serve.
    """
    batteries = [
        None,
        draw(st.builds(Battery, st.integers(100, 5_000), st.integers(100, 9_000))),
        draw(st.none() | st.builds(Battery, st.integers(100, 5_000), st.integers(100, 9_000))),
    ]
    nets, forecasts = draw(st.tuples(NETS, NETS, NETS)), draw(st.tuples(NETS, NETS, NETS))
    homes = [home(i, net, b) for i, (net, b) in enumerate(zip(nets, batteries, strict=True))]
    told = Street(street(forecasts, *homes))
    for quarter in range(QUARTERS):
        plans = draw(st.dictionaries(st.integers(2, 4), PLANS))
        for number, (_, _, limit) in plans.copy().items():
            storage = told.storages[number - 2]
            if storage is not None:
                flow = draw(st.integers(-storage.deliverable_wh(), storage.room_wh()))
                wh = forecasts[number - 2][quarter] + flow
                plans[number] = (Side.BID if wh > 0 else Side.ASK, abs(wh), limit)
                if not wh:
                    del plans[number]
        told.quarter(plans)
    return facts_of(told.run, told.events)


@given(streets())
def test_sums_agree(facts: Facts) -> None:
    report = report_of(facts)
    trading, welfare = report.trading, report.welfare
    assert sum(trading.sold_wh.values()) == trading.volume_wh == sum(trading.bought_wh.values())
    assert all(wh >= 0 for wh in (*trading.sold_wh.values(), *trading.bought_wh.values()))
    assert sum(trading.intervals.values()) == QUARTERS
    # What households save is what the retailer does not earn: money and true values agree.
    saved_uthb = sum(bill.saving_uthb for bill in report.bills)
    assert saved_uthb == welfare.alone_uthb - welfare.cost_uthb
    opening = [*facts.run.parties, facts.run.retailer]
    everything = sum(party.opening_uthb for party in opening) + facts.run.grid_opening_uthb
    assert sum(balances_uthb(facts).values()) == everything
    # What the neighbourhood exchanged is what its meters counted.
    ones = [one for row in facts.of_household for one in row]
    metered_wh = sum(one.import_wh - one.export_wh for one in ones)
    assert welfare.from_retailer_wh - welfare.to_retailer_wh == metered_wh
    # Energy that went into batteries came out, was lost, or is still there.
    for use in report.batteries:
        assert use.end_wh * EFFICIENCY_PPM <= 10**6 * (use.start_wh + use.charge_wh)
        assert 0 <= use.end_wh <= use.energy_wh


@given(streets())
def test_welfare_is_never_above_the_optimum(facts: Facts) -> None:
    welfare = report_of(facts).welfare
    # A battery starts at a whole Wh, which may be half a Wh below the optimum's start.
    slack_uthb = 2 * RETAIL
    assert welfare.realised_uthb <= welfare.optimum_uthb + welfare.drawn_down_uthb + slack_uthb
    assert welfare.missed_uthb >= 0
    if welfare.stored_wh >= 0 and welfare.drawn_down_uthb == 0:
        assert welfare.realised_uthb <= welfare.optimum_uthb + slack_uthb


@given(streets())
def test_other_true_values_count_what_is_exchanged(facts: Facts) -> None:
    free = Values(retail_per_wh=0, feed_in_per_wh=0)
    welfare = report_of(facts, free).welfare
    assert (welfare.cost_uthb, welfare.realised_uthb, welfare.optimum_uthb) == (0, 0, 0)


@given(st.dictionaries(st.sampled_from(Trader), st.integers(0, 5)))
def test_a_kind_of_interval_is_the_first_that_fits(traded: dict[Trader, int]) -> None:
    sold_wh = dict.fromkeys(Trader, 0) | traded
    volume = Volume(sold_wh, dict.fromkeys(Trader, 0))
    kind = interval_of(volume)
    assert (kind is Interval.NONE) == (not any(traded.values()))
    assert (kind is Interval.RETAILER) == bool(sold_wh[Trader.RETAILER])
    assert kind is not Interval.PEERS or not sold_wh[Trader.BATTERY]
