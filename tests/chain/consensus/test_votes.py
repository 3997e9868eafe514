"""Counting votes: quorums, tallies as a whole, messages ahead, and the bounds of both."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.consensus.votes import AHEAD_MAX, ROUNDS_KEPT, Ahead, TimedProposal, VoteKeeper
from chain.votes import NO_ROUND, Certificate, Polka, Step, Vote, bitmap_positions
from contracts.kernel import sha256
from tests.chain.consensus.stage import CHAIN_ID, NOW_MS, Stage

PREVOTE, PRECOMMIT = Step.PREVOTE, Step.PRECOMMIT
STAGE = Stage()
SEVEN = Stage(me=6, size=7)
X, Y = sha256(b"x"), sha256(b"y")


def keeper(stage: Stage = STAGE) -> VoteKeeper:
    return VoteKeeper(stage.validators)


def add(
    votes: VoteKeeper, step: Step, round_: int, block_id: bytes | None, *by: int,
    stage: Stage = STAGE,
) -> None:  # fmt: skip
    for position in by:
        votes.add(position, stage.vote(step, round_, block_id, position))


# ── Quorums ──


def test_q_votes_for_a_block_win_and_one_less_does_not() -> None:
    votes = keeper()
    add(votes, PREVOTE, 0, X, 0, 1)
    assert votes.winner(0, PREVOTE) is None
    add(votes, PREVOTE, 0, X, 3)
    assert votes.winner(0, PREVOTE) == X
    assert votes.polka_round == 0
    assert votes.certified is None


def test_votes_for_different_things_are_as_many_but_win_nothing() -> None:
    votes = keeper()
    add(votes, PREVOTE, 0, X, 0)
    add(votes, PREVOTE, 0, None, 1)
    add(votes, PREVOTE, 0, Y, 2)
    assert votes.total(0, PREVOTE) == 3
    assert votes.winner(0, PREVOTE) is None
    assert not votes.nil_wins(0, PREVOTE)


def test_nil_wins_like_a_block_but_is_none() -> None:
    votes = keeper()
    add(votes, PREVOTE, 0, None, 0, 1, 2)
    assert votes.nil_wins(0, PREVOTE)
    assert votes.winner(0, PREVOTE) is None
    assert votes.polka_round == NO_ROUND


def test_rounds_and_steps_are_counted_apart() -> None:
    votes = keeper()
    add(votes, PREVOTE, 0, X, 0, 1)
    add(votes, PRECOMMIT, 0, X, 2)
    add(votes, PREVOTE, 1, X, 2)
    assert votes.winner(0, PREVOTE) is None
    assert votes.winner(1, PREVOTE) is None
    assert votes.winner(0, PRECOMMIT) is None


def test_precommits_of_any_round_certify() -> None:
    votes = keeper()
    add(votes, PRECOMMIT, 2, X, 0, 1)
    add(votes, PRECOMMIT, 5, Y, 0, 1, 2)
    assert votes.certified == (5, Y)
    assert votes.certificate(CHAIN_ID, 5) == STAGE.certificate(5, Y)


def test_one_validator_has_one_vote() -> None:
    votes = keeper()
    add(votes, PREVOTE, 0, X, 0)
    with pytest.raises(AssertionError, match="one vote of a validator counts"):
        add(votes, PREVOTE, 0, Y, 0)


# ── Tallies as a whole ──


def test_a_whole_polka_counts_though_a_signer_is_held_for_something_else() -> None:
    votes = keeper()
    add(votes, PREVOTE, 0, Y, 0)
    add(votes, PREVOTE, 0, X, 1)
    polka = STAGE.polka(0, X, (0, 1, 2))
    votes.add_whole(polka)
    assert votes.winner(0, PREVOTE) == X
    assert votes.polka(CHAIN_ID, 0) == polka
    assert votes.held(0, PREVOTE, 0) == STAGE.vote(PREVOTE, 0, Y, 0)


def test_a_certificate_unites_whole_and_single_precommits() -> None:
    votes = keeper()
    votes.add_whole(STAGE.certificate(0, X, (0, 1, 2)))
    add(votes, PRECOMMIT, 0, X, 3)
    add(votes, PRECOMMIT, 0, None, 1)
    whole = votes.certificate(CHAIN_ID, 0)
    assert whole == STAGE.certificate(0, X, (0, 1, 2, 3))
    assert whole.verify(PRECOMMIT, CHAIN_ID, STAGE.validators) == (0, 1, 2, 3)


def test_a_certificate_grows_with_late_precommits() -> None:
    votes = keeper()
    add(votes, PRECOMMIT, 0, X, 0, 1, 2)
    assert len(votes.certificate(CHAIN_ID, 0).signatures) == 3
    add(votes, PRECOMMIT, 0, X, 3)
    assert len(votes.certificate(CHAIN_ID, 0).signatures) == 4


# ── What a peer lacks, and what is dropped ──


def test_bitmaps_and_what_is_lacking_agree() -> None:
    votes = keeper()
    assert votes.bitmap(0, PREVOTE) == b"\0"
    add(votes, PREVOTE, 0, X, 2)
    add(votes, PREVOTE, 0, None, 0)
    assert bitmap_positions(votes.bitmap(0, PREVOTE)) == (0, 2)
    assert [v.block_id for v in votes.lacking(0, PREVOTE, ())] == [None, X]
    assert [v.block_id for v in votes.lacking(0, PREVOTE, (0, 1))] == [X]
    assert list(votes.lacking(1, PREVOTE, ())) == []


def test_old_rounds_are_dropped_unless_they_may_still_decide() -> None:
    votes = keeper()
    for round_ in (0, 1, 2, 3):
        add(votes, PREVOTE, round_, X, 0, 1)
    add(votes, PRECOMMIT, 0, X, 0, 1)
    add(votes, PRECOMMIT, 1, X, 0)
    add(votes, PRECOMMIT, 2, None, 0, 1, 2)
    votes.forget_before(3 + ROUNDS_KEPT)
    assert votes.total(0, PRECOMMIT) == 2, "f+1 named a block there"
    assert votes.is_kept(0, PRECOMMIT, 3 + ROUNDS_KEPT)
    for round_, step in ((0, PREVOTE), (1, PRECOMMIT), (2, PRECOMMIT), (2, PREVOTE)):
        assert votes.total(round_, step) == 0
        assert not votes.is_kept(round_, step, 3 + ROUNDS_KEPT)
    assert votes.total(3, PREVOTE) == 2
    add(votes, PRECOMMIT, 0, X, 2)
    assert votes.certified == (0, X)


# ── Against a naive count ──

Ballot = tuple[Step, int, bytes | None, int]
ballots = st.lists(
    st.tuples(
        st.sampled_from((PREVOTE, PRECOMMIT)),
        st.integers(0, 2),
        st.sampled_from((None, X, Y)),
        st.integers(0, 6),
    ),
    max_size=60,
)


@given(ballots)
def test_any_votes_in_any_order_are_counted_as_a_plain_count_does(drawn: list[Ballot]) -> None:
    votes = keeper(SEVEN)
    first: dict[tuple[int, Step, int], bytes | None] = {}
    for step, round_, block_id, by in drawn:
        if (round_, step, by) in first:
            continue
        first[round_, step, by] = block_id
        add(votes, step, round_, block_id, by, stage=SEVEN)
    for round_ in range(3):
        for step in (PREVOTE, PRECOMMIT):
            cast = [v for (r, s, _), v in first.items() if (r, s) == (round_, step)]
            winners = [b for b in (X, Y) if cast.count(b) >= 5]
            assert votes.total(round_, step) == len(cast)
            assert votes.winner(round_, step) == (winners[0] if winners else None)
            assert votes.nil_wins(round_, step) is (cast.count(None) >= 5)
    assert (votes.certified is not None) is any(
        votes.winner(r, PRECOMMIT) is not None for r in range(3)
    )


@given(st.permutations(range(7)), st.integers(0, 7), st.booleans())
def test_a_tally_verifies_whoever_came_first(order: list[int], others: int, whole: bool) -> None:
    votes = keeper(SEVEN)
    for place, by in enumerate(order):
        add(votes, PREVOTE, 0, Y if place < min(others, 2) else X, by, stage=SEVEN)
    if whole:
        votes.add_whole(SEVEN.polka(0, X, (0, 1, 2, 3, 4)))
    polka = votes.polka(CHAIN_ID, 0)
    assert len(polka.verify(PREVOTE, CHAIN_ID, SEVEN.validators)) >= 5
    assert polka.block_id == X


# ── Ahead ──


def far(round_: int, by: int, step: Step = PREVOTE) -> Vote:
    return SEVEN.vote(step, round_, None, by)


def test_two_messages_of_each_validator_are_kept_the_highest() -> None:
    ahead = Ahead(7)
    for round_ in (3, 9, 5, 7):
        ahead.add(0, far(round_, 0))
    assert [v.round for _, v in ahead.take(100)] == [7, 9]


def test_of_one_round_the_later_step_is_the_higher() -> None:
    ahead = Ahead(7)
    proposal = TimedProposal(SEVEN.proposal(4, SEVEN.a), NOW_MS)
    ahead.add(1, proposal)
    assert ahead.find(1, 4, Step.PROPOSE) is proposal
    ahead.add(1, far(4, 1, PRECOMMIT))
    assert not ahead.has_room(1, 3, PRECOMMIT)
    assert ahead.has_room(1, 4, PREVOTE)
    ahead.add(1, far(4, 1, PREVOTE))
    assert ahead.find(1, 4, Step.PROPOSE) is None
    assert [v.step for _, v in ahead.take(4)] == [PREVOTE, PRECOMMIT]


def test_f_plus_1_is_counted_by_validators_not_by_messages() -> None:
    ahead = Ahead(7)
    assert ahead.reached_by(1) == NO_ROUND
    ahead.add(0, far(8, 0))
    ahead.add(0, far(9, 0))
    assert ahead.reached_by(1) == 9
    assert ahead.reached_by(2) == NO_ROUND
    ahead.add(1, far(4, 1))
    assert ahead.reached_by(2) == 4


def test_what_is_taken_is_gone_and_what_is_beyond_stays() -> None:
    ahead = Ahead(7)
    for by, round_ in ((0, 2), (0, 5), (1, 3)):
        ahead.add(by, far(round_, by))
    assert [(by, v.round) for by, v in ahead.take(3)] == [(0, 2), (1, 3)]
    assert ahead.take(3) == []
    assert ahead.reached_by(1) == 5
    assert [(by, v.round) for by, v in ahead.take(5)] == [(0, 5)]
    assert ahead.reached_by(1) == NO_ROUND


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 2**31 - 1)), max_size=80))
def test_memory_ahead_is_bounded_whatever_rounds_are_named(sent: list[tuple[int, int]]) -> None:
    ahead = Ahead(7)
    seen: dict[int, set[int]] = {}
    for by, round_ in sent:
        if ahead.find(by, round_, PREVOTE) is None and ahead.has_room(by, round_, PREVOTE):
            # Nothing here is verified, so that any round will do.
            ahead.add(by, Vote(PREVOTE, 4, round_, None, SEVEN.address(by), bytes(64)))
        seen.setdefault(by, set()).add(round_)
    for count in range(1, 8):
        highest = sorted((max(rounds) for rounds in seen.values()), reverse=True)
        expected = highest[count - 1] if len(highest) >= count else NO_ROUND
        assert ahead.reached_by(count) == expected
    kept = ahead.take(2**31)
    for by, rounds in seen.items():
        assert [v.round for p, v in kept if p == by] == sorted(rounds)[-AHEAD_MAX:]


def test_types_of_tallies_are_told_apart() -> None:
    votes = keeper()
    votes.add_whole(STAGE.polka(0, X))
    assert (votes.winner(0, PREVOTE), votes.winner(0, PRECOMMIT)) == (X, None)
    assert isinstance(votes.polka(CHAIN_ID, 0), Polka)
    votes.add_whole(STAGE.certificate(0, X))
    assert isinstance(votes.certificate(CHAIN_ID, 0), Certificate)
