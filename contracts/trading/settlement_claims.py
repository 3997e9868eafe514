"""Claims: what a zone's grid account could not pay, by the quarter for which it is owed.

Claims are paid in order of quarter. When there is less than a quarter's claims, each gets its part:
of the claims so far, in order of participant, floor(budget × so far ÷ all) is paid, which adds up
to the budget exactly, gives nobody 1 µTHB more or less than its part, and does not depend on where
one step ends and the next begins. (MARKET §5.)
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from contracts.kernel import Map
from contracts.kernel.rounding import mul_div_floor
from contracts.trading.settlement_model import Phase, Run


class Claims:
    """The tables of claims, by what is done to them."""

    __slots__ = ("_by_quarter", "_by_zone", "_claims")

    def __init__(
        self,
        claims: Map[tuple[int, int, int], int],
        by_quarter: Map[tuple[int, int], int],
        by_zone: Map[int, int],
    ) -> None:
        """Keep claims by (zone, quarter, participant), and their sums by quarter and by zone."""
        self._claims = claims
        self._by_quarter = by_quarter
        self._by_zone = by_zone

    def total(self, zone: int) -> int:
        """Return all claims on a zone's grid account."""
        return self._by_zone[zone]

    def add(self, zone: int, quarter_s: int, participant: int, amount_uthb: int) -> None:
        """Let the grid account owe a participant so much more, or less if negative."""
        if amount_uthb == 0:
            return
        self._claims[zone, quarter_s, participant] += amount_uthb
        self._by_quarter[zone, quarter_s] += amount_uthb
        self._by_zone[zone] += amount_uthb

    def begin(self, zone: int, run: Run) -> Run:
        """Return the run at the first quarter with claims, or at its close if there is no more."""
        first = self._by_quarter.first(zone)
        if first is None or run.pool_uthb == 0:
            return replace(run, phase=Phase.CLOSE, after=0, claim_total_uthb=0)
        (_, quarter_s), total = first
        return replace(
            run,
            after=0,
            claim_quarter_s=quarter_s,
            claim_total_uthb=total,
            claim_budget_uthb=min(total, run.pool_uthb),
            claim_passed_uthb=0,
        )

    def shares(self, zone: int, run: Run, limit: int) -> Iterator[tuple[int, int, int]]:
        """Yield (participant, claim, what it is paid) of the next claims of the run's quarter."""
        passed, budget, total = run.claim_passed_uthb, run.claim_budget_uthb, run.claim_total_uthb
        page = self._claims.items(zone, run.claim_quarter_s, start=run.after + 1)
        for (_, _, participant), claim in list(islice(page, limit)):
            before = mul_div_floor(budget, passed, total)
            passed += claim
            yield participant, claim, mul_div_floor(budget, passed, total) - before

    def hold(self) -> bool:
        """Say whether the sums are those of the claims, and no claim is empty or negative."""
        by_quarter: dict[tuple[int, int], int] = {}
        by_zone: dict[int, int] = {}
        for (zone, quarter_s, _), claim in self._claims.items():
            if claim <= 0:
                return False
            by_quarter[zone, quarter_s] = by_quarter.get((zone, quarter_s), 0) + claim
            by_zone[zone] = by_zone.get(zone, 0) + claim
        return by_quarter == dict(self._by_quarter.items()) and by_zone == dict(
            self._by_zone.items()
        )
