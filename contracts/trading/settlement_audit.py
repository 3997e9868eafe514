"""Settled quarters recounted: what bills, prices and units must show. Used by invariants alone."""

from collections.abc import Iterable

from contracts.kernel.types import QUARTER_S
from contracts.trading.settlement_model import BILLS, Bill, quarters_in
from contracts.trading.settlement_store import BillStore
from contracts.trading.terms import DAY_S
from contracts.trading.units import UnitDay, positions_of


def quarters_hold(store: BillStore) -> bool:
    """Say whether each settled quarter's bills trade to 0 and meter what the quarter says.

    With the retailer's metered energy, −Σ of all others, its difference is −Σ of theirs.
    """
    sums: dict[tuple[int, int, int], Bill] = {}
    for (day, zone, _), data in store.bills.items():
        for slot, values in BILLS.items(data):
            before = sums.get((day, zone, slot), Bill())
            sums[day, zone, slot] = Bill(*(a + b for a, b in zip(before, values, strict=True)))
    for (day, zone), data in store.quarters.items():
        for slot, quarter in quarters_in(data):
            total = sums.get((day, zone, slot), Bill())
            if not quarter.is_closed:
                continue
            if total.bought_wh != total.sold_wh:
                return False
            if (total.import_wh, total.export_wh) != (quarter.import_wh, quarter.export_wh):
                return False
    return True


def units_hold(store: BillStore, units: Iterable[tuple[tuple[int, int, int], UnitDay]]) -> bool:
    """Say whether no unit of a settled quarter holds or has anything."""
    for (zone, day, _), record in units:
        for slot, _ in positions_of(record):
            quarter = store.quarter(zone, day * DAY_S + slot * QUARTER_S)
            if quarter is not None and quarter.is_closed:
                return False
    return True
