"""Range proofs: complete, exactly one for each question, and expandable to single proofs."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.trie.nodes import TrieMisuseError, inner_hash
from chain.trie.proof import RANGE_ITEMS_MAX, Absence, Existence, ProofError, RangeProof
from chain.trie.shape import expand
from chain.trie.trie import Trie
from chain.trie.verify import verify_absence, verify_existence, verify_range
from contracts.kernel import codec
from contracts.kernel.codec import Value
from tests.chain.trie.reference import keys_strategy, maps_strategy
from tests.chain.trie.test_proofs import each_byte_changed

Items = dict[bytes, bytes]
Part = TypeVar("Part")

ALL = (b"\x00", b"\xff" * 256)


def within(items: Items, start: bytes, end: bytes) -> list[tuple[bytes, bytes]]:
    return [(key, items[key]) for key in sorted(items) if start <= key < end]


def prove(items: Items, start: bytes, end: bytes, limit: int) -> tuple[bytes, RangeProof]:
    trie, version = Trie.from_sorted(sorted(items.items()))
    return version.root_hash, trie.prove_range(version, start, end, limit, items.__getitem__)


bounds_strategy = (
    st.tuples(*[keys_strategy | st.binary(min_size=1, max_size=4)] * 2)
    .filter(lambda keys: keys[0] != keys[1])
    .map(lambda keys: (min(keys), max(keys)))
)


@given(maps_strategy.filter(bool), bounds_strategy, st.integers(1, 12))
def test_every_range_proof_gives_exactly_the_items(
    items: Items, bounds: tuple[bytes, bytes], limit: int
) -> None:
    start, end = bounds
    root, proof = prove(items, start, end, limit)
    encoded = codec.encode(proof.to_wire())
    assert RangeProof.from_wire(codec.decode(encoded, size_max=1 << 20)) == proof
    expected = within(items, start, end)
    shown = verify_range(root, start, end, proof)
    assert list(shown) == expected[:limit]
    if len(expected) > limit:
        assert proof.cursor == expected[limit - 1][0] + b"\0"
    else:
        assert proof.cursor is None


@given(maps_strategy.filter(bool), bounds_strategy, st.integers(1, 5))
def test_following_the_cursor_gives_the_whole_range(
    items: Items, bounds: tuple[bytes, bytes], limit: int
) -> None:
    trie, version = Trie.from_sorted(sorted(items.items()))
    start, end = bounds
    found: list[tuple[bytes, bytes]] = []
    cursor: bytes | None = start
    while cursor is not None:
        proof = trie.prove_range(version, cursor, end, limit, items.__getitem__)
        found += verify_range(version.root_hash, cursor, end, proof)
        cursor = proof.cursor
    assert found == within(items, start, end)


@given(maps_strategy.filter(bool), bounds_strategy, st.integers(1, 12))
def test_a_range_proof_expands_to_proofs_of_every_item_and_every_gap(
    items: Items, bounds: tuple[bytes, bytes], limit: int
) -> None:
    start, end = bounds
    root, proof = prove(items, start, end, limit)
    singles = expand(proof)
    existences = [single for single in singles if isinstance(single, Existence)]
    absences = [single for single in singles if isinstance(single, Absence)]
    assert [(single.key, single.value) for single in existences] == list(proof.items)
    for existence in existences:
        verify_existence(root, existence.key, items[existence.key], existence)
    for absence in absences:
        verify_absence(root, absence.key, absence)
    # They leave nothing open: each gap is asked for at its very beginning.
    keys = [key for key, _ in proof.items]
    gaps = [start] if not keys or keys[0] != start else []
    gaps += [key + b"\0" for key in (keys if proof.cursor is None else keys[:-1])]
    assert [absence.key for absence in absences] == gaps
    assert [single.key for single in singles] == sorted(single.key for single in singles)


def test_a_range_proof_is_much_smaller_than_its_expansion() -> None:
    items = {b"\x03\x01" + number.to_bytes(8): b"v" * 30 for number in range(4000)}
    _, proof = prove(
        items, b"\x03\x01" + (1000).to_bytes(8), b"\x03\x01" + (2000).to_bytes(8), 9999
    )
    assert len(proof.items) == 1000
    assert len(proof.left_hashes) + len(proof.right_hashes) <= 2 * 12
    assert len(proof.shape) <= 260


def example() -> tuple[Items, list[tuple[bytes, bytes, int]]]:
    """Give a map and questions of every kind: whole, inner, empty, at the ends, cut off."""
    rng = random.Random(41)
    items = {b"\x03\x01" + rng.randbytes(5): rng.randbytes(4) for _ in range(30)}
    keys = sorted(items)
    return items, [
        (*ALL, 100),
        (keys[4], keys[9], 100),
        (keys[4] + b"\0", keys[9] + b"\0", 100),
        (keys[4] + b"\0", keys[5], 100),
        (b"\x00", keys[3], 100),
        (b"\x00", keys[0], 100),
        (keys[-3], b"\xff", 100),
        (b"\xf0", b"\xff", 100),
        (keys[4], keys[20], 3),
        (keys[4] + b"\0", b"\xff", 3),
        (b"\x00", b"\xff", 1),
        (keys[-2], b"\xff", 1),
    ]


QUESTIONS = range(12)


def refused(root: bytes, start: bytes, end: bytes, wire: Value) -> bool:
    """Say whether a range proof is refused, when read or when verified."""
    try:
        verify_range(root, start, end, RangeProof.from_wire(wire))
    except ProofError:
        return True
    return False


@pytest.mark.parametrize("number", QUESTIONS)
def test_no_byte_of_a_range_proof_can_be_changed(number: int) -> None:
    items, questions = example()
    start, end, limit = questions[number]
    root, proof = prove(items, start, end, limit)
    assert not refused(root, start, end, proof.to_wire())
    for changed in each_byte_changed(proof.to_wire()):
        assert refused(root, start, end, changed)
    for position in range(len(proof.shape)):
        for bit in range(8):
            shape = bytearray(proof.shape)
            shape[position] ^= 1 << bit
            assert refused(root, start, end, replace(proof, shape=bytes(shape)).to_wire())
    assert refused(bytes(32), start, end, proof.to_wire())
    assert refused(root, start, end + b"\0", proof.to_wire())
    assert refused(root, start + b"\0", end, proof.to_wire())


def spoilt(parts: tuple[Part, ...], new: Part) -> Iterator[tuple[Part, ...]]:
    """Give a tuple with a part dropped, doubled, moved or added."""
    for position, part in enumerate(parts):
        before, behind = parts[:position], parts[position + 1 :]
        yield (*before, *behind)
        yield (*before, part, part, *behind)
        if behind:
            yield (*before, behind[0], part, *behind[1:])
    yield (*parts, new)
    yield (new, *parts)


@pytest.mark.parametrize("number", QUESTIONS)
def test_no_part_of_a_range_proof_can_be_dropped_added_or_moved(number: int) -> None:
    items, questions = example()
    start, end, limit = questions[number]
    root, proof = prove(items, start, end, limit)
    new_item, new_hash = (b"\x03\x01new", b"v"), bytes(32)
    mutants = [replace(proof, items=shown) for shown in spoilt(proof.items, new_item)]
    mutants += [replace(proof, left_hashes=left) for left in spoilt(proof.left_hashes, new_hash)]
    mutants += [replace(proof, right_hashes=hs) for hs in spoilt(proof.right_hashes, new_hash)]
    if proof.before is not None:
        mutants.append(replace(proof, before=None))
    else:
        mutants.append(replace(proof, before=(b"\x00", b"v")))
    if proof.after is not None:
        mutants.append(replace(proof, after=None))
    else:
        mutants.append(replace(proof, after=(b"\xff\xff", b"v")))
    if proof.cursor is not None:
        mutants.append(replace(proof, cursor=None))
        mutants.append(replace(proof, cursor=proof.cursor + b"\0"))
    elif proof.items:
        mutants.append(replace(proof, cursor=proof.items[-1][0] + b"\0"))
    mutants.append(replace(proof, shape=proof.shape + b"\0"))
    mutants.append(replace(proof, shape=proof.shape[:-1]))
    for mutant in mutants:
        assert refused(root, start, end, mutant.to_wire()), mutant


def test_an_item_cannot_be_hidden_in_a_hash() -> None:
    """A run with a leaf turned into its bare hash is a tree with the same root."""
    items = {bytes([number]): b"v" for number in range(0, 256, 16)}
    trie, version = Trie.from_sorted(sorted(items.items()))
    keys = sorted(items)
    honest = trie.prove_range(version, *ALL, 100, items.__getitem__)
    # The last item, hidden: its leaf becomes a right hash, and no shape bit changes.
    last = trie.prove_range(version, keys[-2] + b"\0", b"\xff", 1, items.__getitem__)
    tail = expand(last)[1]
    assert isinstance(tail, Existence)
    from_left = expand(trie.prove_range(version, keys[-2], keys[-1], 1, items.__getitem__))[0]
    assert isinstance(from_left, Existence)
    assert from_left.path[0].is_from_left
    hidden_hash = from_left.path[0].suffix
    hidden = replace(honest, items=honest.items[:-1], right_hashes=(hidden_hash,))
    assert refused(version.root_hash, *ALL, hidden.to_wire())
    # With the cursor that says so, it is the honest answer to a smaller limit.
    said = replace(hidden, cursor=keys[-2] + b"\0")
    assert not refused(version.root_hash, *ALL, said.to_wire())
    assert said == trie.prove_range(version, *ALL, len(keys) - 1, items.__getitem__)


def test_no_item_can_be_left_out_before_the_first_shown() -> None:
    """Asked from a key on, what is left of it is but hashes; asked from further left, it is not."""
    items, _ = example()
    trie, version = Trie.from_sorted(sorted(items.items()))
    keys = sorted(items)
    honest = trie.prove_range(version, keys[2], b"\xff", 100, items.__getitem__)
    assert honest.before is None
    assert honest.left_hashes
    for start in (b"\x00", keys[0], keys[1], keys[1] + b"\0"):
        with pytest.raises(ProofError, match="before the first item are not shown"):
            verify_range(version.root_hash, start, b"\xff", replace(honest, start=start))


def test_an_outer_subtree_has_one_hash_and_not_two() -> None:
    """Two hashes below one node are that node's hash: one proof a question, not many."""
    items = {bytes([number]): b"v" for number in range(0, 256, 32)}
    trie, version = Trie.from_sorted(sorted(items.items()))
    honest = trie.prove_range(version, b"\xe0", b"\xff", 10, items.__getitem__)
    assert honest.before is None
    assert [len(honest.left_hashes), honest.shape.hex()] == [3, f"{0b1010100_0:02x}"]
    # The hash of the left half, which is the first one, opened into the two it is made of.
    first_two = trie.prove_range(version, *ALL, 2, items.__getitem__)
    next_two = trie.prove_range(version, b"\x40", b"\xff", 2, items.__getitem__)
    opened = (next_two.left_hashes[0], first_two.right_hashes[0])
    assert inner_hash(*opened) == honest.left_hashes[0]
    doubled = replace(
        honest, left_hashes=(*opened, *honest.left_hashes[1:]), shape=bytes([0b1100_1010, 0])
    )
    with pytest.raises(ProofError, match="side by side"):
        verify_range(version.root_hash, b"\xe0", b"\xff", doubled)


def test_questions_that_make_no_sense_are_refused() -> None:
    items = {b"a": b"1", b"b": b"2"}
    trie, version = Trie.from_sorted(items.items())
    for start, end, limit in (
        (b"b", b"a", 1),
        (b"a", b"a", 1),
        (b"", b"a", 1),
        (b"a", b"", 1),
        (b"a", bytes([255]) * 257, 1),
        (b"a", b"b", 0),
        (b"a", b"b", -1),
        (b"a", b"b", RANGE_ITEMS_MAX + 1),
    ):
        with pytest.raises(TrieMisuseError):
            trie.prove_range(version, start, end, limit, items.__getitem__)
    proof = trie.prove_range(version, b"a", b"b", 1, items.__getitem__)
    backwards = replace(proof, start=b"b", end=b"a")
    with pytest.raises(ProofError):
        verify_range(version.root_hash, b"b", b"a", backwards)


def test_limits_are_checked_before_anything_is_hashed() -> None:
    _, proof = prove({b"a": b"1", b"b": b"2"}, b"a", b"b", 1)
    item = (b"k", b"v")
    too_much = [
        replace(proof, items=(item,) * (RANGE_ITEMS_MAX + 1)),
        replace(proof, left_hashes=(bytes(32),) * 2041),
        replace(proof, right_hashes=(bytes(32),) * 2041),
        replace(proof, right_hashes=(bytes(31),)),
        replace(proof, items=((bytes(256), b"v"),)),
        replace(proof, items=((b"k", b""),)),
        replace(proof, start=bytes(257)),
        replace(proof, end=b""),
        replace(proof, shape=b""),
        replace(proof, shape=bytes(10**5)),
        replace(proof, cursor=bytes(257)),
    ]
    for mutant in too_much:
        with pytest.raises(ProofError):
            mutant.check()
        with pytest.raises(ProofError):
            RangeProof.from_wire(mutant.to_wire())


MALFORMED = {
    "nothing": None,
    "another kind": 0,
    "a short list": [1, 2, b"a"],
}


@pytest.mark.parametrize("wire", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_wire_form_is_refused(wire: Value) -> None:
    with pytest.raises(ProofError):
        RangeProof.from_wire(wire)


@given(st.data())
def test_a_wire_form_with_a_wrong_type_anywhere_is_refused(data: st.DataObject) -> None:
    items, questions = example()
    _, proof = prove(items, *data.draw(st.sampled_from(questions)))
    wire = proof.to_wire()
    assert isinstance(wire, list)
    position = data.draw(st.integers(0, len(wire) - 1))
    wrong: list[object] = [True, 1.5, "text", 7, [None], [[b"k"]], [[b"k", 1]], {}, (b"k", b"v")]
    spoiled: list[object] = list(wire)
    spoiled[position] = data.draw(st.sampled_from(wrong))
    with pytest.raises(ProofError):
        RangeProof.from_wire(spoiled)  # type: ignore[arg-type]  # a stranger sends any type
