"""The market clock, rule by rule (MARKET §1)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.genesis import Genesis, InvalidGenesisError
from chain.transaction import Call, Mode
from contracts.kernel import NotPermitted, Value
from contracts.kernel.clock import ClockMode, NotDriven, NotForward, PastNextStop, WorkPending
from contracts.kernel.schedule import ClockKind
from tests.support.genesis import DRIVER, GENESIS_TIME_MS, START_S, make_genesis
from tests.support.lab import Fault, LabRegistry
from tests.support.lab_world import notes
from tests.support.people import account_of
from tests.support.world import BLOCK_MS, World

MARKET = int(ClockKind.MARKET)
WHEN = Call("lab", "when", ())


@pytest.fixture
def world() -> World:
    return World(registry=LabRegistry)


def advance(to_s: int) -> Call:
    return Call("clock", "advance", (to_s,))


def note(due_s: int) -> Call:
    return Call("lab", "schedule_note", (MARKET, due_s, 1))


def test_a_driven_clock_starts_at_genesis_and_stands_still_by_itself(world: World) -> None:
    for _ in range(3):
        world.block()
    assert world.read.clock.driven_time_s() == START_S
    assert world.call("alice", "lab", "when") == START_S
    assert world.read.clock.market_mode() is ClockMode.DRIVEN


def test_header_time_is_market_time_in_seconds_rounded_down() -> None:
    world = World(make_genesis(mode=ClockMode.HEADER), LabRegistry)
    world.time_ms += 999
    assert world.call("alice", "lab", "when") == (GENESIS_TIME_MS + 999 + BLOCK_MS) // 1_000
    assert world.read.clock.driven_time_s() == 0


def test_a_clock_that_follows_the_headers_cannot_be_advanced() -> None:
    world = World(make_genesis(mode=ClockMode.HEADER))
    for sender in (DRIVER, "alice"):
        world.refused(NotDriven, sender, "clock", "advance", START_S + 1)


def test_only_the_driver_advances_or_who_has_its_mandate(world: World) -> None:
    result = world.refused(NotPermitted, "alice", "clock", "advance", START_S + 1)
    assert result.value == {"driver": account_of(DRIVER)}
    grant: tuple[Value, ...] = (account_of("alice"), ["clock.advance"], 0, 2**50)
    world.call(DRIVER, "accounts", "grant_mandate", *grant)
    call = Call("clock", "advance", (START_S + 1,), owner=account_of(DRIVER))
    assert world.send("alice", call).results[0].code == 0
    assert world.read.clock.driven_time_s() == START_S + 1


@pytest.mark.parametrize("to_s", [START_S, START_S - 1, 0])
def test_time_moves_strictly_upwards(world: World, to_s: int) -> None:
    result = world.refused(NotForward, DRIVER, "clock", "advance", to_s)
    assert result.value == {"now_s": START_S, "to_s": to_s}


def test_without_anything_due_the_clock_may_go_anywhere(world: World) -> None:
    world.call(DRIVER, "clock", "advance", 2**40)
    assert world.read.clock.driven_time_s() == 2**40


def test_time_moves_to_the_next_stop_and_not_past_it(world: World) -> None:
    world.send("alice", note(START_S + 900))
    world.send("alice", note(START_S + 300))
    result = world.refused(PastNextStop, DRIVER, "clock", "advance", START_S + 301)
    assert result.value == {"next_stop_s": START_S + 300, "to_s": START_S + 301}
    world.call(DRIVER, "clock", "advance", START_S + 299)
    world.call(DRIVER, "clock", "advance", START_S + 300)
    assert notes(world) == ()
    world.block()
    assert notes(world) == (1,)
    world.call(DRIVER, "clock", "advance", START_S + 900)


def test_work_of_the_header_clock_is_no_stop(world: World) -> None:
    due_ms = world.time_ms + 3 * BLOCK_MS
    world.call("alice", "lab", "schedule_note", int(ClockKind.HEADER), due_ms, 5)
    world.call(DRIVER, "clock", "advance", START_S + 10**6)
    assert notes(world) == ()
    world.block()
    assert notes(world) == (5,)


def test_the_clock_waits_while_due_work_is_unfinished(world: World) -> None:
    """Each unit fills half a block, so one runs a block, and a second one is still waiting."""
    steps = world.parameters.block_weight_max // (2 * world.parameters.weights.step)
    for _ in range(2):
        world.call("alice", "lab", "schedule_spin", START_S + 10, steps)
    world.call(DRIVER, "clock", "advance", START_S + 10)
    result = world.refused(WorkPending, DRIVER, "clock", "advance", START_S + 11)
    assert result.value == {"now_s": START_S + 10, "due_s": START_S + 10}
    assert world.read.clock.driven_time_s() == START_S + 10
    assert notes(world) == (steps,)
    world.call(DRIVER, "clock", "advance", START_S + 11)
    assert notes(world) == (steps, steps)


def test_work_scheduled_in_the_past_is_pending_until_the_next_block(world: World) -> None:
    world.send("alice", note(START_S - 5))
    late = world.block(
        world.signed("alice", note(START_S - 5)), world.signed(DRIVER, advance(START_S + 1))
    ).receipts[2]
    assert late.results[0].code == world.registry.catalogue.code_by_reject[WorkPending]
    world.block()
    assert notes(world) == (1, 1)


def test_failed_work_does_not_hold_the_clock(world: World) -> None:
    fault = (MARKET, START_S + 1, int(Fault.VALUE_ERROR))
    world.call("alice", "lab", "schedule_fault", *fault)
    world.call(DRIVER, "clock", "advance", START_S + 1)
    world.call(DRIVER, "clock", "advance", START_S + 2)
    assert world.read.schedule.failed_work(0) is not None


def test_a_step_takes_effect_for_the_calls_after_it(world: World) -> None:
    world.send("alice", note(START_S + 5))
    result = world.block(
        world.signed("alice", WHEN),
        world.signed(DRIVER, WHEN, advance(START_S + 5), WHEN),
        world.signed("bob", WHEN),
    )
    assert [[r.value for r in receipt.results] for receipt in result.receipts[1:]] == [
        [START_S],
        [START_S, None, START_S + 5],
        [START_S + 5],
    ]
    assert notes(world) == (), "units that it makes due run in the next block"
    world.block()
    assert notes(world) == (1,)


def test_at_most_one_stop_is_passed_a_block(world: World) -> None:
    world.send("alice", note(START_S + 5))
    world.send("alice", note(START_S + 6))
    steps = (advance(START_S + 5), advance(START_S + 6))
    receipt = world.send(DRIVER, *steps, mode=Mode.EACH_ALONE)
    pending = world.registry.catalogue.code_by_reject[WorkPending]
    assert [r.code for r in receipt.results] == [0, pending]


def test_a_step_that_is_undone_has_no_effect(world: World) -> None:
    refuse = Call("lab", "go_wrong", (int(Fault.REJECT),))
    bug = Call("lab", "go_wrong", (int(Fault.VALUE_ERROR),))
    undone = world.signed(DRIVER, advance(START_S + 5), WHEN, refuse)
    result = world.block(undone, world.signed("alice", WHEN))
    assert result.receipts[2].results[0].value == START_S
    broken = world.signed(DRIVER, advance(START_S + 5), bug)
    with pytest.raises(Exception, match="BrokenCall"):
        world.block(broken)
    assert world.call("alice", "lab", "when") == START_S
    assert world.read.clock.driven_time_s() == START_S


@settings(max_examples=25)
@given(st.lists(st.integers(0, 40), max_size=6), st.lists(st.integers(0, 45), max_size=8))
def test_however_it_is_driven_no_unit_runs_before_its_time_or_is_passed_over(
    dues: list[int], steps: list[int]
) -> None:
    world = World(registry=LabRegistry)
    for due in dues:
        world.call("alice", "lab", "schedule_note", MARKET, START_S + due, due)
    world.block()
    for step in steps:
        before = world.read.clock.driven_time_s()
        world.send(DRIVER, advance(START_S + step))
        now = world.read.clock.driven_time_s()
        assert now in (before, START_S + step)
        assert not [due for due in dues if before < START_S + due < now]
        world.block()
        ran = sorted(due for due in dues if START_S + due <= now)
        assert notes(world) == tuple(ran)


def changed(**section: Value) -> Genesis:
    good = make_genesis()
    clock = {**good.sections["clock"], **section}
    return Genesis(good.name, good.time_ms, good.devnet, {**good.sections, "clock": clock})


def test_a_driven_clock_is_for_devnets_and_needs_a_driver() -> None:
    good = make_genesis()
    production = Genesis(good.name, good.time_ms, devnet=False, sections=good.sections)
    with pytest.raises(InvalidGenesisError, match="devnets only"):
        World(production)
    with pytest.raises(InvalidGenesisError, match=r"contracts\.clock: driver"):
        World(changed(driver=None))


@pytest.mark.parametrize("extra", [{"driver": bytes(20), "start_s": 0}, {"driver": None}])
def test_a_clock_that_follows_the_headers_has_no_driver_and_no_start(
    extra: dict[str, Value],
) -> None:
    with pytest.raises(InvalidGenesisError, match="has no driver and starts at 0"):
        World(changed(mode=int(ClockMode.HEADER), **extra))
    header = make_genesis(mode=ClockMode.HEADER)
    World(Genesis(header.name, header.time_ms, devnet=False, sections=header.sections))
