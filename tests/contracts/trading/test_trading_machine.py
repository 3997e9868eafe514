"""Random calls and random time, beside the model and under every invariant.

Every refusal is the one that the model names, and every balance and position what it says.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from contracts.trading.model import ProductState
from contracts.trading.uniform_price import Side
from tests.contracts.trading.crowd import (
    CROWD,
    LIMITS,
    assert_same,
    item_id,
    model_of,
    seed_of_ties,
)
from tests.contracts.trading.market_model import ModelOrder
from tests.support.grid import MARKET_OPERATOR
from tests.support.machine import ContractMachine
from tests.support.market import MARKET, MarketWorld, terms
from tests.support.people import account_of

ACCOUNTS = st.sampled_from([account for person in CROWD for account in person.accounts])
PRODUCTS = st.integers(0, 3)
SIDES = st.sampled_from(list(Side))
QUANTITIES = st.sampled_from([0, 1, 2, 4, 8, 20, 400, 999_996, 1_000_000, 20_000_000])
PRICES = st.sampled_from([*LIMITS, 999, 3_955])
WISHES = st.tuples(PRODUCTS, SIDES, QUANTITIES, PRICES)


class TradingMachine(ContractMachine):
    """A market of four products at a time, of one or two quarters each."""

    contracts = ("schedule", "markets", "positions", "orders", "auction")
    world: MarketWorld

    @initialize(quarters=st.sampled_from([1, 2]), slice_orders=st.sampled_from([1, 3, 1_000]))
    def begin(self, quarters: int, slice_orders: int) -> None:
        market = terms(
            quarters=quarters,
            open_ahead_s=3_600 * quarters,
            slice_orders_max=slice_orders,
            orders_max=12,
        )
        self.world = MarketWorld(CROWD, market=market)
        self.model = model_of(CROWD, market)
        self.product = 0  # the first whose gate is ahead

    @rule(account=ACCOUNTS, wishes=st.lists(WISHES, min_size=1, max_size=6))
    def submit(self, account: str, wishes: list[tuple[int, Side, int, int]]) -> None:
        nonce = self.world.read.accounts.nonces[account_of(account)]
        items, expected = [], []
        for index, (ahead, side, quantity, limit) in enumerate(wishes):
            product = self.product + ahead
            start_s = self.world.start_s(product)
            items.append(self.world.item(side, quantity, limit, product=product))
            refusal = self.model.refusal(account, start_s, side, quantity, limit)
            expected.append(0 if refusal is None else refusal.receipt_code())
            if refusal is None:
                id_ = item_id(account, nonce, index)
                self.model.place(ModelOrder(id_, account, start_s, side, quantity, limit))
        assert self.world.submit(account, items) == expected

    @precondition(lambda self: self.model.orders)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(self.model.orders))
        name = (MARKET, order.start_s, int(order.side), order.limit, order.id)
        self.world.call(order.account, "orders", "cancel_order", *name)
        self.model.remove(order)

    @precondition(lambda self: self.model.orders)
    @rule(data=st.data(), quantity=QUANTITIES, limit=PRICES)
    def replace(self, data: st.DataObject, quantity: int, limit: int) -> None:
        order = data.draw(st.sampled_from(self.model.orders))
        nonce = self.world.read.accounts.nonces[account_of(order.account)]
        name = (MARKET, order.start_s, int(order.side), order.limit, order.id)
        arguments = ("orders", "replace_order", *name, quantity, limit)
        self.model.remove(order)
        refusal = self.model.refusal(order.account, order.start_s, order.side, quantity, limit)
        if refusal is not None:
            self.model.place(order)
            self.world.refused(refusal, order.account, *arguments)
            return
        id_ = item_id(order.account, nonce)
        assert self.world.call(order.account, *arguments) == id_
        self.model.place(ModelOrder(id_, order.account, order.start_s, order.side, quantity, limit))

    @rule()
    def pass_gate(self) -> None:
        self.world.pass_gate(self.product)
        start_s = self.world.start_s(self.product)
        if start_s not in self.model.cancelled:
            price, volume = self.model.clear(start_s, seed_of_ties(self.world, start_s))
            result = self.world.result(self.product)
            assert result.volume_wh * self.world.terms.quarters == volume
            assert (None if result.prices is None else result.price_per_wh) == price
            assert self.world.state_of(self.product) is ProductState.CLEARED
        self.product += 1
        # The next product opens when the one before it begins to deliver.
        self.world.advance(start_s)

    @rule(ahead=PRODUCTS)
    def cancel_product(self, ahead: int) -> None:
        start_s = self.world.start_s(self.product + ahead)
        if start_s not in self.model.cancelled:
            self.world.call(MARKET_OPERATOR, "auction", "cancel_product", MARKET, start_s)
            self.world.block()
            self.model.refund(start_s)

    @invariant()
    def money_is_what_the_model_says(self) -> None:
        if hasattr(self, "model"):
            assert_same(self.world, self.model)


TradingMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25)
TestTrading = TradingMachine.TestCase
