"""Accounts: keys and thresholds, mandates and their limits."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from chain.refusals import BadSignature, LowNonce, NonceGap, WrongKeys
from chain.transaction import Call, SignedTransaction
from chain.verdicts import SignedMessage
from contracts.kernel import NotPermitted, Value
from contracts.money.accounts import (
    DAY_MS,
    MANDATES_MAX,
    BadKeys,
    BadMandate,
    BadThreshold,
    MandateExceeded,
    NoMandate,
    TooManyMandates,
)
from tests.support.genesis import FUNDS_UTHB, PEOPLE
from tests.support.machine import ContractMachine
from tests.support.people import account_of, key_of
from tests.support.world import World

ALICE, BOB, CAROL = (account_of(name) for name in ("alice", "bob", "carol"))
TRANSFER = Call("credit", "transfer", (BOB, 100, b""))
LATER_MS = 2_000_000_000_000


@pytest.fixture
def world() -> World:
    return World()


def keys(*names: str) -> list[Value]:
    return [*sorted(key_of(name) for name in names)]


def test_an_account_answers_to_the_key_whose_hash_it_is(world: World) -> None:
    assert world.send("alice", TRANSFER).results[0].code == 0
    stranger = world.signed("alice", TRANSFER, keys=("bob",))
    world.not_includable(WrongKeys, stranger)


def test_a_key_record_replaces_the_first_key_and_needs_exactly_the_threshold(world: World) -> None:
    world.call("alice", "accounts", "set_keys", keys("a1", "a2", "a3"), 2)
    for wrong in (("alice",), ("a1",), ("a1", "a2", "a3"), ("a1", "bob"), ("alice", "a1")):
        world.not_includable(WrongKeys, world.signed("alice", TRANSFER, keys=wrong))
    for right in (("a1", "a2"), ("a1", "a3"), ("a3", "a2")):
        assert world.send("alice", TRANSFER, keys=right).results[0].code == 0
    world.check_invariants()


@pytest.mark.parametrize("names", [(), ("a1", "a1")])
def test_no_keys_or_the_same_key_twice_are_refused(world: World, names: tuple[str, ...]) -> None:
    world.refused(BadKeys, "alice", "accounts", "set_keys", keys(*names), 1)


def test_keys_out_of_order_and_small_order_points_are_refused(world: World) -> None:
    backwards = keys("a1", "a2")[::-1]
    world.refused(BadKeys, "alice", "accounts", "set_keys", backwards, 1)
    small_order = bytes([1]) + bytes(31)
    world.refused(BadKeys, "alice", "accounts", "set_keys", [small_order], 1)


@pytest.mark.parametrize("threshold", [0, 3])
def test_a_threshold_that_cannot_be_met_is_refused(world: World, threshold: int) -> None:
    world.refused(BadThreshold, "alice", "accounts", "set_keys", keys("a1", "a2"), threshold)


def test_a_signature_of_somebody_else_is_refused(world: World) -> None:
    good = world.signed("alice", TRANSFER)
    signed = good.signed
    message = signed.signed[0].message
    forged = SignedMessage(key_of("alice"), message, bytes(64))
    bad = SignedTransaction(
        signed.transaction, ((key_of("alice"), bytes(64)),), signed.raw, signed.id, (forged,)
    )
    world.not_includable(BadSignature, replace(good, signed=bad, signed_messages=(forged,)))


def test_a_nonce_is_used_once_and_in_order(world: World) -> None:
    first = world.signed("alice", TRANSFER)
    world.not_includable(NonceGap, world.signed("alice", TRANSFER, nonce=1))
    world.block(first)
    world.not_includable(LowNonce, first)
    assert world.read.accounts.nonce(ALICE) == 1


def grant(world: World, limit: int, *calls: str, until_ms: int = LATER_MS) -> None:
    world.call("alice", "accounts", "grant_mandate", BOB, list(calls), limit, until_ms)


def spend(world: World, amount: int, sender: str = "bob") -> int:
    call = Call("credit", "transfer", (CAROL, amount, b""), owner=ALICE)
    return world.send(sender, call).results[0].code


def test_an_agent_spends_the_owners_credit_and_pays_the_fee_itself(world: World) -> None:
    grant(world, 1_000, "credit.transfer")
    alice, bob = world.read.credit.free(ALICE), world.read.credit.free(BOB)
    receipt = world.send("bob", Call("credit", "transfer", (CAROL, 600, b""), owner=ALICE))
    assert receipt.results[0].code == 0
    assert world.read.credit.free(ALICE) == alice - 600
    assert world.read.credit.free(BOB) == bob - receipt.fee_uthb
    assert world.read.credit.free(CAROL) == FUNDS_UTHB + 600
    world.check_invariants()


def test_without_a_live_mandate_for_the_call_it_is_rejected(world: World) -> None:
    arguments = (CAROL, 1, b"")
    world.refused(NoMandate, "bob", "credit", "transfer", *arguments, owner=ALICE)
    grant(world, 1_000, "nrg.transfer")
    world.refused(NoMandate, "bob", "credit", "transfer", *arguments, owner=ALICE)
    grant(world, 1_000, "credit.*", until_ms=world.time_ms + 2_000)
    assert spend(world, 1) == 0
    world.refused(NoMandate, "bob", "credit", "transfer", *arguments, owner=ALICE)
    world.refused(NoMandate, "carol", "credit", "transfer", *arguments, owner=ALICE)


def test_the_daily_limit_counts_all_spending_of_a_day_and_starts_anew_the_next(
    world: World,
) -> None:
    grant(world, 1_000, "credit.transfer")
    assert spend(world, 700) == 0
    result = world.refused(
        MandateExceeded, "bob", "credit", "transfer", CAROL, 301, b"", owner=ALICE
    )
    assert result.value == {"limit_uthb": 1_000, "spent_uthb": 1_001}
    assert spend(world, 300) == 0
    world.time_ms += DAY_MS
    assert spend(world, 1_000) == 0


def test_a_revoked_mandate_is_dead(world: World) -> None:
    grant(world, 1_000, "credit.transfer")
    world.call("alice", "accounts", "revoke_mandate", BOB)
    world.refused(NoMandate, "bob", "credit", "transfer", CAROL, 1, b"", owner=ALICE)
    world.refused(NoMandate, "alice", "accounts", "revoke_mandate", BOB)


def test_an_agent_can_neither_change_keys_nor_pass_its_mandate_on(world: World) -> None:
    grant(world, 1_000, "accounts.*")
    world.refused(NotPermitted, "bob", "accounts", "set_keys", keys("bob"), 1, owner=ALICE)
    passed_on: tuple[Value, ...] = (CAROL, ["credit.*"], 5, LATER_MS)
    world.refused(NotPermitted, "bob", "accounts", "grant_mandate", *passed_on, owner=ALICE)
    world.refused(NotPermitted, "bob", "accounts", "revoke_mandate", BOB, owner=ALICE)


def test_empty_expired_and_own_mandates_are_refused(world: World) -> None:
    cases: tuple[tuple[Value, ...], ...] = (
        (BOB, [], 1, LATER_MS),
        (ALICE, ["credit.*"], 1, LATER_MS),
        (BOB, ["credit.*"], 1, 1),
    )
    for arguments in cases:
        world.refused(BadMandate, "alice", "accounts", "grant_mandate", *arguments)


def test_mandates_of_one_owner_are_bounded_and_expired_ones_make_room(world: World) -> None:
    for number in range(MANDATES_MAX):
        agent = account_of(f"agent {number}")
        until_ms = world.time_ms + 60_000 if number == 0 else LATER_MS
        world.call("alice", "accounts", "grant_mandate", agent, ["credit.*"], 1, until_ms)
    one_more: tuple[Value, ...] = (BOB, ["credit.*"], 1, LATER_MS)
    world.refused(TooManyMandates, "alice", "accounts", "grant_mandate", *one_more)
    world.time_ms += 60_000
    world.call("alice", "accounts", "grant_mandate", *one_more)
    world.check_invariants()


@settings(max_examples=10, stateful_step_count=12)
class AccountsMachine(ContractMachine):
    """Key changes, grants and spending in any order keep the contract's invariants."""

    contracts = ("accounts",)

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.keys: dict[str, tuple[str, ...]] = {name: (name,) for name in PEOPLE}

    @rule(owner=st.sampled_from(PEOPLE), count=st.integers(1, 4), data=st.data())
    def set_keys(self, owner: str, count: int, data: st.DataObject) -> None:
        threshold = data.draw(st.integers(1, count))
        names = [f"{owner} key {i} {self.world.height}" for i in range(count)]
        call = Call("accounts", "set_keys", (keys(*names), threshold))
        assert self.world.send(owner, call, keys=self.keys[owner]).results[0].code == 0
        self.keys[owner] = tuple(names[:threshold])

    @rule(owner=st.sampled_from(PEOPLE), agent=st.sampled_from(PEOPLE), limit=st.integers(0, 50))
    def grant(self, owner: str, agent: str, limit: int) -> None:
        calls: list[Value] = ["credit.transfer"]
        arguments = (account_of(agent), calls, limit, LATER_MS)
        call = Call("accounts", "grant_mandate", arguments)
        code = self.world.send(owner, call, keys=self.keys[owner]).results[0].code
        assert (code == 0) == (owner != agent)

    @rule(owner=st.sampled_from(PEOPLE), agent=st.sampled_from(PEOPLE), amount=st.integers(1, 40))
    def spend(self, owner: str, agent: str, amount: int) -> None:
        before = self.world.read.credit.free(account_of(owner))
        call = Call("credit", "transfer", (CAROL, amount, b""), owner=account_of(owner))
        receipt = self.world.send(agent, call, keys=self.keys[agent])
        mandate = self.world.read.accounts.mandate(account_of(owner), account_of(agent))
        if owner != agent and mandate is None:
            assert receipt.results[0].code != 0
            assert self.world.read.credit.free(account_of(owner)) == before


TestAccountsMachine = AccountsMachine.TestCase
