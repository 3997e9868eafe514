"""A participant's day in one value: whatever is written is what is read, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.trading.model import Position
from contracts.trading.uniform_price import Side
from contracts.trading.units import (
    DAY_BYTES_MAX,
    U32_MAX,
    Holding,
    Unit,
    UnitDay,
    holdings_of,
    positions_of,
)

SLOT = st.integers(0, 95)
MARKET = st.integers(0, 3)
WH = st.integers(0, U32_MAX)
UTHB = st.integers(0, 2**63 - 1)
POSITION = st.builds(Position, WH, WH, WH, WH, UTHB, UTHB) | st.just(Position())
COUNT = st.integers(0, 2**16 - 1)
HOLDING = st.builds(Holding, COUNT, COUNT, UTHB) | st.just(Holding())
WRITE = st.tuples(SLOT, POSITION) | st.tuples(MARKET, SLOT, HOLDING)


@given(st.lists(st.lists(WRITE, max_size=20), max_size=4))
def test_a_day_is_what_was_written_however_often_it_was_stored(
    sessions: list[list[tuple[int, Position] | tuple[int, int, Holding]]],
) -> None:
    positions: dict[int, Position] = {}
    holdings: dict[tuple[int, int], Holding] = {}
    data = b""
    for writes in sessions:
        unit = Unit(data)
        for write in writes:
            if len(write) == 2:
                slot, position = write
                unit.set_position(slot, position)
                positions[slot] = position
                assert unit.position(slot) == position
            else:
                market, slot, holding = write
                unit.set_holding(market, slot, holding)
                holdings[market, slot] = holding
                assert unit.holding(market, slot) == holding
        assert unit.is_changed is bool(writes)
        data = unit.encode()
    unit, day = Unit(data), UnitDay.of(data)
    for slot in range(96):
        assert unit.position(slot) == positions.get(slot, Position())
    for market in range(4):
        of_market = {slot: h for (m, slot), h in holdings.items() if m == market}
        assert all(unit.holding(market, s) == of_market.get(s, Holding()) for s in range(96))
        orders = sum(h.bids + h.asks for h in of_market.values())
        assert unit.open_orders(market) == orders or not any(map(any, of_market.values()))
    assert dict(positions_of(day)) == {s: p for s, p in positions.items() if any(p)}
    stored = {(market, slot): holding for market, slot, holding in holdings_of(day)}
    assert stored == {place: holding for place, holding in holdings.items() if any(holding)}
    assert day.encode() == data
    assert bool(data) is (any(map(any, positions.values())) or any(map(any, holdings.values())))


def test_the_largest_day_fits_its_value() -> None:
    unit = Unit(b"")
    for slot in range(96):
        unit.set_position(slot, Position(U32_MAX, U32_MAX, U32_MAX, U32_MAX, 2**63 - 1, 2**63 - 1))
        for market in range(16):
            unit.set_holding(market, slot, Holding(2**16 - 1, 2**16 - 1, 2**63 - 1))
    assert len(unit.encode()) <= DAY_BYTES_MAX


def test_orders_come_and_go_on_their_side() -> None:
    holding = Holding().with_orders(Side.BID, 2, 7_000).with_orders(Side.ASK, 1, 9_000)
    assert holding == (2, 1, 16_000)
    assert (holding.on(Side.BID), holding.on(Side.ASK)) == (2, 1)
    assert holding.with_orders(Side.BID, -2, -7_000) == (0, 1, 9_000)
