"""Settlement: every bill, charge and payment worked out again, and compared with what was told.

A quarter of a zone goes through fixed stages, which its events mark: `TariffsFrozen`; then
`EnergyDelivered`, when bills and price are fixed; a `QuarterSettled` for each unit that owes;
`CorrectionSettled`; `PaymentOpened`, when the grid account adds what the pool lacks; a
`QuarterSettled` for each unit that is owed; `PaymentCompleted`; claims; `TradeSettled`. At each the
accountant knows what must be said and moves its own credit by its own figures. (MARKET §4, §5.)
"""

from collections.abc import Callable
from typing import Any, Final

from chain.genesis import Genesis
from client.audit.amounts import clearing_price
from client.audit.arrears import Arrears
from client.audit.books import Books
from client.audit.charges import UNCLAIMED_POOL, Charges
from client.audit.claims import Claims
from client.audit.corrections import Corrections
from client.audit.directory import QUARTER_S, Directory
from client.audit.energy import Energy
from client.audit.orders import Unit
from client.audit.quarters import Bill, Quarter
from client.audit.report import Findings
from client.audit.trades import Trades
from contracts.kernel import Event
from contracts.kernel.ledger import Column
from contracts.trading import settlement_words as words
from contracts.trading.settlement_model import SettlementRules

Place = tuple[int, int]


class Settlement:
    """All quarters by (zone, start)."""

    def __init__(
        self,
        genesis: Genesis,
        directory: Directory,
        books: Books,
        arrears: Arrears,
        energy: Energy,
        trades: Trades,
        findings: Findings,
    ) -> None:
        """Read the rules of genesis."""
        self._rules = SettlementRules.from_wire(genesis.sections["settlement"]["rules"])
        self._directory = directory
        self._books = books
        self._energy = energy
        self._trades = trades
        self._findings = findings
        self.quarters: dict[Place, Quarter] = {}
        self.claims = Claims(findings)
        self.charges = Charges(directory, books, arrears, self.claims, findings)
        self.corrections = Corrections(self.quarters, energy, findings)
        self.settled = Unit()
        self.short_wh = self.long_wh = 0
        self._alarms: dict[int, words.GridAccountLow] = {}

    def hear(self, event: Event, now_s: int) -> None:
        """Take note of an event of settlement; all others are no concern."""
        hear = _HEARD.get(type(event))
        if hear is not None:
            hear(self, event, now_s)

    def end_deed(self) -> None:
        """Note alarms of grid accounts that nobody raised."""
        for zone, alarm in self._alarms.items():
            self._findings.differ("alarm of a grid account", f"zone {zone}", alarm, None)
        self._alarms.clear()

    def quarter(self, event: Any) -> Quarter:  # noqa: ANN401 - any event of a quarter
        """Return the quarter that an event speaks of; raises KeyError."""
        return self.quarters[event.zone, event.quarter_s]

    # ── Tariffs, energy, prices ──

    def frozen(self, event: words.TariffsFrozen, _: int) -> None:
        """Compare tariffs with those of the zone's first market."""
        place = event.zone, event.quarter_s
        terms = self._trades.first_terms(event.zone)
        expected = (0, 0, 0)
        if terms is not None:
            expected = (terms.import_per_wh, terms.feed_in_per_wh, terms.fee_per_wh)
        found = (event.import_per_wh, event.feed_in_per_wh, event.fee_per_wh)
        self._findings.compare("tariffs", f"zone, quarter {place}", expected, found)
        if place in self.quarters:
            self._findings.differ("tariffs", f"zone, quarter {place}", "frozen once", "again")
            return
        self.quarters[place] = Quarter(*expected)

    def delivered(self, event: words.EnergyDelivered, now_s: int) -> None:
        """Fix bills and price of a quarter, and compare them with what is told."""
        quarter, place = self.quarter(event), (event.zone, event.quarter_s)
        subject, compare = f"zone, quarter {place}", self._findings.compare
        final_s = event.quarter_s + QUARTER_S + self._energy.rules.final_s
        if now_s < final_s:
            self._findings.differ("settled too early", subject, final_s, now_s)
        compare("delivered", subject, False, quarter.is_delivered)
        products = list(self._trades.products_of(*place))
        compare("products ended", subject, True, all(one.is_finished for one in products))
        quarter.is_delivered = True
        self._make_bills(quarter, *place)
        outcomes = [one.outcome for one in products if one.outcome is not None]
        trades = [(one.price_per_wh or 0, one.volume_wh) for one in outcomes]
        rules = self._rules.clearing_wh, self._rules.clearing_ppm
        quarter.price = clearing_price(trades, quarter.import_wh, *rules)
        expected = (quarter.import_wh, quarter.export_wh, *quarter.price_parts)
        price_told = (event.price_whole, event.price_rest, event.price_of_wh)
        found = (event.import_wh, event.export_wh, *price_told)
        compare("energy and price of a quarter", subject, expected, found)

    def _make_bills(self, quarter: Quarter, zone: int, quarter_s: int) -> None:
        """Make the bills: all that are metered or traded, and the retailer's."""
        retailer = self._directory.zones[zone].retailer
        traded = self._trades.traded(zone, quarter_s)
        bills = quarter.bills
        for participant, meter in self._directory.settlement_meters(zone, quarter_s):
            slot = self._energy.billed_slot(meter, quarter_s)
            if slot is None or participant == retailer:
                continue
            unit = traded.get(participant, Unit())
            bills[participant] = Bill(
                *slot[:2], slot.is_substitute, unit.bought_wh, unit.sold_wh, False
            )
        quarter.import_wh = sum(bill.import_wh for bill in bills.values())
        quarter.export_wh = sum(bill.export_wh for bill in bills.values())
        for participant, unit in traded.items():
            if participant not in bills and participant != retailer:
                bills[participant] = Bill(0, 0, False, unit.bought_wh, unit.sold_wh, False)
        unit = traded.get(retailer, Unit())
        bills[retailer] = Bill(
            quarter.export_wh, quarter.import_wh, False, unit.bought_wh, unit.sold_wh, True
        )
        quarter.unsettled = set(bills)
        quarter.due_uthb = sum(quarter.amount(bill).due_uthb for bill in bills.values())
        self._energy.billed.add((zone, quarter_s))
        subject = f"zone, quarter {(zone, quarter_s)}"
        total_wh = sum(bill.imbalance_wh for bill in bills.values())
        self._findings.compare("Σ metered = Σ contracted", subject, 0, total_wh)

    # ── Units ──

    def settled_unit(self, event: words.QuarterSettled, _: int) -> None:
        """Charge or pay a unit by its bill, and compare all that is told of it."""
        quarter, place = self.quarter(event), (event.zone, event.quarter_s)
        self._findings.counts.settlements += 1
        subject = f"participant {event.participant} quarter {event.quarter_s}"
        if event.participant not in quarter.unsettled:
            self._findings.differ("settled unit", subject, "one that is open", event, event.account)
            return
        quarter.unsettled.discard(event.participant)
        bill = quarter.bills[event.participant]
        unit = self._trades.take_unit(event.participant, *place)
        self.settled.bought_wh += unit.bought_wh
        self.settled.sold_wh += unit.sold_wh
        if not bill.is_retailer:
            self.short_wh += max(0, -bill.imbalance_wh)
            self.long_wh += max(0, bill.imbalance_wh)
        stage = bill.imbalance_wh > 0 and not bill.is_retailer
        self._findings.compare("stage of a unit", subject, stage, quarter.is_opened)
        expected = self.charges.settle(quarter, event.participant, place, bill, unit)
        compare_fields("settled unit", subject, expected, event, self._findings)

    def corrected(self, event: words.CorrectionSettled, now_s: int) -> None:
        """Settle a correction or a gap's difference."""
        run = self._run_of(event.zone)
        due = None if run is None else self.corrections.take(event, run, now_s)
        subject = f"participant {event.participant} quarter {event.quarter_s}"
        if due is None or run is None:
            self._findings.differ("correction", subject, None, event, event.account)
            return
        expected = self.charges.correct(run, event.participant, event.zone, due)
        compare_fields("correction", subject, expected, event, self._findings)

    # ── Payment ──

    def opened(self, event: words.PaymentOpened, _: int) -> None:
        """Let the grid account add what the pool lacks, and pay the market's fees on."""
        quarter, zone = self.quarter(event), self._directory.zones[event.zone]
        subject = f"zone, quarter {(event.zone, event.quarter_s)}"
        left = [
            participant
            for participant in sorted(quarter.unsettled)
            if quarter.bills[participant].imbalance_wh <= 0
            or quarter.bills[participant].is_retailer
        ]
        self._findings.compare("units not charged", subject, [], left)
        quarter.is_opened = True
        expected = self.charges.open_payment(quarter, event.zone, zone, event.quarter_s)
        compare_fields("payment", subject, expected, event, self._findings)

    def completed(self, event: words.PaymentCompleted, _: int) -> None:
        """Check that all units are settled, and plan how claims are paid."""
        quarter = self.quarter(event)
        subject = f"zone, quarter {(event.zone, event.quarter_s)}"
        self._findings.compare("units not settled", subject, [], sorted(quarter.unsettled))
        self.claims.plan(event.zone, quarter)

    def claim_paid(self, event: words.ClaimPaid, _: int) -> None:
        """Pay a claim, or a part of it."""
        run = self._run_of(event.zone)
        subject = f"participant {event.participant} quarter {event.quarter_s}"
        if run is None or not run.plan:
            self._findings.differ("claim", subject, None, event, event.account)
            return
        expected = self.charges.pay_claim(run, event.zone)
        compare_fields("claim", subject, expected, event, self._findings)

    def closed(self, event: words.TradeSettled, _: int) -> None:
        """Give the grid account what is left, and compare the sums of the quarter."""
        quarter, zone = self.quarter(event), self._directory.zones[event.zone]
        subject = f"zone, quarter {(event.zone, event.quarter_s)}"
        compare = self._findings.compare
        compare("claims not paid", subject, 0, len(quarter.plan))
        expected = self.charges.close(quarter, event.zone, zone, event.quarter_s)
        compare_fields("quarter", subject, expected, event, self._findings)
        quarter.is_closed = True
        grid_account = zone.terms.grid_account
        free_uthb, least_uthb = self._books.free(grid_account), self._rules.grid_minimum_uthb
        claims_uthb = self.claims.total(event.zone)
        if free_uthb < least_uthb or claims_uthb:
            self._alarms[event.zone] = words.GridAccountLow(
                grid_account, event.zone, free_uthb, least_uthb, claims_uthb
            )

    def alarmed(self, event: words.GridAccountLow, _: int) -> None:
        """Compare an alarm with the grid account's balance."""
        expected = self._alarms.pop(event.zone, None)
        self._findings.compare("alarm of a grid account", f"zone {event.zone}", expected, event)

    def taken(self, event: words.UnclaimedTaken, _: int) -> None:
        """Pay out what waited for a participant's first account."""
        waits_uthb = self.charges.unclaimed.pop(event.participant, 0)
        owner = self._directory.participant_of.get(event.account)
        subject, compare = f"participant {event.participant}", self._findings.compare
        compare("unclaimed", subject, waits_uthb, event.amount_uthb, event.account)
        compare("unclaimed by", subject, event.participant, owner, event.account)
        self._books.post(
            (UNCLAIMED_POOL, Column.FREE, -waits_uthb),
            (event.account, Column.FREE, waits_uthb),
        )

    def _run_of(self, zone: int) -> Quarter | None:
        """Return the zone's quarter that is being settled."""
        under_way = [
            (quarter_s, one)
            for (of_zone, quarter_s), one in self.quarters.items()
            if of_zone == zone and one.is_delivered and not one.is_closed
        ]
        return min(under_way, key=lambda one: one[0])[1] if under_way else None


def compare_fields(
    what: str, subject: str, expected: Event, found: Event, findings: Findings
) -> None:
    """Note each field in which two events of a kind differ."""
    account = getattr(found, "account", None)
    for name in type(found).shape.names:
        one, other = getattr(expected, name), getattr(found, name)
        findings.compare(what, f"{subject}: {name}", one, other, account)


_HEARD: Final[dict[type[Event], Callable[[Settlement, Any, int], None]]] = {
    words.TariffsFrozen: Settlement.frozen,
    words.EnergyDelivered: Settlement.delivered,
    words.QuarterSettled: Settlement.settled_unit,
    words.CorrectionSettled: Settlement.corrected,
    words.PaymentOpened: Settlement.opened,
    words.PaymentCompleted: Settlement.completed,
    words.ClaimPaid: Settlement.claim_paid,
    words.TradeSettled: Settlement.closed,
    words.GridAccountLow: Settlement.alarmed,
    words.UnclaimedTaken: Settlement.taken,
}
