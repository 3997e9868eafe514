"""The queue of due work: its order, what a failed unit leaves, and what a block starts.

Execution of units is the executor's (`tests/chain/test_executor.py`); here is the queue itself.
"""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chain.store import MemoryState
from contracts.kernel import BadValueError, Host
from contracts.kernel.codec import INT_MAX
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.schedule import ARGUMENTS_BYTES_MAX, ClockKind, Schedule, Work
from contracts.kernel.state import State
from tests.support.lab import Lab

TIMES = st.sampled_from((0, 1, 2, 255, 256, 2**40, INT_MAX))


def made() -> tuple[Schedule, Lab, Host]:
    host = Host(State(MemoryState(), Meter(WeightTable(), 2**62)))
    schedule = Schedule(host)
    return schedule, Lab(host, schedule), host


def at(schedule: Schedule, lab: Lab, clock: ClockKind, due: int, value: int) -> None:
    add = schedule.at_header_time if clock is ClockKind.HEADER else schedule.at_market_time
    add(due, lab.note, value)


@given(st.lists(st.tuples(st.sampled_from(ClockKind), TIMES)), TIMES)
def test_units_are_due_in_the_order_of_time_then_of_scheduling(
    added: list[tuple[ClockKind, int]], latest: int
) -> None:
    schedule, lab, _ = made()
    for number, (clock, due) in enumerate(added):
        at(schedule, lab, clock, due, number)
    for clock in ClockKind:
        numbered = [(due, n) for n, (kind, due) in enumerate(added) if kind is clock]
        found = [(due, n) for due, n, _ in schedule.due(clock, latest)]
        assert found == sorted(item for item in numbered if item[0] <= latest)
        assert schedule.next_due(clock) == (min(numbered)[0] if numbered else None)
    assert schedule.ids_are_unique_and_used()


def taken(schedule: Schedule, latest: int) -> Iterator[tuple[int, int]]:
    for due, number, _ in schedule.due(ClockKind.MARKET, latest):
        schedule.take(ClockKind.MARKET, due, number)
        yield due, number


def test_a_unit_added_while_others_run_is_seen_if_its_turn_has_not_passed() -> None:
    schedule, lab, _ = made()
    for due in (10, 20):
        at(schedule, lab, ClockKind.MARKET, due, 0)
    running = taken(schedule, 30)
    assert next(running) == (10, 0)
    at(schedule, lab, ClockKind.MARKET, 10, 0)
    at(schedule, lab, ClockKind.MARKET, 9, 0)
    at(schedule, lab, ClockKind.MARKET, 31, 0)
    assert list(running) == [(10, 2), (20, 1)]
    assert [(due, n) for due, n, _ in schedule.due(ClockKind.MARKET, 30)] == [(9, 3)]
    assert schedule.next_market_stop_s() == 9


def test_running_many_units_steps_over_each_of_them_once() -> None:
    schedule, lab, host = made()
    for _ in range(200):
        at(schedule, lab, ClockKind.MARKET, 1, 0)
    meter, table = host.state.meter, WeightTable()
    meter.used = 0
    assert len(list(taken(schedule, 1))) == 200
    assert meter.used <= 200 * (table.range_item + table.write + 2 * table.chunk)


def test_work_is_kept_with_its_arguments_as_the_unit_declares_them() -> None:
    schedule, lab, _ = made()
    at(schedule, lab, ClockKind.HEADER, 5, 77)
    assert list(schedule.due(ClockKind.HEADER, 5)) == [(5, 0, Work("lab", "note", b"\x81\x18\x4d"))]


def test_what_is_no_unit_or_does_not_fit_it_cannot_be_scheduled() -> None:
    schedule, lab, host = made()
    with pytest.raises(KeyError):
        schedule.at_market_time(1, lab.write, 1, 1)
    with pytest.raises(ValueError, match="argument"):
        schedule.at_market_time(1, lab.note)
    for due, value in ((-1, 1), (2**63, 1), (1, -1)):
        with pytest.raises(BadValueError):
            at(schedule, lab, ClockKind.MARKET, due, value)
    assert [key for key, _ in host.state.changes()] in ([], [b"\x01\x02"])
    with pytest.raises(BadValueError):
        Work("lab", "note", bytes(ARGUMENTS_BYTES_MAX + 1)).encode()


class ScheduleMachine(RuleBasedStateMachine):
    """Scheduling, running and failing keep ids unique, and nothing is lost or run twice."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule, self.lab, self.host = made()
        self.added = 0
        self.ran: list[int] = []
        self.failed: list[int] = []

    @rule(clock=st.sampled_from(ClockKind), due=TIMES)
    def add(self, clock: ClockKind, due: int) -> None:
        at(self.schedule, self.lab, clock, due, self.added)
        self.added += 1

    @rule(clock=st.sampled_from(ClockKind), latest=TIMES, ok=st.booleans())
    def run_one(self, clock: ClockKind, latest: int, ok: bool) -> None:
        for due, number, work in self.schedule.due(clock, latest):
            self.schedule.take(clock, due, number)
            self.ran.append(number)
            if not ok:
                self.schedule.fail(clock, due, number, work, 9)
                self.failed.append(number)
                held = self.schedule.failed_work(number)
                assert held is not None
                assert (held.work, held.clock, held.due, held.height) == (work, clock, due, 9)
            return

    @invariant()
    def every_unit_waits_or_ran_once(self) -> None:
        assert self.schedule.ids_are_unique_and_used()
        waiting = [number for (_, _, number), _ in self.schedule.queue.items()]
        assert sorted(waiting + self.ran) == list(range(self.added))
        assert [number for number, _ in self.schedule.failed.items()] == sorted(self.failed)
        assert len(self.host.events) == len(self.failed)
        assert self.schedule.failed_work(self.added) is None


TestScheduleMachine = ScheduleMachine.TestCase
TestScheduleMachine.settings = settings(max_examples=30, stateful_step_count=25)
