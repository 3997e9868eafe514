"""Whether a replay can go on with the chain that it finds; known before it sends anything.

The market clock never goes back, and what it passed without orders was traded without them. A
replay drives it two hours beyond its last quarter, until that one is settled: after a replay of few
quarters those that follow are lost to any longer one. How far an earlier replay came is told by the
retailer's orders, which stand in every quarter that one began; with which seed, by what households
ordered first.
"""

from typing import Final

from chain.bech32 import encode_address
from client.genesis_rules import METERING
from client.replay.neighbourhood import Neighbourhood
from client.replay.setup import RETAILER, clock_start_s
from client.replay.told import Told
from client.replay.week import QUARTER_S, Week

# Before the first two quarters no household has a reading yet, so none orders.
FIRST_ORDERED: Final = 2
# A person may have ordered for a household; of another seed about half of the orders differ.
TENTH: Final = 10
ANEW: Final = "begin anew with scripts/devnet or gtx devnet --replay"


def end_s(week: Week, quarters: int) -> int:
    """Return the market time at which the first quarters of a week are settled."""
    return week.quarter_start_s(quarters) + METERING.final_s


def refusal(told: Told, week: Week, quarters: int, homes: Neighbourhood) -> str | None:
    """Say why the first quarters cannot be replayed on a chain that told this, or None.

    `homes` are those of the replay's seed, before the first quarter; they are moved on.
    """
    begun = next((q for q in range(week.quarters) if not _is_begun(told, week, q)), week.quarters)
    due = min(_quarters_due(told, week), quarters)
    if begun < due:
        if begun == 0:
            return (
                "the market clock of this chain has been moved past its first quarters without a "
                f"replay; {ANEW}"
            )
        return (
            f"this chain was replayed for {_count(begun)}, and its market clock has moved past the "
            f"gates of those that follow, so it cannot be replayed for {quarters}; "
            f"see its report again with --quarters {begun}, run it without a replay with "
            f"gtx devnet --keep, or {ANEW}"
        )
    if quarters < begun and told.market_time_s < end_s(week, quarters):
        return (
            f"a replay of this chain has begun {_count(begun)} and not ended, so it cannot end "
            f"with {quarters}; go on with the --quarters that it began with, at least {begun}"
        )
    if (
        begun > FIRST_ORDERED
        and quarters > FIRST_ORDERED
        and _is_of_another_seed(told, week, homes)
    ):
        return (
            "this chain was replayed with another seed; "
            f"go on with the --seed that it began with, or {ANEW}"
        )
    return None


def _quarters_due(told: Told, week: Week) -> int:
    """Return how many quarters must have been ordered: their orders can be sent no more.

    Orders are sent at the boundary a quarter before delivery, and only there.
    """
    since, rest = divmod(told.market_time_s - clock_start_s(week), QUARTER_S)
    return since if rest == 0 else since + 1


def _is_begun(told: Told, week: Week, quarter: int) -> bool:
    return told.has_order(week.quarter_start_s(quarter), encode_address(RETAILER.account))


def _is_of_another_seed(told: Told, week: Week, homes: Neighbourhood) -> bool:
    """Say whether the first orders of households are not those that the seed decides."""
    for quarter in range(FIRST_ORDERED):
        start_s = week.quarter_start_s(quarter)
        if not told.is_closed(start_s):
            return False
        homes.deliver(told.fills_wh(start_s))
    start_s, others, seen = week.quarter_start_s(FIRST_ORDERED), 0, 0
    for member, plan in homes.plans(FIRST_ORDERED, told.prices_per_wh(week.start_s, FIRST_ORDERED)):
        found = told.first_order(start_s, encode_address(member.identity.account))
        seen += found is not None
        others += found not in {None, (plan.quantity_wh, plan.limit_per_wh)}
    return others * TENTH > seen


def _count(quarters: int) -> str:
    return "1 quarter-hour" if quarters == 1 else f"{quarters} quarter-hours"
