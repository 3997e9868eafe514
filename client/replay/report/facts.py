"""The facts of a run: what happened in each quarter, as the chain's events and the data tell it.

Plain values and no rules; `collect` makes them and checks that they fit together.

- A **quarter** is a product of 900 s, its auction, and what was metered and settled of it.
- A household's **actual** load is its consumption less its generation, before any battery; its
  **forecast** is what its agent expected of that at the gate.
- **Metered** and **contracted** count what is given to the grid as positive, as settlement does:
  export less import, sold less bought. Their difference is the **imbalance**.

Units: energy in Wh, prices in µTHB/Wh, money in µTHB. (MARKET §3 to §5.)
"""

from dataclasses import dataclass
from functools import cached_property

from client.replay.week import Week
from contracts.trading.uniform_price import Side


class FactsError(ValueError):
    """The facts do not fit together, or some are missing; says which and how."""


@dataclass(frozen=True, slots=True)
class Party:
    """One who trades: its number on the chain, its account as events write it, its first credit."""

    number: int
    account: str
    opening_uthb: int


@dataclass(frozen=True)
class Run:
    """What a replay was given: the data, who is who on the chain, what the agents expected.

    `parties` stand in the order of the week's households, as do the rows of `forecasts_wh`, which
    have one value a quarter.
    """

    week: Week
    zone: int
    market: int
    parties: tuple[Party, ...]
    retailer: Party
    grid_opening_uthb: int
    forecasts_wh: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        """Check that all rows are there; raises `FactsError`."""
        count, quarters = len(self.week.households), self.week.quarters
        if len(self.parties) != count:
            raise FactsError(f"{len(self.parties)} parties for {count} households")
        if [len(row) for row in self.forecasts_wh] != [quarters] * count:
            raise FactsError(f"forecasts are not {count} rows of {quarters} quarters")
        everybody = (*self.parties, self.retailer)
        for names in ({p.number for p in everybody}, {p.account for p in everybody}):
            if len(names) != len(everybody):
                raise FactsError("two parties share a number or an account")


@dataclass(frozen=True, slots=True)
class Offer:
    """An order that stood in the book at the gate."""

    participant: int
    side: Side
    quantity_wh: int
    limit_per_wh: int


@dataclass(frozen=True, slots=True)
class Fill:
    """What one participant traded on one side of a quarter, over so many filled orders."""

    participant: int
    side: Side
    energy_wh: int
    trades: int


@dataclass(frozen=True, slots=True)
class HouseholdQuarter:
    """One household in one quarter; the battery's figures are 0 without one."""

    forecast_wh: int
    actual_wh: int
    bought_wh: int
    sold_wh: int
    charge_wh: int
    discharge_wh: int
    soc_wh: int
    """What the battery holds at the end of the quarter."""
    import_wh: int
    export_wh: int
    settled_uthb: int
    """What settlement of the imbalance paid to it; negative if it paid."""

    @property
    def metered_wh(self) -> int:
        """Return what its meter counted as given to the grid less what it took."""
        return self.export_wh - self.import_wh

    @property
    def contracted_wh(self) -> int:
        """Return what it sold less what it bought."""
        return self.sold_wh - self.bought_wh

    @property
    def imbalance_wh(self) -> int:
        """Return what it gave beyond its contracts; negative if it fell short of them."""
        return self.metered_wh - self.contracted_wh


@dataclass(frozen=True)
class Quarter:
    """One quarter: the book at its gate, the auction's result, and every household."""

    start_s: int
    price_per_wh: int | None
    volume_wh: int
    offers: tuple[Offer, ...]
    fills: tuple[Fill, ...]
    households: tuple[HouseholdQuarter, ...]
    """In the order of the week's households."""

    def offered_wh(self, side: Side) -> int:
        """Return the Wh of all orders of a side."""
        return sum(offer.quantity_wh for offer in self.offers if offer.side is side)

    def filled_wh(self, participant: int, side: Side) -> int:
        """Return what a participant traded on a side."""
        return sum(
            f.energy_wh for f in self.fills if (f.participant, f.side) == (participant, side)
        )


@dataclass(frozen=True)
class Facts:
    """All that the report tells of."""

    run: Run
    quarters: tuple[Quarter, ...]

    @cached_property
    def of_household(self) -> tuple[tuple[HouseholdQuarter, ...], ...]:
        """Return every household's quarters, in the order of the week's households."""
        return tuple(zip(*(quarter.households for quarter in self.quarters), strict=True))

    @cached_property
    def household_numbers(self) -> frozenset[int]:
        """Return the numbers of all households' participants."""
        return frozenset(party.number for party in self.run.parties)

    def outside_wh(self, quarter: Quarter, side: Side) -> int:
        """Return what others than households bought or sold in a quarter's auction."""
        return sum(
            fill.energy_wh
            for fill in quarter.fills
            if fill.side is side and fill.participant not in self.household_numbers
        )

    def retailer_wh(self, quarter: Quarter, side: Side) -> int:
        """Return what the retailer bought or sold in a quarter's auction."""
        return quarter.filled_wh(self.run.retailer.number, side)
