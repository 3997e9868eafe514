"""What the auction says: its refusals and its events."""

from contracts.kernel import Event, Reject
from contracts.kernel.types import U16, U32, PricePerWh, TimeS, Wh


class GateAhead(Reject):
    """The product's gate has not passed yet; nothing is cleared before it.

    Clearing happens by itself once market time reaches `gate_s`.
    """

    code = 1


class AlreadyHalted(Reject):
    """The market is halted already.

    `auction.resume_market` ends the halt.
    """

    code = 2


class NotHalted(Reject):
    """The market is not halted.

    There is nothing to resume.
    """

    code = 3


class MarketCleared(Event):
    """The auction of a product has its result; its fills and payments follow in slices.

    Without trade `volume_wh` is 0 and the prices are null.
    """

    market: U16
    start_s: TimeS
    volume_wh: Wh
    price_per_wh: PricePerWh | None
    lo_per_wh: PricePerWh | None
    hi_per_wh: PricePerWh | None
    bids: U32
    bid_wh: Wh
    asks: U32
    ask_wh: Wh


class ProductCleared(Event):
    """All orders of a product are closed and paid for."""

    market: U16
    start_s: TimeS


class ProductRefunded(Event):
    """All orders of a cancelled product are refunded."""

    market: U16
    start_s: TimeS
