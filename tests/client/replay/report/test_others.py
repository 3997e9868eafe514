"""Participants that a replay does not know: told of, counted with the retailer, never an error."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from client.replay.report.canonical import fingerprint
from client.replay.report.collect import facts_of
from client.replay.report.facts import FactsError, Fill, Offer
from client.replay.report.figures import balances_uthb, report_of
from client.replay.report.html import page
from client.replay.report.kinds import Interval, Trader
from client.replay.report.pictures import telling_quarter
from client.replay.report.terminal import print_report
from client.replay.report.welfare import exchange_wh
from contracts.trading.uniform_price import Side
from tests.client.replay.report.street import Street, example

BID, ASK = Side.BID, Side.ASK
RETAILER = 1
STRANGER = 95
ORDERED = "orders of participants who are none of the replay's: 1, 0.3 kWh"


def with_a_stranger() -> Street:
    """Return the example with one more ask in its first quarter, of somebody without a meter."""
    told = Street(example().run)
    told.quarter(
        {
            2: (BID, 500, 3_000),
            3: (ASK, 600, 2_400),
            4: (BID, 100, 3_000),
            STRANGER: (ASK, 300, 2_300),
        }
    )
    told.quarter({3: (ASK, 800, 2_200), 4: (BID, 700, 3_000)})
    told.quarter({2: (BID, 500, 3_500), 4: (ASK, 500, 2_600)})
    told.quarter({})
    settled = next(one for one in told.events if one["event"] == "QuarterSettled")
    closed = next(one for one in told.events if one["event"] == "TradeSettled")
    theirs = settled["fields"] | {
        "account": f"gtx{STRANGER}", "participant": STRANGER, "substituted": True,
        "charge_uthb": 9_000, "arrears_uthb": 8_000,
    }  # fmt: skip
    told.events.insert(told.events.index(closed), settled | {"fields": theirs})
    closed["fields"]["grid_uthb"] += 1_000
    return told


def test_a_strangers_orders_and_trades_are_facts() -> None:
    told = with_a_stranger()
    facts = facts_of(told.run, told.events)
    first = facts.quarters[0]
    assert Offer(STRANGER, ASK, 300, 2_300) in first.offers
    assert Fill(STRANGER, ASK, 300, 1) in first.fills
    assert (facts.outside_wh(first, ASK), facts.retailer_wh(first, ASK)) == (300, 0)
    assert [one.sold_wh for one in first.households] == [0, 300, 0]
    assert set(balances_uthb(facts)) == {
        "grid account", *(f"participant {number}" for number in range(1, 5)),
    }  # fmt: skip


def test_they_count_with_the_retailer_and_the_report_says_so() -> None:
    told, alone = with_a_stranger(), example()
    facts, usual = (facts_of(one.run, one.events) for one in (told, alone))
    report = report_of(facts)
    trading = report.trading
    assert (trading.other_orders, trading.other_order_wh) == (1, 300)
    assert trading.retailer_orders == 8
    assert trading.household_asks == report_of(usual).trading.household_asks
    assert trading.sold_wh[Trader.RETAILER] == 300
    assert sum(trading.sold_wh.values()) == sum(trading.bought_wh.values()) == trading.volume_wh
    assert trading.intervals[Interval.RETAILER] == 2
    assert ORDERED in printed(told)
    assert "of others, whose trades count" in page(report, (), fingerprint(facts))
    assert "Others" not in printed(alone)
    assert "of others" not in page(report_of(usual), (), fingerprint(usual))


def printed(told: Street) -> str:
    facts, file = facts_of(told.run, told.events), StringIO()
    print_report(Console(width=200, file=file), facts, report_of(facts), fingerprint(facts))
    return file.getvalue()


def test_what_strangers_and_the_retailer_trade_is_nobodys_in_the_neighbourhood() -> None:
    told = example()
    facts = facts_of(told.run, told.events)
    quarter = facts.quarters[0]
    taken_wh, given_wh = exchange_wh(facts, quarter)
    more = (Fill(STRANGER, ASK, 40, 1), Fill(RETAILER, BID, 40, 1))
    among = replace(quarter, fills=(*quarter.fills, *more))
    assert exchange_wh(facts, among) == (taken_wh, given_wh)
    from_them = replace(quarter, fills=(*quarter.fills, more[0]))
    assert exchange_wh(facts, from_them) == (taken_wh + 40, given_wh)


def test_trades_of_somebody_who_never_ordered_are_refused() -> None:
    told = with_a_stranger()
    placed = [e for e in told.events if e["fields"].get("participant") == STRANGER]
    assert placed[0]["event"] == "OrderPlaced"
    told.events.remove(placed[0])
    with pytest.raises(FactsError, match="not known"):
        facts_of(told.run, told.events)


def test_without_strangers_the_grid_account_must_have_got_what_was_paid() -> None:
    told = example()
    closed = next(one for one in told.events if one["event"] == "TradeSettled")
    closed["fields"]["grid_uthb"] += 1_000
    with pytest.raises(FactsError, match="grid account"):
        facts_of(told.run, told.events)


def test_a_strangers_correction_is_its_own_affair() -> None:
    told = with_a_stranger()
    corrected = {"zone": 1, "quarter_s": told.run.week.start_s, "participant": STRANGER}
    event = {"contract": "settlement", "event": "CorrectionSettled", "fields": corrected}
    facts_of(told.run, [*told.events, event])
    with pytest.raises(FactsError, match="corrected"):
        facts_of(told.run, [*told.events, event | {"fields": corrected | {"participant": 2}}])


def test_a_quarter_is_told_of_for_what_households_traded_among_themselves() -> None:
    told = example()
    facts = facts_of(told.run, told.events)
    first = facts.quarters[0]
    assert telling_quarter(facts, report_of(facts)) == 0
    fills = tuple(
        replace(fill, participant=STRANGER) if fill.side is ASK else fill for fill in first.fills
    )
    theirs = replace(facts, quarters=(replace(first, fills=fills), *facts.quarters[1:]))
    assert telling_quarter(theirs, report_of(facts)) != 0
