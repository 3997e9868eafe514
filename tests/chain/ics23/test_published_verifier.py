"""Our proofs before the published ICS-23 verifier (npm `@confio/ics23` 0.6.8, `tendermintSpec`).

It needs Node.js and npm, and the network once, for `npm ci` beside this file.
"""

import json
import random
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest

from chain.trie import ics23
from chain.trie.nodes import KEY_BYTES_MAX
from chain.trie.proof import Absence, Existence, Item, ProofError
from chain.trie.shape import expand
from chain.trie.trie import Trie
from chain.trie.verify import verify_absence, verify_existence, verify_range
from tests.chain.trie.forgery import forged_existence

HERE = Path(__file__).parent

# What npm says when it cannot reach a registry; any other failure is one of the test.
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH")


@dataclass(frozen=True, slots=True)
class Question:
    """What the verifier is asked; `value` is None for an absence."""

    proof: bytes
    root: bytes
    key: bytes
    value: bytes | None


Judge = Callable[[list[Question]], list[bool | str]]


@pytest.fixture(scope="session")
def judge() -> Judge:
    """Install the verifier if need be, and give a function that asks it."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("needs Node.js and npm, which are not on the path")
    # npm writes this file when it is done.
    if not (HERE / "node_modules" / ".package-lock.json").is_file():
        installed = subprocess.run(
            [npm, "ci"], cwd=HERE, capture_output=True, text=True, timeout=300, check=False
        )
        if any(code in installed.stderr for code in UNREACHABLE):
            pytest.skip("needs the npm registry once, which cannot be reached")
        assert installed.returncode == 0, installed.stderr

    def ask(questions: list[Question]) -> list[bool | str]:
        asked = [
            {
                "proof": question.proof.hex(),
                "root": question.root.hex(),
                "key": question.key.hex(),
                "value": None if question.value is None else question.value.hex(),
            }
            for question in questions
        ]
        answered = subprocess.run(
            [node, "judge.cjs"],
            cwd=HERE,
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        verdicts: list[bool | str] = json.loads(answered.stdout)
        assert len(verdicts) == len(questions)
        return verdicts

    return ask


def state() -> dict[bytes, bytes]:
    """Give three tables with keys of different width, the widest there is among them."""
    rng = random.Random(68)
    items = {b"\x00\x00": b"sentinel"}
    items |= {b"\x03\x01" + rng.randbytes(20): rng.randbytes(40) for _ in range(200)}
    items |= {b"\x05\x02" + number.to_bytes(8): b"order" for number in range(100)}
    items |= {b"\x07\x01" + rng.randbytes(KEY_BYTES_MAX - 2): b"v" * 300 for _ in range(5)}
    return items


def question(root: bytes, proof: Existence | Absence) -> Question:
    value = proof.value if isinstance(proof, Existence) else None
    return Question(ics23.encode(proof), root, proof.key, value)


def test_existence_and_absence_are_accepted_and_nothing_else_is(judge: Judge) -> None:
    items = state()
    trie, version = Trie.from_sorted(sorted(items.items()))
    keys = sorted(items)
    gaps = [key + b"\0" for key in keys[:-1]]
    ends = [b"\x00", b"\xff" * 256, keys[-1] + b"\0"]
    right: list[Question] = []
    wrong: list[Question] = []
    for key in (*keys, *gaps, *ends):
        proof = trie.prove(version, key, items.__getitem__)
        assert isinstance(proof, Existence) == (key in items)
        asked = question(version.root_hash, proof)
        right.append(asked)
        other = keys[5] if key != keys[5] else keys[6]
        wrong.append(replace(asked, root=bytes(32)))
        wrong.append(replace(asked, key=other))
        wrong.append(replace(asked, value=b"other" if asked.value is not None else b"value"))
        wrong.append(replace(asked, value=None, key=other))
    assert judge(right) == [True] * len(right)
    assert [verdict for verdict in judge(wrong) if verdict is True] == []


@pytest.mark.parametrize("limit", [1, 7, 1000])
@pytest.mark.parametrize(
    "bounds",
    [
        (b"\x00", b"\xff" * 256),
        (b"\x05\x02", b"\x05\x03"),
        (b"\x05\x02" + (40).to_bytes(8), b"\x05\x02" + (60).to_bytes(8)),
        (b"\x04", b"\x05"),
        (b"\x07\x01", b"\xff"),
        (b"\xf0", b"\xff"),
    ],
)
def test_what_a_range_proof_expands_to_is_accepted(
    judge: Judge, bounds: tuple[bytes, bytes], limit: int
) -> None:
    items = state()
    trie, version = Trie.from_sorted(sorted(items.items()))
    root = version.root_hash
    start, end = bounds
    proof = trie.prove_range(version, start, end, limit, items.__getitem__)
    within: list[Item] = [(key, items[key]) for key in sorted(items) if start <= key < end]
    assert list(verify_range(root, start, end, proof)) == within[:limit]
    singles = expand(proof)
    assert [s.key for s in singles if isinstance(s, Existence)] == [k for k, _ in within[:limit]]
    assert judge([question(root, single) for single in singles]) == [True] * len(singles)
    # An item left out: its neighbours are not adjacent.
    gaps = [single for single in singles if isinstance(single, Absence)]
    left_out = [
        question(root, Absence(one.key, one.left, other.right)) for one, other in pairwise(gaps)
    ]
    assert [verdict for verdict in judge(left_out) if verdict is True] == []


def test_both_verifiers_refuse_an_absence_with_the_wrong_neighbours(judge: Judge) -> None:
    items = state()
    trie, version = Trie.from_sorted(sorted(items.items()))
    keys = sorted(items)
    existences = [trie.prove(version, key, items.__getitem__) for key in keys[40:44]]
    neighbours: list[Existence | None] = [None]
    neighbours += [proof for proof in existences if isinstance(proof, Existence)]
    asked = keys[41] + b"\0"
    absences = [
        Absence(asked, left, right)
        for left in neighbours
        for right in neighbours
        if left is not None or right is not None
    ]
    ours: list[bool] = []
    for absence in absences:
        try:
            verify_absence(version.root_hash, asked, absence)
        except ProofError:
            ours.append(False)
        else:
            ours.append(True)
    theirs = judge([question(version.root_hash, absence) for absence in absences])
    assert [verdict is True for verdict in theirs] == ours
    assert sum(ours) == 1


def test_it_believes_the_forged_leaf_prefix_which_we_refuse(judge: Judge) -> None:
    forgery = forged_existence()
    asked = Question(forgery.commitment_proof, forgery.root, forgery.key, forgery.honest.value)
    assert judge([asked]) == [True]
    assert judge([replace(asked, root=bytes(32))]) == [False]
    with pytest.raises(ProofError):
        ics23.decode(forgery.commitment_proof)
    with pytest.raises(ProofError):
        verify_existence(
            forgery.root,
            forgery.key,
            forgery.honest.value,
            replace(forgery.honest, key=forgery.key),
        )
