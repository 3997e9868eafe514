"""`gtx testnet`: the homes of several validators that begin one chain together."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter
from nacl.utils import random as random_bytes

from chain.bech32 import encode_address
from chain.crypto import SEED_BYTES
from chain.genesis import Genesis
from client.genesis_rules import UTHB_PER_THB
from client.keystore import Keystore
from contracts.governance.authorities import AUTHORITIES_MAX
from contracts.governance.parameters import Timing
from node.chain_node import wall_clock_ms
from node.cli.common import DEFAULTS, Common
from node.cli.new_genesis import Founder, new_genesis
from node.cli.node import FUNDS_THB, write_home
from node.cli.output import answer, table
from node.cli.secrets import PassphraseFile, passphrase
from node.config import Config, P2pConfig, RpcConfig
from node.failure import ExitCode, Failure
from node.home import Home
from node.network_key import NetworkKey
from node.validator_key import ValidatorKey

RPC_PORT: Final = 26680
P2P_PORT: Final = 26780
LOOPBACK: Final = "127.0.0.1"
PORT_MAX: Final = 65_535
KEY: Final = "authority"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one validator of a new network will run."""

    name: str
    home: Home
    host: str
    rpc_port: int
    p2p_port: int

    @property
    def address(self) -> str:
        """Return where other validators reach it."""
        kind = "ip6" if ":" in self.host else "ip4"
        return f"/{kind}/{self.host}/tcp/{self.p2p_port}"


@dataclass(frozen=True, slots=True)
class Member:
    """One validator with its keys."""

    place: Place
    validator: ValidatorKey
    network: NetworkKey

    @property
    def founder(self) -> Founder:
        """Return what genesis says of it."""
        return Founder(
            self.place.name,
            self.validator.account,
            self.validator.public_key,
            self.network.public_key,
        )


def make_testnet(
    *,
    validators: Annotated[int, Parameter(name=["--validators", "-n"], help="How many.")] = 4,
    out: Annotated[Path, Parameter(help="The folder for their homes.")] = Path("testnet"),
    host: Annotated[
        list[str] | None,
        Parameter(help="The machines' addresses, one for each; left out: all on this machine."),
    ] = None,
    rpc_port: Annotated[int, Parameter(help="The API's port, or the first of them.")] = RPC_PORT,
    p2p_port: Annotated[int, Parameter(help="The network's port, as well.")] = P2P_PORT,
    chain: Annotated[str, Parameter(help="The new chain's name, for people.")] = "testnet",
    passphrase_file: PassphraseFile = None,
    common: Common = DEFAULTS,
) -> None:
    """Make the homes of several validators that begin one chain together.

    Each has settings with the others' addresses, the same genesis, and keys of its own; the first
    authority's account has all credit and NRG. On one machine each listens on ports of its own;
    with an address for each, all use the same ports, and a home is taken to its machine as it is.

    For example:

    ```
    gtx testnet -n 4 --out net
    gtx testnet -n 4 --out net --host 10.0.0.1 --host 10.0.0.2 --host 10.0.0.3 --host 10.0.0.4
    ```
    """
    places = list(_places(validators, out, host or [], (rpc_port, p2p_port)))
    word = passphrase(passphrase_file, new=True, of=f"the {KEY} keys")
    members = [_member(place, word) for place in places]
    genesis = _genesis(chain, members)
    for member in members:
        _write(member, members, genesis)
    form = {
        "chain": chain,
        "chain_id": genesis.chain_id.hex(),
        "validators": [
            {
                "name": one.place.name,
                "home": str(one.place.home.folder),
                "account": encode_address(one.validator.account),
                "rpc": f"http://{LOOPBACK}:{one.place.rpc_port}",
                "p2p": one.place.address,
            }
            for one in members
        ],
    }
    rows = [(one["name"], one["home"], one["rpc"], one["p2p"]) for one in form["validators"]]  # type: ignore[index]  # made above
    lines = [
        *table(("authority", "home", "rpc", "p2p"), rows),
        "",
        *(f"start it with: gtx run --home {one.place.home.folder}" for one in members),
    ]
    answer(form, as_json=common.json, lines=lines)


def _places(count: int, out: Path, hosts: list[str], ports: tuple[int, int]) -> Iterator[Place]:
    if not 1 <= count <= AUTHORITIES_MAX:
        raise _usage(f"--validators {count}: it lies in 1 … {AUTHORITIES_MAX}")
    if hosts and len(hosts) != count:
        raise _usage(f"{len(hosts)} addresses for {count} validators")
    for host in hosts:
        try:
            ip_address(host)
        except ValueError as error:
            raise _usage(f"{host!r} is no IP address") from error
    for option, first in zip(("--rpc-port", "--p2p-port"), ports, strict=True):
        last = first if hosts else first + count - 1
        if first < 1:
            raise _usage(f"{option} {first}: ports lie in 1 … {PORT_MAX}")
        if last > PORT_MAX:
            raise _usage(f"{option} {first}: the last of them would be {last}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Failure(
            ExitCode.CONFIG, f"{out} exists and is not empty", "choose another folder with --out"
        )
    for number in range(count):
        home = Home((out / f"validator-{number}").expanduser().absolute())
        host, after = (hosts[number], 0) if hosts else (LOOPBACK, number)
        yield Place(f"validator {number}", home, host, ports[0] + after, ports[1] + after)


def _member(place: Place, word: str) -> Member:
    place.home.keep_out_of_git()
    account = Keystore(place.home.keys).new(KEY, word).account
    seeds = random_bytes(SEED_BYTES), random_bytes(SEED_BYTES)
    return Member(place, ValidatorKey(account, seeds[0]), NetworkKey(seeds[1]))


def _genesis(chain: str, members: list[Member]) -> Genesis:
    first, *others = [one.founder for one in members]
    return new_genesis(
        chain,
        first,
        time_ms=wall_clock_ms(),
        funded=[(first.account, FUNDS_THB * UTHB_PER_THB)],
        devnet=False,
        timing=Timing(),
        others=others,
    )


def _write(member: Member, members: list[Member], genesis: Genesis) -> None:
    place = member.place
    # With an address of its own a machine listens on all that it has.
    everywhere = "::" if ":" in place.host else "0.0.0.0"  # noqa: S104 - the gate is behind it
    listen = replace(place, host=LOOPBACK if place.host == LOOPBACK else everywhere)
    peers = tuple(
        f"{one.place.address}/p2p/{one.network.peer_id}" for one in members if one is not member
    )
    config = Config(
        rpc=RpcConfig(port=place.rpc_port), p2p=P2pConfig(listen=(listen.address,), peers=peers)
    )
    write_home(place.home, config, genesis, member.validator, member.network)


def _usage(what: str) -> Failure:
    return Failure(ExitCode.USAGE, what, "see gtx testnet --help", name="Usage")
