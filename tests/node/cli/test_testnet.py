"""`gtx testnet`: homes of one chain that know each other, and nothing made where something is."""

import stat
import tomllib
from pathlib import Path

import pytest

from chain.genesis import Genesis
from node.config import Config
from node.failure import ExitCode
from node.home import Home
from node.network_key import NetworkKey
from node.validator_key import ValidatorKey
from tests.node.cli.program import Gtx


@pytest.fixture
def gtx(tmp_path: Path) -> Gtx:
    return Gtx(tmp_path)


def homes(gtx: Gtx, count: int) -> list[Home]:
    return [Home(gtx.folder / "net" / f"validator-{number}") for number in range(count)]


def test_the_homes_have_one_genesis_and_keys_of_their_own(gtx: Gtx) -> None:
    said = gtx.json("testnet", "-n", "4", "--out", "net", "--chain", "north island")
    made = homes(gtx, 4)
    (genesis,) = {home.genesis.read_text() for home in made}
    assert Genesis.from_json(genesis).chain_id.hex() == said["chain_id"]
    assert Genesis.from_json(genesis).name == "north island"
    keys = [key for home in made for key in (ValidatorKey.load(home), NetworkKey.load(home))]
    assert len({key.public_key for key in keys}) == 8
    assert all(key.public_key.hex() in genesis for key in keys)
    assert all(key.seed.hex() not in genesis for key in keys)
    for home in made:
        path = NetworkKey.path(home)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert NetworkKey.load(home).seed.hex() not in repr(NetworkKey.load(home))


def test_on_one_machine_ports_differ_and_everybody_knows_everybody(gtx: Gtx) -> None:
    said = gtx.json("testnet", "-n", "3", "--out", "net", "--rpc-port", "700", "--p2p-port", "800")
    made = homes(gtx, 3)
    configs = [Config.load(home.config) for home in made]
    assert [one.rpc.port for one in configs] == [700, 701, 702]
    own = [f"/ip4/127.0.0.1/tcp/{port}" for port in (800, 801, 802)]
    assert [one.p2p.listen for one in configs] == [(address,) for address in own]
    assert [one["p2p"] for one in said["validators"]] == own
    ids = [NetworkKey.load(home).peer_id for home in made]
    for number, config in enumerate(configs):
        others = [f"{own[i]}/p2p/{ids[i]}" for i in range(3) if i != number]
        assert list(config.p2p.peers) == others


def test_with_an_address_each_all_use_the_same_ports(gtx: Gtx) -> None:
    hosts = ["10.0.0.1", "fd00::2"]
    gtx.json("testnet", "-n", "2", "--out", "net", *(f"--host={one}" for one in hosts))
    first, second = (tomllib.loads(home.config.read_text()) for home in homes(gtx, 2))
    assert first["rpc"]["port"] == second["rpc"]["port"]
    assert first["p2p"]["listen"] == ["/ip4/0.0.0.0/tcp/26780"]
    assert first["p2p"]["peers"][0].startswith("/ip6/fd00::2/tcp/26780/p2p/12D3KooW")
    assert second["p2p"]["listen"] == ["/ip6/::/tcp/26780"]
    assert second["p2p"]["peers"][0].startswith("/ip4/10.0.0.1/tcp/26780/p2p/12D3KooW")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("-n", "0"), "--validators 0: it lies in 1 … 64"),
        (("-n", "65"), "--validators 65: it lies in 1 … 64"),
        (("-n", "3", "--host", "10.0.0.1"), "1 addresses for 3 validators"),
        (("-n", "1", "--host", "here"), "'here' is no IP address"),
        (("-n", "4", "--p2p-port", "65534"), "--p2p-port 65534: the last of them would be 65537"),
        (("-n", "4", "--rpc-port", "0"), "--rpc-port 0: ports lie in 1 … 65535"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    gtx: Gtx, options: tuple[str, ...], error: str
) -> None:
    done = gtx.run("testnet", "--out", "net", *options)
    assert done.status == ExitCode.USAGE
    assert error in done.err
    assert not (gtx.folder / "net").exists()


def test_a_folder_that_holds_something_is_left_alone(gtx: Gtx) -> None:
    (gtx.folder / "net").mkdir()
    (gtx.folder / "net" / "mine").write_text("mine")
    done = gtx.run("testnet", "--out", "net")
    assert done.status == ExitCode.CONFIG
    assert "exists and is not empty" in done.err
    assert [path.name for path in (gtx.folder / "net").iterdir()] == ["mine"]


def test_a_validator_of_several_needs_a_network_and_its_own_key(gtx: Gtx) -> None:
    gtx.json("testnet", "-n", "2", "--out", "net", "--rpc-port", "700", "--p2p-port", "800")
    first, second = homes(gtx, 2)
    config = first.config.read_text()
    first.config.write_text(config.replace('listen = ["/ip4', 'listen = []  # ["/ip4'))
    done = gtx.start("run", "--home", str(first.folder), "--rpc-port", "0")
    assert done.status == ExitCode.CONFIG
    assert "this chain has 2 validators, and this one listens to none of them" in done.err
    first.config.write_text(config)
    NetworkKey.path(first).write_bytes(NetworkKey.path(second).read_bytes())
    done = gtx.start("run", "--home", str(first.folder), "--rpc-port", "0")
    assert done.status == ExitCode.CONFIG
    assert "no other validator would let it in" in done.err
