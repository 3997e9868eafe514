"""What the orders contract says: its refusals and its events."""

from typing import Annotated, Final

from contracts.kernel import Event, Items, Record, Reject, record
from contracts.kernel.types import U16, U32, Address, Hash32, PricePerWh, TimeS, Uthb, Wh
from contracts.trading.model import EnergySource
from contracts.trading.uniform_price import Side

ORDERS_PER_EVENT_MAX: Final = 512


class NotAParticipant(Reject):
    """The account belongs to no participant.

    A registrar registers participants and their accounts: `registry.register_participant`.
    """

    code = 1


class WrongZone(Reject):
    """The order's zone is not the participant's, or the market does not trade there.

    Use the zone in which the participant is registered, and one of its markets.
    """

    code = 2


class BadQuantity(Reject):
    """The quantity is outside the market's bounds, or cannot be spread evenly over the quarters.

    Use min_wh … max_wh, a multiple of the product's number of quarters.
    """

    code = 3


class BadLimit(Reject):
    """The limit lies outside the market's price band, or not on its tick.

    Use low_per_wh … high_per_wh, a multiple of tick_per_wh.
    """

    code = 4


class BadSource(Reject):
    """An ask names the source of its energy; a bid names none.

    Set the source of an ask, and leave that of a bid null.
    """

    code = 5


class BothSides(Reject):
    """The participant or an affiliate already holds the other side of this product.

    Cancel those orders first; what is filled stays. One side may hold several orders.
    """

    code = 6


class MakerOrders(Reject):
    """A market maker holds one bid and one ask of a product, the ask's limit above the bid's.

    Replace the order that stands, or change the limit.
    """

    code = 7


class CapExceeded(Reject):
    """With this order the participant could buy or sell more in a quarter than its connection.

    Open and filled orders of all markets count: cancel some, or order at most `room_wh`.
    """

    code = 8


class TooManyOrders(Reject):
    """The participant has as many open orders in this market as one may have.

    Cancel some, or wait until a gate has cleared.
    """

    code = 9


class ProductFull(Reject):
    """The participant has its share of the open orders that this product takes.

    Put more Wh into one order.
    """

    code = 10


class UnknownOrder(Reject):
    """The book has no such order: it was never placed, or is filled, cancelled or expired.

    Product, side, limit and id name an order; `orders.open_orders` lists a participant's.
    """

    code = 11


class NotYourOrder(Reject):
    """Another account placed this order.

    Only that account cancels or replaces it.
    """

    code = 12


@record(version=1)
class EnergyTrade(Record):
    """A filled order's trade with the market: its Wh, and the Wh that stay unfilled."""

    order: Hash32
    energy_wh: Wh
    unfilled_wh: Wh


class OrderPlaced(Event, owners=("account",)):
    """An order stands in the book."""

    account: Address
    participant: U32
    market: U16
    start_s: TimeS
    zone: U16
    side: Side
    id: Hash32
    quantity_wh: Wh
    limit_per_wh: PricePerWh
    source: EnergySource | None
    green: bool


class OrderCancelled(Event, owners=("account",)):
    """An order left the book at its owner's wish; what it held is free again."""

    account: Address
    market: U16
    start_s: TimeS
    side: Side
    id: Hash32
    released_uthb: Uthb


class OrderReplaced(Event, owners=("account",)):
    """An order left the book for a new one of the same side, which has a new id."""

    account: Address
    market: U16
    start_s: TimeS
    side: Side
    replaced: Hash32
    released_uthb: Uthb
    id: Hash32
    quantity_wh: Wh
    limit_per_wh: PricePerWh


class TradesExecuted(Event, owners=("account",)):
    """Orders of one account were filled at the auction's price and left the book."""

    account: Address
    market: U16
    start_s: TimeS
    side: Side
    price_per_wh: PricePerWh
    trades: Annotated[tuple[EnergyTrade, ...], Items(ORDERS_PER_EVENT_MAX)]


class OrdersExpired(Event, owners=("account",)):
    """Orders of one account found no match in the auction; what they held is free again."""

    account: Address
    market: U16
    start_s: TimeS
    side: Side
    orders: Annotated[tuple[Hash32, ...], Items(ORDERS_PER_EVENT_MAX)]


class OrdersRefunded(Event, owners=("account",)):
    """Orders of one account were cancelled with their product, or for a suspension."""

    account: Address
    market: U16
    start_s: TimeS
    side: Side
    orders: Annotated[tuple[Hash32, ...], Items(ORDERS_PER_EVENT_MAX)]
