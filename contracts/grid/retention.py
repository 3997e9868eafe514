"""Retention: a meter's day that is older than the window becomes part of its totals.

State holds only what a later block can read. What counted since a meter's newest reading is also
added up apart, and what counted in a gap that is not closed is added to that, so that registers
that come after any length of silence still account for every watt-hour. The record of the newest
reading stays, without its slots. (PROTOCOL §3.)
"""

from dataclasses import replace

from contracts.grid.model import DAY_S
from contracts.grid.reading import READINGS, Gap, MeterDay, Totals
from contracts.grid.store import ReadingStore
from contracts.kernel import Map, sha256
from contracts.kernel.types import QUARTER_S

TotalsTable = Map[int, Totals]


def retire_day(store: ReadingStore, totals: TotalsTable, day: int, meter: int) -> None:
    """Move a meter's day into its totals."""
    record = store.days[day, meter]
    assert record is not None, "what is retired is there"
    last_day, newest = store.newest_day(meter)
    since_s = -1 if newest is None else newest.last_s
    silent_wh = _sums(day, record, since_s + 1, (day + 1) * DAY_S)
    totals[meter] = _added(totals[meter], day, record, silent_wh)
    for (_, first_s), gap in store.gaps.items(meter, end=(day + 1) * DAY_S):
        assert gap is not None, "a key has a gap"
        import_wh, export_wh = _sums(day, record, first_s, gap.end_s)
        store.gaps[meter, first_s] = replace(
            gap,
            retired_import_wh=gap.retired_import_wh + import_wh,
            retired_export_wh=gap.retired_export_wh + export_wh,
        )
    store.days[day, meter] = replace(record, slots=b"") if last_day == day else None


def take_silent(totals: TotalsTable, meter: int, gap: Gap) -> Gap:
    """Return the gap that ends a silence, with what counted in it and is in totals by now."""
    held = totals[meter]
    if held.silent_import_wh == 0 and held.silent_export_wh == 0:
        return gap
    totals[meter] = replace(held, silent_import_wh=0, silent_export_wh=0)
    return replace(
        gap, retired_import_wh=held.silent_import_wh, retired_export_wh=held.silent_export_wh
    )


def _added(totals: Totals, day: int, record: MeterDay, silent_wh: tuple[int, int]) -> Totals:
    import_wh, export_wh = _sums(day, record, 0, (day + 1) * DAY_S)
    return Totals(
        import_wh=totals.import_wh + import_wh,
        export_wh=totals.export_wh + export_wh,
        days=totals.days + 1,
        head=sha256(totals.head + day.to_bytes(4, "big") + sha256(record.slots)),
        silent_import_wh=totals.silent_import_wh + silent_wh[0],
        silent_export_wh=totals.silent_export_wh + silent_wh[1],
    )


def _sums(day: int, record: MeterDay, start_s: int, end_s: int) -> tuple[int, int]:
    """Return the import and export of the day's quarters from `start_s` to before `end_s`."""
    import_wh = export_wh = 0
    for slot, fields in READINGS.items(record.slots):
        if start_s <= day * DAY_S + slot * QUARTER_S < end_s:
            import_wh, export_wh = import_wh + fields[0], export_wh + fields[1]
    return import_wh, export_wh
