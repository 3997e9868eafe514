"""Markets: what is traded where, under which terms, and the products that are open.

A market sells the energy of one product length in its zones by one mechanism. The mechanism's
contract opens each product in time and carries it to its end; this one keeps the terms, the
products and their states, and says whether orders may still change.

A product keeps the terms of the moment it opened, so that nothing moves under an order that stands.
Whether its gate has passed is a comparison with market time, never a question of what has run.
A product's record stays until all its quarters are settled. (MARKET §2.)
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Final, Protocol

from contracts.kernel import (
    Context,
    Contract,
    Items,
    Lane,
    Map,
    NotPermitted,
    Record,
    Size,
    call,
    genesis,
    invariant,
    query,
    record,
)
from contracts.kernel.host import Host
from contracts.kernel.rounding import ceil_div, floor_div, floor_mod
from contracts.kernel.types import U8, U16, U32, Address, Text32, TimeS
from contracts.trading import market_words
from contracts.trading.market_words import (
    BadTerms,
    GateClosed,
    MarketHalted,
    MarketResumed,
    NotTrading,
    ProductCancelled,
    ProductOpened,
    TermsChanged,
    UnknownMarket,
    UnknownProduct,
)
from contracts.trading.model import RULES_VERSION, Market, Product, ProductState, Tariffs
from contracts.trading.terms import (
    PRODUCTS_OPEN_MAX,
    ZONE_MARKETS_MAX,
    Mechanism,
    Terms,
    fault_of,
    kept,
)

MARKETS_MAX: Final = 1_024
TERMS_BYTES_MAX: Final = 256


@record(version=1)
class GenesisMarket(Record):
    """A market that exists from genesis on, and the delivery start of its first product."""

    number: U16
    name: Text32
    terms: Terms
    first_start_s: TimeS


@record(version=1)
class OpenProduct(Record):
    """A product that takes orders, for lists."""

    start_s: TimeS
    gate_s: TimeS


@record(version=1)
class ProductEntry(Record):
    """A `Product` as it is stored: its terms in one piece, which many products have in common."""

    terms: Annotated[bytes, Size(1, TERMS_BYTES_MAX)]
    operator: Address
    gate_s: TimeS
    orders_each_max: U32
    rules_version: U16
    state: ProductState
    unsettled_quarters: U8


class Zone(Protocol):
    """What markets know of a zone."""

    @property
    def market_operator(self) -> bytes:
        """The account that runs the zone's markets and receives their fees."""


class Zones(Protocol):
    """What markets need of the registry of the grid."""

    def zone(self, number: int) -> Zone:
        """Return a zone; refuses an unknown one."""

    def member_count(self, zone: int) -> int:
        """Return how many participants are registered in a zone."""


class Markets(Contract, name="markets", number=0x30, lane=Lane.MARKET, vocabulary=(market_words,)):
    """Markets, their terms and their products."""

    markets = Map[U16, Market | None](id=0x3001, default=None)
    products = Map[tuple[U16, TimeS], ProductEntry | None](id=0x3002, default=None)
    in_zone = Map[tuple[U16, U16], bool](id=0x3003, default=False)
    next_starts = Map[U16, TimeS](id=0x3004, default=0)

    def __init__(self, host: Host, zones: Zones) -> None:
        """Keep what knows the zones."""
        super().__init__(host)
        self._zones = zones
        # Decoded terms by their bytes: what they mean never changes, whatever is undone.
        self._terms: dict[bytes, Terms] = {}

    @genesis
    def set_up(self, markets: Annotated[tuple[GenesisMarket, ...], Items(MARKETS_MAX)]) -> None:
        """Create markets; their mechanisms open the first products when these are due."""
        for one in markets:
            reason = fault_of(one.terms)
            if self.markets[one.number] is not None:
                reason = "its number is taken"
            elif reason is None and floor_mod(one.first_start_s, one.terms.length_s) != 0:
                reason = "first_start_s is not a multiple of length_s"
            if reason is not None:
                msg = f"market {one.number}: {reason}"
                raise ValueError(msg)
            self.markets[one.number] = Market(one.name, one.terms, halted=False)
            self.next_starts[one.number] = one.first_start_s
            for zone in one.terms.zones:
                self._zones.zone(zone)
                self.in_zone[zone, one.number] = True
                if len(list(self.numbers_in(zone))) > ZONE_MARKETS_MAX:
                    msg = f"zone {zone} has more than {ZONE_MARKETS_MAX} markets"
                    raise ValueError(msg)

    def market(self, number: int) -> Market:
        """Return a market, or raise `UnknownMarket`."""
        market = self.markets[number]
        if market is None:
            raise UnknownMarket(market=number)
        return market

    def numbers_in(self, zone: int) -> Iterator[int]:
        """Yield the numbers of the markets of a zone, ascending."""
        for (_, number), _ in self.in_zone.items(zone):
            yield number

    def numbers_of(self, mechanism: Mechanism) -> Iterator[int]:
        """Yield the numbers of all markets of a mechanism, ascending."""
        for number, market in self.markets.items():
            if market is not None and market.terms.mechanism is mechanism:
                yield number

    def tariffs(self, zone: int) -> Tariffs | None:
        """Return the present tariffs of a zone: those of its first market, if it has one."""
        number = next(self.numbers_in(zone), None)
        if number is None:
            return None
        terms = self.market(number).terms
        return Tariffs(terms.import_per_wh, terms.feed_in_per_wh, terms.fee_per_wh)

    def product(self, number: int, start_s: int) -> Product:
        """Return a product in any state, or raise `UnknownProduct`."""
        product = self.find(number, start_s)
        if product is None:
            raise UnknownProduct(market=number, start_s=start_s)
        return product

    def find(self, number: int, start_s: int) -> Product | None:
        """Return a product in any state, or None."""
        entry = self.products[number, start_s]
        return None if entry is None else self._loaded(entry)

    def tradable(self, number: int, now_s: int) -> Iterator[tuple[int, Product]]:
        """Yield (start, product) of the products whose orders may still change, ascending."""
        for (_, start_s), entry in self.products.items(number, start=now_s):
            assert entry is not None, "a key has a product"
            product = self._loaded(entry)
            if product.state is ProductState.OPEN and now_s < product.gate_s:
                yield start_s, product

    def require_open(self, number: int, start_s: int, now_s: int) -> Product:
        """Return a product whose orders may still change, or say why they may not."""
        product = self.product(number, start_s)
        if product.state in (ProductState.REFUNDING, ProductState.CANCELLED):
            raise NotTrading(market=number, start_s=start_s)
        if now_s >= product.gate_s:
            raise GateClosed(market=number, start_s=start_s, gate_s=product.gate_s, now_s=now_s)
        assert product.state is ProductState.OPEN, "nothing clears before its gate"
        return product

    def require_operator(self, number: int, caller: bytes) -> Market:
        """Return a market that the caller runs, or raise."""
        market = self.market(number)
        operator = self._operator(market.terms)
        if caller != operator:
            raise NotPermitted(operator=operator)
        return market

    def next_opening_s(self, number: int) -> int:
        """Return the market time at which the next product of a market opens."""
        return max(0, self.next_starts[number] - self.market(number).terms.open_ahead_s)

    def open_next(self, number: int, now_s: int) -> tuple[int, Product] | None:
        """Open the next product that is due; None if none is, or the market is halted.

        Products whose gate has already passed are skipped.
        """
        market = self.market(number)
        terms = market.terms
        first_s = ceil_div(now_s + terms.gate_lead_s + 1, terms.length_s) * terms.length_s
        start_s = max(self.next_starts[number], first_s)
        self.next_starts[number] = start_s
        if start_s - terms.open_ahead_s > now_s:
            return None
        self.next_starts[number] = start_s + terms.length_s
        return None if market.halted else (start_s, self._open(number, start_s, terms))

    def reopen(self, number: int, now_s: int) -> list[tuple[int, Product]]:
        """Open each product that a halt skipped or cancelled and whose gate is still ahead.

        One whose refunds are still under way stays cancelled.
        """
        terms = self.market(number).terms
        first_s = ceil_div(now_s + terms.gate_lead_s + 1, terms.length_s) * terms.length_s
        opened = []
        for start_s in range(first_s, self.next_starts[number], terms.length_s):
            old = self.find(number, start_s)
            if old is None or old.state is ProductState.CANCELLED:
                opened.append((start_s, self._open(number, start_s, terms)))
        return opened

    def set_state(self, number: int, start_s: int, product: Product, state: ProductState) -> None:
        """Move a product to its next state."""
        assert (product.state, state) in _TRANSITIONS, f"{product.state.name} to {state.name}"
        if state is ProductState.REFUNDING:
            self.emit(ProductCancelled(number, start_s))
        self._write(number, start_s, replace(product, state=state))

    def set_halted(self, number: int, market: Market, *, halted: bool) -> None:
        """Halt a market or let it go on."""
        self.markets[number] = Market(market.name, market.terms, halted)
        self.emit(MarketHalted(number) if halted else MarketResumed(number))

    def settle_quarter(self, number: int, start_s: int) -> bool:
        """Count one quarter of a product as settled; the last removes it, and returns true."""
        product = self.product(number, start_s)
        assert product.state in _ENDED, "only what has ended can be settled"
        left = product.unsettled_quarters - 1
        if left:
            self._write(number, start_s, replace(product, unsettled_quarters=left))
        else:
            del self.products[number, start_s]
        return left == 0

    @call
    def change_terms(self, ctx: Context, market: U16, terms: Terms) -> None:
        """Set the terms of products that open from now on; the zone's market operator may."""
        old = self.require_operator(market, ctx.caller)
        reason = fault_of(terms)
        if reason is None and kept(terms) != kept(old.terms):
            reason = "zones, length and mechanism stay"
        if reason is not None:
            raise BadTerms(market=market, reason=reason)
        self.markets[market] = Market(old.name, terms, old.halted)
        self.emit(TermsChanged(market, terms))

    @query
    def all_markets(self) -> Annotated[tuple[U16, ...], Items(MARKETS_MAX)]:
        """The numbers of all markets, ascending."""
        return tuple(number for number, _ in self.markets.items())

    @query
    def market_of(self, market: U16) -> Market | None:
        """A market with its present terms, or null."""
        return self.markets[market]

    @query
    def product_of(self, market: U16, start_s: TimeS) -> Product | None:
        """A product with the terms it keeps, or null."""
        return self.find(market, start_s)

    @query
    def open_products(
        self, market: U16, now_s: TimeS
    ) -> Annotated[tuple[OpenProduct, ...], Items(PRODUCTS_OPEN_MAX)]:
        """The products of a market that take orders at the market time `now_s`."""
        found = self.tradable(market, now_s)
        return tuple(OpenProduct(start_s, product.gate_s) for start_s, product in found)

    @invariant
    def terms_are_within_bounds(self) -> bool:
        """Markets and their products have terms that a market may have."""
        terms = [market.terms for _, market in self.markets.items() if market is not None]
        terms += [Terms.decode_trusted(entry.terms) for _, entry in self.products.items() if entry]
        return all(fault_of(one) is None for one in terms)

    @invariant
    def products_belong_to_markets(self) -> bool:
        """Every product starts at a boundary of a market of its length, before the next one."""
        for (number, start_s), entry in self.products.items():
            market = self.markets[number]
            if market is None or entry is None or start_s >= self.next_starts[number]:
                return False
            product = self._loaded(entry)
            terms = product.terms
            if kept(terms) != kept(market.terms) or floor_mod(start_s, terms.length_s) != 0:
                return False
            if product.gate_s != start_s - terms.gate_lead_s or product.orders_each_max == 0:
                return False
        return True

    def _open(self, number: int, start_s: int, terms: Terms) -> Product:
        members = sum(self._zones.member_count(zone) for zone in terms.zones)
        product = Product(
            terms=terms,
            operator=self._operator(terms),
            gate_s=start_s - terms.gate_lead_s,
            orders_each_max=max(1, floor_div(terms.product_orders_max, max(1, members))),
            rules_version=RULES_VERSION,
            state=ProductState.OPEN,
            unsettled_quarters=terms.quarters,
        )
        self._write(number, start_s, product)
        self.emit(ProductOpened(number, start_s, product.gate_s))
        return product

    def _write(self, number: int, start_s: int, product: Product) -> None:
        self.products[number, start_s] = ProductEntry(
            product.terms.encode(),
            product.operator,
            product.gate_s,
            product.orders_each_max,
            product.rules_version,
            product.state,
            product.unsettled_quarters,
        )

    def _loaded(self, entry: ProductEntry) -> Product:
        terms = self._terms.get(entry.terms)
        if terms is None:
            terms = self._terms[entry.terms] = Terms.decode_trusted(entry.terms)
        return Product(
            terms,
            entry.operator,
            entry.gate_s,
            entry.orders_each_max,
            entry.rules_version,
            entry.state,
            entry.unsettled_quarters,
        )

    def _operator(self, terms: Terms) -> bytes:
        return self._zones.zone(terms.zones[0]).market_operator


_ENDED: Final = (ProductState.CLEARED, ProductState.CANCELLED)
_TRANSITIONS: Final = (
    (ProductState.OPEN, ProductState.CLEARING),
    (ProductState.CLEARING, ProductState.CLEARED),
    (ProductState.OPEN, ProductState.REFUNDING),
    (ProductState.REFUNDING, ProductState.CANCELLED),
)
