"""From height to height: what begins anew, what is carried over, who speaks."""

import pytest

from chain.consensus import effects, inputs
from chain.consensus.effects import Effect
from chain.consensus.machine import Machine
from chain.consensus.timing import Timeout, Timer
from chain.validators import Validator, ValidatorSet
from chain.votes import Step
from contracts.kernel import sha256
from tests.chain.consensus.stage import (
    CHAIN_ID,
    CLEAN,
    HEIGHT,
    NONCE,
    NOW_MS,
    PEER,
    Stage,
    only,
    verified,
)

PREVOTE, PRECOMMIT = Step.PREVOTE, Step.PRECOMMIT


def decided(by: tuple[int, ...] = (0, 1, 2)) -> Stage:
    """A machine that has decided block a and waits until it is on disk."""
    stage = Stage()
    stage.propose(0, stage.a)
    stage.precommit(0, stage.a, *by)
    assert len(only(effects.Commit, stage.done)) == 1
    return stage


def next_height(stage: Stage) -> list[Effect]:
    return stage.give(inputs.Committed(stage.context(HEIGHT + 1, stage.a.id)))


def test_a_height_begins_with_empty_state() -> None:
    stage = Stage()
    stage.propose(0, stage.a)
    stage.prevote(0, stage.a, 0, 1)
    stage.precommit(0, stage.a, 0, 1)
    next_height(stage)
    rules = stage.machine.rules
    assert (rules.height, rules.round, rules.step) == (HEIGHT + 1, 0, Step.PROPOSE)
    assert rules.locked is None
    assert rules.valid is None
    assert rules.proposals == {}
    assert [rules.votes.total(0, s) for s in (PREVOTE, PRECOMMIT)] == [0, 0]


def test_sync_may_move_the_machine_several_heights() -> None:
    stage = Stage()
    stage.give(inputs.Committed(stage.context(HEIGHT + 30, sha256(b"far"))))
    assert stage.machine.rules.height == HEIGHT + 30


def test_heights_only_rise() -> None:
    stage = Stage()
    with pytest.raises(AssertionError, match="heights only rise"):
        stage.give(inputs.Committed(stage.context(HEIGHT)))


def test_before_its_start_the_machine_takes_nothing() -> None:
    machine = Machine(CHAIN_ID, None, CLEAN, NONCE)
    with pytest.raises(AssertionError, match="Start comes first"):
        machine.handle(inputs.BlockDue(HEIGHT), NOW_MS)


def test_answers_for_a_height_that_is_over_mean_nothing() -> None:
    stage = Stage()
    stage.signs, stage.verdict = False, None
    stage.known.clear()
    stage.propose(0, stage.a)
    (asked,) = only(effects.Sign, stage.fire(Timer.PROPOSE))
    next_height(stage)
    for late in (
        stage.signature(asked.statement),
        inputs.Validated(stage.a.id, ok=True),
        inputs.BlockReceived(PEER, stage.a),
        inputs.Proposed(HEIGHT, 0, stage.a),
        inputs.BlockDue(HEIGHT),
        inputs.TimeoutFired(Timeout(Timer.PROPOSE, HEIGHT, 0)),
        inputs.TimeoutFired(Timeout(Timer.RESEND, HEIGHT, 0)),
    ):
        assert stage.give(late) == []


def test_a_signature_that_comes_after_the_decision_still_goes_out() -> None:
    stage = Stage()
    stage.signs = False
    (asked,) = only(effects.Sign, stage.propose(0, stage.a))
    stage.precommit(0, stage.a, 0, 1, 2)
    made = stage.give(stage.signature(asked.statement))
    assert [type(one) for one in made] == [effects.Persist, effects.Broadcast]


# ── The parent's certificate ──


def proposed_with(stage: Stage) -> tuple[int, ...]:
    """Return whose precommits the next proposer puts into its block."""
    certificate = stage.machine.rules.parent.certificate()
    assert certificate is not None
    return certificate.verify(PRECOMMIT, CHAIN_ID, stage.validators, verified)


def test_a_proposer_includes_every_precommit_it_holds() -> None:
    stage = decided()
    assert proposed_with(stage) == (0, 1, 2), "of the stage's own parent"
    stage.precommit(0, stage.a, 3)
    next_height(stage)
    assert proposed_with(stage) == (0, 1, 2, 3), "one came while the block was written"


def test_a_late_precommit_is_added_as_long_as_the_next_height_lasts() -> None:
    stage = decided()
    next_height(stage)
    assert proposed_with(stage) == (0, 1, 2)
    late = inputs.VoteReceived(PEER, stage.vote(PRECOMMIT, 0, stage.a.id, 3))
    stage.give(late)
    stage.give(late)
    assert proposed_with(stage) == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("step", "round_", "block_id"),
    [(PREVOTE, 0, b"a"), (PRECOMMIT, 1, b"a"), (PRECOMMIT, 0, b"b"), (PRECOMMIT, 0, None)],
)
def test_other_late_votes_are_not(step: Step, round_: int, block_id: bytes | None) -> None:
    stage = decided()
    next_height(stage)
    named = {b"a": stage.a.id, b"b": stage.b.id, None: None}[block_id]
    stage.give(inputs.VoteReceived(PEER, stage.vote(step, round_, named, 3)))
    assert proposed_with(stage) == (0, 1, 2)
    assert stage.findings() == []


def test_after_sync_the_stored_certificate_is_used() -> None:
    stage = Stage()
    stage.give(inputs.Committed(stage.context(HEIGHT + 1, stage.b.id)))
    certificate = stage.machine.rules.parent.certificate()
    assert certificate == stage.certificate(0, stage.b.id)


# ── Who speaks ──


def test_a_node_that_is_no_validator_follows_and_decides() -> None:
    stage = Stage(me=None)
    stage.propose(0, stage.a)
    stage.prevote(0, stage.a, 0, 1, 2)
    (commit,) = only(effects.Commit, stage.precommit(0, stage.a, 0, 1, 2))
    assert commit.block == stage.a
    assert only(effects.Sign, stage.done) == []


def test_a_key_that_is_not_the_one_in_the_set_says_nothing() -> None:
    stage = Stage()
    assert stage.me is not None
    other_key = Validator(stage.me.address, sha256(b"another key"))
    machine = Machine(CHAIN_ID, other_key, CLEAN, NONCE, verified)
    machine.handle(inputs.Start(stage.context()), NOW_MS)
    assert machine.rules.voice.address is None


def test_a_validator_speaks_from_the_height_at_which_it_joins() -> None:
    stage = Stage(me=3)
    three = ValidatorSet(stage.validators.members[:3])
    machine = Machine(CHAIN_ID, stage.me, CLEAN, NONCE, verified)
    context = stage.context()
    start = inputs.HeightContext(
        HEIGHT, three, context.parent_id, context.parent_time_ms, context.parent_certificate,
        context.parent_validators, context.timing,
    )  # fmt: skip
    machine.handle(inputs.Start(start), NOW_MS)
    assert machine.rules.voice.address is None
    machine.handle(inputs.Committed(stage.context(HEIGHT + 1, stage.a.id)), NOW_MS)
    assert machine.rules.voice.address == stage.address(3)


def test_the_same_inputs_have_the_same_effects() -> None:
    def play() -> list[Effect]:
        stage = decided()
        next_height(stage)
        stage.fire(Timer.RESEND)
        return stage.done

    assert play() == play()
