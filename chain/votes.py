"""What validators sign: proposals, prevotes, precommits; certificates and polkas made of them.

No timestamps in votes: signing again yields the same bytes. A certificate is a quorum of
precommits for one block in one round, a polka a quorum of prevotes; both name their signers in a
bitmap in validator order, bit i being `0x80 >> (i mod 8)` of byte `i // 8`. (PROTOCOL §2, §5.)
"""

import enum
from collections.abc import Callable, Mapping
from typing import Annotated, Final, Self

from chain.crypto import Domain, signed_bytes, verify
from chain.validators import VALIDATORS_MAX, ValidatorSet
from contracts.kernel import Items, Range, Record, Size, codec, record, sha256
from contracts.kernel.rounding import ceil_div, div_mod
from contracts.kernel.types import Address, Hash32, Height, Signature

ROUND_MAX: Final = 2**31 - 1
NO_ROUND: Final = -1

Round = Annotated[int, Range(0, ROUND_MAX)]
Verifier = Callable[[bytes, bytes, bytes], bool]


class Step(enum.IntEnum):
    """The three steps of a round, each with a signature of its own."""

    PROPOSE = 0
    PREVOTE = 1
    PRECOMMIT = 2


VoteStep = Annotated[Step, Range(Step.PREVOTE, Step.PRECOMMIT)]
_DOMAIN_OF: Final = (Domain.PROPOSAL, Domain.PREVOTE, Domain.PRECOMMIT)
# The set bits of each byte, most significant first.
_BITS_OF: Final = tuple(tuple(bit for bit in range(8) if byte & 0x80 >> bit) for byte in range(256))


class InvalidTallyError(ValueError):
    """A certificate or polka does not prove what it says; names the reason and the values."""


@record(version=1)
class Vote(Record):
    """A prevote or precommit for a block, or for nil (`block_id` None)."""

    step: VoteStep
    height: Height
    round: Round
    block_id: Hash32 | None
    validator: Address
    signature: Signature

    def message(self, chain_id: bytes) -> bytes:
        """Return the bytes that the signature covers."""
        return vote_message(chain_id, self.step, self.height, self.round, self.block_id)


@record(version=1)
class Tally(Record):
    """Votes of a quorum for one block in one round; `Certificate` or `Polka`."""

    chain_id: Hash32
    height: Height
    round: Round
    block_id: Hash32
    signer_bitmap: Annotated[bytes, Size(1, 8)]
    signatures: Annotated[tuple[Signature, ...], Items(VALIDATORS_MAX)]

    def signers(self, validators: ValidatorSet) -> tuple[int, ...]:
        """Return the positions of the signers in the set.

        Raises `InvalidTallyError` unless the bitmap has exactly ⌈n/8⌉ bytes, zero spare bits, one
        signature a set bit, and at least a quorum of them. Checks no signature.
        """
        size = ceil_div(validators.size, 8)
        if len(self.signer_bitmap) != size:
            msg = f"bitmap of {len(self.signer_bitmap)} bytes, {size} expected"
            raise InvalidTallyError(msg)
        positions = bitmap_positions(self.signer_bitmap)
        if positions and positions[-1] >= validators.size:
            msg = f"bit {positions[-1]} is set, there are {validators.size} validators"
            raise InvalidTallyError(msg)
        if len(positions) != len(self.signatures):
            msg = f"{len(positions)} signers but {len(self.signatures)} signatures"
            raise InvalidTallyError(msg)
        if len(positions) < validators.quorum:
            msg = f"{len(positions)} signers, the quorum is {validators.quorum}"
            raise InvalidTallyError(msg)
        return positions

    def verify(
        self, step: Step, chain_id: bytes, validators: ValidatorSet, verifier: Verifier = verify
    ) -> tuple[int, ...]:
        """Check form and every signature; returns the signers, raises `InvalidTallyError`."""
        if self.chain_id != chain_id:
            msg = f"chain id {self.chain_id.hex()} instead of {chain_id.hex()}"
            raise InvalidTallyError(msg)
        positions = self.signers(validators)
        message = vote_message(chain_id, step, self.height, self.round, self.block_id)
        for position, signature in zip(positions, self.signatures, strict=True):
            member = validators.members[position]
            if not verifier(member.public_key, message, signature):
                msg = f"signature of validator {member.address.hex()} does not verify"
                raise InvalidTallyError(msg)
        return positions

    def votes(self, step: Step, validators: ValidatorSet) -> tuple[Vote, ...]:
        """Return the single votes that this tally is made of."""
        return tuple(
            Vote(step, self.height, self.round, self.block_id, validators.members[i].address, s)
            for i, s in zip(self.signers(validators), self.signatures, strict=True)
        )

    @classmethod
    def of(cls, chain_id: bytes, validators: ValidatorSet, votes: Mapping[bytes, Vote]) -> Self:
        """Assemble the votes of `votes` (validator address → vote), all for one block and round."""
        some = next(iter(votes.values()))
        assert some.block_id is not None, "nil votes decide nothing"
        assert all(
            (v.height, v.round, v.block_id) == (some.height, some.round, some.block_id)
            for v in votes.values()
        ), "a tally has one subject"
        positions = [i for i, m in enumerate(validators.members) if m.address in votes]
        bitmap = bitmap_of(positions, validators.size)
        signatures = tuple(votes[validators.members[i].address].signature for i in positions)
        return cls(chain_id, some.height, some.round, some.block_id, bitmap, signatures)


@record(version=1)
class Certificate(Tally):
    """A quorum of precommits: the block is final."""

    @property
    def hash(self) -> bytes:
        """Return the SHA-256 of the encoded certificate, as the next header names it."""
        return codec_hash(self)


@record(version=1)
class Polka(Tally):
    """A quorum of prevotes: the block may be locked, and proposed again."""


@record(version=1)
class Proposal(Record):
    """A proposer's block for a round; `valid_round` ≥ 0 re-proposes one that had a polka there."""

    height: Height
    round: Round
    block_id: Hash32
    valid_round: Annotated[int, Range(NO_ROUND, ROUND_MAX)]
    polka: Polka | None
    proposer: Address
    signature: Signature

    def message(self, chain_id: bytes) -> bytes:
        """Return the bytes that the signature covers; the polka proves itself."""
        return proposal_message(chain_id, self.height, self.round, self.block_id, self.valid_round)


@record(version=1)
class Evidence(Record):
    """Two contradicting statements of one validator for one height, round and step.

    The payloads are the signed ones, ascending; they differ and each verifies by itself.
    """

    step: Step
    validator: Address
    first_payload: Annotated[bytes, Size(1, 128)]
    first_signature: Signature
    second_payload: Annotated[bytes, Size(1, 128)]
    second_signature: Signature


def vote_payload(height: int, round_: int, block_id: bytes | None) -> bytes:
    """Return `[1, height, round, block_id or null]`, encoded."""
    return codec.encode_trusted([1, height, round_, block_id])


def proposal_payload(height: int, round_: int, block_id: bytes, valid_round: int) -> bytes:
    """Return `[1, height, round, block_id, valid_round]`, encoded."""
    return codec.encode_trusted([1, height, round_, block_id, valid_round])


def vote_message(
    chain_id: bytes, step: Step, height: int, round_: int, block_id: bytes | None
) -> bytes:
    """Return the bytes that a prevote or precommit signs."""
    assert step is not Step.PROPOSE, "a proposal is not a vote"
    return signed_bytes(_DOMAIN_OF[step], chain_id, vote_payload(height, round_, block_id))


def proposal_message(
    chain_id: bytes, height: int, round_: int, block_id: bytes, valid_round: int
) -> bytes:
    """Return the bytes that a proposal signs."""
    payload = proposal_payload(height, round_, block_id, valid_round)
    return signed_bytes(Domain.PROPOSAL, chain_id, payload)


def bitmap_of(positions: list[int], size: int) -> bytes:
    """Set bit i for each position, most significant first."""
    bitmap = bytearray(ceil_div(size, 8))
    for position in positions:
        byte, bit = div_mod(position, 8)
        bitmap[byte] |= 0x80 >> bit
    return bytes(bitmap)


def bitmap_positions(bitmap: bytes) -> tuple[int, ...]:
    """Return the positions of the set bits, ascending."""
    return tuple(8 * i + bit for i, byte in enumerate(bitmap) for bit in _BITS_OF[byte])


def codec_hash(value: Record) -> bytes:
    """Return the SHA-256 of a record's deterministic bytes."""
    return sha256(value.encode())
