"""Verdicts on signatures: found once, in batches, by worker processes; looked up by execution.

A verdict depends only on the bytes of key, message and signature, so it can be kept for ever; the
cache keeps the latest. A miss is verified inline by the same function, so that what a block means
never depends on what happens to be cached. It belongs to one thread: a node puts a lock around it.
(PROTOCOL §4, signed claims.)
"""

from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from chain.crypto import verify

# As many signed readings as a full mempool holds, whose 64 MiB are 167 bytes for each of them.
VERDICTS_MAX: Final = 400_000


class SignedMessage(NamedTuple):
    """A key, the exact bytes it is said to have signed, and the signature."""

    public_key: bytes
    message: bytes
    signature: bytes


class Judge(Protocol):
    """Says whether a signature is its key's."""

    def verdict(self, signed: SignedMessage) -> bool:
        """Return the verdict on this triple."""


class Verdicts:
    """A bounded cache of verdicts, true and false alike; the oldest leave first."""

    def __init__(self, limit: int = VERDICTS_MAX) -> None:
        """Start empty."""
        assert limit > 0, "a cache holds at least one verdict"
        self._limit = limit
        self._known: dict[SignedMessage, bool] = {}

    def verdict(self, signed: SignedMessage) -> bool:
        """Return the known verdict, or find and keep it."""
        known = self._known.get(signed)
        if known is None:
            known = verify(*signed)
            self.keep(signed, verdict=known)
        return known

    def keep(self, signed: SignedMessage, *, verdict: bool) -> None:
        """Store a verdict that a worker found."""
        if signed not in self._known and len(self._known) >= self._limit:
            del self._known[next(iter(self._known))]
        self._known[signed] = verdict

    def __len__(self) -> int:
        """Return how many verdicts are known."""
        return len(self._known)

    def unknown(self, batch: Iterable[SignedMessage]) -> list[SignedMessage]:
        """Return those of `batch` that have no verdict yet, each once."""
        return [signed for signed in dict.fromkeys(batch) if signed not in self._known]
