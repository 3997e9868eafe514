"""A small book in which every case of a clearing occurs, and what came of it."""

from dataclasses import replace

from contracts.kernel import codec
from contracts.trading.model import CLEARING_POOL
from contracts.trading.results import ClearingRecord
from tests.support.grid import MARKET_OPERATOR
from tests.support.market import MarketWorld


def small_book(world: MarketWorld, product: int = 0) -> None:
    """Place a book in which both sides, the rationed level, a group and a maker occur."""
    world.bid("alice", 30, 4_500, product=product)
    world.bid("bob", 40, 3_950, product=product)
    world.bid("bob's second", 25, 3_950, product=product)
    world.bid("dave", 10, 3_950, product=product)
    world.bid("erin", 11, 3_950, product=product)
    world.bid("retailer", 50, 2_200, product=product)
    world.ask("carol", 77, 2_000, product=product)


def balances(world: MarketWorld) -> list[tuple[int, tuple[int, int, int]]]:
    """Return free and held credit of everybody."""
    names = [account for person in world.people for account in person.accounts]
    return [(world.free(name), world.held(name)) for name in (*names, MARKET_OPERATOR)]


def outcome(world: MarketWorld) -> ClearingRecord:
    """Return the result of product 0 but for the chain that it belongs to."""
    result = world.result()
    assert result.rationing is not None
    return replace(result, rationing=replace(result.rationing, tie_domain=bytes(32)))


def pool(world: MarketWorld) -> int:
    """Return what the chain holds between buyers and sellers."""
    return world.read.credit.free(CLEARING_POOL)


def events_of(blocks: list[tuple[bytes, ...]], name: str) -> list[object]:
    """Return the fields of all events of a name."""
    decoded = [codec.decode(data, size_max=2**20) for block in blocks for data in block]
    return [event[3] for event in decoded if isinstance(event, list) and event[2] == name]
