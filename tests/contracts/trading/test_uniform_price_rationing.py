"""Sharing at the marginal price: proportion, ties, and that splitting an order gains nothing."""

from hashlib import sha256
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.trading.rationing import (
    HASHES_PER_BATCH,
    LARGEST_HASH,
    Rationing,
    ration,
    share,
    split,
)
from contracts.trading.uniform_price import Clearing, Side, clear
from tests.contracts.trading.uniform_price_books import (
    AUCTION,
    SEED,
    Row,
    array_fills,
    ask,
    bid,
    book_of,
    random_rows,
    single_fills,
    wh_by_participant,
)

DOMAIN = SEED + AUCTION


def ration_claims(claims_wh: list[int], residual_wh: int) -> Rationing:
    participant = np.arange(len(claims_wh), dtype=np.int64)
    return ration(participant, np.array(claims_wh, dtype=np.int64), residual_wh, DOMAIN)


def shares_of(claims_wh: list[int], residual_wh: int) -> list[int]:
    rationing = ration_claims(claims_wh, residual_wh)
    return [share(rationing, who, claim) for who, claim in enumerate(claims_wh)]


# ── Largest remainder, ties by hash ──


def test_a_residual_that_divides_is_shared_in_proportion() -> None:
    assert shares_of([60, 30, 10], 50) == [30, 15, 5]
    assert ration_claims([60, 30, 10], 50) == Rationing(100, 50, 100, LARGEST_HASH, DOMAIN)


def test_the_last_watt_hours_go_to_the_largest_remainders() -> None:
    # Quotas 4.1, 3.5, 2.4.
    assert shares_of([41, 35, 24], 10) == [4, 4, 2]


def test_ties_go_to_the_smallest_hash_of_seed_auction_and_participant() -> None:
    claims = [1] * 20
    by_hash = sorted(range(20), key=lambda who: sha256(DOMAIN + who.to_bytes(8, "big")).digest())
    for winners in range(20):
        expected = [int(who in by_hash[:winners]) for who in range(20)]
        assert shares_of(claims, winners) == expected


def test_more_ties_than_one_batch_of_hashes_are_still_decided_one_by_one() -> None:
    count = 2 * HASHES_PER_BATCH + 5
    by_hash = sorted(range(count), key=lambda who: sha256(DOMAIN + who.to_bytes(8, "big")).digest())
    buyers = [bid(40, 1, who) for who in range(count)]
    for winners in (1, count // 3, count - 1):
        # The largest hash that wins is found by one path, who wins by two others.
        rows = [*buyers, ask(20, winners, count)]
        clearing = clear(book_of(rows))
        expected = {who: int(rank < winners) for rank, who in enumerate(by_hash)}
        filled = wh_by_participant(array_fills(clearing, rows), buyers)
        assert {who: wh for (_, who), wh in filled.items()} == expected
        assert wh_by_participant(single_fills(clearing, rows), buyers) == filled


def test_another_seed_or_auction_draws_other_winners() -> None:
    rows = [bid(40, 1, who) for who in range(40)] + [ask(20, 20, 99)]
    winners = {
        tuple(array_fills(clear(book_of(rows, seed, auction)), rows).values())
        for seed in (SEED, bytes(32))
        for auction in (AUCTION, b"auction 2")
    }
    assert len(winners) == 4


def test_no_hash_is_needed_when_all_that_are_tied_win() -> None:
    # Quotas 1.8, 1.8, 1.4: both 0.8 are rounded up.
    rationing = ration_claims([9, 9, 7], 5)
    assert rationing.tie_cutoff == LARGEST_HASH
    assert shares_of([9, 9, 7], 5) == [2, 2, 1]


claims = st.lists(st.integers(1, 10**13 // 50), min_size=1, max_size=50)


@given(claims.flatmap(lambda c: st.tuples(st.just(c), st.integers(0, sum(c) - 1))))
def test_shares_are_exact_whatever_the_size(drawn: tuple[list[int], int]) -> None:
    claims_wh, residual_wh = drawn
    shares_wh = shares_of(claims_wh, residual_wh)
    pool_wh = sum(claims_wh)
    assert sum(shares_wh) == residual_wh
    for claim_wh, share_wh in zip(claims_wh, shares_wh, strict=True):
        assert abs(share_wh * pool_wh - claim_wh * residual_wh) < pool_wh
        assert 0 <= share_wh <= claim_wh


def test_rationing_what_suffices_for_all_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="nothing to ration"):
        ration_claims([3, 4], 7)
    with pytest.raises(AssertionError, match="part of the pool"):
        share(ration_claims([3, 4], 6), 0, 8)
    with pytest.raises(AssertionError, match="part of the claims"):
        split(8, [3, 4], [b"a", b"b"])


# ── A participant's own orders ──


def test_own_orders_share_by_largest_remainder_then_by_order_id() -> None:
    assert split(5, [3, 3, 3], [b"b", b"c", b"a"]) == [2, 1, 2]
    assert split(0, [3, 3], [b"a", b"b"]) == [0, 0]
    assert split(6, [3, 3], [b"a", b"b"]) == [3, 3]


# ── Splitting ──


def split_orders(rows: list[Row], participant: int, count: int) -> list[Row]:
    """Cut each order of a participant into `count`, as if sent from several accounts."""
    cut = []
    for row in rows:
        if row.participant != participant:
            cut.append(row)
            continue
        pieces = min(count, row.quantity)
        for piece in range(pieces):
            quantity = row.quantity * (piece + 1) // pieces - row.quantity * piece // pieces
            account = f"account {piece % 3}".encode()
            piece_id = sha256(row.id + account + piece.to_bytes(4, "big")).digest()
            cut.append(Row(row.side, row.price, quantity, row.participant, row.is_maker, piece_id))
    return cut


def energy(clearing: Clearing, rows: list[Row]) -> dict[tuple[Side, int], int]:
    filled = array_fills(clearing, rows)
    assert filled == single_fills(clearing, rows)
    return wh_by_participant(filled, rows)


@pytest.mark.parametrize("count", [1, 10, 1000])
def test_splitting_orders_gives_the_same_energy(count: int) -> None:
    random = Random(count)
    rationed = 0
    for _ in range(25):
        rows = [
            Row(row.side, row.price, row.quantity * 977, row.participant, row.is_maker, row.id)
            for row in random_rows(random)
        ]
        clearing = clear(book_of(rows))
        expected = energy(clearing, rows)
        for participant in sorted({row.participant for row in rows})[:2]:
            cut = split_orders(rows, participant, count)
            # Not only the same energy: the same result, to the last cut-off.
            assert clear(book_of(cut)) == clearing
            assert energy(clearing, cut) == expected
            rationed += clearing.rationing is not None
    assert rationed > 5


def test_splitting_uneven_orders_does_not_win_the_last_watt_hour() -> None:
    whole = [bid(40, 1001, 1), bid(40, 1000, 2), bid(40, 999, 3), ask(20, 1000, 4)]
    clearing = clear(book_of(whole))
    expected = energy(clearing, whole)
    for participant in (1, 2, 3):
        single_watt_hours = split_orders(whole, participant, 1000)
        assert clear(book_of(single_watt_hours)) == clearing
        assert energy(clearing, single_watt_hours) == expected
