"""Falsified answers, one by one: each is refused by the one error, which says what is wrong."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import trio

from chain.crypto import sign
from chain.light import VerificationError
from chain.trie import ics23
from chain.votes import Step, bitmap_of
from client.reader import Reader
from tests.chain.trie.forgery import forged_existence
from tests.client.reading import KEY, NO_KEY, OTHER_KEY, Json, Saying
from tests.client.recorded import READS, certify, changed, form, header_in, read, recording
from tests.support.genesis import validator_names
from tests.support.people import account_of, seed_of

MEMBERS = sorted(validator_names(4), key=account_of)
HASH = "ab" * 32
HASHES = (
    "parent_hash",
    "parent_certificate_hash",
    "txs_root",
    "receipts_root",
    "state_root",
    "history_root",
    "evidence_root",
    "next_validators_hash",
    "params_hash",
)


def told(method: str, **params: Json) -> Json:
    return recording().answer(method, **params)


def of_block(height: int) -> Json:
    return told("chain_header", height=height)


def of_key(key: bytes) -> Json:
    return told("state_get", key=key.hex())


def certified(answer: Json, *names: str, step: Step = Step.PRECOMMIT) -> None:
    """Put a new certificate of its header into an answer."""
    answer["certificate"] = form(certify(header_in(answer), *names, step=step))


def recertified(answer: Json, **fields: Json) -> None:
    """Change a header, and have all validators sign it."""
    answer["header"] |= fields
    certified(answer)


def signed_by_strangers(answer: Json) -> None:
    certified(answer)
    header = header_in(answer)
    for i in range(4):
        answer["certificate"]["signatures"][i] = sign(seed_of(f"stranger {i}"), header.id()).hex()


def with_spare_bit(answer: Json) -> None:
    answer["certificate"]["signer_bitmap"] = bitmap_of([0, 1, 2, 3, 4], 5).hex()
    answer["certificate"]["signatures"].append("00" * 64)


def one_signer_twice(answer: Json) -> None:
    certified(answer, *MEMBERS[:2])
    certificate = answer["certificate"]
    certificate["signer_bitmap"] = bitmap_of([0, 1, 2], 4).hex()
    certificate["signatures"].append(certificate["signatures"][1])


def of_the_block_before(answer: Json) -> None:
    answer["certificate"] = of_block(1)["certificate"]


Change = Callable[[Json], object]


def with_hash(name: str) -> Change:
    return lambda answer: answer["header"].update({name: HASH})


HEADERS: list[tuple[str, str, Change]] = [
    ("no header", "has no header", lambda a: a.pop("header")),
    ("no object", "header: a number is not", lambda a: a.update(header=7)),
    ("field missing", "no time_ms", lambda a: a["header"].pop("time_ms")),
    ("field more", "unknown field 'more'", lambda a: a["header"].update(more=1)),
    ("height as text", "height: 'x' is not", lambda a: a["header"].update(height="x")),
    ("height below 0", "outside 0", lambda a: a["header"].update(height=-1)),
    ("height beyond 2^63", "height", lambda a: a["header"].update(height=2**63)),
    ("height true", "not an integer", lambda a: a["header"].update(height=True)),
    ("height 3.0", "not an integer", lambda a: a["header"].update(height=3.0)),
    ("short hash", "31 bytes", lambda a: a["header"].update(state_root="ab" * 31)),
    ("long text", "130 characters", lambda a: a["header"].update(state_root="ab" * 66)),
    ("deep list", "2 levels", lambda a: a["header"].update(state_root=[[["ab"]]])),
    ("long list", "64 items", lambda a: a["certificate"].update(signatures=["ab"] * 65)),
    ("no certificate", "no certificate", lambda a: a.update(certificate=None)),
    ("certificate missing", "no certificate", lambda a: a.pop("certificate")),
    ("two signers", "2 signers, the quorum is 3", lambda a: certified(a, *MEMBERS[:2])),
    ("one signer twice", "does not verify", one_signer_twice),
    ("a spare bit", "bit 4 is set", with_spare_bit),
    ("signature gone", "signatures", lambda a: a["certificate"]["signatures"].pop()),
    ("strangers", "does not verify", signed_by_strangers),
    ("prevotes", "does not verify", lambda a: certified(a, step=Step.PREVOTE)),
    (
        "certificate of the block before",
        "certificate is of block",
        of_the_block_before,
    ),
    (
        "certificate's height changed",
        "certificate is of block",
        lambda a: a["certificate"].update(height=9),
    ),
    ("another round", "does not verify", lambda a: a["certificate"].update(round=1)),
    ("another chain", "is of chain", lambda a: recertified(a, chain_id=HASH)),
    (
        "certificate of another chain",
        "chain id",
        lambda a: a["certificate"].update(chain_id=HASH),
    ),
    (
        "another set",
        "said to be of another validator set",
        lambda a: recertified(a, validators_hash=HASH),
    ),
    *((f"{name} changed", "certificate is of block", with_hash(name)) for name in HASHES),
    ("time changed", "certificate is of block", lambda a: a["header"].update(time_ms=1)),
    (
        "proposer changed",
        "certificate is of block",
        lambda a: a["header"].update(proposer="ab" * 20),
    ),
]  # fmt: skip


@pytest.mark.parametrize("name", ["newest header", "header 2", "value", "range", "last receipt"])
@pytest.mark.parametrize(("what", "said", "change"), HEADERS, ids=[one[0] for one in HEADERS])
def test_a_header_that_is_not_final_as_it_stands_is_refused(
    name: str, what: str, said: str, change: Change
) -> None:
    with pytest.raises(VerificationError) as caught:
        read(name, changed(change))
    assert said in str(caught.value)


@pytest.mark.parametrize("answer", [None, 5, True, "x", [], [[]], 1.5])
@pytest.mark.parametrize("name", READS)
def test_an_answer_that_is_no_object_is_refused(name: str, answer: Json) -> None:
    with pytest.raises(VerificationError, match="is not an object"):
        read(name, lambda *_, **__: answer)


def test_another_height_than_the_one_asked_for_is_refused() -> None:
    with pytest.raises(VerificationError, match="block 2 was asked for, the node gives 1"):
        read("header 2", lambda *_, **__: of_block(1))


def test_another_block_0_than_that_of_the_genesis_is_refused() -> None:
    with pytest.raises(VerificationError, match="block 0 of this genesis is"):
        read("header 0", changed(lambda a: recertified(a, state_root=HASH)))
    answer = of_block(1)
    answer["header"]["height"] = 0
    with pytest.raises(VerificationError, match="block 0 of this genesis is"):
        read("header 0", lambda *_, **__: answer)


# Values


def proof_bytes(answer: Json, data: bytes) -> None:
    answer["proof"]["ics23"] = data.hex()


def older(answer: Json) -> None:
    """Give the newest proof with the header of the block before, which is final as well."""
    answer.update(of_block(2))


def mistold(answer: Json, key: bytes, *parts: str) -> None:
    """Take parts of the answer for another key."""
    other = of_key(key)
    answer |= {part: other[part] for part in parts}


VALUES: list[tuple[str, str, str, Change]] = [
    ("value", "value changed", "another value", lambda a: a.update(value="00" + a["value"][2:])),
    ("value", "value cut", "another value", lambda a: a.update(value=a["value"][:-2])),
    ("value", "absent, by the value's proof", "another value", lambda a: a.update(value=None)),
    ("value", "no value", "another value", lambda a: a.pop("value")),
    ("value", "empty value", "another value", lambda a: a.update(value="")),
    ("value", "a number", "not a string", lambda a: a.update(value=7)),
    ("value", "no hex", "non-hexadecimal", lambda a: a.update(value="zz")),
    ("value", "blanks", "more than hex digits", lambda a: a.update(value=" " + a["value"] + " ")),
    ("value", "too long", "longer than 1048576", lambda a: a.update(value="00" * (2**20 + 1))),
    ("value", "all of another key", "is about the key",
     lambda a: mistold(a, OTHER_KEY, "value", "proof")),
    ("value", "another key's value", "another value", lambda a: mistold(a, OTHER_KEY, "value")),
    ("value", "an absent key's proof", "said to have a value",
     lambda a: mistold(a, NO_KEY, "proof")),
    ("value", "absence of another key", "is about the key",
     lambda a: mistold(a, NO_KEY, "value", "proof")),
    ("absence", "a value out of nowhere", "said to have a value", lambda a: a.update(value="00")),
    ("absence", "another key's value and proof", "is about the key",
     lambda a: mistold(a, KEY, "value", "proof")),
    ("value", "older block", "does not lead to the root", older),
    ("absence", "absence in an older block", "does not lead to the root", older),
    ("value", "no proof", "has no proof", lambda a: a.pop("proof")),
    ("value", "proof null", "not an object", lambda a: a.update(proof=None)),
    ("value", "proof empty", "neither of existence nor", lambda a: proof_bytes(a, b"")),
    ("value", "proof too long", "longer than", lambda a: proof_bytes(a, bytes(3 * 2**20))),
    ("value", "proof's last byte", "", lambda a: a["proof"].update(ics23=a["proof"]["ics23"][:-2])),
]  # fmt: skip


@pytest.mark.parametrize(("name", "what", "said", "change"), VALUES, ids=[v[1] for v in VALUES])
def test_a_value_that_does_not_follow_is_refused(
    name: str, what: str, said: str, change: Change
) -> None:
    with pytest.raises(VerificationError) as caught:
        read(name, changed(change))
    assert said in str(caught.value)


def test_an_absence_with_neighbours_that_are_not_adjacent_is_refused() -> None:
    proof: Any = ics23.decode(bytes.fromhex(of_key(NO_KEY)["proof"]["ics23"]))
    one: Any = ics23.decode(bytes.fromhex(of_key(KEY)["proof"]["ics23"]))
    other: Any = ics23.decode(bytes.fromhex(of_key(OTHER_KEY)["proof"]["ics23"]))
    wrongs = [replace(proof, left=None), replace(proof, right=None)]
    wrongs += [
        replace(proof, **{side: leaf}) for side in ("left", "right") for leaf in (one, other)
    ]
    true = [wrong for wrong in wrongs if wrong == proof]
    refused = 0
    for wrong in (wrong for wrong in wrongs if wrong not in true):
        with pytest.raises(VerificationError):
            read("absence", changed(partial(proof_bytes, data=ics23.encode(wrong))))
        refused += 1
    assert refused >= 4


def test_a_leaf_whose_prefix_hides_another_key_is_refused() -> None:
    """Here the state itself is made for the forgery, and all validators have signed it."""
    forgery = forged_existence()
    answer = of_key(KEY)
    recertified(answer, state_root=forgery.root.hex())
    answer["value"] = forgery.honest.value.hex()
    proof_bytes(answer, ics23.encode(forgery.honest))
    assert value_by(answer, forgery.honest.key) == forgery.honest.value
    proof_bytes(answer, forgery.commitment_proof)
    with pytest.raises(VerificationError, match="operations or an encoding other than ours"):
        value_by(answer, forgery.key)


def value_by(answer: Json, key: bytes) -> bytes | None:
    """Return a key's value from a node that answers this to everything."""
    reader = Reader(Saying(lambda *_, **__: answer), recording().genesis)
    return trio.run(reader.value, key).value
