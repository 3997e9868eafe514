"""Whatever a node answers, a reader either returns what is so or raises the one error."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chain.block import Header
from chain.light import VerificationError
from client.reader import ProvenPage, ProvenReceipt
from tests.client.reading import Json
from tests.client.recorded import READS, Result, header_in, read, recording

ODD: st.SearchStrategy[Json] = st.sampled_from(
    ["", "0x", "ab", "AB", "zz", "gtx1", "\ud800", "9" * 30, " ab", "00" * 200, 1.5, float("nan"),
     float("inf"), -1, 0, 2**53, 2**63, 2**64, 10**30, True, None, [], {}, [[]], {"": None}]
)  # fmt: skip
ANY: st.SearchStrategy[Json] = ODD | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)


def places(value: Json) -> list[tuple[Any, Any]]:
    """Return every place in an answer as (container, key)."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    found: list[tuple[Any, Any]] = []
    for key in keys:
        found.append((value, key))
        if isinstance(value[key], dict | list):
            found += places(value[key])
    return found


def mutate(data: st.DataObject, answer: Json) -> Json:
    """Change an answer in one of many ways, in a few places."""
    for _ in range(data.draw(st.integers(1, 2))):
        found = places(answer)
        if not found:
            break
        inside, key = found[data.draw(st.integers(0, len(found) - 1))]
        value = inside[key]
        match data.draw(st.integers(0, 6)):
            case 0:
                del inside[key]
            case 1:
                inside[key] = data.draw(ANY)
            case 2 if isinstance(value, list) and value:
                value.insert(data.draw(st.integers(0, len(value))), value[0])
            case 3 if isinstance(value, list):
                value.reverse()
            case 4 if isinstance(value, str) and value:
                at = data.draw(st.integers(0, len(value) - 1))
                inside[key] = value[:at] + data.draw(st.sampled_from("0f7 zq")) + value[at + 1 :]
            case 5 if isinstance(value, int):
                inside[key] = value + data.draw(st.sampled_from([-1, 1, 2**32]))
            case _:
                # Something true, from elsewhere.
                said = recording().answers
                other = deepcopy(said[data.draw(st.sampled_from(sorted(said)))])
                inside[key] = other.get(key, other) if isinstance(key, str) else other
    return answer


def is_true(name: str, found: Result) -> bool:
    """Say whether a result is what the chain has, be it of another of its blocks."""
    expected = recording().truth[name]
    if found == expected:
        return True
    true_headers = [header_in(told) for told in recording().answers.values() if "header" in told]
    if isinstance(found, Header):
        return name == "newest header" and found in true_headers
    if isinstance(found, ProvenPage):
        # A page of another length is as true; the recording has two of one range.
        pages = [one for one in recording().truth.values() if isinstance(one, ProvenPage)]
        return name in {"range", "part of a range"} and found in pages
    assert not isinstance(found, ProvenReceipt)
    return False


@given(name=st.sampled_from(sorted(READS)), data=st.data())
def test_a_mutated_answer_is_refused_or_means_the_same(name: str, data: st.DataObject) -> None:
    def say(method: str, /, **params: Json) -> Json:
        return mutate(data, recording().answer(method, **params))

    try:
        found = read(name, say)
    except VerificationError:
        return
    assert is_true(name, found), found


@given(st.sampled_from(sorted(READS)), ANY)
@example(
    "value", {"header": {}, "certificate": {}, "value": "\ud800", "proof": {"ics23": "\ud800"}}
)
def test_any_json_at_all_is_refused(name: str, answer: Json) -> None:
    with pytest.raises(VerificationError):
        read(name, lambda *_, **__: answer)


@pytest.mark.parametrize("name", sorted(READS))
def test_an_answer_to_another_question_is_refused_or_true(name: str) -> None:
    for answer in recording().answers.values():
        try:
            found = read(name, lambda *_, a=answer, **__: a)
        except VerificationError:
            continue
        assert is_true(name, found), found


@pytest.mark.parametrize("name", sorted(READS))
def test_hex_in_other_letters_means_the_same_or_nothing(name: str) -> None:
    def shout(value: Json) -> Json:
        if isinstance(value, dict):
            return {key: shout(one) for key, one in value.items()}
        if isinstance(value, list):
            return [shout(one) for one in value]
        return value.upper() if isinstance(value, str) else value

    found = read(name, lambda method, /, **params: shout(recording().answer(method, **params)))
    assert found == recording().truth[name]


@pytest.mark.parametrize("name", sorted(READS))
def test_an_answer_nested_as_deep_as_json_goes_is_refused(name: str) -> None:
    deep: Json = []
    for _ in range(900):
        deep = [deep]
    for place in ("header", "certificate", "proof", "value", "events"):
        answer = recording().said[name] | {place: deep}
        try:
            found = read(name, lambda *_, a=answer, **__: a)
        except VerificationError:
            continue
        assert is_true(name, found)
        assert place not in recording().said[name] or name == "header 0"
