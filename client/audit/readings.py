"""Readings: what each meter's device signed, from the transactions, checked by the accountant.

Of a call `submit_readings` or `correct_readings` the accountant takes the readings that the receipt
says were accepted. Each must be signed by the meter's key of that moment, lie in its service and in
time, carry the next version, and fit the registers around it. What counts for a quarter is the
latest accepted version, or the substitute. (MARKET §4.)
"""

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, NamedTuple

from chain.verdicts import SignedMessage, Verdicts
from client.audit.directory import QUARTER_S, Directory, Meter
from client.audit.report import Findings
from contracts.grid.reading import MeteringRules, Quality
from contracts.kernel import codec

DOMAIN_TAG: Final = b"gridtokenx meter reading\0"
PPM: Final = 1_000_000
HOUR_S: Final = 3_600


class Slot(NamedTuple):
    """What counts for a meter's quarter, in the order in which the chain keeps it."""

    import_wh: int
    export_wh: int
    version: int
    quality: int
    check: int

    @property
    def is_substitute(self) -> bool:
        """Return whether no reading was there."""
        return self.quality == Quality.SUBSTITUTED


class Reading(NamedTuple):
    """A signed reading as it stands in a transaction."""

    meter: int
    interval_s: int
    import_wh: int
    export_wh: int
    import_register_wh: int
    export_register_wh: int
    quality: int
    version: int
    sequence: int
    public_key: bytes
    signature: bytes

    @property
    def slot(self) -> Slot:
        """Return what counts by this reading; the check tells registers apart."""
        registers = (self.import_register_wh, self.export_register_wh)
        digest = sha256(b"".join(one.to_bytes(8, "big") for one in registers)).digest()
        check = int.from_bytes(digest[:4], "big")
        return Slot(self.import_wh, self.export_wh, self.version, self.quality, check)


class Anchor(NamedTuple):
    """The registers before and after a quarter that was read in its turn."""

    import_before_wh: int
    export_before_wh: int
    import_after_wh: int
    export_after_wh: int


@dataclass(slots=True)
class MeterBook:
    """A meter's quarters, the registers that chain them, and how far its sequence has come."""

    slots: dict[int, Slot] = field(default_factory=dict)
    anchors: dict[int, Anchor] = field(default_factory=dict)
    anchored: list[int] = field(default_factory=list)
    sequence: int = 0
    correction_sequence: int = 0

    @property
    def newest_s(self) -> int | None:
        """Return the quarter of the newest reading."""
        return self.anchored[-1] if self.anchored else None


class Readings:
    """The books of all meters."""

    def __init__(
        self,
        chain_id: bytes,
        rules: MeteringRules,
        directory: Directory,
        verdicts: Verdicts,
        findings: Findings,
    ) -> None:
        """Start without readings."""
        self._chain_id = chain_id
        self._rules = rules
        self._directory = directory
        self._verdicts = verdicts
        self._findings = findings
        self.meters: dict[int, MeterBook] = {}

    def book(self, meter: int) -> MeterBook:
        """Return a meter's book, made if it is new."""
        found = self.meters.get(meter)
        if found is None:
            found = self.meters[meter] = MeterBook()
        return found

    def slot(self, meter: int, quarter_s: int) -> Slot | None:
        """Return what counts for a quarter, or None."""
        book = self.meters.get(meter)
        return None if book is None else book.slots.get(quarter_s)

    def submitted(self, fields: list[Any], now_s: int) -> None:
        """Take an accepted reading of a quarter that is not final."""
        reading = Reading(*fields[1:])
        meter, book = self._checked(reading, fields)
        subject, end_s = _subject(reading), reading.interval_s + QUARTER_S
        if not end_s <= now_s:
            self._findings.differ("reading of the future", subject, f"≤ {now_s}", end_s)
        held = book.slots.get(reading.interval_s)
        if self._is_repetition(reading, held, subject):
            return
        if now_s >= end_s + self._rules.final_s:
            final_s = end_s + self._rules.final_s
            self._findings.differ("reading after the deadline", subject, f"< {final_s}", now_s)
        if reading.version > 1:
            self._revise(reading, book, subject)
        else:
            self._place(reading, meter, book, subject)
        book.slots[reading.interval_s] = reading.slot

    def corrected(self, fields: list[Any], now_s: int) -> tuple[Slot | None, Slot] | None:
        """Take an accepted correction; returns what counted and what counts, None if the same."""
        reading = Reading(*fields[1:])
        _, book = self._checked(reading, fields)
        subject = _subject(reading)
        final_s = reading.interval_s + QUARTER_S + self._rules.final_s
        if not final_s <= now_s < final_s + self._rules.correction_s:
            self._findings.differ("correction out of time", subject, final_s, now_s)
        held = book.slots.get(reading.interval_s)
        if self._is_repetition(reading, held, subject):
            return None
        if reading.version > 1:
            self._revise(reading, book, subject)
        new = book.slots[reading.interval_s] = reading.slot
        return held, new

    def _checked(self, reading: Reading, fields: list[Any]) -> tuple[Meter, MeterBook]:
        """Check what holds for every reading: signature, service, energy."""
        counts, subject = self._findings.counts, _subject(reading)
        counts.readings += 1
        meter = self._directory.meters[reading.meter]
        differ = self._findings.differ
        if reading.public_key != meter.public_key:
            differ("key of a reading", subject, meter.public_key, reading.public_key)
        digest = sha256(codec.encode_trusted(fields[:-1])).digest()
        signed = SignedMessage(
            reading.public_key, DOMAIN_TAG + self._chain_id + digest, reading.signature
        )
        counts.reading_signatures += 1
        if not self._verdicts.verdict(signed):
            differ("signature of a reading", subject, "the device's", reading.signature)
        if not meter.serves(reading.interval_s) or reading.interval_s % QUARTER_S:
            differ("reading outside the service", subject, meter.last_quarter_s, reading.interval_s)
        if reading.import_wh + reading.export_wh > self._most_wh(meter, QUARTER_S):
            most_wh = self._most_wh(meter, QUARTER_S)
            differ("energy of a reading", subject, f"≤ {most_wh}", reading[2:4])
        return meter, self.book(reading.meter)

    def _is_repetition(self, reading: Reading, held: Slot | None, subject: str) -> bool:
        """Say whether a reading repeats what is held; its version must be that or the next."""
        version = 0 if held is None else held.version
        if held is not None and reading.version == version:
            self._findings.compare("repeated reading", subject, held, reading.slot)
            return True
        self._findings.compare("version of a reading", subject, version + 1, reading.version)
        return False

    def _place(self, reading: Reading, meter: Meter, book: MeterBook, subject: str) -> None:
        """Chain the first reading of a quarter to the registers of its neighbours."""
        at = bisect_left(book.anchored, reading.interval_s)
        anchor = Anchor(
            reading.import_register_wh - reading.import_wh,
            reading.export_register_wh - reading.export_wh,
            reading.import_register_wh,
            reading.export_register_wh,
        )
        if at == 0:
            made = meter.installation
            before_s = made.first_quarter_s - QUARTER_S
            before = (made.import_register_wh, made.export_register_wh)
        else:
            before_s = book.anchored[at - 1]
            before = book.anchors[before_s][2:]
        self._check_row(subject, meter, before_s, before, reading.interval_s, anchor[:2])
        if at == len(book.anchored):
            if reading.sequence <= book.sequence:
                self._findings.differ(
                    "sequence of a reading", subject, f"> {book.sequence}", reading.sequence
                )
            book.sequence = reading.sequence
        else:
            after_s = book.anchored[at]
            after = book.anchors[after_s][:2]
            self._check_row(subject, meter, reading.interval_s, anchor[2:], after_s, after)
        insort(book.anchored, reading.interval_s)
        book.anchors[reading.interval_s] = anchor

    def _revise(self, reading: Reading, book: MeterBook, subject: str) -> None:
        """Take a later version; of the newest quarter it moves the registers on."""
        known = max(book.sequence, book.correction_sequence)
        if book.anchored:
            if reading.sequence <= known:
                self._findings.differ(
                    "sequence of a reading", subject, f"> {known}", reading.sequence
                )
            book.correction_sequence = reading.sequence
        if reading.interval_s == book.newest_s:
            anchor = book.anchors[reading.interval_s]
            registers = (reading.import_register_wh, reading.export_register_wh)
            book.anchors[reading.interval_s] = Anchor(*anchor[:2], *registers)

    def _check_row(
        self,
        subject: str,
        meter: Meter,
        first_s: int,
        first: tuple[int, int],
        last_s: int,
        last: tuple[int, int],
    ) -> None:
        """Check what the registers say of the quarters between two readings."""
        flowed = (last[0] - first[0], last[1] - first[1])
        most_wh = self._most_wh(meter, last_s - first_s - QUARTER_S)
        if min(flowed) < 0 or sum(flowed) > most_wh:
            self._findings.differ("registers of a reading", subject, f"0 … {most_wh}", flowed)

    def _most_wh(self, meter: Meter, duration_s: int) -> int:
        allowed_ppm = PPM + self._rules.capacity_margin_ppm
        capacity_w = meter.installation.capacity_w
        return capacity_w * duration_s * allowed_ppm // (HOUR_S * PPM)


def _subject(reading: Reading) -> str:
    return f"meter {reading.meter} quarter {reading.interval_s}"
