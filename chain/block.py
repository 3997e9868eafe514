"""Headers, bodies and blocks (PROTOCOL §2); the block id is the SHA-256 of the encoded header."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Final

from chain.merkle import merkle_root
from chain.votes import Certificate, Evidence, codec_hash
from contracts.kernel import Items, Record, Size, record
from contracts.kernel.types import Address, Hash32, Height, TimeMs

BLOCK_BYTES_MAX: Final = 4 * 2**20
BLOCK_TRANSACTIONS_MAX: Final = 20_000
TRANSACTION_BYTES_MAX: Final = 64 * 2**10
EVIDENCE_BYTES_MAX: Final = 64 * 2**10
EVIDENCE_MAX: Final = 128
ZERO_HASH: Final = bytes(32)
ZERO_ADDRESS: Final = bytes(20)

TransactionBytes = Annotated[bytes, Size(1, TRANSACTION_BYTES_MAX)]


class InvalidBlockError(ValueError):
    """A peer's block breaks a rule; `reason` names it, with the values expected and found."""

    def __init__(self, reason: str, expected: object = None, got: object = None) -> None:
        """Keep the parts apart for logs and counters."""
        super().__init__(reason, expected, got)
        self.reason = reason
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        """Say the rule and both values; bytes in hex."""
        return f"{self.reason}: expected {_shown(self.expected)}, got {_shown(self.got)}"


@record(version=1)
class Header(Record):
    """What validators sign. `state_root` is the state after this block."""

    chain_id: Hash32
    height: Height
    time_ms: TimeMs
    parent_hash: Hash32
    parent_certificate_hash: Hash32
    proposer: Address
    txs_root: Hash32
    receipts_root: Hash32
    state_root: Hash32
    history_root: Hash32
    evidence_root: Hash32
    validators_hash: Hash32
    next_validators_hash: Hash32
    params_hash: Hash32

    def id(self) -> bytes:
        """Return the block id."""
        return codec_hash(self)


@record(version=1)
class Body(Record):
    """What the header's roots and hashes are of; transactions are their full signed bytes."""

    parent_certificate: Certificate | None
    transactions: Annotated[tuple[TransactionBytes, ...], Items(BLOCK_TRANSACTIONS_MAX)]
    evidence: Annotated[tuple[Evidence, ...], Items(EVIDENCE_MAX)]


@dataclass(frozen=True)
class Block:
    """A header with its body; whether they fit each other is for the receiver to ask (`misfit`)."""

    header: Header
    body: Body

    @cached_property
    def id(self) -> bytes:
        """Return the block id, hashed once."""
        return self.header.id()

    @property
    def height(self) -> int:
        """Return the header's height."""
        return self.header.height

    @cached_property
    def misfit(self) -> str | None:
        """Return the name of a header field that the body contradicts, or None; O(its bytes).

        Such a body is dropped and says nothing about the block id.
        """
        certificate = self.body.parent_certificate
        found = {
            "parent_certificate_hash": ZERO_HASH if certificate is None else certificate.hash,
            "txs_root": merkle_root(self.body.transactions),
            "evidence_root": merkle_root([one.encode() for one in self.body.evidence]),
        }
        wrong = (name for name, value in found.items() if getattr(self.header, name) != value)
        return next(wrong, None)


def _shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
