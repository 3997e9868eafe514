"""Proofs of single keys: each verifies, and nothing near one does."""

import random
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.trie import ics23
from chain.trie.nodes import TrieMisuseError
from chain.trie.proof import Absence, Existence, ProofError, Step, proof_from_wire
from chain.trie.trie import Trie
from chain.trie.verify import verify_absence, verify_existence
from contracts.kernel import codec
from contracts.kernel.codec import Value
from tests.chain.trie.forgery import forged_existence
from tests.chain.trie.reference import keys_strategy, maps_strategy

Proof = Existence | Absence
Items = dict[bytes, bytes]


def verify(root: bytes, key: bytes, value: bytes | None, proof: Proof) -> None:
    """Verify whichever proof it is; `value` is None for an absent key."""
    if isinstance(proof, Existence):
        if value is None:
            raise ProofError("the key exists")
        verify_existence(root, key, value, proof)
    else:
        if value is not None:
            raise ProofError("the key does not exist")
        verify_absence(root, key, proof)


def prove(items: Items, key: bytes) -> tuple[bytes, Proof]:
    trie, version = Trie.from_sorted(sorted(items.items()))
    return version.root_hash, trie.prove(version, key, items.__getitem__)


@given(maps_strategy.filter(bool), keys_strategy)
def test_every_proof_verifies_and_survives_its_wire_forms(items: Items, key: bytes) -> None:
    trie, version = Trie.from_sorted(sorted(items.items()))
    for asked in (key, key + b"\0", key[:1], *items):
        proof = trie.prove(version, asked, items.__getitem__)
        assert isinstance(proof, Existence) == (asked in items)
        verify(version.root_hash, asked, items.get(asked), proof)
        encoded = codec.encode(proof.to_wire())
        assert proof_from_wire(codec.decode(encoded, size_max=1 << 20)) == proof
        assert ics23.decode(ics23.encode(proof)) == proof


@given(maps_strategy.filter(bool), keys_strategy, keys_strategy)
def test_a_proof_is_of_one_key_one_value_and_one_root(
    items: Items, key: bytes, other: bytes
) -> None:
    root, proof = prove(items, key)
    value = items.get(key)
    if other != key:
        with pytest.raises(ProofError):
            verify(root, other, value, proof)
    with pytest.raises(ProofError):
        verify(root, key, b"another" if value != b"another" else b"value", proof)
    with pytest.raises(ProofError):
        verify(sha256(root).digest(), key, value, proof)
    with pytest.raises(ProofError):
        verify(root + b"\0", key, value, proof)
    with pytest.raises(ProofError):
        verify(b"", key, value, proof)


def example() -> tuple[Items, list[bytes]]:
    """Give a map, and keys to be proven: in it, in a gap, before the first, behind the last."""
    rng = random.Random(23)
    items = {b"\x03\x01" + rng.randbytes(6): rng.randbytes(5) for _ in range(40)}
    first, *_, middle, last = sorted(items)
    return items, [first, middle, last, middle + b"\0", b"\x00", b"\xff"]


@pytest.mark.parametrize("number", range(6))
def test_no_byte_of_a_proof_can_be_changed(number: int) -> None:
    items, keys = example()
    root, proof = prove(items, keys[number])
    value = items.get(keys[number])
    for changed in each_byte_changed(proof.to_wire()):
        with pytest.raises(ProofError):
            verify(root, keys[number], value, proof_from_wire(changed))
    encoded = ics23.encode(proof)
    for position in range(len(encoded)):
        for bit in (0x01, 0x80):
            mutated = bytearray(encoded)
            mutated[position] ^= bit
            with pytest.raises(ProofError):
                verify(root, keys[number], value, ics23.decode(bytes(mutated)))
    for cut in range(len(encoded)):
        with pytest.raises(ProofError):
            verify(root, keys[number], value, ics23.decode(encoded[:cut]))
    with pytest.raises(ProofError):
        ics23.decode(encoded + encoded)
    with pytest.raises(ProofError):
        ics23.decode(encoded + b"\0")


def each_byte_changed(wire: Value) -> Iterator[Value]:
    """Give a wire form once for every byte in it, with that byte changed."""
    if isinstance(wire, bytes):
        for position in range(len(wire)):
            yield wire[:position] + bytes([wire[position] ^ 0x10]) + wire[position + 1 :]
    elif isinstance(wire, list):
        for position, element in enumerate(wire):
            for changed in each_byte_changed(element):
                yield [*wire[:position], changed, *wire[position + 1 :]]


def with_other_steps(proof: Existence) -> Iterator[Existence]:
    """Give a proof with a step dropped, doubled, exchanged or taken from the other side."""
    path = proof.path
    for position, step in enumerate(path):
        before, behind = path[:position], path[position + 1 :]
        sibling = step.suffix or step.prefix[1:]
        yield replace(proof, path=(*before, *behind))
        yield replace(proof, path=(*before, step, step, *behind))
        turned = Step.from_right(sibling) if step.is_from_left else Step.from_left(sibling)
        yield replace(proof, path=(*before, turned, *behind))
        if behind:
            yield replace(proof, path=(*before, behind[0], step, *behind[1:]))
    yield replace(proof, path=(*path, Step.from_left(bytes(32))))
    yield replace(proof, path=(Step.from_right(bytes(32)), *path))
    yield replace(proof, path=())


@pytest.mark.parametrize("number", range(6))
def test_no_step_can_be_changed(number: int) -> None:
    items, keys = example()
    root, proof = prove(items, keys[number])
    value = items.get(keys[number])
    if isinstance(proof, Existence):
        mutants: list[Proof] = [*with_other_steps(proof)]
    else:
        mutants = []
        if proof.left is not None:
            mutants += [replace(proof, left=left) for left in with_other_steps(proof.left)]
        if proof.right is not None:
            mutants += [replace(proof, right=right) for right in with_other_steps(proof.right)]
    assert len(mutants) > 10
    for mutant in mutants:
        with pytest.raises(ProofError):
            verify(root, keys[number], value, mutant)


def test_an_absence_needs_adjacent_neighbours_and_the_outermost_at_the_ends() -> None:
    items, _ = example()
    trie, version = Trie.from_sorted(sorted(items.items()))
    keys = sorted(items)
    existences: list[Existence] = []
    for key in keys:
        proof = trie.prove(version, key, items.__getitem__)
        assert isinstance(proof, Existence)
        existences.append(proof)
    accepted: list[tuple[int | None, int | None]] = []
    numbers: list[int | None] = [None, *range(len(keys))]
    for left in numbers:
        for right in numbers:
            low = None if left is None else existences[left]
            high = None if right is None else existences[right]
            for asked in (b"\x00", keys[7] + b"\0", keys[20] + b"\0", b"\xff"):
                try:
                    verify_absence(version.root_hash, asked, Absence(asked, low, high))
                except ProofError:
                    continue
                accepted.append((left, right))
    assert accepted == [(None, 0), (7, 8), (20, 21), (len(keys) - 1, None)]


def test_neighbours_that_have_changed_sides_are_refused() -> None:
    """In a tree out of order, the smaller key may stand on the right."""
    a, b = (
        sha256(b"\x00\x01" + key + b"\x20" + sha256(b"v").digest()).digest() for key in (b"a", b"c")
    )
    root = sha256(b"\x01" + b + a).digest()
    smaller = Existence(b"a", b"v", (Step.from_right(b),))
    greater = Existence(b"c", b"v", (Step.from_left(a),))
    verify_existence(root, b"a", b"v", smaller)
    verify_existence(root, b"c", b"v", greater)
    with pytest.raises(ProofError, match="left and right"):
        verify_absence(root, b"b", Absence(b"b", smaller, greater))


def test_an_absence_of_an_existing_key_is_refused() -> None:
    items, _ = example()
    trie, version = Trie.from_sorted(sorted(items.items()))
    keys = sorted(items)
    before, at, after = (trie.prove(version, key, items.__getitem__) for key in keys[4:7])
    assert isinstance(before, Existence)
    assert isinstance(at, Existence)
    assert isinstance(after, Existence)
    for left, right in ((before, after), (before, at), (at, after), (after, before), (at, at)):
        with pytest.raises(ProofError):
            verify_absence(version.root_hash, keys[5], Absence(keys[5], left, right))


def test_a_single_leaf_is_proven_by_nothing_but_itself() -> None:
    items = {b"only": b"value"}
    root, proof = prove(items, b"only")
    assert proof == Existence(b"only", b"value", ())
    for asked in (b"a", b"z", b"onl", b"only\0"):
        root, absence = prove(items, asked)
        verify(root, asked, None, absence)
        assert isinstance(absence, Absence)
        assert (absence.left is None) == (asked < b"only")
        assert (absence.right is None) == (asked > b"only")


def test_the_forged_leaf_prefix_is_refused() -> None:
    forgery = forged_existence()
    # The honest proof of the other table's key is fine, and so is the hash of the forged one.
    verify_existence(forgery.root, forgery.honest.key, forgery.honest.value, forgery.honest)
    assert forgery.key != forgery.honest.key
    with pytest.raises(ProofError):
        ics23.decode(forgery.commitment_proof)
    # Nor can our own form say the same: the first step would have to be longer than a step is.
    claimed = Existence(forgery.key, forgery.honest.value, forgery.honest.path)
    with pytest.raises(ProofError):
        verify_existence(forgery.root, forgery.key, forgery.honest.value, claimed)


ODD_STEPS = {
    "a prefix of a leaf": Step(b"\x00", bytes(32)),
    "another prefix": Step(b"\x02", bytes(32)),
    "no prefix": Step(b"", bytes(32)),
    "both sides": Step(b"\x01" + bytes(32), bytes(32)),
    "neither side": Step(b"\x01", b""),
    "a short suffix": Step(b"\x01", bytes(31)),
    "a long suffix": Step(b"\x01", bytes(64)),
    "a short prefix": Step(b"\x01" + bytes(31), b""),
    "a long prefix": Step(b"\x01" + bytes(33), b""),
    "a prefix that begins otherwise": Step(b"\x00" + bytes(32), b""),
    "a hash cut in two": Step(b"\x01" + bytes(16), bytes(16)),
}


@pytest.mark.parametrize("step", ODD_STEPS.values(), ids=ODD_STEPS.keys())
def test_a_step_of_another_form_is_refused_before_it_is_hashed(step: Step) -> None:
    # Each of these even leads to the root that is asked for.
    key, value = b"key", b"value"
    leaf = sha256(b"\x00\x03key\x20" + sha256(value).digest()).digest()
    root = sha256(step.prefix + leaf + step.suffix).digest()
    proof = Existence(key, value, (step,))
    with pytest.raises(ProofError, match=r"step|prefix|suffix"):
        verify_existence(root, key, value, proof)
    with pytest.raises(ProofError):
        Existence.from_wire(proof.to_wire())
    with pytest.raises(ProofError):
        ics23.decode(ics23.encode(proof))


def test_more_steps_than_bits_in_the_key_are_refused() -> None:
    path = (Step.from_left(bytes(32)),) * 9
    with pytest.raises(ProofError, match="9 steps"):
        verify_existence(bytes(32), b"k", b"v", Existence(b"k", b"v", path))


def test_a_value_of_another_version_is_our_own_mistake() -> None:
    items = {b"a": b"1", b"b": b"2"}
    trie, version = Trie.from_sorted(items.items())
    newer = trie.apply(version, [(b"b", b"3")])
    with pytest.raises(TrieMisuseError):
        trie.prove(newer, b"b", items.__getitem__)
    with pytest.raises(TrieMisuseError):
        trie.prove(newer, b"c", items.__getitem__)
    with pytest.raises(TrieMisuseError):
        trie.prove_range(newer, b"a", b"c", 10, items.__getitem__)


def test_nothing_is_proven_of_an_empty_trie() -> None:
    trie, version = Trie.empty()
    with pytest.raises(TrieMisuseError):
        trie.prove(version, b"key", dict[bytes, bytes]().__getitem__)
    with pytest.raises(ProofError):
        verify_absence(version.root_hash, b"key", Absence(b"key", None, None))


WRONG_TYPES: list[object] = [
    None,
    0,
    True,
    1.0,
    "text",
    b"bytes",
    [],
    [1],
    [1, 0],
    {1: 2},
    (1, 0, b"k", b"v", []),
    bytearray(b"k"),
]


@given(st.data())
def test_a_wire_form_with_a_wrong_type_anywhere_is_refused(data: st.DataObject) -> None:
    items, keys = example()
    _, proof = prove(items, data.draw(st.sampled_from(keys)))
    wire = proof.to_wire()
    wrong = data.draw(st.sampled_from(WRONG_TYPES))
    spoiled = _with_one_replaced(wire, wrong, data)
    try:
        read = proof_from_wire(spoiled)
    except ProofError:
        return
    # Some of them may stand in some places; then what was read is a proof all the same.
    assert read.to_wire() == spoiled


def _with_one_replaced(wire: Value, wrong: object, data: st.DataObject) -> Value:
    """Replace one element, at any depth, by something else."""
    if not isinstance(wire, list) or (wire and data.draw(st.integers(0, 9)) == 0) or not wire:
        return wrong  # type: ignore[return-value]  # what a stranger sends has any type
    position = data.draw(st.integers(0, len(wire) - 1))
    changed = _with_one_replaced(wire[position], wrong, data)
    return [*wire[:position], changed, *wire[position + 1 :]]


MALFORMED: dict[str, Value] = {
    "another version": [2, 0, b"k", b"v", []],
    "another kind": [1, 3, b"k", b"v", []],
    "true for a version": [True, 0, b"k", b"v", []],
    "false for a kind": [1, False, b"k", b"v", []],
    "true for a kind": [1, True, b"k", None, [1, 0, b"l", b"v", []]],
    "too few elements": [1, 0, b"k", b"v"],
    "too many elements": [1, 0, b"k", b"v", [], []],
    "an empty key": [1, 0, b"", b"v", []],
    "an empty value": [1, 0, b"k", b"", []],
    "a long key": [1, 0, bytes(256), b"v", []],
    "a long value": [1, 0, b"k", bytes((1 << 20) + 1), []],
    "a long path": [1, 0, bytes(255), b"v", [[b"\x01", bytes(32)]] * 2041],
    "a step of three": [1, 0, b"k", b"v", [[b"\x01", bytes(32), b""]]],
    "no neighbour": [1, 1, b"k", None, None],
    "a long absent key": [1, 1, bytes(257), [1, 0, b"\0", b"v", []], None],
    "an absence for a neighbour": [1, 1, b"k", [1, 1, b"j", None, [1, 0, b"l", b"v", []]], None],
}


@pytest.mark.parametrize("wire", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_wire_form_is_refused(wire: Value) -> None:
    with pytest.raises(ProofError):
        proof_from_wire(wire)
