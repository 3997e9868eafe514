"""Lists judged item by item, and orders cancelled or replaced."""

from collections.abc import Sequence

import pytest

from chain.transaction import Call, Mode
from contracts.kernel import Reject, Value
from contracts.money.credit import InsufficientFunds
from contracts.trading.market_words import UnknownProduct
from contracts.trading.model import EnergySource
from contracts.trading.order_words import (
    BadLimit,
    BadQuantity,
    BadSource,
    BothSides,
    CapExceeded,
    NotYourOrder,
    TooManyOrders,
    UnknownOrder,
)
from contracts.trading.uniform_price import Side
from tests.support.genesis import FUNDS_UTHB
from tests.support.grid import ZONE
from tests.support.market import (
    MARKET,
    PEOPLE,
    SOLAR,
    MarketWorld,
    Placed,
    household,
    name_of,
    terms,
)
from tests.support.people import account_of

BID, ASK = Side.BID, Side.ASK


@pytest.fixture
def world() -> MarketWorld:
    return MarketWorld()


# ── Lists ──


def test_a_list_is_judged_item_by_item(world: MarketWorld) -> None:
    code = world.registry.catalogue.code_by_reject
    items: list[tuple[list[Value], type[Reject] | None]] = [
        (world.item(BID, 10, 4_000), None),
        (world.item(BID, 0, 4_000), BadQuantity),
        (world.item(ASK, 10, 9_000), BothSides),
        (world.item(BID, 10, 4_005), BadLimit),
        (world.item(BID, 10, 4_000, product=1), None),
        (world.item(BID, 10_000_000, 10_000, product=1), CapExceeded),
        (world.item(BID, 999_990, 10_000, product=1), InsufficientFunds),
        (world.item(BID, 5, 4_000, product=200), UnknownProduct),
        ([*world.item(ASK, 5, 9_000, product=2)[:7], None, False], BadSource),
        ([*world.item(BID, 5, 9_000, product=2)[:7], SOLAR, False], BadSource),
        (world.item(ASK, 5, 9_000, product=2), None),
        (world.item(BID, 20, 4_000), None),
    ]
    codes = world.submit("alice", [item for item, _ in items])
    assert codes == [0 if reject is None else code[reject] for _, reject in items]
    assert world.position("alice").open_bid_wh == 30
    assert world.position("alice", 1).open_bid_wh == 10
    assert world.position("alice", 2).open_ask_wh == 5
    assert world.held("alice") == (40 * 4_005, 0, 0)
    world.check_invariants()


def test_a_list_of_refused_orders_changes_nothing(world: MarketWorld) -> None:
    world.bid("alice", 10, 4_000)
    refused: list[tuple[type[Reject], list[Value]]] = [
        (BothSides, world.item(ASK, 10, 9_000)),
        (BadLimit, world.item(BID, 10, 4_001)),
        (InsufficientFunds, world.item(BID, 900_000, 10_000)),
        (CapExceeded, world.item(BID, 2_000_000, 10_000)),
        (UnknownProduct, world.item(BID, 10, 4_000, product=300)),
        (BadSource, [*world.item(ASK, 5, 9_000, product=2)[:7], None, False]),
        (BadSource, [*world.item(BID, 5, 9_000, product=2)[:7], SOLAR, False]),
    ]
    for reject, item in refused:
        world.refuses_items(reject, "alice", item, item)
    call = Call("orders", "submit_orders", (tuple(item for _, item in refused),))
    result = world.without_effect(world.signed("alice", call))
    assert result.value == [reject.receipt_code() for reject, _ in refused]
    assert world.held("alice") == (10 * 4_005, 0, 0)


def test_one_item_counts_against_the_next(world: MarketWorld) -> None:
    """Sides, caps, counts and credit see the items before, whether stored yet or not."""
    code = world.registry.catalogue.code_by_reject
    affordable = FUNDS_UTHB // 10_005
    codes = world.submit(
        "alice",
        [
            world.item(BID, affordable - 6, 10_000),
            world.item(BID, 5, 10_000, product=1),
            world.item(BID, 2, 10_000, product=2),
            world.item(ASK, 1, 9_000),
        ],
    )
    assert codes == [0, 0, code[InsufficientFunds], code[BothSides]]


def test_a_hundred_orders_are_open_and_no_more(world: MarketWorld) -> None:
    items = [world.item(BID, 1, 1_000, product=i % 96) for i in range(101)]
    codes = world.submit("alice", items)
    assert codes == [0] * 100 + [TooManyOrders.receipt_code()]
    first = world.read.orders.open_orders(2, MARKET, world.start_s(0))[0]
    order = Placed("alice", world.start_s(0), BID, 1_000, first.id)
    world.cancel(order)
    assert world.submit("alice", items[-2:]) == [0, TooManyOrders.receipt_code()]
    world.check_invariants()


@pytest.mark.parametrize("missing", [0, 1])
def test_the_last_uthb_decides(world: MarketWorld, missing: int) -> None:
    cost = 10 * 4_005
    held = world.account("alice").free
    # Its own fee of 1, and that of the order.
    world.call("alice", "credit", "transfer", account_of("bob"), held - 2 - cost + missing, b"")
    codes = world.submit("alice", [world.item(BID, 10, 4_000)])
    assert codes == [InsufficientFunds.receipt_code() if missing else 0]
    assert world.held("alice") == (0 if missing else cost, 0, 0)


def test_a_list_is_worth_the_same_as_its_orders_alone() -> None:
    together, alone = MarketWorld(), MarketWorld()
    sides = [(BID, 10, 4_000, 0), (BID, 20, 3_000, 0), (ASK, 5, 9_000, 1), (BID, 7, 1_000, 95)]
    together.submit("alice", [together.item(s, q, p, product=n) for s, q, p, n in sides])
    for side, quantity, limit, product in sides:
        (alone.bid if side is BID else alone.ask)("alice", quantity, limit, product=product)
    assert together.held("alice") == alone.held("alice")
    assert together.free("alice") == alone.free("alice")
    units = [dict(w.read.positions.all_units()) for w in (together, alone)]
    assert units[0] == units[1]


def test_a_list_within_a_transaction_that_fails_leaves_nothing(world: MarketWorld) -> None:
    items: Sequence[Value] = (world.item(BID, 10, 4_000), world.item(BID, 10, 4_000, product=1))
    good = Call("orders", "submit_orders", (tuple(items),))
    bad = Call("orders", "submit_bid", (MARKET, world.start_s(0), ZONE, 0, 4_000, False))
    world.send("alice", good, bad, mode=Mode.ALL_OR_NOTHING)
    assert world.held("alice") == (0, 0, 0)
    assert not any(world.position("alice"))
    assert world.read.orders.open_orders(2, MARKET, world.start_s(0)) == ()
    world.send("alice", good, bad, mode=Mode.EACH_ALONE)
    assert world.held("alice") == (20 * 4_005, 0, 0)
    world.check_invariants()


# ── Cancel and replace ──


def test_only_the_account_that_placed_an_order_changes_it(world: MarketWorld) -> None:
    order = world.bid("bob", 10, 4_000)
    for other in ("alice", "bob's second"):
        world.refused(NotYourOrder, other, "orders", "cancel_order", *name_of(order))
    world.refused(NotYourOrder, "alice", "orders", "replace_order", *name_of(order), 1, 4_000)
    world.cancel(order)
    world.refused(UnknownOrder, "bob", "orders", "cancel_order", *name_of(order))


def test_an_order_is_named_by_product_side_limit_and_id(world: MarketWorld) -> None:
    order = world.bid("bob", 10, 4_000)
    market, start_s, side, limit, id_ = name_of(order)
    for wrong in (
        (market, world.start_s(1), side, limit, id_),
        (market, start_s, int(ASK), limit, id_),
        (market, start_s, side, 4_010, id_),
        (market, start_s, side, limit, bytes(32)),
    ):
        world.refused(UnknownOrder, "bob", "orders", "cancel_order", *wrong)
        world.refused(UnknownOrder, "bob", "orders", "replace_order", *wrong, 5, 4_000)


def test_a_replaced_order_makes_room_for_the_new_one() -> None:
    people = (household("alice", import_cap_wh=100), *PEOPLE[2:])
    world = MarketWorld((PEOPLE[0], *people), market=terms(orders_max=1))
    order = world.bid("alice", 100, 4_000)
    order = world.replace(order, 90, 4_010)
    assert world.position("alice").open_bid_wh == 90
    assert world.held("alice") == (90 * 4_015, 0, 0)
    world.replace(order, 100, 4_000)
    world.check_invariants()


@pytest.mark.parametrize(
    ("quantity", "limit", "reject"),
    [
        (0, 4_000, BadQuantity),
        (10, 4_001, BadLimit),
        (1_000_001, 4_000, CapExceeded),
        (999_999, 10_000, InsufficientFunds),
    ],
)
def test_a_refused_replacement_leaves_the_old_order(
    world: MarketWorld, quantity: int, limit: int, reject: type[Reject]
) -> None:
    order = world.bid("alice", 10, 4_000)
    world.refused(reject, "alice", "orders", "replace_order", *name_of(order), quantity, limit)
    assert world.read.orders.order(MARKET, order.start_s, BID, 4_000, order.id) is not None
    world.cancel(order)


def test_a_replacement_keeps_side_source_and_flag(world: MarketWorld) -> None:
    order = world.replace(world.ask("alice", 10, 2_000, green=True), 20, 2_500)
    shown = world.read.orders.order(MARKET, order.start_s, ASK, 2_500, order.id)
    assert shown is not None
    assert (shown.quantity_wh, shown.source, shown.green) == (20, EnergySource.SOLAR, True)
