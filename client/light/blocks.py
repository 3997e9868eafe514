"""The final blocks that a light client has verified, which must be blocks of one chain.

Two final blocks that cannot be of one chain mean that more than a third of the authorities signed
both sides of a fork, or that their keys were stolen. Nothing a light client could do repairs that,
so it is an error of its own, which carries both headers with their certificates: the evidence.
"""

from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

from chain.block import Header
from chain.light import VerificationError
from chain.votes import Certificate

# Headers that are kept to be compared with what comes later; the newest and block 0 always are.
BLOCKS_MAX: Final = 1_024


@dataclass(frozen=True, slots=True)
class FinalBlock:
    """A header with the certificate that made it final, which block 0 has none of."""

    header: Header
    certificate: Certificate | None

    @property
    def height(self) -> int:
        """Return the header's height."""
        return self.header.height


class ForkError(VerificationError):
    """Two final blocks cannot be of one chain; `lower` and `higher` prove it to anybody."""

    def __init__(self, why: str, lower: FinalBlock, higher: FinalBlock) -> None:
        """Say what contradicts what."""
        super().__init__(
            f"the chain has forked, both sides are final: {why}; keep both headers and "
            "certificates, they prove which authorities signed both"
        )
        self.lower = lower
        self.higher = higher


class FinalBlocks:
    """Verified blocks by height, from block 0 on, as far as they are kept."""

    def __init__(self, first: Header) -> None:
        """Begin with block 0, which needs no certificate."""
        self.first = FinalBlock(first, None)
        self.newest = self.first
        self._blocks = {first.height: self.first}
        self._heights = [first.height]

    def __contains__(self, header: Header) -> bool:
        """Say whether this very header is known to be final."""
        known = self._blocks.get(header.height)
        return known is not None and known.header == header

    def add(self, block: FinalBlock) -> None:
        """Keep a block whose certificate was verified; raises `ForkError`."""
        known = self._blocks.get(block.height)
        if known is not None:
            _check_same(known, block)
            return
        position = bisect_left(self._heights, block.height)
        _check_order(self._blocks[self._heights[position - 1]], block)
        if position < len(self._heights):
            _check_order(block, self._blocks[self._heights[position]])
        self._heights.insert(position, block.height)
        self._blocks[block.height] = block
        if block.height > self.newest.height:
            self.newest = block
        if len(self._heights) > BLOCKS_MAX:
            del self._blocks[self._heights.pop(1)]


def _check_same(known: FinalBlock, block: FinalBlock) -> None:
    """Check that two final blocks of one height are the same."""
    one, other = known.header.id(), block.header.id()
    if one != other:
        why = f"block {known.height} is {one.hex()} and {other.hex()}"
        raise ForkError(why, known, block)


def _check_order(lower: FinalBlock, higher: FinalBlock) -> None:
    """Check what the headers of two heights say of each other."""
    below, above = lower.header, higher.header
    if above.height == below.height + 1 and above.parent_hash != below.id():
        why = (
            f"block {below.height} is {below.id().hex()}, but block {above.height} "
            f"follows {above.parent_hash.hex()}"
        )
        raise ForkError(why, lower, higher)
    if above.time_ms <= below.time_ms:
        why = (
            f"block {above.height} is of {above.time_ms} ms, but block {below.height} "
            f"before it of {below.time_ms} ms"
        )
        raise ForkError(why, lower, higher)
