"""Closing a gap: its substitutes become what the registers on both sides say.

What flowed in the gap, less what is known of its other quarters, is shared over its substitutes
(`contracts/grid/substitution.py`). With the difference that settlement takes, the gap as a whole is
settled by exactly what the registers say, also for its quarters that are totals by now; only where
readings have replaced every substitute there is nothing to settle.
"""

from collections.abc import Iterator

from contracts.grid.model import DAY_S
from contracts.grid.reading import READINGS, Difference, Slot, day_and_slot
from contracts.grid.store import ReadingStore
from contracts.grid.substitution import shared
from contracts.kernel.types import QUARTER_S


def close_gap(store: ReadingStore, meter: int, first_s: int, retired_day: int) -> Difference | None:
    """Close a gap and return its difference; None if a quarter has no final value yet.

    Days before `retired_day` are totals by now, and counted in the gap itself.
    """
    gap = store.gaps[meter, first_s]
    assert gap is not None, "what is closed is open"
    start_s = max(first_s, retired_day * DAY_S)
    quarters = dict(_slots(store, meter, start_s, gap.end_s))
    if len(quarters) * QUARTER_S != max(0, gap.end_s - start_s):
        return None
    known = [slot for slot in quarters.values() if not slot.substituted]
    substitutes = {q: slot for q, slot in quarters.items() if slot.substituted}
    store.gaps[meter, first_s] = None
    import_wh = gap.import_wh - gap.retired_import_wh - sum(slot.import_wh for slot in known)
    export_wh = gap.export_wh - gap.retired_export_wh - sum(slot.export_wh for slot in known)
    if not substitutes:
        retired = gap.retired_import_wh or gap.retired_export_wh
        return Difference(gap.end_s, *((import_wh, export_wh) if retired else (0, 0)))
    imports_wh = [slot.import_wh for slot in substitutes.values()]
    exports_wh = [slot.export_wh for slot in substitutes.values()]
    shares = zip(shared(import_wh, imports_wh), shared(export_wh, exports_wh), strict=True)
    changed = {
        quarter_s: slot._replace(import_wh=share[0], export_wh=share[1])
        for (quarter_s, slot), share in zip(substitutes.items(), shares, strict=True)
    }
    _write(store, meter, changed)
    return Difference(gap.end_s, import_wh - sum(imports_wh), export_wh - sum(exports_wh))


def _slots(store: ReadingStore, meter: int, start_s: int, end_s: int) -> Iterator[tuple[int, Slot]]:
    """Yield the quarters that have a value, ascending; each day is read once."""
    for day in range(day_and_slot(start_s)[0], day_and_slot(end_s - 1)[0] + 1):
        record = store.days[day, meter]
        for slot, fields in READINGS.items(b"" if record is None else record.slots):
            quarter_s = day * DAY_S + slot * QUARTER_S
            if start_s <= quarter_s < end_s:
                yield quarter_s, Slot(*fields)


def _write(store: ReadingStore, meter: int, changed: dict[int, Slot]) -> None:
    """Write quarters, each day once."""
    days: dict[int, dict[int, Slot]] = {}
    for quarter_s, slot in changed.items():
        day, place = day_and_slot(quarter_s)
        days.setdefault(day, {})[place] = slot
    for day, slots in days.items():
        store.put_all(meter, day, slots)
