"""The canonical form: the same for the same trades, another for another watt-hour."""

import json
from dataclasses import replace
from typing import Any

import pytest

from client.replay.report.canonical import canonical_form, fingerprint
from client.replay.report.collect import facts_of
from client.replay.report.facts import Facts, Quarter
from tests.client.replay.report.street import example


@pytest.fixture(scope="module")
def facts() -> Facts:
    told = example()
    return facts_of(told.run, told.events)


def changed(facts: Facts, **fields: Any) -> Facts:  # noqa: ANN401
    quarters: tuple[Quarter, ...] = (replace(facts.quarters[0], **fields), *facts.quarters[1:])
    return Facts(facts.run, quarters)


def test_it_is_json_of_integers_with_sorted_keys_and_without_spaces(facts: Facts) -> None:
    form = canonical_form(facts)
    value = json.loads(form, parse_float=pytest.fail)
    assert json.dumps(value, sort_keys=True, separators=(",", ":")).encode() == form
    assert len(value["quarters"]) == 4
    assert value["totals"]["volume_wh"] == 1_900
    assert value["balances_uthb"]["participant 4"] == 5_000_000_000 - 285_000


def test_the_example_keeps_its_fingerprint(facts: Facts) -> None:
    assert fingerprint(facts) == (
        "03a30cc268ec6dce3eba21e7c4c3b8b07854d196ddf37f23d5c01bce44a3454f"
    )


def test_heights_hashes_transactions_order_ids_and_the_order_of_arrival_are_not_in_it() -> None:
    told = example()
    before = canonical_form(facts_of(told.run, told.events))
    for event in told.events:
        event |= {"height": 999, "receipt": 7, "index": 3, "transaction_id": None, "data": "ff"}
        fields = event["fields"]
        if "id" in fields:
            fields["id"] = fields["id"][::-1]
        for trade in fields.get("trades", []):
            trade["order"] = "11" * 32
    told.events.insert(0, {"contract": "credit", "event": "FeesShared", "fields": {"each": 4}})
    placed = [event for event in told.events if event["event"] == "OrderPlaced"]
    rest = [event for event in told.events if event["event"] != "OrderPlaced"]
    after = canonical_form(facts_of(told.run, placed[::-1] + rest))
    assert after == before


def test_which_of_a_participants_orders_was_filled_is_not_in_it(facts: Facts) -> None:
    (fill, *others) = facts.quarters[0].fills
    split = changed(facts, fills=(*others, replace(fill, trades=2)))
    assert canonical_form(split) == canonical_form(facts)


def test_every_watt_hour_and_every_payment_is_in_it(facts: Facts) -> None:
    (fill, *fills) = facts.quarters[0].fills
    (one, *ones) = facts.quarters[0].households
    (offer, *offers) = facts.quarters[0].offers
    others = [
        changed(facts, price_per_wh=2_705),
        changed(facts, price_per_wh=None),
        changed(facts, volume_wh=601),
        changed(facts, start_s=0),
        changed(facts, offers=(replace(offer, quantity_wh=offer.quantity_wh + 1), *offers)),
        changed(facts, fills=(replace(fill, energy_wh=fill.energy_wh + 1), *fills)),
        changed(facts, fills=(replace(fill, participant=9), *fills)),
        changed(facts, households=(replace(one, import_wh=one.import_wh + 1), *ones)),
        changed(facts, households=(replace(one, settled_uthb=one.settled_uthb + 1), *ones)),
        changed(facts, households=(replace(one, soc_wh=one.soc_wh + 1), *ones)),
        changed(facts, households=(replace(one, forecast_wh=one.forecast_wh + 1), *ones)),
        Facts(replace(facts.run, grid_opening_uthb=1), facts.quarters),
        Facts(replace(facts.run, market=8), facts.quarters),
    ]
    found = {fingerprint(one) for one in [facts, *others]}
    assert len(found) == 1 + len(others)


def test_a_float_never_enters_it(facts: Facts) -> None:
    with pytest.raises(AssertionError, match="no integer"):
        canonical_form(changed(facts, volume_wh=600.0))
