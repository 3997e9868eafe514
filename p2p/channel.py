"""A channel: messages to and from every peer that is connected, in order, over one stream each way.

Whoever has something to say opens a stream and keeps it; the other side only reads it. Each peer
has a queue of its own and one task that writes, so that a slow peer holds nobody up. A queue that
is full loses its oldest message: what comes later is worth more in consensus, and what was lost is
asked for by status. Nothing here promises delivery.

The first frame of a stream is a greeting that says for which chain and version it is; a peer that
says another one is not read any further.
"""

from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog
import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID

from contracts.kernel import Value
from p2p.frames import (
    FRAME_BYTES_MAX,
    GREETING_BYTES_MAX,
    BadFrameError,
    encode_frame,
    read_frame,
    read_greeting,
)
from p2p.network import Host

QUEUE_MESSAGES_MAX: Final = 1_024
QUEUE_BYTES_MAX: Final = 16 * 2**20
# How long one message may take to be written before the peer counts as stuck.
WRITE_TIMEOUT_S: Final = 10.0
OPEN_TIMEOUT_S: Final = 10.0
RETRY_S: Final = 0.5

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message from a peer, and the local time at which its last byte was there."""

    peer: ID
    value: Value
    arrival_ms: int


class Queue:
    """What waits for one peer; bounded in messages and bytes, and the oldest leaves first."""

    def __init__(self) -> None:
        """Start empty."""
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._filled = trio.Event()
        self.dropped = 0

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self._frames)

    def put(self, frame: bytes) -> None:
        """Add a message; drops the oldest while there is no room."""
        self._frames.append(frame)
        self._bytes += len(frame)
        while len(self._frames) > QUEUE_MESSAGES_MAX or self._bytes > QUEUE_BYTES_MAX:
            self._bytes -= len(self._frames.popleft())
            self.dropped += 1
        self._filled.set()

    async def take(self) -> bytes:
        """Return the next message, once there is one."""
        while not self._frames:
            self._filled = trio.Event()
            await self._filled.wait()
        frame = self._frames.popleft()
        self._bytes -= len(frame)
        return frame


class Channel:
    """One protocol over one host; `bad` counts by peer what no honest peer sends."""

    def __init__(
        self,
        host: Host,
        protocol: str,
        greeting: Value,
        receive: Callable[[Incoming], Awaitable[None]],
        clock_ms: Callable[[], int],
        frame_bytes_max: int = FRAME_BYTES_MAX,
    ) -> None:
        """Hand messages to `receive`, each peer's in order; it may hold that peer up."""
        self._host = host
        self._protocol = TProtocol(protocol)
        self._greeting = greeting
        self._receive = receive
        self._clock_ms = clock_ms
        self._size_max = frame_bytes_max
        self._queues: dict[ID, Queue] = {}
        self._scopes: dict[ID, trio.CancelScope] = {}
        self._reading: dict[ID, INetStream] = {}
        self._nursery: trio.Nursery | None = None
        self.bad: Counter[ID] = Counter()
        host.set_stream_handler(self._protocol, self._read)

    async def run(self) -> None:
        """Write what is sent until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await trio.sleep_forever()

    @property
    def peers(self) -> list[ID]:
        """Return who can be sent to."""
        return list(self._queues)

    def dropped(self, peer: ID) -> int:
        """Return how many messages to a peer were lost to a full queue since it came."""
        queue = self._queues.get(peer)
        return 0 if queue is None else queue.dropped

    def changed(self, peer: ID, is_up: bool) -> None:  # noqa: FBT001 - what links tell
        """Take note that a peer came, or went with all that waited for it."""
        if is_up:
            assert self._nursery is not None, "links come up while the channel runs"
            self._queues[peer] = Queue()
            self._scopes[peer] = trio.CancelScope()
            self._nursery.start_soon(self._write, peer, self._scopes[peer], self._queues[peer])
        elif peer in self._queues:
            del self._queues[peer]
            self._scopes.pop(peer).cancel()

    def send(self, peer: ID, value: Value) -> bool:
        """Queue a message for one peer; says whether it is there to be sent to."""
        queue = self._queues.get(peer)
        if queue is None:
            return False
        queue.put(encode_frame(value, self._size_max))
        return True

    def broadcast(self, value: Value) -> None:
        """Queue a message for every peer."""
        frame = encode_frame(value, self._size_max)
        for queue in self._queues.values():
            queue.put(frame)

    async def _write(self, peer: ID, scope: trio.CancelScope, queue: Queue) -> None:
        with scope:
            while True:
                try:
                    await self._write_stream(peer, queue)
                except Exception as error:  # noqa: BLE001 - the library raises many kinds
                    reason = f"{type(error).__name__}: {error}"
                    name = peer.to_base58()
                    log.info("channel_broke", protocol=self._protocol, peer=name, reason=reason)
                await trio.sleep(RETRY_S)

    async def _write_stream(self, peer: ID, queue: Queue) -> None:
        with trio.fail_after(OPEN_TIMEOUT_S):
            stream = await self._host.new_stream(peer, [self._protocol])
        try:
            with trio.fail_after(WRITE_TIMEOUT_S):
                await stream.write(encode_frame(self._greeting, GREETING_BYTES_MAX))
            while True:
                frame = await queue.take()
                with trio.fail_after(WRITE_TIMEOUT_S):
                    await stream.write(frame)
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await stream.reset()

    async def _read(self, stream: INetStream) -> None:
        """Read one peer's stream; a second one of the same peer takes the place of the first."""
        peer = stream.muxed_conn.peer_id
        before, self._reading[peer] = self._reading.get(peer), stream
        if before is not None:
            await before.reset()
        try:
            await read_greeting(stream, self._greeting)
            while self._reading.get(peer) is stream:
                value = await read_frame(stream, self._size_max)
                await self._receive(Incoming(peer, value, self._clock_ms()))
        except EOFError:
            await stream.close()
        except BadFrameError:
            self.bad[peer] += 1
            raise
        finally:
            if self._reading.get(peer) is stream:
                del self._reading[peer]
