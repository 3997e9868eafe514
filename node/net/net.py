"""One node's place in the network.

    net = Net(NetConfig(...), clock_ms)
    engine = Engine(Parts(outbox=net, ...))
    net.attach(engine, machine, intake)
    await nursery.start(net.run)

The chain does not depend on it: whatever fails in a session of the network ends that session alone.
Machine, ledger and signer stay as they are, and another one is begun after a pause. What is to be
sent meanwhile is lost, as on any network.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
import trio
from multiaddr import Multiaddr

from chain.consensus.effects import Message
from chain.consensus.machine import Machine
from chain.crypto import public_key_of
from node.backend import PeerState
from node.engine import Engine
from node.intake import Intake
from node.net.directory import Addresses, Directory
from node.net.relay import Relay
from node.net.session import Session
from p2p.errors import ListenError
from p2p.identity import peer_id_of
from p2p.links import LinkTiming

if TYPE_CHECKING:
    from trio_typing import TaskStatus

RESTART_MIN_S: Final = 1.0
RESTART_MAX_S: Final = 30.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NetConfig:
    """Who this node is on the network, where it listens, and whom its operator lists."""

    identity_seed: bytes
    listen: Sequence[Multiaddr]
    peers: Addresses
    timing: LinkTiming | None = None


class Net:
    """The network of one node: the engine's outbox, and the supervisor of its sessions."""

    def __init__(self, config: NetConfig, clock_ms: Callable[[], int]) -> None:
        """Keep the settings; nothing is opened before `run`."""
        self._config = config
        self._clock_ms = clock_ms
        self._engine: Engine | None = None
        self._machine: Machine | None = None
        self._relay: Relay | None = None
        self.network_key = public_key_of(config.identity_seed)
        self.peer_id = peer_id_of(self.network_key)
        self.session: Session | None = None
        self.restarts = 0

    def attach(self, engine: Engine, machine: Machine, intake: Intake) -> None:
        """Say whose messages these are, and who takes in the others' transactions."""
        self._engine, self._machine = engine, machine
        waiting = engine.mempool.__contains__
        self._relay = Relay(engine.chain_id, intake.submit, waiting)

    def offer(self, transactions: Iterable[tuple[bytes, bytes]]) -> None:
        """Tell the others of transactions, (id, bytes), that were taken in here."""
        assert self._relay is not None, "it is attached before anything is taken in"
        self._relay.offer(transactions)

    async def run(
        self, task_status: "TaskStatus[list[Multiaddr]]" = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Be on the network until cancelled; starts with where it listens.

        Raises `ListenError` if the first session cannot listen.
        """
        is_first, pause_s = True, RESTART_MIN_S
        while True:
            began_s = trio.current_time()
            try:
                async with trio.open_nursery() as nursery:
                    self.session = self._new_session()
                    listening = await nursery.start(self.session.run, self._config.listen)
                    log.info("network_started", addresses=[str(one) for one in listening])
                    if is_first:
                        task_status.started(listening)
                    is_first = False
            except* ListenError as group:
                if is_first:
                    raise
                log.warning("network_cannot_listen", reason=str(group.exceptions[0]))
            except* Exception as group:
                if is_first:
                    raise
                log.exception("network_failed", exc_info=group)
            finally:
                self.session = None
            self.restarts += 1
            if trio.current_time() - began_s > RESTART_MAX_S:
                pause_s = RESTART_MIN_S
            await trio.sleep(pause_s)
            pause_s = min(2 * pause_s, RESTART_MAX_S)

    def peers(self) -> list[PeerState]:
        """Return whom the session wants to be connected to; nobody while there is none."""
        return [] if self.session is None else self.session.peers()

    def _new_session(self) -> Session:
        engine, machine, relay = self._engine, self._machine, self._relay
        assert engine is not None, "it is attached before it runs"
        assert machine is not None, "all are attached together"
        assert relay is not None, "all are attached together"
        directory = Directory(self.peer_id, self._config.peers, engine.published)
        return Session(
            self._config.identity_seed, directory, engine, machine, relay, self._clock_ms,
            self._config.timing,
        )  # fmt: skip

    # ── What the engine asks for ──

    def broadcast(self, message: Message) -> None:
        """Send to every peer."""
        if self.session is not None:
            self.session.line.broadcast(message)

    def send(self, peer: bytes, message: Message) -> None:
        """Send to one peer."""
        if self.session is not None:
            self.session.line.send(peer, message)

    def send_decision(self, peer: bytes, height: int) -> None:
        """Send a peer the certificate of a decided height, if there is one."""
        assert self._engine is not None, "the engine asks"
        certificate = self._engine.archive.certificate(height)
        if certificate is not None:
            self.send(peer, certificate)

    def request_block(self, height: int, block_id: bytes) -> None:
        """Fetch a block; it comes back as an input."""
        if self.session is not None:
            self.session.blocks.request(height, block_id)
