"""Claims: what the grid account cannot pay, in order of quarter and pro rata within one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.store import MemoryState
from contracts.kernel import Host
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.state import State
from contracts.registry import Registry
from contracts.trading.settlement_claims import Claims
from contracts.trading.settlement_model import NEW_RUN, Run
from contracts.trading.settlement_words import (
    ClaimPaid,
    GridAccountLow,
    NothingUnclaimed,
    QuarterSettled,
    TradeSettled,
)
from tests.support.genesis import FUNDS_UTHB, SETTLEMENT
from tests.support.grid import GRID, ZONE
from tests.support.metering import quarter
from tests.support.people import account_of
from tests.support.settlement import SettlementWorld

FEED_IN = 2_200
ALICE, BOB, CAROL = 2, 3, 4


def poor_grid(grid_uthb: int, slice_units: int = 512) -> SettlementWorld:
    """Return a world whose grid account has so much."""
    rules = replace(SETTLEMENT, slice_units=slice_units)
    return SettlementWorld(rules=rules, funds={GRID: grid_uthb})


def claim(world: SettlementWorld, participant: int, number: int) -> int:
    """Return what the grid account owes a participant for a quarter."""
    return world.read.settlement.claim_of(participant, ZONE, quarter(number))


def fund(world: SettlementWorld, amount_uthb: int) -> None:
    """Let dave pay credit in to the grid account."""
    world.call("dave", "credit", "transfer", account_of(GRID), amount_uthb, b"")


@pytest.mark.parametrize("slice_units", [1, 512])
def test_what_there_is_is_shared_and_the_rest_is_owed(slice_units: int) -> None:
    world = poor_grid(100_000, slice_units)
    world.deliver(1, {"alice": (0, 100), "bob": (0, 50), "carol": (0, 1)})
    world.settle(1)
    # 332 200 is due in all: of 100 000 the first 220 000 are ⌊66 225.16⌋, and so on.
    paid = {"alice": 66_225, "bob": 99_337 - 66_225, "carol": 100_000 - 99_337}
    due = {"alice": 220_000, "bob": 110_000, "carol": 2_200}
    for (who, part), participant in zip(paid.items(), (ALICE, BOB, CAROL), strict=True):
        assert world.free(who) == FUNDS_UTHB + part
        assert claim(world, participant, 1) == due[who] - part
    assert world.grid_uthb == 0
    assert world.read.settlement.claims_on(ZONE) == 232_200
    assert world.events(GridAccountLow) == [GridAccountLow(account_of(GRID), ZONE, 0, 0, 232_200)]
    assert all(e.paid_uthb == 0 for e in world.events(QuarterSettled))
    assert [e.paid_uthb for e in world.events(ClaimPaid)] == list(paid.values())
    world.check_invariants()


@pytest.mark.parametrize("slice_units", [1, 512])
def test_older_quarters_are_paid_first(slice_units: int) -> None:
    world = poor_grid(0, slice_units)
    world.deliver(1, {"alice": (0, 100)})
    world.deliver(2, {"bob": (0, 100), "carol": (0, 100)})
    world.deliver(3, {})
    world.deliver(4, {"dave": (0, 10)})
    world.settle(1)
    assert claim(world, ALICE, 1) == 220_000
    fund(world, 220_000 + 100_001)
    world.settle(2)
    assert claim(world, ALICE, 1) == 0
    assert world.free("alice") == FUNDS_UTHB + 220_000
    assert world.free("bob") == FUNDS_UTHB + 50_000
    assert world.free("carol") == FUNDS_UTHB + 50_001
    assert (claim(world, BOB, 2), claim(world, CAROL, 2)) == (170_000, 169_999)
    fund(world, 10**6)
    world.settle(4)
    assert world.read.settlement.claims_on(ZONE) == 0
    assert world.free("bob") == world.free("carol") == FUNDS_UTHB + 220_000
    assert world.grid_uthb == 10**6 - 339_999 - 22_000
    assert not list(world.read.settlement.claims.items())
    world.check_invariants()


def test_charges_of_a_quarter_are_there_before_its_payouts() -> None:
    """Participant 2 is owed, participant 4 pays: the grid account needs nothing of its own."""
    world = poor_grid(0, slice_units=1)
    world.deliver(1, {"alice": (0, 100), "carol": (100, 0)})
    world.settle(1)
    assert world.free("alice") == FUNDS_UTHB + 220_000
    assert world.grid_uthb == 100 * 3_950 - 220_000
    (done,) = world.events(TradeSettled)
    assert done.grid_uthb == world.grid_uthb
    world.check_invariants()


def test_an_alarm_says_that_the_grid_account_is_below_its_minimum() -> None:
    rules = replace(SETTLEMENT, grid_minimum_uthb=1_000)
    world = SettlementWorld(rules=rules, funds={GRID: 1_000})
    world.deliver(1, {"carol": (100, 0)})
    world.deliver(2, {"alice": (0, 180)})
    world.settle(1)
    assert not world.events(GridAccountLow)
    world.settle(2)
    assert world.events(GridAccountLow) == [GridAccountLow(account_of(GRID), ZONE, 0, 1_000, 0)]
    world.check_invariants()


def test_who_has_no_account_finds_its_credit_when_one_joins() -> None:
    world = SettlementWorld()
    with world.edit() as registry:
        accounts = registry.grid.account_list[CAROL]
        del registry.grid.account_list[CAROL]
    world.deliver(1, {"carol": (0, 10)})
    world.deliver(2, {"carol": (4, 0)})
    world.settle(2)
    assert world.read.settlement.unclaimed_by(CAROL) == 10 * FEED_IN
    assert world.owed("dave") == 0
    assert world.read.arrears.owed_by(CAROL) == 4 * 3_955
    world.refused(NothingUnclaimed, "dave", "settlement", "take_unclaimed")
    with world.edit() as registry:
        registry.grid.account_list[CAROL] = accounts
    world.check_invariants()
    assert world.call("carol", "settlement", "take_unclaimed") == 10 * FEED_IN
    assert world.free("carol") == FUNDS_UTHB + 10 * FEED_IN - 4 * 3_955
    assert world.owed("carol") == 0
    world.refused(NothingUnclaimed, "carol", "settlement", "take_unclaimed")
    world.check_invariants()


@given(
    st.lists(st.integers(1, 10**15), min_size=1, max_size=30),
    st.data(),
)
def test_shares_add_up_to_the_budget_and_are_exact_to_the_uthb(
    owed: list[int], data: st.DataObject
) -> None:
    claims = empty_claims()
    for participant, amount in enumerate(owed, 1):
        claims.add(ZONE, quarter(1), participant, amount)
    pool = data.draw(st.integers(1, sum(owed)))
    step = data.draw(st.integers(1, len(owed)))
    run = claims.begin(ZONE, replace(NEW_RUN, pool_uthb=pool))
    shares: list[int] = []
    while found := list(claims.shares(ZONE, run, step)):
        shares += [share for _, _, share in found]
        passed = sum(one for _, one, _ in found)
        run = replace_run(run, found[-1][0], passed)
    assert sum(shares) == pool
    for amount, share in zip(owed, shares, strict=True):
        assert abs(share * sum(owed) - amount * pool) < sum(owed)
        assert 0 <= share <= amount


def replace_run(run: Run, after: int, passed: int) -> Run:
    """Return the run after a step."""
    return replace(run, after=after, claim_passed_uthb=run.claim_passed_uthb + passed)


def empty_claims() -> Claims:
    """Return the claims of an empty chain."""
    host = Host(State(MemoryState(), Meter(WeightTable(), 2**62)))
    settlement = Registry(host).settlement
    return Claims(settlement.claims, settlement.claims_by_quarter, settlement.claims_by_zone)
