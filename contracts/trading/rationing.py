"""Share what is left at one price: pro rata by participant, to the watt-hour, never by time.

At the marginal price the claims of a pool (the market makers' orders or all others) exceed what is
left for it. Equal-priced orders are served pro rata, as in Australia's National Electricity Rules,
clause 3.8.16, and whole watt-hours by the largest remainder method (Hamilton):

1. A participant's orders of the pool are one claim, so cutting an order into many, or spreading it
   over several accounts, changes nothing.
2. Each claim's quota is claim × residual ÷ pool, rounded down; the Wh left over go one each to the
   largest remainders, of equal remainders to the smallest tie hash
   SHA-256(seed ‖ auction ‖ participant as 8 bytes, big-endian).
3. A participant's share is spread over its own orders by the same method, ties by order id.

Arrival time plays no part: a block's proposer chooses it. The seed is a block hash that nobody
knows while orders are written, so no choice of id or quantity wins ties; what a proposer gains by
trying block hashes is at most one Wh for each participant tied at the cut-off.

A `Rationing` is what the pool's claimants have in common, a few numbers however many they are.
Each share follows from it and from the claim alone, so settlement can work in slices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from struct import iter_unpack
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from contracts.kernel.rounding import Int64s, div_mod, largest_remainder, np_mul_div

HASH_SIZE: Final = 32
LARGEST_HASH: Final = b"\xff" * HASH_SIZE
HASHES_PER_BATCH: Final = 4096

# uint8[n, 32], one order id a row
OrderIds: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Rationing:
    """How `residual_wh` is shared among claims that sum to `pool_wh`, residual_wh < pool_wh.

    A claim's quota is rounded up if its remainder exceeds `remainder_cutoff`, or equals it and the
    claimant's tie hash is at most `tie_cutoff`. A remainder is below `pool_wh`, so a cut-off of
    `pool_wh` rounds nobody up.
    """

    pool_wh: int
    residual_wh: int
    remainder_cutoff: int
    tie_cutoff: bytes
    tie_domain: bytes  # seed ‖ auction


def ration(participant: Int64s, claim_wh: Int64s, residual_wh: int, tie_domain: bytes) -> Rationing:
    """Find the cut-offs by which `residual_wh` is shared; one row an order, in any order.

    Hashes only the participants tied at the cut-off. O(n log n) for grouping, else O(n).
    """
    participants, claims_wh = sum_by_participant(participant, claim_wh)
    pool_wh = int(claims_wh.sum())
    assert 0 <= residual_wh < pool_wh, "nothing to ration"
    shares_wh, remainders = np_mul_div(claims_wh, residual_wh, pool_wh)
    left_wh = residual_wh - int(shares_wh.sum())
    if left_wh == 0:
        return Rationing(pool_wh, residual_wh, pool_wh, LARGEST_HASH, tie_domain)
    # The remainders sum to left × pool and each is below pool: more than `left` of them are above
    # 0. So the cut-off is above 0 too, and a claim without remainder is never rounded up.
    cutoff = _nth(remainders, remainders.size - left_wh)
    winners = left_wh - int(np.count_nonzero(remainders > cutoff))
    tied = participants[remainders == cutoff]
    return Rationing(
        pool_wh, residual_wh, cutoff, _tie_cutoff(tied, winners, tie_domain), tie_domain
    )


def share(rationing: Rationing, participant: int, claim_wh: int) -> int:
    """Return the Wh of one participant, whose orders of the pool sum to `claim_wh`."""
    assert 0 <= claim_wh <= rationing.pool_wh, "a claim is a part of the pool"
    share_wh, remainder = div_mod(claim_wh * rationing.residual_wh, rationing.pool_wh)
    if remainder > rationing.remainder_cutoff:
        return share_wh + 1
    if remainder < rationing.remainder_cutoff:
        return share_wh
    wins_tie = _tie_hash(rationing.tie_domain, participant) <= rationing.tie_cutoff
    return share_wh + wins_tie


def split(share_wh: int, claims_wh: Sequence[int], order_ids: Sequence[bytes]) -> list[int]:
    """Spread a participant's share over its own orders; ties go to the smallest order id."""
    assert 0 <= share_wh <= sum(claims_wh), "a share is a part of the claims"
    return largest_remainder(claims_wh, share_wh, order_ids)


def np_share_and_split(
    rationing: Rationing, participant: Int64s, claim_wh: Int64s, order_ids: OrderIds
) -> Int64s:
    """Return `split(share(…), …)` of every participant at once, one row an order of the pool."""
    by_group = np.argsort(participant, kind="stable")
    starts = _run_starts(participant[by_group])
    group = np.cumsum(starts) - 1
    first = np.flatnonzero(starts)
    sorted_claim_wh = claim_wh[by_group]
    group_claim_wh = np.add.reduceat(sorted_claim_wh, first)
    group_share_wh = _np_share(rationing, participant[by_group][first], group_claim_wh)

    sorted_fill_wh, remainders = np_mul_div(
        sorted_claim_wh, group_share_wh[group], group_claim_wh[group]
    )
    left_wh = group_share_wh - np.add.reduceat(sorted_fill_wh, first)
    contested = np.flatnonzero(left_wh[group] > 0)
    id_words = _ordered_words(order_ids[by_group[contested]])
    # The last key sorts first: participant, then remainder from the largest, then order id.
    ranked = contested[np.lexsort((*id_words.T[::-1], -remainders[contested], group[contested]))]
    # `ranked` stays grouped, so a row's rank is its distance from its group's first row.
    rows = np.arange(ranked.size)
    rank = rows - np.maximum.accumulate(np.where(_run_starts(group[ranked]), rows, 0))
    sorted_fill_wh[ranked[rank < left_wh[group[ranked]]]] += 1

    fill_wh = np.empty_like(sorted_fill_wh)
    fill_wh[by_group] = sorted_fill_wh
    return fill_wh


def sum_by_participant(participant: Int64s, energy_wh: Int64s) -> tuple[Int64s, Int64s]:
    """Return the participants, ascending, and the sum of each one's rows."""
    if participant.size == 0:
        return participant, energy_wh
    by_group = np.argsort(participant, kind="stable")
    grouped = participant[by_group]
    first = np.flatnonzero(_run_starts(grouped))
    return grouped[first], np.add.reduceat(energy_wh[by_group], first)


# ── Shares of many participants ──


def _np_share(rationing: Rationing, participants: Int64s, claims_wh: Int64s) -> Int64s:
    """Return `share` of every participant; no participant stands in two rows."""
    shares_wh, remainders = np_mul_div(claims_wh, rationing.residual_wh, rationing.pool_wh)
    shares_wh[remainders > rationing.remainder_cutoff] += 1
    tied = np.flatnonzero(remainders == rationing.remainder_cutoff)
    if rationing.tie_cutoff == LARGEST_HASH:
        shares_wh[tied] += 1
        return shares_wh
    shares_wh[tied[_np_wins_tie(rationing, participants[tied])]] += 1
    return shares_wh


# ── Ties ──


def _tie_hash(tie_domain: bytes, participant: int) -> bytes:
    return sha256(tie_domain + participant.to_bytes(8, "big")).digest()


def _tie_heads(tie_domain: bytes, participants: Int64s) -> Int64s:
    """Return the first words of the tie hashes, which nearly always decide.

    In batches, because a million hashes at once would leave the processor's cache. Each goes on
    from a copy of the hash of the domain: a fifth less time than beginning anew.
    """
    begun = sha256(tie_domain)
    heads = np.empty(participants.size, dtype=np.int64)
    for start in range(0, participants.size, HASHES_PER_BATCH):
        batch = slice(start, start + HASHES_PER_BATCH)
        hashes = []
        for (each,) in iter_unpack("8s", participants[batch].astype(">i8").tobytes()):
            one = begun.copy()
            one.update(each)
            hashes.append(one.digest())
        heads[batch] = _ordered_words(_rows(b"".join(hashes)))[:, 0]
    return heads


def _tie_cutoff(tied: Int64s, winners: int, tie_domain: bytes) -> bytes:
    """Return the largest tie hash that still wins: the `winners`-th smallest, 1-based."""
    assert 1 <= winners <= tied.size, "the cut-off belongs to at least one winner"
    if winners == tied.size:
        return LARGEST_HASH
    heads = _tie_heads(tie_domain, tied)
    head = _nth(heads, winners - 1)
    contested = sorted(_tie_hash(tie_domain, each) for each in tied[heads == head].tolist())
    return contested[winners - 1 - int(np.count_nonzero(heads < head))]


def _np_wins_tie(rationing: Rationing, tied: Int64s) -> npt.NDArray[np.bool_]:
    """Return for each tied participant whether its tie hash is at most the cut-off."""
    heads = _tie_heads(rationing.tie_domain, tied)
    head = int(_ordered_words(_rows(rationing.tie_cutoff))[0, 0])
    wins = heads < head
    for i in np.flatnonzero(heads == head).tolist():
        wins[i] = _tie_hash(rationing.tie_domain, int(tied[i])) <= rationing.tie_cutoff
    return wins


# ── Arrays ──


def _run_starts(grouped: Int64s) -> npt.NDArray[np.bool_]:
    """Return for each row whether it differs from the row before it."""
    starts = np.ones(grouped.size, dtype=np.bool_)
    np.not_equal(grouped[1:], grouped[:-1], out=starts[1:])
    return starts


def _nth(values: Int64s, n: int) -> int:
    """Return the n-th smallest value, 0-based; a value, so it does not matter how it is found."""
    return int(np.partition(values, n)[n])


def _rows(hashes: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(hashes, dtype=np.uint8).reshape(-1, HASH_SIZE)


def _ordered_words(rows: npt.NDArray[np.uint8]) -> Int64s:
    """Return 32-byte rows as int64[n, 4] that compare as the bytes do.

    Big-endian words compare like their bytes once the flipped sign bit makes them signed.
    """
    words = np.ascontiguousarray(rows).view(">i8").astype(np.int64)
    return words ^ np.int64(-(2**63))
