"""Algorithm 1 from the precommits on, rule by rule, named by the lines of the paper."""

import pytest

from chain.consensus import effects, inputs
from chain.consensus.timing import Timeout, Timer
from chain.votes import Step
from tests.chain.consensus.stage import HEIGHT, PARENT_TIME_MS, PEER, Stage, only

PROPOSE, PREVOTE, PRECOMMIT = Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT


# ── L47–L54: precommits ──


def test_l47_a_quorum_of_any_precommits_starts_one_timeout_in_any_step() -> None:
    stage = Stage()
    stage.precommit(0, None, 0)
    stage.precommit(0, stage.a, 1)
    assert (Timer.PRECOMMIT, 0) not in stage.timeouts()
    stage.precommit(0, stage.b, 2)
    assert stage.place == (0, PROPOSE)
    assert stage.timeouts().count((Timer.PRECOMMIT, 0)) == 1


def test_l49_a_quorum_of_precommits_decides() -> None:
    stage = Stage()
    stage.propose(0, stage.a)
    made = stage.precommit(0, stage.a, 0, 1, 2)
    (commit,) = only(effects.Commit, made)
    assert commit.block == stage.a
    assert commit.certificate.verify(PRECOMMIT, stage.machine.rules.chain_id, stage.validators)


def test_l49_one_precommit_less_does_not() -> None:
    stage = Stage()
    stage.propose(0, stage.a)
    stage.precommit(0, stage.a, 0, 1)
    stage.precommit(0, stage.b, 2)
    assert only(effects.Commit, stage.done) == []


def test_l49_any_round_decides_also_a_past_one() -> None:
    stage = Stage()
    stage.propose(0, stage.a)
    stage.precommit(0, stage.a, 0)
    stage.fire(Timer.PRECOMMIT)
    stage.next_round()
    assert stage.place == (2, PROPOSE)
    (commit,) = only(effects.Commit, stage.precommit(0, stage.a, 1, 2))
    assert commit.certificate.round == 0


def test_l50_an_invalid_block_is_never_committed() -> None:
    stage = Stage()
    stage.verdict = False
    stage.precommit(0, stage.a, 0, 1, 2)
    assert only(effects.Commit, stage.done) == []
    assert [type(one) for one in stage.findings()] == [effects.Diverged]
    stage.fire(Timer.PROPOSE)
    assert [type(one) for one in stage.findings()] == [effects.Diverged], "it is said once"


def test_l49_the_block_may_come_after_the_certificate() -> None:
    stage = Stage()
    stage.known.clear()
    made = stage.precommit(0, stage.a, 0, 1, 2)
    assert only(effects.RequestBlock, made) == [effects.RequestBlock(HEIGHT, stage.a.id)]
    made = stage.give(inputs.BlockReceived(PEER, stage.a))
    assert [one.block for one in only(effects.Commit, made)] == [stage.a]


def test_a_decided_height_takes_no_further_step() -> None:
    stage = Stage()
    stage.precommit(0, stage.a, 0, 1, 2)
    count = len(stage.said())
    for timer in (Timer.PROPOSE, Timer.PREVOTE, Timer.PRECOMMIT):
        stage.fire(timer)
    stage.propose(0, stage.a)
    assert len(stage.said()) == count
    assert len(only(effects.Commit, stage.done)) == 1


# ── L55–L67: other rounds, timeouts ──


def test_l55_f_plus_1_in_a_higher_round_take_everybody_there() -> None:
    stage = Stage()
    stage.prevote(3, None, 0)
    assert stage.place == (0, PROPOSE)
    stage.precommit(3, stage.a, 1)
    assert stage.place == (3, PROPOSE)


def test_l55_two_messages_of_one_validator_do_not() -> None:
    stage = Stage()
    stage.prevote(3, None, 0)
    stage.precommit(3, None, 0)
    assert stage.place == (0, PROPOSE)


def test_l55_a_proposal_counts_as_well() -> None:
    stage = Stage()
    stage.prevote(2, None, 0)
    stage.propose(2, stage.c)
    assert stage.place == (2, PREVOTE)
    assert stage.said() == [(PREVOTE, 2, stage.c.id)]


def test_l55_the_jump_goes_as_far_as_f_plus_1_have_gone() -> None:
    stage = Stage(me=6, size=7)
    stage.prevote(2, None, 0)
    stage.prevote(5, None, 1)
    assert stage.place == (0, PROPOSE)
    stage.prevote(9, None, 2)
    assert stage.place == (2, PROPOSE), "three have reached round 2, only two round 5"
    stage.prevote(7, None, 3)
    assert stage.place == (5, PROPOSE)


def test_l57_without_a_proposal_nil_is_prevoted() -> None:
    stage = Stage()
    stage.fire(Timer.PROPOSE)
    assert stage.said() == [(PREVOTE, 0, None)]
    assert stage.place == (0, PREVOTE)


def test_l61_without_a_polka_nil_is_precommitted() -> None:
    stage = Stage()
    stage.propose(0, stage.a)
    stage.fire(Timer.PREVOTE)
    assert stage.said() == [(PREVOTE, 0, stage.a.id), (PRECOMMIT, 0, None)]


def test_l65_without_a_decision_the_next_round_begins() -> None:
    stage = Stage()
    stage.fire(Timer.PRECOMMIT)
    assert stage.place == (1, PROPOSE)


@pytest.mark.parametrize("timer", [Timer.PROPOSE, Timer.PREVOTE, Timer.PRECOMMIT])
def test_a_timeout_of_another_round_or_height_means_nothing(timer: Timer) -> None:
    stage = Stage()
    stage.next_round()
    place, said = stage.place, stage.said()
    stage.fire(timer, round_=0)
    stage.fire(timer, round_=2)
    stage.give(inputs.TimeoutFired(Timeout(timer, HEIGHT - 1, 1)))
    stage.give(inputs.TimeoutFired(Timeout(timer, HEIGHT + 1, 1)))
    assert (stage.place, stage.said()) == (place, said)


@pytest.mark.parametrize(("timer", "step"), [(Timer.PROPOSE, PREVOTE), (Timer.PREVOTE, PRECOMMIT)])
def test_a_timeout_of_a_step_that_is_over_means_nothing(timer: Timer, step: Step) -> None:
    stage = Stage()
    stage.propose(0, stage.a)
    if step is PRECOMMIT:
        stage.prevote(0, stage.a, 0, 1)
    said = stage.said()
    stage.fire(timer)
    assert (stage.said(), stage.place) == (said, (0, step))


def test_the_parent_time_is_never_reached_again() -> None:
    stage = Stage(me=0, due=False)
    stage.now_ms = PARENT_TIME_MS - 400
    (asked,) = only(effects.Propose, stage.give(inputs.BlockDue(HEIGHT)))
    assert asked.time_ms == PARENT_TIME_MS + 1
