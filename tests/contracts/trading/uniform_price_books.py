"""Small order books for the tests of the uniform-price auction: rows, columns and a generator."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random

import numpy as np

from contracts.trading.rationing import OrderIds
from contracts.trading.uniform_price import (
    Book,
    Clearing,
    Orders,
    Side,
    fills,
    order_fills,
    participant_fill,
)

SEED = sha256(b"the block before").digest()
AUCTION = b"auction 1"


@dataclass(frozen=True, slots=True)
class Row:
    """One order as a person would write it down."""

    side: Side
    price: int
    quantity: int
    participant: int
    is_maker: bool
    id: bytes


def bid(price: int, quantity: int, participant: int, *, maker: bool = False, tag: int = 0) -> Row:
    return Row(Side.BID, price, quantity, participant, maker, order_id(Side.BID, participant, tag))


def ask(price: int, quantity: int, participant: int, *, maker: bool = False, tag: int = 0) -> Row:
    return Row(Side.ASK, price, quantity, participant, maker, order_id(Side.ASK, participant, tag))


def order_id(side: Side, participant: int, tag: int) -> bytes:
    return sha256(f"{side.name} {participant} {tag}".encode()).digest()


def of_side(rows: Iterable[Row], side: Side) -> list[Row]:
    return [row for row in rows if row.side is side]


def book_of(rows: Sequence[Row], seed: bytes = SEED, auction: bytes = AUCTION) -> Book:
    return Book(
        bids=orders_of(of_side(rows, Side.BID)),
        asks=orders_of(of_side(rows, Side.ASK)),
        seed=seed,
        auction=auction,
    )


def orders_of(rows: Sequence[Row]) -> Orders:
    return Orders(
        price_per_wh=np.array([row.price for row in rows], dtype=np.int64),
        quantity_wh=np.array([row.quantity for row in rows], dtype=np.int64),
        participant=np.array([row.participant for row in rows], dtype=np.int64),
        is_maker=np.array([row.is_maker for row in rows], dtype=np.bool_),
    )


def ids_of(rows: Sequence[Row]) -> OrderIds:
    joined = b"".join(row.id for row in rows)
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, 32)


def array_fills(clearing: Clearing, rows: Sequence[Row]) -> dict[bytes, int]:
    """Return each order's fill by the array function, keyed by order id."""
    filled: dict[bytes, int] = {}
    for side in Side:
        own = of_side(rows, side)
        order_wh = fills(clearing, side, orders_of(own), ids_of(own)).order_wh
        filled.update(zip((row.id for row in own), order_wh.tolist(), strict=True))
    return filled


def single_fills(clearing: Clearing, rows: Sequence[Row]) -> dict[bytes, int]:
    """Return each order's fill as settlement does it: one participant and price at a time."""
    claims: dict[tuple[Side, int, int, bool], list[Row]] = {}
    for row in rows:
        claims.setdefault((row.side, row.price, row.participant, row.is_maker), []).append(row)
    filled: dict[bytes, int] = {}
    for (side, price, participant, is_maker), own in claims.items():
        quantities = [row.quantity for row in own]
        fill = participant_fill(
            clearing, side, price, participant, sum(quantities), is_maker=is_maker
        )
        ids = [row.id for row in own]
        filled.update(zip(ids, order_fills(fill, quantities, ids), strict=True))
    return filled


def wh_by_participant(filled: dict[bytes, int], rows: Iterable[Row]) -> dict[tuple[Side, int], int]:
    totals: dict[tuple[Side, int], int] = {}
    for row in rows:
        key = (row.side, row.participant)
        totals[key] = totals.get(key, 0) + filled[row.id]
    return totals


def random_rows(random: Random) -> list[Row]:
    """Draw a small book from few price levels and few participants, so that ties abound.

    Every third book has no makers; some have one side only, none that meet, or no orders.
    """
    prices = [10 * level for level in random.sample(range(1, 8), random.randint(1, 4))]
    participants = random.randint(1, 9)
    makers = random.sample(range(participants), random.choice([0, 1, min(2, participants)]))
    quantity_max = random.choice([1, 1, 2, 8])
    sides = random.choices([[Side.BID], [Side.ASK], list(Side)], weights=[1, 1, 10])[0]
    rows = []
    for tag in range(random.choice([0, 2, 5, 9, 14])):
        participant = random.randrange(participants)
        side = random.choice(sides)
        rows.append(
            Row(
                side=side,
                price=random.choice(prices),
                quantity=random.randint(1, quantity_max),
                participant=participant,
                is_maker=participant in makers,
                id=order_id(side, participant, tag),
            )
        )
    return rows
