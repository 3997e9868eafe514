"""The scenes of the golden market: what dice would not bring.

A scene is played at the beginning of a quarter, before its trade; `golden_market` says of which.
Its calls must come out as the scene says.
"""

from dataclasses import replace
from typing import Final

from chain.transaction import Call
from contracts.grid.device_words import GatewaySuspended, UnknownMeter, UnregisteredGateway
from contracts.grid.metering_words import (
    BadInterval,
    BadReadingSignature,
    FutureReading,
    MeterSuspended,
    NotFinal,
    NotInService,
    OverCapacity,
    ReadingConflict,
    RegisterMismatch,
    SequenceNotRising,
    VersionGap,
    WrongKey,
)
from contracts.grid.metering_words import (
    Final as QuarterFinal,
)
from contracts.grid.model import Compliance, Standing
from contracts.grid.reading import SignedReading
from contracts.grid.registry_words import NotInvited, Suspended
from contracts.kernel import NotPermitted, Record, Reject, Value
from contracts.kernel.clock import NotForward, PastNextStop
from contracts.money.accounts import NoMandate
from contracts.money.credit import InsufficientFunds
from contracts.trading.arrears_words import InArrears
from contracts.trading.auction_words import AlreadyHalted, GateAhead, NotHalted
from contracts.trading.market_words import BadTerms, GateClosed, NotTrading
from contracts.trading.order_words import (
    BadQuantity,
    BadSource,
    BothSides,
    CapExceeded,
    MakerOrders,
    NotAParticipant,
    ProductFull,
    TooManyOrders,
)
from contracts.trading.settlement_words import NotDue, NothingUnclaimed
from contracts.trading.uniform_price import Side
from tests.support.diced_market import (
    FEE_MAX_UTHB,
    FINAL_S,
    HOURLY,
    LATECOMER,
    POOR,
    RETAILER,
    SOURCE_PLACE,
    UNMETERED,
    DicedMarket,
    single,
)
from tests.support.genesis import DRIVER, START_S
from tests.support.grid import (
    GATEWAY,
    GRID,
    LICENSED,
    MARKET_OPERATOR,
    METERING_OPERATOR,
    REGISTRAR,
    TERMS,
    ZONE,
    installation,
    meter_name,
)
from tests.support.market import MARKET
from tests.support.metering import UNSIGNED, quarter
from tests.support.people import account_of

CANCELLED: Final = 5
LAST: Final = 8
LATER_MS: Final = 2_000_000_000_000
SUSPENSION: Final = Compliance(Standing.SUSPENDED, "licence", 0)


# ── Quarter 0 ──


def come_too_early(world: DicedMarket) -> None:
    """Ask for what is not due, not there yet, or not one's own to ask for."""
    first_s = world.start_s(0)
    bid = single(world.item(Side.BID, 100, 3_000))
    much = single(world.item(Side.BID, 1_000_001, 3_000))
    world.together(
        ("alice", Call("clock", "advance", (START_S + 1,)), NotPermitted),
        (DRIVER, Call("clock", "advance", (START_S,)), NotForward),
        (DRIVER, Call("clock", "advance", (START_S + 86_400,)), PastNextStop),
        ("alice", Call("auction", "clear_market", (MARKET, first_s)), GateAhead),
        ("alice", Call("auction", "halt_market", (MARKET,)), NotPermitted),
        ("alice", Call("settlement", "settle_trades", (ZONE, first_s)), NotDue),
        ("alice", Call("settlement", "take_unclaimed", ()), NothingUnclaimed),
        (REGISTRAR, bid, NotAParticipant),
        ("carol", much, CapExceeded),
        ("carol", replace(bid, owner=account_of(POOR)), NoMandate),
    )


def register_a_latecomer(world: DicedMarket) -> None:
    """Let a participant come who was not in the genesis, with credit of somebody else."""
    number, me = len(world.people) + 1, account_of(LATECOMER)
    register = Call("registry", "register_participant", (ZONE, me, TERMS.to_wire()))
    comply = Call("registry", "set_compliance", (number, LICENSED.to_wire()))
    join = Call("registry", "accept_account", (number,))
    world.together(
        ("carol", register, NotPermitted),
        ("carol", join, NotInvited),
        (REGISTRAR, register, None),
        (REGISTRAR, comply, None),
        ("alice", Call("credit", "transfer", (me, 100_000_000, b"welcome")), None),
    )
    world.together((LATECOMER, join, None))


# ── Quarters 1 and 2 ──


def lend_a_hand(world: DicedMarket) -> None:
    """Let the one with little money have bids placed by another, who pays their fees."""
    calls: list[Value] = ["orders.submit_bid"]
    grant = account_of("alice"), calls, 10**9, LATER_MS
    bid = single(world.item(Side.BID, 200, 3_300, product=1))
    world.together(
        (POOR, Call("accounts", "grant_mandate", grant), None),
        ("alice", replace(bid, owner=account_of(POOR)), None),
    )


def change_the_terms(world: DicedMarket) -> None:
    """Raise the fee of products that open later, and try a tick that has no middle."""
    dearer, odd = replace(world.terms, fee_per_wh=7), replace(world.terms, tick_per_wh=5)
    world.together(
        (MARKET_OPERATOR, Call("markets", "change_terms", (MARKET, dearer.to_wire())), None),
        (MARKET_OPERATOR, Call("markets", "change_terms", (MARKET, odd.to_wire())), BadTerms),
        ("alice", Call("markets", "change_terms", (MARKET, dearer.to_wire())), NotPermitted),
    )


def trade_an_hour(world: DicedMarket) -> None:
    """Trade a product of four quarters beside those of one, the same Wh in each."""

    def hour(side: Side, quantity_wh: int, limit: int) -> list[Value]:
        item = world.item(side, quantity_wh, limit)
        item[1:3] = HOURLY, quarter(4)
        return item

    asks = hour(Side.ASK, 2_000, 2_800), hour(Side.ASK, 1_200, 2_900), hour(Side.ASK, 8, 2_800)
    bids = hour(Side.BID, 1_200, 3_400), hour(Side.BID, 1_600, 3_100)
    outcomes = None, None, ProductFull
    _listed(world, "alice", "submit_orders", *zip(asks, outcomes, strict=True))
    uneven = hour(Side.BID, 1_001, 3_200)
    _listed(world, "carol", "submit_orders", *((bid, None) for bid in bids), (uneven, BadQuantity))


def cancel_a_product(world: DicedMarket) -> None:
    """Cancel a product in which orders wait, which then takes no more."""
    ask = single(world.item(Side.ASK, 500, 2_900, product=CANCELLED))
    bid = single(world.item(Side.BID, 700, 3_300, product=CANCELLED))
    cancel = Call("auction", "cancel_product", (MARKET, world.start_s(CANCELLED)))
    world.together(("bob", ask, None), ("carol", bid, None))
    world.together(
        ("alice", cancel, NotPermitted),
        (MARKET_OPERATOR, cancel, None),
        ("carol", bid, NotTrading),
    )


# ── Quarters 3 to 5 ──


def come_too_late(world: DicedMarket) -> None:
    """Order in a product whose gate has passed, and clear and settle what has been."""
    bid = single(world.item(Side.BID, 100, 3_000, product=1))
    clear = Call("auction", "clear_market", (MARKET, world.start_s(1)))
    world.together(("carol", bid, GateClosed), ("carol", clear, None))


def suspend_somebody(world: DicedMarket) -> None:
    """Suspend a buyer whose bid waits; it is refunded at the gate."""
    bid = single(world.item(Side.BID, 300, 3_300, product=4))
    world.together(("carol", bid, None))
    comply = (world.participant("carol"), SUSPENSION.to_wire())
    world.together(
        (REGISTRAR, Call("registry", "set_compliance", comply), None),
        ("carol", bid, Suspended),
    )


def take_somebody_back(world: DicedMarket) -> None:
    """Lift the suspension."""
    comply = (world.participant("carol"), LICENSED.to_wire())
    world.together((REGISTRAR, Call("registry", "set_compliance", comply), None))


def halt_the_hours(world: DicedMarket) -> None:
    """Halt a market; the products that have not begun are cancelled."""
    halt = Call("auction", "halt_market", (HOURLY,))
    world.together((MARKET_OPERATOR, halt, None), (MARKET_OPERATOR, halt, AlreadyHalted))


def resume_the_hours(world: DicedMarket) -> None:
    """Let the market go on."""
    resume = Call("auction", "resume_market", (HOURLY,))
    world.together((MARKET_OPERATOR, resume, None), (MARKET_OPERATOR, resume, NotHalted))


def send_false_readings(world: DicedMarket) -> None:
    """Send readings that are refused one by one, beside good ones in the same list.

    Bob was silent in quarter 3; carol and erin have been heard.
    """
    bob, carol, erin = (world.participant(who) for who in ("bob", "carol", "erin"))
    heard, missing = world.reading(carol, 3), world.reading(bob, 3)
    revised = world.reading(erin, 3, version=2, sequence=1_000)
    _listed(
        world,
        GATEWAY,
        "submit_readings",
        (heard, None),
        (_other(world, heard, import_wh=heard.import_wh + 1), ReadingConflict),
        (world.reading(carol, 3, key="a stranger"), WrongKey),
        (replace(missing, signature=UNSIGNED), BadReadingSignature),
        (_other(world, missing, interval_s=quarter(5)), FutureReading),
        (_other(world, missing, interval_s=quarter(3) + 1), BadInterval),
        (_other(world, missing, interval_s=quarter(0)), NotInService),
        (_other(world, missing, version=2), VersionGap),
        (_other(world, missing, meter=99), UnknownMeter),
        (_other(world, missing, import_wh=20_000), OverCapacity),
        (_other(world, missing, import_register_wh=10**9), RegisterMismatch),
        (world.reading(carol, 3, version=2, sequence=1), SequenceNotRising),
        (_other(world, revised, import_wh=revised.import_wh + 30), None),
    )


def keep_them_out(world: DicedMarket) -> None:
    """Bring a reading as nobody; of a meter, and as a gateway, that is suspended for a while."""
    bob = world.participant("bob")
    reading = world.reading(bob, 4)
    suspend_meter, admit_meter = (
        Call("devices", "set_meter_compliance", (bob, standing.to_wire()))
        for standing in (SUSPENSION, LICENSED)
    )
    world.together((REGISTRAR, suspend_meter, None))
    _listed(world, GATEWAY, "submit_readings", (reading, MeterSuspended))
    bring = Call("metering", "submit_readings", ([reading.to_wire()],))
    suspend, back = (
        Call("devices", method, (account_of(GATEWAY),))
        for method in ("suspend_gateway", "reinstate_gateway")
    )
    world.together(
        (REGISTRAR, admit_meter, None),
        ("alice", bring, UnregisteredGateway),
        (REGISTRAR, suspend, None),
        (GATEWAY, bring, GatewaySuspended),
        (REGISTRAR, back, None),
        (GATEWAY, bring, None),
    )


# ── Quarters 6 to 9 ──


def pay_a_debt(world: DicedMarket) -> None:
    """Order for somebody who is in debt, then pay it, and order again."""
    owed = world.owed(POOR)
    assert owed > 0, "quarter 2 cost more than there was"
    bid = single(world.item(Side.BID, 400, 3_300, product=6))
    lent = replace(bid, owner=account_of(POOR))
    pay = Call("credit", "transfer", (account_of(POOR), owed + 20_000_000, b"a loan"))
    world.together(("alice", lent, InArrears), ("carol", pay, None), ("alice", lent, None))


def correct_readings(world: DicedMarket) -> None:
    """Correct a settled quarter, and try one that is not, and as somebody else."""
    carol = world.participant("carol")
    settled = world.reading(carol, 1, version=2, sequence=2_000)
    settled = _other(world, settled, import_wh=settled.import_wh + 250)
    early = _other(world, world.reading(carol, 5, version=2, sequence=2_001))
    correct = "correct_readings"
    _listed(world, METERING_OPERATOR, correct, (settled, None), (early, NotFinal))
    _listed(world, GATEWAY, correct, (settled, NotPermitted))


def send_a_late_reading(world: DicedMarket) -> None:
    """Send what was missing after its quarter was settled with a substitute."""
    late = world.reading(world.participant("bob"), 3)
    _listed(world, GATEWAY, "submit_readings", (late, QuarterFinal))


def order_too_much(world: DicedMarket) -> None:
    """Order more than a market lets one have open, pay for or be, beside what it takes."""
    bid = world.item(Side.BID, 50, 3_000, product=6)
    no_source = [*world.item(Side.ASK, 50, 3_000, product=6)]
    no_source[SOURCE_PLACE] = None
    taken = [(bid, None)] * world.terms.orders_max
    wrong = (no_source, BadSource), (world.item(Side.ASK, 50, 3_000, product=6), BothSides)
    _listed(world, "erin", "submit_orders", *taken, (bid, TooManyOrders), *wrong)
    dear = single(world.item(Side.BID, 100_000, 10_000, product=6))
    second = single(world.item(Side.BID, 50, 2_200, product=6))
    world.together(
        (POOR, dear, InsufficientFunds),
        (RETAILER, second, None),
        (RETAILER, second, MakerOrders),
    )


def empty_the_grid_account(world: DicedMarket) -> None:
    """Take from the grid account what it has; it will owe what it has to pay next."""
    take = (account_of(RETAILER), world.grid_uthb - 2 * FEE_MAX_UTHB, b"")
    world.together((GRID, Call("credit", "transfer", take), None))


def install_a_meter(world: DicedMarket) -> None:
    """Let the participant without a meter have one from this quarter on."""
    number = world.participant(UNMETERED)
    key = world.device_key(number, meter_name(number)).to_wire()
    place = installation(number, first_quarter_s=world.now_s).to_wire()
    register = Call("devices", "register_meter", (place, key))
    comply = Call("devices", "set_meter_compliance", (number, LICENSED.to_wire()))
    world.together(
        ("alice", register, NotPermitted), (REGISTRAR, register, None), (REGISTRAR, comply, None)
    )
    world.begin_metering(UNMETERED)


def settle_by_hand(world: DicedMarket) -> None:
    """Let somebody settle a quarter, step by step, in the block in which it is due."""
    due_s = quarter(LAST + 1) + FINAL_S
    step = Call("settlement", "settle_trades", (ZONE, quarter(LAST)))
    world.advance(due_s - 1)
    world.queue(DRIVER, Call("clock", "advance", (due_s,)))
    world.queue("alice", *[step] * 5)
    _, settled = world.decide()
    assert [one.value for one in settled.results] == [False] * 5, "steps that leave more to do"


def _other(world: DicedMarket, reading: SignedReading, **fields: int) -> SignedReading:
    """Return the reading with other fields, signed by its device."""
    return world.sign(replace(reading, **fields))  # type: ignore[arg-type]  # by name


def _listed(
    world: DicedMarket,
    who: str,
    method: str,
    *items: tuple[Record | list[Value], type[Reject] | None],
) -> None:
    """Send a list in one call, each item of which must be refused so, or not."""
    wire: list[Value] = [one.to_wire() if isinstance(one, Record) else one for one, _ in items]
    contract = "orders" if method == "submit_orders" else "metering"
    (codes,) = world.together((who, Call(contract, method, (wire,)), None))
    expected = [0 if reject is None else reject.receipt_code() for _, reject in items]
    assert codes == expected, codes
