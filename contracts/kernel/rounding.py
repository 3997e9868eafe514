"""Named roundings: the only division of the chain.

A division that leaves a remainder gives it to somebody. Each function here says to whom, so that a
reader of `ceil_div(energy_wh * loss_ppm, PPM)` knows who gains without working it out. Bare `//`
and `%` stand in no other file of `contracts/` and `chain/`; `/` stands nowhere.

Three rounding rules: floor, ceiling and, where parts must add up to a whole, the largest remainder
method (Hamilton 1792; Balinski and Young, "Fair Representation", 1982, ch. 2-3): every share is
its exact quota rounded down or up, the shares sum to the total, and of two claimants the one with
the larger weight never gets less. It is not monotone in the total (the Alabama paradox), which no
caller needs: a total is shared once.

The `np_` functions do the same for int64 arrays, whose arithmetic wraps silently. They assert the
bounds under which no intermediate value leaves int64.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Int64s: TypeAlias = npt.NDArray[np.int64]

LIMB_BITS: Final = 16
# With a divisor up to 2^46 a long division by 16-bit limbs stays within 63 bits; see np_mul_div.
MUL_DIV_DIVISOR_MAX: Final = 2**46


def floor_div(a: int, b: int) -> int:
    """Return a ÷ b rounded towards −∞: who receives the quotient loses the fraction.

    The payer, or the pool that pays out, gains. Raises ValueError unless b > 0.
    """
    _check_divisor(b)
    return a // b


def ceil_div(a: int, b: int) -> int:
    """Return a ÷ b rounded towards +∞: who receives the quotient gains the fraction.

    A charge rounded like this favours the one who collects. Raises ValueError unless b > 0.
    """
    _check_divisor(b)
    return -(-a // b)


def floor_mod(a: int, b: int) -> int:
    """Return what `floor_div` leaves over, 0 ≤ remainder < b; raises ValueError unless b > 0."""
    _check_divisor(b)
    return a % b


def div_mod(a: int, b: int) -> tuple[int, int]:
    """Return `(floor_div(a, b), floor_mod(a, b))`: nobody gains, the remainder is handed on.

    Raises ValueError unless b > 0.
    """
    _check_divisor(b)
    return divmod(a, b)


def mul_div_floor(a: int, b: int, c: int) -> int:
    """Return a × b ÷ c rounded towards −∞, the product exact: who receives it loses the fraction.

    The payer, or the pool that pays out, gains. Raises ValueError unless c > 0.
    """
    _check_divisor(c)
    return a * b // c


def largest_remainder(weights: Sequence[int], total: int, tie_keys: Sequence[bytes]) -> list[int]:
    """Share `total` in proportion to `weights`: the shares sum to it exactly, nobody else gains.

    Each share is its quota total × weight ÷ Σ weights rounded down, or up for the largest
    remainders; of equal remainders the smaller tie key is rounded up first. A larger weight never
    gets less. The result does not depend on the order of the claimants.

    Raises ValueError for a negative weight or total, weights that sum to 0, or tie keys that are
    not one distinct key a weight. O(n log n).
    """
    if len(weights) != len(tie_keys) or len(set(tie_keys)) != len(tie_keys):
        raise ValueError(f"{len(weights)} weights need as many distinct tie keys")
    if total < 0 or any(weight < 0 for weight in weights):
        raise ValueError(f"total {total} and all weights must be at least 0")
    pool = sum(weights)
    _check_divisor(pool)
    quotas = [div_mod(total * weight, pool) for weight in weights]
    shares = [share for share, _ in quotas]
    by_remainder = sorted(range(len(quotas)), key=lambda i: (-quotas[i][1], tie_keys[i]))
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares


def np_floor_div(a: Int64s, b: Int64s | int) -> Int64s:
    """Return `floor_div` of each element; raises ValueError unless every divisor is > 0."""
    assert a.dtype == np.int64, "not an int64 array"
    divisor = np.asarray(b, dtype=np.int64)
    _check_divisor(int(divisor.min(initial=1)))
    return a // divisor


def np_mul_div_floor(a: Int64s, b: Int64s | int, c: Int64s | int) -> Int64s:
    """Return `mul_div_floor` of each element, exact though a × b may exceed 64 bits.

    Bounds and errors as `np_mul_div`.
    """
    return np_mul_div(a, b, c)[0]


def np_mul_div(a: Int64s, b: Int64s | int, c: Int64s | int) -> tuple[Int64s, Int64s]:
    """Return quotient and remainder of a × b ÷ c of each element, exact beyond 64 bits.

    Bounds, asserted: 0 ≤ a < 2^63, 0 ≤ b ≤ c ≤ 2^46. Raises ValueError unless every c > 0.

    Long division in base 2^16 over the limbs of `a`, highest first: with the remainder r < c of
    the limbs so far, the next step divides r × 2^16 + limb × b. Both terms are below c × 2^16, so
    the sum is below 2^(46 + 17) = 2^63. As b ≤ c the quotient so far never exceeds the limbs of
    `a` so far. No step needs more than int64.
    """
    assert a.dtype == np.int64, "not an int64 array"
    divisor = np.asarray(c, dtype=np.int64)
    factor = np.asarray(b, dtype=np.int64)
    _check_divisor(int(divisor.min(initial=1)))
    assert int(a.min(initial=0)) >= 0, "a factor is negative"
    assert int(factor.min(initial=0)) >= 0, "a factor is negative"
    assert bool(np.all(factor <= divisor)), "a factor exceeds its divisor"
    assert int(divisor.max(initial=1)) <= MUL_DIV_DIVISOR_MAX, "a divisor exceeds 2^46"
    limb_mask = (1 << LIMB_BITS) - 1
    limb_count = ceil_div(int(a.max(initial=0)).bit_length(), LIMB_BITS)
    quotient = np.zeros(a.shape, dtype=np.int64)
    remainder = np.zeros(a.shape, dtype=np.int64)
    for position in reversed(range(limb_count)):
        limb = (a >> (position * LIMB_BITS)) & limb_mask
        dividend = (remainder << LIMB_BITS) + limb * factor
        digit = dividend // divisor
        quotient = (quotient << LIMB_BITS) + digit
        remainder = dividend - digit * divisor
    return quotient, remainder


def _check_divisor(b: int) -> None:
    if b <= 0:
        raise ValueError(f"a divisor must be above 0, not {b}")
