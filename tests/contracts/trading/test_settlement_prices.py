"""What imbalance costs: worked examples, and the rules over all numbers in exact fractions."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.trading.settlement_prices import (
    Amount,
    Price,
    Rates,
    clearing_price,
    gap_uthb,
    highest,
    lowest,
)

IMPORT, FEED_IN, FEE = 3_950, 2_200, 5
wh = st.integers(0, 2**31)
prices = st.one_of(st.none(), st.builds(Price, st.integers(1, 2**60), st.integers(1, 2**40)))


def rates(clearing: Price | None = None) -> Rates:
    """Return the rates of a quarter with the usual tariffs."""
    return Rates.of(IMPORT, FEED_IN, FEE, clearing)


def exact(price: Price) -> Fraction:
    return Fraction(price.uthb, price.wh)


@pytest.mark.parametrize(
    ("clearing", "imbalance_wh", "charge", "due"),
    [
        (None, 0, 0, 0),
        (None, 100, 0, 220_000),
        (None, -100, 395_500, 0),
        (Price(3_000), 100, 0, 220_000),
        (Price(3_000), -100, 395_500, 0),
        (Price(4_000), -100, 400_500, 0),
        (Price(2_000), 100, 0, 200_000),
        # 4 003⅓ and 2 100⅔ µTHB/Wh: rounded once, against the participant.
        (Price(12_010, 3), -1, 4_004 + 5, 0),
        (Price(12_010, 3), -3, 12_010 + 15, 0),
        (Price(6_302, 3), 1, 0, 2_100),
        (Price(6_302, 3), 2, 0, 4_201),
        (Price(6_302, 3), 3, 0, 6_302),
    ],
)
def test_an_imbalance_costs_what_the_rule_says(
    clearing: Price | None, imbalance_wh: int, charge: int, due: int
) -> None:
    fee = max(0, -imbalance_wh) * FEE
    assert rates(clearing).amount(imbalance_wh) == Amount(charge, fee, due)


@given(prices, st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 50), wh)
def test_amounts_are_exact_but_for_one_rounding_against_the_participant(
    clearing: Price | None, low: int, spread: int, fee: int, energy_wh: int
) -> None:
    one = Rates.of(low + spread, low, fee, clearing)
    p_star = None if clearing is None else exact(clearing)
    short = Fraction(low + spread) if p_star is None else max(p_star, Fraction(low + spread))
    long = Fraction(low) if p_star is None else min(p_star, Fraction(low))
    charged, paid = one.amount(-energy_wh), one.amount(energy_wh)
    assert charged.fee_uthb == energy_wh * fee
    assert 0 <= charged.charge_uthb - charged.fee_uthb - energy_wh * short < 1
    assert 0 <= energy_wh * long - paid.due_uthb < 1
    assert charged.due_uthb == 0
    assert paid.charge_uthb == paid.fee_uthb == 0


@given(prices, wh, wh)
def test_nobody_gains_by_an_imbalance_there_and_back(
    clearing: Price | None, first_wh: int, second_wh: int
) -> None:
    """What two units of one owner balance between them is never dearer than apart."""
    one = rates(clearing)
    apart = one.amount(first_wh).net_uthb + one.amount(-second_wh).net_uthb
    assert apart <= one.amount(first_wh - second_wh).net_uthb


@given(prices, st.integers(-(2**31), 2**31), st.integers(-(2**31), 2**31), st.booleans())
def test_a_correction_settles_the_difference(
    clearing: Price | None, old_wh: int, new_wh: int, was_substituted: bool
) -> None:
    one = rates(clearing)
    change = one.amount(new_wh).net_uthb - one.amount(old_wh).net_uthb
    found = one.correction_uthb(old_wh, new_wh, was_substituted=was_substituted)
    if not was_substituted or new_wh <= old_wh:
        assert found == change
    else:
        assert found == min(change, (new_wh - old_wh) * FEED_IN)


def test_a_refund_of_a_substitute_counts_the_feed_in_price() -> None:
    # Charged for 300 Wh, drew 100: with a reading in time 200 Wh × 3 955, now 200 Wh × 2 200.
    assert rates().correction_uthb(-300, -100, was_substituted=False) == 200 * 3_955
    assert rates().correction_uthb(-300, -100, was_substituted=True) == 200 * FEED_IN
    # It drew more: that costs the same either way.
    assert rates().correction_uthb(-300, -400, was_substituted=True) == -100 * 3_955
    # It fed in at a price below the tariff: silence does not turn that into the tariff.
    assert rates(Price(2_000)).correction_uthb(0, 100, was_substituted=True) == 200_000


@pytest.mark.parametrize(
    ("trades", "metered_wh", "expected"),
    [
        ((), 0, None),
        (((4_000, 999),), 0, None),
        (((4_000, 1_000),), 20_000, Price(4_000_000, 1_000)),
        (((4_000, 1_000),), 20_001, None),
        (((4_000, 1_000), (4_010, 500)), 30_000, Price(6_005_000, 1_500)),
    ],
)
def test_too_little_trade_makes_no_price(
    trades: tuple[tuple[int, int], ...], metered_wh: int, expected: Price | None
) -> None:
    assert clearing_price(trades, metered_wh, 1_000, 50_000) == expected


def test_a_gap_is_settled_by_its_worst_prices() -> None:
    quarters = [rates(), rates(Price(4_000)), rates(Price(8_001, 2)), rates(Price(2_000))]
    assert gap_uthb(quarters, 0, 0) == 0
    assert gap_uthb(quarters, 1, 0) == -(4_001 + 5)
    assert gap_uthb(quarters, 2, 0) == -(8_001 + 10)
    assert gap_uthb(quarters, 0, 10) == 20_000
    assert gap_uthb(quarters, -10, 0) == 22_000
    assert gap_uthb(quarters, 2, 10) == 20_000 - 8_011
    assert gap_uthb(quarters, 0, -2) == -8_011


@given(st.lists(st.builds(Price, st.integers(0, 50), st.integers(1, 50)), min_size=1))
def test_prices_are_compared_as_fractions(found: list[Price]) -> None:
    assert exact(highest(found)) == max(map(exact, found))
    assert exact(lowest(found)) == min(map(exact, found))
