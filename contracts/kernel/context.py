"""Context: what a call may know about itself, its block and its time."""

from collections.abc import Callable
from dataclasses import dataclass

from contracts.kernel.crypto import sha256
from contracts.kernel.record import Claim


@dataclass(frozen=True, slots=True)
class Context:
    """The circumstances of one call or due unit.

    `signer` is the transaction's sender, `caller` the owner for whom the call acts: the sender
    itself, or one who gave the sender a mandate. Units have the zero address as both.
    """

    chain_id: bytes
    height: int
    time_ms: int
    market_time_s: int
    parent_hash: bytes
    signer: bytes
    caller: bytes
    nonce: int
    call_index: int
    verdict_of: Callable[[Claim], bool]

    def item_id(self, item_index: int = 0) -> bytes:
        """Return SHA-256(sender ‖ nonce ‖ call index ‖ item index), unique on this chain."""
        numbers = (self.nonce, self.call_index, item_index)
        return sha256(self.signer + b"".join(n.to_bytes(8, "big") for n in numbers))

    def verified(self, claim: Claim) -> bool:
        """Say whether the signature is the key's; whether the key counts is yours to check."""
        return self.verdict_of(claim)
