"""The auditor's plain auction agrees with the chain's algorithm, of which it shares no line."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from client.audit.clearing import Offer, clear, share_out
from contracts.kernel import sha256
from contracts.trading import uniform_price
from contracts.trading.uniform_price import Book, Orders, Side

SEED, AUCTION = bytes(range(32)), b"an auction"


@st.composite
def side(draw: st.DrawFn, name: str) -> list[Offer]:
    count = draw(st.integers(0, 12))
    offers = []
    for i in range(count):
        group = draw(st.integers(1, 5))
        offers.append(
            Offer(
                sha256(name.encode() + bytes([i])),
                group,
                draw(st.integers(1, 9)),
                2 * draw(st.integers(1, 6)),
                group == 5,
            )
        )
    return offers


def columns(offers: list[Offer]) -> Orders:
    return Orders(
        np.array([one.limit_per_wh for one in offers], dtype=np.int64),
        np.array([one.quarter_wh for one in offers], dtype=np.int64),
        np.array([one.group for one in offers], dtype=np.int64),
        np.array([one.is_maker for one in offers], dtype=np.bool_),
    )


@given(bids=side("bid"), asks=side("ask"))
def test_volume_prices_and_every_fill_are_those_of_the_chain(
    bids: list[Offer], asks: list[Offer]
) -> None:
    book = Book(columns(bids), columns(asks), SEED, AUCTION)
    clearing = uniform_price.clear(book)
    outcome = clear(bids, asks, SEED + AUCTION)
    assert outcome[:4] == (
        clearing.volume_wh, clearing.price_per_wh, clearing.lo_per_wh, clearing.hi_per_wh
    )  # fmt: skip
    for which, offers, orders in ((Side.BID, bids, book.bids), (Side.ASK, asks, book.asks)):
        ids = np.frombuffer(b"".join(one.id for one in offers), dtype=np.uint8).reshape(-1, 32)
        fills = uniform_price.fills(clearing, which, orders, ids)
        assert [outcome.fills_wh[one.id] for one in offers] == fills.order_wh.tolist()


def test_a_share_goes_to_the_largest_remainder_and_then_to_the_smallest_tie() -> None:
    assert share_out(5, [3, 3, 4], [b"b", b"a", b"c"]) == [1, 2, 2]
    assert share_out(0, [0, 0], [b"a", b"b"]) == [0, 0]


def test_without_orders_there_is_no_price() -> None:
    assert clear([], [], SEED) == (0, None, None, None, {})
