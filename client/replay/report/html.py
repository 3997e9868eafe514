"""The report as one web page: tables and pictures in a single file that loads nothing.

The page needs no script, and its policy forbids any; pictures stand in it as SVG with a description
in words. Texts are escaped.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from client.replay.report import shown
from client.replay.report.canvas import Picture, inline
from client.replay.report.figures import Bill, Report
from client.replay.report.kinds import BUYERS, INTERVALS, SELLERS, Interval

_STYLE: Final = """
body { font: 15px/1.5 'DejaVu Sans', Verdana, sans-serif; color: #1a1a1a; background: #fff;
  max-width: 72rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; }
.key { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 1rem; }
.key div { border-top: 2px solid #0072b2; padding-top: .3rem; }
.key b { display: block; font-size: 1.35rem; }
.tables { display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start; }
table { border-collapse: collapse; font-size: .88rem; }
caption { text-align: left; font-weight: bold; padding-bottom: .3rem; }
th, td { padding: .15rem .7rem .15rem 0; text-align: right; font-variant-numeric: tabular-nums; }
th { border-bottom: 1px solid #767676; font-weight: normal; color: #555; vertical-align: bottom; }
td { border-bottom: 1px solid #e4e4e4; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1.5rem 0; overflow-x: auto; }
figure svg { width: 100%; height: auto; min-width: 40rem; }
figcaption, .note { color: #555; font-size: .88rem; max-width: 60rem; }
code { overflow-wrap: anywhere; }
"""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"


def page(report: Report, pictures: Iterable[Picture], fingerprint: str) -> str:
    """Return the page."""
    title = f"Replay of {shown.span(report.quarters)} from {shown.moment(report.start_s)}"
    drawn = "\n".join(_figure(picture) for picture in pictures)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(title)}</h1>
<p class="note">{len(report.bills)} households, {len(report.batteries)} of them with a battery, and
one retailer. Times are the local time of the data. Network charges are zero for now;
transaction fees are in no figure.</p>
{_key_figures(report)}
<h2>Trading</h2>
<div class="tables">
{_trading(report)}
</div>
{drawn}
<h2>Welfare</h2>
{_welfare(report)}
<h2>Forecasts and imbalance</h2>
{_errors(report)}
<h2>Days</h2>
{_days(report)}
<h2>Batteries</h2>
{_batteries(report)}
<h2>Bills</h2>
<p class="note">In THB; below zero the household earns. Alone: retail price for what it takes,
feed-in price for what it gives, the battery idle. Stored: at the end less at the start, in neither
bill.</p>
{_bills(report.bills)}
<h2>Fingerprint</h2>
<p class="note">SHA-256 of the run's canonical form; the same seed gives the same.</p>
<p><code>{escape(fingerprint)}</code></p>
</body>
</html>
"""


# ── Sections ──


def _key_figures(report: Report) -> str:
    trading, welfare, imbalance = report.trading, report.welfare, report.imbalance
    saved = sum(bill.saving_uthb for bill in report.bills)
    figures = (
        (shown.kwh(trading.volume_wh), "kWh traded"),
        (shown.count(trading.trades), "trades"),
        (shown.percent(welfare.realised_uthb, welfare.optimum_uthb), "of the optimal welfare"),
        (shown.thb(saved), "THB saved by all households"),
        (shown.kwh(imbalance.short_wh + imbalance.long_wh), "kWh of imbalance"),
    )
    boxes = "\n".join(f"<div><b>{escape(n)}</b>{escape(said)}</div>" for n, said in figures)
    return f'<div class="key">\n{boxes}\n</div>'


def _trading(report: Report) -> str:
    trading = report.trading
    orders = [
        ("bids of households", trading.household_bids, trading.household_bid_wh),
        ("asks of households", trading.household_asks, trading.household_ask_wh),
    ]
    if trading.other_orders:
        said = "of others, whose trades count with the retailer's"
        orders.append((said, trading.other_orders, trading.other_order_wh))
    kinds = [
        (INTERVALS[kind], shown.count(n), shown.percent(n, report.quarters))
        for kind, n in trading.intervals.items()
    ]
    whole = trading.volume_wh
    sold = [
        (SELLERS[kind], shown.kwh(wh), shown.percent(wh, whole))
        for kind, wh in trading.sold_wh.items()
    ]
    bought = [
        (BUYERS[kind], shown.kwh(wh), shown.percent(wh, whole))
        for kind, wh in trading.bought_wh.items()
    ]
    ordered = [(said, shown.count(n), shown.kwh(wh)) for said, n, wh in orders]
    prices = [
        ("lowest", shown.thb_per_kwh(trading.price_low_per_wh, 3)),
        ("mean by energy", _mean_price(report)),
        ("highest", shown.thb_per_kwh(trading.price_high_per_wh, 3)),
    ]
    return "\n".join(
        (
            _table("Intervals", ("", "intervals", "share"), kinds),
            _table("Sold", ("from", "kWh", "share"), sold),
            _table("Bought", ("for", "kWh", "share"), bought),
            _table("Clearing price", ("", "THB/kWh"), prices),
            _table("Orders at the gate", ("", "orders", "kWh"), ordered),
        )
    )


def _welfare(report: Report) -> str:
    welfare = report.welfare
    rows = [
        ("cost alone: retail and feed-in only", welfare.alone_uthb),
        ("cost with the market, at true values", -welfare.cost_uthb),
        ("change of what is stored, at the feed-in price", welfare.stored_uthb),
        ("realised welfare", welfare.realised_uthb),
        ("missed: taken and given to the retailer in one quarter", welfare.missed_uthb),
        ("missed by batteries", welfare.unstored_uthb),
        ("optimum: perfect information, as much stored at the end", welfare.optimum_uthb),
    ]
    note = (
        "A Wh that a household takes is worth the retail price, one that it gives costs the "
        "feed-in price; a battery has no value of its own, and trades with the retailer bring "
        "nothing."
    )
    if welfare.drawn_down_uthb:
        note += (
            " The run ends with less stored than it began with; against the optimum that may "
            f"flatter it by up to {shown.thb(welfare.drawn_down_uthb)} THB."
        )
    shares = [
        (said, shown.thb(uthb), shown.percent(uthb, welfare.optimum_uthb)) for said, uthb in rows
    ]
    table = _table("", ("", "THB", "of the optimum"), shares)
    return f'<p class="note">{escape(note)}</p>\n{table}'


def _errors(report: Report) -> str:
    forecast, imbalance = report.forecast, report.imbalance
    rows = [
        ("load and surplus that were forecast", shown.kwh(forecast.actual_wh), ""),
        ("forecast error of single households", shown.kwh(forecast.error_wh), ""),
        ("bias: forecast less actual", shown.kwh(forecast.bias_wh), ""),
        ("error of all together", shown.kwh(forecast.neighbourhood_error_wh), ""),
        ("bids not filled", shown.kwh(imbalance.unfilled_bid_wh), ""),
        ("asks not filled", shown.kwh(imbalance.unfilled_ask_wh), ""),
        ("short of contracts", shown.kwh(imbalance.short_wh, 3), shown.thb(-imbalance.paid_uthb)),
        ("beyond contracts", shown.kwh(imbalance.long_wh, 3), shown.thb(imbalance.received_uthb)),
        ("imbalance of all together", shown.kwh(imbalance.neighbourhood_wh), ""),
    ]
    return _table("", ("", "kWh", "THB to households"), rows)


def _days(report: Report) -> str:
    names = ("day", "trades", "kWh", *INTERVALS.values(), "forecast error", "short kWh", "over kWh")
    rows = [
        (
            shown.day(day.start_s),
            shown.count(day.trades),
            shown.kwh(day.volume_wh),
            *(shown.count(day.intervals[kind]) for kind in Interval),
            shown.percent(day.error_wh, day.actual_wh),
            shown.kwh(day.short_wh),
            shown.kwh(day.long_wh),
        )
        for day in report.days
    ]
    return _table("", names, rows)


def _batteries(report: Report) -> str:
    names = ("bus", "holds kWh", "in kWh", "out kWh", "at start kWh", "at end kWh")
    rows = [
        (
            str(use.bus),
            *map(shown.kwh, (use.energy_wh, use.charge_wh, use.discharge_wh)),
            *map(shown.kwh, (use.start_wh, use.end_wh)),
        )
        for use in report.batteries
    ]
    return _table("", names, rows)


def _bills(bills: Sequence[Bill]) -> str:
    names = (
        *("bus", "has", "bought kWh", "sold kWh", "trades", "imbalance"),
        *("market", "alone", "saved", "saved", "stored kWh"),
    )
    rows = [
        (
            str(bill.bus),
            bill.has,
            shown.kwh(bill.bought_wh),
            shown.kwh(bill.sold_wh),
            shown.thb(bill.trades_uthb),
            shown.thb(bill.imbalance_uthb),
            shown.thb(bill.market_uthb),
            shown.thb(bill.alone_uthb),
            shown.thb(bill.saving_uthb),
            shown.percent(bill.saving_uthb, abs(bill.alone_uthb)),
            shown.kwh(bill.stored_wh) if bill.has_battery else "",
        )
        for bill in sorted(bills, key=lambda bill: (bill.alone_uthb, bill.bus))
    ]
    return _table("", names, rows)


# ── Parts ──


def _mean_price(report: Report) -> str:
    trading = report.trading
    if trading.volume_wh == 0:
        return shown.NOTHING
    return shown.decimal(trading.turnover_uthb, trading.volume_wh * shown.PER_KILO, 3)


def _figure(picture: Picture) -> str:
    svg = inline(picture).replace("<svg ", f'<svg role="img" aria-label="{escape(picture.title)}" ')
    return f"<figure>\n{svg}<figcaption>{escape(picture.caption)}</figcaption>\n</figure>"


def _table(caption: str, names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{said}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
