"""Making proofs of a version. The trie has only hashes, so the caller hands in the values."""

from collections.abc import Callable
from hashlib import sha256
from typing import TypeAlias

from chain.trie.nodes import ASKED_KEY_BYTES_MAX, TrieMisuseError, bit_of, leaf_hash
from chain.trie.pool import LEFT, NONE, Pool
from chain.trie.proof import RANGE_ITEMS_MAX, Absence, Existence, Item, RangeProof, Step
from chain.trie.walk import Way, hash_at, leaves_from, neighbourhood

ValueOf: TypeAlias = Callable[[bytes], bytes]

# The root of a version and its hash.
Root: TypeAlias = tuple[int, bytes]


def prove(pool: Pool, root: Root, key: bytes, value_of: ValueOf) -> Existence | Absence:
    """Prove that `key` exists below the root, or that it does not."""
    _check_asked(root, key)
    before, at, after = neighbourhood(pool, root[0], key)
    if at is not None:
        return _existence(pool, root, at, value_of)
    return Absence(
        key,
        None if before is None else _existence(pool, root, before, value_of),
        None if after is None else _existence(pool, root, after, value_of),
    )


def prove_range(
    pool: Pool, root: Root, bounds: tuple[bytes, bytes], limit: int, value_of: ValueOf
) -> RangeProof:
    """Prove the items from bounds[0] (included) to bounds[1] (not), at most `limit` of them."""
    start, end = bounds
    _check_asked(root, start)
    _check_asked(root, end)
    if not start < end:
        raise TrieMisuseError("a range must start before its end")
    if not 1 <= limit <= RANGE_ITEMS_MAX:
        raise TrieMisuseError(f"a limit of {limit} items; 1 to {RANGE_ITEMS_MAX} are allowed")
    before, at, after = neighbourhood(pool, root[0], start)
    run: list[bytes] = [] if before is None else [pool.key(before.leaf)]
    first = len(run)
    is_cut, has_after = False, False
    following = at or after
    for leaf in () if following is None else leaves_from(pool, following):
        key = pool.key(leaf)
        is_cut = key < end and len(run) - first == limit
        if is_cut:
            break
        run.append(key)
        has_after = key >= end
        if has_after:
            break
    shown = _Run(pool, run[0], run[-1], value_of)
    shown.walk(root)
    behind = len(run) - has_after
    return RangeProof(
        start=start,
        end=end,
        cursor=run[-1] + b"\0" if is_cut else None,
        before=shown.leaves[0] if first else None,
        items=tuple(shown.leaves[first:behind]),
        after=shown.leaves[-1] if has_after else None,
        left_hashes=tuple(shown.left_hashes),
        right_hashes=tuple(shown.right_hashes),
        shape=shown.shape(),
    )


class _Run:
    """A run of neighbouring leaves, from key `first` to key `last`, and what surrounds it."""

    def __init__(self, pool: Pool, first: bytes, last: bytes, value_of: ValueOf) -> None:
        self._pool = pool
        self._first = first
        self._last = last
        self._value_of = value_of
        self._bits: list[int] = []
        self.leaves: list[Item] = []
        self.left_hashes: list[bytes] = []
        self.right_hashes: list[bytes] = []

    def walk(self, root: Root) -> None:
        """Go through the tree in preorder, but not below what is beside the run."""
        # A node, its hash, and whether the ways to the first and to the last leaf go through it.
        todo: list[tuple[int, bytes, bool, bool]] = [(*root, True, True)]
        while todo:
            node, node_hash, on_first, on_last = todo.pop()
            if node < 0:
                self._bits.append(0)
                if node != NONE:
                    self.leaves.append(_item(self._pool.key(node), node_hash, self._value_of))
                continue
            self._bits.append(1)
            bit, left, right, left_hash, right_hash = self._pool.record(node)
            first_is_right = on_first and bit_of(self._first, bit) != 0
            last_is_left = on_last and bit_of(self._last, bit) == 0
            if last_is_left:
                self.right_hashes.append(right_hash)
                todo.append((NONE, right_hash, False, False))
            else:
                todo.append((right, right_hash, first_is_right, on_last))
            if first_is_right:
                self.left_hashes.append(left_hash)
                todo.append((NONE, left_hash, False, False))
            else:
                todo.append((left, left_hash, on_first, last_is_left))
        # They were met from the root down, which on the right is from the outside in.
        self.right_hashes.reverse()

    def shape(self) -> bytes:
        """Give what was gone through as bits in preorder."""
        packed = bytearray((len(self._bits) + 7) >> 3)
        for number, bit in enumerate(self._bits):
            if bit:
                packed[number >> 3] |= 0x80 >> (number & 7)
        return bytes(packed)


def _check_asked(root: Root, key: bytes) -> None:
    """Check what is asked for. Whoever passes on a stranger's question checks it before."""
    if root[0] == NONE:
        raise TrieMisuseError("nothing can be proven of a trie without keys")
    if not 1 <= len(key) <= ASKED_KEY_BYTES_MAX:
        raise TrieMisuseError(
            f"a key of {len(key)} bytes; 1 to {ASKED_KEY_BYTES_MAX} can be asked for"
        )


def _existence(pool: Pool, root: Root, way: Way, value_of: ValueOf) -> Existence:
    """Prove the leaf at the end of a way."""
    key, value = _item(pool.key(way.leaf), hash_at(way, root[1]), value_of)
    path: list[Step] = []
    for record, side in reversed(way.turns):
        path.append(Step.from_left(record[4]) if side == LEFT else Step.from_right(record[3]))
    return Existence(key, value, tuple(path))


def _item(key: bytes, node_hash: bytes, value_of: ValueOf) -> Item:
    """Get a leaf's value, and make sure that it is the one the version has."""
    value = value_of(key)
    if leaf_hash(key, sha256(value).digest()) != node_hash:
        raise TrieMisuseError(
            f"the value given for the key {key.hex()} is not the one of this version"
        )
    return key, value
