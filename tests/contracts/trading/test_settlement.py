"""A quarter from its frozen tariffs to its bills, by hand."""

from dataclasses import replace

import pytest

from chain.genesis import InvalidGenesisError
from contracts.kernel import Value
from contracts.trading.model import ProductState
from contracts.trading.settlement_model import Phase
from contracts.trading.settlement_words import (
    EnergyDelivered,
    GridAccountLow,
    NotDue,
    PaymentCompleted,
    QuarterSettled,
    SettlementDelayed,
    TariffsFrozen,
    TradeSettled,
)
from tests.support.genesis import FUNDS_UTHB, SETTLEMENT, make_genesis
from tests.support.grid import GRID, MARKET_OPERATOR, RULES, ZONE
from tests.support.market import MARKET, SOLAR, terms
from tests.support.metering import quarter
from tests.support.people import account_of
from tests.support.settlement import BASE_LOAD_WH, SettlementWorld
from tests.support.world import World

IMPORT, FEED_IN, FEE = 3_950, 2_200, 5
CAROL = 4


def moved(world: SettlementWorld, who: str) -> int:
    """Return by how much an account's free credit has changed, but for transaction fees."""
    return world.free(who) - FUNDS_UTHB


def traded() -> SettlementWorld:
    """Return a world in which alice bought 1 500 Wh of carol at 4 000 in quarter 1."""
    world = SettlementWorld()
    world.bid("alice", 2_000, 4_000)
    world.ask("carol", 1_500, 3_000)
    return world


def test_everybody_pays_or_receives_for_what_was_not_traded() -> None:
    world = traded()
    world.deliver(1, {"alice": (2_300, 0), "bob": (100, 0), "carol": (0, 1_200), "dave": (0, 77)})
    assert world.held("carol") == (0, 1_500 * (IMPORT - 3_000), 1_500 * 4_000)
    world.settle(1)
    prices = world.read.settlement.prices_of(ZONE, quarter(1))
    assert prices is not None
    assert (prices.price_whole, prices.price_rest, prices.price_of_wh) == (4_000, 0, 1_500)
    assert (prices.import_wh, prices.export_wh, prices.is_settled) == (2_400, 1_277, True)
    short = 4_000 + FEE
    # alice contracted −1 500 and metered −2 300; carol sold 1 500 and gave 1 200.
    assert moved(world, "alice") == -1_500 * (4_000 + FEE) - 800 * short
    assert moved(world, "carol") == 1_500 * 4_000 - 300 * short
    assert moved(world, "bob") == -100 * short
    assert moved(world, "dave") == 77 * FEED_IN
    assert moved(world, "erin") == 0
    assert moved(world, "retailer") == 0
    assert moved(world, MARKET_OPERATOR) == (1_500 + 1_200) * FEE
    assert moved(world, GRID) == 1_200 * 4_000 - 77 * FEED_IN
    for who in ("alice", "carol"):
        assert world.held(who) == (0, 0, 0)
    retailer = world.bill("retailer", 1)
    assert (retailer.import_wh, retailer.export_wh, retailer.imbalance_wh) == (1_277, 2_400, 1_123)
    assert sum(world.bill(p.name, 1).imbalance_wh for p in world.people) == 0
    world.check_invariants()


def test_the_retailer_trades_and_its_difference_moves_no_money() -> None:
    world = SettlementWorld()
    world.ask("retailer", 5_000, 3_900)
    world.bid("alice", 2_000, 4_000)
    world.deliver(1, {"alice": (1_000, 0)})
    world.settle(1)
    price = 3_900
    assert moved(world, "retailer") == 2_000 * price
    # alice has 1 000 Wh left, for which the grid account pays the feed-in price.
    assert moved(world, "alice") == -2_000 * (price + FEE) + 1_000 * FEED_IN
    assert moved(world, GRID) == -1_000 * FEED_IN
    bill = world.bill("retailer", 1)
    assert (bill.sold_wh, bill.export_wh, bill.imbalance_wh) == (2_000, 1_000, -1_000)
    assert (bill.charge_uthb, bill.due_uthb) == (0, 0)
    world.check_invariants()


def test_a_quarter_with_too_little_trade_has_the_tariffs_alone() -> None:
    world = SettlementWorld()
    world.bid("alice", 999, 4_000)
    world.ask("carol", 999, 3_000)
    world.deliver(1, {"alice": (1_099, 0), "carol": (0, 999)})
    world.settle(1)
    prices = world.read.settlement.prices_of(ZONE, quarter(1))
    assert prices is not None
    assert prices.price_of_wh == 0
    assert world.bill("alice", 1).charge_uthb == 100 * (IMPORT + FEE)


def test_the_price_of_two_auctions_is_kept_as_a_fraction() -> None:
    world = SettlementWorld(second=terms())
    world.bid("alice", 1_000, 4_000)
    world.ask("carol", 1_000, 4_000)
    start_s = world.start_s(0)
    world.call("alice", "orders", "submit_bid", MARKET + 1, start_s, ZONE, 500, 4_010, False)
    world.call("carol", "orders", "submit_ask", MARKET + 1, start_s, ZONE, 500, 4_010, SOLAR, False)
    world.deliver(1, {"alice": (1_501, 0), "carol": (0, 1_500), "bob": (2, 0)})
    world.settle(1)
    prices = world.read.settlement.prices_of(ZONE, quarter(1))
    assert prices is not None
    # (1 000 × 4 000 + 500 × 4 010) ÷ 1 500 = 4 003⅓, once and rounded up.
    assert (prices.price_whole, prices.price_rest, prices.price_of_wh) == (4_003, 500, 1_500)
    assert world.bill("alice", 1).charge_uthb == 4_004 + FEE
    assert world.bill("bob", 1).charge_uthb == 8_007 + 2 * FEE
    assert world.bill("carol", 1).imbalance_wh == 0
    world.check_invariants()


def test_tariffs_are_those_of_a_day_before_delivery() -> None:
    world = SettlementWorld()
    dear = replace(world.terms, import_per_wh=5_000, feed_in_per_wh=1_000, fee_per_wh=7)
    world.call(MARKET_OPERATOR, "markets", "change_terms", MARKET, dear.to_wire())
    frozen = {one.quarter_s: one for one in world.events(TariffsFrozen)}
    # All quarters up to a day ahead were frozen at the beginning, the next one is so later.
    assert frozen[quarter(96)].import_per_wh == IMPORT
    assert quarter(97) not in frozen
    world.advance(quarter(1))
    assert world.events(TariffsFrozen)[-1] == TariffsFrozen(ZONE, quarter(97), 5_000, 1_000, 7)
    world.deliver(1, {"alice": (10, 0)})
    world.settle(1)
    assert world.bill("alice", 1).charge_uthb == 10 * (IMPORT + FEE)


def test_an_absent_reading_is_substituted_and_billed() -> None:
    world = SettlementWorld()
    world.deliver(1, {"alice": None, "bob": (0, 10)})
    world.settle(1)
    bill = world.bill("alice", 1)
    assert (bill.import_wh, bill.substituted) == (BASE_LOAD_WH, True)
    assert moved(world, "alice") == -BASE_LOAD_WH * (IMPORT + FEE)
    assert not world.bill("bob", 1).substituted


def test_fills_without_a_meter_count_as_nothing_delivered() -> None:
    world = SettlementWorld(unmetered=("carol",))
    world.bid("alice", 1_000, 3_000)
    world.ask("carol", 1_000, 3_000)
    world.deliver(1, {"alice": (1_000, 0)})
    world.settle(1)
    bill = world.bill("carol", 1)
    assert (bill.import_wh, bill.export_wh, bill.imbalance_wh) == (0, 0, -1_000)
    assert moved(world, "carol") == 1_000 * 3_000 - 1_000 * (IMPORT + FEE)
    # Who has neither a meter nor fills has no bill.
    assert world.read.settlement.bill_of(4, ZONE, quarter(2)) is None
    world.check_invariants()


@pytest.mark.parametrize(
    ("drawn_wh", "taken"),
    [
        # carol sells 1 000 Wh at 3 000, holds 950 000 as margin and has 1 000 000 left.
        (0, (3_000_000, 950_000, 5_000, 0)),
        (252, (3_000_000, 950_000, 1_001_660 - 1_661, 1_661)),
        (1_000, (3_000_000, 950_000, 999_999, 2_960_001)),
    ],
)
def test_a_charge_takes_proceeds_then_margin_then_free_credit_then_arrears(
    drawn_wh: int, taken: tuple[int, ...]
) -> None:
    world = SettlementWorld(funds={"carol": 950_000 + 1_000_000})
    world.bid("alice", 1_000, 3_000)
    world.ask("carol", 1_000, 3_000)
    world.deliver(1, {"alice": (1_000, 0), "carol": (drawn_wh, 0)})
    world.settle(1)
    (event,) = [e for e in world.events(QuarterSettled) if e.participant == CAROL]
    assert event.charge_uthb == (1_000 + drawn_wh) * (IMPORT + FEE) == sum(taken)
    assert taken == (
        event.from_proceeds_uthb, event.from_margin_uthb, event.from_free_uthb,
        event.arrears_uthb,
    )  # fmt: skip
    assert event.released_proceeds_uthb == event.released_margin_uthb == 0
    assert world.held("carol") == (0, 0, 0)
    assert world.owed("carol") == taken[3]
    # The fee is the first that the market operator gets of what was collected.
    assert moved(world, MARKET_OPERATOR) == (1_000 + 1_000 + drawn_wh) * FEE
    world.check_invariants()


def test_charges_walk_the_accounts_in_the_order_in_which_they_joined() -> None:
    funds = {"bob": 100_001, "bob's second": 200_000, "bob's third": 10_000_000}
    world = SettlementWorld(funds=funds)
    world.deliver(1, {"bob": (100, 0)})
    world.settle(1)
    charge = 100 * (IMPORT + FEE)
    assert world.account("bob").free == 0
    assert world.account("bob's second").free == 0
    assert world.account("bob's third").free == 10_000_000 - (charge - 300_001)


def test_proceeds_on_several_accounts_are_charged_and_released() -> None:
    world = SettlementWorld()
    world.ask("bob's second", 1_000, 3_000)
    world.ask("bob's third", 500, 3_000)
    world.bid("alice", 1_500, 3_000)
    world.deliver(1, {"alice": (1_500, 0), "bob": (0, 800)})
    world.settle(1)
    charge = 700 * (IMPORT + FEE)
    assert charge < 1_000 * 3_000
    assert moved(world, "bob") == 0
    assert moved(world, "bob's second") == 1_000 * 3_000 - charge
    assert moved(world, "bob's third") == 500 * 3_000
    assert all(world.held(who) == (0, 0, 0) for who in ("bob", "bob's second", "bob's third"))
    world.check_invariants()


def test_events_say_all_that_a_bill_needs() -> None:
    world = traded()
    world.deliver(1, {"alice": (2_300, 0), "carol": (0, 1_200), "dave": (0, 77)})
    world.settle(1)
    assert world.events(EnergyDelivered) == [
        EnergyDelivered(ZONE, quarter(1), 2_300, 1_277, 4_000, 0, 1_500)
    ]
    assert world.events(PaymentCompleted) == [PaymentCompleted(ZONE, quarter(1))]
    settled = {event.participant: event for event in world.events(QuarterSettled)}
    assert sorted(settled) == [1, 2, 3, 4, 5, 6]
    carol = settled[4]
    assert carol == QuarterSettled(
        account_of("carol"), 4, ZONE, quarter(1), 0, 1_200, False, 0, 1_500, -300,
        300 * 4_005, 300 * FEE, 300 * 4_005, 0, 0, 0,
        1_500 * 4_000 - 300 * 4_005, 1_500 * 950, 0, 0,
    )  # fmt: skip
    assert settled[5].due_uthb == settled[5].paid_uthb == 77 * FEED_IN
    assert sum(event.imbalance_wh for event in settled.values()) == 0
    (done,) = world.events(TradeSettled)
    charged = sum(event.charge_uthb for event in settled.values())
    assert done == TradeSettled(
        ZONE, quarter(1), 6, charged, 0, 1_100 * FEE, 77 * FEED_IN, 0, 0,
        charged - 1_100 * FEE - 77 * FEED_IN,
    )  # fmt: skip
    assert not world.events(GridAccountLow)


def test_a_step_of_one_unit_gives_what_one_large_step_gives() -> None:
    def outcome(slice_units: int) -> tuple[dict[bytes, bytes], list[QuarterSettled]]:
        rules = replace(SETTLEMENT, slice_units=slice_units)
        world = SettlementWorld(rules=rules, funds={"bob": 1_000, GRID: 10_000})
        world.bid("alice", 2_000, 4_000)
        world.ask("carol", 1_500, 3_000)
        quantities = {"alice": (2_000, 0), "bob": (900, 0), "carol": None, "dave": (0, 5_000)}
        world.deliver(1, quantities)
        world.settle(1)
        world.deliver(2, {"carol": (30, 0), "erin": (0, 7_000)})
        world.settle(4)
        skipped = (
            world.read.settlement.rules.prefix,
            world.read.schedule.queue.prefix,
            world.read.schedule.next_id.prefix,
            world.read.accounts.nonces.prefix,
            world.read.clock.driven_s.prefix,
        )
        state = {
            key: value
            for key, value in world.state.scan(b"", b"\xff" * 64)
            if key[:2] not in skipped and key[:1] != b"\x11"
        }
        world.check_invariants()
        frees = {who: world.free(who) for who in ("alice", "bob", "carol", "dave", "erin", GRID)}
        state[b"free"] = repr(frees).encode()
        return state, world.events(QuarterSettled)

    large = outcome(512)
    for size in (1, 2, 3):
        state, events = outcome(size)
        assert state == large[0]
        key = [(e.quarter_s, e.participant) for e in large[1]]
        assert len(set(key)) == len(key)
        assert {(e.quarter_s, e.participant): e for e in events} == dict(
            zip(key, large[1], strict=True)
        )


def test_a_person_can_do_the_next_step_but_nothing_before_its_time() -> None:
    world = traded()
    world.deliver(1, {"alice": (2_000, 0)})
    world.refused(NotDue, "dave", "settlement", "settle_trades", ZONE, quarter(1))
    world.refused(NotDue, "dave", "settlement", "settle_trades", ZONE, quarter(500))
    world.refused(NotDue, "dave", "settlement", "settle_trades", 9, quarter(1))
    world.settle(1)
    assert world.call("dave", "settlement", "settle_trades", ZONE, quarter(1)) is True
    before = world.grid_uthb
    assert world.call("dave", "settlement", "settle_trades", ZONE, quarter(1)) is True
    assert world.grid_uthb == before


def test_day_bills_are_sums_of_quarters() -> None:
    world = SettlementWorld()
    for number in (1, 2, 3):
        world.deliver(number, {"alice": (100 * number, 0), "carol": (0, 50)})
    world.settle(3)
    day = world.read.settlement.day_bill(2, ZONE, quarter(1) // 86_400)
    assert (day.quarters, day.import_wh, day.charge_uthb) == (3, 600, 600 * (IMPORT + FEE))
    assert day.due_uthb == 0
    other = world.read.settlement.day_bill(4, ZONE, quarter(1) // 86_400)
    assert (other.export_wh, other.due_uthb) == (150, 150 * FEED_IN)
    bills = world.read.settlement.bills_of(2, ZONE, quarter(1) // 86_400)
    assert [bill.quarter_s for bill in bills] == [quarter(1), quarter(2), quarter(3)]


def test_a_zone_without_a_market_is_metered_and_settled_at_nothing() -> None:
    genesis = make_genesis(people=("alice",))
    section: dict[str, Value] = {"rules": SETTLEMENT.to_wire(), "first_quarter_s": quarter(0)}
    world = World(replace(genesis, sections={**genesis.sections, "settlement": section}))
    world.advance(quarter(1) + RULES.final_s)
    assert world.read.metering.is_final(ZONE, quarter(0))
    bill = world.read.settlement.bill_of(2, ZONE, quarter(0))
    assert bill is not None
    assert (bill.import_wh, bill.substituted, bill.charge_uthb) == (50, True, 0)
    assert world.read.credit.free(account_of("alice")) == FUNDS_UTHB
    world.check_invariants()


def test_genesis_takes_quarters_only() -> None:
    genesis = make_genesis()
    section: dict[str, Value] = {"rules": SETTLEMENT.to_wire(), "first_quarter_s": quarter(0) + 1}
    with pytest.raises(InvalidGenesisError, match="multiple of 900"):
        World(replace(genesis, sections={**genesis.sections, "settlement": section}))


def test_anybody_can_settle_what_the_schedule_has_lost() -> None:
    world = traded()
    world.deliver(1, {"alice": (2_300, 0), "carol": (0, 1_200)})
    due_s = quarter(2) + RULES.final_s
    world.advance(due_s - 1)
    with world.edit() as registry:
        # As after a failed unit: the work of this quarter is in no queue any more.
        queue = registry.schedule.queue
        lost = [key for key, work in queue.items() if work is not None and work.unit == "begin"]
        assert len(lost) == 1
        del queue[lost[0]]
    world.advance(due_s)
    assert world.read.settlement.bill_of(CAROL, ZONE, quarter(1)) is None
    steps = 0
    while not world.call("dave", "settlement", "settle_trades", ZONE, quarter(1)):
        steps += 1
        assert len(list(world.read.settlement.runs.items())) == 1
        # A later quarter waits for this one.
        world.refused(NotDue, "dave", "settlement", "settle_trades", ZONE, quarter(2))
        world.check_invariants()
    assert steps == Phase.CLAIM  # all phases before, and none for claims as there are none
    assert moved(world, "carol") == 1_500 * 4_000 - 300 * (4_000 + FEE)
    assert not list(world.read.settlement.runs.items())
    world.check_invariants()


def test_settlement_waits_for_a_product_that_has_not_ended() -> None:
    world = traded()
    world.deliver(1, {"alice": (2_300, 0), "carol": (0, 1_200)})
    world.deliver(2, {})
    key = (MARKET, quarter(1))

    def set_state(state: ProductState) -> None:
        with world.edit() as registry:
            entry = registry.markets.products[key]
            assert entry is not None
            registry.markets.products[key] = replace(entry, state=state)

    set_state(ProductState.CLEARING)
    world.settle(1)
    assert world.events(SettlementDelayed) == [SettlementDelayed(ZONE, quarter(1))]
    assert world.held("carol")[2] == 1_500 * 4_000
    world.refused(NotDue, "dave", "settlement", "settle_trades", ZONE, quarter(1))
    set_state(ProductState.CLEARED)
    world.settle(2)
    assert world.held("carol") == (0, 0, 0)
    assert moved(world, "carol") == 1_500 * 4_000 - 300 * (4_000 + FEE)
    world.check_invariants()
