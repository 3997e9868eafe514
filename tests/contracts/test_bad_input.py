"""Bad input: whatever is wrong has a name, says what to do, changes nothing and costs the fee.

A world with a market, meters and a gateway; every refusal is that of a real block. The helpers
(`refused`, `refuses`, `refuses_items`) compare the state, value by value, with that after the same
block without the transaction: the sender's nonce has risen by one, and exactly the stated fee has
gone from its free credit to the fee pool.
"""

from dataclasses import replace
from typing import Any

import cbor2
import pytest

from chain.refusals import MalformedTransaction
from chain.transaction import Call, decode_transaction
from contracts.grid.device_words import GatewaySuspended, UnregisteredGateway
from contracts.grid.metering_words import (
    BadReadingSignature,
    CorrectionClosed,
    Final,
    NotFinal,
    OverCapacity,
    ReadingConflict,
)
from contracts.kernel import NotPermitted, Value
from contracts.kernel.errors import BadArguments, UnknownContract, UnknownMethod
from contracts.money.accounts import MandateExceeded, NoMandate
from contracts.money.credit import InsufficientFunds
from contracts.trading.market_words import GateClosed, UnknownProduct
from contracts.trading.order_words import BadQuantity, BothSides, CapExceeded, NotAParticipant
from contracts.trading.uniform_price import Side
from tests.contracts.trading.refusing import refuse_ask, refuse_bid
from tests.support.genesis import FUNDS_UTHB
from tests.support.grid import GATEWAY, METERING_OPERATOR, REGISTRAR, ZONE
from tests.support.market import MARKET, SOLAR
from tests.support.metering import quarter
from tests.support.people import account_of, key_of
from tests.support.settlement import FIRST, SettlementWorld

ALICE = 2
CAP_WH = 1_000_000
UNTIL_MS = 2**50


@pytest.fixture
def world() -> SettlementWorld:
    return SettlementWorld()


# ── What is not called at all ──


def test_an_unknown_contract_or_method_is_refused(world: SettlementWorld) -> None:
    world.refused(UnknownContract, "alice", "order", "submit_bid", 1)
    world.refused(UnknownMethod, "alice", "orders", "submit", 1)
    # Queries, due work and the contracts' own doors are no calls.
    world.refused(UnknownMethod, "alice", "orders", "open_orders", 2, MARKET, 0)
    world.refused(UnknownMethod, "alice", "metering", "close_gap", ALICE, 0)
    world.refused(UnknownMethod, "alice", "positions", "take_unit", ZONE, ALICE, 0)


WRONG: list[Value] = [-5, True, "5", b"5", None, [5], [], {}, -(2**63)]


@pytest.mark.parametrize("place", range(6))
def test_every_argument_of_an_order_is_checked_before_it_is_looked_at(
    world: SettlementWorld, place: int
) -> None:
    for wrong in WRONG:
        arguments: list[Value] = [MARKET, world.start_s(0), ZONE, 10, 4_000, False]
        if type(wrong) is bool and place == len(arguments) - 1:
            continue  # Whether it is green: the only place for a truth value.
        arguments[place] = wrong
        world.refused(BadArguments, "alice", "orders", "submit_bid", *arguments)


def test_one_item_of_wrong_types_refuses_its_whole_list(world: SettlementWorld) -> None:
    good = world.item(Side.BID, 10, 4_000)
    for wrong in WRONG:
        bad = [*good[:5], wrong, *good[6:]]
        world.refused(BadArguments, "alice", "orders", "submit_orders", [good, bad])
    assert world.held("alice") == (0, 0, 0)


def test_too_few_and_too_many_arguments_are_refused(world: SettlementWorld) -> None:
    right: list[Value] = [MARKET, world.start_s(0), ZONE, 10, 4_000, False]
    for arguments in ([], right[:-1], [*right, 1]):
        world.refused(BadArguments, "alice", "orders", "submit_bid", *arguments)


@pytest.mark.parametrize("amount", [2**63, -(2**63) - 1, 1.0, 2**64, float("nan")])
def test_what_no_number_of_the_chain_is_never_gets_into_a_block(
    world: SettlementWorld, amount: float
) -> None:
    good = world.signed("alice", Call("credit", "transfer", (account_of("bob"), 5, b"")))
    body: Any = good.signed.transaction.to_wire()
    body[7][0][2] = (account_of("bob"), amount, b"")
    raw = cbor2.dumps([body, [[key_of("alice"), bytes(64)]]], canonical=True)
    with pytest.raises(MalformedTransaction):
        decode_transaction(raw, world.genesis.chain_id)


def test_the_largest_number_is_a_number_and_still_refused(world: SettlementWorld) -> None:
    most = 2**63 - 1
    bob = account_of("bob")
    world.refused(InsufficientFunds, "alice", "credit", "transfer", bob, most, b"")
    refuse_bid(world, BadQuantity, "alice", most, 4_000)
    world.refused(
        UnknownProduct, "alice", "orders", "submit_bid", MARKET, 2**40, ZONE, 1, 4_000, False
    )


# ── Orders ──


def test_an_order_after_the_gate_is_refused(world: SettlementWorld) -> None:
    gate_s = world.start_s(0) - world.terms.gate_lead_s
    world.advance(gate_s - 1)
    world.bid("alice", 10, 4_000)
    world.advance(gate_s)
    refuse_bid(world, GateClosed, "alice", 10, 4_000)
    refuse_ask(world, GateClosed, "carol", 10, 2_000)
    world.refuses_items(GateClosed, "alice", world.item(Side.BID, 10, 4_000))
    world.bid("alice", 10, 4_000, product=1)
    world.check_invariants()


def test_an_ask_above_the_capacity_is_refused(world: SettlementWorld) -> None:
    limit = world.terms.import_per_wh  # No margin is held, so that the capacity alone decides.
    refuse_ask(world, CapExceeded, "alice", CAP_WH + 1, limit)
    world.ask("alice", CAP_WH - 10, limit)
    values = refuse_ask(world, CapExceeded, "alice", 11, limit)
    assert values["room_wh"] == 10
    world.refuses_items(CapExceeded, "alice", world.item(Side.ASK, 11, limit))
    world.ask("alice", 10, limit)
    refuse_ask(world, CapExceeded, "alice", 1, limit)
    world.check_invariants()


def test_both_sides_of_a_product_are_refused(world: SettlementWorld) -> None:
    bid = world.bid("bob", 10, 4_000)
    for account in ("bob", "bob's second"):
        refuse_ask(world, BothSides, account, 10, 9_000)
        world.refuses_items(BothSides, account, world.item(Side.ASK, 10, 9_000))
    world.bid("erin", 10, 4_000)
    refuse_ask(world, BothSides, "dave", 10, 9_000)  # Her affiliate.
    world.cancel(bid)
    world.ask("bob", 10, 9_000)
    refuse_bid(world, BothSides, "bob's third", 10, 4_000)


def test_an_order_that_the_free_credit_does_not_cover_is_refused(world: SettlementWorld) -> None:
    price = 10_000 + world.terms.fee_per_wh
    affordable = FUNDS_UTHB // price
    assert (affordable + 1) * price > FUNDS_UTHB
    values = refuse_bid(world, InsufficientFunds, "alice", affordable + 1, 10_000)
    assert values["need_uthb"] == (affordable + 1) * price
    world.bid("alice", affordable, 10_000)
    refuse_bid(world, InsufficientFunds, "alice", affordable, 10_000, product=1)


def test_an_account_of_nobody_may_not_order(world: SettlementWorld) -> None:
    refuse_bid(world, NotAParticipant, GATEWAY, 10, 4_000)
    refuse_ask(world, NotAParticipant, GATEWAY, 10, 4_000)


def test_an_agent_holds_no_more_than_its_mandate_allows(world: SettlementWorld) -> None:
    alice, cost = account_of("alice"), 10 * (4_000 + world.terms.fee_per_wh)
    bid: tuple[Value, ...] = (MARKET, world.start_s(0), ZONE, 10, 4_000, False)
    world.refused(NoMandate, "dave", "orders", "submit_bid", *bid, owner=alice)
    calls: list[Value] = ["orders.submit_bid"]
    granted = account_of("dave"), calls, cost, UNTIL_MS
    world.call("alice", "accounts", "grant_mandate", *granted)
    more = (*bid[:3], 11, *bid[4:])
    result = world.refused(MandateExceeded, "dave", "orders", "submit_bid", *more, owner=alice)
    assert isinstance(result.value, dict)
    assert result.value["limit_uthb"] == cost
    call = Call("orders", "submit_bid", bid, alice)
    assert world.send("dave", call).results[0].code == 0
    assert world.held("alice") == (cost, 0, 0)
    least = (*bid[:3], 1, *bid[4:])
    world.refused(MandateExceeded, "dave", "orders", "submit_bid", *least, owner=alice)
    ask = (*bid[:5], SOLAR, False)
    world.refused(NoMandate, "dave", "orders", "submit_ask", *ask, owner=alice)


# ── Readings ──


@pytest.fixture
def metered(world: SettlementWorld) -> SettlementWorld:
    """Return a world at the end of the second quarter, of which Alice's meter sent the first."""
    world.measure(ALICE, (100, 0), (120, 5))
    world.advance(quarter(FIRST + 2))
    world.read_in(world.reading(ALICE, FIRST))
    return world


def test_a_conflicting_reading_is_refused(metered: SettlementWorld) -> None:
    reading = metered.reading(ALICE, FIRST)
    for field in ("import_wh", "export_wh", "import_register_wh", "export_register_wh"):
        other = replace(reading, **{field: getattr(reading, field) + 1})
        metered.refuses(ReadingConflict, metered.sign(other))


def test_a_late_reading_is_refused_and_then_is_the_operators_to_bring(
    metered: SettlementWorld,
) -> None:
    late = metered.reading(ALICE, FIRST + 1)
    final_s = quarter(FIRST + 2) + metered.rules.final_s
    metered.refuses_correction(NotFinal, late)
    metered.advance(final_s)
    metered.refuses(Final, late)
    metered.refused(
        UnregisteredGateway, METERING_OPERATOR, "metering", "submit_readings", [late.to_wire()]
    )
    metered.refuses(NotPermitted, late, gateway="alice", method="correct_readings")
    metered.corrected(late)


def test_when_the_time_for_corrections_is_over_nothing_is_changed_any_more() -> None:
    quick = SettlementWorld().rules
    world = SettlementWorld(metering=replace(quick, correction_s=900))
    world.measure(ALICE, (100, 0))
    late = world.reading(ALICE, FIRST)
    closed_s = quarter(FIRST + 1) + world.rules.final_s + world.rules.correction_s
    world.advance(closed_s)
    world.refuses_correction(CorrectionClosed, late)


def test_readings_come_by_registered_gateways_alone(metered: SettlementWorld) -> None:
    wire: list[Value] = [metered.reading(ALICE, FIRST + 1).to_wire()]
    for sender in ("alice", "retailer", METERING_OPERATOR, REGISTRAR):
        metered.refused(UnregisteredGateway, sender, "metering", "submit_readings", wire)
    metered.call(REGISTRAR, "devices", "suspend_gateway", account_of(GATEWAY))
    metered.refused(GatewaySuspended, GATEWAY, "metering", "submit_readings", wire)


def test_a_reading_that_the_device_did_not_sign_or_could_not_measure_is_refused(
    metered: SettlementWorld,
) -> None:
    reading = metered.reading(ALICE, FIRST + 1)
    metered.refuses(BadReadingSignature, replace(reading, import_wh=119))
    metered.refuses(OverCapacity, metered.sign(replace(reading, import_wh=2**32 - 1)))


@pytest.mark.parametrize("place", [1, 3, 4, 8])
def test_a_reading_of_wrong_types_is_refused_with_its_whole_list(
    metered: SettlementWorld, place: int
) -> None:
    good = metered.reading(ALICE, FIRST + 1)
    for wrong in (*WRONG, 2**32, 2**63 - 1):
        wire: list[Value] = [*good.to_wire()]
        wire[place] = wrong
        items: list[Value] = [good.to_wire(), wire]
        metered.refused(BadArguments, GATEWAY, "metering", "submit_readings", items)
    assert metered.energy(ALICE, FIRST + 1) is None
