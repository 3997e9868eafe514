"""The rules of a block that need no execution, cheapest first.

Each raises `InvalidBlockError` with the rule's name, the value expected and the one found. They
depend on the parent's tip and the block alone, never on round, clock or mempool. (PROTOCOL §2, §4.)
"""

from typing import Final

from chain.block import ZERO_HASH, Block, InvalidBlockError
from chain.merkle import merkle_root
from chain.tip import Tip
from chain.votes import Certificate, InvalidTallyError, Step, Verifier
from contracts.governance.parameters import ChainParameters

# What a body may hold beside its transactions: certificate, evidence, array heads.
BODY_RESERVE_BYTES: Final = 128 * 2**10


def check_header(block: Block, tip: Tip) -> None:
    """Check what needs no execution, cheapest first."""
    header, body = block.header, block.body
    certificate = body.parent_certificate
    expected = {
        "chain_id": tip.header.chain_id,
        "height": tip.height + 1,
        "parent_hash": tip.block_id,
        "validators_hash": tip.next_validators.hash,
        "params_hash": tip.parameters.hash,
        "history_root": tip.history.append(tip.block_id)[0].history_root,
        "parent_certificate_hash": ZERO_HASH if certificate is None else certificate.hash,
    }
    for name, value in expected.items():
        if getattr(header, name) != value:
            raise InvalidBlockError(name, value, getattr(header, name))
    if header.time_ms <= tip.header.time_ms:
        reason = "time_ms does not rise"
        raise InvalidBlockError(reason, f"> {tip.header.time_ms}", header.time_ms)
    if header.proposer not in tip.next_validators.index_of:
        reason = "proposer is no validator"
        raise InvalidBlockError(reason, "a member of the set", header.proposer)


def check_certificate(certificate: Certificate | None, tip: Tip, verifier: Verifier) -> None:
    """Check that the body carries the certificate of its parent, and that it proves it."""
    if tip.height == 0 or certificate is None:
        if (tip.height == 0) != (certificate is None):
            reason = "parent certificate"
            raise InvalidBlockError(reason, "none in block 1, one in every later block")
        return
    if (certificate.height, certificate.block_id) != (tip.height, tip.block_id):
        reason = "parent certificate is of another block"
        raise InvalidBlockError(reason, tip.block_id, certificate.block_id)
    try:
        certificate.verify(Step.PRECOMMIT, tip.header.chain_id, tip.validators, verifier)
    except InvalidTallyError as error:
        reason = "parent certificate"
        raise InvalidBlockError(reason, "a valid certificate", str(error)) from error


def transactions_bytes_max(parameters: ChainParameters) -> int:
    """Return how many bytes of transactions a block holds."""
    return parameters.block_bytes_max - BODY_RESERVE_BYTES


def check_body(block: Block, parameters: ChainParameters) -> None:
    """Check counts, sizes and the root of the transactions; they are not decoded here."""
    header, body = block.header, block.body
    count = len(body.transactions)
    if count > parameters.block_transactions_max:
        reason = "too many transactions"
        raise InvalidBlockError(reason, f"≤ {parameters.block_transactions_max}", count)
    size = sum(len(raw) for raw in body.transactions)
    if size > transactions_bytes_max(parameters):
        reason = "transactions are too large"
        raise InvalidBlockError(reason, f"≤ {transactions_bytes_max(parameters)}", size)
    if body.evidence:
        reason = "evidence is not accepted by execution version 1"
        raise InvalidBlockError(reason, 0, len(body.evidence))
    if merkle_root(body.transactions) != header.txs_root:
        raise InvalidBlockError("txs_root", header.txs_root, merkle_root(body.transactions))
