"""Keys chosen by an enemy: the deepest tries there are, with little room on the stack."""

import random
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256

import pytest

from chain.trie import ics23
from chain.trie.nodes import DEPTH_MAX, KEY_BYTES_MAX
from chain.trie.proof import Absence, Existence, RangeProof
from chain.trie.shape import expand
from chain.trie.trie import Trie
from chain.trie.verify import verify_absence, verify_existence, verify_range
from tests.chain.trie.reference import Writes, applied, sorted_writes

Comb = Callable[[], dict[bytes, bytes]]


@pytest.fixture
def little_stack() -> Iterator[None]:
    """Leave room for about 100 calls above the test's own."""
    depth = 0
    frame = sys._getframe()  # noqa: SLF001
    while frame.f_back is not None:
        frame = frame.f_back
        depth += 1
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 100)
    yield
    sys.setrecursionlimit(limit)


def right_comb() -> dict[bytes, bytes]:
    """Give keys of which each shares one more bit than the last with 255 bytes of 00."""
    zero = bytes(KEY_BYTES_MAX)
    keys = [zero]
    for bit in range(DEPTH_MAX):
        key = bytearray(zero)
        key[bit >> 3] |= 0x80 >> (bit & 7)
        keys.append(bytes(key))
    return {key: sha256(key).digest() for key in keys}


def left_comb() -> dict[bytes, bytes]:
    """Give the same, turned around."""
    return {bytes(255 - byte for byte in key): value for key, value in right_comb().items()}


@pytest.mark.parametrize("comb", [right_comb, left_comb])
@pytest.mark.usefixtures("little_stack")
def test_the_deepest_trie_is_built_and_changed(comb: Comb) -> None:
    items = comb()
    trie, base = Trie.from_sorted(sorted(items.items()))
    assert base.count == DEPTH_MAX + 1
    rng = random.Random(2040)
    keys = sorted(items)
    version = base
    for size in (1, 2, 30, len(keys)):
        writes: Writes = dict.fromkeys(rng.sample(keys, size), b"new")
        writes |= dict.fromkeys(rng.sample(keys, size // 2))
        version = trie.apply(version, sorted_writes(writes))
        items = applied(items, writes)
        _, rebuilt = Trie.from_sorted(sorted(items.items()))
        assert version.root_hash == rebuilt.root_hash
        assert version.count == len(items)
    # From nothing, as one batch.
    empty_trie, empty = Trie.empty()
    again = empty_trie.apply(empty, sorted(comb().items()))
    assert again.root_hash == base.root_hash


@pytest.mark.parametrize("comb", [right_comb, left_comb])
@pytest.mark.usefixtures("little_stack")
def test_the_deepest_proofs_verify(comb: Comb) -> None:
    items = comb()
    trie, version = Trie.from_sorted(sorted(items.items()))
    keys = sorted(items)
    for key in (keys[0], keys[1], keys[DEPTH_MAX >> 1], keys[-2], keys[-1]):
        proof = trie.prove(version, key, items.__getitem__)
        assert isinstance(proof, Existence)
        verify_existence(version.root_hash, key, items[key], proof)
        assert ics23.decode(ics23.encode(proof)) == proof
        asked = key + b"\0"
        absence = trie.prove(version, asked, items.__getitem__)
        assert isinstance(absence, Absence)
        verify_absence(version.root_hash, asked, absence)
        assert ics23.decode(ics23.encode(absence)) == absence
    longest = max(
        len(proof.path)
        for key in (keys[0], keys[-1])
        if isinstance(proof := trie.prove(version, key, items.__getitem__), Existence)
    )
    assert longest == DEPTH_MAX


@pytest.mark.parametrize("comb", [right_comb, left_comb])
@pytest.mark.usefixtures("little_stack")
def test_the_deepest_range_verifies(comb: Comb) -> None:
    items = comb()
    trie, version = Trie.from_sorted(sorted(items.items()))
    keys = sorted(items)
    for start, end in ((b"\0", b"\xff" * 256), (keys[1], keys[3]), (keys[1000], keys[1002])):
        proof = trie.prove_range(version, start, end, len(items), items.__getitem__)
        assert RangeProof.from_wire(proof.to_wire()) == proof
        shown = verify_range(version.root_hash, start, end, proof)
        assert shown == tuple((key, items[key]) for key in keys if start <= key < end)
    few = trie.prove_range(version, keys[1], keys[3], 10, items.__getitem__)
    for single in expand(few):
        if isinstance(single, Existence):
            verify_existence(version.root_hash, single.key, items[single.key], single)
        else:
            verify_absence(version.root_hash, single.key, single)
