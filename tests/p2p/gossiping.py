"""Nodes that gossip, and peers that know how to but don't behave."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio
from libp2p.abc import INetStream
from libp2p.peer.id import ID
from libp2p.pubsub.pb.rpc_pb2 import RPC, Message

from p2p.gossip import Gossip, Topic, Verdict
from p2p.gossip_router import MESHSUB
from p2p.identity import key_pair_of
from p2p.rpc import RpcReader, signed_message
from tests.p2p.hosts import Peer, id_of, peer, peers, seed

TOPIC = "/gridtokenx/test"
OTHER = "/gridtokenx/other"


class Node:
    """A node with two topics, what came to it, and a verdict that tests may change."""

    def __init__(self, one: Peer, admits: Callable[[ID], bool] = lambda _: True) -> None:
        self.peer = one
        self.came: list[tuple[ID, bytes]] = []
        self.others: list[bytes] = []
        self.asked = 0
        self.judge: Callable[[bytes], Awaitable[Verdict]] = accept
        topics = [Topic(TOPIC, self.validate, self.take), Topic(OTHER, self.validate, self.other)]
        self.gossip = Gossip(one.host, topics, admits)

    @property
    def id(self) -> ID:
        return self.peer.id

    @property
    def data(self) -> list[bytes]:
        return [data for _, data in self.came]

    async def validate(self, sender: ID, data: bytes) -> Verdict:
        self.asked += 1
        return await self.judge(data)

    async def take(self, sender: ID, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.came.append((sender, data))

    async def other(self, sender: ID, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.others.append(data)

    async def know(self, *others: "Node") -> None:
        """Wait until the others are in the mesh of both topics."""
        ids = {one.id for one in others}
        await until(lambda: ids <= self.gossip.mesh(TOPIC) & self.gossip.mesh(OTHER))


async def until(condition: Callable[[], object], timeout_s: float = 15) -> None:
    with trio.fail_after(timeout_s):
        while not condition():  # noqa: ASYNC110 - nobody is told
            await trio.sleep(0.02)


async def both_hear(one: Node, other: Node) -> None:
    """Publish on both sides until both have heard something new."""
    before = len(one.came), len(other.came)
    with trio.fail_after(15):
        for count in itertools.count():
            if len(one.came) > before[0] and len(other.came) > before[1]:
                return
            for node in (one, other):
                node.gossip.publish(TOPIC, f"{node.id} {before} {count}".encode())
            await trio.sleep(0.1)


async def accept(_: bytes) -> Verdict:
    await trio.lowlevel.checkpoint()
    return Verdict.ACCEPT


@asynccontextmanager
async def nodes(*numbers: int) -> AsyncIterator[list[Node]]:
    """Give running nodes that nobody has connected."""
    async with peers(*numbers) as hosts, trio.open_nursery() as nursery:
        made = [Node(one) for one in hosts]
        for node in made:
            await nursery.start(node.gossip.run)
        yield made
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def mesh(*numbers: int) -> AsyncIterator[list[Node]]:
    """Give running nodes, each connected to each."""
    async with nodes(*numbers) as made:
        for i, node in enumerate(made):
            for other in made[i + 1 :]:
                await node.peer.dial(other.peer)
        for node in made:
            await node.know(*(other for other in made if other is not node))
        yield made


@asynccontextmanager
async def line(*numbers: int) -> AsyncIterator[list[Node]]:
    """Give running nodes, each connected to the next."""
    async with nodes(*numbers) as made:
        for node, other in itertools.pairwise(made):
            await node.peer.dial(other.peer)
            await node.know(other)
            await other.know(node)
        yield made


class Rude:
    """A peer that writes what it likes on a stream of the protocol, and what it is told."""

    def __init__(self, one: Peer) -> None:
        self.peer = one
        self.told: list[RPC] = []

    async def stream(self, victim: Node) -> INetStream:
        return await self.peer.host.new_stream(victim.id, [MESHSUB])

    async def hear(self, stream: INetStream) -> None:
        reader = RpcReader(stream)
        while True:
            self.told.append(await reader.read())


@asynccontextmanager
async def rude(number: int, *victims: Node) -> AsyncIterator[Rude]:
    async with peer(number) as one:
        made = Rude(one)
        one.host.set_stream_handler(MESHSUB, made.hear)
        for victim in victims:
            await one.dial(victim.peer)
        yield made


def hello(*topics: str) -> RPC:
    return RPC(subscriptions=[RPC.SubOpts(subscribe=True, topicid=one) for one in topics])


def signed(number: int, data: bytes, topic: str = TOPIC, seqno: int = 1) -> Message:
    """Return a message as the peer of that number signs it."""
    return signed_message(id_of(number), key_pair_of(seed(number)).private_key, seqno, topic, data)
