"""Trades: every order followed from its placing to its end, and every auction cleared again.

The accountant keeps its own books of orders: what each holds, which product it belongs to, and how
far it was filled. At `MarketCleared` it clears the orders that it saw by its own auction and
compares price, volume and, as they are told, every fill. Money moves in `books`; positions count
what is open, bought, sold and held for each (participant, zone, quarter). (MARKET §2, §3.)
"""

from collections.abc import Iterable, Iterator

from chain.genesis import Genesis
from client.audit import clearing
from client.audit.books import CLEARING_POOL, Books
from client.audit.directory import QUARTER_S, Directory
from client.audit.orders import (
    Moment,
    Order,
    Product,
    ProductKey,
    Unit,
    UnitPlace,
    count_fill,
    held_column,
    held_uthb,
    offers_of,
    size_of,
)
from client.audit.report import Findings
from contracts.kernel import Event, sha256
from contracts.kernel.ledger import Column
from contracts.trading import auction_words, market_words, order_words
from contracts.trading.markets import GenesisMarket
from contracts.trading.terms import Terms
from contracts.trading.uniform_price import Side


class Trades:
    """All markets, products and orders, and the units that they make."""

    def __init__(
        self, genesis: Genesis, directory: Directory, books: Books, findings: Findings
    ) -> None:
        """Read the markets of genesis."""
        self._chain_id = genesis.chain_id
        self._directory = directory
        self._books = books
        self._findings = findings
        self.terms: dict[int, Terms] = {}
        self.products: dict[ProductKey, Product] = {}
        self.units: dict[UnitPlace, dict[int, Unit]] = {}
        markets = genesis.sections["markets"]["markets"]
        assert isinstance(markets, list | tuple), "the genesis checked its sections"
        for value in markets:
            market = GenesisMarket.from_wire(value)
            self.terms[market.number] = market.terms

    def unit(self, participant: int, zone: int, quarter_s: int) -> Unit:
        """Return a unit, made if it is new."""
        units = self.units.setdefault((zone, quarter_s), {})
        found = units.get(participant)
        if found is None:
            found = units[participant] = Unit()
        return found

    def traded(self, zone: int, quarter_s: int) -> dict[int, Unit]:
        """Return the units of a quarter in which there is anything, by participant."""
        units = self.units.get((zone, quarter_s), {})
        return {participant: units[participant] for participant in sorted(units)
                if any(units[participant].as_tuple())}  # fmt: skip

    def take_unit(self, participant: int, zone: int, quarter_s: int) -> Unit:
        """Take a unit out that is settled; one without trade is empty."""
        return self.units.get((zone, quarter_s), {}).pop(participant, None) or Unit()

    def first_terms(self, zone: int) -> Terms | None:
        """Return the present terms of a zone's first market, if it has one."""
        numbers = [number for number, terms in self.terms.items() if zone in terms.zones]
        return self.terms[min(numbers)] if numbers else None

    def products_of(self, zone: int, quarter_s: int) -> Iterator[Product]:
        """Yield the products that deliver in a zone's quarter."""
        for number, terms in self.terms.items():
            start_s = quarter_s - quarter_s % terms.length_s
            product = self.products.get((number, start_s))
            if zone in terms.zones and product is not None:
                yield product

    def hear(self, event: Event, moment: Moment) -> None:
        """Take note of an event of markets, orders or auction; all others are no concern."""
        match event:
            case order_words.OrderPlaced():
                self._placed(event, moment)
            case order_words.TradesExecuted():
                self._executed(event)
            case order_words.OrdersExpired():
                self._expired(event)
            case order_words.OrdersRefunded():
                self._refunded(event)
            case order_words.OrderCancelled():
                self._cancelled(event, event.id, moment)
            case order_words.OrderReplaced():
                self._replaced(event, moment)
            case auction_words.MarketCleared():
                self._cleared(event, moment)
            case auction_words.ProductCleared() | auction_words.ProductRefunded():
                self._finished(event)
            case market_words.ProductOpened():
                self._opened(event)
            case market_words.ProductCancelled():
                self._product(event).is_cancelled = True
            case market_words.TermsChanged():
                self.terms[event.market] = event.terms

    def check_end(self) -> None:
        """Check that what was bought was sold, product by product, and that the pool agrees."""
        awaited_uthb = 0
        for key, product in self.products.items():
            quarters = product.terms.quarters
            if product.outcome is not None:
                price = product.outcome.price_per_wh or 0
                awaited_uthb += (product.bought_wh - product.sold_wh) * quarters * price
            if product.is_finished:
                self._findings.compare(
                    "bought is sold", f"product {key}", product.bought_wh, product.sold_wh
                )
        pool_uthb = self._books.free(CLEARING_POOL)
        self._findings.compare("clearing pool", "what asks await", awaited_uthb, pool_uthb)

    # ── Products ──

    def _product(
        self,
        event: order_words.OrderPlaced
        | order_words.OrderCancelled
        | order_words.OrderReplaced
        | order_words.TradesExecuted
        | order_words.OrdersExpired
        | order_words.OrdersRefunded
        | auction_words.MarketCleared
        | auction_words.ProductCleared
        | auction_words.ProductRefunded
        | market_words.ProductCancelled,
    ) -> Product:
        return self.products[event.market, event.start_s]

    def _opened(self, event: market_words.ProductOpened) -> None:
        key, terms = (event.market, event.start_s), self.terms[event.market]
        old = self.products.get(key)
        if old is not None and not (old.is_cancelled and old.is_finished):
            self._findings.differ("product opened twice", f"{key}", "once", "again")
        gate_s = event.start_s - terms.gate_lead_s
        self._findings.compare("gate", f"product {key}", gate_s, event.gate_s)
        operator = self._directory.zones[terms.zones[0]].market_operator
        self.products[key] = Product(terms, operator, gate_s)

    def _finished(
        self, event: auction_words.ProductCleared | auction_words.ProductRefunded
    ) -> None:
        product, key = self._product(event), (event.market, event.start_s)
        product.is_finished = True
        self._findings.compare("orders left", f"product {key}", 0, len(product.orders))
        if isinstance(event, auction_words.ProductRefunded):
            self._findings.compare("refunded", f"product {key}", True, product.is_cancelled)
            return
        volume_wh = None if product.outcome is None else product.outcome.volume_wh
        self._findings.compare("Wh bought", f"product {key}", volume_wh, product.bought_wh)
        self._findings.compare("Wh sold", f"product {key}", volume_wh, product.sold_wh)

    # ── Orders come and go ──

    def _placed(self, event: order_words.OrderPlaced, moment: Moment) -> None:
        self._findings.counts.orders += 1
        product, one = self._product(event), self._directory.participants[event.participant]
        subject = f"order {event.id.hex()}"
        owner = self._directory.participant_of.get(event.account)
        self._findings.compare("participant", subject, owner, event.participant, event.account)
        self._findings.compare("zone", subject, one.zone, event.zone, event.account)
        is_retailer = self._directory.zones[event.zone].retailer == event.participant
        terms = product.terms
        is_bid = event.side is Side.BID
        owes = 0 if is_bid or is_retailer else terms.import_per_wh - event.limit_per_wh
        order = Order(
            event.account,
            event.participant,
            event.zone,
            (event.market, event.start_s),
            event.side,
            event.quantity_wh // terms.quarters,
            event.limit_per_wh,
            max(0, owes),
            one.group,
            one.terms.market_maker,
            is_retailer,
        )
        self._add(event.id, order, product, moment)

    def _replaced(self, event: order_words.OrderReplaced, moment: Moment) -> None:
        old = self._cancelled(event, event.replaced, moment)
        if old is None:
            return
        one = self._directory.participants[old.participant]
        placed = order_words.OrderPlaced(
            event.account, old.participant, event.market, event.start_s, one.zone, event.side,
            event.id, event.quantity_wh, event.limit_per_wh, None, False,
        )  # fmt: skip
        self._placed(placed, moment)

    def _add(self, id_: bytes, order: Order, product: Product, moment: Moment) -> None:
        subject = f"order {id_.hex()}"
        if moment.market_time_s >= product.gate_s or product.is_cancelled:
            self._findings.differ(
                "order after the gate", subject, f"before {product.gate_s}", moment.market_time_s
            )
        if id_ in product.orders:
            self._findings.differ("order placed twice", subject, "once", "again", order.account)
        product.orders[id_] = order
        held = held_column(order.side)
        self._books.move(order.account, held_uthb(order, product), Column.FREE, held)
        self._count_open(order, product, order.quarter_wh)

    def _cancelled(
        self,
        event: order_words.OrderCancelled | order_words.OrderReplaced,
        id_: bytes,
        moment: Moment,
    ) -> Order | None:
        product = self._product(event)
        order = self._take(event.account, id_, event.side, product)
        if order is None:
            return None
        subject = f"order {id_.hex()}"
        if moment.market_time_s >= product.gate_s:
            late = f"before {product.gate_s}"
            self._findings.differ("cancelled after the gate", subject, late, moment.market_time_s)
        amount_uthb = held_uthb(order, product)
        self._findings.compare("released", subject, amount_uthb, event.released_uthb, event.account)
        self._books.move(order.account, amount_uthb, held_column(order.side), Column.FREE)
        return order

    def _take(self, account: bytes, id_: bytes, side: Side, product: Product) -> Order | None:
        """Take an order out of its product; None, with a difference, if it is not there."""
        order = product.orders.pop(id_, None)
        subject = f"order {id_.hex()}"
        if order is None:
            self._findings.differ("order that nobody placed", subject, "open", None, account)
            return None
        self._findings.compare("account of an order", subject, order.account, account, account)
        self._findings.compare("side of an order", subject, order.side, side, account)
        self._count_open(order, product, -order.quarter_wh)
        return order

    def _count_open(self, order: Order, product: Product, quarter_wh: int) -> None:
        for unit in self._units_of(order, product):
            if order.side is Side.BID:
                unit.open_bid_wh += quarter_wh
            else:
                unit.open_ask_wh += quarter_wh

    def _units_of(self, order: Order, product: Product) -> Iterable[Unit]:
        start_s = order.product[1]
        for quarter in range(product.terms.quarters):
            yield self.unit(order.participant, order.zone, start_s + quarter * QUARTER_S)

    # ── The auction ──

    def _cleared(self, event: auction_words.MarketCleared, moment: Moment) -> None:
        self._findings.counts.auctions += 1
        product, key = self._product(event), (event.market, event.start_s)
        subject, quarters = f"product {key}", product.terms.quarters
        if moment.market_time_s < product.gate_s or product.is_cancelled:
            self._findings.differ("cleared", subject, product.gate_s, moment.market_time_s)
        auction = event.market.to_bytes(2, "big") + event.start_s.to_bytes(8, "big")
        seed = moment.parent_hash
        if seed is None:
            seed = sha256(self._chain_id + auction)
        bids, asks = (offers_of(product, side) for side in Side)
        outcome = product.outcome = clearing.clear(bids, asks, seed + auction)
        compare = self._findings.compare
        compare("volume of the auction", subject, outcome.volume_wh * quarters, event.volume_wh)
        compare("price of the auction", subject, outcome.price_per_wh, event.price_per_wh)
        interval = (event.lo_per_wh, event.hi_per_wh)
        compare("price interval", subject, (outcome.lo_per_wh, outcome.hi_per_wh), interval)
        compare("bids", subject, size_of(bids, quarters), (event.bids, event.bid_wh))
        compare("asks", subject, size_of(asks, quarters), (event.asks, event.ask_wh))

    def _executed(self, event: order_words.TradesExecuted) -> None:
        product = self._product(event)
        for trade in event.trades:
            self._findings.counts.trades += 1
            order = self._take(event.account, trade.order, event.side, product)
            if order is not None:
                self._fill(order, product, trade, event.price_per_wh)

    def _fill(
        self, order: Order, product: Product, trade: order_words.EnergyTrade, price_per_wh: int
    ) -> None:
        """Compare a trade with its due, and post what the due comes to."""
        subject, account = f"order {trade.order.hex()}", order.account
        outcome, quarters = product.outcome, product.terms.quarters
        if outcome is None or outcome.price_per_wh is None:
            self._findings.differ("trade without a price", subject, None, price_per_wh, account)
            return
        fill_wh = outcome.fills_wh.get(trade.order, 0)
        expected = (fill_wh * quarters, (order.quarter_wh - fill_wh) * quarters)
        found = (trade.energy_wh, trade.unfilled_wh)
        self._findings.compare("filled and unfilled Wh", subject, expected, found, account)
        price = outcome.price_per_wh
        self._findings.compare("price of a trade", subject, price, price_per_wh, account)
        value_uthb = expected[0] * price
        amount_uthb = held_uthb(order, product)
        if order.side is Side.BID:
            product.bought_wh += fill_wh
            fee_uthb = expected[0] * product.terms.fee_per_wh
            self._books.post(
                (account, Column.BID_ESCROW, -amount_uthb),
                (account, Column.FREE, amount_uthb - value_uthb - fee_uthb),
                (CLEARING_POOL, Column.FREE, value_uthb),
                (product.operator, Column.FREE, fee_uthb),
            )
        else:
            product.sold_wh += fill_wh
            rest_uthb = expected[1] * order.margin_per_wh
            paid_into = Column.FREE if order.is_retailer else Column.PROCEEDS
            self._books.post(
                (account, Column.ASK_MARGIN, -rest_uthb),
                (account, Column.FREE, rest_uthb),
                (CLEARING_POOL, Column.FREE, -value_uthb),
                (account, paid_into, value_uthb),
            )
        for unit in self._units_of(order, product):
            count_fill(unit, order, fill_wh, price)

    def _expired(self, event: order_words.OrdersExpired) -> None:
        product = self._product(event)
        for id_ in event.orders:
            order = self._release(event.account, id_, event.side, product)
            if order is None:
                continue
            due_wh = 0 if product.outcome is None else product.outcome.fills_wh.get(id_, 0)
            self._findings.compare("expired", f"order {id_.hex()}", due_wh, 0, event.account)
            cleared = product.outcome is not None
            self._findings.compare("cleared first", f"order {id_.hex()}", True, cleared)

    def _refunded(self, event: order_words.OrdersRefunded) -> None:
        product = self._product(event)
        for id_ in event.orders:
            order = self._release(event.account, id_, event.side, product)
            if order is None or product.is_cancelled:
                continue
            may = product.outcome is None and self._directory.suspended(order.participant)
            subject = f"order {id_.hex()}"
            self._findings.compare("refunded by right", subject, True, may, event.account)

    def _release(self, account: bytes, id_: bytes, side: Side, product: Product) -> Order | None:
        """Give back all that an order holds."""
        order = self._take(account, id_, side, product)
        if order is not None:
            amount_uthb = held_uthb(order, product)
            self._books.move(order.account, amount_uthb, held_column(side), Column.FREE)
        return order
