"""A whole replay: drive the week, with the audit beside it, and make the report."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

from chain.bech32 import decode_address, encode_address
from chain.genesis import Genesis
from client.audit import AuditReport, audit_beside
from client.audit import Progress as AuditProgress
from client.nodes import Agreed, Nodes
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
    VALIDATORS_MAX,
    ZONE,
    make_genesis,
    members_of,
    seats,
)
from client.replay.week import QUARTERS_PER_DAY, Week
from client.rpc import Rpc
from contracts.kernel import Value

# What collects facts needs no others; the rest is for the audit, which reads the blocks.
_REPORTED = frozenset({"orders", "auction", "settlement"})


@dataclass(frozen=True)
class Outcome:
    """What came of a replay."""

    facts: Facts
    report: Report
    fingerprint: str
    audit: AuditReport
    agreed: Agreed
    """What every node says of the last block."""
    unexplained_uthb: Mapping[str, int]
    """What accounts have beyond the report's balances: movements that are not the replay's."""

    def to_json(self) -> dict[str, Any]:
        """Return fingerprint and audit as plain values."""
        return {
            "fingerprint": self.fingerprint,
            "audit": self.audit.to_json(),
            "agreed": asdict(self.agreed),
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


def made_for(chain_id: str, week: Week) -> tuple[Week, Genesis]:
    """Return the span of the data that a chain was made for, the week or a day, and its genesis.

    Raises `ReplayError` for any other chain.
    """
    days = range(week.quarters // QUARTERS_PER_DAY)
    seated: list[Value] = [seat.to_wire() for seat in seats(VALIDATORS_MAX)]
    for span in (week, *(week.days(day, 1) for day in days)):
        alone = make_genesis(span)
        for validators in range(1, VALIDATORS_MAX + 1):
            authorities: dict[str, Value] = {"authorities": seated[:validators]}
            sections = {**alone.sections, "authorities": authorities}
            genesis = replace(alone, sections=sections)
            if genesis.chain_id.hex() == chain_id:
                return span, genesis
    msg = (
        f"the chain {chain_id[:16]}… was not made for a replay of this data; "
        "start one that is with `gtx devnet --replay`"
    )
    raise ReplayError(msg)


async def replay(
    urls: Sequence[str],
    week: Week,
    genesis: Genesis,
    *,
    quarters: int,
    seed: int,
    on_progress: Callable[[Progress], None],
    on_audit: Callable[[AuditProgress], None],
) -> Outcome:
    """Replay the first quarters of a week through these nodes, or go on with such a replay.

    Their chain must have been made for this week (`client.replay.setup`). Raises `ReplayError`,
    `RpcError`, `NodeUnreachableError`, `FactsError`, `SourceError` or `DisagreementError`.
    """
    collector = Collector(run_of(week, quarters, seed))

    def collect(event: dict[str, Any]) -> None:
        if event["contract"] in _REPORTED:
            collector.add(event)

    with audit_beside(urls[0], genesis, on_audit) as auditing:

        def driven(now: Progress) -> None:
            on_progress(now)
            auditing.look()

        async with AsyncExitStack() as stack:
            nodes = Nodes([await stack.enter_async_context(Rpc(url)) for url in urls])
            driver = Driver(nodes, week, genesis, seed, quarters, collect, driven)
            await driver.run()
            agreed = await nodes.agree(driver.height)
        facts = collector.facts()
        report = report_of(facts)
        audited = await auditing.finish(driver.height)
    unexplained = unexplained_uthb(facts, audited)
    return Outcome(facts, report, fingerprint(facts), audited, agreed, unexplained)


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
