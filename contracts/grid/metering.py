"""Metering: signed readings by quarter, until they are final, corrected, and at last totals.

A gateway brings readings in lists; each is judged alone, so that a bad one spoils no other. A
reading counts if the meter's own key signed it, its quarter is over and not final, its energy can
have flowed, and its registers fit those around it (`contracts/grid/registers.py`). The same reading
again changes nothing; other content needs the next version and a newer sequence.

A later version replaces a quarter's energy and is not chained to the registers: the readings around
it were accepted with the old value, and would otherwise all have to be corrected with it. Only the
newest quarter's later version moves the registers on from which the next reading counts.

At the final deadline settlement calls `finalise`, which substitutes what is missing
(`contracts/grid/substitution.py`). Metering moves no money: what changes after that is left for
settlement to take, as `corrections` of single quarters and `differences` of whole gaps, in the
order of their keys. A gap's substitutes are set to what the registers say when it closes, so that
a later correction of one of its quarters starts from there and nothing is settled twice.

Meters of generators and storage are read in the same way; they have no deadline to be substituted
by, and settle nothing. (MARKET §4.)
"""

from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Annotated, Final, Protocol

from contracts.grid import closing
from contracts.grid import metering_audit as audit
from contracts.grid import metering_words as words
from contracts.grid.intake import Intake
from contracts.grid.metering_words import METERS_PER_EVENT_MAX, Substitute
from contracts.grid.model import DAY_S, Gateway, Meter, MeterRole, Participant, Zone
from contracts.grid.reading import (
    NO_TOTALS,
    Correction,
    Difference,
    FinalEnergy,
    Gap,
    MeterDay,
    MeteringRules,
    OpenGap,
    Quality,
    Reading,
    SignedReading,
    Slot,
    Totals,
    day_and_slot,
    fault_of,
)
from contracts.grid.retention import retire_day
from contracts.grid.store import ReadingStore
from contracts.grid.substitution import like_days, substitute_wh
from contracts.kernel import (
    Cell,
    Context,
    Contract,
    Items,
    Lane,
    Map,
    NotPermitted,
    Reject,
    Scheduler,
    Size,
    call,
    genesis,
    invariant,
    query,
    unit,
)
from contracts.kernel.daybook import SLOTS
from contracts.kernel.host import Host
from contracts.kernel.rounding import floor_div
from contracts.kernel.types import QUARTER_S, U16, U32, TimeS

LIST_MAX: Final = 512
# What judging an item of a list costs besides its reads and writes, in turns of a loop.
ITEM_STEPS: Final = 16
# Days of meters that one unit of due work retires.
SLICE_RETIRED: Final = 256
GAPS_SHOWN_MAX: Final = 96
FINAL_BYTES: Final = 12

Codes = Annotated[tuple[U16, ...], Items(LIST_MAX)]
Readings = Annotated[tuple[SignedReading, ...], Items(LIST_MAX)]
Key = tuple[int, int]
Judge = Callable[[Intake, SignedReading], None]
FinalBits = Annotated[bytes, Size(FINAL_BYTES)]


class Directory(Protocol):
    """What metering needs of the registry."""

    def zone(self, number: int) -> Zone:
        """Return a zone; refuses an unknown one."""

    def participant(self, number: int) -> Participant:
        """Return a participant; refuses an unknown one."""


class Devices(Protocol):
    """What metering needs of the devices."""

    def meter(self, number: int) -> Meter:
        """Return a meter; refuses an unknown one."""

    def require_gateway(self, account: bytes) -> Gateway:
        """Return the gateway of an account; refuses an unregistered or suspended one."""

    def in_service(
        self, zone: int, quarter_s: int, after: int, limit: int
    ) -> tuple[list[tuple[int, int]], int | None]:
        """Return the next (participant, settlement meter) of a quarter, and where to go on."""


class Metering(Contract, name="metering", number=0x21, lane=Lane.METERING, vocabulary=(words,)):
    """Readings by meter and quarter, substitutes, corrections, and totals of what is old."""

    days = Map[tuple[U32, U32], MeterDay | None](id=0x2101, default=None)
    last_days = Map[U32, U32](id=0x2102, default=0)
    gaps = Map[tuple[U32, TimeS], Gap | None](id=0x2103, default=None)
    totals = Map[U32, Totals](id=0x2104, default=NO_TOTALS)
    finals = Map[tuple[U32, U16], FinalBits](id=0x2105, default=bytes(FINAL_BYTES))
    corrections = Map[tuple[U16, U32, TimeS], Correction | None](id=0x2106, default=None)
    differences = Map[tuple[U16, U32, TimeS], Difference | None](id=0x2107, default=None)
    rules = Cell[MeteringRules | None](id=0x2108, default=None)
    retired_day = Cell[U32](id=0x2109, default=0)

    def __init__(
        self, host: Host, schedule: Scheduler, directory: Directory, devices: Devices
    ) -> None:
        """Keep what runs due work and knows zones, participants and devices."""
        super().__init__(host)
        self._schedule = schedule
        self._directory = directory
        self._devices = devices
        self._store = ReadingStore(self.days, self.last_days, self.gaps)

    @genesis
    def set_up(self, rules: MeteringRules) -> None:
        """Fix the deadlines and the window."""
        reason = fault_of(rules)
        if reason is not None:
            msg = f"rules: {reason}"
            raise ValueError(msg)
        self.rules.set(rules)

    # ── Calls ──

    @call
    def submit_readings(self, ctx: Context, readings: Readings) -> Codes:
        """Bring readings of quarters that are over and not final, each judged alone.

        Returns, for each, 0 or the code of its refusal. The caller is a registered gateway.
        """
        gateway = self._devices.require_gateway(ctx.caller)
        codes = self._each(ctx, readings, partial(self._submit, gateway))
        accepted = codes.count(0)
        self.emit(words.ReadingsSubmitted(accepted, len(codes) - accepted))
        return codes

    @call
    def correct_readings(self, ctx: Context, readings: Readings) -> Codes:
        """Replace final quarters by device-signed readings, each judged alone.

        Returns, for each, 0 or the code of its refusal. The caller is the metering operator of the
        meter's zone; what changes for settlement is settled within the next quarters.
        """
        return self._each(ctx, readings, partial(self._correct, ctx.caller))

    # ── For settlement and statements ──

    def slot(self, meter: int, quarter_s: int) -> Slot | None:
        """Return a quarter of a meter, or None."""
        return self._store.slot(meter, quarter_s)

    def final_s(self, quarter_s: int) -> int:
        """Return when a quarter becomes final."""
        return quarter_s + QUARTER_S + self._rules().final_s

    def finalise(
        self, ctx: Context, zone: int, quarter_s: int, after: int, limit: int
    ) -> tuple[list[FinalEnergy], int | None]:
        """Fix a zone's quarter, participant by participant above `after`, substituting.

        Looks at `limit` participants, at most 512, and returns what they are settled by, and where
        to go on, None at the end. Runs after the final deadline; once more, it gives the same.
        """
        assert ctx.market_time_s >= self.final_s(quarter_s), "readings may still come"
        self._begin_retirement(ctx)
        day, slot = day_and_slot(quarter_s)
        assert day >= self.retired_day.get(), "what is totals by now stays as it is"
        found, more = self._devices.in_service(zone, quarter_s, after, limit)
        energies, substitutes = [], []
        for participant, meter in found:
            held = self.slot(meter, quarter_s)
            if held is None:
                held = self._substitute(zone, participant, meter, quarter_s)
                substitutes.append(Substitute(meter, held.import_wh))
            energies.append(
                FinalEnergy(participant, held.import_wh, held.export_wh, held.substituted)
            )
        assert len(substitutes) <= METERS_PER_EVENT_MAX, "a slice fits an event"
        if substitutes:
            self.emit(words.ReadingsSubstituted(zone, quarter_s, tuple(substitutes)))
        if more is None:
            bits = int.from_bytes(self.finals[day, zone], "big") | 1 << slot
            self.finals[day, zone] = bits.to_bytes(FINAL_BYTES, "big")
        return energies, more

    def is_final(self, zone: int, quarter_s: int) -> bool:
        """Say whether a zone's quarter has been finalised, as far as it is still kept."""
        day, slot = day_and_slot(quarter_s)
        return int.from_bytes(self.finals[day, zone], "big") >> slot & 1 == 1

    def pending_corrections(self, zone: int, limit: int) -> list[tuple[Key, Correction]]:
        """Return the next ((participant, quarter), correction) that settlement has to take."""
        found = islice(self.corrections.items(zone), limit)
        return [(key[1:], correction) for key, correction in found if correction is not None]

    def pending_differences(self, zone: int, limit: int) -> list[tuple[Key, Difference]]:
        """Return the next ((participant, first quarter of a gap), difference) to take."""
        found = islice(self.differences.items(zone), limit)
        return [(key[1:], difference) for key, difference in found if difference is not None]

    def correction_taken(self, zone: int, participant: int, quarter_s: int) -> None:
        """Forget a correction that settlement has taken."""
        del self.corrections[zone, participant, quarter_s]

    def difference_taken(self, zone: int, participant: int, first_s: int) -> None:
        """Forget a difference that settlement has taken."""
        del self.differences[zone, participant, first_s]

    # ── Due work ──

    @unit
    def close_gap(self, ctx: Context, meter: U32, first_s: TimeS) -> None:
        """Hand over what a gap's substitutes missed, once all its quarters are final."""
        one, gap = self._devices.meter(meter), self.gaps[meter, first_s]
        if gap is None:
            return
        if one.role is not MeterRole.SETTLEMENT:
            del self.gaps[meter, first_s]
            return
        self.charge_steps(floor_div(gap.end_s - first_s, QUARTER_S))
        difference = closing.close_gap(self._store, meter, first_s, self.retired_day.get())
        if difference is None:
            later_s = ctx.market_time_s + QUARTER_S
            self._schedule.at_market_time(later_s, self.close_gap, meter, first_s)
            return
        if difference.import_wh or difference.export_wh:
            self.differences[one.zone, one.participant, first_s] = difference
        self.emit(
            words.GapClosed(
                meter, first_s, difference.end_s, difference.import_wh, difference.export_wh
            )
        )

    @unit
    def retire_readings(self, ctx: Context, day: U32, after: U32 | None) -> None:
        """Turn a day that is older than the window into totals, meter by meter."""
        meters: list[int] = []
        for (_, meter), _ in self.days.items(day, start=after):
            if len(meters) == SLICE_RETIRED:
                break
            if meter != after:
                meters.append(meter)
        self.charge_steps(SLOTS * len(meters))
        for meter in meters:
            retire_day(self._store, self.totals, day, meter)
        self.emit(words.DayRetired(day, len(meters)))
        if len(meters) == SLICE_RETIRED:
            self._schedule.at_market_time(ctx.market_time_s, self.retire_readings, day, meters[-1])
            return
        oldest = day_and_slot(ctx.market_time_s)[0] - self._rules().window_days
        kept = next((key[0] for key, _ in self.days.items(start=day + 1)), oldest)
        for key, _ in list(self.finals.items(end=min(kept, oldest))):
            del self.finals[key]
        self.retired_day.set(min(kept, oldest))
        self._await_retirement(min(kept, oldest))

    # ── Queries ──

    @query
    def reading(self, meter: U32, interval_s: TimeS) -> Reading | None:
        """What is recorded of a meter's quarter, or null: missing, or older than the window."""
        held = self.slot(meter, interval_s)
        if held is None:
            return None
        quality = Quality(held.quality)
        return Reading(held.import_wh, held.export_wh, held.version, quality)

    @query
    def newest(self, meter: U32) -> MeterDay | None:
        """The day of a meter's newest reading, with its registers and sequence, or null."""
        return self._store.newest_day(meter)[1]

    @query
    def gaps_of(self, meter: U32) -> Annotated[tuple[OpenGap, ...], Items(GAPS_SHOWN_MAX)]:
        """The first gaps of a meter that are not closed."""
        found = islice(self.gaps.items(meter), GAPS_SHOWN_MAX)
        return tuple(OpenGap(key[1], gap) for key, gap in found if gap is not None)

    @query
    def totals_of(self, meter: U32) -> Totals:
        """What a meter's days before the window add up to, and the head of their hash chain."""
        return self.totals[meter]

    @query
    def in_force(self) -> MeteringRules:
        """Return the deadlines and the window."""
        return self._rules()

    # ── Invariants ──

    @invariant
    def days_hold_quarters_of_service(self) -> bool:
        """Days are sound, within their meter's service, and no older than the window."""
        return audit.days_hold(self.days, self.last_days, self._devices, self.retired_day.get())

    @invariant
    def every_quarter_is_read_or_in_a_gap(self) -> bool:
        """Up to its newest reading, a meter's quarters have a reading or lie in one gap."""
        return audit.rows_hold(self._store, self._devices, self.retired_day.get())

    @invariant
    def gaps_have_room_for_readings(self) -> bool:
        """No gap overlaps another or the newest reading, and none has lost energy."""
        return audit.gaps_hold(self._store, self._devices)

    # ── Below ──

    def _rules(self) -> MeteringRules:
        rules = self.rules.get()
        assert rules is not None, "genesis sets the rules"
        return rules

    def _each(self, ctx: Context, readings: Readings, judge: Judge) -> Codes:
        """Judge readings one by one; returns 0 or the code of its refusal for each."""
        self.charge_steps(ITEM_STEPS * len(readings))
        intake = Intake(ctx, self._rules(), self._store, self.totals, self._gap_opened)
        codes = []
        for reading in readings:
            try:
                judge(intake, reading)
            except Reject as reject:
                codes.append(reject.receipt_code())
            else:
                codes.append(0)
        if 0 in codes:
            self._begin_retirement(ctx)
        return tuple(codes)

    def _submit(self, gateway: Gateway, intake: Intake, reading: SignedReading) -> None:
        intake.submit(gateway, self._devices.meter(reading.meter), reading)

    def _gap_opened(self, meter: int, first_s: int, end_s: int) -> None:
        due_s = end_s + self._rules().final_s
        self._schedule.at_market_time(due_s, self.close_gap, meter, first_s)

    def _begin_retirement(self, ctx: Context) -> None:
        """Await the end of the window when the first reading comes; a chain without has no work."""
        if self.retired_day.get() == 0:
            day = max(1, day_and_slot(ctx.market_time_s)[0] - self._rules().window_days)
            self.retired_day.set(day)
            self._await_retirement(day)

    def _await_retirement(self, day: int) -> None:
        due_s = (day + self._rules().window_days + 1) * DAY_S
        self._schedule.at_market_time(due_s, self.retire_readings, day, None)

    def _correct(self, caller: bytes, intake: Intake, reading: SignedReading) -> None:
        meter = self._devices.meter(reading.meter)
        operator = self._directory.zone(meter.zone).metering_operator
        if caller != operator:
            raise NotPermitted(caller=caller, metering_operator=operator)
        settles = meter.role is MeterRole.SETTLEMENT
        settled = not settles or self.is_final(meter.zone, reading.interval_s)
        old, new = intake.correct(meter, reading, settled=settled), Slot.of(reading)
        if old == new:
            return
        if settles:
            assert old is not None, "what is settled has a value"
            key = (meter.zone, meter.participant, reading.interval_s)
            self.corrections[key] = Correction.of(self.corrections[key], old, new)
        was = old or new._replace(import_wh=0, export_wh=0)
        self.emit(
            words.ReadingCorrected(
                reading.meter, reading.interval_s, was.import_wh, was.export_wh, was.substituted,
                new.import_wh, new.export_wh,
            )
        )  # fmt: skip

    def _substitute(self, zone: int, participant: int, meter: int, quarter_s: int) -> Slot:
        window_days, offset_s = self._rules().window_days, self._directory.zone(zone).utc_offset_s
        history = self._store.history(meter, quarter_s, like_days(quarter_s, offset_s, window_days))
        base_load_wh = self._directory.participant(participant).terms.base_load_wh
        import_wh = substitute_wh(history, base_load_wh)
        slot = Slot(import_wh, 0, 0, int(Quality.SUBSTITUTED), 0)
        self._store.put(meter, quarter_s, slot)
        return slot
