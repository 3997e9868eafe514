"""Restarts: the machine stands where its log ends, says the same again, and nothing else."""

import pytest

from chain.consensus import effects, inputs
from chain.consensus.effects import Broadcast, Effect, Persist
from chain.consensus.guard import Restored, recover
from chain.consensus.log import (
    LogContents,
    LogRecord,
    SignedPrecommit,
    SignedPrevote,
    SignedProposal,
    SignerIdentity,
    last_signed,
)
from chain.consensus.slots import file_bytes, read_file
from chain.consensus.timing import Timer
from chain.votes import Proposal, Step, Vote
from tests.chain.consensus.stage import CHAIN_ID, HEIGHT, PEER, Stage, only

PROPOSE, PREVOTE, PRECOMMIT = Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT


def records(stage: Stage) -> list[LogRecord]:
    """Return what the machine has had written, after its identity."""
    return [one.record for one in only(Persist, stage.done)]


def log_of(stage: Stage) -> Restored:
    """Return what a signer finds after a crash of this machine."""
    assert stage.me is not None
    identity = SignerIdentity(CHAIN_ID, stage.me.public_key, new=True)
    log: tuple[LogRecord, ...] = (identity, *records(stage))
    last = last_signed(log[-1])
    file = read_file(file_bytes(identity, last))
    result = recover(LogContents(log, 0, None), file, CHAIN_ID, stage.me.public_key)
    assert isinstance(result, Restored)
    return result


def restarted(stage: Stage, *, due: bool = False) -> Stage:
    """Restart a machine from its log."""
    me = None if stage.me is None else stage.validators.index_of[stage.me.address]
    return Stage(me=me, size=stage.validators.size, recovered=log_of(stage), due=due)


def own(made: list[Effect]) -> list[Proposal | Vote]:
    """Return the own messages among what was sent."""
    sent = [one.message for one in only(Broadcast, made)]
    return [one for one in sent if isinstance(one, Proposal | Vote)]


# ── What is written before what is sent ──


def test_nothing_is_sent_before_its_record_is_persisted() -> None:
    stage = Stage(me=0)
    stage.give(inputs.Proposed(HEIGHT, 0, stage.a))
    stage.prevote(0, stage.a, 1, 2)
    kinds = [
        type(one.record) if isinstance(one, Persist) else type(one.message)
        for one in stage.done
        if isinstance(one, Persist) or (isinstance(one, Broadcast) and own([one]))
    ]
    assert kinds == [SignedProposal, Proposal, SignedPrevote, Vote, SignedPrecommit, Vote]


def test_nothing_is_counted_or_sent_before_it_is_signed() -> None:
    stage = Stage()
    stage.signs = False
    made = stage.propose(0, stage.a)
    (asked,) = only(effects.Sign, made)
    assert only(Persist, made) == []
    assert own(made) == []
    assert stage.place == (0, PREVOTE)
    assert stage.machine.rules.votes.total(0, PREVOTE) == 0
    made = stage.give(stage.signature(asked.statement))
    assert [type(one) for one in made[:2]] == [Persist, Broadcast]
    assert stage.machine.rules.votes.total(0, PREVOTE) == 1


def test_a_precommit_is_recorded_with_its_lock_block_and_polka() -> None:
    stage = Stage()
    stage.propose(0, stage.a)
    stage.prevote(0, stage.a, 0, 1)
    record = records(stage)[-1]
    assert isinstance(record, SignedPrecommit)
    assert record.vote == stage.vote(PRECOMMIT, 0, stage.a.id, 3)
    assert record.polka == stage.polka(0, stage.a.id, (0, 1, 3))
    assert (record.header, record.body) == (stage.a.header, stage.a.body)


def test_a_re_proposal_is_recorded_with_its_polka() -> None:
    stage = Stage(me=1)
    stage.propose(0, stage.a)
    stage.prevote(0, stage.a, 0, 2)
    stage.precommit(0, None, 0, 2)
    stage.fire(Timer.PRECOMMIT)
    (record,) = [one for one in records(stage) if isinstance(one, SignedProposal)]
    assert (record.proposal.valid_round, record.body) == (0, stage.a.body)
    assert record.proposal.polka == stage.polka(0, stage.a.id, (0, 1, 2))


# ── Where it stands again ──


def test_a_prevote_is_not_taken_back() -> None:
    before = Stage()
    before.propose(0, before.a)
    after = restarted(before, due=True)
    assert after.place == (0, PREVOTE)
    after.propose(0, after.b)
    after.fire(Timer.PROPOSE)
    assert after.said() == [(PREVOTE, 0, before.a.id)], "only the same once more"
    assert after.machine.rules.votes.total(0, PREVOTE) == 1


def test_a_restart_sends_the_same_bytes_again() -> None:
    before = Stage()
    before.propose(0, before.a)
    before.prevote(0, before.a, 0, 1)
    after = restarted(before)
    assert own(after.done) == own(before.done)
    assert only(Persist, after.done) == [], "nothing new is signed"
    assert only(effects.Sign, after.done) == []


def test_a_lock_holds_over_a_restart() -> None:
    before = Stage()
    before.propose(0, before.a)
    before.prevote(0, before.a, 0, 1)
    after = restarted(before)
    locked = after.machine.rules.locked
    assert locked is not None
    assert (locked.block, locked.round) == (before.a, 0)
    assert after.machine.rules.valid == locked
    after.precommit(0, None, 0, 1)
    after.fire(Timer.PRECOMMIT)
    after.propose(1, after.b)
    assert after.said()[-1] == (PREVOTE, 1, None)


def test_a_restarted_proposer_proposes_its_lock_again() -> None:
    before = Stage(me=1)
    before.propose(0, before.a)
    before.prevote(0, before.a, 0, 2)
    after = restarted(before)
    after.precommit(0, None, 0, 2)
    after.fire(Timer.PRECOMMIT)
    proposal = after.machine.rules.proposals[1].proposal
    assert (proposal.block_id, proposal.valid_round) == (before.a.id, 0)


def test_the_latest_lock_is_the_one_that_holds() -> None:
    before = Stage()
    before.propose(0, before.a)
    before.prevote(0, before.a, 0, 1)
    before.precommit(0, None, 0, 1)
    before.fire(Timer.PRECOMMIT)
    before.fire(Timer.PROPOSE)
    before.prevote(1, None, 0, 1)
    before.precommit(1, None, 0, 1)
    before.fire(Timer.PRECOMMIT)
    before.propose(2, before.b, valid_round=1)
    before.prevote(2, before.b, 0, 1)
    assert before.place == (2, PRECOMMIT)
    after = restarted(before)
    locked = after.machine.rules.locked
    assert locked is not None
    assert (locked.block, locked.round) == (before.b, 2)


def test_a_nil_precommit_restores_no_lock() -> None:
    before = Stage()
    before.next_round()
    after = restarted(before)
    assert after.place == (0, PRECOMMIT)
    assert after.machine.rules.locked is None
    assert after.machine.rules.valid is None


def test_a_proposer_that_died_after_its_proposal_goes_on_with_it() -> None:
    before = Stage(me=0)
    before.signs = False
    made = before.give(inputs.Proposed(HEIGHT, 0, before.a))
    (asked,) = only(effects.Sign, made)
    before.give(before.signature(asked.statement))
    after = restarted(before)
    assert only(effects.Propose, after.done) == [], "the round has its proposal"
    assert [one.block for one in only(effects.Validate, after.done)] == [before.a]
    assert after.said() == [(PROPOSE, 0, before.a.id), (PREVOTE, 0, before.a.id)]


def test_a_restart_in_a_later_round_waits_there() -> None:
    before = Stage()
    for _ in range(3):
        before.next_round()
    before.fire(Timer.PROPOSE)
    assert before.place == (3, PREVOTE)
    after = restarted(before)
    assert after.place == (3, PREVOTE)
    after.prevote(3, None, 0, 1)
    assert after.said()[-1] == (PRECOMMIT, 3, None)


def test_own_messages_of_all_rounds_are_there_for_those_behind() -> None:
    before = Stage()
    for _ in range(3):
        before.next_round()
    after = restarted(before)
    made = after.give(inputs.StatusReceived(PEER, after.status(round_=1, step=PREVOTE)))
    votes = [one.message for one in only(effects.SendTo, made)]
    assert votes[:2] == [after.vote(s, 1, None, 3) for s in (PREVOTE, PRECOMMIT)]


def test_everybody_restarts_and_the_height_is_decided() -> None:
    # All precommitted a; every process dies. The votes that went out are enough.
    stages = []
    for me in range(4):
        stage = Stage(me=me)
        if me == 0:
            stage.give(inputs.Proposed(HEIGHT, 0, stage.a))
        else:
            stage.propose(0, stage.a)
        stage.prevote(0, stage.a, *stage.others()[:2])
        stages.append(restarted(stage))
    for stage in stages:
        for other in stages:
            for message in own(other.done):
                if isinstance(message, Vote):
                    stage.give(inputs.VoteReceived(PEER, message))
        (commit,) = only(effects.Commit, stage.done)
        assert commit.block == stage.a


# ── What is not restored ──


def test_statements_of_heights_below_restore_nothing() -> None:
    before = Stage()
    before.propose(0, before.a)
    log = log_of(before)
    after = Stage(recovered=log)
    height = HEIGHT + 1
    machine = type(after.machine)(CHAIN_ID, after.me, log, bytes(32))
    machine.handle(inputs.Start(after.context(height, before.a.id)), after.now_ms)
    assert (machine.rules.round, machine.rules.step) == (0, PROPOSE)
    assert machine.rules.voice.spoken == {}


def test_a_chain_behind_its_own_log_follows_in_silence_until_it_has_caught_up() -> None:
    before = Stage()
    before.propose(0, before.a)
    log = log_of(before)
    assert log.last is not None
    machine = type(before.machine)(CHAIN_ID, before.me, log, bytes(32))
    machine.handle(inputs.Start(before.context(HEIGHT - 1)), before.now_ms)
    assert machine.rules.voice.address is None
    machine.handle(inputs.Committed(before.context(HEIGHT)), before.now_ms)
    assert machine.rules.voice.address == before.address(3)


@pytest.mark.parametrize("above", [HEIGHT - 1, HEIGHT])
def test_a_release_is_obeyed_to_the_height(above: int) -> None:
    stage = Stage(recovered=Restored((), None, above))
    stage.propose(0, stage.a)
    said = [] if above == HEIGHT else [(PREVOTE, 0, stage.a.id)]
    assert stage.said() == said
    assert stage.place == (0, PREVOTE), "it follows all the same"
