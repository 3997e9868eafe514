"""Orders that must be refused, in a few words."""

from contracts.kernel import Reject, Value
from tests.support.grid import ZONE
from tests.support.market import (
    MARKET,
    SOLAR,
    MarketWorld,
)


def refuse_bid(
    world: MarketWorld, reject: type[Reject], who: str, quantity_wh: Value, limit: Value,
    *, product: int = 0, zone: int = ZONE,
) -> dict[str, Value]:  # fmt: skip
    """Submit a bid that must be refused so; returns what the refusal said."""
    start_s = world.start_s(product)
    arguments = (MARKET, start_s, zone, quantity_wh, limit, False)
    result = world.refused(reject, who, "orders", "submit_bid", *arguments)
    assert isinstance(result.value, dict)
    return result.value


def refuse_ask(
    world: MarketWorld, reject: type[Reject], who: str, quantity_wh: Value, limit: Value,
    *, product: int = 0,
) -> dict[str, Value]:  # fmt: skip
    """Submit an ask that must be refused so; returns what the refusal said."""
    arguments = (MARKET, world.start_s(product), ZONE, quantity_wh, limit, SOLAR, False)
    result = world.refused(reject, who, "orders", "submit_ask", *arguments)
    assert isinstance(result.value, dict)
    return result.value
