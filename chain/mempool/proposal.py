"""The order in which waiting transactions go into a block.

Each lane gives its transactions in order of arrival, a sender's in order of nonce. The next one
always comes from the lane that has used least of its share, by bytes and by weight: a lane gets its
share whatever waits in the others, and what a lane does not need is shared by the rest. How much a
transaction weighs is known only when it has run, so whoever builds the block says so.
"""

import heapq
from collections.abc import Iterator, Mapping
from math import lcm
from types import MappingProxyType
from typing import Final

from chain.mempool.entry import LANE_PERCENT, Entry
from chain.transaction import PreparedTransaction
from contracts.kernel import Lane
from contracts.kernel.rounding import floor_div

_WHOLE: Final = lcm(*LANE_PERCENT.values())
# What one byte or one unit of weight counts in each lane, so that equal sums are equal shares.
_COST: Final = MappingProxyType({lane: floor_div(_WHOLE, p) for lane, p in LANE_PERCENT.items()})
# The next nonce of a sender of whom nothing more can be in the block.
_NEVER: Final = -1


class Proposal(Iterator[PreparedTransaction]):
    """The transactions for one block, one after the other; works on what waited when it was made.

    ```python
    for prepared in proposal:
        try:
            proposal.spent(execution.apply(prepared).weight)
        except BlockFull:
            break
        except NotIncludableError:
            proposal.failed()
    ```
    """

    def __init__(
        self, waiting: Mapping[Lane, tuple[Entry, ...]], *, bytes_max: int, weight_max: int
    ) -> None:
        """Begin with the entries of each lane in order of arrival."""
        self._lanes = {lane: _LaneOrder(waiting[lane]) for lane in Lane}
        # The lanes that may have something left.
        self._open = list(Lane)
        self._bytes_max, self._weight_max = bytes_max, weight_max
        self._bytes_left = bytes_max
        self._bytes = dict.fromkeys(Lane, 0)
        self._weight = dict.fromkeys(Lane, 0)
        self._next_nonce: dict[bytes, int] = {}
        # Entries whose turn came before that of their sender's lower nonces, by the missing nonce.
        self._parked: dict[tuple[bytes, int], Entry] = {}
        self._last: Entry | None = None

    def __next__(self) -> PreparedTransaction:
        """Return the next transaction; all lower nonces of its sender came before it."""
        while True:
            lane = self._whose_turn()
            entry = self._lanes[lane].pop()
            if entry.size > self._bytes_left:
                # Later ones do not overtake it: the lane waits for the next block.
                self._lanes[lane].end()
                continue
            self._give(entry)
            return entry.prepared

    def _whose_turn(self) -> Lane:
        """Return the lane that has used least of its share; raises `StopIteration` at the end."""
        self._open = [lane for lane in self._open if self._first(lane) is not None]
        if not self._open:
            raise StopIteration
        if len(self._open) == 1:
            return self._open[0]
        return min((self._used(lane), lane) for lane in self._open)[1]

    def spent(self, weight: int) -> None:
        """Say what the last transaction weighed."""
        assert self._last is not None, "nothing was given yet"
        self._weight[self._last.lane] += weight

    def failed(self) -> None:
        """Say that the last transaction is not in the block: nothing more of its sender comes."""
        entry = self._last
        assert entry is not None, "nothing was given yet"
        self._next_nonce[entry.queue.sender] = _NEVER
        self._bytes_left += entry.size
        self._bytes[entry.lane] -= entry.size

    def _give(self, entry: Entry) -> None:
        self._last = entry
        self._bytes_left -= entry.size
        self._bytes[entry.lane] += entry.size
        self._next_nonce[entry.queue.sender] = entry.nonce + 1
        following = self._parked.pop((entry.queue.sender, entry.nonce + 1), None)
        if following is not None:
            self._lanes[following.lane].release(following)
            if following.lane not in self._open:
                self._open.append(following.lane)

    def _first(self, lane: Lane) -> Entry | None:
        """Return the lane's next entry, passing over those whose lower nonces have not come yet."""
        order = self._lanes[lane]
        while (entry := order.first()) is not None:
            sender = entry.queue.sender
            wanted = self._next_nonce.get(sender, entry.queue.nonce)
            if entry.nonce == wanted:
                return entry
            order.pop()
            if entry.nonce > wanted:
                self._parked[sender, entry.nonce] = entry
        return None

    def _used(self, lane: Lane) -> int:
        """Return the larger of the lane's used parts of bytes and weight, counted by its share."""
        by_bytes, by_weight = self._bytes[lane], self._weight[lane]
        return _COST[lane] * max(by_bytes * self._weight_max, by_weight * self._bytes_max)


class _LaneOrder:
    """One lane's entries by arrival, with those that had to wait for a lower nonce."""

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        self._entries = entries
        self._position = 0
        self._released: list[tuple[int, Entry]] = []
        self._ended = False

    def first(self) -> Entry | None:
        if self._ended:
            return None
        if self._released:
            return self._released[0][1]
        return self._entries[self._position] if self._position < len(self._entries) else None

    def pop(self) -> Entry:
        if self._released:
            return heapq.heappop(self._released)[1]
        self._position += 1
        return self._entries[self._position - 1]

    def release(self, entry: Entry) -> None:
        # It arrived before every entry that has not been looked at yet.
        heapq.heappush(self._released, (entry.arrival, entry))

    def end(self) -> None:
        self._ended = True
