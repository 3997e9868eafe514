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

Every read checks the checksum of what comes from disk; by itself LevelDB does so for its log only,
and where a scan cannot read on it may end as if there were no more. Whatever is wrong with the
files becomes a `StorageError` that says what to do. A log cut at its end looks clean to LevelDB:
the last blocks are missing then, which `node/recovery.py` finds.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import plyvel

from chain.block import Block, Body, Header
from chain.mmr import node_count
from chain.store import CommitBatch, Decided, StoredBlock
from chain.votes import Certificate
from contracts.kernel import Value, codec
from contracts.kernel.errors import StorageError

if TYPE_CHECKING:
    from plyvel._plyvel import RawIterator, WriteBatch

FORMAT_VERSION: Final = b"gridtokenx 1"
UNDO_HEIGHTS: Final = 256
CACHE_ENTRIES_MAX: Final = 100_000
CACHE_VALUE_BYTES_MAX: Final = 4_096
WRITE_BUFFER_BYTES: Final = 16 * 2**20
BLOCK_CACHE_BYTES: Final = 32 * 2**20
UINT_BYTES: Final = 8
# What follows a semicolon tells an operator what to do.
RESTORE: Final = "restore the data folder from a backup, or sync again"
PARTS: Final = (".ldb", ".sst", ".log")

_STATE, _UNDO, _BLOCK, _CERTIFICATE = b"s|", b"u|", b"b|", b"c|"
_RECEIPTS, _EVENTS, _TRANSACTION, _HISTORY = b"r|", b"e|", b"t|", b"h|"
_FORMAT, _TIP = b"m|format", b"m|tip"


class Database(Protocol):
    """What reading needs: a LevelDB, or a snapshot of one."""

    def get(self, key: bytes, *, verify_checksums: bool) -> bytes | None:
        """Return a value."""

    def raw_iterator(self, *, verify_checksums: bool) -> "RawIterator":
        """Return a cursor over all pairs."""


class StateView:
    """The state in a database or snapshot; a `Reader` for execution and queries.

    Reading raises `StorageError`.
    """

    def __init__(self, database: Database) -> None:
        """Read from this database."""
        self._db = database

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a state key."""
        return _get(self._db, _STATE + key)

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield pairs with start ≤ key < end in key order, or in the reverse of it."""
        for key, value in _pairs(self._db, _STATE + start, _STATE + end, reverse=reverse):
            yield key[len(_STATE) :], value


class LevelStore:
    """A chain's `Store` on disk; one thread owns its writes, any thread may read a snapshot."""

    def __init__(self, folder: Path) -> None:
        """Open or make the database; raises `StorageError` with what to do."""
        _refuse_remains(folder)
        with _explained(f"open the database in {folder}"):
            self._db = plyvel.DB(
                str(folder),
                create_if_missing=True,
                write_buffer_size=WRITE_BUFFER_BYTES,
                lru_cache_size=BLOCK_CACHE_BYTES,
                paranoid_checks=True,
            )
        self._broken = False
        self._view = StateView(self._db)
        self._cache: OrderedDict[bytes, bytes | None] = OrderedDict()
        try:
            self._check_format()
        except BaseException:
            self.close()
            raise

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
        return self._view.scan(start, end, reverse=reverse)

    def check_blocks(self) -> None:
        """Check that no block is missing below the tip; raises `StorageError`. O(tip height).

        A block is one batch, and the batch of height h holds the history nodes that its parent
        adds: if none of these is missing, no batch is. A damaged log of LevelDB may lose some.
        """
        tip = self.tip_height()
        if tip is None:
            return
        expected, found = node_count(tip), 0
        for key, _ in _pairs(self._db, _HISTORY, _after(_HISTORY)):
            if key != _HISTORY + _uint(found):
                break
            found += 1
        if found != expected:
            raise _lacking(f"node {found} of the {expected} of its history")
        for height in (0, tip):
            if self._read(_BLOCK + _uint(height)) is None:
                raise _lacking(f"block {height}")

    def commit(self, batch: CommitBatch) -> None:
        """Write one block, synced; raises `StorageError`, after which the store takes no more."""
        if self._broken:
            msg = "an earlier write failed; restart the node after checking the disk"
            raise StorageError(msg)
        block = batch.block
        height = _uint(block.header.height)
        undo_prefix = _UNDO + height + b"|"
        self._broken = True  # until the batch is on disk
        with (
            _explained("write to the database"),
            self._db.write_batch(transaction=True, sync=True) as write,
        ):
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
        self._broken = False
        for key, value in batch.changes:
            self._remember(key, value)

    def tip_height(self) -> int | None:
        """Return the height of the last committed block, None before genesis."""
        tip = self._read(_TIP)
        return None if tip is None else int.from_bytes(tip, "big")

    def block(self, height: int) -> StoredBlock | None:
        """Return a committed block with its receipts and events; raises `StorageError`."""
        key = _uint(height)
        data = self._read(_BLOCK + key)
        if data is None:
            return None
        seen = self._read(_CERTIFICATE + key)
        receipts, events = self._required(_RECEIPTS + key), self._required(_EVENTS + key)
        try:
            return _stored(data, seen, receipts, events)
        except Exception as error:
            # Our own records are decoded without the checks that name a fault.
            msg = f"block {height} in the database cannot be read ({error!r}); {RESTORE}"
            raise StorageError(msg) from error

    def certificate(self, height: int) -> Certificate | None:
        """Return what made a block final, None if there is none; raises `StorageError`."""
        data = self._read(_CERTIFICATE + _uint(height))
        return None if data is None else Certificate.decode_trusted(data)

    def decided(self, height: int) -> Decided | None:
        """Return a block with its certificate, None if there is none; raises `StorageError`."""
        data, certificate = self._read(_BLOCK + _uint(height)), self.certificate(height)
        if data is None or certificate is None:
            return None
        header, body, _ = codec.decode_trusted(data)
        return Decided(Block(Header.shape.load(header), Body.shape.load(body)), certificate)

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
        entries = _pairs(self._db, prefix, _after(prefix))
        return [(k[len(prefix) :], v[1:] if v[:1] == b"\1" else None) for k, v in entries]

    def _forget_undo(self, write: "WriteBatch", height: int) -> None:
        if height >= 0:
            prefix = _UNDO + _uint(height) + b"|"
            for key, _ in _pairs(self._db, prefix, _after(prefix)):
                write.delete(key)

    def _check_format(self) -> None:
        version = self._read(_FORMAT)
        if version is None and self._read(_TIP) is None:
            with _explained("write to the database"):
                self._db.put(_FORMAT, FORMAT_VERSION, sync=True)
        elif version != FORMAT_VERSION:
            msg = (
                f"database format is {version!r}, this node reads {FORMAT_VERSION!r}; "
                "use the release that wrote it, or sync again in a new data folder"
            )
            raise StorageError(msg)

    def _read(self, key: bytes) -> bytes | None:
        return _get(self._db, key)

    def _required(self, key: bytes) -> bytes:
        value = self._read(key)
        if value is None:
            raise _lacking(repr(key))
        return value

    def _remember(self, key: bytes, value: bytes | None) -> None:
        if value is not None and len(value) > CACHE_VALUE_BYTES_MAX:
            self._cache.pop(key, None)
            return
        self._cache[key] = value
        self._cache.move_to_end(key)
        while len(self._cache) > CACHE_ENTRIES_MAX:
            self._cache.popitem(last=False)


def _refuse_remains(folder: Path) -> None:
    """Raise if a database lost the file that names its parts: LevelDB would begin a new one."""
    if folder.is_dir() and not (folder / "CURRENT").exists():
        remains = sorted(path.name for path in folder.iterdir() if path.suffix in PARTS)
        if remains:
            msg = f"the database in {folder} has {remains[0]} but no file CURRENT; {RESTORE}"
            raise StorageError(msg)


def _get(db: Database, key: bytes) -> bytes | None:
    """Return a value; raises `StorageError`."""
    try:
        return db.get(key, verify_checksums=True)
    except plyvel.Error as error:
        # Not by `_explained`, which would take half the time of a read.
        raise _explanation("read the database", error) from error


def _pairs(
    db: Database, start: bytes, end: bytes, *, reverse: bool = False
) -> Iterator[tuple[bytes, bytes]]:
    """Yield pairs with start ≤ key < end, in key order or its reverse; raises `StorageError`.

    Not by `DB.iterator`: where the last of the pairs cannot be read, it ends as if there were none.
    """
    with _explained("read the database"):
        cursor = db.raw_iterator(verify_checksums=True)
        if not reverse:
            cursor.seek(start)
            while cursor.valid():
                pair = cursor.item()
                if pair[0] >= end:
                    return
                yield pair
                cursor.next()
            return
        cursor.seek(end)
        if cursor.valid():
            cursor.prev()
        else:
            cursor.seek_to_last()
        while cursor.valid():
            pair = cursor.item()
            if pair[0] < start:
                return
            yield pair
            cursor.prev()


@contextmanager
def _explained(doing: str) -> Iterator[None]:
    """Turn an error of LevelDB into a `StorageError` that says what to do."""
    try:
        yield
    except plyvel.Error as error:
        raise _explanation(doing, error) from error


def _explanation(doing: str, error: plyvel.Error) -> StorageError:
    help_ = f"check folder, room and disk, then restart; if that does not help, {RESTORE}"
    if isinstance(error, plyvel.CorruptionError):
        help_ = RESTORE
    return StorageError(f"cannot {doing}: {_words_of(error)}; {help_}")


def _words_of(error: plyvel.Error) -> str:
    """Return LevelDB's words, without the semicolon that separates what to do in ours."""
    (words,) = error.args or (b"",)
    text = words.decode(errors="replace") if isinstance(words, bytes) else str(words)
    return text.replace(";", ",")


def _lacking(what: str) -> StorageError:
    return StorageError(f"the database lacks {what}; {RESTORE}")


def _stored(block: bytes, seen: bytes | None, receipts: bytes, events: bytes) -> StoredBlock:
    header, body, ids = codec.decode_trusted(block)
    loaded = Header.shape.load(header)
    return StoredBlock(
        loaded,
        Body.shape.load(body),
        loaded.id(),
        None if seen is None else Certificate.decode_trusted(seen),
        tuple(codec.decode_trusted(receipts)),
        tuple(tuple(one) for one in codec.decode_trusted(events)),
        tuple(ids),
    )


def _put_block(write: "WriteBatch", height: bytes, block: StoredBlock) -> None:
    parts: list[Value] = [block.header.to_wire(), block.body.to_wire(), list(block.transaction_ids)]
    write.put(_BLOCK + height, codec.encode_trusted(parts))
    if block.certificate is not None:
        write.put(_CERTIFICATE + height, block.certificate.encode())
    write.put(_RECEIPTS + height, codec.encode_trusted(list(block.receipts)))
    write.put(_EVENTS + height, codec.encode_trusted([list(one) for one in block.events]))
    for index, transaction_id in enumerate(block.transaction_ids):
        write.put(_TRANSACTION + transaction_id, height + _uint(index))


def _after(prefix: bytes) -> bytes:
    """Return the first key behind all that begin with a prefix, whose last byte is not 255."""
    return prefix[:-1] + bytes((prefix[-1] + 1,))


def _uint(value: int) -> bytes:
    return value.to_bytes(UINT_BYTES, "big")
