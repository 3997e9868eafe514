"""Energy: what counts for every quarter of every settlement meter, and what the chain says of it.

Statements, substitutes and closed gaps are computed again from the accountant's own readings and
compared with the events that tell of them. (MARKET §4.)
"""

from typing import Final, NamedTuple

from client.audit.clearing import share_out
from client.audit.directory import QUARTER_S, Directory
from client.audit.readings import Readings, Slot
from client.audit.report import Findings
from contracts.grid import metering_words
from contracts.grid.model import MeterRole
from contracts.grid.reading import MeteringRules, Quality
from contracts.grid.statements import ProvisionalStatement
from contracts.kernel import Event

DAY_S: Final = 86_400
LIKE_DAYS: Final = 4
U32_MAX: Final = 2**32 - 1


# Zone, participant, first quarter.
Key = tuple[int, int, int]


class Gap(NamedTuple):
    """What the registers around a gap exceed its substitutes by; `end_s` is the quarter after."""

    end_s: int
    import_wh: int
    export_wh: int


class Energy:
    """What is told of readings, judged by the readings themselves."""

    def __init__(
        self, rules: MeteringRules, directory: Directory, readings: Readings, findings: Findings
    ) -> None:
        """Keep what it looks at."""
        self.rules = rules
        self._directory = directory
        self._readings = readings
        self._findings = findings
        self._stated: dict[tuple[int, int], int] = {}
        self.retired_days: set[int] = set()
        self.billed: set[tuple[int, int]] = set()
        self.corrections: dict[Key, tuple[Slot, Slot]] = {}
        self.differences: dict[Key, Gap] = {}
        self._final: dict[tuple[int, int], Slot] = {}

    def hear(self, event: Event) -> None:
        """Take note of an event of metering or statements; all others are no concern."""
        match event:
            case metering_words.ReadingsSubstituted():
                self._substituted(event)
            case metering_words.GapClosed():
                self._gap_closed(event)
            case metering_words.DayRetired():
                self.retired_days.add(event.day)
            case ProvisionalStatement():
                self._stated_so_far(event)

    def corrected(self, meter: int, quarter_s: int, old: Slot | None, new: Slot) -> None:
        """Let a correction of a final quarter wait for settlement."""
        one = self._directory.meters[meter]
        if one.installation.role is not MeterRole.SETTLEMENT or old is None:
            return
        key = one.zone, one.installation.participant, quarter_s
        self.corrections[key] = (self.corrections[key][0] if key in self.corrections else old, new)
        self._keep_final(one.zone, meter, quarter_s, old)

    def kept_from_s(self, now_s: int) -> int:
        """Return the first quarter of which settlement still keeps the prices."""
        return (now_s // DAY_S - self.rules.window_days) * DAY_S

    def billed_slot(self, meter: int, quarter_s: int) -> Slot | None:
        """Return what a quarter is billed by; None, with a difference, if it has no value.

        That is what counted when it became final, whatever changed in the moments since.
        """
        slot = self._final.pop((meter, quarter_s), None) or self._readings.slot(meter, quarter_s)
        if slot is None:
            subject = f"meter {meter} quarter {quarter_s}"
            self._findings.differ("final without a value", subject, "a value", None)
        return slot

    def _substituted(self, event: metering_words.ReadingsSubstituted) -> None:
        serving = {meter: one for one, meter in self._directory.settlement_meters(
            event.zone, event.interval_s)}  # fmt: skip
        for one in event.substitutes:
            self._findings.counts.substitutes += 1
            subject = f"meter {one.meter} quarter {event.interval_s}"
            held = self._readings.slot(one.meter, event.interval_s)
            self._findings.compare("substituted though read", subject, None, held)
            served = one.meter in serving
            self._findings.compare("substituted in service", subject, True, served)
            due_wh = self._substitute_wh(event.zone, one.meter, event.interval_s)
            self._findings.compare("substitute", subject, due_wh, one.import_wh)
            slot = Slot(due_wh, 0, 0, int(Quality.SUBSTITUTED), 0)
            self._readings.book(one.meter).slots[event.interval_s] = slot

    def _substitute_wh(self, zone: int, meter: int, quarter_s: int) -> int:
        """Return the mean of the same quarter on up to four like days, at least the base load."""
        offset_s = self._directory.zones[zone].terms.utc_offset_s
        participant = self._directory.meters[meter].installation.participant
        base_load_wh = self._directory.participants[participant].terms.base_load_wh
        weekend = _is_weekend(quarter_s + offset_s)
        measured: list[int] = []
        for back in range(1, self.rules.window_days):
            earlier_s = quarter_s - back * DAY_S
            slot = self._readings.slot(meter, earlier_s)
            if slot is None or slot.quality != Quality.MEASURED:
                continue
            if _is_weekend(earlier_s + offset_s) is weekend:
                measured.append(slot.import_wh)
            if len(measured) == LIKE_DAYS:
                break
        mean_wh = -(-sum(measured) // len(measured)) if measured else 0
        return max(base_load_wh, mean_wh)

    def _gap_closed(self, event: metering_words.GapClosed) -> None:
        """Compare a gap's difference with its registers, and spread it over its substitutes."""
        book = self._readings.book(event.meter)
        made = self._directory.meters[event.meter].installation
        before = book.anchors.get(event.first_s - QUARTER_S)
        registers = (made.import_register_wh, made.export_register_wh)
        first = registers if before is None else before[2:]
        last = book.anchors[event.end_s][:2]
        flowed = (last[0] - first[0], last[1] - first[1])
        quarters = range(event.first_s, event.end_s, QUARTER_S)
        slots = {q: slot for q in quarters if (slot := book.slots.get(q)) is not None}
        subject = f"meter {event.meter} gap {event.first_s}"
        self._findings.compare("gap is final", subject, len(quarters), len(slots))
        kept = {q: slot for q, slot in slots.items() if q // DAY_S not in self.retired_days}
        substitutes = [q for q, slot in kept.items() if slot.is_substitute]
        retired = any(slot[0] or slot[1] for q, slot in slots.items() if q not in kept)
        known_wh = [sum(slot[i] for slot in slots.values()) for i in (0, 1)]
        expected = (flowed[0] - known_wh[0], flowed[1] - known_wh[1])
        if not substitutes and not retired:
            expected = (0, 0)
        found = (event.import_wh, event.export_wh)
        self._findings.compare("difference of a gap", subject, expected, found)
        shares = [
            _shared(
                flowed[i] - sum(s[i] for q, s in slots.items() if q not in substitutes),
                [kept[q][i] for q in substitutes],
            )
            for i in (0, 1)
        ]
        zone = self._directory.meters[event.meter].zone
        if expected != (0, 0):
            key = zone, made.participant, event.first_s
            self.differences[key] = Gap(event.end_s, *expected)
        for q, import_wh, export_wh in zip(substitutes, *shares, strict=True):
            self._keep_final(zone, event.meter, q, kept[q])
            book.slots[q] = kept[q]._replace(import_wh=import_wh, export_wh=export_wh)

    def _keep_final(self, zone: int, meter: int, quarter_s: int, slot: Slot) -> None:
        """Keep what counted when a quarter became final, until its bill is made."""
        if (zone, quarter_s) not in self.billed:
            self._final.setdefault((meter, quarter_s), slot)

    def _stated_so_far(self, event: ProvisionalStatement) -> None:
        """Compare a part of a statement with the readings at hand."""
        key = event.zone, event.interval_s
        start = self._stated.get(key, 0)
        meters = [meter for _, meter in self._directory.settlement_meters(*key)]
        part = meters[start : start + event.meters]
        self._stated[key] = start + event.meters
        slots = {meter: self._readings.slot(meter, event.interval_s) for meter in part}
        known = [slot for slot in slots.values() if slot is not None]
        expected = (
            len(part),
            sum(slot.import_wh for slot in known),
            sum(slot.export_wh for slot in known),
            tuple(meter for meter, slot in slots.items() if slot is None),
        )
        found = (event.meters, event.import_wh, event.export_wh, event.missing)
        self._findings.compare("provisional statement", f"zone, quarter {key}", expected, found)


def _is_weekend(local_s: int) -> bool:
    """Say whether it is Saturday or Sunday; the epoch began on a Thursday."""
    return (local_s // DAY_S + 3) % 7 >= 5  # noqa: PLR2004 - Monday is 0


def _shared(total_wh: int, substitutes_wh: list[int]) -> list[int]:
    """Share what flowed over a gap's substitutes in their proportion, equally if all are 0."""
    weights = substitutes_wh if any(substitutes_wh) else [1] * len(substitutes_wh)
    places = [place.to_bytes(4, "big") for place in range(len(weights))]
    return [min(wh, U32_MAX) for wh in share_out(max(0, total_wh), weights, places)]
