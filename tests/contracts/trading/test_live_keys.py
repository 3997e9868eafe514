"""Thirty market days leave the state no larger than five: what is settled is forgotten."""

from contracts.kernel.ledger import Column, Entry
from contracts.kernel.types import QUARTER_S
from contracts.trading.uniform_price import Side
from tests.support.grid import ZONE
from tests.support.market import MARKET, PEOPLE, MarketWorld, terms
from tests.support.people import account_of

DAY_S = 86_400
PRODUCTS_A_DAY = 6
SETTLED_AFTER = 2  # products


def trade(world: MarketWorld, product: int) -> None:
    """Place bids of two and an ask of one, who take turns, and orders that expire or are taken."""
    names = ("alice", "bob", "carol")
    buyer, other, seller = (names[(product + turn) % 3] for turn in range(3))
    quantity = 16 * (10 + product % 7)
    world.submit(buyer, [world.item(Side.BID, quantity, 4_000, product=product)])
    world.submit(other, [world.item(Side.BID, quantity, 3_000, product=product)])
    world.submit(seller, [world.item(Side.ASK, quantity + 16, 2_500, product=product)])
    world.submit("dave", [world.item(Side.BID, 16, 1_000, product=product)])
    # Some rest for a day in a product that opens last.
    world.submit("erin", [world.item(Side.BID, 16, 1_000, product=product + PRODUCTS_A_DAY - 1)])


def settle(world: MarketWorld, product: int) -> None:
    """Do what settlement does with the plain methods, everybody having delivered."""
    with world.edit() as registry:
        positions, credit = registry.positions, registry.credit
        for quarter in range(world.terms.quarters):
            quarter_s = world.start_s(product) + quarter * QUARTER_S
            assert registry.auction.is_finished(ZONE, quarter_s)
            while page := positions.positions_after(ZONE, quarter_s, 0, 2):
                for number, position in page:
                    account = account_of(PEOPLE[number - 1].name)
                    released = position.proceeds_uthb + position.margin_uthb
                    credit.post(
                        Entry(account, Column.PROCEEDS, -position.proceeds_uthb),
                        Entry(account, Column.ASK_MARGIN, -position.margin_uthb),
                        Entry(account, Column.FREE, released),
                    )
                    held = position.proceeds_uthb, position.margin_uthb
                    positions.release_held(ZONE, number, quarter_s, *held)
                    positions.close_unit(ZONE, number, quarter_s)
            registry.auction.close_quarter(ZONE, quarter_s)


def test_thirty_days_leave_no_more_keys_than_five() -> None:
    world = MarketWorld(market=terms(quarters=96 // PRODUCTS_A_DAY))
    keys, size = [], []
    traded = 0
    for product in range(30 * PRODUCTS_A_DAY):
        trade(world, product)
        world.pass_gate(product)
        traded += world.result(product).volume_wh
        world.advance(world.start_s(product))
        if product >= SETTLED_AFTER:
            settle(world, product - SETTLED_AFTER)
        if (product + 1) % PRODUCTS_A_DAY == 0:
            pairs = list(world.state.scan(b"", b"\xff" * 64))
            keys.append(len(pairs))
            size.append(sum(len(key) + len(value) for key, value in pairs))
            world.check_invariants()
    assert traded > 0
    assert max(keys[5:]) <= max(keys[:5])
    assert max(size[5:]) <= max(size[:5]) + 100  # counters grow by a few digits
    # What is left of trading is what is open or not yet settled.
    products = list(world.read.markets.products.items(MARKET))
    assert len(products) == PRODUCTS_A_DAY + SETTLED_AFTER
    assert len(list(world.read.auction.results.items())) == SETTLED_AFTER
    days = {day for (_, day, _), _ in world.read.positions.all_units()}
    assert len(days) <= 2
    assert len(list(world.read.orders.book.items())) == PRODUCTS_A_DAY - 1
