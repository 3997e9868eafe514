"""Records: arrays with their version first, packed structs, inheritance, and signed claims."""

# These tests hand in anything.
# ruff: noqa: ANN401

import enum
from dataclasses import FrozenInstanceError
from typing import Annotated, Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.kernel import Claim, Items, Range, Record, codec, record
from contracts.kernel.codec import MalformedError
from contracts.kernel.record import RecordShape
from contracts.kernel.shape import BadValueError, ListShape, shape_of
from contracts.kernel.types import U8, U16, U32, Address, Hash32, PublicKey, Signature, Text32, Wh


class Phase(enum.IntEnum):
    ONE = 1
    THREE = 3


@record(version=1)
class Empty(Record):
    """Has no fields."""


@record(version=7)
class Single(Record):
    """Has one field."""

    energy_wh: Wh


@record(version=2)
class Feeder(Record):
    """Every field has a fixed size."""

    number: U16
    phase: Phase
    live: bool
    owner: Address
    rating_w: U32
    energy_wh: Wh


@record(version=1)
class Zone(Record):
    """Holds text, a record, an optional record and a tuple of records."""

    name: Text32
    main: Feeder
    spare: Feeder | None
    others: Annotated[tuple[Feeder, ...], Items(3)]


@record(version=1)
class Point(Record):
    """A base of other records."""

    x: Annotated[int, Range(-9, 9)]


@record(version=3)
class Labelled(Point):
    """Adds a field to another record."""

    label: Text32


@record(version=1)
class Reading(Claim):
    """Signed by a meter."""

    domain: ClassVar[str] = "READING"
    meter: Hash32
    public_key: PublicKey
    energy_wh: Wh
    signature: Signature


@record(version=1)
class Batch(Claim):
    """Signed by a gateway, and holds what meters signed."""

    domain: ClassVar[str] = "GATEWAY"
    readings: Annotated[tuple[Reading, ...], Items(4)]
    spare: Reading | None
    public_key: PublicKey
    signature: Signature


@record(version=1)
class Envelope(Record):
    """Holds claims at several depths, and is none itself."""

    number: U8
    batch: Batch
    extra: Reading | None


OWNER = bytes(range(20))
feeders = st.builds(
    Feeder,
    number=st.integers(0, 2**16 - 1),
    phase=st.sampled_from(Phase),
    live=st.booleans(),
    owner=st.binary(min_size=20, max_size=20),
    rating_w=st.integers(0, 2**32 - 1),
    energy_wh=st.integers(0, 2**63 - 1),
)
zones = st.builds(
    Zone,
    name=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8),
    main=feeders,
    spare=st.none() | feeders,
    others=st.lists(feeders, max_size=3).map(tuple),
)
FEEDER = Feeder(12, Phase.THREE, True, OWNER, 250_000, 7)
WIRE: list[Any] = [2, 12, 3, True, OWNER, 250_000, 7]


def reading(number: int) -> Reading:
    return Reading(bytes(32), bytes((number,)) * 32, number, bytes((number,)) * 64)


# ── On the wire ──


def test_a_record_is_an_array_that_begins_with_its_version() -> None:
    assert FEEDER.to_wire() == WIRE
    assert Feeder.from_wire(WIRE) == FEEDER
    assert Feeder.from_wire(tuple(WIRE)) == FEEDER
    assert Empty().to_wire() == [1]
    assert Empty.from_wire([1]) == Empty()
    assert Single(5).to_wire() == [7, 5]
    assert FEEDER.encode() == codec.encode(WIRE)


@given(zones)
def test_records_survive_every_way_of_reading(zone: Zone) -> None:
    data = zone.encode()
    assert Zone.decode(data, size_max=len(data)) == zone
    assert Zone.from_wire(zone.to_wire()) == zone
    trusted = Zone.decode_trusted(data)
    assert trusted == zone
    assert type(trusted.main.phase) is Phase
    assert type(trusted.others) is tuple
    assert hash(trusted) == hash(zone)


def test_a_record_is_frozen_and_slotted() -> None:
    with pytest.raises(FrozenInstanceError):
        FEEDER.number = 3  # type: ignore[misc]  # this is what must fail
    assert not hasattr(FEEDER, "__dict__")


def changed(position: int, value: Any) -> list[Any]:
    return [*WIRE[:position], value, *WIRE[position + 1 :]]


@pytest.mark.parametrize(
    ("wire", "line"),
    [
        (changed(0, 1), "version 1 instead of 2"),
        (changed(0, 3), "version 3 instead of 2"),
        (changed(0, None), "version None instead of 2"),
        (changed(0, "2"), "version '2' instead of 2"),
        (changed(0, [2]), "version [2] instead of 2"),
        (changed(0, b"x" * 100), "version b'xxxxxxxxxxxxxxxxxx instead of 2"),
        (WIRE[:-1], "6 fields instead of (version, number, phase, live, owner, rating_w,"),
        ([*WIRE, 0], "8 fields instead of (version, number"),
        ([], "0 fields instead of (version, number"),
        (None, "NoneType is not a Feeder record"),
        (b"\x02", "bytes is not a Feeder record"),
        ({"number": 12}, "dict is not a Feeder record"),
        (changed(1, -5), "number: -5 is outside 0 … 65535"),
        (changed(1, True), "number: True is not an integer"),
        (changed(1, 65_536), "number: 65536 is outside 0 … 65535"),
        (changed(2, 2), "phase: 2 is none of 1 ONE, 3 THREE"),
        (changed(3, 1), "live: 1 is not a boolean"),
        (changed(4, OWNER[1:]), "owner: 19 bytes are outside 20 … 20"),
        (changed(6, 2**63), "energy_wh: integer of 64 bits is outside"),
        (changed(6, 1.0), "energy_wh: float is not an integer"),
    ],
)
def test_a_wrong_array_is_refused_with_the_place(wire: Any, line: str) -> None:
    with pytest.raises(BadValueError) as fault:
        Feeder.from_wire(wire)
    assert str(fault.value).startswith(line)


def test_a_version_must_be_an_integer_not_something_equal() -> None:
    assert Single.from_wire([7, 5]) == Single(5)
    for almost in (True, 1.0):
        with pytest.raises(BadValueError, match="version"):
            Empty.from_wire([almost])  # type: ignore[list-item]  # 1.0 is not a codec value


def test_the_path_leads_through_records_and_arrays() -> None:
    wire: list[Any] = [1, "z", WIRE, None, [WIRE, changed(4, b"")]]
    with pytest.raises(BadValueError) as fault:
        Zone.from_wire(wire)
    assert str(fault.value) == "others[1].owner: 0 bytes are outside 20 … 20"
    wire = [1, "z", changed(2, 9), None, []]
    with pytest.raises(BadValueError, match=r"^main\.phase: 9 is none of"):
        Zone.from_wire(wire)


def test_bytes_from_outside_are_decoded_strictly() -> None:
    data = FEEDER.encode()
    with pytest.raises(MalformedError, match="at most 10"):
        Feeder.decode(data, size_max=10)
    with pytest.raises(MalformedError, match="deterministic"):
        Feeder.decode(data + b"\x00", size_max=100)
    with pytest.raises(BadValueError, match="is not a Feeder record"):
        Feeder.decode(b"\x01", size_max=100)


# ── On the way out ──


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (Single(-5), "energy_wh: -5 is outside"),
        (Single(True), "energy_wh: True is not an integer"),
        (Single(2**63), "energy_wh: integer of 64 bits is outside"),
        (Zone("z", Single(1), None, ()), "main: Single is not a Feeder record"),  # type: ignore[arg-type]  # must fail
        (Zone("z", FEEDER, None, (FEEDER,) * 4), "others: 4 items are outside 0 … 3"),
        (Zone("\n", FEEDER, None, ()), "name: text holds a control character"),
    ],
)
def test_a_record_of_ours_out_of_range_is_not_written(bad: Record, line: str) -> None:
    for write in (bad.to_wire, bad.encode):
        with pytest.raises(BadValueError) as fault:
            write()
        assert str(fault.value).startswith(line)


# ── Stored ──


def test_a_stored_record_of_another_version_is_a_bug_and_stops_us() -> None:
    older = codec.encode(changed(0, 1))
    with pytest.raises(AssertionError, match="stored Feeder has version 1"):
        Feeder.decode_trusted(older)
    with pytest.raises(AssertionError, match="stored Feeder has version 9"):
        Feeder.shape.unpack(b"\x09" + Feeder.shape.pack(FEEDER)[1:])


@given(feeders)
def test_a_packed_record_reads_back(feeder: Feeder) -> None:
    data = Feeder.shape.pack(feeder)
    assert len(data) == Feeder.shape.packed_size == 1 + 2 + 1 + 1 + 20 + 4 + 8
    unpacked = Feeder.shape.unpack(data)
    assert unpacked == feeder
    assert type(unpacked.phase) is Phase
    assert type(unpacked.live) is bool


def test_the_packed_form_is_big_endian_in_the_order_of_the_fields() -> None:
    expected = b"\x02" + b"\x00\x0c" + b"\x03" + b"\x01" + OWNER
    expected += (250_000).to_bytes(4, "big") + (7).to_bytes(8, "big")
    assert Feeder.shape.pack(FEEDER) == expected
    assert Empty.shape.pack(Empty()) == b"\x01"
    assert Empty.shape.unpack(b"\x01") == Empty()


def test_packing_checks_ranges_and_the_class() -> None:
    with pytest.raises(BadValueError, match="number: 65536"):
        Feeder.shape.pack(Feeder(65_536, Phase.ONE, True, OWNER, 0, 0))
    with pytest.raises(BadValueError, match="Single is not a Feeder record"):
        Feeder.shape.pack(Single(1))


def test_a_record_with_a_field_of_varying_size_cannot_be_packed() -> None:
    assert Zone.shape.packed_size is None
    zone = Zone("z", FEEDER, None, ())
    with pytest.raises(AssertionError, match="Zone has fields of varying size"):
        Zone.shape.pack(zone)
    with pytest.raises(AssertionError, match="Zone has fields of varying size"):
        Zone.shape.unpack(b"\x01")


# ── Inheritance ──


def test_a_record_inherits_fields_but_has_its_own_version() -> None:
    assert Labelled(4, "a").to_wire() == [3, 4, "a"]
    assert Labelled.from_wire([3, 4, "a"]) == Labelled(4, "a")
    assert Point(4).to_wire() == [1, 4]
    assert Labelled.shape.names == ("x", "label")
    assert Point.shape.names == ("x",)


def test_a_record_is_never_taken_for_its_base() -> None:
    assert isinstance(Labelled(4, "a"), Point)
    with pytest.raises(BadValueError, match="Labelled is not a Point record"):
        Point.shape.to_wire(Labelled(4, "a"))
    with pytest.raises(BadValueError, match="3 fields instead of"):
        Point.from_wire([3, 4, "a"])


# ── Claims ──


def test_a_signature_covers_the_version_and_every_other_field() -> None:
    one = reading(5)
    assert one.payload() == codec.encode([1, one.meter, one.public_key, 5])
    assert one.to_wire() == [1, one.meter, one.public_key, 5, one.signature]
    resigned = Reading(one.meter, one.public_key, 5, bytes(64))
    assert resigned.payload() == one.payload()
    for other in (
        Reading(b"m" * 32, one.public_key, 5, one.signature),
        Reading(one.meter, bytes(32), 5, one.signature),
        Reading(one.meter, one.public_key, 6, one.signature),
    ):
        assert other.payload() != one.payload()


def test_the_payload_of_a_batch_keeps_the_signatures_inside_it() -> None:
    batch = Batch((reading(1),), None, bytes(32), bytes(64))
    expected: list[Any] = [1, [reading(1).to_wire()], None, bytes(32)]
    assert batch.payload() == codec.encode(expected)


def test_claims_are_found_at_any_depth_outermost_first() -> None:
    batch = Batch((reading(1), reading(2)), reading(3), bytes(32), bytes(64))
    envelope = Envelope(9, batch, reading(4))
    expected = [batch, reading(1), reading(2), reading(3), reading(4)]
    assert list(Envelope.shape.claims(envelope)) == expected
    assert list(Envelope.shape.claims(Envelope(9, Batch((), None, b"", b""), None))) == [
        Batch((), None, b"", b"")
    ]
    many = shape_of(Annotated[tuple[Reading | None, ...], Items(3)])
    assert list(many.claims((reading(1), None, reading(2)))) == [reading(1), reading(2)]


def test_shapes_know_whether_a_claim_can_be_inside() -> None:
    assert Reading.shape.has_claims
    assert Batch.shape.has_claims
    assert Envelope.shape.has_claims
    assert not Feeder.shape.has_claims
    assert list(Zone.shape.claims(Zone("z", FEEDER, FEEDER, (FEEDER,)))) == []
    assert shape_of(Reading | None).has_claims
    assert ListShape(Reading.shape, 0, 1).has_claims


def test_a_claim_without_its_parts_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"claim Unsigned lacks \['signature'\]"):

        @record(version=1)
        class Unsigned(Claim):
            domain: ClassVar[str] = "READING"
            public_key: PublicKey

    with pytest.raises(TypeError, match="claim Homeless lacks its domain"):

        @record(version=1)
        class Homeless(Claim):
            public_key: PublicKey
            signature: Signature


@pytest.mark.parametrize("signed_elsewhere", ["TRANSACTION", "PREVOTE", "reading", ""])
def test_a_claim_is_not_signed_in_a_domain_of_the_chain(signed_elsewhere: str) -> None:
    with pytest.raises(TypeError, match=f"claim Stray: domain {signed_elsewhere} is none of"):

        @record(version=1)
        class Stray(Claim):
            domain: ClassVar[str] = signed_elsewhere
            public_key: PublicKey
            signature: Signature


# ── Reading the class ──


@pytest.mark.parametrize("version", [0, -1, 256])
def test_a_version_is_one_byte_and_not_zero(version: int) -> None:
    with pytest.raises(TypeError, match=f"version {version} of Empty is outside 1 … 255"):
        RecordShape(Empty, version)


def test_a_field_without_bounds_is_an_error() -> None:
    with pytest.raises(TypeError, match="needs a Range"):

        @record(version=1)
        class Loose(Record):
            number: int
