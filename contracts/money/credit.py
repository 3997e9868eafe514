"""SparkTHB credit: a double-entry ledger of µTHB with holds by purpose.

Every amount sits in one column of one account: free, or held for a purpose. All movements go
through `post`, whose entries add up to zero, so that nothing is created or lost; what is in all
columns together equals the supply, which only issue and redemption change. Pools are accounts whose
addresses belong to no key.

A participant that owes has no free credit before its debt is paid: whatever would become free on
any of its accounts goes to the creditor first (`contracts/trading/arrears.py`).

Each account also keeps the count and the hash-chain head of the events that concern it: whoever
shows a history that hashes to the head has left nothing out. (PROTOCOL §2, MARKET §10.)
"""

from collections.abc import Iterable
from typing import Annotated, Final, Protocol

from contracts.kernel import (
    Cell,
    Context,
    Contract,
    Event,
    Items,
    Map,
    Record,
    Reject,
    Value,
    call,
    genesis,
    invariant,
    query,
    record,
    sha256,
)
from contracts.kernel.host import EmittedEvent, Host
from contracts.kernel.ledger import Column, Entry, pool_address
from contracts.kernel.rounding import floor_div
from contracts.kernel.types import Address, Hash32, Memo, Uint, Uthb

ALLOCATIONS_MAX: Final = 100_000
COLUMNS: Final = len(Column)


@record(version=1)
class Account(Record):
    """One account: its columns in the order of `Column`, then its history."""

    free: Uthb
    bid_escrow: Uthb
    ask_margin: Uthb
    proceeds: Uthb
    redemption: Uthb
    deposit: Uthb
    premium: Uthb
    history_count: Uint
    history_head: Hash32

    @classmethod
    def of(cls, columns: list[int], history_count: int, history_head: bytes) -> "Account":
        """Make an account from its columns in the order of `Column`."""
        assert len(columns) == COLUMNS, "an account has each column once"
        made: Account = cls.shape.make(*columns, history_count, history_head)
        return made

    def columns(self) -> list[int]:
        """Return the amounts in the order of `Column`."""
        return [
            self.free,
            self.bid_escrow,
            self.ask_margin,
            self.proceeds,
            self.redemption,
            self.deposit,
            self.premium,
        ]


EMPTY: Final = Account(0, 0, 0, 0, 0, 0, 0, 0, bytes(32))


@record(version=1)
class Allocation(Record):
    """Credit that an account has from genesis on."""

    account: Address
    amount_uthb: Uthb


class InsufficientFunds(Reject):
    """The account has less in this column than the movement takes.

    Free credit is what is not held for orders, proceeds or redemption.
    """

    code = 1


class ZeroAmount(Reject):
    """A transfer moves at least 1 µTHB.

    Name an amount above zero.
    """

    code = 2


class CreditTransferred(Event, owners=("sender", "recipient")):
    """Free credit moved from one account to another."""

    sender: Address
    recipient: Address
    amount_uthb: Uthb
    memo: Memo


class CreditIssued(Event, owners=("recipient",)):
    """Credit came into being, backed by the named reference."""

    recipient: Address
    amount_uthb: Uthb


class FeesShared(Event):
    """The fee pool was shared equally by the signers of the parent certificate."""

    each_uthb: Uthb
    signers: Annotated[tuple[Address, ...], Items(64)]


FEE_POOL: Final = pool_address("fees")


class Liens(Protocol):
    """What the ledger needs to know of debts that come before all else."""

    def exist(self) -> bool:
        """Say whether anybody owes anything."""

    def collect(self, account: bytes, credited_uthb: int) -> tuple[bytes, int] | None:
        """Count credit of an account as paid; returns to whom it goes and how much, or None."""

    def require_within_limit(self, account: bytes) -> None:
        """Refuse an account whose owner owes too much to transfer."""


class Credit(Contract, name="credit", number=0x11):
    """SparkTHB: balances, holds, transfers."""

    accounts = Map[Address, Account](id=0x1101, default=EMPTY, packed=True)
    supply = Cell[Uthb](id=0x1102, default=0)

    def __init__(self, host: Host, liens: Liens) -> None:
        """Keep what knows who owes."""
        super().__init__(host)
        self._liens = liens
        # The fee of the transaction under way, in no column until it is known; see `set_fee_aside`.
        self._payer = b""
        self._aside_uthb = 0

    @genesis
    def set_up(
        self, allocations: Annotated[tuple[Allocation, ...], Items(ALLOCATIONS_MAX)]
    ) -> None:
        """Issue the genesis credit."""
        for one in allocations:
            self.issue(one.account, one.amount_uthb)

    def free(self, account: bytes) -> int:
        """Return the account's free credit in µTHB."""
        free = self.accounts[account].free
        return free - self._aside_uthb if account == self._payer else free

    def held(self, account: bytes, column: Column) -> int:
        """Return what a column of the account holds in µTHB."""
        if column is Column.FREE:
            return self.free(account)
        return self.accounts[account].columns()[column]

    def post(self, *entries: Entry) -> None:
        """Apply a balanced posting; raises `InsufficientFunds` before anything is written.

        What becomes free on an account whose owner owes pays the debt at once.
        """
        assert sum(entry.amount_uthb for entry in entries) == 0, "a posting adds up to zero"
        self._collect(self._apply(entries))

    def issue(self, account: bytes, amount_uthb: int) -> None:
        """Create free credit."""
        self.supply.set(self.supply.get() + amount_uthb)
        credited = self._apply((Entry(account, Column.FREE, amount_uthb),))
        self.emit(CreditIssued(account, amount_uthb))
        self._collect(credited)

    def set_fee_aside(self, account: bytes, amount_uthb: int) -> None:
        """Keep free credit for a fee out of reach of the calls that run until `settle_fee`.

        It stays in the account, but nothing sees it as free: one write the less. The account must
        have as much free.
        """
        assert not self._aside_uthb, "a transaction runs after the one before it has ended"
        self._payer, self._aside_uthb = account, amount_uthb

    def return_fee(self, fee_uthb: int) -> None:
        """Let go what the fee does not need, which pays the payer's debt as any credit does."""
        returned_uthb = self._aside_uthb - fee_uthb
        assert fee_uthb >= 0, "a fee is no income"
        assert returned_uthb >= 0, "a fee is at most what was set aside"
        self._aside_uthb = fee_uthb
        if returned_uthb:
            self._collect({self._payer: returned_uthb})

    def settle_fee(self, events: Iterable[EmittedEvent]) -> None:
        """Take the fee still set aside, and append a transaction's events to histories."""
        payer, fee_uthb = self._payer, self._aside_uthb
        self.give_fee_back()
        heads = _by_owner(events)
        for owner in sorted({payer, *heads}):
            self._finish(owner, -fee_uthb if owner == payer else 0, heads.get(owner, []))

    def give_fee_back(self) -> None:
        """Forget a fee set aside, for a transaction that leaves no trace."""
        self._payer, self._aside_uthb = b"", 0

    def collect_fees(self, amount_uthb: int) -> None:
        """Bring the fees of a block, already taken from their payers, into the pool."""
        if amount_uthb:
            self._apply((Entry(FEE_POOL, Column.FREE, amount_uthb),))

    def record_history(self, events: Iterable[EmittedEvent]) -> None:
        """Append events that belong to no transaction to the histories of their owners."""
        for owner, data in sorted(_by_owner(events).items()):
            self._finish(owner, 0, data)

    def share_fees(self, signers: tuple[bytes, ...]) -> None:
        """Share the fee pool equally, rounded down; the remainder stays in the pool."""
        each = floor_div(self.free(FEE_POOL), len(signers))
        if each == 0:
            return
        shares = [Entry(signer, Column.FREE, each) for signer in signers]
        self.post(Entry(FEE_POOL, Column.FREE, -each * len(signers)), *shares)
        self.emit(FeesShared(each, signers))

    @call
    def transfer(self, ctx: Context, recipient: Address, amount_uthb: Uthb, memo: Memo) -> None:
        """Move free credit from the caller to `recipient`."""
        if amount_uthb == 0:
            raise ZeroAmount
        self._liens.require_within_limit(ctx.caller)
        if recipient == ctx.caller and amount_uthb > (have := self.free(recipient)):
            # A posting nets what enters and leaves one column; the event must not claim more.
            raise InsufficientFunds(
                account=recipient, column="free", have_uthb=have, need_uthb=amount_uthb
            )
        self.post(
            Entry(ctx.caller, Column.FREE, -amount_uthb),
            Entry(recipient, Column.FREE, amount_uthb),
        )
        self.emit(CreditTransferred(ctx.caller, recipient, amount_uthb, memo))

    @query
    def account(self, account: Address) -> Account:
        """All columns of an account, with the count and head of its history."""
        return self.accounts[account]

    @query
    def total_supply(self) -> Uthb:
        """All credit there is, in µTHB."""
        return self.supply.get()

    @invariant
    def columns_add_up_to_supply(self) -> bool:
        """Nothing is created or lost between issue and redemption."""
        return sum(sum(a.columns()) for _, a in self.accounts.items()) == self.supply.get()

    def _apply(self, entries: tuple[Entry, ...]) -> dict[bytes, int]:
        """Apply entries; returns by how much the free credit of accounts has grown."""
        changed: dict[bytes, tuple[Account, list[int]]] = {}
        for account, column, amount_uthb in entries:
            if account in changed:
                columns = changed[account][1]
            else:
                before = self.accounts[account]
                columns = before.columns()
                changed[account] = before, columns
            columns[column] += amount_uthb
        for account, (before, columns) in changed.items():
            aside = self._aside_uthb if account == self._payer else 0
            if columns[Column.FREE] < aside or min(columns) < 0:
                raise _insufficient(account, before.columns(), columns, aside)
        credited = {}
        for account, (before, columns) in changed.items():
            after = Account.of(columns, before.history_count, before.history_head)
            self.accounts[account] = after
            if after.free > before.free:
                credited[account] = after.free - before.free
        return credited

    def _collect(self, credited: dict[bytes, int]) -> None:
        """Hand credit that just became free to whom its owners owe it."""
        if not credited or not self._liens.exist():
            return
        for account, more_uthb in credited.items():
            owed = self._liens.collect(account, more_uthb)
            if owed is not None:
                creditor, amount_uthb = owed
                self._apply(
                    (
                        Entry(account, Column.FREE, -amount_uthb),
                        Entry(creditor, Column.FREE, amount_uthb),
                    )
                )

    def _finish(self, owner: bytes, amount_uthb: int, data: list[bytes]) -> None:
        account = self.accounts[owner]
        head = account.history_head
        for event in data:
            head = sha256(head + sha256(event))
        columns = account.columns()
        columns[Column.FREE] += amount_uthb
        self.accounts[owner] = Account.of(columns, account.history_count + len(data), head)


def _insufficient(
    account: bytes, before: list[int], after: list[int], aside_uthb: int
) -> InsufficientFunds:
    before[Column.FREE] -= aside_uthb
    after[Column.FREE] -= aside_uthb
    column = next(c for c in Column if after[c] < 0)
    values: dict[str, Value] = {
        "account": account,
        "column": column.name.lower(),
        "have_uthb": before[column],
        "need_uthb": before[column] - after[column],
    }
    return InsufficientFunds(**values)


def _by_owner(events: Iterable[EmittedEvent]) -> dict[bytes, list[bytes]]:
    out: dict[bytes, list[bytes]] = {}
    for data, owners in events:
        for owner in owners:
            out.setdefault(owner, []).append(data)
    return out
