"""One node's place in the network: its host, its links, and what is said over them.

    net = Net(NetConfig(...), chain_id, clock_ms)
    engine = Engine(Parts(outbox=net, ...))
    net.attach(engine, machine)
    await nursery.start(net.run)

The chain goes on without it: the network can end and be begun again while machine, ledger and
signer stay as they are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from chain.block import Block
from chain.consensus.effects import Message
from chain.consensus.inputs import Input
from chain.consensus.machine import Machine
from node.engine import Engine
from node.net.blocks import Blocks
from node.net.line import Line
from node.net.protocols import greeting_of
from p2p.identity import key_pair_of
from p2p.links import Links, LinkTiming
from p2p.network import make_host, running
from p2p.requests import Requests

if TYPE_CHECKING:
    from trio_typing import TaskStatus


@dataclass(frozen=True, slots=True)
class NetConfig:
    """Who this node is on the network, where it listens, and whom it talks to."""

    identity_seed: bytes
    listen: Sequence[Multiaddr]
    peers: Mapping[ID, Sequence[Multiaddr]]
    timing: LinkTiming | None = None


class Net:
    """The network of one node; the engine's outbox."""

    def __init__(self, config: NetConfig, chain_id: bytes, clock_ms: Callable[[], int]) -> None:
        """Make the host; nothing is opened before `run`."""
        self._config = config
        greeting = greeting_of(chain_id)
        pair = key_pair_of(config.identity_seed)
        self.host, self.gate = make_host(pair, self._admits)
        self.requests = Requests(self.host, greeting)
        self.line = Line(self.host, greeting, self._give, clock_ms)
        self.blocks = Blocks(self.requests, self._connected, self._block_of, self._give)
        self.links = Links(
            self.host, lambda: self._config.peers, self.line.channel.changed, config.timing
        )
        self._engine: Engine | None = None
        self._machine: Machine | None = None

    def attach(self, engine: Engine, machine: Machine) -> None:
        """Say whose messages these are."""
        self._engine, self._machine = engine, machine

    async def run(
        self, task_status: "TaskStatus[list[Multiaddr]]" = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Be on the network until cancelled; gives where it listens. Raises `ListenError`."""
        assert self._engine is not None, "a network is somebody's"
        async with (
            running(self.host, self._config.listen) as addresses,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self.line.channel.run)
            nursery.start_soon(self.blocks.run)
            nursery.start_soon(self.links.run)
            task_status.started(addresses)

    # ── What the engine asks for ──

    def broadcast(self, message: Message) -> None:
        """Send to every peer."""
        self.line.broadcast(message)

    def send(self, peer: bytes, message: Message) -> None:
        """Send to one peer."""
        self.line.send(peer, message)

    def send_decision(self, peer: bytes, height: int) -> None:
        """Send a peer the certificate of a decided height, if there is one."""
        assert self._engine is not None, "the engine asks"
        certificate = self._engine.archive.certificate(height)
        if certificate is not None:
            self.line.send(peer, certificate)

    def request_block(self, height: int, block_id: bytes) -> None:
        """Fetch a block; it comes back as an input."""
        self.blocks.request(height, block_id)

    # ── What the parts ask for ──

    def _admits(self, peer: ID) -> bool:
        return peer in self._config.peers

    def _connected(self) -> Sequence[ID]:
        return self.line.channel.peers

    async def _give(self, input_: Input) -> None:
        assert self._engine is not None, "nothing comes in before `run`"
        await self._engine.give(input_)

    async def _block_of(self, height: int, block_id: bytes) -> Block | None:
        """Return a block of the height under way, or a committed one."""
        assert self._engine is not None, "nothing is asked before `run`"
        assert self._machine is not None, "both are attached"
        block = self._machine.block(block_id)
        if block is not None:
            return block
        stored = await trio.to_thread.run_sync(self._engine.archive.block, height)
        if stored is None or stored.block_id != block_id:
            return None
        return Block(stored.header, stored.body)
