"""The mempool: takes transactions in, keeps them for a block, and drops what no block can hold.

Order is arrival within a lane and nonce within a sender; money never buys a place in the queue.
`fee_max` decides two things only: who leaves when the pool is full, and whether a transaction
replaces another with the same nonce (at least 10 % more). Each lane has a reserved share of the
pool that no other lane can take while it needs it. Every sender has a cap on count and bytes, and
offers no more fees in all than its free credit. (PROTOCOL §4.)

What is asked of the state is remembered for each sender that has something waiting; `update` is
told which accounts a block touched and asks again for those alone. Taking in, dropping and evicting
cost O(log n) a transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from chain.execution.admission import check_window, weight_limit
from chain.mempool.accounts import AccountView
from chain.mempool.entry import LANE_PERCENT, Entry, SenderQueue
from chain.mempool.eviction import EvictionOrder, Leaving
from chain.mempool.proposal import Proposal
from chain.mempool.refusals import (
    AlreadyKnown,
    PoolFull,
    Replaced,
    SenderCapReached,
    UnderpricedReplacement,
)
from chain.refusals import (
    BadSignature,
    CannotPayFee,
    ExpiredTransaction,
    LowNonce,
    NonceGap,
    NotIncludableError,
    WrongKeys,
)
from chain.transaction import PreparedTransaction
from chain.verdicts import Judge
from contracts.governance.parameters import ChainParameters
from contracts.kernel import Lane, Value
from contracts.kernel.rounding import ceil_div

REPLACEMENT_PERCENT: Final = 110


@dataclass(frozen=True, slots=True)
class MempoolLimits:
    """How much may wait, in all and per sender."""

    transactions: int = 50_000
    bytes: int = 64 * 2**20
    sender_transactions: int = 1_024
    sender_bytes: int = 8 * 2**20


class Departure(NamedTuple):
    """A transaction that left the pool other than by `remove`, and why."""

    prepared: PreparedTransaction
    reason: NotIncludableError


class Mempool:
    """Transactions that wait; all checks are against the state given at the last update."""

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
        self._by_id: dict[bytes, Entry] = {}
        self._queues: dict[bytes, SenderQueue] = {}
        self._lanes: dict[Lane, dict[bytes, Entry]] = {lane: {} for lane in Lane}
        self._lane_bytes: dict[Lane, int] = dict.fromkeys(Lane, 0)
        self._bytes = 0
        self._by_last_height: dict[int, dict[bytes, Entry]] = {}
        self._ready: dict[bytes, None] = {}
        self._disturbed: dict[bytes, None] = {}
        self._eviction = EvictionOrder()
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
        """Return counts and bytes, in all and per lane, and the limits."""
        lanes: dict[str, Value] = {
            lane.name.lower(): {"transactions": len(self._lanes[lane]), "bytes": size}
            for lane, size in self._lane_bytes.items()
        }
        return {
            "transactions": len(self),
            "transactions_max": self.limits.transactions,
            "bytes": self._bytes,
            "bytes_max": self.limits.bytes,
            "senders": len(self._queues),
            "lanes": lanes,
        }

    def add(self, prepared: PreparedTransaction, verdicts: Sequence[bool] = ()) -> list[Departure]:
        """Take a transaction in; returns what left for it.

        `verdicts` are known ones on its `signed_messages`, from the first on; the pool asks its
        judge for those on the sender's signatures that are missing. Raises `NotIncludableError`
        and changes nothing then.
        """
        if prepared.id in self._by_id:
            raise AlreadyKnown(id=prepared.id)
        transaction = prepared.signed.transaction
        check_window(transaction.valid_until_height, self._height + 1, self._parameters)
        weight_limit(prepared, self._parameters)
        queue = self._queue_of(transaction.sender)
        entry = Entry.of(prepared, queue, self._arrivals)
        replaced = self._check_nonce(entry)
        self._check_caps(entry, replaced)
        victims = self._who_leaves(entry, replaced)
        self._check_signatures(entry, verdicts)
        left = [] if replaced is None else [Departure(replaced.prepared, Replaced(id=prepared.id))]
        if replaced is not None:
            self._remove(replaced)
        for victim in victims:
            reason = PoolFull(transactions=len(self._by_id), fee_max_uthb=victim.fee_max_uthb)
            left.append(Departure(victim.prepared, reason))
            self._remove(victim)
        self._insert(entry)
        return left

    def remove(self, transaction_id: bytes) -> None:
        """Forget a transaction, as one that a proposal could not include."""
        entry = self._by_id.get(transaction_id)
        if entry is not None:
            self._remove(entry)
            # What waits behind it may now be too far ahead of its account.
            self._disturbed[entry.queue.sender] = None

    def has_ready(self) -> bool:
        """Say whether any waiting transaction could be in the next block."""
        return bool(self._ready)

    def proposal(self, *, bytes_max: int, weight_max: int) -> Proposal:
        """Return the waiting transactions in the order of a block.

        It works on what waits now, so that another thread may build the block meanwhile.
        """
        waiting = {lane: tuple(entries.values()) for lane, entries in self._lanes.items()}
        return Proposal(waiting, bytes_max=bytes_max, weight_max=weight_max)

    def update(
        self,
        view: AccountView,
        parameters: ChainParameters,
        height: int,
        touched: Mapping[bytes, bool] | None = None,
        included: Iterable[bytes] = (),
    ) -> list[Departure]:
        """Move on to a new tip; returns what left because no block can hold it any more.

        `touched` are the accounts whose nonce, keys or credit changed since the last update, and
        whether their keys did (`accounts_in`); None means that any may have. `included` are the ids
        of what the blocks since then hold, which leaves without a word.
        """
        rules_changed = parameters != self._parameters or height < self._height
        self._view, self._parameters, self._height = view, parameters, height
        done = self._take_out(included)
        left: list[Departure] = []
        if rules_changed:
            left += self._drop_against_the_rules()
        asked = dict.fromkeys(self._queues if touched is None else touched) | self._disturbed | done
        self._disturbed.clear()
        for last_height in sorted(h for h in self._by_last_height if h <= height):
            for entry in tuple(self._by_last_height[last_height].values()):
                reason = ExpiredTransaction(valid_until_height=last_height, height=height + 1)
                left.append(self._drop(entry, reason))
                asked[entry.queue.sender] = None
        asked.update(dict.fromkeys(one.prepared.signed.transaction.sender for one in left))
        for sender in sorted(asked):
            queue = self._queues.get(sender)
            if queue is not None:
                rekeyed = touched is None or touched.get(sender, False)
                left += self._follow(queue, rekeyed=rekeyed)
        return left

    def _take_out(self, included: Iterable[bytes]) -> dict[bytes, None]:
        """Forget what is in a block; returns its senders, whose queues must be looked at."""
        senders: dict[bytes, None] = {}
        for transaction_id in included:
            entry = self._by_id.get(transaction_id)
            if entry is not None:
                self._forget(entry)
                senders[entry.queue.sender] = None
        return senders

    def _queue_of(self, sender: bytes) -> SenderQueue:
        """Return the sender's queue; a new one is not yet part of the pool."""
        queue = self._queues.get(sender)
        if queue is None:
            nonce = self._view.nonce(sender)
            queue = SenderQueue(sender, nonce, self._view.free_uthb(sender), nonce)
        return queue

    def _check_nonce(self, entry: Entry) -> Entry | None:
        """Check the nonce against account and gap; returns the entry that this one replaces."""
        queue, nonce = entry.queue, entry.nonce
        if nonce < queue.nonce:
            raise LowNonce(sender=queue.sender, expected=queue.nonce, got=nonce)
        # The gap counts from the last nonce that waits here without a hole before it.
        if nonce > queue.hole + self._parameters.nonce_gap_max:
            raise NonceGap(sender=queue.sender, expected=queue.hole, got=nonce)
        other = queue.entries.get(nonce)
        if other is not None:
            need = ceil_div(other.fee_max_uthb * REPLACEMENT_PERCENT, 100)
            need = max(need, other.fee_max_uthb + 1)
            if entry.fee_max_uthb < need:
                raise UnderpricedReplacement(need_uthb=need, fee_max_uthb=entry.fee_max_uthb)
        return other

    def _check_caps(self, entry: Entry, replaced: Entry | None) -> None:
        queue, limits = entry.queue, self.limits
        count, size, fees_uthb = len(queue.entries), queue.size, queue.fees_uthb
        if replaced is not None:
            count, size = count - 1, size - replaced.size
            fees_uthb -= replaced.fee_max_uthb
        if count >= limits.sender_transactions or size + entry.size > limits.sender_bytes:
            raise SenderCapReached(sender=queue.sender, transactions=count, bytes=size)
        need_uthb = fees_uthb + entry.fee_max_uthb
        if need_uthb > queue.free_uthb:
            raise CannotPayFee(sender=queue.sender, have_uthb=queue.free_uthb, need_uthb=need_uthb)

    def _check_signatures(self, entry: Entry, verdicts: Sequence[bool]) -> None:
        signed, queue = entry.prepared.signed, entry.queue
        keys = signed.keys
        if keys != queue.accepted_keys:
            if not self._view.accepts_keys(queue.sender, keys):
                raise WrongKeys(sender=queue.sender)
            queue.accepted_keys = keys
        for place, one in enumerate(signed.signed):
            good = verdicts[place] if place < len(verdicts) else self._judge.verdict(one)
            if not good:
                raise BadSignature(public_key=one.public_key)

    def _who_leaves(self, entry: Entry, replaced: Entry | None) -> list[Entry]:
        """Choose who leaves so that `entry` fits; raises `PoolFull` if nobody must."""
        places, room = self.limits.transactions - len(self._by_id), self.limits.bytes - self._bytes
        if places > 0 and room >= entry.size:
            return []
        counts = {lane: len(entries) for lane, entries in self._lanes.items()}
        sizes = dict(self._lane_bytes)
        counts[entry.lane] += 1
        sizes[entry.lane] += entry.size
        if replaced is not None:
            counts[replaced.lane] -= 1
            sizes[replaced.lane] -= replaced.size
        victims: list[Entry] = []
        leaving = Leaving(self._eviction)
        try:
            while True:
                if sum(counts.values()) > self.limits.transactions:
                    first = self._first_to_leave(leaving, entry, counts, self.limits.transactions)
                elif sum(sizes.values()) > self.limits.bytes:
                    first = self._first_to_leave(leaving, entry, sizes, self.limits.bytes)
                else:
                    return victims
                for victim in leaving.cut(first):
                    counts[victim.lane] -= 1
                    sizes[victim.lane] -= victim.size
                    victims.append(victim)
        finally:
            leaving.close()

    def _first_to_leave(
        self, leaving: Leaving, entry: Entry, used: dict[Lane, int], limit: int
    ) -> Entry:
        """Return who leaves first for `entry`, or raise `PoolFull`.

        What keeps its lane within its share takes its place from a lane above; anything else must
        outrank whom it drives out.
        """
        excess = {lane: used[lane] * 100 - limit * LANE_PERCENT[lane] for lane in Lane}
        is_ready = entry.rank[0]
        reserved = is_ready and excess[entry.lane] <= 0
        for lane in sorted((x for x in Lane if excess[x] > 0), key=lambda x: (-excess[x], x)):
            first = leaving.first(lane, spare=entry.queue.sender)
            if first is not None and (reserved or first.rank < entry.rank):
                return first
        raise PoolFull(
            transactions=len(self._by_id), fee_max_uthb=entry.fee_max_uthb, ready=is_ready
        )

    def _drop_against_the_rules(self) -> list[Departure]:
        """Drop what new parameters forbid; O(n), as they rarely change."""
        left = []
        for entry in tuple(self._by_id.values()):
            try:
                check_window(entry.valid_until_height, self._height + 1, self._parameters)
                weight_limit(entry.prepared, self._parameters)
            except NotIncludableError as reason:
                left.append(self._drop(entry, reason))
        return left

    def _follow(self, queue: SenderQueue, *, rekeyed: bool) -> list[Departure]:
        """Take over a sender's account at the new tip and drop what does not fit it any more."""
        sender, view = queue.sender, self._view
        queue.follow(view.nonce(sender), view.free_uthb(sender))
        left = []
        for entry in queue.between(0, queue.nonce):
            # The queue is looked at anew below.
            self._forget(entry)
            reason = LowNonce(sender=sender, expected=queue.nonce, got=entry.nonce)
            left.append(Departure(entry.prepared, reason))
        if rekeyed:
            left += self._ask_for_keys(queue)
        for entry in queue.between(queue.hole + self._parameters.nonce_gap_max + 1):
            gap = NonceGap(sender=sender, expected=queue.hole, got=entry.nonce)
            left.append(self._drop(entry, gap))
        while queue.fees_uthb > queue.free_uthb:
            need_uthb = queue.fees_uthb
            poor = CannotPayFee(sender=sender, have_uthb=queue.free_uthb, need_uthb=need_uthb)
            left.append(self._drop(queue.entries[queue.nonces[-1]], poor))
        self._note(queue)
        return left

    def _ask_for_keys(self, queue: SenderQueue) -> list[Departure]:
        """Drop what is signed by keys that the sender does not answer to any more."""
        queue.accepted_keys = ()
        left = []
        accepted: dict[tuple[bytes, ...], bool] = {}
        for entry in queue.between(queue.nonce):
            keys = entry.prepared.signed.keys
            if keys not in accepted:
                accepted[keys] = self._view.accepts_keys(queue.sender, keys)
            if not accepted[keys]:
                left.append(self._drop(entry, WrongKeys(sender=queue.sender)))
        return left

    def _drop(self, entry: Entry, reason: NotIncludableError) -> Departure:
        self._remove(entry)
        return Departure(entry.prepared, reason)

    def _insert(self, entry: Entry) -> None:
        queue = entry.queue
        self._arrivals += 1
        self._by_id[entry.id] = entry
        self._lanes[entry.lane][entry.id] = entry
        self._lane_bytes[entry.lane] += entry.size
        self._bytes += entry.size
        self._by_last_height.setdefault(entry.valid_until_height, {})[entry.id] = entry
        self._queues[queue.sender] = queue
        queue.add(entry)
        self._note(queue)

    def _remove(self, entry: Entry) -> None:
        self._forget(entry)
        self._note(entry.queue)

    def _forget(self, entry: Entry) -> None:
        """Remove an entry; `_note` of its queue must follow."""
        del self._by_id[entry.id]
        del self._lanes[entry.lane][entry.id]
        self._lane_bytes[entry.lane] -= entry.size
        self._bytes -= entry.size
        together = self._by_last_height[entry.valid_until_height]
        del together[entry.id]
        if not together:
            del self._by_last_height[entry.valid_until_height]
        entry.queue.remove(entry)

    def _note(self, queue: SenderQueue) -> None:
        """Keep what is derived from a queue in step with it."""
        self._eviction.note(queue)
        if not queue.entries:
            self._queues.pop(queue.sender, None)
        if queue.is_ready:
            self._ready[queue.sender] = None
        else:
            self._ready.pop(queue.sender, None)
