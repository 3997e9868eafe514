"""Orders, products and units as the accountant keeps them, and what follows from one fill."""

from dataclasses import dataclass, field
from typing import NamedTuple

from client.audit import clearing
from contracts.kernel.ledger import Column
from contracts.trading.terms import Terms
from contracts.trading.uniform_price import Side

ProductKey = tuple[int, int]
# Zone and quarter.
UnitPlace = tuple[int, int]


class Moment(NamedTuple):
    """When something happens: market time, and the seed of ties in this block."""

    market_time_s: int
    parent_hash: bytes | None
    """None on a chain with a driven clock, where chain and product alone decide ties."""


@dataclass(frozen=True, slots=True)
class Order:
    """An open order with what it holds on its account."""

    account: bytes
    participant: int
    zone: int
    product: ProductKey
    side: Side
    quarter_wh: int
    limit_per_wh: int
    margin_per_wh: int
    group: int
    is_maker: bool
    is_retailer: bool


@dataclass(slots=True)
class Product:
    """A product with the terms it opened with, its open orders, and what it must clear to."""

    terms: Terms
    operator: bytes
    gate_s: int
    orders: dict[bytes, Order] = field(default_factory=dict)
    outcome: clearing.Outcome | None = None
    is_cancelled: bool = False
    is_finished: bool = False
    bought_wh: int = 0
    sold_wh: int = 0


@dataclass(slots=True)
class Unit:
    """A participant's quarter: Wh open and filled, µTHB held for its filled asks."""

    open_bid_wh: int = 0
    open_ask_wh: int = 0
    bought_wh: int = 0
    sold_wh: int = 0
    proceeds_uthb: int = 0
    margin_uthb: int = 0

    def as_tuple(self) -> tuple[int, ...]:
        """Return the fields in the order of a `Position`."""
        return tuple(getattr(self, name) for name in self.__slots__)


def held_column(side: Side) -> Column:
    """Return where an open order of this side holds credit."""
    return Column.BID_ESCROW if side is Side.BID else Column.ASK_MARGIN


def held_uthb(order: Order, product: Product) -> int:
    """Return what an open order holds."""
    quantity_wh = order.quarter_wh * product.terms.quarters
    if order.side is Side.BID:
        return quantity_wh * (order.limit_per_wh + product.terms.fee_per_wh)
    return quantity_wh * order.margin_per_wh


def count_fill(unit: Unit, order: Order, fill_wh: int, price_per_wh: int) -> None:
    """Count a fill, in Wh a quarter, and what is held for it."""
    if order.side is Side.BID:
        unit.bought_wh += fill_wh
        return
    unit.sold_wh += fill_wh
    unit.margin_uthb += fill_wh * order.margin_per_wh
    if not order.is_retailer:
        unit.proceeds_uthb += fill_wh * price_per_wh


def offers_of(product: Product, side: Side) -> list[clearing.Offer]:
    """Return the open orders of one side as the auction sees them."""
    return [
        clearing.Offer(id_, one.group, one.quarter_wh, one.limit_per_wh, one.is_maker)
        for id_, one in product.orders.items()
        if one.side is side
    ]


def size_of(offers: list[clearing.Offer], quarters: int) -> tuple[int, int]:
    """Return how many they are, and their Wh over all quarters."""
    return len(offers), sum(offer.quarter_wh for offer in offers) * quarters
