"""Keys: made, shown, moved; their secrets come in quietly and never go out by themselves."""

import json
import stat
from pathlib import Path

import pytest

from chain.bech32 import encode_address
from chain.crypto import SEED_BYTES
from client.keystore import Keystore
from contracts.kernel import sha256
from node.failure import ExitCode
from tests.node.cli.program import PASSPHRASE, Gtx
from tests.support.people import account_of, seed_of

ALICE = encode_address(account_of("alice"))
SEED = seed_of("alice").hex()


@pytest.fixture
def gtx(tmp_path: Path) -> Gtx:
    (tmp_path / "seed.hex").write_text(f"{SEED}\n")
    return Gtx(tmp_path)


def keystore(gtx: Gtx) -> Keystore:
    return Keystore(gtx.folder / "home" / "keys")


def test_a_new_key_is_sealed_and_listed(gtx: Gtx) -> None:
    made = gtx.json("keys", "new", "bob")
    assert gtx.json("keys", "show", "bob") == made
    assert gtx.json("keys", "list") == {"keys": [made]}
    assert made["address"] in gtx.run("keys", "list").out
    seed = keystore(gtx).open("bob", PASSPHRASE)
    assert len(seed) == SEED_BYTES
    assert encode_address(keystore(gtx).info("bob").account) == made["address"]
    assert all(seed.hex() not in said and PASSPHRASE not in said for said in gtx.said)


def test_a_seed_is_imported_from_a_file_or_stdin(gtx: Gtx) -> None:
    assert gtx.json("keys", "import", "alice", "seed.hex")["address"] == ALICE
    from_stdin = gtx.run("keys", "import", "again", "-", "--json", given=SEED)
    assert from_stdin.json["address"] == ALICE
    assert keystore(gtx).open("again", PASSPHRASE).hex() == SEED
    assert all(SEED not in said for said in gtx.said)


def test_an_exported_key_opens_with_its_passphrase_elsewhere(gtx: Gtx) -> None:
    gtx.json("keys", "import", "alice", "seed.hex")
    exported = gtx.json("keys", "export", "alice", "alice.json")
    path = gtx.folder / "alice.json"
    assert exported["sealed"] is True
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SEED not in path.read_text()
    moved = gtx.json("keys", "import", "alice", "alice.json", "--home", "elsewhere")
    assert moved["address"] == ALICE
    wrong = gtx.run("keys", "import", "b", "alice.json", "--json", GTX_PASSPHRASE="wrong")
    assert (wrong.status, wrong.error["name"]) == (ExitCode.KEY, "KeystoreError")
    assert gtx.run("keys", "show", "b").status == ExitCode.KEY


def test_a_bare_seed_is_written_only_on_purpose(gtx: Gtx) -> None:
    gtx.json("keys", "import", "alice", "seed.hex")
    asked = gtx.run("keys", "export", "alice", "bare.hex", "--bare-seed")
    assert asked.status == ExitCode.USAGE
    assert f"will control {ALICE}" in asked.err
    assert not (gtx.folder / "bare.hex").exists()
    gtx.json("keys", "export", "alice", "bare.hex", "--bare-seed", "--yes")
    assert (gtx.folder / "bare.hex").read_text() == f"{SEED}\n"
    assert stat.S_IMODE((gtx.folder / "bare.hex").stat().st_mode) == 0o600
    assert all(SEED not in said for said in gtx.said)


def test_nothing_is_overwritten(gtx: Gtx) -> None:
    gtx.json("keys", "import", "alice", "seed.hex")
    before = (gtx.folder / "home" / "keys" / "alice.json").read_bytes()
    for again in (("new", "alice"), ("import", "alice", "seed.hex")):
        done = gtx.run("keys", *again)
        assert done.status == ExitCode.KEY
        assert "help: choose another name" in done.err
    assert (gtx.folder / "home" / "keys" / "alice.json").read_bytes() == before
    taken = gtx.run("keys", "export", "alice", "seed.hex", "--bare-seed", "--yes")
    assert "seed.hex exists" in taken.err
    assert (gtx.folder / "seed.hex").read_text() == f"{SEED}\n"


@pytest.mark.parametrize(
    "content", ["", "zz", SEED[:-2], SEED + "00", "{}", '{"format": "other"}', "\x00" * 64]
)
def test_what_is_no_key_is_refused_without_repeating_it(gtx: Gtx, content: str) -> None:
    (gtx.folder / "file").write_text(content)
    done = gtx.run("keys", "import", "carol", "file")
    assert (done.status, done.out) == (ExitCode.KEY, "")
    assert SEED[:-2] not in done.err
    assert gtx.json("keys", "list") == {"keys": []}


@pytest.mark.parametrize("name", ["", "Alice", "a/b", "../x", "-", "a" * 64])
def test_a_name_that_is_no_file_name_is_refused(gtx: Gtx, name: str) -> None:
    done = gtx.run("keys", "new", name)
    assert done.status in {ExitCode.KEY, ExitCode.USAGE}
    assert not (gtx.folder / "home").exists()


def test_a_passphrase_comes_from_a_file_before_the_environment(gtx: Gtx) -> None:
    (gtx.folder / "word").write_text("from a file\nsecond line\n")
    gtx.json("keys", "import", "alice", "seed.hex", "--passphrase-file", "word")
    assert keystore(gtx).open("alice", "from a file").hex() == SEED


@pytest.mark.parametrize(
    ("variables", "options", "message"),
    [
        ({"GTX_PASSPHRASE": ""}, (), "GTX_PASSPHRASE is empty"),
        ({}, ("--passphrase-file", "missing"), "cannot read a passphrase from missing"),
        ({}, ("--passphrase-file", "empty"), "the first line of empty is empty"),
    ],
)
def test_without_a_passphrase_nothing_is_made(
    gtx: Gtx, variables: dict[str, str], options: tuple[str, ...], message: str
) -> None:
    (gtx.folder / "empty").write_text("")
    done = gtx.run("keys", "new", "bob", *options, **variables)
    assert done.status == ExitCode.KEY
    assert message in done.err
    assert gtx.json("keys", "list") == {"keys": []}


def test_where_nobody_can_be_asked_that_is_said(gtx: Gtx) -> None:
    environment = gtx.environment()
    del environment["GTX_PASSPHRASE"]
    gtx.environment = lambda **_: environment  # type: ignore[method-assign]  # for this test only
    done = gtx.run("keys", "new", "bob")
    assert done.status == ExitCode.KEY
    assert "there is no terminal to ask on" in done.err
    assert "help: set GTX_PASSPHRASE, or give --passphrase-file" in done.err


def test_a_public_devnet_key_needs_no_keystore(gtx: Gtx) -> None:
    done = gtx.run("account", "devnet/metering-operator", "--rpc-url", "http://127.0.0.1:9")
    assert done.status == ExitCode.UNREACHABLE
    seed = sha256(b"gridtokenx devnet key metering operator").hex()
    assert json.dumps(gtx.said).count(seed) == 0
