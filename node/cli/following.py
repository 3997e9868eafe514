"""`gtx init --role full`: the home of a node that follows a chain without a voice in it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter
from nacl.utils import random as random_bytes

from chain.crypto import SEED_BYTES
from chain.genesis import Genesis
from client.files import write_whole
from node.cli.output import answer, facts
from node.config import Config, NodeConfig, P2pConfig
from node.explained import failures_explained
from node.failure import ExitCode, Failure
from node.home import Home
from node.loading import read_genesis
from node.network_key import NetworkKey

# Where a node listens that only dials: a port that nobody is told of.
LISTEN: Final = "/ip4/127.0.0.1/tcp/0"
PUBLIC_MODE: Final = 0o644


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Following:
    """What a full node begins with."""

    genesis: Annotated[
        Path | None, Parameter(help="For a full node: the genesis.json of the chain.")
    ] = None
    peer: Annotated[
        tuple[str, ...],
        Parameter(
            help="For a full node: one to follow, as /ip4/10.0.0.2/tcp/26780/p2p/12D3KooW…; "
            "can be given several times."
        ),
    ] = ()
    p2p_listen: Annotated[
        str | None,
        Parameter(help="For a full node: where it listens; if left out, it only dials."),
    ] = None

    @property
    def is_given(self) -> bool:
        """Say whether anything was said that only a full node needs."""
        return self.genesis is not None or bool(self.peer) or self.p2p_listen is not None

    def config(self) -> Config:
        """Return the settings of its home; raises `Failure` for what is no address."""
        # Takes a second, which no other use of the command needs.
        from node.net.directory import address_of, listed_peers  # noqa: PLC0415 - see above

        if not self.peer:
            raise _usage("a full node follows others, and no --peer is given")
        listen = self.p2p_listen or LISTEN
        with failures_explained():
            listed_peers(self.peer)
            address_of(listen)
        return Config(
            node=NodeConfig(role="full"), p2p=P2pConfig(listen=(listen,), peers=self.peer)
        )

    def begun(self) -> Genesis:
        """Return the chain that it follows; raises `Failure`."""
        if self.genesis is None:
            raise _usage("a full node follows a chain, and no --genesis is given")
        return read_genesis(self.genesis)


def make_full_node(home: Home, following: Following, *, start: str, as_json: bool) -> None:
    """Write the home, and say by which peer id others know the node; raises `Failure`."""
    genesis, config = following.begun(), following.config()
    network = NetworkKey(random_bytes(SEED_BYTES))
    home.keep_out_of_git()
    write_whole(home.config, config.to_toml().encode(), mode=PUBLIC_MODE)
    write_whole(home.genesis, genesis.to_json().encode(), mode=PUBLIC_MODE)
    network.save(home)
    form = {
        "home": str(home.folder),
        "role": config.node.role,
        "chain": genesis.name,
        "chain_id": genesis.chain_id.hex(),
        "peer_id": network.peer_id,
        "network_key": network.public_key.hex(),
        "peers": list(following.peer),
    }
    shown = [(name, ", ".join(v) if isinstance(v, list) else v) for name, v in form.items()]
    lines = [
        *facts(shown),
        "",
        f"start it with: {start}",
        "Nobody lets it in yet: the operators of the nodes that it follows add this to p2p.peers",
        f"in their config.toml, behind its address if others shall dial it: /p2p/{network.peer_id}",
    ]
    answer(form, as_json=as_json, lines=lines)


def _usage(what: str) -> Failure:
    return Failure(ExitCode.USAGE, what, "see gtx init --help", name="Usage")
