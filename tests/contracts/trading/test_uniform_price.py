"""The rules of the uniform-price auction, one by one, and what holds for every book."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.trading.uniform_price import (
    ORDER_WH_MAX,
    PRICE_PER_WH_MAX,
    Book,
    Clearing,
    Orders,
    Side,
    clear,
    fills,
)
from tests.contracts.trading.uniform_price_books import (
    Row,
    array_fills,
    ask,
    bid,
    book_of,
    ids_of,
    of_side,
    orders_of,
    random_rows,
    single_fills,
    wh_by_participant,
)

NO_TRADE = Clearing(volume_wh=0)


def interval(clearing: Clearing) -> tuple[int | None, int | None, int | None]:
    return clearing.lo_per_wh, clearing.price_per_wh, clearing.hi_per_wh


# ── Price ──


def test_the_price_is_the_middle_between_the_last_accepted_limits() -> None:
    clearing = clear(book_of([ask(2200, 5, 1), bid(3950, 5, 2)]))
    assert clearing.volume_wh == 5
    assert interval(clearing) == (2200, 3075, 3950)
    assert clearing.rationed_side is None
    assert clearing.rationing is None


def test_the_price_need_not_lie_on_the_tick() -> None:
    assert interval(clear(book_of([ask(20, 5, 1), bid(30, 5, 2)]))) == (20, 25, 30)


def test_orders_left_out_bound_the_price() -> None:
    rows = [ask(20, 5, 1), bid(100, 5, 2), bid(40, 5, 3), ask(60, 5, 4)]
    assert interval(clear(book_of(rows))) == (40, 50, 60)


def test_a_partly_filled_order_sets_the_price() -> None:
    assert interval(clear(book_of([ask(20, 9, 1), bid(100, 5, 2)]))) == (20, 20, 20)
    assert interval(clear(book_of([ask(20, 5, 1), bid(100, 9, 2)]))) == (100, 100, 100)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [ask(20, 5, 1)],
        [bid(20, 5, 1)],
        [ask(30, 5, 1), bid(20, 5, 2)],
        [ask(30, 5, 1), ask(40, 1, 2), bid(20, 5, 3), bid(10, 5, 4)],
    ],
)
def test_without_trade_there_is_no_price(rows: list[Row]) -> None:
    clearing = clear(book_of(rows))
    assert clearing == NO_TRADE
    assert array_fills(clearing, rows) == single_fills(clearing, rows)
    assert not any(array_fills(clearing, rows).values())


def test_limits_that_touch_trade_at_that_limit() -> None:
    assert interval(clear(book_of([ask(30, 5, 1), bid(30, 5, 2)]))) == (30, 30, 30)


def test_more_can_trade_at_an_inner_price_than_at_the_best_prices() -> None:
    rows = [ask(10, 1, 1), ask(30, 4, 2), bid(90, 1, 3), bid(50, 4, 4)]
    clearing = clear(book_of(rows))
    assert clearing.volume_wh == 5
    assert interval(clearing) == (30, 40, 50)


# ── Market maker ──


def test_a_maker_is_filled_only_after_all_others_at_its_price() -> None:
    rows = [ask(30, 4, 1), ask(30, 10, 2, maker=True), bid(50, 6, 3)]
    clearing = clear(book_of(rows))
    assert wh_by_participant(array_fills(clearing, rows), rows)[Side.ASK, 1] == 4
    assert wh_by_participant(array_fills(clearing, rows), rows)[Side.ASK, 2] == 2
    assert clearing.makers_share is True


def test_a_maker_left_out_at_its_price_still_sets_the_price() -> None:
    # The others fill the volume exactly; the maker's level counts as partly filled.
    rows = [ask(30, 6, 1), ask(30, 10, 2, maker=True), bid(50, 6, 3)]
    clearing = clear(book_of(rows))
    assert interval(clearing) == (30, 30, 30)
    assert array_fills(clearing, rows) == {rows[0].id: 6, rows[1].id: 0, rows[2].id: 6}
    # At a worse price it is outside the level, and the interval reaches up to it.
    rows[1] = ask(40, 10, 2, maker=True)
    assert interval(clear(book_of(rows))) == (30, 35, 40)


def test_others_share_when_they_exceed_what_is_left_and_the_maker_gets_nothing() -> None:
    rows = [bid(40, 6, 1), bid(40, 3, 2), bid(40, 9, 3, maker=True), ask(20, 6, 4)]
    clearing = clear(book_of(rows))
    assert clearing.makers_share is False
    assert [array_fills(clearing, rows)[row.id] for row in rows] == [4, 2, 0, 6]


def test_several_makers_share_pro_rata_among_themselves() -> None:
    rows = [
        ask(30, 2, 1),
        ask(30, 30, 2, maker=True),
        ask(30, 10, 3, maker=True),
        bid(50, 22, 4),
    ]
    clearing = clear(book_of(rows))
    assert [array_fills(clearing, rows)[row.id] for row in rows] == [2, 15, 5, 22]


def test_a_maker_at_a_better_price_is_not_held_back() -> None:
    rows = [ask(20, 5, 1, maker=True), ask(30, 5, 2), bid(50, 6, 3)]
    clearing = clear(book_of(rows))
    assert [array_fills(clearing, rows)[row.id] for row in rows] == [5, 1, 6]


def test_the_retailer_backs_both_sides_of_one_product() -> None:
    short = [ask(2200, 40, 1), bid(3000, 100, 2)]
    retailer = [
        ask(3950, 62_500, 9, maker=True, tag=1),
        bid(2200, 62_500, 9, maker=True, tag=2),
    ]
    clearing = clear(book_of(short + retailer))
    assert clearing.volume_wh == 40  # nobody bids as much as retail
    assert interval(clearing) == (3000, 3000, 3000)
    surplus = [ask(2200, 140, 1), bid(3000, 100, 2), *retailer]
    clearing = clear(book_of(surplus))
    assert clearing.volume_wh == 140
    assert interval(clearing) == (2200, 2200, 2200)
    assert wh_by_participant(array_fills(clearing, surplus), surplus)[Side.BID, 9] == 40


# ── Every book ──

books = st.randoms(use_true_random=False).map(random_rows)
wide_rows = st.lists(
    st.builds(
        lambda side, half_price, quantity, participant: (
            side,
            2 * half_price,
            quantity,
            participant,
        ),
        st.sampled_from(Side),
        st.integers(1, PRICE_PER_WH_MAX // 2),
        st.integers(1, ORDER_WH_MAX),
        st.integers(0, 2**63 - 1),
    ),
    max_size=30,
).map(
    lambda drawn: [
        Row(side, price, quantity, participant, participant % 4 == 0, bytes([number]) * 32)
        for number, (side, price, quantity, participant) in enumerate(drawn)
    ]
)


@given(st.one_of(books, wide_rows))
def test_every_clearing_conserves_energy_and_harms_nobody(rows: list[Row]) -> None:
    clearing = clear(book_of(rows))
    filled = array_fills(clearing, rows)
    assert filled == single_fills(clearing, rows)
    for side in Side:
        assert sum(filled[row.id] for row in of_side(rows, side)) == clearing.volume_wh
    if clearing.volume_wh == 0:
        assert clearing == NO_TRADE
        return
    lo, price, hi = interval(clearing)
    assert lo is not None
    assert price is not None
    assert hi is not None
    assert lo <= price <= hi
    assert 2 * price == lo + hi
    for row in rows:
        assert 0 <= filled[row.id] <= row.quantity
        loses = row.price < price if row.side is Side.BID else row.price > price
        gains = row.price > price if row.side is Side.BID else row.price < price
        assert not (loses and filled[row.id]), "filled at a price worse than the limit"
        assert not gains or filled[row.id] == row.quantity, "left short at a better price"


@given(st.one_of(books, wide_rows))
def test_at_most_one_level_is_rationed(rows: list[Row]) -> None:
    filled = array_fills(clear(book_of(rows)), rows)
    short = {(row.side, row.price) for row in rows if 0 < filled[row.id] < row.quantity}
    assert len(short) <= 1


@given(books)
def test_a_maker_is_served_only_when_all_others_at_its_price_are_full(rows: list[Row]) -> None:
    filled = array_fills(clear(book_of(rows)), rows)
    for maker in rows:
        if maker.is_maker and filled[maker.id]:
            for other in rows:
                if not other.is_maker and (other.side, other.price) == (maker.side, maker.price):
                    assert filled[other.id] == other.quantity


@given(books, st.randoms(use_true_random=False))
def test_the_time_of_arrival_changes_nothing(rows: list[Row], random: Random) -> None:
    shuffled = random.sample(rows, len(rows))
    assert clear(book_of(shuffled)) == clear(book_of(rows))
    clearing = clear(book_of(rows))
    assert array_fills(clearing, shuffled) == array_fills(clearing, rows)


@given(books)
def test_array_fills_sum_each_participant(rows: list[Row]) -> None:
    clearing = clear(book_of(rows))
    for side in Side:
        own = of_side(rows, side)
        result = fills(clearing, side, orders_of(own), ids_of(own))
        assert result.participant.tolist() == sorted({row.participant for row in own})
        totals = wh_by_participant(array_fills(clearing, rows), own)
        by_participant = zip(
            result.participant.tolist(), result.participant_wh.tolist(), strict=True
        )
        assert {(side, who): wh for who, wh in by_participant} == totals


# ── Bugs of ours ──


def columns(**changes: object) -> Orders:
    good = {
        "price_per_wh": np.array([10], dtype=np.int64),
        "quantity_wh": np.array([1], dtype=np.int64),
        "participant": np.array([0], dtype=np.int64),
        "is_maker": np.array([False]),
    }
    return Orders(**(good | changes))  # type: ignore[arg-type] # wrong types are among the mistakes


@pytest.mark.parametrize(
    "changes",
    [
        {"price_per_wh": np.array([0])},
        {"price_per_wh": np.array([-10])},
        {"price_per_wh": np.array([15])},
        {"price_per_wh": np.array([PRICE_PER_WH_MAX + 2])},
        {"price_per_wh": np.array([10.0])},
        {"price_per_wh": np.array([10, 20])},
        {"quantity_wh": np.array([0])},
        {"quantity_wh": np.array([ORDER_WH_MAX + 1])},
        {"quantity_wh": np.array([1], dtype=np.int32)},
        {"participant": np.array([-1])},
        {"is_maker": np.array([0])},
    ],
)
def test_orders_that_submission_should_have_refused_are_a_bug(changes: dict[str, object]) -> None:
    assert columns().quantity_wh.tolist() == [1]
    with pytest.raises(AssertionError):
        columns(**changes)


def test_a_seed_has_32_bytes_and_an_auction_a_short_name() -> None:
    orders = columns()
    with pytest.raises(AssertionError, match="seed"):
        Book(orders, orders, seed=b"short", auction=b"")
    with pytest.raises(AssertionError, match="auction"):
        Book(orders, orders, seed=bytes(32), auction=bytes(65))


def test_fills_of_another_book_are_a_bug() -> None:
    rows = [ask(20, 5, 1), bid(30, 5, 2)]
    clearing = clear(book_of(rows))
    other = [replace(rows[0], quantity=4)]
    with pytest.raises(AssertionError, match="sum to the volume"):
        fills(clearing, Side.ASK, orders_of(other), ids_of(other))
