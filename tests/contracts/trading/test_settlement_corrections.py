"""Late, corrected and missing readings: what was settled is settled again by the difference."""

from dataclasses import replace

import pytest

from contracts.grid.reading import SignedReading
from contracts.trading.settlement_words import ClaimPaid, CorrectionSettled
from tests.support.genesis import FUNDS_UTHB
from tests.support.grid import GRID, ZONE
from tests.support.metering import quarter
from tests.support.people import account_of
from tests.support.settlement import BASE_LOAD_WH, SettlementWorld

IMPORT, FEED_IN, FEE = 3_950, 2_200, 5
SHORT = IMPORT + FEE
BOB = 3


def corrected(
    world: SettlementWorld, who: str, number: int, energy_wh: tuple[int, int], version: int = 2
) -> SignedReading:
    """Return a later version of a reading, signed by the device."""
    later = world.reading(world.participant(who), number, version=version, sequence=1_000 + version)
    return world.sign(replace(later, import_wh=energy_wh[0], export_wh=energy_wh[1]))


def moved(world: SettlementWorld, who: str) -> int:
    """Return by how much an account's free credit has changed, but for transaction fees."""
    return world.free(who) - FUNDS_UTHB


@pytest.mark.parametrize(
    ("old_wh", "new_wh", "change_uthb"),
    [
        ((100, 0), (140, 0), -40 * SHORT),
        ((100, 0), (30, 0), 70 * SHORT),
        ((100, 0), (0, 30), 100 * SHORT + 30 * FEED_IN),
        ((0, 50), (0, 20), -30 * FEED_IN),
        ((0, 50), (0, 51), FEED_IN),
    ],
)
def test_a_correction_settles_the_difference_of_two_bills(
    old_wh: tuple[int, int], new_wh: tuple[int, int], change_uthb: int
) -> None:
    world = SettlementWorld()
    world.deliver(1, {"bob": old_wh})
    world.deliver(2, {})
    world.settle(1)
    first, grid = moved(world, "bob"), world.grid_uthb
    world.corrected(corrected(world, "bob", 1, new_wh))
    assert moved(world, "bob") == first
    world.settle(2)
    assert moved(world, "bob") == first + change_uthb
    assert world.grid_uthb == grid - change_uthb
    bill = world.bill("bob", 1)
    assert bill.corrected_uthb == change_uthb
    assert (bill.import_wh, bill.export_wh) == old_wh
    (event,) = world.events(CorrectionSettled)
    assert event == CorrectionSettled(
        account_of("bob"), BOB, ZONE, quarter(1), quarter(2),
        new_wh[0] - old_wh[0], new_wh[1] - old_wh[1], change_uthb, max(0, -change_uthb), 0,
    )  # fmt: skip
    assert len(world.events(ClaimPaid)) == (change_uthb > 0)
    assert not list(world.read.metering.corrections.items())
    world.check_invariants()


def test_corrections_of_corrections_add_up() -> None:
    world = SettlementWorld()
    world.deliver(1, {"bob": (100, 0)})
    for number in (2, 3, 4):
        world.deliver(number, {})
    world.settle(1)
    world.corrected(corrected(world, "bob", 1, (140, 0)))
    world.settle(2)
    world.corrected(corrected(world, "bob", 1, (90, 0), version=3))
    world.corrected(corrected(world, "bob", 1, (0, 10), version=4))
    world.settle(3)
    assert moved(world, "bob") == 10 * FEED_IN
    assert world.bill("bob", 1).corrected_uthb == 100 * SHORT + 10 * FEED_IN
    assert len(world.events(CorrectionSettled)) == 2
    world.check_invariants()


def test_a_correction_counts_what_was_traded_at_the_price_of_its_quarter() -> None:
    world = SettlementWorld()
    world.bid("alice", 2_000, 4_000)
    world.ask("carol", 1_500, 3_000)
    world.deliver(1, {"alice": (1_500, 0), "carol": (0, 1_500)})
    world.deliver(2, {})
    world.settle(1)
    assert world.bill("carol", 1).charge_uthb == 0
    before = moved(world, "carol")
    world.corrected(corrected(world, "carol", 1, (0, 1_400)))
    world.settle(2)
    assert moved(world, "carol") == before - 100 * (4_000 + FEE)
    world.check_invariants()


def test_a_refund_for_a_substitute_is_at_the_feed_in_price() -> None:
    world = SettlementWorld()
    world.deliver(1, {})
    world.deliver(2, {"bob": None})
    world.deliver(3, {})
    world.deliver(4, {})
    world.settle(2)
    assert moved(world, "bob") == -BASE_LOAD_WH * SHORT
    # A reading says what the gap's substitute missed.
    world.settle(4)
    gap_refund = BASE_LOAD_WH * FEED_IN
    assert moved(world, "bob") == -BASE_LOAD_WH * SHORT + gap_refund
    world.check_invariants()


def test_a_correction_of_a_substitute_is_at_the_feed_in_price() -> None:
    world = SettlementWorld()
    world.deliver(1, {})
    world.deliver(2, {"bob": None})
    world.settle(2)
    world.corrected(world.reading(BOB, 2))
    world.settle(3)
    assert moved(world, "bob") == -BASE_LOAD_WH * SHORT + BASE_LOAD_WH * FEED_IN - after(world, 3)
    (event,) = world.events(CorrectionSettled)
    assert (event.import_wh, event.amount_uthb) == (-BASE_LOAD_WH, BASE_LOAD_WH * FEED_IN)
    world.check_invariants()


def after(world: SettlementWorld, first: int) -> int:
    """Return what bob was charged from a quarter on."""
    charges = 0
    number = first
    while (bill := world.read.settlement.bill_of(BOB, ZONE, quarter(number))) is not None:
        charges += bill.charge_uthb
        number += 1
    return charges


def test_registers_after_a_gap_settle_what_its_substitutes_missed() -> None:
    world = SettlementWorld()
    world.deliver(1, {})
    for number in (2, 3, 4):
        world.deliver(number, {"bob": None})
    # Within the silence bob's device counted 900 Wh drawn and 30 fed in.
    bob = world.measured[BOB]
    bob[2:5] = [(400, 0), (500, 0), (0, 30)]
    for number in (5, 6):
        world.deliver(number, {})
    world.settle(4)
    assert moved(world, "bob") == -3 * BASE_LOAD_WH * SHORT
    world.settle(6)
    missed = 900 - 3 * BASE_LOAD_WH
    (event,) = world.events(CorrectionSettled)
    assert (event.quarter_s, event.end_s) == (quarter(2), quarter(5))
    assert (event.import_wh, event.export_wh) == (missed, 30)
    assert event.amount_uthb == 30 * FEED_IN - missed * SHORT
    assert moved(world, "bob") == -900 * SHORT + 30 * FEED_IN
    assert world.bill("bob", 2).corrected_uthb == event.amount_uthb
    assert not list(world.read.metering.differences.items())
    world.check_invariants()


def test_a_correction_that_cannot_be_paid_is_owed() -> None:
    world = SettlementWorld(funds={"bob": 20_000, "bob's second": 0, "bob's third": 7})
    world.deliver(1, {})
    world.deliver(2, {})
    world.settle(1)
    world.corrected(corrected(world, "bob", 1, (100, 0)))
    world.settle(2)
    assert world.account("bob").free == 0
    assert world.owed("bob") == 100 * SHORT - 20_007
    (event,) = world.events(CorrectionSettled)
    assert (event.from_free_uthb, event.arrears_uthb) == (20_007, 100 * SHORT - 20_007)
    world.check_invariants()


def test_a_refund_that_the_grid_account_cannot_pay_is_claimed() -> None:
    world = SettlementWorld(funds={GRID: 0})
    world.deliver(1, {"bob": (100, 0)})
    world.deliver(2, {})
    world.settle(1)
    world.call(GRID, "credit", "transfer", account_of("dave"), world.grid_uthb - 1_000, b"")
    have = world.grid_uthb
    world.corrected(corrected(world, "bob", 1, (0, 0)))
    world.settle(2)
    assert moved(world, "bob") == -100 * SHORT + have
    assert world.grid_uthb == 0
    assert world.read.settlement.claim_of(BOB, ZONE, quarter(1)) == 100 * SHORT - have
    world.check_invariants()
