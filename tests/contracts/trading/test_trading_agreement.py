"""The whole path, from signed orders to fills and money, against the rules told once more.

Random small books go through real transactions and due work and through `market_model`; and the
same wishes give the same whatever the order of arrival, the cutting into orders or accounts, the
size of slices, or the number of blocks.
"""

from collections.abc import Sequence
from itertools import product
from random import Random
from typing import NamedTuple

import pytest

from chain.transaction import Call
from contracts.trading.model import Position
from contracts.trading.results import ClearingRecord
from contracts.trading.terms import Terms
from contracts.trading.uniform_price import Side
from tests.contracts.trading.crowd import (
    CROWD,
    LIMITS,
    assert_same,
    item_id,
    model_of,
    seed_of_ties,
)
from tests.contracts.trading.market_model import ModelOrder
from tests.support.grid import ZONE
from tests.support.market import MarketWorld, terms
from tests.support.people import account_of

Wish = tuple[str, Side, int, int]


# ── Against the model ──


@pytest.mark.parametrize("seed", range(5))
def test_orders_become_the_fills_and_payments_of_the_rules(seed: int) -> None:
    random = Random(seed)
    books = [agrees(random) for _ in range(12)]
    # The comparison is worth something only if the books reach every branch often.
    assert sum(book.refused for book in books) > 12
    assert sum(book.result.volume_wh > 0 for book in books) > 4
    assert sum(book.result.rationing is not None for book in books) > 3


class Outcome(NamedTuple):
    """What a random book came to."""

    result: ClearingRecord
    refused: int


def agrees(random: Random) -> Outcome:
    """Place a random book, clear it, and compare everything with the model."""
    market = terms(
        quarters=random.choice([1, 1, 1, 2, 4]),
        open_ahead_s=3_600,
        slice_orders_max=random.choice([1, 2, 3, 7, 1_000]),
        fee_per_wh=random.choice([0, 5, 1_000]),
    )
    world = MarketWorld(CROWD, market=market)
    model = model_of(CROWD, market)
    start_s = world.start_s(0)
    limits = random.sample(LIMITS, random.randint(1, 4))
    most = random.choice([1, 3, 20, 100_000])
    refused = 0
    for _ in range(random.randint(0, 25)):
        account = random.choice(list(model.accounts))
        side, limit = random.choice(list(Side)), random.choice(limits)
        quantity = random.randint(1, most) * market.quarters
        expected = model.refusal(account, start_s, side, quantity, limit)
        nonce = world.read.accounts.nonces[account_of(account)]
        codes = world.submit(account, [world.item(side, quantity, limit)])
        assert codes == [0 if expected is None else expected.receipt_code()], expected
        if expected is None:
            id_ = item_id(account, nonce)
            model.place(ModelOrder(id_, account, start_s, side, quantity, limit))
        refused += expected is not None
    assert_same(world, model)
    world.pass_gate()
    price, volume = model.clear(start_s, seed_of_ties(world, start_s))
    assert_same(world, model)
    result = world.result()
    assert result.volume_wh * market.quarters == volume
    assert (None if result.prices is None else result.price_per_wh) == price
    for number, quarter in product(model.participants, range(market.quarters)):
        position = world.read.positions.position(ZONE, number, start_s + 900 * quarter)
        key = number, start_s
        assert position == Position(
            bought_wh=model.bought.get(key, 0),
            sold_wh=model.sold.get(key, 0),
            proceeds_uthb=position.proceeds_uthb,
            margin_uthb=model.margins.get(key, 0) // market.quarters,
        )
    world.check_invariants()
    return Outcome(result, refused)


# ── What must not matter ──


def wishes_of(random: Random) -> list[Wish]:
    """Return one side for each participant and several orders of it, ties being likely."""
    wishes: list[Wish] = []
    for name in ("alice", "bob", "carol", "dave"):
        side = random.choice(list(Side))
        for limit in random.sample(LIMITS[2:5], random.randint(1, 3)):
            wishes += [(name, side, random.randint(1, 2_000), limit)]
    wishes.append(("retailer", Side.ASK, 500, 3_950))
    wishes.append(("retailer", Side.BID, 500, 3_000))
    return wishes


def totals(world: MarketWorld) -> list[tuple[Position, int, int]]:
    """Return each participant's position, free credit and held credit over all accounts."""
    return [
        (
            world.position(person.name),
            sum(world.free(account) for account in person.accounts),
            sum(sum(world.held(account)) for account in person.accounts),
        )
        for person in world.people
    ]


def outcome_of(wishes: Sequence[Wish], market: Terms, *, one_block: bool) -> MarketWorld:
    """Place wishes in this order and clear."""
    world = MarketWorld(CROWD, market=market)
    nonces: dict[str, int] = {}
    transactions = []
    for who, side, quantity, limit in wishes:
        nonces[who] = nonces.get(who, -1) + 1
        item = world.item(side, quantity, limit)
        call = Call("orders", "submit_orders", ([item],))
        transactions.append(world.signed(who, call, nonce=nonces[who]))
    if one_block:
        receipts = world.block(*transactions).receipts[1:]
    else:
        receipts = tuple(world.block(one).receipts[1] for one in transactions)
    assert all(receipt.results[0].value == [0] for receipt in receipts)
    world.pass_gate()
    world.check_invariants()
    return world


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_arrival_and_the_number_of_blocks_change_nothing(seed: int) -> None:
    random = Random(seed)
    market = terms(open_ahead_s=3_600)
    wishes = wishes_of(random)
    first = outcome_of(wishes, market, one_block=True)
    shuffled = random.sample(wishes, len(wishes))
    second = outcome_of(shuffled, market, one_block=False)
    assert totals(first) == totals(second)
    assert first.result() == second.result()


@pytest.mark.parametrize("seed", range(10))
def test_the_size_of_slices_changes_no_balance(seed: int) -> None:
    random = Random(seed)
    wishes = wishes_of(random)
    whole = outcome_of(wishes, terms(open_ahead_s=3_600), one_block=True)
    for size in (1, 3):
        sliced = outcome_of(
            wishes, terms(open_ahead_s=3_600, slice_orders_max=size), one_block=True
        )
        assert totals(sliced) == totals(whole)


@pytest.mark.parametrize("pieces", [10, 1_000])
@pytest.mark.parametrize("side", list(Side))
def test_splitting_an_order_over_orders_and_accounts_changes_nothing(
    side: Side, pieces: int
) -> None:
    """Bob's 1 000 Wh share a rationed level with others, as one order or as many."""
    market = terms(open_ahead_s=3_600, orders_max=1_000)
    accounts = ("bob", "bob's second", "bob's third")
    other = Side.ASK if side is Side.BID else Side.BID

    def cleared(lists: dict[str, list[int]]) -> MarketWorld:
        world = MarketWorld(CROWD, market=market)
        for account, quantities in lists.items():
            items = [world.item(side, quantity, 3_000) for quantity in quantities]
            for at in range(0, len(items), 500):
                codes = world.submit(account, items[at : at + 500])
                assert not any(codes)
        for who, quantity in (("alice", 333), ("dave", 200), ("erin", 77)):
            assert world.submit(who, [world.item(side, quantity, 3_000)]) == [0]
        assert world.submit("carol", [world.item(other, 1_001, 3_000)]) == [0]
        world.pass_gate()
        world.check_invariants()
        return world

    whole = cleared({"bob": [1_000]})
    assert whole.result().rationing is not None
    piece = 1_000 // pieces
    in_one = cleared({"bob": [piece] * pieces})
    shares = [list(range(i, pieces, 3)) for i in range(3)]
    spread = cleared({a: [piece] * len(s) for a, s in zip(accounts, shares, strict=True)})
    assert totals(in_one) == totals(whole)
    assert totals(spread) == totals(whole)
    assert in_one.result().volume_wh == whole.result().volume_wh == 1_001
