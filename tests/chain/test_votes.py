"""Votes, certificates and polkas: what is signed, and every way in which a tally can lie."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.crypto import public_key_of, sign, verify
from chain.validators import Validator, ValidatorSet
from chain.votes import (
    NO_ROUND,
    ROUND_MAX,
    Certificate,
    Evidence,
    InvalidTallyError,
    Polka,
    Proposal,
    Step,
    Vote,
    bitmap_of,
    bitmap_positions,
    codec_hash,
    proposal_message,
    proposal_payload,
    vote_message,
    vote_payload,
)
from contracts.kernel import BadValueError, Record, Value, address_of, sha256

VECTORS = Path(__file__).parents[2] / "vectors" / "messages"
GOLDEN = json.loads((VECTORS / "consensus.json").read_text(encoding="utf-8"))
CHAIN_ID = sha256(b"chain of the tests")
BLOCK_ID = sha256(b"a block")
HEIGHT, ROUND = 7, 2


def seed(number: int) -> bytes:
    return sha256(b"validator of the tests %d" % number)


def validator(number: int) -> Validator:
    key = public_key_of(seed(number))
    return Validator(address_of(key), key)


SEED_OF = {validator(number).address: seed(number) for number in range(70)}


def validator_set(size: int, first: int = 0) -> ValidatorSet:
    return ValidatorSet.of(validator(number) for number in range(first, first + size))


FOUR = validator_set(4)


def vote(
    address: bytes,
    step: Step = Step.PRECOMMIT,
    round_: int = ROUND,
    block_id: bytes | None = BLOCK_ID,
    chain_id: bytes = CHAIN_ID,
) -> Vote:
    message = vote_message(chain_id, step, HEIGHT, round_, block_id)
    return Vote(step, HEIGHT, round_, block_id, address, sign(SEED_OF[address], message))


def certificate(
    validators: ValidatorSet, positions: Iterable[int], step: Step = Step.PRECOMMIT
) -> Certificate:
    members = [validators.members[i] for i in positions]
    votes = {m.address: vote(m.address, step) for m in members}
    return Certificate.of(CHAIN_ID, validators, votes)


GOOD = certificate(FOUR, [0, 1, 3])


def refusal(tally: Certificate, validators: ValidatorSet = FOUR, chain_id: bytes = CHAIN_ID) -> str:
    with pytest.raises(InvalidTallyError) as refused:
        tally.verify(Step.PRECOMMIT, chain_id, validators)
    return str(refused.value)


# ── What is signed ──


@pytest.mark.parametrize("row", GOLDEN["votes"], ids=range(5))
def test_known_votes(row: dict[str, Any]) -> None:
    block_id = None if row["block_id"] is None else bytes.fromhex(row["block_id"])
    chain_id, step = bytes.fromhex(GOLDEN["chain_id"]), Step(row["step"])
    assert vote_payload(row["height"], row["round"], block_id).hex() == row["payload"]
    one = Vote.decode(bytes.fromhex(row["encoded"]), size_max=200)
    signature, address = bytes.fromhex(row["signature"]), bytes.fromhex(row["validator"])
    assert one == Vote(step, row["height"], row["round"], block_id, address, signature)
    assert one.encode().hex() == row["encoded"]
    assert one.message(chain_id).hex() == row["message"]
    (own,) = [v for v in GOLDEN["validators"] if v["address"] == row["validator"]]
    assert sign(bytes.fromhex(own["seed"]), one.message(chain_id)) == signature
    assert verify(bytes.fromhex(own["public_key"]), one.message(chain_id), signature)


@pytest.mark.parametrize("row", GOLDEN["proposals"], ids=lambda row: str(row["valid_round"]))
def test_known_proposals(row: dict[str, Any]) -> None:
    chain_id, block_id = bytes.fromhex(GOLDEN["chain_id"]), bytes.fromhex(row["block_id"])
    subject = (row["height"], row["round"], block_id, row["valid_round"])
    assert proposal_payload(*subject).hex() == row["payload"]
    one = Proposal.decode(bytes.fromhex(row["encoded"]), size_max=2_000)
    assert (one.height, one.round, one.block_id, one.valid_round) == subject
    assert (None if one.polka is None else one.polka.encode().hex()) == row["polka"]
    assert one.proposer.hex() == row["proposer"]
    assert one.encode().hex() == row["encoded"]
    assert one.message(chain_id).hex() == row["message"]
    (own,) = [v for v in GOLDEN["validators"] if v["address"] == row["proposer"]]
    assert verify(bytes.fromhex(own["public_key"]), one.message(chain_id), one.signature)


def test_no_two_statements_share_their_bytes() -> None:
    messages = [
        vote_message(chain_id, step, height, round_, block_id)
        for chain_id in (CHAIN_ID, sha256(b"other"))
        for step in (Step.PREVOTE, Step.PRECOMMIT)
        for height in (0, 1, 24)
        for round_ in (0, 1, 24)
        for block_id in (None, BLOCK_ID, sha256(b"other"))
    ]
    messages += [
        proposal_message(CHAIN_ID, height, round_, BLOCK_ID, valid_round)
        for height in (0, 1, 24)
        for round_ in (0, 1, 24)
        for valid_round in (NO_ROUND, 0, 1)
    ]
    assert len({*messages}) == len(messages)


def test_a_polka_is_not_signed_by_the_one_who_proposes_with_it() -> None:
    polka = Polka(CHAIN_ID, HEIGHT, 1, BLOCK_ID, b"\xe0", (bytes(64),) * 3)
    bare = Proposal(HEIGHT, ROUND, BLOCK_ID, 1, None, bytes(20), bytes(64))
    assert replace(bare, polka=polka).message(CHAIN_ID) == bare.message(CHAIN_ID)


def test_a_proposal_is_not_a_vote() -> None:
    with pytest.raises(AssertionError, match="a proposal is not a vote"):
        vote_message(CHAIN_ID, Step.PROPOSE, HEIGHT, ROUND, BLOCK_ID)


# ── Records from outside ──

VOTE: list[Any] = [1, 2, HEIGHT, ROUND, BLOCK_ID, bytes(20), bytes(64)]
TALLY: list[Any] = [1, CHAIN_ID, HEIGHT, ROUND, BLOCK_ID, b"\xe0", [bytes(64)] * 3]
PROPOSAL: list[Any] = [1, HEIGHT, ROUND, BLOCK_ID, -1, None, bytes(20), bytes(64)]
EVIDENCE: list[Any] = [1, 0, bytes(20), b"a", bytes(64), b"b", bytes(64)]


@pytest.mark.parametrize(
    ("kind", "wire"),
    [
        (Vote, VOTE),
        (Certificate, TALLY),
        (Polka, TALLY),
        (Proposal, PROPOSAL),
        (Evidence, EVIDENCE),
    ],
)
def test_each_message_reads_back(kind: type[Record], wire: list[Any]) -> None:
    one = kind.from_wire(wire)
    assert type(one) is kind
    assert one.to_wire() == wire
    assert kind.decode(one.encode(), size_max=1_000) == one


@pytest.mark.parametrize(
    ("kind", "wire", "position", "value", "reason"),
    [
        (Vote, VOTE, 1, 0, "step: 0 is none of 1 PREVOTE, 2 PRECOMMIT"),
        (Vote, VOTE, 1, 3, "step: 3 is none of 1 PREVOTE, 2 PRECOMMIT"),
        (Vote, VOTE, 2, -1, "height: -1 is outside 0"),
        (Vote, VOTE, 3, -1, "round: -1 is outside 0"),
        (Vote, VOTE, 3, ROUND_MAX + 1, "round: 2147483648 is outside 0"),
        (Vote, VOTE, 4, b"", "block_id: 0 bytes are outside 32"),
        (Vote, VOTE, 5, bytes(32), "validator: 32 bytes are outside 20"),
        (Vote, VOTE, 6, bytes(63), "signature: 63 bytes are outside 64"),
        (Certificate, TALLY, 4, None, "block_id: None is not a byte string"),
        (Certificate, TALLY, 5, b"", "signer_bitmap: 0 bytes are outside 1 … 8"),
        (Certificate, TALLY, 5, bytes(9), "signer_bitmap: 9 bytes are outside 1 … 8"),
        (Certificate, TALLY, 6, [bytes(64)] * 65, "signatures: 65 items are outside 0 … 64"),
        (Certificate, TALLY, 6, [bytes(65)], "signatures[0]: 65 bytes are outside 64"),
        (Proposal, PROPOSAL, 3, None, "block_id: None is not a byte string"),
        (Proposal, PROPOSAL, 4, -2, "valid_round: -2 is outside -1"),
        (Proposal, PROPOSAL, 5, VOTE, "polka.chain_id: 2 is not a byte string"),
        (Evidence, EVIDENCE, 1, 3, "step: 3 is none of 0 PROPOSE, 1 PREVOTE, 2 PRECOMMIT"),
        (Evidence, EVIDENCE, 3, bytes(129), "first_payload: 129 bytes are outside 1 … 128"),
    ],
)
def test_a_field_out_of_range_is_refused(
    kind: type[Record], wire: list[Any], position: int, value: Value, reason: str
) -> None:
    with pytest.raises(BadValueError) as fault:
        kind.from_wire([*wire[:position], value, *wire[position + 1 :]])
    assert str(fault.value).startswith(reason)


# ── Tallies that prove what they say ──


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8, 9, 16, 17, 63, 64])
def test_a_quorum_or_more_is_a_certificate(size: int) -> None:
    validators = validator_set(size)
    for signers in (range(validators.quorum), range(size - validators.quorum, size), range(size)):
        one = certificate(validators, signers)
        assert one.verify(Step.PRECOMMIT, CHAIN_ID, validators) == tuple(signers)
        assert one.signers(validators) == tuple(signers)
        assert len(one.signer_bitmap) == (size + 7) >> 3
        assert Certificate.decode(one.encode(), size_max=10_000) == one


@pytest.mark.parametrize("row", GOLDEN["certificates"], ids=lambda row: str(row["round"]))
def test_known_certificates(row: dict[str, Any]) -> None:
    chain_id = bytes.fromhex(GOLDEN["chain_id"])
    validators = ValidatorSet(
        tuple(
            Validator(bytes.fromhex(v["address"]), bytes.fromhex(v["public_key"]))
            for v in GOLDEN["validators"]
        )
    )
    one = Certificate.decode(bytes.fromhex(row["encoded"]), size_max=1_000)
    assert one.verify(Step.PRECOMMIT, chain_id, validators) == tuple(row["signers"])
    assert (one.round, one.block_id.hex()) == (row["round"], GOLDEN["headers"][1]["id"])
    assert one.hash.hex() == row["hash"]
    assert codec_hash(one) == one.hash == sha256(one.encode())


def test_a_polka_is_the_same_of_prevotes() -> None:
    votes = {m.address: vote(m.address, Step.PREVOTE) for m in FOUR.members[1:]}
    polka = Polka.of(CHAIN_ID, FOUR, votes)
    assert type(polka) is Polka
    assert polka.verify(Step.PREVOTE, CHAIN_ID, FOUR) == (1, 2, 3)
    with pytest.raises(InvalidTallyError, match="does not verify"):
        polka.verify(Step.PRECOMMIT, CHAIN_ID, FOUR)


def test_a_tally_comes_apart_into_its_votes() -> None:
    votes = GOOD.votes(Step.PRECOMMIT, FOUR)
    assert [v.validator for v in votes] == [FOUR.members[i].address for i in (0, 1, 3)]
    for one in votes:
        key = FOUR.members[FOUR.index_of[one.validator]].public_key
        assert verify(key, one.message(CHAIN_ID), one.signature)
    assert Certificate.of(CHAIN_ID, FOUR, {v.validator: v for v in reversed(votes)}) == GOOD


def test_verdicts_may_come_from_a_cache() -> None:
    asked: list[tuple[bytes, bytes, bytes]] = []

    def remember(key: bytes, message: bytes, signature: bytes) -> bool:
        asked.append((key, message, signature))
        return True

    forged = replace(GOOD, signatures=(bytes(64),) * 3)
    assert forged.verify(Step.PRECOMMIT, CHAIN_ID, FOUR, remember) == (0, 1, 3)
    message = vote_message(CHAIN_ID, Step.PRECOMMIT, HEIGHT, ROUND, BLOCK_ID)
    assert asked == [(FOUR.members[i].public_key, message, bytes(64)) for i in (0, 1, 3)]


# ── Tallies that do not ──


def test_a_bitmap_has_exactly_the_bytes_of_the_set() -> None:
    longer = replace(GOOD, signer_bitmap=GOOD.signer_bitmap + b"\x00")
    assert refusal(longer) == "bitmap of 2 bytes, 1 expected"
    nine = validator_set(9)
    good = certificate(nine, range(7))
    good.verify(Step.PRECOMMIT, CHAIN_ID, nine)
    shorter = replace(good, signer_bitmap=good.signer_bitmap[:1])
    assert refusal(shorter, nine) == "bitmap of 1 bytes, 2 expected"


@pytest.mark.parametrize("position", [4, 5, 6, 7])
def test_a_spare_bit_is_refused(position: int) -> None:
    spare = bytes((GOOD.signer_bitmap[0] | 0x80 >> position,))
    reason = f"bit {position} is set, there are 4 validators"
    assert refusal(replace(GOOD, signer_bitmap=spare)) == reason
    with_signature = replace(GOOD, signer_bitmap=spare, signatures=(*GOOD.signatures, bytes(64)))
    assert refusal(with_signature) == reason


def test_signers_and_signatures_are_as_many() -> None:
    assert refusal(replace(GOOD, signatures=GOOD.signatures[:-1])) == "3 signers but 2 signatures"
    more = (*GOOD.signatures, GOOD.signatures[-1])
    assert refusal(replace(GOOD, signatures=more)) == "3 signers but 4 signatures"
    assert refusal(replace(GOOD, signer_bitmap=b"\xc0")) == "2 signers but 3 signatures"
    assert refusal(replace(GOOD, signer_bitmap=b"\xf0")) == "4 signers but 3 signatures"


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 9])
def test_one_signer_less_than_a_quorum_is_too_few(size: int) -> None:
    validators = validator_set(size)
    few = validators.quorum - 1
    one = Certificate(CHAIN_ID, HEIGHT, ROUND, BLOCK_ID, bytes((size + 7) >> 3), ())
    if few:
        one = certificate(validators, range(few))
    assert refusal(one, validators) == f"{few} signers, the quorum is {validators.quorum}"


def unverified(position: int, validators: ValidatorSet = FOUR) -> str:
    return f"signature of validator {validators.members[position].address.hex()} does not verify"


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_signature_of_a_stranger_is_refused(place: int) -> None:
    foreign = vote(validator(9).address).signature
    signatures = (*GOOD.signatures[:place], foreign, *GOOD.signatures[place + 1 :])
    assert refusal(replace(GOOD, signatures=signatures)) == unverified((0, 1, 3)[place])


@pytest.mark.parametrize("place", [1, 2])
def test_a_signature_counts_once(place: int) -> None:
    signatures = (*GOOD.signatures[:place], GOOD.signatures[0], *GOOD.signatures[place + 1 :])
    assert refusal(replace(GOOD, signatures=signatures)) == unverified((0, 1, 3)[place])


def test_signatures_stand_in_the_order_of_the_set() -> None:
    first, second, third = GOOD.signatures
    assert refusal(replace(GOOD, signatures=(second, first, third))) == unverified(0)
    assert refusal(replace(GOOD, signatures=(first, third, second))) == unverified(1)


def test_a_signature_belongs_to_its_bit() -> None:
    assert refusal(replace(GOOD, signer_bitmap=b"\xe0")) == unverified(2)


def test_prevotes_are_no_certificate() -> None:
    assert refusal(certificate(FOUR, [0, 1, 3], Step.PREVOTE)) == unverified(0)


def test_a_certificate_of_another_chain_is_refused() -> None:
    other = sha256(b"another chain")
    expected = f"chain id {CHAIN_ID.hex()} instead of {other.hex()}"
    assert refusal(GOOD, chain_id=other) == expected
    assert refusal(replace(GOOD, chain_id=other), chain_id=other) == unverified(0)


@pytest.mark.parametrize(
    "changed",
    [
        replace(GOOD, height=HEIGHT + 1),
        replace(GOOD, round=ROUND + 1),
        replace(GOOD, block_id=sha256(b"another block")),
    ],
    ids=["height", "round", "block"],
)
def test_a_certificate_says_one_thing(changed: Certificate) -> None:
    assert refusal(changed) == unverified(0)


def test_a_certificate_belongs_to_one_set() -> None:
    others = validator_set(4, first=10)
    assert refusal(GOOD, others) == unverified(0, others)
    pairs = zip(FOUR.members, others.members, strict=True)
    rotated = ValidatorSet(tuple(Validator(a.address, b.public_key) for a, b in pairs))
    assert refusal(GOOD, rotated) == unverified(0, rotated)


@given(st.integers(0, 2), st.integers(0, 511))
def test_one_wrong_bit_in_a_signature_is_enough(place: int, bit: int) -> None:
    old = int.from_bytes(GOOD.signatures[place], "big")
    bad = (old ^ 1 << bit).to_bytes(64, "big")
    signatures = (*GOOD.signatures[:place], bad, *GOOD.signatures[place + 1 :])
    assert refusal(replace(GOOD, signatures=signatures)) == unverified((0, 1, 3)[place])


def test_tallies_of_ours_have_one_subject_and_never_nil() -> None:
    a, b = (m.address for m in FOUR.members[:2])
    with pytest.raises(AssertionError, match="nil votes decide nothing"):
        Certificate.of(CHAIN_ID, FOUR, {a: vote(a, block_id=None)})
    for other in (vote(b, round_=ROUND + 1), vote(b, block_id=sha256(b"other"))):
        with pytest.raises(AssertionError, match="a tally has one subject"):
            Certificate.of(CHAIN_ID, FOUR, {a: vote(a), b: other})


# ── Bitmaps ──


@given(st.integers(1, 64), st.data())
def test_bitmaps_read_back(size: int, data: st.DataObject) -> None:
    positions = sorted(data.draw(st.sets(st.integers(0, size - 1))))
    bitmap = bitmap_of(positions, size)
    assert len(bitmap) == (size + 7) >> 3
    assert bitmap_positions(bitmap) == tuple(positions)
    assert sum(byte.bit_count() for byte in bitmap) == len(positions)


def test_bits_begin_with_the_most_significant() -> None:
    assert bitmap_of([0], 4) == b"\x80"
    assert bitmap_of([7], 8) == b"\x01"
    assert bitmap_of([8], 9) == b"\x00\x80"
    assert bitmap_of([0, 1, 3], 4) == b"\xd0"
