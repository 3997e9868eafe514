"""Receipts are exactly their bytes, and bytes that are no receipt are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.execution.receipt import CallResult, Receipt
from contracts.kernel import BadValueError, MalformedError, Value, codec

VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=9)
    | st.text("abc", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
HASHES = st.binary(min_size=32, max_size=32)
SIZES = st.integers(0, 2**63 - 1)


@st.composite
def receipts(draw: st.DrawFn) -> Receipt:
    results = st.lists(st.builds(CallResult, SIZES, SIZES, VALUES), max_size=4)
    return Receipt(
        draw(HASHES),
        draw(st.integers(0, 1)),
        tuple(draw(results)),
        draw(SIZES),
        draw(SIZES),
        draw(HASHES),
    )


@given(receipts())
def test_a_receipt_is_its_bytes(receipt: Receipt) -> None:
    assert Receipt.decode(receipt.encode()) == receipt


@given(receipts(), st.data())
def test_changed_receipts_are_refused_or_are_other_receipts(
    receipt: Receipt, data: st.DataObject
) -> None:
    wire = receipt.to_wire()
    position = data.draw(st.integers(0, 6))
    wire[position] = data.draw(VALUES)
    raw = codec.encode(wire)
    try:
        other = Receipt.decode(raw)
    except BadValueError:
        return
    assert other.encode() == raw


def test_a_receipt_that_is_not_one_is_refused() -> None:
    good = Receipt(bytes(32), 0, (), 0, 0, bytes(32)).to_wire()
    bad: list[Value] = [None, 1, [], good[:-1], [*good, 1], [True, *good[1:]], [2, *good[1:]]]
    bad += [[*good[:3], 5, *good[4:]], [*good[:3], [[1, 2]], *good[4:]], [*good[:2], 2, *good[3:]]]
    for wire in bad:
        with pytest.raises(BadValueError):
            Receipt.decode(codec.encode(wire))
    with pytest.raises(MalformedError):
        Receipt.decode(b"")
