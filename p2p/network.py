"""The library's swarm with its ends tied up.

Four things are mended by overriding what the library calls, each with a test that shows the fault
without it:

- a task and a place among the inbound connections stay taken for as long as the host runs, for
  every connection that ever came in; here they are given back when the connection is closed;
- a handshake with somebody who says nothing never ends, and one that is given up leaves its socket
  open; here it has a time and is closed;
- a handler that raises takes the whole host down; here it loses its stream;
- the swarm dials known peers by itself to keep fifty connections; here the supervisor alone dials.
"""

import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import structlog
import trio
from libp2p.abc import INetStream, IRawConnection
from libp2p.crypto.keys import KeyPair
from libp2p.custom_types import StreamHandlerFn, TProtocol
from libp2p.host.basic_host import BasicHost
from libp2p.io.abc import ReadWriteCloser
from libp2p.io.trio import TrioTCPStream
from libp2p.network.config import ConnectionConfig, RetryConfig
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.network.exceptions import SwarmException
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID
from libp2p.peer.peerstore import PeerStore
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX
from libp2p.stream_muxer.yamux.yamux import Yamux
from libp2p.transport.manager import TransportManager
from libp2p.transport.tcp.tcp import TCP
from libp2p.transport.upgrader import TransportUpgrader
from multiaddr import Multiaddr

from p2p.errors import ListenError
from p2p.gate import GatedNoise

if TYPE_CHECKING:
    from trio_typing import TaskStatus

CONNECTIONS_MAX: Final = 256
HANDSHAKE_TIMEOUT_S: Final = 10.0
DIAL_TIMEOUT_S: Final = 5.0
CLOSE_TIMEOUT_S: Final = 2.0

log = structlog.get_logger(__name__)


class Network(Swarm):
    """A swarm whose inbound connections end with their peer."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - the library's
        """Take what the library's swarm takes."""
        super().__init__(*arguments, **options)
        self._raws: dict[IRawConnection, None] = {}

    async def close_sockets(self) -> None:
        """Close what `close` has not come to in time."""
        with trio.CancelScope(shield=True):
            for listener in tuple(self.listeners.values()):
                await listener.close()
            for raw in tuple(self._raws):
                await raw.close()
        self._raws.clear()

    async def _do_handle_inbound_connection(
        self,
        read_write_closer: ReadWriteCloser,
        maddr: Multiaddr,
        failure_event: Any,  # noqa: ANN401 - the library's, for metrics that are not collected
    ) -> None:
        del failure_event
        raw = RawConnection(read_write_closer, False)
        self._raws[raw] = None
        try:
            muxed = await self.upgrade_inbound_raw_conn(raw, maddr)
            assert isinstance(muxed, Yamux), "no other muxer is offered"
            await muxed.event_closed.wait()
        except (SwarmException, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            log.debug("inbound_connection_refused", address=str(maddr), reason=str(error))
        finally:
            self._raws.pop(raw, None)
            with trio.CancelScope(shield=True):
                await raw.close()

    async def upgrade_outbound_raw_conn(
        self,
        raw_conn: IRawConnection,
        peer_id: ID,
        pre_scope: Any = None,  # noqa: ANN401 - the library's, of a resource manager that is off
    ) -> SwarmConn:
        """Shake hands within `HANDSHAKE_TIMEOUT_S`; a connection that does not get there is closed.

        Raises `SwarmException` or `trio.TooSlowError`.
        """
        for raw in [one for one in self._raws if _is_closed(one)]:
            del self._raws[raw]
        self._raws[raw_conn] = None
        try:
            with trio.fail_after(HANDSHAKE_TIMEOUT_S):
                return await super().upgrade_outbound_raw_conn(raw_conn, peer_id, pre_scope)
        except BaseException:
            self._raws.pop(raw_conn, None)
            with trio.CancelScope(shield=True):
                await raw_conn.close()
            raise


class Host(BasicHost):
    """A host whose handlers fail alone; `failures` counts them by protocol."""

    def __init__(self, network: Network) -> None:
        """Answer identify and ping on this network."""
        super().__init__(network=network)
        self._inbound = network._inbound_limiter  # noqa: SLF001 - nothing public counts them
        self.failures: Counter[str] = Counter()
        # Those of identify and ping, which the library has set itself.
        for protocol, handler in tuple(self.multiselect.handlers.items()):
            assert protocol is not None, "each has a name"
            assert handler is not None, "each has a handler"
            self.multiselect.add_handler(protocol, self._guarded(protocol, handler))

    @property
    def inbound_places_taken(self) -> int:
        """Return how many inbound connections hold a place."""
        return self._inbound.borrowed_tokens

    def connections(self, peer: ID) -> list[SwarmConn]:
        """Return the open connections to a peer, oldest first."""
        found = self.get_network().connections.get(peer, ())
        return [one for one in found if isinstance(one, SwarmConn)]

    async def disconnect(self, peer: ID) -> None:
        """Close the connections that there are to a peer now.

        The library's own way forgets those that are opened while it closes the others.
        """
        for connection in self.connections(peer):
            await connection.close()

    def set_stream_handler(self, protocol_id: TProtocol, stream_handler: StreamHandlerFn) -> None:
        """Answer streams of a protocol; whatever the handler raises ends its stream alone."""
        super().set_stream_handler(protocol_id, self._guarded(protocol_id, stream_handler))

    def _guarded(self, protocol: str, handler: StreamHandlerFn) -> StreamHandlerFn:
        async def guarded(stream: INetStream) -> None:
            try:
                await handler(stream)
            except Exception as error:  # noqa: BLE001 - one stream must not end the host
                self.failures[protocol] += 1
                reason = f"{type(error).__name__}: {error}"
                log.info("stream_failed", protocol=protocol, reason=reason)
                await stream.reset()

        return guarded


def make_host(key_pair: KeyPair, admits: Callable[[ID], bool]) -> tuple[Host, GatedNoise]:
    """Return a host that talks to admitted peers over TCP, Noise and yamux, and its gate."""
    gate = GatedNoise(key_pair, admits)
    upgrader = TransportUpgrader(
        secure_transports_by_protocol={NOISE: gate},
        muxer_transports_by_protocol={TProtocol(YAMUX): Yamux},
    )
    me = ID.from_pubkey(key_pair.public_key)
    peers = PeerStore()
    peers.add_key_pair(me, key_pair)
    config = ConnectionConfig(
        max_connections=CONNECTIONS_MAX,
        min_connections=0,
        low_watermark=0,
        high_watermark=CONNECTIONS_MAX,
        dial_timeout=DIAL_TIMEOUT_S,
        inbound_upgrade_timeout=HANDSHAKE_TIMEOUT_S,
        outbound_upgrade_timeout=HANDSHAKE_TIMEOUT_S,
    )
    network = Network(
        me,
        peers,
        upgrader,
        transports=[TCP()],
        connection_config=config,
        retry_config=RetryConfig(max_retries=0),
        transport_manager=TransportManager(),
    )
    return Host(network), gate


@asynccontextmanager
async def running(host: Host, listen: Sequence[Multiaddr]) -> AsyncIterator[list[Multiaddr]]:
    """Run a host; gives the addresses at which it really listens.

    Raises `ListenError`: the library goes on without an address that it could not take.
    """
    for address in listen:
        _refuse_taken(address)
    async with trio.open_nursery() as nursery:
        stop = trio.Event()
        taken = await nursery.start(_run_until, host, listen, stop)
        try:
            if not isinstance(taken, ListenError):
                yield taken
        finally:
            stop.set()
    if isinstance(taken, ListenError):
        raise taken


async def _run_until(
    host: Host,
    listen: Sequence[Multiaddr],
    stop: trio.Event,
    task_status: "TaskStatus[list[Multiaddr] | ListenError]",
) -> None:
    """Run a host until `stop`; starts with where it listens, or with what is wrong.

    Whoever used the host ends before it, also where all of it is cancelled: the library would
    leave a connection open that comes while it stops, and the port.
    """
    with trio.CancelScope(shield=True):
        try:
            async with host.run(listen):
                network = host.get_network()
                assert isinstance(network, Network), "hosts are made by `make_host`"
                taken = [one for each in network.listeners.values() for one in each.get_addrs()]
                if len(taken) < len(listen):
                    wanted = ", ".join(str(one) for one in listen)
                    msg = f"could not listen at {wanted}; is it an address of this machine?"
                    task_status.started(ListenError(msg))
                    return
                task_status.started(taken)
                try:
                    await stop.wait()
                finally:
                    with trio.move_on_after(CLOSE_TIMEOUT_S):
                        await network.close()
                    await network.close_sockets()
        except SwarmException as error:
            if stop.is_set():
                raise
            task_status.started(ListenError(str(error)))


def _is_closed(raw: IRawConnection) -> bool:
    assert isinstance(raw, RawConnection), "TCP is the only transport"
    assert isinstance(raw.stream, TrioTCPStream), "as above"
    return raw.stream.stream.socket.fileno() < 0


def _refuse_taken(address: Multiaddr) -> None:
    """Raise `ListenError` if somebody listens there.

    The library shares ports (SO_REUSEPORT): two nodes at one would each get half of the callers.
    """
    family, name = (
        (socket.AF_INET6, "ip6") if "ip6" in str(address).split("/") else (socket.AF_INET, "ip4")
    )
    place = str(address.value_for_protocol(name)), int(address.value_for_protocol("tcp") or 0)
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(place)
        except OSError as error:
            msg = (
                f"cannot listen at {address}: {error.strerror}; is the port taken by another node?"
            )
            raise ListenError(msg) from error
