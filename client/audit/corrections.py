"""Corrections: what readings changed after a quarter was settled, and what gaps turned out to hold.

Metering leaves both for the next settlement of the zone to take. A correction counts from what was
settled to what is right, however many came between; a gap as a whole. (MARKET §4.)
"""

from typing import Any, NamedTuple

from client.audit.amounts import gap_uthb
from client.audit.directory import QUARTER_S
from client.audit.energy import Energy
from client.audit.quarters import Quarter
from client.audit.report import Findings
from contracts.trading.settlement_words import CorrectionSettled

Place = tuple[int, int]


class Due(NamedTuple):
    """What a correction must come to."""

    start_s: int
    end_s: int
    import_wh: int
    export_wh: int
    amount_uthb: int


class Corrections:
    """What waits to be settled, as `Energy` collects it, and what has been settled of it."""

    def __init__(self, quarters: dict[Place, Quarter], energy: Energy, findings: Findings) -> None:
        """Keep what it looks at."""
        self._quarters = quarters
        self._energy = energy
        self._findings = findings
        self.brought: dict[tuple[int, int, int], int] = {}

    def take(self, event: CorrectionSettled, run: Quarter, now_s: int) -> Due | None:
        """Return what the correction that an event speaks of must come to; None if none waits.

        A correction and a gap of one quarter look alike; the one that fits is meant.
        """
        key = event.zone, event.participant, event.quarter_s
        dues: list[tuple[dict[tuple[int, int, int], Any], Due]] = [
            (table, due)
            for table, due in (
                (self._energy.corrections, self._correction(key)),
                (self._energy.differences, self._gap(key, run, now_s)),
            )
            if due is not None
        ]
        if not dues:
            return None
        fitting = [one for one in dues if one[1].amount_uthb == event.amount_uthb]
        table, due = (fitting or dues)[0]
        del table[key]
        self.brought[key] = self.brought.get(key, 0) + due.amount_uthb
        return due

    def _correction(self, key: tuple[int, int, int]) -> Due | None:
        change = self._energy.corrections.get(key)
        zone, participant, start_s = key
        quarter = self._quarters.get((zone, start_s))
        bill = None if quarter is None else quarter.bills.get(participant)
        if change is None or quarter is None or bill is None:
            return None
        old, new = (
            bill._replace(import_wh=slot.import_wh, export_wh=slot.export_wh) for slot in change
        )
        amount_uthb = quarter.rates.corrected_uthb(
            old.imbalance_wh, new.imbalance_wh, was_substituted=change[0].is_substitute
        )
        changed_wh = (new.import_wh - old.import_wh, new.export_wh - old.export_wh)
        return Due(start_s, start_s + QUARTER_S, *changed_wh, amount_uthb)

    def _gap(self, key: tuple[int, int, int], run: Quarter, now_s: int) -> Due | None:
        gap = self._energy.differences.get(key)
        if gap is None:
            return None
        zone, _, start_s = key
        kept_s = max(start_s, self._energy.kept_from_s(now_s))
        places = ((zone, quarter_s) for quarter_s in range(kept_s, gap.end_s, QUARTER_S))
        rates = [self._quarters[place].rates for place in places if place in self._quarters]
        amount_uthb = gap_uthb(rates or [run.rates], gap.import_wh, gap.export_wh)
        return Due(start_s, gap.end_s, gap.import_wh, gap.export_wh, amount_uthb)
