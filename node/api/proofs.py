"""Proofs of the state in JSON: the fields of ICS-23, the bytes of its protobuf, and our ranges."""

from chain.trie import ics23
from chain.trie.proof import Absence, Existence, Item, RangeProof
from node.api.types import Answer, Hex


class StepAnswer(Answer):
    """One step up: the hash below stands between prefix and suffix (an ICS-23 `InnerOp`)."""

    prefix: Hex
    suffix: Hex


class ExistenceAnswer(Answer):
    """A key has a value: the steps from its leaf to the root."""

    key: Hex
    value: Hex
    path: list[StepAnswer]


class AbsenceAnswer(Answer):
    """A key does not exist: its neighbours do, and nothing stands between them."""

    key: Hex
    left: ExistenceAnswer | None
    right: ExistenceAnswer | None


class StateProof(Answer):
    """A proof for one key: existence or absence, and the same as ICS-23 `CommitmentProof` bytes."""

    exist: ExistenceAnswer | None
    nonexist: AbsenceAnswer | None
    ics23: Hex


class ItemAnswer(Answer):
    """A key and its value."""

    key: Hex
    value: Hex


class RangeAnswer(Answer):
    """A compact proof of a range: its leaves, their neighbours, and the hashes around them.

    `shape` is the tree in preorder, a 1 for an inner node and a 0 for a leaf or hash.
    """

    before: ItemAnswer | None
    items: list[ItemAnswer]
    after: ItemAnswer | None
    left_hashes: list[Hex]
    right_hashes: list[Hex]
    shape: Hex


def proof_answer(proof: Existence | Absence) -> StateProof:
    """Return a proof for one key in JSON."""
    encoded = ics23.encode(proof)
    if isinstance(proof, Existence):
        return StateProof(exist=_existence(proof), nonexist=None, ics23=encoded)
    absence = AbsenceAnswer(
        key=proof.key,
        left=None if proof.left is None else _existence(proof.left),
        right=None if proof.right is None else _existence(proof.right),
    )
    return StateProof(exist=None, nonexist=absence, ics23=encoded)


def range_answer(proof: RangeProof) -> RangeAnswer:
    """Return the proof of a range in JSON."""
    return RangeAnswer(
        before=None if proof.before is None else _item(proof.before),
        items=[_item(item) for item in proof.items],
        after=None if proof.after is None else _item(proof.after),
        left_hashes=list(proof.left_hashes),
        right_hashes=list(proof.right_hashes),
        shape=proof.shape,
    )


def _existence(proof: Existence) -> ExistenceAnswer:
    path = [StepAnswer(prefix=step.prefix, suffix=step.suffix) for step in proof.path]
    return ExistenceAnswer(key=proof.key, value=proof.value, path=path)


def _item(item: Item) -> ItemAnswer:
    return ItemAnswer(key=item[0], value=item[1])
