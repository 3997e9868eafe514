"""Audits of settlement: bills, charges, arrears, claims and corrections are worked out again."""

import random
from dataclasses import replace

import pytest

from contracts.kernel.types import QUARTER_S
from contracts.trading.arrears_words import ArrearsPaid
from contracts.trading.uniform_price import Side
from tests.client.audit.audited import AuditedSettlement
from tests.support.genesis import SETTLEMENT
from tests.support.market import PEOPLE, household, terms
from tests.support.people import account_of

RESIDENTS = tuple(one.name for one in PEOPLE[1:])


def live(world: AuditedSettlement, quarters: int, seed: int, silent: float = 0.0) -> None:
    """Let everybody trade and deliver for some quarters, and settle them all."""
    rng = random.Random(seed)
    for number in range(1, quarters + 1):
        product = number - 1
        sides: dict[str, Side] = {}
        for who in RESIDENTS:
            side = sides.setdefault("dave" if who == "erin" else who, rng.choice(list(Side)))
            place = world.bid if side is Side.BID else world.ask
            place(who, rng.randint(1, 2_000), 10 * rng.randint(220, 395), product=product)
        world.ask("retailer", 50_000, 3_950, product=product)
        world.bid("retailer", 50_000, 2_200, product=product)
    for number in range(1, quarters + 1):
        world.deliver(
            number,
            {
                who: None
                if rng.random() < silent
                else (rng.choice((0, rng.randint(0, 2_500))), rng.choice((0, rng.randint(0, 900))))
                for who in RESIDENTS
            },
        )
    world.settle(quarters)


@pytest.mark.parametrize("seed", range(4))
def test_an_honest_settlement_has_no_difference(seed: int) -> None:
    world = AuditedSettlement(rules=replace(SETTLEMENT, slice_units=2))
    live(world, 3, seed)
    report = world.audit()
    assert report.differences == ()
    assert report.counts.settlements == 3 * len(PEOPLE)
    assert report.counts.trades > 3
    energy = report.totals["energy_wh"]
    assert energy["bought"] == energy["sold"] > 0
    assert energy["imbalance_short"] > 0
    assert energy["imbalance_long"] > 0


@pytest.mark.parametrize("seed", range(4))
def test_substitutes_and_late_registers_are_settled_as_due(seed: int) -> None:
    world = AuditedSettlement()
    live(world, 4, seed, silent=0.4)
    world.deliver(5, {})
    world.settle(8)
    report = world.audit()
    assert report.differences == ()
    assert report.counts.substitutes > 0


def test_who_cannot_pay_owes_and_whoever_waits_has_a_claim() -> None:
    world = AuditedSettlement(
        rules=replace(SETTLEMENT, grid_minimum_uthb=1_000_000, slice_units=3),
        funds={"alice": 4_000_000, "grid": 1_000},
    )
    world.deliver(1, {"alice": (2_000, 0), "bob": (0, 3_000), "carol": (0, 2_000)})
    world.settle(1)
    assert world.owed("alice") > 0
    assert world.differences() == ()
    world.call("bob", "credit", "transfer", account_of("alice"), 1_000_000, b"")
    assert world.differences() == ()
    world.deliver(2, {"dave": (900, 0), "bob": (1, 0)})
    world.call("carol", "credit", "transfer", account_of("grid"), 3_000_000, b"")
    world.settle(3)
    assert world.differences() == ()


def test_what_a_fee_did_not_need_pays_the_debt_of_its_own_transaction() -> None:
    world = AuditedSettlement(
        fee_per_weight_uthb=1, funds={"bob": 390_000, "bob's second": 0, "bob's third": 0}
    )
    world.deliver(1, {"bob": (100, 0), "carol": (0, 100)})
    world.settle_by("bob", 1)
    assert world.events(ArrearsPaid)
    world.deliver(2, {"carol": (0, 100)})
    world.settle_by("grid", 2)
    assert world.differences() == ()


def test_corrections_after_the_settlement_are_settled_as_due() -> None:
    world = AuditedSettlement()
    world.bid("alice", 500, 3_950)
    world.ask("retailer", 50_000, 3_950)
    world.deliver(1, {"alice": (400, 0), "bob": None, "carol": (100, 0)})
    world.deliver(2, {})
    world.settle(1)
    alice, carol = world.participant("alice"), world.participant("carol")
    for meter, import_wh, version in ((alice, 450, 2), (carol, 70, 2), (carol, 90, 3)):
        made = world.reading(meter, 1, version=version, sequence=50 + version)
        world.corrected(world.sign(replace(made, import_wh=import_wh)))
    assert world.differences() == ()
    world.settle(4)
    report = world.audit()
    assert report.differences == ()
    assert report.counts.readings > 3


def test_long_products_and_participants_without_meters_are_settled_as_due() -> None:
    people = (*PEOPLE, household("fay", "fay's second"))
    world = AuditedSettlement(people, market=terms(quarters=4), unmetered=("fay",))
    first = (world.start_s(0) - world.start_s(0) % QUARTER_S) // QUARTER_S
    world.ask("fay", 400, 2_500)
    world.bid("fay's second", 80, 3_000, product=1)
    world.bid("alice", 800, 3_000)
    world.ask("bob", 4_000, 2_600)
    assert first > 0
    for number in range(1, 9):
        world.deliver(number, {"bob": (0, 900), "alice": (150, 0)})
    world.settle(8)
    report = world.audit()
    assert report.differences == ()
    assert report.counts.trades >= 3
