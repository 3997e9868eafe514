"""What settlement needs of other contracts, and nothing else of them."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from contracts.kernel import Context
from contracts.trading.model import Position, Tariffs
from contracts.trading.units import UnitDay

Key = tuple[int, int]


class Zone(Protocol):
    """What settlement knows of a zone."""

    @property
    def retailer(self) -> int:
        """The participant that answers for the exchange with the grid above."""

    @property
    def grid_account(self) -> bytes:
        """The account that settles with everybody in the zone."""

    @property
    def market_operator(self) -> bytes:
        """The account that receives the market's fees."""


class Directory(Protocol):
    """What settlement needs of the registry of the grid."""

    def next_zone(self, after: int | None) -> int | None:
        """Return the first zone, or the next above `after`; None at the end."""

    def zone(self, number: int) -> Zone:
        """Return a zone."""

    def accounts(self, participant: int) -> tuple[bytes, ...]:
        """Return a participant's accounts in the order of registration."""

    def participant_of(self, account: bytes) -> int | None:
        """Return the participant that an account belongs to."""


class Energy(Protocol):
    """What a participant metered in a quarter."""

    @property
    def participant(self) -> int:
        """Whose it is."""

    @property
    def import_wh(self) -> int:
        """What it drew."""

    @property
    def export_wh(self) -> int:
        """What it fed in."""

    @property
    def substituted(self) -> bool:
        """Whether there was no reading."""


class Correction(Protocol):
    """A final quarter that a reading corrected."""

    @property
    def old_import_wh(self) -> int:
        """What was settled as drawn."""

    @property
    def old_export_wh(self) -> int:
        """What was settled as fed in."""

    @property
    def old_substituted(self) -> bool:
        """Whether that was for want of a reading."""

    @property
    def new_import_wh(self) -> int:
        """What was drawn."""

    @property
    def new_export_wh(self) -> int:
        """What was fed in."""


class Difference(Protocol):
    """By how much the registers around a gap exceed its substitutes."""

    @property
    def end_s(self) -> int:
        """The quarter after the gap."""

    @property
    def import_wh(self) -> int:
        """What was drawn more, less if negative."""

    @property
    def export_wh(self) -> int:
        """What was fed in more, less if negative."""


class Rules(Protocol):
    """What settlement knows of the rules of metering."""

    @property
    def window_days(self) -> int:
        """For how many days quarters are kept, and may be corrected at most."""


class Metering(Protocol):
    """What settlement needs of metering."""

    def final_s(self, quarter_s: int) -> int:
        """Return when a quarter becomes final."""

    def in_force(self) -> Rules:
        """Return the rules of metering."""

    def finalise(
        self, ctx: Context, zone: int, quarter_s: int, after: int, limit: int
    ) -> tuple[Sequence[Energy], int | None]:
        """Fix the next participants' quarter; returns where to go on, None at the end."""

    def pending_corrections(self, zone: int, limit: int) -> Sequence[tuple[Key, Correction]]:
        """Return the next ((participant, quarter), correction) to take."""

    def pending_differences(self, zone: int, limit: int) -> Sequence[tuple[Key, Difference]]:
        """Return the next ((participant, first quarter of a gap), difference) to take."""

    def correction_taken(self, zone: int, participant: int, quarter_s: int) -> None:
        """Forget a correction."""

    def difference_taken(self, zone: int, participant: int, first_s: int) -> None:
        """Forget a difference."""


class Markets(Protocol):
    """What settlement needs of the markets."""

    def tariffs(self, zone: int) -> Tariffs | None:
        """Return the present tariffs of a zone, None if it has no market."""


class Auction(Protocol):
    """What settlement needs of the auction."""

    def is_finished(self, zone: int, quarter_s: int) -> bool:
        """Say whether every product that delivers in a quarter has ended."""

    def prices(self, zone: int, quarter_s: int) -> tuple[tuple[int, int], ...]:
        """Return (price per Wh, Wh of the quarter) of each product with trade."""

    def close_quarter(self, zone: int, quarter_s: int) -> None:
        """Count a quarter as settled."""


class Positions(Protocol):
    """What settlement needs of the positions."""

    def positions_after(
        self, zone: int, quarter_s: int, after: int, limit: int
    ) -> list[tuple[int, Position]]:
        """Return the next units of a quarter that hold anything, by participant."""

    def take_unit(self, zone: int, participant: int, quarter_s: int) -> Position:
        """Forget a unit as it is settled; returns what it was and held."""

    def all_units(self) -> Iterator[tuple[tuple[int, int, int], UnitDay]]:
        """Yield every (zone, day, participant) with what is stored of it."""


class Debts(Protocol):
    """What settlement needs of the arrears."""

    def add(self, participant: int, amount_uthb: int) -> None:
        """Let a participant owe so much more."""

    def set_limit(self, limit_uthb: int) -> None:
        """Fix what a participant may owe and still order and transfer."""
