"""A devnet: public keys, one machine, made anew or kept, and nobody else's folder touched."""

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from chain.genesis import Genesis
from client import devnet_keys
from client.devnet_keys import Identity
from contracts.governance.parameters import Timing
from node.chain_node import make_signer
from node.cli.devnet import funded_accounts
from node.cli.devnet_homes import make_fresh, validators_of
from node.cli.new_genesis import Founder, new_genesis
from node.cli.team import Member, Replaying, run_team
from node.config import Config, RpcConfig
from node.failure import ExitCode, Failure
from node.home import Home
from node.process import Running, is_loopback, refuse_public_devnet_beyond_loopback
from node.validator_key import ValidatorKey
from tests.node.cli.program import Gtx
from tests.support.genesis import make_genesis

if TYPE_CHECKING:
    # libp2p brings trio-typing, whose stubs take the place of trio's own types.
    from trio_typing import TaskStatus

START_MS = 1_700_000_000_000
VALIDATOR = devnet_keys.validator(0)
NODE = devnet_keys.node(0)


def small(accounts: int = 2, *, devnet: bool = True, validator: Identity = VALIDATOR) -> Genesis:
    keys = validator.public_key, NODE.public_key
    founder = Founder(validator.name, validator.account, *keys)
    funded = [(Identity(f"account {i}").account, 1_000_000) for i in range(accounts)]
    return new_genesis(
        "small", founder, time_ms=START_MS, funded=funded, devnet=devnet, timing=Timing()
    )


@pytest.fixture
def gtx(tmp_path: Path) -> Gtx:
    return Gtx(tmp_path)


def test_a_devnet_is_ready_to_use_and_made_anew_unless_kept(gtx: Gtx) -> None:
    with gtx.running("devnet", "--accounts", "3", stop=signal.SIGINT) as node:
        accounts = node.form["accounts"]
        assert [one["key"] for one in accounts] == [f"devnet/account-{i}" for i in range(3)]
        assert accounts[0]["seed"] == Identity("account 0").seed.hex()
        sent = gtx.json(
            "call", "credit.transfer", accounts[1]["address"], "7", "--key", "devnet/account-0"
        )
        assert sent["receipt"]["results"][0]["outcome"] == "ok"
        chain_id = node.form["chain_id"]
        refused = gtx.run(
            "call", "credit.transfer", accounts[1]["address"], "99_000_000_000_000",
            "--key", "devnet/account-0", "--json",
        )  # fmt: skip
        assert (refused.status, refused.error["name"]) == (ExitCode.REFUSED, "InsufficientFunds")
        assert refused.json["receipt"]["results"][0]["outcome"] == "rejected"
    with gtx.running("devnet", "--keep") as node:
        assert node.form["chain_id"] == chain_id
        assert node.form["height"] >= sent["height"]
        credit = gtx.json("query", "credit.account", accounts[1]["address"])["value"]
        assert int(credit["free"]) == 10_000_000_007
    with gtx.running("devnet", "--accounts", "1") as node:
        assert (node.form["height"], len(node.form["accounts"])) == (0, 1)
        assert node.form["chain_id"] != chain_id


def test_a_dry_run_sends_nothing(gtx: Gtx) -> None:
    with gtx.running("devnet") as node:
        (first, second, *_) = node.form["accounts"]
        dry = gtx.json(
            "call", "credit.transfer", second["address"], "7", "--key", first["key"], "--dry-run"
        )
        assert dry["receipt"]["results"][0]["outcome"] == "ok"
        assert gtx.json("account", first["key"])["nonce"] == 0
        human = gtx.run(
            "call", "credit.transfer", second["address"], "7", "--key", first["key"], "--dry-run"
        )
        assert "nothing was sent" in human.out


def test_the_folder_of_something_else_is_not_touched(gtx: Gtx) -> None:
    (gtx.folder / "precious").mkdir()
    (gtx.folder / "precious" / "letter.txt").write_text("dear")
    done = gtx.run("devnet", "--home", "precious")
    assert done.status == ExitCode.CONFIG
    assert "holds something that is no devnet" in done.err
    gtx.json("init", "--home", "chain")
    before = sorted((gtx.folder / "chain").rglob("*"))
    for keep in ([], ["--keep"]):
        done = gtx.run("devnet", "--home", "chain", *keep)
        assert done.status == ExitCode.CONFIG
        assert "no devnet" in done.err
    assert sorted((gtx.folder / "chain").rglob("*")) == before
    assert [path.name for path in (gtx.folder / "precious").iterdir()] == ["letter.txt"]


def test_a_devnet_that_runs_is_not_made_anew_under_it(gtx: Gtx) -> None:
    with gtx.running("devnet") as node:
        done = gtx.run("devnet")
        assert done.status == ExitCode.IN_USE
        assert str(node.process.pid) in done.err
        assert gtx.json("block")["height"] == 0


def test_a_fresh_start_takes_the_signers_files_and_everything_of_the_chain(tmp_path: Path) -> None:
    home = Home(tmp_path / "devnet")
    make_fresh(home, small(), rpc_port=0)
    old = home.signer_paths(small().chain_id, VALIDATOR.seed)
    (home.data / "chain").mkdir()
    assert old.log.exists()
    make_fresh(home, small(accounts=5), rpc_port=0)
    assert not old.last_signed.exists()
    assert not (home.data / "chain").exists()
    assert ValidatorKey.load(home).account == VALIDATOR.account


def test_only_a_devnet_of_public_validators_is_run_as_one() -> None:
    assert validators_of(small()) == 1
    others = small(devnet=False), small(validator=Identity("somebody")), make_genesis(validators=4)
    for other in others:
        with pytest.raises(
            Failure, match="no devnet of validators whose keys are public"
        ) as caught:
            validators_of(other)
        assert caught.value.code is ExitCode.CONFIG


def test_public_accounts_are_found_by_what_the_genesis_gives_them() -> None:
    assert [one.identity.name for one in funded_accounts(small(3))] == [
        "account 0", "account 1", "account 2",
    ]  # fmt: skip
    assert not list(funded_accounts(make_genesis()))


EVERYWHERE = "0.0.0.0"  # noqa: S104 - to see it refused


@pytest.mark.parametrize(
    "host", [EVERYWHERE, "::", "192.0.2.7", "example.org", "127.0.0.1.example"]
)
def test_a_devnet_never_listens_beyond_this_machine(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(Failure, match="keys are public") as caught:
        refuse_public_devnet_beyond_loopback(small(), host)
    assert caught.value.code is ExitCode.CONFIG
    refuse_public_devnet_beyond_loopback(small(devnet=False), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_it_listens_on_this_machine(host: str) -> None:
    refuse_public_devnet_beyond_loopback(small(), host)


def test_the_command_refuses_it_too(gtx: Gtx) -> None:
    done = gtx.run("devnet", "--rpc-host", EVERYWHERE, "--rpc-port", "0")
    assert done.status == ExitCode.CONFIG
    assert "a devnet whose keys are public" in done.err
    assert "by --rpc-host, or by rpc.host and p2p.listen in config.toml" in done.err


REPLAY = """
import json, sys, urllib.request
url = sys.argv[sys.argv.index("--rpc-url") + 1]
body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "chain_status"}).encode()
request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
status = json.load(urllib.request.urlopen(request))["result"]
open(sys.argv[1], "w").write(status["chain_id"])
sys.exit(7)
"""


def devnet_home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "devnet")
    make_fresh(home, small(), rpc_port=0)
    return home


def replaying(out: Path, script: str = REPLAY, *, exit_after: bool = True) -> Replaying:
    return Replaying((sys.executable, "-c", script, str(out)), exit_after)


def team(home: Home) -> list[Member]:
    return [Member(home, Config(rpc=RpcConfig(port=0)))]


async def test_a_replay_runs_beside_the_node_and_gives_the_exit_status(tmp_path: Path) -> None:
    home = devnet_home(tmp_path)
    said: list[Running] = []
    with trio.fail_after(120):
        status = await run_team(team(home), said.extend, replaying(tmp_path / "out"))
    assert status == 7
    assert (tmp_path / "out").read_text() == small().chain_id.hex()
    assert [one.chain for one in said] == ["small"]
    with home.locked():
        pass  # the node is gone


async def test_the_node_stays_after_the_replay_until_it_is_told_to_stop(tmp_path: Path) -> None:
    home = devnet_home(tmp_path)
    done = trio.Event()

    async def run(task_status: "TaskStatus[None]" = trio.TASK_STATUS_IGNORED) -> None:
        plan = replaying(tmp_path / "out", exit_after=False)
        task_status.started()
        await run_team(team(home), lambda _: None, plan)
        done.set()

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            await nursery.start(run)
            while not (tmp_path / "out").exists():  # noqa: ASYNC110 - a file tells nobody
                await trio.sleep(0.05)
            await trio.sleep(0.5)
            assert not done.is_set()
            signal.raise_signal(signal.SIGTERM)
            await done.wait()
    with home.locked():
        pass


async def test_a_node_that_does_not_start_ends_the_devnet_with_its_status(tmp_path: Path) -> None:
    home = devnet_home(tmp_path)
    with home.locked(), pytest.raises(Failure) as caught, trio.fail_after(120):
        await run_team(team(home), lambda _: None, replaying(tmp_path / "out"))
    assert caught.value.code is ExitCode.IN_USE
    assert not (tmp_path / "out").exists()


# Stands in for a replay: kills the node whose home it is given, and waits.
KILL = """
import os, pathlib, signal, sys
home = sys.argv[sys.argv.index("--home") + 1]
for folder in pathlib.Path("/proc").iterdir():
    if folder.name.isdigit() and int(folder.name) != os.getpid():
        words = (folder / "cmdline").read_text().split(chr(0))
        if "--until-stdin-closes" in words and home in words:
            os.kill(int(folder.name), signal.SIGKILL)
signal.pause()
"""


async def test_a_node_that_is_killed_says_so_and_how_to_go_on(tmp_path: Path) -> None:
    home = devnet_home(tmp_path)
    with pytest.raises(Failure) as caught, trio.fail_after(120):
        await run_team(team(home), lambda _: None, replaying(tmp_path / "out", KILL))
    failure = caught.value
    assert failure.what == "the node was ended by SIGKILL"
    assert failure.help is not None
    assert "--keep" in failure.help


def test_options_of_a_replay_need_one(gtx: Gtx) -> None:
    done = gtx.run("devnet", "--quarters", "4", "--json")
    assert done.status == ExitCode.USAGE
    assert "--replay" in json.dumps(done.error)


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("quarters", ["0", "-1", "673", "100000"])
def test_a_replay_that_does_not_fit_is_refused_before_anything_is_erased(
    gtx: Gtx, quarters: str
) -> None:
    make_fresh(Home(gtx.folder / "home"), small(), rpc_port=0)
    before = content_of(gtx.folder)
    done = gtx.run("devnet", "--replay", "--rpc-port", "0", f"--quarters={quarters}")
    assert done.status == ExitCode.USAGE
    assert f"--quarters {quarters}: it lies in 1 … 672" in done.err
    assert "help: leave it out" in done.err
    assert content_of(gtx.folder) == before


def test_a_chain_that_no_week_fits_is_refused_before_anything_is_erased(gtx: Gtx) -> None:
    make_fresh(Home(gtx.folder / "home"), small(), rpc_port=0)
    (gtx.folder / "given.json").write_text(small(4).to_json())
    before = content_of(gtx.folder)
    for options in (["--genesis", "given.json"], ["--keep"]):
        done = gtx.run("devnet", "--replay", "--rpc-port", "0", *options)
        assert done.status == ExitCode.REFUSED
        assert "was not made for a replay of this data" in done.err
        assert "help: start one that is with `gtx devnet --replay`" in done.err
        assert content_of(gtx.folder) == before


def test_a_given_genesis_is_run_as_it_is(gtx: Gtx) -> None:
    (gtx.folder / "given.json").write_text(small(4).to_json())
    with gtx.running("devnet", "--genesis", "given.json") as node:
        assert node.form["chain_id"] == small(4).chain_id.hex()
        assert len(node.form["accounts"]) == 4
    done = gtx.run("devnet", "--genesis", "given.json", "--accounts", "2")
    assert done.status == ExitCode.USAGE
    assert "cannot change a genesis that is given" in done.err


def test_the_same_key_cannot_be_made_a_signer_twice(tmp_path: Path) -> None:
    home = devnet_home(tmp_path)
    with pytest.raises(Exception, match="never make it anew"):
        make_signer(home, small().chain_id, VALIDATOR.seed)
