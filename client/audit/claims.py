"""Claims on the grid accounts: what could not be paid, and how it is paid in the order of quarters.

Of a quarter for whose claims there is too little each gets its part: of all claims up to it, in the
order of participants, budget × so far ÷ all is paid, rounded down. (MARKET §5.)
"""

from client.audit.quarters import ClaimShare, Quarter
from client.audit.report import Findings


class Claims:
    """Claims in µTHB by (zone, quarter, participant)."""

    def __init__(self, findings: Findings) -> None:
        """Start without claims."""
        self._findings = findings
        self.claims: dict[tuple[int, int, int], int] = {}

    def total(self, zone: int) -> int:
        """Return all claims on a zone's grid account."""
        return sum(claim for (of_zone, _, _), claim in self.claims.items() if of_zone == zone)

    def add(self, zone: int, quarter_s: int, participant: int, amount_uthb: int) -> None:
        """Change a claim; one that is paid is no more."""
        key = zone, quarter_s, participant
        left_uthb = self.claims.pop(key, 0) + amount_uthb
        if left_uthb:
            self.claims[key] = left_uthb
        if left_uthb < 0:
            self._findings.differ("claim", f"zone, quarter, participant {key}", "≥ 0", left_uthb)

    def plan(self, zone: int, run: Quarter) -> None:
        """Plan what is paid for the first quarter with claims, as far as the pool reaches."""
        own = {key[1:]: claim for key, claim in self.claims.items() if key[0] == zone}
        if not own or run.pool_uthb == 0:
            return
        first_s = min(quarter_s for quarter_s, _ in own)
        claims = sorted((p, claim) for (quarter_s, p), claim in own.items() if quarter_s == first_s)
        total_uthb = sum(claim for _, claim in claims)
        budget_uthb = min(total_uthb, run.pool_uthb)
        passed_uthb = paid_uthb = 0
        for participant, claim in claims:
            passed_uthb += claim
            share_uthb = budget_uthb * passed_uthb // total_uthb - paid_uthb
            paid_uthb += share_uthb
            run.plan.append(ClaimShare(participant, first_s, share_uthb, claim - share_uthb))
