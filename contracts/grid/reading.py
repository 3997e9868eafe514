"""What metering speaks of: signed readings, a meter's day, gaps, and what settlement is told.

A reading says what a meter imported and exported in one quarter, and what its two registers, which
only ever count up, showed at the quarter's end. A meter's day is one record: the readings of the
day by slot, and, in the record of its newest reading, where the registers and the sequence stand.

Energy in Wh; a quarter is named by its start, in seconds of market time. (MARKET §4.)
"""

import enum
from dataclasses import replace
from typing import Annotated, ClassVar, Final, NamedTuple

from contracts.grid.model import DAY_S
from contracts.kernel import Claim, Range, Record, Size, record, sha256
from contracts.kernel.daybook import SLOTS, Daybook
from contracts.kernel.rounding import div_mod, floor_div, floor_mod
from contracts.kernel.types import (
    PPM,
    QUARTER_S,
    U8,
    U32,
    DurationS,
    Hash32,
    NetWh,
    PublicKey,
    Signature,
    TimeS,
    Uint,
    Wh,
)

WINDOW_DAYS_MIN: Final = 5
WINDOW_DAYS_MAX: Final = 400


class Quality(enum.IntEnum):
    """How a quarter's energy came to be known; only the chain substitutes."""

    MEASURED = 0
    ESTIMATED = 1
    CALCULATED = 2
    SUBSTITUTED = 3


DeviceQuality = Annotated[Quality, Range(Quality.MEASURED, Quality.CALCULATED)]


@record(version=1)
class MeteringRules(Record):
    """The deadlines of readings, and for how long they are kept."""

    provisional_s: DurationS
    """From a quarter's end to the list of its missing meters."""
    final_s: DurationS
    """From a quarter's end until its readings are fixed and the missing ones substituted."""
    correction_s: DurationS
    """From then on, how long the metering operator may correct."""
    window_days: Annotated[int, Range(WINDOW_DAYS_MIN, WINDOW_DAYS_MAX)]
    """Days before today whose readings are kept by quarter; older ones become totals."""
    capacity_margin_ppm: Annotated[int, Range(0, PPM)]
    """What a reading may exceed its meter's capacity by: meters have a class of accuracy."""


def fault_of(rules: MeteringRules) -> str | None:
    """Return which bound the rules break, or None."""
    if not 0 < rules.provisional_s < rules.final_s <= DAY_S:
        return "provisional_s and final_s are not ascending within a day"
    if rules.final_s + rules.correction_s > (rules.window_days - 1) * DAY_S:
        return "a correction could name a quarter that is older than window_days"
    return None


@record(version=1)
class SignedReading(Claim):
    """What a meter measured in one quarter, signed by the device."""

    domain: ClassVar[str] = "READING"
    meter: U32
    interval_s: TimeS
    import_wh: U32
    export_wh: U32
    import_register_wh: Wh
    """What the register showed when the quarter ended."""
    export_register_wh: Wh
    quality: DeviceQuality
    version: Annotated[int, Range(1, 255)]
    """1 for the first statement on a quarter; every later one counts up."""
    sequence: Uint
    """Rises with every message of the device."""
    public_key: PublicKey
    signature: Signature


class Slot(NamedTuple):
    """One quarter of a meter; a substitute has version 0."""

    import_wh: int
    export_wh: int
    version: int
    quality: int
    check: int
    """Tells readings with other registers apart; the registers themselves are not kept."""

    @classmethod
    def of(cls, reading: SignedReading) -> "Slot":
        """Return what is kept of a reading."""
        numbers = (reading.import_register_wh, reading.export_register_wh)
        digest = sha256(b"".join([number.to_bytes(8, "big") for number in numbers]))
        return cls(
            reading.import_wh,
            reading.export_wh,
            reading.version,
            int(reading.quality),
            int.from_bytes(digest[:4], "big"),
        )

    @property
    def substituted(self) -> bool:
        """Return whether no reading was there."""
        return self.quality == Quality.SUBSTITUTED


READINGS: Final = Daybook("IIBBI")


@record(version=1)
class MeterDay(Record):
    """A meter's readings of one day; all but `slots` counts only in the newest reading's record."""

    last_s: TimeS
    """The quarter of the meter's newest reading; its registers and sequence follow."""
    import_register_wh: Wh
    export_register_wh: Wh
    sequence: Uint
    correction_sequence: Uint
    """The highest sequence of a corrected reading."""
    slots: Annotated[bytes, Size(0, SLOTS * READINGS.stride)]

    def slot(self, slot: int) -> Slot | None:
        """Return a quarter of the day, or None."""
        fields = READINGS.get(self.slots, slot)
        return None if fields is None else Slot(*fields)


EMPTY_DAY: Final = MeterDay(0, 0, 0, 0, 0, b"")


@record(version=1)
class Gap(Record):
    """Quarters without a reading between two that have one, and the registers on both sides."""

    end_s: TimeS
    """The quarter of the first reading after the gap."""
    import_before_wh: Wh
    export_before_wh: Wh
    import_after_wh: Wh
    export_after_wh: Wh
    retired_import_wh: Wh
    """What counted as imported in quarters of the gap that are totals by now."""
    retired_export_wh: Wh

    @property
    def import_wh(self) -> int:
        """Return what the meter imported in the gap."""
        return self.import_after_wh - self.import_before_wh

    @property
    def export_wh(self) -> int:
        """Return what the meter exported in the gap."""
        return self.export_after_wh - self.export_before_wh


@record(version=1)
class Totals(Record):
    """What is left of a meter's days that are older than the window."""

    import_wh: Wh
    export_wh: Wh
    days: U32
    head: Hash32
    """SHA-256(head ‖ day as 4 bytes ‖ SHA-256(slots)) over the days, from 32 zero bytes on."""
    silent_import_wh: Wh
    """What of it counted as imported since the meter's newest reading."""
    silent_export_wh: Wh


NO_TOTALS: Final = Totals(0, 0, 0, bytes(32), 0, 0)


@record(version=1)
class Reading(Record):
    """A quarter of a meter, as queries show it."""

    import_wh: U32
    export_wh: U32
    version: U8
    quality: Quality


class FinalEnergy(NamedTuple):
    """What a participant is settled by in one quarter."""

    participant: int
    import_wh: int
    export_wh: int
    substituted: bool


@record(version=1)
class Correction(Record):
    """A final quarter that a reading corrected: what was settled, and what is right."""

    old_import_wh: U32
    old_export_wh: U32
    old_substituted: bool
    new_import_wh: U32
    new_export_wh: U32

    @classmethod
    def of(cls, waiting: "Correction | None", old: Slot, new: Slot) -> "Correction":
        """Return a correction; one that is not taken yet keeps what was settled."""
        if waiting is not None:
            return replace(waiting, new_import_wh=new.import_wh, new_export_wh=new.export_wh)
        return cls(old.import_wh, old.export_wh, old.substituted, new.import_wh, new.export_wh)


@record(version=1)
class OpenGap(Record):
    """A gap with its first quarter, as queries show it."""

    first_s: TimeS
    gap: Gap


@record(version=1)
class Difference(Record):
    """By how much the registers around a gap exceed the substitutes inside, or fall short."""

    end_s: TimeS
    """The quarter after the gap."""
    import_wh: NetWh
    export_wh: NetWh


def day_and_slot(quarter_s: int) -> tuple[int, int]:
    """Return the UTC day of a quarter, and its slot in the day."""
    day, second = div_mod(quarter_s, DAY_S)
    return day, floor_div(second, QUARTER_S)


def is_quarter(time_s: int) -> bool:
    """Say whether a quarter begins at this time."""
    return floor_mod(time_s, QUARTER_S) == 0
