"""From events to facts: what is taken, what is left alone, and what is refused as impossible."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from client.replay.report.collect import Collector, facts_of
from client.replay.report.facts import FactsError, Fill, Offer
from contracts.registry import CATALOGUE
from contracts.trading.uniform_price import Side
from tests.client.replay.report.street import Street, example

Event = dict[str, Any]


def find(told: Street, name: str, index: int = 0) -> Event:
    return [event for event in told.events if event["event"] == name][index]


def event(contract: str, name: str, **fields: object) -> Event:
    return {"contract": contract, "event": name, "fields": fields}


def test_a_quarter_has_its_book_its_trades_and_its_households() -> None:
    told = example()
    facts = facts_of(told.run, told.events)
    quarter = facts.quarters[0]
    assert (quarter.start_s, quarter.price_per_wh, quarter.volume_wh) == (1_465_164_000, 2_700, 600)
    assert Offer(3, Side.ASK, 600, 2_400) in quarter.offers
    assert len(quarter.offers) == 5
    assert quarter.fills == (
        Fill(2, Side.BID, 500, 1),
        Fill(3, Side.ASK, 600, 1),
        Fill(4, Side.BID, 100, 1),
    )
    producer = quarter.households[1]
    assert (producer.forecast_wh, producer.actual_wh) == (-600, -400)
    assert (producer.import_wh, producer.export_wh) == (0, 400)
    assert (producer.contracted_wh, producer.imbalance_wh) == (600, -200)
    assert facts.quarters[3].price_per_wh is None
    assert [one.soc_wh for one in facts.of_household[2]] == [1_000, 1_664, 926, 926]


def test_the_street_tells_of_events_as_the_chain_does() -> None:
    told = {(one["contract"], one["event"]): one["fields"] for one in example().events}
    assert len(told) == 5
    for (contract, name), fields in told.items():
        shape = CATALOGUE.by_name[contract].events[name].shape
        assert set(fields) <= set(shape.names), name
    # These two are told by single tests.
    orders, settlement = CATALOGUE.by_name["orders"], CATALOGUE.by_name["settlement"]
    replaced = {"account", "market", "start_s", "side", "replaced", "released_uthb"}
    replaced |= {"id", "quantity_wh", "limit_per_wh"}
    assert set(orders.events["OrderReplaced"].shape.names) == replaced
    assert {"zone", "quarter_s"} <= set(settlement.events["CorrectionSettled"].shape.names)


def test_large_integers_are_texts() -> None:
    told = example()
    for one in told.events:
        if one["event"] in {"QuarterSettled", "MarketCleared", "OrderPlaced"}:
            fields = one["fields"]
            for name, value in fields.items():
                if type(value) is int:
                    fields[name] = str(value)
    assert facts_of(told.run, told.events) == facts_of(told.run, example().events)


def test_other_contracts_markets_zones_and_times_do_not_matter() -> None:
    told = example()
    others = [
        event("credit", "CreditTransferred", sender="a", recipient="b", amount_uthb=5),
        event("markets", "ProductOpened", market=7, start_s=told.run.week.start_s, gate_s=0),
        {**find(told, "OrderPlaced"), "fields": {**find(told, "OrderPlaced")["fields"]}},
        {**find(told, "QuarterSettled"), "fields": {**find(told, "QuarterSettled")["fields"]}},
        {**find(told, "MarketCleared"), "fields": {**find(told, "MarketCleared")["fields"]}},
    ]
    others[2]["fields"] |= {"market": 8, "id": "00"}
    others[3]["fields"] |= {"zone": 2}
    others[4]["fields"] |= {"start_s": told.run.week.start_s - 900}
    assert facts_of(told.run, others + told.events) == facts_of(told.run, told.events)


def test_replaced_and_cancelled_orders_do_not_stand_at_the_gate() -> None:
    told = example()
    placed = find(told, "OrderPlaced", 2)
    start_s, new_id = placed["fields"]["start_s"], placed["fields"]["id"]
    first = {**placed["fields"], "id": "01", "quantity_wh": 9, "limit_per_wh": 2_210}
    gone = {**placed["fields"], "id": "02", "quantity_wh": 8}
    product = {"market": 7, "start_s": start_s, "side": "bid"}
    account = placed["fields"]["account"]
    at = told.events.index(placed)
    told.events[at : at + 1] = [
        event("orders", "OrderPlaced", **first),
        event("orders", "OrderPlaced", **gone),
        event("orders", "OrderCancelled", account=account, **product, id="02", released_uthb=1),
        event(
            "orders",
            "OrderReplaced",
            account=account,
            **product,
            replaced="01",
            released_uthb=1,
            id=new_id,
            quantity_wh=placed["fields"]["quantity_wh"],
            limit_per_wh=placed["fields"]["limit_per_wh"],
        ),
    ]
    changed = facts_of(told.run, told.events)
    plain = facts_of(told.run, example().events)
    assert sorted(map(repr, changed.quarters[0].offers)) == sorted(
        map(repr, plain.quarters[0].offers)
    )
    assert changed.quarters[1:] == plain.quarters[1:]


def test_trades_of_several_orders_are_one_fill() -> None:
    told = example()
    fields = find(told, "TradesExecuted")["fields"]
    (trade,) = fields["trades"]
    parts = [{**trade, "energy_wh": wh, "order": f"{wh:02x}"} for wh in (1, 2)]
    fields["trades"] = [{**trade, "energy_wh": trade["energy_wh"] - 3}, *parts]
    assert facts_of(told.run, told.events).quarters[0].fills[0] == Fill(2, Side.BID, 500, 3)


def test_a_page_at_a_time_is_the_same_as_all_at_once() -> None:
    told = example()
    collector = Collector(told.run)
    for one in told.events:
        collector.add(one)
    assert collector.facts() == facts_of(told.run, told.events)


@pytest.mark.parametrize("name", ["MarketCleared", "QuarterSettled", "TradesExecuted"])
def test_a_run_that_lacks_an_event_is_not_finished(name: str) -> None:
    told = example()
    told.events.remove(find(told, name))
    with pytest.raises(FactsError):
        facts_of(told.run, told.events)


@pytest.mark.parametrize("name", ["MarketCleared", "QuarterSettled"])
def test_nothing_happens_twice(name: str) -> None:
    told = example()
    with pytest.raises(FactsError, match="twice"):
        facts_of(told.run, [*told.events, find(told, name)])


WRONG: list[tuple[str, dict[str, object], str]] = [
    ("QuarterSettled", {"substituted": True}, "without its reading"),
    ("QuarterSettled", {"arrears_uthb": 1}, "in full"),
    ("QuarterSettled", {"due_uthb": 5}, "in full"),
    ("QuarterSettled", {"fee_uthb": 1}, "fee"),
    ("QuarterSettled", {"import_wh": 501}, "metered at other Wh"),
    ("QuarterSettled", {"bought_wh": 499}, "other Wh than it traded"),
    ("QuarterSettled", {"charge_uthb": 10}, "grid account"),
    ("TradeSettled", {"grid_uthb": 0}, "grid account"),
    ("MarketCleared", {"bids": 2}, "other orders than placed"),
    ("MarketCleared", {"ask_wh": 1}, "other orders than placed"),
    ("MarketCleared", {"volume_wh": 599}, "add up"),
    ("TradesExecuted", {"price_per_wh": 2_705}, "another price"),
    ("TradesExecuted", {"account": "gtx99"}, "not known"),
    ("TradesExecuted", {"trades": None}, "cannot be read"),
    ("QuarterSettled", {"import_wh": "a lot"}, "cannot be read"),
]


@pytest.mark.parametrize(("name", "fields", "said"), WRONG)
def test_facts_that_do_not_fit_are_refused(name: str, fields: dict[str, object], said: str) -> None:
    told = example()
    find(told, name)["fields"] |= fields
    with pytest.raises(FactsError, match=said):
        facts_of(told.run, told.events)


def test_an_event_without_its_fields_is_refused() -> None:
    told = example()
    del find(told, "MarketCleared")["fields"]["volume_wh"]
    with pytest.raises(FactsError, match=r"auction\.MarketCleared has no 'volume_wh'"):
        facts_of(told.run, told.events)


def test_a_corrected_quarter_is_refused() -> None:
    told = example()
    quarter_s = told.run.week.start_s
    told.events.append(
        event("settlement", "CorrectionSettled", zone=1, participant=2, quarter_s=quarter_s)
    )
    with pytest.raises(FactsError, match="corrected"):
        facts_of(told.run, told.events)


def test_the_retailers_own_imbalance_moves_no_money() -> None:
    told = example()
    unit = dict(find(told, "QuarterSettled")["fields"])
    unit |= {"participant": 1, "charge_uthb": 7, "due_uthb": 0, "paid_uthb": 0}
    with pytest.raises(FactsError, match="retailer"):
        facts_of(told.run, [*told.events, event("settlement", "QuarterSettled", **unit)])


@pytest.mark.parametrize(
    "change",
    [
        lambda run: replace(run, parties=run.parties[:2]),
        lambda run: replace(run, forecasts_wh=run.forecasts_wh[:2]),
        lambda run: replace(run, forecasts_wh=((0,) * 3,) * 3),
        lambda run: replace(run, retailer=replace(run.retailer, number=2)),
        lambda run: replace(run, retailer=replace(run.retailer, account="gtx2")),
    ],
    ids=["parties", "forecasts", "quarters", "number", "account"],
)
def test_a_run_names_everybody_once_and_has_all_forecasts(change: Callable[[Any], Any]) -> None:
    with pytest.raises(FactsError):
        change(example().run)
