"""Who leaves a full pool: by share of the lane first, then by readiness, offer and age.

A lane within its share gives way to no other; of those above theirs, the furthest above gives way
first. Within a lane the entry of lowest rank leaves, of equal ones the youngest, and with it all
higher nonces of its sender, in whichever lane: they could not be in a block without it.

Each lane has a heap over every sender's highest entry in it, so that finding who leaves takes
O(log n) a leaving entry. Items that are out of date stay in a heap until they come up; heaps are
brought up to date when somebody has to leave.
"""

import heapq
from typing import Final

from chain.mempool.entry import Entry, SenderQueue
from contracts.kernel import Lane

# (rank, minus arrival): ascending is the order of leaving, and an arrival is unique.
_Key = tuple[tuple[bool, int], int]
# A heap is made anew once more than half of it, and more than this, is out of date.
_STALE_MIN: Final = 64


class EvictionOrder:
    """The order of leaving of each lane, kept up to date as queues change."""

    def __init__(self) -> None:
        """Start empty."""
        self._heaps: dict[Lane, list[tuple[_Key, bytes]]] = {lane: [] for lane in Lane}
        self._live: dict[Lane, dict[bytes, tuple[_Key, SenderQueue]]] = {lane: {} for lane in Lane}
        # Queues that changed since somebody last had to leave, which most pools never come to.
        self._changed: dict[bytes, SenderQueue] = {}

    def note(self, queue: SenderQueue) -> None:
        """Take note that a queue changed in any way; nothing is kept of one that is empty now."""
        if queue.entries:
            self._changed[queue.sender] = queue
        else:
            self._changed.pop(queue.sender, None)
            self._take_over(queue)

    def refresh(self) -> None:
        """Take over the highest entries of the queues that changed."""
        for queue in self._changed.values():
            self._take_over(queue)
        self._changed.clear()

    def _take_over(self, queue: SenderQueue) -> None:
        for lane in queue.by_lane:
            live, top = self._live[lane], queue.highest(lane)
            if top is None:
                live.pop(queue.sender, None)
                continue
            key = _key(top)
            known = live.get(queue.sender)
            if known is None or known[0] != key:
                live[queue.sender] = (key, queue)
                self._push(lane, key, queue.sender)

    def take(self, lane: Lane, before: _Key | None) -> SenderQueue | None:
        """Take the queue of the first to leave, if it leaves before that key, off the lane's heap.

        `put_back` must follow.
        """
        heap, live = self._heaps[lane], self._live[lane]
        while heap and (before is None or heap[0][0] < before):
            key, sender = heapq.heappop(heap)
            known = live.get(sender)
            if known is not None and known[0] == key:
                return known[1]
        return None

    def put_back(self, lane: Lane, queue: SenderQueue) -> None:
        """Undo `take`."""
        self._push(lane, self._live[lane][queue.sender][0], queue.sender)

    def _push(self, lane: Lane, key: _Key, sender: bytes) -> None:
        heap, live = self._heaps[lane], self._live[lane]
        heapq.heappush(heap, (key, sender))
        if len(heap) > 2 * len(live) + _STALE_MIN:
            heap[:] = [(known, other) for other, (known, _) in live.items()]
            heapq.heapify(heap)


class Leaving:
    """A plan of who leaves, which changes nothing; `close` must follow.

    A queue in the plan is cut at a nonce and loses all from there on.
    """

    def __init__(self, order: EvictionOrder) -> None:
        """Start without anybody."""
        order.refresh()
        self._order = order
        self._cuts: dict[bytes, int] = {}
        self._taken: dict[tuple[Lane, bytes], SenderQueue] = {}
        self._candidates: dict[Lane, list[tuple[_Key, Entry]]] = {lane: [] for lane in Lane}

    def first(self, lane: Lane, spare: bytes) -> Entry | None:
        """Return who leaves next of a lane, nobody of the sender `spare`."""
        heap = self._candidates[lane]
        while True:
            while heap and self._is_cut(heap[0][1]):
                heapq.heappop(heap)
            queue = self._order.take(lane, heap[0][0] if heap else None)
            if queue is None:
                return heap[0][1] if heap else None
            self._taken[lane, queue.sender] = queue
            if queue.sender != spare:
                self._enter(queue.highest(lane))

    def cut(self, entry: Entry) -> list[Entry]:
        """Let an entry leave with all higher nonces of its sender; returns who leaves by that."""
        queue = entry.queue
        gone = queue.between(entry.nonce, self._cuts.get(queue.sender))
        self._cuts[queue.sender] = entry.nonce
        for lane in queue.by_lane:
            self._enter(queue.highest(lane, entry.nonce))
        return gone

    def close(self) -> None:
        """Put the order of leaving back as it was."""
        for (lane, _), queue in self._taken.items():
            self._order.put_back(lane, queue)

    def _enter(self, entry: Entry | None) -> None:
        if entry is not None:
            heapq.heappush(self._candidates[entry.lane], (_key(entry), entry))

    def _is_cut(self, entry: Entry) -> bool:
        cut = self._cuts.get(entry.queue.sender)
        return cut is not None and entry.nonce >= cut


def _key(entry: Entry) -> _Key:
    return entry.rank, -entry.arrival
