"""`gtx devnet`: one validator with public keys, for trying things out on this machine.

Its home is made fresh each time, unless it is kept. With `--replay` the node runs in a process of
its own, so that the replay beside it does not slow it down.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter

from chain.bech32 import encode_address
from chain.genesis import Genesis, run_genesis
from chain.store import MemoryState
from chain.validators import Validator
from client.devnet_keys import NODE, VALIDATOR, Identity
from client.genesis_rules import UTHB_PER_THB
from client.replay.setup import WEEK_FOLDER
from contracts.governance.parameters import Timing
from node.chain_node import wall_clock_ms
from node.cli.common import DEFAULTS, Common
from node.cli.new_genesis import Founder, new_genesis
from node.cli.node import (
    OVERRIDES,
    Overrides,
    running_lines,
    write_home,
)
from node.cli.output import answer, table
from node.cli.replay import span_to_replay
from node.cli.replaying import GTX, Replaying, run_with_replay
from node.cli.secrets import DEVNET_PREFIX
from node.config import Config, LogConfig, LogLevel
from node.explained import failures_explained
from node.failure import ExitCode, Failure
from node.home import Home
from node.loading import load_config, read_genesis
from node.logs import set_up_logs
from node.network_key import NetworkKey
from node.process import Running, run_node
from node.validator_key import ValidatorKey

FOLDER: Final = "devnet-data"
REPORT: Final = "replay-report"
GENESIS: Final = Path(__file__).resolve().parents[2] / "genesis.json"
ACCOUNTS: Final = 10
ACCOUNTS_MAX: Final = 1_000
FUNDS_THB: Final = 10_000
BLOCK_TIME_MS: Final = 50
LOG_LEVEL: Final[LogLevel] = "warning"
OFFICES: Final = ("driver", "registrar", "metering operator", "market operator")


@dataclass(frozen=True, slots=True)
class Funded:
    """An account of the devnet that anybody may use."""

    identity: Identity
    uthb: int

    def form(self) -> dict[str, Any]:
        """Return what a program needs to use it."""
        return {
            "key": DEVNET_PREFIX + self.identity.name.replace(" ", "-"),
            "address": encode_address(self.identity.account),
            "credit_uthb": self.uthb,
            "seed": self.identity.seed.hex(),
        }


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """Whether to replay a week on the devnet, and how."""

    replay: Annotated[
        bool, Parameter(negative="", help="Begin from genesis.json and replay a week on it.")
    ] = False
    exit_after_replay: Annotated[
        bool, Parameter(negative="", help="Replay, and end with the replay's exit status.")
    ] = False
    seed: Annotated[int | None, Parameter(help="As of gtx replay.")] = None
    quarters: Annotated[int | None, Parameter(help="As of gtx replay.")] = None
    out: Annotated[
        Path | None, Parameter(help="As of gtx replay. Default: replay-report in the folder.")
    ] = None

    def wanted(self) -> bool:
        """Say whether to replay; raises `Failure` for options that need it."""
        wanted = self.replay or self.exit_after_replay
        if not wanted and any(value is not None for value in (self.seed, self.quarters, self.out)):
            raise _usage("--seed, --quarters and --out are for a replay", "give --replay as well")
        return wanted

    def check(self, genesis: Genesis) -> None:
        """Refuse a replay that this genesis has no room for; raises `Failure`."""
        span_to_replay(genesis.chain_id.hex(), WEEK_FOLDER, self.quarters)

    def command(self, home: Home) -> tuple[str, ...]:
        """Return the command that replays."""
        out = self.out or home.folder / REPORT
        given = (("--seed", self.seed), ("--quarters", self.quarters), ("--out", out))
        options = (
            part for name, value in given if value is not None for part in (name, str(value))
        )
        return (*GTX, "replay", *options)


REPLAY_OPTIONS: Final = ReplayOptions()


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Beginning:
    """What a fresh devnet begins with."""

    accounts: Annotated[
        int | None, Parameter(help=f"How many funded accounts; {ACCOUNTS} if left out.")
    ] = None
    block_time: Annotated[
        int | None,
        Parameter(help=f"Milliseconds between blocks at least; {BLOCK_TIME_MS} if left out."),
    ] = None
    genesis: Annotated[
        Path | None, Parameter(help="Begin from this genesis of a devnet instead.")
    ] = None

    def genesis_of(self, usual: Path | None) -> Genesis:
        """Return the genesis that was asked for, or the usual one; raises `Failure`."""
        path = self.genesis or usual
        if path is None:
            accounts = ACCOUNTS if self.accounts is None else self.accounts
            return _small(accounts, BLOCK_TIME_MS if self.block_time is None else self.block_time)
        if self.accounts is not None or self.block_time is not None:
            what = "--accounts and --block-time cannot change a genesis that is given"
            raise _usage(what, "leave them out")
        return read_genesis(path)


BEGINNING: Final = Beginning()


async def devnet(
    *,
    beginning: Beginning = BEGINNING,
    keep: Annotated[
        bool, Parameter(negative="", help="Go on with the folder as it is, if it is there.")
    ] = False,
    replaying: ReplayOptions = REPLAY_OPTIONS,
    overrides: Overrides = OVERRIDES,
    common: Common = DEFAULTS,
) -> int:
    """Run a chain of one validator whose keys everybody knows, until Ctrl-C.

    Everything in its folder, ./devnet-data or that of --home, is made anew each time unless
    --keep is given. It listens on this machine only.

    For example:

    ```
    gtx devnet
    gtx devnet --accounts 3 --block-time 1000 --rpc-port 0 --json
    gtx devnet --keep --home my-devnet
    gtx devnet --replay --exit-after-replay
    gtx call credit.transfer gtx1… 5_000_000 --key devnet/account-0
    ```
    """
    replays = replaying.wanted()
    home = common.place(FOLDER)
    with failures_explained():
        kept = keep and home.genesis.exists()
        usual = GENESIS if replays else None
        begun = read_genesis(home.genesis) if kept else beginning.genesis_of(usual)
        check(begun)
        if replays:
            replaying.check(begun)
        if not kept:
            make_fresh(home, begun)
    config = overrides.of(load_config(home))
    set_up_logs(config.log)
    funded = list(funded_accounts(begun))

    def announce(running: Running) -> None:
        form = running.to_json() | {"accounts": [one.form() for one in funded]}
        answer(form, as_json=common.json, lines=_lines(running, funded))

    if replays:
        plan = Replaying(home, config, replaying.exit_after_replay, replaying.command(home))
        return await run_with_replay(plan, announce)
    await run_node(home, config, announce)
    return ExitCode.OK


def make_fresh(home: Home, genesis: Genesis) -> None:
    """Make a devnet's home anew, with the files of its signer; raises `Failure` for any other.

    Only here may a signer's files be removed: nothing rests on the signatures of public keys.
    (PROTOCOL §5.)
    """
    _refuse_what_is_no_devnet(home)
    home.folder.mkdir(parents=True, exist_ok=True)
    with home.locked():
        for folder in (home.data, home.folder / "signer"):
            if folder.exists():
                shutil.rmtree(folder)
        NetworkKey.path(home).unlink(missing_ok=True)
    home.data.mkdir(parents=True, exist_ok=True)
    home.keep_out_of_git()
    validator = Identity(VALIDATOR)
    # The terminal belongs to the accounts and addresses: only warnings are logged.
    config = Config(log=LogConfig(level=LOG_LEVEL))
    key = ValidatorKey(validator.account, validator.seed)
    write_home(home, config, genesis, key, NetworkKey(Identity(NODE).seed))


def funded_accounts(genesis: Genesis) -> Iterator[Funded]:
    """Yield the public accounts that this genesis gives credit to, then those with an office."""
    given: dict[bytes, int] = {}
    allocations: Any = genesis.sections["credit"]["allocations"]
    for _, account, amount in allocations:
        given[account] = given.get(account, 0) + amount
    names = [f"account {number}" for number in range(ACCOUNTS_MAX)]
    for name in (*names, *OFFICES):
        identity = Identity(name)
        if identity.account in given:
            yield Funded(identity, given[identity.account])
        elif name not in OFFICES:
            # Accounts are numbered without a gap: the first that is missing is the end.
            names.clear()


def _small(accounts: int, block_time_ms: int) -> Genesis:
    if not 1 <= accounts <= ACCOUNTS_MAX:
        raise _usage(f"--accounts {accounts}: it lies in 1 … {ACCOUNTS_MAX}", None)
    people = [Identity(f"account {number}") for number in range(accounts)]
    validator = Identity(VALIDATOR)
    try:
        timing = Timing(block_interval_min_ms=block_time_ms)
        return new_genesis(
            "devnet",
            Founder(VALIDATOR, validator.account, validator.public_key, Identity(NODE).public_key),
            time_ms=wall_clock_ms(),
            funded=[(one.account, FUNDS_THB * UTHB_PER_THB) for one in people],
            devnet=True,
            timing=timing,
        )
    except ValueError as error:
        raise _usage(f"--block-time {block_time_ms}: {error}", None) from error


def check(genesis: Genesis) -> None:
    """Refuse a genesis that the public validator key does not begin alone."""
    validator = Identity(VALIDATOR)
    members = run_genesis(genesis, MemoryState()).validators.members
    if not genesis.devnet or members != (Validator(validator.account, validator.public_key),):
        raise Failure(
            ExitCode.CONFIG,
            f"{genesis.name!r} is no devnet of the one validator whose key is public",
            "run it with gtx run in the home that it was made with",
        )


def _refuse_what_is_no_devnet(home: Home) -> None:
    if not home.folder.exists() or not any(home.folder.iterdir()):
        return
    help_ = "choose another folder with --home; only a devnet's own is made anew"
    if not home.genesis.exists():
        raise Failure(ExitCode.CONFIG, f"{home.folder} holds something that is no devnet", help_)
    if not read_genesis(home.genesis).devnet:
        raise Failure(ExitCode.CONFIG, f"{home.folder} is the home of a chain, no devnet", help_)


def _lines(running: Running, funded: list[Funded]) -> list[str]:
    rows = [
        (form["key"], form["address"], f"{one.uthb // UTHB_PER_THB:,} THB", form["seed"])
        for one, form in ((one, one.form()) for one in funded)
    ]
    return [
        *table(("--key", "address", "credit", "seed (public)"), rows),
        "",
        *running_lines(running),
        "",
        "Everybody knows these keys. Ctrl-C stops the node.",
    ]


def _usage(what: str, help_: str | None) -> Failure:
    return Failure(ExitCode.USAGE, what, help_, name="Usage")
