"""What is no list of readings at all, and is refused before anything runs."""

import pytest

from contracts.kernel import BadValueError, Value
from contracts.kernel.errors import BadArguments
from contracts.registry import CATALOGUE
from tests.support.grid import (
    GATEWAY,
)
from tests.support.metering import ALICE, GridWorld


@pytest.fixture
def world() -> GridWorld:
    """Return a world at the end of the first quarter, which Alice's meter has measured."""
    world = GridWorld()
    world.measure(ALICE, (100, 0))
    world.to_quarter(1)
    return world


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (1, -1),
        (1, 2**32),
        (2, -900),
        (3, -5),
        (3, 2**32),
        (3, True),
        (7, 3),
        (7, 4),
        (8, 0),
        (8, 256),
        (9, -1),
        (10, bytes(31)),
        (11, bytes(65)),
        (11, None),
    ],
)
def test_values_out_of_range_are_refused_before_anything_runs(
    world: GridWorld, field: int, value: Value
) -> None:
    wire: list[Value] = [*world.reading(ALICE, 0).to_wire()]
    wire[field] = value
    world.refused(BadArguments, GATEWAY, "metering", "submit_readings", [wire])


def test_a_list_has_at_most_512_readings(world: GridWorld) -> None:
    method = CATALOGUE.call("metering", "submit_readings")
    ((_, shape),) = method.arguments
    wire: list[Value] = [world.reading(ALICE, 0).to_wire()]
    assert len(shape.from_wire(wire * 512)) == 512
    with pytest.raises(BadValueError, match="513 items"):
        shape.from_wire(wire * 513)
