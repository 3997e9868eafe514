"""Evidence proves itself; everything else is no evidence."""

from dataclasses import replace

import pytest

from chain.consensus.evidence import (
    EVIDENCE_PER_VALIDATOR_MAX,
    EvidenceBook,
    InvalidEvidenceError,
    Offence,
    evidence_of,
    verify_evidence,
)
from chain.crypto import Domain, signed_bytes
from chain.votes import Evidence, Proposal, Step, Vote, proposal_payload, vote_payload
from contracts.kernel import codec, sha256
from tests.chain.consensus.stage import CHAIN_ID, HEIGHT, Stage, signed, verified

STAGE = Stage()
ACCUSED = STAGE.address(0)
KEY = STAGE.validators.members[0].public_key
X, Y = STAGE.a.id, STAGE.b.id


def votes(step: Step = Step.PREVOTE) -> tuple[Vote, Vote]:
    return STAGE.vote(step, 2, X, 0), STAGE.vote(step, 2, Y, 0)


def proposals() -> tuple[Proposal, Proposal]:
    one = STAGE.proposal(4, STAGE.a)
    return one, STAGE.sign(replace(one, block_id=Y))


def made(first: bytes, second: bytes, step: Step = Step.PREVOTE) -> Evidence:
    """Make evidence of two payloads, whatever they are, in order and rightly signed."""
    first, second = sorted((first, second))
    domain = (Domain.PROPOSAL, Domain.PREVOTE, Domain.PRECOMMIT)[step]
    signatures = [signed(ACCUSED, signed_bytes(domain, CHAIN_ID, p)) for p in (first, second)]
    return Evidence(step, ACCUSED, first, signatures[0], second, signatures[1])


@pytest.mark.parametrize("step", [Step.PREVOTE, Step.PRECOMMIT])
def test_two_votes_prove_an_offence(step: Step) -> None:
    first, second = votes(step)
    evidence = evidence_of(first, second)
    assert evidence == evidence_of(second, first), "in whichever order they came"
    assert evidence.first_payload < evidence.second_payload
    offence = verify_evidence(evidence, CHAIN_ID, KEY, verified)
    assert offence == Offence(ACCUSED, HEIGHT, 2, step)
    assert Evidence.decode(evidence.encode(), size_max=1_000) == evidence


def test_two_proposals_prove_an_offence() -> None:
    evidence = evidence_of(*proposals())
    offence = verify_evidence(evidence, CHAIN_ID, KEY, verified)
    assert offence == Offence(ACCUSED, HEIGHT, 4, Step.PROPOSE)


def test_a_vote_for_nil_contradicts_a_vote_for_a_block() -> None:
    evidence = evidence_of(votes()[0], STAGE.vote(Step.PREVOTE, 2, None, 0))
    assert verify_evidence(evidence, CHAIN_ID, KEY, verified).round == 2


def test_what_says_the_same_is_no_evidence() -> None:
    with pytest.raises(AssertionError, match="the statements are the same"):
        evidence_of(votes()[0], votes()[0])
    with pytest.raises(AssertionError, match="evidence is about one position"):
        evidence_of(votes()[0], STAGE.vote(Step.PREVOTE, 3, Y, 0))


GOOD = evidence_of(*votes())
LOW, HIGH = vote_payload(HEIGHT, 2, None), vote_payload(HEIGHT, 2, X)
NO_VOTE = "not that of a prevote"

BAD: dict[str, tuple[Evidence, str]] = {
    "the same payload twice": (
        replace(GOOD, second_payload=GOOD.first_payload, second_signature=GOOD.first_signature),
        "not two different ones",
    ),
    "descending": (
        Evidence(
            GOOD.step, ACCUSED, GOOD.second_payload, GOOD.second_signature,
            GOOD.first_payload, GOOD.first_signature,
        ),
        "not two different ones",
    ),
    "another's signature": (replace(GOOD, first_signature=bytes(64)), "does not verify"),
    "signatures exchanged": (
        replace(
            GOOD, first_signature=GOOD.second_signature, second_signature=GOOD.first_signature
        ),
        "does not verify",
    ),
    "prevotes shown as precommits": (replace(GOOD, step=Step.PRECOMMIT), "does not verify"),
    "votes shown as proposals": (replace(GOOD, step=Step.PROPOSE), "not that of a propose"),
    "two rounds": (made(LOW, vote_payload(HEIGHT, 3, X)), "are about"),
    "two heights": (made(LOW, vote_payload(HEIGHT + 1, 2, X)), "are about"),
    "no encoding": (made(LOW, b"\xff"), "no encoding"),
    "two encodings in a row": (made(LOW, HIGH + b"\0"), "no encoding"),
    "a proposal among votes": (made(LOW, proposal_payload(HEIGHT, 2, X, -1)), NO_VOTE),
    "another version": (made(LOW, codec.encode([2, HEIGHT, 2, X])), NO_VOTE),
    "a negative height": (made(codec.encode([1, -1, 2, X]), HIGH), NO_VOTE),
    "a height beyond all": (made(LOW, codec.encode([1, HEIGHT, 2**31, X])), NO_VOTE),
    "a truth for a number": (made(LOW, codec.encode([True, HEIGHT, 2, X])), NO_VOTE),
    "a short block id": (made(LOW, codec.encode([1, HEIGHT, 2, X[:31]])), NO_VOTE),
    "a field too many": (made(LOW, codec.encode([1, HEIGHT, 2, X, None])), NO_VOTE),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_proves_nothing_is_refused(name: str) -> None:
    evidence, reason = BAD[name]
    with pytest.raises(InvalidEvidenceError, match=reason):
        verify_evidence(evidence, CHAIN_ID, KEY, verified)


def test_the_key_is_the_one_of_the_accused() -> None:
    other = STAGE.validators.members[1].public_key
    with pytest.raises(InvalidEvidenceError, match="does not verify"):
        verify_evidence(GOOD, CHAIN_ID, other, verified)
    with pytest.raises(InvalidEvidenceError, match="does not verify"):
        verify_evidence(GOOD, sha256(b"another chain"), KEY, verified)


def test_a_proposal_payload_has_a_valid_round() -> None:
    for valid_round in (-2, 2**31, True):
        bad = codec.encode([1, HEIGHT, 4, Y, valid_round])
        evidence = made(proposal_payload(HEIGHT, 4, X, -1), bad, Step.PROPOSE)
        with pytest.raises(InvalidEvidenceError, match="not that of a propose"):
            verify_evidence(evidence, CHAIN_ID, KEY, verified)


def test_the_book_takes_each_offence_once_and_a_few_of_each_validator() -> None:
    book = EvidenceBook()
    offences = [
        Offence(ACCUSED, HEIGHT, r, Step.PREVOTE) for r in range(EVIDENCE_PER_VALIDATOR_MAX + 1)
    ]
    for offence in offences[:-1]:
        assert book.is_open(offence)
        book.close(offence)
        assert not book.is_open(offence)
    assert not book.is_open(offences[-1])
    assert book.is_open(Offence(STAGE.address(1), HEIGHT, 0, Step.PREVOTE))
