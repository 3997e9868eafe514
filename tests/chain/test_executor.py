"""Execution of transactions: outcomes, fees, limits, and what leaves no trace (PROTOCOL §4)."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.execution.admission import intrinsic_weight
from chain.execution.receipt import Outcome, Receipt
from chain.refusals import (
    BlockFull,
    BrokenCall,
    CannotPayFee,
    ExpiredTransaction,
    FeeTooLow,
    LowNonce,
    NonceGap,
    NotIncludableError,
    TooHeavy,
    WrongChain,
    WrongKeys,
)
from chain.transaction import Call, Mode, PreparedTransaction
from contracts.governance.parameters import ChainParameters
from contracts.kernel import Value
from contracts.kernel.errors import BadArguments, UnknownContract, UnknownMethod
from contracts.kernel.meter import WeightTable
from contracts.money.credit import FEE_POOL
from tests.support.genesis import FUNDS_UTHB, make_genesis, parameters
from tests.support.lab import BUGS, FATAL_FAULTS, SECRET, Fault, LabRegistry, Refused
from tests.support.people import account_of
from tests.support.world import FEE_MAX_UTHB, World

ALICE, BOB = account_of("alice"), account_of("bob")
REFUSED = 0x7F01


def lab_world(chain: ChainParameters | None = None) -> World:
    return World(make_genesis(chain=chain), LabRegistry)


@pytest.fixture
def world() -> World:
    return lab_world()


def lab(method: str, *arguments: Value) -> Call:
    return Call("lab", method, arguments)


def wrong(fault: Fault) -> Call:
    return lab("go_wrong", int(fault))


def cells(world: World) -> dict[int, int]:
    registry = world.read
    assert isinstance(registry, LabRegistry)
    return dict(registry.lab.cells.items())


def codes(receipt: Receipt) -> list[int]:
    return [result.code for result in receipt.results]


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


# Fees and weight


def test_the_fee_is_base_and_weight_times_price_and_the_rest_returns(world: World) -> None:
    one = world.signed("alice", WRITE)
    receipt = world.block(one).receipts[1]
    chain = world.parameters
    calls = sum(result.weight for result in receipt.results)
    assert receipt.weight == intrinsic_weight(one, chain) + calls
    assert receipt.fee_uthb == chain.fee_base_uthb + receipt.weight * chain.fee_per_weight_uthb
    assert world.read.credit.free(ALICE) == FUNDS_UTHB - receipt.fee_uthb
    assert world.read.credit.free(FEE_POOL) == receipt.fee_uthb


def test_a_transaction_weighs_itself_its_bytes_and_its_signatures(world: World) -> None:
    one, weights = world.signed("alice", WRITE), WeightTable()
    expected = weights.transaction + len(one.signed.raw) * weights.byte + weights.signature
    assert intrinsic_weight(one, world.parameters) == expected


@pytest.mark.parametrize("price", [1, 7])
def test_fee_max_must_cover_base_and_intrinsic_weight_to_the_uthb(price: int) -> None:
    world = lab_world(parameters(fee_per_weight_uthb=price))
    need = 0
    for _ in range(3):  # the size depends on the digits of fee_max
        one = world.signed("alice", WRITE, fee_max_uthb=max(need, 300))
        need = world.parameters.fee_base_uthb + intrinsic_weight(one, world.parameters) * price
    error = world.not_includable(FeeTooLow, world.signed("alice", WRITE, fee_max_uthb=need - 1))
    assert error.values == {"fee_max_uthb": need - 1, "need_uthb": need}
    receipt = world.send("alice", WRITE, fee_max_uthb=need)
    assert codes(receipt) == [OUT], "nothing is left for the call"
    assert receipt.fee_uthb == need


def test_what_fee_max_pays_for_is_exactly_what_may_be_used() -> None:
    world = lab_world(parameters(fee_per_weight_uthb=7))
    fee = world.send("bob", WRITE, fee_max_uthb=20_000).fee_uthb
    for missing, code in ((0, 0), (1, OUT)):
        sender = ("alice", "carol")[missing]
        receipt = world.send(sender, lab("write", 5 + missing, 1), fee_max_uthb=fee - missing)
        assert codes(receipt) == [code]
        assert receipt.fee_uthb <= fee - missing
        assert receipt.weight == (fee - missing - 1_000) // 7
    assert cells(world) == {1: 1, 5: 1}


@pytest.mark.parametrize("mode", Mode)
def test_at_the_limit_the_running_call_is_undone_and_later_ones_do_not_run(
    world: World, mode: Mode
) -> None:
    calls = (WRITE, wrong(Fault.ENDLESS_LOOP), lab("write", 3, 3))
    receipt = world.send("alice", *calls, mode=mode, fee_max_uthb=50_000)
    kept = mode is Mode.EACH_ALONE
    assert codes(receipt) == [0 if kept else UNDONE, OUT, NOT_RUN]
    assert cells(world) == ({1: 1} if kept else {})
    assert receipt.weight == 50_000 - world.parameters.fee_base_uthb
    assert receipt.fee_uthb == 50_000


@pytest.mark.parametrize("mode", Mode)
def test_without_a_price_a_transaction_may_use_a_quarter_of_a_block(mode: Mode) -> None:
    world = lab_world(parameters(fee_per_weight_uthb=0))
    endless = wrong(Fault.ENDLESS_LOOP)
    receipt = world.send("alice", endless, mode=mode, fee_max_uthb=1_000)
    assert receipt.weight == world.parameters.transaction_weight_max == 1_000_000
    assert receipt.fee_uthb == world.parameters.fee_base_uthb
    world.not_includable(FeeTooLow, world.signed("alice", endless, fee_max_uthb=999))


def test_a_large_fee_max_buys_no_more_than_a_quarter_of_a_block(world: World) -> None:
    receipt = world.send("alice", wrong(Fault.ENDLESS_LOOP), fee_max_uthb=FUNDS_UTHB)
    assert receipt.weight == world.parameters.transaction_weight_max


def test_results_are_charged_by_the_byte_of_their_encoding(world: World) -> None:
    small, large = (world.send("alice", lab("echo", n)).results[0] for n in (10, 20_010))
    assert large.weight - small.weight == 20_000 + 2, "two bytes more of length"
    receipt = world.send("alice", lab("echo", 20_000), fee_max_uthb=15_000)
    assert codes(receipt) == [OUT]
    assert receipt.results[0].value is None


def test_bytes_and_signatures_alone_may_weigh_exactly_the_limit() -> None:
    plain = lab_world()
    one = plain.signed("alice", lab("spin", 5))
    weight = intrinsic_weight(one, plain.parameters)
    for spare, error in ((0, None), (4, TooHeavy)):
        world = lab_world(parameters(block_weight_max=4 * weight - spare))
        same = world.signed("alice", lab("spin", 5))
        assert intrinsic_weight(same, world.parameters) == weight
        if error is None:
            assert codes(world.send("alice", lab("spin", 5))) == [OUT]
        else:
            found = world.not_includable(error, same)
            assert found.values == {"weight": weight, "weight_max": weight - 1}


def test_a_block_is_full_when_a_transaction_uses_more_than_is_left() -> None:
    step, weight = WeightTable(step=1), 10_000
    for spare in (0, 1):
        world = lab_world(parameters(block_weight_max=4 * weight - spare, weights=step))
        execution = world.execution()
        execution.begin(())
        for nonce, sender in enumerate(("alice", "bob", "carol")):
            one = world.signed(sender, wrong(Fault.ENDLESS_LOOP))
            assert execution.apply(one).weight == weight - (spare > 0), nonce
        left = execution.weight_left
        assert left == 4 * weight - spare - 3 * (weight - spare)
        last = world.signed("dave", lab("spin", 2**40))
        assert execution.apply(last).weight == weight - (spare > 0)
        with pytest.raises(BlockFull):
            execution.apply(world.signed("alice", WRITE, nonce=1))
        assert execution.weight_left == left - weight + (spare > 0)
        assert len(execution.finish().receipts) == 5


def test_a_transaction_that_no_longer_fits_leaves_no_trace(world: World) -> None:
    spin = lab("spin", 2**40)
    senders = ("alice", "bob", "carol", "dave")
    filled = [world.signed(sender, spin) for sender in senders]
    late = world.signed("alice", WRITE, lab("write", 9, 9), nonce=1)
    error = world.not_includable(BlockFull, late, after=filled)
    assert error.values["left"] == 0


# Includable or not


def test_the_nonce_is_the_accounts_own(world: World) -> None:
    first = world.signed("alice", WRITE)
    gap = world.not_includable(NonceGap, world.signed("alice", WRITE, nonce=1))
    assert gap.values == {"sender": ALICE, "expected": 0, "got": 1}
    world.block(first)
    low = world.not_includable(LowNonce, first)
    assert low.values == {"sender": ALICE, "expected": 1, "got": 0}


def test_nonces_follow_within_a_block_and_a_transaction_is_in_it_once(world: World) -> None:
    first, second = (world.signed("alice", WRITE, nonce=n) for n in (0, 1))
    world.not_includable(LowNonce, first, after=[first])
    world.block(first, second)
    assert world.read.accounts.nonces[ALICE] == 2


def test_a_transaction_is_valid_from_the_window_before_its_last_height_to_that_height() -> None:
    world = lab_world(parameters(validity_blocks_max=3))
    for height, error in ((0, ExpiredTransaction), (1, None), (4, None), (5, ExpiredTransaction)):
        one = world.signed("alice", WRITE, valid_until_height=height)
        execution = world.execution()
        execution.begin(())
        if error is None:
            execution.apply(one)
        else:
            with pytest.raises(error) as caught:
                execution.apply(one)
            assert caught.value.values["latest"] == 4


def test_a_transaction_of_another_chain_is_refused(world: World) -> None:
    one = world.signed("alice", WRITE)
    foreign = replace(
        one,
        signed=replace(one.signed, transaction=replace(one.signed.transaction, chain_id=bytes(32))),
    )
    world.not_includable(WrongChain, foreign)


def test_the_whole_fee_max_must_be_there(world: World) -> None:
    free = world.read.credit.free(BOB)
    error = world.not_includable(CannotPayFee, world.signed("bob", WRITE, fee_max_uthb=free + 1))
    assert error.values == {"sender": BOB, "have_uthb": free, "need_uthb": free + 1}
    assert codes(world.send("bob", WRITE, fee_max_uthb=free)) == [0]


def test_a_call_cannot_spend_what_is_set_aside_for_the_fee(world: World) -> None:
    everything = Call("credit", "transfer", (BOB, FUNDS_UTHB - FEE_MAX_UTHB + 1, b""))
    assert codes(world.send("alice", everything)) == [0x1101]
    all_but_fee = Call("credit", "transfer", (BOB, world.read.credit.free(ALICE) - 9_000, b""))
    assert codes(world.send("alice", all_but_fee, fee_max_uthb=9_000)) == [0]


def test_somebody_elses_key_is_refused(world: World) -> None:
    world.not_includable(WrongKeys, world.signed("alice", WRITE, keys=("bob",)))


def test_an_account_that_never_had_anything_can_send_nothing(world: World) -> None:
    world.not_includable(CannotPayFee, world.signed("nobody", WRITE))
