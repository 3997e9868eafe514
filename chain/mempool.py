"""The mempool: transactions that wait for a block, in lanes.

Order is arrival within a lane and nonce within a sender; money never buys a place in the queue.
`fee_max` decides two things only: who leaves when the pool is full, and whether a transaction
replaces another with the same nonce (at least 10 % more). Each lane has a reserved share of the
pool and of a proposal that no other lane can take while it needs it. Every sender has a cap on
count and bytes; when one of its transactions must leave, its highest nonce goes first.
(PROTOCOL §4.)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

from chain.execution.admission import check_window, weight_limit
from chain.refusals import (
    BadSignature,
    CannotPayFee,
    LowNonce,
    NonceGap,
    NotIncludableError,
    WrongKeys,
)
from chain.transaction import PreparedTransaction
from chain.verdicts import Judge
from contracts.governance.parameters import ChainParameters
from contracts.kernel import Lane, Value
from contracts.kernel.rounding import ceil_div, floor_div

LANE_PERCENT: Final = MappingProxyType(
    {Lane.GOVERNANCE: 10, Lane.METERING: 30, Lane.MARKET: 40, Lane.OTHER: 20}
)
REPLACEMENT_PERCENT: Final = 110


@dataclass(frozen=True, slots=True)
class MempoolLimits:
    """How much may wait, in all and per sender."""

    transactions: int = 50_000
    bytes: int = 64 * 2**20
    sender_transactions: int = 1_024
    sender_bytes: int = 8 * 2**20


class AccountView(Protocol):
    """What the pool asks of the state at the tip."""

    def nonce(self, sender: bytes) -> int:
        """Return the nonce of the sender's next transaction."""

    def accepts_keys(self, sender: bytes, keys: tuple[bytes, ...]) -> bool:
        """Say whether exactly these keys may sign for the sender."""

    def free_uthb(self, sender: bytes) -> int:
        """Return the sender's free credit."""


class AlreadyKnown(NotIncludableError):
    """The transaction is already waiting."""

    code = 20


class UnderpricedReplacement(NotIncludableError):
    """Another transaction with this nonce waits, and this one does not offer 10 % more.

    Raise `fee_max_uthb` to at least `need_uthb`, or use the next nonce.
    """

    code = 21


class SenderCapReached(NotIncludableError):
    """The sender has as many transactions waiting as one may have.

    Wait for a block.
    """

    code = 22


class PoolFull(NotIncludableError):
    """The pool is full, and this transaction offers less than those that could leave.

    Wait, or raise `fee_max_uthb`.
    """

    code = 23


@dataclass(frozen=True, slots=True)
class _Entry:
    prepared: PreparedTransaction
    lane: Lane
    arrival: int

    @property
    def sender(self) -> bytes:
        return self.prepared.signed.transaction.sender

    @property
    def nonce(self) -> int:
        return self.prepared.signed.transaction.nonce

    @property
    def fee_max_uthb(self) -> int:
        return self.prepared.signed.transaction.fee_max_uthb

    @property
    def size(self) -> int:
        return len(self.prepared.signed.raw)


@dataclass(slots=True)
class _Sender:
    entries: dict[int, _Entry] = field(default_factory=dict)
    size: int = 0
    fees_uthb: int = 0


class Mempool:
    """Transactions that wait; all state checks are against the view given at the last update."""

    def __init__(
        self,
        view: AccountView,
        parameters: ChainParameters,
        height: int,
        judge: Judge,
        limits: MempoolLimits | None = None,
    ) -> None:
        """Start empty on top of the block at `height`."""
        self.limits = limits or MempoolLimits()
        self._view = view
        self._parameters = parameters
        self._height = height
        self._judge = judge
        self._by_id: dict[bytes, _Entry] = {}
        self._senders: dict[bytes, _Sender] = {}
        self._lanes: dict[Lane, dict[bytes, _Entry]] = {lane: {} for lane in Lane}
        self._lane_bytes: dict[Lane, int] = dict.fromkeys(Lane, 0)
        self._arrivals = 0

    def __len__(self) -> int:
        """Return how many transactions wait."""
        return len(self._by_id)

    def __contains__(self, transaction_id: bytes) -> bool:
        """Say whether a transaction waits here."""
        return transaction_id in self._by_id

    def get(self, transaction_id: bytes) -> PreparedTransaction | None:
        """Return a waiting transaction."""
        entry = self._by_id.get(transaction_id)
        return None if entry is None else entry.prepared

    def status(self) -> dict[str, Value]:
        """Return counts and bytes, in all and per lane."""
        lanes: dict[str, Value] = {
            lane.name.lower(): {"transactions": len(self._lanes[lane]), "bytes": size}
            for lane, size in self._lane_bytes.items()
        }
        size = sum(self._lane_bytes.values())
        return {"transactions": len(self), "bytes": size, "lanes": lanes}

    def add(self, prepared: PreparedTransaction) -> None:
        """Take a transaction in; raises `NotIncludableError` and changes nothing then."""
        if prepared.id in self._by_id:
            raise AlreadyKnown(id=prepared.id)
        entry = _Entry(prepared, prepared.lane, self._arrivals)
        self._check(entry)
        replaced = self._replaced_by(entry)
        self._check_sender_caps(entry, replaced)
        victims = self._victims_for(entry, replaced)
        if replaced is not None:
            self._remove(replaced)
        for victim in victims:
            self._remove(victim)
        self._insert(entry)

    def remove(self, transaction_id: bytes) -> None:
        """Forget a transaction, as one that a proposal could not include."""
        entry = self._by_id.get(transaction_id)
        if entry is not None:
            self._remove(entry)

    def has_ready(self) -> bool:
        """Say whether any waiting transaction could be in the next block."""
        return any(self._view.nonce(s) in waiting.entries for s, waiting in self._senders.items())

    def proposal(self, bytes_max: int) -> Iterator[PreparedTransaction]:
        """Yield transactions for a block: each lane's share first, then what is left by lane.

        A transaction comes after its sender's lower nonces and only if none of them is missing.
        """
        used = dict.fromkeys(Lane, 0)
        next_nonce: dict[bytes, int] = {}
        for whole in (False, True):
            for lane in Lane:
                share = bytes_max if whole else floor_div(bytes_max * LANE_PERCENT[lane], 100)
                for entry in tuple(self._lanes[lane].values()):
                    if used[lane] >= share:
                        break
                    for ready in self._up_to(entry, next_nonce):
                        used[ready.lane] += ready.size
                        yield ready.prepared

    def update(
        self, view: AccountView, parameters: ChainParameters, height: int
    ) -> list[PreparedTransaction]:
        """Move on to a new tip; returns what left because it was used, expired or unpayable."""
        self._view, self._parameters, self._height = view, parameters, height
        gone: list[_Entry] = []
        for sender in sorted(self._senders):
            waiting = self._senders[sender]
            nonce = view.nonce(sender)
            for entry in sorted(waiting.entries.values(), key=lambda e: e.nonce):
                expired = entry.prepared.signed.transaction.valid_until_height <= height
                if entry.nonce < nonce or expired:
                    gone.append(entry)
        for entry in gone:
            self._remove(entry)
        return [entry.prepared for entry in gone]

    def _check(self, entry: _Entry) -> None:
        transaction = entry.prepared.signed.transaction
        check_window(transaction.valid_until_height, self._height + 1, self._parameters)
        weight_limit(entry.prepared, self._parameters)
        nonce = self._view.nonce(entry.sender)
        if entry.nonce < nonce:
            raise LowNonce(sender=entry.sender, expected=nonce, got=entry.nonce)
        if entry.nonce > nonce + self._parameters.nonce_gap_max:
            known = self._senders.get(entry.sender)
            # The gap counts from the last nonce that waits here without a hole before it.
            ready = self._next_hole(nonce, known)
            if entry.nonce > ready + self._parameters.nonce_gap_max:
                raise NonceGap(sender=entry.sender, expected=ready, got=entry.nonce)
        if not self._view.accepts_keys(entry.sender, entry.prepared.signed.keys):
            raise WrongKeys(sender=entry.sender)
        for signed in entry.prepared.signed.signed:
            if not self._judge.verdict(signed):
                raise BadSignature(public_key=signed.public_key)

    def _check_sender_caps(self, entry: _Entry, replaced: _Entry | None) -> None:
        waiting = self._senders.get(entry.sender) or _Sender()
        gone_size = 0 if replaced is None else replaced.size
        gone_fee = 0 if replaced is None else replaced.fee_max_uthb
        count = len(waiting.entries) + (replaced is None)
        if (
            count > self.limits.sender_transactions
            or waiting.size - gone_size + entry.size > self.limits.sender_bytes
        ):
            raise SenderCapReached(sender=entry.sender, transactions=len(waiting.entries))
        need = waiting.fees_uthb - gone_fee + entry.fee_max_uthb
        free = self._view.free_uthb(entry.sender)
        if need > free:
            raise CannotPayFee(sender=entry.sender, have_uthb=free, need_uthb=need)

    def _replaced_by(self, entry: _Entry) -> _Entry | None:
        waiting = self._senders.get(entry.sender)
        other = None if waiting is None else waiting.entries.get(entry.nonce)
        if other is not None:
            need = ceil_div(other.fee_max_uthb * REPLACEMENT_PERCENT, 100)
            if entry.fee_max_uthb < max(need, other.fee_max_uthb + 1):
                raise UnderpricedReplacement(need_uthb=need, fee_max_uthb=entry.fee_max_uthb)
        return other

    def _victims_for(self, entry: _Entry, replaced: _Entry | None) -> list[_Entry]:
        """Choose who leaves so that `entry` fits; raises `PoolFull` if nobody must.

        A lane above its share gives way first; within a lane the lowest offer, and of one sender
        the highest nonce.
        """
        count = len(self._by_id) - (replaced is not None)
        size = sum(self._lane_bytes.values()) - (0 if replaced is None else replaced.size)
        victims: list[_Entry] = []
        lane_bytes = dict(self._lane_bytes)
        lane_bytes[entry.lane] += entry.size
        chosen: dict[bytes, None] = {}
        while count + 1 > self.limits.transactions or size + entry.size > self.limits.bytes:
            lane = max(Lane, key=lambda x: (lane_bytes[x] * 100 - self._share(x), -x))
            victim = self._cheapest_tail(lane, chosen, spare=entry.sender)
            if victim is None or (lane is entry.lane and victim.fee_max_uthb >= entry.fee_max_uthb):
                raise PoolFull(transactions=len(self._by_id), fee_max_uthb=entry.fee_max_uthb)
            victims.append(victim)
            chosen[victim.prepared.id] = None
            count -= 1
            size -= victim.size
            lane_bytes[victim.lane] -= victim.size
        return victims

    def _share(self, lane: Lane) -> int:
        return self.limits.bytes * LANE_PERCENT[lane]

    def _cheapest_tail(
        self, lane: Lane, chosen: Mapping[bytes, None], spare: bytes
    ) -> _Entry | None:
        """Return the cheapest of the lane's entries that are their sender's highest nonce."""
        best: _Entry | None = None
        for sender, waiting in self._senders.items():
            if sender == spare:
                continue
            left = [n for n, e in waiting.entries.items() if e.prepared.id not in chosen]
            if not left:
                continue
            tail = waiting.entries[max(left)]
            if tail.lane is lane and (
                best is None
                or (tail.fee_max_uthb, -tail.arrival) < (best.fee_max_uthb, -best.arrival)
            ):
                best = tail
        return best

    def _up_to(self, entry: _Entry, next_nonce: dict[bytes, int]) -> Iterator[_Entry]:
        """Yield the sender's entries from its next nonce up to `entry`, if none is missing."""
        sender = entry.sender
        waiting = self._senders.get(sender)
        start = next_nonce.get(sender)
        if start is None:
            start = self._view.nonce(sender)
        if waiting is None or entry.nonce < start:
            return
        if any(n not in waiting.entries for n in range(start, entry.nonce + 1)):
            return
        next_nonce[sender] = entry.nonce + 1
        for nonce in range(start, entry.nonce + 1):
            yield waiting.entries[nonce]

    def _next_hole(self, nonce: int, waiting: _Sender | None) -> int:
        while waiting is not None and nonce in waiting.entries:
            nonce += 1
        return nonce

    def _insert(self, entry: _Entry) -> None:
        self._arrivals += 1
        self._by_id[entry.prepared.id] = entry
        self._lanes[entry.lane][entry.prepared.id] = entry
        self._lane_bytes[entry.lane] += entry.size
        waiting = self._senders.setdefault(entry.sender, _Sender())
        waiting.entries[entry.nonce] = entry
        waiting.size += entry.size
        waiting.fees_uthb += entry.fee_max_uthb

    def _remove(self, entry: _Entry) -> None:
        del self._by_id[entry.prepared.id]
        del self._lanes[entry.lane][entry.prepared.id]
        self._lane_bytes[entry.lane] -= entry.size
        waiting = self._senders[entry.sender]
        del waiting.entries[entry.nonce]
        waiting.size -= entry.size
        waiting.fees_uthb -= entry.fee_max_uthb
        if not waiting.entries:
            del self._senders[entry.sender]
