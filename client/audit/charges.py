"""Charges and payments: from which column of which account, into which pool, and what is told.

Charges come from what is held for the unit, proceeds before margin, then from free credit, account
by account in the order of registration; the rest is arrears. Payments go to the first account, or
wait for one. (MARKET §5.)
"""

from typing import Final, NamedTuple

from client.audit.arrears import Arrears
from client.audit.books import Books, Line
from client.audit.claims import Claims
from client.audit.corrections import Due
from client.audit.directory import Directory, Zone
from client.audit.orders import Unit
from client.audit.quarters import Bill, Quarter
from client.audit.report import Findings
from contracts.kernel.ledger import Column, pool_address
from contracts.trading import settlement_words as words

SETTLEMENT_POOL: Final = pool_address("settlement")
UNCLAIMED_POOL: Final = pool_address("unclaimed")


class Collected(NamedTuple):
    """From where a charge came, in the order of the event's fields."""

    proceeds_uthb: int
    margin_uthb: int
    free_uthb: int
    arrears_uthb: int


class Charges:
    """What moves credit in a settlement; every method returns the event that must tell of it."""

    def __init__(
        self,
        directory: Directory,
        books: Books,
        arrears: Arrears,
        claims: Claims,
        findings: Findings,
    ) -> None:
        """Keep the books; nobody waits for credit yet."""
        self._directory = directory
        self._books = books
        self._arrears = arrears
        self._claims = claims
        self._findings = findings
        self.unclaimed: dict[int, int] = {}

    def settle(
        self, quarter: Quarter, participant: int, place: tuple[int, int], bill: Bill, unit: Unit
    ) -> words.QuarterSettled:
        """Charge or pay a unit, and release what it holds."""
        zone, quarter_s = place
        amount = quarter.amount(bill)
        collected, lines = self._charge(participant, unit, amount.charge_uthb)
        self._post(quarter, lines)
        paid_uthb = amount.due_uthb if quarter.is_solvent else 0
        if paid_uthb:
            self._pay(quarter, participant, paid_uthb)
        self._claims.add(zone, quarter_s, participant, amount.due_uthb - paid_uthb)
        quarter.charged_uthb += amount.charge_uthb
        quarter.fees_uthb += min(amount.fee_uthb, sum(collected[:3]))
        quarter.arrears_uthb += collected.arrears_uthb
        self._check_raised(participant, collected)
        return words.QuarterSettled(
            self._first(participant, zone), participant, zone, quarter_s,
            bill.import_wh, bill.export_wh, bill.substituted, bill.bought_wh, bill.sold_wh,
            bill.imbalance_wh, amount.charge_uthb, amount.fee_uthb, *collected,
            unit.proceeds_uthb - collected.proceeds_uthb,
            unit.margin_uthb - collected.margin_uthb, amount.due_uthb, paid_uthb,
        )  # fmt: skip

    def correct(
        self, run: Quarter, participant: int, zone: int, due: Due
    ) -> words.CorrectionSettled:
        """Charge what a correction costs, or let what it brings be a claim."""
        collected, lines = self._charge(participant, Unit(), max(0, -due.amount_uthb))
        self._post(run, lines)
        self._claims.add(zone, due.start_s, participant, max(0, due.amount_uthb))
        run.arrears_uthb += collected.arrears_uthb
        run.corrected_uthb += due.amount_uthb
        self._check_raised(participant, collected)
        return words.CorrectionSettled(
            self._first(participant, zone), participant, zone, due.start_s, due.end_s,
            due.import_wh, due.export_wh, due.amount_uthb, *collected[2:],
        )  # fmt: skip

    def open_payment(
        self, quarter: Quarter, number: int, zone: Zone, quarter_s: int
    ) -> words.PaymentOpened:
        """Pay the fees on, and fetch from the grid account what the pool lacks."""
        need_uthb = quarter.due_uthb + self._claims.total(number)
        lacking_uthb = max(0, need_uthb + quarter.fees_uthb - quarter.pool_uthb)
        grid_account = zone.terms.grid_account
        fetched_uthb = min(lacking_uthb, self._books.free(grid_account))
        lines = [
            (zone.market_operator, Column.FREE, quarter.fees_uthb),
            (grid_account, Column.FREE, -fetched_uthb),
        ]
        self._post(quarter, lines)
        quarter.grid_uthb -= fetched_uthb
        quarter.is_solvent = quarter.pool_uthb >= need_uthb
        return words.PaymentOpened(
            number, quarter_s, quarter.fees_uthb, fetched_uthb, quarter.is_solvent
        )

    def pay_claim(self, run: Quarter, zone: int) -> words.ClaimPaid:
        """Pay the next claim of the plan."""
        share = run.plan.popleft()
        self._pay(run, share.participant, share.paid_uthb)
        self._claims.add(zone, share.quarter_s, share.participant, -share.paid_uthb)
        run.claims_paid_uthb += share.paid_uthb
        if not run.plan:
            self._claims.plan(zone, run)
        return words.ClaimPaid(
            self._first(share.participant, zone), share.participant, zone, *share[1:]
        )

    def close(
        self, quarter: Quarter, number: int, zone: Zone, quarter_s: int
    ) -> words.TradeSettled:
        """Give the grid account what is left of the pool."""
        quarter.grid_uthb += quarter.pool_uthb
        self._post(quarter, [(zone.terms.grid_account, Column.FREE, quarter.pool_uthb)])
        return words.TradeSettled(
            number, quarter_s, len(quarter.bills), quarter.charged_uthb, quarter.arrears_uthb,
            quarter.fees_uthb, quarter.due_uthb, quarter.corrected_uthb,
            quarter.claims_paid_uthb, quarter.grid_uthb,
        )  # fmt: skip

    def _charge(
        self, participant: int, unit: Unit, charge_uthb: int
    ) -> tuple[Collected, list[Line]]:
        """Return from where a charge comes, and the lines that take it and release the rest."""
        accounts = self._directory.participants[participant].accounts
        lines: list[Line] = []
        left_uthb = charge_uthb
        taken: list[int] = []
        held = ((Column.PROCEEDS, unit.proceeds_uthb), (Column.ASK_MARGIN, unit.margin_uthb))
        for column, held_uthb in held:
            for_unit_uthb = held_uthb
            charged_uthb = min(left_uthb, for_unit_uthb)
            taken.append(charged_uthb)
            left_uthb -= charged_uthb
            for account in accounts:
                there_uthb = min(for_unit_uthb, self._books.held(account, column))
                here_uthb = min(charged_uthb, there_uthb)
                lines.append((account, column, -there_uthb))
                lines.append((account, Column.FREE, there_uthb - here_uthb))
                for_unit_uthb -= there_uthb
                charged_uthb -= here_uthb
            if for_unit_uthb:
                subject = f"participant {participant}: {column.name.lower()}"
                self._findings.differ("held for a unit", subject, for_unit_uthb, 0)
        free_uthb = 0
        for account in accounts:
            part_uthb = min(left_uthb, max(0, self._books.free(account)))
            lines.append((account, Column.FREE, -part_uthb))
            free_uthb += part_uthb
            left_uthb -= part_uthb
        return Collected(taken[0], taken[1], free_uthb, left_uthb), lines

    def _pay(self, quarter: Quarter, participant: int, amount_uthb: int) -> None:
        """Pay out of the pool to a participant's first account, or let it wait for one."""
        accounts = self._directory.participants[participant].accounts
        if not accounts:
            waits_uthb = self.unclaimed.get(participant, 0)
            self.unclaimed[participant] = waits_uthb + amount_uthb
        target = accounts[0] if accounts else UNCLAIMED_POOL
        self._post(quarter, [(target, Column.FREE, amount_uthb)])

    def _post(self, quarter: Quarter, lines: list[Line]) -> None:
        """Post lines against the settlement pool."""
        into_pool_uthb = -sum(amount for _, _, amount in lines)
        quarter.pool_uthb += into_pool_uthb
        self._books.post(*lines, (SETTLEMENT_POOL, Column.FREE, into_pool_uthb))

    def _first(self, participant: int, zone: int) -> bytes:
        """Return the account that the events of a participant are told to."""
        accounts = self._directory.participants[participant].accounts
        return accounts[0] if accounts else self._directory.zones[zone].terms.grid_account

    def _check_raised(self, participant: int, collected: Collected) -> None:
        raised_uthb = self._arrears.raised(participant)
        subject = f"participant {participant}"
        self._findings.compare("arrears raised", subject, collected.arrears_uthb, raised_uthb)
