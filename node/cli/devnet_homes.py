"""A devnet's homes: the first validator's is the devnet's folder, the others' are within it.

```text
devnet-data/                 validator 0
devnet-data/validator-1/     validator 1
…
```
"""

import shutil
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from chain.genesis import Genesis, run_genesis
from chain.store import MemoryState
from chain.validators import Validator
from client.devnet_keys import node, validator
from client.replay.setup import VALIDATORS_MAX
from node.cli.node import write_home
from node.config import Config, LogConfig, LogLevel, P2pConfig
from node.failure import ExitCode, Failure
from node.home import Home
from node.loading import read_genesis
from node.network_key import NetworkKey
from node.validator_key import ValidatorKey

LOG_LEVEL: Final[LogLevel] = "warning"
LOOPBACK: Final = "127.0.0.1"
# A devnet of several listens for its nodes so far above its API.
P2P_ABOVE_RPC: Final = 100


def validators_of(genesis: Genesis) -> int:
    """Return how many validators of public keys begin this chain; raises `Failure` for others."""
    members = run_genesis(genesis, MemoryState()).validators.members
    public = [validator(number) for number in range(min(len(members), VALIDATORS_MAX))]
    expected = {Validator(one.account, one.public_key) for one in public}
    if not genesis.devnet or set(members) != expected:
        raise Failure(
            ExitCode.CONFIG,
            f"{genesis.name!r} is no devnet of validators whose keys are public",
            "run it with gtx run in the homes that it was made with",
        )
    return len(members)


def homes_of(home: Home, validators: int) -> list[Home]:
    """Return where the validators of a devnet live."""
    others = [Home(home.folder / f"validator-{number}") for number in range(1, validators)]
    return [home, *others]


def make_fresh(home: Home, genesis: Genesis, rpc_port: int) -> None:
    """Make a devnet's homes anew, with the files of their signers; raises `Failure` for any other.

    Only here may a signer's files be removed: nothing rests on the signatures of public keys.
    (PROTOCOL §5.)
    """
    _refuse_what_is_no_devnet(home)
    home.folder.mkdir(parents=True, exist_ok=True)
    past = [Home(path) for path in sorted(home.folder.glob("validator-[0-9]*")) if path.is_dir()]
    with ExitStack() as stack:
        for one in (home, *past):
            stack.enter_context(one.locked())
        for one in past:
            shutil.rmtree(one.folder)
        for folder in (home.data, home.folder / "signer"):
            if folder.exists():
                shutil.rmtree(folder)
        NetworkKey.path(home).unlink(missing_ok=True)
    homes = homes_of(home, validators_of(genesis))
    listening = _addresses(len(homes), rpc_port)
    for number, one in enumerate(homes):
        one.data.mkdir(parents=True, exist_ok=True)
        one.keep_out_of_git()
        config = _config(number, rpc_port, listening)
        who = validator(number)
        key = ValidatorKey(who.account, who.seed)
        write_home(one, config, genesis, key, NetworkKey(node(number).seed))


def rpc_port_of(first: int, number: int) -> int:
    """Return the port of a validator's API: they follow each other; 0 takes a free one."""
    return first + number if first else 0


def _config(number: int, rpc_port: int, listening: Sequence[str]) -> Config:
    # The terminal belongs to the accounts and addresses: only warnings are logged.
    config = Config(log=LogConfig(level=LOG_LEVEL))
    if len(listening) == 1:
        return config
    peers = tuple(
        f"{address}/p2p/{NetworkKey(node(other).seed).peer_id}"
        for other, address in enumerate(listening)
        if other != number
    )
    rpc = replace(config.rpc, port=rpc_port_of(rpc_port, number))
    return replace(config, rpc=rpc, p2p=P2pConfig(listen=(listening[number],), peers=peers))


def _addresses(count: int, rpc_port: int) -> list[str]:
    """Return where the nodes listen for each other: above the API, or at ports that are free."""
    if rpc_port:
        ports = [rpc_port + P2P_ABOVE_RPC + number for number in range(count)]
    else:
        with ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
            for one in sockets:
                one.bind((LOOPBACK, 0))
            ports = [one.getsockname()[1] for one in sockets]
    return [f"/ip4/{LOOPBACK}/tcp/{port}" for port in ports]


def _refuse_what_is_no_devnet(home: Home) -> None:
    if not home.folder.exists() or not any(home.folder.iterdir()):
        return
    help_ = "choose another folder with --home; only a devnet's own is made anew"
    if not home.genesis.exists():
        raise Failure(ExitCode.CONFIG, f"{home.folder} holds something that is no devnet", help_)
    if not read_genesis(home.genesis).devnet:
        raise Failure(ExitCode.CONFIG, f"{home.folder} is the home of a chain, no devnet", help_)
