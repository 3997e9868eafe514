"""The auction at its limits: a million of the largest orders, every result exact."""

from dataclasses import astuple
from hashlib import sha256

import numpy as np
import pytest

from contracts.kernel.rounding import Int64s
from contracts.trading.rationing import OrderIds, Rationing, share
from contracts.trading.uniform_price import (
    ORDER_WH_MAX,
    ORDERS_PER_SIDE_MAX,
    PRICE_PER_WH_MAX,
    Book,
    Clearing,
    Orders,
    Side,
    clear,
    fills,
)

SEED = sha256(b"scale").digest()
AUCTION = b"limit"
COUNT = ORDERS_PER_SIDE_MAX
PRICE = PRICE_PER_WH_MAX


def orders_at_one_price(quantity_wh: Int64s, participant: Int64s | None = None) -> Orders:
    count = quantity_wh.size
    return Orders(
        price_per_wh=np.full(count, PRICE, dtype=np.int64),
        quantity_wh=quantity_wh,
        participant=np.arange(count, dtype=np.int64) if participant is None else participant,
        is_maker=np.zeros(count, dtype=np.bool_),
    )


def largest_orders() -> Int64s:
    return np.full(COUNT, ORDER_WH_MAX, dtype=np.int64)


def numbered_ids(count: int) -> OrderIds:
    ids = np.zeros((count, 32), dtype=np.uint8)
    ids[:, 24:] = np.arange(count).astype(">i8").view(np.uint8).reshape(-1, 8)
    return ids


def test_a_million_of_the_largest_orders_on_each_side_trade_in_full() -> None:
    orders = orders_at_one_price(largest_orders())
    clearing = clear(Book(orders, orders, SEED, AUCTION))
    assert clearing == Clearing(
        volume_wh=10**13,
        price_per_wh=PRICE,
        lo_per_wh=PRICE,
        hi_per_wh=PRICE,
        bid_level_per_wh=PRICE,
        ask_level_per_wh=PRICE,
    )
    result = fills(clearing, Side.BID, orders, numbered_ids(COUNT))
    assert np.array_equal(result.order_wh, orders.quantity_wh)


def test_one_watt_hour_too_few_for_a_million_equal_bids() -> None:
    # claim × residual is about 10^7 × 10^13, beyond 64 bits. All million quotas are
    # 9 999 999.999999 Wh: all are rounded up but the one with the largest hash.
    bids = orders_at_one_price(largest_orders())
    quantity_wh = largest_orders()
    quantity_wh[123_456] -= 1
    clearing = clear(Book(bids, orders_at_one_price(quantity_wh), SEED, AUCTION))
    assert clearing.volume_wh == 10**13 - 1
    assert clearing.rationed_side is Side.BID
    assert clearing.rationing is not None

    unlucky = max(
        range(COUNT),
        key=lambda who: sha256(SEED + AUCTION + who.to_bytes(8, "big")).digest(),
    )
    expected = largest_orders()
    expected[unlucky] -= 1
    result = fills(clearing, Side.BID, bids, numbered_ids(COUNT))
    assert np.array_equal(result.order_wh, expected)
    assert share(clearing.rationing, unlucky, ORDER_WH_MAX) == ORDER_WH_MAX - 1
    assert share(clearing.rationing, unlucky - 1, ORDER_WH_MAX) == ORDER_WH_MAX


def test_a_million_uneven_bids_share_exactly() -> None:
    participant = np.arange(COUNT, dtype=np.int64)
    bids = orders_at_one_price(largest_orders() - participant * 31 % 4_999_999)
    asks = orders_at_one_price(np.full(300_000, 9_999_991, dtype=np.int64))
    clearing = clear(Book(bids, asks, SEED, AUCTION))
    residual_wh = 300_000 * 9_999_991
    assert clearing.volume_wh == residual_wh
    assert clearing.rationing is not None

    pool_wh = sum(bids.quantity_wh.tolist())
    quotas = [divmod(claim * residual_wh, pool_wh) for claim in bids.quantity_wh.tolist()]
    left = residual_wh - sum(whole for whole, _ in quotas)
    ranked = sorted((remainder for _, remainder in quotas), reverse=True)
    assert clearing.rationing.remainder_cutoff == ranked[left - 1]

    order_wh = fills(clearing, Side.BID, bids, numbered_ids(COUNT)).order_wh.tolist()
    assert sum(order_wh) == residual_wh
    for fill, (whole, remainder) in zip(order_wh, quotas, strict=True):
        if remainder != ranked[left - 1]:
            assert fill == whole + (remainder > ranked[left - 1])
        else:
            assert fill in {whole, whole + 1}


def test_one_participant_with_a_million_orders_spreads_its_share_by_order_id() -> None:
    owner = np.zeros(COUNT, dtype=np.int64)
    bids = orders_at_one_price(largest_orders(), owner)
    asks = orders_at_one_price(np.full(250_001, 3, dtype=np.int64))
    clearing = clear(Book(bids, asks, SEED, AUCTION))
    assert clearing.rationing == Rationing(10**13, 750_003, 10**13, b"\xff" * 32, SEED + AUCTION)
    result = fills(clearing, Side.BID, bids, numbered_ids(COUNT))
    assert result.participant_wh.tolist() == [750_003]
    # Every quota is 0.750003 Wh, so the smallest ids get one Wh each.
    assert result.order_wh[:750_003].tolist() == [1] * 750_003
    assert not result.order_wh[750_003:].any()


def test_more_orders_than_the_limit_are_a_bug() -> None:
    with pytest.raises(AssertionError, match="1000001 orders"):
        orders_at_one_price(np.ones(COUNT + 1, dtype=np.int64))


@pytest.mark.parametrize("count", [5, 50_000])
def test_a_clearing_is_a_few_numbers_however_large_the_book(count: int) -> None:
    bids = orders_at_one_price(np.full(count, 7, dtype=np.int64))
    one_ask = orders_at_one_price(np.array([2 * count + 1], dtype=np.int64))
    clearing = clear(Book(bids, one_ask, SEED, AUCTION))
    assert clearing.rationing is not None
    assert clearing.rationing.tie_cutoff < b"\xff" * 32
    for value in (*astuple(clearing)[:-1], *astuple(clearing.rationing)):
        assert value is None or isinstance(value, int | bytes)
        assert not isinstance(value, int) or value < 2**63
        assert not isinstance(value, bytes) or len(value) <= 32 + len(AUCTION)
