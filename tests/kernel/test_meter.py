"""Weight is counted exactly, and at the limit the counter shows the limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.kernel import BadValueError, OutOfWeight
from contracts.kernel.meter import Meter, WeightTable

TABLE = WeightTable()


@given(st.lists(st.integers(0, 100)), st.integers(0, 1_000))
def test_charges_add_up_until_one_passes_the_limit(charges: list[int], limit: int) -> None:
    meter, total = Meter(TABLE, limit), 0
    for weight in charges:
        total += weight
        if total > limit:
            with pytest.raises(OutOfWeight):
                meter.charge(weight)
            assert meter.used == limit
            return
        meter.charge(weight)
        assert meter.used == total


def test_exactly_the_limit_may_be_used_and_not_one_unit_more() -> None:
    meter = Meter(TABLE, 10)
    meter.charge(10)
    meter.charge(0)
    with pytest.raises(OutOfWeight):
        meter.charge(1)
    assert meter.used == 10


@pytest.mark.parametrize(("size", "chunks"), [(0, 0), (1, 1), (64, 1), (65, 2), (128, 2), (129, 3)])
def test_a_value_is_charged_by_started_chunks_of_64_bytes(size: int, chunks: int) -> None:
    meter = Meter(TABLE, 10_000)
    meter.charge_sized(7, size)
    assert meter.used == 7 + chunks * TABLE.chunk


def test_a_loop_is_charged_before_it_runs() -> None:
    meter = Meter(TABLE, 10_000)
    meter.charge_steps(12)
    assert meter.used == 12 * TABLE.step
    with pytest.raises(OutOfWeight):
        meter.charge_steps(2**62)


def test_a_price_list_has_bounds() -> None:
    for weight in (-1, 2**48 + 1):
        with pytest.raises(BadValueError):
            WeightTable(read=weight).encode()
    assert WeightTable.decode(WeightTable().encode(), size_max=100) == WeightTable()
