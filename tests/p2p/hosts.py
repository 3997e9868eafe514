"""Hosts on loopback, each with an identity of its own."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from libp2p.peer.id import ID
from multiaddr import Multiaddr

from p2p.gate import GatedNoise
from p2p.identity import key_pair_of
from p2p.network import Host, make_host, running

LOOPBACK = Multiaddr("/ip4/127.0.0.1/tcp/0")


@dataclass(frozen=True)
class Peer:
    """A running host, its gate, and where it listens."""

    host: Host
    gate: GatedNoise
    address: Multiaddr

    @property
    def id(self) -> ID:
        return self.host.get_id()

    def connections(self, other: "Peer") -> int:
        return len(self.host.connections(other.id))

    async def dial(self, other: "Peer") -> None:
        await self.host.get_network().dial_addr(other.address, other.id)


def id_of(number: int) -> ID:
    return ID.from_pubkey(key_pair_of(seed(number)).public_key)


def seed(number: int) -> bytes:
    return bytes([number]) * 32


@asynccontextmanager
async def peer(number: int, admits: Callable[[ID], bool] = lambda _: True) -> AsyncIterator[Peer]:
    host, gate = make_host(key_pair_of(seed(number)), admits)
    async with running(host, [LOOPBACK]) as (address,):
        yield Peer(host, gate, address)


@asynccontextmanager
async def peers(*numbers: int) -> AsyncIterator[list[Peer]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(peer(number)) for number in numbers]
