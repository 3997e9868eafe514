"""A statement: one thing that a validator may sign once, at one position of height, round, step."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from chain.crypto import Domain, signed_bytes
from chain.votes import Proposal, Step, Vote, proposal_payload, vote_payload

_DOMAIN_OF: Final = (Domain.PROPOSAL, Domain.PREVOTE, Domain.PRECOMMIT)


class Position(NamedTuple):
    """A place in the order of what one validator signs."""

    height: int
    round: int
    step: Step


@dataclass(frozen=True, slots=True)
class Statement:
    """A position and the payload to be signed there."""

    height: int
    round: int
    step: Step
    payload: bytes

    @property
    def position(self) -> Position:
        """Return the place of this statement in the order of signing."""
        return Position(self.height, self.round, self.step)

    def message(self, chain_id: bytes) -> bytes:
        """Return the bytes that the signature covers."""
        return signed_bytes(_DOMAIN_OF[self.step], chain_id, self.payload)


def statement_of(message: Proposal | Vote) -> Statement:
    """Return what a proposal or vote states, apart from who signed it."""
    if isinstance(message, Proposal):
        payload = proposal_payload(
            message.height, message.round, message.block_id, message.valid_round
        )
        return Statement(message.height, message.round, Step.PROPOSE, payload)
    payload = vote_payload(message.height, message.round, message.block_id)
    return Statement(message.height, message.round, message.step, payload)
