"""Gaps: readings in any order of arrival, against a model that knows no gaps.

The model keeps the accepted readings alone. A reading fits if its registers can follow those of the
nearest one before it and be followed by those of the nearest one after it; the contract must agree,
whatever came first, and keep as gaps exactly the runs of quarters that are missing.
"""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.grid.metering_words import RegisterMismatch
from contracts.grid.reading import Quality, SignedReading
from contracts.kernel.types import QUARTER_S
from tests.support.grid import CAPACITY_W, RULES
from tests.support.metering import ALICE, DAY_S, GridWorld, quarter

COUNT = 10
PATIENT = replace(RULES, final_s=DAY_S)
ENERGY = st.tuples(st.sampled_from([0, 1, 700, 5_000]), st.sampled_from([0, 2, 900, 5_000]))


@dataclass(frozen=True)
class Attempt:
    """A reading to send: of which quarter, and by how much its registers lie."""

    number: int
    import_off: int = 0
    export_off: int = 0


ATTEMPT = st.builds(
    Attempt,
    st.integers(0, COUNT - 1),
    st.sampled_from([0, 0, 0, 0, 1, -1, 600, -600, 40_000]),
    st.sampled_from([0, 0, 0, 0, 1, -1, 600, -600, 40_000]),
)
Registers = tuple[int, int]


class Model:
    """Accepted readings by quarter: the registers when the quarter began and when it ended."""

    def __init__(self) -> None:
        self.rows: dict[int, tuple[Registers, Registers]] = {}

    def fits(self, reading: SignedReading) -> bool:
        number = (reading.interval_s - quarter(0)) // QUARTER_S
        begin, end = _ends(reading)
        before = max((n for n in self.rows if n < number), default=-1)
        after = min((n for n in self.rows if n > number), default=None)
        start = (0, 0) if before < 0 else self.rows[before][1]
        if not _flows(start, begin, number - before - 1):
            return False
        return after is None or _flows(end, self.rows[after][0], after - number - 1)

    def gaps(self) -> list[tuple[int, int, Registers, Registers]]:
        """Return the missing runs before the newest reading: first, end, registers around them."""
        found, before, registers = [], -1, (0, 0)
        for number in sorted(self.rows):
            begin, end = self.rows[number]
            if number > before + 1:
                found.append((before + 1, number, registers, begin))
            before, registers = number, end
        return found


def _ends(reading: SignedReading) -> tuple[Registers, Registers]:
    end = (reading.import_register_wh, reading.export_register_wh)
    return (end[0] - reading.import_wh, end[1] - reading.export_wh), end


def _flows(start: Registers, end: Registers, quarters: int) -> bool:
    flow = [b - a for a, b in zip(start, end, strict=True)]
    per_hour = CAPACITY_W * (1_000_000 + RULES.capacity_margin_ppm)
    return min(flow) >= 0 and sum(flow) <= per_hour * quarters // 4_000_000


def _attempted(world: GridWorld, attempt: Attempt) -> SignedReading:
    honest = world.reading(ALICE, attempt.number)
    shifted = replace(
        honest,
        import_register_wh=max(0, honest.import_register_wh + attempt.import_off),
        export_register_wh=max(0, honest.export_register_wh + attempt.export_off),
    )
    return world.sign(shifted)


@settings(max_examples=60)
@given(st.lists(ENERGY, min_size=COUNT, max_size=COUNT), st.lists(ATTEMPT, min_size=1, max_size=24))
def test_what_fits_is_accepted_in_any_order_and_the_rest_is_refused(
    energies: list[tuple[int, int]], attempts: list[Attempt]
) -> None:
    world, model = GridWorld(rules=PATIENT), Model()
    world.measure(ALICE, *energies)
    world.to_quarter(COUNT)
    for attempt in attempts:
        if attempt.number in model.rows:
            continue
        reading = _attempted(world, attempt)
        if model.fits(reading):
            world.accepted(reading)
            model.rows[attempt.number] = _ends(reading)
        else:
            world.refuses(RegisterMismatch, reading)
    gaps = [
        (
            (one.first_s - quarter(0)) // QUARTER_S,
            (one.gap.end_s - quarter(0)) // QUARTER_S,
            (one.gap.import_before_wh, one.gap.export_before_wh),
            (one.gap.import_after_wh, one.gap.export_after_wh),
        )
        for one in world.read.metering.gaps_of(ALICE)
    ]
    assert gaps == model.gaps()
    world.check_invariants()


@settings(max_examples=20)
@given(st.permutations(range(COUNT)), st.integers(0, COUNT))
def test_the_state_does_not_depend_on_the_order_of_arrival(order: list[int], count: int) -> None:
    """Messages that the device made in turn, brought in any order, in one call or one by one."""
    energies = [(7 * n, 1_000 - 90 * n) for n in range(COUNT)]
    tables = []
    for sent in (sorted(order[:count]), order[:count]):
        world = GridWorld(rules=PATIENT)
        world.measure(ALICE, *energies)
        world.to_quarter(COUNT)
        for number in sent:
            world.accepted(world.reading(ALICE, number))
        metering = world.read.metering
        tables.append([list(t.items()) for t in (metering.days, metering.last_days, metering.gaps)])
    assert tables[0] == tables[1]


@pytest.fixture
def world() -> GridWorld:
    """Return a world in which Alice's quarters 0 and 5 are known, and 1 to 4 missing."""
    world = GridWorld()
    world.measure(ALICE, *[(100 * n, n) for n in range(1, 7)])
    world.to_quarter(6)
    world.accepted(world.reading(ALICE, 0), world.reading(ALICE, 5))
    return world


def test_a_gap_keeps_what_flowed_in_it(world: GridWorld) -> None:
    (found,) = world.read.metering.gaps_of(ALICE)
    assert (found.first_s, found.gap.end_s) == (quarter(1), quarter(5))
    assert found.gap.import_wh == 200 + 300 + 400 + 500
    assert found.gap.export_wh == 2 + 3 + 4 + 5


def test_a_late_reading_splits_a_gap_and_the_last_one_closes_it(world: GridWorld) -> None:
    world.accepted(world.reading(ALICE, 2))
    ends = [(one.first_s, one.gap.end_s) for one in world.read.metering.gaps_of(ALICE)]
    assert ends == [(quarter(1), quarter(2)), (quarter(3), quarter(5))]
    world.accepted(world.reading(ALICE, 1), world.reading(ALICE, 4), world.reading(ALICE, 3))
    assert world.read.metering.gaps_of(ALICE) == ()
    assert [world.energy(ALICE, n) for n in range(6)] == [
        (100 * n, n, Quality.MEASURED) for n in range(1, 7)
    ]
    world.check_invariants()


def test_a_late_message_may_be_older_or_newer_than_those_around_it(world: GridWorld) -> None:
    world.accepted(world.reading(ALICE, 2, sequence=90))
    world.accepted(world.reading(ALICE, 3, sequence=4), world.reading(ALICE, 1, sequence=0))


def test_the_first_gap_begins_where_the_meter_was_installed() -> None:
    world = GridWorld()
    world.measure(ALICE, (10, 1), (20, 2), (30, 3))
    world.to_quarter(3)
    world.accepted(world.reading(ALICE, 2))
    (found,) = world.read.metering.gaps_of(ALICE)
    assert (found.first_s, found.gap.import_wh, found.gap.export_wh) == (quarter(0), 30, 3)
    world.accepted(world.reading(ALICE, 0))
    world.refuses(RegisterMismatch, world.reading(ALICE, 1, export_register_wh=2))
    world.accepted(world.reading(ALICE, 1))
    assert world.read.metering.gaps_of(ALICE) == ()


def test_more_than_can_have_flowed_in_a_gap_is_refused() -> None:
    world = GridWorld()
    world.measure(ALICE, (0, 0), (10, 0), (10, 0))
    world.to_quarter(3)
    most_wh = CAPACITY_W * 2 * (1_000_000 + RULES.capacity_margin_ppm) // 4_000_000
    world.refuses(RegisterMismatch, world.reading(ALICE, 2, import_register_wh=most_wh + 11))
    world.accepted(world.reading(ALICE, 2, import_register_wh=most_wh + 10))


def test_a_gap_reaches_over_midnight() -> None:
    world = GridWorld()
    world.measure(ALICE, *[(n % 7, n % 3) for n in range(100)])
    world.to_quarter(95)
    world.accepted(world.reading(ALICE, 94))
    world.to_quarter(100)
    world.accepted(world.reading(ALICE, 99))
    world.accepted(*(world.reading(ALICE, n) for n in (95, 98, 96, 97)))
    found = world.read.metering.gaps_of(ALICE)
    assert [(one.first_s, one.gap.end_s) for one in found] == [(quarter(0), quarter(94))]
    assert world.read.metering.last_days[ALICE] == quarter(99) // DAY_S
    world.check_invariants()
