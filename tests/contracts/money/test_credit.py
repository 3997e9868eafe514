"""SparkTHB credit: transfers, holds, fees, histories, conservation."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from chain.transaction import Call, Mode
from contracts.kernel import codec, sha256
from contracts.kernel.errors import BadArguments
from contracts.kernel.ledger import Column, Entry, pool_address
from contracts.money.credit import FEE_POOL, CreditTransferred, InsufficientFunds, ZeroAmount
from tests.support.genesis import FUNDS_UTHB, PEOPLE
from tests.support.machine import ContractMachine
from tests.support.people import account_of
from tests.support.world import FEE_MAX_UTHB, World

ALICE, BOB = account_of("alice"), account_of("bob")


@pytest.fixture
def world() -> World:
    return World()


def test_a_transfer_moves_exactly_its_amount_and_costs_the_sender_the_fee(world: World) -> None:
    receipt = world.send("alice", Call("credit", "transfer", (BOB, 1_234_567, b"rent")))
    assert world.read.credit.free(BOB) == FUNDS_UTHB + 1_234_567
    assert world.read.credit.free(ALICE) == FUNDS_UTHB - 1_234_567 - receipt.fee_uthb
    assert world.read.credit.free(FEE_POOL) == receipt.fee_uthb
    world.check_invariants()


def test_the_fee_is_base_plus_weight_times_price(world: World) -> None:
    receipt = world.send("alice", Call("credit", "transfer", (BOB, 1, b"")))
    chain = world.parameters
    assert receipt.fee_uthb == chain.fee_base_uthb + receipt.weight * chain.fee_per_weight_uthb
    assert receipt.fee_uthb == world.read.parameters.fee_for(receipt.weight)


def test_a_transfer_to_oneself_changes_nothing_but_the_fee(world: World) -> None:
    receipt = world.send("alice", Call("credit", "transfer", (ALICE, 10, b"")))
    assert world.read.credit.free(ALICE) == FUNDS_UTHB - receipt.fee_uthb


def test_more_than_the_free_credit_is_refused_with_the_amounts(world: World) -> None:
    result = world.refused(InsufficientFunds, "alice", "credit", "transfer", BOB, FUNDS_UTHB, b"")
    assert isinstance(result.value, dict)
    assert result.value["account"] == ALICE
    assert result.value["column"] == "free"
    assert result.value["need_uthb"] == FUNDS_UTHB


def test_a_transfer_to_oneself_beyond_the_balance_is_refused(world: World) -> None:
    world.refused(InsufficientFunds, "alice", "credit", "transfer", ALICE, FUNDS_UTHB, b"")


def test_nothing_is_no_transfer(world: World) -> None:
    world.refused(ZeroAmount, "alice", "credit", "transfer", BOB, 0, b"")


@pytest.mark.parametrize(
    "arguments",
    [
        (BOB, -5, b""),
        (BOB, True, b""),
        (BOB, 2**63 - 1 + 0, b"", 1),
        (BOB, "5", b""),
        (BOB, None, b""),
        (BOB[:-1], 5, b""),
        (BOB, 5, bytes(257)),
        (BOB, 5, "memo"),
        (BOB, 5),
        (),
    ],
)
def test_wrong_arguments_are_refused_before_the_body_runs(
    world: World, arguments: tuple[object, ...]
) -> None:
    world.refused(BadArguments, "alice", "credit", "transfer", *arguments)  # type: ignore[arg-type]


def test_a_posting_that_one_account_cannot_pay_changes_no_account(world: World) -> None:
    credit = world.read.credit
    with pytest.raises(InsufficientFunds):
        credit.post(
            Entry(BOB, Column.FREE, 2 * FUNDS_UTHB),
            Entry(ALICE, Column.FREE, -2 * FUNDS_UTHB),
        )
    assert (credit.free(ALICE), credit.free(BOB)) == (FUNDS_UTHB, FUNDS_UTHB)


def test_an_unbalanced_posting_is_a_bug_and_not_an_outcome(world: World) -> None:
    with pytest.raises(AssertionError, match="adds up to zero"):
        world.read.credit.post(Entry(ALICE, Column.FREE, 1))


def test_held_credit_cannot_be_spent(world: World) -> None:
    credit = world.read.credit
    credit.post(Entry(ALICE, Column.FREE, -FUNDS_UTHB), Entry(ALICE, Column.BID_ESCROW, FUNDS_UTHB))
    assert credit.held(ALICE, Column.BID_ESCROW) == FUNDS_UTHB
    with pytest.raises(InsufficientFunds):
        credit.post(Entry(ALICE, Column.FREE, -1), Entry(BOB, Column.FREE, 1))


def test_histories_hash_to_the_head_that_the_state_keeps(world: World) -> None:
    for amount in (1, 2, 3):
        world.call("alice", "credit", "transfer", BOB, amount, b"")
    head = bytes(32)
    for amount in (1, 2, 3):
        event = CreditTransferred(ALICE, BOB, amount, b"")
        data = codec.encode([1, "credit", "CreditTransferred", event.to_wire()])
        head = sha256(head + sha256(data))
    for account in (ALICE, BOB):
        held = world.read.credit.account(account)
        assert (held.history_count, held.history_head) == (3, head)
    assert world.read.credit.account(account_of("carol")).history_count == 0


def test_the_fee_pool_is_shared_equally_by_the_signers_and_keeps_the_remainder(
    world: World,
) -> None:
    world.call("alice", "credit", "transfer", BOB, 1, b"")
    pool = world.read.credit.free(FEE_POOL)
    signers = tuple(sorted(account_of(name) for name in ("s1", "s2", "s3")))
    world.block(signers=signers)
    assert [world.read.credit.free(s) for s in signers] == [pool // 3] * 3
    assert world.read.credit.free(FEE_POOL) == pool % 3
    world.check_invariants()


def test_pools_have_addresses_of_their_own() -> None:
    names = ("fees", "staking", "community")
    assert len({pool_address(name) for name in names}) == len(names)


@settings(max_examples=15, stateful_step_count=15)
class CreditMachine(ContractMachine):
    """Random transfers in blocks of random size keep every balance as a plain model says."""

    contracts = ("credit",)

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.free = dict.fromkeys(PEOPLE, FUNDS_UTHB)

    @rule(
        sender=st.sampled_from(PEOPLE),
        recipient=st.sampled_from(PEOPLE),
        amounts=st.lists(st.integers(0, 2 * FUNDS_UTHB), min_size=1, max_size=4),
        mode=st.sampled_from(Mode),
    )
    def transfers(self, sender: str, recipient: str, amounts: list[int], mode: Mode) -> None:
        calls = [Call("credit", "transfer", (account_of(recipient), a, b"")) for a in amounts]
        if self.free[sender] < FEE_MAX_UTHB:
            return
        receipt = self.world.send(sender, *calls, mode=mode)
        before = dict(self.free)
        spendable = self.free[sender] - FEE_MAX_UTHB
        good = []
        for amount in amounts:
            fits = 0 < amount <= spendable
            good.append(fits)
            if not fits and mode is Mode.ALL_OR_NOTHING:
                self.free = before
                break
            if fits:
                self.free[sender] -= amount
                self.free[recipient] += amount
                spendable += amount * (sender == recipient) - amount
        self.free[sender] -= receipt.fee_uthb
        if mode is Mode.EACH_ALONE:
            assert [r.code == 0 for r in receipt.results] == good

    @invariant()
    def balances_are_the_models(self) -> None:
        credit = self.world.read.credit
        assert {p: credit.free(account_of(p)) for p in PEOPLE} == self.free


TestCreditMachine = CreditMachine.TestCase
