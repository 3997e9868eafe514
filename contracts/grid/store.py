"""The store of readings: meters' days, where each meter has come to, and the gaps.

What a late reading may meet, drawn along a meter's time:

    first quarter … │ gap │ readings │ gap │ readings │ newest │ silence …

Every quarter from the meter's first to its newest reading has a slot or lies in a gap; a quarter of
a gap has a slot once it is final. Gaps are found by the quarter they begin with. Writing checks
nothing but what was checked before: `contracts/grid/registers.py` has the rules.
"""

from collections.abc import Iterator
from dataclasses import replace

from contracts.grid.model import Meter
from contracts.grid.reading import (
    EMPTY_DAY,
    READINGS,
    Gap,
    MeterDay,
    SignedReading,
    Slot,
    day_and_slot,
)
from contracts.grid.registers import Newest
from contracts.kernel import Map
from contracts.kernel.types import QUARTER_S

DayTable = Map[tuple[int, int], MeterDay | None]
GapTable = Map[tuple[int, int], Gap | None]


class ReadingStore:
    """The tables of readings, by what is done to them."""

    __slots__ = ("days", "gaps", "last_days")

    def __init__(self, days: DayTable, last_days: Map[int, int], gaps: GapTable) -> None:
        """Keep the tables: days by (day, meter), newest days by meter, gaps by (meter, first)."""
        self.days = days
        self.last_days = last_days
        self.gaps = gaps

    def slot(self, meter: int, quarter_s: int) -> Slot | None:
        """Return a quarter of a meter, or None."""
        day, slot = day_and_slot(quarter_s)
        record = self.days[day, meter]
        return None if record is None else record.slot(slot)

    def newest_day(self, meter: int) -> tuple[int, MeterDay | None]:
        """Return the day and record of a meter's newest reading; (0, None) if it has none."""
        day = self.last_days[meter]
        return day, self.days[day, meter] if day else None

    def put(self, meter: int, quarter_s: int, slot: Slot) -> None:
        """Write a quarter that is not newer than the newest reading, or a substitute."""
        day, place = day_and_slot(quarter_s)
        record = self.days[day, meter] or EMPTY_DAY
        slots = READINGS.put(record.slots, place, slot)
        self.days[day, meter] = replace(record, slots=slots)

    def put_all(self, meter: int, day: int, slots: dict[int, Slot]) -> None:
        """Write quarters of one day that is there."""
        record = self.days[day, meter]
        assert record is not None, "the day is there"
        data = record.slots
        for place, slot in slots.items():
            data = READINGS.put(data, place, slot)
        self.days[day, meter] = replace(record, slots=data)

    def append(
        self, reading: SignedReading, today: MeterDay | None, last: tuple[int, MeterDay | None]
    ) -> None:
        """Write the newest reading; `today` and `last` are the records of its day and before."""
        day, place = day_and_slot(reading.interval_s)
        last_day, newest = last
        self.days[day, reading.meter] = MeterDay(
            reading.interval_s,
            reading.import_register_wh,
            reading.export_register_wh,
            reading.sequence,
            0 if newest is None else newest.correction_sequence,
            READINGS.put(b"" if today is None else today.slots, place, Slot.of(reading)),
        )
        if last_day != day:
            self.last_days[reading.meter] = day
            if newest is not None and not newest.slots:
                self.days[last_day, reading.meter] = None

    def revise(self, reading: SignedReading) -> None:
        """Write another version of a quarter; if it is the newest, its registers count on."""
        self.put(reading.meter, reading.interval_s, Slot.of(reading))
        day, newest = self.newest_day(reading.meter)
        if newest is None:
            return
        registers = (newest.import_register_wh, newest.export_register_wh)
        if reading.interval_s == newest.last_s:
            registers = (reading.import_register_wh, reading.export_register_wh)
        self.days[day, reading.meter] = replace(
            newest,
            import_register_wh=registers[0],
            export_register_wh=registers[1],
            correction_sequence=reading.sequence,
        )

    def gap_at(self, meter: int, quarter_s: int) -> tuple[int, Gap] | None:
        """Return the gap that holds a quarter, with its first quarter."""
        found = next(self.gaps.items(meter, end=quarter_s + 1, reverse=True), None)
        if found is None or found[1] is None or quarter_s >= found[1].end_s:
            return None
        return found[0][1], found[1]

    def fill(self, reading: SignedReading, first_s: int, before: Gap, after: Gap) -> None:
        """Write a late reading and what is left of its gap; `first_s` is where that began."""
        self.put(reading.meter, reading.interval_s, Slot.of(reading))
        next_s = reading.interval_s + QUARTER_S
        self.gaps[reading.meter, first_s] = before if first_s < before.end_s else None
        if next_s < after.end_s:
            self.gaps[reading.meter, next_s] = after

    def newest(self, number: int, meter: Meter) -> Newest:
        """Return where a meter's readings have come to."""
        return Newest.of(meter, self.newest_day(number)[1])

    def history(self, meter: int, quarter_s: int, days: Iterator[int]) -> Iterator[Slot | None]:
        """Yield the same quarter on other days, given as whole days before."""
        day, slot = day_and_slot(quarter_s)
        for back in days:
            record = self.days[day - back, meter]
            yield None if record is None else record.slot(slot)
