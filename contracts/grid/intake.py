"""Intake: how one reading is judged, when it is submitted and when it corrects a final quarter.

All checks come before the first write, cheap ones first, so that a refused reading leaves nothing
to undo. A reading in its turn touches three keys beside its meter: which day is the meter's newest,
that day's record, and, once a day, the record of the day before.
"""

from collections.abc import Callable
from dataclasses import dataclass

from contracts.grid.metering_words import (
    BadInterval,
    BadReadingSignature,
    CorrectionClosed,
    Final,
    FutureReading,
    MeterSuspended,
    NotFinal,
    NotInService,
    OutsideGatewayZone,
    OverCapacity,
    ReadingConflict,
    SequenceNotRising,
    VersionGap,
    WrongKey,
)
from contracts.grid.model import Gateway, Meter
from contracts.grid.reading import (
    MeterDay,
    MeteringRules,
    SignedReading,
    Slot,
    day_and_slot,
    is_quarter,
)
from contracts.grid.registers import Flow, Newest, extend, split
from contracts.grid.retention import TotalsTable, take_silent
from contracts.grid.store import ReadingStore
from contracts.kernel import Context
from contracts.kernel.types import QUARTER_S

GapOpened = Callable[[int, int, int], None]


@dataclass(frozen=True, slots=True)
class Intake:
    """What judging readings needs during one call; `gap_opened` is told (meter, first, end)."""

    ctx: Context
    rules: MeteringRules
    store: ReadingStore
    totals: TotalsTable
    gap_opened: GapOpened

    def submit(self, gateway: Gateway, meter: Meter, reading: SignedReading) -> None:
        """Record a reading of a quarter that is not final; the same again changes nothing."""
        if gateway.zone is not None and gateway.zone != meter.zone:
            raise OutsideGatewayZone(meter=reading.meter, zone=meter.zone)
        self._check_device(meter, reading)
        end_s, now_s = reading.interval_s + QUARTER_S, self.ctx.market_time_s
        if end_s > now_s:
            raise FutureReading(meter=reading.meter, end_s=end_s, now_s=now_s)
        day, place = day_and_slot(reading.interval_s)
        today = self.store.days[day, reading.meter]
        held = None if today is None else today.slot(place)
        if held is not None and held.version == reading.version:
            if held != Slot.of(reading):
                raise ReadingConflict(meter=reading.meter, interval_s=reading.interval_s)
            return
        if now_s >= end_s + self.rules.final_s:
            raise Final(meter=reading.meter, final_s=end_s + self.rules.final_s, now_s=now_s)
        flow = self._check_energy(meter, reading, held)
        if reading.version > 1:
            self._revise(reading)
        else:
            self._place(meter, reading, flow, day, today)

    def correct(self, meter: Meter, reading: SignedReading, *, settled: bool) -> Slot | None:
        """Replace a final quarter; returns what it was, which a repetition leaves as it is.

        `settled` says that nobody waits for the quarter's final value any more.
        """
        self._check_device(meter, reading)
        final_s = reading.interval_s + QUARTER_S + self.rules.final_s
        if self.ctx.market_time_s < final_s or not settled:
            raise NotFinal(meter=reading.meter, final_s=final_s, now_s=self.ctx.market_time_s)
        closed_s = final_s + self.rules.correction_s
        if self.ctx.market_time_s >= closed_s:
            raise CorrectionClosed(meter=reading.meter, closed_s=closed_s)
        held = self.store.slot(reading.meter, reading.interval_s)
        if held is not None and held.version == reading.version:
            if held != Slot.of(reading):
                raise ReadingConflict(meter=reading.meter, interval_s=reading.interval_s)
            return held
        self._check_energy(meter, reading, held)
        if reading.version > 1:
            self._revise(reading)
        else:
            self.store.put(reading.meter, reading.interval_s, Slot.of(reading))
        return held

    def _check_device(self, meter: Meter, reading: SignedReading) -> None:
        """Raise unless the meter itself says this of a quarter of its service."""
        quarter_s = reading.interval_s
        if not is_quarter(quarter_s):
            raise BadInterval(meter=reading.meter, interval_s=quarter_s)
        if not meter.first_quarter_s <= quarter_s <= meter.last_quarter_s:
            raise NotInService(
                meter=reading.meter, first_s=meter.first_quarter_s, last_s=meter.last_quarter_s
            )
        if meter.suspended:
            raise MeterSuspended(meter=reading.meter)
        if reading.public_key != meter.public_key:
            raise WrongKey(meter=reading.meter, expected=meter.public_key)
        if not self.ctx.verified(reading):
            raise BadReadingSignature(meter=reading.meter, interval_s=quarter_s)

    def _check_energy(self, meter: Meter, reading: SignedReading, held: Slot | None) -> Flow:
        expected = 1 if held is None else held.version + 1
        if reading.version != expected:
            raise VersionGap(meter=reading.meter, version=reading.version, expected=expected)
        flow = Flow(meter.capacity_w, self.rules.capacity_margin_ppm)
        most_wh = flow.most_wh(QUARTER_S)
        if reading.import_wh + reading.export_wh > most_wh:
            raise OverCapacity(
                meter=reading.meter,
                import_wh=reading.import_wh,
                export_wh=reading.export_wh,
                most_wh=most_wh,
            )
        return flow

    def _place(
        self, meter: Meter, reading: SignedReading, flow: Flow, day: int, today: MeterDay | None
    ) -> None:
        """Record the first reading of a quarter: the newest, or one that a gap waits for."""
        number, store = reading.meter, self.store
        last_day = store.last_days[number]
        record = today if last_day == day else store.days[last_day, number] if last_day else None
        newest = Newest.of(meter, record)
        if reading.interval_s > newest.last_s:
            gap = extend(newest, reading, flow)
            store.append(reading, today, (last_day, record))
            if gap is not None:
                first_s = newest.last_s + QUARTER_S
                store.gaps[number, first_s] = take_silent(self.totals, number, gap)
                self.gap_opened(number, first_s, gap.end_s)
            return
        found = store.gap_at(number, reading.interval_s)
        assert found is not None, "a quarter without a reading before the newest lies in a gap"
        first_s, whole = found
        before, after = split(first_s, whole, reading, flow)
        store.fill(reading, first_s, before, after)
        next_s = reading.interval_s + QUARTER_S
        if next_s < after.end_s:
            self.gap_opened(number, next_s, after.end_s)

    def _revise(self, reading: SignedReading) -> None:
        """Record a later version; of a meter that never spoke, nothing is newer than it."""
        _, newest = self.store.newest_day(reading.meter)
        known = 0 if newest is None else max(newest.sequence, newest.correction_sequence)
        if reading.sequence <= known:
            raise SequenceNotRising(sequence=reading.sequence, newest=known)
        self.store.revise(reading)
