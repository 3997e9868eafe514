"""The till: what one step of settlement moves, as one posting.

A charge is taken from what the accounts hold for the unit, proceeds before margin, then from their
free credit, account by account in the order of registration; what nothing is left for is arrears.
What the charge leaves of proceeds and margin becomes free on the account that held it.

Everything collected goes into the settlement pool, everything paid comes out of it. The till looks
at the accounts when a charge is entered, so that a participant is charged once before `post`.
(MARKET §5.)
"""

from collections.abc import Sequence
from typing import NamedTuple

from contracts.kernel import Map
from contracts.kernel.ledger import Column, Entry, Ledger
from contracts.trading.model import Position
from contracts.trading.settlement_model import SETTLEMENT_POOL, UNCLAIMED_POOL


class Collected(NamedTuple):
    """From where a charge was taken."""

    proceeds_uthb: int = 0
    margin_uthb: int = 0
    free_uthb: int = 0
    arrears_uthb: int = 0

    @property
    def total_uthb(self) -> int:
        """Return what could be collected."""
        return self.proceeds_uthb + self.margin_uthb + self.free_uthb


class Till:
    """Entries that are posted together."""

    __slots__ = ("_entries", "_ledger", "_pool_uthb", "_unclaimed")

    def __init__(self, ledger: Ledger, unclaimed: Map[int, int]) -> None:
        """Start empty; `unclaimed` is what participants without an account are owed."""
        self._ledger = ledger
        self._unclaimed = unclaimed
        self._entries: list[Entry] = []
        self._pool_uthb = 0

    def settle(self, accounts: Sequence[bytes], position: Position, charge_uthb: int) -> Collected:
        """Charge a unit and release what is left of what it holds."""
        proceeds = min(charge_uthb, position.proceeds_uthb)
        margin = min(charge_uthb - proceeds, position.margin_uthb)
        self._empty(accounts, Column.PROCEEDS, position.proceeds_uthb, proceeds)
        self._empty(accounts, Column.ASK_MARGIN, position.margin_uthb, margin)
        left = charge_uthb - proceeds - margin
        free = self._from_free(accounts, left) if left else 0
        return Collected(proceeds, margin, free, left - free)

    def pay(self, participant: int, accounts: Sequence[bytes], amount_uthb: int) -> None:
        """Pay out of the pool to a participant's first account."""
        if not accounts:
            self._unclaimed[participant] += amount_uthb
        self.give(accounts[0] if accounts else UNCLAIMED_POOL, amount_uthb)

    def give(self, account: bytes, amount_uthb: int) -> None:
        """Move free credit from the pool to an account, or back if negative."""
        if amount_uthb:
            self._add(account, Column.FREE, amount_uthb)

    def post(self) -> int:
        """Move it all and return by how much the pool has grown; the till is empty then."""
        change_uthb, entries = self._pool_uthb, self._entries
        if change_uthb:
            entries.append(Entry(SETTLEMENT_POOL, Column.FREE, change_uthb))
        if entries:
            self._ledger.post(*entries)
        self._pool_uthb, self._entries = 0, []
        return change_uthb

    def _empty(
        self, accounts: Sequence[bytes], column: Column, held_uthb: int, charged_uthb: int
    ) -> None:
        """Take what is held for the unit out of a column, the charge into the pool."""
        for account in accounts:
            if held_uthb == 0:
                return
            there = held_uthb
            if len(accounts) > 1:
                there = min(held_uthb, self._ledger.held(account, column))
            charged = min(charged_uthb, there)
            if there:
                self._add(account, column, -there)
            if there > charged:
                self._add(account, Column.FREE, there - charged)
            held_uthb -= there
            charged_uthb -= charged
        assert held_uthb == 0, "the accounts hold less than the unit"

    def _from_free(self, accounts: Sequence[bytes], amount_uthb: int) -> int:
        """Take free credit into the pool; returns how much there was of it."""
        taken = 0
        for account in accounts:
            part = min(amount_uthb - taken, self._ledger.free(account))
            if part:
                self._add(account, Column.FREE, -part)
            taken += part
        return taken

    def _add(self, account: bytes, column: Column, amount_uthb: int) -> None:
        self._entries.append(Entry(account, column, amount_uthb))
        self._pool_uthb -= amount_uthb
