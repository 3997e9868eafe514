"""The database on disk agrees with the one in memory, survives reopening, and stops when broken."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.block import ZERO_ADDRESS, ZERO_HASH, Body, Header
from chain.store import CommitBatch, MemoryStore, StoredBlock
from chain.votes import Certificate
from contracts.kernel.errors import StorageError
from node.leveldb import UNDO_HEIGHTS, LevelStore

KEYS = st.sampled_from([b"\x10\x01" + bytes([i, j]) for i in range(4) for j in (0, 255)])
CHANGES = st.dictionaries(KEYS, st.none() | st.binary(min_size=1, max_size=20), max_size=8)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LevelStore]:
    opened = LevelStore(tmp_path / "db")
    yield opened
    opened.close()


def batch(
    height: int, changes: dict[bytes, bytes | None], ids: tuple[bytes, ...] = ()
) -> CommitBatch:
    header = Header(
        ZERO_HASH, height, height, ZERO_HASH, ZERO_HASH, ZERO_ADDRESS, ZERO_HASH, ZERO_HASH,
        ZERO_HASH, ZERO_HASH, ZERO_HASH, ZERO_HASH, ZERO_HASH, ZERO_HASH,
    )  # fmt: skip
    certificate = Certificate(ZERO_HASH, height, 0, header.id(), b"\x80", (bytes(64),))
    block = StoredBlock(
        header,
        Body(None if height < 2 else certificate, tuple(b"tx" + i for i in ids), ()),
        header.id(),
        certificate if height else None,
        (b"receipt",) * (len(ids) + 1),
        ((b"event", b"other"), *((),) * len(ids)),
        ids,
    )
    nodes = ((height, height.to_bytes(32, "big")),) if height else ()
    return CommitBatch(block, tuple(sorted(changes.items())), nodes)


def state_of(store: LevelStore | MemoryStore) -> list[tuple[bytes, bytes]]:
    return list(store.scan(b"\0", b"\xff" * 4))


@settings(max_examples=40)
@given(blocks=st.lists(CHANGES, max_size=6), bounds=st.tuples(KEYS, KEYS), reverse=st.booleans())
def test_it_holds_what_the_store_in_memory_holds(
    tmp_path_factory: pytest.TempPathFactory,
    blocks: list[dict[bytes, bytes | None]],
    bounds: tuple[bytes, bytes],
    reverse: bool,
) -> None:
    folder = tmp_path_factory.mktemp("db")
    disk, memory = LevelStore(folder), MemoryStore()
    for height, changes in enumerate(blocks):
        one = batch(height, changes, (bytes([height]) * 32,))
        disk.commit(one)
        memory.commit(one)
    start, end = sorted(bounds)
    for _ in range(2):
        assert state_of(disk) == state_of(memory)
        assert list(disk.scan(start, end, reverse=reverse)) == list(
            memory.scan(start, end, reverse=reverse)
        )
        assert disk.tip_height() == memory.tip_height()
        for height in range(len(blocks) + 1):
            assert disk.block(height) == memory.block(height)
            assert disk.place_of(bytes([height]) * 32) == memory.place_of(bytes([height]) * 32)
        disk.close()
        disk = LevelStore(folder)
    disk.close()


def test_undo_entries_lead_back_to_the_parent_state_and_are_bounded(store: LevelStore) -> None:
    key = b"\x10\x01k"
    for height in range(UNDO_HEIGHTS + 3):
        store.commit(batch(height, {key: bytes([height % 250 + 1])}))
    last = UNDO_HEIGHTS + 2
    assert store.undo_entries(last) == [(key, bytes([(last - 1) % 250 + 1]))]
    assert store.undo_entries(2) == []
    assert store.undo_entries(3) != []


def test_undo_tells_absent_from_present(store: LevelStore) -> None:
    store.commit(batch(0, {b"\x10\x01a": b"1"}))
    store.commit(batch(1, {b"\x10\x01a": None, b"\x10\x01b": b"2"}))
    assert store.undo_entries(1) == [(b"\x10\x01a", b"1"), (b"\x10\x01b", None)]


def test_a_snapshot_does_not_see_later_blocks(store: LevelStore) -> None:
    store.commit(batch(0, {b"\x10\x01a": b"1"}))
    before = store.snapshot()
    store.commit(batch(1, {b"\x10\x01a": b"2", b"\x10\x01b": b"3"}))
    assert before.get(b"\x10\x01a") == b"1"
    assert list(before.scan(b"\x10\x01", b"\x10\x02")) == [(b"\x10\x01a", b"1")]
    assert store.get(b"\x10\x01a") == b"2"


def test_a_second_opening_of_the_same_folder_is_refused(store: LevelStore, tmp_path: Path) -> None:
    assert store.tip_height() is None
    with pytest.raises(StorageError, match="cannot open the database"):
        LevelStore(tmp_path / "db")


def test_another_format_is_refused(tmp_path: Path) -> None:
    import plyvel  # noqa: PLC0415 - only to damage the database

    LevelStore(tmp_path / "db").close()
    raw = plyvel.DB(str(tmp_path / "db"))
    raw.put(b"m|format", b"gridtokenx 0")
    raw.close()
    with pytest.raises(StorageError, match="database format is"):
        LevelStore(tmp_path / "db")


def test_a_full_disk_ends_the_store_and_keeps_the_last_whole_block(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    store = LevelStore(folder)
    store.commit(batch(0, {b"\x10\x01a": b"1"}))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        with pytest.raises(StorageError, match="failed to write"):
            store.commit(batch(1, {b"\x10\x01a": b"2" * 60_000, b"\x10\x01b": b"3" * 60_000}))
        with pytest.raises(StorageError, match="earlier write failed"):
            store.commit(batch(1, {b"\x10\x01a": b"2"}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    store.close()
    again = LevelStore(folder)
    assert again.tip_height() == 0
    assert again.get(b"\x10\x01a") == b"1"
    again.close()
