"""The books: double entry, account by account and column by column, from what was said alone.

Every movement of µTHB that an event, a fee or genesis speaks of is posted here; what takes credit
from one place puts it into another. Columns are those of the ledger: free, and held by purpose.
"""

from collections.abc import Iterable
from typing import Final

from client.audit.report import Findings
from contracts.kernel import sha256
from contracts.kernel.ledger import Column, pool_address

FEE_POOL: Final = pool_address("fees")
CLEARING_POOL: Final = pool_address("clearing")

Line = tuple[bytes, Column, int]


class Books:
    """Balances in µTHB, the supply, and each account's history."""

    def __init__(self, findings: Findings) -> None:
        """Start without credit."""
        self._findings = findings
        self.accounts: dict[bytes, list[int]] = {}
        self.histories: dict[bytes, tuple[int, bytes]] = {}
        self.supply_uthb = 0
        self._touched: dict[bytes, None] = {}
        self._freed: dict[bytes, int] = {}

    def issue(self, account: bytes, amount_uthb: int) -> None:
        """Create free credit."""
        self.supply_uthb += amount_uthb
        self._columns(account)[Column.FREE] += amount_uthb

    def post(self, *lines: Line) -> None:
        """Post a movement; its lines add up to zero."""
        assert sum(amount for _, _, amount in lines) == 0, "a posting adds up to zero"
        for account, column, amount_uthb in lines:
            if amount_uthb:
                self._columns(account)[column] += amount_uthb
                self._touched[account] = None
                if column is Column.FREE:
                    self._freed[account] = self._freed.get(account, 0) + amount_uthb

    def move(self, account: bytes, amount_uthb: int, source: Column, target: Column) -> None:
        """Move credit from one column of an account to another."""
        self.post((account, source, -amount_uthb), (account, target, amount_uthb))

    def free(self, account: bytes) -> int:
        """Return an account's free credit."""
        return self._columns(account)[Column.FREE]

    def held(self, account: bytes, column: Column) -> int:
        """Return what a column of an account holds."""
        return self._columns(account)[column]

    def take_freed(self) -> dict[bytes, int]:
        """Return by how much free credit grew, account by account, since this was last asked."""
        freed, self._freed = self._freed, {}
        return {account: amount for account, amount in freed.items() if amount > 0}

    def remember(self, owners: Iterable[bytes], data: bytes) -> None:
        """Append an event to the histories of its owners."""
        digest = sha256(data)
        for owner in owners:
            count, head = self.histories.get(owner, (0, bytes(32)))
            self.histories[owner] = (count + 1, sha256(head + digest))

    def check_touched(self) -> None:
        """Note each account touched since the last check that is overdrawn."""
        for account in self._touched:
            for column, amount_uthb in zip(Column, self.accounts[account], strict=True):
                if amount_uthb < 0:
                    name = column.name.lower()
                    self._findings.differ("overdrawn", name, "≥ 0", amount_uthb, account)
        self._touched.clear()

    def totals(self) -> dict[str, int]:
        """Return the sum of each column, and the supply that all of them make."""
        sums = [sum(column) for column in zip(*self.accounts.values(), strict=True)]
        named = zip(Column, sums or [0] * len(Column), strict=True)
        return {column.name.lower(): total for column, total in named} | {
            "supply": self.supply_uthb
        }

    def check_conserved(self) -> None:
        """Note it if all columns together are not the supply, or a pool that must be empty is not.

        What bids pay passes through the clearing pool to the asks of the same product.
        """
        total = sum(sum(columns) for columns in self.accounts.values())
        self._findings.compare("credit conserved", "sum of columns", self.supply_uthb, total)

    def _columns(self, account: bytes) -> list[int]:
        columns = self.accounts.get(account)
        if columns is None:
            columns = self.accounts[account] = [0] * len(Column)
        return columns
