"""Ledger: the language in which contracts move credit.

Every amount sits in one column of one account, free or held for a purpose. A posting is a list of
entries that add up to zero, so that moving credit never makes or loses any. The ledger itself is
`contracts/money/credit.py`; a contract that moves credit takes it in its constructor.
"""

import enum
from typing import NamedTuple, Protocol

from contracts.kernel.crypto import sha256


class Column(enum.IntEnum):
    """Where an account's credit sits."""

    FREE = 0
    BID_ESCROW = 1
    ASK_MARGIN = 2
    PROCEEDS = 3
    REDEMPTION = 4
    DEPOSIT = 5
    PREMIUM = 6


class Entry(NamedTuple):
    """One line of a posting: `amount_uthb` is added to a column, or taken from it if negative."""

    account: bytes
    column: Column
    amount_uthb: int


class Ledger(Protocol):
    """What contracts need of the ledger."""

    def free(self, account: bytes) -> int:
        """Return the account's free credit in µTHB."""

    def held(self, account: bytes, column: Column) -> int:
        """Return what a column of the account holds in µTHB."""

    def post(self, *entries: Entry) -> None:
        """Apply a balanced posting; refused for want of funds before anything is written."""


def pool_address(name: str) -> bytes:
    """Return the address of a pool; no key hashes to it."""
    return sha256(b"gridtokenx pool " + name.encode())[:20]
