"""`gtx init` and `gtx run`: a home folder, and the node in it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter
from nacl.utils import random as random_bytes

from chain.bech32 import encode_address
from chain.crypto import SEED_BYTES, public_key_of
from chain.genesis import Genesis
from client.files import write_whole
from client.genesis_rules import UTHB_PER_THB
from client.keystore import Keystore
from contracts.governance.parameters import Timing
from contracts.kernel.crypto import address_of
from node.chain_node import make_signer, wall_clock_ms
from node.cli.common import DEFAULTS, Common
from node.cli.following import Following, make_full_node
from node.cli.new_genesis import Founder, new_genesis
from node.cli.output import answer, facts
from node.cli.secrets import PassphraseFile, passphrase
from node.cli.sections import Sections
from node.config import Config, LogFormat, LogLevel, Role
from node.explained import failures_explained
from node.failure import ExitCode, Failure
from node.home import Home
from node.loading import load_config
from node.logs import set_up_logs
from node.network_key import NetworkKey
from node.process import Running, run_node
from node.validator_key import ValidatorKey

FUNDS_THB: Final = 1_000_000
PUBLIC_MODE: Final = 0o644


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Overrides:
    """Settings that the command line gives in place of those in config.toml."""

    rpc_host: Annotated[str | None, Parameter(help="Listen on this address.")] = None
    rpc_port: Annotated[int | None, Parameter(help="Listen on this port; 0 takes a free one.")] = (
        None
    )
    log_format: Annotated[LogFormat | None, Parameter(help="How to log.")] = None
    log_level: Annotated[LogLevel | None, Parameter(help="From which level on to log.")] = None

    def of(self, config: Config) -> Config:
        """Return the settings with these in their place; raises `Failure`."""
        given: dict[str, dict[str, Any]] = {
            "rpc": {"host": self.rpc_host, "port": self.rpc_port},
            "log": {"format": self.log_format, "level": self.log_level},
        }
        content = {
            section: {name: value for name, value in pairs.items() if value is not None}
            for section, pairs in given.items()
        }
        with failures_explained():
            Config.of(content, "the command line")
        return replace(
            config,
            rpc=replace(config.rpc, **content["rpc"]),
            log=replace(config.log, **content["log"]),
        )


OVERRIDES: Final = Overrides()
FOLLOWING: Final = Following()


def init(
    *,
    role: Annotated[
        Role, Parameter(help="validator: begins a new chain; full: follows one that there is.")
    ] = "validator",
    chain: Annotated[str, Parameter(help="The new chain's name, for people.")] = "gridtokenx",
    authority: Annotated[str, Parameter(help="The authority's name, for people.")] = "authority 1",
    key: Annotated[str, Parameter(help="Name of the authority's account key.")] = "authority",
    sections: Annotated[
        Path | None,
        Parameter(
            help="A JSON file with sections of the genesis that take the place of the usual ones."
        ),
    ] = None,
    following: Following = FOLLOWING,
    passphrase_file: PassphraseFile = None,
    common: Common = DEFAULTS,
) -> None:
    """Make the home of a validator that begins a new chain, or of a node that follows one.

    Writes settings, a genesis with this one validator, its consensus key with the files that keep
    it from signing twice, and the key of the authority's account, which has all credit and NRG.

    A market begins with its chain and at no other time: without --sections there is none. Their
    form is that of "contracts" in a genesis.json, and AUTHORITY in them stands for the authority's
    address; docs/how-to/run-a-validator.md has an example. What is written cannot be changed
    afterwards: the chain's id is made of it, and the signer's files are of that chain alone.

    With --role full it has the genesis of a chain that there is and a key for the network, no
    other. Such a node checks and keeps every block, passes transactions on and answers as any node
    does; it proposes nothing and has no vote.

    For example:

    ```
    gtx init
    gtx init --home north --chain "north island" --authority "North Utility"
    gtx init --home north --sections market.json
    gtx init --role full --home watcher --genesis genesis.json --peer /ip4/…/p2p/12D3KooW…
    ```
    """
    home = common.place()
    _refuse_used(home)
    start = "gtx run" if common.home is None else f"gtx run --home {common.home}"
    if role == "full":
        if sections is not None:
            what = "--sections are for a new chain, and a full node follows one that there is"
            raise Failure(ExitCode.USAGE, what, "see gtx init --help", name="Usage")
        make_full_node(home, following, start=start, as_json=common.json)
        return
    if following.is_given:
        what = "--genesis, --peer and --p2p-listen are for a full node"
        raise Failure(ExitCode.USAGE, what, "give --role full as well", name="Usage")
    founded = Founding(chain, authority, key, sections)
    _make_validator(home, founded, passphrase_file, start=start, as_json=common.json)


@dataclass(frozen=True, slots=True)
class Founding:
    """What a new chain of one validator begins with."""

    chain: str
    authority: str
    key: str
    sections: Path | None

    def genesis_by(self) -> Callable[[Founder], Genesis]:
        """Return what makes the genesis; raises `Failure` for sections that cannot be read."""
        given = None if self.sections is None else Sections.read(self.sections)

        def genesis_of(founder: Founder) -> Genesis:
            usual = new_genesis(
                self.chain,
                founder,
                time_ms=wall_clock_ms(),
                funded=[(founder.account, FUNDS_THB * UTHB_PER_THB)],
                devnet=False,
                timing=Timing(),
            )
            return usual if given is None else given.into(usual, founder.account)

        return genesis_of


def _make_validator(
    home: Home, founding: Founding, passphrase_file: Path | None, *, start: str, as_json: bool
) -> None:
    genesis_of = founding.genesis_by()
    authority, key = founding.authority, founding.key
    # Tried with a key of nobody: whatever is wrong is told before a key is made.
    nobody, nowhere = (public_key_of(random_bytes(SEED_BYTES)) for _ in range(2))
    genesis_of(Founder(authority, address_of(nobody), nobody, nowhere))
    word = passphrase(passphrase_file, new=True, of=f"new key {key!r}")
    home.keep_out_of_git()
    account = Keystore(home.keys).new(key, word).account
    validator = ValidatorKey(account, random_bytes(SEED_BYTES))
    network = NetworkKey(random_bytes(SEED_BYTES))
    founder = Founder(authority, account, validator.public_key, network.public_key)
    genesis = genesis_of(founder)
    write_home(home, Config(), genesis, validator, network)
    form = {
        "home": str(home.folder),
        "chain": founding.chain,
        "chain_id": genesis.chain_id.hex(),
        "key": key,
        "account": encode_address(account),
        "consensus_key": public_key_of(validator.seed).hex(),
        "network_key": network.public_key.hex(),
    }
    lines = [*facts(list(form.items())), "", f"start it with: {start}"]
    answer(form, as_json=as_json, lines=lines)


def write_home(
    home: Home, config: Config, genesis: Genesis, validator: ValidatorKey, network: NetworkKey
) -> None:
    """Write what a validator needs: settings, genesis, its keys, and the files of its signer."""
    write_whole(home.config, config.to_toml().encode(), mode=PUBLIC_MODE)
    write_whole(home.genesis, genesis.to_json().encode(), mode=PUBLIC_MODE)
    validator.save(home)
    network.save(home)
    make_signer(home, genesis.chain_id, validator.seed)


async def run(
    *,
    overrides: Overrides = OVERRIDES,
    until_stdin_closes: Annotated[bool, Parameter(negative="", show=False)] = False,
    common: Common = DEFAULTS,
) -> None:
    """Run the node of a home folder until Ctrl-C or SIGTERM.

    The log goes to stderr; the addresses are printed once the node answers.

    For example:

    ```
    gtx run
    gtx run --home north --rpc-port 26681 --log-format json
    ```
    """
    home = common.place()
    config = overrides.of(load_config(home))
    set_up_logs(config.log)

    def announce(running: Running) -> None:
        answer(running.to_json(), as_json=common.json, lines=running_lines(running))

    await run_node(home, config, announce, until_stdin_closes=until_stdin_closes)


def running_lines(running: Running) -> list[str]:
    """Return what a person needs to know of a node that runs."""
    (first, *_) = running.urls
    return facts(
        [
            ("chain", running.chain),
            ("height", running.height),
            ("JSON-RPC", ", ".join(running.urls)),
            ("WebSocket", f"{first.replace('http', 'ws', 1)}/ws"),
        ]
    )


def _refuse_used(home: Home) -> None:
    for path in (home.config, home.genesis, ValidatorKey.path(home), home.data):
        if path.exists():
            raise Failure(
                ExitCode.CONFIG,
                f"{path} exists: {home.folder} is a home already",
                "run it with gtx run, or choose another folder with --home",
            )
