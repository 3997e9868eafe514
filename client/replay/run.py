"""A whole replay: drive the week, with the audit beside it, and make the report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chain.bech32 import decode_address, encode_address
from client.audit import AuditReport, audit_beside
from client.audit import Progress as AuditProgress
from client.replay.driver import Driver, Progress, ReplayError
from client.replay.report.canonical import fingerprint
from client.replay.report.collect import Collector, forecasts_wh
from client.replay.report.facts import Facts, Party, Run
from client.replay.report.figures import Report, balances_uthb, report_of
from client.replay.setup import (
    GRID,
    HOUSEHOLD_UTHB,
    MARKET,
    OFFICE_UTHB,
    RETAILER,
    RETAILER_NUMBER,
    ZONE,
    make_genesis,
    members_of,
)
from client.replay.week import QUARTERS_PER_DAY, Week
from client.rpc import Rpc

# What collects facts needs no others; the rest is for the audit, which reads the blocks.
_REPORTED = frozenset({"orders", "auction", "settlement"})


@dataclass(frozen=True)
class Outcome:
    """What came of a replay."""

    facts: Facts
    report: Report
    fingerprint: str
    audit: AuditReport
    unexplained_uthb: Mapping[str, int]
    """What accounts have beyond the report's balances: movements that are not the replay's."""

    def to_json(self) -> dict[str, Any]:
        """Return fingerprint and audit as plain values."""
        return {
            "fingerprint": self.fingerprint,
            "audit": self.audit.to_json(),
            "unexplained_uthb": dict(self.unexplained_uthb),
        }


def run_of(week: Week, quarters: int, seed: int) -> Run:
    """Return what a replay of the first quarters of a week was given."""
    week = week.first(quarters)
    parties = tuple(
        Party(member.number, encode_address(member.identity.account), HOUSEHOLD_UTHB)
        for member in members_of(week)
    )
    return Run(
        week=week,
        zone=ZONE,
        market=MARKET,
        parties=parties,
        retailer=Party(RETAILER_NUMBER, encode_address(RETAILER.account), OFFICE_UTHB),
        grid_opening_uthb=OFFICE_UTHB,
        forecasts_wh=forecasts_wh(week, seed),
    )


def span_of(chain_id: str, week: Week) -> Week:
    """Return the span of the data that a chain was made for: the week, or one of its days.

    Raises `ReplayError` for any other chain.
    """
    days = range(week.quarters // QUARTERS_PER_DAY)
    for span in (week, *(week.days(day, 1) for day in days)):
        if make_genesis(span).chain_id.hex() == chain_id:
            return span
    msg = (
        f"the chain {chain_id[:16]}… was not made for a replay of this data; "
        "start one that is with `gtx devnet --replay`"
    )
    raise ReplayError(msg)


async def replay(
    url: str,
    week: Week,
    *,
    quarters: int,
    seed: int,
    on_progress: Callable[[Progress], None],
    on_audit: Callable[[AuditProgress], None],
) -> Outcome:
    """Replay the first quarters of a week on the node at `url`, or go on with such a replay.

    The node's chain must have been made for this week (`client.replay.setup`). Raises
    `ReplayError`, `RpcError`, `NodeUnreachableError`, `FactsError` or `SourceError`.
    """
    collector = Collector(run_of(week, quarters, seed))

    def collect(event: dict[str, Any]) -> None:
        if event["contract"] in _REPORTED:
            collector.add(event)

    with audit_beside(url, make_genesis(week), on_audit) as auditing:

        def driven(now: Progress) -> None:
            on_progress(now)
            auditing.look()

        async with Rpc(url) as rpc:
            driver = Driver(rpc, week, seed, quarters, collect, driven)
            await driver.run()
        facts = collector.facts()
        report = report_of(facts)
        audited = await auditing.finish(driver.height)
    return Outcome(facts, report, fingerprint(facts), audited, unexplained_uthb(facts, audited))


def unexplained_uthb(facts: Facts, audited: AuditReport) -> dict[str, int]:
    """Return by how much balances of the blocks, before fees, differ from those of the report.

    Of a replay that has the chain to itself, nothing does.
    """
    run = facts.run
    accounts = {f"participant {party.number}": party.account for party in run.parties}
    accounts[f"participant {run.retailer.number}"] = run.retailer.account
    found = {
        name: audited.accounts[decode_address(account)].before_fees_uthb
        for name, account in accounts.items()
    }
    found["grid account"] = audited.accounts[GRID.account].before_fees_uthb
    told = balances_uthb(facts)
    return {name: found[name] - told[name] for name in told if found[name] != told[name]}
