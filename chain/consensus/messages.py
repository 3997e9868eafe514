"""What consensus sends beside votes, proposals and tallies: where a node stands.

`Status` says what its sender holds, so that a peer can send what is missing; it is unsigned, a hint
and never a proof. `StatusClaim` is the signed answer to a validator that lost its log and asks, by
a nonce of its own, how far the others are. (PROTOCOL §5.)
"""

from typing import Annotated

from chain.crypto import Domain, signed_bytes
from chain.votes import NO_ROUND, ROUND_MAX, Round, Step
from contracts.kernel import Range, Record, Size, codec, record
from contracts.kernel.types import Address, Hash32, Height, Signature

Bitmap = Annotated[bytes, Size(1, 8)]


@record(version=1)
class Status(Record):
    """Where a node stands: its undecided height, round, step, and what it holds of that round.

    `polka_round` is the latest round for which it holds a polka. Bitmaps are in validator order.
    """

    height: Height
    round: Round
    step: Step
    polka_round: Annotated[int, Range(NO_ROUND, ROUND_MAX)]
    has_proposal: bool
    prevotes: Bitmap
    precommits: Bitmap


@record(version=1)
class ClaimRequest(Record):
    """A validator that must not sign asks the others for their undecided heights."""

    nonce: Hash32


@record(version=1)
class StatusClaim(Record):
    """A validator's signed undecided height, in answer to a nonce."""

    height: Height
    nonce: Hash32
    validator: Address
    signature: Signature

    def message(self, chain_id: bytes) -> bytes:
        """Return the bytes that the signature covers."""
        return claim_message(chain_id, self.height, self.nonce)


def claim_message(chain_id: bytes, height: int, nonce: bytes) -> bytes:
    """Return the bytes that a status claim signs: `[1, height, nonce]` under its own domain."""
    return signed_bytes(Domain.STATUS, chain_id, codec.encode_trusted([1, height, nonce]))
