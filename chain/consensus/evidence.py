"""Evidence: two contradicting statements of one validator for one height, round and step.

Votes contradict each other if they differ in what they vote for, proposals if they differ in block
or valid round; a polka that travels with a proposal is not part of the statement. Evidence proves
itself: two payloads, two signatures by one key. Whether the height is still punishable, and who had
the key then, is for execution to say. (PROTOCOL §5.)
"""

from typing import Final, NamedTuple

from chain.consensus.statement import Statement, statement_of
from chain.crypto import verify
from chain.votes import NO_ROUND, ROUND_MAX, Evidence, Proposal, Step, Verifier, Vote
from contracts.kernel import codec
from contracts.kernel.codec import INT_MAX, MalformedError, Value

PAYLOAD_BYTES_MAX: Final = 128
# Enough to punish; a validator that contradicts itself all day is not worth more room.
EVIDENCE_PER_VALIDATOR_MAX: Final = 8

_BLOCK_ID_BYTES: Final = 32


class InvalidEvidenceError(ValueError):
    """The evidence does not prove a contradiction; says why."""


class Offence(NamedTuple):
    """What evidence proves; recorded once."""

    validator: bytes
    height: int
    round: int
    step: Step


def evidence_of(first: Proposal | Vote, second: Proposal | Vote) -> Evidence:
    """Make evidence of two verified messages of one validator for one position."""
    one, other = statement_of(first), statement_of(second)
    assert one.position == other.position, "evidence is about one position"
    assert one.payload != other.payload, "the statements are the same"
    low, high = sorted(((one.payload, first.signature), (other.payload, second.signature)))
    return Evidence(one.step, speaker(first), low[0], low[1], high[0], high[1])


def speaker(message: Proposal | Vote) -> bytes:
    """Return the address of the validator that signed this."""
    return message.proposer if isinstance(message, Proposal) else message.validator


def verify_evidence(
    evidence: Evidence, chain_id: bytes, public_key: bytes, verifier: Verifier = verify
) -> Offence:
    """Check evidence against the key that its validator had at that height.

    Raises `InvalidEvidenceError` unless the payloads are well-formed, ascending, differ, are about
    one position, and are both signed by the key.
    """
    if evidence.first_payload >= evidence.second_payload:
        msg = "the payloads are not two different ones in ascending order"
        raise InvalidEvidenceError(msg)
    places = []
    for payload, signature in (
        (evidence.first_payload, evidence.first_signature),
        (evidence.second_payload, evidence.second_signature),
    ):
        height, round_ = _place(evidence.step, payload)
        statement = Statement(height, round_, evidence.step, payload)
        if not verifier(public_key, statement.message(chain_id), signature):
            msg = f"a signature at height {height}, round {round_} does not verify"
            raise InvalidEvidenceError(msg)
        places.append((height, round_))
    if places[0] != places[1]:
        msg = f"the statements are about {places[0]} and {places[1]}"
        raise InvalidEvidenceError(msg)
    height, round_ = places[0]
    return Offence(evidence.validator, height, round_, evidence.step)


class EvidenceBook:
    """The offences of one height that have been reported; each once, a few a validator."""

    def __init__(self) -> None:
        """Begin empty."""
        self._of: dict[bytes, dict[Offence, None]] = {}

    def is_open(self, offence: Offence) -> bool:
        """Say whether evidence of this offence is still wanted."""
        known = self._of.get(offence.validator)
        return known is None or (len(known) < EVIDENCE_PER_VALIDATOR_MAX and offence not in known)

    def close(self, offence: Offence) -> None:
        """Note that this offence is reported."""
        self._of.setdefault(offence.validator, {})[offence] = None


def _place(step: Step, payload: bytes) -> tuple[int, int]:
    """Decode a signed payload and return its height and round."""
    try:
        value = codec.decode(payload, size_max=PAYLOAD_BYTES_MAX)
    except MalformedError as error:
        msg = f"a payload is no encoding: {error}"
        raise InvalidEvidenceError(msg) from error
    match value:
        case [1, int(height), int(round_), *rest] if (
            type(value[0]) is int
            and type(height) is int
            and type(round_) is int
            and 0 <= height <= INT_MAX
            and 0 <= round_ <= ROUND_MAX
            and _fits(step, rest)
        ):
            return height, round_
    msg = f"a payload is not that of a {step.name.lower()}"
    raise InvalidEvidenceError(msg)


def _fits(step: Step, rest: list[Value]) -> bool:
    match rest:
        case [bytes(block_id), int(valid_round)] if step is Step.PROPOSE:
            is_round = type(valid_round) is int and NO_ROUND <= valid_round <= ROUND_MAX
            return is_round and len(block_id) == _BLOCK_ID_BYTES
        case [None] if step is not Step.PROPOSE:
            return True
        case [bytes(block_id)] if step is not Step.PROPOSE:
            return len(block_id) == _BLOCK_ID_BYTES
        case _:
            return False
