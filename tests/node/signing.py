"""A signer that prevotes at one height after the other, and a disk without room."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

from chain.consensus.log import SignedPrevote
from chain.consensus.statement import Statement, statement_of
from chain.crypto import public_key_of
from chain.votes import Step, Vote, vote_payload
from contracts.kernel import address_of
from node.signer import Signer, SignerPaths

SEED = bytes(range(32))
CHAIN = b"\x01" * 32
ME = address_of(public_key_of(SEED))


def prevote(height: int, block_id: bytes | None = None) -> Statement:
    return Statement(height, 0, Step.PREVOTE, vote_payload(height, 0, block_id))


def say(signer: Signer, height: int, block_id: bytes | None = None) -> Vote:
    statement = prevote(height, block_id)
    vote = Vote(Step.PREVOTE, height, 0, block_id, ME, signer.sign(statement))
    assert statement_of(vote) == statement
    signer.persist(SignedPrevote(vote))
    return vote


def reopened(paths: SignerPaths) -> Signer:
    return Signer(SEED, CHAIN, paths)


@contextmanager
def room_for(size_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
