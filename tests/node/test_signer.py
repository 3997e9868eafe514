"""The signer on disk: it signs again what it signed, refuses what contradicts it, survives cuts."""

import shutil
from pathlib import Path

import pytest

from chain.consensus.guard import MustNotSign, Restored
from chain.consensus.log import MaySignAbove
from chain.crypto import public_key_of, verify
from node import signer as signer_module
from node.signer import Signer, SignerError, SignerPaths, put_aside_of
from tests.node.signing import CHAIN, SEED, prevote, reopened, room_for, say


@pytest.fixture
def paths(tmp_path: Path) -> SignerPaths:
    return SignerPaths.of(tmp_path / "data", tmp_path / "signer", CHAIN, public_key_of(SEED))


def test_a_new_signer_signs_at_once_and_the_signature_is_its_keys(paths: SignerPaths) -> None:
    signer = Signer.create(SEED, CHAIN, paths)
    vote = say(signer, 1)
    assert verify(signer.public_key, vote.message(CHAIN), vote.signature)


def test_after_a_restart_it_says_the_same_again_and_nothing_else(paths: SignerPaths) -> None:
    signer = Signer.create(SEED, CHAIN, paths)
    vote = say(signer, 5, b"\x07" * 32)
    signer.close()
    again = reopened(paths)
    assert isinstance(again.recovered, Restored)
    assert again.sign(prevote(5, b"\x07" * 32)) == vote.signature
    for other in (prevote(5), prevote(5, b"\x08" * 32), prevote(4)):
        with pytest.raises(SignerError, match="refused to sign"):
            again.sign(other)
    assert again.sign(prevote(6))


def test_an_existing_signer_is_never_made_anew(paths: SignerPaths) -> None:
    Signer.create(SEED, CHAIN, paths)
    with pytest.raises(SignerError, match="never make it anew"):
        Signer.create(SEED, CHAIN, paths)
    paths.log.unlink()
    with pytest.raises(SignerError, match="never make it anew"):
        Signer.create(SEED, CHAIN, paths)


@pytest.mark.parametrize("lost", ["log", "last_signed", "both"])
def test_a_key_without_its_log_or_file_must_not_sign(paths: SignerPaths, lost: str) -> None:
    signer = Signer.create(SEED, CHAIN, paths)
    say(signer, 1)
    signer.close()
    if lost != "last_signed":
        paths.log.unlink()
    if lost != "log":
        paths.last_signed.unlink()
    again = reopened(paths)
    assert isinstance(again.recovered, MustNotSign)
    with pytest.raises(SignerError, match="does not know what it has signed"):
        again.sign(prevote(9))


def test_a_log_put_back_from_a_backup_is_found_out(paths: SignerPaths, tmp_path: Path) -> None:
    signer = Signer.create(SEED, CHAIN, paths)
    say(signer, 1)
    shutil.copy(paths.log, tmp_path / "backup")
    say(signer, 2)
    say(signer, 3)
    signer.close()
    shutil.copy(tmp_path / "backup", paths.log)
    assert isinstance(reopened(paths).recovered, MustNotSign)


def test_a_log_one_statement_ahead_of_the_file_is_normal(
    paths: SignerPaths, tmp_path: Path
) -> None:
    signer = Signer.create(SEED, CHAIN, paths)
    say(signer, 1)
    shutil.copy(paths.last_signed, tmp_path / "before")
    say(signer, 2)
    signer.close()
    shutil.copy(tmp_path / "before", paths.last_signed)
    again = reopened(paths)
    assert isinstance(again.recovered, Restored)
    with pytest.raises(SignerError):
        again.sign(prevote(2, b"\x09" * 32))
    again.close()
    assert isinstance(reopened(paths).recovered, Restored)


def test_a_log_cut_at_every_byte_never_lets_it_contradict_itself(
    paths: SignerPaths, tmp_path: Path
) -> None:
    signer = Signer.create(SEED, CHAIN, paths)
    say(signer, 1, b"\x01" * 32)
    say(signer, 2, b"\x02" * 32)
    signer.close()
    log, file = paths.log.read_bytes(), paths.last_signed.read_bytes()
    for size in range(len(log) + 1):
        paths.log.write_bytes(log[:size])
        paths.last_signed.write_bytes(file)
        again = reopened(paths)
        for other in (prevote(1), prevote(2), prevote(1, b"\x09" * 32)):
            with pytest.raises(SignerError):
                again.sign(other)
        again.close()


def test_a_torn_last_frame_is_cut_off_and_the_log_goes_on(paths: SignerPaths) -> None:
    signer = Signer.create(SEED, CHAIN, paths)
    say(signer, 1)
    signer.close()
    whole = paths.log.read_bytes()
    with paths.log.open("ab") as file:
        file.write(b"\x00\x00\x00\x50torn")
    again = reopened(paths)
    assert paths.log.read_bytes() == whole
    say(again, 2)
    again.close()
    assert isinstance(reopened(paths).recovered, Restored)


def test_a_key_of_another_chain_or_seed_must_not_sign(paths: SignerPaths) -> None:
    Signer.create(SEED, CHAIN, paths)
    assert isinstance(Signer(SEED, b"\x02" * 32, paths).recovered, MustNotSign)
    assert isinstance(Signer(bytes(32), CHAIN, paths).recovered, MustNotSign)


def test_a_long_log_is_compacted_and_still_refuses_what_it_must(
    paths: SignerPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = Signer.create(SEED, CHAIN, paths)
    for height in range(1, 60):
        say(signer, height)
    before = paths.log.stat().st_size
    signer.compact(60)
    assert paths.log.stat().st_size == before
    monkeypatch.setattr(signer_module, "COMPACT_BYTES", 1)
    signer.compact(60)
    assert paths.log.stat().st_size < before // 10
    say(signer, 60)
    signer.close()
    again = reopened(paths)
    assert isinstance(again.recovered, Restored)
    with pytest.raises(SignerError):
        again.sign(prevote(59, b"\x09" * 32))
    assert again.sign(prevote(61))


def test_a_full_disk_is_an_error_and_what_was_not_written_is_not_sent(
    paths: SignerPaths,
) -> None:
    signer = Signer.create(SEED, CHAIN, paths)
    with room_for(paths.log.stat().st_size + 10), pytest.raises(SignerError, match="make room"):
        say(signer, 1)
    with pytest.raises(SignerError, match="refused to sign"):
        signer.sign(prevote(2))
    signer.close()
    again = reopened(paths)
    assert isinstance(again.recovered, Restored)
    assert again.recovered.last is None


def test_a_log_that_cannot_be_rewritten_stays_as_it_is(
    paths: SignerPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = Signer.create(SEED, CHAIN, paths)
    for height in (1, 2):
        say(signer, height)
    whole = paths.log.read_bytes()
    monkeypatch.setattr(signer_module, "COMPACT_BYTES", 1)
    with room_for(10), pytest.raises(SignerError, match="make room"):
        signer.compact(2)
    assert paths.log.read_bytes() == whole
    say(signer, 3)
    signer.close()
    assert isinstance(reopened(paths).recovered, Restored)


def test_a_log_that_was_damaged_meanwhile_is_not_rewritten(
    paths: SignerPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = Signer.create(SEED, CHAIN, paths)
    say(signer, 1)
    damaged = paths.log.read_bytes()[:-1]
    paths.log.write_bytes(damaged)
    monkeypatch.setattr(signer_module, "COMPACT_BYTES", 1)
    with pytest.raises(SignerError, match="changed while the node ran"):
        signer.compact(2)
    assert paths.log.read_bytes() == damaged
    signer.close()


def test_a_released_key_begins_log_and_file_again_and_signs_above_only(
    paths: SignerPaths,
) -> None:
    signer = Signer.create(SEED, CHAIN, paths)
    say(signer, 7)
    signer.close()
    paths.last_signed.unlink()
    wiped, old = reopened(paths), paths.log.read_bytes()
    assert isinstance(wiped.recovered, MustNotSign)
    wiped.persist(MaySignAbove(8))
    with pytest.raises(SignerError, match="above 8 only"):
        wiped.sign(prevote(8))
    say(wiped, 9)
    wiped.close()
    again = reopened(paths)
    assert isinstance(again.recovered, Restored)
    assert again.recovered.above == 8
    assert [one.read_bytes() for one in put_aside_of(paths.log)] == [old]
    with pytest.raises(SignerError):
        again.sign(prevote(9, b"\x07" * 32))
    say(again, 10)
    again.close()


def test_halves_of_a_killed_write_are_removed(paths: SignerPaths) -> None:
    Signer.create(SEED, CHAIN, paths).close()
    for path in (paths.log, paths.last_signed):
        path.with_name(f".{path.name}.abcd1234").write_bytes(b"half")
    reopened(paths).close()
    assert list(paths.log.parent.iterdir()) == [paths.log]
    assert list(paths.last_signed.parent.iterdir()) == [paths.last_signed]


def test_a_file_that_cannot_be_read_is_an_error_that_says_so(paths: SignerPaths) -> None:
    Signer.create(SEED, CHAIN, paths).close()
    paths.log.unlink()
    paths.log.mkdir()
    with pytest.raises(SignerError, match="cannot open the signer's log"):
        reopened(paths)
