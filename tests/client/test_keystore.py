"""The keystore: what is stored, what opens it, and what is refused."""

import json
from pathlib import Path

import pytest

from chain.crypto import public_key_of
from client.keystore import Keystore, KeystoreError

SEED = bytes(range(32))


@pytest.fixture
def store(tmp_path: Path) -> Keystore:
    return Keystore(tmp_path / "keys")


def test_a_stored_key_opens_with_its_passphrase_only(store: Keystore) -> None:
    info = store.add("alice", SEED, "correct horse")
    assert info.public_key == public_key_of(SEED)
    assert store.open("alice", "correct horse") == SEED
    with pytest.raises(KeystoreError, match="passphrase does not open"):
        store.open("alice", "wrong")


def test_new_keys_differ_and_are_listed_by_name(store: Keystore) -> None:
    b, a = store.new("b", "p"), store.new("a", "p")
    assert list(store.list()) == [a, b]
    assert a.public_key != b.public_key


def test_the_file_is_private_and_holds_no_seed(store: Keystore) -> None:
    store.add("alice", SEED, "p")
    path = store.folder / "alice.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert SEED not in path.read_bytes()
    assert SEED.hex() not in path.read_text()


def test_a_key_is_never_overwritten(store: Keystore) -> None:
    store.add("alice", SEED, "p")
    with pytest.raises(KeystoreError, match="already"):
        store.add("alice", bytes(32), "p")
    assert store.open("alice", "p") == SEED


@pytest.mark.parametrize("name", ["", "../alice", "a/b", "A", ".hidden", "x" * 64, "a b"])
def test_names_that_could_leave_the_folder_are_refused(store: Keystore, name: str) -> None:
    with pytest.raises(KeystoreError, match="no key name"):
        store.new(name, "p")


def test_an_unknown_key_is_named_with_those_that_exist(store: Keystore) -> None:
    store.new("bob", "p")
    with pytest.raises(KeystoreError, match=r"no key called 'alice'.*known: bob"):
        store.open("alice", "p")


def test_an_empty_passphrase_and_a_short_seed_are_refused(store: Keystore) -> None:
    with pytest.raises(KeystoreError, match="empty"):
        store.add("alice", SEED, "")
    with pytest.raises(KeystoreError, match="32 bytes"):
        store.add("alice", SEED[:31], "p")
    assert list(store.list()) == []


@pytest.mark.parametrize(
    "damage",
    [
        {"format": "other"},
        {"secretbox": "zz"},
        {"argon2id": {}},
        {"argon2id": 5},
        {"public_key": None},
    ],
)
def test_a_damaged_file_is_said_to_be_damaged(store: Keystore, damage: dict[str, object]) -> None:
    store.add("alice", SEED, "p")
    path = store.folder / "alice.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(KeystoreError, match="damaged"):
        store.open("alice", "p")


def test_a_file_cannot_ask_for_unbounded_work(store: Keystore) -> None:
    store.add("alice", SEED, "p")
    path = store.folder / "alice.json"
    content = json.loads(path.read_text())
    content["argon2id"]["memlimit"] = 2**40
    path.write_text(json.dumps(content))
    with pytest.raises(KeystoreError, match="more Argon2id work"):
        store.open("alice", "p")


def test_a_file_of_another_keys_seed_is_damaged(store: Keystore) -> None:
    store.add("alice", SEED, "p")
    path = store.folder / "alice.json"
    content = json.loads(path.read_text()) | {"public_key": public_key_of(bytes(32)).hex()}
    path.write_text(json.dumps(content))
    with pytest.raises(KeystoreError, match="damaged"):
        store.open("alice", "p")


def test_a_huge_file_is_not_read(store: Keystore) -> None:
    store.folder.mkdir()
    (store.folder / "alice.json").write_bytes(b" " * 20_000)
    with pytest.raises(KeystoreError, match="damaged"):
        store.open("alice", "p")
