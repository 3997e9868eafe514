"""Objects that were made quickly are what a call of their class makes."""

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.kernel import Record, record
from contracts.kernel.frozen import maker
from contracts.kernel.types import U8, Hash32


@dataclass(frozen=True, slots=True)
class Place:
    """Slotted, with a default."""

    street: str
    number: int = 1


@dataclass(frozen=True)
class Roomy:
    """Frozen, but with a dictionary."""

    street: str


@dataclass(frozen=True, slots=True)
class Flat(Place):
    """A slotted class over another one."""

    floor: int = 0


@record(version=1)
class Leaf(Record):
    """A record."""

    hash: Hash32
    depth: U8


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """Compared by identity."""

    name: str
    left: "Node | None" = field(default=None, repr=False)


@given(st.text(), st.integers())
def test_what_is_made_equals_what_the_class_makes(street: str, number: int) -> None:
    made, called = maker(Place)(street, number), Place(street, number)
    assert made == called
    assert hash(made) == hash(called)
    assert repr(made) == repr(called)
    assert type(made) is Place
    assert replace(made, number=2) == Place(street, 2)
    assert copy.deepcopy(made) == made == pickle.loads(pickle.dumps(made))  # noqa: S301 - our own


def test_it_is_frozen_and_has_no_dictionary() -> None:
    made = maker(Place)("north", 3)
    with pytest.raises(FrozenInstanceError):
        made.number = 4  # type: ignore[misc]  # this is what must fail
    with pytest.raises(FrozenInstanceError):
        del made.number
    assert not hasattr(made, "__dict__")


@pytest.mark.parametrize("values", [(), ("north",), ("north", 1, 2)])
def test_all_fields_must_be_given(values: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        maker(Place)(*values)


def test_a_class_of_another_layout_makes_itself() -> None:
    assert maker(Roomy) is Roomy
    assert maker(Flat) is Flat


def test_a_class_without_equality_keeps_its_identity() -> None:
    make = maker(Node)
    one = make("a", None)
    assert one != make("a", None)
    assert one == one  # noqa: PLR0124 - identity is what is asked for


def test_a_record_that_was_read_is_frozen() -> None:
    leaf = Leaf(bytes(32), 3)
    for read in (
        Leaf.from_wire(leaf.to_wire()),
        Leaf.decode_trusted(leaf.encode()),
        Leaf.shape.unpack(Leaf.shape.pack(leaf)),
    ):
        assert read == leaf
        assert type(read) is Leaf
        with pytest.raises(FrozenInstanceError):
            read.depth = 4  # type: ignore[misc]  # this is what must fail
