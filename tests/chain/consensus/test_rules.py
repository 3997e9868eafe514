"""Algorithm 1, rule by rule; each test is named by the lines of the paper that it shows."""

import pytest

from chain.consensus import effects, inputs
from chain.consensus.timing import Timer
from chain.votes import NO_ROUND, Certificate, Step
from tests.chain.consensus.stage import HEIGHT, NOW_MS, PEER, Stage, only

PROPOSE, PREVOTE, PRECOMMIT = Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT


# ── L11–L21: a round begins ──


def test_l14_l19_the_proposer_asks_for_a_block_and_proposes_it() -> None:
    stage = Stage(me=0)
    (asked,) = only(effects.Propose, stage.done)
    assert (asked.height, asked.round, asked.time_ms) == (HEIGHT, 0, NOW_MS)
    assert isinstance(asked.parent_certificate, Certificate)
    stage.give(inputs.Proposed(HEIGHT, 0, stage.a))
    assert stage.said() == [(PROPOSE, 0, stage.a.id), (PREVOTE, 0, stage.a.id)]
    (own,) = [p.proposal for p in stage.machine.rules.proposals.values()]
    assert (own.valid_round, own.polka) == (NO_ROUND, None)


def test_l14_nobody_else_asks_for_a_block() -> None:
    for me in (1, 2, 3):
        assert only(effects.Propose, Stage(me=me).done) == []


def test_l15_l16_the_proposer_proposes_its_valid_block_again_with_the_polka() -> None:
    stage = Stage(me=1)
    stage.propose(0, stage.a)
    stage.prevote(0, stage.a, 0, 2)
    stage.precommit(0, None, 0, 2)
    stage.fire(Timer.PRECOMMIT)
    assert stage.place == (1, PREVOTE)
    proposal = stage.machine.rules.proposals[1].proposal
    assert (proposal.block_id, proposal.valid_round) == (stage.a.id, 0)
    assert proposal.polka is not None
    assert proposal.polka.verify(PREVOTE, stage.machine.rules.chain_id, stage.validators)
    assert only(effects.Propose, stage.done) == []


def test_l21_everybody_waits_for_a_proposal_with_a_timeout() -> None:
    for me in range(4):
        assert Stage(me=me).timeouts() == [(Timer.PROPOSE, 0)]


def test_in_later_rounds_the_proposer_proposes_at_once() -> None:
    stage = Stage(me=1, due=False)
    assert stage.timeouts() == []
    stage.next_round()
    (asked,) = only(effects.Propose, stage.done)
    assert asked.round == 1
    assert (Timer.PROPOSE, 1) in stage.timeouts()


def test_a_block_that_comes_too_late_is_not_proposed() -> None:
    stage = Stage(me=0)
    stage.fire(Timer.PROPOSE)
    stage.give(inputs.Proposed(HEIGHT, 0, stage.a))
    assert stage.said() == [(PREVOTE, 0, None)]


# ── L22–L27: a fresh proposal ──


def test_l24_an_unlocked_validator_prevotes_a_valid_fresh_proposal() -> None:
    stage = Stage()
    stage.propose(0, stage.a)
    assert stage.said() == [(PREVOTE, 0, stage.a.id)]
    assert stage.place == (0, PREVOTE)


def test_l26_an_invalid_proposal_gets_nil() -> None:
    stage = Stage()
    stage.verdict = False
    stage.propose(0, stage.a)
    assert stage.said() == [(PREVOTE, 0, None)]
    wrong = effects.WrongBlock(HEIGHT, 0, stage.address(0), stage.a.id)
    assert stage.findings() == [wrong]


def lock(stage: Stage) -> None:
    """Lock block a in round 0, then go to round 1 by precommits for nothing."""
    stage.propose(0, stage.a)
    stage.prevote(0, stage.a, 0, 1)
    assert stage.machine.rules.locked is not None
    stage.precommit(0, None, 0, 1)
    stage.fire(Timer.PRECOMMIT)
    assert stage.place == (1, PROPOSE)


def test_l23_l26_a_locked_validator_gives_nil_to_another_fresh_block() -> None:
    stage = Stage()
    lock(stage)
    stage.propose(1, stage.b)
    assert stage.said()[-1] == (PREVOTE, 1, None)
    # It does not even look at the block.
    assert [one.block.id for one in only(effects.Validate, stage.done)] == [stage.a.id]


def test_l23_a_locked_validator_prevotes_its_own_block_proposed_afresh() -> None:
    # Round 4 is position 0's again, so that the block's proposer is the round's.
    stage = Stage()
    lock(stage)
    for _ in range(3):
        stage.next_round()
    stage.propose(4, stage.a)
    assert stage.said()[-1] == (PREVOTE, 4, stage.a.id)


def test_l22_only_the_first_proposal_of_the_round_counts() -> None:
    stage = Stage()
    stage.verdict = None
    stage.propose(0, stage.a)
    stage.propose(0, stage.b)
    stage.give(inputs.Validated(stage.a.id, ok=True))
    assert stage.said() == [(PREVOTE, 0, stage.a.id)]


def test_l22_nothing_is_prevoted_before_body_and_verdict_are_there() -> None:
    stage = Stage()
    stage.known.clear()
    stage.verdict = None
    proposal = inputs.ProposalReceived(PEER, stage.proposal(0, stage.a), NOW_MS)
    assert only(effects.RequestBlock, stage.give(proposal)) == [
        effects.RequestBlock(HEIGHT, stage.a.id)
    ]
    assert stage.give(inputs.BlockReceived(PEER, stage.a)) == [effects.Validate(stage.a)]
    assert stage.said() == []
    stage.give(inputs.Validated(stage.a.id, ok=True))
    assert stage.said() == [(PREVOTE, 0, stage.a.id)]


def test_l22_after_its_prevote_a_validator_ignores_the_proposal() -> None:
    stage = Stage()
    stage.fire(Timer.PROPOSE)
    stage.propose(0, stage.a)
    assert stage.said() == [(PREVOTE, 0, None)]


# ── L28–L33: a block proposed again ──


def test_l30_an_unlocked_validator_prevotes_a_block_with_an_earlier_polka() -> None:
    stage = Stage()
    stage.next_round()
    stage.propose(1, stage.a, valid_round=0)
    assert stage.said()[-1] == (PREVOTE, 1, stage.a.id)


def test_l29_a_polka_as_late_as_the_lock_overrules_it() -> None:
    stage = Stage()
    lock(stage)
    stage.next_round()
    stage.propose(2, stage.b, valid_round=1)
    assert stage.said()[-1] == (PREVOTE, 2, stage.b.id)
    locked = stage.machine.rules.locked
    assert locked is not None
    assert locked.block.id == stage.a.id, "a prevote does not move the lock"


def test_l29_l32_a_polka_before_the_lock_does_not() -> None:
    stage = Stage()
    stage.next_round()
    stage.propose(1, stage.b)
    stage.prevote(1, stage.b, 0, 1)
    stage.precommit(1, None, 0, 1)
    stage.fire(Timer.PRECOMMIT)
    stage.propose(2, stage.a, valid_round=0)
    assert stage.said()[-1] == (PREVOTE, 2, None)


def test_l29_the_locked_block_itself_may_have_any_polka() -> None:
    stage = Stage()
    stage.next_round()
    stage.propose(1, stage.b)
    stage.prevote(1, stage.b, 0, 1)
    stage.precommit(1, None, 0, 1)
    stage.fire(Timer.PRECOMMIT)
    stage.propose(2, stage.b, valid_round=0)
    assert stage.said()[-1] == (PREVOTE, 2, stage.b.id)


def test_l32_an_invalid_block_gets_nil_in_spite_of_its_polka() -> None:
    stage = Stage()
    stage.next_round()
    stage.verdict = False
    stage.propose(1, stage.a, valid_round=0)
    assert stage.said()[-1] == (PREVOTE, 1, None)


@pytest.mark.parametrize("valid_round", [1, 2])
def test_l28_the_polka_must_be_of_an_earlier_round(valid_round: int) -> None:
    stage = Stage()
    stage.next_round()
    stage.propose(1, stage.a, valid_round=valid_round)
    assert stage.place == (1, PROPOSE)
    assert stage.faults() == [effects.Fault.FORM]


def test_the_two_prevote_rules_never_both_apply() -> None:
    # A fresh block with a polka around is still judged as fresh: L28 is not for it.
    stage = Stage()
    lock(stage)
    stage.give(inputs.TallyReceived(PEER, stage.polka(0, stage.b.id, (0, 1, 2))))
    stage.propose(1, stage.b)
    assert stage.said()[-1] == (PREVOTE, 1, None)


# ── L34–L46: prevotes ──


def test_l34_a_quorum_of_any_prevotes_starts_one_timeout() -> None:
    stage = Stage()
    stage.propose(0, stage.a)
    stage.prevote(0, None, 0)
    assert (Timer.PREVOTE, 0) not in stage.timeouts()
    stage.prevote(0, stage.b, 1)
    stage.prevote(0, stage.a, 2)
    assert stage.timeouts().count((Timer.PREVOTE, 0)) == 1


def test_l34_not_before_the_own_prevote() -> None:
    stage = Stage()
    stage.prevote(0, None, 0, 1)
    stage.prevote(0, stage.a, 2)
    assert (Timer.PREVOTE, 0) not in stage.timeouts()
    stage.fire(Timer.PROPOSE)
    assert (Timer.PREVOTE, 0) in stage.timeouts()


def test_l36_l41_a_polka_locks_and_precommits() -> None:
    stage = Stage()
    stage.propose(0, stage.a)
    stage.prevote(0, stage.a, 0, 1)
    rules = stage.machine.rules
    assert stage.said()[-1] == (PRECOMMIT, 0, stage.a.id)
    assert stage.place == (0, PRECOMMIT)
    assert rules.locked is not None
    assert rules.locked is rules.valid
    assert (rules.locked.block.id, rules.locked.round) == (stage.a.id, 0)


def test_l36_not_while_waiting_for_a_proposal() -> None:
    stage = Stage()
    stage.prevote(0, stage.a, 0, 1, 2)
    assert stage.place == (0, PROPOSE)
    stage.fire(Timer.PROPOSE)
    assert stage.said() == [(PREVOTE, 0, None), (PRECOMMIT, 0, stage.a.id)]


def test_l36_an_invalid_block_is_not_locked_by_any_polka() -> None:
    stage = Stage()
    stage.verdict = False
    stage.propose(0, stage.a)
    stage.prevote(0, stage.a, 0, 1, 2)
    assert stage.place == (0, PREVOTE)
    assert stage.machine.rules.valid is None


def test_l42_l43_a_polka_that_comes_late_is_noted_but_does_not_lock() -> None:
    stage = Stage()
    stage.fire(Timer.PROPOSE)
    stage.prevote(0, None, 0)
    stage.prevote(0, stage.a, 1, 2)
    stage.fire(Timer.PREVOTE)
    assert stage.place == (0, PRECOMMIT)
    stage.give(inputs.TallyReceived(PEER, stage.polka(0, stage.a.id)))
    rules = stage.machine.rules
    assert rules.locked is None
    assert rules.valid is not None
    assert (rules.valid.block.id, rules.valid.round) == (stage.a.id, 0)
    assert stage.said()[-1] == (PRECOMMIT, 0, None)


def test_l44_a_quorum_of_nil_prevotes_precommits_nil() -> None:
    stage = Stage()
    stage.fire(Timer.PROPOSE)
    stage.prevote(0, None, 0, 1)
    assert stage.said()[-1] == (PRECOMMIT, 0, None)


def test_nil_never_unlocks() -> None:
    stage = Stage()
    lock(stage)
    before = stage.machine.rules.locked
    stage.fire(Timer.PROPOSE)
    stage.prevote(1, None, 0, 1)
    assert stage.place == (1, PRECOMMIT)
    assert stage.machine.rules.locked is before
    stage.precommit(1, None, 0, 1)
    stage.fire(Timer.PRECOMMIT)
    stage.propose(2, stage.c)
    assert stage.said()[-1] == (PREVOTE, 2, None)
