"""The last-signed file: whatever a crash or a fault leaves of it, no statement is forgotten."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.consensus.guard import MustNotSign, Restored, recover
from chain.consensus.log import (
    LastSigned,
    LogContents,
    MaySignAbove,
    SignedPrevote,
    SignerIdentity,
    frame,
    last_signed,
)
from chain.consensus.slots import (
    FILE_BYTES,
    MISSING,
    PAGE_BYTES,
    file_bytes,
    read_file,
    slot_bytes,
    slot_start,
)
from chain.votes import ROUND_MAX, Step
from contracts.kernel.codec import INT_MAX
from tests.chain.consensus.stage import CHAIN_ID, Stage

STAGE = Stage()
KEY = STAGE.validators.members[3].public_key
NEW = SignerIdentity(CHAIN_ID, KEY, new=True)
SPOKEN = [SignedPrevote(STAGE.vote(Step.PREVOTE, 0, None, 3, height)) for height in range(5, 9)]


def last(number: int) -> LastSigned:
    found = last_signed(SPOKEN[number])
    assert found is not None
    return found


def written(*, older: LastSigned, newer: LastSigned, newer_slot: int) -> bytes:
    """Return a file as writing in place leaves it."""
    slots = [slot_bytes(newer), slot_bytes(older)]
    return file_bytes(NEW, None)[:PAGE_BYTES] + b"".join(slots[:: 1 - 2 * newer_slot])


def recovered(count: int, data: bytes) -> Restored | MustNotSign:
    log = LogContents((NEW, *SPOKEN[:count]), 0, None)
    return recover(log, read_file(data), CHAIN_ID, KEY)


def with_page(data: bytes, slot: int, page: bytes) -> bytes:
    start = slot_start(slot)
    return data[:start] + page + data[start + PAGE_BYTES :]


# ── The form ──


def test_a_file_is_three_pages_from_the_beginning() -> None:
    empty, full = file_bytes(NEW, None), file_bytes(NEW, last(0))
    assert len(empty) == len(full) == FILE_BYTES
    assert empty == frame(NEW) + bytes(FILE_BYTES - len(frame(NEW)))
    for slot in (0, 1):
        assert full[slot_start(slot) :].startswith(frame(last(0)))
        assert not any(full[slot_start(slot) + len(frame(last(0))) : slot_start(slot) + PAGE_BYTES])
    assert len(slot_bytes(LastSigned(INT_MAX, ROUND_MAX, Step.PRECOMMIT, bytes(32)))) == PAGE_BYTES


def test_what_is_written_reads_back() -> None:
    empty = read_file(file_bytes(NEW, None))
    assert (empty.identity, empty.newest, empty.next_slot) == (NEW, None, None)
    assert empty.whole
    assert empty.nothing_signed
    full = read_file(file_bytes(NEW, last(0)))
    assert (full.identity, full.slots) == (NEW, (last(0), last(0)))
    assert full.whole
    assert not full.nothing_signed
    assert empty.damage is None
    assert full.damage is None


@pytest.mark.parametrize("slot", [0, 1])
def test_the_newer_slot_counts_and_the_older_is_written_next(slot: int) -> None:
    file = read_file(written(older=last(0), newer=last(1), newer_slot=slot))
    assert (file.newest, file.next_slot) == (last(1), 1 - slot)


def test_statements_by_turns_leave_the_two_newest() -> None:
    data = file_bytes(NEW, last(0))
    for number in range(1, len(SPOKEN)):
        slot = read_file(data).next_slot
        assert slot is not None
        data = with_page(data, slot, slot_bytes(last(number)))
        file = read_file(data)
        assert set(file.slots) == {last(number), last(number - 1)}
        assert file.newest == last(number)


def test_an_older_form_is_refused() -> None:
    for old in (frame(NEW), frame(NEW) + frame(last(0))):
        result = recovered(1, old)
        assert isinstance(result, MustNotSign)
        assert "its size is not 12288 bytes: it was cut, or has an older form" in result.reason


@given(st.binary(max_size=FILE_BYTES + 1))
def test_other_bytes_are_never_a_file(data: bytes) -> None:
    for count in (0, 1, 4):
        assert isinstance(recovered(count, data), MustNotSign)
    assert (read_file(data) == MISSING) is (not data)


def test_a_slot_holds_nothing_but_a_position() -> None:
    for record in (NEW, MaySignAbove(7), SPOKEN[1]):
        page = frame(record).ljust(PAGE_BYTES, b"\0")
        file = read_file(with_page(file_bytes(NEW, last(0)), 1, page))
        assert file.slots == (last(0), None)
        assert not file.whole
    two = (frame(last(0)) + frame(last(1))).ljust(PAGE_BYTES, b"\0")
    assert read_file(with_page(file_bytes(NEW, last(0)), 1, two)).slots == (last(0), None)


def test_two_payloads_of_one_position_are_damage() -> None:
    other = LastSigned(*last(0).position, bytes(32))
    result = recovered(1, written(older=last(0), newer=other, newer_slot=1))
    assert isinstance(result, MustNotSign)
    assert result.reason.endswith("its slots hold two statements of one position")


# ── What a crash leaves ──


@pytest.mark.parametrize("slot", [0, 1])
def test_a_slot_torn_at_every_byte_is_normal(slot: int) -> None:
    """The log has the statement; of the slot any beginning or any end is new."""
    data = written(older=last(0), newer=last(1), newer_slot=1 - slot)
    old, new = slot_bytes(last(0)), slot_bytes(last(2))
    for cut in range(len(frame(last(2))) + 2):
        for page in (new[:cut] + old[cut:], old[:cut] + new[cut:]):
            result = recovered(3, with_page(data, slot, page))
            assert isinstance(result, Restored)
            assert result.last == last(2)


@pytest.mark.parametrize("slot", [0, 1])
def test_a_torn_slot_without_its_statement_in_the_log_is_damage(slot: int) -> None:
    data = written(older=last(0), newer=last(1), newer_slot=1 - slot)
    old, new = slot_bytes(last(0)), slot_bytes(last(2))
    for cut in range(len(frame(last(2)))):
        page = new[:cut] + old[cut:]
        if page == old:
            continue
        for count in (0, 1, 2, 4):
            assert isinstance(recovered(count, with_page(data, slot, page)), MustNotSign)


# ── What a fault leaves ──


def flips(slot: int) -> list[int]:
    """Return the bits of a slot's frame, and some of the zeros behind it."""
    first = 8 * slot_start(slot)
    size = 8 * len(frame(last(1)))
    return [*range(first, first + size + 8), first + 8 * PAGE_BYTES - 1]


@pytest.mark.parametrize("newer_slot", [0, 1])
def test_a_flipped_bit_never_lets_the_newest_statement_be_forgotten(newer_slot: int) -> None:
    whole = written(older=last(0), newer=last(1), newer_slot=newer_slot)
    for slot in (0, 1):
        for place in flips(slot):
            data = bytearray(whole)
            data[place >> 3] ^= 1 << (place & 7)
            assert not read_file(bytes(data)).whole
            for count in (0, 1, 3):
                # Had the older slot been under way, the log would be one ahead of the newer.
                torn = slot != newer_slot and count == 3
                assert isinstance(recovered(count, bytes(data)), Restored if torn else MustNotSign)
            found = recovered(2, bytes(data))
            if slot == newer_slot:
                assert isinstance(found, Restored)
                assert found.last == last(1), "the log tells what the slot told"
            else:
                assert isinstance(found, MustNotSign)


def test_zeros_beside_a_statement_are_a_slot_that_does_not_read() -> None:
    for slot in (0, 1):
        lost = with_page(file_bytes(NEW, last(0)), slot, bytes(PAGE_BYTES))
        assert isinstance(recovered(1, lost), MustNotSign)
        assert isinstance(recovered(2, lost), Restored)
    both = file_bytes(NEW, None)
    assert isinstance(recovered(0, both), Restored)
    assert isinstance(recovered(2, both), MustNotSign)


@given(st.integers(0, 8 * FILE_BYTES - 1), st.integers(0, len(SPOKEN)))
def test_any_flipped_bit_is_found_or_told_by_the_log(place: int, count: int) -> None:
    data = bytearray(written(older=last(1), newer=last(2), newer_slot=0))
    data[place >> 3] ^= 1 << (place & 7)
    result = recovered(count, bytes(data))
    if isinstance(result, Restored):
        assert count >= 3, "the log holds the newest statement"
        assert result.last == last(count - 1)


@given(st.integers(0, FILE_BYTES - 1), st.integers(0, len(SPOKEN)))
def test_a_file_cut_anywhere_is_damage(size: int, count: int) -> None:
    data = written(older=last(1), newer=last(2), newer_slot=0)
    assert isinstance(recovered(count, data[:size]), MustNotSign)
    assert isinstance(recovered(count, data + bytes(1)), MustNotSign)
