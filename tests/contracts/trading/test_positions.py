"""What settlement finds of trading, and what is forgotten when it is done."""

import pytest

from contracts.kernel.ledger import Column, Entry
from contracts.trading.model import Position
from tests.contracts.trading.small_book import small_book
from tests.support.grid import ZONE
from tests.support.market import MARKET, MarketWorld, terms
from tests.support.people import account_of


@pytest.fixture
def world() -> MarketWorld:
    return MarketWorld()


# ── For settlement ──


def test_settlement_sees_prices_and_volumes_and_forgets_what_is_settled(
    world: MarketWorld,
) -> None:
    small_book(world)
    quarter_s = world.start_s(0)
    auction = world.read.auction
    assert not auction.is_finished(ZONE, quarter_s)
    assert auction.prices(ZONE, quarter_s) == ()
    world.pass_gate()
    auction = world.read.auction
    assert auction.is_finished(ZONE, quarter_s)
    assert auction.prices(ZONE, quarter_s) == ((3_950, 77),)
    assert auction.is_finished(2, quarter_s)
    with world.edit() as registry:
        registry.auction.close_quarter(ZONE, quarter_s)
    assert world.read.auction.result(MARKET, quarter_s) is None
    assert world.read.markets.find(MARKET, quarter_s) is None
    world.check_invariants()


def test_a_longer_product_is_kept_until_its_last_quarter_is_settled() -> None:
    world = MarketWorld(market=terms(quarters=4))
    world.bid("alice", 40, 5_000)
    world.ask("bob", 80, 3_000)
    world.pass_gate()
    quarters = [world.start_s(0) + 900 * i for i in range(4)]
    for quarter_s in quarters:
        assert world.read.auction.prices(ZONE, quarter_s) == ((3_000, 10),)
        with world.edit() as registry:
            registry.auction.close_quarter(ZONE, quarter_s)
    assert world.read.markets.find(MARKET, world.start_s(0)) is None
    assert world.read.auction.result(MARKET, world.start_s(0)) is None


def test_positions_are_listed_in_pages_and_forgotten_when_settled(world: MarketWorld) -> None:
    small_book(world)
    world.pass_gate()
    quarter_s = world.start_s(0)
    positions = world.read.positions
    everybody = positions.positions_after(ZONE, quarter_s, 0, 100)
    assert [number for number, _ in everybody] == [2, 3, 4, 5, 6]
    pages = []
    after = 0
    while page := positions.positions_after(ZONE, quarter_s, after, 2):
        pages += page
        after = page[-1][0]
    assert pages == everybody
    assert sum(p.bought_wh - p.sold_wh for _, p in everybody) == 0
    open_bid = world.bid("alice", 1, 3_000, product=1)
    with (
        world.edit() as registry,
        pytest.raises(AssertionError, match="has open orders"),
    ):
        registry.positions.take_unit(ZONE, 2, world.start_s(1))
    world.cancel(open_bid)
    with world.edit() as registry:
        store, credit = registry.positions, registry.credit
        carol = store.position(ZONE, 4, quarter_s)
        assert carol.proceeds_uthb == 77 * 3_950
        credit.post(
            Entry(account_of("carol"), Column.PROCEEDS, -carol.proceeds_uthb),
            Entry(account_of("carol"), Column.ASK_MARGIN, -carol.margin_uthb),
            Entry(account_of("carol"), Column.FREE, carol.proceeds_uthb + carol.margin_uthb),
        )
        for number, position in everybody:
            assert store.take_unit(ZONE, number, quarter_s) == position
            assert store.take_unit(ZONE, number, quarter_s) == Position()
    assert not list(world.read.positions.all_units())
    world.check_invariants()
