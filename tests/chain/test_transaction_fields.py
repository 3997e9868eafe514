"""Fields of a transaction: what one process found out, another makes the same objects of."""

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.refusals import MalformedTransaction, WrongChain
from chain.transaction import (
    Call,
    Mode,
    PreparedTransaction,
    Transaction,
    decode_transaction,
    from_fields,
    prepare,
    sign_transaction,
    to_fields,
)
from contracts.kernel import Value, codec
from contracts.kernel.catalogue import Catalogue
from contracts.registry import CATALOGUE
from tests.chain.test_claims import bundle, statement
from tests.chain.test_transaction import CHAIN, PLAIN, TRANSACTIONS
from tests.support.lab import LabRegistry, Parcel
from tests.support.people import account_of, key_of, seed_of

STATEMENTS = st.builds(lambda device, true: statement(device, true=true), st.integers(0, 5),
                       st.booleans())  # fmt: skip
PARCELS = st.builds(
    lambda bundles, spare: Parcel(tuple(bundle(one) for one in bundles), spare),
    st.lists(st.lists(STATEMENTS, max_size=3), max_size=3),
    st.none() | STATEMENTS,
)
LAB_CALLS = st.one_of(
    PARCELS.map(lambda parcel: Call("lab", "judge", (parcel.to_wire(),))),
    st.integers(-3, 3).map(lambda key: Call("lab", "read", (key,))),
    st.sampled_from([Call("lab", "gone", ()), Call("lab", "judge", (5,)), Call("lab", "total", ()),
                     Call("credit", "transfer", (bytes(20), 1, b""), account_of("bob"))]),
)  # fmt: skip
LAB_TRANSACTIONS = st.builds(
    Transaction,
    st.just(CHAIN),
    st.just(account_of("alice")),
    st.integers(0, 9),
    st.just(9),
    st.just(9),
    st.sampled_from(Mode),
    st.lists(LAB_CALLS, min_size=1, max_size=4).map(tuple),
)
SIGNERS = st.lists(st.sampled_from("abcdefg"), min_size=1, unique=True)


def comparable(prepared: PreparedTransaction) -> list[Any]:
    """Return all there is in a prepared transaction; a refusal equals no other by itself."""
    calls = [
        (
            one.call,
            one.method,
            one.arguments,
            None if one.refusal is None else (type(one.refusal), one.refusal.values),
        )
        for one in prepared.calls
    ]
    return [prepared.signed, calls, prepared.claim_count, prepared.signed_messages, prepared.lane]


def carried(raw: bytes, catalogue: Catalogue) -> PreparedTransaction:
    """Return what comes out at the other end of a way between processes."""
    fields = to_fields(prepare(decode_transaction(raw, CHAIN), catalogue))
    sent = pickle.dumps(fields)
    assert pickle.loads(sent) == fields  # noqa: S301 - our own
    return from_fields(raw, CHAIN, pickle.loads(sent), catalogue)  # noqa: S301 - our own


def is_builtin(value: object) -> bool:
    """Say whether a value consists of nothing that a pickle would have to look up."""
    if type(value) in {list, tuple}:
        return all(map(is_builtin, value))  # type: ignore[call-overload]  # narrowed by its type
    if type(value) is dict:
        return all(is_builtin(key) and is_builtin(item) for key, item in value.items())
    return value is None or type(value) in {bool, bytes, int, str}


@pytest.mark.parametrize("catalogue", [CATALOGUE, LabRegistry.catalogue])
@given(transaction=TRANSACTIONS | LAB_TRANSACTIONS, names=SIGNERS)
def test_a_carried_transaction_is_the_one_that_its_bytes_stand_for(
    catalogue: Catalogue, transaction: Transaction, names: list[str]
) -> None:
    raw = sign_transaction(transaction, [seed_of(name) for name in names]).raw
    here = prepare(decode_transaction(raw, CHAIN), catalogue)
    made = carried(raw, catalogue)
    assert comparable(made) == comparable(here)
    assert repr(made) == repr(here), "also where values of two types are equal"
    pairs: list[Value] = [list(pair) for pair in made.signed.signatures]
    assert codec.encode([made.signed.transaction.to_wire(), pairs]) == raw
    assert [key for key, _, _ in made.signed.signed] == sorted(key_of(name) for name in names)


@given(transaction=TRANSACTIONS | LAB_TRANSACTIONS)
def test_fields_are_builtins_only(transaction: Transaction) -> None:
    prepared = prepare(sign_transaction(transaction, [seed_of("alice")]), LabRegistry.catalogue)
    fields = to_fields(prepared)
    assert type(fields) is tuple
    assert is_builtin(fields)
    assert b"chain.transaction" not in pickle.dumps(fields)


@given(st.data())
def test_whatever_bytes_decode_come_out_the_same(data: st.DataObject) -> None:
    raw = bytearray(sign_transaction(PLAIN, [seed_of("alice"), seed_of("bob")]).raw)
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] ^= data.draw(st.integers(0, 255))
    try:
        here = prepare(decode_transaction(bytes(raw), CHAIN), LabRegistry.catalogue)
    except (MalformedTransaction, WrongChain):
        return
    assert comparable(carried(bytes(raw), LabRegistry.catalogue)) == comparable(here)


def test_the_claims_stay_in_the_order_in_which_they_were_judged() -> None:
    parcel = Parcel((bundle([statement(1), statement(2)]),), statement(3))
    call = Call("lab", "judge", (parcel.to_wire(),))
    transaction = Transaction(CHAIN, account_of("alice"), 0, 9, 9, Mode(0), (call, call))
    raw = sign_transaction(transaction, [seed_of("alice")]).raw
    keys = [key_of(name) for name in ("gateway", "device 1", "device 2", "device 3")]
    made = carried(raw, LabRegistry.catalogue)
    assert made.claim_count == 8
    assert [key for key, _, _ in made.signed_messages] == [key_of("alice"), *keys, *keys]
