"""An auction cleared again, the plain way: MARKET §3 in a page, without the chain's algorithm.

Every price at which somebody bids or asks is tried for the one with the most trade; the sides are
filled level by level; at the marginal level the others come before the market makers, and whoever
is left short is shared by largest remainder, by group and then by order. Energy in Wh a quarter.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple


class Offer(NamedTuple):
    """An order as the auction sees it; affiliates are one group."""

    id: bytes
    group: int
    quarter_wh: int
    limit_per_wh: int
    is_maker: bool


class Outcome(NamedTuple):
    """What an auction must come to: no prices without trade, and the Wh of every order."""

    volume_wh: int
    price_per_wh: int | None
    lo_per_wh: int | None
    hi_per_wh: int | None
    fills_wh: Mapping[bytes, int]


class _Side(NamedTuple):
    """One side filled: its orders' Wh, the prices accepted, those not wholly filled."""

    fills_wh: dict[bytes, int]
    accepted: list[int]
    unfilled: list[int]


def clear(bids: Sequence[Offer], asks: Sequence[Offer], tie_domain: bytes) -> Outcome:
    """Clear one product; `tie_domain` is seed ‖ auction. O(levels² + n log n)."""
    demand, supply = _by_price(bids), _by_price(asks)
    volume_wh = max(
        (
            min(
                sum(wh for limit, wh in supply.items() if limit <= price),
                sum(wh for limit, wh in demand.items() if limit >= price),
            )
            for price in demand.keys() | supply.keys()
        ),
        default=0,
    )
    bought = _fill(bids, sorted(demand, reverse=True), volume_wh, tie_domain)
    sold = _fill(asks, sorted(supply), volume_wh, tie_domain)
    fills_wh = bought.fills_wh | sold.fills_wh
    if volume_wh == 0:
        return Outcome(0, None, None, None, fills_wh)
    lo = max(sold.accepted + bought.unfilled)
    hi = min(bought.accepted + sold.unfilled)
    return Outcome(volume_wh, (lo + hi) // 2, lo, hi, fills_wh)


def share_out(amount_wh: int, claims_wh: Sequence[int], ties: Sequence[bytes]) -> list[int]:
    """Share an amount pro rata by largest remainder; equal remainders go to the smallest tie."""
    pool_wh = sum(claims_wh)
    if pool_wh == 0:
        return [0] * len(claims_wh)
    shares = [claim * amount_wh // pool_wh for claim in claims_wh]
    order = sorted(
        range(len(claims_wh)), key=lambda i: (-(claims_wh[i] * amount_wh % pool_wh), ties[i])
    )
    for i in order[: amount_wh - sum(shares)]:
        shares[i] += 1
    return shares


def _by_price(offers: Iterable[Offer]) -> dict[int, int]:
    levels: dict[int, int] = {}
    for offer in offers:
        levels[offer.limit_per_wh] = levels.get(offer.limit_per_wh, 0) + offer.quarter_wh
    return levels


def _fill(
    offers: Sequence[Offer], prices: Sequence[int], volume_wh: int, tie_domain: bytes
) -> _Side:
    """Fill a side up to the volume, its prices from the best to the worst."""
    at_price: dict[int, list[Offer]] = {}
    for offer in offers:
        at_price.setdefault(offer.limit_per_wh, []).append(offer)
    side = _Side({}, [], [])
    left_wh = volume_wh
    for price in prices:
        level = at_price[price]
        if left_wh > 0:
            side.accepted.append(price)
        if left_wh < sum(offer.quarter_wh for offer in level):
            side.unfilled.append(price)
        for makers in (False, True):
            pool = [offer for offer in level if offer.is_maker is makers]
            pool_wh = sum(offer.quarter_wh for offer in pool)
            side.fills_wh.update(_share(pool, min(left_wh, pool_wh), tie_domain))
            left_wh -= min(left_wh, pool_wh)
    return side


def _share(pool: Sequence[Offer], amount_wh: int, tie_domain: bytes) -> dict[bytes, int]:
    """Share an amount over the orders of a pool: first by group, then within each."""
    if amount_wh in (0, sum(offer.quarter_wh for offer in pool)):
        return {offer.id: offer.quarter_wh if amount_wh else 0 for offer in pool}
    groups: dict[int, list[Offer]] = {}
    for offer in pool:
        groups.setdefault(offer.group, []).append(offer)
    claims_wh = [sum(offer.quarter_wh for offer in own) for own in groups.values()]
    ties = [sha256(tie_domain + group.to_bytes(8, "big")).digest() for group in groups]
    fills_wh: dict[bytes, int] = {}
    for own, share_wh in zip(groups.values(), share_out(amount_wh, claims_wh, ties), strict=True):
        quantities = [offer.quarter_wh for offer in own]
        ids = [offer.id for offer in own]
        fills_wh.update(zip(ids, share_out(share_wh, quantities, ids), strict=True))
    return fills_wh
