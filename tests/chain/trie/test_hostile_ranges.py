"""Range proofs from a stranger who leaves something out, adds, moves or renames something."""

import random
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.trie.nodes import DEPTH_MAX, inner_hash, leaf_hash
from chain.trie.proof import RANGE_ITEMS_MAX, Existence, ProofError, RangeProof
from chain.trie.shape import expand
from chain.trie.trie import Trie
from chain.trie.verify import verify_range
from contracts.kernel.codec import Value
from tests.chain.trie.test_proofs import each_byte_changed
from tests.chain.trie.test_ranges import ALL, Items, prove

Part = TypeVar("Part")


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


WRONG_QUESTIONS = {
    "an item before the start": ((b"\x00", b"\xff"), (1, None), "outside the range"),
    "an item behind the end": ((b"\x00", b"\xff"), (None, 5), "outside the range"),
    "an item shown as the leaf before": ((4.5, 9), (4, None), "not smaller"),
    "an item shown as the leaf behind": ((4, 9), (None, 12), "smaller than it"),
    "a leaf before that nothing needs": ((4.5, 9), (5, None), "nothing needs"),
}


@pytest.mark.parametrize(
    ("proven", "claimed", "reason"), WRONG_QUESTIONS.values(), ids=WRONG_QUESTIONS.keys()
)
def test_the_proof_of_one_range_is_not_one_of_another(
    proven: tuple[bytes | float, bytes | float],
    claimed: tuple[int | None, int | None],
    reason: str,
) -> None:
    """Bounds are given as bytes, or as the number of a key; 4.5 is just behind the fourth."""
    items, _ = example()
    trie, version = Trie.from_sorted(sorted(items.items()))
    keys = sorted(items)

    def bound(given: bytes | float) -> bytes:
        if isinstance(given, bytes):
            return given
        return keys[int(given)] + (b"" if given == int(given) else b"\0")

    start, end = bound(proven[0]), bound(proven[1])
    honest = trie.prove_range(version, start, end, 100, items.__getitem__)
    verify_range(version.root_hash, start, end, honest)
    start = start if claimed[0] is None else keys[claimed[0]]
    end = end if claimed[1] is None else keys[claimed[1]]
    with pytest.raises(ProofError, match=reason):
        verify_range(version.root_hash, start, end, replace(honest, start=start, end=end))


def test_a_cursor_at_the_end_of_the_range_cut_nothing_off() -> None:
    items, _ = example()
    trie, version = Trie.from_sorted(sorted(items.items()))
    key = sorted(items)[4]
    cut = trie.prove_range(version, key, b"\xff", 1, items.__getitem__)
    assert cut.cursor == key + b"\0"
    with pytest.raises(ProofError, match="nothing was cut off"):
        verify_range(version.root_hash, key, key + b"\0", replace(cut, end=key + b"\0"))


def test_leaves_out_of_order_are_refused_though_they_lead_to_the_root() -> None:
    def leaf(key: bytes) -> bytes:
        return leaf_hash(key, sha256(b"v").digest())

    root = inner_hash(leaf(b"b"), leaf(b"a"))
    proof = RangeProof(
        start=b"\x00",
        end=b"\xff",
        cursor=None,
        before=None,
        items=((b"b", b"v"), (b"a", b"v")),
        after=None,
        left_hashes=(),
        right_hashes=(),
        shape=b"\x80",
    )
    with pytest.raises(ProofError, match="do not ascend"):
        verify_range(root, b"\x00", b"\xff", proof)


def test_a_shape_deeper_than_any_key_is_refused() -> None:
    count = DEPTH_MAX + 2
    items = tuple((number.to_bytes(2), b"v") for number in range(count))
    # Each inner node has a leaf on its left: 1 0 1 0 … 0.
    shape = int("10" * (count - 1) + "0" + "0" * (-(2 * count - 1) % 8), 2)
    proof = RangeProof(
        start=b"\x00",
        end=b"\xff",
        cursor=None,
        before=None,
        items=items,
        after=None,
        left_hashes=(),
        right_hashes=(),
        shape=shape.to_bytes((2 * count + 6) // 8),
    )
    with pytest.raises(ProofError, match="deeper"):
        verify_range(bytes(32), b"\x00", b"\xff", proof)


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
