"""The auction against an optimum found by trying everything, on thousands of small books.

The reference shares no idea with the implementation: it tries every price, one µTHB at a time,
counts watt-hours one by one, decides from first principles which prices clear the market, and
shares by handing out single watt-hours by exact fractions.
"""

from fractions import Fraction
from hashlib import sha256
from math import floor
from random import Random
from typing import TypeVar

import pytest

from contracts.trading.uniform_price import Clearing, Side, clear
from tests.contracts.trading.uniform_price_books import (
    AUCTION,
    Row,
    array_fills,
    book_of,
    of_side,
    random_rows,
    single_fills,
    wh_by_participant,
)

BOOKS_PER_SEED = 500

Key = TypeVar("Key", int, bytes)


@pytest.mark.parametrize("seed", range(8))
def test_the_auction_agrees_with_brute_force(seed: int) -> None:
    random = Random(seed)
    traded = rationed = ties = makers_short = 0
    for number in range(BOOKS_PER_SEED):
        rows = random_rows(random)
        luck = random.randbytes(32)
        clearing = clear(book_of(rows, seed=luck))
        where = f"seed {seed}, book {number}: {rows}"

        volume = best_volume(rows)
        assert clearing.volume_wh == volume, where
        assert_interval(clearing, clearing_prices(rows, volume), where)
        expected = naive_fills(rows, volume, luck + AUCTION)
        assert array_fills(clearing, rows) == expected, where
        assert single_fills(clearing, rows) == expected, where
        if clearing.price_per_wh is not None:
            assert_supported(clearing.price_per_wh, rows, expected, where)

        traded += volume > 0
        if clearing.rationing is not None:
            rationed += 1
            ties += clearing.rationing.tie_cutoff != b"\xff" * 32
            makers_short += bool(clearing.makers_share)
    # The comparison is worth something only if the books reach every branch often.
    assert traded > BOOKS_PER_SEED // 4
    assert BOOKS_PER_SEED - traded > BOOKS_PER_SEED // 10
    assert rationed > BOOKS_PER_SEED // 5
    assert ties > BOOKS_PER_SEED // 25
    assert makers_short > BOOKS_PER_SEED // 50


def test_the_reference_itself_knows_a_worked_example() -> None:
    rows = [
        Row(Side.ASK, 20, 5, 1, False, b"a" * 32),
        Row(Side.ASK, 30, 5, 2, False, b"b" * 32),
        Row(Side.BID, 50, 4, 3, False, b"c" * 32),
        Row(Side.BID, 40, 1, 4, False, b"d" * 32),
        Row(Side.BID, 10, 9, 5, False, b"e" * 32),
    ]
    assert best_volume(rows) == 5
    # 5 Wh at 20 meet 5 Wh at 40 or more; the ask at 30 must stay out, so no price above 30 clears.
    assert clearing_prices(rows, 5) == list(range(20, 31))
    filled = naive_fills(rows, 5, b"")
    assert [filled[row.id] for row in rows] == [5, 0, 4, 1, 0]


# ── The reference ──


def price_range(rows: list[Row]) -> range:
    return range(max((row.price for row in rows), default=0) + 2)


def units_within(rows: list[Row], side: Side, price: int) -> int:
    """Count the Wh whose limit accepts `price`, one at a time."""
    count = 0
    for row in of_side(rows, side):
        for _ in range(row.quantity):
            if (row.price >= price) if side is Side.BID else (row.price <= price):
                count += 1
    return count


def units_strictly_within(rows: list[Row], side: Side, price: int) -> int:
    """Count the Wh whose owner would rather trade than not at `price`."""
    return units_within([row for row in rows if row.price != price], side, price)


def best_volume(rows: list[Row]) -> int:
    return max(
        min(units_within(rows, Side.ASK, price), units_within(rows, Side.BID, price))
        for price in price_range(rows)
    )


def clearing_prices(rows: list[Row], volume: int) -> list[int]:
    """Return every price at which `volume` can trade so that nobody is left wanting or forced.

    On both sides all who gain strictly must fit into the volume, and the volume must be found
    among those who do not lose.
    """
    if volume == 0:
        return []
    return [
        price
        for price in price_range(rows)
        if all(
            units_strictly_within(rows, side, price) <= volume <= units_within(rows, side, price)
            for side in Side
        )
    ]


def naive_fills(rows: list[Row], volume: int, tie_domain: bytes) -> dict[bytes, int]:
    filled = {row.id: 0 for row in rows}
    for side in Side:
        left = volume
        prices = sorted({row.price for row in of_side(rows, side)}, reverse=side is Side.BID)
        for price in prices:
            for is_maker in (False, True):
                pool = [
                    row
                    for row in of_side(rows, side)
                    if row.price == price and row.is_maker == is_maker
                ]
                handed_out = min(left, sum(row.quantity for row in pool))
                share_pool(pool, handed_out, tie_domain, filled)
                left -= handed_out
    return filled


def share_pool(pool: list[Row], total: int, tie_domain: bytes, filled: dict[bytes, int]) -> None:
    claims: dict[int, int] = {}
    for row in pool:
        claims[row.participant] = claims.get(row.participant, 0) + row.quantity
    luck = {who: sha256(tie_domain + who.to_bytes(8, "big")).digest() for who in claims}
    for who, share in hand_out(claims, luck, total).items():
        own = {row.id: row.quantity for row in pool if row.participant == who}
        filled.update(hand_out(own, {key: key for key in own}, share))


def hand_out(claims: dict[Key, int], luck: dict[Key, bytes], total: int) -> dict[Key, int]:
    """Give everyone the whole part of the quota, then single Wh to the largest broken parts."""
    if not claims:
        return {}
    quotas = {key: Fraction(claim * total, sum(claims.values())) for key, claim in claims.items()}
    shares = {key: floor(quota) for key, quota in quotas.items()}
    waiting = list(claims)
    for _ in range(total - sum(shares.values())):
        lucky = waiting[0]
        for key in waiting[1:]:
            broken, best = quotas[key] - floor(quotas[key]), quotas[lucky] - floor(quotas[lucky])
            if broken > best or (broken == best and luck[key] < luck[lucky]):
                lucky = key
        shares[lucky] += 1
        waiting.remove(lucky)
    return shares


# ── Comparison ──


def assert_interval(clearing: Clearing, prices: list[int], where: str) -> None:
    if not prices:
        assert clearing == Clearing(volume_wh=0), where
        return
    assert prices == list(range(prices[0], prices[-1] + 1)), where
    assert (clearing.lo_per_wh, clearing.hi_per_wh) == (prices[0], prices[-1]), where
    assert clearing.price_per_wh == Fraction(prices[0] + prices[-1], 2), where


def assert_supported(price: int, rows: list[Row], filled: dict[bytes, int], where: str) -> None:
    """Everyone who gains at the price is filled, nobody who loses is, and the sides balance."""
    for row in rows:
        gain = row.price - price if row.side is Side.BID else price - row.price
        assert 0 <= filled[row.id] <= row.quantity, where
        assert gain <= 0 or filled[row.id] == row.quantity, where
        assert gain >= 0 or filled[row.id] == 0, where
    totals = wh_by_participant(filled, rows)
    bought = sum(wh for (side, _), wh in totals.items() if side is Side.BID)
    sold = sum(wh for (side, _), wh in totals.items() if side is Side.ASK)
    assert bought == sold == best_volume(rows), where
