"""A replay knows from market time and orders whether it can go on, before it sends anything."""

from functools import partial

import pytest

from chain.bech32 import encode_address
from client.genesis_rules import METERING
from client.replay.agents import FEED_IN_PER_WH
from client.replay.neighbourhood import Neighbourhood
from client.replay.resumed import end_s, refusal
from client.replay.setup import (
    GATE_LEAD_S,
    MARKET,
    RETAILER,
    RETAILER_NUMBER,
    WEEK_FOLDER,
    clock_start_s,
    make_genesis,
)
from client.replay.told import Told
from client.replay.week import QUARTER_S, load_week

WEEK = load_week(WEEK_FOLDER).days(0, 1)
CHAIN_ID = make_genesis(WEEK).chain_id
ALL = WEEK.quarters
SETTLED_AFTER = METERING.final_s // QUARTER_S


class Chain:
    """What a chain told whose replay of some quarters came to some step."""

    def __init__(self, seed: int = 1) -> None:
        self.told = Told(clock_start_s(WEEK), {encode_address(RETAILER.account): RETAILER_NUMBER})
        self.homes = Neighbourhood(WEEK, seed, CHAIN_ID)

    def order(self, quarter: int, account: bytes, wh: int, limit_per_wh: int) -> None:
        self._tell(
            "orders",
            "OrderPlaced",
            market=MARKET,
            start_s=WEEK.quarter_start_s(quarter),
            account=encode_address(account),
            side="bid" if wh > 0 else "ask",
            quantity_wh=abs(wh),
            limit_per_wh=limit_per_wh,
        )

    def trade(self, quarter: int) -> None:
        """Send the orders of a quarter."""
        self.order(quarter, RETAILER.account, 62_500, FEED_IN_PER_WH)
        if quarter == 2:
            for member, plan in self.homes.plans(2, [None, None]):
                wh, limit = plan.quantity_wh, plan.limit_per_wh
                self.order(quarter, member.identity.account, wh, limit)

    def gate(self, quarter: int) -> None:
        """Move the clock to a gate, whose auction finds nothing."""
        start_s = WEEK.quarter_start_s(quarter)
        self.clock(start_s - GATE_LEAD_S)
        named = {"market": MARKET, "start_s": start_s}
        self._tell("auction", "MarketCleared", **named, price_per_wh=None, volume_wh=0)
        self._tell("auction", "ProductCleared", **named)
        if quarter < 2:
            self.homes.deliver({})

    def clock(self, to_s: int) -> None:
        self._tell("clock", "ClockAdvanced", to_s=to_s)

    def refused(self, quarters: int, seed: int = 1) -> str | None:
        return refusal(self.told, WEEK, quarters, Neighbourhood(WEEK, seed, CHAIN_ID))

    def _tell(self, contract: str, event: str, **fields: object) -> None:
        one = {"contract": contract, "event": event, "fields": fields, "transaction_id": None}
        self.told.add(one)


def played(quarters: int, *, end: bool = False) -> Chain:
    """Return a chain after the steps of so many quarters, at the last one's start."""
    chain = Chain()
    for quarter in range(quarters):
        chain.trade(quarter)
        chain.gate(quarter)
        chain.clock(WEEK.quarter_start_s(quarter))
    if end:
        chain.clock(end_s(WEEK, quarters))
    return chain


def test_an_interrupted_replay_goes_on_from_every_step() -> None:
    chain = Chain()
    assert chain.refused(ALL) is None
    for quarter in range(6):
        steps = (
            partial(chain.trade, quarter),
            partial(chain.gate, quarter),
            partial(chain.clock, WEEK.quarter_start_s(quarter)),
        )
        for step in steps:
            step()
            assert chain.refused(ALL) is None
            assert chain.refused(7) is None


def test_a_replay_that_has_ended_is_reported_again_and_not_made_longer() -> None:
    chain = played(5, end=True)
    assert chain.refused(5) is None
    for more in (6, 5 + SETTLED_AFTER, ALL):
        said = chain.refused(more)
        assert said is not None
        assert said.startswith("this chain was replayed for 5 quarter-hours, and its market clock")
        assert "--quarters 5" in said.partition("; ")[2]


def test_it_is_not_made_longer_while_it_waits_for_its_settlement_either() -> None:
    chain = played(5)
    assert chain.refused(6) is None, "the sixth can still be ordered"
    chain.clock(WEEK.quarter_start_s(5) - GATE_LEAD_S)
    assert chain.refused(5) is None
    assert chain.refused(6) is not None
    chain.clock(WEEK.quarter_start_s(5))
    assert chain.refused(5) is None
    assert chain.refused(6) is not None


def test_fewer_quarters_are_reported_but_not_driven_to_their_end() -> None:
    chain = played(12)
    assert chain.refused(12) is None
    said = chain.refused(11)
    assert said is not None
    assert "has begun 12 quarter-hours and not ended" in said
    assert chain.refused(12 - SETTLED_AFTER - 1) is None, "that much is settled"


def test_a_clock_that_somebody_moved_has_left_quarters_behind() -> None:
    chain = Chain()
    chain.clock(clock_start_s(WEEK) + 1)
    for quarters in (1, ALL):
        said = chain.refused(quarters)
        assert said is not None
        assert "moved past its first quarters" in said
    chain = played(5)
    chain.clock(WEEK.quarter_start_s(4) + 1)
    assert chain.refused(5) is None
    assert chain.refused(ALL) is not None, "orders of the sixth are sent at a boundary only"


@pytest.mark.parametrize("seed", [2, 3, 4, 5])
def test_another_seed_is_found_out_by_the_first_orders(seed: int) -> None:
    chain = played(3)
    assert chain.refused(ALL, seed=1) is None
    said = chain.refused(ALL, seed=seed)
    assert said is not None
    assert "with another seed; go on with the --seed" in said
    assert played(2).refused(ALL, seed=seed) is None, "nobody has ordered yet"


def test_an_order_that_somebody_sent_for_a_household_is_no_other_seed() -> None:
    chain = played(2)
    member = chain.homes.members[0]
    chain.order(2, member.identity.account, 1, FEED_IN_PER_WH)
    chain.trade(2)
    assert chain.refused(ALL) is None
