"""Reading the node: committed blocks through a small cache, contracts over a published state."""

import threading
from collections import OrderedDict

from chain.execution.executor import UNLIMITED
from chain.store import StoredBlock
from contracts.kernel import Host
from contracts.kernel.meter import Meter
from contracts.kernel.state import State
from contracts.registry import Registry
from node.api.errors import NotFound
from node.backend import BlockArchive, Published


class BlockReader:
    """Committed blocks by height; any thread.

    Reading a block decodes the whole of it, and who asks for one receipt of a block asks for the
    others next.
    """

    def __init__(self, archive: BlockArchive, cached_max: int) -> None:
        """Read from `archive` and keep the last `cached_max` blocks asked for."""
        self._archive = archive
        self._cached_max = cached_max
        self._blocks: OrderedDict[int, StoredBlock] = OrderedDict()
        self._lock = threading.Lock()

    def tip_height(self) -> int:
        """Return the height of the last committed block."""
        height = self._archive.tip_height()
        assert height is not None, "an API starts behind a chain that has its genesis"
        return height

    def at(self, height: int | None) -> StoredBlock:
        """Return the block at a height, or the newest; raises `NotFound`."""
        wanted = self.tip_height() if height is None else height
        with self._lock:
            known = self._blocks.get(wanted)
            if known is not None:
                self._blocks.move_to_end(wanted)
                return known
        block = self._archive.block(wanted)
        if block is None:
            tip = self.tip_height()
            hint = f"The newest block is at height {tip}."
            raise NotFound("There is no block at this height.", hint, height=wanted, tip_height=tip)
        with self._lock:
            self._blocks[wanted] = block
            if len(self._blocks) > self._cached_max:
                self._blocks.popitem(last=False)
        return block

    def place_of(self, transaction_id: bytes) -> tuple[int, int] | None:
        """Return (height, index) of a committed transaction, or None."""
        return self._archive.place_of(transaction_id)

    def holding(self, transaction_id: bytes) -> tuple[StoredBlock, int]:
        """Return the block with a transaction and its index there; raises `NotFound`."""
        place = self.place_of(transaction_id)
        if place is None:
            raise NotFound(
                "No block holds this transaction.",
                "`tx_status` says whether it waits; if not, send it again.",
                id=transaction_id,
            )
        return self.at(place[0]), place[1]


def contracts_over(published: Published, meter: Meter | None = None) -> Registry:
    """Return the contracts over a published state; `meter` bounds what they may do.

    Only single keys may be asked for without one.
    """
    unbounded = Meter(published.tip.parameters.weights, UNLIMITED)
    return Registry(Host(State(published.state, meter or unbounded)))
