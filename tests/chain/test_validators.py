"""Validator sets: order, quorum, turns and the hash that headers carry."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.validators import VALIDATORS_MAX, Validator, ValidatorSet
from contracts.kernel import codec, sha256

VECTORS = Path(__file__).parents[2] / "vectors" / "messages"
GOLDEN = json.loads((VECTORS / "consensus.json").read_text(encoding="utf-8"))


def validator(number: int) -> Validator:
    return Validator(sha256(b"address %d" % number)[:20], sha256(b"key %d" % number))


def validator_set(size: int) -> ValidatorSet:
    return ValidatorSet.of(validator(number) for number in range(size))


@pytest.mark.parametrize(
    ("size", "faulty_max", "quorum"),
    [(1, 0, 1), (2, 0, 2), (3, 0, 3), (4, 1, 3), (5, 1, 4), (6, 1, 5), (7, 2, 5), (10, 3, 7),
     (64, 21, 43)],
)  # fmt: skip
def test_known_quorums(size: int, faulty_max: int, quorum: int) -> None:
    validators = validator_set(size)
    assert (validators.size, validators.faulty_max, validators.quorum) == (size, faulty_max, quorum)


@pytest.mark.parametrize("size", range(1, VALIDATORS_MAX + 1))
def test_two_quorums_share_an_honest_validator_and_the_honest_are_a_quorum(size: int) -> None:
    validators = validator_set(size)
    faulty, quorum = validators.faulty_max, validators.quorum
    assert 3 * faulty < size <= 3 * faulty + 3
    assert 3 * quorum > 2 * size >= 3 * (quorum - 1)
    assert 2 * quorum - size > faulty
    assert size - faulty >= quorum


@given(st.permutations(range(7)))
def test_the_order_is_that_of_the_addresses_however_they_came(order: list[int]) -> None:
    validators = ValidatorSet.of(validator(number) for number in order)
    addresses = [member.address for member in validators.members]
    assert addresses == sorted(addresses)
    assert validators == validator_set(7)
    assert validators.hash == validator_set(7).hash
    assert validators.index_of == {address: i for i, address in enumerate(addresses)}


def test_the_hash_is_of_addresses_and_keys_in_order() -> None:
    validators = validator_set(5)
    wire = codec.encode([[member.address, member.public_key] for member in validators.members])
    assert validators.hash == sha256(wire)
    assert validators.hash != validator_set(4).hash
    first, *rest = validators.members
    rotated = ValidatorSet((Validator(first.address, sha256(b"new key")), *rest))
    assert rotated.hash != validators.hash


def test_the_hash_of_a_known_set() -> None:
    members = tuple(
        Validator(bytes.fromhex(v["address"]), bytes.fromhex(v["public_key"]))
        for v in GOLDEN["validators"]
    )
    validators = ValidatorSet(members)
    assert sha256(bytes.fromhex(GOLDEN["validators_encoded"])) == validators.hash
    assert validators.hash.hex() == GOLDEN["validators_hash"]


@pytest.mark.parametrize("size", [1, 2, 4, 7])
def test_everybody_takes_a_turn(size: int) -> None:
    validators = validator_set(size)
    for height in (0, 1, 10**12):
        turns = [validators.proposer(height, round_) for round_ in range(size)]
        assert sorted(turns) == list(validators.members)
        assert validators.proposer(height, size) == turns[0]
        assert validators.proposer(height + 1, 0) == validators.proposer(height, 1)
    assert validators.proposer(0, 0) == validators.members[0]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ((), "0 validators are outside 1 … 64"),
        (tuple(map(validator, range(65))), "65 validators are outside 1 … 64"),
        (validator_set(3).members[::-1], "not strictly ascending by address"),
        ((validator(0), validator(0)), "not strictly ascending by address"),
        (
            (Validator(bytes(20), bytes(32)), Validator(bytes(20), b"k" * 32)),
            "not strictly ascending by address",
        ),
        (
            (Validator(bytes(20), bytes(32)), Validator(b"a" * 20, bytes(32))),
            "two validators share a consensus key",
        ),
    ],
    ids=["none", "too many", "descending", "twice", "same address", "same key"],
)
def test_a_set_that_cannot_be_is_refused(members: tuple[Validator, ...], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ValidatorSet(members)
