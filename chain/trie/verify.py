"""Verifying proofs against a root, without a trie: what a light client runs.

A root is the `state_root` of a header. Each function either returns, and then its statement holds
for every state with that root (unless SHA-256 has been broken), or raises `ProofError`.

These verifiers are stricter than the published one of ICS-23. That one only asks that the prefix of
a leaf *begins* with 00: whoever may choose part of a key can then prove another key, made of the
rest of it. Here the bytes around every hash are exactly those of a leaf or an inner node, the key
of the proof is the key asked for, and no absence is believed unless its neighbours are adjacent.

All sizes and counts are checked before anything is hashed.
"""

from hashlib import sha256
from itertools import pairwise

from chain.trie.nodes import HASH_BYTES, leaf_hash
from chain.trie.proof import Absence, Existence, Item, ProofError, RangeProof, Step
from chain.trie.shape import hash_tree, read_shape


def verify_existence(root: bytes, key: bytes, value: bytes, proof: Existence) -> None:
    """Verify that `key` has `value` in the state with `root`."""
    proof.check()
    if proof.key != key:
        raise ProofError(f"the proof is about the key {proof.key.hex()}, not {key.hex()}")
    if proof.value != value:
        raise ProofError("the proof is about another value of this key")
    _check_root(root, proof)


def verify_absence(root: bytes, key: bytes, proof: Absence) -> None:
    """Verify that `key` does not exist in the state with `root`."""
    proof.check()
    if proof.key != key:
        raise ProofError(f"the proof is about the key {proof.key.hex()}, not {key.hex()}")
    left, right = proof.left, proof.right
    if left is not None and left.key >= key:
        raise ProofError("the left neighbour is not smaller than the key")
    if right is not None and right.key <= key:
        raise ProofError("the right neighbour is not greater than the key")
    if left is None:
        assert right is not None
        _check_edge(right.path, from_left=True)
    elif right is None:
        _check_edge(left.path, from_left=False)
    else:
        _check_adjacent(left.path, right.path)
    for neighbour in (left, right):
        if neighbour is not None:
            _check_root(root, neighbour)


def verify_range(root: bytes, start: bytes, end: bytes, proof: RangeProof) -> tuple[Item, ...]:
    """Verify a range of the state with `root`, and give its items.

    They are all items with start ≤ key < end, or, if the proof has a cursor, with key < cursor.
    """
    proof.check()
    if (proof.start, proof.end) != (start, end):
        raise ProofError("the proof is about another range")
    if not start < end:
        raise ProofError("the range is empty: its start is not smaller than its end")
    _check_run(proof)
    tree = read_shape(proof)
    if hash_tree(proof, tree)[0] != root:
        raise ProofError("the range does not lead to the root")
    return proof.items


def _check_root(root: bytes, proof: Existence) -> None:
    """Check that a proof leads to the root."""
    if len(root) != HASH_BYTES:
        raise ProofError(f"a root has {HASH_BYTES} bytes, not {len(root)}")
    node_hash = leaf_hash(proof.key, sha256(proof.value).digest())
    for step in proof.path:
        node_hash = sha256(step.prefix + node_hash + step.suffix).digest()
    if node_hash != root:
        raise ProofError(f"the proof of the key {proof.key.hex()} does not lead to the root")


def _check_edge(path: tuple[Step, ...], *, from_left: bool) -> None:
    """Check that a path comes from the outermost leaf: all its steps from the same side."""
    for step in path:
        if step.is_from_left != from_left:
            raise ProofError("a neighbour is not the outermost leaf where it has to be")


def _check_adjacent(left: tuple[Step, ...], right: tuple[Step, ...]) -> None:
    """Check that the leaves of two paths have none between them.

    Above the node where they meet the paths are the same. There they come from its two sides, and
    below it the left one is the last of its subtree, the right one the first of its own.
    """
    common = 0
    while common < min(len(left), len(right)) and left[-1 - common] == right[-1 - common]:
        common += 1
    if common == min(len(left), len(right)):
        raise ProofError("the paths of the neighbours do not part")
    left, right = left[: len(left) - common], right[: len(right) - common]
    if not left[-1].is_from_left or right[-1].is_from_left:
        raise ProofError("the neighbours do not stand left and right of where they meet")
    _check_edge(left[:-1], from_left=False)
    _check_edge(right[:-1], from_left=True)


def _check_run(proof: RangeProof) -> None:
    """Check that the leaves ascend and cover the range: nothing can be missing but at a cursor."""
    keys = [key for key, _ in proof.leaves]
    if not keys:
        raise ProofError("a range needs a leaf, it has none")
    for one, other in pairwise(keys):
        if one >= other:
            raise ProofError(f"the keys do not ascend: {other.hex()} follows {one.hex()}")
    for key, _ in proof.items:
        if not proof.start <= key < proof.end:
            raise ProofError(f"the item {key.hex()} is outside the range")
    _check_run_start(proof)
    _check_run_end(proof)


def _check_run_start(proof: RangeProof) -> None:
    """Check that no item can be missing before the first."""
    if proof.items and proof.items[0][0] == proof.start:
        if proof.before is not None:
            raise ProofError("a leaf before the start is shown that nothing needs")
    elif proof.before is None:
        if proof.left_hashes:
            raise ProofError("leaves before the first item are not shown")
    elif proof.before[0] >= proof.start:
        raise ProofError("the leaf before the start is not smaller")


def _check_run_end(proof: RangeProof) -> None:
    """Check that no item can be missing behind the last, or that the cursor says so."""
    if proof.cursor is not None:
        if not proof.items or proof.cursor != proof.items[-1][0] + b"\0":
            raise ProofError("the cursor is not the last item's key followed by 00")
        if proof.after is not None or not proof.right_hashes or proof.cursor >= proof.end:
            raise ProofError("there is a cursor, but nothing was cut off")
    elif proof.after is None:
        if proof.right_hashes:
            raise ProofError("leaves behind the last item are not shown")
    elif proof.after[0] < proof.end:
        raise ProofError("the leaf behind the end is smaller than it")
