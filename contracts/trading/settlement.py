"""Settlement: what every unit pays or receives for what it metered and did not trade.

    tariffs frozen ─── delivery ─── provisional statement ─── final deadline ─▶ step … step ─▶ done
         −24 h            0              + 15 min                 + 2 h

At a quarter's final deadline each of its zones has a run, which goes on step by step until all
units are charged, paid and forgotten (`contracts/trading/settlement_steps.py`). A zone without a
market has no tariffs: its energy becomes final, and is settled at 0.

Settlement never refuses. What a participant cannot pay becomes arrears, what the grid account
cannot pay becomes claims, and a participant without an account finds its credit `unclaimed`.
(MARKET §4, §5.)
"""

from typing import Annotated, Final

from contracts.kernel import (
    Cell,
    Context,
    Contract,
    Items,
    Lane,
    Map,
    Scheduler,
    call,
    genesis,
    invariant,
    query,
    unit,
)
from contracts.kernel.daybook import SLOTS
from contracts.kernel.host import Host
from contracts.kernel.ledger import Column, Entry, Ledger
from contracts.kernel.rounding import floor_mod
from contracts.kernel.types import QUARTER_S, U16, U32, TimeS, Uthb
from contracts.trading import settlement_audit as audit
from contracts.trading import settlement_words as words
from contracts.trading.model import day_of
from contracts.trading.settlement_claims import Claims
from contracts.trading.settlement_model import (
    NEW_RUN,
    NO_BILLS,
    SETTLEMENT_POOL,
    UNCLAIMED_POOL,
    BillBytes,
    BillTotals,
    CorrectionBytes,
    Quarter,
    QuarterBill,
    QuarterBytes,
    QuarterPrices,
    Run,
    SettlementRules,
)
from contracts.trading.settlement_needs import (
    Auction,
    Debts,
    Directory,
    Markets,
    Metering,
    Positions,
)
from contracts.trading.settlement_steps import Means, Steps
from contracts.trading.settlement_store import RETIRING_STEPS, BillStore
from contracts.trading.terms import DAY_S

# Days of participants that one unit of due work retires.
SLICE_RETIRED: Final = 128


class Settlement(Contract, name="settlement", number=0x33, lane=Lane.MARKET, vocabulary=(words,)):
    """Bills, prices and payments of every participant's quarters."""

    bills = Map[tuple[U32, U16, U32], BillBytes](id=0x3301, default=b"")
    corrections = Map[tuple[U32, U16, U32], CorrectionBytes](id=0x3302, default=b"")
    quarters = Map[tuple[U32, U16], QuarterBytes](id=0x3303, default=b"")
    totals = Map[U32, BillTotals](id=0x3304, default=NO_BILLS)
    runs = Map[tuple[U16, TimeS], Run | None](id=0x3305, default=None)
    claims = Map[tuple[U16, TimeS, U32], Uthb](id=0x3306, default=0)
    claims_by_quarter = Map[tuple[U16, TimeS], Uthb](id=0x3307, default=0)
    claims_by_zone = Map[U16, Uthb](id=0x3308, default=0)
    unclaimed = Map[U32, Uthb](id=0x3309, default=0)
    rules = Cell[SettlementRules | None](id=0x330A, default=None)

    def __init__(  # noqa: PLR0913, PLR0917 - one more than usual, each for one thing
        self,
        host: Host,
        schedule: Scheduler,
        ledger: Ledger,
        directory: Directory,
        metering: Metering,
        markets: Markets,
        auction: Auction,
        positions: Positions,
        debts: Debts,
    ) -> None:
        """Keep what settlement works with."""
        super().__init__(host)
        self._schedule = schedule
        self._markets = markets
        self._store = BillStore(self.bills, self.corrections, self.quarters, self.totals)
        self._means = Means(
            ledger,
            directory,
            metering,
            auction,
            positions,
            debts,
            self._store,
            Claims(self.claims, self.claims_by_quarter, self.claims_by_zone),
            self.unclaimed,
            self.emit,
            self.charge_steps,
        )

    @genesis
    def set_up(self, rules: SettlementRules, first_quarter_s: TimeS | None) -> None:
        """Fix the rules, and settle every quarter from this one on; without one, none."""
        self.rules.set(rules)
        self._means.debts.set_limit(rules.arrears_limit_uthb)
        if first_quarter_s is None:
            return
        if floor_mod(first_quarter_s, QUARTER_S) != 0:
            msg = "first_quarter_s is not a multiple of 900"
            raise ValueError(msg)
        self._await_freeze(first_quarter_s)
        self._await_final(first_quarter_s)
        self._await_retirement(day_of(first_quarter_s))

    # ── Due work ──

    @unit
    def freeze(self, ctx: Context, quarter_s: TimeS) -> None:  # noqa: ARG002 - units take one
        """Fix the tariffs of a quarter in every zone, and come back for the next."""
        zone = self._means.directory.next_zone(None)
        while zone is not None:
            self._freeze(zone, quarter_s)
            zone = self._means.directory.next_zone(zone)
        self._await_freeze(quarter_s + QUARTER_S)

    @unit
    def begin(self, ctx: Context, quarter_s: TimeS) -> None:
        """Begin to settle a quarter in every zone, and come back for the next.

        A zone that was added after the tariffs were frozen has those of now.
        """
        zone = self._means.directory.next_zone(None)
        while zone is not None:
            if self._store.quarter(zone, quarter_s) is None:
                self._freeze(zone, quarter_s)
            self._schedule.at_market_time(ctx.market_time_s, self.settle, zone, quarter_s)
            zone = self._means.directory.next_zone(zone)
        self._await_final(quarter_s + QUARTER_S)

    @unit
    def settle(self, ctx: Context, zone: U16, quarter_s: TimeS) -> None:
        """Do the next step of a quarter's settlement, and come back until it is done."""
        quarter = self._store.quarter(zone, quarter_s)
        if quarter is None or quarter.is_closed:
            return
        if not self._means.auction.is_finished(zone, quarter_s):
            self.emit(words.SettlementDelayed(zone, quarter_s))
            later_s = ctx.market_time_s + QUARTER_S
            self._schedule.at_market_time(later_s, self.settle, zone, quarter_s)
            return
        if self._step(ctx, zone, quarter_s) is not None:
            due_s = self._means.metering.final_s(quarter_s)
            self._schedule.at_market_time(due_s, self.settle, zone, quarter_s)

    @unit
    def retire_bills(self, ctx: Context, day: U32) -> None:
        """Turn days of bills up to one that is older than the window into totals."""
        keys = self._store.oldest(day + 1, SLICE_RETIRED)
        self.charge_steps(RETIRING_STEPS * len(keys))
        for key in keys:
            self._store.retire(key)
        if len(keys) == SLICE_RETIRED:
            self._schedule.at_market_time(ctx.market_time_s, self.retire_bills, day)
            return
        self._store.forget_quarters(day + 1)
        self._await_retirement(day + 1)

    # ── Calls ──

    @call
    def settle_trades(self, ctx: Context, zone: U16, quarter_s: TimeS) -> bool:
        """Do the next step of a quarter that is due; returns whether the quarter is settled."""
        quarter = self._store.quarter(zone, quarter_s)
        if quarter is not None and quarter.is_closed:
            return True
        first = self.runs.first(zone)
        waits = first is not None and first[0][1] != quarter_s
        due_s = self._means.metering.final_s(quarter_s)
        if quarter is None or waits or ctx.market_time_s < due_s:
            raise words.NotDue(due_s=due_s, now_s=ctx.market_time_s)
        if not self._means.auction.is_finished(zone, quarter_s):
            raise words.NotDue(due_s=due_s, now_s=ctx.market_time_s)
        return self._step(ctx, zone, quarter_s) is None

    @call
    def take_unclaimed(self, ctx: Context) -> Uthb:
        """Take what was due to the caller's participant while it had no account."""
        participant = self._means.directory.participant_of(ctx.caller)
        amount_uthb = 0 if participant is None else self.unclaimed[participant]
        if participant is None or amount_uthb == 0:
            raise words.NothingUnclaimed(participant=participant)
        del self.unclaimed[participant]
        self._means.ledger.post(
            Entry(UNCLAIMED_POOL, Column.FREE, -amount_uthb),
            Entry(ctx.caller, Column.FREE, amount_uthb),
        )
        self.emit(words.UnclaimedTaken(ctx.caller, participant, amount_uthb))
        return amount_uthb

    # ── Queries ──

    @query
    def in_force(self) -> SettlementRules:
        """Return the rules of settlement."""
        rules = self.rules.get()
        assert rules is not None, "genesis sets the rules"
        return rules

    @query
    def prices_of(self, zone: U16, quarter_s: TimeS) -> QuarterPrices | None:
        """The tariffs of a quarter, once settled also its price and energy; null if not kept."""
        quarter = self._store.quarter(zone, quarter_s)
        return None if quarter is None else quarter.shown()

    @query
    def bill_of(self, participant: U32, zone: U16, quarter_s: TimeS) -> QuarterBill | None:
        """A participant's settled quarter, or null."""
        bills = self.bills_of(participant, zone, day_of(quarter_s))
        return next((bill for bill in bills if bill.quarter_s == quarter_s), None)

    @query
    def bills_of(
        self, participant: U32, zone: U16, day: U32
    ) -> Annotated[tuple[QuarterBill, ...], Items(SLOTS)]:
        """A participant's settled quarters of a UTC day, counted from the epoch."""
        quarters = self.quarters[day, zone]
        return tuple(self._store.shown(day, zone, participant, quarters))

    @query
    def day_bill(self, participant: U32, zone: U16, day: U32) -> BillTotals:
        """What a participant's settled quarters of a UTC day come to."""
        return self._store.added(NO_BILLS, (day, zone, participant))

    @query
    def totals_of(self, participant: U32) -> BillTotals:
        """What a participant's days before the window come to, and the head of their chain."""
        return self.totals[participant]

    @query
    def claim_of(self, participant: U32, zone: U16, quarter_s: TimeS) -> Uthb:
        """What the grid account owes a participant for a quarter."""
        return self.claims[zone, quarter_s, participant]

    @query
    def claims_on(self, zone: U16) -> Uthb:
        """What a zone's grid account owes to all."""
        return self.claims_by_zone[zone]

    @query
    def unclaimed_by(self, participant: U32) -> Uthb:
        """What waits for the first account of a participant."""
        return self.unclaimed[participant]

    # ── Invariants ──

    @invariant
    def pools_hold_what_is_under_way(self) -> bool:
        """The settlement pool is that of the runs, the unclaimed pool what is unclaimed."""
        under_way = sum(run.pool_uthb for _, run in self.runs.items() if run is not None)
        waiting = sum(amount for _, amount in self.unclaimed.items())
        held = self._means.ledger.held
        return (
            held(SETTLEMENT_POOL, Column.FREE) == under_way
            and held(UNCLAIMED_POOL, Column.FREE) == waiting
        )

    @invariant
    def claims_add_up(self) -> bool:
        """The claims on each grid account are those that participants hold."""
        return self._means.claims.hold()

    @invariant
    def quarters_add_up_to_nothing(self) -> bool:
        """Of a settled quarter Σ contracted is 0, Σ metered what its prices say, and so is Σ d."""
        return audit.quarters_hold(self._store)

    @invariant
    def settled_units_are_forgotten(self) -> bool:
        """No unit of a settled quarter is left, with nothing open and nothing held."""
        return audit.units_hold(self._store, self._means.positions.all_units())

    # ── Below ──

    def _step(self, ctx: Context, zone: int, quarter_s: int) -> Run | None:
        run = self.runs[zone, quarter_s] or NEW_RUN
        after = Steps(self._means, self.in_force(), ctx, zone, quarter_s).step(run)
        self.runs[zone, quarter_s] = after
        return after

    def _freeze(self, zone: int, quarter_s: int) -> None:
        tariffs = self._markets.tariffs(zone) or (0, 0, 0)
        self._store.put_quarter(zone, quarter_s, Quarter(*tariffs))
        self.emit(words.TariffsFrozen(zone, quarter_s, *tariffs))

    def _await_freeze(self, quarter_s: int) -> None:
        due_s = max(0, quarter_s - self.in_force().freeze_ahead_s)
        self._schedule.at_market_time(due_s, self.freeze, quarter_s)

    def _await_final(self, quarter_s: int) -> None:
        due_s = self._means.metering.final_s(quarter_s)
        self._schedule.at_market_time(due_s, self.begin, quarter_s)

    def _await_retirement(self, day: int) -> None:
        due_s = (day + self._means.metering.in_force().window_days + 1) * DAY_S
        self._schedule.at_market_time(due_s, self.retire_bills, day)
