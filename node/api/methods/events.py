"""Events: searched in the committed blocks, and pushed as they happen."""

from typing import Annotated, Protocol

from pydantic import AfterValidator, WithJsonSchema

from node.api.chain_events import EventAnswer, EventFilter, Place, events_from, scan_cost
from node.api.errors import NotFound
from node.api.service import Service
from node.api.subscriptions import Subscription
from node.api.types import LIMIT_DEFAULT, Answer, HeightIn, Limit, Params

Cursor = Annotated[
    str,
    AfterValidator(lambda text: str(Place.of(text))),
    WithJsonSchema({"type": "string", "description": "a cursor that an answer gave"}),
]


class EventsParams(EventFilter):
    """Which events, from where to where, and how many at once; `cursor` overrides `from_height`."""

    from_height: HeightIn = 0
    to_height: HeightIn | None = None
    cursor: Cursor | None = None
    limit: Limit = LIMIT_DEFAULT


class EventsAnswer(Answer):
    """A page of events in order.

    `cursor` is where to go on, now if there is `more`, else once the chain has grown.
    """

    events: list[EventAnswer]
    cursor: str
    more: bool
    tip_height: int


class SubscribeParams(EventFilter):
    """Which events, and from where on; from the next block if `cursor` is left out.

    `every_block` also tells of blocks without a match.
    """

    cursor: Cursor | None = None
    every_block: bool = False


class SubscriptionAnswer(Answer):
    """The number that the subscription's notifications carry."""

    subscription: int


class UnsubscribeParams(Params):
    """The number of a subscription of this WebSocket."""

    subscription: int


class Session(Protocol):
    """A WebSocket, as its subscriptions see it."""

    def start(self, subscription: Subscription) -> None:
        """Serve a subscription from now on."""

    def stop(self, number: int) -> bool:
        """End a subscription; says whether there was one."""

    def check_room(self) -> None:
        """Raise `TooLarge` if this connection has as many subscriptions as one may."""


def events_query(service: Service, params: EventsParams) -> EventsAnswer:
    """Search the committed blocks for events, oldest first.

    A page ends at `limit` events, or when the node has read as many blocks as one search may; then
    it can hold few events, or none, and still have `more`.
    """
    tip = service.blocks.tip_height()
    last = tip if params.to_height is None else min(params.to_height, tip)
    place = Place(params.from_height) if params.cursor is None else Place.of(params.cursor)
    limit = min(params.limit, service.limits.items_max)
    found: list[EventAnswer] = []
    blocks, cost = 0, 0
    while place.height <= last and blocks < service.limits.event_blocks_max:
        block = service.blocks.at(place.height)
        for event in events_from(block, place, params):
            if len(found) == limit:
                return EventsAnswer(
                    events=found, cursor=str(event.place), more=True, tip_height=tip
                )
            found.append(event.form())
        place = Place(place.height + 1)
        blocks, cost = blocks + 1, cost + scan_cost(block)
        if cost > service.limits.event_scan_bytes_max:
            break
    more = place.height <= last
    return EventsAnswer(events=found, cursor=str(place), more=more, tip_height=tip)


async def events_subscribe(
    service: Service, params: SubscribeParams, session: Session
) -> SubscriptionAnswer:
    """Push events as blocks are committed, as `events_notification` messages.

    A subscriber that falls too far behind gets a last notification with `ended`, and can subscribe
    again with its cursor.
    """
    session.check_room()
    start = None if params.cursor is None else Place.of(params.cursor)
    subscription = service.hub.open(params, start, every_block=params.every_block)
    session.start(subscription)
    return SubscriptionAnswer(subscription=subscription.number)


async def events_unsubscribe(
    _: Service, params: UnsubscribeParams, session: Session
) -> SubscriptionAnswer:
    """End a subscription of this WebSocket."""
    if not session.stop(params.subscription):
        raise NotFound(
            "This WebSocket has no such subscription.", "", subscription=params.subscription
        )
    return SubscriptionAnswer(subscription=params.subscription)
