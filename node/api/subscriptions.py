"""Subscriptions: new events, pushed to WebSockets.

A subscription is a place on the chain that moves up. It reads block after block from the archive,
the newest from what the hub has just been told of, and sends what matches. So none is missed, one
can begin in the past, and a subscriber that is slow costs no memory: the one that falls too far
behind is told so and cut off, with the cursor from which it can go on.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import structlog
import trio

from chain.store import StoredBlock
from node.api.chain_events import EventAnswer, EventFilter, Place, PlacedEvent, events_from
from node.api.errors import SlowSubscriber, TooLarge
from node.api.limits import ApiLimits
from node.api.reading import BlockReader
from node.api.types import Answer, AnyObject
from node.backend import Backend

if TYPE_CHECKING:
    # libp2p brings trio-typing, whose stubs take the place of trio's own types.
    from trio_typing import TaskStatus

log = structlog.get_logger(__name__)

NOTIFICATION: Final = "events_notification"
RESUBSCRIBE_AFTER_S: Final = 0.2
THREADS_MAX: Final = 2

Send = Callable[[bytes], Awaitable[None]]


class Notification(Answer):
    """What a subscription sends: events of one block, and the cursor after them.

    A block of many events comes in several parts; the cursor of the last is the next block.
    `ended` is null but in the last one of a subscription that the node ends.
    """

    subscription: int
    height: int
    events: list[EventAnswer]
    cursor: str
    ended: AnyObject | None = None

    def encode(self) -> bytes:
        """Return the JSON-RPC notification."""
        head = b'{"jsonrpc":"2.0","method":"' + NOTIFICATION.encode() + b'","params":'
        return head + self.__pydantic_serializer__.to_json(self) + b"}"


class EventHub:
    """Follows the chain for all subscriptions of one API."""

    def __init__(self, backend: Backend, blocks: BlockReader, limits: ApiLimits) -> None:
        """Follow nothing until `run`."""
        self._backend = backend
        self._blocks = blocks
        self.limits = limits
        self._recent: OrderedDict[int, StoredBlock] = OrderedDict()
        self._changed = trio.Event()
        self._threads = trio.CapacityLimiter(THREADS_MAX)
        self._tip = blocks.tip_height()
        self._count = 0
        self._numbers = 0

    @property
    def tip_height(self) -> int:
        """Return the newest height that subscriptions know of."""
        return self._tip

    @property
    def subscription_count(self) -> int:
        """Return how many subscriptions there are."""
        return self._count

    async def run(self, task_status: "TaskStatus[None]" = trio.TASK_STATUS_IGNORED) -> None:
        """Follow the node's blocks until cancelled."""
        task_status.started()
        while True:
            # The node's blocks come from a generator, which must not outlive this task.
            source = cast("AsyncGenerator[StoredBlock, None]", self._backend.blocks())
            async with aclosing(source) as blocks, trio.open_nursery() as nursery:
                # It begins once the source listens, which that does before its first wait.
                nursery.start_soon(self._catch_up)
                async for block in blocks:
                    self._keep(block)
                nursery.cancel_scope.cancel()
            log.warning("event_hub_cut_off", height=self._tip)
            await trio.sleep(RESUBSCRIBE_AFTER_S)

    def open(
        self, wanted: EventFilter, start: Place | None, *, every_block: bool
    ) -> "Subscription":
        """Count a new subscription in; raises `TooLarge` if there are too many."""
        if self._count >= self.limits.subscriptions_max:
            most = self.limits.subscriptions_max
            raise TooLarge("This node has as many subscriptions as it allows.", max=most)
        self._count += 1
        self._numbers += 1
        first = Place(self._tip + 1) if start is None else start
        return Subscription(self, self._numbers, wanted, first, every_block=every_block)

    def closed(self) -> None:
        """Count a subscription out."""
        self._count -= 1

    async def wait_for(self, height: int) -> None:
        """Return once the chain has this height."""
        while self._tip < height:
            await self._changed.wait()

    async def notifications(self, number: int, wanted: EventFilter, start: Place) -> list[bytes]:
        """Return the encoded notifications for the block of a place, in a thread."""
        return await trio.to_thread.run_sync(
            self._notifications, number, wanted, start, limiter=self._threads
        )

    def _notifications(self, number: int, wanted: EventFilter, start: Place) -> list[bytes]:
        block = self._recent.get(start.height) or self._blocks.at(start.height)
        events = list(events_from(block, start, wanted))
        most = self.limits.items_max
        after = [*(event.place for event in events[most::most]), Place(start.height + 1)]
        parts = [events[first : first + most] for first in range(0, len(events), most)]
        return [
            _notification(number, part, start.height, cursor)
            for part, cursor in zip(parts, after, strict=False)
        ]

    async def _catch_up(self) -> None:
        """Move on to what was committed while nobody listened: it is in the archive."""
        self._advance(await trio.to_thread.run_sync(self._blocks.tip_height))

    def _keep(self, block: StoredBlock) -> None:
        height = block.header.height
        if self._count:
            self._recent[height] = block
        while len(self._recent) > (self.limits.blocks_cached_max if self._count else 0):
            self._recent.popitem(last=False)
        self._advance(height)

    def _advance(self, height: int) -> None:
        self._tip = max(self._tip, height)
        changed, self._changed = self._changed, trio.Event()
        changed.set()


@dataclass(frozen=True)
class Subscription:
    """One subscriber's wish, and how it is served."""

    hub: EventHub
    number: int
    wanted: EventFilter
    start: Place
    every_block: bool

    async def serve(self, send: Send) -> None:
        """Send what matches until cancelled, or until the subscriber is too slow."""
        place, has_caught_up = self.start, False
        while True:
            await self.hub.wait_for(place.height)
            behind = self.hub.tip_height - place.height
            if has_caught_up and behind > self.hub.limits.subscription_lag_blocks_max:
                await send(self._farewell(place, behind))
                return
            has_caught_up = has_caught_up or behind == 0
            next_block = Place(place.height + 1)
            messages = await self.hub.notifications(self.number, self.wanted, place)
            if self.every_block and not messages:
                messages = [_notification(self.number, [], place.height, next_block)]
            for message in messages:
                await send(message)
            place = next_block

    def _farewell(self, place: Place, behind: int) -> bytes:
        error = SlowSubscriber(blocks_behind=behind)
        return Notification(
            subscription=self.number,
            height=place.height,
            events=[],
            cursor=str(place),
            ended=error.form.to_json(),
        ).encode()


def _notification(number: int, events: list[PlacedEvent], height: int, cursor: Place) -> bytes:
    """Make the notification of some events of a block."""
    return Notification(
        subscription=number,
        height=height,
        events=[event.form() for event in events],
        cursor=str(cursor),
    ).encode()
