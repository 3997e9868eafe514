"""Every division of the chain: which way it rounds, and that no bound is crossed in silence."""

from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.kernel.rounding import (
    MUL_DIV_DIVISOR_MAX,
    ceil_div,
    div_mod,
    floor_div,
    floor_mod,
    largest_remainder,
    mul_div_floor,
    np_floor_div,
    np_mul_div,
    np_mul_div_floor,
)

INT64_MAX = 2**63 - 1
any_int = st.integers(-(2**80), 2**80)
above_zero = st.integers(1, 2**80)


@given(any_int, above_zero)
def test_quotients_round_down_or_up_as_their_name_says(a: int, b: int) -> None:
    assert floor_div(a, b) == floor(Fraction(a, b))
    assert ceil_div(a, b) == ceil(Fraction(a, b))
    assert 0 <= floor_mod(a, b) < b
    assert div_mod(a, b) == (floor_div(a, b), floor_mod(a, b))
    assert floor_div(a, b) * b + floor_mod(a, b) == a


@given(any_int, any_int, above_zero)
def test_a_product_is_exact_before_it_is_divided(a: int, b: int, c: int) -> None:
    assert mul_div_floor(a, b, c) == floor(Fraction(a) * b / c)


@pytest.mark.parametrize("divisor", [0, -1, -7])
def test_a_divisor_below_one_is_refused(divisor: int) -> None:
    array = np.array([7], dtype=np.int64)
    for divide in (floor_div, ceil_div, floor_mod, div_mod):
        with pytest.raises(ValueError, match="divisor"):
            divide(7, divisor)
    with pytest.raises(ValueError, match="divisor"):
        mul_div_floor(7, 2, divisor)
    for np_divisor in (divisor, np.array([divisor], dtype=np.int64)):
        with pytest.raises(ValueError, match="divisor"):
            np_floor_div(array, np_divisor)
        with pytest.raises(ValueError, match="divisor"):
            np_mul_div_floor(array, 0, np_divisor)


# ── Largest remainder ──


def test_the_largest_remainders_are_rounded_up() -> None:
    # Quotas 4.1, 3.5, 2.4: one unit is left, and 0.5 is the largest remainder.
    assert largest_remainder([41, 35, 24], 10, [b"a", b"b", b"c"]) == [4, 4, 2]


def test_of_equal_remainders_the_smaller_key_is_rounded_up() -> None:
    assert largest_remainder([1, 1, 1], 2, [b"c", b"a", b"b"]) == [0, 1, 1]
    assert largest_remainder([1, 1, 1], 1, [b"c", b"a", b"b"]) == [0, 1, 0]


claims = st.lists(st.integers(0, 10**14), min_size=1, max_size=12).filter(lambda w: sum(w) > 0)


@given(claims, st.integers(0, 10**20))
def test_shares_sum_exactly_and_stay_within_one_of_the_quota(
    weights: list[int], total: int
) -> None:
    shares = largest_remainder(weights, total, keys_for(weights))
    assert sum(shares) == total
    for weight, share in zip(weights, shares, strict=True):
        assert abs(share - Fraction(total * weight, sum(weights))) < 1


@given(claims, st.integers(0, 10**20))
def test_a_larger_weight_never_gets_less(weights: list[int], total: int) -> None:
    shares = largest_remainder(weights, total, keys_for(weights))
    ranked = sorted(zip(weights, shares, strict=True))
    for (smaller, share_of_smaller), (larger, share_of_larger) in pairwise(ranked):
        assert smaller == larger or share_of_smaller <= share_of_larger
    assert all(share == 0 for weight, share in ranked if weight == 0)


@given(claims, st.integers(0, 1000), st.randoms(use_true_random=False))
def test_the_order_of_claimants_does_not_matter(
    weights: list[int], total: int, random: Random
) -> None:
    keys = keys_for(weights)
    expected = dict(zip(keys, largest_remainder(weights, total, keys), strict=True))
    order = random.sample(range(len(keys)), len(keys))
    permuted = largest_remainder([weights[i] for i in order], total, [keys[i] for i in order])
    assert dict(zip([keys[i] for i in order], permuted, strict=True)) == expected


@pytest.mark.parametrize(
    ("weights", "total", "tie_keys"),
    [
        ([1, 2], 5, [b"a"]),
        ([1, 2], 5, [b"a", b"a"]),
        ([1, -2], 5, [b"a", b"b"]),
        ([1, 2], -5, [b"a", b"b"]),
        ([0, 0], 5, [b"a", b"b"]),
        ([0, 0], 0, [b"a", b"b"]),
        ([], 5, []),
    ],
)
def test_claims_that_cannot_be_shared_are_refused(
    weights: list[int], total: int, tie_keys: list[bytes]
) -> None:
    with pytest.raises(ValueError, match=r"tie keys|at least 0|divisor"):
        largest_remainder(weights, total, tie_keys)


def keys_for(weights: list[int]) -> list[bytes]:
    """Return distinct keys whose order has nothing to do with the weights' order."""
    return [bytes([(position * 101 + 7) % 256]) for position in range(len(weights))]


# ── Arrays ──

int64s = st.integers(-(2**63), INT64_MAX)
factors = st.integers(0, MUL_DIV_DIVISOR_MAX).flatmap(
    lambda b: st.tuples(st.just(b), st.integers(max(b, 1), MUL_DIV_DIVISOR_MAX))
)


@given(st.lists(int64s, max_size=8), st.integers(1, INT64_MAX))
def test_array_division_rounds_like_the_scalar_one(values: list[int], divisor: int) -> None:
    quotients = np_floor_div(np.array(values, dtype=np.int64), divisor)
    assert quotients.tolist() == [floor_div(value, divisor) for value in values]
    assert quotients.dtype == np.int64


@given(st.lists(st.tuples(st.integers(0, INT64_MAX), factors), min_size=1, max_size=8))
def test_array_products_are_exact_beyond_64_bits(rows: list[tuple[int, tuple[int, int]]]) -> None:
    a = np.array([value for value, _ in rows], dtype=np.int64)
    b = np.array([factor for _, (factor, _) in rows], dtype=np.int64)
    c = np.array([divisor for _, (_, divisor) in rows], dtype=np.int64)
    quotients, remainders = np_mul_div(a, b, c)
    expected = [divmod(value * factor, divisor) for value, (factor, divisor) in rows]
    assert list(zip(quotients.tolist(), remainders.tolist(), strict=True)) == expected
    assert np_mul_div_floor(a, b, c).tolist() == [mul_div_floor(v, f, d) for v, (f, d) in rows]


@given(st.lists(st.integers(0, INT64_MAX), max_size=8), factors)
def test_array_products_take_one_factor_for_all(values: list[int], factor: tuple[int, int]) -> None:
    b, c = factor
    quotients, remainders = np_mul_div(np.array(values, dtype=np.int64), b, c)
    assert quotients.tolist() == [v * b // c for v in values]
    assert remainders.tolist() == [v * b % c for v in values]


@pytest.mark.parametrize("b", [0, 1, MUL_DIV_DIVISOR_MAX - 1, MUL_DIV_DIVISOR_MAX])
def test_array_products_are_exact_at_their_bounds(b: int) -> None:
    values = [0, 1, 2**16 - 1, 2**16, 2**48, INT64_MAX - 1, INT64_MAX]
    for c in (MUL_DIV_DIVISOR_MAX - 1, MUL_DIV_DIVISOR_MAX):
        if b <= c:
            quotients, remainders = np_mul_div(np.array(values, dtype=np.int64), b, c)
            assert quotients.tolist() == [v * b // c for v in values]
            assert remainders.tolist() == [v * b % c for v in values]


@pytest.mark.parametrize(
    ("a", "b", "c", "message"),
    [
        (-1, 1, 2, "negative"),
        (1, -1, 2, "negative"),
        (1, 3, 2, "exceeds its divisor"),
        (1, 1, MUL_DIV_DIVISOR_MAX + 1, r"exceeds 2\^46"),
    ],
)
def test_array_products_beyond_their_bounds_are_a_bug(a: int, b: int, c: int, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        np_mul_div(np.array([a], dtype=np.int64), b, c)


def test_floats_are_a_bug() -> None:
    floats = np.array([1.5])
    with pytest.raises(AssertionError, match="int64"):
        np_floor_div(floats, 2)
    with pytest.raises(AssertionError, match="int64"):
        np_mul_div(floats, 1, 2)
