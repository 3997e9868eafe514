"""Arrears: a debt comes before whatever would become free, and stops who owes too much."""

from dataclasses import replace

from contracts.trading.arrears_words import ArrearsPaid, ArrearsRaised, InArrears
from contracts.trading.settlement_words import PaymentOpened, QuarterSettled
from tests.contracts.trading.refusing import refuse_bid
from tests.support.genesis import FUNDS_UTHB, SETTLEMENT
from tests.support.grid import GRID, ZONE
from tests.support.market import MARKET
from tests.support.people import account_of
from tests.support.settlement import SettlementWorld

FEE = 5
NOTHING_ELSE = {"bob's second": 0, "bob's third": 0}
SHORT = 3_950 + FEE
BOB = 3


def in_debt(limit_uthb: int = 0, funds: int = 1_000) -> SettlementWorld:
    """Return a world in which bob drew 100 Wh and had next to nothing to pay with."""
    rules = replace(SETTLEMENT, arrears_limit_uthb=limit_uthb)
    poor = {"bob": funds, "bob's second": 0, "bob's third": 10}
    world = SettlementWorld(rules=rules, funds=poor)
    world.deliver(1, {"bob": (100, 0)})
    world.settle(1)
    assert world.owed("bob") == 100 * SHORT - funds - 10
    return world


def give(world: SettlementWorld, who: str, amount_uthb: int) -> None:
    """Let dave transfer credit."""
    world.call("dave", "credit", "transfer", account_of(who), amount_uthb, b"")


def test_what_nobody_can_pay_is_owed_to_the_grid_account() -> None:
    world = in_debt()
    owed = 100 * SHORT - 1_010
    assert world.events(ArrearsRaised) == [ArrearsRaised(BOB, ZONE, owed, owed)]
    (event,) = [e for e in world.events(QuarterSettled) if e.participant == BOB]
    assert (event.from_free_uthb, event.arrears_uthb) == (1_010, owed)
    assert world.read.arrears.owed_in(ZONE) == owed
    assert world.account("bob").free == world.account("bob's third").free == 0
    world.check_invariants()


def test_credit_to_any_account_pays_the_debt_first() -> None:
    world = in_debt()
    owed, grid = world.owed("bob"), world.grid_uthb
    give(world, "bob's second", 1_000)
    assert world.account("bob's second").free == 0
    assert world.owed("bob") == owed - 1_000
    assert world.grid_uthb == grid + 1_000
    assert world.events(ArrearsPaid) == [
        ArrearsPaid(account_of("bob's second"), account_of(GRID), BOB, 1_000, owed - 1_000)
    ]
    give(world, "bob's third", owed)
    assert world.owed("bob") == 0
    assert world.account("bob's third").free == 1_000
    assert world.grid_uthb == grid + owed
    give(world, "bob", 70)
    assert world.account("bob").free == 70
    world.check_invariants()


def test_released_escrow_pays_the_debt_first() -> None:
    world = SettlementWorld(funds={"bob": 2 * 4_005 + 2, "bob's second": 0, "bob's third": 0})
    world.bid("bob", 2, 4_000, product=10)
    world.deliver(1, {"bob": (100, 0)})
    world.settle(1)
    owed = 100 * SHORT - 1
    assert world.owed("bob") == owed
    world.pass_gate(10)
    # The bid found no ask; its escrow is free again, and the grid account's.
    assert world.held("bob") == (0, 0, 0)
    assert world.account("bob").free == 0
    assert world.owed("bob") == owed - 2 * 4_005
    world.check_invariants()


def test_proceeds_of_a_later_quarter_pay_the_debt_of_an_earlier_one() -> None:
    world = SettlementWorld(funds={"bob": 10**6, "bob's second": 0, "bob's third": 0})
    world.ask("bob", 1_000, 3_000, product=1)
    world.bid("alice", 1_000, 3_000, product=1)
    world.deliver(1, {"bob": (100, 0)})
    world.deliver(2, {"bob": (0, 1_000), "alice": (1_000, 0)})
    world.settle(1)
    owed = 100 * SHORT - (10**6 - 1_000 * 950 - 1)
    assert world.owed("bob") == owed
    assert world.held("bob") == (0, 950_000, 3_000_000)
    world.settle(2)
    assert world.owed("bob") == 0
    assert world.account("bob").free == 3_950_000 - owed
    world.check_invariants()


def test_a_payout_pays_the_debt_first() -> None:
    world = in_debt()
    owed = world.owed("bob")
    world.deliver(2, {"bob": (0, 100)})
    world.settle(2)
    (paid,) = [e for e in world.events(QuarterSettled) if e.due_uthb]
    assert (paid.participant, paid.due_uthb, paid.paid_uthb) == (BOB, 220_000, 220_000)
    assert [e.amount_uthb for e in world.events(ArrearsPaid)] == [220_000]
    assert world.owed("bob") == owed - 220_000
    assert world.account("bob").free == 0
    # What the grid account paid has come back to it; the fee is the operator's.
    assert world.grid_uthb == FUNDS_UTHB + 1_010 - 100 * FEE
    world.check_invariants()


def test_who_owes_too_much_may_not_order_or_transfer() -> None:
    world = in_debt()
    give(world, "bob's second", world.owed("bob") - 100)
    assert world.owed("bob") == 100
    for name in ("bob's second", "bob"):
        prefund(world, name, 5_000_000)
    said = refuse_bid(world, InArrears, "bob", 1, 3_000)
    assert said == {"limit_uthb": 0, "owed_uthb": 100, "participant": BOB}
    item = (1, MARKET, world.start_s(30), ZONE, 0, 1, 3_000, None, False)
    world.refused(InArrears, "bob", "orders", "submit_orders", (item,))
    world.refused(InArrears, "bob's second", "credit", "transfer", account_of("dave"), 1, b"")
    # Nobody else is stopped.
    world.bid("alice", 1, 3_000, product=30)
    give(world, "bob", 100)
    assert world.owed("bob") == 0
    world.bid("bob", 1, 3_000, product=30)
    world.call("bob's second", "credit", "transfer", account_of("dave"), 1, b"")
    world.check_invariants()


def test_nobody_hides_credit_from_a_charge_behind_a_fee() -> None:
    world = SettlementWorld(fee_per_weight_uthb=1, funds={"bob": 390_000, **NOTHING_ELSE})
    world.deliver(1, {"bob": (100, 0)})
    fee = world.settle_by("bob", 1).fee_uthb
    assert 0 < fee < 390_000
    owed = 100 * SHORT - (390_000 - fee)
    assert (world.owed("bob"), world.account("bob").free) == (owed, 0)
    # Nothing could be reached during the call; what returned of the fee paid as much as it could.
    assert [e.amount_uthb for e in world.events(ArrearsRaised)] == [100 * SHORT]
    assert [e.amount_uthb for e in world.events(ArrearsPaid)] == [390_000 - fee]
    assert [e.solvent for e in world.events(PaymentOpened)] == [True]
    world.check_invariants()


def test_the_grid_account_can_pay_however_high_a_fee_it_offers() -> None:
    world = SettlementWorld(fee_per_weight_uthb=1)
    world.deliver(1, {"bob": (0, 100)})
    world.settle_by(GRID, 1)
    (paid,) = [e for e in world.events(QuarterSettled) if e.due_uthb]
    assert (paid.participant, paid.due_uthb, paid.paid_uthb) == (BOB, 220_000, 220_000)
    assert world.read.settlement.claims_on(ZONE) == 0
    world.check_invariants()


def prefund(world: SettlementWorld, name: str, amount_uthb: int) -> None:
    """Put free credit on an account as an account that joins would bring it, past the lien."""
    with world.edit() as registry:
        address, giver = account_of(name), account_of("dave")
        for account, change in ((giver, -amount_uthb), (address, amount_uthb)):
            held = registry.credit.accounts[account]
            registry.credit.accounts[account] = replace(held, free=held.free + change)


def test_up_to_the_limit_all_is_open() -> None:
    world = in_debt(limit_uthb=100 * SHORT)
    prefund(world, "bob", 5_000_000)
    assert world.owed("bob") > 0
    world.bid("bob", 1, 3_000, product=30)
    world.call("bob", "credit", "transfer", account_of("dave"), 1, b"")
    world.check_invariants()


def test_a_later_charge_adds_to_the_debt() -> None:
    world = in_debt()
    first = world.owed("bob")
    world.deliver(2, {"bob": (7, 0)})
    world.settle(2)
    assert world.owed("bob") == first + 7 * SHORT
    world.check_invariants()
