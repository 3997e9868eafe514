"""Transactions: one form on the wire, a name and a path for every fault (PROTOCOL §2)."""

import traceback
from dataclasses import replace

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chain.mempool as mempool_package
from chain.block import TRANSACTION_BYTES_MAX
from chain.crypto import Domain, verify
from chain.refusals import MalformedTransaction, NotIncludableError, WrongChain
from chain.transaction import (
    CALLS_MAX,
    SIGNATURES_MAX,
    Call,
    Mode,
    SignedTransaction,
    Transaction,
    decode_transaction,
    prepare,
    sign_transaction,
)
from contracts.kernel import Value, codec, sha256
from contracts.kernel.errors import BadArguments, UnknownContract, UnknownMethod
from tests.support.lab import LabRegistry
from tests.support.people import account_of, key_of, seed_of

CHAIN = sha256(b"a chain")
ALICE = account_of("alice")
UINTS = st.integers(0, 2**63 - 1)
NAMES = st.text("abc_", min_size=1, max_size=32)
VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=9)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
CALLS = st.builds(
    Call,
    NAMES,
    NAMES,
    st.lists(VALUES, max_size=3).map(tuple),
    st.none() | st.binary(min_size=20, max_size=20),
)
TRANSACTIONS = st.builds(
    Transaction,
    st.just(CHAIN),
    st.binary(min_size=20, max_size=20),
    UINTS,
    UINTS,
    UINTS,
    st.sampled_from(Mode),
    st.lists(CALLS, min_size=1, max_size=4).map(tuple),
    st.binary(max_size=256),
)
PLAIN = Transaction(
    CHAIN, ALICE, 3, 99, 5_000, Mode.EACH_ALONE, (Call("lab", "read", (1,)),), b"hello"
)


def signed(transaction: Transaction = PLAIN, *names: str) -> SignedTransaction:
    return sign_transaction(transaction, [seed_of(name) for name in names or ("alice",)])


@given(TRANSACTIONS, st.sets(st.sampled_from("abcdefg"), min_size=1))
def test_a_transaction_is_its_bytes_and_its_id_their_hash(
    transaction: Transaction, names: set[str]
) -> None:
    one = signed(transaction, *names)
    assert one.transaction == transaction
    assert decode_transaction(one.raw, CHAIN) == one
    assert one.id == sha256(one.raw)
    assert list(one.keys) == sorted(key_of(name) for name in names)
    assert all(verify(*message) for message in one.signed)
    assert {message.message for message in one.signed} == {transaction.message()}


def test_what_is_signed_is_tag_chain_and_hash_of_the_inner_array() -> None:
    inner = codec.encode([1, CHAIN, ALICE, 3, 99, 5_000, 1, [["lab", "read", [1], None]], b"hello"])
    assert PLAIN.message() == Domain.TRANSACTION.value + CHAIN + sha256(inner)
    assert signed().raw == b"\x82" + inner + codec.encode(
        [[key_of("alice"), signed().signatures[0][1]]]
    )


def test_the_bytes_of_a_transaction_are_permanent() -> None:
    one = signed(replace(PLAIN, chain_id=bytes(32)))
    parts = (
        "82 89 01 5820" + "00" * 32,
        "54" + ALICE.hex(),
        "03 1863 191388 01",
        "81 84 636c6162 6472656164 8101 f6",
        "4568656c6c6f",
        "81 82 5820" + key_of("alice").hex(),
        "5840" + one.signatures[0][1].hex(),
    )
    assert one.raw == bytes.fromhex("".join(parts))


def test_any_other_field_is_another_message() -> None:
    others = [
        replace(PLAIN, chain_id=bytes(32)),
        replace(PLAIN, sender=account_of("bob")),
        replace(PLAIN, nonce=4),
        replace(PLAIN, valid_until_height=100),
        replace(PLAIN, fee_max_uthb=5_001),
        replace(PLAIN, mode=Mode.ALL_OR_NOTHING),
        replace(PLAIN, calls=PLAIN.calls * 2),
        replace(PLAIN, calls=(replace(PLAIN.calls[0], owner=ALICE),)),
        replace(PLAIN, memo=b""),
    ]
    messages = [one.message() for one in (PLAIN, *others)]
    assert len(set(messages)) == len(messages)


def malformed(raw: bytes) -> str:
    with pytest.raises(MalformedTransaction) as caught:
        decode_transaction(raw, CHAIN)
    why = caught.value.values["why"]
    assert isinstance(why, str)
    assert len(why) < 300, "a refusal does not repeat its input"
    return why


def with_inner(position: int, value: object) -> bytes:
    """Return the bytes with one field of the inner array changed, signature left as it was."""
    inner: list[object] = [*PLAIN.to_wire()]
    inner[position] = value
    pairs = [list(pair) for pair in signed().signatures]
    return cbor2.dumps([inner, pairs], canonical=True)


@pytest.mark.parametrize(
    ("position", "value", "path"),
    [
        (0, 2, "version: "),
        (0, True, "version: "),
        (1, bytes(31), "chain_id: "),
        (1, "x" * 32, "chain_id: "),
        (2, bytes(21), "sender: "),
        (2, None, "sender: "),
        (3, -5, "nonce: "),
        (3, True, "nonce: "),
        (3, 1.0, "float has no encoding"),
        (3, 2**63, "outside"),
        (3, 2**64, ""),
        (3, "1", "nonce: "),
        (4, -1, "valid_until_height: "),
        (5, -1, "fee_max_uthb: "),
        (6, 2, "mode: "),
        (6, True, "mode: "),
        (7, [], "calls: "),
        (7, {}, "calls: "),
        (7, None, "calls: "),
        (7, [PLAIN.calls[0].to_wire()] * (CALLS_MAX + 1), "calls: "),
        (7, [[]], "calls[0]: "),
        (7, [PLAIN.calls[0].to_wire(), 5], "calls[1]: "),
        (7, [["lab", "read", [1]]], "calls[0]: "),
        (7, [["lab", "read", 1, None]], "calls[0].args: "),
        (7, [["", "read", [], None]], "calls[0].contract: "),
        (7, [["l" * 33, "read", [], None]], "calls[0].contract: "),
        (7, [["lab", b"read", [], None]], "calls[0].method: "),
        (7, [["lab", "re\0d", [], None]], "calls[0].method: "),
        (7, [["lab", "read", [], bytes(19)]], "calls[0].owner: "),
        (7, [["lab", "read", [1.5], None]], "float has no encoding"),
        (8, bytes(257), "memo: "),
        (8, "text", "memo: "),
    ],
)
def test_every_fault_of_a_field_is_named_with_its_path(
    position: int, value: object, path: str
) -> None:
    assert path in malformed(with_inner(position, value))


KEY, SIGNATURE = key_of("alice"), bytes(64)
PAIRS = sorted([key_of(f"key {i}"), SIGNATURE] for i in range(SIGNATURES_MAX + 1))


@pytest.mark.parametrize(
    ("pairs", "path"),
    [
        ([], "signatures: "),
        (None, "signatures: "),
        ({}, "signatures: "),
        (PAIRS, "signatures: "),
        ([KEY, SIGNATURE], "signatures[0]: "),
        ([[KEY]], "signatures[0]: "),
        ([[KEY[:-1], SIGNATURE]], "signatures[0].key: "),
        ([PAIRS[0], [PAIRS[1][0], bytes(63)]], "signatures[1].bytes: "),
        ([[KEY, None]], "signatures[0].bytes: "),
        ([PAIRS[1], PAIRS[0]], "ascending"),
        ([PAIRS[0], PAIRS[0]], "ascending"),
    ],
)
def test_signatures_are_one_to_sixteen_pairs_with_keys_ascending(pairs: object, path: str) -> None:
    assert path in malformed(cbor2.dumps([PLAIN.to_wire(), pairs], canonical=True))
    best = cbor2.dumps([PLAIN.to_wire(), PAIRS[:-1]], canonical=True)
    assert len(decode_transaction(best, CHAIN).signatures) == SIGNATURES_MAX


@pytest.mark.parametrize(
    "outer", [None, 1, b"", [], [1], [PLAIN.to_wire()], [[], []], [PLAIN.to_wire(), [], 1], {}]
)
def test_what_is_no_transaction_at_all_is_refused(outer: object) -> None:
    assert malformed(cbor2.dumps(outer, canonical=True))


def test_bytes_that_are_not_the_one_form_are_refused() -> None:
    raw = signed().raw
    for bad in (
        b"",
        raw[:-1],
        raw + b"\0",
        b"\x9f" + raw[1:],
        raw.replace(b"\x03\x18\x63", b"\x18\x03\x18\x63"),
    ):
        assert malformed(bad)
    longer = b"\x98\x02" + raw[1:]
    assert "deterministic" in malformed(longer)


def test_the_size_limit_is_exact() -> None:
    spare = TRANSACTION_BYTES_MAX - len(signed().raw)
    call = Call("lab", "read", (bytes(spare - 2),))
    fits = signed(replace(PLAIN, calls=(call,)))
    assert len(fits.raw) == TRANSACTION_BYTES_MAX
    assert decode_transaction(fits.raw, CHAIN) == fits
    assert "at most 65536" in malformed(fits.raw + b"\0")
    with pytest.raises(MalformedTransaction):
        signed(replace(PLAIN, calls=(replace(call, arguments=(bytes(spare - 1),)),)))


def test_a_transaction_of_another_chain_says_both_chains() -> None:
    with pytest.raises(WrongChain) as caught:
        decode_transaction(signed().raw, bytes(32))
    assert caught.value.values == {"expected": bytes(32), "got": CHAIN}
    assert CHAIN.hex() in str(caught.value)


@given(st.data())
def test_one_changed_byte_makes_another_transaction_or_none(data: st.DataObject) -> None:
    good = signed(PLAIN, "alice", "bob")
    raw = bytearray(good.raw)
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] ^= data.draw(st.integers(1, 255))
    try:
        other = decode_transaction(bytes(raw), CHAIN)
    except (MalformedTransaction, WrongChain):
        return
    assert other.raw == bytes(raw)
    assert other.id != good.id
    assert not all(verify(*message) for message in other.signed), "no byte is malleable"


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_by_name(raw: bytes) -> None:
    malformed(raw)


# Preparing


def test_arguments_are_typed_once_by_the_catalogue() -> None:
    calls = (
        Call("lab", "read", (1,)),
        Call("lab", "read", (-5,)),
        Call("lab", "read", ()),
        Call("lab", "gone", ()),
        Call("gone", "read", ()),
    )
    prepared = prepare(signed(replace(PLAIN, calls=calls)), LabRegistry.catalogue)
    assert prepared.id == prepared.signed.id
    assert [type(call.refusal) for call in prepared.calls] == [
        type(None), BadArguments, BadArguments, UnknownMethod, UnknownContract
    ]  # fmt: skip
    assert prepared.calls[0].arguments == (1,)
    assert prepared.calls[1].refusal is not None
    assert prepared.calls[1].refusal.values == {"why": "key: -5 is outside 0 … 9223372036854775807"}
    assert [call.method is None for call in prepared.calls] == [False] * 3 + [True] * 2
    assert prepared.signed_messages == prepared.signed.signed


def test_without_a_catalogue_the_chains_own_contracts_are_meant() -> None:
    prepared = prepare(signed())
    assert isinstance(prepared.calls[0].refusal, UnknownContract)


def test_a_kept_refusal_keeps_no_frames_alive() -> None:
    prepared = prepare(signed(replace(PLAIN, calls=(Call("gone", "read", ()),))))
    refusal = prepared.calls[0].refusal
    assert refusal is not None
    assert traceback.extract_tb(refusal.__traceback__) == []


# Refusals


def subclasses(cls: type[NotIncludableError]) -> list[type[NotIncludableError]]:
    return [one for sub in cls.__subclasses__() for one in (sub, *subclasses(sub))]


def test_codes_of_refusals_are_permanent_and_each_says_what_to_do() -> None:
    assert mempool_package.PoolFull in subclasses(NotIncludableError)
    assert {one.code: one.__name__ for one in subclasses(NotIncludableError)} == {
        1: "MalformedTransaction",
        2: "WrongChain",
        3: "BadSignature",
        4: "WrongKeys",
        5: "LowNonce",
        6: "NonceGap",
        7: "ExpiredTransaction",
        8: "FeeTooLow",
        9: "TooHeavy",
        10: "CannotPayFee",
        11: "BlockFull",
        12: "BrokenCall",
        20: "AlreadyKnown",
        21: "UnderpricedReplacement",
        22: "SenderCapReached",
        23: "PoolFull",
        24: "Replaced",
    }
    assert len({one.code for one in subclasses(NotIncludableError)}) == 17
    assert all(one.__doc__ for one in subclasses(NotIncludableError))
