"""Due work at the beginning of a block: order, limits, failures (PROTOCOL §4)."""

import pytest

from chain.block import ZERO_HASH
from chain.execution.executor import UNITS_MAX, BlockExecution, BlockResult
from chain.execution.receipt import CallResult, Outcome, Receipt
from chain.refusals import BlockFull
from chain.transaction import Call
from contracts.kernel import codec, sha256
from contracts.kernel.errors import FATAL
from contracts.kernel.meter import WeightTable
from contracts.kernel.schedule import ClockKind, Work
from contracts.money.credit import FEE_POOL
from tests.support.genesis import DRIVER, START_S, parameters
from tests.support.lab import BUGS, FATAL_FAULTS, SECRET, Fault
from tests.support.lab_world import lab, lab_world, notes
from tests.support.people import account_of
from tests.support.world import BLOCK_MS, World

HEADER, MARKET = int(ClockKind.HEADER), int(ClockKind.MARKET)
OK, FAILED = Outcome.OK, Outcome.UNIT_FAILED


@pytest.fixture
def world() -> World:
    return lab_world()


def schedule(world: World, *calls: Call) -> None:
    receipt = world.send("alice", *calls)
    assert {result.code for result in receipt.results} == {0}


def begun(world: World) -> BlockExecution:
    execution = world.execution()
    execution.begin(())
    return execution


def own(result: BlockResult) -> Receipt:
    """Return the block's own receipt."""
    return result.receipts[0]


def test_units_run_in_the_order_of_clock_then_due_time_then_id(world: World) -> None:
    soon_ms = world.time_ms + 2 * BLOCK_MS
    schedule(
        world,
        lab("schedule_note", MARKET, START_S, 5),
        lab("schedule_note", MARKET, START_S - 1, 4),
        lab("schedule_note", HEADER, soon_ms, 2),
        lab("schedule_note", HEADER, soon_ms - 1, 1),
        lab("schedule_note", HEADER, soon_ms, 3),
        lab("schedule_note", MARKET, START_S, 6),
        lab("schedule_note", HEADER, soon_ms + 1, 9),
        lab("schedule_note", MARKET, START_S + 1, 9),
    )
    result = world.block()
    assert notes(world) == (1, 2, 3, 4, 5, 6)
    assert [r.code for r in own(result).results] == [OK] * 6
    assert own(result).id == ZERO_HASH
    assert own(result).fee_uthb == 0
    assert own(result).weight == sum(r.weight for r in own(result).results)
    world.block()
    assert notes(world) == (1, 2, 3, 4, 5, 6, 9), "the other clock stands still"


def test_a_unit_runs_once(world: World) -> None:
    schedule(world, lab("schedule_note", MARKET, 0, 1))
    for _ in range(3):
        world.block()
    assert notes(world) == (1,)
    assert own(world.block()).results == ()


@pytest.mark.parametrize("fault", [*BUGS, Fault.REJECT, Fault.ENDLESS_LOOP])
def test_a_failed_unit_is_set_aside_and_the_chain_goes_on(fault: Fault) -> None:
    world = lab_world(parameters(unit_weight_max=100_000, block_weight_max=400_000))
    due = (MARKET, START_S - 1)
    schedule(
        world,
        lab("schedule_note", *due, 1),
        lab("schedule_fault", *due, int(fault)),
        lab("schedule_note", *due, 2),
    )
    height = world.height + 1
    execution = begun(world)
    assert [failed.work.unit for failed in execution.failed_units] == ["fail"]
    assert isinstance(execution.failed_units[0].error, Exception)
    result = world.block()
    assert [failed.work.unit for failed in result.failed_units] == ["fail"]
    assert [r.code for r in own(result).results] == [OK, FAILED, OK]
    assert notes(world) == (1, 2), "the failed unit's own writes are undone"
    failed = world.read.schedule.failed_work(1)
    assert failed is not None
    assert failed.work == Work("lab", "fail", codec.encode([int(fault)]))
    assert (failed.clock, failed.due, failed.height) == (ClockKind.MARKET, START_S - 1, height)
    assert [codec.decode(e, size_max=200) for e in result.events[0]] == [
        [1, "schedule", "WorkFailed", [1, 1, "lab", "fail"]]
    ]
    assert SECRET.encode() not in own(result).encode()
    assert own(world.block()).results == (), "it is not tried again"
    world.check_invariants()


@pytest.mark.parametrize("fault", FATAL_FAULTS)
def test_fatal_errors_in_a_unit_end_the_execution(world: World, fault: Fault) -> None:
    schedule(world, lab("schedule_fault", MARKET, 0, int(fault)))
    execution = world.execution()
    with pytest.raises(FATAL):
        execution.begin(())
    with pytest.raises(AssertionError):
        execution.finish()


@pytest.mark.parametrize(
    "work",
    [
        Work("gone", "note", codec.encode([1])),
        Work("lab", "gone", codec.encode([1])),
        Work("lab", "write", codec.encode([1])),
        Work("lab", "note", codec.encode([])),
        Work("lab", "note", b"\xff"),
    ],
)
def test_work_that_no_contract_knows_any_more_fails_like_any_other(
    world: World, work: Work
) -> None:
    queue = world.read.schedule.queue
    world.state.write([(queue.raw_key((ClockKind.MARKET, 0, 0)), work.encode())])
    world.state.write([(world.read.schedule.next_id.prefix, codec.encode(1))])
    assert [r.code for r in own(world.block()).results] == [FAILED]
    failed = world.read.schedule.failed_work(0)
    assert failed is not None
    assert failed.work == work
    world.check_invariants()


def spin_world(units: int, share: int, *, block: int = 400_000) -> World:
    """Return a world where `units` are due, each of weight block ÷ `share` or a little more."""
    world = lab_world(parameters(block_weight_max=block, weights=WeightTable(step=1)))
    for _ in range(units):
        world.call("alice", "lab", "schedule_spin", START_S + 1, block // share)
    world.call(DRIVER, "clock", "advance", START_S + 1)
    return world


def test_no_further_unit_starts_once_half_a_block_is_used() -> None:
    world = spin_world(units=10, share=5)
    for done in (3, 6, 9, 10, 10):
        world.block()
        assert len(notes(world)) == done


def test_a_started_unit_runs_to_its_end_and_transactions_keep_half_a_block() -> None:
    world = spin_world(units=2, share=1, block=400_000)
    execution = begun(world)
    assert execution.weight_left == 200_000
    world.block()
    assert len(notes(world)) == 1


def test_what_due_work_leaves_of_a_block_is_for_transactions() -> None:
    world = spin_world(units=1, share=4, block=400_000)
    execution = begun(world)
    used = own(execution.finish()).weight
    assert 100_000 < used < 102_000
    assert execution.weight_left == 400_000 - used
    idle = lab_world(parameters(block_weight_max=400_000))
    assert begun(idle).weight_left == 400_000


def test_transactions_beyond_the_rest_do_not_fit() -> None:
    world = spin_world(units=1, share=1, block=400_000)
    execution = begun(world)
    for sender in ("alice", "bob"):
        execution.apply(world.signed(sender, lab("spin", 2**40)))
    with pytest.raises(BlockFull):
        execution.apply(world.signed("carol", lab("spin", 1)))


def test_a_unit_may_weigh_up_to_its_own_limit_and_not_more() -> None:
    chain = parameters(
        unit_weight_max=50_000, block_weight_max=200_000, weights=WeightTable(step=1)
    )

    def spun(steps: int) -> CallResult:
        world = lab_world(chain)
        schedule(world, lab("schedule_spin", 0, steps))
        (result,) = own(world.block()).results
        return result

    rest = 50_000 - spun(1_000).weight
    most, too_much = spun(1_000 + rest), spun(1_001 + rest)
    assert (most.code, most.weight) == (OK, 50_000)
    assert too_much.code == FAILED
    assert too_much.weight > 50_000, "with setting it aside"


def test_a_units_weight_counts_finding_it_and_setting_it_aside(world: World) -> None:
    table = world.parameters.weights
    schedule(
        world,
        lab("schedule_spin", 0, 0),
        lab("schedule_fault", MARKET, 0, int(Fault.NONE)),
        lab("schedule_fault", MARKET, 0, int(Fault.VALUE_ERROR)),
    )
    idle, done, failed = own(world.block()).results
    assert idle.weight > table.range_item + 2 * table.write + table.call
    assert failed.weight > done.weight + table.write, "it is also written to the failed work"


def test_a_unit_that_schedules_itself_runs_on_until_half_a_block_is_used() -> None:
    world = lab_world(parameters(block_weight_max=40_000))
    schedule(world, lab("schedule_chain", START_S, 100))
    blocks = 0
    while len(notes(world)) < 101:
        before = len(notes(world))
        result = world.block()
        assert 20_000 <= own(result).weight < 22_000 or len(notes(world)) == 101
        assert len(notes(world)) > before
        blocks += 1
    assert notes(world) == tuple(range(100, -1, -1))
    assert blocks > 3


def test_even_work_without_weight_comes_to_an_end() -> None:
    free = WeightTable(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    world = lab_world(parameters(weights=free))
    schedule(world, lab("schedule_chain", START_S, UNITS_MAX + 5))
    assert len(own(world.block()).results) == UNITS_MAX
    assert len(own(world.block()).results) == 6


def test_events_of_units_enter_the_histories_of_their_owners(world: World) -> None:
    schedule(world, lab("schedule_fault", MARKET, 0, int(Fault.NONE)))
    result = world.block()
    (event,) = result.events[0]
    nobody = world.read.credit.account(bytes(20))
    assert (nobody.history_count, nobody.history_head) == (1, sha256(bytes(32) + sha256(event)))


def test_signers_of_the_parent_share_the_fee_pool_before_anything_else(world: World) -> None:
    names = ("alice", "bob", "carol")
    schedule(world, lab("schedule_note", MARKET, START_S + 1, 1))
    pool = world.read.credit.free(FEE_POOL)
    before = [world.read.credit.free(account_of(name)) for name in names]
    result = world.block(signers=tuple(account_of(name) for name in names))
    after = [world.read.credit.free(account_of(name)) for name in names]
    assert [b - a for a, b in zip(before, after, strict=True)] == [pool // 3] * 3
    assert world.read.credit.free(FEE_POOL) == pool % 3
    assert codec.decode(result.events[0][0], size_max=200) == [
        1, "credit", "FeesShared", [1, pool // 3, [account_of(name) for name in names]]
    ]  # fmt: skip
    world.check_invariants()


def test_an_empty_pool_is_not_shared(world: World) -> None:
    assert world.block(signers=(account_of("alice"),)).events == ((),)
