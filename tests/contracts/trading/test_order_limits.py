"""How much and how many: one side of a product, market makers, caps, counts, longer products."""

import pytest

from contracts.trading.order_words import (
    BadQuantity,
    BothSides,
    CapExceeded,
    MakerOrders,
    ProductFull,
    TooManyOrders,
)
from contracts.trading.uniform_price import Side
from tests.contracts.trading.refusing import refuse_ask, refuse_bid
from tests.support.grid import ZONE
from tests.support.market import (
    PEOPLE,
    QUARTER_S,
    MarketWorld,
    Person,
    household,
    terms,
)

BID, ASK = Side.BID, Side.ASK


@pytest.fixture
def world() -> MarketWorld:
    return MarketWorld()


# ── One side of a product ──


def test_a_participant_holds_one_side_over_all_its_accounts(world: MarketWorld) -> None:
    first = world.bid("bob", 10, 4_000)
    second = world.bid("bob's second", 10, 4_000)
    for account in ("bob", "bob's second", "bob's third"):
        refuse_ask(world, BothSides, account, 10, 9_000)
    world.ask("bob", 10, 9_000, product=1)
    world.cancel(first)
    refuse_ask(world, BothSides, "bob", 10, 9_000)
    world.cancel(second)
    world.ask("bob", 10, 9_000)
    refuse_bid(world, BothSides, "bob's third", 10, 1_000)
    world.check_invariants()


def test_affiliates_hold_one_side_together(world: MarketWorld) -> None:
    order = world.bid("erin", 10, 4_000)
    values = refuse_ask(world, BothSides, "dave", 10, 9_000)
    assert values["affiliate"] == 6
    world.bid("dave", 10, 4_000)
    refuse_ask(world, BothSides, "erin", 10, 9_000)
    world.ask("carol", 10, 9_000)
    world.cancel(order)
    refuse_ask(world, BothSides, "erin", 10, 9_000)
    world.ask("erin", 10, 9_000, product=1)
    refuse_bid(world, BothSides, "dave", 10, 4_000, product=1)


def test_a_market_maker_alone_holds_a_bid_below_its_ask(world: MarketWorld) -> None:
    bid = world.bid("retailer", 10, 2_200)
    for limit in (1_000, 2_190, 2_200):
        refuse_ask(world, MakerOrders, "retailer", 10, limit)
    ask = world.ask("retailer", 10, 2_210)
    refuse_bid(world, MakerOrders, "retailer", 10, 1_000)
    refuse_ask(world, MakerOrders, "retailer", 10, 9_000)
    world.check_invariants()
    # What is left when one goes decides about the next.
    world.cancel(bid)
    for limit in (2_210, 2_220):
        refuse_bid(world, MakerOrders, "retailer", 10, limit)
    world.bid("retailer", 10, 2_200)
    world.cancel(ask)
    refuse_ask(world, MakerOrders, "retailer", 10, 2_200)
    world.ask("retailer", 10, 9_000)
    world.check_invariants()


def test_an_affiliate_of_a_market_maker_is_no_exception() -> None:
    people = (*PEOPLE, household("shop", head="retailer"))
    world = MarketWorld(people)
    world.bid("shop", 10, 2_200)
    refuse_ask(world, BothSides, "retailer", 10, 9_000)
    world.bid("retailer", 10, 2_200)
    refuse_ask(world, BothSides, "shop", 10, 9_000)


# ── Caps ──


def test_the_cap_counts_open_and_filled_orders_of_all_accounts() -> None:
    people = (
        household("alice", "alice's second", import_cap_wh=100, export_cap_wh=60),
        *PEOPLE[2:],
    )
    world = MarketWorld((PEOPLE[0], *people))
    world.bid("alice", 70, 4_000)
    values = refuse_bid(world, CapExceeded, "alice's second", 31, 4_000)
    assert (values["cap_wh"], values["room_wh"]) == (100, 30)
    order = world.bid("alice's second", 30, 4_000)
    refuse_bid(world, CapExceeded, "alice", 1, 4_000)
    world.bid("alice", 100, 4_000, product=1)
    world.cancel(order)
    world.bid("alice", 30, 4_000)
    # An ask is measured against the other cap.
    refuse_ask(world, CapExceeded, "alice", 61, 2_000, product=2)
    world.ask("alice", 60, 2_000, product=2)
    refuse_ask(world, CapExceeded, "alice", 1, 2_000, product=2)


def test_what_is_bought_in_one_market_may_be_sold_in_another() -> None:
    """Caps are cumulative over all products of a quarter, the net counts."""
    people = (household("alice", import_cap_wh=100, export_cap_wh=60), *PEOPLE[2:])
    world = MarketWorld((PEOPLE[0], *people))
    quarter_s = world.start_s(0)
    with world.edit() as registry:
        day, slot = quarter_s // 86_400, quarter_s % 86_400 // QUARTER_S
        unit = registry.positions.unit(ZONE, day, 2)
        unit.set_position(slot, unit.position(slot)._replace(bought_wh=90))
        registry.positions.store(ZONE, day, 2, unit)
    assert refuse_bid(world, CapExceeded, "alice", 11, 4_000)["room_wh"] == 10
    assert refuse_ask(world, CapExceeded, "alice", 151, 2_000)["room_wh"] == 150
    world.ask("alice", 150, 2_000)


def test_no_cap_lets_a_position_outgrow_its_field() -> None:
    people = (Person(("alice",), export_cap_wh=2**30 - 1), *PEOPLE[2:])
    world = MarketWorld((PEOPLE[0], *people))
    quarter_s = world.start_s(0)
    with world.edit() as registry:
        day, slot = quarter_s // 86_400, quarter_s % 86_400 // QUARTER_S
        unit = registry.positions.unit(ZONE, day, 2)
        sold = 2**32 - 1 - 10
        unit.set_position(slot, unit.position(slot)._replace(bought_wh=2**32 - 1, sold_wh=sold))
        registry.positions.store(ZONE, day, 2, unit)
    assert refuse_ask(world, CapExceeded, "alice", 11, 9_000)["room_wh"] == 10
    world.ask("alice", 10, 9_000)


# ── How many ──


def test_a_participant_has_so_many_open_orders_in_a_market() -> None:
    world = MarketWorld(market=terms(orders_max=4))
    # Tomorrow's products count as well as today's, and all accounts together.
    world.bid("bob", 1, 4_000)
    world.bid("bob's second", 1, 4_000)
    world.bid("bob", 1, 4_000, product=95)
    last = world.ask("bob's third", 1, 9_000, product=50)
    refuse_bid(world, TooManyOrders, "bob", 1, 4_000, product=7)
    refuse_bid(world, TooManyOrders, "bob's third", 1, 4_000, product=95)
    world.bid("alice", 1, 4_000)
    world.cancel(last)
    world.bid("bob", 1, 4_000, product=7)
    refuse_bid(world, TooManyOrders, "bob", 1, 4_000)
    # A cleared product makes room.
    world.pass_gate(0)
    world.bid("bob", 1, 4_000, product=8)
    world.bid("bob", 1, 4_000, product=8)
    refuse_bid(world, TooManyOrders, "bob", 1, 4_000, product=8)
    world.check_invariants()


def test_a_market_makers_orders_are_not_counted() -> None:
    world = MarketWorld(market=terms(orders_max=1))
    for product in range(3):
        world.bid("retailer", 1, 2_200, product=product)
        world.ask("retailer", 1, 3_950, product=product)


def test_nobody_has_more_than_a_share_of_a_products_orders() -> None:
    world = MarketWorld(market=terms(product_orders_max=2 * len(PEOPLE)))
    world.bid("bob", 1, 4_000)
    world.bid("bob's second", 1, 4_000)
    assert refuse_bid(world, ProductFull, "bob", 1, 4_000)["orders_max"] == 2
    world.bid("bob", 1, 4_000, product=1)


# ── Longer products ──


def test_a_longer_product_delivers_the_same_in_each_quarter() -> None:
    people = (household("alice", import_cap_wh=100), *PEOPLE[2:])
    world = MarketWorld((PEOPLE[0], *people), market=terms(quarters=4))
    for quantity in (1, 399, 401):
        assert refuse_bid(world, BadQuantity, "alice", quantity, 4_000)["quarters"] == 4
    refuse_bid(world, CapExceeded, "alice", 404, 4_000)
    order = world.bid("alice", 400, 4_000)
    assert [world.position("alice", 0, i).open_bid_wh for i in range(5)] == [100] * 4 + [0]
    assert world.held("alice") == (400 * 4_005, 0, 0)
    refuse_bid(world, CapExceeded, "alice", 4, 4_000)
    world.check_invariants()
    order = world.replace(order, 200, 4_000)
    assert [world.position("alice", 0, i).open_bid_wh for i in range(5)] == [50] * 4 + [0]
    world.cancel(order)
    assert not any(world.position("alice"))
    world.check_invariants()
