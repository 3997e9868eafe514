r"""List roots: Merkle trees over transactions, receipts, events and evidence (RFC 9162 §2.1).

A leaf's hash is SHA-256(00 ‖ leaf), an inner node's SHA-256(01 ‖ left ‖ right): no leaf can pass as
a node. The left subtree has the largest power of two that is smaller than the number of leaves,
which is the same tree as pairing each level from the left and letting an odd last node rise:

```text
        root         five leaves; the path of d is c, (a b), e
       /    \
      .      e
    /   \
   .     .
  / \   / \
 a   b c   d
```
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Final, Self

from contracts.kernel import Items, Range, Record, record, sha256
from contracts.kernel.types import Hash32

HASH_BYTES: Final = 32
LEAVES_MAX: Final = 2**32
PATH_MAX: Final = 32
EMPTY_ROOT: Final = sha256(b"")


@record(version=1)
class InclusionProof(Record):
    """A leaf's place in a list, and the hashes beside its way to the root, lowest first."""

    size: Annotated[int, Range(1, LEAVES_MAX)]
    index: Annotated[int, Range(0, LEAVES_MAX - 1)]
    path: Annotated[tuple[Hash32, ...], Items(PATH_MAX)]

    @classmethod
    def of(cls, leaves: Sequence[bytes], index: int) -> Self:
        """Prove that `leaves[index]` is in the list."""
        return cls(len(leaves), index, prove(leaves, index))

    def verify(self, root: bytes, leaf: bytes) -> bool:
        """Say whether `leaf` is in the list with this root; see `verify_inclusion`."""
        return verify_inclusion(root, self.size, self.index, leaf, self.path)


def merkle_root(leaves: Iterable[bytes]) -> bytes:
    """Return the root of a list; O(n)."""
    level = [leaf_hash(leaf) for leaf in leaves]
    while len(level) > 1:
        level = _paired(level)
    return level[0] if level else EMPTY_ROOT


def prove(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the path of `leaves[index]`, lowest first; O(n)."""
    assert 0 <= index < len(leaves), f"leaf {index} of {len(leaves)}"
    path = []
    for level in _levels(leaves):
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        index >>= 1
    return tuple(path)


def verify_inclusion(
    root: bytes, size: int, index: int, leaf: bytes, path: Sequence[bytes]
) -> bool:
    """Say whether `leaf` is in the list with this root (RFC 9162 §2.1.3.2).

    The path must have exactly the hashes that `size` and `index` call for. That the leaf is in the
    list is proven in any case; that it stands at `index` only if `size` comes from a source as
    trusted as the root, since a shorter list with the same path gives a leaf another place.
    """
    if not 0 <= index < size <= LEAVES_MAX or any(len(node) != HASH_BYTES for node in path):
        return False
    node, last = leaf_hash(leaf), size - 1
    for sibling in path:
        if last == 0:
            return False
        if index & 1 or index == last:
            node = inner_hash(sibling, node)
            while not index & 1 and index:
                # An odd last node rose through these levels without a sibling.
                index, last = index >> 1, last >> 1
        else:
            node = inner_hash(node, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and node == root


def leaf_hash(leaf: bytes) -> bytes:
    """Return SHA-256(00 ‖ leaf)."""
    return sha256(b"\x00" + leaf)


def inner_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right)


def _levels(leaves: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the nodes level by level, from the leaves' hashes to the root alone."""
    level = [leaf_hash(leaf) for leaf in leaves]
    yield level
    while len(level) > 1:
        level = _paired(level)
        yield level


def _paired(level: list[bytes]) -> list[bytes]:
    """Return the level above; an odd last node rises."""
    pairs = zip(level[::2], level[1::2], strict=False)
    risen = level[-1:] if len(level) & 1 else []
    return [inner_hash(left, right) for left, right in pairs] + risen
