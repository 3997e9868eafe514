"""Gossip: what is published on a topic reaches every node that has it, from peer to peer.

Every node keeps one stream to each peer that is connected, and reads one from it. A message is
signed by whom it is from, checked (size, topic, signature, and then by the topic's validator), and
only then passed on and received here. Its id is the hash of topic and data: what was seen in the
last two minutes is dropped, whoever says it again. (GossipSub 1.1; libp2p pubsub, StrictSign.)

A peer's messages are dealt with one after another, in the task that reads its stream: who sends
more than is checked in time finds its stream full. A message that finds no room on the way to a
peer is lost for that peer, and counted. Nothing here promises delivery.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

import structlog
import trio
from libp2p.abc import INetStream
from libp2p.network.stream.exceptions import StreamError
from libp2p.peer.id import ID
from libp2p.pubsub.pb.rpc_pb2 import RPC, Message

from p2p.gossip_router import MESHSUB, Outbox, Router, Table
from p2p.library import check_library
from p2p.network import Host
from p2p.rpc import (
    MESSAGE_BYTES_MAX,
    BadRpcError,
    RpcReader,
    bare_of,
    flaw_of,
    frame_of,
    is_signed,
    message_id,
    signed_message,
)

if TYPE_CHECKING:
    from trio_typing import TaskStatus

VALIDATION_TIMEOUT_S: Final = 10.0
OPEN_TIMEOUT_S: Final = 10.0
# How long one write may take before the peer counts as stuck.
WRITE_TIMEOUT_S: Final = 10.0
WRITE_BYTES_MAX: Final = 2**16
RETRY_MIN_S: Final = 0.25
RETRY_MAX_S: Final = 15.0
LOOK_EVERY_S: Final = 0.25

log = structlog.get_logger(__name__)


class Verdict(Enum):
    """What a topic's validator says of a message."""

    ACCEPT = "accept"
    """Pass it on, and receive it."""
    IGNORE = "ignore"
    """Do neither; nobody is to blame."""
    REJECT = "reject"
    """Do neither; no honest peer would have passed it on."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic: who checks its messages, and who gets them; both are told from which peer."""

    name: str
    validate: Callable[[ID, bytes], Awaitable[Verdict]]
    receive: Callable[[ID, bytes], Awaitable[None]]
    """It may hold that peer up."""


class Gossip:
    """Topics over one host.

    By peer, `bad` counts what no honest peer sends, `duplicates` what was there already, and `lost`
    what found no room on the way to it; by topic, `failures` counts what a validator or receiver
    raised.
    """

    def __init__(self, host: Host, topics: Sequence[Topic], admits: Callable[[ID], bool]) -> None:
        """Ask `admits` of whoever signed a message; raises `LibraryError`."""
        check_library()
        self._host = host
        self._topics = {topic.name: topic for topic in topics}
        self._admits = admits
        self._table = Table(host, {topic.name: set() for topic in topics})
        self._router = Router(self._table)
        self._reading: dict[ID, INetStream] = {}
        self._scopes: dict[ID, trio.CancelScope] = {}
        # On its stream, the news of which topics were told: they are told once.
        self._told: dict[ID, set[str]] = {}
        self._is_running = False
        self._number = 0
        self.bad: Counter[ID] = Counter()
        self.duplicates: Counter[ID] = Counter()
        self.lost: Counter[ID] = Counter()
        self.failures: Counter[str] = Counter()
        host.set_stream_handler(MESHSUB, self._read)

    @property
    def peers(self) -> list[ID]:
        """Return who can be written to."""
        return list(self._table.peers)

    def mesh(self, topic: str) -> set[ID]:
        """Return who is sent everything of a topic."""
        return set(self._router.mesh.get(topic, ()))

    async def run(self, task_status: "TaskStatus[None]" = trio.TASK_STATUS_IGNORED) -> None:
        """Pass on and receive until cancelled."""
        for name in self._topics:
            await self._router.join(name)
        self._is_running = True
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._router.heartbeat)
                nursery.start_soon(self._keep, nursery)
                task_status.started()
        finally:
            self._is_running = False
            self._scopes.clear()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                for stream in tuple(self._reading.values()):
                    await stream.reset()

    def publish(self, topic: str, data: bytes) -> None:
        """Send to the peers of a topic, again if it is published again; we don't receive it."""
        assert topic in self._topics, f"no topic {topic!r}"
        assert 0 < len(data) <= MESSAGE_BYTES_MAX, f"a message of {len(data)} bytes"
        me = self._host.get_id()
        # Higher than any number before a restart: others may tell messages apart by it.
        self._number = max(self._number + 1, time.time_ns())
        key = self._host.get_private_key()
        message = signed_message(me, key, self._number, topic, data)
        self._table.seen_messages.add(message_id(message))
        self._router.pass_on(me, message)

    # ── What peers say ──

    async def _read(self, stream: INetStream) -> None:
        """Read one peer's stream; a second one of the same peer takes the place of the first."""
        peer, reader = stream.muxed_conn.peer_id, RpcReader(stream)
        before, self._reading[peer] = self._reading.get(peer), stream
        self._forget(peer)
        if before is not None:
            await before.reset()
        try:
            while self._is_running and self._reading.get(peer) is stream:
                await self._take(peer, await reader.read())
            await stream.reset()
        except (EOFError, StreamError):
            await stream.reset()
        except BadRpcError as error:
            self._blame(peer, str(error))
            raise
        finally:
            if self._reading.get(peer) is stream:
                del self._reading[peer]
                self._forget(peer)

    async def _take(self, peer: ID, rpc: RPC) -> None:
        for change in rpc.subscriptions:
            if change.topicid not in self._topics:
                continue
            if change.subscribe:
                await self._subscribe(peer, change.topicid)
            else:
                self._unsubscribe(peer, change.topicid)
        for message in rpc.publish:
            await self._take_message(peer, message)
        if rpc.HasField("control"):
            await self._router.handle_rpc(rpc, peer)

    async def _subscribe(self, peer: ID, topic: str) -> None:
        if peer not in self._table.peer_topics[topic]:
            self._table.peer_topics[topic].add(peer)
            await self._welcome(peer, topic)

    async def _welcome(self, peer: ID, topic: str) -> None:
        """Take a subscriber into the mesh and tell it the news, once it can be written to."""
        told = self._told.get(peer)
        if told is not None:
            await self._router.on_peer_subscribed(peer, topic)
            if topic not in told:
                told.add(topic)
                await self._router.send_recent_messages(peer, topic)

    def _unsubscribe(self, peer: ID, topic: str) -> None:
        self._table.peer_topics[topic].discard(peer)
        self._router.mesh.get(topic, set()).discard(peer)

    def _forget(self, peer: ID) -> None:
        for topic in self._topics:
            self._unsubscribe(peer, topic)

    async def _take_message(self, peer: ID, message: Message) -> None:
        flaw = flaw_of(message)
        if not flaw and message.topicIDs[0] not in self._topics:
            flaw = "a message of no topic here"
        if flaw:
            self._blame(peer, flaw)
            return
        key, seen = message_id(message), self._table.seen_messages
        if seen.has(key):
            self.duplicates[peer] += 1
            return
        origin = ID(message.from_id)
        # Who signed it may be admitted by others already, or have been before a restart.
        if origin == self._host.get_id() or not self._admits(origin):
            return
        # Before it counts as seen: else a forgery would keep the true one from being heard.
        if not is_signed(message):
            self._blame(peer, "a message with a wrong signature")
            return
        seen.add(key)
        await self._judge(peer, self._topics[message.topicIDs[0]], bare_of(message))

    async def _judge(self, peer: ID, topic: Topic, message: Message) -> None:
        """Have a message checked; what the topic's own functions raise is theirs alone."""
        try:
            with trio.fail_after(VALIDATION_TIMEOUT_S):
                verdict = await topic.validate(peer, message.data)
            if verdict is Verdict.ACCEPT:
                self._router.pass_on(peer, message)
                await topic.receive(peer, message.data)
        except Exception as error:  # noqa: BLE001 - one message must not end a peer's stream
            self.failures[topic.name] += 1
            reason = f"{type(error).__name__}: {error}"
            log.warning("gossip_message_failed", topic=topic.name, reason=reason)
            return
        if verdict is Verdict.REJECT:
            self._blame(peer, f"a message of {topic.name} that is rejected")

    def _blame(self, peer: ID, reason: str) -> None:
        """Count what no honest peer sends; logged at 1, 2, 4, 8, … so that logs don't fill."""
        self.bad[peer] += 1
        count = self.bad[peer]
        if count & (count - 1) == 0:
            log.info("gossip_is_bad", peer=peer.to_base58(), reason=reason, count=count)

    # ── What peers are told ──

    async def _keep(self, nursery: trio.Nursery) -> None:
        """Keep one task for each connected peer; the library tells nobody who comes and goes."""
        while True:
            connections = self._host.get_network().connections
            connected = [peer for peer in tuple(connections) if self._host.connections(peer)]
            for peer in [one for one in self._scopes if one not in connected]:
                self._scopes.pop(peer).cancel()
            for peer in connected:
                if peer not in self._scopes:
                    self._scopes[peer] = trio.CancelScope()
                    nursery.start_soon(self._tell, peer, self._scopes[peer])
            await trio.sleep(LOOK_EVERY_S)

    async def _tell(self, peer: ID, scope: trio.CancelScope) -> None:
        """Write what there is for a peer while it is connected, on one stream after another."""
        outbox, pause_s, said = Outbox(peer, self.lost), RETRY_MIN_S, ""
        with scope:
            while True:
                opened_s = trio.current_time()
                try:
                    await self._tell_on_stream(peer, outbox)
                except Exception as raised:  # noqa: BLE001 - the library raises many kinds
                    error = raised
                    while isinstance(error, ExceptionGroup):
                        error = error.exceptions[0]
                    reason = f"{type(error).__name__}: {error}"
                    if reason != said:
                        log.info("gossip_broke", peer=peer.to_base58(), reason=reason)
                    said = reason
                if trio.current_time() - opened_s > RETRY_MAX_S:
                    pause_s = RETRY_MIN_S
                await trio.sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_MAX_S)

    async def _tell_on_stream(self, peer: ID, outbox: Outbox) -> None:
        with trio.fail_after(OPEN_TIMEOUT_S):
            stream = await self._host.new_stream(peer, [MESHSUB])
        hello = RPC(
            subscriptions=[RPC.SubOpts(subscribe=True, topicid=name) for name in self._topics]
        )
        try:
            with trio.fail_after(WRITE_TIMEOUT_S):
                await stream.write(frame_of(hello))
            self._table.peers[peer], self._table.peer_queues[peer] = stream, outbox
            self._told[peer] = set()
            self._router.add_peer(peer, MESHSUB)
            for topic, subscribers in self._table.peer_topics.items():
                if peer in subscribers:
                    await self._welcome(peer, topic)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_until_closed, stream, nursery.cancel_scope)
                while True:
                    await _write_next(stream, outbox)
        finally:
            if self._table.peers.get(peer) is stream:
                del self._table.peers[peer], self._table.peer_queues[peer], self._told[peer]
                self._router.remove_peer(peer)
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await stream.reset()


async def _until_closed(stream: INetStream, scope: trio.CancelScope) -> None:
    """Wait for the end of a stream on which the other side says nothing, and cancel."""
    with contextlib.suppress(StreamError):
        await stream.read(1)
    scope.cancel()


async def _write_next(stream: INetStream, outbox: Outbox) -> None:
    """Write the next frame, and with it more if they wait."""
    frames = bytearray()
    while not frames or (len(outbox) and len(frames) < WRITE_BYTES_MAX):
        rpc = await outbox.pop()
        assert rpc is not None, "an outbox is never closed"
        frames += frame_of(rpc)
    with trio.fail_after(WRITE_TIMEOUT_S):
        await stream.write(bytes(frames))
