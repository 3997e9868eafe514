"""What orders hold, pay and get back, to the µTHB."""

import pytest

from contracts.kernel.ledger import Column
from contracts.trading.model import CLEARING_POOL, ProductState
from tests.support.genesis import FUNDS_UTHB
from tests.support.grid import MARKET_OPERATOR
from tests.support.market import PEOPLE, MarketWorld, household, terms

FEE = 5
IMPORT = 3_950


@pytest.fixture
def world() -> MarketWorld:
    return MarketWorld()


def pool(world: MarketWorld) -> int:
    return world.read.credit.held(CLEARING_POOL, Column.FREE)


# ── Escrow and margin ──


def test_a_bid_holds_quantity_times_limit_and_fee(world: MarketWorld) -> None:
    world.bid("alice", 123, 4_010)
    assert world.held("alice") == (123 * (4_010 + FEE), 0, 0)
    assert world.free("alice") == FUNDS_UTHB - 123 * (4_010 + FEE)


@pytest.mark.parametrize(("limit", "margin"), [(2_000, 1_950), (3_940, 10), (3_950, 0), (9_000, 0)])
def test_an_ask_holds_what_not_delivering_would_at_least_cost(
    world: MarketWorld, limit: int, margin: int
) -> None:
    world.ask("alice", 100, limit)
    assert world.held("alice") == (0, 100 * margin, 0)
    assert world.free("alice") == FUNDS_UTHB - 100 * margin


def test_the_retailer_holds_no_margin(world: MarketWorld) -> None:
    world.ask("retailer", 100, 1_000)
    assert world.held("retailer") == (0, 0, 0)
    assert world.free("retailer") == FUNDS_UTHB


def test_another_market_maker_holds_its_margin() -> None:
    world = MarketWorld((*PEOPLE, household("maker", market_maker=True)))
    world.ask("maker", 100, 1_000)
    assert world.held("maker") == (0, 100 * (IMPORT - 1_000), 0)


def test_cancelling_gives_back_exactly_what_was_held(world: MarketWorld) -> None:
    orders = [
        world.bid("alice", 100, 4_000),
        world.bid("alice", 55, 3_000),
        world.ask("bob", 70, 2_000),
        world.ask("bob", 30, 9_000),
    ]
    world.cancel(orders[0])
    world.cancel(orders[2])
    assert world.held("alice") == (55 * (3_000 + FEE), 0, 0)
    assert world.held("bob") == (0, 0, 0)
    world.cancel(orders[1])
    world.cancel(orders[3])
    for who in ("alice", "bob"):
        assert world.held(who) == (0, 0, 0)
        assert world.free(who) == FUNDS_UTHB
    assert not list(world.read.positions.all_units())


def test_replacing_moves_only_the_difference(world: MarketWorld) -> None:
    bid = world.bid("alice", 100, 4_000)
    bid = world.replace(bid, 100, 4_500)
    assert world.held("alice") == (100 * (4_500 + FEE), 0, 0)
    world.replace(bid, 10, 1_000)
    assert world.held("alice") == (10 * (1_000 + FEE), 0, 0)
    assert world.free("alice") == FUNDS_UTHB - 10 * (1_000 + FEE)
    ask = world.ask("bob", 100, 3_000)
    world.replace(ask, 10, 2_000)
    assert world.held("bob") == (0, 10 * (IMPORT - 2_000), 0)
    world.check_invariants()


def test_a_replacement_may_use_what_the_old_order_held(world: MarketWorld) -> None:
    most = FUNDS_UTHB // (9_000 + FEE)
    world = MarketWorld((PEOPLE[0], household("alice", import_cap_wh=10_000_000)))
    order = world.bid("alice", most, 9_000)
    order = world.replace(order, most, 8_990)
    world.replace(order, most, 9_000)
    assert world.free("alice") == FUNDS_UTHB - most * (9_000 + FEE)


def test_orders_of_a_participants_accounts_hold_on_their_own_accounts(world: MarketWorld) -> None:
    world.ask("bob", 100, 2_000)
    world.ask("bob's second", 50, 2_950)
    world.bid("alice", 120, 3_950)
    world.pass_gate()
    # 150 Wh offered, the dearer ask is left short: the price is its limit.
    assert world.held("bob") == (0, 100 * 1_950, 100 * 2_950)
    assert world.held("bob's second") == (0, 20 * 1_000, 20 * 2_950)
    position = world.position("bob")
    assert position.sold_wh == 120
    assert position.margin_uthb == 100 * 1_950 + 20 * 1_000
    assert position.proceeds_uthb == 120 * 2_950
    world.check_invariants()


# ── Clearing ──


def test_a_buyer_pays_the_price_and_the_fee_and_gets_the_rest_back(world: MarketWorld) -> None:
    world.bid("alice", 100, 5_000)
    world.ask("bob", 60, 2_000)
    world.pass_gate()
    # The bid is left short and sets the price.
    assert world.result().price_per_wh == 5_000
    assert world.held("alice") == (0, 0, 0)
    assert world.free("alice") == FUNDS_UTHB - 60 * (5_000 + FEE)
    assert world.free(MARKET_OPERATOR) == FUNDS_UTHB + 60 * FEE
    assert world.held("bob") == (0, 60 * (IMPORT - 2_000), 60 * 5_000)
    assert world.free("bob") == FUNDS_UTHB - 60 * (IMPORT - 2_000)
    assert pool(world) == 0


def test_a_partly_filled_bid_releases_what_its_fill_did_not_cost(world: MarketWorld) -> None:
    world.bid("alice", 100, 5_000)
    world.bid("carol", 100, 3_000)
    world.ask("bob", 130, 2_000)
    world.pass_gate()
    # Carol's bid is marginal with 30 Wh: price 3 000.
    assert world.free("alice") == FUNDS_UTHB - 100 * (3_000 + FEE)
    assert world.free("carol") == FUNDS_UTHB - 30 * (3_000 + FEE)
    assert world.free(MARKET_OPERATOR) == FUNDS_UTHB + 130 * FEE
    assert world.position("carol").bought_wh == 30


def test_a_partly_filled_ask_releases_the_margin_of_the_rest(world: MarketWorld) -> None:
    world.bid("alice", 40, 5_000)
    world.ask("bob", 100, 2_000)
    world.pass_gate()
    assert world.result().price_per_wh == 2_000
    assert world.held("bob") == (0, 40 * (IMPORT - 2_000), 40 * 2_000)
    assert world.free("bob") == FUNDS_UTHB - 40 * (IMPORT - 2_000)
    position = world.position("bob")
    assert position == (0, 0, 0, 40, 40 * 2_000, 40 * (IMPORT - 2_000))


def test_what_expires_gets_everything_back(world: MarketWorld) -> None:
    world.bid("alice", 100, 2_000)
    world.ask("bob", 100, 3_000)
    world.pass_gate()
    assert world.state_of() is ProductState.CLEARED
    for who in ("alice", "bob"):
        assert world.held(who) == (0, 0, 0)
        assert world.free(who) == FUNDS_UTHB
    assert world.result().prices is None
    assert not list(world.read.positions.all_units())


def test_the_retailer_is_paid_at_clearing(world: MarketWorld) -> None:
    world.ask("retailer", 500, 3_950)
    world.bid("alice", 100, 4_000)
    world.pass_gate()
    assert world.held("retailer") == (0, 0, 0)
    assert world.free("retailer") == FUNDS_UTHB + 100 * 3_950
    position = world.position("retailer")
    assert (position.sold_wh, position.proceeds_uthb, position.margin_uthb) == (100, 0, 0)
    world.check_invariants()


def test_the_retailer_pays_the_fee_when_it_buys(world: MarketWorld) -> None:
    world.bid("retailer", 500, 2_200)
    world.ask("alice", 100, 2_000)
    world.pass_gate()
    assert world.free("retailer") == FUNDS_UTHB - 100 * (2_200 + FEE)
    assert world.free(MARKET_OPERATOR) == FUNDS_UTHB + 100 * FEE


def test_the_fee_is_that_of_the_product_even_if_it_changed_since(world: MarketWorld) -> None:
    world.bid("alice", 10, 5_000)
    world.ask("bob", 10, 5_000)
    world.call(MARKET_OPERATOR, "markets", "change_terms", 1, terms(fee_per_wh=99).to_wire())
    world.pass_gate()
    assert world.free("alice") == FUNDS_UTHB - 10 * (5_000 + FEE)


def test_a_longer_product_holds_and_pays_by_quarter() -> None:
    world = MarketWorld(market=terms(quarters=4))
    world.bid("alice", 400, 5_000)
    world.ask("bob", 240, 2_000)
    world.pass_gate()
    assert world.free("alice") == FUNDS_UTHB - 240 * (5_000 + FEE)
    assert world.held("bob") == (0, 240 * 1_950, 240 * 5_000)
    for quarter in range(4):
        assert world.position("alice", 0, quarter) == (0, 0, 60, 0, 0, 0)
        assert world.position("bob", 0, quarter) == (0, 0, 0, 60, 60 * 5_000, 60 * 1_950)
    world.check_invariants()


def test_every_order_and_fee_is_paid_by_somebody(world: MarketWorld) -> None:
    """Over a whole product nothing is created or lost, and the pool ends as it began."""
    names = [account for person in PEOPLE for account in person.accounts]
    before = sum(world.free(name) for name in (*names, MARKET_OPERATOR))
    world.ask("retailer", 1_000, 3_950)
    world.bid("retailer", 1_000, 2_200)
    world.bid("alice", 300, 4_500)
    world.ask("bob", 120, 2_500)
    world.bid("carol", 77, 3_950)
    world.bid("erin", 13, 3_950)
    world.pass_gate()
    world.check_invariants()
    after = sum(world.free(name) + sum(world.held(name)) for name in (*names, MARKET_OPERATOR))
    assert after == before
    assert pool(world) == 0
    bought = sum(world.position(person.name).bought_wh for person in PEOPLE)
    sold = sum(world.position(person.name).sold_wh for person in PEOPLE)
    assert bought == sold == world.result().volume_wh > 0
