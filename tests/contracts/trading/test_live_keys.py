"""Thirty market days leave the state no larger than a window: what is settled is forgotten."""

from dataclasses import replace

from contracts.grid.reading import SignedReading
from contracts.trading.model import day_of
from contracts.trading.settlement_words import CorrectionSettled, QuarterSettled
from contracts.trading.uniform_price import Side
from tests.support.grid import RULES, ZONE
from tests.support.market import MARKET, terms
from tests.support.metering import quarter
from tests.support.settlement import SettlementWorld

DAYS = 30
WINDOW_DAYS = 5
DAY_QUARTERS = 96
PRODUCTS_A_DAY = 3
QUARTERS = DAY_QUARTERS // PRODUCTS_A_DAY
READ_EVERY = 24
SHORT_WINDOW = replace(RULES, window_days=WINDOW_DAYS, correction_s=3 * 86_400)
NAMES = ("alice", "bob", "carol")


def trade(world: SettlementWorld, product: int) -> None:
    """Place bids of two and an ask of one, who take turns, and orders that expire or are taken."""
    buyer, other, seller = (NAMES[(product + turn) % 3] for turn in range(3))
    quantity = QUARTERS * (10 + product % 7)
    world.submit(buyer, [world.item(Side.BID, quantity, 4_000, product=product)])
    world.submit(other, [world.item(Side.BID, quantity, 3_000, product=product)])
    world.submit(seller, [world.item(Side.ASK, quantity + QUARTERS, 2_500, product=product)])
    world.submit("dave", [world.item(Side.BID, QUARTERS, 1_000, product=product)])
    # Some rest for a day in a product that opens last.
    last = product + PRODUCTS_A_DAY - 1
    world.submit("erin", [world.item(Side.BID, QUARTERS, 1_000, product=last)])


def deliver(world: SettlementWorld, number: int) -> None:
    """Read the meters after a long gap, and correct what a quarter of the day before was."""
    world.deliver(number, {"alice": (20, 0), "bob": (30, 0), "carol": (0, 40), "erin": None})
    if number >= DAY_QUARTERS + 2 * READ_EVERY:
        old = number - DAY_QUARTERS
        assert world.read.metering.is_final(ZONE, quarter(old))
        meter = world.participant("carol")
        world.corrected(replace_energy(world, meter, old, export_wh=35 + number % 9))


def idle(world: SettlementWorld, number: int) -> None:
    """Let all devices measure up to a quarter, but say nothing."""
    for meter, measured in world.measured.items():
        world.measure(meter, *[(7, 0)] * (number - len(measured)))


def replace_energy(
    world: SettlementWorld, meter: int, number: int, export_wh: int
) -> SignedReading:
    """Return a later version of a reading."""
    return world.sign(
        replace(
            world.reading(meter, number, version=2, sequence=10_000 + number),
            export_wh=export_wh,
        )
    )


def test_thirty_days_leave_no_more_than_a_window() -> None:
    world = SettlementWorld(market=terms(quarters=QUARTERS), metering=SHORT_WINDOW)
    keys, size = [], []
    assert world.start_s(0) == quarter(QUARTERS)
    idle(world, QUARTERS)
    for product in range(DAYS * PRODUCTS_A_DAY):
        trade(world, product)
        world.pass_gate(product)
        for number in range((product + 1) * QUARTERS, (product + 2) * QUARTERS):
            if number % READ_EVERY == 0:
                idle(world, number)
                deliver(world, number)
        if (product + 1) % PRODUCTS_A_DAY == 0:
            pairs = list(world.state.scan(b"", b"\xff" * 64))
            keys.append(len(pairs))
            size.append(sum(len(key) + len(value) for key, value in pairs))
            world.check_invariants()
    assert sum(event.bought_wh for event in world.events(QuarterSettled)) > 0
    assert len(world.events(CorrectionSettled)) > DAYS
    filled = WINDOW_DAYS + 3
    assert max(keys[filled:]) <= max(keys[:filled])
    assert max(size[filled:]) <= max(size[:filled]) + 200  # counters grow by a few digits
    # What is left of trading is what is open or not yet settled.
    assert len(list(world.read.markets.products.items(MARKET))) <= PRODUCTS_A_DAY + 2
    assert len({day for (_, day, _), _ in world.read.positions.all_units()}) <= 2
    days = {day for (day, _, _), _ in world.read.settlement.bills.items()}
    assert len(days) <= WINDOW_DAYS + 2
    assert max(days) == day_of(world.now_s)
    assert not list(world.read.settlement.runs.items())
