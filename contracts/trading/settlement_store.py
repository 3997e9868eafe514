"""The store of bills and quarters, and how days that nobody reads any more become totals.

Bills are read until their quarter can no longer be corrected, as readings are, and with them the
quarter's prices. Then a participant's day is added to its totals, whose head is a hash chain over
all its days: who shows the days that hash to it has left nothing out. (PROTOCOL §3.)
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from contracts.kernel import Map, sha256
from contracts.kernel.daybook import SLOTS
from contracts.kernel.types import QUARTER_S
from contracts.trading.model import day_and_slot, day_of
from contracts.trading.settlement_model import (
    BILLS,
    CORRECTIONS,
    QUARTERS,
    RETAILER,
    SUBSTITUTED,
    Bill,
    BillTotals,
    Quarter,
    QuarterBill,
    bill_in,
    quarter_in,
    quarters_in,
)
from contracts.trading.terms import DAY_S

UnitDays = Map[tuple[int, int, int], bytes]


class BillStore:
    """The tables of bills and quarters, by what is done to them; days and zones lead their keys."""

    __slots__ = ("bills", "corrections", "quarters", "totals")

    def __init__(
        self,
        bills: UnitDays,
        corrections: UnitDays,
        quarters: Map[tuple[int, int], bytes],
        totals: Map[int, BillTotals],
    ) -> None:
        """Keep the tables by (day, zone, participant), (day, zone) and participant."""
        self.bills = bills
        self.corrections = corrections
        self.quarters = quarters
        self.totals = totals

    def quarter(self, zone: int, quarter_s: int) -> Quarter | None:
        """Return a zone's quarter, or None if its tariffs are not frozen, or no longer kept."""
        day, slot = day_and_slot(quarter_s)
        return quarter_in(self.quarters[day, zone], slot)

    def put_quarter(self, zone: int, quarter_s: int, quarter: Quarter) -> None:
        """Write a zone's quarter."""
        day, slot = day_and_slot(quarter_s)
        self.quarters[day, zone] = QUARTERS.put(self.quarters[day, zone], slot, quarter)

    def quarters_between(self, zone: int, start_s: int, end_s: int) -> Iterator[Quarter]:
        """Yield the quarters of a zone from `start_s` to before `end_s` that are kept."""
        for (day, of_zone), data in self.quarters.items(
            start=day_of(start_s), end=day_of(end_s - 1) + 1
        ):
            if of_zone == zone:
                for slot, quarter in quarters_in(data):
                    if start_s <= day * DAY_S + slot * QUARTER_S < end_s:
                        yield quarter

    def bill(self, zone: int, participant: int, quarter_s: int) -> Bill | None:
        """Return a unit's bill, or None."""
        day, slot = day_and_slot(quarter_s)
        return bill_in(self.bills[day, zone, participant], slot)

    def put_bill(self, zone: int, participant: int, quarter_s: int, bill: Bill) -> None:
        """Write a unit's bill."""
        day, slot = day_and_slot(quarter_s)
        key = day, zone, participant
        self.bills[key] = BILLS.put(self.bills[key], slot, bill)

    def enter_energy(
        self, zone: int, participant: int, quarter_s: int, energy: tuple[int, int, int]
    ) -> None:
        """Write (import, export, flags) into a unit's bill, which begins with them if need be."""
        day, slot = day_and_slot(quarter_s)
        key = day, zone, participant
        data = self.bills[key]
        bill = bill_in(data, slot) or Bill()
        import_wh, export_wh, flags = energy
        values = (import_wh, export_wh, bill.bought_wh, bill.sold_wh, flags)
        self.bills[key] = BILLS.put(data, slot, values)

    def page(
        self, zone: int, quarter_s: int, after: int, limit: int
    ) -> tuple[list[tuple[int, Bill]], int | None]:
        """Return the bills of a quarter among the next `limit` participants of its day.

        The second value is the participant to go on after, None at the end.
        """
        day, slot = day_and_slot(quarter_s)
        found, last, seen = [], after, 0
        for (_, _, participant), data in islice(
            self.bills.items(day, zone, start=after + 1), limit
        ):
            seen, last = seen + 1, participant
            bill = bill_in(data, slot)
            if bill is not None:
                found.append((participant, bill))
        return found, last if seen == limit else None

    def add_correction(self, zone: int, participant: int, quarter_s: int, amount_uthb: int) -> None:
        """Count what a correction brought to a unit, or to its totals if its day is there."""
        day, slot = day_and_slot(quarter_s)
        key = day, zone, participant
        if key not in self.bills:
            held = self.totals[participant]
            self.totals[participant] = replace(
                held, corrected_uthb=held.corrected_uthb + amount_uthb
            )
            return
        data = self.corrections[key]
        before = CORRECTIONS.get(data, slot)
        amount = amount_uthb + (0 if before is None else before[0])
        self.corrections[key] = CORRECTIONS.put(data, slot, (amount,))

    def shown(
        self, day: int, zone: int, participant: int, quarters: bytes
    ) -> Iterator[QuarterBill]:
        """Yield a participant's settled bills of a day as queries show them."""
        key = day, zone, participant
        corrected = dict(CORRECTIONS.items(self.corrections[key]))
        for slot, values in BILLS.items(self.bills[key]):
            quarter = quarter_in(quarters, slot)
            assert quarter is not None, "a bill has its quarter"
            if not quarter.is_closed:
                continue
            bill = Bill(*values).of_zone(quarter)
            is_retailer = bill.flags & RETAILER
            amount = quarter.rates.amount(0 if is_retailer else bill.imbalance_wh)
            yield QuarterBill(
                quarter_s=day * DAY_S + slot * QUARTER_S,
                import_wh=bill.import_wh,
                export_wh=bill.export_wh,
                substituted=bool(bill.flags & SUBSTITUTED),
                bought_wh=bill.bought_wh,
                sold_wh=bill.sold_wh,
                imbalance_wh=bill.imbalance_wh,
                charge_uthb=amount.charge_uthb,
                fee_uthb=amount.fee_uthb,
                due_uthb=amount.due_uthb,
                corrected_uthb=corrected.get(slot, (0,))[0],
            )

    def oldest(self, before_day: int, limit: int) -> list[tuple[int, int, int]]:
        """Return the first (day, zone, participant) of bills before a day."""
        return [key for key, _ in islice(self.bills.items(end=before_day), limit)]

    def retire(self, key: tuple[int, int, int]) -> None:
        """Add a participant's day to its totals."""
        participant = key[2]
        self.totals[participant] = self.added(self.totals[participant], key)
        del self.bills[key]
        if key in self.corrections:
            del self.corrections[key]

    def added(self, totals: BillTotals, key: tuple[int, int, int]) -> BillTotals:
        """Return totals with one more day of bills."""
        day, zone, participant = key
        shown = list(self.shown(day, zone, participant, self.quarters[day, zone]))
        hashes = sha256(self.bills[key]) + sha256(self.corrections[key])
        return BillTotals(
            days=totals.days + 1,
            quarters=totals.quarters + len(shown),
            import_wh=totals.import_wh + sum(one.import_wh for one in shown),
            export_wh=totals.export_wh + sum(one.export_wh for one in shown),
            bought_wh=totals.bought_wh + sum(one.bought_wh for one in shown),
            sold_wh=totals.sold_wh + sum(one.sold_wh for one in shown),
            charge_uthb=totals.charge_uthb + sum(one.charge_uthb for one in shown),
            due_uthb=totals.due_uthb + sum(one.due_uthb for one in shown),
            corrected_uthb=totals.corrected_uthb + sum(one.corrected_uthb for one in shown),
            head=sha256(totals.head + day.to_bytes(4, "big") + hashes),
        )

    def forget_quarters(self, before_day: int) -> None:
        """Delete the quarters of the days before a day; their bills are totals by now."""
        for key, _ in list(self.quarters.items(end=before_day)):
            del self.quarters[key]


RETIRING_STEPS = 8 * SLOTS
"""What retiring a participant's day costs besides reads and writes, in turns of a loop."""
