"""Orders: what is taken and shown, and what is refused and why."""

import pytest

from chain.transaction import Call
from contracts.grid.registry_words import Suspended
from contracts.kernel import Value, codec, sha256
from contracts.kernel.errors import BadArguments
from contracts.money.credit import FEE_POOL, InsufficientFunds
from contracts.trading.market_words import GateClosed, UnknownProduct
from contracts.trading.model import EnergySource
from contracts.trading.order_words import (
    BadLimit,
    BadQuantity,
    NotAParticipant,
    OrderPlaced,
    WrongZone,
)
from contracts.trading.uniform_price import Side
from tests.contracts.trading.refusing import refuse_ask, refuse_bid
from tests.support.genesis import FUNDS_UTHB
from tests.support.grid import MARKET_OPERATOR, ZONE
from tests.support.market import (
    MARKET,
    MarketWorld,
    name_of,
    terms,
)
from tests.support.people import account_of

BID, ASK = Side.BID, Side.ASK


@pytest.fixture
def world() -> MarketWorld:
    return MarketWorld()


# ── What is taken ──


def test_a_bid_stands_in_the_book_and_in_its_owners_history(world: MarketWorld) -> None:
    receipt = world.block(
        world.signed("alice", Call("orders", "submit_bid", bid_arguments(world, 700, 4_010)))
    )
    id_ = receipt.receipts[1].results[0].value
    assert isinstance(id_, bytes)
    shown = world.read.orders.order(MARKET, world.start_s(0), BID, 4_010, id_)
    assert shown is not None
    assert (shown.account, shown.participant) == (account_of("alice"), 2)
    assert (shown.quantity_wh, shown.limit_per_wh, shown.side) == (700, 4_010, BID)
    assert (shown.source, shown.green) == (None, True)
    event = OrderPlaced(
        account_of("alice"), 2, MARKET, world.start_s(0), ZONE, BID, id_, 700, 4_010, None, True
    )
    data = codec.encode([1, "orders", "OrderPlaced", event.to_wire()])
    assert receipt.events[1] == (data,)
    history = world.account("alice")
    assert (history.history_count, history.history_head) == (1, sha256(bytes(32) + sha256(data)))


def bid_arguments(world: MarketWorld, quantity_wh: int, limit: int) -> tuple[Value, ...]:
    return MARKET, world.start_s(0), ZONE, quantity_wh, limit, True


def test_an_ask_names_its_source(world: MarketWorld) -> None:
    order = world.ask("alice", 50, 2_000, green=True)
    shown = world.read.orders.order(MARKET, order.start_s, ASK, 2_000, order.id)
    assert shown is not None
    assert (shown.source, shown.green) == (EnergySource.SOLAR, True)


def test_an_order_writes_its_account_the_book_and_its_unit(world: MarketWorld) -> None:
    world.bid("alice", 5, 4_000)
    orders, positions = world.read.orders, world.read.positions
    day = world.start_s(0) // 86_400
    before = dict(world.state.scan(b"", b"\xff" * 64))
    order = world.bid("alice", 5, 4_000)
    after = dict(world.state.scan(b"", b"\xff" * 64))
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert changed == {
        orders.book.raw_key((MARKET, order.start_s, BID, 4_000, order.id)),
        positions.units.raw_key((ZONE, day, 2)),
        world.read.credit.accounts.raw_key(account_of("alice")),
        # Every transaction changes these two.
        world.read.accounts.nonces.raw_key(account_of("alice")),
        world.read.credit.accounts.raw_key(FEE_POOL),
    }


def test_an_order_id_is_the_hash_of_sender_nonce_call_and_item(world: MarketWorld) -> None:
    items = tuple(world.item(BID, 10, 4_000) for _ in range(2))
    calls = (Call("orders", "submit_orders", (items,)), Call("orders", "submit_orders", (items,)))
    nonce = world.read.accounts.nonces[account_of("alice")]
    world.send("alice", *calls)
    ids = {
        sha256(account_of("alice") + b"".join(n.to_bytes(8, "big") for n in (nonce, call, item)))
        for call in range(2)
        for item in range(2)
    }
    shown = world.read.orders.open_orders(2, MARKET, world.start_s(0))
    assert {one.id for one in shown} == ids


def test_all_accounts_of_a_participant_share_its_unit(world: MarketWorld) -> None:
    world.bid("bob", 10, 4_000)
    world.bid("bob's second", 20, 4_000)
    assert world.position("bob").open_bid_wh == 30
    assert world.held("bob") == (10 * 4_005, 0, 0)
    assert world.held("bob's second") == (20 * 4_005, 0, 0)
    world.check_invariants()


def test_depth_shows_totals_and_nothing_else(world: MarketWorld) -> None:
    world.bid("alice", 10, 4_000)
    world.bid("bob", 15, 1_000)
    world.ask("carol", 7, 9_000)
    depth = world.read.orders.depth(MARKET, world.start_s(0))
    assert depth.to_wire() == [1, 2, 25, 1, 7]
    assert world.read.orders.depth(MARKET, world.start_s(1)).to_wire() == [1, 0, 0, 0, 0]


def test_open_orders_are_listed_by_participant(world: MarketWorld) -> None:
    first = world.bid("bob", 10, 4_000)
    second = world.bid("bob's second", 20, 3_000)
    world.bid("alice", 30, 3_500)
    shown = world.read.orders.open_orders(3, MARKET, world.start_s(0))
    assert [(one.id, one.quantity_wh) for one in shown] == [(second.id, 20), (first.id, 10)]
    assert world.read.orders.open_orders(3, MARKET, world.start_s(1)) == ()


# ── What is refused ──


@pytest.mark.parametrize("quantity", [-5, True, "five", None, b"5", [5]])
def test_a_quantity_that_is_no_number_of_wh_is_refused(world: MarketWorld, quantity: Value) -> None:
    arguments = (MARKET, world.start_s(0), ZONE, quantity, 4_000, False)
    world.refused(BadArguments, "alice", "orders", "submit_bid", *arguments)
    item = world.item(BID, 1, 4_000)
    item[5] = quantity
    world.refused(BadArguments, "alice", "orders", "submit_orders", [item])


def test_quantities_outside_the_markets_bounds_are_refused() -> None:
    world = MarketWorld(market=terms(order_min_wh=10, order_max_wh=1_000))
    for quantity in (0, 9, 1_001):
        values = refuse_bid(world, BadQuantity, "alice", quantity, 4_000)
        assert (values["min_wh"], values["max_wh"]) == (10, 1_000)
    world.bid("alice", 10, 4_000)
    world.bid("alice", 1_000, 4_000)


@pytest.mark.parametrize("limit", [0, 990, 999, 1_005, 10_001, 10_010])
def test_limits_off_the_band_or_the_tick_are_refused(world: MarketWorld, limit: int) -> None:
    refuse_bid(world, BadLimit, "alice", 10, limit)
    refuse_ask(world, BadLimit, "alice", 10, limit)


def test_limits_at_the_ends_of_the_band_are_taken(world: MarketWorld) -> None:
    world.bid("alice", 10, 1_000)
    world.bid("alice", 10, 10_000)


def test_a_strangers_order_is_refused() -> None:
    world = MarketWorld()
    refuse_bid(world, NotAParticipant, MARKET_OPERATOR, 10, 4_000)
    world.refused(NotAParticipant, MARKET_OPERATOR, "orders", "submit_orders", ())


def test_who_may_not_trade_is_refused_but_may_still_cancel(world: MarketWorld) -> None:
    order = world.bid("alice", 10, 4_000)
    world.suspend("alice")
    refuse_bid(world, Suspended, "alice", 10, 4_000)
    world.refused(Suspended, "alice", "orders", "submit_orders", ())
    world.refused(Suspended, "alice", "orders", "replace_order", *name_of(order), 5, 4_000)
    world.cancel(order)
    assert world.held("alice") == (0, 0, 0)


def test_an_order_belongs_to_its_owners_zone(world: MarketWorld) -> None:
    values = refuse_bid(world, WrongZone, "alice", 10, 4_000, zone=2)
    assert values == {"zone": 2, "owner_zone": ZONE}


def test_unknown_products_and_markets_take_no_orders(world: MarketWorld) -> None:
    for market, start_s in ((2, world.start_s(0)), (MARKET, world.start_s(0) + 1)):
        arguments = (market, start_s, ZONE, 10, 4_000, False)
        world.refused(UnknownProduct, "alice", "orders", "submit_bid", *arguments)


def test_without_the_credit_to_hold_an_order_is_refused(world: MarketWorld) -> None:
    most = FUNDS_UTHB // 9_005
    refuse_bid(world, InsufficientFunds, "alice", most + 1, 9_000)
    world.bid("alice", most - 1, 9_000)
    values = refuse_bid(world, InsufficientFunds, "alice", 10_000, 9_000)
    assert values["account"] == account_of("alice")
    assert values["column"] == "free"
    # Margin is held from the same credit.
    poor = world.free("carol")
    world.call("carol", "credit", "transfer", account_of("bob"), poor - 2_000, b"")
    refuse_ask(world, InsufficientFunds, "carol", 10, 1_000)


def test_after_the_gate_nothing_changes(world: MarketWorld) -> None:
    order = world.bid("alice", 10, 4_000, product=1)
    world.bid("alice", 10, 4_000)
    world.pass_gate(0)
    refuse_bid(world, GateClosed, "alice", 10, 4_000)
    world.bid("alice", 10, 4_000, product=1)
    world.pass_gate(1)
    world.refused(GateClosed, "alice", "orders", "cancel_order", *name_of(order))
    world.refused(GateClosed, "alice", "orders", "replace_order", *name_of(order), 5, 4_000)
