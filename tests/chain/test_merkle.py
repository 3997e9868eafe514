"""List roots: RFC 9162 as published and as defined, and proofs that cannot be bent."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.merkle import (
    EMPTY_ROOT,
    LEAVES_MAX,
    InclusionProof,
    inner_hash,
    leaf_hash,
    merkle_root,
    prove,
    verify_inclusion,
)
from contracts.kernel import BadValueError

VECTORS = Path(__file__).parents[2] / "vectors" / "merkle"
lists = st.lists(st.binary(max_size=3), min_size=1, max_size=40)

CT = json.loads((VECTORS / "certificate_transparency.json").read_text(encoding="utf-8"))
CT_LEAVES = [bytes.fromhex(leaf) for leaf in CT["leaves"]]
OWN = json.loads((VECTORS / "lists.json").read_text(encoding="utf-8"))


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def split(size: int) -> int:
    """Return the largest power of two smaller than the size."""
    return 1 << (size - 1).bit_length() - 1


def defined_root(leaves: list[bytes]) -> bytes:
    """Hash a list as RFC 9162 §2.1.1 defines it."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0])
    k = split(len(leaves))
    return sha256(b"\x01" + defined_root(leaves[:k]) + defined_root(leaves[k:]))


def defined_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """Return the path as RFC 9162 §2.1.3.1 defines it."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*defined_path(index, leaves[:k]), defined_root(leaves[k:])]
    return [*defined_path(index - k, leaves[k:]), defined_root(leaves[:k])]


# ── Roots ──


@pytest.mark.parametrize("size", range(1, 9))
def test_the_published_roots(size: int) -> None:
    assert merkle_root(CT_LEAVES[:size]).hex() == CT["roots"][size - 1]


def test_the_empty_list_has_the_hash_of_nothing() -> None:
    assert merkle_root([]) == EMPTY_ROOT == sha256(b"")
    assert EMPTY_ROOT.hex() == CT["empty_root"]


@given(st.lists(st.binary(max_size=3), max_size=70))
def test_roots_are_as_defined(leaves: list[bytes]) -> None:
    assert merkle_root(leaves) == defined_root(leaves)
    assert merkle_root(iter(leaves)) == merkle_root(tuple(leaves))


@pytest.mark.parametrize("row", OWN["lists"], ids=lambda row: str(row["size"]))
def test_the_roots_of_known_lists(row: dict[str, Any]) -> None:
    leaves = [i.to_bytes(4, "big") for i in range(row["size"])]
    assert merkle_root(leaves).hex() == row["root"]


def test_leaves_and_nodes_are_kept_apart() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert left == sha256(b"\x00a")
    assert inner_hash(left, right) == sha256(b"\x01" + left + right)
    assert merkle_root([b"a", b"b"]) == inner_hash(left, right)
    assert merkle_root([left + right]) != inner_hash(left, right)
    assert merkle_root([b"\x01" + left + right]) != inner_hash(left, right)


@given(lists, st.data())
def test_a_root_changes_with_any_leaf_and_with_the_order(
    leaves: list[bytes], data: st.DataObject
) -> None:
    root = merkle_root(leaves)
    position = data.draw(st.integers(0, len(leaves) - 1))
    changed = [*leaves[:position], leaves[position] + b"x", *leaves[position + 1 :]]
    assert merkle_root(changed) != root
    assert merkle_root(leaves[:-1]) != root
    assert merkle_root([*leaves, b""]) != root
    if leaves[::-1] != leaves:
        assert merkle_root(leaves[::-1]) != root


# ── Proofs ──


@pytest.mark.parametrize("row", CT["paths"], ids=lambda row: f"{row['index']}of{row['size']}")
def test_the_published_paths(row: dict[str, Any]) -> None:
    leaves = CT_LEAVES[: row["size"]]
    path = [bytes.fromhex(node) for node in row["path"]]
    assert list(prove(leaves, row["index"])) == path
    root = bytes.fromhex(CT["roots"][row["size"] - 1])
    assert verify_inclusion(root, row["size"], row["index"], leaves[row["index"]], path)


@pytest.mark.parametrize("size", range(1, 35))
def test_every_leaf_is_proven_at_its_place_and_at_no_other(size: int) -> None:
    leaves = [bytes((i,)) for i in range(size)]
    root = merkle_root(leaves)
    for index in range(size):
        path = prove(leaves, index)
        assert list(path) == defined_path(index, leaves)
        places = [
            i for i in range(-1, size + 2) if verify_inclusion(root, size, i, leaves[index], path)
        ]
        assert places == [index]
        found = [leaf for leaf in leaves if verify_inclusion(root, size, index, leaf, path)]
        assert found == [leaves[index]]


@given(lists, st.data())
def test_a_changed_proof_is_refused(leaves: list[bytes], data: st.DataObject) -> None:
    size = len(leaves)
    index = data.draw(st.integers(0, size - 1))
    leaf, root, path = leaves[index], merkle_root(leaves), prove(leaves, index)
    assert verify_inclusion(root, size, index, leaf, path)
    assert not verify_inclusion(flip(root, data), size, index, leaf, path)
    assert not verify_inclusion(root[:-1], size, index, leaf, path)
    assert not verify_inclusion(root, size, index, leaf + b"\x00", path)
    assert not verify_inclusion(root, size, index, leaf, (*path, bytes(32)))
    assert not verify_inclusion(root, size, index, leaf, (bytes(32), *path))
    for position, node in enumerate(path):
        without = (*path[:position], *path[position + 1 :])
        assert not verify_inclusion(root, size, index, leaf, without)
        changed = (*path[:position], flip(node, data), *path[position + 1 :])
        assert not verify_inclusion(root, size, index, leaf, changed)
    if path:
        longer = (*path[:-1], path[-1] + b"\x00")
        assert not verify_inclusion(root, size, index, leaf, longer)
        assert not verify_inclusion(root, size, index, leaf, (*path[:-1], path[-1][:-1]))


def flip(node: bytes, data: st.DataObject) -> bytes:
    position, mask = data.draw(st.integers(0, len(node) - 1)), data.draw(st.integers(1, 255))
    return node[:position] + bytes((node[position] ^ mask,)) + node[position + 1 :]


@pytest.mark.parametrize(
    ("size", "index"), [(0, 0), (-1, 0), (1, -1), (1, 1), (LEAVES_MAX + 1, 0), (2**70, 2**69)]
)
def test_a_place_that_no_list_has_is_refused(size: int, index: int) -> None:
    root = merkle_root([b"a"])
    assert verify_inclusion(root, 1, 0, b"a", ())
    assert not verify_inclusion(root, size, index, b"a", ())


@pytest.mark.parametrize("size", range(1, 10))
def test_a_path_is_as_long_as_the_claimed_place_calls_for(size: int) -> None:
    leaves = [bytes((i,)) for i in range(size)]
    root = merkle_root(leaves)
    for index in range(size):
        path = prove(leaves, index)
        for claimed_size in range(1, 20):
            for claimed in range(claimed_size):
                if verify_inclusion(root, claimed_size, claimed, leaves[index], path):
                    assert len(path) == len(defined_path(claimed, [b""] * claimed_size))


def test_the_largest_list_there_can_be() -> None:
    path = tuple(bytes((i,)) * 32 for i in range(32))
    node = leaf_hash(b"last")
    for sibling in path:
        node = inner_hash(sibling, node)
    assert verify_inclusion(node, LEAVES_MAX, LEAVES_MAX - 1, b"last", path)
    # One leaf more would stand alone beside a full tree.
    above = inner_hash(node, leaf_hash(b"more"))
    assert not verify_inclusion(above, LEAVES_MAX + 1, LEAVES_MAX, b"more", (node,))


def test_an_inner_node_is_no_leaf() -> None:
    leaves = [b"a", b"b", b"c", b"d"]
    root, pair = merkle_root(leaves), leaf_hash(b"a") + leaf_hash(b"b")
    path = prove(leaves, 0)[1:]
    for disguised in (pair, b"\x01" + pair, inner_hash(leaf_hash(b"a"), leaf_hash(b"b"))):
        assert not verify_inclusion(root, 2, 0, disguised, path)


def test_the_place_is_proven_only_for_a_trusted_size() -> None:
    # The docstring's warning: c is the third of three, yet passes as the second of two.
    leaves = [b"a", b"b", b"c"]
    path = prove(leaves, 2)
    assert verify_inclusion(merkle_root(leaves), 3, 2, b"c", path)
    assert verify_inclusion(merkle_root(leaves), 2, 1, b"c", path)
    assert not verify_inclusion(merkle_root(leaves), 3, 1, b"c", path)


@pytest.mark.parametrize("index", [-1, 3])
def test_there_is_no_proof_of_a_leaf_outside_the_list(index: int) -> None:
    with pytest.raises(AssertionError, match=f"leaf {index} of 3"):
        prove([b"a", b"b", b"c"], index)


# ── Proofs on the wire ──


@given(lists, st.data())
def test_a_proof_travels(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = InclusionProof.of(leaves, index)
    encoded = proof.encode()
    read = InclusionProof.decode(encoded, size_max=len(encoded))
    assert read == proof
    assert read.verify(merkle_root(leaves), leaves[index])
    assert not read.verify(merkle_root(leaves), leaves[index] + b"x")


@pytest.mark.parametrize(
    ("wire", "line"),
    [
        ([1, 0, 0, []], "size: 0 is outside 1"),
        ([1, 2**32 + 1, 0, []], "size: 4294967297 is outside 1"),
        ([1, 1, -1, []], "index: -1 is outside 0"),
        ([1, 1, 2**32, []], "index: 4294967296 is outside 0"),
        ([1, 1, 0, [bytes(31)]], "path[0]: 31 bytes are outside 32 … 32"),
        ([1, 2**32, 0, [bytes(32)] * 33], "path: 33 items are outside 0 … 32"),
        ([2, 1, 0, []], "version 2 instead of 1"),
    ],
)
def test_a_proof_is_bounded(wire: list[Any], line: str) -> None:
    with pytest.raises(BadValueError) as fault:
        InclusionProof.from_wire(wire)
    assert str(fault.value).startswith(line)
