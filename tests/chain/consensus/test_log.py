"""The log's records and frames: what was written reads back, damage is told from a torn end."""

import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.consensus.log import (
    FRAME_BYTES_MAX,
    LastSigned,
    LogRecord,
    MaySignAbove,
    SignedPrecommit,
    SignedPrevote,
    SignedProposal,
    SignerIdentity,
    compacted,
    frame,
    last_signed,
    read_frames,
    said,
)
from chain.votes import Step, vote_payload
from contracts.kernel import sha256
from tests.chain.consensus.stage import CHAIN_ID, HEIGHT, Stage

STAGE = Stage()
KEY = STAGE.validators.members[3].public_key
NEW = SignerIdentity(CHAIN_ID, KEY, new=True)
PREVOTE = SignedPrevote(STAGE.vote(Step.PREVOTE, 0, STAGE.a.id, 3))
PROPOSAL = SignedProposal(STAGE.proposal(3, STAGE.a, valid_round=0), STAGE.a.header, STAGE.a.body)
LOCK = SignedPrecommit(
    STAGE.vote(Step.PRECOMMIT, 0, STAGE.a.id, 3),
    STAGE.polka(0, STAGE.a.id),
    STAGE.a.header,
    STAGE.a.body,
)
NIL = SignedPrecommit(STAGE.vote(Step.PRECOMMIT, 1, None, 3), None, None, None)
LAST = LastSigned(HEIGHT - 1, 2, Step.PRECOMMIT, sha256(b"payload"))
RECORDS: tuple[LogRecord, ...] = (NEW, MaySignAbove(2), LAST, PREVOTE, LOCK, NIL, PROPOSAL)


def written(records: Sequence[LogRecord]) -> bytes:
    return b"".join(frame(one) for one in records)


LOG = written(RECORDS)
STARTS = [len(written(RECORDS[:n])) for n in range(len(RECORDS) + 1)]


def test_records_read_back_in_order() -> None:
    contents = read_frames(LOG)
    assert contents.records == RECORDS
    assert (contents.size_bytes, contents.damage) == (len(LOG), None)


def test_an_empty_log_is_read_as_nothing() -> None:
    assert read_frames(b"") == type(read_frames(LOG))((), 0, None)


def test_a_frame_is_length_checksum_and_payload() -> None:
    one = frame(NEW)
    payload = b"\x00" + NEW.encode()
    length = len(payload).to_bytes(4, "big")
    assert one == length + zlib.crc32(length + payload).to_bytes(4, "big") + payload


@given(st.integers(0, len(LOG)))
def test_cut_anywhere_the_whole_records_before_it_remain(size: int) -> None:
    contents = read_frames(LOG[:size])
    whole = max(n for n, start in enumerate(STARTS) if start <= size)
    assert contents.records == RECORDS[:whole]
    assert (contents.size_bytes, contents.damage) == (STARTS[whole], None)


@pytest.mark.parametrize("number", range(len(RECORDS)))
@given(data=st.data())
def test_zeros_where_the_rest_of_a_frame_should_be_are_a_torn_end(
    number: int, data: st.DataObject
) -> None:
    # The file grew by the whole frame, but only its first bytes reached the disk.
    size = data.draw(st.integers(STARTS[number], STARTS[number + 1] - 1))
    torn = LOG[:size] + bytes(STARTS[number + 1] - size)
    if torn == LOG[: STARTS[number + 1]]:
        return
    contents = read_frames(torn)
    assert contents.records == RECORDS[:number]
    assert (contents.size_bytes, contents.damage) == (STARTS[number], None)


def test_any_zeros_after_the_last_frame_are_a_torn_end() -> None:
    for zeros in (1, 7, 8, 9, 5_000):
        contents = read_frames(LOG + bytes(zeros))
        assert (contents.records, contents.size_bytes) == (RECORDS, len(LOG))
        assert contents.damage is None
        followed = read_frames(LOG + bytes(max(zeros, 8)) + b"\1")
        assert followed.records == RECORDS
        assert followed.damage is not None


@given(st.integers(0, len(LOG) - 1), st.integers(0, 7))
def test_one_wrong_bit_is_never_a_record(place: int, bit: int) -> None:
    spoiled = bytearray(LOG)
    spoiled[place] ^= 1 << bit
    contents = read_frames(bytes(spoiled))
    before = max(n for n, start in enumerate(STARTS) if start <= place)
    assert contents.records == RECORDS[:before]
    is_last, is_length = before == len(RECORDS) - 1, place - STARTS[before] < 4
    assert contents.damage is not None or is_last or is_length


@pytest.mark.parametrize("number", range(len(RECORDS) - 1))
def test_a_spoiled_payload_within_the_log_is_damage(number: int) -> None:
    spoiled = bytearray(LOG)
    spoiled[STARTS[number] + 9] ^= 1
    contents = read_frames(bytes(spoiled))
    assert contents.damage == f"frame at byte {STARTS[number]}: wrong checksum"
    assert contents.records == RECORDS[:number]


def framed(payload: bytes) -> bytes:
    length = len(payload).to_bytes(4, "big")
    return length + zlib.crc32(length + payload).to_bytes(4, "big") + payload


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x06" + NEW.encode(), b"\xff", b"\x00", b"\x00" + NEW.encode() + b"\0", b"\x01\x80"],
    ids=["empty", "unknown kind", "far kind", "no record", "record and more", "no fields"],
)
def test_a_frame_that_holds_no_record_is_damage(payload: bytes) -> None:
    contents = read_frames(frame(NEW) + framed(payload) + frame(PREVOTE))
    assert contents.records == (NEW,)
    assert contents.damage == f"frame at byte {STARTS[1]}: not a record"


def test_a_block_of_full_size_fits_a_frame() -> None:
    assert FRAME_BYTES_MAX > 4 * 2**20


# ── What records mean ──


def test_a_record_says_what_was_stated_where() -> None:
    assert said(NIL).position == (HEIGHT, 1, Step.PRECOMMIT)
    assert said(NIL).payload == vote_payload(HEIGHT, 1, None)
    assert said(PROPOSAL).position == (HEIGHT, 3, Step.PROPOSE)
    digest = sha256(vote_payload(HEIGHT, 0, STAGE.a.id))
    assert last_signed(PREVOTE) == LastSigned(HEIGHT, 0, Step.PREVOTE, digest)
    assert last_signed(LAST) == LAST
    assert last_signed(NEW) is None
    assert last_signed(MaySignAbove(1)) is None


def test_a_compacted_log_keeps_what_still_matters() -> None:
    later = SignedPrevote(STAGE.vote(Step.PREVOTE, 0, None, 3, HEIGHT + 1))
    log = (NEW, MaySignAbove(2), LAST, PREVOTE, LOCK, later)
    assert compacted(log, HEIGHT) == (NEW, LAST, MaySignAbove(2), PREVOTE, LOCK, later)
    base = last_signed(LOCK)
    assert compacted(log, HEIGHT + 1) == (NEW, base, MaySignAbove(2), later)
    assert compacted(log, HEIGHT + 2) == (NEW, last_signed(later), MaySignAbove(2))
    assert compacted((NEW,), HEIGHT) == (NEW,)
    again = compacted(log, HEIGHT + 1)
    assert compacted(again, HEIGHT + 1) == again
