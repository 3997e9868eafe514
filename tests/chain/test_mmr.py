"""History: the mountain range as defined, proofs of any block under any later header."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.crypto import Domain
from chain.merkle import merkle_root
from chain.mmr import HISTORY_TAG, LEAVES_MAX, HistoryProof, Mmr, prove, verify
from contracts.kernel import BadValueError

VECTORS = Path(__file__).parents[2] / "vectors" / "mmr"
OWN = json.loads((VECTORS / "history.json").read_text(encoding="utf-8"))
COUNT_MAX = 70
counts = st.integers(1, COUNT_MAX)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def block_id(height: int) -> bytes:
    """Return the id that the vectors give the block of this height."""
    return sha256(b"block %d" % height)


def grow(count: int) -> tuple[list[Mmr], dict[int, bytes]]:
    """Return the ranges of 0 … count leaves, and all nodes."""
    ranges, store = [Mmr()], dict[int, bytes]()
    for height in range(count):
        mmr, nodes = ranges[-1].append(block_id(height))
        for position, node in nodes:
            assert position not in store
            store[position] = node
        ranges.append(mmr)
    return ranges, store


RANGES, STORE = grow(COUNT_MAX)


def defined_peaks(count: int) -> list[bytes]:
    """Return the peaks of the first blocks: perfect trees, the largest possible first."""
    peaks, start = [], 0
    while start < count:
        size = 1 << (count - start).bit_length() - 1
        peaks.append(perfect([block_id(height) for height in range(start, start + size)]))
        start += size
    return peaks


def perfect(ids: list[bytes]) -> bytes:
    if len(ids) == 1:
        return sha256(b"\x00" + ids[0])
    half = len(ids) >> 1
    return sha256(b"\x01" + perfect(ids[:half]) + perfect(ids[half:]))


def defined_root(count: int) -> bytes:
    return sha256(HISTORY_TAG + count.to_bytes(8, "big") + b"".join(defined_peaks(count)))


def defined_nodes(count: int) -> list[bytes]:
    """Return all nodes in the order in which they arise."""
    nodes: list[bytes] = []
    mountains: list[tuple[int, bytes]] = []
    for height in range(count):
        mountains.append((0, sha256(b"\x00" + block_id(height))))
        nodes.append(mountains[-1][1])
        while len(mountains) > 1 and mountains[-1][0] == mountains[-2][0]:
            (level, right), (_, left) = mountains.pop(), mountains.pop()
            mountains.append((level + 1, sha256(b"\x01" + left + right)))
            nodes.append(mountains[-1][1])
    return nodes


# ── The range ──


@pytest.mark.parametrize("count", range(COUNT_MAX + 1))
def test_peaks_and_roots_are_as_defined(count: int) -> None:
    mmr = RANGES[count]
    assert mmr.leaf_count == count
    assert list(mmr.peaks) == defined_peaks(count)
    assert mmr.history_root == defined_root(count)


@pytest.mark.parametrize("row", OWN["roots"], ids=lambda row: str(row["leaf_count"]))
def test_known_history_roots(row: dict[str, Any]) -> None:
    mmr = RANGES[row["leaf_count"]]
    assert [peak.hex() for peak in mmr.peaks] == row["peaks"]
    assert mmr.history_root.hex() == row["history_root"]


def test_the_history_of_the_first_block_is_empty_and_defined() -> None:
    assert Mmr().history_root == sha256(HISTORY_TAG + bytes(8))


def test_nodes_are_numbered_without_gaps_in_the_order_in_which_they_arise() -> None:
    assert [STORE[position] for position in range(len(STORE))] == defined_nodes(COUNT_MAX)


@pytest.mark.parametrize("count", range(1, COUNT_MAX + 1))
def test_the_peaks_are_the_perfect_trees_of_the_list_root(count: int) -> None:
    # Folding the peaks from the right gives the RFC 9162 root over the same ids.
    peaks = list(RANGES[count].peaks)
    root = peaks.pop()
    while peaks:
        root = sha256(b"\x01" + peaks.pop() + root)
    assert root == merkle_root([block_id(height) for height in range(count)])


@pytest.mark.parametrize("count", range(COUNT_MAX + 1))
def test_a_range_is_read_back_from_its_nodes(count: int) -> None:
    assert Mmr.load(STORE.__getitem__, count) == RANGES[count]


def test_candidates_of_one_height_grow_from_the_same_range() -> None:
    parent = RANGES[5]
    before = (parent.leaf_count, parent.peaks)
    one, one_nodes = parent.append(b"a" * 32)
    other, other_nodes = parent.append(b"b" * 32)
    assert (parent.leaf_count, parent.peaks) == before
    assert one.history_root != other.history_root
    assert [position for position, _ in one_nodes] == [position for position, _ in other_nodes]
    assert parent.append(b"a" * 32) == (one, one_nodes)


def test_equal_peaks_under_another_count_are_another_history() -> None:
    two, _ = Mmr().append(block_id(0))[0].append(block_id(1))
    assert Mmr(4, two.peaks).history_root != two.history_root


@pytest.mark.parametrize(
    ("leaf_count", "peaks", "reason"),
    [
        (-1, (), "-1 leaves"),
        (LEAVES_MAX + 1, (), "leaves"),
        (1, (), "0 peaks"),
        (0, (bytes(32),), "1 peaks"),
        (3, (bytes(32),), "1 peaks"),
        (1, (bytes(31),), "a peak is not a hash"),
    ],
)
def test_a_range_that_cannot_be_is_a_bug(
    leaf_count: int, peaks: tuple[bytes, ...], reason: str
) -> None:
    with pytest.raises(AssertionError, match=reason):
        Mmr(leaf_count, peaks)


def test_the_history_tag_is_no_prefix_of_a_tag_that_is_signed_nor_the_reverse() -> None:
    for domain in Domain:
        assert not domain.value.startswith(HISTORY_TAG)
        assert not HISTORY_TAG.startswith(domain.value)


# ── Proofs ──


@pytest.mark.parametrize("count", range(1, COUNT_MAX + 1))
def test_every_block_is_proven_under_every_later_header(count: int) -> None:
    root = defined_root(count)
    for height in range(count):
        proof = prove(STORE.__getitem__, height, count)
        assert verify(root, count, height, block_id(height), proof)
        assert not verify(root, count, height, block_id(height + 1), proof)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 13, 21])
def test_a_proof_holds_for_one_height_and_one_header_only(count: int) -> None:
    for height in range(count):
        proof = prove(STORE.__getitem__, height, count)
        for other_count in range(-1, 2 * count + 2):
            root = defined_root(other_count) if other_count >= 0 else bytes(32)
            held = [
                other
                for other in range(-1, other_count + 2)
                if verify(root, other_count, other, block_id(height), proof)
            ]
            assert held == ([height] if other_count == count else [])
        assert not verify(defined_root(count), count + 1, height, block_id(height), proof)


@given(counts, st.data())
def test_a_changed_proof_is_refused(count: int, data: st.DataObject) -> None:
    height = data.draw(st.integers(0, count - 1))
    root, identity = defined_root(count), block_id(height)
    proof = prove(STORE.__getitem__, height, count)
    path, peaks = proof.path, proof.other_peaks
    assert verify(root, count, height, identity, proof)
    assert not verify(flip(root, data), count, height, identity, proof)
    assert not verify(root, count, height, flip(identity, data), proof)
    bent = [
        HistoryProof((*path, bytes(32)), peaks),
        HistoryProof((bytes(32), *path), peaks),
        HistoryProof(path, (*peaks, bytes(32))),
        HistoryProof(path, (bytes(32), *peaks)),
    ]
    for i, node in enumerate(path):
        bent.append(HistoryProof((*path[:i], *path[i + 1 :]), peaks))
        bent.append(HistoryProof((*path[:i], flip(node, data), *path[i + 1 :]), peaks))
        bent.append(HistoryProof((*path[:i], node[:-1], *path[i + 1 :]), peaks))
        bent.append(HistoryProof((*path[:i], *path[i + 1 :]), (*peaks, node)))
    for i, peak in enumerate(peaks):
        bent.append(HistoryProof(path, (*peaks[:i], *peaks[i + 1 :])))
        bent.append(HistoryProof(path, (*peaks[:i], flip(peak, data), *peaks[i + 1 :])))
        bent.append(HistoryProof((*path, peak), (*peaks[:i], *peaks[i + 1 :])))
    if len(peaks) > 1:
        bent.append(HistoryProof(path, peaks[::-1]))
        # The same bytes under the root, cut elsewhere.
        shifted = (peaks[0] + peaks[1][:1], peaks[1][1:], *peaks[2:])
        bent.append(HistoryProof(path, shifted))
    for other in bent:
        assert other != proof
        assert not verify(root, count, height, identity, other)


def flip(node: bytes, data: st.DataObject) -> bytes:
    position, mask = data.draw(st.integers(0, len(node) - 1)), data.draw(st.integers(1, 255))
    return node[:position] + bytes((node[position] ^ mask,)) + node[position + 1 :]


@pytest.mark.parametrize(("height", "count"), [(-1, 3), (3, 3), (0, 0), (5, 2**63), (5, 2**64)])
def test_there_is_no_proof_of_a_block_that_the_header_does_not_cover(
    height: int, count: int
) -> None:
    with pytest.raises(AssertionError, match=f"leaf {height} of {count}"):
        prove(STORE.__getitem__, height, count)
    proof = prove(STORE.__getitem__, 0, 3)
    assert not verify(defined_root(3), count, height, block_id(0), proof)


@pytest.mark.parametrize(
    "row", OWN["proofs"], ids=lambda r: f"{r['leaf_index']}of{r['leaf_count']}"
)
def test_known_proofs(row: dict[str, Any]) -> None:
    count, height = row["leaf_count"], row["leaf_index"]
    proof = HistoryProof.decode(bytes.fromhex(row["proof"]), size_max=10_000)
    assert proof == prove(STORE.__getitem__, height, count)
    root, identity = bytes.fromhex(row["history_root"]), bytes.fromhex(row["block_id"])
    assert verify(root, count, height, identity, proof)


@given(counts, st.data())
def test_a_proof_travels(count: int, data: st.DataObject) -> None:
    height = data.draw(st.integers(0, count - 1))
    proof = prove(STORE.__getitem__, height, count)
    encoded = proof.encode()
    assert HistoryProof.decode(encoded, size_max=len(encoded)) == proof
    assert HistoryProof.from_wire(proof.to_wire()) == proof


@pytest.mark.parametrize(
    ("wire", "line"),
    [
        ([1, [bytes(31)], []], "path[0]: 31 bytes are outside 32 … 32"),
        ([1, [], [bytes(33)]], "other_peaks[0]: 33 bytes are outside 32 … 32"),
        ([1, [bytes(32)] * 63, []], "path: 63 items are outside 0 … 62"),
        ([1, [], [bytes(32)] * 63], "other_peaks: 63 items are outside 0 … 62"),
        ([1, []], "2 fields instead of (version, path, other_peaks)"),
    ],
)
def test_a_proof_is_bounded(wire: list[Any], line: str) -> None:
    with pytest.raises(BadValueError) as fault:
        HistoryProof.from_wire(wire)
    assert str(fault.value) == line


@given(st.integers(1, LEAVES_MAX), st.data())
def test_proofs_reach_to_the_last_height_there_can_be(count: int, data: st.DataObject) -> None:
    # A range whose other nodes are made up: only the way from one leaf to the root is real.
    height = data.draw(st.integers(0, count - 1))
    asked: list[int] = []

    def made_up(position: int) -> bytes:
        asked.append(position)
        return sha256(position.to_bytes(8, "big"))

    proof = prove(made_up, height, count)
    node_count = 2 * count - count.bit_count()
    assert len(set(asked)) == len(asked) == len(proof.path) + len(proof.other_peaks)
    assert all(0 <= position < node_count for position in asked)
    node = sha256(b"\x00" + b"id")
    for level, sibling in enumerate(proof.path):
        pair = sibling + node if height >> level & 1 else node + sibling
        node = sha256(b"\x01" + pair)
    own = len([level for level in range(len(proof.path) + 1, 64) if count >> level & 1])
    peaks = (*proof.other_peaks[:own], node, *proof.other_peaks[own:])
    root = sha256(HISTORY_TAG + count.to_bytes(8, "big") + b"".join(peaks))
    assert Mmr(count, peaks).history_root == root
    assert verify(root, count, height, b"id", proof)
    assert HistoryProof.from_wire(proof.to_wire()) == proof
