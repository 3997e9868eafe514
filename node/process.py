"""The process behind `gtx run`: one node from its home folder until a signal stops it.

```text
settings, genesis, key  →  lock  →  database, checked whole  →  may it sign?  →  engine  →  API
```

SIGINT or SIGTERM ends it in the reverse order: the API lets requests under way end, then the engine
stops between two steps, then everything is closed. A second signal does not wait for requests.
Whatever goes wrong becomes a `Failure` with its exit code.
"""

import errno
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

import structlog
import trio
from fastapi import FastAPI

from chain.bech32 import decode_address, encode_address
from chain.genesis import Genesis
from chain.mempool import MempoolLimits
from chain.store import StoredBlock
from chain.validators import Validator
from contracts.kernel import Value
from node.api import ApiLimits, make_app, serve
from node.api.reading import contracts_over
from node.backend import PeerState, RoundState, Submission
from node.chain_node import ChainNode, open_node, wall_clock_ms
from node.config import Config, RpcConfig
from node.explained import failures_explained
from node.failure import ExitCode, Failure
from node.home import Home
from node.loading import load_genesis
from node.network_key import NetworkKey
from node.round_state import round_state_of
from node.validator_key import ValidatorKey

if TYPE_CHECKING:
    # libp2p brings trio-typing, whose stubs take the place of trio's own types.
    from multiaddr import Multiaddr
    from trio_typing import TaskStatus

    from node.net.net import Net

SWITCH_INTERVAL_S: Final = 0.0005
BURST_S: Final = 2

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """What a node says once it serves."""

    chain: str
    chain_id: bytes
    height: int
    account: bytes | None
    """The authority for which the node speaks; none if it only follows."""
    urls: tuple[str, ...]
    peer_id: str | None = None
    p2p: tuple[str, ...] = ()
    """Where other nodes reach it; none if it is on no network."""

    def to_json(self) -> dict[str, Any]:
        """Return what a program needs to know."""
        return {
            "chain": self.chain,
            "chain_id": self.chain_id.hex(),
            "height": self.height,
            "account": None if self.account is None else encode_address(self.account),
            "urls": list(self.urls),
            "peer_id": self.peer_id,
            "p2p": list(self.p2p),
        }

    @classmethod
    def of_json(cls, form: Mapping[str, Any]) -> "Running":
        """Read what a node of ours printed."""
        account = form["account"]
        return cls(
            form["chain"],
            bytes.fromhex(form["chain_id"]),
            form["height"],
            None if account is None else decode_address(account),
            tuple(form["urls"]),
            form["peer_id"],
            tuple(form["p2p"]),
        )


class NodeBackend:
    """The node, as the API sees it."""

    def __init__(self, node: ChainNode, chain: str, net: "Net | None" = None) -> None:
        """Answer from the parts of this node; what it takes in is told on the network."""
        self._net = net
        self._engine = node.engine
        self._machine = node.machine
        self._intake = node.intake
        self._chain = chain
        self.archive = node.engine.archive
        self.published = node.engine.published

    async def submit(self, raws: list[bytes]) -> list[Submission]:
        """Verify and admit transactions; one answer each, in order."""
        answers = await self._intake.submit(raws)
        if self._net is not None:
            pairs = zip(answers, raws, strict=True)
            self._net.offer((answer.id, raw) for answer, raw in pairs if answer.error is None)
        return answers

    def is_waiting(self, transaction_id: bytes) -> bool:
        """Say whether a transaction is in the mempool."""
        return transaction_id in self._engine.mempool

    def mempool_status(self) -> dict[str, Value]:
        """Return the mempool's counts and limits."""
        return self._engine.mempool.status()

    def health(self) -> dict[str, Value]:
        """Return what an operator looks at first."""
        return {"chain": self._chain, **self._engine.health()}

    def peers(self) -> list[PeerState]:
        """Return the nodes that this one wants to be connected to; from the loop."""
        return [] if self._net is None else self._net.peers()

    def round_state(self) -> RoundState:
        """Return where consensus stands; from the loop."""
        return round_state_of(self._machine)

    async def blocks(self) -> AsyncIterator[StoredBlock]:
        """Yield each block as it is committed, from now on; a slow reader is cut off."""
        async for block in self._engine.blocks():
            yield block


async def run_node(
    home: Home,
    config: Config,
    announce: Callable[[Running], None],
    *,
    until_stdin_closes: bool = False,
) -> None:
    """Run a node until a signal stops it, or the program that started it is gone.

    Raises `Failure`.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with failures_explained(), _sigterm_as_interrupt():
        await _run(home, config, announce, until_stdin_closes=until_stdin_closes)


async def _run(
    home: Home,
    config: Config,
    announce: Callable[[Running], None],
    *,
    until_stdin_closes: bool,
) -> None:
    genesis = load_genesis(home)
    key = ValidatorKey.load(home) if config.node.role == "validator" else None
    # An address is /ip4/HOST/tcp/PORT; what has no host is refused later by its own name.
    hosts = ["".join(one.split("/")[2:3]) for one in config.p2p.listen]
    for host in (config.rpc.host, *hosts):
        refuse_public_devnet_beyond_loopback(genesis, host)
    net = _net_of(home, config)
    with open_node(
        home,
        genesis,
        key,
        workers=config.node.workers,
        limits=_mempool_limits(config),
        outbox=net,
        journal=config.node.journal,
    ) as node:
        if key is not None:
            _check_that_it_is_a_validator(node, key)
            _check_its_place(node, key, net)
        if net is not None:
            net.attach(node.engine, node.machine, node.intake)
        # What lives now lives as long as the process; the collector need not look at it again.
        gc.collect()
        gc.freeze()
        app = make_app(NodeBackend(node, genesis.name, net), _api_limits(config.rpc))
        shutdown = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_by_signal, shutdown, nursery.cancel_scope)
            if until_stdin_closes:
                nursery.start_soon(_stop_with_stdin, shutdown)
            await nursery.start(node.engine.run)
            listening: list[Multiaddr] = []
            if net is not None:
                listening = await nursery.start(net.run)
            async with trio.open_nursery() as serving:
                urls = await serving.start(_serve, app, config.rpc, shutdown)
                tip = node.ledger.tip
                log.info("node_started", chain=genesis.name, height=tip.height, urls=urls)
                announce(
                    Running(
                        genesis.name, genesis.chain_id, tip.height,
                        None if key is None else key.account, tuple(urls),
                        None if net is None else net.peer_id.to_base58(),
                        tuple(str(one) for one in listening),
                    )
                )  # fmt: skip
            nursery.cancel_scope.cancel()
        log.info("node_stopped", height=node.ledger.tip.height)


async def _serve(
    app: FastAPI,
    rpc: RpcConfig,
    shutdown: trio.Event,
    task_status: "TaskStatus[list[str]]" = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the API; raises `Failure` if its address is taken."""
    try:
        await serve(app, rpc.host, rpc.port, shutdown, task_status=task_status)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise Failure(
            ExitCode.IN_USE,
            f"another program listens on port {rpc.port} of {rpc.host}",
            "choose another port, or 0 for a free one, by --rpc-port or by rpc.port in config.toml",
        ) from error


async def _stop_by_signal(shutdown: trio.Event, everything: trio.CancelScope) -> None:
    """Stop gracefully at the first signal, at once at the second."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            name = signal.Signals(number).name
            if shutdown.is_set():
                log.warning("node_stopping_at_once", signal=name)
                everything.cancel()
            else:
                log.info("node_stopping", signal=name)
                shutdown.set()


async def _stop_with_stdin(shutdown: trio.Event) -> None:
    """Stop when the program that holds the other end of stdin is gone, however it ended."""
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as stream:
        while await stream.receive_some():
            continue
    log.info("node_stopping", signal="stdin closed")
    shutdown.set()


def refuse_public_devnet_beyond_loopback(genesis: Genesis, host: str) -> None:
    """Raise `Failure` where everybody could spend what a devnet's public keys hold."""
    if genesis.devnet and not is_loopback(host):
        raise Failure(
            ExitCode.CONFIG,
            f"{host!r} is no address for {genesis.name!r}, a devnet whose keys are public: "
            "it listens on loopback only",
            "listen on 127.0.0.1, by --rpc-host, or by rpc.host and p2p.listen in config.toml",
        )


def is_loopback(host: str) -> bool:
    """Say whether nobody but this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_that_it_is_a_validator(node: ChainNode, key: ValidatorKey) -> None:
    validators = node.ledger.tip.next_validators
    if Validator(key.account, key.public_key) not in validators.members:
        raise Failure(
            ExitCode.CONFIG,
            f"consensus key {key.public_key.hex()} is not of this chain's validators",
            "use the home that the genesis was made with",
        )


def _net_of(home: Home, config: Config) -> "Net | None":
    """Return the network that the settings ask for, if any; raises `ConfigError` or `Failure`."""
    if config.node.role == "full":
        _check_that_it_can_follow(config)
    elif not config.p2p.listen:
        return None
    # Takes a second and 60 MB, which a chain of one validator has no use for.
    from node.net.directory import address_of, listed_peers  # noqa: PLC0415 - see above
    from node.net.net import Net, NetConfig  # noqa: PLC0415 - see above

    listen = [address_of(one) for one in config.p2p.listen]
    peers = listed_peers(config.p2p.peers)
    return Net(NetConfig(NetworkKey.load(home).seed, listen, peers), wall_clock_ms)


def _check_that_it_can_follow(config: Config) -> None:
    """Refuse a full node that has no way to others."""
    what = "a full node follows others, and "
    if not config.p2p.peers:
        raise Failure(
            ExitCode.CONFIG,
            f"{what}this one knows none",
            "list some by p2p.peers in config.toml, each as /ip4/10.0.0.2/tcp/26780/p2p/12D3KooW…",
        )
    if not config.p2p.listen:
        raise Failure(
            ExitCode.CONFIG,
            f"{what}this one is on no network",
            'say where it listens, as in p2p.listen = ["/ip4/127.0.0.1/tcp/0"] in config.toml',
        )


def _check_its_place(node: ChainNode, key: ValidatorKey, net: "Net | None") -> None:
    """Refuse a validator of several that the others could not reach or would not let in."""
    if node.ledger.tip.next_validators.size == 1:
        return
    if net is None:
        raise Failure(
            ExitCode.CONFIG,
            f"this chain has {node.ledger.tip.next_validators.size} validators, "
            "and this one listens to none of them",
            'say where, as in p2p.listen = ["/ip4/0.0.0.0/tcp/26780"] in config.toml',
        )
    with node.engine.published() as published:
        seat = contracts_over(published).authorities.members[key.account]
    if seat is not None and seat.network_key != net.network_key:
        raise Failure(
            ExitCode.CONFIG,
            f"the network key of this home is {net.network_key.hex()}, its authority's is "
            f"{seat.network_key.hex()}: no other validator would let it in",
            "put back the network.json that the authority was seated with",
        )


def _api_limits(rpc: RpcConfig) -> ApiLimits:
    return ApiLimits(
        body_bytes_max=rpc.body_bytes_max,
        batch_max=rpc.batch_max,
        connections_max=rpc.connections_max,
        requests_per_s=rpc.requests_per_s,
        requests_burst=max(BURST_S * rpc.requests_per_s, rpc.batch_max),
        subscriptions_max=rpc.subscriptions_max,
    )


def _mempool_limits(config: Config) -> MempoolLimits:
    return MempoolLimits(
        transactions=config.mempool.transactions_max,
        bytes=config.mempool.bytes_max,
        sender_transactions=config.mempool.sender_transactions_max,
    )


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end a node that is still starting as Ctrl-C does, locks and files closed."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
