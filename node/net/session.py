"""A session: one life of the node's host, with everything that is said over it.

It ends when it is cancelled, or when something in it fails that nobody expected; the chain does not
notice, and `Net` begins another one.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import trio
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from chain.block import Block
from chain.consensus.inputs import Input
from chain.consensus.machine import Machine
from node.backend import PeerState
from node.engine import Engine
from node.net.blocks import Blocks
from node.net.directory import Directory
from node.net.history import History
from node.net.line import Line
from node.net.protocols import greeting_of
from node.net.relay import Relay
from node.net.sync import Sync
from p2p.gossip import Gossip
from p2p.identity import key_pair_of
from p2p.links import Links, LinkTiming
from p2p.network import make_host, running
from p2p.requests import Requests

if TYPE_CHECKING:
    from trio_typing import TaskStatus


class Session:
    """The parts over one host."""

    def __init__(
        self,
        identity_seed: bytes,
        directory: Directory,
        engine: Engine,
        machine: Machine,
        relay: Relay,
        clock_ms: Callable[[], int],
        timing: LinkTiming | None,
    ) -> None:
        """Make the host; nothing is opened before `run`."""
        self._engine = engine
        self._machine = machine
        self._relay = relay
        greeting = greeting_of(engine.chain_id)
        self.host, self.gate = make_host(key_pair_of(identity_seed), directory.admits)
        self._requests = requests = Requests(self.host, greeting)
        self.line = Line(self.host, greeting, self._give, self._stands_at, clock_ms)
        self.blocks = Blocks(requests, self._connected, self._block_of, self._give)
        self.sync = Sync(engine, History(requests, engine.archive), self._connected)
        self.gossip = Gossip(self.host, [relay.topic], directory.admits)
        self.links = Links(self.host, directory.wanted, self._link_changed, timing)

    async def run(
        self,
        listen: Sequence[Multiaddr],
        task_status: "TaskStatus[list[Multiaddr]]" = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run until cancelled; starts with where it listens. Raises `ListenError`."""
        async with running(self.host, listen) as addresses, trio.open_nursery() as nursery:
            nursery.start_soon(self.line.channel.run)
            nursery.start_soon(self.blocks.run)
            nursery.start_soon(self.links.run)
            nursery.start_soon(self.sync.run)
            await nursery.start(self.gossip.run)
            nursery.start_soon(self._relay.run, self.gossip.publish)
            task_status.started(addresses)

    def peers(self) -> list[PeerState]:
        """Return the wanted peers, as they are known here."""
        return [
            PeerState(
                link.peer.to_base58(), link.is_up, self.sync.height_of(link.peer), link.rtt_ms,
                link.dials, link.failures, link.stale, self._lies_of(link.peer), link.last_failure,
            )
            for link in self.links.links.values()
        ]  # fmt: skip

    def _lies_of(self, peer: ID) -> int:
        """Return how often a peer did what no honest one does."""
        counted = (self.line.channel.bad, self.blocks.lies, self.sync.lies, self.gossip.bad)
        return sum(one[peer] for one in (*counted, self._requests.refused))

    def _connected(self) -> Sequence[ID]:
        return self.line.channel.peers

    async def _give(self, input_: Input) -> None:
        await self._engine.give(input_)

    def _stands_at(self, peer: ID, height: int) -> None:
        self.sync.hear(peer, height - 1)

    def _link_changed(self, peer: ID, is_up: bool) -> None:  # noqa: FBT001 - what links tell
        self.line.channel.changed(peer, is_up)
        if not is_up:
            self.sync.forget(peer)

    async def _block_of(self, height: int, block_id: bytes) -> Block | None:
        """Return a block of the height under way, or a committed one."""
        block = self._machine.block(block_id)
        if block is not None:
            return block
        decided = await trio.to_thread.run_sync(self._engine.archive.decided, height)
        return None if decided is None or decided.block.id != block_id else decided.block
