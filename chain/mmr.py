r"""History: a Merkle mountain range over all block ids: a header proves every block before it.

Leaves are never changed, only added. Perfect binary trees ("mountains") stand side by side, higher
ones to the left, one for each set bit of the leaf count; their tops are the peaks:

```text
 height 2         6
                /   \
        1      2     5      9        positions count nodes in the order in which they arise:
              / \   / \    / \       each leaf, followed by the inner nodes it completes
        0    0   1 3   4  7   8  10
```

A leaf is SHA-256(00 ‖ block id), an inner node SHA-256(01 ‖ left ‖ right), and
`history_root` = SHA-256(`HISTORY_TAG` ‖ leaf count, 8 bytes big-endian ‖ peaks from the left). The
header of height h commits to the blocks 0 … h−1, so the leaf index is the block's height and the
leaf count is h. (PROTOCOL §2; Todd, "Merkle Mountain Ranges", OpenTimestamps, 2016.)

Nodes are written once at their position and never again, also when the state is pruned.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from chain.merkle import HASH_BYTES, inner_hash, leaf_hash
from contracts.kernel import Items, Record, record, sha256
from contracts.kernel.types import Hash32

HISTORY_TAG: Final = b"gridtokenx history\0"
LEAVES_MAX: Final = 2**63 - 1
COUNT_BYTES: Final = 8
# A mountain range of up to 2^63 − 1 leaves has at most 63 mountains, the highest of height 62.
PEAKS_MAX: Final = 63

NodeReader = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Mmr:
    """What appending needs: the leaf count and the peaks; the nodes below are stored elsewhere."""

    leaf_count: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Check that there is one peak for each mountain."""
        assert 0 <= self.leaf_count <= LEAVES_MAX, f"{self.leaf_count} leaves"
        assert len(self.peaks) == self.leaf_count.bit_count(), f"{len(self.peaks)} peaks"
        assert all(len(peak) == HASH_BYTES for peak in self.peaks), "a peak is not a hash"

    @classmethod
    def load(cls, node_reader: NodeReader, leaf_count: int) -> "Mmr":
        """Return the range over the first `leaf_count` leaves, read from stored nodes."""
        mountains = _mountains(leaf_count)
        return cls(leaf_count, tuple(node_reader(_position(*place)) for place in mountains))

    @property
    def history_root(self) -> bytes:
        """Return the history root of the header whose height is the leaf count."""
        return _history_root(self.leaf_count, self.peaks)

    def append(self, block_id: bytes) -> tuple["Mmr", tuple[tuple[int, bytes], ...]]:
        """Return the range with one leaf more, and the new nodes with their positions.

        The candidates of one height append to the same range; only the nodes of the one that is
        committed are stored.
        """
        position = node_count(self.leaf_count)
        node, peaks = leaf_hash(block_id), list(self.peaks)
        nodes = [(position, node)]
        carry = self.leaf_count
        while carry & 1:
            node = inner_hash(peaks.pop(), node)
            position += 1
            nodes.append((position, node))
            carry >>= 1
        return Mmr(self.leaf_count + 1, (*peaks, node)), tuple(nodes)


def node_count(leaf_count: int) -> int:
    """Return how many nodes the range over so many leaves has: the position of its next leaf."""
    return 2 * leaf_count - leaf_count.bit_count()


@record(version=1)
class HistoryProof(Record):
    """The hashes beside a leaf's way to its peak, lowest first, and the other peaks in order."""

    path: Annotated[tuple[Hash32, ...], Items(PEAKS_MAX - 1)]
    other_peaks: Annotated[tuple[Hash32, ...], Items(PEAKS_MAX - 1)]


def prove(node_reader: NodeReader, leaf_index: int, leaf_count: int) -> HistoryProof:
    """Prove leaf `leaf_index` in the range over the first `leaf_count` leaves; O(log n) reads."""
    assert 0 <= leaf_index < leaf_count <= LEAVES_MAX, f"leaf {leaf_index} of {leaf_count}"
    path: list[bytes] = []
    other_peaks: list[bytes] = []
    for start, height in _mountains(leaf_count):
        if start <= leaf_index < start + (1 << height):
            for level in range(height):
                sibling = (leaf_index >> level ^ 1) << level
                path.append(node_reader(_position(sibling, level)))
        else:
            other_peaks.append(node_reader(_position(start, height)))
    return HistoryProof(tuple(path), tuple(other_peaks))


def verify(
    history_root: bytes, leaf_count: int, leaf_index: int, block_id: bytes, proof: HistoryProof
) -> bool:
    """Say whether the block of height `leaf_index` is `block_id`.

    `history_root` and `leaf_count` are the history root and the height of one trusted header. A
    leaf has exactly one proof under it: lengths and sizes must fit.
    """
    if not 0 <= leaf_index < leaf_count <= LEAVES_MAX:
        return False
    mountains = tuple(_mountains(leaf_count))
    own = sum(start <= leaf_index for start, _ in mountains) - 1
    if len(proof.path) != mountains[own][1] or len(proof.other_peaks) != len(mountains) - 1:
        return False
    if any(len(node) != HASH_BYTES for node in (*proof.path, *proof.other_peaks)):
        return False
    node = leaf_hash(block_id)
    for level, sibling in enumerate(proof.path):
        is_right = leaf_index >> level & 1
        node = inner_hash(sibling, node) if is_right else inner_hash(node, sibling)
    peaks = (*proof.other_peaks[:own], node, *proof.other_peaks[own:])
    return _history_root(leaf_count, peaks) == history_root


def _history_root(leaf_count: int, peaks: tuple[bytes, ...]) -> bytes:
    return sha256(HISTORY_TAG + leaf_count.to_bytes(COUNT_BYTES, "big") + b"".join(peaks))


def _mountains(leaf_count: int) -> Iterator[tuple[int, int]]:
    """Yield first leaf and height of each mountain, from the left."""
    start = 0
    for height in reversed(range(leaf_count.bit_length())):
        if leaf_count >> height & 1:
            yield start, height
            start += 1 << height


def _position(start: int, height: int) -> int:
    """Return the position of the node of this height whose leftmost leaf is `start`."""
    return node_count(start) + (2 << height) - 2
