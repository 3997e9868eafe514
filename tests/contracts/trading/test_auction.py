"""The auction as due work: gates, repeats, seeds, slices, events."""

import pytest

from chain.execution.receipt import Outcome
from chain.transaction import Call
from contracts.kernel import sha256
from contracts.kernel.clock import ClockMode, WorkPending
from contracts.trading.auction import auction_name
from contracts.trading.auction_words import GateAhead, MarketCleared
from contracts.trading.market_words import UnknownProduct
from contracts.trading.model import ProductState
from contracts.trading.order_words import OrdersExpired, TradesExecuted
from contracts.trading.uniform_price import Side
from tests.contracts.trading.small_book import balances, events_of, outcome, pool, small_book
from tests.support.genesis import DRIVER, FUNDS_UTHB
from tests.support.market import MARKET, PEOPLE, MarketWorld, terms
from tests.support.people import account_of

ALICE, BOB = account_of("alice"), account_of("bob")


@pytest.fixture
def world() -> MarketWorld:
    return MarketWorld()


# ── The gate ──


def test_clearing_happens_by_itself_at_the_gate(world: MarketWorld) -> None:
    small_book(world)
    world.advance(world.start_s(0) - 301)
    assert world.state_of() is ProductState.OPEN
    assert world.read.auction.result(MARKET, world.start_s(0)) is None
    world.pass_gate()
    assert world.state_of() is ProductState.CLEARED
    assert (world.result().volume_wh, world.result().price_per_wh) == (77, 3_950)
    assert world.state_of(1) is ProductState.OPEN
    world.check_invariants()


def test_time_does_not_move_on_before_all_is_allocated() -> None:
    world = MarketWorld(market=terms(slice_orders_max=1), block_weight_max=14_000)
    small_book(world)
    gate_s = world.start_s(0) - 300
    world.advance(gate_s - 1)
    world.call(DRIVER, "clock", "advance", gate_s)
    codes = []
    while world.state_of() is not ProductState.CLEARED:
        advance = Call("clock", "advance", (gate_s + 1,))
        block = world.block(world.signed(DRIVER, advance))
        codes.append(block.receipts[1].results[0].code)
        world.check_invariants()
    pending = WorkPending.receipt_code()
    assert codes == [pending] * (len(codes) - 1) + [Outcome.OK]
    assert len(codes) > 2


def test_clear_market_runs_nothing_before_the_gate(world: MarketWorld) -> None:
    small_book(world)
    world.refused(GateAhead, "alice", "auction", "clear_market", MARKET, world.start_s(0))
    world.refused(UnknownProduct, "alice", "auction", "clear_market", MARKET, world.start_s(200))


def test_clear_market_may_be_called_by_anyone_at_any_time_and_changes_nothing(
    world: MarketWorld,
) -> None:
    early, late = MarketWorld(), world
    for one in (early, late):
        small_book(one)
        one.advance(one.start_s(0) - 301)
    gate_s = world.start_s(0) - 300
    # Called in the block in which the gate passes, before the due work of the next.
    call = Call("auction", "clear_market", (MARKET, early.start_s(0)))
    block = early.block(
        early.signed(DRIVER, Call("clock", "advance", (gate_s,))), early.signed("alice", call)
    )
    assert block.receipts[2].results[0].value == ProductState.CLEARING
    late.pass_gate()
    early.pass_gate()
    for one in (early, late):
        assert one.call("alice", *("auction", "clear_market", MARKET, one.start_s(0))) == (
            ProductState.CLEARED
        )
    assert balances(early) == balances(late)
    assert early.result() == late.result()
    early.check_invariants()


def test_an_empty_product_clears_without_a_price(world: MarketWorld) -> None:
    world.pass_gate()
    assert world.state_of() is ProductState.CLEARED
    assert (world.result().volume_wh, world.result().prices) == (0, None)


@pytest.mark.parametrize("side", list(Side))
def test_one_side_alone_expires(world: MarketWorld, side: Side) -> None:
    place = world.bid if side is Side.BID else world.ask
    place("alice", 10, 4_000)
    place("retailer", 10, 4_000)
    world.pass_gate()
    assert world.result().volume_wh == 0
    assert world.free("alice") == FUNDS_UTHB
    world.check_invariants()


# ── Seeds ──


def test_ties_of_a_driven_chain_follow_from_chain_and_product(world: MarketWorld) -> None:
    small_book(world)
    world.pass_gate()
    rationing = world.result().rationing
    assert rationing is not None
    auction = auction_name(MARKET, world.start_s(0))
    assert rationing.tie_domain == sha256(world.genesis.chain_id + auction) + auction


def test_ties_of_other_chains_follow_from_the_block_before() -> None:
    world = MarketWorld(mode=ClockMode.HEADER)
    small_book(world)
    gate_ms = (world.start_s(0) - 300) * 1000
    world.time_ms = gate_ms - 1_000
    parent = world.parent
    world.block()
    rationing = world.result().rationing
    assert rationing is not None
    assert rationing.tie_domain == parent + auction_name(MARKET, world.start_s(0))


# ── Slices ──


@pytest.mark.parametrize("slice_orders", [1, 2, 3, 5])
def test_slices_of_any_size_give_the_same(slice_orders: int) -> None:
    whole, sliced = MarketWorld(), MarketWorld(market=terms(slice_orders_max=slice_orders))
    for world in (whole, sliced):
        small_book(world)
        world.pass_gate()
        world.check_invariants()
    assert balances(whole) == balances(sliced)
    assert [whole.position(p.name) for p in PEOPLE] == [sliced.position(p.name) for p in PEOPLE]
    assert outcome(whole) == outcome(sliced)


def test_between_slices_every_invariant_holds() -> None:
    world = MarketWorld(market=terms(slice_orders_max=1), block_weight_max=14_000)
    small_book(world)
    world.advance(world.start_s(0) - 301)
    world.call(DRIVER, "clock", "advance", world.start_s(0) - 300)
    seen = set()
    while world.state_of() is not ProductState.CLEARED:
        world.block()
        world.check_invariants()
        result = world.read.auction.result(MARKET, world.start_s(0))
        if result is not None:
            assert pool(world) == (result.bought_wh - result.sold_wh) * result.price_per_wh
            seen.add((result.bought_wh, result.sold_wh))
    # All bids are paid in before the first ask is paid out.
    assert len(seen) > 2
    assert any(bought > sold for bought, sold in seen)
    assert all(sold == 0 or bought == 77 for bought, sold in seen)


def test_what_happens_between_slices_changes_no_fill() -> None:
    quiet = MarketWorld(market=terms(slice_orders_max=1))
    busy = MarketWorld(market=terms(slice_orders_max=1), block_weight_max=14_000)
    for world in (quiet, busy):
        small_book(world)
    quiet.pass_gate()
    busy.advance(busy.start_s(0) - 301)
    busy.call(DRIVER, "clock", "advance", busy.start_s(0) - 300)
    while busy.state_of() is not ProductState.CLEARED:
        busy.bid("alice", 1, 4_000, product=1)
    for person in PEOPLE:
        assert busy.position(person.name) == quiet.position(person.name)
    assert outcome(busy) == outcome(quiet)
    busy.check_invariants()


# ── Events ──


def test_each_account_learns_its_trades_and_what_expired(world: MarketWorld) -> None:
    world.bid("alice", 30, 4_500)
    first, second = world.bid("bob", 40, 4_000), world.bid("bob", 20, 3_000)
    world.ask("carol", 50, 2_000)
    blocks = []
    world.advance(world.start_s(0) - 301)
    world.call(DRIVER, "clock", "advance", world.start_s(0) - 300)
    while world.state_of() is not ProductState.CLEARED:
        blocks.append(world.block().events[0])
    cleared = MarketCleared(MARKET, world.start_s(0), 50, 4_000, 4_000, 4_000, 3, 90, 1, 50)
    assert events_of(blocks, "MarketCleared") == [cleared.to_wire()]
    trades = events_of(blocks, "TradesExecuted")
    assert len(trades) == 3
    of_bob = [1, BOB, MARKET, world.start_s(0), 0, 4_000, [[1, first.id, 20, 20]]]
    assert of_bob in trades
    expired = [1, BOB, MARKET, world.start_s(0), 0, [second.id]]
    assert events_of(blocks, "OrdersExpired") == [expired]
    assert TradesExecuted.owner_fields == OrdersExpired.owner_fields == ("account",)
    assert world.account("carol").history_count == 2
    assert world.account("bob").history_count == 4
