"""What must hold between the tables of metering, for its invariants."""

from collections.abc import Iterator
from typing import Protocol

from contracts.grid.model import DAY_S, Meter
from contracts.grid.reading import READINGS, MeterDay, Slot, day_and_slot
from contracts.grid.store import DayTable, ReadingStore
from contracts.kernel import Map
from contracts.kernel.types import QUARTER_S


class Devices(Protocol):
    """What the audit needs of the devices."""

    def meter(self, number: int) -> Meter:
        """Return a meter; refuses an unknown one."""


def days_hold(days: DayTable, last_days: Map[int, int], devices: Devices, retired_day: int) -> bool:
    """Say whether days are sound, in service and within the window, the newest ones there."""
    for (day, number), record in days.items():
        assert record is not None, "a key has a day"
        meter = devices.meter(number)
        if not READINGS.is_sound(record.slots):
            return False
        if day < retired_day and (record.slots or last_days[number] != day):
            return False
        for quarter_s, slot in _quarters(day, record):
            if not meter.first_quarter_s <= quarter_s <= meter.last_quarter_s:
                return False
            if slot.substituted is not (slot.version == 0):
                return False
    for number, day in last_days.items():
        newest = days[day, number]
        if newest is None:
            return False
        last_day, place = day_and_slot(newest.last_s)
        if last_day != day or (day >= retired_day and newest.slot(place) is None):
            return False
    return True


def rows_hold(store: ReadingStore, devices: Devices, retired_day: int) -> bool:
    """Say whether a meter's quarters up to its newest reading all have a value or lie in a gap."""
    for number, last_day in store.last_days.items():
        start_s = max(devices.meter(number).first_quarter_s, retired_day * DAY_S)
        newest = store.days[last_day, number]
        assert newest is not None, "the newest day is there"
        quarters: dict[int, Slot] = {}
        for day in range(retired_day, last_day + 1):
            record = store.days[day, number]
            quarters.update(_quarters(day, record) if record is not None else ())
        for quarter_s in range(start_s, newest.last_s + 1, QUARTER_S):
            if quarter_s not in quarters and store.gap_at(number, quarter_s) is None:
                return False
    return True


def gaps_hold(store: ReadingStore, devices: Devices) -> bool:
    """Say whether gaps follow each other, before the newest reading, with energy of at least 0."""
    ends: dict[int, int] = {}
    for (number, first_s), gap in store.gaps.items():
        assert gap is not None, "a key has a gap"
        newest = store.newest_day(number)[1]
        if newest is None or not first_s < gap.end_s <= newest.last_s:
            return False
        # Two gaps with no reading between them would be one.
        if first_s <= ends.get(number, devices.meter(number).first_quarter_s - 1):
            return False
        if gap.import_wh < 0 or gap.export_wh < 0:
            return False
        ends[number] = gap.end_s
    return True


def _quarters(day: int, record: MeterDay) -> Iterator[tuple[int, Slot]]:
    for slot, fields in READINGS.items(record.slots):
        yield day * DAY_S + slot * QUARTER_S, Slot(*fields)
