"""Markets: terms and their bounds, products that open in time, gates, what a product keeps."""

import pytest

from chain.transaction import Call
from contracts.kernel import NotPermitted, Value
from contracts.kernel.clock import ClockMode
from contracts.trading.market_words import BadTerms, GateClosed, UnknownMarket, UnknownProduct
from contracts.trading.markets import GenesisMarket
from contracts.trading.model import ProductState
from contracts.trading.terms import Mechanism, fault_of
from tests.support.genesis import START_S
from tests.support.grid import MARKET_OPERATOR, ZONE
from tests.support.market import MARKET, PEOPLE, MarketWorld, terms
from tests.support.people import account_of

DAY_S = 86_400


@pytest.fixture
def world() -> MarketWorld:
    return MarketWorld()


# ── Terms ──


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"zones": (1, 2)}, "one zone"),
        ({"quarters": 5}, "divide the day"),
        ({"gate_lead_s": 86_400}, "open_ahead_s"),
        ({"open_ahead_s": 90_001}, "open_ahead_s"),
        ({"tick_per_wh": 0}, "tick_per_wh"),
        ({"tick_per_wh": 5}, "tick_per_wh"),
        ({"band_low_per_wh": 0}, "band"),
        ({"band_low_per_wh": 1_005}, "band"),
        ({"band_high_per_wh": 9_999}, "band"),
        ({"band_high_per_wh": 990}, "band"),
        ({"feed_in_per_wh": 3_951}, "feed_in_per_wh"),
        ({"order_min_wh": 0}, "order sizes"),
        ({"order_max_wh": 10_000_001}, "order sizes"),
        ({"order_min_wh": 2, "order_max_wh": 1}, "order sizes"),
        ({"band_high_per_wh": 2**40 - 6}, "63 bits"),
        ({"fee_per_wh": 2**40 - 6}, "63 bits"),
        ({"import_per_wh": 2**40 - 6}, "63 bits"),
        ({"orders_max": 0}, "orders_max"),
    ],
)
def test_terms_outside_a_bound_are_named(overrides: dict[str, object], reason: str) -> None:
    fault = fault_of(terms(**overrides))
    assert fault is not None
    assert reason in fault


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"quarters": 96, "open_ahead_s": 2 * DAY_S},
        {"open_ahead_s": 90_000},
        {"tick_per_wh": 2, "band_low_per_wh": 2, "band_high_per_wh": 2},
        {"order_max_wh": 10_000_000, "band_high_per_wh": 900_000_000_000},
    ],
)
def test_terms_at_a_bound_are_good(overrides: dict[str, object]) -> None:
    assert fault_of(terms(**overrides)) is None


def test_only_the_operator_changes_terms_and_only_what_may_change(world: MarketWorld) -> None:
    dearer = terms(fee_per_wh=7)
    arguments = ("markets", "change_terms", MARKET, dearer.to_wire())
    world.refused(NotPermitted, "alice", *arguments)
    for other in (terms(quarters=4), terms(zones=(2,))):
        result = world.refused(
            BadTerms, MARKET_OPERATOR, "markets", "change_terms", MARKET, other.to_wire()
        )
        assert isinstance(result.value, dict)
        assert result.value["reason"] == "zones, length and mechanism stay"
    bad = terms(tick_per_wh=3)
    world.refused(BadTerms, MARKET_OPERATOR, "markets", "change_terms", MARKET, bad.to_wire())
    world.refused(UnknownMarket, MARKET_OPERATOR, "markets", "change_terms", 9, dearer.to_wire())
    world.call(MARKET_OPERATOR, *arguments)
    market = world.read.markets.market(MARKET)
    assert market.terms == dearer


def test_an_open_product_keeps_the_terms_with_which_it_opened(world: MarketWorld) -> None:
    dearer = terms(fee_per_wh=7, import_per_wh=5_000, orders_max=1)
    world.call(MARKET_OPERATOR, "markets", "change_terms", MARKET, dearer.to_wire())
    opened = world.read.markets.product(MARKET, world.start_s(0))
    assert opened.terms == world.terms
    world.bid("alice", 100, 4_000)
    assert world.held("alice") == (100 * 4_005, 0, 0)
    # The next product to open is the first with the new terms.
    world.advance(START_S + 900)
    new = world.read.markets.product(MARKET, world.start_s(96))
    assert new.terms == dearer
    assert world.read.markets.product(MARKET, world.start_s(95)).terms == world.terms
    world.check_invariants()


# ── Genesis ──


@pytest.mark.parametrize(
    ("markets", "reason"),
    [
        ([GenesisMarket(1, "a", terms(tick_per_wh=3), 0)], "market 1: tick_per_wh"),
        ([GenesisMarket(1, "a", terms(), 901)], "first_start_s is not a multiple"),
        ([GenesisMarket(1, "a", terms(), 0), GenesisMarket(1, "b", terms(), 0)], "is taken"),
        ([GenesisMarket(n, "a", terms(), 0) for n in range(17)], "more than 16 markets"),
    ],
)
def test_a_genesis_with_a_bad_market_is_refused(markets: list[GenesisMarket], reason: str) -> None:
    world = MarketWorld(market=None)
    with world.edit() as registry:
        del registry.markets.markets[MARKET]
        del registry.markets.in_zone[ZONE, MARKET]
        with pytest.raises(ValueError, match=reason):
            registry.markets.set_up(tuple(markets))


# ── Products ──


def test_products_of_the_next_day_are_open_from_the_first_block_on(world: MarketWorld) -> None:
    open_ = world.read.markets.open_products(MARKET, START_S)
    assert len(open_) == 96
    assert open_[0].start_s == START_S + 900
    assert open_[-1].start_s == START_S + DAY_S
    assert all(one.gate_s == one.start_s - 300 for one in open_)


def test_a_product_opens_24_hours_before_its_delivery_and_not_sooner(world: MarketWorld) -> None:
    later_s = START_S + DAY_S + 900
    arguments = (MARKET, later_s, ZONE, 1, 4_000, False)
    world.advance(START_S + 899)
    world.refused(UnknownProduct, "alice", "orders", "submit_bid", *arguments)
    world.advance(START_S + 900)
    world.call("alice", "orders", "submit_bid", *arguments)
    world.check_invariants()


def test_the_gate_is_market_time_and_not_what_has_run(world: MarketWorld) -> None:
    start_s = world.start_s(0)
    gate_s = start_s - 300
    arguments = (MARKET, start_s, ZONE, 1, 4_000, False)
    world.advance(gate_s - 1)
    world.call("alice", "orders", "submit_bid", *arguments)
    # One transaction passes the gate, and the next in the same block is too late, although
    # nothing has been cleared yet.
    advance = world.signed("driver", *[call_to_advance(gate_s)])
    bid = world.signed("bob", call_to_bid(*arguments))
    result = world.block(advance, bid)
    code = world.registry.catalogue.code_by_reject[GateClosed]
    assert [receipt.results[0].code for receipt in result.receipts[1:]] == [0, code]
    assert world.state_of(0) is ProductState.OPEN
    world.block()
    assert world.state_of(0) is ProductState.CLEARED
    world.refused(GateClosed, "bob", "orders", "submit_bid", *arguments)


def test_a_chain_that_starts_late_opens_no_product_whose_gate_has_passed() -> None:
    world = MarketWorld(mode=ClockMode.HEADER)
    now_s = world.time_ms // 1000
    open_ = world.read.markets.open_products(MARKET, now_s)
    assert open_[0].start_s == START_S + 900
    with world.edit() as registry:
        registry.markets.next_starts[MARKET] = 0
        opened = registry.markets.open_next(MARKET, now_s + 10 * DAY_S)
        assert opened is not None
        start_s, product = opened
        assert start_s == START_S + 10 * DAY_S + 900
        assert product.gate_s > now_s + 10 * DAY_S


def test_a_gate_that_passes_at_the_moment_of_opening_is_passed(world: MarketWorld) -> None:
    with world.edit() as registry:
        registry.markets.next_starts[MARKET] = 0
        opened = registry.markets.open_next(MARKET, START_S + 10 * DAY_S - 300)
    assert opened is not None
    assert opened[0] == START_S + 10 * DAY_S + 900


def test_a_participants_share_of_a_products_orders_follows_from_their_number() -> None:
    for places, each in ((200_000, 200_000 // len(PEOPLE)), (10, 1), (1, 1)):
        world = MarketWorld(market=terms(product_orders_max=places))
        product = world.read.markets.product(MARKET, world.start_s(0))
        assert product.orders_each_max == each


def test_queries_show_markets_and_products(world: MarketWorld) -> None:
    markets = world.read.markets
    assert markets.all_markets() == (MARKET,)
    market = markets.market_of(MARKET)
    assert market is not None
    assert (market.name, market.terms, market.halted) == ("quarters", world.terms, False)
    assert markets.market_of(2) is None
    product = markets.product_of(MARKET, world.start_s(0))
    assert product is not None
    assert product.operator == account_of(MARKET_OPERATOR)
    assert markets.product_of(MARKET, 0) is None
    assert markets.tariffs(ZONE) == (3_950, 2_200, 5)
    assert markets.tariffs(2) is None
    assert list(markets.numbers_of(Mechanism.UNIFORM_PRICE)) == [MARKET]


def test_a_longer_product_settles_when_all_its_quarters_have() -> None:
    world = MarketWorld(market=terms(quarters=4))
    world.pass_gate(0)
    with world.edit() as registry:
        settled = [registry.markets.settle_quarter(MARKET, world.start_s(0)) for _ in range(4)]
        assert settled == [False, False, False, True]
        assert registry.markets.find(MARKET, world.start_s(0)) is None
        with pytest.raises(AssertionError, match="has ended"):
            registry.markets.settle_quarter(MARKET, world.start_s(1))


def call_to_advance(to_s: int) -> Call:
    return Call("clock", "advance", (to_s,))


def call_to_bid(*arguments: Value) -> Call:
    return Call("orders", "submit_bid", arguments)
