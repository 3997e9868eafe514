"""A validator without its log: silent, asking, and released only by a quorum of others."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.consensus import effects, inputs
from chain.consensus.effects import Broadcast, Fault, Persist, Released, SendTo, SignClaim
from chain.consensus.guard import MustNotSign
from chain.consensus.log import MaySignAbove
from chain.consensus.messages import ClaimRequest, StatusClaim
from chain.consensus.timing import Timer
from chain.consensus.wiped import ClaimBook
from chain.votes import Step
from contracts.kernel import sha256
from tests.chain.consensus.stage import HEIGHT, NONCE, PEER, Stage, only, validator_set

WIPED = MustNotSign("the log is missing or empty")


def wiped(size: int = 4) -> Stage:
    return Stage(me=size - 1, size=size, recovered=WIPED)


def claims(stage: Stage, *heights: int) -> None:
    """Let the first others claim these heights."""
    for by, height in enumerate(heights):
        stage.give(inputs.ClaimReceived(PEER, stage.claim(height, by)))


def released(stage: Stage) -> list[int]:
    return [one.above for one in stage.findings() if isinstance(one, Released)]


# ── Silence ──


def test_it_follows_every_rule_and_says_nothing() -> None:
    stage = wiped()
    stage.propose(0, stage.a)
    stage.prevote(0, stage.a, 0, 1, 2)
    assert stage.place == (0, Step.PRECOMMIT)
    (commit,) = only(effects.Commit, stage.precommit(0, stage.a, 0, 1, 2))
    assert commit.block == stage.a
    assert only(effects.Sign, stage.done) == []
    assert stage.said() == []
    assert not stage.machine.may_sign


def test_it_does_not_propose() -> None:
    stage = Stage(me=0, recovered=WIPED)
    assert only(effects.Propose, stage.done) == []


def test_it_asks_the_others_with_its_nonce() -> None:
    stage = wiped()
    asked = [one.message for one in only(Broadcast, stage.fire(Timer.RESEND))]
    assert ClaimRequest(NONCE) in asked


def test_a_signer_with_its_log_asks_nobody() -> None:
    asked = [one.message for one in only(Broadcast, Stage().fire(Timer.RESEND))]
    assert not any(isinstance(one, ClaimRequest) for one in asked)


# ── Answers ──


def test_the_others_sign_their_undecided_height() -> None:
    stage = Stage()
    made = stage.give(inputs.ClaimAsked(PEER, NONCE))
    assert made == [SignClaim(PEER, HEIGHT, NONCE)]
    claim = stage.claim(HEIGHT, 3)
    assert stage.give(inputs.ClaimSigned(PEER, claim)) == [SendTo(PEER, claim)]


@pytest.mark.parametrize("stage", [wiped(), Stage(me=None)], ids=["wiped", "no validator"])
def test_who_may_not_sign_claims_nothing(stage: Stage) -> None:
    assert stage.give(inputs.ClaimAsked(PEER, NONCE)) == []


# ── Release ──


def test_a_quorum_of_others_releases_it_above_their_highest_height_and_one() -> None:
    stage = wiped()
    claims(stage, HEIGHT, HEIGHT - 1)
    assert released(stage) == []
    claims(stage, HEIGHT, HEIGHT - 1, HEIGHT - 2)
    assert released(stage) == [HEIGHT + 1]
    assert only(Persist, stage.done) == [Persist(MaySignAbove(HEIGHT + 1))]
    assert stage.machine.may_sign
    stage.propose(0, stage.a)
    assert stage.said() == [], "not at this height"


def test_it_speaks_again_above_that_height_and_not_before() -> None:
    stage = wiped()
    claims(stage, HEIGHT, HEIGHT, HEIGHT)
    for height in (HEIGHT + 1, HEIGHT + 2):
        parent = sha256(b"%d" % height)
        stage.give(inputs.Committed(stage.context(height, parent)))
        speaks = stage.machine.rules.voice.address is not None
        assert speaks is (height == HEIGHT + 2)


def test_a_height_counts_once_our_own_chain_has_reached_it() -> None:
    stage = wiped()
    claims(stage, HEIGHT + 1, HEIGHT, HEIGHT)
    assert released(stage) == []
    made = stage.give(inputs.Committed(stage.context(HEIGHT + 1, sha256(b"next"))))
    assert [one.finding for one in only(effects.Report, made)] == [Released(HEIGHT + 2)]


def test_a_liar_cannot_lift_the_height_out_of_reach() -> None:
    stage = wiped(size=7)
    claims(stage, 2**62, HEIGHT, HEIGHT, HEIGHT, HEIGHT)
    assert released(stage) == []
    stage.give(inputs.ClaimReceived(PEER, stage.claim(HEIGHT - 1, 5)))
    assert released(stage) == [HEIGHT + 1]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_where_no_quorum_of_others_can_exist_nobody_is_released(size: int) -> None:
    stage = wiped(size)
    claims(stage, *([HEIGHT] * (size - 1)))
    assert released(stage) == []
    assert not stage.machine.may_sign


def test_one_validator_claims_once_however_often() -> None:
    stage = wiped()
    for _ in range(5):
        claims(stage, HEIGHT, HEIGHT)
    assert released(stage) == []


def test_its_own_claim_does_not_count() -> None:
    stage = wiped()
    claims(stage, HEIGHT, HEIGHT)
    stage.give(inputs.ClaimReceived(PEER, stage.claim(HEIGHT, 3)))
    assert released(stage) == []


def test_old_claims_cannot_be_replayed() -> None:
    stage = wiped()
    for by in range(3):
        old = stage.claim(HEIGHT, by, nonce=sha256(b"an earlier start"))
        stage.give(inputs.ClaimReceived(PEER, old))
    assert released(stage) == []
    assert stage.faults() == [], "whoever sends one may mean another"


def test_a_forged_claim_counts_for_nothing() -> None:
    stage = wiped()
    claims(stage, HEIGHT, HEIGHT)
    good = stage.claim(HEIGHT, 2)
    for forged in (
        replace(good, signature=bytes(64)),
        replace(good, height=HEIGHT - 1),
        replace(good, validator=stage.address(1)),
        replace(good, validator=bytes(20)),
    ):
        stage.give(inputs.ClaimReceived(PEER, forged))
    assert released(stage) == []
    # Only of our own height do we know the keys: the first and the third are a peer's fault.
    assert stage.faults() == [Fault.SIGNATURE, Fault.SIGNATURE]


def test_a_chain_that_is_faster_than_any_repetition_still_asks() -> None:
    stage = wiped()
    made = stage.give(inputs.Committed(stage.context(HEIGHT + 1, sha256(b"next"))))
    assert Broadcast(ClaimRequest(NONCE)) in made


def test_who_may_sign_needs_no_claims() -> None:
    stage = Stage()
    claims(stage, HEIGHT, HEIGHT, HEIGHT)
    assert released(stage) == []
    assert only(Persist, stage.done) == []


# ── Why it is safe ──


@given(st.data())
def test_it_never_signed_above_what_it_is_released_from(data: st.DataObject) -> None:
    # n = 3f + 1. The wiped one signed at a height that was begun by a quorum's precommits below it.
    # The honest of that quorum claim what they know, and liars anything.
    faulty = data.draw(st.integers(1, 4))
    validators = validator_set(3 * faulty + 1)
    own, *others = [member.address for member in validators.members]
    liars = others[:faulty]
    signed_at = data.draw(st.integers(2, 20))
    below = data.draw(st.permutations(others))[: validators.quorum - 1]
    book = ClaimBook(NONCE)
    for address in data.draw(st.permutations(others))[: validators.quorum]:
        if address in liars:
            height = data.draw(st.integers(0, 25))
        else:
            least = signed_at - 1 if address in below else 0
            height = data.draw(st.integers(least, 25))
        book.add(StatusClaim(height, NONCE, address, bytes(64)))
    above = book.release(25, validators, own)
    assert above is not None
    assert above >= signed_at
