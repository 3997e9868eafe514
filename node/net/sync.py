"""Sync: a node that is behind fetches what others have decided, from several of them at a time.

What a peer says shows where it stands; that is a hint, and only decides whom to ask for what.
Ranges of heights are fetched ahead of execution within a window of blocks and bytes, and adopted in
their order: the certificate is verified by the set in force before anything is executed. A peer
whose blocks do not prove what they say has lied: what came from it is dropped and asked of others.
A peer that is slow or has nothing costs a deadline, and is not asked for a while.

Consensus catches up by itself over one or two heights; sync begins beyond.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
import trio
from libp2p.peer.id import ID

from chain.block import InvalidBlockError
from chain.store import Decided
from chain.votes import InvalidTallyError
from node.engine import Engine
from node.net.history import History
from node.net.protocols import RANGE_BLOCKS_MAX
from p2p.requests import AskError

LAG_MIN: Final = 3
LOOK_EVERY_S: Final = 0.2
ASKED_AT_ONCE_MAX: Final = 4
# How far fetching may be ahead of execution.
WINDOW_BLOCKS: Final = 8 * RANGE_BLOCKS_MAX
WINDOW_BYTES: Final = 64 * 2**20
# How long a peer that failed is not asked, and one that lied.
PAUSE_S: Final = 5.0
PAUSE_AFTER_LIE_S: Final = 300.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Fetched:
    """Blocks of successive heights that wait for their turn, and who sent them."""

    peer: ID
    blocks: list[Decided]

    @property
    def bytes(self) -> int:
        """Return the bytes of their transactions."""
        return sum(len(raw) for one in self.blocks for raw in one.block.body.transactions)


class Sync:
    """Catches up with the peers' chain; `lies` counts by peer."""

    def __init__(
        self,
        engine: Engine,
        history: History,
        peers: Callable[[], Sequence[ID]],
    ) -> None:
        """Fetch from connected peers."""
        self._engine = engine
        self._history = history
        self._peers = peers
        self._heights: dict[ID, int] = {}
        self._not_before: dict[ID, float] = {}
        self._asking: set[ID] = set()
        self._ranges: dict[int, Fetched] = {}
        self._under_way: dict[int, int] = {}
        self._changed = trio.Event()
        self.lies: Counter[ID] = Counter()

    def hear(self, peer: ID, height: int) -> None:
        """Take note that a peer says it has committed this height, or speaks as if it had."""
        self._heights[peer] = max(height, self._heights.get(peer, 0))

    def forget(self, peer: ID) -> None:
        """Take note that a peer is gone."""
        self._heights.pop(peer, None)

    def height_of(self, peer: ID) -> int:
        """Return the height that a peer says it has, 0 if it said nothing."""
        return self._heights.get(peer, 0)

    @property
    def target(self) -> int:
        """Return the highest height that a connected peer says it has."""
        return max((self._heights.get(one, 0) for one in self._peers()), default=0)

    async def run(self) -> None:
        """Catch up whenever the others are ahead, until cancelled."""
        while True:
            if self.target >= self._engine.height + LAG_MIN:
                await self._catch_up()
            await trio.sleep(LOOK_EVERY_S)

    async def _catch_up(self) -> None:
        first = self._engine.height + 1
        log.info("sync_started", height=first, target=self.target)
        self._ranges.clear()
        self._under_way.clear()
        async with trio.open_nursery() as nursery:
            while self.target > self._engine.height:
                self._changed = trio.Event()
                await self._adopt_next()
                self._ask_more(nursery)
                if not self._under_way and self._engine.height + 1 not in self._ranges:
                    break  # Nobody who is left has the next one.
                await self._changed.wait()
            nursery.cancel_scope.cancel()
        self._asking.clear()
        log.info("sync_ended", height=self._engine.height, target=self.target)

    def _ask_more(self, nursery: trio.Nursery) -> None:
        """Begin to fetch what is missing in the window, each range from another peer."""
        for first, count in self._missing():
            peer = self._whom(first)
            if peer is None or len(self._asking) >= ASKED_AT_ONCE_MAX:
                return
            self._asking.add(peer)
            self._under_way[first] = count
            nursery.start_soon(self._fetch, peer, first, count)

    def _missing(self) -> list[tuple[int, int]]:
        """Return the ranges to ask for, ascending: (first, count)."""
        height = self._engine.height + 1
        last = min(self.target, height + WINDOW_BLOCKS - 1)
        if sum(one.bytes for one in self._ranges.values()) >= WINDOW_BYTES:
            last = min(last, height)
        spans = {first: len(one.blocks) for first, one in self._ranges.items()} | self._under_way
        found = []
        while height <= last:
            if height in spans:
                height += spans[height]
                continue
            end = min(
                [last + 1, height + RANGE_BLOCKS_MAX, *(one for one in spans if one > height)]
            )
            found.append((height, end - height))
            height = end
        return found

    def _whom(self, first: int) -> ID | None:
        """Return a peer that says it has this height and is free."""
        now = trio.current_time()
        for peer in self._peers():
            if self._heights.get(peer, 0) < first or peer in self._asking:
                continue
            if self._not_before.get(peer, now) <= now:
                return peer
        return None

    async def _fetch(self, peer: ID, first: int, count: int) -> None:
        try:
            blocks = await self._history.ask(peer, first, count)
            if blocks:
                self._ranges[first] = Fetched(peer, blocks)
            else:
                self._pause(peer, "it has not what it said it has", is_lie=False)
        except AskError as error:
            self._pause(peer, str(error), is_lie=error.is_lie)
        finally:
            self._asking.discard(peer)
            self._under_way.pop(first, None)
            self._changed.set()

    async def _adopt_next(self) -> None:
        """Adopt what is here of the next heights."""
        while (fetched := self._ranges.pop(self._engine.height + 1, None)) is not None:
            for decided in fetched.blocks:
                try:
                    await self._engine.adopt(decided)
                except (InvalidTallyError, InvalidBlockError) as error:
                    self._pause(fetched.peer, f"block {decided.block.height}: {error}", is_lie=True)
                    break
        # Consensus may have decided some of them meanwhile.
        height = self._engine.height
        for first in [one for one in self._ranges if one <= height]:
            del self._ranges[first]

    def _pause(self, peer: ID, why: str, *, is_lie: bool) -> None:
        log.info("sync_peer_failed", peer=peer.to_base58(), reason=why, is_lie=is_lie)
        self.lies[peer] += is_lie
        # Where it really stands, it will say again.
        self._heights.pop(peer, None)
        pause_s = PAUSE_AFTER_LIE_S if is_lie else PAUSE_S
        self._not_before[peer] = trio.current_time() + pause_s
