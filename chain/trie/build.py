"""Building a trie from leaves in ascending order, in one pass.

The crit-bit trie over sorted keys is the Cartesian tree over the bits in which neighbours first
differ: the smallest such bit is the root. The builder keeps the nodes on the right edge that still
wait for their right side; a new leaf closes those that stand at a later bit than the one in which
it differs from its predecessor.

Linear in the leaves; the open edge is at most `DEPTH_MAX` long. A node makes its trie anew from its
database when it starts, and compares the root: that this is not the code that applies batches
(`chain.trie.batch`) makes it a check of that as well.
"""

from collections.abc import Iterable

from chain.trie.nodes import (
    EMPTY_ROOT,
    IS_PREFIX,
    TrieMisuseError,
    check_key,
    first_difference,
    inner_hash,
    leaf_hash,
)
from chain.trie.pool import NONE, Pool


def build_sorted(pool: Pool, leaves: Iterable[tuple[bytes, bytes]]) -> tuple[int, bytes, int]:
    """Build the trie of strictly ascending (key, value hash) pairs in an unused pool.

    Gives its root, the hash of that, and the number of leaves.
    Raises `TrieMisuseError` for keys out of order, or beginning one another.
    """
    # The open right edge: the bit of each node, its finished left side, and that side's hash.
    edge: list[tuple[int, int, bytes]] = []
    node, node_hash, previous, count = NONE, EMPTY_ROOT, b"", 0
    for key, value_hash in leaves:
        check_key(key)
        if count:
            step = _step(previous, key)
            while edge and edge[-1][0] > step:
                bit, left, left_hash = edge.pop()
                node = pool.new_inner(bit, left, node, left_hash, node_hash)
                node_hash = inner_hash(left_hash, node_hash)
            edge.append((step, node, node_hash))
        node = pool.new_leaf(key)
        node_hash = leaf_hash(key, value_hash)
        previous = key
        count += 1
    while edge:
        bit, left, left_hash = edge.pop()
        node = pool.new_inner(bit, left, node, left_hash, node_hash)
        node_hash = inner_hash(left_hash, node_hash)
    return node, node_hash, count


def _step(previous: bytes, key: bytes) -> int:
    """Find where two neighbours differ, having checked that they may be neighbours."""
    if key <= previous:
        raise TrieMisuseError(f"keys must ascend: {key.hex()} follows {previous.hex()}")
    bit = first_difference(previous, key)
    if bit == IS_PREFIX:
        raise TrieMisuseError(f"the key {previous.hex()} is the beginning of the key {key.hex()}")
    return bit
