"""Time: which proposals are in time, how long steps wait, when a block is due."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.consensus import effects, inputs
from chain.consensus.timing import (
    Timer,
    due_at_ms,
    is_timely,
    message_delay_ms,
    proposal_time_ms,
    proposal_wait_ms,
    timeout_ms,
)
from chain.votes import Step
from contracts.governance.parameters import Timing
from tests.chain.consensus.stage import HEIGHT, NOW_MS, PARENT_TIME_MS, TIMING, Stage, block, only

EARLY_MS = TIMING.precision_ms
LATE_MS = TIMING.precision_ms + TIMING.message_delay_ms


# ── A proposal's time ──


@pytest.mark.parametrize(
    ("off_ms", "accepted"),
    [(0, True), (EARLY_MS, True), (EARLY_MS + 1, False), (-LATE_MS, True), (-LATE_MS - 1, False)],
)
def test_a_fresh_proposal_is_measured_by_its_arrival(off_ms: int, *, accepted: bool) -> None:
    stage = Stage()
    one = block("timed", stage.address(0), NOW_MS + off_ms)
    stage.now_ms = NOW_MS + 50_000
    stage.propose(0, one, arrival_ms=NOW_MS)
    assert stage.said() == [(Step.PREVOTE, 0, one.id if accepted else None)]
    skewed = effects.SkewedProposer(HEIGHT, 0, stage.address(0), NOW_MS + off_ms, NOW_MS)
    assert stage.findings() == ([] if accepted else [skewed])


def test_the_message_delay_grows_with_the_round() -> None:
    assert [message_delay_ms(TIMING, r) for r in (0, 1, 9)] == [2_000, 4_000, 20_000]
    stage = Stage()
    stage.next_round()
    late = block("late", stage.address(1), NOW_MS - LATE_MS - 1)
    stage.propose(1, late)
    assert stage.said()[-1] == (Step.PREVOTE, 1, late.id)


def test_what_arrived_before_its_round_keeps_its_arrival() -> None:
    stage = Stage()
    stage.propose(1, stage.b, arrival_ms=NOW_MS)
    stage.now_ms = NOW_MS + 60_000
    stage.next_round()
    assert stage.said()[-1] == (Step.PREVOTE, 1, stage.b.id)


def test_a_re_proposal_is_free_of_the_clock() -> None:
    stage = Stage()
    stage.next_round()
    old = block("old", stage.address(0), NOW_MS - 900_000)
    stage.propose(1, old, valid_round=0)
    assert stage.said()[-1] == (Step.PREVOTE, 1, old.id)


def test_a_fresh_block_is_by_the_proposer_of_the_round() -> None:
    stage = Stage()
    foreign = block("foreign", stage.address(2))
    stage.propose(0, foreign)
    assert stage.said() == [(Step.PREVOTE, 0, None)]
    wrong = effects.WrongBlock(HEIGHT, 0, stage.address(0), foreign.id)
    assert stage.findings() == [wrong]


def test_a_re_proposed_block_may_be_by_another_member() -> None:
    stage = Stage()
    stage.next_round()
    stage.propose(1, stage.a, valid_round=0)
    assert stage.a.header.proposer == stage.address(0)
    assert stage.said()[-1] == (Step.PREVOTE, 1, stage.a.id)


def test_own_proposals_are_always_in_time() -> None:
    stage = Stage(me=0, due=False)
    stage.now_ms = PARENT_TIME_MS - 100
    (asked,) = only(effects.Propose, stage.give(inputs.BlockDue(HEIGHT)))
    stage.now_ms += 3_600_000
    stage.give(inputs.Proposed(HEIGHT, 0, block("own", stage.address(0), asked.time_ms)))
    assert stage.said()[-1][0] is Step.PREVOTE
    assert stage.said()[-1][2] is not None


def test_a_proposer_waits_while_its_time_is_over_the_precision_ahead() -> None:
    stage = Stage(me=0, due=False)
    stage.now_ms = PARENT_TIME_MS - 700
    made = stage.give(inputs.BlockDue(HEIGHT))
    assert only(effects.Propose, made) == []
    waits = only(effects.ScheduleTimeout, made)
    assert [(w.timeout.timer, w.delay_ms) for w in waits] == [
        (Timer.PROPOSE, TIMING.timeout_propose_ms),
        (Timer.PROPOSE_WAIT, 201),
    ]
    stage.now_ms += 201
    (asked,) = only(effects.Propose, stage.fire(Timer.PROPOSE_WAIT))
    assert asked.time_ms == PARENT_TIME_MS + 1 == stage.now_ms + TIMING.precision_ms


@given(st.integers(-10_000, 10_000), st.integers(0, 10_000), st.integers(0, 20))
def test_what_a_proposer_sends_is_in_time_where_clocks_agree(
    ahead_ms: int, delay_ms: int, round_: int
) -> None:
    now_ms = PARENT_TIME_MS + ahead_ms
    now_ms += proposal_wait_ms(TIMING, now_ms, PARENT_TIME_MS)
    time_ms = proposal_time_ms(now_ms, PARENT_TIME_MS)
    assert time_ms > PARENT_TIME_MS
    in_time = delay_ms <= message_delay_ms(TIMING, round_) + TIMING.precision_ms
    assert is_timely(TIMING, round_, time_ms, now_ms + delay_ms) or not in_time


# ── Timeouts ──


@pytest.mark.parametrize("timer", [Timer.PROPOSE, Timer.PREVOTE, Timer.PRECOMMIT])
def test_timeouts_are_linear_up_to_the_cap(timer: Timer) -> None:
    first = timeout_ms(TIMING, timer, 0)
    assert first == (TIMING.timeout_propose_ms if timer is Timer.PROPOSE else 500)
    steps = [timeout_ms(TIMING, timer, r + 1) - timeout_ms(TIMING, timer, r) for r in range(100)]
    assert set(steps) == {TIMING.timeout_step_ms}
    for round_ in (1_000, 2**31 - 1):
        assert timeout_ms(TIMING, timer, round_) == TIMING.timeout_cap_ms


def test_a_timer_that_belongs_to_no_step_has_no_timeout() -> None:
    with pytest.raises(AssertionError, match="RESEND is no step"):
        timeout_ms(TIMING, Timer.RESEND, 0)


def test_the_rounds_of_the_machine_wait_longer_and_longer() -> None:
    stage = Stage()
    for _ in range(5):
        stage.next_round()
    waits = {
        (one.timeout.timer, one.timeout.round): one.delay_ms
        for one in only(effects.ScheduleTimeout, stage.done)
        if one.timeout.timer is not Timer.RESEND
    }
    assert {r: waits[Timer.PROPOSE, r] for r in range(5)} == {r: 1_000 + 500 * r for r in range(5)}
    assert {r: waits[Timer.PRECOMMIT, r] for r in range(5)} == {r: 500 + 500 * r for r in range(5)}


# ── When round 0 begins to wait ──


def test_before_a_block_is_due_nobody_waits_and_nobody_proposes() -> None:
    for me in range(4):
        stage = Stage(me=me, due=False)
        assert stage.timeouts() == []
        assert only(effects.Propose, stage.done) == []


@pytest.mark.parametrize("kind", ["block due", "prevote", "precommit", "proposal", "vote ahead"])
def test_a_due_block_or_any_vote_or_proposal_starts_the_timeout(kind: str) -> None:
    stage = Stage(due=False)
    match kind:
        case "block due":
            stage.give(inputs.BlockDue(HEIGHT))
        case "prevote":
            stage.prevote(0, None, 0)
        case "precommit":
            stage.precommit(0, None, 0)
        case "proposal":
            stage.verdict = None
            stage.propose(0, stage.a)
        case _:
            stage.prevote(5, None, 0)
    assert stage.timeouts() == [(Timer.PROPOSE, 0)]


def test_what_is_not_valid_does_not() -> None:
    stage = Stage(due=False)
    vote = replace(stage.vote(Step.PREVOTE, 0, None, 0), signature=bytes(64))
    stage.give(inputs.VoteReceived(b"peer", vote))
    stage.give(inputs.BlockDue(HEIGHT - 1))
    stage.give(inputs.BlockDue(HEIGHT + 1))
    assert stage.timeouts() == []


def test_a_proposer_proposes_only_once_however_often_a_block_is_due() -> None:
    stage = Stage(me=0)
    stage.give(inputs.BlockDue(HEIGHT))
    assert len(only(effects.Propose, stage.done)) == 1


# ── When a block is due ──

DUE = Timing(block_interval_min_ms=1_000, heartbeat_ms=15_000)


@pytest.mark.parametrize(
    ("next_due_ms", "has_work", "due_ms"),
    [
        (None, True, 1_000),
        (None, False, 15_000),
        (5_000, False, 5_000),
        (5_000, True, 1_000),
        (200, False, 1_000),
        (20_000, False, 15_000),
        (-7, False, 1_000),
    ],
)
def test_a_block_is_due_by_work_by_the_next_unit_or_by_the_heartbeat(
    next_due_ms: int | None, due_ms: int, *, has_work: bool
) -> None:
    unit_ms = None if next_due_ms is None else PARENT_TIME_MS + next_due_ms
    due = due_at_ms(DUE, PARENT_TIME_MS, unit_ms, has_work=has_work)
    assert due == PARENT_TIME_MS + due_ms


def test_a_heartbeat_below_the_minimum_interval_waits_for_it() -> None:
    timing = Timing(block_interval_min_ms=1_000, heartbeat_ms=10)
    assert due_at_ms(timing, 0, None, has_work=False) == 1_000
