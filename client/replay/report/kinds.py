"""Kinds of trade: who sold, who bought, and what an interval lived on.

An auction has one price and no pairs of buyer and seller; so kinds are told of each side by itself,
and each side's kinds add up to the volume.

Sellers, by where the sold Wh came from:

- *battery*: of a household's sold Wh, as many as its battery gave in the quarter;
- *household*: the rest of what households sold, surplus of their own generation;
- *retailer*: what the retailer sold.

Buyers, by where the bought Wh went:

- *battery*: of a household's bought Wh, as many as its battery took in the quarter;
- *household*: the rest of what households bought, for their own consumption;
- *retailer*: what the retailer bought.

Whoever else traded, a participant registered after genesis, counts with the retailer: both are not
of the neighbourhood.

A battery that takes more than its household bought took the rest from the household's own surplus,
and one that gives more than its household sold gave the rest to its own house: that is no trade.

Intervals, the first that fits:

- *none*: nothing was traded;
- *retailer*: the retailer sold or bought at least 1 Wh;
- *battery*: a battery sold or bought at least 1 Wh, the retailer nothing;
- *peers*: households traded among themselves, without batteries and without the retailer.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from client.replay.report.facts import Facts, Quarter
from contracts.trading.uniform_price import Side


class Trader(enum.Enum):
    """Kinds of seller and of buyer."""

    HOUSEHOLD = "household"
    BATTERY = "battery"
    RETAILER = "retailer"


class Interval(enum.Enum):
    """Kinds of interval."""

    PEERS = "peers"
    BATTERY = "battery"
    RETAILER = "retailer"
    NONE = "none"


# How people read the kinds: of intervals, of what was sold, of what it was bought for.
INTERVALS: Final = MappingProxyType(
    {
        Interval.PEERS: "peers only",
        Interval.BATTERY: "with a battery",
        Interval.RETAILER: "with the retailer",
        Interval.NONE: "no trade",
    }
)
SELLERS: Final = MappingProxyType(
    {
        Trader.HOUSEHOLD: "own generation",
        Trader.BATTERY: "batteries",
        Trader.RETAILER: "retailer",
    }
)
BUYERS: Final = MappingProxyType(
    {
        Trader.HOUSEHOLD: "consumption",
        Trader.BATTERY: "batteries",
        Trader.RETAILER: "retailer",
    }
)


@dataclass(frozen=True, slots=True)
class Volume:
    """What was traded, in Wh, by kind of seller and by kind of buyer."""

    sold_wh: Mapping[Trader, int]
    bought_wh: Mapping[Trader, int]

    def __add__(self, other: "Volume") -> "Volume":
        return Volume(
            {kind: self.sold_wh[kind] + other.sold_wh[kind] for kind in Trader},
            {kind: self.bought_wh[kind] + other.bought_wh[kind] for kind in Trader},
        )

    @classmethod
    def nothing(cls) -> "Volume":
        """Return the volume of no trade."""
        return cls(dict.fromkeys(Trader, 0), dict.fromkeys(Trader, 0))


def volume_of(facts: Facts, quarter: Quarter) -> Volume:
    """Return a quarter's volume by kind."""
    stored_sold = sum(min(one.discharge_wh, one.sold_wh) for one in quarter.households)
    stored_bought = sum(min(one.charge_wh, one.bought_wh) for one in quarter.households)
    return Volume(
        {
            Trader.HOUSEHOLD: sum(one.sold_wh for one in quarter.households) - stored_sold,
            Trader.BATTERY: stored_sold,
            Trader.RETAILER: facts.outside_wh(quarter, Side.ASK),
        },
        {
            Trader.HOUSEHOLD: sum(one.bought_wh for one in quarter.households) - stored_bought,
            Trader.BATTERY: stored_bought,
            Trader.RETAILER: facts.outside_wh(quarter, Side.BID),
        },
    )


def interval_of(volume: Volume) -> Interval:
    """Return the kind of an interval with this volume."""
    if not any(volume.sold_wh.values()):
        return Interval.NONE
    if volume.sold_wh[Trader.RETAILER] or volume.bought_wh[Trader.RETAILER]:
        return Interval.RETAILER
    if volume.sold_wh[Trader.BATTERY] or volume.bought_wh[Trader.BATTERY]:
        return Interval.BATTERY
    return Interval.PEERS
