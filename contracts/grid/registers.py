"""Registers: how readings of one meter follow each other, and what lies in a gap between them.

A register counts all energy since the meter was made. In an unbroken row each reading's registers
are those before plus its energy. Where quarters are missing the registers still say how much
flowed in them together; that is a gap. A late reading inside a gap must fit between the registers
on both sides, and splits it: whatever the order of arrival, the result is the same.

    registers  before                                      after
               │ missing │ missing │ late reading │ missing │ newest …
               └ gap ──────────────┘              └ gap ────┘

The sequence rises with each message of the device, so the newest reading has a higher one than all
before. A late reading may be a message that was held up or one that was signed anew: registers say
where it belongs, and its sequence says nothing.
"""

from dataclasses import replace
from typing import NamedTuple

from contracts.grid.metering_words import RegisterMismatch, SequenceNotRising
from contracts.grid.model import HOUR_S, Meter
from contracts.grid.reading import Gap, MeterDay, SignedReading
from contracts.kernel.rounding import mul_div_floor
from contracts.kernel.types import PPM, QUARTER_S


class Flow(NamedTuple):
    """What can flow through a meter, in both directions together."""

    capacity_w: int
    margin_ppm: int

    def most_wh(self, duration_s: int) -> int:
        """Return the most Wh in this time, rounded down."""
        return mul_div_floor(self.capacity_w * duration_s, PPM + self.margin_ppm, HOUR_S * PPM)


class Newest(NamedTuple):
    """Where a meter's readings have come to."""

    last_s: int
    import_register_wh: int
    export_register_wh: int
    sequence: int

    @classmethod
    def of(cls, meter: Meter, day: MeterDay | None) -> "Newest":
        """Return it from the record of the newest reading, or from the meter if there is none."""
        if day is None:
            before_s = meter.first_quarter_s - QUARTER_S
            return cls(before_s, meter.import_register_wh, meter.export_register_wh, 0)
        return cls(day.last_s, day.import_register_wh, day.export_register_wh, day.sequence)


def extend(newest: Newest, reading: SignedReading, flow: Flow) -> Gap | None:
    """Check a reading that is newer than all before; returns the gap that it leaves, if any.

    Raises `SequenceNotRising` or `RegisterMismatch`.
    """
    if reading.sequence <= newest.sequence:
        raise SequenceNotRising(sequence=reading.sequence, newest=newest.sequence)
    first_s = newest.last_s + QUARTER_S
    import_wh = reading.import_register_wh - reading.import_wh - newest.import_register_wh
    export_wh = reading.export_register_wh - reading.export_wh - newest.export_register_wh
    _check(reading, import_wh, export_wh, flow.most_wh(reading.interval_s - first_s))
    if reading.interval_s == first_s:
        return None
    return Gap(
        end_s=reading.interval_s,
        import_before_wh=newest.import_register_wh,
        export_before_wh=newest.export_register_wh,
        import_after_wh=newest.import_register_wh + import_wh,
        export_after_wh=newest.export_register_wh + export_wh,
        retired_import_wh=0,
        retired_export_wh=0,
    )


def split(first_s: int, gap: Gap, reading: SignedReading, flow: Flow) -> tuple[Gap, Gap]:
    """Check a late reading inside a gap; returns what is missing before it and after it.

    Either may be of no length. Raises `RegisterMismatch`.
    """
    end_s = reading.interval_s + QUARTER_S
    import_wh = reading.import_register_wh - reading.import_wh
    export_wh = reading.export_register_wh - reading.export_wh
    before = replace(
        gap, end_s=reading.interval_s, import_after_wh=import_wh, export_after_wh=export_wh
    )
    after = replace(
        gap,
        import_before_wh=reading.import_register_wh,
        export_before_wh=reading.export_register_wh,
        retired_import_wh=0,
        retired_export_wh=0,
    )
    _check(reading, before.import_wh, before.export_wh, flow.most_wh(before.end_s - first_s))
    _check(reading, after.import_wh, after.export_wh, flow.most_wh(after.end_s - end_s))
    return before, after


def _check(reading: SignedReading, import_wh: int, export_wh: int, most_wh: int) -> None:
    """Raise unless so much can have flowed in missing quarters that carry at most `most_wh`."""
    if import_wh < 0 or export_wh < 0 or import_wh + export_wh > most_wh:
        raise RegisterMismatch(
            meter=reading.meter,
            interval_s=reading.interval_s,
            import_wh=import_wh,
            export_wh=export_wh,
            most_wh=most_wh,
        )
