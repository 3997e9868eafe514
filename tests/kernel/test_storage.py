"""Maps and cells: keys and values as the state holds them, ranges, defaults, packing."""

import enum
from typing import Annotated, Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.store import MemoryState
from contracts.kernel import Cell, Items, Map, Range, Record, Size, record
from contracts.kernel.codec import INT_MAX, INT_MIN
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.shape import BadValueError
from contracts.kernel.state import Decoded, State
from contracts.kernel.storage import KNOWN_BYTES_MAX, KNOWN_MAX, Table
from contracts.kernel.types import Address, Int, Text32, Uint


class Side(enum.IntEnum):
    BID = 0
    ASK = 1


@record(version=1)
class Quote(Record):
    """Of fixed size."""

    side: Side
    price: Uint
    owner: Address


@record(version=1)
class Note(Record):
    """Of varying size."""

    text: Text32


T = TypeVar("T", bound=Table)
Byte = Annotated[int, Range(0, 255)]
Tag = Annotated[bytes, Size(2)]
Blob = Annotated[bytes, Size(0, 2 * KNOWN_BYTES_MAX)]
BookKey = tuple[Byte, Int, Tag]


def declared(table: T, state: State | None = None) -> T:
    """Read the types as a contract's class does, and bind the table."""
    table.read_types("test.table")
    return table.bind(state or fresh())


def fresh() -> State:
    return State(MemoryState(), Meter(WeightTable(), 2**62))


def book(state: State | None = None) -> Map[BookKey, Uint]:
    return declared(Map[BookKey, Uint](id=0x10FF, default=0), state)


BOOK_KEYS = st.tuples(
    st.sampled_from((0, 1, 254, 255)),
    st.sampled_from((INT_MIN, -1, 0, 1, INT_MAX)),
    st.sampled_from((b"\0\0", b"\0\xff", b"\xff\0", b"\xff\xff")),
)
BOOKS = st.dictionaries(BOOK_KEYS, st.integers(1, INT_MAX))


def filled(model: dict[BookKey, int]) -> Map[BookKey, Uint]:
    table = book()
    for key, value in model.items():
        table[key] = value
    return table


@given(BOOKS)
def test_a_tuple_key_orders_by_its_parts_from_left_to_right(model: dict[BookKey, int]) -> None:
    table = filled(model)
    assert list(table.items()) == sorted(model.items())
    assert list(table.items(reverse=True)) == sorted(model.items(), reverse=True)
    assert table.first() == (min(model.items()) if model else None)


@given(BOOKS, BOOK_KEYS, st.integers(0, 3), st.booleans())
def test_a_range_below_leading_parts_ends_where_they_end(
    model: dict[BookKey, int], key: BookKey, count: int, reverse: bool
) -> None:
    leading = key[:count]
    inside = sorted((i for i in model.items() if i[0][:count] == leading), reverse=reverse)
    assert list(filled(model).items(*leading, reverse=reverse)) == inside


@given(BOOKS, BOOK_KEYS, BOOK_KEYS, st.integers(0, 2), st.booleans())
def test_start_is_inside_a_range_and_end_is_not(
    model: dict[BookKey, int], low: BookKey, high: BookKey, count: int, reverse: bool
) -> None:
    leading: tuple[Any, ...] = low[:count]
    start: Any = low[count]
    end: Any = high[count]
    table = filled(model)
    for first, beyond in ((start, end), (None, end), (start, None)):
        inside = [
            (key, value)
            for key, value in model.items()
            if key[:count] == leading
            and (first is None or key[count] >= first)
            and (beyond is None or key[count] < beyond)
        ]
        found = list(table.items(*leading, start=first, end=beyond, reverse=reverse))
        assert found == sorted(inside, reverse=reverse)


def test_a_range_takes_no_more_parts_and_no_bounds_than_a_key_has() -> None:
    table = book()
    with pytest.raises(AssertionError):
        table.bounds(1, 2, b"ab", 3)
    for bounds in ({"start": 1}, {"end": 1}):
        with pytest.raises(AssertionError):
            table.bounds(1, 2, b"ab", **bounds)


def test_a_key_is_the_table_id_and_its_fixed_width_parts() -> None:
    assert book().raw_key((1, -1, b"ab")) == bytes.fromhex("10ff 01 7fffffffffffffff 6162")
    names = declared(Map[Text32, Uint](id=0x1002, default=0))
    assert len(names.raw_key("a")) == 2 + 32
    with pytest.raises(ValueError, match="expected 3, got 2"):
        book().raw_key((1, -1))  # type: ignore[arg-type]  # a part is missing


@given(st.lists(st.tuples(BOOK_KEYS, st.integers(0, 3))))
def test_setting_the_default_deletes_the_key(writes: list[tuple[BookKey, int]]) -> None:
    state = fresh()
    table, model = book(state), dict[BookKey, int]()
    for key, value in writes:
        table[key] = value
        model[key] = value
    live = {key: value for key, value in model.items() if value}
    assert [key for key, _ in state.changes()] == sorted(table.raw_key(k) for k in live)
    for key in model:
        assert (key in table) == (key in live)
        assert table[key] == model[key]
        del table[key]
        del table[key]
        assert table[key] == 0
    assert state.changes() == []


def test_a_value_that_only_equals_the_default_is_not_the_default() -> None:
    flags = declared(Map[Byte, Uint](id=0x1001, default=1))
    for almost in (True, 1.0):
        with pytest.raises(BadValueError):
            flags[1] = almost  # type: ignore[assignment]  # what a bug might write
    with pytest.raises(BadValueError):
        flags[1] = None  # type: ignore[assignment]  # what a bug might write
    flags[1] = 0
    assert flags[1] == 0
    assert 1 in flags


def test_null_is_absence() -> None:
    state = fresh()
    notes = declared(Map[Byte, Note | None](id=0x1001, default=None), state)
    notes[1] = Note("x")
    assert list(notes.items()) == [(1, Note("x"))]
    notes[1] = None
    assert notes[1] is None
    assert state.changes() == []


def test_a_cell_holds_one_value_under_its_table_id() -> None:
    state = fresh()
    cell = declared(Cell[Side](id=0x1001, default=Side.BID), state)
    held = [cell.get()]
    cell.set(Side.ASK)
    held.append(cell.get())
    assert held == [Side.BID, Side.ASK]
    assert type(held[1]) is Side
    assert state.changes() == [(b"\x10\x01", b"\x01")]
    cell.set(Side.BID)
    assert state.changes() == []


QUOTES = st.builds(
    Quote, st.sampled_from(Side), st.integers(0, INT_MAX), st.binary(min_size=20, max_size=20)
)


@given(st.dictionaries(st.tuples(st.integers(0, 3), st.binary(min_size=2, max_size=2)), QUOTES))
def test_packed_rows_have_one_width_and_are_read_as_columns(
    model: dict[tuple[int, bytes], Quote],
) -> None:
    rows = declared(Map[tuple[Byte, Tag], Quote | None](id=0x1001, default=None, packed=True))
    for key, quote in model.items():
        rows[key] = quote
        assert rows[key] == quote
    for byte in range(4):
        inside = [(k, v) for k, v in sorted(model.items()) if k[0] == byte]
        keys, values, count = rows.scan_raw(byte)
        assert keys == b"".join(tag for (_, tag), _ in inside)
        assert values == b"".join(Quote.shape.pack(quote) for _, quote in inside)
        assert len(values) == count * 30
        assert rows.scan_raw(byte, skip=1)[0] == b"".join(tag[1:] for (_, tag), _ in inside)
        for limit in (0, 1, count, count + 1):
            some_keys, some_values, some = rows.scan_raw(byte, limit=limit)
            assert some == min(limit, count)
            assert (some_keys, some_values) == (keys[: 2 * some], values[: 30 * some])


def test_only_packed_tables_are_read_as_columns() -> None:
    with pytest.raises(AssertionError):
        book().scan_raw(1)


def test_values_out_of_range_never_reach_the_state() -> None:
    state = fresh()
    table = book(state)
    for key, value in (((256, 0, b"ab"), 1), ((1, 0, b"a"), 1), ((1, 0, b"ab"), -1)):
        with pytest.raises(BadValueError):
            table[key] = value
    assert state.changes() == []


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (Map[Annotated[bytes, Size(1, 2)], Uint](id=0x1001, default=0), "no fixed-width key form"),
        (Map[tuple[Byte, Note], Uint](id=0x1001, default=0), "no fixed-width key form"),
        (Map(id=0x1001, default=0), "needs its types"),
        (Cell(id=0x1001, default=0), "needs its types"),
        (Cell[Note | None](id=0x1001, default=None, packed=True), "cannot be packed"),
        (Cell[Uint](id=0x1001, default=0, packed=True), "cannot be packed"),
        (Cell[Any](id=0x1001, default=None), "has no shape"),
        (Cell[Uint](id=0x1001, default=None), "is null"),  # type: ignore[arg-type]  # a mistake
        (Cell[Uint | None](id=0x1001, default=0), "is null"),
    ],
)
def test_a_declaration_that_cannot_be_stored_is_refused(table: Table, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        table.read_types("test.table")


def test_a_default_outside_its_own_range_is_refused() -> None:
    with pytest.raises(BadValueError):
        Cell[Annotated[int, Range(1, 2)]](id=0x1001, default=0).read_types("test.table")


def test_lists_are_stored_as_tuples() -> None:
    cell = declared(Cell[Annotated[tuple[Uint, ...], Items(3)]](id=0x1001, default=()))
    cell.set((1, 2))
    assert cell.get() == (1, 2)


@pytest.mark.parametrize(
    ("annotation", "written", "packed"),
    [
        (Uint, 5, False),
        (Side, 1, False),
        (Text32, "x", False),
        (Note, Note("x"), False),
        (Quote, Quote(Side.ASK, 5, bytes(20)), True),
        (Quote, Quote(1, 5, bytes(20)), True),  # type: ignore[arg-type]  # a number for its member
        (Annotated[tuple[Note, ...], Items(3)], [Note("x"), Note("y")], False),
    ],
)
def test_what_an_execution_wrote_it_reads_as_any_other_would(
    annotation: Any,  # noqa: ANN401 - a type
    written: Any,  # noqa: ANN401 - a value of it
    packed: bool,
) -> None:
    state = fresh()
    table = declared(Map[Byte, annotation | None](id=0x1001, default=None, packed=packed), state)
    table[1] = written
    elsewhere = MemoryState()
    elsewhere.write(state.changes())
    other = State(elsewhere, Meter(WeightTable(), 2**62))
    expected = table.bind(other)[1]
    for found in (table[1], table[1]):
        assert found == expected
        assert type(found) is type(expected)
        assert repr(found) == repr(expected)


def test_what_one_execution_decoded_serves_the_next_at_the_same_charge() -> None:
    state = fresh()
    table = declared(Map[Byte, Quote | None](id=0x1001, default=None, packed=True), state)
    table[1] = Quote(Side.ASK, 5, bytes(20))
    stored, decoded = MemoryState(), Decoded()
    stored.write(state.changes())
    executions = [State(stored, Meter(WeightTable(), 2**62), decoded) for _ in range(2)]
    first, second = (table.bind(one)[1] for one in executions)
    assert first is second
    weights = [one.meter.used for one in executions]
    assert weights[0] == weights[1] > 0


def test_a_table_keeps_so_many_decoded_values_and_no_more() -> None:
    state = fresh()
    table = declared(Map[Uint, Uint](id=0x1001, default=0), state)
    for number in range(1, KNOWN_MAX + 10):
        table[number] = number
        assert 0 < len(state.decoded.of(0x1001)) <= KNOWN_MAX
    assert table[1] == 1


def test_a_table_keeps_no_long_values() -> None:
    state = fresh()
    table = declared(Map[Byte, Blob](id=0x1001, default=b""), state)
    for number, length in enumerate((1, KNOWN_BYTES_MAX - 8, KNOWN_BYTES_MAX + 1)):
        table[number] = bytes(length)
        assert table[number] == bytes(length)
    assert [len(one) for one in state.decoded.of(0x1001).values()] == [1, KNOWN_BYTES_MAX - 8]


def test_a_key_of_bytes_is_checked_like_any_other() -> None:
    tags = declared(Map[Tag, Uint](id=0x1001, default=0))
    tags[b"ab"] = 1
    assert tags.raw_key(b"ab") == b"\x10\x01ab"
    for wrong in (b"a", b"abc", bytearray(b"ab"), "ab", None):
        with pytest.raises(BadValueError):
            tags[wrong]  # type: ignore[index]  # what a bug might ask for


@given(st.integers(0, 2**63 - 1) | st.sampled_from((-1, 2**63, True, 1.0, b"1", None)))
def test_a_key_of_a_number_is_that_of_its_shape(key: Any) -> None:  # noqa: ANN401 - anything
    counts = declared(Map[Uint, Uint](id=0x1001, default=0))
    if type(key) is int and 0 <= key < 2**63:
        assert counts.raw_key(key) == b"\x10\x01" + key.to_bytes(8, "big")
        return
    with pytest.raises(BadValueError):
        counts.raw_key(key)
