"""The chain's database: one LevelDB, one synced batch a block.

Keys, by prefix; heights and positions are 8 bytes big-endian:

```text
s|key            state value at the tip
u|height|key     what the block at this height replaced: 00 absent, or 01 ‖ old value
b|height         header and body          c|height  the certificate this node saw
r|height         receipts                 e|height  events of each receipt
t|id             height ‖ index of a transaction
h|position       node of the history MMR
m|name           format version, tip height
```

Undo entries are kept for the last `UNDO_HEIGHTS` blocks. The first write that fails ends the store:
after a failed batch LevelDB can acknowledge writes that are gone after reopening. (PROTOCOL §3.)
"""

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import plyvel

from chain.block import Body, Header
from chain.store import CommitBatch, StoredBlock
from chain.votes import Certificate
from contracts.kernel import Value, codec
from contracts.kernel.errors import StorageError

if TYPE_CHECKING:
    from plyvel._plyvel import WriteBatch

FORMAT_VERSION: Final = b"gridtokenx 1"
UNDO_HEIGHTS: Final = 256
CACHE_ENTRIES_MAX: Final = 100_000
CACHE_VALUE_BYTES_MAX: Final = 4_096
WRITE_BUFFER_BYTES: Final = 16 * 2**20
BLOCK_CACHE_BYTES: Final = 32 * 2**20
UINT_BYTES: Final = 8

_STATE, _UNDO, _BLOCK, _CERTIFICATE = b"s|", b"u|", b"b|", b"c|"
_RECEIPTS, _EVENTS, _TRANSACTION, _HISTORY = b"r|", b"e|", b"t|", b"h|"
_FORMAT, _TIP = b"m|format", b"m|tip"


class Database(Protocol):
    """What reading needs: a LevelDB, or a snapshot of one."""

    def get(self, key: bytes) -> bytes | None:
        """Return a value."""

    def iterator(
        self, *, start: bytes | None = None, stop: bytes, reverse: bool
    ) -> Iterator[tuple[bytes, bytes]]:
        """Iterate over start ≤ key < stop."""


class StateView:
    """The state in a database or snapshot; a `Reader` for execution and queries."""

    def __init__(self, database: Database) -> None:
        """Read from this database."""
        self._db = database

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a state key."""
        return self._db.get(_STATE + key)

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield pairs with start ≤ key < end in key order, or in the reverse of it."""
        low = _STATE + start
        # In reverse, plyvel 1.5.1 leaves out a pair whose key equals `start`; we stop by ourselves.
        bounds = {} if reverse else {"start": low}
        for key, value in self._db.iterator(stop=_STATE + end, reverse=reverse, **bounds):
            if key < low:
                return
            yield key[len(_STATE) :], value


class LevelStore:
    """A chain's `Store` on disk; one thread owns its writes, any thread may read a snapshot."""

    def __init__(self, folder: Path) -> None:
        """Open or make the database; raises `StorageError` with what to do."""
        try:
            self._db = plyvel.DB(
                str(folder),
                create_if_missing=True,
                write_buffer_size=WRITE_BUFFER_BYTES,
                lru_cache_size=BLOCK_CACHE_BYTES,
                paranoid_checks=True,
            )
        except plyvel.Error as error:
            msg = f"cannot open the database in {folder}: {error}"
            raise StorageError(msg) from error
        self._broken = False
        self._view = StateView(self._db)
        self._cache: OrderedDict[bytes, bytes | None] = OrderedDict()
        version = self._db.get(_FORMAT)
        if version is None and self._db.get(_TIP) is None:
            self._db.put(_FORMAT, FORMAT_VERSION, sync=True)
        elif version != FORMAT_VERSION:
            msg = f"database format is {version!r}, this node reads {FORMAT_VERSION!r}"
            raise StorageError(msg)

    def close(self) -> None:
        """Close the database; no method may be called afterwards."""
        self._db.close()

    def snapshot(self) -> StateView:
        """Return the state as it is now, unaffected by later commits."""
        return StateView(self._db.snapshot())

    def get(self, key: bytes) -> bytes | None:
        """Return a state value at the tip, through a bounded cache."""
        try:
            value = self._cache[key]
            self._cache.move_to_end(key)
        except KeyError:
            value = self._read(_STATE + key)
            self._remember(key, value)
        return value

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield state pairs at the tip with start ≤ key < end, in key order or its reverse."""
        try:
            yield from self._view.scan(start, end, reverse=reverse)
        except plyvel.Error as error:
            raise self._failed("read", error) from error

    def commit(self, batch: CommitBatch) -> None:
        """Write one block, synced; raises `StorageError`, after which the store takes no more."""
        if self._broken:
            msg = "an earlier write failed; restart the node after checking the disk"
            raise StorageError(msg)
        block = batch.block
        height = _uint(block.header.height)
        undo_prefix = _UNDO + height + b"|"
        try:
            with self._db.write_batch(transaction=True, sync=True) as write:
                for key, value in batch.changes:
                    old = self.get(key)
                    write.put(undo_prefix + key, b"\0" if old is None else b"\1" + old)
                    if value is None:
                        write.delete(_STATE + key)
                    else:
                        write.put(_STATE + key, value)
                _put_block(write, height, block)
                for position, node in batch.history_nodes:
                    write.put(_HISTORY + _uint(position), node)
                self._forget_undo(write, block.header.height - UNDO_HEIGHTS)
                write.put(_TIP, height)
        except plyvel.Error as error:
            raise self._failed("write", error) from error
        for key, value in batch.changes:
            self._remember(key, value)

    def tip_height(self) -> int | None:
        """Return the height of the last committed block, None before genesis."""
        tip = self._read(_TIP)
        return None if tip is None else int.from_bytes(tip, "big")

    def block(self, height: int) -> StoredBlock | None:
        """Return a committed block with its receipts and events."""
        key = _uint(height)
        data = self._read(_BLOCK + key)
        if data is None:
            return None
        header, body, ids = codec.decode_trusted(data)
        seen = self._read(_CERTIFICATE + key)
        loaded = Header.shape.load(header)
        return StoredBlock(
            loaded,
            Body.shape.load(body),
            loaded.id(),
            None if seen is None else Certificate.decode_trusted(seen),
            tuple(codec.decode_trusted(self._required(_RECEIPTS + key))),
            tuple(tuple(one) for one in codec.decode_trusted(self._required(_EVENTS + key))),
            tuple(ids),
        )

    def place_of(self, transaction_id: bytes) -> tuple[int, int] | None:
        """Return (height, index in the block) of a committed transaction."""
        data = self._read(_TRANSACTION + transaction_id)
        if data is None:
            return None
        return int.from_bytes(data[:UINT_BYTES], "big"), int.from_bytes(data[UINT_BYTES:], "big")

    def history_node(self, position: int) -> bytes:
        """Return a node of the history MMR."""
        return self._required(_HISTORY + _uint(position))

    def undo_entries(self, height: int) -> list[tuple[bytes, bytes | None]]:
        """Return what the block at this height replaced, ascending by key; None was absent."""
        prefix = _UNDO + _uint(height) + b"|"
        entries = self._db.iterator(prefix=prefix)
        return [(k[len(prefix) :], v[1:] if v[:1] == b"\1" else None) for k, v in entries]

    def _forget_undo(self, write: "WriteBatch", height: int) -> None:
        if height >= 0:
            prefix = _UNDO + _uint(height) + b"|"
            for key in self._db.iterator(prefix=prefix, include_value=False):
                write.delete(key)

    def _read(self, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._db.get(key)
        except plyvel.Error as error:
            raise self._failed("read", error) from error
        return value

    def _required(self, key: bytes) -> bytes:
        value = self._read(key)
        if value is None:
            msg = f"the database lacks {key!r}; restore the data folder from a backup or resync"
            raise StorageError(msg)
        return value

    def _remember(self, key: bytes, value: bytes | None) -> None:
        if value is not None and len(value) > CACHE_VALUE_BYTES_MAX:
            self._cache.pop(key, None)
            return
        self._cache[key] = value
        self._cache.move_to_end(key)
        while len(self._cache) > CACHE_ENTRIES_MAX:
            self._cache.popitem(last=False)

    def _failed(self, what: str, error: Exception) -> StorageError:
        self._broken = True
        return StorageError(f"the database failed to {what}: {error}; check the disk, then restart")


def _put_block(write: "WriteBatch", height: bytes, block: StoredBlock) -> None:
    parts: list[Value] = [block.header.to_wire(), block.body.to_wire(), list(block.transaction_ids)]
    write.put(_BLOCK + height, codec.encode_trusted(parts))
    if block.certificate is not None:
        write.put(_CERTIFICATE + height, block.certificate.encode())
    write.put(_RECEIPTS + height, codec.encode_trusted(list(block.receipts)))
    write.put(_EVENTS + height, codec.encode_trusted([list(one) for one in block.events]))
    for index, transaction_id in enumerate(block.transaction_ids):
        write.put(_TRANSACTION + transaction_id, height + _uint(index))


def _uint(value: int) -> bytes:
    return value.to_bytes(UINT_BYTES, "big")
