"""`gtx devnet`: validators with public keys, for trying things out on this machine.

Their homes are made fresh each time, unless they are kept. One validator by itself runs in this
process; several, or one with a replay beside it, run in processes of their own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter

from chain.bech32 import encode_address
from chain.genesis import Genesis
from client.devnet_keys import Identity, node, validator
from client.genesis_rules import UTHB_PER_THB
from client.replay.setup import VALIDATORS_MAX, WEEK_FOLDER, make_genesis
from client.replay.week import WeekDataError, load_week
from contracts.governance.parameters import Timing
from node.chain_node import wall_clock_ms
from node.cli.common import DEFAULTS, Common
from node.cli.devnet_homes import homes_of, make_fresh, rpc_port_of, validators_of
from node.cli.new_genesis import Founder, new_genesis
from node.cli.node import OVERRIDES, Overrides, running_lines
from node.cli.output import answer, table
from node.cli.replay import span_to_replay
from node.cli.secrets import DEVNET_PREFIX
from node.cli.team import GTX, Member, Replaying, run_team
from node.config import RpcConfig
from node.explained import failures_explained
from node.failure import ExitCode, Failure
from node.home import Home
from node.loading import load_config, read_genesis
from node.logs import set_up_logs
from node.process import Running, run_node

FOLDER: Final = "devnet-data"
REPORT: Final = "replay-report"
GENESIS: Final = Path(__file__).resolve().parents[2] / "genesis.json"
ACCOUNTS: Final = 10
ACCOUNTS_MAX: Final = 1_000
FUNDS_THB: Final = 10_000
BLOCK_TIME_MS: Final = 50
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

    validators: Annotated[
        int | None,
        Parameter(
            name=["--validators", "-n"],
            help="How many validators; 1 if left out, or as many as genesis.json has.",
        ),
    ] = None
    accounts: Annotated[
        int | None, Parameter(help=f"How many funded accounts; {ACCOUNTS} if left out.")
    ] = None
    block_time: Annotated[
        int | None,
        Parameter(help=f"Milliseconds between blocks at least; {BLOCK_TIME_MS} if left out."),
    ] = None
    given: Annotated[
        Path | None,
        Parameter(name="--genesis", help="Begin from this genesis of a devnet instead."),
    ] = None

    def genesis(self, *, replays: bool) -> Genesis:
        """Return the genesis that was asked for, or the usual one; raises `Failure`."""
        if self.validators is not None and not 1 <= self.validators <= VALIDATORS_MAX:
            raise _usage(f"-n {self.validators}: it lies in 1 … {VALIDATORS_MAX}", None)
        if self.given is None and not replays:
            return self._small()
        if self.accounts is not None or self.block_time is not None:
            what = "--accounts and --block-time cannot change a genesis that is given"
            raise _usage(what, "leave them out")
        if self.given is None and self.validators is not None:
            return _week(self.validators)
        genesis = read_genesis(self.given or GENESIS)
        if self.validators not in (None, validators_of(genesis)):
            what = f"-n {self.validators}: {self.given} has {validators_of(genesis)} validators"
            raise _usage(what, "leave -n out")
        return genesis

    def _small(self) -> Genesis:
        accounts = ACCOUNTS if self.accounts is None else self.accounts
        if not 1 <= accounts <= ACCOUNTS_MAX:
            raise _usage(f"--accounts {accounts}: it lies in 1 … {ACCOUNTS_MAX}", None)
        people = [Identity(f"account {number}") for number in range(accounts)]
        first, *others = [_founder(number) for number in range(self.validators or 1)]
        block_time_ms = BLOCK_TIME_MS if self.block_time is None else self.block_time
        try:
            return new_genesis(
                "devnet",
                first,
                time_ms=wall_clock_ms(),
                funded=[(one.account, FUNDS_THB * UTHB_PER_THB) for one in people],
                devnet=True,
                timing=Timing(block_interval_min_ms=block_time_ms),
                others=others,
            )
        except ValueError as error:
            raise _usage(f"--block-time {block_time_ms}: {error}", None) from error


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
    """Run a chain of validators whose keys everybody knows, until Ctrl-C.

    Everything in its folder, ./devnet-data or that of --home, is made anew each time unless
    --keep is given. It listens on this machine only. The folder is the home of validator 0; with
    several, the others' homes are validator-1, … within it, and their ports follow each other.

    For example:

    ```
    gtx devnet
    gtx devnet -n 4
    gtx devnet --accounts 3 --block-time 1000 --rpc-port 0 --json
    gtx devnet --keep --home my-devnet
    gtx devnet --replay --exit-after-replay
    gtx call credit.transfer gtx1… 5_000_000 --key devnet/account-0
    ```
    """
    replays = replaying.wanted()
    home = common.place(FOLDER)
    port = RpcConfig().port if overrides.rpc_port is None else overrides.rpc_port
    with failures_explained():
        kept = keep and home.genesis.exists()
        begun = read_genesis(home.genesis) if kept else beginning.genesis(replays=replays)
        homes = homes_of(home, validators_of(begun))
        if replays:
            replaying.check(begun)
        if not kept:
            make_fresh(home, begun, port)
    members = [_member(one, number, overrides) for number, one in enumerate(homes)]
    set_up_logs(members[0].config.log)
    funded = list(funded_accounts(begun))

    def announce(runnings: Sequence[Running]) -> None:
        first, *others = runnings
        form = first.to_json() | {
            "accounts": [one.form() for one in funded],
            "others": [one.to_json() for one in others],
        }
        answer(form, as_json=common.json, lines=_lines(runnings, funded))

    if replays or len(members) > 1:
        command = Replaying(replaying.command(home), replaying.exit_after_replay)
        return await run_team(members, announce, command if replays else None)
    (alone,) = members
    await run_node(alone.home, alone.config, lambda running: announce([running]))
    return ExitCode.OK


def _member(home: Home, number: int, overrides: Overrides) -> Member:
    """Return a node of the team: ports that are given follow each other from the first on."""
    own = overrides
    if overrides.rpc_port is not None:
        own = replace(overrides, rpc_port=rpc_port_of(overrides.rpc_port, number))
    return Member(home, own.of(load_config(home)))


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


def _founder(number: int) -> Founder:
    one = validator(number)
    return Founder(one.name, one.account, one.public_key, node(number).public_key)


def _week(validators: int) -> Genesis:
    try:
        return make_genesis(load_week(WEEK_FOLDER), validators)
    except WeekDataError as error:
        raise Failure(ExitCode.CONFIG, str(error), None) from error


def _lines(runnings: Sequence[Running], funded: list[Funded]) -> list[str]:
    rows = [
        (form["key"], form["address"], f"{one.uthb // UTHB_PER_THB:,} THB", form["seed"])
        for one, form in ((one, one.form()) for one in funded)
    ]
    first, *others = runnings
    also = [f"validator {number}  {one.urls[0]}" for number, one in enumerate(others, start=1)]
    return [
        *table(("--key", "address", "credit", "seed (public)"), rows),
        "",
        *running_lines(first),
        *also,
        "",
        f"Everybody knows these keys. Ctrl-C stops {'all nodes' if others else 'the node'}.",
    ]


def _usage(what: str, help_: str | None) -> Failure:
    return Failure(ExitCode.USAGE, what, help_, name="Usage")
