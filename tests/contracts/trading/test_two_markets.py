"""Two markets in one zone: quarters and hours, each with its own book, over the same units."""

import pytest

from contracts.kernel import Reject, Value
from contracts.trading.model import EnergySource, ProductState
from contracts.trading.order_words import BothSides, CapExceeded, TooManyOrders
from contracts.trading.uniform_price import Side
from tests.support.grid import ZONE
from tests.support.market import MARKET, PEOPLE, QUARTER_S, MarketWorld, household, terms

HOURS = MARKET + 1
HOUR_S = 4 * QUARTER_S


@pytest.fixture
def world() -> MarketWorld:
    people = (PEOPLE[0], household("alice", import_cap_wh=100, export_cap_wh=60), *PEOPLE[2:])
    quarters = terms(open_ahead_s=2 * HOUR_S, orders_max=3)
    hours = terms(open_ahead_s=2 * HOUR_S, orders_max=2, quarters=4, fee_per_wh=7)
    return MarketWorld(people, market=quarters, second=hours)


def hour_s(world: MarketWorld) -> int:
    """Return when the first product of hours begins: with the fourth one of quarters."""
    start_s = world.start_s(3)
    assert start_s % HOUR_S == 0
    return start_s


def hourly(world: MarketWorld, side: Side, quantity_wh: int, limit: int) -> tuple[Value, ...]:
    """Return method and arguments of an order for the first hour."""
    start_s = hour_s(world)
    if side is Side.BID:
        return "submit_bid", HOURS, start_s, ZONE, quantity_wh, limit, False
    source = int(EnergySource.WIND)
    return "submit_ask", HOURS, start_s, ZONE, quantity_wh, limit, source, False


def place(world: MarketWorld, who: str, *order: Value) -> None:
    method, *arguments = order
    assert isinstance(method, str)
    world.call(who, "orders", method, *arguments)


def refuse(world: MarketWorld, reject: type[Reject], who: str, *order: Value) -> Value:
    method, *arguments = order
    assert isinstance(method, str)
    return world.refused(reject, who, "orders", method, *arguments).value


def test_caps_count_over_both_markets(world: MarketWorld) -> None:
    place(world, "alice", *hourly(world, Side.BID, 4 * 70, 4_000))
    assert [world.position("alice", 3 + i).open_bid_wh for i in range(4)] == [70] * 4
    quarter = ("submit_bid", MARKET, world.start_s(5), ZONE)
    values = refuse(world, CapExceeded, "alice", *quarter, 31, 4_000, False)
    assert isinstance(values, dict)
    assert (values["room_wh"], values["quarter_s"]) == (30, world.start_s(5))
    world.bid("alice", 30, 4_000, product=5)
    refuse(world, CapExceeded, "alice", *hourly(world, Side.BID, 4, 4_000))
    world.bid("alice", 100, 4_000, product=2)
    world.check_invariants()


def test_each_product_has_its_own_side(world: MarketWorld) -> None:
    """What is bought for the hour may be sold again for a quarter."""
    place(world, "alice", *hourly(world, Side.BID, 40, 4_000))
    world.ask("alice", 10, 9_000, product=3)
    refuse(world, BothSides, "alice", *hourly(world, Side.ASK, 40, 9_000))
    assert world.position("alice", 3)[:2] == (10, 10)
    world.check_invariants()


def test_each_market_counts_its_own_orders(world: MarketWorld) -> None:
    for _ in range(2):
        place(world, "alice", *hourly(world, Side.BID, 4, 4_000))
    refuse(world, TooManyOrders, "alice", *hourly(world, Side.BID, 4, 4_000))
    for product in (0, 3, 3):
        world.bid("alice", 1, 4_000, product=product)
    bid = ("submit_bid", MARKET, world.start_s(1), ZONE, 1, 4_000, False)
    refuse(world, TooManyOrders, "alice", *bid)
    world.check_invariants()


def test_gates_passed_together_clear_each_book(world: MarketWorld) -> None:
    place(world, "alice", *hourly(world, Side.BID, 40, 5_000))
    place(world, "bob", *hourly(world, Side.ASK, 80, 3_000))
    world.bid("carol", 6, 6_000, product=3)
    world.ask("bob", 3, 2_000, product=3)
    world.pass_gate(3)
    world.check_invariants()
    quarter_s = hour_s(world)
    auction = world.read.auction
    assert auction.prices(ZONE, quarter_s) == ((6_000, 3), (3_000, 10))
    assert auction.prices(ZONE, quarter_s + QUARTER_S) == ((3_000, 10),)
    assert auction.is_finished(ZONE, quarter_s)
    assert not auction.is_finished(ZONE, quarter_s + QUARTER_S)
    assert world.position("bob", 3).sold_wh == 13
    assert world.position("bob", 4).sold_wh == 10
    assert world.held("alice") == (0, 0, 0)
    assert world.position("alice", 3).bought_wh == 10


def test_a_quarter_is_settled_in_both_markets(world: MarketWorld) -> None:
    place(world, "alice", *hourly(world, Side.BID, 40, 5_000))
    world.pass_gate(6)
    for product in range(3, 7):
        assert world.read.markets.find(HOURS, hour_s(world)) is not None
        with world.edit() as registry:
            registry.auction.close_quarter(ZONE, world.start_s(product))
    markets = world.read.markets
    assert markets.find(HOURS, hour_s(world)) is None
    assert [markets.find(MARKET, world.start_s(product)) for product in range(3, 7)] == [None] * 4
    assert world.state_of(2) is ProductState.CLEARED


def test_a_quarter_is_settled_in_both_only_when_both_have_ended(world: MarketWorld) -> None:
    world.pass_gate(3)
    with world.edit() as registry, pytest.raises(AssertionError, match="has ended"):
        registry.auction.close_quarter(ZONE, world.start_s(4))
