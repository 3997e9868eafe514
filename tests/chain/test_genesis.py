"""Genesis: one canonical form, one for people, a clear word for every fault (PROTOCOL §1)."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from chain.block import ZERO_ADDRESS, ZERO_HASH
from chain.genesis import (
    GENESIS_BYTES_MAX,
    GENESIS_JSON_MAX,
    SENTINEL_KEY,
    SENTINEL_VALUE,
    Genesis,
    InvalidGenesisError,
    run_genesis,
)
from chain.merkle import EMPTY_ROOT
from chain.mmr import Mmr
from chain.store import MemoryState
from contracts.kernel import Kind, codec, sha256
from contracts.kernel.clock import ClockMode
from contracts.money.credit import FEE_POOL
from contracts.registry import CATALOGUE
from tests.support.genesis import FUNDS_UTHB, PEOPLE, make_genesis, network_name, parameters
from tests.support.grid import OFFICES
from tests.support.people import account_of, key_of
from tests.support.world import World

GOOD = make_genesis(validators=4)
TEXT = GOOD.to_json()
Tree = Any
Change = Callable[[Tree], object]


def changed(change: Change) -> str:
    """Return the JSON with something else in it."""
    value = json.loads(TEXT)
    change(value)
    return json.dumps(value)


def put(*path: str | int, value: object) -> Change:
    def change(tree: Tree) -> None:
        for step in path[:-1]:
            tree = tree[step]
        tree[path[-1]] = value

    return change


def drop(*path: str | int) -> Change:
    def change(tree: Tree) -> None:
        for step in path[:-1]:
            tree = tree[step]
        del tree[path[-1]]

    return change


def test_the_forms_for_people_and_for_hashing_are_the_same_genesis() -> None:
    assert Genesis.from_json(TEXT) == GOOD
    assert Genesis.decode(GOOD.encoded) == GOOD
    assert Genesis.decode(GOOD.encoded).encoded == GOOD.encoded
    assert Genesis.from_json(TEXT).chain_id == GOOD.chain_id == sha256(GOOD.encoded)
    assert Genesis.from_json(TEXT).to_json() == TEXT


def test_the_form_for_people_has_names_addresses_and_hex() -> None:
    value = json.loads(TEXT)
    assert list(value) == ["name", "time_ms", "devnet", "contracts"]
    assert value["contracts"]["clock"]["mode"] == "driven"
    assert value["contracts"]["clock"]["driver"].startswith("gtx1")
    seats = value["contracts"]["authorities"]["authorities"]
    assert seats[1]["authority"] == {
        "name": "validator 1",
        "consensus_key": key_of("validator 1").hex(),
        "network_key": key_of(network_name("validator 1")).hex(),
    }


def test_order_and_space_in_the_json_do_not_matter() -> None:
    value = json.loads(TEXT)
    turned = {key: value[key] for key in reversed(value)}
    turned["contracts"] = {k: value["contracts"][k] for k in reversed(value["contracts"])}
    assert Genesis.from_json(json.dumps(turned, indent=7)).chain_id == GOOD.chain_id


CLOCK = ("contracts", "clock")
CHAIN = ("contracts", "parameters", "chain")
SEATS = ("contracts", "authorities", "authorities")
CREDIT = ("contracts", "credit", "allocations")

CHANGES: tuple[Change, ...] = (
    put("name", value="test 2"),
    put("time_ms", value=GOOD.time_ms + 1),
    put("devnet", value=False),
    put(*CLOCK, "start_s", value=5),
    put(*CLOCK, "driver", value="ab" * 20),
    put(*CLOCK, "driver", value=None),
    put(*CHAIN, "fee_base_uthb", value=1_001),
    put(*CHAIN, "weights", "step", value=6),
    put(*SEATS, 0, "authority", "name", value="other"),
    put(*SEATS, 0, "authority", "consensus_key", value=key_of("other").hex()),
    put(*SEATS, 0, "authority", "network_key", value=key_of("other").hex()),
    put(*CREDIT, 0, "amount_uthb", value=1),
    lambda tree: tree["contracts"]["credit"]["allocations"].pop(),
    lambda tree: tree["contracts"]["credit"]["allocations"].reverse(),
    lambda tree: tree["contracts"]["nrg"]["pools"].reverse(),
)


def test_any_difference_is_another_chain() -> None:
    ids = [GOOD.chain_id, *(Genesis.from_json(changed(change)).chain_id for change in CHANGES)]
    assert len(set(ids)) == len(ids)


def test_every_contract_with_a_genesis_has_its_section() -> None:
    with_genesis = [spec.name for spec in CATALOGUE.specs if spec.of_kind(Kind.GENESIS)]
    assert sorted(GOOD.sections) == sorted(with_genesis)


FAULTS: tuple[tuple[Change, str], ...] = (
    (drop("name"), "genesis: no name"),
    (drop("contracts"), "genesis: no contracts"),
    (put("extra", value=1), "genesis: unknown 'extra'; known are name, time_ms"),
    (put("name", value=""), "genesis: name: text of 0 bytes is outside 1 … 64"),
    (put("name", value=5), "genesis: name: 5 is not text"),
    (put("time_ms", value=-1), "genesis: time_ms: -1 is outside"),
    (put("time_ms", value=1.0), "genesis: time_ms: float is not an integer"),
    (put("time_ms", value=True), "genesis: time_ms: True is not an integer"),
    (put("devnet", value=1), "genesis: devnet: 1 is not a boolean"),
    (put("devnet", value="yes"), "genesis: devnet: str of length 3 is not a boolean"),
    (put("contracts", value=[]), "genesis: contracts: not an object with clock, parameters"),
    (drop(*CLOCK), "genesis: contracts: no clock"),
    (put("contracts", "accounts", value={}), "genesis: contracts: unknown 'accounts'"),
    (put("contracts", "x" * 99, value={}), "genesis: contracts: unknown 'xxxx"),
    (put(*CLOCK, value=None), "genesis: contracts.clock: not an object with mode"),
    (drop(*CLOCK, "mode"), "genesis: contracts.clock: no mode"),
    (put(*CLOCK, "extra", value=1), "genesis: contracts.clock: unknown 'extra'"),
    (put(*CLOCK, "mode", value="sundial"), "genesis: contracts.clock.mode: 'sundial' is none of"),
    (put(*CLOCK, "driver", value="gtx1q"), "genesis: contracts.clock.driver: an address has 42"),
    (put(*CLOCK, "start_s", value=2**40 + 1), "genesis: contracts.clock.start_s: 1099511627777"),
    (put(*CHAIN, "fee_base_uthb", value=-1), "contracts.parameters.chain.fee_base_uthb: -1"),
    (drop(*CHAIN, "weights", "step"), "contracts.parameters.chain.weights: no step"),
    (put(*SEATS, value=[]), "contracts.authorities.authorities: 0 items are outside 1 … 64"),
    (
        put(*SEATS, 2, "authority", "consensus_key", value="00"),
        "contracts.authorities.authorities[2].authority.consensus_key: 1 bytes are outside",
    ),
    (
        put(*CREDIT, 3, "amount_uthb", value="2^63"),
        "contracts.credit.allocations[3].amount_uthb: '2^63' is not an integer",
    ),
    (
        put(*CREDIT, 3, value={"account": "00" * 20}),
        "contracts.credit.allocations[3]: no amount_uthb: a Allocation has account, amount_uthb",
    ),
)


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_every_fault_in_the_json_is_named_with_its_path(number: int) -> None:
    change, message = FAULTS[number]
    with pytest.raises(InvalidGenesisError) as caught:
        Genesis.from_json(changed(change))
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "not an object with name, time_ms, devnet, contracts"),
        ("5", "not an object"),
        ("null", "not an object"),
        ("NaN", "NaN is no number"),
        ('{"name": -Infinity}', "-Infinity is no number"),
        ('{"name": "a", "name": "b"}', "'name' stands twice"),
        ('{"name": {"a": 1, "a": 1}}', "'a' stands twice"),
        ("[" * 100_000, "not JSON"),
        ("1" * 10_000, "not JSON"),
        ('{"name": "\\ud800", "time_ms": 1, "devnet": true, "contracts": {}}', "surrogate"),
    ],
    ids=range(12),
)
def test_what_is_no_json_object_of_the_right_kind_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidGenesisError, match=message) as caught:
        Genesis.from_json(text)
    assert len(str(caught.value)) < 300


def test_a_genesis_has_a_size_limit() -> None:
    with pytest.raises(InvalidGenesisError, match="characters"):
        Genesis.from_json(" " * (GENESIS_JSON_MAX + 1))
    with pytest.raises(InvalidGenesisError, match="at most"):
        Genesis.decode(bytes(GENESIS_BYTES_MAX + 1))


def wire() -> list[Any]:
    value = codec.decode(GOOD.encoded, size_max=2**20)
    assert isinstance(value, list)
    return value


WIRE_FAULTS: tuple[tuple[Change, str], ...] = (
    (put(0, value=2), r"not \[1, name, time_ms, devnet, contracts\]"),
    (put(0, value=True), r"not \[1, name"),
    (lambda value: value.pop(), r"not \[1, name"),
    (lambda value: value.append(1), r"not \[1, name"),
    (put(1, value=b"test"), "name: "),
    (put(2, value=-1), "time_ms: "),
    (put(3, value=0), "devnet: 0 is not a boolean"),
    (put(4, value=[]), "contracts: not an object"),
    (put(4, "clock", "mode", value=True), "contracts.clock.mode: True"),
    (put(4, "clock", "mode", value=2), "contracts.clock.mode: 2 is none of"),
    (put(4, "parameters", "chain", 0, value=2), "contracts.parameters.chain: version 2"),
    (drop(4, "nrg", "pools"), "contracts.nrg: no pools"),
    (put(4, "credit", "allocations", 0, 2, value=-1), r"allocations\[0\].amount_uthb: -1"),
)


@pytest.mark.parametrize("number", range(len(WIRE_FAULTS)))
def test_every_fault_in_the_canonical_bytes_is_named_too(number: int) -> None:
    change, message = WIRE_FAULTS[number]
    value = deepcopy(wire())
    change(value)
    with pytest.raises(InvalidGenesisError, match=message):
        Genesis.decode(codec.encode(value))


@pytest.mark.parametrize("raw", [b"", b"\xff", b"\x85", b"\x80\x00", b"\xa0"])
def test_bytes_that_are_no_genesis_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidGenesisError):
        Genesis.decode(raw)


# Running it


def test_the_state_after_genesis_is_what_the_sections_say() -> None:
    world = World(GOOD)
    assert world.state.get(SENTINEL_KEY) == SENTINEL_VALUE
    assert [world.read.credit.free(account_of(name)) for name in PEOPLE] == [FUNDS_UTHB] * 4
    assert world.read.credit.total_supply() == FUNDS_UTHB * (5 + len(OFFICES))
    assert world.read.credit.free(FEE_POOL) == 0
    assert world.read.clock.market_mode() is ClockMode.DRIVEN
    assert len(world.read.authorities.validators()) == 4
    world.check_invariants()


def test_running_it_twice_gives_the_same_and_by_either_form_too() -> None:
    results = [
        run_genesis(genesis, MemoryState())
        for genesis in (GOOD, GOOD, Genesis.from_json(TEXT), Genesis.decode(GOOD.encoded))
    ]
    assert all(result == results[0] for result in results)


def test_block_0_is_as_the_protocol_says() -> None:
    begun = run_genesis(GOOD, MemoryState())
    header = begun.header(GOOD, b"r" * 32)
    assert (header.chain_id, header.height, header.time_ms) == (GOOD.chain_id, 0, GOOD.time_ms)
    assert header.parent_hash == header.parent_certificate_hash == ZERO_HASH == bytes(32)
    assert header.proposer == ZERO_ADDRESS == bytes(20)
    assert header.txs_root == header.receipts_root == header.evidence_root == EMPTY_ROOT
    assert sha256(b"") == EMPTY_ROOT
    assert header.state_root == b"r" * 32
    assert header.history_root == Mmr().history_root
    assert header.validators_hash == header.next_validators_hash == begun.validators.hash
    assert header.params_hash == begun.parameters.hash == parameters().hash


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({}, "contracts.clock: not an object with mode, driver, start_s"),
        ({**GOOD.sections, "clock": {}}, "contracts.clock: no mode, driver, start_s"),
        (
            {**GOOD.sections, "nrg": {**GOOD.sections["nrg"], "more": 1}},
            "contracts.nrg: unknown 'more'",
        ),
        (
            {**GOOD.sections, "clock": {**GOOD.sections["clock"], "start_s": -1}},
            "contracts.clock: start_s: -1 is outside",
        ),
        (
            {
                **GOOD.sections,
                "credit": {"allocations": [[1, account_of(n), 2**63 - 1] for n in PEOPLE]},
            },
            "contracts.credit: ",
        ),
    ],
    ids=range(5),
)
def test_sections_made_in_code_are_checked_when_they_run(
    sections: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidGenesisError, match=message):
        run_genesis(replace(GOOD, sections=sections), MemoryState())
