"""Links: one connection to each peer that is wanted, kept up.

Of two peers the one with the smaller id dials, so that there is one connection and not two. If it
does not come for a while (it may not know where we are), the other dials as well; should both have
dialled, the connection of the larger id is closed. A failed dial is tried again after a growing
pause with jitter. A connection over which no ping comes back is closed, and dialled anew: TCP alone
takes minutes to find that a peer is gone.

Every peer costs one task, whatever happens to its connections.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
import trio
from libp2p.host.ping import ID as PING
from libp2p.host.ping import perform_ping_roundtrip
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.network.exceptions import SwarmException
from libp2p.peer.id import ID
from libp2p.rcmgr import Direction
from multiaddr import Multiaddr

from p2p.network import Host

PEERS_MAX: Final = 128
ADDRESSES_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class LinkTiming:
    """How patient links are."""

    patience_s: float = 5.0
    """How long the larger id waits for the smaller one to dial."""
    retry_min_s: float = 0.25
    retry_max_s: float = 15.0
    ping_every_s: float = 5.0
    ping_timeout_s: float = 5.0
    look_every_s: float = 0.25
    """How often it is looked whether a connection that nobody here dialled has come or gone."""


@dataclass(slots=True)
class Link:
    """What is known of the connection to one peer."""

    peer: ID
    is_up: bool = False
    dials: int = 0
    failures: int = 0
    stale: int = 0
    rtt_ms: int | None = None
    last_failure: str = ""


log = structlog.get_logger(__name__)


class Links:
    """Keeps connections to wanted peers; `on_change` is told when one comes or goes."""

    def __init__(
        self,
        host: Host,
        wanted: Callable[[], Mapping[ID, Sequence[Multiaddr]]],
        on_change: Callable[[ID, bool], None],
        timing: LinkTiming | None = None,
    ) -> None:
        """Ask `wanted` for the peers and their addresses; at most `PEERS_MAX` are kept."""
        self._host = host
        self._wanted = wanted
        self._on_change = on_change
        self._timing = timing or LinkTiming()
        self._random = random.Random()  # noqa: S311 - spreads retries, protects nothing
        self.links: dict[ID, Link] = {}

    async def run(self) -> None:
        """Keep up what is wanted until cancelled; who is wanted no more is disconnected."""
        scopes: dict[ID, trio.CancelScope] = {}
        async with trio.open_nursery() as nursery:
            while True:
                wanted = list(self._wanted())[:PEERS_MAX]
                for peer in [one for one in scopes if one not in wanted]:
                    scopes.pop(peer).cancel()
                    self.links.pop(peer)
                for peer in wanted:
                    if peer not in scopes and peer != self._host.get_id():
                        scopes[peer] = trio.CancelScope()
                        self.links[peer] = Link(peer)
                        nursery.start_soon(self._keep_within, scopes[peer], self.links[peer])
                await trio.sleep(self._timing.look_every_s)

    def is_connected(self, peer: ID) -> bool:
        """Say whether there is a connection to this peer."""
        return bool(self._host.connections(peer))

    async def _keep_within(self, scope: trio.CancelScope, link: Link) -> None:
        try:
            with scope:
                await self._keep(link)
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await self._host.disconnect(link.peer)
            self._note(link, is_up=False)

    async def _keep(self, link: Link) -> None:
        waits_s = self._timing.patience_s if self._dials_second(link.peer) else 0.0
        pause_s = self._timing.retry_min_s
        while True:
            await self._until_connected(link.peer, waits_s)
            if await self._dial(link):
                pause_s = self._timing.retry_min_s
                self._note(link, is_up=True)
                await self._watch(link)
                self._note(link, is_up=False)
            else:
                await self._until_connected(link.peer, pause_s * self._random.uniform(0.5, 1.5))
                pause_s = min(2 * pause_s, self._timing.retry_max_s)

    def _dials_second(self, peer: ID) -> bool:
        return self._host.get_id().to_bytes() > peer.to_bytes()

    def _to_keep(self, peer: ID) -> SwarmConn:
        """Return the connection that stays: both sides choose the one that the smaller id dialled.

        Of several such the oldest; of one kind only, any will do.
        """
        connections = self._host.connections(peer)
        right = Direction.INBOUND if self._dials_second(peer) else Direction.OUTBOUND
        return min(connections, key=lambda one: one.direction != right)

    async def _until_connected(self, peer: ID, timeout_s: float) -> None:
        """Wait for a connection that the peer may open; the library tells nobody."""
        with trio.move_on_after(timeout_s):
            while not self.is_connected(peer):  # noqa: ASYNC110 - see above
                await trio.sleep(self._timing.look_every_s)

    async def _dial(self, link: Link) -> bool:
        """Make sure of a connection, by the peer's addresses in turn; says whether there is one."""
        for address in list(self._wanted().get(link.peer, ()))[:ADDRESSES_MAX]:
            if self.is_connected(link.peer):
                return True
            link.dials += 1
            try:
                await self._host.get_network().dial_addr(address, link.peer)
            except (SwarmException, OSError, trio.TooSlowError) as error:
                link.failures += 1
                said = f"{address}: {error}"
                if said != link.last_failure:
                    log.info("dial_failed", peer=link.peer.to_base58(), reason=said)
                link.last_failure = said
        return self.is_connected(link.peer)

    async def _watch(self, link: Link) -> None:
        """Return when the connection is gone, or was closed because no ping came back."""
        next_ping_s = trio.current_time() + self._timing.ping_every_s
        # This one and no other: a new one in its place has none of its streams.
        kept = self._to_keep(link.peer)
        while kept in self._host.connections(link.peer):
            if self._to_keep(link.peer) is not kept:
                return
            for one in self._host.connections(link.peer):
                if one is not kept:
                    await one.close()
            if trio.current_time() >= next_ping_s:
                if not await self._ping(link):
                    link.stale += 1
                    log.info("link_is_stale", peer=link.peer.to_base58())
                    await self._host.disconnect(link.peer)
                    return
                next_ping_s = trio.current_time() + self._timing.ping_every_s
            await trio.sleep(self._timing.look_every_s)

    async def _ping(self, link: Link) -> bool:
        try:
            with trio.fail_after(self._timing.ping_timeout_s):
                stream = await self._host.new_stream(link.peer, [PING])
                link.rtt_ms = await perform_ping_roundtrip(stream)
                await stream.close()
        except Exception as error:  # noqa: BLE001 - the library raises many kinds; all mean the same
            link.last_failure = f"ping: {type(error).__name__} {error}"
            return False
        return True

    def _note(self, link: Link, *, is_up: bool) -> None:
        if link.is_up != is_up:
            link.is_up = is_up
            log.info("link_up" if is_up else "link_down", peer=link.peer.to_base58())
            self._on_change(link.peer, is_up)
