"""The pictures of a report: price and volume, one auction, bills, batteries, forecasts.

Energy is in kWh, prices in THB/kWh, money in THB, time is the local time of the data. Areas and
bars stand on zero, and so do the axes of prices. Every series has an id in the SVG by which
scripts and tests find it.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from matplotlib.axes import Axes

from client.replay.report import canvas, shown
from client.replay.report.canvas import Picture, finish, from_zero, new_figure, style
from client.replay.report.facts import Facts, Offer, Quarter
from client.replay.report.figures import Bill, Report
from client.replay.report.kinds import Trader, volume_of
from client.replay.week import QUARTERS_PER_DAY
from contracts.trading.uniform_price import Side

KILO: Final = 1_000
MICRO: Final = 1_000_000
QUARTERS_PER_HOUR: Final = 4
HOURS: Final = 24
BATTERIES_MAX: Final = 16

_SELLERS: Final = (
    (Trader.HOUSEHOLD, canvas.GREEN, "households' own generation"),
    (Trader.BATTERY, canvas.SKY, "batteries"),
    (Trader.RETAILER, canvas.ORANGE, "retailer"),
)


def pictures_of(facts: Facts, report: Report, auction: int | None = None) -> tuple[Picture, ...]:
    """Draw all pictures; `auction` chooses the quarter whose curves are shown."""
    chosen = telling_quarter(facts, report) if auction is None else auction
    return (
        price_and_volume(facts, report),
        curves(facts, facts.quarters[chosen]),
        bills(report),
        *((stored(facts, report),) if report.batteries else ()),
        forecasts(facts),
    )


def telling_quarter(facts: Facts, report: Report) -> int:
    """Return the quarter with the most trade among households, at a price of their own if any."""
    low, high = report.values.feed_in_per_wh, report.values.retail_per_wh

    def told(number: int) -> tuple[bool, int, int]:
        quarter = facts.quarters[number]
        price = quarter.price_per_wh
        with_others = sum(facts.outside_wh(quarter, side) for side in Side)
        own = price is not None and low < price < high
        return own, quarter.volume_wh - with_others, -number

    return max(range(len(facts.quarters)), key=told)


def price_and_volume(facts: Facts, report: Report) -> Picture:
    """Draw the clearing price and the volume by seller of every interval."""
    name, title = "price-and-volume", "Price and volume per interval"
    prices = [_price(quarter.price_per_wh) for quarter in facts.quarters]
    with style(name):
        figure = new_figure(11, 6.4, title)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.1))
        edges = _days(below, facts)
        values = report.values
        for per_wh, said in ((values.retail_per_wh, "retail"), (values.feed_in_per_wh, "feed-in")):
            line = above.axhline(per_wh / KILO, color=canvas.GREY, linewidth=0.9, linestyle="--")
            line.set_gid(f"{said}-price")
            above.annotate(
                f"{said} {shown.thb_per_kwh(per_wh)}",
                (1, per_wh / KILO),
                xycoords=("axes fraction", "data"),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
                color=canvas.GREY,
            )
        steps = above.stairs(prices, edges, baseline=None, color=canvas.BLUE, linewidth=1.3)
        steps.set_gid("price")
        above.set_ylabel("clearing price\nTHB/kWh")
        from_zero(above, values.retail_per_wh / KILO)
        _day_grid(above, facts)
        floor = [0.0] * len(facts.quarters)
        volumes = [volume_of(facts, quarter).sold_wh for quarter in facts.quarters]
        for kind, colour, said in _SELLERS:
            top = [f + volume[kind] / KILO for f, volume in zip(floor, volumes, strict=True)]
            area = below.stairs(top, edges, baseline=floor, fill=True, color=colour, label=said)
            area.set_gid(f"sold-by-{kind.value}")
            floor = top
        below.set_ylabel("volume by seller\nkWh per quarter-hour")
        from_zero(below, max(floor))
        _day_grid(below, facts)
        _legend_above(below, 3)
        trading = report.trading
        caption = (
            f"{shown.kwh(trading.volume_wh)} kWh in {shown.count(trading.trades)} trades; prices "
            f"from {shown.thb_per_kwh(trading.price_low_per_wh, 3)} to "
            f"{shown.thb_per_kwh(trading.price_high_per_wh, 3)} THB/kWh. The price line is "
            "interrupted where nothing was traded. The band of areas adds up to the volume."
        )
        return finish(figure, name, title, caption)


def curves(facts: Facts, quarter: Quarter) -> Picture:
    """Draw supply and demand of one interval, with its price and volume."""
    name = "supply-and-demand"
    title = f"Supply and demand, {shown.moment(quarter.start_s)}"
    with style(name):
        figure = new_figure(8.5, 5.2, title)
        axes = figure.subplots()
        households_wh = [0, 0]
        for side, colour, said in (
            (Side.BID, canvas.BLUE, "demand (bids)"),
            (Side.ASK, canvas.RED, "supply (asks)"),
        ):
            offers = _by_merit(facts, quarter, side)
            maker = facts.run.retailer.number
            households_wh[side] = sum(o.quantity_wh for o in offers if o.participant != maker)
            right = list(accumulate((o.quantity_wh / KILO for o in offers), initial=0.0))
            x = [at for i in range(len(offers)) for at in (right[i], right[i + 1])]
            y = [o.limit_per_wh / KILO for o in offers for _ in range(2)]
            dashes = "-" if side is Side.BID else (0, (5, 1.2))
            (line,) = axes.plot(x, y, color=colour, linewidth=2, linestyle=dashes, label=said)
            line.set_gid("demand" if side is Side.BID else "supply")
        widest = max(*households_wh, quarter.volume_wh, 100) / KILO * 1.15
        axes.set_xlim(0, widest)
        highest = max((offer.limit_per_wh for offer in quarter.offers), default=0)
        from_zero(axes, highest / KILO)
        axes.set_xlabel("energy in the quarter-hour, kWh")
        axes.set_ylabel("limit price, THB/kWh")
        axes.grid(visible=True, axis="x")
        _clearing(axes, quarter)
        axes.legend(loc="lower right")
        orders = len(quarter.offers)
        caption = (
            f"{orders} orders. Supply climbs from the lowest ask, demand falls from the highest "
            "bid. The retailer's orders, at its two limits, go on beyond the right edge: "
            f"{shown.kwh(quarter.offered_wh(Side.BID))} kWh of bids and "
            f"{shown.kwh(quarter.offered_wh(Side.ASK))} kWh of asks in all."
        )
        return finish(figure, name, title, caption)


def bills(report: Report) -> Picture:
    """Draw every household's bill with the market and alone, sorted by the latter."""
    name, title = "bills", "Bills: with the market, and with the retailer alone"
    rows = sorted(report.bills, key=lambda bill: (bill.alone_uthb, bill.bus))
    x = range(1, len(rows) + 1)
    with style(name):
        figure = new_figure(11, 6.8, title)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.5, 1))
        market = [bill.market_uthb / MICRO for bill in rows]
        alone = [bill.alone_uthb / MICRO for bill in rows]
        above.vlines(x, market, alone, color=canvas.GREY, linewidth=1.2).set_gid("differences")
        (one,) = above.plot(x, alone, "o", color=canvas.BLACK, fillstyle="none", markersize=5)
        one.set_gid("alone")
        (two,) = above.plot(x, market, "D", color=canvas.BLUE, markersize=3.5)
        two.set_gid("market")
        above.axhline(0, color=canvas.BLACK, linewidth=0.8)
        above.set_ylabel("bill, THB\n(below 0: earned)")
        above.legend([one, two], ["retailer alone", "with the market"], loc="upper left")
        kinds = (
            ("consumer", canvas.GREY, "consumers", ""),
            ("generator", canvas.GREEN, "with own generation", "////"),
            ("battery", canvas.SKY, "with a battery", "xx"),
        )
        for kind, colour, said, hatch in kinds:
            of_kind = [(n, b) for n, b in zip(x, rows, strict=True) if _kind(b) == kind]
            if of_kind:
                bars = below.bar(
                    [n for n, _ in of_kind],
                    [bill.saving_uthb / MICRO for _, bill in of_kind],
                    color=colour,
                    edgecolor="white",
                    linewidth=0.3,
                    hatch=hatch,
                    label=f"{said} ({len(of_kind)})",
                )
                for bar, (_, bill) in zip(bars, of_kind, strict=True):
                    bar.set_gid(f"saving-{kind}-{bill.bus}")
        below.axhline(0, color=canvas.BLACK, linewidth=0.8)
        below.set_ylabel("saved, THB\n(below 0: lost)")
        below.set_xlabel("households, from the smallest to the largest bill alone")
        below.set_xlim(0.2, len(rows) + 0.8)
        _legend_above(below, 3)
        saved = sum(bill.saving_uthb > 0 for bill in rows)
        total = sum(bill.saving_uthb for bill in rows)
        caption = (
            f"{saved} of {len(rows)} households pay less or earn more with the market; together "
            f"they save {shown.thb(total)} THB. Network charges are zero for now, in both bills; "
            "alone means retail and feed-in price, the battery idle."
        )
        return finish(figure, name, title, caption)


def stored(facts: Facts, report: Report) -> Picture:
    """Draw what each battery held, as a share of what it can hold."""
    name, title = "batteries", "State of charge of the batteries"
    uses = report.batteries[:BATTERIES_MAX]
    row_of = {party.number: row for row, party in enumerate(facts.run.parties)}
    with style(name):
        height = -(-len(uses) // 2)
        figure = new_figure(11, 1.0 + 1.45 * height, title)
        grid = figure.subplots(height, 2, sharex=True, sharey=True, squeeze=False)
        panels = [axes for line in grid for axes in line]
        for axes, use in zip(panels, uses, strict=False):
            edges = _days(axes, facts)
            ones = facts.of_household[row_of[use.participant]]
            share = [100 * one.soc_wh / use.energy_wh for one in ones]
            area = axes.stairs(share, edges, fill=True, color=canvas.SKY, alpha=0.55)
            area.set_gid(f"stored-{use.bus}")
            axes.stairs(share, edges, baseline=None, color=canvas.BLUE, linewidth=1)
            axes.set_title(
                f"bus {use.bus}: {shown.kwh(use.energy_wh)} kWh, "
                f"{shown.kwh(use.charge_wh)} in, {shown.kwh(use.discharge_wh)} out"
            )
            axes.set_ylim(0, 106)
            axes.set_yticks([0, 50, 100])
            _day_grid(axes, facts)
            axes.label_outer()
        for axes in panels[len(uses) :]:
            axes.set_visible(False)
        for line in grid:
            line[0].set_ylabel("% full")
        caption = (
            "Charge as a share of what the battery can hold, at the end of each quarter-hour, "
            "computed from the fills on the chain; all begin half full. In and out are kWh at the "
            "terminals."
        )
        return finish(figure, name, title, caption)


def forecasts(facts: Facts) -> Picture:
    """Draw forecast and actual net load of all households together."""
    name, title = "forecasts", "Forecast and actual load less generation, all households together"
    actual = [sum(one.actual_wh for one in q.households) / KILO for q in facts.quarters]
    expected = [sum(one.forecast_wh for one in q.households) / KILO for q in facts.quarters]
    with style(name):
        figure = new_figure(11, 3.9, title)
        axes = figure.subplots()
        edges = _days(axes, facts)
        solid = axes.stairs(actual, edges, baseline=None, color=canvas.BLACK, linewidth=1.2)
        solid.set_gid("actual")
        dashed = axes.stairs(
            expected, edges, baseline=None, color=canvas.RED, linewidth=1.2, linestyle=(0, (3, 1))
        )
        dashed.set_gid("forecast")
        axes.axhline(0, color=canvas.GREY, linewidth=0.8)
        axes.set_ylabel("kWh per quarter-hour\n(below 0: surplus)")
        _day_grid(axes, facts)
        axes.legend([solid, dashed], ["actual", "forecast at the gate"], loc="lower left", ncols=2)
        caption = (
            "Load less generation before batteries, summed over all households. Each household "
            "forecasts from its own readings up to a quarter-hour before delivery; on the first "
            "day from the newest reading alone."
        )
        return finish(figure, name, title, caption)


# ── Parts of pictures ──


def _price(price_per_wh: int | None) -> float:
    return float("nan") if price_per_wh is None else price_per_wh / KILO


def _kind(bill: Bill) -> str:
    if bill.has_battery:
        return "battery"
    return "generator" if bill.has_generation else "consumer"


def _clearing(axes: Axes, quarter: Quarter) -> None:
    if quarter.price_per_wh is None:
        axes.set_title("no trade: no bid reaches an ask")
        return
    price, volume = quarter.price_per_wh / KILO, quarter.volume_wh / KILO
    axes.plot([0, volume], [price, price], color=canvas.BLACK, linewidth=1, linestyle=":")
    axes.plot([volume, volume], [0, price], color=canvas.BLACK, linewidth=1, linestyle=":")
    (point,) = axes.plot([volume], [price], "o", color=canvas.BLACK, markersize=6, zorder=5)
    point.set_gid("clearing")
    # Below the lowest limit there are no curves to write over.
    lowest = min(offer.limit_per_wh for offer in quarter.offers) / KILO
    on_the_left = volume > axes.get_xlim()[1] / 2
    axes.annotate(
        f"{shown.kwh(quarter.volume_wh, 3)} kWh\n"
        f"at {shown.thb_per_kwh(quarter.price_per_wh, 3)} THB/kWh",
        (volume, lowest / 2),
        xytext=(-8 if on_the_left else 8, 0),
        textcoords="offset points",
        ha="right" if on_the_left else "left",
        va="center",
        fontweight="bold",
    )


def _by_merit(facts: Facts, quarter: Quarter, side: Side) -> list[Offer]:
    """Return a side's orders, the best limits first; at one limit the retailer comes last."""
    sign = -1 if side is Side.BID else 1

    def merit(offer: Offer) -> tuple[int, bool]:
        return sign * offer.limit_per_wh, offer.participant == facts.run.retailer.number

    return sorted((o for o in quarter.offers if o.side is side), key=merit)


def _days(axes: Axes, facts: Facts) -> Sequence[float]:
    """Mark days or hours on the lower axis; returns the edges of the intervals in hours."""
    count = len(facts.quarters)
    start_s = facts.quarters[0].start_s
    hours = count / QUARTERS_PER_HOUR
    axes.set_xlim(0, hours)
    if count > 2 * QUARTERS_PER_DAY:
        days = range(-(-count // QUARTERS_PER_DAY))
        axes.set_xticks([HOURS * d + HOURS / 2 for d in days if HOURS * d + HOURS / 2 < hours])
        labels = [shown.day(start_s + d * 86_400) for d in days]
        axes.set_xticklabels(labels[: len(axes.get_xticks())])
        axes.tick_params(axis="x", length=0)
    else:
        every = 6 if count > QUARTERS_PER_DAY else 3 if count > QUARTERS_PER_DAY // 2 else 1
        marks = range(0, int(hours) + 1, every)
        axes.set_xticks(list(marks))
        axes.set_xticklabels([f"{shown.local(start_s + h * 3_600):%H:%M}" for h in marks])
        axes.set_xlabel(f"{shown.day(start_s)}, local time")
    return [quarter / QUARTERS_PER_HOUR for quarter in range(count + 1)]


def _day_grid(axes: Axes, facts: Facts) -> None:
    """Draw a line at every midnight, and a faint one at noon."""
    quarters = len(facts.quarters)
    if quarters <= 2 * QUARTERS_PER_DAY:
        axes.grid(visible=True, axis="x")
        return
    for quarter in range(QUARTERS_PER_DAY, quarters, QUARTERS_PER_DAY):
        axes.axvline(quarter / QUARTERS_PER_HOUR, color=canvas.GREY, linewidth=0.6, zorder=0.5)


def _legend_above(axes: Axes, columns: int) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=0.2)
