"""What stops an auction before its gate and not after: cancelled products, halts, suspensions."""

import pytest

from chain.transaction import Call
from contracts.kernel import NotPermitted
from contracts.trading.auction_words import AlreadyHalted, NotHalted
from contracts.trading.market_words import GateClosed, NotTrading
from contracts.trading.model import ProductState
from contracts.trading.order_words import OrdersRefunded
from tests.contracts.trading.small_book import balances, events_of, small_book
from tests.support.genesis import DRIVER, FUNDS_UTHB, START_S
from tests.support.grid import MARKET_OPERATOR, ZONE
from tests.support.market import MARKET, PEOPLE, MarketWorld, terms


@pytest.fixture
def world() -> MarketWorld:
    return MarketWorld()


# ── Cancelled products ──


def test_a_cancelled_product_refunds_everyone(world: MarketWorld) -> None:
    small_book(world)
    world.bid("alice", 5, 4_000, product=1)
    world.refused(NotPermitted, "alice", "auction", "cancel_product", MARKET, world.start_s(0))
    world.call(MARKET_OPERATOR, "auction", "cancel_product", MARKET, world.start_s(0))
    assert world.state_of() is ProductState.REFUNDING
    arguments = (MARKET, world.start_s(0), ZONE, 1, 4_000, False)
    blocks = []
    while world.state_of() is not ProductState.CANCELLED:
        blocks.append(world.block().events[0])
    world.refused(NotTrading, "alice", "orders", "submit_bid", *arguments)
    assert world.held("alice") == (5 * 4_005, 0, 0)
    for name in ("retailer", "bob", "bob's second", "carol", "dave", "erin"):
        assert (world.free(name), world.held(name)) == (FUNDS_UTHB, (0, 0, 0))
        assert not any(world.position(name))
    assert len(events_of(blocks, "OrdersRefunded")) == 7
    assert OrdersRefunded.owner_fields == ("account",)
    # The gate of a cancelled product passes without anything happening.
    world.pass_gate()
    assert world.state_of() is ProductState.CANCELLED
    assert world.read.auction.result(MARKET, world.start_s(0)) is None
    assert world.call("alice", "auction", "clear_market", MARKET, world.start_s(0)) == (
        ProductState.CANCELLED
    )
    world.check_invariants()


def test_a_refund_goes_in_slices_too() -> None:
    world = MarketWorld(market=terms(slice_orders_max=1), block_weight_max=14_000)
    small_book(world)
    order = world.bid("carol", 10, 4_000, product=1)
    world.call(MARKET_OPERATOR, "auction", "cancel_product", MARKET, world.start_s(0))
    blocks = 0
    while world.state_of() is ProductState.REFUNDING:
        world.block()
        world.check_invariants()
        blocks += 1
    assert blocks > 2
    world.cancel(order)
    assert {world.free(account) for p in PEOPLE for account in p.accounts} == {FUNDS_UTHB}


def test_after_the_gate_nothing_is_cancelled(world: MarketWorld) -> None:
    small_book(world)
    world.pass_gate()
    arguments = ("auction", "cancel_product", MARKET, world.start_s(0))
    world.refused(GateClosed, MARKET_OPERATOR, *arguments)


def test_a_product_cancelled_twice_is_refused(world: MarketWorld) -> None:
    world.call(MARKET_OPERATOR, "auction", "cancel_product", MARKET, world.start_s(0))
    world.block()
    world.refused(
        NotTrading, MARKET_OPERATOR, "auction", "cancel_product", MARKET, world.start_s(0)
    )


# ── Halts ──


def test_a_halt_before_the_gate_cancels_and_after_it_stops_nothing(world: MarketWorld) -> None:
    small_book(world, 0)
    small_book(world, 1)
    gate_s = world.start_s(0) - 300
    world.advance(gate_s - 1)
    # The gate of product 0 passes in the block of the halt, before it.
    halt = Call("auction", "halt_market", (MARKET,))
    block = world.block(
        world.signed(DRIVER, Call("clock", "advance", (gate_s,))),
        world.signed(MARKET_OPERATOR, halt),
    )
    assert block.receipts[2].results[0].value == 95
    world.pass_gate(0)
    assert world.state_of(0) is ProductState.CLEARED
    assert world.result(0).volume_wh == 77
    assert world.state_of(1) is ProductState.CANCELLED
    assert not any(world.position("alice", 1))
    world.check_invariants()


def test_a_halted_market_opens_nothing_until_it_resumes(world: MarketWorld) -> None:
    world.refused(NotPermitted, "alice", "auction", "halt_market", MARKET)
    world.refused(NotHalted, MARKET_OPERATOR, "auction", "resume_market", MARKET)
    assert world.call(MARKET_OPERATOR, "auction", "halt_market", MARKET) == 96
    world.block()
    world.refused(AlreadyHalted, MARKET_OPERATOR, "auction", "halt_market", MARKET)
    world.advance(START_S + 2 * 900)
    markets = world.read.markets
    assert markets.open_products(MARKET, START_S + 2 * 900) == ()
    assert markets.find(MARKET, world.start_s(97)) is None
    world.refused(NotPermitted, "alice", "auction", "resume_market", MARKET)
    # 98 have been due; the gates of two have passed.
    assert world.call(MARKET_OPERATOR, "auction", "resume_market", MARKET) == 96
    assert world.read.markets.open_products(MARKET, START_S + 2 * 900)[0].start_s == (
        world.start_s(2)
    )
    small_book(world, 2)
    small_book(world, 97)
    world.pass_gate(2)
    assert world.result(2).volume_wh == 77
    world.pass_gate(97)
    assert world.result(97).volume_wh == 77
    world.check_invariants()


def test_products_whose_refunds_are_under_way_stay_cancelled() -> None:
    world = MarketWorld()
    small_book(world)
    halt, resume = (Call("auction", f"{verb}_market", (MARKET,)) for verb in ("halt", "resume"))
    receipt = world.send(MARKET_OPERATOR, halt, resume)
    assert [result.value for result in receipt.results] == [96, 0]
    world.block()
    assert world.state_of() is ProductState.CANCELLED
    assert world.free("alice") == FUNDS_UTHB
    assert world.read.markets.open_products(MARKET, START_S) == ()
    world.check_invariants()


# ── Suspension ──


@pytest.mark.parametrize("slice_orders", [1, 1_000])
def test_the_orders_of_the_suspended_are_refunded_before_the_clearing(slice_orders: int) -> None:
    with_them = MarketWorld(market=terms(slice_orders_max=slice_orders))
    without = MarketWorld(market=terms(slice_orders_max=slice_orders))
    for world in (with_them, without):
        world.bid("alice", 30, 4_500)
        world.ask("carol", 20, 2_000)
    for quantity in (40, 41):
        with_them.bid("bob", quantity, 4_500)
    with_them.bid("bob's second", 25, 3_950)
    with_them.suspend("bob")
    for world in (with_them, without):
        world.pass_gate()
        world.check_invariants()
    assert with_them.result().volume_wh == 20
    assert with_them.result().bids == 1
    assert balances(with_them) == balances(without)
    assert not any(with_them.position("bob"))


def test_a_suspension_after_the_gate_stops_nothing() -> None:
    world = MarketWorld(market=terms(slice_orders_max=1), block_weight_max=14_000)
    small_book(world)
    world.advance(world.start_s(0) - 301)
    world.call(DRIVER, "clock", "advance", world.start_s(0) - 300)
    world.block()
    assert world.state_of() is ProductState.CLEARING
    world.suspend("alice")
    world.pass_gate()
    assert world.position("alice").bought_wh == 30
