"""Shapes: what each annotation accepts and refuses, where a fault lies, and how keys sort."""

# These tests hand in anything.
# ruff: noqa: ANN401

import enum
from typing import Annotated, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.kernel import sha256
from contracts.kernel.shape import (
    BadValueError,
    BoolShape,
    BytesShape,
    EnumShape,
    IntShape,
    Items,
    ListShape,
    OptionalShape,
    Range,
    Shape,
    Size,
    TextShape,
    Unit,
    shape_of,
)
from contracts.kernel.types import U8, U16, U32, Address, Int, NetWh, Text32, Uint, Wh


class Colour(enum.IntEnum):
    RED = 0
    GREEN = 1
    LAST = 255


Mixed = Annotated[Colour, Range(1, 255)]
Small = Annotated[int, Range(-5, 10)]
Pair = Annotated[bytes, Size(2)]
Blob = Annotated[bytes, Size(1, 3)]
Few = Annotated[tuple[Small, ...], Items(3, low=1)]
Nested = Annotated[tuple[Annotated[tuple[Colour | None, ...], Items(2)], ...], Items(2)]


def rows(*cases: tuple[Any, ...]) -> list[Any]:
    """Number the cases of a table, so that two may look alike."""
    return [pytest.param(*case, id=str(number)) for number, case in enumerate(cases)]


# ── What is accepted ──


@pytest.mark.parametrize(
    ("annotation", "wire", "typed"),
    rows(
        (Small, -5, -5),
        (Small, 10, 10),
        (Uint, 0, 0),
        (Uint, 2**63 - 1, 2**63 - 1),
        (Int, -(2**63), -(2**63)),
        (Int, 2**63 - 1, 2**63 - 1),
        (U8, 255, 255),
        (bool, True, True),
        (bool, False, False),
        (Pair, b"ab", b"ab"),
        (Blob, b"a", b"a"),
        (Text32, "a", "a"),
        (Text32, "é" * 16, "é" * 16),
        (Text32, "บ้าน 7 ½ ☀ 𐅑", "บ้าน 7 ½ ☀ 𐅑"),
        (Colour, 0, Colour.RED),
        (Colour, 255, Colour.LAST),
        (Mixed, 1, Colour.GREEN),
        (Small | None, None, None),
        (Small | None, 3, 3),
        (Colour | None, 1, Colour.GREEN),
        (Few, [1], (1,)),
        (Few, [1, -5, 10], (1, -5, 10)),
        (Nested, [], ()),
        (Nested, [[], [1, None]], ((), (Colour.GREEN, None))),
    ),
)
def test_a_value_in_range_passes_both_ways(annotation: Any, wire: Any, typed: Any) -> None:
    shape = shape_of(annotation)
    read = shape.from_wire(wire)
    assert read == typed
    assert type(read) is type(typed)
    plain = shape.to_wire(typed)
    assert plain == wire
    assert type(plain) is type(wire)
    loaded = shape.load(wire)
    assert loaded == typed
    assert type(loaded) is type(typed)


def test_a_tuple_on_the_wire_is_an_array() -> None:
    assert shape_of(Few).from_wire((1, 2)) == (1, 2)


# ── What is refused ──

INT = "is not an integer"
BOOL = "is not a boolean"
BYTES = "is not a byte string"
TEXT = "is not text"
ARRAY = "is not an array"


@pytest.mark.parametrize(
    ("annotation", "wire", "reason"),
    rows(
        (Wh, -5, "-5 is outside 0 … 9223372036854775807"),
        (Wh, True, f"True {INT}"),
        (Wh, 1.0, f"float {INT}"),
        (Wh, 2**63, "integer of 64 bits is outside 0 … 9223372036854775807"),
        (Wh, 10**5_000, "integer of 16610 bits is outside"),
        (Wh, "1", f"str of length 1 {INT}"),
        (Wh, None, f"None {INT}"),
        (Wh, [1], f"list of length 1 {INT}"),
        (Wh, {"a": 1}, f"dict of length 1 {INT}"),
        (Wh, Colour.RED, f"Colour {INT}"),
        (NetWh, -(2**63) - 1, "integer of 64 bits is outside"),
        (Small, -6, "-6 is outside -5 … 10"),
        (Small, 11, "11 is outside -5 … 10"),
        (U8, 256, "256 is outside 0 … 255"),
        (bool, 0, f"0 {BOOL}"),
        (bool, 1, f"1 {BOOL}"),
        (Text32, b"a", f"bytes of length 1 {TEXT}"),
        (Pair, b"a", "1 bytes are outside 2 … 2"),
        (Pair, b"abc", "3 bytes are outside 2 … 2"),
        (Pair, "ab", f"str of length 2 {BYTES}"),
        (Pair, bytearray(b"ab"), f"bytearray {BYTES}"),
        (Blob, b"", "0 bytes are outside 1 … 3"),
        (Address, b"a" * 32, "32 bytes are outside 20 … 20"),
        (Text32, "", "text of 0 bytes is outside 1 … 32"),
        (Text32, "é" * 17, "text of 34 bytes is outside 1 … 32"),
        (Text32, "\ud800", "text holds an unpaired surrogate"),
        (Text32, "a\udfffb", "text holds an unpaired surrogate"),
        (Text32, "a\x00b", "text holds a control character"),
        (Text32, "a\nb", "text holds a control character"),
        (Text32, "\x1b[2J", "text holds a control character"),
        (Text32, "\x7f", "text holds a control character"),
        (Text32, "a\x85", "text holds a control character"),
        (Text32, "\x9b2J", "text holds a control character"),
        (Colour, 2, "2 is none of 0 RED, 1 GREEN, 255 LAST"),
        (Colour, -1, "-1 is none of"),
        (Mixed, 0, "0 is none of 1 GREEN, 255 LAST"),
        (Colour, True, f"True {INT}"),
        (Colour, 1.0, f"float {INT}"),
        (Colour, None, f"None {INT}"),
        (Small | None, 11, "11 is outside"),
        (Small | None, False, f"False {INT}"),
        (Few, [], "0 items are outside 1 … 3"),
        (Few, [1, 2, 3, 4], "4 items are outside 1 … 3"),
        (Few, 1, f"1 {ARRAY}"),
        (Few, "abc", f"str of length 3 {ARRAY}"),
        (Few, {"a": 1}, f"dict of length 1 {ARRAY}"),
        (Few, None, f"None {ARRAY}"),
        (Few, {1}, f"set {ARRAY}"),
    ),
)
def test_anything_else_is_refused_with_the_reason(annotation: Any, wire: Any, reason: str) -> None:
    with pytest.raises(BadValueError) as fault:
        shape_of(annotation).from_wire(wire)
    assert fault.value.reason.startswith(reason)
    assert fault.value.path == ""
    assert str(fault.value) == fault.value.reason


def test_the_wire_carries_plain_numbers_only() -> None:
    with pytest.raises(BadValueError, match="Colour is not an integer"):
        shape_of(Colour).from_wire(Colour.RED)


@pytest.mark.parametrize(
    ("annotation", "typed"),
    rows(
        (Wh, -1),
        (Wh, True),
        (Wh, 1.0),
        (Wh, 2**63),
        (Text32, "\ud800"),
        (Pair, b"abc"),
        (bool, 1),
        (Colour, 7),
        (Colour, True),
        (Colour, 1.0),
        (Mixed, Colour.RED),
        (Small | None, 11),
        (Few, (1, 2, 3, 4)),
        (Few, (11,)),
    ),
)
def test_our_own_values_are_checked_again_on_their_way_out(annotation: Any, typed: Any) -> None:
    with pytest.raises(BadValueError):
        shape_of(annotation).to_wire(typed)


def test_a_plain_number_of_a_member_is_written_as_the_member() -> None:
    assert shape_of(Colour).to_wire(1) == 1
    assert shape_of(Colour).to_key(255) == b"\xff"


# ── Where the fault is ──


@pytest.mark.parametrize(
    ("annotation", "wire", "line"),
    rows(
        (Few, [1, 11], "[1]: 11 is outside -5 … 10"),
        (Nested, [[], [0, 9]], "[1][1]: 9 is none of 0 RED, 1 GREEN, 255 LAST"),
        (Nested, [[], [], []], "3 items are outside 0 … 2"),
        (Nested, [[0, 0, 0]], "[0]: 3 items are outside 0 … 2"),
    ),
)
def test_the_path_leads_to_the_fault(annotation: Any, wire: Any, line: str) -> None:
    with pytest.raises(BadValueError) as fault:
        shape_of(annotation).from_wire(wire)
    assert str(fault.value) == line


def test_names_are_joined_by_dots_and_positions_are_not() -> None:
    fault = BadValueError("reason").under("price").under("[3]").under("items").under("book")
    assert fault.path == "book.items[3].price"
    assert str(fault) == "book.items[3].price: reason"


@given(st.binary(max_size=100_000) | st.text(max_size=100) | st.lists(st.none(), max_size=100))
def test_a_refusal_is_short_whatever_it_refuses(wire: Any) -> None:
    with pytest.raises(BadValueError) as fault:
        shape_of(Small).from_wire(wire)
    assert len(str(fault.value)) < 60


# ── Keys ──

Ranged = tuple[int, int]
INT_RANGES: list[Ranged] = [
    (0, 1), (0, 255), (0, 256), (0, 65_535), (0, 65_536), (0, 2**32 - 1), (0, 2**32),
    (0, 2**63 - 1), (7, 9), (-1, 0), (-5, 10), (-(2**31), 2**31), (-(2**63), 2**63 - 1),
    (-(2**63), -(2**63)),
]  # fmt: skip


@given(st.data(), st.sampled_from(INT_RANGES))
def test_integer_keys_sort_like_integers_and_read_back(data: st.DataObject, bounds: Ranged) -> None:
    shape = IntShape(*bounds)
    number = st.integers(*bounds) | st.sampled_from(bounds)
    a, b = data.draw(number), data.draw(number)
    key_a, key_b = shape.to_key(a), shape.to_key(b)
    assert (key_a < key_b) == (a < b)
    assert (key_a == key_b) == (a == b)
    assert shape.from_key(key_a) == a
    assert len(key_a) == shape.key_size


@pytest.mark.parametrize(
    ("annotation", "size", "pack_format"),
    rows(
        (U8, 1, "B"),
        (U16, 2, "H"),
        (U32, 4, "I"),
        (Uint, 8, "Q"),
        (Int, 8, None),
        (Small, 8, None),
        (bool, 1, "?"),
        (Colour, 1, "B"),
        (Pair, 2, "2s"),
        (Address, 20, "20s"),
        (Blob, None, None),
        (Text32, 32, None),
        (Small | None, None, None),
        (Few, None, None),
    ),
)
def test_widths_of_keys_and_packed_fields(annotation: Any, size: Any, pack_format: Any) -> None:
    shape = shape_of(annotation)
    assert (shape.key_size, shape.pack_format) == (size, pack_format)


@given(st.binary(min_size=2, max_size=2), st.booleans(), st.sampled_from(Colour))
def test_other_fixed_keys_read_back(pair: bytes, flag: bool, colour: Colour) -> None:
    keyed: list[tuple[Shape, Any]] = [
        (shape_of(Pair), pair), (shape_of(bool), flag), (shape_of(Colour), colour),
    ]  # fmt: skip
    for shape, value in keyed:
        read = shape.from_key(shape.to_key(value))
        assert read == value
        assert type(read) is type(value)
        assert len(shape.to_key(value)) == shape.key_size


def test_booleans_and_members_sort_like_their_numbers() -> None:
    assert [shape_of(bool).to_key(v) for v in (False, True)] == [b"\x00", b"\x01"]
    assert [shape_of(Colour).to_key(c) for c in Colour] == [b"\x00", b"\x01", b"\xff"]


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8))
@example("é")
def test_text_is_hashed_in_keys_and_stays_hashed(text: str) -> None:
    shape = shape_of(Text32)
    assert shape.to_key(text) == sha256(text.encode())
    with pytest.raises(TypeError, match="cannot be read back"):
        shape.from_key(shape.to_key(text))


@pytest.mark.parametrize("annotation", rows((Blob,), (Small | None,), (Few,)))
def test_a_value_of_varying_size_is_no_key(annotation: Any) -> None:
    with pytest.raises(TypeError, match="cannot be part of a key"):
        shape_of(annotation).to_key(b"a")


@pytest.mark.parametrize(
    ("annotation", "value"),
    rows((Wh, -1), (Wh, True), (Pair, b"a"), (bool, 1), (Colour, 7), (Colour, True), (Text32, "")),
)
def test_a_key_of_a_bad_value_is_refused(annotation: Any, value: Any) -> None:
    with pytest.raises(BadValueError):
        shape_of(annotation).to_key(value)


# ── Reading annotations ──


def test_annotations_become_shapes_with_their_bounds_and_units() -> None:
    assert shape_of(Wh) == IntShape(0, 2**63 - 1, "Wh")
    assert shape_of(bool) == BoolShape()
    assert shape_of(Address) == BytesShape(20, 20, "address")
    assert shape_of(Text32) == TextShape(1, 32)
    assert shape_of(Colour) == EnumShape(Colour)
    assert shape_of(Mixed) == EnumShape(Colour, 1, 255)
    assert shape_of(Small | None) == OptionalShape(IntShape(-5, 10))
    assert shape_of(Few) == ListShape(IntShape(-5, 10), 1, 3)
    assert shape_of(Annotated[bytes, Unit("key"), Size(1, 2)]) == BytesShape(1, 2, "key")


def test_plain_data_is_known_to_load_as_it_is() -> None:
    as_is = {a: shape_of(a).loads_as_is for a in (Wh, bool, Pair, Text32, Colour, Few)}
    assert list(as_is.values()) == [True, True, True, True, False, False]
    assert shape_of(Small | None).loads_as_is
    assert not shape_of(Colour | None).loads_as_is


def test_plain_values_hold_no_claims() -> None:
    examples: list[tuple[Any, Any]] = [(Wh, 1), (Few, (1,)), (Small | None, 1), (Few, (1, 2))]
    for annotation, value in examples:
        assert not shape_of(annotation).has_claims
        assert list(shape_of(annotation).claims(value)) == []
    assert list(shape_of(Small | None).claims(None)) == []


class Wide(enum.IntEnum):
    BIG = 256


class Negative(enum.IntEnum):
    LOW = -1


class Colours(enum.Enum):
    RED = 1


@pytest.mark.parametrize(
    ("annotation", "reason"),
    rows(
        (int, "needs a Range"),
        (Annotated[int, Size(1)], "needs a Range"),
        (bytes, "needs a Size"),
        (str, "needs a Size"),
        (tuple[Small, ...], "needs a Items"),
        (Annotated[tuple[int, ...], Items(3)], "needs a Range"),
        (float, "has no shape"),
        (object, "has no shape"),
        (dict[str, Small], "has no shape"),
        (Small | Pair, "has no shape"),
        (Small | Pair | None, "has no shape"),
        (None, "has no shape"),
        (Any, "has no shape"),
        (Colours, "has no shape"),
        (Wide, "Wide has members outside 0 … 255"),
        (Negative, "Negative has members outside 0 … 255"),
        (Annotated[int, Range(1, 0)], "does not fit 64 bits"),
        (Annotated[int, Range(0, 2**63)], "does not fit 64 bits"),
        (Annotated[int, Range(-(2**63) - 1, 0)], "does not fit 64 bits"),
        (Annotated[bytes, Size(3, 2)], "nothing has a size of 3 … 2"),
        (Annotated[str, Size(-1, 2)], "nothing has a size of -1 … 2"),
        (Annotated[tuple[bool, ...], Items(-1)], "nothing has a size of 0 … -1"),
    ),
)
def test_an_annotation_without_bounds_or_wire_form_is_an_error(
    annotation: Any, reason: str
) -> None:
    with pytest.raises(TypeError, match=reason):
        shape_of(annotation)
