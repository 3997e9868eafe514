"""Orders: the book of every product; placing, cancelling, replacing and closing what is in it.

An order is (product, side, limit, id) in the book, escrow or margin on its owner's account, and Wh
in the owner's unit: it writes these three keys and no other. Its id, SHA-256(sender ‖ nonce ‖ call
‖ item), decides nothing but the last Wh among a participant's own orders.

- A bid holds quantity × (limit + fee). An ask holds quantity × max(0, import price − limit), what
  its seller would at least owe for not delivering; the retailer, who answers for the grid, nothing.
- A group holds one side of a product. No group has a record of its own: an order looks at the units
  of the owner's affiliates, which are few, and writes only its own.
- Orders change until their product's gate. Then they are closed, by the auction or as a refund.

The auction closes orders through `close_rows`, which does everything that follows from their fills.
(MARKET §2, §5.)
"""

from collections.abc import Iterator
from typing import Annotated, Final, Protocol, TypeVar

from contracts.kernel import (
    Context,
    Contract,
    Items,
    Lane,
    Map,
    Reject,
    call,
    invariant,
    query,
)
from contracts.kernel.host import Host
from contracts.kernel.ledger import Column, Ledger
from contracts.kernel.types import U16, U32, Hash32, PricePerWh, TimeS, Wh
from contracts.trading import audit, order_words
from contracts.trading.book import BookRows
from contracts.trading.closing import Closing, UnitChange, close_orders
from contracts.trading.desk import Debts, Desk, Directory, Owner, Products, UnitStore, owner_of
from contracts.trading.model import (
    GREEN,
    BookEntry,
    Depth,
    EnergySource,
    OpenOrder,
    OrderItem,
    Product,
)
from contracts.trading.order_words import (
    ORDERS_PER_EVENT_MAX,
    OrderCancelled,
    OrderPlaced,
    OrderReplaced,
    OrdersExpired,
    OrdersRefunded,
    TradesExecuted,
)
from contracts.trading.uniform_price import Side
from contracts.trading.units import UnitDay

T = TypeVar("T")

LIST_MAX: Final = 512
# What judging an order costs besides its reads and writes, in turns of a loop.
ITEM_STEPS: Final = 40
# What closing an order costs besides its reads and writes.
CLOSING_STEPS: Final = 40
SHOWN_MAX: Final = 1_024


class Positions(UnitStore, Protocol):
    """What orders need of the positions."""

    def close_orders(
        self,
        product: tuple[int, int],
        quarters: int,
        side: Side,
        owner: tuple[int, int],
        change: UnitChange,
    ) -> None:
        """Count orders that left the book of a product."""

    def all_units(self) -> Iterator[tuple[tuple[int, int, int], UnitDay]]:
        """Yield every (zone, day, participant) with what is stored of it."""


class Orders(Contract, name="orders", number=0x31, lane=Lane.MARKET, vocabulary=(order_words,)):
    """The books of all products."""

    book = Map[tuple[U16, TimeS, Side, PricePerWh, Hash32], BookEntry | None](
        id=0x3101, default=None, packed=True
    )

    def __init__(
        self,
        host: Host,
        ledger: Ledger,
        directory: Directory,
        products: Products,
        positions: Positions,
        debts: Debts,
    ) -> None:
        """Keep what moves credit and what knows participants, products, units and debts."""
        super().__init__(host)
        self._ledger = ledger
        self._directory = directory
        self._products = products
        self._positions = positions
        self._debts = debts

    # ── Calls ──

    @call
    def submit_bid(
        self,
        ctx: Context,
        market: U16,
        start_s: TimeS,
        zone: U16,
        quantity_wh: Wh,
        limit_per_wh: PricePerWh,
        green: bool,  # noqa: FBT001 - the arguments of a call have places, not names
    ) -> Hash32:
        """Offer to buy up to `quantity_wh` for at most `limit_per_wh`; returns the order's id."""
        item = OrderItem(market, start_s, zone, Side.BID, quantity_wh, limit_per_wh, None, green)
        return self._submit_one(ctx, item)

    @call
    def submit_ask(
        self,
        ctx: Context,
        market: U16,
        start_s: TimeS,
        zone: U16,
        quantity_wh: Wh,
        limit_per_wh: PricePerWh,
        source: EnergySource,
        green: bool,  # noqa: FBT001 - the arguments of a call have places, not names
    ) -> Hash32:
        """Offer to sell up to `quantity_wh` for at least `limit_per_wh`; returns the order's id."""
        item = OrderItem(market, start_s, zone, Side.ASK, quantity_wh, limit_per_wh, source, green)
        return self._submit_one(ctx, item)

    @call
    def submit_orders(
        self, ctx: Context, orders: Annotated[tuple[OrderItem, ...], Items(LIST_MAX)]
    ) -> Annotated[tuple[U16, ...], Items(LIST_MAX)]:
        """Submit orders, each judged alone; returns 0 or the code of its refusal for each.

        The id of an order is SHA-256(sender ‖ nonce ‖ call index ‖ its index in the list).
        """
        self.charge_steps(ITEM_STEPS * len(orders))
        owner, desk = owner_of(ctx, self._directory, self._debts), self._desk(ctx, is_list=True)
        codes = []
        for index, item in enumerate(orders):
            try:
                self._place(ctx, desk, owner, item, index)
            except Reject as reject:
                codes.append(reject.receipt_code())
            else:
                codes.append(0)
        desk.close()
        return tuple(codes)

    @call
    def cancel_order(
        self,
        ctx: Context,
        market: U16,
        start_s: TimeS,
        side: Side,
        limit_per_wh: PricePerWh,
        id: Hash32,
    ) -> None:
        """Take one's order out of the book before the gate; all that it holds is free again."""
        desk = self._desk(ctx)
        _, released_uthb = desk.withdraw(market, start_s, side, limit_per_wh, id)
        desk.close()
        self.emit(OrderCancelled(ctx.caller, market, start_s, side, id, released_uthb))

    @call
    def replace_order(
        self,
        ctx: Context,
        market: U16,
        start_s: TimeS,
        side: Side,
        limit_per_wh: PricePerWh,
        id: Hash32,
        quantity_wh: Wh,
        new_limit_per_wh: PricePerWh,
    ) -> Hash32:
        """Cancel one's order and place another in one step; if that is refused the old one stays.

        Product, side, source and green flag stay; the new order has a new id, which is returned.
        """
        owner, desk = owner_of(ctx, self._directory, self._debts), self._desk(ctx)
        old, released_uthb = desk.withdraw(market, start_s, side, limit_per_wh, id)
        source = EnergySource(old.source) if old.source else None
        item = OrderItem(
            market, start_s, old.zone, side, quantity_wh, new_limit_per_wh, source,
            bool(old.flags & GREEN),
        )  # fmt: skip
        new_id = desk.place(owner, item, 0)
        desk.close()
        self.emit(
            OrderReplaced(
                ctx.caller, market, start_s, side, id, released_uthb,
                new_id, quantity_wh, new_limit_per_wh,
            )
        )  # fmt: skip
        return new_id

    # ── For the auction ──

    def rows(self, market: int, start_s: int, side: Side, limit: int | None = None) -> BookRows:
        """Return the open orders of one side, all or the first `limit`, by limit and id."""
        keys, values, _ = self.book.scan_raw(market, start_s, side, limit=limit)
        return BookRows.of(keys, values)

    def level(self, market: int, start_s: int, side: Side, limit_per_wh: int) -> BookRows:
        """Return the open orders of one side at one price."""
        ids, values, _ = self.book.scan_raw(market, start_s, side, limit_per_wh)
        return BookRows.at(limit_per_wh, ids, values)

    def close_rows(
        self,
        market: int,
        start_s: int,
        product: Product,
        side: Side,
        rows: BookRows,
        fills_wh: list[int],
        price_per_wh: int,
        *,
        refunded: bool = False,
    ) -> Closing:
        """Close orders that are filled by so many Wh a quarter: money, units, book and events."""
        assert len(rows), "closing nothing would never end"
        self.charge_steps(CLOSING_STEPS * len(rows))
        closing = close_orders(product, side, rows, fills_wh, price_per_wh)
        self._ledger.post(*closing.entries(product.operator))
        for owner, change in closing.units.items():
            self._positions.close_orders(
                (market, start_s), product.terms.quarters, side, owner, change
            )
        for limit_per_wh, id_ in zip(rows.limit_per_wh.tolist(), rows.ids(), strict=True):
            del self.book[market, start_s, side, limit_per_wh, id_]
        self._tell(market, start_s, side, price_per_wh, closing, refunded=refunded)
        return closing

    # ── Queries ──

    @query
    def order(
        self, market: U16, start_s: TimeS, side: Side, limit_per_wh: PricePerWh, id: Hash32
    ) -> OpenOrder | None:
        """An open order, or null; a closed one is in its account's events."""
        entry = self.book[market, start_s, side, limit_per_wh, id]
        if entry is None:
            return None
        quarters = self._products.product(market, start_s).terms.quarters
        return open_order(side, limit_per_wh, id, entry, quarters)

    @query
    def open_orders(
        self, participant: U32, market: U16, start_s: TimeS
    ) -> Annotated[tuple[OpenOrder, ...], Items(SHOWN_MAX)]:
        """The first 1 024 open orders of a participant in a product, bids before asks."""
        shown: list[OpenOrder] = []
        for side in Side:
            quarters = self._products.product(market, start_s).terms.quarters
            for (_, _, _, limit_per_wh, id_), entry in self.book.items(market, start_s, side):
                assert entry is not None, "a key in the book has an order"
                if entry.participant == participant and len(shown) < SHOWN_MAX:
                    shown.append(open_order(side, limit_per_wh, id_, entry, quarters))
        return tuple(shown)

    @query
    def depth(self, market: U16, start_s: TimeS) -> Depth:
        """How many orders of a product are open, and their Wh in total; no limits are shown."""
        quarters = self._products.product(market, start_s).terms.quarters
        bids, asks = (self.rows(market, start_s, side) for side in Side)
        return Depth(len(bids), bids.total_wh() * quarters, len(asks), asks.total_wh() * quarters)

    # ── Invariants ──

    @invariant
    def units_count_what_is_in_the_books(self) -> bool:
        """Open orders and Wh of every unit are those of the books, and of no side but one."""
        return audit.units_agree(self._all_orders(), self._positions.all_units())

    @invariant
    def accounts_hold_what_orders_hold(self) -> bool:
        """Escrow, margins and proceeds of each participant are those of its orders and units."""
        columns = (Column.BID_ESCROW, Column.ASK_MARGIN, Column.PROCEEDS)
        due = audit.holds(self._all_orders(), self._positions.all_units())
        for participant, amounts in due.items():
            accounts = self._directory.accounts(participant)
            for column, amount_uthb in zip(columns, amounts, strict=True):
                if sum(self._ledger.held(one, column) for one in accounts) != amount_uthb:
                    return False
        return True

    # ── Below ──

    def _submit_one(self, ctx: Context, item: OrderItem) -> bytes:
        self.charge_steps(ITEM_STEPS)
        owner, desk = owner_of(ctx, self._directory, self._debts), self._desk(ctx)
        id_ = self._place(ctx, desk, owner, item, 0)
        desk.close()
        return id_

    def _place(
        self, ctx: Context, desk: Desk, owner: Owner, item: OrderItem, item_index: int
    ) -> bytes:
        id_ = desk.place(owner, item, item_index)
        self.emit(
            OrderPlaced(
                ctx.caller, owner.participant, item.market, item.start_s, item.zone, item.side,
                id_, item.quantity_wh, item.limit_per_wh, item.source, item.green,
            )
        )  # fmt: skip
        return id_

    def _desk(self, ctx: Context, *, is_list: bool = False) -> Desk:
        return Desk(self, ctx, self._products, self._ledger, self._positions, is_list=is_list)

    def _all_orders(self) -> Iterator[audit.StandingOrder]:
        for (market, start_s, side, limit_per_wh, _), entry in self.book.items():
            assert entry is not None, "a key in the book has an order"
            terms = self._products.product(market, start_s).terms
            yield audit.StandingOrder(market, start_s, side, limit_per_wh, entry, terms)

    def _tell(
        self, market: int, start_s: int, side: Side, price_per_wh: int, closing: Closing,
        *, refunded: bool,
    ) -> None:  # fmt: skip
        """Emit, for each account, its trades and the orders without any."""
        unfilled_event = OrdersRefunded if refunded else OrdersExpired
        for account, change in closing.accounts.items():
            for trades in _chunks(change.trades):
                self.emit(TradesExecuted(account, market, start_s, side, price_per_wh, trades))
            for ids in _chunks(change.unfilled):
                self.emit(unfilled_event(account, market, start_s, side, ids))


def open_order(
    side: Side, limit_per_wh: int, id_: bytes, entry: BookEntry, quarters: int
) -> OpenOrder:
    """Return an order of the book as queries show it."""
    return OpenOrder(
        id=id_,
        account=entry.account,
        participant=entry.participant,
        zone=entry.zone,
        side=side,
        quantity_wh=entry.quarter_wh * quarters,
        limit_per_wh=limit_per_wh,
        source=EnergySource(entry.source) if entry.source else None,
        green=bool(entry.flags & GREEN),
    )


def _chunks(items: list[T]) -> Iterator[tuple[T, ...]]:
    """Yield the items in portions that an event holds."""
    for start in range(0, len(items), ORDERS_PER_EVENT_MAX):
        yield tuple(items[start : start + ORDERS_PER_EVENT_MAX])
