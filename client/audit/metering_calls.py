"""The metering calls of one transaction, taken in step with its events.

Each `submit_readings` ends with its event, so a reading is judged by what the events before it
have changed, a meter's new key for example. A correction that changes a quarter has an event of its
own, which must say what counted and what counts.
"""

from collections import deque
from typing import Final

from client.audit.calls import accepted_items
from client.audit.deeds import Deed, DoneCall
from client.audit.energy import Energy
from client.audit.readings import Readings, Slot
from client.audit.report import Findings
from contracts.grid.metering_words import ReadingCorrected

SUBMIT: Final = "submit_readings"
CORRECT: Final = "correct_readings"

# Meter and quarter, what counted, what counts.
Change = tuple[int, int, Slot | None, Slot]


class MeteringCalls:
    """Calls whose readings are not taken yet, and corrections whose events are to come."""

    def __init__(self, deed: Deed, readings: Readings, energy: Energy, findings: Findings) -> None:
        """Collect the calls of a transaction; the block's own deed has none."""
        self._readings = readings
        self._energy = energy
        self._findings = findings
        self._calls: deque[DoneCall] = deque(
            done
            for done in deed.done_calls()
            if done.call.contract == "metering" and done.call.method in (SUBMIT, CORRECT)
        )
        self._untold: deque[Change] = deque()

    def submitted(self, now_s: int) -> None:
        """Take the readings of the next `submit_readings`, whose event was heard."""
        while self._calls:
            if self._take(now_s) == SUBMIT:
                return

    def corrected(self, event: ReadingCorrected, now_s: int) -> None:
        """Compare an event with the next correction that changes something."""
        while self._calls and not self._untold:
            self._take(now_s)
        expected = self._due(self._untold.popleft()) if self._untold else None
        self._findings.compare("correction", f"meter {event.meter}", expected, event)

    def finish(self, now_s: int) -> None:
        """Take what is left; a correction that no event tells of is a difference."""
        while self._calls:
            self._take(now_s)
        for change in self._untold:
            self._findings.differ("correction", f"meter {change[0]}", self._due(change), None)

    def _take(self, now_s: int) -> str:
        """Take the accepted readings of the next call; returns its method."""
        done = self._calls.popleft()
        for _, fields in accepted_items(done):
            try:
                if done.call.method == SUBMIT:
                    self._readings.submitted(fields, now_s)
                    continue
                change = self._readings.corrected(fields, now_s)
            except KeyError:
                subject = f"meter {fields[1]}"
                self._findings.differ("reading of an unknown meter", subject, "registered", None)
                continue
            if change is not None:
                self._untold.append((fields[1], fields[2], *change))
                self._energy.corrected(fields[1], fields[2], *change)
        return done.call.method

    @staticmethod
    def _due(change: Change) -> ReadingCorrected:
        """Return the event that a change must have."""
        meter, interval_s, old, new = change
        was = new._replace(import_wh=0, export_wh=0) if old is None else old
        return ReadingCorrected(
            meter, interval_s, was.import_wh, was.export_wh, was.is_substitute,
            new.import_wh, new.export_wh,
        )  # fmt: skip
