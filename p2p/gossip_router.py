"""The library's GossipSub, bounded: who gets a message next, and what a peer may ask of that.

The router's own part is kept: the mesh of peers that are sent everything, its heartbeat, and the
news of recent messages (IHAVE, IWANT) for all others. (GossipSub 1.1.) Mended by overriding, each
with a test:

- recent messages are kept under the ids under which duplicates are dropped; the library's other
  ids made every peer ask again for what it had;
- recent messages and what waits for a peer are bounded in bytes, and so is an answer to IWANT: a
  list of one id, ten thousand times, was answered ten thousand times;
- all that goes to a peer goes through its outbox: several writers mixed their frames;
- news for one peer (GRAFT, PRUNE, IHAVE) no longer goes to the peers after it in the list, too;
- who was sent out of the mesh is told the news: it was left out for a minute;
- of what a peer says only what is about topics of ours is kept, and nobody is dialled because a
  peer says so (peer exchange);
- what grew for ever (times of deliveries) or dropped good messages (the limit of ten a second, the
  check of sequence numbers, which begin anew in a restarted node) is not used;
- no signed address record is sent with each frame, or read: addresses are the operator's here.

`Pubsub`, the library's other half, is not used: each of its methods that meets input from outside
would have to be overridden. `Table` is what the router asks of it.
"""

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import structlog
import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.mcache import CacheEntry, MessageCache
from libp2p.pubsub.pb.rpc_pb2 import (
    RPC,
    ControlGraft,
    ControlIHave,
    ControlIWant,
    ControlPrune,
    Message,
)
from libp2p.pubsub.pubsub import Pubsub
from libp2p.pubsub.rpc_queue import RpcQueue

from p2p.network import Host
from p2p.rpc import ID_BYTES, RPC_BYTES_MAX, BadRpcError, message_id

MESHSUB: Final = TProtocol("/meshsub/1.1.0")
HEARTBEAT_S: Final = 1
# Up to DEGREE_MIN + 1 nodes the mesh is everybody; a larger one settles between MIN and MAX.
DEGREE: Final = 6
DEGREE_MIN: Final = 5
DEGREE_MAX: Final = 12
BACK_OFF_S: Final = 60
# At each heartbeat, so many who are not in the mesh are told the news, or a quarter of them.
NEWS_PEERS_MIN: Final = 6
# Of the last HISTORY heartbeats messages can be asked for; of the last NEWS it is told.
HISTORY_HEARTBEATS: Final = 5
NEWS_HEARTBEATS: Final = 3

OUTBOX_RPCS_MAX: Final = 1_024
OUTBOX_BYTES_MAX: Final = 8 * 2**20
RECENT_BYTES_MAX: Final = 16 * 2**20
RECENT_MESSAGES_MAX: Final = 4_096
# How often one peer gets one recent message, if it asks.
ANSWERS_MAX: Final = 3
CONTROLS_MAX: Final = 64
IDS_MAX: Final = 1_024
SEEN_MAX: Final = 2**16
SEEN_S: Final = 120

log = structlog.get_logger(__name__)


class Seen:
    """Ids of messages that came, each for `SEEN_S`, at most `SEEN_MAX`."""

    def __init__(self) -> None:
        """Start empty."""
        self._until_s: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._until_s)

    def has(self, key: bytes) -> bool:
        """Say whether a message came lately."""
        return self._until_s.get(key, 0.0) > trio.current_time()

    def add(self, key: bytes) -> None:
        """Remember an id; forgets what is over, and the oldest when there are too many."""
        now_s = trio.current_time()
        self._until_s[key] = now_s + SEEN_S
        self._until_s.move_to_end(key)
        while len(self._until_s) > SEEN_MAX or next(iter(self._until_s.values())) <= now_s:
            self._until_s.popitem(last=False)


class Recent(MessageCache):
    """Recent messages by id, for peers that ask; the oldest leave first."""

    def __init__(self) -> None:
        """Start empty."""
        super().__init__(NEWS_HEARTBEATS, HISTORY_HEARTBEATS)
        self.msgs: OrderedDict[bytes, Message] = OrderedDict()
        self._answers: dict[bytes, Counter[ID]] = {}
        self.size_bytes = 0

    def put(self, msg: Message) -> None:
        """Keep a message."""
        key = message_id(msg)
        if key in self.msgs:
            return
        self.msgs[key] = msg
        self.history[0].append(CacheEntry(key, msg.topicIDs))
        self.size_bytes += len(msg.data)
        while len(self.msgs) > RECENT_MESSAGES_MAX or self.size_bytes > RECENT_BYTES_MAX:
            self._drop(next(iter(self.msgs)))

    def window(self, topic: str) -> list[bytes]:
        """Return the ids of a topic's news."""
        return [key for key in super().window(topic) if key in self.msgs]

    def answer(self, key: bytes, peer: ID) -> Message | None:
        """Return a message for a peer that asks for it, unless it has asked too often."""
        message = self.msgs.get(key)
        if message is None:
            return None
        answers = self._answers.setdefault(key, Counter())
        answers[peer] += 1
        return message if answers[peer] <= ANSWERS_MAX else None

    def shift(self) -> None:
        """Let a heartbeat pass."""
        for entry in self.history[-1]:
            self._drop(entry.mid)
        super().shift()

    def _drop(self, key: bytes) -> None:
        message = self.msgs.pop(key, None)
        if message is not None:
            self.size_bytes -= len(message.data)
            self._answers.pop(key, None)


class Outbox(RpcQueue):
    """What waits for one peer, bounded in frames and bytes; what finds no room is lost."""

    def __init__(self, peer: ID, lost: Counter[ID]) -> None:
        """Start empty; count in `lost` what finds no room."""
        super().__init__(OUTBOX_RPCS_MAX, RPC_BYTES_MAX)
        self._peer = peer
        self._lost = lost
        self.size_bytes = 0

    def push(self, rpc: RPC, priority: bool = False) -> bool:  # noqa: FBT001, FBT002 - the library's
        """Add a frame; says whether there was room."""
        size = rpc.ByteSize()
        if self.size_bytes + size > OUTBOX_BYTES_MAX or not super().push(rpc, priority):
            self._lost[self._peer] += 1
            return False
        self.size_bytes += size
        return True

    async def pop(self) -> RPC | None:
        """Return the next frame, once there is one."""
        rpc = await super().pop()
        if rpc is not None:
            self.size_bytes -= rpc.ByteSize()
        return rpc


@dataclass(slots=True)
class Table:
    """What the router asks of the library's `Pubsub`: who can be written to, and wants what."""

    host: Host
    peer_topics: dict[str, set[ID]]
    """Who has subscribed; the topics are ours and stay."""
    peers: dict[ID, INetStream] = field(default_factory=dict)
    peer_queues: dict[ID, Outbox] = field(default_factory=dict)
    seen_messages: Seen = field(default_factory=Seen)

    def get_message_id(self, msg: Message) -> bytes:
        """Return a message's id."""
        return message_id(msg)


class Router(GossipSub):
    """GossipSub 1.1 for the topics of a table."""

    def __init__(self, table: Table) -> None:
        """Take everything that learns, guesses or scores out of the library's router."""
        super().__init__(
            [MESHSUB],
            degree=DEGREE,
            degree_low=DEGREE_MIN,
            degree_high=DEGREE_MAX,
            heartbeat_initial_delay=HEARTBEAT_S,
            heartbeat_interval=HEARTBEAT_S,
            do_px=False,
            prune_back_off=BACK_OFF_S,
            adaptive_gossip_enabled=False,
            spam_protection_enabled=False,
            eclipse_protection_enabled=False,
        )
        self.scorer = None
        self.recent = Recent()
        self.mcache = self.recent
        self.table = table
        # It uses of its pubsub what a table has; a test looks at all of its source for that.
        self.attach(cast("Pubsub", table))

    def pass_on(self, forwarder: ID, message: Message) -> None:
        """Queue a message for the mesh, except for whom it came from."""
        self.recent.put(message)
        rpc = RPC(publish=[message])
        origin = ID(message.from_id)
        for peer in self._get_peers_to_send(message.topicIDs, forwarder, origin):
            if peer in self.table.peers:
                self.send_rpc(peer, rpc)

    async def heartbeat(self) -> None:
        """Look after the mesh each second; what goes wrong in it is not the end of it."""
        while True:
            try:
                await super().heartbeat()
            except Exception as error:  # noqa: BLE001 - made of what peers said, by the library
                reason = f"{type(error).__name__}: {error}"
                log.warning("gossip_heartbeat_failed", reason=reason)

    def gossip_heartbeat(self) -> defaultdict[ID, dict[str, list[bytes]]]:
        """Choose who is told the news: some of those who are not in the mesh."""
        news: defaultdict[ID, dict[str, list[bytes]]] = defaultdict(dict)
        for topic, members in self.mesh.items():
            keys = self.recent.window(topic)
            others = self.table.peer_topics[topic].difference(members)
            count = max(NEWS_PEERS_MIN, len(others) // 4)
            for peer in self.select_from_minus(count, others, ()) if keys else ():
                news[peer][topic] = keys[-IDS_MAX:]
        return news

    async def send_recent_messages(self, peer_id: ID, topic: str) -> None:
        """Queue the news of a topic for a peer that has just come."""
        for key in self.recent.window(topic):
            self.send_rpc(peer_id, RPC(publish=[self.recent.msgs[key]]))

    async def handle_rpc(self, rpc: RPC, sender_peer_id: ID) -> None:
        """Do what a peer asks of the mesh, within bounds; raises `BadRpcError`."""
        control = rpc.control
        count = len(control.ihave) + len(control.iwant) + len(control.graft) + len(control.prune)
        if count > CONTROLS_MAX:
            raise BadRpcError(f"more than {CONTROLS_MAX} control messages in one frame")
        for ihave in control.ihave:
            if ihave.topicID in self.table.peer_topics:
                news = ControlIHave(topicID=ihave.topicID, messageIDs=_ids(ihave.messageIDs))
                await self.handle_ihave(news, sender_peer_id)
        for iwant in control.iwant:
            await self.handle_iwant(iwant, sender_peer_id)
        for graft in control.graft:
            if graft.topicID in self.table.peer_topics:
                await self.handle_graft(graft, sender_peer_id)
        for prune in control.prune:
            if prune.topicID in self.table.peer_topics:
                back_off_s = min(prune.backoff, BACK_OFF_S)
                plain = ControlPrune(topicID=prune.topicID, backoff=back_off_s)
                await self.handle_prune(plain, sender_peer_id)

    async def handle_iwant(self, iwant_msg: ControlIWant, sender_peer_id: ID) -> None:
        """Queue recent messages for a peer that asks for them, each a few times at most."""
        if not self._check_iwant_rate_limit(sender_peer_id):
            return
        for key in _ids(iwant_msg.messageIDs):
            message = self.recent.answer(key, sender_peer_id)
            if message is not None:
                self.send_rpc(sender_peer_id, RPC(publish=[message]))

    async def _emit_control_msgs(
        self,
        peers_to_graft: Mapping[ID, Sequence[str]],
        peers_to_prune: Mapping[ID, Sequence[str]],
        peers_to_gossip: Mapping[ID, Mapping[str, Sequence[bytes]]],
    ) -> None:
        """Queue for each peer what a heartbeat has for it."""
        for peer in {**peers_to_graft, **peers_to_prune, **peers_to_gossip}:
            news = peers_to_gossip.get(peer, {}).items()
            control = self.pack_control_msgs(
                [ControlIHave(topicID=topic, messageIDs=keys) for topic, keys in news],
                [ControlGraft(topicID=topic) for topic in peers_to_graft.get(peer, ())],
                [
                    ControlPrune(topicID=topic, backoff=self.prune_back_off)
                    for topic in peers_to_prune.get(peer, ())
                ],
            )
            await self.emit_control_message(control, peer)


def _ids(keys: Iterable[bytes]) -> list[bytes]:
    """Return the message ids among what a peer named, each once, at most `IDS_MAX`."""
    return [key for key in dict.fromkeys(keys) if len(key) == ID_BYTES][:IDS_MAX]
