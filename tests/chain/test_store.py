"""The store in memory: values in key order, blocks by height, transactions by id."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.block import ZERO_ADDRESS, ZERO_HASH, Header
from chain.genesis import EMPTY_BODY
from chain.store import CommitBatch, MemoryState, MemoryStore, StoredBlock

KEYS = st.binary(max_size=3)
CHANGES = st.dictionaries(KEYS, st.none() | st.binary(min_size=1, max_size=2))


@given(blocks=st.lists(CHANGES), start=KEYS, end=KEYS, reverse=st.booleans())
def test_a_state_in_memory_is_an_ordered_map(
    blocks: list[dict[bytes, bytes | None]], start: bytes, end: bytes, reverse: bool
) -> None:
    state, model = MemoryState(), dict[bytes, bytes]()
    for changes in blocks:
        state.write(changes.items())
        for key, value in changes.items():
            model.pop(key, None)
            if value is not None:
                model[key] = value
        assert len(state) == len(model)
        assert list(state.scan(b"", b"\xff" * 4)) == sorted(model.items())
    inside = sorted(((k, v) for k, v in model.items() if start <= k < end), reverse=reverse)
    assert list(state.scan(start, end, reverse=reverse)) == inside
    assert [state.get(key) for key in model] == list(model.values())
    assert state.get(b"longer than any") is None


def test_a_key_may_go_and_come_back_in_one_write() -> None:
    state = MemoryState()
    state.write([(b"a", b"1"), (b"b", b"2"), (b"a", None), (b"a", b"3")])
    assert list(state.scan(b"", b"z")) == [(b"a", b"3"), (b"b", b"2")]


def test_writing_under_an_iteration_is_a_bug_of_ours() -> None:
    state = MemoryState()
    state.write([(b"a", b"1"), (b"b", b"2")])
    walk = state.scan(b"", b"z")
    assert next(walk) == (b"a", b"1")
    state.write([(b"a", b"3")])
    with pytest.raises(AssertionError):
        next(walk)


def stored(height: int, *ids: bytes) -> StoredBlock:
    zero = dict.fromkeys(Header.shape.names, ZERO_HASH)
    header = Header(
        **zero | {"height": height, "time_ms": height, "proposer": ZERO_ADDRESS}  # type: ignore[arg-type]  # by name
    )
    return StoredBlock(header, EMPTY_BODY, header.id(), None, (), (), ids)


def test_blocks_are_found_by_height_and_transactions_by_id() -> None:
    store = MemoryStore()
    assert store.tip_height() is None
    assert store.block(0) is None
    store.commit(CommitBatch(stored(0), ((b"k", b"v"),), ()))
    store.commit(CommitBatch(stored(1, b"x", b"y"), ((b"k", None),), ((0, b"node"),)))
    assert store.tip_height() == 1
    assert store.block(1) == stored(1, b"x", b"y")
    assert store.block(-1) is None
    assert store.block(2) is None
    assert store.place_of(b"y") == (1, 1)
    assert store.place_of(b"z") is None
    assert store.history_node(0) == b"node"
    assert store.get(b"k") is None


def test_a_block_that_does_not_follow_the_tip_is_a_bug_of_ours() -> None:
    store = MemoryStore()
    for height in (1, 2):
        with pytest.raises(AssertionError):
            store.commit(CommitBatch(stored(height), ((b"k", b"v"),), ()))
    assert store.tip_height() is None
    assert store.get(b"k") is None
