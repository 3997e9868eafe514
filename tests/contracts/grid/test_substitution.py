"""Substitution: four like days, in the market's time zone, and never less than the base load."""

from dataclasses import replace
from typing import Unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.grid.reading import MeteringRules, Quality, Slot
from contracts.grid.substitution import is_weekend, like_days, shared, substitute_wh
from tests.support.genesis import START_S
from tests.support.grid import REGISTRAR, RULES, TERMS, UTC_OFFSET_S
from tests.support.metering import ALICE, BOB, DAY_S, GridWorld, Said, quarter

BASE_WH = TERMS.base_load_wh
SAME_SLOT = 40
MONDAY_S = START_S  # 2016-06-06, midnight in Greenwich


def slot(import_wh: int, quality: Quality = Quality.MEASURED) -> Slot:
    return Slot(import_wh, 3, 1, int(quality), 0)


# Days


def test_a_week_has_five_weekdays_and_two_days_of_weekend() -> None:
    week = [is_weekend(MONDAY_S + day * DAY_S, 0) for day in range(14)]
    assert week == ([False] * 5 + [True] * 2) * 2


def test_the_weekend_begins_at_midnight_of_the_market() -> None:
    saturday_s = MONDAY_S + 5 * DAY_S
    for offset_s in (-43_200, -3_600, 0, 7_200, 50_400):
        assert not is_weekend(saturday_s - offset_s - 1, offset_s)
        assert is_weekend(saturday_s - offset_s, offset_s)
        assert is_weekend(saturday_s + 2 * DAY_S - offset_s - 1, offset_s)
        assert not is_weekend(saturday_s + 2 * DAY_S - offset_s, offset_s)


def test_like_days_are_those_of_the_same_type_within_the_window() -> None:
    assert list(like_days(MONDAY_S, 0, 10)) == [3, 4, 5, 6, 7]
    assert list(like_days(MONDAY_S + 5 * DAY_S, 0, 10)) == [6, 7]
    friday_night_s = MONDAY_S + 5 * DAY_S - 3_600
    assert list(like_days(friday_night_s, 0, 6)) == [1, 2, 3, 4]
    assert list(like_days(friday_night_s, UTC_OFFSET_S, 8)) == [6, 7]


# The value


@given(
    st.lists(
        st.none() | st.builds(slot, st.integers(0, 2**32 - 1), st.sampled_from(Quality)),
        max_size=12,
    ),
    st.integers(0, 1_000),
)
def test_it_is_the_mean_of_the_last_four_measured_days_rounded_up(
    history: list[Slot | None], base_load_wh: int
) -> None:
    measured = [s.import_wh for s in history if s is not None and s.quality == Quality.MEASURED]
    last = measured[:4]
    value = substitute_wh(iter(history), base_load_wh)
    assert value >= base_load_wh
    if not last or value == base_load_wh:
        assert value == base_load_wh
        assert not last or sum(last) <= base_load_wh * len(last)
    else:
        assert (value - 1) * len(last) < sum(last) <= value * len(last)


def test_it_looks_at_no_more_days_than_it_needs() -> None:
    history = iter([slot(1), slot(2, Quality.ESTIMATED), slot(3), slot(4), slot(6), slot(100)])
    assert substitute_wh(history, 0) == 4
    assert next(history) == slot(100)


@given(st.integers(-10, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_a_gap_is_shared_in_proportion_and_exactly(
    total_wh: int, substitutes_wh: list[int]
) -> None:
    shares = shared(total_wh, substitutes_wh)
    assert sum(shares) == max(0, total_wh)
    pool = sum(substitutes_wh)
    for share, one in zip(shares, substitutes_wh, strict=True):
        if pool:
            assert abs(share * pool - max(0, total_wh) * one) < pool
        else:
            assert share in (sum(shares) // len(shares), -(-sum(shares) // len(shares)))


# On the chain


def days_of(world: GridWorld, meter: int, by_day: dict[int, int], **said: Unpack[Said]) -> None:
    """Let a meter measure one quarter a day, nothing else, and send those quarters in time."""
    last = max(by_day) * 96 + SAME_SLOT
    wh = {day * 96 + SAME_SLOT: value for day, value in by_day.items()}
    world.measure(meter, *[(wh.get(number, 0), 0) for number in range(last + 1)])
    for number in sorted(wh):
        world.to_quarter(number + 1)
        world.accepted(world.reading(meter, number, **said))


def missing_on(world: GridWorld, day: int) -> dict[int, tuple[int, int, bool]]:
    """Let the same quarter of a later day become final without readings."""
    number = day * 96 + SAME_SLOT
    world.advance(quarter(number + 1) + world.rules.final_s)
    return world.finalise(number)


@pytest.fixture
def world() -> GridWorld:
    return GridWorld(at_work=False)


def test_without_history_it_is_the_base_load_and_no_export(world: GridWorld) -> None:
    told = missing_on(world, 0)
    assert told == dict.fromkeys(range(ALICE, ALICE + 4), (BASE_WH, 0, True))
    assert world.energy(ALICE, SAME_SLOT) == (BASE_WH, 0, Quality.SUBSTITUTED)
    assert world.finalise(SAME_SLOT) == told


def test_what_was_read_is_final_as_it_is(world: GridWorld) -> None:
    world.measure(ALICE, (70, 9))
    world.measure(BOB, (0, 0))
    world.to_quarter(1)
    world.accepted(world.reading(ALICE, 0), world.reading(BOB, 0, quality=Quality.ESTIMATED))
    world.advance(quarter(1) + RULES.final_s)
    told = world.finalise(0)
    assert told[ALICE] == (70, 9, False)
    assert told[BOB] == (0, 0, False)


def test_weekdays_follow_the_last_four_weekdays(world: GridWorld) -> None:
    days_of(world, ALICE, {0: 9_000, 1: 100, 2: 201, 3: 300, 4: 401, 5: 5_000, 6: 6_000})
    assert missing_on(world, 7)[ALICE] == (251, 0, True)  # 1002 ÷ 4, rounded up


def test_weekends_follow_weekends(world: GridWorld) -> None:
    days_of(world, ALICE, {3: 300, 4: 401, 5: 5_000, 6: 6_001, 7: 1})
    assert missing_on(world, 12)[ALICE] == (5_501, 0, True)


def test_estimates_and_substitutes_are_no_history(world: GridWorld) -> None:
    days_of(world, ALICE, {0: 400})
    days_of(world, BOB, {0: 400, 1: 800}, quality=Quality.ESTIMATED)
    assert missing_on(world, 1)[ALICE] == (400, 0, True)
    assert missing_on(world, 2)[ALICE] == (400, 0, True)
    assert missing_on(world, 2)[BOB] == (BASE_WH, 0, True)


def test_a_mean_below_the_base_load_is_raised_to_it(world: GridWorld) -> None:
    days_of(world, ALICE, {0: 3, 1: 5})
    assert missing_on(world, 2)[ALICE] == (BASE_WH, 0, True)
    terms = replace(TERMS, base_load_wh=2).to_wire()
    world.call(REGISTRAR, "registry", "set_terms", ALICE, terms)
    assert missing_on(world, 3)[ALICE] == (4, 0, True)


def test_days_before_the_window_are_forgotten() -> None:
    rules = MeteringRules(900, 7_200, 86_400, window_days=5, capacity_margin_ppm=0)
    world = GridWorld(rules=rules, at_work=False)
    days_of(world, ALICE, {0: 400, 4: 800})
    assert missing_on(world, 8)[ALICE] == (800, 0, True)
    assert missing_on(world, 9)[ALICE] == (BASE_WH, 0, True)
