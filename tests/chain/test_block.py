"""Headers and bodies to the byte, and how a broken rule is said."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from chain.block import (
    BLOCK_TRANSACTIONS_MAX,
    EVIDENCE_MAX,
    TRANSACTION_BYTES_MAX,
    ZERO_ADDRESS,
    ZERO_HASH,
    Block,
    Body,
    Header,
    InvalidBlockError,
)
from chain.votes import Certificate, Evidence, Step
from contracts.kernel import BadValueError, codec, sha256

VECTORS = Path(__file__).parents[2] / "vectors" / "messages"
GOLDEN = json.loads((VECTORS / "consensus.json").read_text(encoding="utf-8"))


def typed(value: Any) -> Any:  # noqa: ANN401 - what JSON holds
    return bytes.fromhex(value) if isinstance(value, str) else value


HEADER, CHILD = (
    Header(**{name: typed(value) for name, value in row["fields"].items()})
    for row in GOLDEN["headers"]
)


@pytest.mark.parametrize("number", [0, 1])
def test_known_headers(number: int) -> None:
    row, header = GOLDEN["headers"][number], (HEADER, CHILD)[number]
    assert header.encode().hex() == row["encoded"]
    assert Header.decode(bytes.fromhex(row["encoded"]), size_max=1_000) == header
    assert header.id().hex() == row["id"]
    assert header.id() == sha256(header.encode())
    assert [field.name for field in fields(Header)] == list(row["fields"])


def test_a_child_names_its_parent() -> None:
    assert CHILD.parent_hash == HEADER.id()
    assert HEADER.parent_hash == HEADER.parent_certificate_hash == ZERO_HASH == bytes(32)
    assert HEADER.proposer == ZERO_ADDRESS == bytes(20)


def test_the_id_covers_every_field() -> None:
    ids = [CHILD.id()]
    for field in fields(Header):
        old = getattr(CHILD, field.name)
        new: Any = old + 1 if isinstance(old, int) else bytes((old[0] ^ 1,)) + old[1:]
        ids.append(replace(CHILD, **{field.name: new}).id())
    assert len({*ids}) == len(fields(Header)) + 1 == 15


@pytest.mark.parametrize("row", GOLDEN["bodies"], ids=["full", "empty"])
def test_known_bodies(row: dict[str, Any]) -> None:
    certificate = None
    if row["certificate"] is not None:
        certificate = Certificate.decode(bytes.fromhex(row["certificate"]), size_max=1_000)
    body = Body(certificate, tuple(map(bytes.fromhex, row["transactions"])), ())
    assert body.encode().hex() == row["encoded"]
    assert Body.decode(bytes.fromhex(row["encoded"]), size_max=1_000) == body


def test_a_block_has_the_id_and_height_of_its_header() -> None:
    block = Block(CHILD, Body(None, (), ()))
    assert block.id == CHILD.id()
    assert block.height == CHILD.height == 1


EVIDENCE = Evidence(Step.PREVOTE, bytes(20), b"a", bytes(64), b"b", bytes(64)).to_wire()


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        ([1, None, [b""], []], "transactions[0]: 0 bytes are outside 1"),
        ([1, None, [bytes(TRANSACTION_BYTES_MAX + 1)], []], "transactions[0]: 65537 bytes"),
        ([1, None, [b"t"] * (BLOCK_TRANSACTIONS_MAX + 1), []], "transactions: 20001 items"),
        ([1, None, [], [EVIDENCE] * (EVIDENCE_MAX + 1)], "evidence: 129 items"),
        ([1, None, [], [[1]]], "evidence[0]: 1 fields instead of"),
        ([1, [1], [], []], "parent_certificate: 1 fields instead of"),
        ([1, None, []], "3 fields instead of (version, parent_certificate,"),
    ],
    ids=range(7),
)
def test_a_body_is_bounded(wire: list[Any], reason: str) -> None:
    with pytest.raises(BadValueError) as fault:
        Body.from_wire(wire)
    assert str(fault.value).startswith(reason)


@pytest.mark.parametrize(
    ("position", "value", "reason"),
    [
        (1, bytes(31), "chain_id: 31 bytes are outside 32"),
        (2, -1, "height: -1 is outside 0"),
        (2, True, "height: True is not an integer"),
        (3, 2**63, "time_ms: integer of 64 bits is outside 0"),
        (6, bytes(32), "proposer: 32 bytes are outside 20"),
        (14, None, "params_hash: None is not a byte string"),
    ],
)
def test_a_header_is_bounded(position: int, value: object, reason: str) -> None:
    wire: list[Any] = CHILD.to_wire()
    wire[position] = value
    with pytest.raises(BadValueError) as fault:
        Header.from_wire(wire)
    assert str(fault.value).startswith(reason)


def test_a_header_is_one_array_after_its_version() -> None:
    assert codec.decode(CHILD.encode(), size_max=1_000) == CHILD.to_wire()
    assert CHILD.to_wire()[0] == 1
    assert len(CHILD.to_wire()) == 15


def test_a_broken_rule_is_said_with_both_values() -> None:
    broken = InvalidBlockError("state_root", b"\xab\xcd", b"\x01")
    assert str(broken) == "state_root: expected abcd, got 01"
    assert (broken.reason, broken.expected, broken.got) == ("state_root", b"\xab\xcd", b"\x01")
    assert str(InvalidBlockError("height", 7, 9)) == "height: expected 7, got 9"
    assert isinstance(broken, ValueError)
