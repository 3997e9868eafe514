"""A proven account is what the node says of it, or the command ends with a code of its own."""

from pathlib import Path

from node.failure import ExitCode
from tests.node.cli.program import Gtx
from tests.tidy.project import ROOT


def test_an_account_is_proven_from_the_genesis(tmp_path: Path) -> None:
    gtx = Gtx(tmp_path)
    gtx.json("init", "--chain", "north island", "--authority", "North Utility")
    genesis = tmp_path / "genesis.json"
    genesis.write_bytes((tmp_path / "home" / "genesis.json").read_bytes())
    with gtx.running("run"):
        alice = gtx.json("keys", "new", "alice")["address"]
        gtx.json("call", "credit.transfer", alice, "5_000_000", "--key", "authority")
        for who in (alice, "alice", "authority"):
            said = gtx.json("account", who)
            proven = gtx.json("account", who, "--genesis", str(genesis))
            assert proven | {"height": 0} == said | {"height": 0}
            assert proven["height"] >= said["height"] > 0
        assert gtx.json("account", alice, "--genesis", str(genesis))["credit"]["free"] == 5_000_000
        nobody = gtx.json("account", "ab" * 20, "--genesis", str(genesis))
        assert (nobody["nonce"], nobody["keys"], nobody["credit"]["free"]) == (0, None, 0)
        shown = gtx.run("account", alice, "--genesis", str(genesis))
        assert (shown.status, "proven in block" in shown.out) == (0, True)
        assert "proven" not in gtx.run("account", alice).out

        other = gtx.run("account", alice, "--genesis", str(ROOT / "genesis.json"), "--json")
        assert (other.status, other.error["name"]) == (ExitCode.DIFFERENCES, "VerificationError")
        assert "is of chain" in other.error["message"]
        assert "another node" in other.error["help"]
        wrong = gtx.run("account", "gtx1qqqq", "--genesis", str(genesis), "--json")
        assert wrong.status == ExitCode.USAGE
        missing = gtx.run("account", alice, "--genesis", str(tmp_path / "none.json"), "--json")
        assert missing.status == ExitCode.CONFIG
