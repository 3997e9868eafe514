"""The report on one page of a terminal, as wide as the terminal is.

Bars are drawn with eighths of a block, or with `#` where the terminal knows only ASCII; their
lengths are shares of the whole that the line above them names.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from client.replay.report import shown
from client.replay.report.facts import Facts
from client.replay.report.figures import Bill, Report
from client.replay.report.kinds import BUYERS, INTERVALS, SELLERS, Trader

BILLS_SHOWN: Final = 3
WIDTH_MAX: Final = 110
# In less, columns would lose digits; a narrower terminal breaks the lines itself.
WIDTH_MIN: Final = 52
BAR_WIDTH_MIN: Final = 6
# Columns line up from one section to the next.
NAME_WIDTH: Final = 21
VALUE_WIDTH: Final = 9
SHARE_WIDTH: Final = 7

_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_LEVELS: Final = " ▁▂▃▄▅▆▇█"
_ASCII_LEVELS: Final = " .:-=+*#%"
_STEPS: Final = 8


def print_report(console: Console, facts: Facts, report: Report, fingerprint: str) -> None:
    """Print the report."""
    console.print(_Page(Group(*_sections(facts, report), _closing(fingerprint))), crop=False)


class _Page:
    """Something rendered at the width of a page, even in a narrower terminal."""

    def __init__(self, inner: RenderableType) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(min(options.max_width, WIDTH_MAX), WIDTH_MIN)
        yield from console.render(self._inner, options.update(width=width))


class Bar:
    """A share of its column, drawn as a bar; at least a sliver if it is not zero."""

    def __init__(self, part: int, whole: int, colour: str) -> None:
        """Keep what is to be drawn: nothing below zero, the whole column above `whole`."""
        self._part, self._whole, self._colour = min(max(part, 0), whole), whole, colour

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        eighths = 0 if self._whole <= 0 else self._part * width * _STEPS // self._whole
        eighths = max(eighths, min(self._part, 1))
        full, rest = divmod(eighths, _STEPS)
        if options.ascii_only:
            drawn = "#" * (full + (rest > 0))
        else:
            drawn = "█" * full + _EIGHTHS[rest].strip()
        yield Segment(drawn.ljust(width), Style(color=self._colour))
        yield Segment.line()

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(BAR_WIDTH_MIN, options.max_width)


class Sparkline:
    """Values as columns of one line, on zero; neighbours are averaged into as many as fit.

    A gap stands for columns without any value.
    """

    def __init__(self, values: Sequence[int | None], colour: str) -> None:
        """Keep the values, none below zero."""
        self._values, self._colour = values, colour

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, len(self._values))
        levels = _ASCII_LEVELS if options.ascii_only else _LEVELS
        means = []
        for column in range(width):
            first = column * len(self._values) // width
            last = (column + 1) * len(self._values) // width
            known = [value for value in self._values[first:last] if value is not None]
            means.append(sum(known) // len(known) if known else 0)
        top = max(means, default=0) or 1
        drawn = [levels[max(mean * _STEPS // top, min(mean, 1))] for mean in means]
        yield Segment("".join(drawn), Style(color=self._colour))
        yield Segment.line()

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(BAR_WIDTH_MIN, options.max_width)


# ── Sections ──


def _sections(facts: Facts, report: Report) -> list[RenderableType]:
    span = f"{shown.span(report.quarters)} from {shown.moment(report.start_s)}"
    who = f"{len(report.bills)} households, {len(report.batteries)} with a battery"
    return [
        Text(f"Replay: {span}, {who}", style="bold reverse"),
        *_trading(facts, report),
        *_errors(report),
        *_welfare(report),
        *_bills(report),
    ]


def _trading(facts: Facts, report: Report) -> list[RenderableType]:
    trading, whole = report.trading, report.trading.volume_wh
    mean = shown.decimal(trading.turnover_uthb, max(whole, 1) * shown.PER_KILO, 3)
    low, high = trading.price_low_per_wh, trading.price_high_per_wh
    prices = (
        f", {shown.thb(trading.turnover_uthb)} THB; mean price {mean} THB/kWh, "
        f"{shown.thb_per_kwh(low, 3)} to {shown.thb_per_kwh(high, 3)}"
    )
    said = (
        f"{shown.count(trading.trades)} trades, {shown.kwh(whole)} kWh"
        + (prices if whole else "")
        + f"; {shown.count(trading.household_bids)} bids and "
        f"{shown.count(trading.household_asks)} asks of households"
    )
    lines = _grid()
    lines.add_row("price", Sparkline([q.price_per_wh for q in facts.quarters], "blue"))
    lines.add_row("volume", Sparkline([q.volume_wh for q in facts.quarters], "green"))
    kinds = {INTERVALS[kind]: number for kind, number in trading.intervals.items()}
    count, energy = shown.count(trading.other_orders), shown.kwh(trading.other_order_wh)
    others = (
        f"orders of participants who are none of the replay's: {count}, {energy} kWh; "
        "what they traded counts with the retailer's"
    )
    return [
        _head("Trading", said),
        _indented(lines),
        *([_head("Others", others)] if trading.other_orders else []),
        _head("Intervals", f"{report.quarters} in all, by what traded"),
        _indented(_bars(kinds, report.quarters, shown.count, "blue")),
        _head("Sold", "kWh, by where it came from"),
        _indented(_bars(_named(SELLERS, trading.sold_wh), whole, shown.kwh, "green")),
        _head("Bought", "kWh, by where it went"),
        _indented(_bars(_named(BUYERS, trading.bought_wh), whole, shown.kwh, "green")),
    ]


def _errors(report: Report) -> list[RenderableType]:
    forecast, imbalance = report.forecast, report.imbalance
    share = shown.percent(forecast.error_wh, forecast.actual_wh)
    paid, received = shown.thb(imbalance.paid_uthb), shown.thb(imbalance.received_uthb)
    net = shown.thb(imbalance.received_uthb - imbalance.paid_uthb)
    return [
        _head(
            "Forecast error",
            f"{shown.kwh(forecast.error_wh)} kWh, {share} of what was forecast; "
            f"bias {shown.kwh(forecast.bias_wh)} kWh; "
            f"all households together {shown.kwh(forecast.neighbourhood_error_wh)} kWh",
        ),
        _head(
            "Imbalance",
            f"{shown.count(imbalance.short_wh)} Wh short, for which {paid} THB were paid; "
            f"{shown.count(imbalance.long_wh)} Wh over, for which {received} THB were received; "
            f"net {net} THB. Not filled: {shown.kwh(imbalance.unfilled_bid_wh)} kWh of bids, "
            f"{shown.kwh(imbalance.unfilled_ask_wh)} kWh of asks",
        ),
    ]


def _welfare(report: Report) -> list[RenderableType]:
    welfare = report.welfare
    rows = {
        "optimum": welfare.optimum_uthb,
        "realised": welfare.realised_uthb,
        "missed in the quarter": welfare.missed_uthb,
        "missed by batteries": welfare.unstored_uthb,
    }
    share = shown.percent(welfare.realised_uthb, welfare.optimum_uthb)
    said = (
        f"THB against retail and feed-in alone; {share} of the optimum with perfect information."
        f" Stored {shown.kwh(welfare.stored_wh)} kWh, counted with"
        f" {shown.thb(welfare.stored_uthb)} THB"
    )
    if welfare.drawn_down_uthb:
        said += (
            f"; having drawn the batteries down may flatter the run by up to"
            f" {shown.thb(welfare.drawn_down_uthb)} THB"
        )
    return [
        _head("Welfare", said),
        _indented(_bars(rows, welfare.optimum_uthb, shown.thb, "magenta")),
    ]


def _bills(report: Report) -> list[RenderableType]:
    ranked = sorted(report.bills, key=lambda bill: (-bill.saving_uthb, bill.bus))
    better = sum(bill.saving_uthb > 0 for bill in ranked)
    total = sum(bill.saving_uthb for bill in ranked)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for name in ("bus", "has"):
        table.add_column(name, overflow="fold")
    for name in ("alone THB", "market THB", "saved THB", "saved"):
        table.add_column(name.replace(" ", "\n"), no_wrap=True, justify="right")
    if len(ranked) > 2 * BILLS_SHOWN:
        rows: list[Bill | None] = [*ranked[:BILLS_SHOWN], None, *ranked[-BILLS_SHOWN:]]
    else:
        rows = list(ranked)
    for bill in rows:
        if bill is None:
            table.add_row("...", style="dim")
            continue
        table.add_row(
            str(bill.bus),
            bill.has,
            shown.thb(bill.alone_uthb),
            shown.thb(bill.market_uthb),
            shown.thb(bill.saving_uthb),
            shown.percent(bill.saving_uthb, abs(bill.alone_uthb)),
        )
    said = (
        f"{better} of {len(ranked)} households are better off; all together save"
        f" {shown.thb(total)} THB. Network charges are zero for now, in both bills;"
        " transaction fees are in neither"
    )
    return [_head("Bills", said), _indented(table)]


def _closing(fingerprint: str) -> RenderableType:
    return _head("Fingerprint", fingerprint)


# ── Parts ──


def _named(names: Mapping[Trader, str], values: Mapping[Trader, int]) -> dict[str, int]:
    return {said: values[kind] for kind, said in names.items()}


def _head(title: str, said: str) -> Text:
    return Text.assemble((f"{title}: ", "bold"), said, overflow="fold")


def _indented(inner: RenderableType) -> Padding:
    return Padding(inner, (0, 0, 0, 2))


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    return grid


def _bars(rows: Mapping[str, int], whole: int, write: Callable[[int], str], colour: str) -> Table:
    """Return a line per row: its name, its value, its share of the whole, and a bar of that."""
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(no_wrap=True, min_width=NAME_WIDTH)
    table.add_column(no_wrap=True, justify="right", min_width=VALUE_WIDTH)
    table.add_column(no_wrap=True, justify="right", min_width=SHARE_WIDTH)
    table.add_column(ratio=1)
    for name, value in rows.items():
        bar = Bar(value, whole, colour)
        table.add_row(name, write(value), shown.percent(value, whole), bar)
    return table
