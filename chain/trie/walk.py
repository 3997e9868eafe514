"""Finding leaves and their neighbours: what reading a version is made of."""

from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple, TypeAlias

from chain.trie.nodes import (
    IS_PREFIX,
    KEY_BYTES_MAX,
    NO_DIFFERENCE,
    bit_of,
    first_difference,
    leaf_hash,
)
from chain.trie.pool import LEFT, NONE, RIGHT, Pool, Record, side_hash, side_node

# An inner node's record, and the side that a way takes there.
Turn: TypeAlias = tuple[Record, int]


class Way(NamedTuple):
    """The way from the root to a leaf."""

    turns: list[Turn]
    leaf: int


class Neighbourhood(NamedTuple):
    """Where a key is, or else the leaves around where it would be; None where there is none."""

    before: Way | None
    at: Way | None
    after: Way | None


def find(pool: Pool, root: int, key: bytes) -> int:
    """Give the leaf of `key`, or NONE."""
    if root == NONE:
        return NONE
    leaf = pool.descend(root, key)
    return leaf if pool.key(leaf) == key else NONE


def neighbourhood(pool: Pool, root: int, key: bytes) -> Neighbourhood:
    """Find `key`, of at least 1 byte, in the trie at `root`, which is not empty."""
    padded = key.ljust(KEY_BYTES_MAX, b"\0")
    turns: list[Turn] = []
    node = root
    while node >= 0:
        record = pool.record(node)
        bit = record[0]
        side = RIGHT if padded[bit >> 3] & (0x80 >> (bit & 7)) else LEFT
        turns.append((record, side))
        node = side_node(record, side)
    found = pool.key(node)
    bit = first_difference(key, found)
    if bit == NO_DIFFERENCE:
        return Neighbourhood(None, Way(turns, node), None)
    if bit == IS_PREFIX:
        # Of a beginning and what it begins, the beginning is smaller. If `key` is the beginning, of
        # however many keys, then the way has led to the first of them: behind its end it turned
        # left. If it is the longer one, then the other stands alone. Either way, no step back.
        is_greater = len(key) > len(found)
    else:
        is_greater = bit_of(key, bit) != 0
        # Go back to the node below which all leaves differ from `key` in that bit.
        while turns and turns[-1][0][0] > bit:
            turns.pop()
            node = side_node(*turns[-1]) if turns else root
    if is_greater:
        before = _outermost(pool, turns, node, RIGHT)
        return Neighbourhood(before, None, _beside(pool, turns, RIGHT))
    after = _outermost(pool, turns, node, LEFT)
    return Neighbourhood(_beside(pool, turns, LEFT), None, after)


def leaves_from(pool: Pool, way: Way) -> Iterator[int]:
    """Give the leaf of a way and those right of it, in order."""
    following: Way | None = way
    while following is not None:
        yield following.leaf
        following = _beside(pool, following.turns, RIGHT)


def hash_at(way: Way, root_hash: bytes) -> bytes:
    """Give the hash of the leaf of a way."""
    if not way.turns:
        return root_hash
    return side_hash(*way.turns[-1])


def matches(pool: Pool, root: tuple[int, bytes], key: bytes, value: bytes | None) -> bool:
    """Say whether `key` has `value` below a root (and its hash), or none if that is None."""
    node, node_hash = root
    if node == NONE:
        return value is None
    at = neighbourhood(pool, node, key).at
    if at is None or value is None:
        return at is None and value is None
    return hash_at(at, node_hash) == leaf_hash(key, sha256(value).digest())


def _outermost(pool: Pool, turns: list[Turn], node: int, side: int) -> Way:
    """Go from a node, to which `turns` lead, to its outermost leaf on one side."""
    turns = turns.copy()
    while node >= 0:
        record = pool.record(node)
        turns.append((record, side))
        node = side_node(record, side)
    return Way(turns, node)


def _beside(pool: Pool, turns: list[Turn], side: int) -> Way | None:
    """Find the leaf next to all those below the end of `turns`, on one side; None at the edge."""
    common = len(turns)
    while common and turns[common - 1][1] == side:
        common -= 1
    if not common:
        return None
    record = turns[common - 1][0]
    turns = [*turns[: common - 1], (record, side)]
    return _outermost(pool, turns, side_node(record, side), 1 - side)
