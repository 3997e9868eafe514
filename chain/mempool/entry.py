"""What waits: one entry a transaction, one queue a sender."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from chain.transaction import PreparedTransaction
from contracts.kernel import Lane
from contracts.kernel.frozen import maker

LANE_PERCENT: Final = MappingProxyType(
    {Lane.GOVERNANCE: 10, Lane.METERING: 30, Lane.MARKET: 40, Lane.OTHER: 20}
)
assert sum(LANE_PERCENT.values()) == 100, "shares add up to the whole"  # noqa: PLR2004 - per cent


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A waiting transaction with what the pool asks of it most."""

    prepared: PreparedTransaction
    queue: "SenderQueue"
    nonce: int
    fee_max_uthb: int
    size: int
    lane: Lane
    arrival: int

    @staticmethod
    def of(prepared: PreparedTransaction, queue: "SenderQueue", arrival: int) -> "Entry":
        """Make the entry of a transaction in its sender's queue, not yet added to it."""
        transaction, size = prepared.signed.transaction, len(prepared.signed.raw)
        fee_max = transaction.fee_max_uthb
        return _make(prepared, queue, transaction.nonce, fee_max, size, prepared.lane, arrival)

    @property
    def id(self) -> bytes:
        """Return the transaction id."""
        return self.prepared.id

    @property
    def valid_until_height(self) -> int:
        """Return the last height at which it can be in a block."""
        return self.prepared.signed.transaction.valid_until_height

    @property
    def rank(self) -> tuple[bool, int]:
        """Return its place in leaving a full pool: behind a missing nonce first, then by offer."""
        return self.nonce <= self.queue.hole, self.fee_max_uthb


_make: Final = maker(Entry)


@dataclass(slots=True, eq=False)
class SenderQueue:
    """A sender's waiting transactions, and its account at the tip.

    `hole` is the first nonce from the account's on that does not wait here: what is below it can
    be in the next block.
    """

    sender: bytes
    nonce: int
    free_uthb: int
    hole: int
    entries: dict[int, Entry] = field(default_factory=dict)
    size: int = 0
    fees_uthb: int = 0
    # The nonces that wait, of all and of each lane that ever had one here, ascending.
    nonces: list[int] = field(default_factory=list)
    by_lane: dict[Lane, list[int]] = field(default_factory=dict)
    # The keys that the account was last found to answer to; none after it changed them.
    accepted_keys: tuple[bytes, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Say whether the account's next transaction waits here."""
        return self.hole > self.nonce

    def add(self, entry: Entry) -> None:
        """Add an entry whose nonce is free."""
        assert entry.nonce not in self.entries, "a replaced entry leaves first"
        self.entries[entry.nonce] = entry
        insort(self.nonces, entry.nonce)
        insort(self.by_lane.setdefault(entry.lane, []), entry.nonce)
        self.size += entry.size
        self.fees_uthb += entry.fee_max_uthb
        if entry.nonce == self.hole:
            self._find_hole(entry.nonce)

    def remove(self, entry: Entry) -> None:
        """Remove an entry."""
        del self.entries[entry.nonce]
        for nonces in (self.nonces, self.by_lane[entry.lane]):
            del nonces[bisect_left(nonces, entry.nonce)]
        self.size -= entry.size
        self.fees_uthb -= entry.fee_max_uthb
        if self.nonce <= entry.nonce < self.hole:
            self.hole = entry.nonce

    def follow(self, nonce: int, free_uthb: int) -> None:
        """Take over what the account is at a new tip."""
        self.nonce, self.free_uthb = nonce, free_uthb
        self._find_hole(nonce)

    def highest(self, lane: Lane, below: int | None = None) -> Entry | None:
        """Return the highest nonce of a lane, or the highest below a nonce."""
        nonces = self.by_lane.get(lane, ())
        position = len(nonces) if below is None else bisect_left(nonces, below)
        return self.entries[nonces[position - 1]] if position else None

    def between(self, low: int, high: int | None = None) -> list[Entry]:
        """Return the entries with low ≤ nonce < high, lowest first."""
        nonces = self.nonces
        if not nonces or nonces[-1] < low or (high is not None and nonces[0] >= high):
            return []
        end = len(nonces) if high is None else bisect_left(nonces, high)
        return [self.entries[nonce] for nonce in nonces[bisect_left(nonces, low) : end]]

    def _find_hole(self, nonce: int) -> None:
        while nonce in self.entries:
            nonce += 1
        self.hole = nonce
