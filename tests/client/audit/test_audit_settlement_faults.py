"""Settlement that does wrong: re-execution agrees with it, the second set of books does not.

Each fault is in the contracts of the node and of the auditor alike.
"""

# Stand-ins take what the functions that they stand in for take.
# ruff: noqa: ANN401

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from client.audit.report import Difference
from contracts.grid import metering
from contracts.trading import settlement_steps, settlement_words
from contracts.trading.arrears import Arrears
from contracts.trading.settlement_claims import Claims
from contracts.trading.settlement_prices import Amount, Rates
from contracts.trading.settlement_steps import Steps
from contracts.trading.settlement_till import Till
from contracts.trading.settlement_words import QuarterSettled
from tests.client.audit.audited import AuditedSettlement
from tests.support.metering import quarter
from tests.support.people import account_of


def one_quarter(*, correct: bool = False, **funds: int) -> AuditedSettlement:
    """Return a world in which alice met less than she traded and bob more, one quarter long."""
    world = AuditedSettlement(funds=funds)
    world.bid("alice", 500, 3_950)
    world.ask("retailer", 50_000, 3_950)
    world.deliver(1, {"alice": (800, 0), "bob": (0, 300), "carol": None})
    world.deliver(2, {})
    world.settle(1)
    if correct:
        made = world.reading(world.participant("alice"), 1, version=2, sequence=50)
        world.corrected(world.sign(replace(made, import_wh=700)))
        world.settle(2)
    return world


def subjects(found: tuple[Difference, ...], what: str) -> list[str]:
    return [one.subject for one in found if one.what == what]


def unit(world: AuditedSettlement, who: str, field: str) -> str:
    return f"participant {world.participant(who)} quarter {quarter(1)}: {field}"


def test_without_faults_the_same_quarters_are_clean() -> None:
    assert one_quarter().differences() == ()
    assert one_quarter(correct=True).differences() == ()
    assert one_quarter(alice=2_500_000, grid=100).differences() == ()


def test_a_charge_at_a_lower_price_is_found_on_the_bill(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Rates.amount

    def cheaper(self: Rates, imbalance_wh: int) -> Amount:
        made = honest(self, imbalance_wh)
        return made._replace(charge_uthb=max(0, made.charge_uthb - 1))

    monkeypatch.setattr(Rates, "amount", cheaper)
    world = one_quarter()
    found = world.differences()
    assert unit(world, "alice", "charge_uthb") in subjects(found, "settled unit")
    assert unit(world, "bob", "due_uthb") not in subjects(found, "settled unit")
    charges = [one for one in found if one.subject == unit(world, "alice", "charge_uthb")]
    assert [(int(one.expected) - int(one.found), one.account) for one in charges] == [
        (1, account_of("alice"))
    ]
    assert account_of("bob") not in {one.account for one in found}


def test_a_bill_that_says_other_energy_is_the_only_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lie(*values: Any) -> QuarterSettled:
        made = QuarterSettled(*values)
        return replace(made, bought_wh=made.bought_wh + 1) if made.bought_wh else made

    lying = SimpleNamespace(**(vars(settlement_words) | {"QuarterSettled": lie}))
    monkeypatch.setattr(settlement_steps, "words", lying)
    world = one_quarter()
    found = world.differences()
    assert [(one.subject, one.expected, one.found) for one in found] == [
        (unit(world, "alice", "bought_wh"), "500", "501")
    ]


def test_a_substitute_of_another_size_is_found_at_its_meter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metering, "substitute_wh", lambda history, base_load_wh: base_load_wh + 7)
    world = one_quarter()
    found = world.differences()
    meter = world.participant("carol")
    (one,) = [one for one in found if one.what == "substitute"]
    assert (one.subject, one.expected, one.found) == (
        f"meter {meter} quarter {quarter(1)}", "50", "57"
    )  # fmt: skip


def test_who_is_let_off_a_charge_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Till, "_from_free", lambda self, accounts, amount_uthb: 0)
    world = one_quarter()
    found = world.differences()
    assert unit(world, "alice", "from_free_uthb") in subjects(found, "settled unit")
    assert unit(world, "alice", "arrears_uthb") in subjects(found, "settled unit")
    assert "arrears raised" in {one.what for one in found}


def test_debts_that_credit_does_not_pay_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Arrears, "collect", lambda self, account, credited_uthb: None)
    world = one_quarter(alice=2_500_000)
    assert world.owed("alice") > 100
    assert world.differences() == ()
    world.call("bob", "credit", "transfer", account_of("alice"), 100, b"")
    (one,) = world.differences()
    assert (one.what, one.height, one.found) == ("arrears paid", world.height, "-100")


def test_a_grid_account_that_gives_too_much_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Claims.total
    monkeypatch.setattr(Claims, "total", lambda self, zone: honest(self, zone) + 9_000_000)
    found = one_quarter().differences()
    assert "payment" in {one.what for one in found}
    assert any(one.subject.endswith("fetched_uthb") for one in found)


def test_a_unit_that_is_passed_over_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = vars(Steps)["_end_units"]

    def some(self: Steps, run: Any, units: Any) -> Any:
        return honest(self, run, units[1:])

    monkeypatch.setattr(Steps, "_end_units", some)
    found = one_quarter().differences()
    assert "units not charged" in {one.what for one in found}
    assert "units not settled" in {one.what for one in found}


def test_a_correction_that_is_dropped_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Steps, "_correction", lambda self, run, *rest: run)
    world = one_quarter(correct=True)
    (one,) = world.differences()
    assert one.what == "waiting correction"
    assert one.found == "none"
    assert str(quarter(1)) in one.subject


def test_claims_paid_in_other_parts_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Claims.shares

    def unfair(self: Claims, zone: int, run: Any, limit: int) -> Any:
        shares = list(honest(self, zone, run, limit))
        (a, claim_a, share_a), (b, claim_b, share_b), *rest = shares
        return [(a, claim_a, share_a - 1), (b, claim_b, share_b + 1), *rest]

    monkeypatch.setattr(Claims, "shares", unfair)
    world = AuditedSettlement(funds={"grid": 500_000})
    world.deliver(1, {"alice": (0, 800), "bob": (0, 300)})
    world.settle(1)
    found = world.differences()
    assert {"claim"} <= {one.what for one in found}
    assert any(one.subject.endswith("paid_uthb") for one in found)
