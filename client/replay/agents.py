"""Agents: how a household turns what it knows into one order a quarter.

Everything an agent decides follows from its seed, its own readings before the gate, and clearing
prices of quarters that are over; it keeps nothing that the chain does not. Limits lie between the
feed-in and the retail price. Three characters trade side by side:

- *plain*: bids the retail price, asks the feed-in price, so that it always trades if anybody does;
- *lottery*: a limit drawn anew each time (zero intelligence within the budget, Gode and Sunder,
  Journal of Political Economy 101, 1993);
- *follower*: aims a little better than the mean of recent clearing prices.

A household with a battery still sends one net order. Around the sunny hours it bids for what it
needs and for what its battery can take, at what stored energy will be worth after losses; in the
evening and at night it offers what the battery can give, less what it needs itself.
"""

import enum
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from client.replay.battery import Storage
from client.replay.forecast import Forecaster
from client.replay.week import QUARTERS_PER_DAY, Household

RETAIL_PER_WH: Final = 3_950
FEED_IN_PER_WH: Final = 2_200
TICK: Final = 10
RECENT_PRICES: Final = 8
CHARGE_HOURS: Final = range(10, 17)
DISCHARGE_HOURS: Final = (*range(18, 24), *range(7))


class Character(enum.Enum):
    """How an agent sets its limit."""

    PLAIN = "plain"
    LOTTERY = "lottery"
    FOLLOWER = "follower"


@dataclass(frozen=True, slots=True)
class PlannedOrder:
    """One order: `quantity_wh` bought if positive, sold if negative, and what was expected."""

    quantity_wh: int
    limit_per_wh: int
    forecast_wh: int


@dataclass(frozen=True)
class Agent:
    """One household's decisions."""

    household: Household
    character: Character
    forecaster: Forecaster
    seed: int

    @classmethod
    def of(cls, household: Household, seed: int) -> "Agent":
        """Draw the character of a household from the run's seed."""
        dice = random.Random(f"{seed} agent {household.bus}")  # noqa: S311 - a reproducible draw
        character = dice.choice(list(Character))
        return cls(household, character, Forecaster(dice.randrange(20, 100, 10)), seed)

    def plan(
        self,
        quarter: int,
        readings_wh: Sequence[int],
        prices_per_wh: Sequence[int | None],
        storage: Storage | None,
    ) -> PlannedOrder | None:
        """Return the order for a quarter, or None if there is nothing to trade.

        `readings_wh` are load less generation per quarter, without the battery; `prices_per_wh`
        the clearing prices of the quarters before this one, None where nothing was traded.
        """
        expected = self.forecaster.net_wh(quarter, readings_wh)
        name = f"{self.seed} order {self.household.bus} {quarter}"
        dice = random.Random(name)  # noqa: S311 - a reproducible draw
        if storage is not None:
            hour = quarter % QUARTERS_PER_DAY // 4
            if hour in CHARGE_HOURS and storage.room_wh() > 0:
                room = storage.room_wh()
                return self._order(expected + room, expected, prices_per_wh, dice, stored=True)
            if hour in DISCHARGE_HOURS and storage.deliverable_wh() > 0:
                give = storage.deliverable_wh()
                return self._order(expected - give, expected, prices_per_wh, dice, stored=True)
        return self._order(expected, expected, prices_per_wh, dice, stored=False)

    def _order(
        self,
        quantity_wh: int,
        expected_wh: int,
        prices_per_wh: Sequence[int | None],
        dice: random.Random,
        *,
        stored: bool,
    ) -> PlannedOrder | None:
        if quantity_wh == 0:
            return None
        low, high = FEED_IN_PER_WH, RETAIL_PER_WH
        if stored and quantity_wh > 0:
            # Energy for the battery must leave room for its losses when it is sold again.
            high = FEED_IN_PER_WH + (RETAIL_PER_WH - FEED_IN_PER_WH) // 2
        if stored and quantity_wh < 0:
            low = FEED_IN_PER_WH + (RETAIL_PER_WH - FEED_IN_PER_WH) // 4
        buying = quantity_wh > 0
        limit = self._limit(low, high, prices_per_wh, dice, buying=buying)
        return PlannedOrder(quantity_wh, limit, expected_wh)

    def _limit(
        self,
        low: int,
        high: int,
        prices_per_wh: Sequence[int | None],
        dice: random.Random,
        *,
        buying: bool,
    ) -> int:
        if self.character is Character.PLAIN:
            return _on_tick(high if buying else low, buying=buying)
        if self.character is Character.LOTTERY:
            return _on_tick(dice.randrange(low, high + 1), buying=buying)
        recent = [p for p in prices_per_wh[-RECENT_PRICES:] if p is not None]
        if not recent:
            return _on_tick(high if buying else low, buying=buying)
        mean = sum(recent) // len(recent)
        aim = mean + dice.randrange(-100, 301) if buying else mean - dice.randrange(-100, 301)
        return _on_tick(min(max(aim, low), high), buying=buying)


def _on_tick(price_per_wh: int, *, buying: bool) -> int:
    """Move a price to the tick, against the agent's own pocket never: bids down, asks up."""
    down = price_per_wh // TICK * TICK
    return down if buying or down == price_per_wh else down + TICK
