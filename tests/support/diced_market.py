"""A market whose people order, change their minds and use energy as dice say, on a real ledger.

Nothing but the seed decides: no float, no clock, no order of a set. At the beginning of quarter n,
counted as `quarter` does, people trade product n, which delivers quarter n + 1.
"""

from dataclasses import replace
from typing import Final

from chain.execution.receipt import Outcome, Receipt
from chain.transaction import Call, Mode, PreparedTransaction
from contracts.grid.reading import MeteringRules
from contracts.kernel import Reject, Value
from contracts.trading.model import EnergySource
from contracts.trading.uniform_price import Side
from tests.support.dice import Dice
from tests.support.genesis import DRIVER, SETTLEMENT
from tests.support.grid import GRID, RULES
from tests.support.ledger_world import LedgerWorld
from tests.support.market import MARKET, PEOPLE, household, terms
from tests.support.metering import quarter
from tests.support.people import account_of
from tests.support.settlement import SettlementWorld

HOURLY: Final = MARKET + 1
RETAILER: Final = "retailer"
POOR: Final = "dave"
UNMETERED: Final = "frank"
LATECOMER: Final = "grace"
TRADERS: Final = (
    ("alice", Side.ASK),
    ("bob", Side.ASK),
    ("bob's second", Side.ASK),
    ("carol", Side.BID),
    (POOR, Side.BID),
    ("erin", Side.BID),
    (UNMETERED, Side.BID),
    (LATECOMER, Side.BID),
)
FINAL_S: Final = 2_700
METERING: Final[MeteringRules] = replace(RULES, final_s=FINAL_S)
FEE_MAX_UTHB: Final = 1_000_000
FUNDS: Final = {GRID: 1_000_000, POOR: 20_000_000}
SOURCE_PLACE: Final = 7
# What can be wrong with an order, by its place in a list's item: start, zone, Wh, limit, source.
SPOILS: Final[tuple[tuple[int, Value], ...]] = (
    (2, 901),
    (3, 2),
    (5, 0),
    (6, 3_001),
    (SOURCE_PLACE, None),
)


class DicedMarket(SettlementWorld, LedgerWorld):  # type: ignore[misc]  # as SettlementWorld
    """Four validators, one zone, quarters and hours, and people of whom one has little money."""

    validators = 4

    def __init__(self, seed: str) -> None:
        """Run the genesis and the blocks that open the first products."""
        quarters = terms(orders_max=8, slice_orders_max=4)
        super().__init__(
            (*PEOPLE, household(UNMETERED)),
            market=quarters,
            second=replace(quarters, quarters=4, product_orders_max=16),
            rules=replace(SETTLEMENT, slice_units=3),
            metering=METERING,
            funds=FUNDS,
            unmetered=(UNMETERED,),
            fee_per_weight_uthb=1,
            validators=self.validators,
        )
        self._dice = Dice(seed)
        self._waiting: list[PreparedTransaction] = []

    # ── Blocks ──

    def queue(self, who: str, *calls: Call, mode: Mode = Mode.ALL_OR_NOTHING) -> None:
        """Sign a transaction for the next block."""
        sender = account_of(who)
        earlier = sum(one.signed.transaction.sender == sender for one in self._waiting)
        nonce = self.read.accounts.nonces[sender] + earlier
        self._waiting.append(
            self.signed(who, *calls, mode=mode, nonce=nonce, fee_max_uthb=FEE_MAX_UTHB)
        )

    def decide(self) -> tuple[Receipt, ...]:
        """Put what waits into a block; returns its receipts."""
        result = self.block(*self._waiting)
        self._waiting.clear()
        return result.receipts[1:]

    def together(self, *sent: tuple[str, Call, type[Reject] | None]) -> list[Value]:
        """Decide a block of such calls, which must be refused so, or not; returns their values."""
        for who, call, _ in sent:
            self.queue(who, call)
        values = []
        for (who, call, reject), receipt in zip(sent, self.decide(), strict=True):
            (result,) = receipt.results
            expected = int(Outcome.OK) if reject is None else reject.receipt_code()
            assert result.code == expected, (who, call, result)
            values.append(result.value)
        return values

    def can_pay(self, who: str) -> bool:
        """Say whether an account has the fees of a block's transactions at hand."""
        return self.account(who).free > 5 * FEE_MAX_UTHB

    # ── Orders ──

    def trade(self, product: int) -> None:
        """Decide a block of everybody's orders, and one in which some change their minds."""
        bid = self.item(Side.BID, 60_000, 2_200, product=product)
        ask = self.item(Side.ASK, 60_000, 3_950, product=product)
        ask[SOURCE_PLACE] = int(EnergySource.GRID_MIX)
        self.queue(RETAILER, single(bid), single(ask))
        for who, side in TRADERS:
            if self.can_pay(who):
                self._order(who, side, product)
        self.decide()
        for who, _ in TRADERS:
            if self.can_pay(who):
                self._change(who, product)
        self.decide()

    def clear_by_hand(self, product: int) -> None:
        """Let somebody clear a product in the block that brings its gate."""
        gate_s = self.start_s(product) - self.terms.gate_lead_s
        clear = Call("auction", "clear_market", (MARKET, self.start_s(product)))
        self.advance(gate_s - 1)
        self.together((DRIVER, Call("clock", "advance", (gate_s,)), None), ("alice", clear, None))

    def _order(self, who: str, usual: Side, product: int) -> None:
        """Queue one to three orders, in a list or one by one, in ten one of them is wrong."""
        dice = self._dice
        side = Side(1 - usual) if dice.roll(12) == 0 else usual
        items = [self._item(side, product) for _ in range(1 + dice.roll(3))]
        if dice.roll(2):
            self.queue(who, Call("orders", "submit_orders", (list(items),)))
        else:
            self.queue(who, *map(single, items), mode=Mode(dice.roll(2)))

    def _item(self, side: Side, product: int) -> list[Value]:
        dice = self._dice
        low = 2_000 if side is Side.ASK else 2_600
        quantity_wh, limit = 100 + dice.roll(1_500), low + 10 * dice.roll(140)
        item = self.item(side, quantity_wh, limit, product=product)
        if dice.roll(10) == 0:
            place, wrong = SPOILS[dice.roll(len(SPOILS))]
            item[place] = wrong
        return item

    def _change(self, who: str, product: int) -> None:
        """Queue a change of an open order: one's own, or in one of ten cases another's."""
        dice = self._dice
        start_s, whose = self.start_s(product), TRADERS[dice.roll(len(TRADERS))][0]
        owner = account_of(whose if dice.roll(10) == 0 else who)
        number = self.read.grid.participant_of(owner)
        if number is None:
            return
        found = self.read.orders.open_orders(number, MARKET, start_s)
        found = tuple(one for one in found if one.account == owner)
        if not found or dice.roll(2):
            return
        one = found[dice.roll(len(found))]
        name = (MARKET, start_s, int(one.side), one.limit_per_wh, one.id)
        cancel = Call("orders", "cancel_order", name)
        change = (*name, 100 + dice.roll(900), one.limit_per_wh + 10 * dice.roll(8) - 30)
        match dice.roll(4):
            case 0:
                self.queue(who, cancel)
            case 1:
                self.queue(who, cancel, cancel, mode=Mode(dice.roll(2)))
            case _:
                self.queue(who, Call("orders", "replace_order", change))

    # ── Energy ──

    def use(
        self, number: int, *, silent: tuple[str, ...], extra: dict[str, tuple[int, int]]
    ) -> None:
        """Let a quarter pass, in which everybody uses about what it traded, and send readings.

        Devices of the silent count as others do, but are not heard.
        """
        energies: dict[str, tuple[int, int] | None] = {}
        for who in self._metered():
            position = self.position(who, product=number - 1)
            more_import_wh, more_export_wh = extra.get(who, (0, 0))
            import_wh = position.bought_wh + self._dice.roll(500) + more_import_wh
            export_wh = max(0, position.sold_wh + self._dice.roll(600) - 300) + more_export_wh
            if position.sold_wh:
                import_wh = self._dice.roll(50)
            energies[who] = import_wh, export_wh
            if who in silent:
                self.measure(self.participant(who), (import_wh, export_wh))
                energies[who] = None
        self.deliver(number, energies)

    def begin_metering(self, who: str) -> None:
        """Let the device of a participant count from the present quarter on, from 0."""
        number, rest = divmod(self.now_s - quarter(0), quarter(1) - quarter(0))
        assert rest == 0, "a meter begins with a quarter"
        self.measured[self.participant(who)] = [(0, 0)] * number

    def _metered(self) -> list[str]:
        names = {self.participant(who): who for who, _ in reversed(TRADERS) if self._is_known(who)}
        return [names[number] for number in self.measured]

    def _is_known(self, who: str) -> bool:
        return self.read.grid.participant_of(account_of(who)) is not None


def single(item: list[Value]) -> Call:
    """Return an item of a list as a call of its own."""
    _, market, start_s, zone, side, quantity_wh, limit, source, green = item
    order = market, start_s, zone, quantity_wh, limit
    if side == Side.BID:
        return Call("orders", "submit_bid", (*order, green))
    return Call("orders", "submit_ask", (*order, source, green))
