"""The last-signed file on disk: written in place, in two slots; torn, spoiled, of an older form."""

from pathlib import Path

import pytest

from chain.consensus.guard import MustNotSign, Restored
from chain.consensus.log import LastSigned, SignedPrevote, SignerIdentity, frame, last_signed
from chain.consensus.slots import PAGE_BYTES, file_bytes, read_file, slot_start
from chain.crypto import public_key_of
from chain.votes import Step, Vote
from node.signer import Signer, SignerError, SignerPaths, begin_again
from node.signer_reset import signer_state
from tests.node.signing import CHAIN, ME, SEED, prevote, reopened, room_for, say


@pytest.fixture
def paths(tmp_path: Path) -> SignerPaths:
    return SignerPaths.of(tmp_path / "data", tmp_path / "signer", CHAIN, public_key_of(SEED))


def signer_identity() -> SignerIdentity:
    return SignerIdentity(CHAIN, public_key_of(SEED), new=True)


def position(height: int) -> LastSigned:
    found = last_signed(SignedPrevote(Vote(Step.PREVOTE, height, 0, None, ME, bytes(64))))
    assert found is not None
    return found


def test_the_file_is_written_in_place_and_holds_the_two_newest(paths: SignerPaths) -> None:
    signer = Signer.create(SEED, CHAIN, paths)
    identity = signer_identity()
    assert paths.last_signed.read_bytes() == file_bytes(identity, None)
    say(signer, 1)
    assert paths.last_signed.read_bytes() == file_bytes(identity, position(1))
    same = paths.last_signed.stat().st_ino
    for height in range(2, 6):
        say(signer, height)
        file = read_file(paths.last_signed.read_bytes())
        assert set(file.slots) == {position(height), position(height - 1)}
    assert paths.last_signed.stat().st_ino == same
    signer.close()
    again = reopened(paths)
    assert paths.last_signed.stat().st_ino == same, "a file that is whole stays as it is"
    say(again, 6)
    assert read_file(paths.last_signed.read_bytes()).newest == position(6)
    again.close()
    assert isinstance(reopened(paths).recovered, Restored)


@pytest.mark.parametrize("height", [3, 4])
def test_a_slot_torn_at_every_byte_is_put_in_order(paths: SignerPaths, height: int) -> None:
    """Heights 3 and 4 go to different slots."""
    signer = Signer.create(SEED, CHAIN, paths)
    for one in range(1, height):
        say(signer, one)
    before = paths.last_signed.read_bytes()
    say(signer, height)
    signer.close()
    after, whole = paths.last_signed.read_bytes(), file_bytes(signer_identity(), position(height))
    changed = [n for n, (one, two) in enumerate(zip(before, after, strict=True)) if one != two]
    slot = read_file(before).next_slot
    assert slot is not None
    assert slot_start(slot) <= changed[0] < changed[-1] < slot_start(slot) + PAGE_BYTES
    for cut in range(changed[0], changed[-1] + 2):
        paths.last_signed.write_bytes(after[:cut] + before[cut:])
        again = reopened(paths)
        assert isinstance(again.recovered, Restored)
        assert again.recovered.last == position(height)
        again.close()
        assert paths.last_signed.read_bytes() in {whole, after}
        with pytest.raises(SignerError, match="refused to sign"):
            again.sign(prevote(height, b"\x09" * 32))


def test_a_spoiled_slot_of_the_file_never_lets_it_contradict_itself(
    paths: SignerPaths,
) -> None:
    signer = Signer.create(SEED, CHAIN, paths)
    cuts = [paths.log.stat().st_size]
    for height in (1, 2, 3):
        say(signer, height, b"\x07" * 32)
        cuts.append(paths.log.stat().st_size)
    signer.close()
    log, file = paths.log.read_bytes(), paths.last_signed.read_bytes()
    went_on = 0
    for place in (start + byte for start in (slot_start(0), slot_start(1)) for byte in range(50)):
        for cut in cuts:
            spoiled = bytearray(file)
            spoiled[place] ^= 1 << (place & 7)
            paths.last_signed.write_bytes(spoiled)
            paths.log.write_bytes(log[:cut])
            again = reopened(paths)
            for one in (1, 2, 3):
                with pytest.raises(SignerError):
                    again.sign(prevote(one, b"\x09" * 32))
            if isinstance(again.recovered, Restored):
                assert cut == cuts[-1], "the log is whole"
                went_on += 1
            again.close()
    assert went_on == 50, "the log tells what the newer slot told"


def test_a_file_of_an_older_form_is_refused(paths: SignerPaths) -> None:
    signer = Signer.create(SEED, CHAIN, paths)
    say(signer, 1)
    signer.close()
    old = frame(signer_identity()) + frame(position(1))
    paths.last_signed.write_bytes(old)
    again = reopened(paths)
    assert isinstance(again.recovered, MustNotSign)
    assert "older form" in again.recovered.reason
    with pytest.raises(SignerError, match="refused to sign"):
        again.sign(prevote(2))
    assert paths.last_signed.read_bytes() == old, "nothing is changed"


def test_a_full_disk_does_not_keep_the_file_from_being_written(paths: SignerPaths) -> None:
    signer = Signer.create(SEED, CHAIN, paths)
    say(signer, 1)
    with room_for(paths.last_signed.stat().st_size):
        say(signer, 2)
    assert read_file(paths.last_signed.read_bytes()).newest == position(2)
    signer.close()


def test_after_a_failed_write_in_the_file_nothing_more_is_signed(paths: SignerPaths) -> None:
    signer = Signer.create(SEED, CHAIN, paths)
    for height in (1, 2):
        say(signer, height)
    written = paths.last_signed.read_bytes()
    # The log has room; the write ends in the middle of a slot, or before it.
    slot = read_file(written).next_slot
    assert slot is not None
    with room_for(slot_start(slot) + 30), pytest.raises(SignerError, match="repair the disk"):
        say(signer, 3)
    with pytest.raises(SignerError, match="refused to sign"):
        signer.sign(prevote(4))
    torn = read_file(paths.last_signed.read_bytes())
    assert not torn.whole
    assert torn.newest == position(2)
    again = reopened(paths)
    assert isinstance(again.recovered, Restored)
    assert again.recovered.last == position(3)
    say(again, 4)
    again.close()
    assert isinstance(reopened(paths).recovered, Restored)


def test_what_one_slot_still_shows_bounds_a_reset(paths: SignerPaths) -> None:
    signer = Signer.create(SEED, CHAIN, paths)
    for height in (1, 2, 3, 4):
        say(signer, height)
    signer.close()
    paths.log.unlink()
    whole = paths.last_signed.read_bytes()
    for cut, highest in ((len(whole), 4), (slot_start(1) + 20, 3), (slot_start(0) + 20, 0)):
        paths.last_signed.write_bytes(whole[:cut])
        state = signer_state(paths, CHAIN, public_key_of(SEED))
        assert state.fault is not None
        assert state.highest == highest
    paths.last_signed.write_bytes(whole)
    begin_again(paths, CHAIN, public_key_of(SEED), 9)
    paths.log.unlink()
    for aside in paths.log.parent.glob("consensus.log.*"):
        aside.unlink()
    assert signer_state(paths, CHAIN, public_key_of(SEED)).highest == 4, "what is put aside counts"


def test_a_released_log_gives_the_file_its_own_identity(paths: SignerPaths) -> None:
    begin_again(paths, CHAIN, public_key_of(SEED), 9)
    released = paths.last_signed.read_bytes()
    paths.last_signed.write_bytes(file_bytes(signer_identity(), None))
    again = reopened(paths)
    assert isinstance(again.recovered, Restored)
    assert paths.last_signed.read_bytes() == released
    say(again, 10)
    again.close()
    assert isinstance(reopened(paths).recovered, Restored)
