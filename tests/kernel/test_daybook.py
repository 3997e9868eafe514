"""Daybook: the quarters of a day in one value are a dictionary, however they were written."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.kernel.daybook import SLOTS, Daybook

BOOK = Daybook("IIBB")
SLOT = st.integers(0, SLOTS - 1)
FIELDS = st.tuples(
    st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 255), st.integers(0, 255)
)


@given(st.lists(st.tuples(SLOT, FIELDS | st.none()), max_size=200), SLOT)
def test_a_record_is_a_sorted_dictionary(
    steps: list[tuple[int, tuple[int, ...] | None]], asked: int
) -> None:
    model: dict[int, tuple[int, ...]] = {}
    data = b""
    for slot, fields in steps:
        if fields is None:
            model.pop(slot, None)
            data = BOOK.remove(data, slot)
        else:
            model[slot] = fields
            data = BOOK.put(data, slot, fields)
        assert BOOK.get(data, slot) == model.get(slot)
    assert BOOK.get(data, asked) == model.get(asked)
    assert list(BOOK.items(data)) == sorted(model.items())
    assert BOOK.is_sound(data)


@given(st.dictionaries(SLOT, FIELDS))
def test_the_bytes_do_not_depend_on_the_order_of_writing(
    model: dict[int, tuple[int, ...]],
) -> None:
    upwards, downwards = b"", b""
    for slot in sorted(model):
        upwards = BOOK.put(upwards, slot, model[slot])
    for slot in sorted(model, reverse=True):
        downwards = BOOK.put(downwards, slot, model[slot])
    assert upwards == downwards
    packed = [struct.pack(">BIIBB", slot, *model[slot]) for slot in sorted(model)]
    assert upwards == b"".join(packed)


@given(st.dictionaries(SLOT, FIELDS), st.dictionaries(SLOT, FIELDS | st.none()))
def test_slots_written_together_are_as_if_written_one_by_one(
    model: dict[int, tuple[int, ...]], changes: dict[int, tuple[int, ...] | None]
) -> None:
    data = one_by_one = BOOK.put_all(b"", model)
    assert list(BOOK.items(data)) == sorted(model.items())
    for slot, fields in changes.items():
        put, remove = BOOK.put, BOOK.remove
        one_by_one = remove(one_by_one, slot) if fields is None else put(one_by_one, slot, fields)
    assert BOOK.put_all(data, changes) == one_by_one


def test_a_slot_takes_its_fields_and_one_byte_and_an_absent_one_nothing() -> None:
    assert BOOK.stride == 11
    assert BOOK.remove(b"", 5) == b""
    full = b""
    for slot in range(SLOTS):
        full = BOOK.put(full, slot, (slot, 0, 1, 2))
    assert len(full) == SLOTS * BOOK.stride
    assert BOOK.get(full, 95) == (95, 0, 1, 2)
    assert len(BOOK.remove(full, 95)) == 95 * BOOK.stride
    assert BOOK.get(BOOK.remove(full, 95), 95) is None


@pytest.mark.parametrize("slot", [-1, SLOTS, 255, 256])
def test_a_day_has_no_other_slots(slot: int) -> None:
    with pytest.raises(AssertionError, match="no slot"):
        BOOK.put(b"", slot, (0, 0, 0, 0))
    with pytest.raises(AssertionError, match="no slot"):
        BOOK.put_all(b"", {slot: None})
    assert BOOK.get(BOOK.put(b"", 0, (0, 0, 0, 0)), slot) is None


def test_fields_beyond_their_width_are_an_error_and_not_cut() -> None:
    with pytest.raises(struct.error):
        BOOK.put(b"", 0, (2**32, 0, 0, 0))
    with pytest.raises(struct.error):
        BOOK.put(b"", 0, (-1, 0, 0, 0))


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 10,
        b"\0" * 12,
        BOOK.put(b"", 3, (0, 0, 0, 0)) * 2,
        BOOK.put(b"", 3, (0, 0, 0, 0)) + BOOK.put(b"", 2, (0, 0, 0, 0)),
        bytes((SLOTS,)) + bytes(10),
    ],
)
def test_bytes_that_are_no_record_are_told_apart(data: bytes) -> None:
    assert not BOOK.is_sound(data)
    assert BOOK.is_sound(b"")
