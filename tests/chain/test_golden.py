"""The golden chains' roots are those of the vectors, on this Python and on the other one."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from chain.block import Block
from chain.execution.receipt import Outcome
from contracts.grid.metering_words import GapClosed, ReadingCorrected, ReadingsSubstituted
from contracts.money.credit import InsufficientFunds
from contracts.registry import CATALOGUE
from contracts.trading.arrears_words import ArrearsPaid, ArrearsRaised, InArrears
from contracts.trading.auction_words import MarketCleared, ProductRefunded
from contracts.trading.order_words import (
    EnergyTrade,
    OrderCancelled,
    OrderReplaced,
    OrdersExpired,
    OrdersRefunded,
    TradesExecuted,
)
from contracts.trading.settlement_words import (
    ClaimPaid,
    CorrectionSettled,
    QuarterSettled,
    TradeSettled,
)
from contracts.trading.uniform_price import Side
from tests.chain.golden import CHAINS, shown
from tests.chain.golden_market import golden_market
from tests.chain.golden_money import BLOCKS
from tests.chain.golden_scenes import CANCELLED, LAST
from tests.support.chain import ChainNode
from tests.support.diced_market import HOURLY, DicedMarket
from tests.support.grid import RETAILER_NUMBER, ZONE
from tests.support.market import MARKET
from tests.support.metering import quarter

ROOT = Path(__file__).parents[2]
EVERY_CHAIN = pytest.mark.parametrize("name", CHAINS)
QUARTERS = range(1, LAST + 1)
METERED = ("alice", "bob", "carol", "dave", "erin")
EVERYBODY = range(1, 9)
# What a chain of one zone and three hours cannot show.
NOT_SHOWN = {"OutsideGatewayZone", "CorrectionClosed"}


def vector(name: str) -> list[dict[str, Any]]:
    """Return the blocks as the vector has them."""
    blocks: list[dict[str, Any]] = json.loads((ROOT / f"vectors/golden/{name}.json").read_text())
    return blocks


@cache
def market() -> DicedMarket:
    """Return what the golden market left; whoever uses it only looks."""
    return golden_market()


def trades_of(side: Side, start_s: int, number: int = MARKET) -> list[EnergyTrade]:
    """Return the trades of one side of a product."""
    found = (number, start_s, side)
    events = market().events(TradesExecuted)
    return [t for e in events if (e.market, e.start_s, e.side) == found for t in e.trades]


def made(name: str) -> ChainNode:
    """Make a chain; the market once for all tests."""
    return market().node if name == "market-1" else CHAINS[name]()


@EVERY_CHAIN
def test_the_roots_are_those_of_the_vector(name: str) -> None:
    assert shown(made(name)) == vector(name)


def test_every_vector_has_its_chain() -> None:
    files = sorted(path.stem for path in (ROOT / "vectors/golden").glob("*.json"))
    assert files == sorted(CHAINS)


@EVERY_CHAIN
def test_who_only_follows_comes_to_the_same_blocks(name: str) -> None:
    leader = made(name)
    follower = ChainNode(genesis=leader.genesis)
    for block in leader.blocks()[1:]:
        assert block.certificate is not None
        follower.follow(Block(block.header, block.body), block.certificate)
    assert follower.blocks() == leader.blocks()


@EVERY_CHAIN
def test_the_other_python_comes_to_the_same_roots(name: str) -> None:
    other = os.environ.get("GTX_OTHER_PYTHON")
    if other is None:
        pytest.skip("GTX_OTHER_PYTHON names no second interpreter with the packages installed")
    command = [other, "-m", "tests.chain.golden", name]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == vector(name)


def test_the_vector_holds_accepted_refused_undone_and_unrun_calls() -> None:
    blocks = vector("chain-1")
    assert len(blocks) == BLOCKS + 1
    codes = {code for block in blocks for receipt in block["codes"] for code in receipt}
    assert {Outcome.OK, Outcome.UNDONE, Outcome.NOT_RUN} < codes
    refusals = codes - set(Outcome)
    assert len(refusals) > 4, refusals


# ── What the market has come to ──


def test_the_market_trades_quarters_and_an_hour() -> None:
    world = market()
    starts = [world.start_s(product) for product in range(LAST)]
    traded = [s for s in starts if trades_of(Side.BID, s)]
    assert traded == [s for s in starts if s != world.start_s(CANCELLED)]
    for start_s, number in [*((s, MARKET) for s in traded), (quarter(4), HOURLY)]:
        bought, sold = (
            sum(trade.energy_wh for trade in trades_of(side, start_s, number)) for side in Side
        )
        (cleared,) = (
            e for e in world.events(MarketCleared) if (e.market, e.start_s) == (number, start_s)
        )
        assert bought == sold == cleared.volume_wh > 0
    refunded = [(e.market, e.start_s) for e in world.events(ProductRefunded)]
    assert (MARKET, world.start_s(CANCELLED)) in refunded
    for event in (OrderCancelled, OrderReplaced, OrdersExpired, OrdersRefunded):
        assert world.events(event), event


def test_the_markets_quarters_are_settled_and_billed() -> None:
    world = market()
    settled = [e.quarter_s for e in world.events(TradeSettled)]
    assert settled == [quarter(number) for number in QUARTERS]
    for number in QUARTERS:
        quarter_s = quarter(number)
        told = [e for e in world.events(QuarterSettled) if e.quarter_s == quarter_s]
        bills = {one: world.read.settlement.bill_of(one, ZONE, quarter_s) for one in EVERYBODY}
        known = {one: bill for one, bill in bills.items() if bill is not None}
        assert sorted(known) == sorted(e.participant for e in told)
        assert {world.participant(who) for who in METERED} | {RETAILER_NUMBER} <= known.keys()
        assert sum(bill.imbalance_wh for bill in known.values()) == 0
        assert sum(bill.bought_wh - bill.sold_wh for bill in known.values()) == 0
        assert sum(bill.import_wh - bill.export_wh for bill in known.values()) == 0
        assert any(bill.imbalance_wh and bill.charge_uthb for bill in known.values())
    world.check_invariants()


def test_the_market_has_gaps_corrections_debts_and_claims() -> None:
    world = market()
    for event in (
        ReadingsSubstituted, GapClosed, ReadingCorrected, CorrectionSettled,
        ArrearsRaised, ArrearsPaid, ClaimPaid,
    ):  # fmt: skip
        assert world.events(event), event
    assert world.bill("bob", 3).substituted
    assert not world.bill("bob", 4).substituted
    assert world.bill("carol", 1).corrected_uthb < 0


@pytest.mark.parametrize("contract", ["orders", "metering"])
def test_the_market_refuses_orders_and_readings_for_every_reason(contract: str) -> None:
    refused = {reject.__name__ for reject in market().refusals()}
    reasons = {reject.__name__ for reject in CATALOGUE.by_name[contract].rejects.values()}
    assert reasons - refused == reasons & NOT_SHOWN
    assert {InArrears.__name__, InsufficientFunds.__name__} <= refused
