"""Range proofs: complete, exactly one for each question, and expandable to single proofs."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.trie.nodes import TrieMisuseError
from chain.trie.proof import RANGE_ITEMS_MAX, Absence, Existence, ProofError, RangeProof
from chain.trie.shape import expand
from chain.trie.trie import Trie
from chain.trie.verify import verify_absence, verify_existence, verify_range
from contracts.kernel import codec
from tests.chain.trie.reference import keys_strategy, maps_strategy

Items = dict[bytes, bytes]

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
