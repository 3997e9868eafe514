"""The cache of verdicts on signatures: bounded, and never a different answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.crypto import sign
from chain.verdicts import SignedMessage, Verdicts
from tests.support.people import key_of, seed_of


def message(number: int, *, true: bool = True) -> SignedMessage:
    text = b"message %d" % number
    return SignedMessage(key_of("a"), text, sign(seed_of("a" if true else "b"), text))


MESSAGES = [message(number, true=number % 2 == 0) for number in range(6)]


@given(st.lists(st.integers(0, 5)), st.integers(1, 4))
def test_verdicts_are_the_same_in_any_order_and_at_any_size(asked: list[int], limit: int) -> None:
    verdicts = Verdicts(limit)
    for number in asked:
        assert verdicts.verdict(MESSAGES[number]) == (number % 2 == 0)
        assert verdicts.unknown([MESSAGES[number]]) == []
        assert len(verdicts) <= limit


def test_the_oldest_verdict_leaves_first_and_one_that_is_known_pushes_nobody_out() -> None:
    verdicts = Verdicts(2)
    for number in (0, 1, 1, 0, 1):
        verdicts.keep(MESSAGES[number], verdict=number == 0)
    assert verdicts.unknown(MESSAGES) == MESSAGES[2:]
    verdicts.keep(MESSAGES[2], verdict=True)
    assert verdicts.unknown(MESSAGES) == [MESSAGES[0], *MESSAGES[3:]]


def test_a_message_is_unknown_once_however_often_a_batch_holds_it() -> None:
    assert Verdicts().unknown([MESSAGES[0], MESSAGES[1], MESSAGES[0]]) == MESSAGES[:2]


def test_a_cache_holds_at_least_one_verdict() -> None:
    with pytest.raises(AssertionError):
        Verdicts(0)


@pytest.mark.parametrize("part", range(3))
def test_any_other_byte_is_another_message(part: int) -> None:
    verdicts = Verdicts()
    good = MESSAGES[0]
    assert verdicts.verdict(good)
    changed = list(good)
    changed[part] = bytes((changed[part][0] ^ 1,)) + changed[part][1:]
    assert verdicts.unknown([SignedMessage(*changed)])
    assert not verdicts.verdict(SignedMessage(*changed))
