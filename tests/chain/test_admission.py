"""What a transaction must pay and weigh, and what makes it not includable (PROTOCOL §4)."""

from dataclasses import replace

import pytest

from chain.execution.admission import intrinsic_weight
from chain.execution.receipt import Outcome
from chain.refusals import (
    BlockFull,
    CannotPayFee,
    ExpiredTransaction,
    FeeTooLow,
    LowNonce,
    NonceGap,
    TooHeavy,
    WrongChain,
    WrongKeys,
)
from chain.transaction import Call, Mode
from contracts.kernel.meter import WeightTable
from contracts.money.credit import FEE_POOL
from tests.support.genesis import FUNDS_UTHB, parameters
from tests.support.lab import Fault
from tests.support.lab_world import cells, codes, lab, lab_world, wrong
from tests.support.people import account_of
from tests.support.world import World

ALICE, BOB = account_of("alice"), account_of("bob")


@pytest.fixture
def world() -> World:
    return lab_world()


WRITE = lab("write", 1, 1)
NOT_RUN, UNDONE, OUT = Outcome.NOT_RUN, Outcome.UNDONE, Outcome.OUT_OF_WEIGHT


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
    calls = (lab("spin", 5),) * 50
    weight = intrinsic_weight(lab_world().signed("alice", *calls), parameters())
    world = lab_world(parameters(block_weight_max=4 * weight))
    assert codes(world.send("alice", *calls)) == [OUT, *[NOT_RUN] * 49]
    smaller = lab_world(parameters(block_weight_max=4 * weight - 1))
    found = smaller.not_includable(TooHeavy, smaller.signed("alice", *calls))
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
    highest = world.parameters.fee_uthb(world.parameters.transaction_weight_max)
    for offered, aside in ((highest - 1, highest - 1), (highest, highest), (2 * highest, highest)):
        free = world.read.credit.free(ALICE)
        too_much = Call("credit", "transfer", (BOB, free - aside + 1, b""))
        assert codes(world.send("alice", too_much, fee_max_uthb=offered)) == [0x1101]
        free = world.read.credit.free(ALICE)
        rest = Call("credit", "transfer", (BOB, free - aside, b""))
        assert codes(world.send("alice", rest, fee_max_uthb=offered)) == [0]
        world.call("bob", "credit", "transfer", ALICE, free - aside, b"")
    all_but_fee = Call("credit", "transfer", (BOB, world.read.credit.free(ALICE) - 9_000, b""))
    assert codes(world.send("alice", all_but_fee, fee_max_uthb=9_000)) == [0]


def test_somebody_elses_key_is_refused(world: World) -> None:
    world.not_includable(WrongKeys, world.signed("alice", WRITE, keys=("bob",)))


def test_an_account_that_never_had_anything_can_send_nothing(world: World) -> None:
    world.not_includable(CannotPayFee, world.signed("nobody", WRITE))
