"""What a record writes is what the shapes of its fields write, and it refuses what they refuse."""

import enum
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.kernel import Items, Range, Record, Size, record
from contracts.kernel.shape import BadValueError


class Side(enum.IntEnum):
    BID = 0
    ASK = 1


class Colour(enum.IntEnum):
    RED = 0
    BLUE = 1


class Word(str):
    """Text to Python, and no text to a shape."""

    __slots__ = ()


@record(version=3)
class Inner(Record):
    number: Annotated[int, Range(-5, 5)]


@record(version=7)
class Every(Record):
    """A record with a field of each kind."""

    whole: Annotated[int, Range(0, 300)]
    signed: Annotated[int, Range(-(2**63), 2**63 - 1)]
    flag: bool
    tag: Annotated[bytes, Size(2)]
    data: Annotated[bytes, Size(0, 3)]
    text: Annotated[str, Size(1, 4)]
    side: Side
    only_bid: Annotated[Side, Range(0, 0)]
    maybe: Annotated[int, Range(1, 9)] | None
    maybe_inner: Inner | None
    inner: Inner
    items: Annotated[tuple[Inner, ...], Items(2)]


GOOD: dict[str, list[Any]] = {
    "whole": [0, 300],
    "signed": [-(2**63), 2**63 - 1],
    "flag": [True, False],
    "tag": [b"ab"],
    "data": [b"", b"abc"],
    "text": ["a", "abcd", "éé"],
    "side": [Side.BID, Side.ASK, 1],
    "only_bid": [Side.BID, 0],
    "maybe": [None, 1, 9],
    "maybe_inner": [None, Inner(1)],
    "inner": [Inner(-5), Inner(5)],
    "items": [(), (Inner(0), Inner(1)), [Inner(0)]],
}
BAD: dict[str, list[Any]] = {
    "whole": [-1, 301, True, 1.0, None, "1"],
    "signed": [2**63, -(2**63) - 1, False],
    "flag": [0, 1, None],
    "tag": [b"a", b"abc", bytearray(b"ab"), "ab"],
    "data": [b"abcd", None],
    "text": ["", "abcde", "ééé", "\n", "\x85", "\ud800", Word("ab"), b"ab"],
    "side": [2, True, Colour.RED, None],
    "only_bid": [Side.ASK, 1],
    "maybe": [0, 10, True],
    "maybe_inner": [Inner(6), 3, [3, 1]],
    "inner": [None, Inner(True), [3, 1]],
    "items": [(Inner(0),) * 3, (Inner(9),), None, Inner(0)],
}
FIELDS = dict(zip(Every.shape.names, Every.shape.fields, strict=True))


def by_shapes(values: dict[str, Any]) -> list[Any]:
    """Write the record by asking each field's shape."""
    return [7, *(shape.to_wire(values[name]) for name, shape in FIELDS.items())]


@given(st.fixed_dictionaries({name: st.sampled_from(values) for name, values in GOOD.items()}))
def test_a_record_is_written_as_its_shapes_write_it(values: dict[str, Any]) -> None:
    written = Every(**values).to_wire()
    assert written == by_shapes(values)
    assert repr(written) == repr(by_shapes(values))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}-{place}")
        for name, values in BAD.items()
        for place, value in enumerate(values)
    ],
)
def test_what_a_shape_refuses_is_refused_with_its_place(name: str, value: Any) -> None:  # noqa: ANN401
    values = {field: good[0] for field, good in GOOD.items()} | {name: value}
    with pytest.raises(BadValueError) as expected:
        FIELDS[name].to_wire(value)
    with pytest.raises(BadValueError) as found:
        Every(**values).to_wire()
    assert found.value.reason == expected.value.reason
    assert found.value.path.startswith(name)
    assert found.value.path.endswith(expected.value.path)
