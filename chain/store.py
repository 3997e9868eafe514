"""What the chain asks of a database, and a version in memory.

A store holds the state at the tip, all blocks with receipts and events, and the nodes of the
history MMR. A block is committed in one atomic batch. LevelDB is in `node/`; the one here serves
tests, simulations and everything that needs no disk.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from chain.block import Block, Body, Header
from chain.votes import Certificate


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A committed block with what execution made of it; certificate None only for block 0."""

    header: Header
    body: Body
    block_id: bytes
    certificate: Certificate | None
    receipts: tuple[bytes, ...]
    events: tuple[tuple[bytes, ...], ...]
    transaction_ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """A block with what made it final: all that another node needs to commit it."""

    block: Block
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class CommitBatch:
    """All that one block changes, written at once or not at all."""

    block: StoredBlock
    changes: tuple[tuple[bytes, bytes | None], ...]
    history_nodes: tuple[tuple[int, bytes], ...]


class Store(Protocol):
    """A database of one chain; also the `Reader` of its state at the tip."""

    def get(self, key: bytes) -> bytes | None:
        """Return a state value at the tip."""

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield state pairs at the tip with start ≤ key < end, in key order or its reverse."""

    def commit(self, batch: CommitBatch) -> None:
        """Write one block; raises `StorageError`."""

    def tip_height(self) -> int | None:
        """Return the height of the last committed block, None before genesis."""

    def block(self, height: int) -> StoredBlock | None:
        """Return a committed block."""

    def place_of(self, transaction_id: bytes) -> tuple[int, int] | None:
        """Return (height, index in the block) of a committed transaction."""

    def history_node(self, position: int) -> bytes:
        """Return a node of the history MMR."""


class MemoryState:
    """State values in memory, ordered by key."""

    def __init__(self) -> None:
        """Start empty."""
        self._values: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []
        self._version = 0

    def get(self, key: bytes) -> bytes | None:
        """Return the value of `key`, or None."""
        return self._values.get(key)

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield pairs with start ≤ key < end; nothing is written while it is read."""
        low, high = bisect_left(self._keys, start), bisect_left(self._keys, end)
        version = self._version
        for position in range(high - 1, low - 1, -1) if reverse else range(low, high):
            assert version == self._version, "a version of the state is immutable while it is read"
            key = self._keys[position]
            yield key, self._values[key]

    def write(self, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Apply changes; None deletes. O(n) for all new and deleted keys together."""
        self._version += 1
        known = len(self._values)
        new: list[bytes] = []
        for key, value in changes:
            if value is None:
                self._values.pop(key, None)
                continue
            if key not in self._values:
                new.append(key)
            self._values[key] = value
        if len(self._values) != known + len(new):
            self._keys = sorted(self._values)
        elif new:
            # One ascending run and a short tail: sorting merges them in one pass.
            self._keys += new
            self._keys.sort()

    def __len__(self) -> int:
        """Return the number of live keys."""
        return len(self._keys)


class MemoryStore(MemoryState):
    """A whole store in memory."""

    def __init__(self) -> None:
        """Start before genesis."""
        super().__init__()
        self._blocks: list[StoredBlock] = []
        self._places: dict[bytes, tuple[int, int]] = {}
        self._history: dict[int, bytes] = {}

    def commit(self, batch: CommitBatch) -> None:
        """Write one block."""
        height = batch.block.header.height
        assert height == len(self._blocks), (
            f"block {height} does not follow {len(self._blocks) - 1}"
        )
        self.write(batch.changes)
        self._history.update(batch.history_nodes)
        self._blocks.append(batch.block)
        for index, transaction_id in enumerate(batch.block.transaction_ids):
            self._places[transaction_id] = (height, index)

    def tip_height(self) -> int | None:
        """Return the height of the last committed block."""
        return len(self._blocks) - 1 if self._blocks else None

    def block(self, height: int) -> StoredBlock | None:
        """Return a committed block."""
        return self._blocks[height] if 0 <= height < len(self._blocks) else None

    def certificate(self, height: int) -> Certificate | None:
        """Return what made a block final; None for block 0 and heights that are not there."""
        block = self.block(height)
        return None if block is None else block.certificate

    def decided(self, height: int) -> Decided | None:
        """Return a block with its certificate; None for block 0 and heights that are not there."""
        block = self.block(height)
        if block is None or block.certificate is None:
            return None
        return Decided(Block(block.header, block.body), block.certificate)

    def place_of(self, transaction_id: bytes) -> tuple[int, int] | None:
        """Return (height, index in the block) of a committed transaction."""
        return self._places.get(transaction_id)

    def history_node(self, position: int) -> bytes:
        """Return a node of the history MMR."""
        return self._history[position]
