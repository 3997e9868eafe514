"""The pool that all versions stand in: flat arrays, no Python object per node.

An inner node is a record of 82 bytes; a leaf is no more than its key. The hash of a node stands in
the record of the node above it, that of the root in the version:

    critical bit (2 bytes) · left (8) · right (8) · hash of left (32) · hash of right (32)

`left` and `right` are references. That of an inner node is the place of its record, 0 or more; that
of a leaf is negative and says where its key lies: ~(place · 256 + length of the key). So a batch
that comes back up from a leaf needs nothing but the records it went down through: siblings are
never read. And a leaf whose value changes keeps its key where it is.

Keys lie in one byte array per key length, so they take their own length and nothing else: as
objects, 32-byte keys would take 88 bytes each. Tables have keys of fixed width, so what a deleted
key leaves is filled by the next key of that length. A key of n bytes costs 82 + n.

A record or key once written is never changed until it is free again. Copy-on-write needs no more,
and readers in other threads rely on it: the arrays only ever grow, in place, by single calls that
hold the interpreter lock, the objects are never exchanged, and no view of them is ever handed out
(a view would forbid growing). So a reader finds the same bytes behind a reference for as long as
its version is pinned (`chain.trie.versions`).

Only the thread that owns the trie takes and frees.
"""

from array import array
from collections.abc import Iterable
from struct import Struct
from typing import Final, TypeAlias

from chain.trie.nodes import KEY_BYTES_MAX, TrieMisuseError

# Where a reference is expected and there is no node: an empty trie, an empty side. It is not the
# reference of a leaf, for no key has length 0.
NONE: Final = -1

# The critical bit of a record that holds no node.
FREE: Final = 0xFFFF

_RECORDS_ADDED: Final = 2048

_RECORD: Final = Struct("<Hqq32s32s")
_LINKS: Final = Struct("<Hqq")
_BIT: Final = Struct("<H")

RECORD_BYTES: Final = _RECORD.size

# Bit, left, right, hash of left, hash of right.
Record: TypeAlias = tuple[int, int, int, bytes, bytes]

# These are what every loop over nodes is made of: `read_record(pool.nodes, reference)` gives a
# `Record`, `read_links` the first three of its fields, and
# `write_record(pool.nodes, reference, bit, left, right, left_hash, right_hash)` writes one.
read_record: Final = _RECORD.unpack_from
read_links: Final = _LINKS.unpack_from
write_record: Final = _RECORD.pack_into

# The sides of an inner node.
LEFT: Final = 0
RIGHT: Final = 1


def side_node(record: Record, side: int) -> int:
    """Give the node on one side of an inner node."""
    return record[2] if side else record[1]


def side_hash(record: Record, side: int) -> bytes:
    """Give the hash of the node on one side of an inner node."""
    return record[4] if side else record[3]


class Pool:
    """Records for inner nodes and places for keys, with what is free of both."""

    __slots__ = ("free", "free_keys", "keys", "nodes")

    def __init__(self) -> None:
        self.nodes = bytearray()
        self.free: array[int] = array("q")
        # Both are indexed by the length of the key.
        self.keys = [bytearray() for _ in range(KEY_BYTES_MAX + 1)]
        self.free_keys: list[array[int]] = [array("q") for _ in range(KEY_BYTES_MAX + 1)]

    def grow(self) -> int:
        """Add free records and take one of them."""
        first = len(self.nodes)
        self.nodes += _RECORD.pack(FREE, 0, 0, b"", b"") * _RECORDS_ADDED
        self.free.extend(range(len(self.nodes) - RECORD_BYTES, first, -RECORD_BYTES))
        return first

    def new_leaf(self, key: bytes) -> int:
        """Store the key of a leaf."""
        length = len(key)
        keys = self.keys[length]
        free_keys = self.free_keys[length]
        if free_keys:
            place = free_keys.pop()
            keys[place : place + length] = key
        else:
            place = len(keys)
            keys += key
        return ~(place << 8 | length)

    def new_inner(
        self, bit: int, left: int, right: int, left_hash: bytes, right_hash: bytes
    ) -> int:
        """Store an inner node."""
        free = self.free
        reference = free.pop() if free else self.grow()
        write_record(self.nodes, reference, bit, left, right, left_hash, right_hash)
        return reference

    def give_back(self, references: Iterable[int]) -> None:
        """Free inner nodes and leaves."""
        nodes, free = self.nodes, self.free
        for reference in references:
            if reference < 0:
                self.free_keys[~reference & 0xFF].append(~reference >> 8)
            else:
                if _BIT.unpack_from(nodes, reference)[0] == FREE:
                    raise TrieMisuseError(f"the record at {reference} is freed a second time")
                _BIT.pack_into(nodes, reference, FREE)
                free.append(reference)

    def record(self, inner: int) -> Record:
        """Read an inner node."""
        record: Record = read_record(self.nodes, inner)
        return record

    def key(self, leaf: int) -> bytes:
        """Copy the key of a leaf."""
        length, place = ~leaf & 0xFF, ~leaf >> 8
        return bytes(self.keys[length][place : place + length])

    def descend(self, reference: int, key: bytes) -> int:
        """Follow the bits of `key` from a node to a leaf, whether or not it holds that key.

        Bits behind the end of `key` count as 0. The leaf agrees with `key` for as many bits as any
        leaf below the node does.
        """
        nodes = self.nodes
        padded = key.ljust(KEY_BYTES_MAX, b"\0")
        while reference >= 0:
            bit, left, right = read_links(nodes, reference)
            reference = right if padded[bit >> 3] & (0x80 >> (bit & 7)) else left
        return reference

    @property
    def nodes_used(self) -> int:
        """How many inner nodes there are, of all versions."""
        return len(self.nodes) // RECORD_BYTES - len(self.free)  # index arithmetic

    @property
    def bytes_held(self) -> int:
        """The bytes that the arrays hold, without what the allocator adds to them."""
        keys = sum(len(keys) for keys in self.keys)
        free = len(self.free) + sum(len(free_keys) for free_keys in self.free_keys)
        return len(self.nodes) + keys + 8 * free
