"""Applying one sorted batch of writes to a version of the trie, without touching that version.

Each node that changes is read, made and hashed once, however many writes are below it; the old one
stays, for it belongs to the version the batch starts from.

The pass goes through the trie once from left to right. It keeps the way from the root down to the
last written key, the open nodes. The next key differs from the last one in some bit, and that says
all: the open nodes at later bits have no more writes below them and are closed, made anew if a side
of theirs has changed. Then, if the deepest node still open stands at that very bit, the key belongs
on its right side, and the way goes down from there to a leaf. If not, everything below the deepest
open node agrees with the last key beyond that bit, so the key is new: a node is added there.

A way down ends at a leaf with the key itself or with another one. Then the key is new as well: the
way is taken back to where the two differ, and a node is added there, which holds what was there on
one side. To delete a key that does not exist is to add nothing in the same manner: a node of which
one side is empty is closed by its other side.

Nothing recurses: keys with long common beginnings make ways of up to `DEPTH_MAX` nodes.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from chain.trie.nodes import (
    EMPTY_ROOT,
    IS_PREFIX,
    KEY_BYTES_MAX,
    NO_DIFFERENCE,
    TrieMisuseError,
    bit_of,
    first_difference,
    leaf_hash,
)
from chain.trie.pool import NONE, Pool, Record, read_record, write_record

# Which side of an open node the pass is on. On the right one, it also says whether the left one
# has been changed.
_LEFT: Final = 0
_RIGHT: Final = 1
_RIGHT_LEFT_CHANGED: Final = 2


class Batch:
    """One pass over a trie.

    After `run`, `taken` has the new nodes, `superseded` those nodes of the old version that the new
    one does without, and `added` the change in the number of keys.
    """

    __slots__ = (
        "_changed",
        "_node",
        "_node_hash",
        "_pool",
        "_records",
        "_replaced",
        "_root_hash",
        "_sides",
        "added",
        "superseded",
        "taken",
    )

    def __init__(self, pool: Pool, root: int, root_hash: bytes) -> None:
        self._pool = pool
        self._root_hash = root_hash
        # The open nodes, from the root down, in three parallel lists: the node of the old version
        # (NONE for an added one); its record, of which the pass knows the side it is on better; and
        # that side.
        self._replaced: list[int] = []
        self._records: list[Record] = []
        self._sides: list[int] = []
        # What is finished below the deepest open node, and whether that differs from what was.
        self._node = root
        self._node_hash = root_hash
        self._changed = False
        self.taken: list[int] = []
        self.superseded: list[int] = []
        self.added = 0

    def run(self, keys: Sequence[bytes], value_hashes: Sequence[bytes | None]) -> tuple[int, bytes]:
        """Apply strictly ascending writes, of which a value hash of None deletes.

        Gives the new root and its hash. Raises `TrieMisuseError`, having given back what it took,
        if one of `keys` is the beginning of another or of a key in the trie, or reversed.
        """
        try:
            self._write_all(keys, value_hashes)
            self._close(NONE)
        except BaseException:
            self._pool.give_back(self.taken)
            raise
        return self._node, self._node_hash

    def _write_all(self, keys: Sequence[bytes], value_hashes: Sequence[bytes | None]) -> None:
        """Do the writes, and leave the way to the last of them open."""
        records, sides = self._records, self._sides
        previous = b""
        for key, value_hash in zip(keys, value_hashes, strict=True):
            if not previous:
                self._go_down(key, value_hash)
                previous = key
                continue
            bit = first_difference(previous, key)
            if bit == IS_PREFIX:
                raise _prefix_error(previous, key)
            self._close(bit)
            if records and records[-1][0] == bit:
                _, _, right, _, right_hash = records[-1]
                records[-1] = (bit, self._node, right, self._node_hash, right_hash)
                sides[-1] = _RIGHT_LEFT_CHANGED if self._changed else _RIGHT
                self._node = right
                self._go_down(key, value_hash)
            else:
                self._add_node(bit, key, value_hash)
            previous = key

    def _go_down(self, key: bytes, value_hash: bytes | None) -> None:
        """Go from the node at hand to the leaf of `key`, or where it would be, and write it."""
        node = self._node
        if node == NONE:
            self._set_leaf(key, value_hash)
            return
        replaced, records, sides = self._replaced, self._records, self._sides
        nodes = self._pool.nodes
        padded = key.ljust(KEY_BYTES_MAX, b"\0")
        while node >= 0:
            record = read_record(nodes, node)
            replaced.append(node)
            records.append(record)
            bit = record[0]
            if padded[bit >> 3] & (0x80 >> (bit & 7)):
                sides.append(_RIGHT)
                node = record[2]
            else:
                sides.append(_LEFT)
                node = record[1]
        found = self._pool.key(node)
        bit = first_difference(key, found)
        if bit == NO_DIFFERENCE:
            self._set_found_leaf(node, key, value_hash)
            return
        if bit == IS_PREFIX:
            raise _prefix_error(key, found)
        while records and records[-1][0] > bit:
            records.pop()
            sides.pop()
            node = replaced.pop()
        self._node, self._node_hash, self._changed = node, self._hash_here(), False
        self._add_node(bit, key, value_hash)

    def _add_node(self, bit: int, key: bytes, value_hash: bytes | None) -> None:
        """Open a new node at `bit`: `key` on its side of it, what is finished on the other."""
        other, other_hash = self._node, self._node_hash
        self._replaced.append(NONE)
        if bit_of(key, bit):
            self._records.append((bit, other, NONE, other_hash, EMPTY_ROOT))
            self._sides.append(_RIGHT_LEFT_CHANGED if self._changed else _RIGHT)
        else:
            self._records.append((bit, NONE, other, EMPTY_ROOT, other_hash))
            self._sides.append(_LEFT)
        self._set_leaf(key, value_hash)

    def _set_leaf(self, key: bytes, value_hash: bytes | None) -> None:
        """Put a leaf where none was, or nothing."""
        if value_hash is None:
            self._node, self._node_hash, self._changed = NONE, EMPTY_ROOT, False
            return
        self._node = self._pool.new_leaf(key)
        self._node_hash = leaf_hash(key, value_hash)
        self._changed = True
        self.taken.append(self._node)
        self.added += 1

    def _set_found_leaf(self, leaf: int, key: bytes, value_hash: bytes | None) -> None:
        """Change the leaf that has the key already, or delete it."""
        if value_hash is None:
            self.superseded.append(leaf)
            self.added -= 1
            self._node, self._node_hash, self._changed = NONE, EMPTY_ROOT, True
            return
        self._node = leaf
        self._node_hash = leaf_hash(key, value_hash)
        self._changed = self._node_hash != self._hash_here()

    def _hash_here(self) -> bytes:
        """Give the old hash of what is below the deepest open node on the side of the pass."""
        if not self._records:
            return self._root_hash
        _, _, _, left_hash, right_hash = self._records[-1]
        return left_hash if self._sides[-1] == _LEFT else right_hash

    def _close(self, bit: int) -> None:
        """Finish the open nodes that stand behind `bit`, from the deepest up.

        This loop is where a batch spends its time, so it spells out what the pool has methods for.
        """
        records, replaced, sides = self._records, self._replaced, self._sides
        taken, superseded = self.taken, self.superseded
        pool = self._pool
        nodes, free = pool.nodes, pool.free
        node, node_hash, changed = self._node, self._node_hash, self._changed
        while records and records[-1][0] > bit:
            node_bit, left, right, left_hash, right_hash = records.pop()
            old = replaced.pop()
            side = sides.pop()
            if side == _LEFT:
                left, left_hash = node, node_hash
            else:
                right, right_hash = node, node_hash
                changed = changed or side == _RIGHT_LEFT_CHANGED
            if old != NONE:
                if not changed:
                    node, node_hash = old, sha256(b"\x01" + left_hash + right_hash).digest()
                    continue
                superseded.append(old)
            if left == NONE:
                node, node_hash = right, right_hash
            elif right == NONE:
                node, node_hash = left, left_hash
            else:
                node = free.pop() if free else pool.grow()
                write_record(nodes, node, node_bit, left, right, left_hash, right_hash)
                taken.append(node)
                node_hash = sha256(b"\x01" + left_hash + right_hash).digest()
        self._node, self._node_hash, self._changed = node, node_hash, changed


def _prefix_error(one: bytes, other: bytes) -> TrieMisuseError:
    """Say which two keys may not stand together."""
    short, long = sorted((one, other), key=len)
    return TrieMisuseError(f"the key {short.hex()} is the beginning of the key {long.hex()}")
