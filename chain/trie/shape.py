"""The tree that a range proof describes: its shape read, its hashes computed, its proofs expanded.

A tree of m leaves and boundary hashes has 2m − 1 nodes. In preorder an inner node comes before what
is below it, so hashes are computed from the last node to the first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Final

from chain.trie.nodes import DEPTH_MAX, inner_hash, leaf_hash
from chain.trie.proof import Absence, Existence, ProofError, RangeProof, Step

_NO_NODE: Final = -1
_BYTE_BITS: Final = 8


@dataclass(frozen=True, slots=True)
class RunTree:
    """A range proof's tree; nodes are numbered in preorder.

    `parents`, `lefts` and `rights` have -1 where there is none; `ends` are the nodes without sides,
    in order: left hashes, leaves, right hashes.
    """

    parents: list[int]
    lefts: list[int]
    rights: list[int]
    ends: list[int]


def read_shape(proof: RangeProof) -> RunTree:
    """Read the shape of a checked proof; raises `ProofError` unless it is the one there can be."""
    boundary_left, boundary_right = len(proof.left_hashes), len(proof.right_hashes)
    ends_expected = boundary_left + len(proof.leaves) + boundary_right
    nodes = 2 * ends_expected - 1
    shape = proof.shape
    spare_bits = 8 * len(shape) - nodes
    if not 0 <= spare_bits < _BYTE_BITS or shape[-1] & ((1 << spare_bits) - 1):
        raise ProofError(
            f"the shape of {ends_expected} leaves and hashes must have {nodes} bits, the rest 0"
        )
    parents, depths = [_NO_NODE] * nodes, [0] * nodes
    lefts, rights = [_NO_NODE] * nodes, [_NO_NODE] * nodes
    ends: list[int] = []
    # Inner nodes with a side still to come.
    waiting: list[int] = []
    for node in range(nodes):
        if node:
            if not waiting:
                raise ProofError("the shape ends before its bits do")
            parent = waiting[-1]
            parents[node] = parent
            depths[node] = depths[parent] + 1
            if lefts[parent] == _NO_NODE:
                lefts[parent] = node
            else:
                rights[parent] = node
                waiting.pop()
        if shape[node >> 3] & (0x80 >> (node & 7)):
            if depths[node] >= DEPTH_MAX:
                raise ProofError(f"the shape is deeper than {DEPTH_MAX}")
            waiting.append(node)
        else:
            ends.append(node)
    if waiting:
        raise ProofError("the bits end before the shape does")
    tree = RunTree(parents, lefts, rights, ends)
    _check_boundary(tree, boundary_left, ends_expected - boundary_right)
    return tree


def _check_boundary(tree: RunTree, first_leaf: int, behind_last_leaf: int) -> None:
    """Refuse two hashes side by side, which one hash of their parent has to stand for."""
    for boundary in (tree.ends[:first_leaf], tree.ends[behind_last_leaf:]):
        for one, other in pairwise(boundary):
            if tree.parents[one] == tree.parents[other]:
                raise ProofError("two boundary hashes stand side by side")


def hash_tree(proof: RangeProof, tree: RunTree) -> list[bytes]:
    """Compute the hash of every node; the first is the root's."""
    hashes = [b""] * len(tree.parents)
    ends = iter(tree.ends)
    for boundary in proof.left_hashes:
        hashes[next(ends)] = boundary
    for key, value in proof.leaves:
        hashes[next(ends)] = leaf_hash(key, sha256(value).digest())
    for boundary in proof.right_hashes:
        hashes[next(ends)] = boundary
    for node in range(len(hashes) - 1, -1, -1):
        if not hashes[node]:
            hashes[node] = inner_hash(hashes[tree.lefts[node]], hashes[tree.rights[node]])
    return hashes


def expand(proof: RangeProof) -> list[Existence | Absence]:
    """Give the single proofs that a range proof stands for, in the order of their keys.

    There is the existence of each item, and for each gap the absence of its first possible key:
    `start` itself, or a key followed by 00. Behind the last item of a proof that was cut off
    nothing is said. Raises `ProofError` for a malformed proof; it is not verified here.
    """
    proof.check()
    existences = list(_existences(proof))
    left = existences.pop(0) if proof.before is not None else None
    behind = existences.pop() if proof.after is not None else None
    proofs: list[Existence | Absence] = []
    gap = proof.start
    for existence in existences:
        if existence.key != gap:
            proofs.append(Absence(gap, left, existence))
        proofs.append(existence)
        left = existence
        gap = existence.key + b"\0"
    if proof.cursor is None:
        proofs.append(Absence(gap, left, behind))
    return proofs


def _existences(proof: RangeProof) -> Iterator[Existence]:
    """Give the existence of each leaf of the run."""
    tree = read_shape(proof)
    hashes = hash_tree(proof, tree)
    steps: list[Step | None] = [None] * len(hashes)
    for left, right in zip(tree.lefts, tree.rights, strict=True):
        if left != _NO_NODE:
            steps[left] = Step.from_left(hashes[right])
            steps[right] = Step.from_right(hashes[left])
    first_leaf = len(proof.left_hashes)
    for number, (key, value) in enumerate(proof.leaves, first_leaf):
        node = tree.ends[number]
        path: list[Step] = []
        while (step := steps[node]) is not None:
            path.append(step)
            node = tree.parents[node]
        yield Existence(key, value, tuple(path))
