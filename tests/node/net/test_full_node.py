"""A full node: it follows, passes on what users submit, answers as any does, and never votes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

import pytest

from node.config import Config
from node.failure import ExitCode
from node.home import Home
from tests.node.cli.program import Gtx
from tests.node.net.processes import NodeProcess, free_ports, same_chain, until

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="processes are told apart by Linux's means"
)


@pytest.fixture
def gtx(tmp_path: Path) -> Gtx:
    return Gtx(tmp_path)


def make_validators(gtx: Gtx, count: int) -> list[NodeProcess]:
    ports = free_ports(count), free_ports(count)
    made = gtx.json(
        "testnet", "-n", str(count), "--out", "net",
        "--rpc-port", str(ports[0]), "--p2p-port", str(ports[1]),
    )  # fmt: skip
    return [NodeProcess(gtx, number, form) for number, form in enumerate(made["validators"])]


def config_of(node: NodeProcess) -> Config:
    return Config.load(Home(Path(node.form["home"])).config)


def let_in(node: NodeProcess, peer_id: str) -> None:
    """Do what an operator does: add the peer id to the settings."""
    path = Home(Path(node.form["home"])).config
    last = config_of(node).p2p.peers[-1]
    path.write_text(path.read_text().replace(f'"{last}"', f'"{last}", "/p2p/{peer_id}"'))
    assert config_of(node).p2p.peers[-1] == f"/p2p/{peer_id}"


def make_full_node(gtx: Gtx, number: int, *followed: NodeProcess) -> tuple[NodeProcess, str]:
    genesis = Path(followed[0].form["home"]) / "genesis.json"
    everybody = {
        address for one in followed for address in config_of(one).p2p.peers if "/tcp/" in address
    }
    own = {one.form["p2p"] for one in followed}
    peers = sorted(one for one in everybody if one.partition("/p2p/")[0] in own)
    options = [part for peer in peers for part in ("--peer", peer)]
    form: dict[str, Any] = gtx.json(
        "init", "--role", "full", "--home", "watcher", "--genesis", str(genesis), *options
    )
    port = free_ports(1)
    config = Home(gtx.folder / "watcher").config
    config.write_text(config.read_text().replace("port = 26680", f"port = {port}"))
    form |= {"home": str(gtx.folder / "watcher"), "rpc": f"http://127.0.0.1:{port}"}
    return NodeProcess(gtx, number, form), form["peer_id"]


@contextmanager
def running(*nodes: NodeProcess) -> Iterator[None]:
    try:
        for one in nodes:
            one.start()
        yield
    finally:
        for one in nodes:
            if one.process is not None:
                one.end(SIGKILL)


def test_a_full_node_follows_relays_and_comes_back(gtx: Gtx) -> None:
    validators = make_validators(gtx, 2)
    first, second = validators
    full, peer_id = make_full_node(gtx, 2, *validators)
    # The second is not told of it: one node that lets it in is enough.
    let_in(first, peer_id)
    account = second.form["account"]
    with running(*validators, full):
        assert full.ask("node_health")["role"] == "full"
        assert first.ask("node_health")["role"] == "validator"
        full.pay(account, first.form["home"])
        full.end(SIGKILL)
        first.pay(account, first.form["home"])
        stood_at = first.height
        full.start()
        until(lambda: full.height >= stood_at)
        full.pay(account, first.form["home"])
        until(lambda: len({one.height for one in (*validators, full)}) == 1)
        assert same_chain([*validators, full]) >= stood_at
        nonces = {
            one.ask("account_get", address=first.form["account"])["nonce"] for one in (first, full)
        }
        assert nonces == {3}
        links = [peer["is_up"] for peer in full.ask("net_peers")["peers"]]
        assert sorted(links) == [False, True], "one of the two lets it in"
        assert full.ask("consensus_state")["may_sign"] is False
        full.end(SIGTERM)
    assert not (gtx.folder / "watcher" / "signer").exists()
    assert not (gtx.folder / "watcher" / "data" / "consensus.log").exists()


def test_a_full_node_needs_a_chain_and_whom_to_follow(gtx: Gtx) -> None:
    make_validators(gtx, 1)
    genesis = str(gtx.folder / "net" / "validator-0" / "genesis.json")
    peer = "/ip4/127.0.0.1/tcp/26780/p2p/12D3KooWAfPDpPRRRBrmqy9is2zjU5srQ4hKuZitiGmh4NTTpS2d"
    for arguments, said in (
        (["--genesis", genesis], "no --peer is given"),
        (["--peer", peer], "no --genesis is given"),
        (["--genesis", genesis, "--peer", peer, "--sections", genesis], "--sections"),
    ):
        done = gtx.start("init", "--role", "full", "--home", "watcher", *arguments)
        assert done.status == ExitCode.USAGE
        assert said in done.err
        assert not (gtx.folder / "watcher").exists()
    for address in ("10.0.0.1:26780", "/ip4/10.0.0.1/udp/1/p2p/12D3KooWAfP", "/p2p/nobody"):
        done = gtx.start(
            "init", "--role", "full", "--home", "watcher", "--genesis", genesis, "--peer", address
        )
        assert done.status == ExitCode.CONFIG, done.err
        assert "p2p" in done.err
        assert not (gtx.folder / "watcher").exists()
    done = gtx.start("init", "--home", "watcher", "--peer", peer)
    assert done.status == ExitCode.USAGE
    assert "--role full" in done.err


def test_a_full_node_that_knows_nobody_says_so(gtx: Gtx) -> None:
    (validator,) = make_validators(gtx, 1)
    genesis = str(Path(validator.form["home"]) / "genesis.json")
    peer = "/ip4/127.0.0.1/tcp/26780/p2p/12D3KooWAfPDpPRRRBrmqy9is2zjU5srQ4hKuZitiGmh4NTTpS2d"
    gtx.json("init", "--role", "full", "--home", "watcher", "--genesis", genesis, "--peer", peer)
    config = Home(gtx.folder / "watcher").config
    config.write_text(config.read_text().replace(f'"{peer}"', ""))
    done = gtx.start("run", "--home", "watcher")
    assert done.status == ExitCode.CONFIG
    assert "p2p.peers" in done.err
