"""A settler: finalises every quarter of the tests' zone at its deadline, as settlement does.

It is a contract beside the real ones, and calls what metering offers to settlement. What metering
hands over it leaves where it is until a test takes it.
"""

from typing import Annotated

from contracts.grid.metering import Metering
from contracts.kernel import (
    Context,
    Contract,
    Host,
    Items,
    Lane,
    Record,
    Scheduler,
    call,
    record,
    unit,
)
from contracts.kernel.catalogue import Catalogue
from contracts.kernel.types import QUARTER_S, U32, TimeS
from contracts.registry import CONTRACTS, Registry
from tests.support.grid import ZONE

SLICE = 2


@record(version=1)
class Told(Record):
    """What metering said of a participant's quarter."""

    participant: U32
    import_wh: U32
    export_wh: U32
    substituted: bool


class Settler(Contract, name="settler", number=0x7E, lane=Lane.METERING):
    """Finalises quarters, and takes what metering hands over."""

    def __init__(self, host: Host, schedule: Scheduler, metering: Metering) -> None:
        """Keep the schedule and what is tested."""
        super().__init__(host)
        self._schedule = schedule
        self._metering = metering

    @call
    def begin(self, ctx: Context, quarter_s: TimeS) -> None:
        """Finalise this quarter and all that follow, each at its deadline."""
        self._schedule.at_market_time(self._metering.final_s(quarter_s), self.settle, quarter_s)

    @unit
    def settle(self, ctx: Context, quarter_s: TimeS) -> None:
        """Finalise a quarter in slices, and come back for the next."""
        after: int | None = 0
        while after is not None:
            _, after = self._metering.finalise(ctx, ZONE, quarter_s, after, SLICE)
        next_s = quarter_s + QUARTER_S
        self._schedule.at_market_time(self._metering.final_s(next_s), self.settle, next_s)

    @call
    def finalise(
        self, ctx: Context, quarter_s: TimeS, after: U32, limit: U32
    ) -> Annotated[tuple[Told, ...], Items(1_000)]:
        """Finalise a slice of a quarter and return what metering says."""
        energies, _ = self._metering.finalise(ctx, ZONE, quarter_s, after, limit)
        return tuple(Told(*energy) for energy in energies)

    @call
    def take_correction(self, ctx: Context, participant: U32, quarter_s: TimeS) -> None:
        """Take a correction."""
        self._metering.correction_taken(ZONE, participant, quarter_s)

    @call
    def take_difference(self, ctx: Context, participant: U32, first_s: TimeS) -> None:
        """Take a difference."""
        self._metering.difference_taken(ZONE, participant, first_s)


class SettlerRegistry(Registry):
    """The real contracts and the settler."""

    catalogue = Catalogue.of((*CONTRACTS, Settler))

    def __init__(self, host: Host) -> None:
        """Wire the settler after all others."""
        super().__init__(host)
        self.settler = Settler(host, self.schedule, self.metering)
        self.contracts = (*self.contracts, self.settler)
        self.by_name[self.settler.spec.name] = self.settler
