"""NRG: a fixed supply in pools and balances."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from chain.genesis import Genesis, InvalidGenesisError
from chain.transaction import Call
from contracts.money.nrg import TOTAL_UNRG, InsufficientNrg, ZeroNrg
from tests.support.genesis import PEOPLE, POOL_UNRG, make_genesis
from tests.support.machine import ContractMachine
from tests.support.people import account_of
from tests.support.world import World

BOB = account_of("bob")


def test_genesis_allots_the_whole_supply_to_accounts_and_pools() -> None:
    nrg = World().read.nrg
    assert nrg.pool("staking") == nrg.pool("incentives") == nrg.pool("community") == POOL_UNRG
    assert nrg.circulating_supply() == TOTAL_UNRG - 3 * POOL_UNRG
    assert nrg.balance(account_of("alice")) == nrg.circulating_supply()


def test_a_genesis_that_allots_more_or_less_than_the_supply_is_refused() -> None:
    good = make_genesis()
    for emptied in ("allocations", "pools"):
        changed = {**good.sections, "nrg": {**good.sections["nrg"], emptied: []}}
        with pytest.raises(InvalidGenesisError, match="the supply is"):
            World(Genesis(good.name, good.time_ms, good.devnet, changed))


def test_a_genesis_with_an_unknown_pool_is_refused() -> None:
    good = make_genesis()
    changed = {**good.sections, "nrg": {"allocations": [], "pools": [[1, "mine", TOTAL_UNRG]]}}
    with pytest.raises(InvalidGenesisError, match="there is no pool 'mine'"):
        World(Genesis(good.name, good.time_ms, good.devnet, changed))  # type: ignore[arg-type]


def test_a_transfer_moves_exactly_its_amount() -> None:
    world = World()
    world.call("alice", "nrg", "transfer", BOB, 5, b"")
    assert world.read.nrg.balance(BOB) == 5
    world.check_invariants()


def test_more_than_the_balance_and_nothing_are_refused() -> None:
    world = World()
    world.refused(InsufficientNrg, "bob", "nrg", "transfer", account_of("alice"), 1, b"")
    world.refused(ZeroNrg, "alice", "nrg", "transfer", BOB, 0, b"")


@settings(max_examples=10, stateful_step_count=12)
class NrgMachine(ContractMachine):
    """Random transfers never change the supply."""

    contracts = ("nrg",)

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(
        sender=st.sampled_from(PEOPLE),
        recipient=st.sampled_from(PEOPLE),
        amount=st.integers(0, TOTAL_UNRG),
    )
    def transfer(self, sender: str, recipient: str, amount: int) -> None:
        have = self.world.read.nrg.balance(account_of(sender))
        call = Call("nrg", "transfer", (account_of(recipient), amount, b""))
        receipt = self.world.send(sender, call)
        assert (receipt.results[0].code == 0) == (0 < amount <= have)


TestNrgMachine = NrgMachine.TestCase
