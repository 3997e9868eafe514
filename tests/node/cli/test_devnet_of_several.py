"""A devnet of several validators: one chain in several processes, and a replay through all."""

import json
import shutil
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from client.devnet_keys import validator
from client.nodes import Agreed, DisagreementError, Nodes
from client.replay.setup import VALIDATORS, WEEK_FOLDER, make_genesis, seats
from client.replay.week import load_week
from client.rpc import Rpc
from node.cli.devnet_homes import homes_of, make_fresh, validators_of
from node.failure import ExitCode
from node.home import Home
from node.loading import load_config, read_genesis
from tests.node.cli.program import Gtx
from tests.tidy.project import ROOT

QUARTERS = 2


@pytest.fixture
def gtx(tmp_path: Path) -> Gtx:
    return Gtx(tmp_path)


def test_the_genesis_of_the_devnet_has_four_validators() -> None:
    genesis = read_genesis(ROOT / "genesis.json")
    assert validators_of(genesis) == VALIDATORS == 4
    assert len({seat.authority.network_key for seat in seats(4)}) == 4


def test_each_validator_has_a_home_that_knows_the_others(tmp_path: Path) -> None:
    home = Home(tmp_path / "devnet")
    genesis = make_genesis(load_week(WEEK_FOLDER), 4)
    make_fresh(home, genesis, rpc_port=30_000)
    homes = homes_of(home, 4)
    settings = [load_config(one) for one in homes]
    assert [one.rpc.port for one in settings] == [30_000, 30_001, 30_002, 30_003]
    assert [one.p2p.listen for one in settings] == [
        (f"/ip4/127.0.0.1/tcp/{port}",) for port in (30_100, 30_101, 30_102, 30_103)
    ]
    for number, one in enumerate(settings):
        assert len(one.p2p.peers) == 3
        assert not any(f"/{30_100 + number}/" in peer for peer in one.p2p.peers)
    # With fewer validators, those of before are gone with their signers.
    make_fresh(home, make_genesis(load_week(WEEK_FOLDER), 2), rpc_port=30_000)
    assert [one.folder.exists() for one in homes] == [True, True, False, False]


def transfer(gtx: Gtx, url: str, to: str) -> int:
    words = "call", "credit.transfer", to, "7", "--key", "devnet/account-0", "--rpc-url", url
    sent = gtx.json(*words)
    assert sent["receipt"]["results"][0]["outcome"] == "ok"
    return int(sent["height"])


async def agree(urls: list[str], height: int) -> Agreed:
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(Rpc(url)) for url in urls]
        return await Nodes(nodes).agree(height)


def test_four_validators_make_one_chain_and_end_together(gtx: Gtx) -> None:
    with gtx.running("devnet", "-n", "4", "--accounts", "2", stop=signal.SIGINT) as node:
        others = node.form["others"]
        assert len({one["peer_id"] for one in (node.form, *others)}) == 4
        to = node.form["accounts"][1]["address"]
        urls = [node.form["urls"][0], *(one["urls"][0] for one in others)]
        heights = [transfer(gtx, url, to) for url in urls]
        credit = gtx.json("query", "credit.account", to, "--rpc-url", urls[-1])["value"]
        assert int(credit["free"]) == 10_000_000_028
        agreed = trio.run(agree, urls, max(heights))
        header = gtx.json("block", str(max(heights)))
        assert agreed.block_id == header["block_id"]
    homes = homes_of(Home(gtx.folder / "home"), 4)
    for home in homes:
        with home.locked():
            pass  # every node is gone


def test_a_replay_goes_through_all_nodes_and_ends_with_one_state(gtx: Gtx) -> None:
    done = gtx.start(
        "devnet", "--replay", "--exit-after-replay", "--quarters", str(QUARTERS),
        "--rpc-port", "0", "--json",
    )  # fmt: skip
    assert done.status == ExitCode.OK, done.err
    started = json.loads(done.out.splitlines()[0])
    assert len(started["others"]) == VALIDATORS - 1
    audited = json.loads((gtx.folder / "home" / "replay-report" / "audit.json").read_text())
    assert audited["is_clean"] is True
    assert f"all {VALIDATORS} nodes have block" in done.err
    assert "beside the replay" not in done.err


def test_nodes_that_disagree_are_named(gtx: Gtx) -> None:
    beside = Gtx(gtx.folder / "beside")
    beside.folder.mkdir()
    with gtx.running("devnet") as here, beside.running("devnet", "--accounts", "3") as there:
        urls = [here.form["urls"][0], there.form["urls"][0]]
        with pytest.raises(DisagreementError, match="disagree about block 0") as caught:
            trio.run(agree, urls, 0)
        assert all(url in str(caught.value) for url in urls)


@pytest.mark.parametrize("count", ["0", "26", "-1"])
def test_a_count_that_cannot_be_is_refused(gtx: Gtx, count: str) -> None:
    done = gtx.run("devnet", f"--validators={count}")
    assert done.status == ExitCode.USAGE
    assert "1 … 25" in done.err
    assert not (gtx.folder / "home").exists()


def test_a_given_genesis_says_how_many_validate(gtx: Gtx) -> None:
    shutil.copy(ROOT / "genesis.json", gtx.folder / "given.json")
    done = gtx.run("devnet", "--genesis", "given.json", "-n", "3")
    assert done.status == ExitCode.USAGE
    assert "has 4 validators" in done.err


def test_the_public_authorities_have_names() -> None:
    assert validator(2).name == "validator 2"
