"""The report for a terminal: what was audited, what it adds up to, and what differs."""

from collections.abc import Mapping
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chain.bech32 import encode_address
from client.audit.report import AuditReport, Difference

DIFFERENCES_SHOWN: Final = 50
UTHB_PER_THB: Final = 1_000_000
WH_PER_KWH: Final = 1_000


def render(report: AuditReport) -> RenderableType:
    """Return the report as tables, the verdict last."""
    parts: list[RenderableType] = [
        _table("Audited", {k: f"{v:,}" for k, v in _words(report.counts.to_json()).items()}),
        _table("Credit, THB", _scaled(report.totals["credit_uthb"], UTHB_PER_THB, 6)),
        _table("Energy, kWh", _scaled(report.totals["energy_wh"], WH_PER_KWH, 3)),
    ]
    if report.differences:
        parts.append(_differences(report))
    parts.append(_verdict(report))
    return Group(*parts)


def _verdict(report: AuditReport) -> Text:
    chain = f"chain {report.chain_id.hex()[:16]}… up to height {report.height}"
    if report.is_clean:
        return Text(f"No difference: {chain}.", style="bold green")
    found = f"{report.differences_total:,} differences"
    return Text(f"{found if report.differences_total > 1 else 'One difference'}: {chain}.",
                style="bold red")  # fmt: skip


def _differences(report: AuditReport) -> Table:
    table = Table(title="Differences", title_justify="left")
    for name in ("where", "what", "expected", "found"):
        table.add_column(name, overflow="fold")
    for one in report.differences[:DIFFERENCES_SHOWN]:
        what = f"{one.what}: {one.subject}"
        table.add_row(*(Text(cell) for cell in (_place(one), what, one.expected, one.found)))
    left = report.differences_total - DIFFERENCES_SHOWN
    if left > 0:
        table.caption = f"and {left:,} more"
    return table


def _place(one: Difference) -> str:
    lines = [] if one.height is None else [f"height {one.height}"]
    lines += [] if one.transaction is None else [one.transaction.hex()]
    lines += [] if one.account is None else [encode_address(one.account)]
    return "\n".join(lines) or "at the end"


def _table(title: str, rows: Mapping[str, str]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _words(values: Mapping[str, int]) -> dict[str, int]:
    return {name.replace("_", " "): value for name, value in values.items()}


def _scaled(values: Mapping[str, int], unit: int, places: int) -> dict[str, str]:
    """Return the values in a larger unit, every digit kept."""
    out = {}
    for name, value in _words(values).items():
        whole, rest = divmod(abs(value), unit)
        out[name] = f"{'-' if value < 0 else ''}{whole:,}.{rest:0{places}d}"
    return out
