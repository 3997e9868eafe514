"""JSON forms: what people write becomes exactly the wire value, and back."""

import enum
import json
from collections.abc import Mapping
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.bech32 import encode_address
from chain.json_form import EXACT_MAX, any_to_json, from_json, to_json
from contracts.governance.parameters import ChainParameters
from contracts.kernel import BadValueError, Items, Range, Record, Size, Value, record
from contracts.kernel.codec import INT_MAX, INT_MIN
from contracts.kernel.record import RecordShape
from contracts.kernel.shape import (
    BoolShape,
    BytesShape,
    EnumShape,
    IntShape,
    ListShape,
    OptionalShape,
    Shape,
    TextShape,
    shape_of,
)
from contracts.kernel.types import Address, Hash32, Int, Memo, Text32, Uint
from tests.support.genesis import parameters
from tests.support.lab import Bundle, Parcel, Statement
from tests.support.people import account_of


class Colour(enum.IntEnum):
    RED = 0
    DARK_GREEN = 7


@record(version=3)
class Everything(Record):
    """One field of every shape."""

    number: Int
    flag: bool
    raw: Memo
    hash: Hash32
    owner: Address
    text: Text32
    colour: Colour
    maybe: Address | None
    many: Annotated[tuple[Colour, ...], Items(3)]


@record(version=1)
class Nested(Record):
    """Records in records, in lists, and perhaps."""

    one: Everything
    some: Annotated[tuple[Everything, ...], Items(2)]
    other: Everything | None


SHAPES: Mapping[str, Shape] = {
    "bool": BoolShape(),
    "int": IntShape(INT_MIN, INT_MAX),
    "small": IntShape(-3, 3),
    "bytes": BytesShape(0, 40),
    "hash": BytesShape(32, 32, "hash"),
    "address": BytesShape(20, 20, "address"),
    "text": TextShape(0, 12),
    "enum": EnumShape(Colour),
    "optional": OptionalShape(BytesShape(20, 20, "address")),
    "list": ListShape(OptionalShape(IntShape(INT_MIN, INT_MAX)), 0, 4),
    "nested": Nested.shape,
    "parcel": Parcel.shape,
    "statement": Statement.shape,
    "bundle": Bundle.shape,
    "parameters": ChainParameters.shape,
}


def values_of(shape: Shape) -> st.SearchStrategy[Any]:
    """Draw wire values of a shape."""
    match shape:
        case IntShape():
            edges = [
                e for e in (EXACT_MAX - 1, EXACT_MAX, -EXACT_MAX) if shape.low <= e <= shape.high
            ]
            return st.integers(shape.low, shape.high) | st.sampled_from([shape.low, *edges])
        case BoolShape():
            return st.booleans()
        case BytesShape():
            return st.binary(min_size=shape.low, max_size=shape.high)
        case TextShape():
            letters = st.characters(codec="utf-8", exclude_categories=["Cc"])
            text = st.text(letters, max_size=12)
            return text.filter(lambda t: shape.low <= len(t.encode()) <= shape.high)
        case EnumShape():
            return st.sampled_from([int(member) for member in shape.members])
        case OptionalShape():
            return st.none() | values_of(shape.inner)
        case ListShape():
            return st.lists(values_of(shape.inner), min_size=shape.low, max_size=shape.high)
    assert isinstance(shape, RecordShape)
    fields = st.tuples(*[values_of(field) for field in shape.fields])
    version = shape.version
    return fields.map(lambda items: [version, *items])


@pytest.mark.parametrize("name", sorted(SHAPES))
@settings(max_examples=40)
@given(data=st.data())
def test_json_and_wire_values_are_the_same_thing(name: str, data: st.DataObject) -> None:
    shape = SHAPES[name]
    wire = data.draw(values_of(shape))
    shape.from_wire(wire)
    shown = to_json(shape, wire)
    through = json.loads(json.dumps(shown))
    assert through == shown
    assert from_json(shape, through) == wire


def test_each_shape_has_the_form_that_people_expect() -> None:
    address = account_of("alice")
    wire: list[Value] = [3, -5, True, b"\x01\xab", bytes(32), address, "hi", 7, None, [0, 7]]
    assert to_json(Everything.shape, wire) == {
        "number": -5,
        "flag": True,
        "raw": "01ab",
        "hash": "00" * 32,
        "owner": encode_address(address),
        "text": "hi",
        "colour": "dark_green",
        "maybe": None,
        "many": ["red", "dark_green"],
    }


@pytest.mark.parametrize("number", [2**53, -(2**53), INT_MAX, INT_MIN])
def test_numbers_that_json_readers_round_are_strings(number: int) -> None:
    shape = shape_of(Int)
    assert to_json(shape, number) == any_to_json(number) == str(number)
    assert from_json(shape, str(number)) == from_json(shape, number) == number
    within = number - (1 if number > 0 else -1) * (abs(number) - 2**53 + 1)
    assert to_json(shape, within) == any_to_json(within) == within


@pytest.mark.parametrize(
    ("annotation", "written", "wire"),
    [
        (Uint, "5_000_000", 5_000_000),
        (Uint, "007", 7),
        (Int, "-5", -5),
        (Hash32, "0x" + "AB" * 32, b"\xab" * 32),
        (Memo, "", b""),
        (Memo, "0x", b""),
        (Address, "ab" * 20, b"\xab" * 20),
        (Address, "0x" + "ab" * 20, b"\xab" * 20),
        (Address, encode_address(bytes(20)), bytes(20)),
        (Address, encode_address(bytes(20)).upper(), bytes(20)),
        (Colour, "red", 0),
        (Colour, "Dark_Green", 7),
        (Colour, 7, 7),
    ],
)
def test_what_people_may_write_as_well(annotation: Any, written: object, wire: Value) -> None:  # noqa: ANN401
    assert from_json(shape_of(annotation), written) == wire


LONG = "x" * 10_000


FAULTS: tuple[tuple[Any, object, str], ...] = (
    (Uint, -5, "-5 is outside"),
    (Uint, "-5", "-5 is outside"),
    (Uint, True, "True is not an integer"),
    (Uint, 1.0, "float is not an integer"),
    (Uint, 2**63, "outside"),
    (Uint, str(2**63), "outside"),
    (Uint, 10**30, "outside"),
    (Uint, "1e3", "'1e3' is not an integer"),
    (Uint, "1.0", "is not an integer"),
    (Uint, "", "is not an integer"),
    (Uint, "-", "is not an integer"),
    (Uint, "--5", "is not an integer"),
    (Uint, "+5", "is not an integer"),
    (Uint, " 5", "is not an integer"),
    (Uint, "5\n", "is not an integer"),
    (Uint, "_5", "is not an integer"),
    (Uint, "5_", "is not an integer"),
    (Uint, "1__0", "is not an integer"),
    (Uint, "٣", "is not an integer"),
    (Uint, "9" * 5_000, "is not an integer"),
    (Uint, None, "None is not an integer"),
    (Uint, [1], "is not an integer"),
    (bool, 1, "1 is not a boolean"),
    (bool, "true", "is not a boolean"),
    (Memo, "abc", "is not an even number of hex digits"),
    (Memo, "zz", "is not an even number of hex digits"),
    (Memo, "0 1 ", "is not an even number of hex digits"),
    (Memo, "00\n", "is not an even number of hex digits"),
    (Memo, 5, "a number is not a string of hex digits"),
    (Memo, None, "null is not a string of hex digits"),
    (Memo, False, "false is not a string of hex digits"),
    (Memo, {}, "an object is not a string of hex digits"),
    (Memo, LONG, "is not an even number of hex digits"),
    (Memo, "00" * 257, "257 bytes are outside 0 … 256"),
    (Hash32, "00" * 31, "31 bytes are outside"),
    (Address, "00" * 19, "an address begins with gtx1"),
    (Address, encode_address(bytes(20))[:-1] + "x", ""),
    (Address, LONG, "an address begins with gtx1"),
    (Text32, 5, "5 is not text"),
    (Text32, "", "outside 1 … 32"),
    (Text32, "\ud800", "surrogate"),
    (Text32, "a\0", "control"),
    (Colour, "blue", "'blue' is none of red, dark_green"),
    (Colour, LONG, "is none of red, dark_green"),
    (Colour, 1, "1 is none of 0 RED, 7 DARK_GREEN"),
    (Colour, True, "True is not an integer"),
    (Colour, None, "None is not an integer"),
    (Annotated[tuple[Uint, ...], Items(2)], "12", "a string is not an array"),
    (Annotated[tuple[Uint, ...], Items(2)], {"0": 1}, "an object is not an array"),
    (Annotated[tuple[Uint, ...], Items(2)], [1, 2, 3], "3 items are outside 0 … 2"),
    (Annotated[tuple[Uint, ...], Items(2)], [1, -2], "[1]: -2 is outside"),
    (Annotated[tuple[Uint, ...], Items(2, low=1)], [], "0 items are outside 1 … 2"),
    (Everything, [], "an array is not an object with number, flag"),
    (Everything, {}, "no number, no flag"),
    (Nested, {"one": {}, "some": [], "other": None}, "one: no number"),
    (Nested, {"one": 5}, "no some, no other: a Nested has one, some, other"),
)


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_every_fault_is_said_in_a_few_words_with_its_path(number: int) -> None:
    annotation, written, message = FAULTS[number]
    with pytest.raises(BadValueError) as caught:
        from_json(shape_of(annotation), written)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 250, "it does not repeat its input"


def test_unknown_fields_are_refused() -> None:
    good = to_json(Statement.shape, [1, 5, bytes(32), bytes(64)])
    with pytest.raises(BadValueError, match="unknown field 'extra': a Statement has device"):
        from_json(Statement.shape, good | {"extra": 1})
    with pytest.raises(BadValueError, match="unknown field 'devise', no device"):
        from_json(
            Statement.shape, {"devise": 1} | {k: good[k] for k in ("public_key", "signature")}
        )
    with pytest.raises(BadValueError) as caught:
        from_json(Statement.shape, good | {LONG: 1} | {str(n): n for n in range(1_000)})
    assert len(str(caught.value)) < 250


def test_paths_lead_through_records_and_lists() -> None:
    wire = to_json(ChainParameters.shape, parameters().to_wire())
    wire["weights"]["read"] = -1
    with pytest.raises(BadValueError, match=r"^weights\.read: -1 is outside"):
        from_json(ChainParameters.shape, wire)
    bundle = {"statements": [{"device": "x"}], "public_key": "00" * 32, "signature": "00" * 64}
    with pytest.raises(BadValueError, match=r"^bundles\[0\]\.statements\[0\]: no public_key"):
        from_json(Parcel.shape, {"bundles": [bundle], "spare": None})


def test_values_of_no_known_shape_are_shown_readably() -> None:
    value: Value = {"a": [1, True, None, b"\xff", "x", (2**60,)], "b": {"c": -(2**53)}}
    assert any_to_json(value) == {
        "a": [1, True, None, "ff", "x", [str(2**60)]],
        "b": {"c": str(-(2**53))},
    }


class OddShape(Shape):
    """Of no kind that has a JSON form."""

    def from_wire(self, value: Value) -> Value:
        return value


def test_a_shape_without_a_json_form_is_an_error() -> None:
    for convert in (from_json, to_json):
        with pytest.raises(TypeError, match="has no JSON form"):
            convert(OddShape(), 1)


def test_ranges_of_small_integers_hold_in_json_too() -> None:
    shape = shape_of(Annotated[int, Range(-3, 3)])
    assert [from_json(shape, str(n)) for n in range(-3, 4)] == list(range(-3, 4))
    with pytest.raises(BadValueError):
        from_json(shape, 4)
    with pytest.raises(BadValueError):
        from_json(shape_of(Annotated[bytes, Size(2)]), "00")
