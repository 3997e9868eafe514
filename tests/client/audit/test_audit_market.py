"""Audits of markets: honest chains are clean, and one false word is found where it stands."""

import random

import pytest

from contracts.kernel.clock import ClockMode
from contracts.trading.uniform_price import Side
from tests.client.audit.audited import AuditedMarket
from tests.support.market import PEOPLE, Placed, terms

TRADERS = [one.name for one in PEOPLE[1:]]


def trade(world: AuditedMarket, seed: int) -> None:
    """Let everybody place, cancel and replace orders of two products, and clear the first."""
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
    world.pass_gate()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("mode", list(ClockMode))
def test_an_honest_market_has_no_difference(seed: int, mode: ClockMode) -> None:
    quarters = 1 if seed % 2 else 4
    world = AuditedMarket(
        market=terms(quarters=quarters, slice_orders_max=2), mode=ClockMode.DRIVEN
    )
    trade(world, seed)
    report = world.audit()
    assert report.differences == ()
    assert report.is_clean
