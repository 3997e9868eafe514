"""What may be signed: once, forwards, and after a restart only what log and file agree on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.consensus.guard import Guard, MustNotSign, Restored, recover
from chain.consensus.log import (
    LastSigned,
    LogContents,
    LogRecord,
    MaySignAbove,
    SignedPrevote,
    SignerIdentity,
    compacted,
    last_signed,
    said,
)
from chain.consensus.slots import MISSING, LastSignedFile, file_bytes, read_file
from chain.consensus.statement import Statement
from chain.votes import Step, proposal_payload, vote_payload
from contracts.kernel import sha256
from tests.chain.consensus.stage import CHAIN_ID, CLEAN, Stage

STAGE = Stage()
KEY = STAGE.validators.members[3].public_key
NEW = SignerIdentity(CHAIN_ID, KEY, new=True)
OLD = SignerIdentity(CHAIN_ID, KEY, new=False)
X, Y = sha256(b"x"), sha256(b"y")


def prevote(height: int, round_: int = 0, block_id: bytes | None = None) -> SignedPrevote:
    return SignedPrevote(STAGE.vote(Step.PREVOTE, round_, block_id, 3, height))


def last(record: SignedPrevote) -> LastSigned:
    found = last_signed(record)
    assert found is not None
    return found


def held(*records: LogRecord) -> LogContents:
    return LogContents(records, 0, None)


def filed(identity: SignerIdentity, newest: LastSigned | None = None) -> LastSignedFile:
    return read_file(file_bytes(identity, newest))


def recovered(log: LogContents, file: LastSignedFile) -> Restored | MustNotSign:
    return recover(log, file, CHAIN_ID, KEY)


def reason(log: LogContents, file: LastSignedFile) -> str:
    result = recovered(log, file)
    assert isinstance(result, MustNotSign)
    return result.reason


S = [prevote(5), prevote(5, 1), prevote(6), prevote(6, 3)]


# ── Recovery ──


def test_a_new_pair_may_sign_at_once() -> None:
    assert recovered(held(NEW), filed(NEW)) == Restored((), None, 0)


def test_log_and_file_agree() -> None:
    assert recovered(held(NEW, *S), filed(NEW, last(S[3]))) == Restored(tuple(S), last(S[3]), 0)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_log_one_statement_ahead_is_normal(count: int) -> None:
    file = filed(NEW) if count == 1 else filed(NEW, last(S[count - 2]))
    assert recovered(held(NEW, *S[:count]), file) == Restored(
        tuple(S[:count]), last(S[count - 1]), 0
    )


@pytest.mark.parametrize(("count", "remembered"), [(0, 0), (0, 3), (1, 1), (2, 3), (3, 3)])
def test_a_file_ahead_means_the_log_was_cut(count: int, remembered: int) -> None:
    text = reason(held(NEW, *S[:count]), filed(NEW, last(S[remembered])))
    assert text.startswith("the log ends with")
    assert "the last-signed file with height" in text


@pytest.mark.parametrize(("count", "remembered"), [(2, None), (3, 0), (4, 1), (4, None)])
def test_a_file_far_behind_was_replaced(count: int, remembered: int | None) -> None:
    file = filed(NEW) if remembered is None else filed(NEW, last(S[remembered]))
    assert "the last-signed file with" in reason(held(NEW, *S[:count]), file)


def test_a_file_of_another_line_does_not_belong_to_the_log() -> None:
    assert isinstance(recovered(held(NEW, prevote(5, 0, X)), filed(NEW, last(S[0]))), MustNotSign)


def test_what_is_missing_damaged_or_anothers_counts_as_wiped() -> None:
    stranger = SignerIdentity(CHAIN_ID, bytes(32), new=True)
    elsewhere = SignerIdentity(X, KEY, new=True)
    for log, why in (
        (LogContents((), 0, None), "the log is missing or empty"),
        (LogContents((NEW,), 0, "frame at byte 9: wrong checksum"), "is damaged: frame at byte 9"),
        (held(last(S[0])), "the log does not name its signer"),
        (held(stranger), "the log is of key 0000"),
        (held(elsewhere), f"on chain {X.hex()}"),
    ):
        assert why in reason(log, filed(NEW))
    whole = file_bytes(NEW, last(S[0]))
    for file, why in (
        (MISSING, "the last-signed file is missing or empty"),
        (read_file(whole[:-1]), "the last-signed file is damaged: its size is not"),
        (read_file(bytes(80) + whole[80:]), "damaged: page 0 does not name its signer"),
        (filed(stranger), "the last-signed file is of key 0000"),
        (filed(elsewhere), f"on chain {X.hex()}"),
    ):
        assert why in reason(held(NEW, S[0]), file)


def with_slots(first: LastSigned | None, second: LastSigned | None) -> LastSignedFile:
    """Return a file whose missing slots do not read."""
    return LastSignedFile(NEW, (first, second), nothing_signed=False, damage=None)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("readable", [0, 1, 2, 3])
def test_with_one_slot_unreadable_the_log_must_be_one_ahead_of_the_other(
    count: int, readable: int
) -> None:
    one = last(S[readable])
    for file in (with_slots(one, None), with_slots(None, one)):
        result = recovered(held(NEW, *S[:count]), file)
        if count == readable + 2:
            assert result == Restored(tuple(S[:count]), last(S[count - 1]), 0)
        else:
            assert isinstance(result, MustNotSign)
            assert "damaged: a slot does not read; the log ends with" in result.reason


@pytest.mark.parametrize("count", [0, 1, 2])
def test_with_no_slot_readable_nothing_may_be_signed(count: int) -> None:
    assert "a slot does not read" in reason(held(NEW, *S[:count]), with_slots(None, None))


def test_of_two_slots_the_higher_position_counts() -> None:
    for file in (with_slots(last(S[1]), last(S[2])), with_slots(last(S[2]), last(S[1]))):
        assert isinstance(recovered(held(NEW, *S[:3]), file), Restored)
        assert isinstance(recovered(held(NEW, *S[:4]), file), Restored)
        assert isinstance(recovered(held(NEW, *S[:2]), file), MustNotSign)


def test_a_slot_that_does_not_read_is_no_file_from_before_a_release() -> None:
    one = prevote(11)
    assert isinstance(recovered(held(OLD, RELEASE, one), filed(OLD)), Restored)
    for file in (with_slots(None, None), with_slots(last(S[3]), None)):
        for log in (held(OLD, RELEASE), held(OLD, RELEASE, one)):
            assert isinstance(recovered(log, file), MustNotSign)


def test_an_imported_key_may_not_sign() -> None:
    for log, file in ((held(OLD), filed(OLD)), (held(NEW), filed(OLD)), (held(OLD), filed(NEW))):
        assert reason(log, file).startswith("the key is imported")


def test_a_log_that_goes_back_or_names_two_signers_is_no_log() -> None:
    for log in (held(NEW, S[1], S[0]), held(NEW, S[0], S[0]), held(NEW, S[2], S[1])):
        assert reason(log, filed(NEW, last(S[0]))).startswith("the log goes back at")
    assert reason(held(NEW, S[0], NEW), filed(NEW)) == "the log names its signer twice"


# ── Releases ──

RELEASE = MaySignAbove(10)


def test_a_release_allows_heights_above_it() -> None:
    assert recovered(held(OLD, RELEASE), filed(OLD)) == Restored((), None, 10)
    assert recovered(held(OLD, RELEASE), filed(NEW, last(S[3]))) == Restored((), None, 10)


def test_a_release_does_not_cover_what_the_file_knows_above_it() -> None:
    assert isinstance(recovered(held(OLD, RELEASE), filed(OLD, last(prevote(11)))), MustNotSign)


def test_after_a_release_log_and_file_agree_again() -> None:
    one, two = prevote(11), prevote(12)
    for log, file in (
        (held(OLD, RELEASE, one), filed(OLD)),
        (held(OLD, RELEASE, one), filed(OLD, last(S[3]))),
        (held(OLD, RELEASE, one, two), filed(OLD, last(one))),
        (held(OLD, RELEASE, one, two), filed(OLD, last(two))),
    ):
        assert isinstance(recovered(log, file), Restored)
    for log, file in (
        (held(OLD, RELEASE, one, two), filed(OLD)),
        (held(OLD, RELEASE, one, two), filed(OLD, last(S[3]))),
        (held(OLD, RELEASE), filed(OLD, last(one))),
    ):
        assert isinstance(recovered(log, file), MustNotSign)


def test_a_release_never_makes_the_log_forget() -> None:
    # Somebody resets a healthy signer, and too low.
    log = held(NEW, prevote(20), MaySignAbove(10))
    result = recovered(log, filed(NEW, last(prevote(20))))
    assert result == Restored((prevote(20),), last(prevote(20)), 10)
    guard = Guard(result)
    assert guard.refusal(statement(20, 0, Step.PREVOTE, X)) is not None
    assert guard.refusal(statement(15, 0, Step.PREVOTE, X)) is not None
    assert guard.refusal(statement(20, 1, Step.PREVOTE, X)) is None


def test_a_statement_at_or_below_its_release_is_no_log() -> None:
    log = held(OLD, RELEASE, prevote(10))
    assert reason(log, filed(OLD, last(prevote(10)))) == "the log signs at 10, not above 10"


@given(st.integers(1, 9), st.booleans())
def test_compaction_does_not_change_what_may_be_signed(height: int, behind: bool) -> None:
    records: tuple[LogRecord, ...] = (NEW, *S, MaySignAbove(6), prevote(7), prevote(8))
    # A compaction comes after the file was renewed, unless it keeps the newest statement anyway.
    file = filed(NEW, last(prevote(7 if behind and height <= 8 else 8)))
    before = recovered(held(*records), file)
    after = recovered(held(*compacted(records, height)), file)
    assert isinstance(before, Restored)
    assert isinstance(after, Restored)
    assert (after.last, after.above) == (before.last, before.above)
    assert after.spoken == tuple(one for one in before.spoken if said(one).height >= height)


# ── The guard ──


def statement(height: int, round_: int, step: Step, block_id: bytes | None = X) -> Statement:
    if step is Step.PROPOSE:
        payload = proposal_payload(height, round_, block_id or X, -1)
    else:
        payload = vote_payload(height, round_, block_id)
    return Statement(height, round_, step, payload)


def test_every_position_is_signed_once_and_forwards() -> None:
    guard = Guard(CLEAN)
    guard.note(statement(5, 1, Step.PREVOTE))
    for later in ((5, 1, Step.PRECOMMIT), (5, 2, Step.PROPOSE), (6, 0, Step.PROPOSE)):
        assert guard.refusal(statement(*later)) is None
    for earlier in ((5, 1, Step.PROPOSE), (5, 0, Step.PRECOMMIT), (4, 9, Step.PRECOMMIT)):
        assert "is below height 5, round 1, prevote" in (guard.refusal(statement(*earlier)) or "")


def test_the_same_may_be_signed_again_another_payload_not() -> None:
    guard = Guard(CLEAN)
    one = statement(5, 1, Step.PREVOTE)
    guard.note(one)
    guard.note(statement(5, 1, Step.PRECOMMIT))
    assert guard.refusal(one) is None
    guard.note(one)
    other = guard.refusal(statement(5, 1, Step.PREVOTE, Y))
    assert other == "another payload is signed at height 5, round 1, prevote"
    assert guard.refusal(statement(5, 1, Step.PREVOTE, None)) == other


def test_after_a_restart_the_guard_knows_what_the_log_knows() -> None:
    result = recovered(held(NEW, *S), filed(NEW, last(S[3])))
    guard = Guard(result)
    for one in S:
        assert guard.refusal(statement(one.vote.height, one.vote.round, Step.PREVOTE, None)) is None
        assert guard.refusal(statement(one.vote.height, one.vote.round, Step.PREVOTE, X))


def test_a_compacted_log_still_guards_its_last_position() -> None:
    result = recovered(held(NEW, last(S[3])), filed(NEW, last(S[3])))
    guard = Guard(result)
    assert guard.refusal(statement(6, 3, Step.PREVOTE, None)) is None
    assert guard.refusal(statement(6, 3, Step.PREVOTE, X))
    assert guard.refusal(statement(6, 2, Step.PREVOTE, None))


def test_who_must_not_sign_signs_nothing_until_released() -> None:
    guard = Guard(MustNotSign("no log"))
    assert guard.refusal(statement(10**9, 0, Step.PREVOTE))
    guard.release(7)
    assert guard.refusal(statement(7, 9, Step.PRECOMMIT))
    assert guard.refusal(statement(8, 0, Step.PROPOSE)) is None
    guard.release(3)
    assert guard.refusal(statement(7, 9, Step.PRECOMMIT)), "a release never takes back"


def test_noting_what_was_refused_is_our_bug() -> None:
    guard = Guard(CLEAN)
    guard.note(statement(5, 0, Step.PREVOTE, X))
    with pytest.raises(AssertionError, match="the guard was not asked"):
        guard.note(statement(5, 0, Step.PREVOTE, Y))


positions = st.tuples(
    st.integers(1, 3), st.integers(0, 2), st.sampled_from(tuple(Step)), st.sampled_from((X, Y))
)


@given(st.lists(positions, max_size=40), st.data())
def test_whatever_is_asked_nothing_is_ever_signed_twice(
    asked: list[tuple[int, int, Step, bytes]], data: st.DataObject
) -> None:
    guard = Guard(CLEAN)
    signed: dict[tuple[int, int, Step], bytes] = {}
    log: list[LastSigned] = []
    for one in asked:
        wanted = statement(*one)
        if guard.refusal(wanted) is not None:
            continue
        guard.note(wanted)
        assert signed.setdefault(wanted.position, wanted.payload) == wanted.payload
        if not log or wanted.position > log[-1].position:
            log.append(LastSigned(*wanted.position, sha256(wanted.payload)))
        if data.draw(st.booleans()) and log:
            # A restart from a log that was compacted to its last position.
            guard = Guard(recovered(held(NEW, log[-1]), filed(NEW, log[-1])))
