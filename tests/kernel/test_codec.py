"""Deterministic CBOR: one encoding for each value, and nothing else is read."""

# These tests hand in anything.
# ruff: noqa: ANN401

import enum
import json
import resource
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.kernel import codec
from contracts.kernel.codec import (
    DEPTH_MAX,
    INT_MAX,
    INT_MIN,
    CodecError,
    MalformedError,
    UnencodableError,
    Value,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "codec"
SIZE_MAX = 1_000

integers = st.integers(INT_MIN, INT_MAX)
scalars = st.none() | st.booleans() | integers | st.binary(max_size=40) | st.text(max_size=40)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5)
    ),
    max_leaves=20,
)


def vectors(section: str) -> list[Any]:
    files = sorted(VECTORS.glob("*.json"))
    assert len(files) == 3
    return [
        pytest.param(row, id=f"{path.stem}-{row['hex'][:24]}")
        for path in files
        for row in json.loads(path.read_text(encoding="utf-8")).get(section, ())
    ]


def from_json(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"bytes"}:
        return bytes.fromhex(value["bytes"])
    return value


def decode(data: bytes) -> Any:
    return codec.decode(data, size_max=max(len(data), 1))


def head(major: int, argument: int) -> bytes:
    """Encode type and argument in the shortest form, RFC 8949 §3."""
    if argument < 24:
        return bytes((major << 5 | argument,))
    width = next(w for w in range(4) if argument < 1 << 8 * (1 << w))
    return bytes((major << 5 | 24 + width,)) + argument.to_bytes(1 << width, "big")


def reference(value: Any) -> bytes:
    """Encode by RFC 8949 §4.2.1 as it is written, without the library."""
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", False: b"\xf4", True: b"\xf5"}[value]
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(reference, value))
    pairs = sorted((reference(key), reference(item)) for key, item in value.items())
    return head(5, len(pairs)) + b"".join(key + item for key, item in pairs)


# ── Published examples ──


@pytest.mark.parametrize("row", vectors("accepted"))
def test_published_encodings_of_our_subset_are_read_and_written(row: dict[str, Any]) -> None:
    data, value = bytes.fromhex(row["hex"]), from_json(row["value"])
    assert decode(data) == value
    assert type(decode(data)) is type(value)
    assert codec.encode(value) == data
    assert reference(value) == data


@pytest.mark.parametrize("row", vectors("refused"))
def test_everything_else_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        decode(bytes.fromhex(row["hex"]))


# ── One encoding each ──


@given(values)
@example([INT_MIN, INT_MAX, -1, 0, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32])
@example({"b": 0, "a": 0, "aa": 0, "": 0, "é": 0, "z" * 23: 0, "a" * 24: 0, "a" * 256: 0})
def test_values_survive_and_have_the_encoding_of_the_standard(value: Any) -> None:
    data = codec.encode(value)
    assert data == reference(value)
    assert decode(data) == value
    assert codec.decode_trusted(data) == value


def has_maps(value: Value) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(map(has_maps, value)))


@given(values.filter(lambda value: not has_maps(value)))
@example([INT_MIN, INT_MAX, -1, 0, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32])
def test_what_has_no_maps_is_encoded_alike_without_a_check(value: Value) -> None:
    assert codec.encode_trusted(value) == codec.encode(value)


@given(st.lists(integers, max_size=5))
def test_a_tuple_is_an_array(items: list[Value]) -> None:
    assert codec.encode(tuple(items)) == codec.encode(items)


@given(st.permutations(["", "b", "a", "bb", "ab", "é", "a" * 24]))
def test_the_order_in_which_a_map_was_filled_does_not_show(keys: list[str]) -> None:
    assert codec.encode(dict.fromkeys(keys, 0)) == codec.encode(dict.fromkeys(sorted(keys), 0))


# ── Hostile bytes ──

# Random bytes rarely get past the first item, so half of the input is made of heads that lead on.
heads = st.sampled_from(
    [bytes((major << 5 | low,)) for major in range(8) for low in (*range(5), *range(23, 32))]
)
nearly_cbor = st.lists(heads | st.binary(max_size=3), max_size=20).map(b"".join)


@given(st.binary(max_size=60) | nearly_cbor)
def test_any_bytes_are_read_in_the_one_form_or_refused(data: bytes) -> None:
    try:
        value = decode(data)
    except MalformedError:
        return
    assert codec.encode(value) == data


@given(values, st.data())
def test_a_changed_encoding_is_another_value_or_refused(value: Any, data: st.DataObject) -> None:
    good = codec.encode(value)
    at = data.draw(st.integers(0, len(good)))
    cut = data.draw(st.integers(0, 2))
    bad = good[:at] + data.draw(st.binary(max_size=2)) + good[at + cut :]
    try:
        read = decode(bad)
    except MalformedError:
        assert bad != good
        return
    assert codec.encode(read) == bad


@given(values, st.binary(min_size=1, max_size=3))
def test_nothing_may_follow_the_value_or_be_missing(value: Any, tail: bytes) -> None:
    data = codec.encode(value)
    with pytest.raises(MalformedError):
        decode(data + tail)
    with pytest.raises(MalformedError):
        decode(data[:-1])


CONTENTS = ("00", "20", "4100", "6161", "6a323032302d30312d3031", "80", "820101", "a0", "f6")
TAGS = (*range(1_100), 1_363, 43_000, 55_799, 65_535, 65_536, 2**32, 2**64 - 1)


@pytest.mark.parametrize("content", CONTENTS)
def test_every_tag_is_refused_before_the_library_makes_an_object_of_it(content: str) -> None:
    for tag in TAGS:
        for outer in (b"", b"\x81", b"\xa1\x61a"):
            with pytest.raises(MalformedError, match=r"^tags are not allowed$"):
                decode(outer + head(6, tag) + bytes.fromhex(content))


@pytest.mark.parametrize("major", [2, 3, 4, 5])
@pytest.mark.parametrize("length", [2**20, 2**31 - 1, 2**32 - 1, 2**62, 2**63 - 1, 2**64 - 1])
@pytest.mark.parametrize("repeat", [1, DEPTH_MAX])
def test_a_declared_length_reserves_no_memory(major: int, length: int, repeat: int) -> None:
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(MalformedError):
        decode(head(major, length) * repeat + b"\x00" * 10)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 8 * 1_024


@pytest.mark.parametrize("opening", [b"\x81", b"\xa1\x61a", b"\xc1", b"\x9f", b"\xa1"])
def test_deep_nesting_is_refused_without_recursion_getting_deep(opening: bytes) -> None:
    for depth in (DEPTH_MAX + 1, DEPTH_MAX + 2, 1_000, 1_000_000):
        with pytest.raises(MalformedError):
            decode(opening * depth + b"\x00")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x5f\x41a\xff", "indefinite length"),
        (b"\x9f\xff", "indefinite length"),
        (b"\xa2\x61a\x00\x61a\x00", "Duplicate map key"),
        # Keys like these can be chosen to collide in the hash table.
        (b"\xa1\x00\x00", "map key must be a text string"),
        (b"\xa1\x81\x00\x00", "map key must be a text string"),
        (b"\x81" * (DEPTH_MAX + 2) + b"\x00", "nesting depth"),
    ],
)
def test_what_could_be_costly_is_refused_while_it_is_read(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedError, match=f"^not well-formed CBOR: .*{reason}"):
        decode(data)


def test_the_deepest_allowed_value_is_read() -> None:
    deepest = b"\x81" * DEPTH_MAX + b"\x00"
    assert codec.encode(decode(deepest)) == deepest
    with pytest.raises(MalformedError, match=f"nested deeper than {DEPTH_MAX}"):
        decode(b"\x81" + deepest)


def test_input_beyond_the_size_limit_is_not_looked_at() -> None:
    fits = codec.encode(b"x" * (SIZE_MAX - 3))
    assert len(fits) == SIZE_MAX
    assert codec.decode(fits, size_max=SIZE_MAX) == b"x" * (SIZE_MAX - 3)
    with pytest.raises(MalformedError, match="1001 bytes, at most 1000"):
        codec.decode(b"\xff" * (SIZE_MAX + 1), size_max=SIZE_MAX)


def test_a_refusal_is_one_short_line_whatever_it_refuses() -> None:
    key = codec.encode("k\n" * 50_000)
    with pytest.raises(MalformedError) as refusal:
        decode(b"\xa2" + key + b"\x00" + key + b"\x00")
    assert len(str(refusal.value)) < 300
    assert "\n" not in str(refusal.value)


# ── Values that must not reach the wire ──


class Colour(enum.IntEnum):
    RED = 1


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (1.0, "float has no encoding"),
        (float("nan"), "float has no encoding"),
        ([{"a": (0.5,)}], "float has no encoding"),
        (2**63, "integer of 64 bits is outside"),
        (-(2**63) - 1, "integer of 64 bits is outside"),
        pytest.param(10**5_000, "integer of 16610 bits is outside", id="beyond-4300-digits"),
        (Colour.RED, "Colour has no encoding"),
        (bytearray(b"a"), "bytearray has no encoding"),
        (memoryview(b"a"), "memoryview has no encoding"),
        ({1, 2}, "set has no encoding"),
        (object(), "object has no encoding"),
        ({1: 2}, "map key of type int is not text"),
        ({b"a": 2}, "map key of type bytes is not text"),
        ({True: 2}, "map key of type bool is not text"),
        ({("a",): 2}, "map key of type tuple is not text"),
        ("\ud800", "unpaired surrogate"),
        ([{"\udfff": 1}], "unpaired surrogate"),
        (LOOP, f"nested deeper than {DEPTH_MAX}"),
    ],
)
def test_values_outside_the_subset_are_not_encoded(value: Any, reason: str) -> None:
    with pytest.raises(UnencodableError, match=reason):
        codec.encode(value)


def test_both_failures_are_codec_errors() -> None:
    assert issubclass(MalformedError, CodecError)
    assert issubclass(UnencodableError, CodecError)
    assert issubclass(CodecError, ValueError)
