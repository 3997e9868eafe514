"""What the markets contract says: its refusals and its events."""

from contracts.kernel import Event, Reject
from contracts.kernel.types import U16, TimeS
from contracts.trading.terms import Terms


class UnknownMarket(Reject):
    """There is no market of this number.

    The query `markets.all_markets` lists them.
    """

    code = 1


class UnknownProduct(Reject):
    """There is no such product: an unknown market, no start of its deliveries, or a closed time.

    A product is there from its opening until it is settled. The query `markets.open_products`
    lists what can be traded.
    """

    code = 2


class GateClosed(Reject):
    """The gate of this product has passed: its orders are fixed.

    Trade a later product.
    """

    code = 3


class NotTrading(Reject):
    """The product was cancelled; its orders are refunded.

    Trade another product.
    """

    code = 4


class BadTerms(Reject):
    """The terms break a bound, or change what a market keeps: zones, length, mechanism.

    The value `reason` says which.
    """

    code = 5


class TermsChanged(Event):
    """Products that open from now on have new terms."""

    market: U16
    terms: Terms


class ProductOpened(Event):
    """Orders of a product are taken until its gate."""

    market: U16
    start_s: TimeS
    gate_s: TimeS


class ProductCancelled(Event):
    """A product was cancelled before its gate; all its orders are refunded."""

    market: U16
    start_s: TimeS


class MarketHalted(Event):
    """The market opens no product until it resumes."""

    market: U16


class MarketResumed(Event):
    """The market opens products again."""

    market: U16
