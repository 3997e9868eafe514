"""Random trade, deliveries, transfers and corrections, beside the model and every invariant."""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from chain.transaction import Call
from contracts.trading.arrears_words import InArrears
from contracts.trading.uniform_price import Side
from tests.contracts.trading.settlement_book import Purse, SettlementBook, Tariff, UnitEnergy
from tests.support.genesis import SETTLEMENT
from tests.support.grid import GRID, MARKET_OPERATOR, RULES, ZONE
from tests.support.machine import ContractMachine
from tests.support.market import PEOPLE, QUARTER_S
from tests.support.metering import quarter
from tests.support.people import account_of
from tests.support.settlement import BASE_LOAD_WH, SettlementWorld

QUICK = replace(RULES, provisional_s=300, final_s=599)
FUNDS = {
    "alice": 50_000_000,
    "bob": 900_000,
    "bob's second": 1_500_000,
    "bob's third": 10,
    "carol": 4_000_000,
    "dave": 10**9,
    "erin": 30_000,
    GRID: 500_000,
    MARKET_OPERATOR: 1_000_000,
}
ACCOUNTS = st.sampled_from([account for one in PEOPLE for account in one.accounts])
POOR = st.sampled_from(["bob", "bob's second", "erin", "carol"])
TRADERS = ["alice", "carol", "dave", "bob's second", "retailer"]
METERED = [one.name for one in PEOPLE[1:]]
ENERGY = st.sampled_from([(0, 0), (1, 0), (0, 1), (333, 0), (0, 777), (2_500, 0), (0, 2_500)])
QUANTITIES = st.sampled_from([999, 1_000, 1_500, 2_600])
LIMITS = st.sampled_from([1_000, 2_000, 2_200, 3_000, 3_950, 4_000, 4_200])


class SettlementMachine(ContractMachine):
    """Quarter after quarter; what was ordered in one is delivered in the next."""

    contracts = ("positions", "arrears", "settlement")
    world: SettlementWorld

    @initialize(slice_units=st.sampled_from([1, 2, 512]))
    def begin(self, slice_units: int) -> None:
        rules = replace(SETTLEMENT, slice_units=slice_units)
        self.world = SettlementWorld(rules=rules, metering=QUICK, funds=FUNDS)
        self.number = 1
        self.versions: dict[tuple[str, int], int] = {}
        self.silent: dict[str, int] = {}
        self.book = SettlementBook(
            accounts={one.name: one.accounts for one in PEOPLE},
            retailer="retailer",
            tariff=Tariff(3_950, 2_200, 5),
            purses={},
            grid=0,
        )
        self.look()

    def look(self) -> None:
        """Take over what the market has moved: holds, escrows and what they paid of debts."""
        world, book = self.world, self.book
        for who, accounts in book.accounts.items():
            book.debts[who] = world.owed(who)
            for name in accounts:
                account = world.account(name)
                book.purses[name] = Purse(account.free, account.ask_margin, account.proceeds)
        book.grid = world.grid_uthb
        book.operator = world.account(MARKET_OPERATOR).free

    @rule(
        account=ACCOUNTS, side=st.sampled_from(list(Side)), quantity=QUANTITIES, limit=LIMITS,
        ahead=st.integers(0, 1),
    )  # fmt: skip
    def order(self, account: str, side: Side, quantity: int, limit: int, ahead: int) -> None:
        item = self.world.item(side, quantity, limit, product=self.number + ahead)
        owner = next(one for one in PEOPLE if account in one.accounts)
        if self.world.account(account).free == 0:
            return
        if self.world.owed(owner.name):
            self.world.refused(InArrears, account, "orders", "submit_orders", (item,))
        else:
            self.world.submit(account, [item])
        self.look()

    @rule(account=POOR, amount=st.sampled_from([1, 1_000, 300_000, 20_000_000]))
    def transfer(self, account: str, amount: int) -> None:
        self.world.call("dave", "credit", "transfer", account_of(account), amount, b"")
        self.book.purses["dave"].free -= 1  # the fee
        self.book.transfer("dave", account, amount)

    @rule(amount=st.sampled_from([1, 100_000, 10_000_000]))
    def fund_grid(self, amount: int) -> None:
        self.world.call("dave", "credit", "transfer", account_of(GRID), amount, b"")
        self.book.purses["dave"].free -= amount + 1
        self.book.grid += amount

    @precondition(lambda self: self.world.grid_uthb > 0)
    @rule(share=st.sampled_from([2, 1]))
    def drain_grid(self, share: int) -> None:
        amount = self.world.grid_uthb // share - 1
        if amount > 0:
            self.world.call(GRID, "credit", "transfer", account_of("dave"), amount, b"")
            self.look()

    @precondition(lambda self: self.number > 1)
    @rule(who=st.sampled_from(METERED), back=st.integers(1, 3), energy=ENERGY)
    def correct(self, who: str, back: int, energy: tuple[int, int]) -> None:
        number = max(1, self.number - back)
        if number >= self.silent.get(who, self.number):
            return
        version = self.versions.get((who, number), 1) + 1
        meter = self.world.participant(who)
        # A correction's sequence is newer than that of any correction before.
        sequence = 10_000 + sum(self.versions.values())
        later = self.world.reading(meter, number, version=version, sequence=sequence)
        later = replace(later, import_wh=energy[0], export_wh=energy[1])
        self.world.corrected(self.world.sign(later))
        self.versions[who, number] = version
        before = self.book.done[number].units[who]
        if (who, number) in self.book.pending or (before.import_wh, before.export_wh) != energy:
            self.book.pending[who, number] = energy

    @rule(who=st.sampled_from(METERED))
    def fall_silent(self, who: str) -> None:
        """Let a meter send nothing any more: from now on its base load counts."""
        self.silent.setdefault(who, self.number)

    @rule(
        rounds=st.lists(
            st.tuples(
                st.fixed_dictionaries(dict.fromkeys(METERED, ENERGY)),
                st.permutations(TRADERS),
                QUANTITIES,
                LIMITS,
            ),
            min_size=1,
            max_size=3,
        )
    )
    def next_quarters(
        self, rounds: list[tuple[dict[str, tuple[int, int]], list[str], int, int]]
    ) -> None:
        """Let quarters pass; before each, two trade something for the next one."""
        for energies, (buyer, seller, *_), quantity, limit in rounds:
            for account, side in ((buyer, Side.BID), (seller, Side.ASK)):
                item = self.world.item(side, quantity, limit, product=self.number)
                if self.world.account(account).free:
                    self.world.send(account, Call("orders", "submit_orders", ((item,),)))
            self.next_quarter(energies)

    def next_quarter(self, energies: dict[str, tuple[int, int]]) -> None:
        """Deliver a quarter and settle it, in the world and in the book."""
        world, number = self.world, self.number
        read = {who: None if who in self.silent else energies[who] for who in METERED}
        world.deliver(number, read)
        world.advance(quarter(number + 1) + QUICK.final_s - 1)
        self.look()
        units = {}
        for one in PEOPLE:
            position = world.read.positions.position(
                ZONE, world.participant(one.name), quarter(number)
            )
            assert position.open_bid_wh == position.open_ask_wh == 0
            energy = read.get(one.name, (0, 0)) or (BASE_LOAD_WH, 0)
            units[one.name] = UnitEnergy(*energy, *position[2:])
        trades = list(world.read.auction.prices(ZONE, quarter(number)))
        self.book.settle(number, units, trades)
        world.settle(number)
        self.number += 1
        assert not list(world.read.settlement.runs.items())
        self.bills_are_right(number, units)

    def bills_are_right(self, number: int, units: dict[str, UnitEnergy]) -> None:
        """Compare every bill with the model, and their sum with nothing."""
        total_wh = 0
        for who, unit in units.items():
            bill = self.world.read.settlement.bill_of(
                self.world.participant(who), ZONE, quarter(number)
            )
            assert bill is not None
            assert (bill.bought_wh, bill.sold_wh) == (unit.bought_wh, unit.sold_wh)
            total_wh += bill.imbalance_wh
            if who != "retailer":
                net = self.book.net(self.book.done[number].price, unit.imbalance_wh)
                assert bill.due_uthb - bill.charge_uthb == net
                assert bill.imbalance_wh == unit.imbalance_wh
        assert total_wh == 0

    @invariant()
    def money_is_what_the_model_says(self) -> None:
        if not hasattr(self, "book"):
            return
        world, book = self.world, self.book
        for who, accounts in book.accounts.items():
            assert world.owed(who) == book.debts.get(who, 0), who
            for name in accounts:
                account, purse = world.account(name), book.purses[name]
                assert (account.free, account.ask_margin, account.proceeds) == (
                    purse.free, purse.margin, purse.proceeds,
                ), name  # fmt: skip
        assert world.grid_uthb == book.grid
        assert world.account(MARKET_OPERATOR).free == book.operator
        claims = {
            (quarter_s, participant): amount
            for (_, quarter_s, participant), amount in world.read.settlement.claims.items()
        }
        assert claims == {
            (quarter(number), world.participant(who)): amount
            for (number, who), amount in book.claims.items()
        }


assert QUARTER_S - QUICK.final_s > 300, "a quarter is settled before the gate of the next but one"
SettlementMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=20)
TestSettlement = SettlementMachine.TestCase
