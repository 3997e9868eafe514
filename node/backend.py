"""What the API asks of the node, and what is published after each block.

The execution thread owns the ledger; everybody else reads a `Published`: an immutable view of one
committed height, whose trie version stays pinned while it is in use.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from chain.store import Decided, StoredBlock
from chain.tip import Tip
from chain.trie.trie import Trie
from chain.votes import Certificate
from contracts.kernel import Value
from contracts.kernel.state import Reader


@dataclass(frozen=True)
class Published:
    """One committed height: its tip, the state's values at it, and the trie for proofs."""

    tip: Tip
    state: Reader
    trie: Trie


@dataclass(frozen=True, slots=True)
class Submission:
    """What became of a submitted transaction: its id, or the error that refused it."""

    id: bytes
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class PeerState:
    """Another node as this one knows it; `height` is a hint, from what it said last."""

    peer_id: str
    is_up: bool
    height: int
    rtt_ms: int | None
    dials: int
    failures: int
    stale: int
    lies: int
    last_failure: str


@dataclass(frozen=True, slots=True)
class RoundState:
    """Where consensus stands on the height under way.

    `votes` has (validator, has prevoted, has precommitted) in this round, as far as it is known
    here. Without `is_due` nobody is waited for: no block is due yet.
    """

    height: int
    round: int
    step: str
    proposer: bytes
    quorum: int
    is_due: bool
    has_proposal: bool
    may_sign: bool
    votes: tuple[tuple[bytes, bool, bool], ...]


class BlockArchive(Protocol):
    """Committed blocks, readable from any thread."""

    def tip_height(self) -> int | None:
        """Return the height of the last committed block."""

    def block(self, height: int) -> StoredBlock | None:
        """Return a committed block with receipts and events."""

    def certificate(self, height: int) -> Certificate | None:
        """Return what made a block final; None for block 0 and heights that are not there."""

    def decided(self, height: int) -> Decided | None:
        """Return a block with its certificate, without receipts and events."""

    def place_of(self, transaction_id: bytes) -> tuple[int, int] | None:
        """Return (height, index) of a committed transaction."""

    def history_node(self, position: int) -> bytes:
        """Return a node of the history MMR."""


class Backend(Protocol):
    """The node, as the API sees it."""

    @property
    def archive(self) -> BlockArchive:
        """Return the committed blocks."""

    def published(self) -> AbstractContextManager[Published]:
        """Pin the newest published version for the length of a `with` block; any thread."""

    async def submit(self, raws: list[bytes]) -> list[Submission]:
        """Verify and admit transactions; one answer each, in order."""

    def is_waiting(self, transaction_id: bytes) -> bool:
        """Say whether a transaction is in the mempool."""

    def mempool_status(self) -> dict[str, Value]:
        """Return the mempool's counts and limits."""

    def health(self) -> dict[str, Value]:
        """Return what an operator looks at first: at least `height`, `tip_time_ms`, `tip_age_ms`.

        What the state tells, failed work before all, is not repeated here.
        """

    def peers(self) -> list[PeerState]:
        """Return the nodes that this one wants to be connected to; from the loop."""

    def round_state(self) -> RoundState:
        """Return where consensus stands; from the loop."""

    def blocks(self) -> AsyncIterator[StoredBlock]:
        """Yield each block as it is committed, from now on; a slow reader is cut off."""
