"""The trie's rules written down a second time, naively, and helpers that several tests share."""

from collections.abc import Mapping
from hashlib import sha256

from hypothesis import strategies as st

from chain.trie.build import build_sorted
from chain.trie.pool import NONE, Pool
from chain.trie.trie import Trie
from chain.trie.versions import Version, Versions

Writes = dict[bytes, bytes | None]


def reference_root(items: Mapping[bytes, bytes]) -> bytes:
    """Hash a map as the protocol says, by dividing its sorted keys bit by bit."""
    leaves = [
        ("".join(f"{byte:08b}" for byte in key), _leaf_hash(key, items[key]))
        for key in sorted(items)
    ]
    return _root_of(leaves, 0) if leaves else sha256(b"").digest()


def _leaf_hash(key: bytes, value: bytes) -> bytes:
    length = len(key)
    varint = bytes([length]) if length < 128 else bytes([length & 0x7F | 0x80, length >> 7])
    return sha256(b"\x00" + varint + key + b"\x20" + sha256(value).digest()).digest()


def _root_of(leaves: list[tuple[str, bytes]], depth: int) -> bytes:
    if len(leaves) == 1:
        return leaves[0][1]
    while len({bits[depth] for bits, _ in leaves}) == 1:
        depth += 1
    left = [leaf for leaf in leaves if leaf[0][depth] == "0"]
    right = [leaf for leaf in leaves if leaf[0][depth] == "1"]
    return sha256(b"\x01" + _root_of(left, depth + 1) + _root_of(right, depth + 1)).digest()


def applied(items: Mapping[bytes, bytes], writes: Writes) -> dict[bytes, bytes]:
    """Give the map after some writes."""
    after = {key: value for key, value in items.items() if key not in writes}
    return after | {key: value for key, value in writes.items() if value is not None}


def sorted_writes(writes: Writes) -> list[tuple[bytes, bytes | None]]:
    return sorted(writes.items(), key=lambda write: write[0])


def open_trie(items: Mapping[bytes, bytes]) -> tuple[Trie, Version, Pool]:
    """Make a trie whose pool the test can look into."""
    pool = Pool()
    versions = Versions(pool)
    hashed = ((key, sha256(items[key]).digest()) for key in sorted(items))
    return Trie(pool, versions), versions.base(*build_sorted(pool, hashed)), pool


def reachable(pool: Pool, root: int) -> set[int]:
    """Give all nodes, inner ones and leaves, that a root reaches."""
    found: set[int] = set()
    todo = [] if root == NONE else [root]
    while todo:
        node = todo.pop()
        found.add(node)
        if node >= 0:
            _, left, right, _, _ = pool.record(node)
            todo += (left, right)
    return found


def in_use(pool: Pool) -> set[int]:
    """Give all nodes of a pool that are not free."""
    record_bytes = 82
    used = set(range(0, len(pool.nodes), record_bytes)) - set(pool.free)
    for length, keys in enumerate(pool.keys):
        if length:
            places = set(range(0, len(keys), length)) - set(pool.free_keys[length])
            used |= {~(place << 8 | length) for place in places}
    return used


# Keys of three widths, each beginning with its own byte, so that none begins another. Few distinct
# bytes make long common beginnings, and batches that meet the same keys again.
_few = st.sampled_from([0x00, 0x01, 0x02, 0x7F, 0x80, 0xFF])
keys_strategy = st.one_of(
    st.lists(_few, min_size=1, max_size=1).map(lambda tail: b"\x00" + bytes(tail)),
    st.lists(_few, min_size=3, max_size=3).map(lambda tail: b"\x03" + bytes(tail)),
    st.binary(min_size=5, max_size=5).map(lambda tail: b"\x05" + tail),
    st.lists(_few, min_size=2, max_size=2).map(lambda tail: b"\xff" * 140 + bytes(tail)),
)
values_strategy = st.binary(min_size=1, max_size=3)
maps_strategy = st.dictionaries(keys_strategy, values_strategy, max_size=40)
writes_strategy = st.dictionaries(keys_strategy, st.none() | values_strategy, max_size=25)
