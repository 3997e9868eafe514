"""Verification for those who trust nobody: headers, certificates and proofs.

Whoever knows a height's validator set can check a header by its certificate, and against that
header any state value, its absence, a whole range of values, a transaction, a receipt, an event,
and every earlier block. Nothing here needs a database or a network. (PROTOCOL §2, §3.)
"""

from chain.block import Header
from chain.execution.receipt import Receipt
from chain.merkle import InclusionProof
from chain.mmr import HistoryProof
from chain.mmr import verify as verify_history
from chain.validators import ValidatorSet
from chain.votes import Certificate, InvalidTallyError, Step


class VerificationError(Exception):
    """Something does not follow from what is trusted; says what."""


def verify_final(
    chain_id: bytes, validators: ValidatorSet, header: Header, certificate: Certificate
) -> None:
    """Check that `validators` made this header final; raises `VerificationError`."""
    if header.chain_id != chain_id:
        msg = f"header is of chain {header.chain_id.hex()}, not {chain_id.hex()}"
        raise VerificationError(msg)
    if header.validators_hash != validators.hash:
        msg = f"header {header.height} is of another validator set"
        raise VerificationError(msg)
    if (certificate.height, certificate.block_id) != (header.height, header.id()):
        msg = f"certificate is of block {certificate.block_id.hex()} at {certificate.height}"
        raise VerificationError(msg)
    try:
        certificate.verify(Step.PRECOMMIT, chain_id, validators)
    except InvalidTallyError as error:
        msg = f"certificate of height {header.height}: {error}"
        raise VerificationError(msg) from error


def verify_transaction(header: Header, raw: bytes, proof: InclusionProof) -> None:
    """Check that these transaction bytes are in the block; raises `VerificationError`."""
    if not proof.verify(header.txs_root, raw):
        msg = f"the transaction is not at index {proof.index} of block {header.height}"
        raise VerificationError(msg)


def verify_receipt(header: Header, data: bytes, proof: InclusionProof) -> Receipt:
    """Check receipt bytes against the header and decode them; raises `VerificationError`."""
    if not proof.verify(header.receipts_root, data):
        msg = f"the receipt is not at index {proof.index} of block {header.height}"
        raise VerificationError(msg)
    return Receipt.decode(data)


def verify_event(receipt: Receipt, data: bytes, proof: InclusionProof) -> None:
    """Check event bytes against a verified receipt; raises `VerificationError`."""
    if not proof.verify(receipt.events_root, data):
        msg = f"the event is not at index {proof.index} of its receipt"
        raise VerificationError(msg)


def verify_earlier_block(header: Header, height: int, block_id: bytes, proof: HistoryProof) -> None:
    """Check the id of an earlier block against a trusted header; raises `VerificationError`."""
    if not 0 <= height < header.height or not verify_history(
        header.history_root, header.height, height, block_id, proof
    ):
        msg = f"block {block_id.hex()} is not the block at {height} below {header.height}"
        raise VerificationError(msg)
