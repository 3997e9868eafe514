"""The comparison of settlement: bills, prices, claims, debts, and what waits, item by item."""

from client.audit.accountant import Accountant
from client.audit.pairs import both
from client.audit.quarters import Bill, Quarter
from client.audit.report import Findings
from contracts.registry import Registry
from contracts.trading.settlement_model import BILLS, RETAILER, SUBSTITUTED, quarters_in

DAY_S = 86_400
QUARTER_S = 900
QUARTER_FIELDS = (
    "import price", "feed-in price", "fee", "p*", "rest of p*", "Wh of p*", "import Wh",
    "export Wh", "closed",
)  # fmt: skip
BILL_FIELDS = ("import Wh", "export Wh", "bought Wh", "sold Wh", "flags")
UnitQuarter = tuple[int, int, int]


def compare_settlement(accountant: Accountant, state: Registry, findings: Findings) -> None:
    """Note every item of settlement in which the books and the state differ."""
    settlement, arrears = accountant.settlement, accountant.arrears
    _compare_quarters(accountant, state, findings)
    _compare_bills(accountant, state, findings)
    claims = dict(state.settlement.claims.items())
    for key, claim, held in both(settlement.claims.claims, claims):
        findings.compare("claim", f"zone, quarter, participant {key}", claim or 0, held or 0)
    unclaimed = dict(state.settlement.unclaimed.items())
    for participant, waits, kept in both(settlement.charges.unclaimed, unclaimed):
        findings.compare("unclaimed", f"participant {participant}", waits or 0, kept or 0)
    for participant, owed, debt in both(arrears.debts, dict(state.arrears.debts.items())):
        findings.compare("arrears", f"participant {participant}", owed or 0, debt or 0)
    _compare_waiting(accountant, state, findings)


def _compare_quarters(accountant: Accountant, state: Registry, findings: Findings) -> None:
    found = {
        (zone, day * DAY_S + slot * QUARTER_S): tuple(quarter)
        for (day, zone), data in state.settlement.quarters.items()
        for slot, quarter in quarters_in(data)
    }
    first_day = min((quarter_s // DAY_S for _, quarter_s in found), default=0)
    expected = {
        place: _shown(quarter)
        for place, quarter in accountant.settlement.quarters.items()
        if place[1] // DAY_S >= first_day
    }
    for place, one, other in both(expected, found):
        subject = f"zone, quarter {place}"
        missing = (None,) * len(QUARTER_FIELDS)
        for name, a, b in zip(QUARTER_FIELDS, one or missing, other or missing, strict=True):
            findings.compare("quarter", f"{subject}: {name}", a, b)


def _shown(quarter: Quarter) -> tuple[int, ...]:
    """Return a quarter in the order in which the chain keeps it."""
    tariffs = (quarter.import_per_wh, quarter.feed_in_per_wh, quarter.fee_per_wh)
    energy = (quarter.import_wh, quarter.export_wh)
    return (*tariffs, *quarter.price_parts, *energy, int(quarter.is_closed))


def _compare_bills(accountant: Accountant, state: Registry, findings: Findings) -> None:
    """Compare the bills that the state keeps; those of older days are in totals by now."""
    found: dict[UnitQuarter, tuple[int, ...]] = {}
    for (day, zone, participant), data in state.settlement.bills.items():
        for slot, values in BILLS.items(data):
            found[zone, day * DAY_S + slot * QUARTER_S, participant] = values
    kept_days = {key[1] // DAY_S for key in found}
    expected: dict[UnitQuarter, tuple[int, ...]] = {}
    older: dict[int, list[int]] = {}
    for (zone, quarter_s), quarter in accountant.settlement.quarters.items():
        for participant, bill in quarter.bills.items():
            if quarter_s // DAY_S in kept_days:
                expected[zone, quarter_s, participant] = _kept(bill)
            else:
                _add(older.setdefault(participant, [0] * 6), quarter, bill)
    missing = (None,) * len(BILL_FIELDS)
    for key, one, other in both(expected, found):
        subject = f"zone, quarter, participant {key}"
        for name, a, b in zip(BILL_FIELDS, one or missing, other or missing, strict=True):
            findings.compare("bill", f"{subject}: {name}", a, b)
    totals = {
        participant: [
            one.import_wh, one.export_wh, one.bought_wh, one.sold_wh, one.charge_uthb,
            one.due_uthb,
        ]
        for participant, one in state.settlement.totals.items()
    }  # fmt: skip
    for participant, sums, kept in both(older, totals):
        findings.compare("bills before the window", f"participant {participant}", sums, kept)


def _kept(bill: Bill) -> tuple[int, ...]:
    """Return a bill in the order in which the chain keeps it, the retailer's without energy."""
    flags = SUBSTITUTED * bill.substituted | RETAILER * bill.is_retailer
    metered = (0, 0) if bill.is_retailer else (bill.import_wh, bill.export_wh)
    return (*metered, bill.bought_wh, bill.sold_wh, flags)


def _add(sums: list[int], quarter: Quarter, bill: Bill) -> None:
    amount = quarter.amount(bill)
    energy = (bill.import_wh, bill.export_wh, bill.bought_wh, bill.sold_wh)
    for place, value in enumerate((*energy, amount.charge_uthb, amount.due_uthb)):
        sums[place] += value


def _compare_waiting(accountant: Accountant, state: Registry, findings: Findings) -> None:
    """Compare the corrections and differences that no settlement has taken yet."""
    corrections = {
        key: (*old[:2], old.is_substitute, *new[:2])
        for key, (old, new) in accountant.energy.corrections.items()
    }
    held = {
        (zone, participant, quarter_s): (
            one.old_import_wh, one.old_export_wh, one.old_substituted,
            one.new_import_wh, one.new_export_wh,
        )
        for (zone, participant, quarter_s), one in state.metering.corrections.items()
        if one is not None
    }  # fmt: skip
    for key, correction, kept in both(corrections, held):
        subject = f"zone, participant, quarter {key}"
        findings.compare("waiting correction", subject, correction, kept)
    gaps = {key: tuple(gap) for key, gap in accountant.energy.differences.items()}
    differences = {
        key: (one.end_s, one.import_wh, one.export_wh)
        for key, one in state.metering.differences.items()
        if one is not None
    }
    for key, gap, difference in both(gaps, differences):
        findings.compare("waiting gap", f"zone, participant, quarter {key}", gap, difference)
