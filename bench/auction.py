"""How long the uniform-price auction takes, the algorithm alone, outside a block.

    python -m bench.auction [--orders 10000 100000 1000000] [--repeat 5] [--json]

Orders are counted over both sides. For each shape and size: `clear` from columns to a result of
constant size, and `fills` of both sides from that result. Medians. The bar is one second to clear
a million orders, whatever the shape. R is the Ed25519 verify rate of one core, measured in the
same run, so that figures of different machines compare.

Shapes:
    spread      limits over the whole band, a participant has about 20 orders: an ordinary book
    distinct    nearly every order has a price of its own
    level       all at one price, every order another participant's, uneven sizes: few ties
    tied        all at one price, every order another participant's, equal sizes: every bid is
                tied for the last Wh, so every participant of the pool is hashed
    few         all at one price, ten participants
"""

import argparse
import json
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from bench.rate import median_s, verify_rate_per_s
from contracts.kernel.rounding import Int64s
from contracts.trading.rationing import OrderIds
from contracts.trading.uniform_price import Book, Orders, Side, clear, fills

SEED: Final = bytes(range(32))
BAR_ORDERS: Final = 1_000_000
BAR_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table."""

    shape: str
    orders: int
    clear_ms: float
    clear_us_per_order: float
    clear_in_verifies: float  # how many signatures one core verifies meanwhile
    fills_ms: float
    tied: bool  # whether tie hashes were needed


def columns(random: np.random.Generator, price: Int64s, quantity: Int64s, who: Int64s) -> Orders:
    """Return orders in random order, one in a thousand of them a market maker's."""
    order = random.permutation(price.size)
    return Orders(
        price_per_wh=price[order],
        quantity_wh=quantity[order],
        participant=who[order],
        is_maker=who[order] % 1000 == 7,
    )


def spread(random: np.random.Generator, count: int) -> tuple[Orders, Orders]:
    """Return bids and asks with limits over the whole band."""
    return _crossing(random, count, tick=10, band=(1000, 10_000))


def distinct(random: np.random.Generator, count: int) -> tuple[Orders, Orders]:
    """Return bids and asks of nearly all different limits."""
    return _crossing(random, count, tick=2, band=(2, 2**40))


def level(random: np.random.Generator, count: int) -> tuple[Orders, Orders]:
    """Return uneven bids that share two thirds of what they want, at one price."""
    bids = count - count // 10
    wanted = random.integers(1, 10_000_000, bids)
    return _at_one_price(random, wanted, np.arange(bids), count - bids)


def tied(random: np.random.Generator, count: int) -> tuple[Orders, Orders]:
    """Return equal bids, nearly all of the orders, that share what a few asks offer."""
    asks = count // 1000
    bids = count - asks
    return _at_one_price(random, np.full(bids, 5000), np.arange(bids), asks)


def few(random: np.random.Generator, count: int) -> tuple[Orders, Orders]:
    """Return the bids of ten participants at one price."""
    bids = count - count // 10
    wanted = random.integers(1, 10_000_000, bids)
    return _at_one_price(random, wanted, random.integers(0, 10, bids), count - bids)


def _crossing(
    random: np.random.Generator, count: int, tick: int, band: tuple[int, int]
) -> tuple[Orders, Orders]:
    half = count // 2
    low, high = band[0] // tick, band[1] // tick
    sides = [
        columns(
            random,
            random.integers(low, high, size, endpoint=True) * tick,
            random.integers(1, 10_000_000, size),
            random.integers(0, max(1, size // 20), size),
        )
        for size in (count - half, half)
    ]
    return sides[0], sides[1]


def _at_one_price(
    random: np.random.Generator, wanted: Int64s, buyers: Int64s, asks: int
) -> tuple[Orders, Orders]:
    offered = np.full(asks, min(10_000_000, int(wanted.sum()) * 2 // 3 // asks + 1))
    bids = columns(random, np.full(wanted.size, 3000), wanted, buyers)
    return bids, columns(random, np.full(asks, 3000), offered, np.arange(asks))


SHAPES: Final = {"spread": spread, "distinct": distinct, "level": level, "tied": tied, "few": few}


def measure(shape: str, count: int, repeat: int, verifies_per_s: float) -> Result:
    """Time one shape and size."""
    random = np.random.default_rng(count)
    bids, asks = SHAPES[shape](random, count)
    book = Book(bids, asks, SEED, b"bench")
    ids = [random_ids(random, side.quantity_wh.size) for side in (bids, asks)]
    clearing = clear(book)
    clear_s = median_s(lambda: clear(book), repeat)
    fills_s = median_s(
        lambda: (fills(clearing, Side.BID, bids, ids[0]), fills(clearing, Side.ASK, asks, ids[1])),
        repeat,
    )
    rationing = clearing.rationing
    return Result(
        shape=shape,
        orders=count,
        clear_ms=clear_s * 1e3,
        clear_us_per_order=clear_s * 1e6 / count,
        clear_in_verifies=clear_s * verifies_per_s,
        fills_ms=fills_s * 1e3,
        tied=rationing is not None and rationing.tie_cutoff != b"\xff" * 32,
    )


def random_ids(random: np.random.Generator, count: int) -> OrderIds:
    """Return an order id for each row."""
    return random.integers(0, 256, (count, 32), dtype=np.uint8)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--orders", type=int, nargs="+", default=[10_000, 100_000, BAR_ORDERS])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    if min(options.orders) < 1000:
        parser.error("--orders: at least 1000, so that every shape has bids and asks")

    rate = verify_rate_per_s(options.repeat)
    results = [
        measure(shape, count, options.repeat, rate)
        for count in options.orders
        for shape in options.shapes
    ]
    if options.json:
        print(json.dumps({"verifies_per_s": rate, "results": [asdict(r) for r in results]}))
        return
    print(f"R = {rate:,.0f} Ed25519 verifications a second\n")
    print("shape        orders   clear ms  µs/order   clear x R   fills ms  ties")
    for r in results:
        print(
            f"{r.shape:9} {r.orders:>9,} {r.clear_ms:>10.1f} {r.clear_us_per_order:>9.3f}"
            f" {r.clear_in_verifies:>11,.0f} {r.fills_ms:>10.1f}  {'yes' if r.tied else 'no'}"
        )
    worst_ms = max((r.clear_ms for r in results if r.orders == BAR_ORDERS), default=None)
    if worst_ms is not None:
        verdict = "within" if worst_ms <= BAR_S * 1e3 else "OVER"
        print(f"\n{BAR_ORDERS:,} orders: at most {worst_ms:.0f} ms, {verdict} the bar of 1 s")


if __name__ == "__main__":
    main()
