"""Arrears: what participants owe because a charge found nothing more to take.

A debt is to the grid account of the participant's zone, and comes first: whenever credit becomes
free on any account of the participant, the ledger gives it to the creditor until nothing is owed.
It asks `exist` before all else, which is one read while nobody owes anything.

Whoever owes more than a limit may not order or transfer. Nothing else is stopped: what is cleared
is settled, and what is held is released. (MARKET §5.)
"""

from typing import Protocol

from contracts.kernel import Cell, Contract, Lane, Map, invariant, query
from contracts.kernel.host import Host
from contracts.kernel.types import U16, U32, Uthb
from contracts.trading import arrears_words
from contracts.trading.arrears_words import ArrearsPaid, ArrearsRaised, InArrears


class Trader(Protocol):
    """What arrears know of a participant."""

    @property
    def zone(self) -> int:
        """Where it is connected."""


class Zone(Protocol):
    """What arrears know of a zone."""

    @property
    def grid_account(self) -> bytes:
        """The account that settles with everybody in the zone."""


class Directory(Protocol):
    """What arrears need of the registry of the grid."""

    def participant_of(self, account: bytes) -> int | None:
        """Return the participant that an account belongs to."""

    def trader(self, participant: int) -> Trader:
        """Return what trading knows of a participant."""

    def zone(self, number: int) -> Zone:
        """Return a zone."""


class Arrears(Contract, name="arrears", number=0x35, lane=Lane.MARKET, vocabulary=(arrears_words,)):
    """What participants owe to the grid accounts, and who may not trade for it."""

    debts = Map[U32, Uthb](id=0x3501, default=0)
    claimed = Map[U16, Uthb](id=0x3502, default=0)
    total = Cell[Uthb](id=0x3503, default=0)
    limit = Cell[Uthb](id=0x3504, default=0)

    def __init__(self, host: Host, directory: Directory) -> None:
        """Keep what knows accounts, participants and zones."""
        super().__init__(host)
        self._directory = directory

    # ── For settlement, orders and the ledger ──

    def set_limit(self, limit_uthb: int) -> None:
        """Fix what a participant may owe and still order and transfer."""
        self.limit.set(limit_uthb)

    def exist(self) -> bool:
        """Say whether anybody owes anything."""
        return self.total.get() > 0

    def add(self, participant: int, amount_uthb: int) -> None:
        """Let a participant owe so much more."""
        zone = self._directory.trader(participant).zone
        owed = self.debts[participant] + amount_uthb
        self.debts[participant] = owed
        self.claimed[zone] += amount_uthb
        self.total.set(self.total.get() + amount_uthb)
        self.emit(ArrearsRaised(participant, zone, amount_uthb, owed))

    def collect(self, account: bytes, credited_uthb: int) -> tuple[bytes, int] | None:
        """Count credit of an account as paid; returns to whom it goes and how much, or None."""
        participant = self._directory.participant_of(account)
        owed = 0 if participant is None else self.debts[participant]
        if participant is None or owed == 0:
            return None
        zone = self._directory.trader(participant).zone
        grid_account = self._directory.zone(zone).grid_account
        amount = min(owed, credited_uthb)
        self.debts[participant] = owed - amount
        self.claimed[zone] -= amount
        self.total.set(self.total.get() - amount)
        self.emit(ArrearsPaid(account, grid_account, participant, amount, owed - amount))
        return grid_account, amount

    def require_within_limit(self, account: bytes) -> None:
        """Raise `InArrears` if the account's participant owes too much to order or transfer."""
        if not self.exist():
            return
        participant = self._directory.participant_of(account)
        owed = 0 if participant is None else self.debts[participant]
        limit = self.limit.get()
        if owed > limit:
            raise InArrears(participant=participant, owed_uthb=owed, limit_uthb=limit)

    # ── Queries and invariants ──

    @query
    def owed_by(self, participant: U32) -> Uthb:
        """What a participant owes to the grid account of its zone."""
        return self.debts[participant]

    @query
    def owed_in(self, zone: U16) -> Uthb:
        """What the participants of a zone owe to its grid account together."""
        return self.claimed[zone]

    @invariant
    def owed_is_claimed(self) -> bool:
        """What all participants owe is what the grid account of each zone may claim."""
        by_zone: dict[int, int] = {}
        for participant, owed in self.debts.items():
            zone = self._directory.trader(participant).zone
            by_zone[zone] = by_zone.get(zone, 0) + owed
        return by_zone == dict(self.claimed.items()) and self.total.get() == sum(by_zone.values())
