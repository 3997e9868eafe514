"""Statements: what is known of a quarter at the provisional deadline, and which meters are missing.

Published for every zone and quarter, so that a household or its gateway can mend what is missing
before the final deadline. It moves no money. (MARKET §4.)
"""

from typing import Annotated, Protocol

from contracts.grid.metering_words import METERS_PER_EVENT_MAX
from contracts.grid.reading import MeteringRules, Slot, is_quarter
from contracts.kernel import (
    Context,
    Contract,
    Event,
    Items,
    Lane,
    Scheduler,
    genesis,
    unit,
)
from contracts.kernel.host import Host
from contracts.kernel.rounding import floor_div
from contracts.kernel.types import QUARTER_S, U16, U32, TimeS, Wh


class ProvisionalStatement(Event):
    """What is known of some settlement meters of a zone at the provisional deadline.

    A zone of more than 512 meters has several, which add up.
    """

    zone: U16
    interval_s: TimeS
    meters: U16
    import_wh: Wh
    export_wh: Wh
    missing: Annotated[tuple[U32, ...], Items(METERS_PER_EVENT_MAX)]


class Directory(Protocol):
    """What statements need of the registry."""

    def next_zone(self, after: int | None) -> int | None:
        """Return the first zone, or the next above `after`; None at the end."""


class Devices(Protocol):
    """What statements need of the devices."""

    def in_service(
        self, zone: int, quarter_s: int, after: int, limit: int
    ) -> tuple[list[tuple[int, int]], int | None]:
        """Return the next (participant, settlement meter) of a quarter, and where to go on."""


class Readings(Protocol):
    """What statements need of metering."""

    def in_force(self) -> MeteringRules:
        """Return the deadlines."""

    def slot(self, meter: int, quarter_s: int) -> Slot | None:
        """Return a quarter of a meter, or None."""


class Statements(Contract, name="statements", number=0x24, lane=Lane.METERING):
    """Provisional statements of every zone and quarter."""

    def __init__(
        self,
        host: Host,
        schedule: Scheduler,
        directory: Directory,
        devices: Devices,
        readings: Readings,
    ) -> None:
        """Keep what runs due work and knows zones, meters and readings."""
        super().__init__(host)
        self._schedule = schedule
        self._directory = directory
        self._devices = devices
        self._readings = readings

    @genesis
    def set_up(self, first_quarter_s: TimeS | None) -> None:
        """Begin with the statement of this quarter; without one, none are published."""
        if first_quarter_s is None:
            return
        if not is_quarter(first_quarter_s):
            msg = "first_quarter_s is not a multiple of 900"
            raise ValueError(msg)
        self._await(first_quarter_s)

    @unit
    def publish(self, ctx: Context, quarter_s: TimeS, zone: U16 | None, after: U32) -> None:
        """Publish the next part of a quarter, zone by zone, and come back for the next quarter.

        After a standstill of the chain, quarters that have become final meanwhile are left out.
        """
        now_s, rules = ctx.market_time_s, self._readings.in_force()
        if now_s >= quarter_s + QUARTER_S + rules.final_s:
            due_s = now_s - QUARTER_S - rules.provisional_s
            self._await(max(quarter_s, floor_div(due_s, QUARTER_S) * QUARTER_S) + QUARTER_S)
            return
        if zone is None:
            zone = self._directory.next_zone(None)
        if zone is not None:
            found, more = self._devices.in_service(zone, quarter_s, after, METERS_PER_EVENT_MAX)
            self._state(zone, quarter_s, [meter for _, meter in found])
            if more is None:
                zone, more = self._directory.next_zone(zone), 0
            if zone is not None:
                self._schedule.at_market_time(now_s, self.publish, quarter_s, zone, more)
                return
        self._await(quarter_s + QUARTER_S)

    def _await(self, quarter_s: int) -> None:
        due_s = quarter_s + QUARTER_S + self._readings.in_force().provisional_s
        self._schedule.at_market_time(due_s, self.publish, quarter_s, None, 0)

    def _state(self, zone: int, quarter_s: int, meters: list[int]) -> None:
        slots = {meter: self._readings.slot(meter, quarter_s) for meter in meters}
        known = [slot for slot in slots.values() if slot is not None]
        import_wh, export_wh = sum(s.import_wh for s in known), sum(s.export_wh for s in known)
        missing = tuple(meter for meter, slot in slots.items() if slot is None)
        self.emit(ProvisionalStatement(zone, quarter_s, len(meters), import_wh, export_wh, missing))
