"""The life of a validator by its commands: made, run, used, stopped, run again."""

import json
import signal
import stat
from pathlib import Path

import pytest

from node.failure import ExitCode
from tests.node.cli.program import PASSPHRASE, TIMEOUT_S, Gtx


@pytest.fixture
def gtx(tmp_path: Path) -> Gtx:
    return Gtx(tmp_path)


def secrets_of(home: Path) -> list[str]:
    return [json.loads((home / "signer" / "validator.json").read_text())["seed"], PASSPHRASE]


def test_a_chain_is_begun_used_stopped_and_gone_on_with(gtx: Gtx, tmp_path: Path) -> None:
    begun = gtx.json("init", "--chain", "north island", "--authority", "North Utility")
    home = Path(begun["home"])
    assert stat.S_IMODE((home / "signer" / "validator.json").stat().st_mode) == 0o600
    with gtx.running("run") as node:
        assert (node.form["chain"], node.form["height"]) == ("north island", 0)
        assert node.form["chain_id"] == begun["chain_id"]
        alice = gtx.json("keys", "new", "alice")
        nothing = gtx.json("account", "alice")
        assert (nothing["credit"]["free"], nothing["nonce"]) == (0, 0)

        signed = gtx.run(
            "call", "credit.transfer", alice["address"], "5_000_000", "--key", "authority",
            "--sign-only",
        )  # fmt: skip
        (tmp_path / "signed.hex").write_text(signed.out)
        sent = gtx.json("tx", "send", "@signed.hex")
        assert sent["receipt"]["results"][0]["outcome"] == "ok"
        assert gtx.json("account", "alice")["credit"]["free"] == 5_000_000
        status = gtx.json("tx", "status", sent["id"])
        assert (status["status"], status["height"]) == ("final", sent["height"])
        found = gtx.json("block", str(sent["height"]))
        assert [one["id"] for one in found["items"] if one["receipt_index"]] == [sent["id"]]

        again = gtx.run("tx", "send", "-", "--json", given=signed.out)
        assert again.status == ExitCode.REFUSED
        assert again.error["name"] == "LowNonce"
    stopped = [line["event"] for line in gtx.log()]
    assert stopped[-2:] == ["node_stopping", "node_stopped"]

    with gtx.running("run", stop=signal.SIGINT) as node:
        assert node.form["height"] >= sent["height"]
        assert gtx.json("account", "alice")["credit"]["free"] == 5_000_000
        assert gtx.json("block", str(sent["height"]))["block_id"] == found["block_id"]
    for secret in secrets_of(home):
        assert all(secret not in said for said in gtx.said)


def test_a_second_process_on_the_same_folder_is_refused(gtx: Gtx) -> None:
    gtx.json("init")
    with gtx.running("run") as node:
        second = gtx.start("run", "--rpc-port", "0")
        assert second.status == ExitCode.IN_USE
        assert f"error: another node (process {node.process.pid}) uses" in second.err
        assert "help: stop it, or use another folder with --home" in second.err
        assert second.out == ""
        assert gtx.json("block")["height"] >= 0


def test_a_port_that_is_taken_is_refused(gtx: Gtx) -> None:
    gtx.json("init")
    gtx.json("init", "--home", "other")
    with gtx.running("run") as node:
        port = node.form["urls"][0].rpartition(":")[2]
        second = gtx.run("run", "--home", "other", "--rpc-port", port)
        assert second.status == ExitCode.IN_USE
        assert f"another program listens on port {port} of 127.0.0.1" in second.err
        assert "help: choose another port, or 0 for a free one, by --rpc-port" in second.err


def test_a_node_ends_with_the_program_that_holds_its_stdin(gtx: Gtx) -> None:
    gtx.json("init")
    with gtx.running("run", "--until-stdin-closes") as node:
        assert node.process.stdin is not None
        node.process.stdin.close()
        assert node.process.wait(TIMEOUT_S) == 0
        node.process.stdin = None


def test_init_leaves_a_home_that_is_there_alone(gtx: Gtx) -> None:
    gtx.json("init")
    home = gtx.folder / "home"
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    again = gtx.run("init")
    assert again.status == ExitCode.CONFIG
    assert "is a home already" in again.err
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.toml", "[rpc]\nprot = 1\n", "unknown prot"),
        ("config.toml", "[node\n", "config.toml"),
        ("genesis.json", "{}", "genesis: no name"),
        ("genesis.json", "\xff", "genesis"),
        ("signer/validator.json", "{}", "validator.json is damaged"),
    ],
)
def test_a_damaged_file_is_named(gtx: Gtx, file: str, content: str, message: str) -> None:
    gtx.json("init")
    (gtx.folder / "home" / file).write_text(content)
    done = gtx.run("run", "--rpc-port", "0")
    assert done.status == ExitCode.CONFIG
    assert f"error: {gtx.folder}" in done.err or "error: genesis" in done.err
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_key_file_that_others_may_read_is_refused(gtx: Gtx) -> None:
    gtx.json("init")
    path = gtx.folder / "home" / "signer" / "validator.json"
    path.chmod(0o644)
    done = gtx.run("run", "--rpc-port", "0")
    assert done.status == ExitCode.CONFIG
    assert f"help: chmod 600 {path}" in done.err


def test_without_a_home_the_way_to_one_is_shown(gtx: Gtx) -> None:
    done = gtx.run("run")
    assert done.status == ExitCode.CONFIG
    assert "help: make one with: gtx init" in done.err


def test_without_a_node_the_way_to_one_is_shown(gtx: Gtx) -> None:
    done = gtx.run("block", "--rpc-url", "http://127.0.0.1:9", "--json")
    assert done.status == ExitCode.UNREACHABLE
    assert done.error["name"] == "NodeUnreachableError"
    assert "gtx devnet" in done.error["help"]
    assert done.out == ""
