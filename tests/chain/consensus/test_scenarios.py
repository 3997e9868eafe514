"""Whole situations in which Tendermint has gone wrong, or nearly, in one implementation or another.

Several are cases of the Quint tests of Malachite (informalsystems, Apache-2.0), told anew: hidden
lock, decision for a past round, a slow node, locks of two rounds. Position 0 is the proposer of
round 0; the machine stands at position 3 unless said.
"""

from chain.consensus import effects, inputs
from chain.consensus.timing import Timer
from chain.votes import Evidence, Step
from tests.chain.consensus.stage import PEER, Stage, only

PROPOSE, PREVOTE, PRECOMMIT = Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT


def test_a_hidden_lock_is_overcome_by_the_polka_that_travels_with_the_proposal() -> None:
    # The Byzantine proposer 0 shows the machine block b and prevotes nil to it; the others lock a.
    stage = Stage()
    stage.propose(0, stage.b)
    stage.prevote(0, None, 0)
    stage.prevote(0, stage.a, 1, 2)
    stage.fire(Timer.PREVOTE)
    stage.precommit(0, stage.a, 1, 2)
    stage.fire(Timer.PRECOMMIT)
    assert stage.machine.rules.valid is None, "the lock of the others is hidden"
    # Position 1 proposes a again. Counting single votes the machine would lack one for ever.
    stage.propose(1, stage.a, valid_round=0, polka=stage.polka(0, stage.a.id, (0, 1, 2)))
    assert stage.said()[-1] == (PREVOTE, 1, stage.a.id)
    (evidence,) = [one for one in stage.findings() if isinstance(one, Evidence)]
    assert evidence.validator == stage.address(0), "the two-faced vote came to light"


def test_a_hidden_decision_is_overcome_by_the_certificate_as_a_whole() -> None:
    # Validator 0 precommitted nil to the machine and block a to the others, who decided.
    stage = Stage()
    stage.propose(0, stage.a)
    stage.prevote(0, stage.a, 1, 2)
    stage.precommit(0, None, 0)
    stage.precommit(0, stage.a, 1)
    stage.fire(Timer.PRECOMMIT)
    assert stage.place == (1, PROPOSE)
    certificate = stage.certificate(0, stage.a.id, (0, 1, 2))
    (commit,) = only(effects.Commit, stage.give(inputs.TallyReceived(PEER, certificate)))
    assert (commit.block, commit.certificate.round) == (stage.a, 0)
    (evidence,) = [one for one in stage.findings() if isinstance(one, Evidence)]
    assert (evidence.validator, evidence.step) == (stage.address(0), PRECOMMIT)


def test_a_decision_needs_no_single_vote_when_its_certificate_comes() -> None:
    stage = Stage()
    certificate = stage.certificate(7, stage.b.id, (0, 1, 2))
    (commit,) = only(effects.Commit, stage.give(inputs.TallyReceived(PEER, certificate)))
    assert commit.certificate == certificate
    assert stage.said() == [], "who was asleep says nothing about it"


def test_a_slow_node_decides_in_a_round_it_never_saw_begin() -> None:
    # The others gave up round 0 and decided b in round 1; the precommits come before the proposal.
    stage = Stage()
    stage.precommit(1, stage.b, 0, 1)
    assert stage.place == (1, PROPOSE)
    (commit,) = only(effects.Commit, stage.precommit(1, stage.b, 2))
    assert commit.block == stage.b


def test_prevotes_of_different_kinds_count_together_for_the_jump() -> None:
    stage = Stage()
    stage.precommit(1, stage.b, 0)
    assert stage.place[0] == 0
    stage.prevote(1, stage.b, 1)
    assert stage.place[0] == 1


def test_the_older_lock_yields_and_the_newer_stays() -> None:
    # One validator locked a in round 0, the machine and the others lock b in round 1. Then a is
    # proposed again with its polka of round 0: it must not win any more.
    stage = Stage()
    stage.propose(0, stage.a)
    stage.prevote(0, None, 0)
    stage.prevote(0, stage.a, 1)
    stage.fire(Timer.PREVOTE)
    stage.precommit(0, None, 0, 1)
    stage.fire(Timer.PRECOMMIT)
    stage.propose(1, stage.b)
    stage.prevote(1, stage.b, 0, 1)
    assert stage.said()[-1] == (PRECOMMIT, 1, stage.b.id)
    stage.precommit(1, None, 0, 1)
    stage.fire(Timer.PRECOMMIT)
    stage.propose(2, stage.a, valid_round=0, polka=stage.polka(0, stage.a.id, (1, 2, 3)))
    assert stage.said()[-1] == (PREVOTE, 2, None)
    # And the other way round: who is locked on a goes with b, whose polka is younger.
    other = Stage()
    other.propose(0, other.a)
    other.prevote(0, other.a, 0, 1)
    other.precommit(0, None, 0, 1)
    other.fire(Timer.PRECOMMIT)
    other.next_round()
    other.propose(2, other.b, valid_round=1, polka=other.polka(1, other.b.id, (0, 1, 2)))
    assert other.said()[-1] == (PREVOTE, 2, other.b.id)
    other.prevote(2, other.b, 0, 1)
    locked = other.machine.rules.locked
    assert locked is not None
    assert (locked.block, locked.round) == (other.b, 2)


def test_a_polka_after_the_timeout_is_proposed_again_by_who_saw_it() -> None:
    # Line 42 pays: the machine precommitted nil, saw the polka late, and is the next proposer.
    stage = Stage(me=1)
    stage.fire(Timer.PROPOSE)
    stage.prevote(0, None, 0)
    stage.prevote(0, stage.a, 2)
    stage.fire(Timer.PREVOTE)
    stage.give(inputs.TallyReceived(PEER, stage.polka(0, stage.a.id, (0, 2, 3))))
    stage.precommit(0, None, 2, 3)
    stage.fire(Timer.PRECOMMIT)
    assert stage.said()[-2:] == [(PROPOSE, 1, stage.a.id), (PREVOTE, 1, stage.a.id)]


def test_two_proposals_of_one_proposer_and_the_polka_of_the_one_not_seen() -> None:
    stage = Stage()
    stage.propose(0, stage.a)
    stage.propose(0, stage.b)
    (evidence,) = [one for one in stage.findings() if isinstance(one, Evidence)]
    assert (evidence.validator, evidence.step) == (stage.address(0), PROPOSE)
    # The others prevoted b. The machine fetches it, and locks it like everybody.
    stage.prevote(0, stage.b, 0, 1, 2)
    assert stage.said() == [(PREVOTE, 0, stage.a.id), (PRECOMMIT, 0, stage.b.id)]


def test_rounds_go_on_while_nobody_proposes() -> None:
    stage = Stage()
    for round_ in range(100):
        assert stage.place == (round_, PROPOSE)
        stage.next_round()
        if stage.machine.rules.round % 4 == 3:
            assert only(effects.Propose, stage.done)[-1].round == stage.machine.rules.round
    others = [one for one in stage.said() if one[0] is not PROPOSE]
    assert others == [(s, r, None) for r in range(100) for s in (PREVOTE, PRECOMMIT)]


def test_one_validator_alone_decides_by_itself() -> None:
    stage = Stage(me=0, size=1)
    made = stage.give(inputs.Proposed(4, 0, stage.a))
    assert stage.said() == [(s, 0, stage.a.id) for s in (PROPOSE, PREVOTE, PRECOMMIT)]
    (commit,) = only(effects.Commit, made)
    assert commit.block == stage.a
    assert len(commit.certificate.signatures) == 1


def test_twenty_five_validators_decide_with_seventeen() -> None:
    stage = Stage(me=24, size=25)
    stage.propose(0, stage.a)
    assert stage.machine.rules.height % 25 == 4, "position 4 proposes round 0 there"
    stage.prevote(0, stage.a, *range(15))
    assert stage.place == (0, PREVOTE), "sixteen with its own"
    stage.prevote(0, stage.a, 15)
    assert stage.place == (0, PRECOMMIT)
    stage.precommit(0, stage.a, *range(15))
    assert only(effects.Commit, stage.done) == []
    (commit,) = only(effects.Commit, stage.precommit(0, stage.a, 15))
    assert len(commit.certificate.signatures) == 17
