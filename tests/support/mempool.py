"""Transactions in any lane and pools over simple accounts, for tests of the mempool."""

from collections.abc import Sequence

import pytest

from chain.mempool import Departure, Mempool, MempoolLimits
from chain.refusals import NotIncludableError
from chain.transaction import (
    Call,
    Mode,
    PreparedTransaction,
    Transaction,
    prepare,
    sign_transaction,
)
from chain.verdicts import SignedMessage
from contracts.governance.parameters import ChainParameters
from contracts.kernel import Lane
from tests.support.genesis import parameters
from tests.support.lab import LabRegistry
from tests.support.mempool_model import Accounts
from tests.support.people import account_of, seed_of

CHAIN = bytes(32)
NAMES = ("alice", "bob", "carol", "dave", "erin")
RICH = 2**60
CALLS = {
    Lane.GOVERNANCE: Call("clock", "advance", (1,)),
    Lane.METERING: Call("lab", "total", ()),
    Lane.MARKET: Call("lab", "who", ()),
    Lane.OTHER: Call("nrg", "transfer", (bytes(20), 1, b"")),
}
SIGNED: dict[Transaction, PreparedTransaction] = {}


class Trusting:
    """Holds every signature for good: the pool's order does not depend on them."""

    def verdict(self, signed: SignedMessage) -> bool:
        return True


def made(
    sender: str,
    nonce: int,
    fee: int = 1_000_000,
    lane: Lane = Lane.OTHER,
    *,
    memo: int = 0,
    until: int = 10_000,
) -> PreparedTransaction:
    """Return a signed transaction; equal ones are signed once."""
    transaction = Transaction(
        CHAIN, account_of(sender), nonce, until, fee, Mode(0), (CALLS[lane],), bytes(memo)
    )
    if transaction not in SIGNED:
        signed = sign_transaction(transaction, [seed_of(sender)])
        SIGNED[transaction] = prepare(signed, LabRegistry.catalogue)
    return SIGNED[transaction]


def rich() -> Accounts:
    return Accounts(free={account_of(name): RICH for name in NAMES})


def crowd() -> Accounts:
    names = (*NAMES, *(f"flood {number}" for number in range(40)))
    return Accounts(free={account_of(name): RICH for name in names})


def pool(
    accounts: Accounts | None = None, chain: ChainParameters | None = None, **limits: int
) -> Mempool:
    view = accounts or rich()
    return Mempool(view, chain or parameters(), 0, Trusting(), MempoolLimits(**limits))


def all_of(mempool: Mempool) -> list[PreparedTransaction]:
    return list(mempool.proposal(bytes_max=2**40, weight_max=2**40))


def left(departures: Sequence[Departure]) -> dict[bytes, type[NotIncludableError]]:
    return {one.prepared.id: type(one.reason) for one in departures}


def refused(mempool: Mempool, error: type[NotIncludableError], one: PreparedTransaction) -> None:
    """Assert the refusal, and that nothing has changed by it."""
    before = (mempool.status(), all_of(mempool))
    with pytest.raises(NotIncludableError) as caught:
        mempool.add(one)
    assert type(caught.value) is error, caught.value
    assert (mempool.status(), all_of(mempool)) == before
