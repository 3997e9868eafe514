"""Results: what the state keeps of a clearing, so that every fill follows from it.

A `ClearingRecord`, of constant size, is a `Clearing` in the form of the wire: prices, marginal
levels, and how the rationed level is shared (ratio, remainder cut-off, tie hash and the seed of
ties). Energy is per quarter, as the auction counts it.
"""

from typing import Annotated

from contracts.kernel import Record, Size, record
from contracts.kernel.types import U32, Hash32, PricePerWh, Wh
from contracts.trading.rationing import Rationing
from contracts.trading.uniform_price import AUCTION_SIZE_MAX, SEED_SIZE, Clearing, Side


@record(version=1)
class RationingRecord(Record):
    """How the rationed level is shared; `Rationing` explains it."""

    side: Side
    makers_share: bool
    pool_wh: Wh
    residual_wh: Wh
    remainder_cutoff: Wh
    tie_cutoff: Hash32
    tie_domain: Annotated[bytes, Size(SEED_SIZE, SEED_SIZE + AUCTION_SIZE_MAX)]


@record(version=1)
class PriceRecord(Record):
    """Prices and marginal levels of an auction with trade."""

    price_per_wh: PricePerWh
    lo_per_wh: PricePerWh
    hi_per_wh: PricePerWh
    bid_level_per_wh: PricePerWh
    ask_level_per_wh: PricePerWh


@record(version=1)
class ClearingRecord(Record):
    """The outcome of a product's auction; Wh a quarter, counted before and while it is allocated.

    `bids`, `bid_wh`, `asks` and `ask_wh` are what stood in the book at the gate; `bought_wh` and
    `sold_wh` what has been allocated so far.
    """

    bids: U32
    bid_wh: Wh
    asks: U32
    ask_wh: Wh
    volume_wh: Wh
    prices: PriceRecord | None
    rationing: RationingRecord | None
    bought_wh: Wh
    sold_wh: Wh

    def clearing(self) -> Clearing:
        """Return the auction's outcome."""
        prices, shared = self.prices, self.rationing
        if prices is None:
            return Clearing(volume_wh=0)
        return Clearing(
            volume_wh=self.volume_wh,
            price_per_wh=prices.price_per_wh,
            lo_per_wh=prices.lo_per_wh,
            hi_per_wh=prices.hi_per_wh,
            bid_level_per_wh=prices.bid_level_per_wh,
            ask_level_per_wh=prices.ask_level_per_wh,
            rationed_side=None if shared is None else shared.side,
            makers_share=None if shared is None else shared.makers_share,
            rationing=None
            if shared is None
            else Rationing(
                shared.pool_wh,
                shared.residual_wh,
                shared.remainder_cutoff,
                shared.tie_cutoff,
                shared.tie_domain,
            ),
        )

    @property
    def price_per_wh(self) -> int:
        """Return the price, 0 without trade, when no Wh is multiplied by it."""
        return 0 if self.prices is None else self.prices.price_per_wh


def record_of(clearing: Clearing, bids: tuple[int, int], asks: tuple[int, int]) -> ClearingRecord:
    """Return the record of an outcome; `bids` and `asks` are (orders, Wh) of the book."""
    prices, shared = None, None
    if clearing.volume_wh:
        prices = PriceRecord(
            *(
                _present(one)
                for one in (
                    clearing.price_per_wh,
                    clearing.lo_per_wh,
                    clearing.hi_per_wh,
                    clearing.bid_level_per_wh,
                    clearing.ask_level_per_wh,
                )
            )
        )
    rationing = clearing.rationing
    if rationing is not None:
        assert clearing.rationed_side is not None, "a rationing is of a side"
        assert clearing.makers_share is not None, "and of makers or of others"
        shared = RationingRecord(
            clearing.rationed_side,
            clearing.makers_share,
            rationing.pool_wh,
            rationing.residual_wh,
            rationing.remainder_cutoff,
            rationing.tie_cutoff,
            rationing.tie_domain,
        )
    return ClearingRecord(*bids, *asks, clearing.volume_wh, prices, shared, 0, 0)


def _present(price_per_wh: int | None) -> int:
    assert price_per_wh is not None, "an auction with trade has all its prices"
    return price_per_wh
