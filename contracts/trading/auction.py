"""The auction: the life of every product of a uniform-price market, from opening to its last fill.

    open ──▶ gate ──▶ clear ──▶ allocate … allocate ──▶ cleared
      │                         (bids, then asks, slices of bounded size)
      └─ cancel ──▶ refund … refund ──▶ cancelled

All of it is due work that runs by itself. `clear` reads each side of the book in one scan and
writes a result of constant size; the slices that follow move money and Wh, and since every fill is
a function of the result, neither their size nor what happens between them changes anything. Bids
pay into a pool of the chain, asks are paid out of it, and after the last it is empty again.

Ties are decided by the hash of the block before the clearing's, unknown while orders are written;
with a driven clock by chain and product alone, so that every replay ends alike. (MARKET §2, §3.)
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, Protocol

import numpy as np

from contracts.kernel import (
    Context,
    Contract,
    Host,
    Lane,
    Map,
    Scheduler,
    call,
    genesis,
    invariant,
    query,
    sha256,
    unit,
)
from contracts.kernel.clock import ClockMode
from contracts.kernel.ledger import Column, Ledger
from contracts.kernel.rounding import floor_div
from contracts.kernel.types import U16, TimeS
from contracts.trading import auction_words
from contracts.trading.allocation import OpenBook, fills_of, next_slice
from contracts.trading.auction_words import (
    AlreadyHalted,
    GateAhead,
    MarketCleared,
    NotHalted,
    ProductCleared,
    ProductRefunded,
)
from contracts.trading.book import BookRows
from contracts.trading.closing import Closing
from contracts.trading.model import CLEARING_POOL, Market, Product, ProductState
from contracts.trading.results import ClearingRecord, record_of
from contracts.trading.terms import Mechanism
from contracts.trading.uniform_price import Book, Side, clear

# Turns of a loop that finding the price costs for each order, besides reading it.
CLEARING_STEPS: Final = 2


class Clock(Protocol):
    """What the auction needs of the market clock."""

    def market_mode(self) -> ClockMode:
        """Return where market time comes from."""


class Directory(Protocol):
    """What the auction needs of the registry of the grid."""

    def suspended(self, zone: int) -> tuple[int, ...]:
        """Return the participants of a zone that are suspended, ascending."""


class Markets(Protocol):
    """What the auction needs of the markets."""

    def numbers_of(self, mechanism: Mechanism) -> Iterator[int]:
        """Yield the numbers of all markets of a mechanism, ascending."""

    def numbers_in(self, zone: int) -> Iterator[int]:
        """Yield the numbers of the markets of a zone, ascending."""

    def market(self, number: int) -> Market:
        """Return a market; refuses an unknown one."""

    def require_operator(self, number: int, caller: bytes) -> Market:
        """Return a market that the caller runs; refuses anyone else."""

    def set_halted(self, number: int, market: Market, *, halted: bool) -> None:
        """Halt a market or let it go on."""

    def next_opening_s(self, number: int) -> int:
        """Return when the next product of a market opens."""

    def open_next(self, number: int, now_s: int) -> tuple[int, Product] | None:
        """Open the next product if it is due and the market is not halted."""

    def reopen(self, number: int, now_s: int) -> list[tuple[int, Product]]:
        """Open the products that a halt skipped or cancelled."""

    def product(self, number: int, start_s: int) -> Product:
        """Return a product in any state; refuses an unknown one."""

    def find(self, number: int, start_s: int) -> Product | None:
        """Return a product in any state, or None."""

    def require_open(self, number: int, start_s: int, now_s: int) -> Product:
        """Return a product whose orders may still change; refuses any other."""

    def tradable(self, number: int, now_s: int) -> Iterator[tuple[int, Product]]:
        """Yield the products of a market whose orders may still change."""

    def set_state(self, number: int, start_s: int, product: Product, state: ProductState) -> None:
        """Move a product to its next state."""

    def settle_quarter(self, number: int, start_s: int) -> bool:
        """Count one quarter of a product as settled; true if it was the last."""


class Orders(OpenBook, Protocol):
    """What the auction needs of the orders."""

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
        """Close orders that are filled by so many Wh a quarter."""


class Auction(Contract, name="auction", number=0x32, lane=Lane.MARKET, vocabulary=(auction_words,)):
    """Opens, clears and allocates the products of uniform-price markets."""

    results = Map[tuple[U16, TimeS], ClearingRecord | None](id=0x3201, default=None)

    def __init__(
        self,
        host: Host,
        schedule: Scheduler,
        clock: Clock,
        ledger: Ledger,
        directory: Directory,
        markets: Markets,
        orders: Orders,
    ) -> None:
        """Keep what the auction works with."""
        super().__init__(host)
        self._schedule = schedule
        self._clock = clock
        self._ledger = ledger
        self._directory = directory
        self._markets = markets
        self._orders = orders

    @genesis
    def begin(self) -> None:
        """Schedule the first product of every market."""
        for market in self._markets.numbers_of(Mechanism.UNIFORM_PRICE):
            opening_s = self._markets.next_opening_s(market)
            self._schedule.at_market_time(opening_s, self.open_product, market)

    # ── Due work ──

    @unit
    def open_product(self, ctx: Context, market: U16) -> None:
        """Open the product that is due, and come back for the next."""
        opened = self._markets.open_next(market, ctx.market_time_s)
        if opened is not None:
            self._await_gate(market, *opened)
        opening_s = max(self._markets.next_opening_s(market), ctx.market_time_s)
        self._schedule.at_market_time(opening_s, self.open_product, market)

    @unit
    def clear(self, ctx: Context, market: U16, start_s: TimeS) -> None:
        """Find the price at the gate; does nothing if that is done or the product cancelled."""
        product = self._markets.product(market, start_s)
        if product.state is ProductState.OPEN and ctx.market_time_s >= product.gate_s:
            self._clear(ctx, market, start_s, product)

    @unit
    def allocate(self, ctx: Context, market: U16, start_s: TimeS) -> None:
        """Fill and pay the next slice of orders, bids before asks, until none is left."""
        product, record = self._markets.product(market, start_s), self.results[market, start_s]
        assert record is not None, "what is allocated has a result"
        assert ctx.market_time_s >= product.gate_s, "nothing is allocated before the gate"
        clearing = record.clearing()
        count = product.terms.slice_orders_max
        found = next_slice(self._orders, (market, start_s), count, clearing)
        if found is None:
            self._finish(market, start_s, product, record)
            return
        side, rows = found
        fills_wh = fills_of(clearing, side, rows).tolist()
        closing = self._orders.close_rows(
            market, start_s, product, side, rows, fills_wh, record.price_per_wh
        )
        if side is Side.BID:
            record = replace(record, bought_wh=record.bought_wh + closing.filled_quarter_wh)
        else:
            record = replace(record, sold_wh=record.sold_wh + closing.filled_quarter_wh)
        self.results[market, start_s] = record
        self._schedule.at_market_time(product.gate_s, self.allocate, market, start_s)

    @unit
    def refund(self, ctx: Context, market: U16, start_s: TimeS) -> None:
        """Refund the next slice of a cancelled product's orders, until none is left."""
        product = self._markets.product(market, start_s)
        for side in Side:
            rows = self._orders.rows(market, start_s, side, product.terms.slice_orders_max)
            if len(rows):
                self._refund(market, start_s, product, side, rows)
                self._schedule.at_market_time(ctx.market_time_s, self.refund, market, start_s)
                return
        self._markets.set_state(market, start_s, product, ProductState.CANCELLED)
        self.emit(ProductRefunded(market, start_s))

    # ── Calls ──

    @call
    def clear_market(self, ctx: Context, market: U16, start_s: TimeS) -> ProductState:
        """Clear a product whose gate has passed, unless that is done; returns its state."""
        product = self._markets.product(market, start_s)
        if product.state is ProductState.OPEN:
            if ctx.market_time_s < product.gate_s:
                raise GateAhead(gate_s=product.gate_s, now_s=ctx.market_time_s)
            self._clear(ctx, market, start_s, product)
        return self._markets.product(market, start_s).state

    @call
    def cancel_product(self, ctx: Context, market: U16, start_s: TimeS) -> None:
        """Cancel a product before its gate and refund its orders; its market operator may."""
        self._markets.require_operator(market, ctx.caller)
        product = self._markets.require_open(market, start_s, ctx.market_time_s)
        self._cancel(ctx, market, start_s, product)

    @call
    def halt_market(self, ctx: Context, market: U16) -> U16:
        """Cancel all products whose gate is ahead and open none; returns how many they were."""
        held = self._markets.require_operator(market, ctx.caller)
        if held.halted:
            raise AlreadyHalted(market=market)
        self._markets.set_halted(market, held, halted=True)
        products = list(self._markets.tradable(market, ctx.market_time_s))
        for start_s, product in products:
            self._cancel(ctx, market, start_s, product)
        return len(products)

    @call
    def resume_market(self, ctx: Context, market: U16) -> U16:
        """Open again what can still be traded, and go on; returns how many products opened.

        A product whose refunds are still under way stays cancelled.
        """
        held = self._markets.require_operator(market, ctx.caller)
        if not held.halted:
            raise NotHalted(market=market)
        self._markets.set_halted(market, held, halted=False)
        opened = self._markets.reopen(market, ctx.market_time_s)
        for start_s, product in opened:
            self._await_gate(market, start_s, product)
        return len(opened)

    # ── For settlement ──

    def is_finished(self, zone: int, quarter_s: int) -> bool:
        """Say whether every product that delivers in a quarter has ended."""
        ended = (ProductState.CLEARED, ProductState.CANCELLED)
        return all(product.state in ended for _, _, product in self._covering(zone, quarter_s))

    def prices(self, zone: int, quarter_s: int) -> tuple[tuple[int, int], ...]:
        """Return (price per Wh, Wh of the quarter) of each product with trade."""
        records = [
            self.results[market, start_s] for market, start_s, _ in self._covering(zone, quarter_s)
        ]
        return tuple(
            (record.price_per_wh, record.volume_wh)
            for record in records
            if record is not None and record.volume_wh
        )

    def close_quarter(self, zone: int, quarter_s: int) -> None:
        """Count a quarter of a zone as settled; products and results without another go."""
        for market, start_s, _ in list(self._covering(zone, quarter_s)):
            if self._markets.settle_quarter(market, start_s):
                del self.results[market, start_s]

    # ── Queries and invariants ──

    @query
    def result(self, market: U16, start_s: TimeS) -> ClearingRecord | None:
        """The outcome of a product's auction until it is settled, Wh a quarter, or null."""
        return self.results[market, start_s]

    @invariant
    def pool_holds_what_bids_paid_and_asks_await(self) -> bool:
        """The clearing pool is empty but for products whose asks are not all paid."""
        awaited = 0
        for (market, start_s), record in self.results.items():
            assert record is not None, "a key has a result"
            quarters = self._markets.product(market, start_s).terms.quarters
            awaited += (record.bought_wh - record.sold_wh) * quarters * record.price_per_wh
        return self._ledger.held(CLEARING_POOL, Column.FREE) == awaited

    @invariant
    def bought_is_sold(self) -> bool:
        """Of every cleared product as much was bought as sold, and it is the auction's volume."""
        for (market, start_s), record in self.results.items():
            assert record is not None, "a key has a result"
            state = self._markets.product(market, start_s).state
            volume_wh, bought_wh, sold_wh = record.volume_wh, record.bought_wh, record.sold_wh
            is_done = state is ProductState.CLEARED
            if not (is_done or state is ProductState.CLEARING):
                return False
            if not sold_wh <= bought_wh <= volume_wh or (is_done and sold_wh < volume_wh):
                return False
        return True

    # ── Below ──

    def _await_gate(self, market: int, start_s: int, product: Product) -> None:
        self._schedule.at_market_time(product.gate_s, self.clear, market, start_s)

    def _cancel(self, ctx: Context, market: int, start_s: int, product: Product) -> None:
        self._markets.set_state(market, start_s, product, ProductState.REFUNDING)
        self._schedule.at_market_time(ctx.market_time_s, self.refund, market, start_s)

    def _clear(self, ctx: Context, market: int, start_s: int, product: Product) -> None:
        if self._refund_suspended(market, start_s, product):
            self._schedule.at_market_time(product.gate_s, self.clear, market, start_s)
            return
        bids = self._orders.rows(market, start_s, Side.BID)
        asks = self._orders.rows(market, start_s, Side.ASK)
        self.charge_steps(CLEARING_STEPS * (len(bids) + len(asks)))
        auction = auction_name(market, start_s)
        driven = self._clock.market_mode() is ClockMode.DRIVEN
        seed = sha256(ctx.chain_id + auction) if driven else ctx.parent_hash
        clearing = clear(Book(bids.orders(), asks.orders(), seed, auction))
        record = record_of(clearing, (len(bids), bids.total_wh()), (len(asks), asks.total_wh()))
        self.results[market, start_s] = record
        self._markets.set_state(market, start_s, product, ProductState.CLEARING)
        quarters = product.terms.quarters
        self.emit(
            MarketCleared(
                market, start_s, clearing.volume_wh * quarters,
                clearing.price_per_wh, clearing.lo_per_wh, clearing.hi_per_wh,
                record.bids, record.bid_wh * quarters, record.asks, record.ask_wh * quarters,
            )
        )  # fmt: skip
        self._schedule.at_market_time(product.gate_s, self.allocate, market, start_s)

    def _refund_suspended(self, market: int, start_s: int, product: Product) -> bool:
        """Refund a slice of the orders of suspended participants; false if there are none."""
        suspended = [one for zone in product.terms.zones for one in self._directory.suspended(zone)]
        if not suspended:
            return False
        for side in Side:
            rows = self._orders.rows(market, start_s, side)
            self.charge_steps(len(rows))
            found = np.isin(rows.participant, np.array(suspended, dtype=np.int64))
            if found.any():
                rows = rows.where(found).where(slice(product.terms.slice_orders_max))
                self._refund(market, start_s, product, side, rows)
                return True
        return False

    def _refund(
        self, market: int, start_s: int, product: Product, side: Side, rows: BookRows
    ) -> None:
        fills_wh = [0] * len(rows)
        self._orders.close_rows(market, start_s, product, side, rows, fills_wh, 0, refunded=True)

    def _finish(self, market: int, start_s: int, product: Product, record: ClearingRecord) -> None:
        assert record.bought_wh == record.sold_wh == record.volume_wh, "bought is not sold"
        self._markets.set_state(market, start_s, product, ProductState.CLEARED)
        self.emit(ProductCleared(market, start_s))

    def _covering(self, zone: int, quarter_s: int) -> Iterator[tuple[int, int, Product]]:
        """Yield (market, start, product) of what delivers in a zone's quarter."""
        for market in self._markets.numbers_in(zone):
            length_s = self._markets.market(market).terms.length_s
            start_s = floor_div(quarter_s, length_s) * length_s
            product = self._markets.find(market, start_s)
            if product is not None:
                yield market, start_s, product


def auction_name(market: int, start_s: int) -> bytes:
    """Return what names a product's auction in the hashes that decide ties."""
    return market.to_bytes(2, "big") + start_s.to_bytes(8, "big")
