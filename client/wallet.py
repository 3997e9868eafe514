"""A wallet: the keys of one account on one chain, and what they sign."""

from dataclasses import dataclass, field
from typing import Any, Final

from chain.crypto import public_key_of, sign
from chain.transaction import (
    Call,
    Mode,
    SignedTransaction,
    Transaction,
    claim_message,
    sign_transaction,
)
from contracts.kernel import Claim, address_of
from contracts.registry import CATALOGUE

# A transaction that is not in a block by then never will be.
VALID_BLOCKS: Final = 1_000
FEE_MAX_UTHB: Final = 1_000_000


@dataclass(frozen=True)
class Wallet:
    """One account of a chain with the seeds of keys that answer for it."""

    chain_id: bytes
    account: bytes
    seeds: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def of(cls, chain_id: bytes, seed: bytes) -> "Wallet":
        """Return the wallet of the account that one key answers for by itself."""
        return cls(chain_id, address_of(public_key_of(seed)), (seed,))

    def sign(
        self,
        nonce: int,
        *calls: Call,
        valid_until_height: int,
        fee_max_uthb: int = FEE_MAX_UTHB,
        mode: Mode = Mode.ALL_OR_NOTHING,
        memo: bytes = b"",
    ) -> SignedTransaction:
        """Return a signed transaction of these calls."""
        transaction = Transaction(
            chain_id=self.chain_id,
            sender=self.account,
            nonce=nonce,
            valid_until_height=valid_until_height,
            fee_max_uthb=fee_max_uthb,
            mode=mode,
            calls=calls,
            memo=memo,
        )
        return sign_transaction(transaction, self.seeds)


def call_of(
    contract: str,
    method: str,
    *arguments: Any,  # noqa: ANN401 - whatever the method takes
    owner: bytes | None = None,
) -> Call:
    """Return a call whose arguments are typed as the contract's method has them.

    Raises `Reject` for an unknown method and `BadValueError` for a value outside its type.
    """
    known = CATALOGUE.call(contract, method)
    wire = tuple(
        shape.to_wire(value) for (_, shape), value in zip(known.arguments, arguments, strict=True)
    )
    return Call(contract, method, wire, owner)


def sign_claim(chain_id: bytes, seed: bytes, claim: Claim) -> bytes:
    """Return the signature that a claim of this seed's key needs."""
    return sign(seed, claim_message(chain_id, claim).message)
