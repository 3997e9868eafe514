"""What may not count: each hostile message is refused, its sender reported, and nothing changes.

And what must count although something speaks against it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chain.block import Block, Body
from chain.consensus import effects, inputs
from chain.consensus.effects import Fault
from chain.consensus.evidence import EVIDENCE_PER_VALIDATOR_MAX, verify_evidence
from chain.consensus.inputs import Input
from chain.consensus.timing import Timer
from chain.votes import Evidence, Polka, Proposal, Step, bitmap_of
from contracts.kernel import sha256
from tests.chain.consensus.stage import (
    CHAIN_ID,
    HEIGHT,
    NOW_MS,
    PEER,
    Stage,
    block,
    only,
    signed,
    verified,
)

PREVOTE, PRECOMMIT = Step.PREVOTE, Step.PRECOMMIT
ALIEN = sha256(b"of no set")[:20]


def seen(stage: Stage) -> tuple[Any, ...]:
    """Return everything of the machine that a message could change."""
    rules, votes = stage.machine.rules, stage.machine.rules.votes
    counts = [votes.total(r, s) for r in range(4) for s in (PREVOTE, PRECOMMIT)]
    return (stage.place, stage.said(), counts, dict(rules.proposals), votes.certified,
            votes.polka_round, rules.locked, rules.valid, stage.timeouts(),
            rules.ahead.reached_by(1))  # fmt: skip


def proposal(made: Proposal) -> Input:
    return inputs.ProposalReceived(PEER, made, NOW_MS)


def re_proposal(stage: Stage, polka: Polka | None) -> Input:
    made = replace(stage.proposal(1, stage.a, valid_round=0), polka=polka)
    return inputs.ProposalReceived(PEER, made, NOW_MS)


HOSTILE: dict[str, tuple[Fault, Callable[[Stage], Input]]] = {
    "vote by a stranger": (
        Fault.STRANGER,
        lambda s: inputs.VoteReceived(
            PEER, replace(s.vote(PREVOTE, 0, s.a.id, 0), validator=ALIEN)
        ),
    ),
    "vote with a wrong signature": (
        Fault.SIGNATURE,
        lambda s: inputs.VoteReceived(
            PEER, replace(s.vote(PREVOTE, 0, s.a.id, 0), signature=bytes(64))
        ),
    ),
    "vote in another's name": (
        Fault.SIGNATURE,
        lambda s: inputs.VoteReceived(
            PEER, replace(s.vote(PREVOTE, 0, s.a.id, 0), validator=s.address(1))
        ),
    ),
    "prevote shown as precommit": (
        Fault.SIGNATURE,
        lambda s: inputs.VoteReceived(
            PEER, replace(s.vote(PREVOTE, 0, s.a.id, 0), step=PRECOMMIT)
        ),
    ),
    "vote moved to another round": (
        Fault.SIGNATURE,
        lambda s: inputs.VoteReceived(PEER, replace(s.vote(PREVOTE, 0, s.a.id, 0), round=1)),
    ),
    "proposal out of turn": (
        Fault.PROPOSER,
        lambda s: inputs.ProposalReceived(
            PEER, s.sign(replace(s.proposal(0, s.a), proposer=s.address(1))), NOW_MS
        ),
    ),
    "proposal with a wrong signature": (
        Fault.SIGNATURE,
        lambda s: proposal(replace(s.proposal(0, s.a), signature=bytes(64))),
    ),
    "proposal of another block under the signature": (
        Fault.SIGNATURE,
        lambda s: proposal(replace(s.proposal(0, s.a), block_id=s.b.id)),
    ),
    "fresh proposal with a polka": (
        Fault.POLKA,
        lambda s: proposal(replace(s.proposal(0, s.a), polka=s.polka(0, s.a.id))),
    ),
    "re-proposal without a polka": (Fault.POLKA, lambda s: re_proposal(s, None)),
    "re-proposal with a polka for another block": (
        Fault.POLKA,
        lambda s: re_proposal(s, s.polka(0, s.b.id)),
    ),
    "re-proposal with a polka of another round": (
        Fault.POLKA,
        lambda s: re_proposal(s, s.polka(1, s.a.id)),
    ),
    "re-proposal with a polka of too few": (
        Fault.POLKA,
        lambda s: re_proposal(
            s,
            replace(
                s.polka(0, s.a.id), signer_bitmap=b"\xc0",
                signatures=s.polka(0, s.a.id).signatures[:2],
            ),
        ),
    ),
    "re-proposal with a forged polka": (
        Fault.POLKA,
        lambda s: re_proposal(s, replace(s.polka(0, s.a.id), signatures=(bytes(64),) * 3)),
    ),
    "polka with a foreign signature": (
        Fault.TALLY,
        lambda s: inputs.TallyReceived(
            PEER, replace(s.polka(0, s.a.id), signer_bitmap=bitmap_of([1, 2, 3], 4))
        ),
    ),
    "certificate made of prevotes": (
        Fault.TALLY,
        lambda s: inputs.TallyReceived(
            PEER,
            replace(s.certificate(0, s.a.id), signatures=s.polka(0, s.a.id).signatures),
        ),
    ),
    "certificate with one signature thrice": (
        Fault.TALLY,
        lambda s: inputs.TallyReceived(
            PEER,
            replace(
                s.certificate(0, s.a.id), signatures=s.certificate(0, s.a.id).signatures[:1] * 3
            ),
        ),
    ),
    "certificate of another chain": (
        Fault.TALLY,
        lambda s: inputs.TallyReceived(
            PEER, replace(s.certificate(0, s.a.id), chain_id=sha256(b"other"))
        ),
    ),
    "certificate with a bit too many": (
        Fault.TALLY,
        lambda s: inputs.TallyReceived(
            PEER, replace(s.certificate(0, s.a.id), signer_bitmap=b"\xe8")
        ),
    ),
    "status with a bitmap of another size": (
        Fault.FORM,
        lambda s: inputs.StatusReceived(PEER, replace(s.status(), prevotes=b"\0\0")),
    ),
    "status with a bit beyond the set": (
        Fault.FORM,
        lambda s: inputs.StatusReceived(PEER, replace(s.status(), precommits=b"\x08")),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_message_is_refused_and_changes_nothing(name: str) -> None:
    fault, make = HOSTILE[name]
    stage = Stage(due=False)
    before = seen(stage)
    stage.give(make(stage))
    assert seen(stage) == before
    assert stage.findings() == [effects.Refused(PEER, fault)]
    # The machine goes on as if nothing had been.
    stage.propose(0, stage.a)
    stage.prevote(0, stage.a, 0, 1)
    assert stage.said() == [(PREVOTE, 0, stage.a.id), (PRECOMMIT, 0, stage.a.id)]


def test_a_refused_copy_does_not_spoil_the_good_one() -> None:
    stage = Stage()
    stage.next_round()
    stage.give(re_proposal(stage, None))
    assert stage.place == (1, Step.PROPOSE)
    stage.propose(1, stage.a, valid_round=0)
    assert stage.said()[-1] == (PREVOTE, 1, stage.a.id)


@pytest.mark.parametrize("height", [0, HEIGHT - 2, HEIGHT - 1, HEIGHT + 1, 2**63 - 1])
def test_messages_of_other_heights_are_not_kept(height: int) -> None:
    stage = Stage(due=False)
    before = seen(stage)
    for by in (0, 1, 2):
        for step in (PREVOTE, PRECOMMIT):
            cast = stage.vote(step, 0, stage.a.id, by, height)
            stage.give(inputs.VoteReceived(PEER, cast))
    other = stage.sign(replace(stage.proposal(0, stage.a), height=height))
    stage.give(inputs.ProposalReceived(PEER, other, NOW_MS))
    certificate = stage.certificate(0, stage.a.id, height=height)
    stage.give(inputs.TallyReceived(PEER, certificate))
    assert seen(stage) == before
    assert stage.findings() == []


# ── Bodies ──


def test_a_body_that_does_not_fit_is_dropped_and_the_block_id_stays_good() -> None:
    stage = Stage()
    stage.known.clear()
    stage.give(inputs.ProposalReceived(PEER, stage.proposal(0, stage.a), NOW_MS))
    bad = Block(stage.a.header, Body(None, (b"something else",), ()))
    assert bad.id == stage.a.id
    stage.give(inputs.BlockReceived(PEER, bad))
    assert stage.findings() == [effects.Refused(PEER, Fault.BODY)]
    assert stage.machine.block(stage.a.id) is None
    stage.give(inputs.BlockReceived(b"another peer", stage.a))
    assert stage.said() == [(PREVOTE, 0, stage.a.id)]


def test_a_block_nobody_asked_for_is_dropped() -> None:
    stage = Stage()
    assert stage.give(inputs.BlockReceived(PEER, stage.a)) == []
    assert stage.machine.block(stage.a.id) is None


def test_a_verdict_on_an_unknown_block_means_nothing() -> None:
    stage = Stage()
    stage.give(inputs.Validated(stage.a.id, ok=False))
    stage.propose(0, stage.a)
    assert stage.said() == [(PREVOTE, 0, stage.a.id)]


def test_blocks_of_past_rounds_do_not_pile_up() -> None:
    stage = Stage()
    made: list[Block] = []
    for round_ in range(40):
        if stage.validators.proposer(HEIGHT, round_).address != stage.address(3):
            one = block(f"round {round_}", stage.validators.proposer(HEIGHT, round_).address)
            stage.propose(round_, one)
            made.append(one)
        stage.next_round()
    kept = [one for one in made if stage.machine.block(one.id) is not None]
    assert len(kept) <= 2


# ── Evidence ──


def evidence(stage: Stage) -> list[Evidence]:
    return [one for one in stage.findings() if isinstance(one, Evidence)]


@pytest.mark.parametrize("step", [PREVOTE, PRECOMMIT])
@pytest.mark.parametrize("round_", [0, 5])
def test_two_votes_of_one_validator_are_evidence_once(step: Step, round_: int) -> None:
    stage = Stage()
    for block_id in (stage.a.id, stage.b.id, None, stage.a.id):
        cast = stage.vote(step, round_, block_id, 1)
        stage.give(inputs.VoteReceived(PEER, cast))
    (one,) = evidence(stage)
    key = stage.validators.members[1].public_key
    offence = verify_evidence(one, CHAIN_ID, key, verified)
    assert offence == (stage.address(1), HEIGHT, round_, step)
    assert stage.faults() == []


def test_the_first_vote_stands() -> None:
    stage = Stage()
    stage.prevote(0, stage.b, 0)
    stage.prevote(0, stage.a, 0, 1, 2)
    stage.fire(Timer.PROPOSE)
    assert stage.machine.rules.votes.winner(0, PREVOTE) is None
    assert stage.place == (0, PREVOTE)


def test_a_conflict_inside_a_polka_is_evidence_and_the_polka_counts() -> None:
    stage = Stage()
    stage.propose(0, stage.a)
    stage.prevote(0, None, 0)
    stage.give(inputs.TallyReceived(PEER, stage.polka(0, stage.a.id, (0, 1, 2))))
    assert [one.validator for one in evidence(stage)] == [stage.address(0)]
    assert stage.said()[-1] == (PRECOMMIT, 0, stage.a.id)


def test_the_signers_of_a_whole_tally_count_one_by_one_as_well() -> None:
    stage = Stage()
    stage.give(inputs.TallyReceived(PEER, stage.polka(0, stage.a.id, (0, 1, 2))))
    assert stage.machine.rules.votes.total(0, PREVOTE) == 3


def test_a_polka_of_a_round_ahead_takes_the_machine_there() -> None:
    stage = Stage()
    stage.give(inputs.TallyReceived(PEER, stage.polka(6, stage.a.id, (0, 1, 2))))
    assert stage.place == (6, Step.PROPOSE)
    stage.fire(Timer.PROPOSE)
    assert stage.said() == [(PREVOTE, 6, None), (PRECOMMIT, 6, stage.a.id)]


def test_two_proposals_for_one_round_are_evidence_even_for_one_block() -> None:
    stage = Stage()
    stage.next_round()
    stage.propose(1, stage.b)
    stage.propose(1, stage.b, valid_round=0)
    (one,) = evidence(stage)
    assert (one.step, one.validator) == (Step.PROPOSE, stage.address(1))


def test_a_forged_contradiction_is_no_evidence() -> None:
    stage = Stage()
    stage.prevote(0, stage.a, 1)
    forged = replace(stage.vote(PREVOTE, 0, stage.b.id, 1), signature=bytes(64))
    stage.give(inputs.VoteReceived(PEER, forged))
    assert evidence(stage) == []
    assert stage.faults() == [Fault.SIGNATURE]


def test_evidence_against_one_validator_is_bounded() -> None:
    stage = Stage()
    for round_ in range(2 * EVIDENCE_PER_VALIDATOR_MAX):
        for block_id in (stage.a.id, stage.b.id):
            stage.give(inputs.VoteReceived(PEER, stage.vote(PREVOTE, round_, block_id, 1)))
        stage.next_round()
    assert len(evidence(stage)) == EVIDENCE_PER_VALIDATOR_MAX


def test_who_speaks_with_our_key_elsewhere_is_reported() -> None:
    stage = Stage()
    stage.signs = False
    made = stage.propose(0, stage.a)
    (asked,) = only(effects.Sign, made)
    stage.prevote(0, stage.b, 3)
    stage.give(stage.signature(asked.statement))
    assert [one.validator for one in evidence(stage)] == [stage.address(3)]


def test_a_signature_by_another_key_is_not_let_out() -> None:
    stage = Stage()
    stage.signs = False
    (asked,) = only(effects.Sign, stage.propose(0, stage.a))
    message = asked.statement.message(CHAIN_ID)
    bad = inputs.Signed(asked.statement, signed(stage.address(0), message))
    made = stage.give(bad)
    assert only(effects.Broadcast, made) == []
    assert only(effects.Persist, made) == []
    assert stage.faults() == [Fault.SIGNATURE]


# ── Bounds ──


def test_a_flood_of_rounds_ahead_by_one_validator_moves_and_fills_nothing() -> None:
    stage = Stage()
    for round_ in (1, 2**31 - 1, 17, 10**6, 3):
        for step in (PREVOTE, PRECOMMIT):
            for block_id in (None, stage.a.id):
                stage.give(inputs.VoteReceived(PEER, stage.vote(step, round_, block_id, 1)))
    rules = stage.machine.rules
    assert stage.place == (0, Step.PROPOSE)
    assert rules.ahead.reached_by(1) == 2**31 - 1
    assert [(p, m.round) for p, m in rules.ahead.take(2**31)] == [(1, 2**31 - 1)] * 2
    assert [rules.votes.total(r, PREVOTE) for r in (1, 3, 17)] == [0, 0, 0]


def test_votes_of_rounds_long_past_are_dropped() -> None:
    stage = Stage()
    for _ in range(70):
        stage.next_round()
    stage.prevote(1, stage.a, 0, 1, 2)
    assert stage.machine.rules.votes.total(1, PREVOTE) == 0
    assert stage.findings() == []
    certificate = stage.certificate(1, stage.a.id)
    (commit,) = only(effects.Commit, stage.give(inputs.TallyReceived(PEER, certificate)))
    assert commit.certificate == certificate, "as a whole it counts for any round"
