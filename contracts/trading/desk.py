"""A desk: what one call on orders has in hand, from its first look to its last write.

A list of orders looks at few products, days and accounts many times. The desk reads each once,
keeps the changes, and writes each once at the end, so that an order in a list costs little more
than its place in the book. It checks first and changes then: after a refusal the desk is as it was,
and the list goes on.
"""

from typing import NamedTuple, Protocol

from contracts.kernel import Context, Map
from contracts.kernel.ledger import Column, Entry, Ledger
from contracts.kernel.types import QUARTER_S
from contracts.trading.model import (
    GREEN,
    MAKER,
    RETAILER,
    BookEntry,
    OrderItem,
    Product,
    day_and_slot,
    day_of,
)
from contracts.trading.order_rules import check_affiliate, check_cap, check_side, quarter_wh_of
from contracts.trading.order_words import (
    NotAParticipant,
    NotYourOrder,
    ProductFull,
    TooManyOrders,
    UnknownOrder,
    WrongZone,
)
from contracts.trading.terms import OPEN_AHEAD_S_MAX, QUARTER_STEPS
from contracts.trading.uniform_price import Side
from contracts.trading.units import Holding, Unit

UnitKey = tuple[int, int, int]
BookKey = tuple[int, int, Side, int, bytes]


class Products(Protocol):
    """What orders need of the markets."""

    def product(self, number: int, start_s: int) -> Product:
        """Return a product in any state; refuses an unknown one."""

    def require_open(self, number: int, start_s: int, now_s: int) -> Product:
        """Return a product whose orders may still change; refuses any other."""


class Trader(Protocol):
    """What trading knows of a participant."""

    @property
    def group(self) -> int:
        """The head of its affiliates; itself if it has none."""

    @property
    def zone(self) -> int:
        """Where it is connected."""

    @property
    def market_maker(self) -> bool:
        """Whether it may hold an ask and a bid in one product."""

    @property
    def import_cap_wh(self) -> int:
        """Wh that it can take in a quarter."""

    @property
    def export_cap_wh(self) -> int:
        """Wh that it can give in a quarter."""


class Zone(Protocol):
    """What orders know of a zone."""

    @property
    def retailer(self) -> int:
        """The participant that answers for the exchange with the grid above."""


class Directory(Protocol):
    """What orders need of the registry of the grid."""

    def participant_of(self, account: bytes) -> int | None:
        """Return the participant that an account belongs to."""

    def require_may_trade(self, participant: int, now_s: int) -> Trader:
        """Return a trader; refuses one that is suspended, not compliant or without a licence."""

    def trader(self, participant: int) -> Trader:
        """Return what trading knows of a participant."""

    def affiliates(self, group: int) -> tuple[int, ...]:
        """Return all participants of a group, its head among them."""

    def zone(self, number: int) -> Zone:
        """Return a zone."""

    def accounts(self, participant: int) -> tuple[bytes, ...]:
        """Return a participant's accounts in the order of registration."""


class Debts(Protocol):
    """What orders need of the arrears."""

    def require_within_limit(self, account: bytes) -> None:
        """Refuse an account whose participant owes too much to order."""


class UnitStore(Protocol):
    """What orders need of the positions."""

    def unit(self, zone: int, day: int, participant: int) -> Unit:
        """Return a participant's day in a zone, to be read and changed."""

    def store(self, zone: int, day: int, participant: int, unit: Unit) -> None:
        """Write it back."""


class Book(Protocol):
    """What a desk needs of the contract that it works for."""

    book: Map[BookKey, BookEntry | None]

    def charge_steps(self, count: int) -> None:
        """Charge turns of a loop before it runs."""


class Owner(NamedTuple):
    """For whom orders are placed; `affiliates` are the others of its group, each with its zone."""

    participant: int
    group: int
    zone: int
    is_maker: bool
    is_retailer: bool
    import_cap_wh: int
    export_cap_wh: int
    affiliates: tuple[tuple[int, int], ...]


def owner_of(ctx: Context, directory: Directory, debts: Debts) -> Owner:
    """Return for whom the caller trades, or raise."""
    participant = directory.participant_of(ctx.caller)
    if participant is None:
        raise NotAParticipant(account=ctx.caller)
    trader = directory.require_may_trade(participant, ctx.market_time_s)
    debts.require_within_limit(ctx.caller)
    others = [one for one in directory.affiliates(trader.group) if one != participant]
    return Owner(
        participant=participant,
        group=trader.group,
        zone=trader.zone,
        is_maker=trader.market_maker,
        is_retailer=directory.zone(trader.zone).retailer == participant,
        import_cap_wh=trader.import_cap_wh,
        export_cap_wh=trader.export_cap_wh,
        affiliates=tuple((one, directory.trader(one).zone) for one in others),
    )


class Desk:
    """The orders, units and credit that one call of an account touches."""

    def __init__(
        self,
        orders: Book,
        ctx: Context,
        products: Products,
        ledger: Ledger,
        positions: UnitStore,
        *,
        is_list: bool = False,
    ) -> None:
        """Start with nothing in hand, but for a list with the caller's free credit."""
        self._ctx = ctx
        self._products = products
        self._ledger = ledger
        self._orders = orders
        self._positions = positions
        self._open: dict[tuple[int, int], Product] = {}
        self._units: dict[UnitKey, Unit] = {}
        self._free_uthb = ledger.free(ctx.caller) if is_list else None
        self._held: dict[Column, int] = {}

    def place(self, owner: Owner, item: OrderItem, item_index: int) -> bytes:
        """Put an order into the book and return its id, or raise and change nothing."""
        product = self._product(item.market, item.start_s)
        terms = product.terms
        if item.zone != owner.zone or item.zone not in terms.zones:
            raise WrongZone(zone=item.zone, owner_zone=owner.zone)
        quarter_wh = quarter_wh_of(item, terms)
        day, slot = day_and_slot(item.start_s)
        unit = self._unit(owner.zone, day, owner.participant)
        holding = unit.holding(item.market, slot)
        check_side(item, holding, is_maker=owner.is_maker)
        for affiliate, zone in owner.affiliates:
            theirs = self._unit(zone, day, affiliate).holding(item.market, slot)
            check_affiliate(item, affiliate, theirs)
        if not owner.is_maker:
            self._check_counts(owner, item.market, product, holding)
        is_bid = item.side is Side.BID
        cap_wh = owner.import_cap_wh if is_bid else owner.export_cap_wh
        positions = [unit.position(slot + i) for i in range(terms.quarters)]
        for i, position in enumerate(positions):
            check_cap(item.side, quarter_wh, item.start_s + i * QUARTER_S, position, cap_wh)
        margin = 0 if is_bid or owner.is_retailer else terms.import_per_wh - item.limit_per_wh
        margin = max(0, margin)
        if is_bid:
            self._hold(Column.BID_ESCROW, item.quantity_wh * (item.limit_per_wh + terms.fee_per_wh))
        else:
            self._hold(Column.ASK_MARGIN, item.quantity_wh * margin)
        # Nothing is refused from here on.
        flags = GREEN * item.green | MAKER * owner.is_maker | RETAILER * owner.is_retailer
        id_ = self._ctx.item_id(item_index)
        self._orders.book[item.market, item.start_s, item.side, item.limit_per_wh, id_] = BookEntry(
            quarter_wh,
            owner.participant,
            owner.group,
            self._ctx.caller,
            owner.zone,
            margin,
            0 if item.source is None else int(item.source),
            flags,
        )
        unit.set_holding(item.market, slot, holding.with_orders(item.side, 1, item.limit_per_wh))
        for i, position in enumerate(positions):
            unit.set_position(slot + i, position.with_open(item.side, quarter_wh))
        return id_

    def withdraw(
        self, market: int, start_s: int, side: Side, limit_per_wh: int, id_: bytes
    ) -> tuple[BookEntry, int]:
        """Take an order of the caller out of the book; returns it and the µTHB it releases."""
        product = self._product(market, start_s)
        terms = product.terms
        entry = self._orders.book[market, start_s, side, limit_per_wh, id_]
        if entry is None:
            raise UnknownOrder(market=market, start_s=start_s, id=id_)
        if entry.account != self._ctx.caller:
            raise NotYourOrder(account=entry.account)
        quantity_wh = entry.quarter_wh * terms.quarters
        if side is Side.BID:
            column, released_uthb = (
                Column.BID_ESCROW,
                quantity_wh * (limit_per_wh + terms.fee_per_wh),
            )
        else:
            column, released_uthb = Column.ASK_MARGIN, quantity_wh * entry.margin_per_wh
        self._held[column] = self._held.get(column, 0) - released_uthb
        day, slot = day_and_slot(start_s)
        unit = self._unit(entry.zone, day, entry.participant)
        holding = unit.holding(market, slot)
        unit.set_holding(market, slot, holding.with_orders(side, -1, -limit_per_wh))
        for i in range(terms.quarters):
            position = unit.position(slot + i)
            unit.set_position(slot + i, position.with_open(side, -entry.quarter_wh))
        del self._orders.book[market, start_s, side, limit_per_wh, id_]
        return entry, released_uthb

    def close(self) -> None:
        """Write everything that changed, each record once."""
        for key, unit in self._units.items():
            if unit.is_changed:
                self._positions.store(*key, unit)
        self._post(self._held)

    def _product(self, market: int, start_s: int) -> Product:
        """Return a product whose orders may still change, or raise; charges for its quarters."""
        key = market, start_s
        product = self._open.get(key)
        if product is None:
            now_s = self._ctx.market_time_s
            product = self._open[key] = self._products.require_open(market, start_s, now_s)
        self._orders.charge_steps(QUARTER_STEPS * product.terms.quarters)
        return product

    def _unit(self, zone: int, day: int, participant: int) -> Unit:
        key = zone, day, participant
        unit = self._units.get(key)
        if unit is None:
            unit = self._units[key] = self._positions.unit(*key)
        return unit

    def _check_counts(self, owner: Owner, market: int, product: Product, holding: Holding) -> None:
        """Raise if the participant has all the open orders it may have.

        Products whose gate is ahead deliver today or on a day that may be open by any terms.
        """
        terms, now_s = product.terms, self._ctx.market_time_s
        days = range(day_of(now_s), day_of(now_s + OPEN_AHEAD_S_MAX) + 1)
        open_orders = 0
        for day in days:
            open_orders += self._unit(owner.zone, day, owner.participant).open_orders(market)
        if open_orders >= terms.orders_max:
            raise TooManyOrders(market=market, orders_max=terms.orders_max)
        if holding.bids + holding.asks >= product.orders_each_max:
            raise ProductFull(market=market, orders_max=product.orders_each_max)

    def _hold(self, column: Column, amount_uthb: int) -> None:
        """Move free credit into a column; the ledger refuses if there is too little.

        A list looks at the free credit once and posts at the end, a single order posts at once.
        """
        if self._free_uthb is None:
            held, self._held = self._held, {}
            held[column] = held.get(column, 0) + amount_uthb
            self._post(held)
            return
        held = self._held | {column: self._held.get(column, 0) + amount_uthb}
        if sum(held.values()) > self._free_uthb:
            self._post(held)
            raise AssertionError("the ledger posts what the account does not have")
        self._held = held

    def _post(self, held: dict[Column, int]) -> None:
        if not held:
            return
        account = self._ctx.caller
        entries = [Entry(account, column, amount) for column, amount in held.items() if amount]
        if entries:
            self._ledger.post(Entry(account, Column.FREE, -sum(held.values())), *entries)
