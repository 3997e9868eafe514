"""A plain model of settlement, in names and exact fractions: one unit after another.

It knows neither slices nor postings nor tables. Credit is a number by account, a hold a number by
account, a debt a number by participant; the rules are those of MARKET §5.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple


class Tariff(NamedTuple):
    """What a Wh costs and brings that was not traded."""

    import_per_wh: int
    feed_in_per_wh: int
    fee_per_wh: int


class UnitEnergy(NamedTuple):
    """What a participant metered and traded in a quarter, and what is held for it."""

    import_wh: int
    export_wh: int
    bought_wh: int
    sold_wh: int
    proceeds: int = 0
    margin: int = 0

    @property
    def imbalance_wh(self) -> int:
        """Return what was metered more than contracted."""
        return self.export_wh - self.import_wh - (self.sold_wh - self.bought_wh)


@dataclass
class Purse:
    """One account."""

    free: int
    margin: int = 0
    proceeds: int = 0


@dataclass
class Settled:
    """A quarter that is done, kept for corrections."""

    price: Fraction | None
    units: dict[str, UnitEnergy]


@dataclass
class SettlementBook:
    """The money of a zone; `accounts` are each participant's, in the order in which they joined."""

    accounts: Mapping[str, tuple[str, ...]]
    retailer: str
    tariff: Tariff
    purses: dict[str, Purse]
    grid: int
    operator: int = 0
    debts: dict[str, int] = field(default_factory=dict)
    claims: dict[tuple[int, str], int] = field(default_factory=dict)
    done: dict[int, Settled] = field(default_factory=dict)
    pending: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)

    # ── Rules ──

    def rates(self, price: Fraction | None) -> tuple[Fraction, Fraction]:
        """Return what a missing Wh costs and what one too many brings."""
        short, long = Fraction(self.tariff.import_per_wh), Fraction(self.tariff.feed_in_per_wh)
        return (short, long) if price is None else (max(short, price), min(long, price))

    def net(self, price: Fraction | None, imbalance_wh: int) -> int:
        """Return what a unit receives, negative if it pays."""
        short, long = self.rates(price)
        if imbalance_wh >= 0:
            return floor(imbalance_wh * long)
        return -ceil(-imbalance_wh * short) + imbalance_wh * self.tariff.fee_per_wh

    def price(self, trades: list[tuple[int, int]], imported_wh: int) -> Fraction | None:
        """Return p*, or None: at least 1 000 Wh and a twentieth of what was drawn."""
        volume = sum(wh for _, wh in trades)
        if volume < 1_000 or volume * 20 < imported_wh:
            return None
        return Fraction(sum(price * wh for price, wh in trades), volume)

    # ── Money ──

    def credit(self, account: str, amount: int) -> None:
        """Let credit become free on an account: the grid account takes what is owed to it."""
        owner = next(who for who, accounts in self.accounts.items() if account in accounts)
        paid = min(amount, self.debts.get(owner, 0))
        self.debts[owner] = self.debts.get(owner, 0) - paid
        self.grid += paid
        self.purses[account].free += amount - paid

    def transfer(self, giver: str, taker: str, amount: int) -> None:
        """Move free credit between accounts."""
        self.purses[giver].free -= amount
        self.credit(taker, amount)

    def collect(self, who: str, charge: int) -> int:
        """Take free credit, account by account; what is lacking is owed. Returns what came."""
        left = charge
        for account in self.accounts[who]:
            part = min(left, self.purses[account].free)
            self.purses[account].free -= part
            left -= part
        self.debts[who] = self.debts.get(who, 0) + left
        return charge - left

    def end(self, who: str, unit: UnitEnergy, charge: int) -> int:
        """Charge a unit and release the rest of what it holds; returns what could be collected."""
        from_proceeds = min(charge, unit.proceeds)
        from_margin = min(charge - from_proceeds, unit.margin)
        parts = (("proceeds", unit.proceeds, from_proceeds), ("margin", unit.margin, from_margin))
        released = []
        for column, held, charged in parts:
            for account in self.accounts[who]:
                purse = self.purses[account]
                there = min(held, getattr(purse, column))
                taken = min(charged, there)
                setattr(purse, column, getattr(purse, column) - there)
                released.append((account, there - taken))
                held -= there  # noqa: PLW2901 - what is left to find
                charged -= taken  # noqa: PLW2901
        rest = charge - from_proceeds - from_margin
        collected = from_proceeds + from_margin + self.collect(who, rest)
        for account, amount in released:
            self.credit(account, amount)
        return collected

    # ── A quarter ──

    def settle(
        self, quarter: int, units: dict[str, UnitEnergy], trades: list[tuple[int, int]]
    ) -> None:
        """Settle a quarter: charges, corrections, then payouts and claims in order of quarter."""
        others = {who: unit for who, unit in units.items() if who != self.retailer}
        price = self.price(trades, sum(unit.import_wh for unit in others.values()))
        pool = due = 0
        for who, unit in others.items():
            net = self.net(price, unit.imbalance_wh)
            if unit.imbalance_wh > 0:
                due += net
                continue
            collected = self.end(who, unit, -net)
            fee = min(collected, max(0, -unit.imbalance_wh) * self.tariff.fee_per_wh)
            self.operator += fee
            pool += collected - fee
        pool += self.settle_corrections()
        owed = due + sum(self.claims.values())
        fetched = min(self.grid, max(0, owed - pool))
        self.grid -= fetched
        pool += fetched
        is_enough = pool >= owed
        for who, unit in others.items():
            if unit.imbalance_wh <= 0:
                continue
            self.end(who, unit, 0)
            net = self.net(price, unit.imbalance_wh)
            if is_enough:
                self.credit(self.accounts[who][0], net)
                pool -= net
            elif net:
                self.claims[quarter, who] = self.claims.get((quarter, who), 0) + net
        pool -= self.pay_claims(pool)
        self.grid += pool
        self.done[quarter] = Settled(price, dict(units))

    def settle_corrections(self) -> int:
        """Charge what corrections cost, let what they bring be claims; returns what came in."""
        came = 0
        order = list(self.accounts)
        for who, quarter in sorted(self.pending, key=lambda one: (order.index(one[0]), one[1])):
            energy = self.pending[who, quarter]
            done = self.done[quarter]
            old = done.units[who]
            new = old._replace(import_wh=energy[0], export_wh=energy[1])
            done.units[who] = new
            change = self.net(done.price, new.imbalance_wh) - self.net(done.price, old.imbalance_wh)
            if change < 0:
                came += self.collect(who, -change)
            elif change:
                self.claims[quarter, who] = self.claims.get((quarter, who), 0) + change
        self.pending.clear()
        return came

    def pay_claims(self, pool: int) -> int:
        """Pay claims in order of quarter, pro rata within one; returns what was paid."""
        order = list(self.accounts)
        paid = 0
        for quarter in sorted({quarter for quarter, _ in self.claims}):
            own = [who for who in order if (quarter, who) in self.claims]
            total = sum(self.claims[quarter, who] for who in own)
            budget = min(total, pool - paid)
            passed = given = 0
            for who in own:
                passed += self.claims[quarter, who]
                share = floor(Fraction(budget * passed, total)) - given
                given += share
                self.claims[quarter, who] -= share
                self.credit(self.accounts[who][0], share)
            paid += budget
        self.claims = {key: left for key, left in self.claims.items() if left}
        return paid
