"""The trie against a naive reference: roots, batches, versions, and what it refuses."""

import random
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.trie.nodes import EMPTY_ROOT, KEY_BYTES_MAX, VALUE_BYTES_MAX, TrieMisuseError
from chain.trie.trie import Trie
from chain.trie.versions import Version
from tests.chain.trie.reference import (
    Writes,
    applied,
    in_use,
    keys_strategy,
    maps_strategy,
    open_trie,
    reachable,
    reference_root,
    sorted_writes,
    writes_strategy,
)


def test_the_root_of_one_two_and_three_keys_is_spelled_out() -> None:
    def leaf(key: bytes, value: bytes) -> bytes:
        return sha256(b"\x00\x02" + key + b"\x20" + sha256(value).digest()).digest()

    a, b, c = leaf(b"\x00a", b"1"), leaf(b"\x00b", b"2"), leaf(b"\x80c", b"3")
    ab = sha256(b"\x01" + a + b).digest()
    expected = {1: a, 2: ab, 3: sha256(b"\x01" + ab + c).digest()}
    items = [(b"\x00a", b"1"), (b"\x00b", b"2"), (b"\x80c", b"3")]
    for count, root_hash in expected.items():
        _, version = Trie.from_sorted(items[:count])
        assert version.root_hash == root_hash
        assert version.count == count


def test_a_key_longer_than_127_bytes_has_a_length_of_two_bytes() -> None:
    for length, varint in ((127, b"\x7f"), (128, b"\x80\x01"), (255, b"\xff\x01")):
        key = b"k" * length
        _, version = Trie.from_sorted([(key, b"v")])
        leaf = b"\x00" + varint + key + b"\x20" + sha256(b"v").digest()
        assert version.root_hash == sha256(leaf).digest()


def test_an_empty_trie_has_the_hash_of_nothing() -> None:
    trie, version = Trie.empty()
    assert version.root_hash == EMPTY_ROOT == sha256(b"").digest()
    assert version.count == 0
    assert not trie.contains(version, b"key")
    one = trie.apply(version, [(b"key", b"value")])
    assert one.count == 1
    assert trie.apply(one, [(b"key", None)]).root_hash == EMPTY_ROOT


@given(maps_strategy)
def test_building_gives_the_reference_root(items: dict[bytes, bytes]) -> None:
    _, version = Trie.from_sorted(sorted(items.items()))
    assert version.root_hash == reference_root(items)
    assert version.count == len(items)


@given(maps_strategy, st.lists(writes_strategy, max_size=5))
def test_every_batch_gives_the_reference_root(
    items: dict[bytes, bytes], batches: list[Writes]
) -> None:
    trie, version, pool = open_trie(items)
    for writes in batches:
        before = items
        items = applied(items, writes)
        parent, version = version, trie.apply(version, sorted_writes(writes))
        assert version.root_hash == reference_root(items)
        assert version.count == len(items)
        # The parent is as it was, to the last node.
        assert _items_of(trie, parent, before) == before
        assert in_use(pool) == reachable(pool, version.root) | reachable(pool, parent.root)
        trie.release(parent)
        assert in_use(pool) == reachable(pool, version.root)


@given(maps_strategy, writes_strategy, st.randoms(use_true_random=False))
def test_the_root_depends_neither_on_order_nor_on_the_split_into_batches(
    items: dict[bytes, bytes], writes: Writes, rng: random.Random
) -> None:
    trie, base = Trie.from_sorted(sorted(items.items()))
    at_once = trie.apply(base, sorted_writes(writes))
    shuffled = list(writes.items())
    rng.shuffle(shuffled)
    piecewise = base
    while shuffled:
        count = rng.randint(1, len(shuffled))
        piecewise = trie.apply(piecewise, sorted_writes(dict(shuffled[:count])))
        del shuffled[:count]
    assert piecewise.root_hash == at_once.root_hash
    assert piecewise.count == at_once.count
    _, rebuilt = Trie.from_sorted(sorted(applied(items, writes).items()))
    assert rebuilt.root_hash == at_once.root_hash


@given(maps_strategy, writes_strategy)
def test_undoing_a_batch_restores_the_root(items: dict[bytes, bytes], writes: Writes) -> None:
    trie, base = Trie.from_sorted(sorted(items.items()))
    changed = trie.apply(base, sorted_writes(writes))
    undo: Writes = {key: items.get(key) for key in writes}
    assert trie.apply(changed, sorted_writes(undo)).root_hash == base.root_hash


@given(maps_strategy, writes_strategy)
def test_a_batch_that_changes_nothing_makes_no_node(
    items: dict[bytes, bytes], writes: Writes
) -> None:
    trie, base, pool = open_trie(items)
    used = in_use(pool)
    idle: Writes = {key: items.get(key) for key in (*writes, *items)}
    version = trie.apply(base, sorted_writes(idle))
    assert version.root_hash == base.root_hash
    assert version.root == base.root
    assert in_use(pool) == used
    assert trie.superseded_nodes == 0


@given(maps_strategy, writes_strategy)
def test_a_batch_makes_each_changed_node_once(items: dict[bytes, bytes], writes: Writes) -> None:
    trie, base, pool = open_trie(items)
    used = in_use(pool)
    version = trie.apply(base, sorted_writes(writes))
    made = in_use(pool) - used
    assert made == reachable(pool, version.root) - used
    # What the batch superseded is what only the parent reaches.
    given_up = reachable(pool, base.root) - reachable(pool, version.root)
    assert trie.superseded_nodes == len(given_up)


@given(maps_strategy, st.lists(writes_strategy, min_size=2, max_size=4))
def test_sibling_versions_do_not_see_each_other(
    items: dict[bytes, bytes], batches: list[Writes]
) -> None:
    trie, base = Trie.from_sorted(sorted(items.items()))
    siblings = [trie.apply(base, sorted_writes(writes)) for writes in batches]
    for writes, sibling in zip(batches, siblings, strict=True):
        after = applied(items, writes)
        assert sibling.root_hash == reference_root(after)
        assert _items_of(trie, sibling, {**items, **after}) == after


@given(maps_strategy, keys_strategy)
def test_reading_says_what_the_map_has(items: dict[bytes, bytes], key: bytes) -> None:
    trie, version = Trie.from_sorted(sorted(items.items()))
    for asked in (key, *items):
        value = items.get(asked)
        assert trie.contains(version, asked) == (asked in items)
        assert trie.matches(version, asked, value)
        assert not trie.matches(version, asked, b"another")
        assert trie.matches(version, asked, None) == (asked not in items)


REFUSED: dict[str, list[tuple[bytes, bytes | None]]] = {
    "an empty key": [(b"", b"v")],
    "a key that is too long": [(b"k" * (KEY_BYTES_MAX + 1), b"v")],
    "an empty value": [(b"zz", b"")],
    "a value that is too long": [(b"zz", bytes(VALUE_BYTES_MAX + 1))],
    "the same key twice": [(b"zz", b"1"), (b"zz", b"2")],
    "descending keys": [(b"zz", b"1"), (b"yy", b"2")],
    "the beginning of a key": [(b"aa", b"1"), (b"m", b"2")],
    "what a key begins": [(b"aa", b"1"), (b"middle1", b"2")],
    "what a deleted key begins": [(b"aa", b"1"), (b"middle", None), (b"middle1", b"2")],
    "a deletion of the beginning of a key": [(b"aa", b"1"), (b"m", None)],
    "a deletion of what a key begins": [(b"aa", b"1"), (b"middle1", None)],
    "keys of the batch that begin each other": [(b"aa", b"1"), (b"p", b"1"), (b"pq", b"2")],
    "an absent key that begins another": [(b"aa", b"1"), (b"p", None), (b"pq", b"2")],
}


@pytest.mark.parametrize("writes", REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_batch_changes_nothing(writes: list[tuple[bytes, bytes | None]]) -> None:
    items = {b"ab": b"1", b"middle": b"2", b"x": b"3"}
    trie, version, pool = open_trie(items)
    used = in_use(pool)
    with pytest.raises(TrieMisuseError):
        trie.apply(version, writes)
    assert in_use(pool) == used == reachable(pool, version.root)
    assert trie.versions_kept == 1
    assert _items_of(trie, version, items) == items
    after = trie.apply(version, [(b"aa", b"4")])
    assert after.root_hash == reference_root({**items, b"aa": b"4"})


@pytest.mark.parametrize(
    "items",
    [
        [(b"b", b"1"), (b"a", b"2")],
        [(b"a", b"1"), (b"a", b"2")],
        [(b"a", b"1"), (b"ab", b"2")],
        [(b"", b"1")],
        [(b"k" * (KEY_BYTES_MAX + 1), b"1")],
        [(b"a", b"")],
    ],
)
def test_building_refuses_what_a_batch_refuses(items: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(TrieMisuseError):
        Trie.from_sorted(items)


def test_a_version_of_another_trie_is_refused() -> None:
    trie, _ = Trie.from_sorted([(b"a", b"1")])
    _, stranger = Trie.from_sorted([(b"a", b"1")])
    with pytest.raises(TrieMisuseError):
        trie.apply(stranger, [(b"b", b"2")])
    with pytest.raises(TrieMisuseError):
        trie.contains(stranger, b"a")
    with pytest.raises(TrieMisuseError):
        trie.release(stranger)


def test_places_of_deleted_keys_are_used_again() -> None:
    trie, version, pool = open_trie({b"base": b"0"})
    for block in range(50):
        writes: Writes = {b"%04d" % number: b"v" for number in range(block, block + 100)}
        if block:
            writes[b"%04d" % (block - 1)] = None
        parent, version = version, trie.apply(version, sorted_writes(writes))
        trie.release(parent)
    assert version.count == 101
    assert len(in_use(pool)) == 2 * version.count - 1
    # At most one version's worth of records and keys came on top of those that live.
    assert len(pool.keys[4]) <= 4 * 110


def _items_of(trie: Trie, version: Version, candidates: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Read back which of some candidates a version has, and that it has no more."""
    found = {key: value for key, value in candidates.items() if trie.matches(version, key, value)}
    assert len(found) == version.count
    return found
