"""The database on disk agrees with the one in memory, survives reopening, and stops when broken."""

import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.block import ZERO_ADDRESS, ZERO_HASH, Body, Header
from chain.mmr import Mmr
from chain.store import CommitBatch, MemoryStore, StoredBlock
from chain.votes import Certificate
from contracts.kernel.errors import StorageError
from node.leveldb import UNDO_HEIGHTS, LevelStore, StateView

KEY = b"\x10\x01a"
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


READS: dict[str, Callable[[LevelStore, StateView], object]] = {
    "value": lambda store, _: store.get(KEY),
    "scan": lambda store, _: state_of(store),
    "scan back": lambda store, _: list(store.scan(b"\0", b"\xff" * 4, reverse=True)),
    "value in a snapshot": lambda _, view: view.get(KEY),
    "scan of a snapshot": lambda _, view: list(view.scan(b"\0", b"\xff" * 4)),
    "place": lambda store, _: store.place_of(bytes(32)),
    "undo": lambda store, _: store.undo_entries(2),
    "write": lambda store, _: store.commit(batch(3, {KEY: b"new"})),
}


@pytest.mark.parametrize("name", READS)
def test_every_reader_says_that_the_database_is_damaged(tmp_path: Path, name: str) -> None:
    store = LevelStore(tmp_path / "db")
    rng = Random(1)
    for height in range(3):
        changes: dict[bytes, bytes | None] = {k: rng.randbytes(9_000) for k in (b"\x10\x01", KEY)}
        store.commit(batch(height, changes, (bytes([height]) * 32,)))
    store.close()
    # It moves the log into a table, and reads only the part with format and tip.
    store = LevelStore(tmp_path / "db")
    view = store.snapshot()
    (table,) = (tmp_path / "db").glob("*.ldb")
    with table.open("r+b") as file:
        for place in range(0, table.stat().st_size, 64):
            file.seek(place)
            file.write(b"\xaa")
    words = r"cannot read the database: .*; restore the data folder"
    with pytest.raises(StorageError, match=words):
        READS[name](store, view)
    store.close()


def test_a_record_that_does_not_decode_is_named(tmp_path: Path) -> None:
    import plyvel  # noqa: PLC0415 - only to damage the database

    store = LevelStore(tmp_path / "db")
    store.commit(batch(0, {}))
    store.close()
    raw = plyvel.DB(str(tmp_path / "db"))
    raw.put(b"b|" + bytes(8), b"\x83\x01")
    raw.close()
    store = LevelStore(tmp_path / "db")
    with pytest.raises(StorageError, match="block 0 in the database cannot be read"):
        store.block(0)
    store.close()


def test_a_missing_block_below_the_tip_is_found(tmp_path: Path) -> None:
    import plyvel  # noqa: PLC0415 - only to damage the database

    store = LevelStore(tmp_path / "db")
    history = Mmr()
    for height in range(6):
        one = batch(height, {})
        nodes: tuple[tuple[int, bytes], ...] = ()
        if height:
            history, nodes = history.append(bytes(32))
        store.commit(CommitBatch(one.block, one.changes, nodes))
        store.check_blocks()
    store.close()
    for key in (b"h|" + (3).to_bytes(8, "big"), b"b|" + (5).to_bytes(8, "big")):
        raw = plyvel.DB(str(tmp_path / "db"))
        value = raw.get(key)
        assert value is not None
        raw.delete(key)
        raw.close()
        store = LevelStore(tmp_path / "db")
        with pytest.raises(StorageError, match="the database lacks"):
            store.check_blocks()
        store.close()
        raw = plyvel.DB(str(tmp_path / "db"))
        raw.put(key, value)
        raw.close()


def test_a_database_that_lost_its_file_of_names_is_not_begun_anew(tmp_path: Path) -> None:
    store = LevelStore(tmp_path / "db")
    store.commit(batch(0, {KEY: b"1"}))
    store.close()
    (tmp_path / "db" / "CURRENT").unlink()
    files = sorted(path.name for path in (tmp_path / "db").iterdir())
    with pytest.raises(StorageError, match="but no file CURRENT"):
        LevelStore(tmp_path / "db")
    assert sorted(path.name for path in (tmp_path / "db").iterdir()) == files


def test_a_database_that_was_being_made_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "MANIFEST-000001").write_bytes(b"")
    (tmp_path / "db" / "000001.dbtmp").write_bytes(b"MANI")
    store = LevelStore(tmp_path / "db")
    assert store.tip_height() is None
    store.close()


def test_a_full_disk_ends_the_store_and_keeps_the_last_whole_block(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    store = LevelStore(folder)
    store.commit(batch(0, {b"\x10\x01a": b"1"}))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        with pytest.raises(StorageError, match="cannot write to the database"):
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
