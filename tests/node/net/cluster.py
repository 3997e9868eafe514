"""Nodes of one chain in one process, each with a home, a signer and a host of its own."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from chain.genesis import Genesis
from chain.store import StoredBlock
from chain.transaction import Call, Mode, Transaction, sign_transaction
from node.chain_node import ChainNode, make_signer, open_node, wall_clock_ms
from node.home import Home
from node.net.net import Net, NetConfig
from node.process import NodeBackend
from node.validator_key import ValidatorKey
from p2p.identity import peer_id_of
from p2p.links import LinkTiming
from tests.p2p.hosts import LOOPBACK
from tests.support.genesis import network_name, validator_names
from tests.support.people import account_of, key_of, seed_of

QUICK = LinkTiming(patience_s=0.5, retry_min_s=0.05, retry_max_s=0.5, look_every_s=0.02)


@dataclass
class Member:
    """One validator: its number, home, and the parts that run."""

    number: int
    home: Home
    node: ChainNode
    net: Net

    @property
    def backend(self) -> NodeBackend:
        """The node as its API sees it."""
        return NodeBackend(self.node, "test", self.net)

    @property
    def height(self) -> int:
        return self.node.ledger.tip.height

    @property
    def peers(self) -> list[ID]:
        session = self.net.session
        return [] if session is None else session.line.channel.peers

    def knows(self, id_: bytes) -> bool:
        engine = self.node.engine
        return id_ in engine.mempool or engine.archive.place_of(id_) is not None

    def places(self, ids: Sequence[bytes]) -> list[tuple[int, int] | None]:
        return [self.node.engine.archive.place_of(one) for one in ids]

    def block(self, height: int) -> StoredBlock:
        block = self.node.engine.archive.block(height)
        assert block is not None
        return block


class Cluster:
    """The validators of a chain; each knows where those listen that are up before it."""

    def __init__(self, genesis: Genesis, folder: Path, size: int) -> None:
        self.genesis = genesis
        self.names = validator_names(size)
        self.homes = [Home(folder / name) for name in self.names]
        self.addresses: dict[ID, list[Multiaddr]] = {
            peer_id_of(key_of(network_name(name))): [] for name in self.names
        }
        for name, home in zip(self.names, self.homes, strict=True):
            make_signer(home, genesis.chain_id, seed_of(name))

    @asynccontextmanager
    async def up(self, number: int) -> AsyncIterator[Member]:
        """Run one validator until the block ends."""
        name, home = self.names[number], self.homes[number]
        config = NetConfig(seed_of(network_name(name)), [LOOPBACK], self.addresses, QUICK)
        net = Net(config, wall_clock_ms)
        with ExitStack() as opened:
            node = opened.enter_context(
                open_node(
                    home,
                    self.genesis,
                    ValidatorKey(account_of(name), seed_of(name)),
                    workers=1,
                    outbox=net,
                )
            )
            net.attach(node.engine, node.machine, node.intake)
            async with trio.open_nursery() as nursery:
                listening = await nursery.start(net.run)
                self.addresses[net.peer_id] = listening
                await nursery.start(node.engine.run)
                yield Member(number, home, node, net)
                nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def all_up(self) -> AsyncIterator[list[Member]]:
        """Run all of them."""
        async with AsyncExitStack() as stack:
            yield [await stack.enter_async_context(self.up(n)) for n in range(len(self.names))]


def transfer(genesis: Genesis, nonce: int, sender: str = "alice") -> bytes:
    call = Call("credit", "transfer", (account_of("bob"), 5, b""))
    transaction = Transaction(
        genesis.chain_id, account_of(sender), nonce, 1_000, 100_000, Mode.ALL_OR_NOTHING, (call,)
    )
    return sign_transaction(transaction, [seed_of(sender)]).raw
