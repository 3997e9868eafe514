"""The mempool's rules said as plainly as possible, however slowly, for comparison."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from chain.mempool import (
    LANE_PERCENT,
    AlreadyKnown,
    MempoolLimits,
    SenderCapReached,
    UnderpricedReplacement,
)
from chain.refusals import (
    CannotPayFee,
    ExpiredTransaction,
    LowNonce,
    NonceGap,
    NotIncludableError,
    WrongKeys,
)
from chain.transaction import PreparedTransaction
from contracts.kernel import Lane


@dataclass
class Accounts:
    """The state as the pool sees it."""

    nonces: dict[bytes, int] = field(default_factory=dict)
    free: dict[bytes, int] = field(default_factory=dict)
    locked: dict[bytes, None] = field(default_factory=dict)
    """Accounts that answer to no key any more."""

    def nonce(self, sender: bytes) -> int:
        return self.nonces.get(sender, 0)

    def accepts_keys(self, sender: bytes, keys: tuple[bytes, ...]) -> bool:
        return sender not in self.locked

    def free_uthb(self, sender: bytes) -> int:
        return self.free.get(sender, 0)


@dataclass
class Model:
    """What should wait, in order of arrival."""

    accounts: Accounts
    limits: MempoolLimits
    gap: int
    height: int = 0
    waiting: list[PreparedTransaction] = field(default_factory=list)

    def of(self, sender: bytes) -> dict[int, PreparedTransaction]:
        return {nonce_of(one): one for one in self.waiting if sender_of(one) == sender}

    def hole(self, sender: bytes) -> int:
        nonce = self.accounts.nonce(sender)
        while nonce in self.of(sender):
            nonce += 1
        return nonce

    def rank(self, one: PreparedTransaction) -> tuple[bool, int]:
        return nonce_of(one) <= self.hole(sender_of(one)), fee_of(one)

    def refusal(self, one: PreparedTransaction) -> type[NotIncludableError] | None:
        """Return why a transaction is refused for itself and its sender."""
        sender, nonce = sender_of(one), nonce_of(one)
        mine = self.of(sender)
        other = mine.get(nonce)
        rest = [x for x in mine.values() if x is not other]
        if any(x.id == one.id for x in self.waiting):
            return AlreadyKnown
        if one.signed.transaction.valid_until_height <= self.height:
            return ExpiredTransaction
        if nonce < self.accounts.nonce(sender):
            return LowNonce
        if nonce > self.hole(sender) + self.gap:
            return NonceGap
        if other is not None and fee_of(one) * 10 < fee_of(other) * 11:
            return UnderpricedReplacement
        if (
            len(rest) >= self.limits.sender_transactions
            or sum(map(size_of, [*rest, one])) > self.limits.sender_bytes
        ):
            return SenderCapReached
        if sum(map(fee_of, [*rest, one])) > self.accounts.free_uthb(sender):
            return CannotPayFee
        return None

    def who_leaves(self, one: PreparedTransaction) -> list[PreparedTransaction] | None:
        """Return who leaves for a transaction, or None if it has to stay outside."""
        rank = self.rank(one)
        replaced = self.of(sender_of(one)).get(nonce_of(one))
        left = [x for x in self.waiting if x is not replaced]
        gone: list[PreparedTransaction] = []
        while True:
            inside = [*left, one]
            if len(inside) > self.limits.transactions:
                used = {lane: sum(x.lane is lane for x in inside) for lane in Lane}
                limit = self.limits.transactions
            elif sum(map(size_of, inside)) > self.limits.bytes:
                used = {lane: sum(size_of(x) for x in inside if x.lane is lane) for lane in Lane}
                limit = self.limits.bytes
            else:
                return gone
            excess = {lane: 100 * used[lane] - LANE_PERCENT[lane] * limit for lane in Lane}
            reserved = rank[0] and excess[one.lane] <= 0
            for lane in sorted(Lane, key=lambda x: (-excess[x], x)):
                tops = self.tops(left, lane, sender_of(one)) if excess[lane] > 0 else []
                tops.sort(key=lambda x: (self.rank(x), -self.waiting.index(x)))
                if tops and (reserved or self.rank(tops[0]) < rank):
                    first = tops[0]
                    break
            else:
                return None
            cut = [
                x
                for x in left
                if sender_of(x) == sender_of(first) and nonce_of(x) >= nonce_of(first)
            ]
            gone += cut
            left = [x for x in left if x not in cut]

    def tops(
        self, left: list[PreparedTransaction], lane: Lane, spare: bytes
    ) -> list[PreparedTransaction]:
        """Return each sender's highest nonce in a lane, but for the sender `spare`."""
        best: dict[bytes, PreparedTransaction] = {}
        for x in sorted(left, key=nonce_of):
            if x.lane is lane and sender_of(x) != spare:
                best[sender_of(x)] = x
        return list(best.values())

    def admit(self, one: PreparedTransaction, gone: list[PreparedTransaction]) -> None:
        replaced = self.of(sender_of(one)).get(nonce_of(one))
        self.waiting = [x for x in self.waiting if x not in gone and x is not replaced] + [one]

    def follow(self) -> dict[bytes, type[NotIncludableError]]:
        """Drop what no block can hold any more; returns the ids with the reasons."""
        out: dict[bytes, type[NotIncludableError]] = {}

        def drop(one: PreparedTransaction, reason: type[NotIncludableError]) -> None:
            out[one.id] = reason
            self.waiting.remove(one)

        for one in list(self.waiting):
            if one.signed.transaction.valid_until_height <= self.height:
                drop(one, ExpiredTransaction)
            elif nonce_of(one) < self.accounts.nonce(sender_of(one)):
                drop(one, LowNonce)
            elif sender_of(one) in self.accounts.locked:
                drop(one, WrongKeys)
        for one in list(self.waiting):
            if nonce_of(one) > self.hole(sender_of(one)) + self.gap:
                drop(one, NonceGap)
        for sender in sorted({sender_of(one) for one in self.waiting}):
            mine = self.of(sender)
            while sum(map(fee_of, mine.values())) > self.accounts.free_uthb(sender):
                drop(mine.pop(max(mine)), CannotPayFee)
        return out

    def proposal(
        self, bytes_max: int, weight_max: int, weights: dict[bytes, int], failing: set[bytes]
    ) -> Iterator[PreparedTransaction]:
        """Yield what a block gets: from the lane that used least of its share, oldest first."""
        next_nonce = {sender_of(x): self.accounts.nonce(sender_of(x)) for x in self.waiting}
        used = {lane: [0, 0] for lane in Lane}
        ended: set[Lane] = set()
        while True:
            first: dict[Lane, PreparedTransaction] = {}
            for x in reversed(self.waiting):
                if next_nonce[sender_of(x)] == nonce_of(x) and x.lane not in ended:
                    first[x.lane] = x
            if not first:
                return
            lane = min(
                first,
                key=lambda x: (
                    max(used[x][0] * weight_max, used[x][1] * bytes_max) * 120 // LANE_PERCENT[x],
                    x,
                ),
            )
            one = first[lane]
            if sum(u[0] for u in used.values()) + size_of(one) > bytes_max:
                ended.add(lane)
                continue
            yield one
            if one.id in failing:
                next_nonce[sender_of(one)] = -1
                continue
            next_nonce[sender_of(one)] += 1
            used[lane][0] += size_of(one)
            used[lane][1] += weights.get(one.id, 0)


def sender_of(one: PreparedTransaction) -> bytes:
    return one.signed.transaction.sender


def nonce_of(one: PreparedTransaction) -> int:
    return one.signed.transaction.nonce


def fee_of(one: PreparedTransaction) -> int:
    return one.signed.transaction.fee_max_uthb


def size_of(one: PreparedTransaction) -> int:
    return len(one.signed.raw)
