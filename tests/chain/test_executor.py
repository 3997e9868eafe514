"""Execution of transactions: outcomes, fees, limits, and what leaves no trace (PROTOCOL §4)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.execution.receipt import Outcome, Receipt
from chain.refusals import (
    BrokenCall,
    NotIncludableError,
)
from chain.transaction import Call, Mode, PreparedTransaction
from contracts.kernel import Value
from contracts.kernel.errors import BadArguments, UnknownContract, UnknownMethod
from contracts.money.credit import FEE_POOL
from tests.support.genesis import FUNDS_UTHB, parameters
from tests.support.lab import BUGS, FATAL_FAULTS, SECRET, Fault, Refused
from tests.support.lab_world import cells, codes, lab, lab_world, wrong
from tests.support.people import account_of
from tests.support.world import FEE_MAX_UTHB, World

ALICE, BOB = account_of("alice"), account_of("bob")
REFUSED = 0x7F01


@pytest.fixture
def world() -> World:
    return lab_world()


WRITE = lab("write", 1, 1)
NOT_RUN, UNDONE, OUT = Outcome.NOT_RUN, Outcome.UNDONE, Outcome.OUT_OF_WEIGHT


# Outcomes


def test_calls_run_in_order_and_return_their_values(world: World) -> None:
    receipt = world.send("alice", WRITE, lab("read", 1), lab("read", 2), lab("total"))
    assert [(r.code, r.value) for r in receipt.results] == [(0, None), (0, 1), (0, 0), (0, 1)]
    assert cells(world) == {1: 1}


def test_a_refusal_keeps_nonce_and_fee_and_nothing_else(world: World) -> None:
    result = world.refused(Refused, "alice", "lab", "go_wrong", int(Fault.REJECT))
    assert result.value == {"key": 7, "who": b"x"}
    assert world.read.accounts.nonces[ALICE] == 1
    assert cells(world) == {}


def test_a_refused_calls_events_vanish_and_its_weight_stays_spent(world: World) -> None:
    result = world.block(world.signed("alice", wrong(Fault.REJECT)))
    fine = world.block(world.signed("alice", wrong(Fault.NONE)))
    assert result.events[1] == ()
    assert len(fine.events[1]) == 1
    refused, done = result.receipts[1], fine.receipts[1]
    assert refused.results[0].weight == done.results[0].weight
    assert refused.weight == done.weight
    assert world.read.credit.account(ALICE).history_count == 1, "the second event alone"


@pytest.mark.parametrize(
    ("call", "code", "value"),
    [
        (Call("nobody", "write", ()), UnknownContract.code, {"contract": "nobody"}),
        (lab("nothing"), UnknownMethod.code, {"contract": "lab", "method": "nothing"}),
        (lab("notes"), UnknownMethod.code, {"contract": "lab", "method": "notes"}),
        (lab("turn", 1), UnknownMethod.code, {"contract": "lab", "method": "turn"}),
        (lab("write", 1), BadArguments.code, {"why": "1 arguments instead of (key, value)"}),
        (lab("write", 1, -5), BadArguments.code, None),
        (lab("write", 1, True), BadArguments.code, {"why": "value: True is not an integer"}),
        (lab("write", 1, b"1"), BadArguments.code, None),
        (lab("write", 1, None), BadArguments.code, None),
        (lab("try_each", [1, 99]), BadArguments.code, None),
    ],
)
def test_a_call_that_cannot_be_made_is_refused_and_pays(
    world: World, call: Call, code: int, value: Value
) -> None:
    result = world.send("alice", WRITE, call, mode=Mode.EACH_ALONE).results[1]
    assert result.code == code
    assert value is None or result.value == value
    assert world.read.credit.free(ALICE) < FUNDS_UTHB


def test_all_or_nothing_undoes_every_call_when_one_is_refused(world: World) -> None:
    receipt = world.send("alice", WRITE, lab("write", 2, 2), wrong(Fault.REJECT), WRITE)
    assert codes(receipt) == [UNDONE, UNDONE, REFUSED, NOT_RUN]
    assert cells(world) == {}
    assert [r.weight > 0 for r in receipt.results] == [True, True, True, False]
    assert [r.value for r in receipt.results[:2]] == [None, None]


def test_each_alone_undoes_only_what_is_refused(world: World) -> None:
    calls = (WRITE, wrong(Fault.REJECT), lab("write", 2, 2))
    receipt = world.send("alice", *calls, mode=Mode.EACH_ALONE)
    assert codes(receipt) == [0, REFUSED, 0]
    assert cells(world) == {1: 1, 2: 2}


def test_a_list_is_judged_item_by_item(world: World) -> None:
    faults: list[Value] = [int(f) for f in (Fault.NONE, Fault.REJECT, Fault.NONE)]
    receipt = world.send("alice", lab("try_each", faults))
    assert receipt.results[0].value == [True, False, True]
    assert cells(world) == {0: 1, 2: 1}


def test_item_ids_are_of_sender_nonce_call_and_item(world: World) -> None:
    call = (lab("item", 0), lab("item", 1), lab("item", 0))
    ids = [r.value for _ in range(2) for r in world.send("alice", *call).results]
    ids += [r.value for r in world.send("bob", *call).results]
    assert len({bytes(one) for one in ids if isinstance(one, bytes)}) == 9


def test_a_call_for_an_owner_acts_as_the_owner_and_for_oneself_as_oneself(world: World) -> None:
    grant: tuple[Value, ...] = (BOB, ["lab.who"], 0, 2**50)
    world.call("alice", "accounts", "grant_mandate", *grant)
    receipt = world.send(
        "bob", Call("lab", "who", (), owner=ALICE), Call("lab", "who", (), owner=BOB), lab("who")
    )
    assert [r.value for r in receipt.results] == [[BOB, ALICE], [BOB, BOB], [BOB, BOB]]


# Bugs and fatal errors


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("fault", BUGS)
def test_a_bug_makes_the_transaction_not_includable_without_any_trace(
    world: World, fault: Fault, mode: Mode
) -> None:
    broken = world.signed("alice", WRITE, wrong(fault), mode=mode)
    error = world.not_includable(BrokenCall, broken)
    assert sorted(error.values) == ["error", "id"]
    assert SECRET not in str(error)
    assert error.__cause__ is not None, "the operator's log can say what happened"
    world.send("alice", WRITE)


def test_a_result_that_is_not_what_the_method_declares_is_a_bug(world: World) -> None:
    world.not_includable(BrokenCall, world.signed("alice", lab("lie")))


@pytest.mark.parametrize("fault", FATAL_FAULTS)
def test_fatal_errors_end_the_execution_and_are_no_outcome(world: World, fault: Fault) -> None:
    execution = world.execution()
    execution.begin(())
    with pytest.raises((RecursionError, MemoryError, Exception)) as caught:
        execution.apply(world.signed("alice", WRITE, wrong(fault)))
    assert not isinstance(caught.value, NotIncludableError)
    with pytest.raises(AssertionError):
        execution.apply(world.signed("bob", WRITE))
    with pytest.raises(AssertionError):
        execution.finish()


def test_a_block_begins_once_and_ends_once(world: World) -> None:
    execution = world.execution()
    with pytest.raises(AssertionError):
        execution.apply(world.signed("alice", WRITE))
    with pytest.raises(AssertionError):
        execution.finish()
    execution.begin(())
    with pytest.raises(AssertionError):
        execution.begin(())
    execution.finish()
    for act in (execution.finish, lambda: execution.apply(world.signed("alice", WRITE))):
        with pytest.raises(AssertionError):
            act()


CALLS = st.sampled_from(
    (
        WRITE,
        lab("write", 2, 5),
        lab("write", 1, 0),
        lab("total"),
        lab("spin", 500),
        wrong(Fault.NONE),
        wrong(Fault.REJECT),
        wrong(Fault.VALUE_ERROR),
        wrong(Fault.ENDLESS_LOOP),
        Call("credit", "transfer", (BOB, 10, b"")),
        Call("credit", "transfer", (ALICE, FUNDS_UTHB, b"")),
        Call("nobody", "nothing", ()),
    )
)
DRAWN = st.lists(
    st.tuples(
        st.sampled_from(("alice", "bob", "carol")),
        st.lists(CALLS, min_size=1, max_size=4),
        st.sampled_from(Mode),
        st.sampled_from((1, 3_000, 20_000, FEE_MAX_UTHB)),
        st.integers(0, 2),
    ),
    max_size=10,
)


@settings(max_examples=60)
@given(DRAWN)
def test_a_block_does_not_depend_on_what_was_tried_and_left_out(
    drawn: list[tuple[str, list[Call], Mode, int, int]],
) -> None:
    """What a proposer makes while dropping transactions is what validators make without them."""
    world = lab_world(parameters(block_weight_max=200_000))
    proposal = world.execution()
    proposal.begin(())
    taken: list[PreparedTransaction] = []
    nonces: dict[str, int] = {}
    for sender, calls, mode, fee_max, skip in drawn:
        nonce = nonces.get(sender, 0) + (1 if skip == 2 else 0)
        one = world.signed(sender, *calls, mode=mode, fee_max_uthb=fee_max, nonce=nonce)
        try:
            proposal.apply(one)
        except NotIncludableError:
            continue
        taken.append(one)
        nonces[sender] = nonce + 1
    proposed = proposal.finish()
    supply = world.read.credit.total_supply()
    checked = world.block(*taken)
    assert checked == proposed
    assert [r.id for r in checked.receipts[1:]] == [one.id for one in taken]
    world.check_invariants()
    assert world.read.credit.total_supply() == supply
    fees = sum(receipt.fee_uthb for receipt in checked.receipts)
    assert world.read.credit.free(FEE_POOL) == fees
    for receipt in checked.receipts:
        assert Receipt.decode(receipt.encode()) == receipt
        assert receipt.weight >= sum(result.weight for result in receipt.results)
