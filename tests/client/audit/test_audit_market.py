"""Audits of markets: honest chains are clean, whatever happens on them."""

import random

import pytest

from contracts.kernel.clock import ClockMode
from contracts.trading.uniform_price import Side
from tests.client.audit.audited import AuditedMarket
from tests.support.genesis import DRIVER
from tests.support.grid import MARKET_OPERATOR, REGISTRAR
from tests.support.market import MARKET, PEOPLE, Placed, terms
from tests.support.people import account_of

TRADERS = [one.name for one in PEOPLE[1:]]


def trade(world: AuditedMarket, seed: int) -> list[Placed]:
    """Let everybody place, cancel and replace orders of two products; returns what stands."""
    rng = random.Random(seed)
    sides: dict[tuple[str, int], Side] = {}
    placed: list[Placed] = []
    for product in (0, 1):
        for who in TRADERS:
            key = ("dave" if who == "erin" else who, product)
            side = sides.setdefault(key, rng.choice(list(Side)))
            for _ in range(rng.randint(0, 3)):
                place = world.bid if side is Side.BID else world.ask
                quantity_wh = world.terms.quarters * rng.randint(1, 500)
                placed.append(place(who, quantity_wh, 10 * rng.randint(220, 395), product=product))
        world.ask("retailer", world.terms.quarters * 1_000, 3_950, product=product)
        world.bid("retailer", world.terms.quarters * 1_000, 2_200, product=product)
    rng.shuffle(placed)
    for order in placed[:2]:
        world.cancel(order)
    for order in placed[2:4]:
        world.replace(order, world.terms.quarters * rng.randint(1, 500), 3_000)
    return placed[4:]


@pytest.mark.parametrize("seed", range(8))
def test_an_honest_market_has_no_difference(seed: int) -> None:
    quarters = 1 if seed % 2 else 4
    world = AuditedMarket(market=terms(quarters=quarters, slice_orders_max=2))
    trade(world, seed)
    world.pass_gate()
    report = world.audit()
    assert report.differences == ()
    assert report.is_clean
    assert report.height == world.height == report.counts.blocks
    assert report.state_root == world.ledger.tip.header.state_root
    assert report.counts.auctions == 1
    assert report.counts.orders >= 4
    credit = report.totals["credit_uthb"]
    assert credit["supply"] == sum(v for name, v in credit.items() if name != "supply")
    assert report.totals["energy_wh"]["bought"] == report.totals["energy_wh"]["sold"]


def test_some_of_these_markets_trade_and_ration() -> None:
    trades = 0
    for seed in range(4):
        world = AuditedMarket(market=terms(slice_orders_max=2))
        trade(world, seed)
        world.pass_gate()
        trades += world.audit().counts.trades
    assert trades >= 10


def test_ties_of_a_clock_that_follows_the_headers_are_known_too() -> None:
    world = AuditedMarket(mode=ClockMode.HEADER)
    world.ask("alice", 100, 2_500)
    for who in ("bob", "carol", "dave"):
        world.bid(who, 67, 3_000)
    while world.time_ms < (world.first_s - world.terms.gate_lead_s) * 1_000:
        world.time_ms += 60_000
        world.block()
    for _ in range(6):
        world.block()
    report = world.audit()
    assert report.differences == ()
    assert report.counts.trades == 4


def test_lists_transfers_refusals_and_affiliates_are_followed() -> None:
    world = AuditedMarket()
    items = [world.item(Side.BID, 10 + i, 3_000 + 10 * i) for i in range(5)]
    bad = world.item(Side.BID, 10, 3_005)
    codes = world.submit("alice", [*items[:2], bad, *items[2:]])
    assert [bool(code) for code in codes] == [False, False, True, False, False, False]
    world.call("alice", "credit", "transfer", account_of("bob"), 77, b"lunch")
    world.call(REGISTRAR, "registry", "set_affiliate", world.participant("carol"), 4)
    world.ask("carol", 20, 2_500)
    world.pass_gate()
    assert world.differences() == ()


def test_refunds_of_cancelled_products_and_of_the_suspended_are_followed() -> None:
    world = AuditedMarket()
    trade(world, 1)
    world.suspend("bob")
    world.call(MARKET_OPERATOR, "auction", "cancel_product", MARKET, world.start_s(1))
    world.pass_gate()
    assert world.differences() == ()
    world.call(MARKET_OPERATOR, "auction", "halt_market", MARKET)
    world.block()
    world.call(MARKET_OPERATOR, "auction", "resume_market", MARKET)
    world.call("alice", "credit", "transfer", account_of(DRIVER), 1, b"")
    world.ask("alice", 5, 3_000, product=3)
    assert world.differences() == ()
