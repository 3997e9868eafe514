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
from node.net.history import History
from node.net.line import Line
from node.net.protocols import greeting_of
from node.net.sync import Sync
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
        self.line = Line(self.host, greeting, self._give, self._stands_at, clock_ms)
        self.blocks = Blocks(self.requests, self._connected, self._block_of, self._give)
        self.history = History(self.requests, lambda: self.engine.archive)
        self.sync = Sync(lambda: self.engine, self.history, self._connected)
        self.links = Links(self.host, lambda: self._config.peers, self._link_changed, config.timing)
        self._engine: Engine | None = None
        self._machine: Machine | None = None

    @property
    def engine(self) -> Engine:
        """Return whose network this is."""
        assert self._engine is not None, "it is attached before anything is said"
        return self._engine

    def attach(self, engine: Engine, machine: Machine) -> None:
        """Say whose messages these are."""
        self._engine, self._machine = engine, machine

    async def run(
        self, task_status: "TaskStatus[list[Multiaddr]]" = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Be on the network until cancelled; gives where it listens. Raises `ListenError`."""
        async with (
            running(self.host, self._config.listen) as addresses,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self.line.channel.run)
            nursery.start_soon(self.blocks.run)
            nursery.start_soon(self.links.run)
            nursery.start_soon(self.sync.run)
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
        certificate = self.engine.archive.certificate(height)
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
        await self.engine.give(input_)

    def _stands_at(self, peer: ID, height: int) -> None:
        self.sync.hear(peer, height - 1)

    def _link_changed(self, peer: ID, is_up: bool) -> None:  # noqa: FBT001 - what links tell
        self.line.channel.changed(peer, is_up)
        if not is_up:
            self.sync.forget(peer)

    async def _block_of(self, height: int, block_id: bytes) -> Block | None:
        """Return a block of the height under way, or a committed one."""
        assert self._machine is not None, "both are attached"
        block = self._machine.block(block_id)
        if block is not None:
            return block
        decided = await trio.to_thread.run_sync(self.engine.archive.decided, height)
        return None if decided is None or decided.block.id != block_id else decided.block
