"""The steps of a quarter's settlement; every step does a bounded part of one phase.

    TRADE ─▶ METER ─▶ CHARGE ─▶ CORRECT ─▶ GAPS ─▶ PAY ─▶ CLAIM ─▶ CLOSE

All charges of the zone are collected before anything is paid out. A unit that is charged, or whose
difference is 0, ends in CHARGE; one that is owed ends in PAY. Each is visited once with money, and
has one event. Sizes of steps change nothing: whatever is shared is decided between phases.

The retailer's difference is −Σ of all others' and moves no money; its unit only ends.
(MARKET §4, §5.)
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from contracts.kernel import Context, Event, Map
from contracts.kernel.ledger import Ledger
from contracts.kernel.rounding import floor_div
from contracts.kernel.types import QUARTER_S
from contracts.trading import settlement_words as words
from contracts.trading.model import Position
from contracts.trading.settlement_claims import Claims
from contracts.trading.settlement_model import (
    RETAILER,
    SUBSTITUTED,
    Bill,
    Phase,
    Quarter,
    Run,
    SettlementRules,
)
from contracts.trading.settlement_needs import (
    Auction,
    Correction,
    Debts,
    Difference,
    Directory,
    Metering,
    Positions,
    Zone,
)
from contracts.trading.settlement_prices import Amount, clearing_price, gap_uthb
from contracts.trading.settlement_store import BillStore
from contracts.trading.settlement_till import Till

# What settling a unit costs besides its reads and writes, in turns of a loop.
UNIT_STEPS: Final = 40
_NO_POSITION: Final = Position()
_NOTHING: Final = Amount()


@dataclass(frozen=True, slots=True)
class Means:
    """What the steps work with: other contracts, and the settlement contract's own doors."""

    ledger: Ledger
    directory: Directory
    metering: Metering
    auction: Auction
    positions: Positions
    debts: Debts
    store: BillStore
    claims: Claims
    unclaimed: Map[int, int]
    emit: Callable[[Event], None]
    charge_steps: Callable[[int], None]


class Steps:
    """One step of one zone's quarter."""

    __slots__ = ("_ctx", "_limit", "_means", "_quarter", "_quarter_s", "_rules", "_zone", "_zone_n")

    def __init__(
        self, means: Means, rules: SettlementRules, ctx: Context, zone: int, quarter_s: int
    ) -> None:
        """Look up the zone and the quarter's prices."""
        quarter = means.store.quarter(zone, quarter_s)
        assert quarter is not None, "a quarter is settled by its tariffs"
        self._means = means
        self._rules = rules
        self._ctx = ctx
        self._zone_n = zone
        self._zone: Zone = means.directory.zone(zone)
        self._quarter_s = quarter_s
        self._quarter: Quarter = quarter
        self._limit = rules.slice_units

    def step(self, run: Run) -> Run | None:
        """Do the next part; returns the run as it is then, or None when all is done."""
        match run.phase:
            case Phase.TRADE:
                return self._trade(run)
            case Phase.METER:
                return self._meter(run)
            case Phase.CHARGE:
                return self._charge(run)
            case Phase.CORRECT:
                return self._correct(run)
            case Phase.GAPS:
                return self._gaps(run)
            case Phase.PAY:
                return self._pay(run)
            case Phase.CLAIM:
                return self._claim(run)
            case Phase.CLOSE:
                self._close(run)
                return None

    # ── What was traded and metered ──

    def _trade(self, run: Run) -> Run:
        means, zone, quarter_s = self._means, self._zone_n, self._quarter_s
        found = means.positions.positions_after(zone, quarter_s, run.after, self._limit)
        means.charge_steps(UNIT_STEPS * len(found))
        for participant, position in found:
            bill = Bill(bought_wh=position.bought_wh, sold_wh=position.sold_wh)
            means.store.put_bill(zone, participant, quarter_s, bill)
        return _going_on(run, found[-1][0] if len(found) == self._limit else None)

    def _meter(self, run: Run) -> Run:
        means, zone, quarter_s = self._means, self._zone_n, self._quarter_s
        energies, more = means.metering.finalise(self._ctx, zone, quarter_s, run.after, self._limit)
        means.charge_steps(UNIT_STEPS * len(energies))
        import_wh, export_wh = run.import_wh, run.export_wh
        for one in energies:
            if one.participant == self._zone.retailer:
                continue
            flags = SUBSTITUTED * one.substituted
            energy = one.import_wh, one.export_wh, flags
            means.store.enter_energy(zone, one.participant, quarter_s, energy)
            import_wh += one.import_wh
            export_wh += one.export_wh
        run = replace(run, import_wh=import_wh, export_wh=export_wh)
        if more is None:
            means.store.enter_energy(zone, self._zone.retailer, quarter_s, (0, 0, RETAILER))
            self._fix_price(run)
        return _going_on(run, more)

    def _fix_price(self, run: Run) -> None:
        means, zone, quarter_s = self._means, self._zone_n, self._quarter_s
        clearing = clearing_price(
            means.auction.prices(zone, quarter_s),
            run.import_wh,
            self._rules.clearing_wh,
            self._rules.clearing_ppm,
        )
        quarter = self._quarter.settled_by(clearing, run.import_wh, run.export_wh)
        means.store.put_quarter(zone, quarter_s, quarter)
        means.emit(
            words.EnergyDelivered(
                zone, quarter_s, run.import_wh, run.export_wh,
                quarter.price_whole, quarter.price_rest, quarter.price_of_wh,
            )
        )  # fmt: skip

    # ── What is charged and paid ──

    def _charge(self, run: Run) -> Run:
        bills, more = self._means.store.page(self._zone_n, self._quarter_s, run.after, self._limit)
        rates = self._quarter.rates
        owing: list[tuple[int, Bill, Amount]] = []
        due_uthb = run.due_uthb
        for participant, bill in bills:
            if bill.flags & RETAILER:
                owing.append((participant, bill.of_zone(self._quarter), _NOTHING))
                continue
            amount = rates.amount(bill.imbalance_wh)
            if bill.imbalance_wh > 0:
                due_uthb += amount.due_uthb
            else:
                owing.append((participant, bill, amount))
        run = self._end_units(replace(run, due_uthb=due_uthb, units=run.units + len(bills)), owing)
        return _going_on(run, more)

    def _pay(self, run: Run) -> Run:
        bills, more = self._means.store.page(self._zone_n, self._quarter_s, run.after, self._limit)
        rates = self._quarter.rates
        owed = [
            (participant, bill, rates.amount(bill.imbalance_wh))
            for participant, bill in bills
            if bill.imbalance_wh > 0 and not bill.flags & RETAILER
        ]
        run = self._end_units(run, owed)
        if more is None:
            self._means.emit(words.PaymentCompleted(self._zone_n, self._quarter_s))
            return self._means.claims.begin(self._zone_n, _going_on(run, None))
        return _going_on(run, more)

    def _end_units(self, run: Run, units: list[tuple[int, Bill, Amount]]) -> Run:
        """Charge or pay units, release what they hold, and forget them, by one posting."""
        means, zone, quarter_s = self._means, self._zone_n, self._quarter_s
        till = Till(means.ledger, means.unclaimed)
        means.charge_steps(UNIT_STEPS * len(units))
        events: list[words.QuarterSettled] = []
        charged_uthb = fees_uthb = arrears_uthb = 0
        for participant, bill, amount in units:
            position = means.positions.take_unit(zone, participant, quarter_s)
            accounts = means.directory.accounts(participant)
            collected = till.settle(accounts, position, amount.charge_uthb)
            paid_uthb = amount.due_uthb if run.solvent else 0
            if paid_uthb:
                till.pay(participant, accounts, paid_uthb)
            means.claims.add(zone, quarter_s, participant, amount.due_uthb - paid_uthb)
            charged_uthb += amount.charge_uthb
            fees_uthb += min(amount.fee_uthb, collected.total_uthb)
            arrears_uthb += collected.arrears_uthb
            events.append(
                words.QuarterSettled(
                    accounts[0] if accounts else self._zone.grid_account,
                    participant, zone, quarter_s, bill.import_wh, bill.export_wh,
                    bool(bill.flags & SUBSTITUTED), bill.bought_wh, bill.sold_wh,
                    bill.imbalance_wh, amount.charge_uthb, amount.fee_uthb, *collected,
                    position.proceeds_uthb - collected.proceeds_uthb,
                    position.margin_uthb - collected.margin_uthb, amount.due_uthb, paid_uthb,
                )
            )  # fmt: skip
        change_uthb = till.post()
        for event in events:
            if event.arrears_uthb:
                means.debts.add(event.participant, event.arrears_uthb)
            means.emit(event)
        return replace(
            run,
            pool_uthb=run.pool_uthb + change_uthb,
            charged_uthb=run.charged_uthb + charged_uthb,
            fees_uthb=run.fees_uthb + fees_uthb,
            arrears_uthb=run.arrears_uthb + arrears_uthb,
        )

    # ── What was corrected ──

    def _correct(self, run: Run) -> Run:
        found = self._means.metering.pending_corrections(self._zone_n, self._limit)
        for (participant, quarter_s), correction in found:
            run = self._correction(run, participant, quarter_s, correction)
            self._means.metering.correction_taken(self._zone_n, participant, quarter_s)
        return run if len(found) == self._limit else _going_on(run, None)

    def _correction(
        self, run: Run, participant: int, quarter_s: int, correction: Correction
    ) -> Run:
        store, zone = self._means.store, self._zone_n
        bill, quarter = store.bill(zone, participant, quarter_s), store.quarter(zone, quarter_s)
        if bill is None or quarter is None or bill.flags & RETAILER:
            return run
        old = bill._replace(import_wh=correction.old_import_wh, export_wh=correction.old_export_wh)
        new = bill._replace(import_wh=correction.new_import_wh, export_wh=correction.new_export_wh)
        amount_uthb = quarter.rates.correction_uthb(
            old.imbalance_wh, new.imbalance_wh, was_substituted=correction.old_substituted
        )
        changed_wh = new.import_wh - old.import_wh, new.export_wh - old.export_wh
        span_s = quarter_s, quarter_s + QUARTER_S
        return self._settle_change(run, participant, span_s, changed_wh, amount_uthb)

    def _gaps(self, run: Run) -> Run:
        found = self._means.metering.pending_differences(self._zone_n, self._limit)
        for (participant, first_s), difference in found:
            run = self._gap(run, participant, first_s, difference)
            self._means.metering.difference_taken(self._zone_n, participant, first_s)
        return run if len(found) == self._limit else self._open_payment(_going_on(run, None))

    def _gap(self, run: Run, participant: int, first_s: int, difference: Difference) -> Run:
        if participant == self._zone.retailer:
            return run
        self._means.charge_steps(floor_div(difference.end_s - first_s, QUARTER_S))
        kept = self._means.store.quarters_between(self._zone_n, first_s, difference.end_s)
        rates = [quarter.rates for quarter in kept] or [self._quarter.rates]
        changed_wh = difference.import_wh, difference.export_wh
        amount_uthb = gap_uthb(rates, *changed_wh)
        span_s = first_s, difference.end_s
        return self._settle_change(run, participant, span_s, changed_wh, amount_uthb)

    def _settle_change(
        self, run: Run, participant: int, span_s: tuple[int, int], changed_wh: tuple[int, int],
        amount_uthb: int,
    ) -> Run:  # fmt: skip
        """Charge what a change costs, or let it be a claim, which this settlement pays."""
        means, zone = self._means, self._zone_n
        means.charge_steps(UNIT_STEPS)
        accounts = means.directory.accounts(participant)
        till = Till(means.ledger, means.unclaimed)
        collected = till.settle(accounts, _NO_POSITION, max(0, -amount_uthb))
        change_uthb = till.post()
        if collected.arrears_uthb:
            means.debts.add(participant, collected.arrears_uthb)
        means.claims.add(zone, span_s[0], participant, max(0, amount_uthb))
        means.store.add_correction(zone, participant, span_s[0], amount_uthb)
        means.emit(
            words.CorrectionSettled(
                accounts[0] if accounts else self._zone.grid_account, participant, zone, *span_s,
                *changed_wh, amount_uthb, collected.free_uthb, collected.arrears_uthb,
            )
        )  # fmt: skip
        return replace(
            run,
            pool_uthb=run.pool_uthb + change_uthb,
            arrears_uthb=run.arrears_uthb + collected.arrears_uthb,
            corrected_uthb=run.corrected_uthb + amount_uthb,
        )

    # ── What the grid account pays ──

    def _open_payment(self, run: Run) -> Run:
        """Pay the fees on, and fetch from the grid account what the pool lacks, if it is there."""
        means, grid_account = self._means, self._zone.grid_account
        need_uthb = run.due_uthb + means.claims.total(self._zone_n)
        lacking_uthb = max(0, need_uthb + run.fees_uthb - run.pool_uthb)
        fetched_uthb = min(lacking_uthb, means.ledger.free(grid_account))
        till = Till(means.ledger, means.unclaimed)
        till.give(self._zone.market_operator, run.fees_uthb)
        till.give(grid_account, -fetched_uthb)
        pool_uthb = run.pool_uthb + till.post()
        solvent = pool_uthb >= need_uthb
        means.emit(
            words.PaymentOpened(self._zone_n, self._quarter_s, run.fees_uthb, fetched_uthb, solvent)
        )
        return replace(
            run,
            pool_uthb=pool_uthb,
            grid_uthb=run.grid_uthb - fetched_uthb,
            solvent=solvent,
        )

    def _claim(self, run: Run) -> Run:
        means, zone, quarter_s = self._means, self._zone_n, run.claim_quarter_s
        till = Till(means.ledger, means.unclaimed)
        found = list(means.claims.shares(zone, run, self._limit))
        means.charge_steps(UNIT_STEPS * len(found))
        for participant, claim, share in found:
            accounts = means.directory.accounts(participant)
            till.pay(participant, accounts, share)
            means.claims.add(zone, quarter_s, participant, -share)
            account = accounts[0] if accounts else self._zone.grid_account
            means.emit(words.ClaimPaid(account, participant, zone, quarter_s, share, claim - share))
        run = replace(
            run,
            after=found[-1][0] if found else run.after,
            pool_uthb=run.pool_uthb + till.post(),
            claims_paid_uthb=run.claims_paid_uthb + sum(share for _, _, share in found),
            claim_passed_uthb=run.claim_passed_uthb + sum(claim for _, claim, _ in found),
        )
        return run if len(found) == self._limit else means.claims.begin(zone, run)

    def _close(self, run: Run) -> None:
        """Return what is left in the pool, and tell what the quarter came to."""
        means, zone, quarter_s = self._means, self._zone_n, self._quarter_s
        grid_account, claims_uthb = self._zone.grid_account, means.claims.total(zone)
        till = Till(means.ledger, means.unclaimed)
        till.give(grid_account, run.pool_uthb)
        till.post()
        means.store.put_quarter(zone, quarter_s, self._quarter._replace(is_closed=1))
        means.auction.close_quarter(zone, quarter_s)
        means.emit(
            words.TradeSettled(
                zone, quarter_s, run.units, run.charged_uthb, run.arrears_uthb, run.fees_uthb,
                run.due_uthb, run.corrected_uthb, run.claims_paid_uthb,
                run.grid_uthb + run.pool_uthb,
            )
        )  # fmt: skip
        free_uthb, minimum_uthb = means.ledger.free(grid_account), self._rules.grid_minimum_uthb
        if free_uthb < minimum_uthb or claims_uthb:
            means.emit(
                words.GridAccountLow(grid_account, zone, free_uthb, minimum_uthb, claims_uthb)
            )


def _going_on(run: Run, after: int | None) -> Run:
    """Return the run with the same phase further on, or at the beginning of the next."""
    if after is None:
        return replace(run, phase=Phase(run.phase + 1), after=0)
    return replace(run, after=after)
