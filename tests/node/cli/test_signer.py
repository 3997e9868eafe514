"""The guard against signing twice is lifted only where it is closed, and only on purpose."""

from pathlib import Path

import pytest

from chain.consensus.guard import MustNotSign, Restored
from chain.genesis import Genesis
from node.chain_node import make_signer
from node.config import Config
from node.failure import ExitCode
from node.home import Home
from node.signer import Signer
from node.validator_key import ValidatorKey
from tests.node.cli.program import Gtx
from tests.support.genesis import make_genesis, validator_names
from tests.support.people import account_of, seed_of


def home_of(folder: Path, genesis: Genesis) -> Home:
    """Make a home of the first validator of a genesis."""
    home = Home(folder / "home")
    home.folder.mkdir()
    home.config.write_text(Config.example())
    home.genesis.write_text(genesis.to_json())
    name = validator_names(1)[0]
    ValidatorKey(account_of(name), seed_of(name)).save(home)
    make_signer(home, genesis.chain_id, seed_of(name))
    return home


@pytest.fixture
def gtx(tmp_path: Path) -> Gtx:
    return Gtx(tmp_path)


def signer_files(home: Home) -> dict[str, bytes]:
    folders = (home.data, home.folder / "signer")
    return {
        path.name: path.read_bytes() for one in folders for path in one.glob("*") if path.is_file()
    }


def test_an_open_guard_is_not_lifted(gtx: Gtx) -> None:
    home = home_of(gtx.folder, make_genesis())
    before = signer_files(home)
    assert gtx.json("signer", "status")["may_sign"] is True
    done = gtx.run("signer", "reset", "--above", "9", "--yes")
    assert done.status == ExitCode.SIGNER
    assert "nothing is to be reset" in done.err
    assert signer_files(home) == before


def test_a_lost_log_stops_the_node_until_an_operator_gives_his_word(gtx: Gtx) -> None:
    genesis = make_genesis()
    home = home_of(gtx.folder, genesis)
    seed = seed_of(validator_names(1)[0])
    paths = home.signer_paths(genesis.chain_id, seed)
    paths.log.unlink()
    status = gtx.json("signer", "status")
    assert (status["may_sign"], status["highest_height"]) == (False, 0)

    refused = gtx.run("run", "--rpc-port", "0")
    assert refused.status == ExitCode.SIGNER
    assert "gtx signer reset --above 0" in refused.err

    beyond = gtx.run("signer", "reset", "--above", "7", "--yes")
    assert beyond.status == ExitCode.SIGNER
    assert "nobody but this validator can carry it above 7" in beyond.err

    unasked = gtx.run("signer", "reset", "--above", "0")
    assert unasked.status == ExitCode.USAGE
    assert "two blocks can become final at one height" in unasked.err
    assert not paths.log.exists()

    done = gtx.json("signer", "reset", "--above", "0", "--yes")
    assert done["signs_above"] == 0
    assert [Path(one).exists() for one in done["put_aside"]] == [True]
    signer = Signer(seed, genesis.chain_id, paths)
    assert isinstance(signer.recovered, Restored)
    assert signer.recovered.above == 0
    signer.close()
    assert seed.hex() not in "".join(gtx.said)


def test_a_later_reset_never_goes_below_an_earlier_one(gtx: Gtx) -> None:
    genesis = make_genesis(validators=4)
    home = home_of(gtx.folder, genesis)
    paths = home.signer_paths(genesis.chain_id, seed_of(validator_names(1)[0]))
    paths.log.unlink()
    gtx.json("signer", "reset", "--above", "50", "--yes", "--others-lost")
    paths.last_signed.unlink()
    below = gtx.run("signer", "reset", "--above", "49", "--yes", "--others-lost")
    assert below.status == ExitCode.SIGNER
    assert "--above 50 or more" in below.err
    gtx.json("signer", "reset", "--above", "50", "--yes", "--others-lost")


def test_where_others_can_release_it_the_operator_cannot(gtx: Gtx) -> None:
    genesis = make_genesis(validators=4)
    home = home_of(gtx.folder, genesis)
    seed = seed_of(validator_names(1)[0])
    paths = home.signer_paths(genesis.chain_id, seed)
    paths.log.unlink()
    before = signer_files(home)
    done = gtx.run("signer", "reset", "--above", "7", "--yes")
    assert done.status == ExitCode.SIGNER
    assert "3 other validators can release this one" in done.err
    assert signer_files(home) == before
    assert isinstance(Signer(seed, genesis.chain_id, paths).recovered, MustNotSign)
    gtx.json("signer", "reset", "--above", "7", "--yes", "--others-lost")


def test_not_below_the_height_of_the_stored_chain(gtx: Gtx) -> None:
    with gtx.running("devnet") as node:
        (first, second, *_) = node.form["accounts"]
        sent = gtx.json("call", "credit.transfer", second["address"], "1", "--key", first["key"])
        held = gtx.run("signer", "reset", "--above", "0", "--yes")
        assert held.status == ExitCode.IN_USE
    height = sent["height"]
    home = Home(gtx.folder / "home")
    (home.data / "consensus.log").unlink()
    for last in (home.folder / "signer").glob("*.last"):
        last.unlink()
    done = gtx.run("signer", "reset", "--above", str(height - 1), "--yes")
    assert done.status == ExitCode.SIGNER
    assert "give --above" in done.err
    top = gtx.json("signer", "status")["highest_height"]
    assert top == 0, "only the stored chain shows the height"
    stands = int(done.err.partition("up to height ")[2].partition(",")[0])
    assert stands >= height
    gtx.json("signer", "reset", "--above", str(stands), "--yes")
    with gtx.running("devnet", "--keep") as node:
        assert node.form["height"] == stands
        again = gtx.json("call", "credit.transfer", second["address"], "1", "--key", first["key"])
        assert again["height"] > stands


def test_a_node_that_runs_keeps_its_signer(gtx: Gtx) -> None:
    home_of(gtx.folder, make_genesis())
    with Home(gtx.folder / "home").locked():
        done = gtx.run("signer", "reset", "--above", "1", "--yes")
    assert done.status == ExitCode.IN_USE
