"""Contracts that do wrong: blocks, roots and re-execution all agree, and the accountant does not.

Each fault is put into the contracts of the node and of the auditor alike, so that only the second
set of books can find it.
"""

# Stand-ins take what the functions that they stand in for take.
# ruff: noqa: ANN401

from dataclasses import replace
from typing import Any

import pytest

from client.audit.report import Difference
from contracts.grid import statements
from contracts.grid.reading import SignedReading, Slot
from contracts.grid.statements import ProvisionalStatement
from contracts.kernel import Context
from contracts.kernel.ledger import Column, Entry
from contracts.money.credit import Credit
from contracts.trading import allocation, auction, closing, orders, uniform_price
from contracts.trading.order_words import OrderPlaced
from contracts.trading.rationing import Rationing
from contracts.trading.uniform_price import Clearing, Side
from tests.client.audit.audited import AuditedGrid, AuditedMarket
from tests.support.metering import ALICE, BOB
from tests.support.people import account_of


def kinds(found: tuple[Difference, ...]) -> set[str]:
    return {one.what for one in found}


def accounts(found: tuple[Difference, ...]) -> set[bytes | None]:
    return {one.account for one in found}


def small_market() -> AuditedMarket:
    world = AuditedMarket()
    world.ask("alice", 100, 2_500)
    world.ask("carol", 100, 2_500)
    world.bid("bob", 120, 3_000)
    world.pass_gate()
    return world


def test_a_transfer_that_moves_more_than_it_says_shows_on_both_accounts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = Credit.post

    def post(self: Credit, *entries: Entry) -> None:
        if [e.account for e in entries] == [account_of("carol"), account_of("dave")]:
            entries = tuple(e._replace(amount_uthb=2 * e.amount_uthb) for e in entries)
        honest(self, *entries)

    monkeypatch.setattr(Credit, "post", post)
    world = AuditedMarket()
    world.call("carol", "credit", "transfer", account_of("dave"), 1_000, b"")
    found = world.differences()
    assert [(one.what, one.subject, one.account) for one in found] == [
        ("balance", "free", account_of("carol")),
        ("balance", "free", account_of("dave")),
    ]
    assert int(found[0].expected) - int(found[0].found) == 1_000
    assert int(found[1].found) - int(found[1].expected) == 1_000


def test_credit_out_of_nothing_is_missed_in_the_supply(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Credit.collect_fees

    def collect_fees(self: Credit, amount_uthb: int) -> None:
        honest(self, amount_uthb)
        account = self.accounts[account_of("bob")]
        columns = account.columns()
        columns[Column.FREE] += 5
        self.accounts[account_of("bob")] = account.of(
            columns, account.history_count, account.history_head
        )

    monkeypatch.setattr(Credit, "collect_fees", collect_fees)
    world = AuditedMarket()
    (one,) = world.differences()
    assert (one.what, one.subject, one.account) == ("balance", "free", account_of("bob"))
    assert int(one.found) - int(one.expected) == 5 * world.height


def test_a_fill_given_to_another_is_found_order_by_order(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = allocation.fills_of

    def fills_of(clearing: Clearing, side: Side, rows: Any) -> Any:
        fills = honest(clearing, side, rows)
        if side is Side.ASK and len(fills) == 2:
            fills += [1, -1]
        return fills

    monkeypatch.setattr(auction, "fills_of", fills_of)
    world = small_market()
    found = world.differences()
    fills = [one for one in found if one.what == "filled and unfilled Wh"]
    assert {one.expected for one in fills} == {"(60, 40)"}
    assert {one.found for one in fills} == {"(61, 39)", "(59, 41)"}
    assert all(one.height is not None and one.account is not None for one in fills)
    assert kinds(found) == {"filled and unfilled Wh", "balance", "unit"}
    assert accounts(found) == {account_of("alice"), account_of("carol"), None}


def test_a_wrong_price_is_found_at_the_auction_and_at_each_trade(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = uniform_price.clear

    def clear(book: Any) -> Clearing:
        made = honest(book)
        if made.price_per_wh is None:
            return made
        values = {name: getattr(made, name) for name in made.__slots__}
        return Clearing(**(values | {"price_per_wh": made.price_per_wh + 10}))

    monkeypatch.setattr(auction, "clear", clear)
    found = small_market().differences()
    prices = [one for one in found if one.what == "price of the auction"]
    assert [(one.expected, one.found) for one in prices] == [("2500", "2510")]
    assert sum(one.what == "price of a trade" for one in found) == 3
    assert kinds(found) == {"price of the auction", "price of a trade", "balance", "unit"}


def test_who_serves_early_orders_first_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_arrival(rationing: Rationing, group: Any, claim_wh: Any, ids: Any) -> Any:
        fills, left = claim_wh.copy(), rationing.residual_wh
        for i in range(len(fills)):
            fills[i] = min(int(claim_wh[i]), left)
            left -= int(fills[i])
        return fills

    monkeypatch.setattr("contracts.trading.allocation.np_share_and_split", by_arrival)
    found = small_market().differences()
    assert sum(one.what == "filled and unfilled Wh" for one in found) == 2


def test_a_fee_kept_by_the_wrong_one_shows_on_both_accounts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = closing.Closing.entries

    def entries(self: closing.Closing, operator: bytes) -> list[Entry]:
        del operator
        return honest(self, account_of("dave"))

    monkeypatch.setattr(closing.Closing, "entries", entries)
    found = small_market().differences()
    assert kinds(found) == {"balance"}
    assert accounts(found) == {account_of("dave"), account_of("market operator")}


def test_an_order_placed_for_somebody_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def placed(account: bytes, *rest: Any) -> OrderPlaced:
        del account
        return OrderPlaced(account_of("bob"), *rest)

    monkeypatch.setattr(orders, "OrderPlaced", placed)
    world = AuditedMarket()
    world.ask("alice", 100, 2_500)
    found = world.differences()
    assert {"call and event", "participant"} <= kinds(found)
    assert {one.height for one in found if one.what == "call and event"} == {world.height}


def test_a_reading_that_its_device_did_not_sign_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "verified", lambda self, claim: True)
    world = AuditedGrid()
    world.measure(ALICE, (10, 0))
    world.measure(BOB, (20, 0))
    world.to_quarter(1)
    forged = world.reading(ALICE, 0)
    forged = replace(forged, signature=bytes(64))
    world.accepted(world.reading(BOB, 0), forged)
    (one,) = world.differences()
    assert one.what == "signature of a reading"
    assert one.subject == f"meter {ALICE} quarter {forged.interval_s}"
    assert (one.height, one.transaction is not None) == (world.height, True)


def test_a_reading_recorded_with_other_energy_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Slot.of

    def less(reading: SignedReading) -> Slot:
        return honest(reading)._replace(import_wh=reading.import_wh - 1)

    monkeypatch.setattr(Slot, "of", less)
    world = AuditedGrid()
    world.measure(ALICE, (10, 0))
    world.to_quarter(1)
    world.accepted(world.reading(ALICE, 0))
    (one,) = world.differences()
    assert one.subject == f"meter {ALICE} quarter {world.reading(ALICE, 0).interval_s}: import Wh"
    assert (one.what, one.expected, one.found) == ("metered", "10", "9")


def test_registers_that_jump_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contracts.grid.registers._check", lambda *_: None)
    world = AuditedGrid()
    world.measure(ALICE, (10, 0))
    world.to_quarter(1)
    world.accepted(world.reading(ALICE, 0, import_register_wh=17))
    (one,) = world.differences()
    assert (one.what, one.found) == ("registers of a reading", "(7, 0)")


def test_a_statement_that_leaves_a_meter_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*values: Any) -> ProvisionalStatement:
        made = ProvisionalStatement(*values)
        return replace(made, missing=made.missing[1:])

    monkeypatch.setattr(statements, "ProvisionalStatement", silent)
    world = AuditedGrid()
    world.to_quarter(2)
    world.block()
    found = world.differences()
    assert kinds(found) == {"provisional statement"}


def test_without_faults_the_same_worlds_are_clean() -> None:
    assert small_market().differences() == ()
