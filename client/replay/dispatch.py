"""The best that could have been: perfect-information dispatch as one linear program.

Welfare is counted at true values: a watt-hour that a household takes is worth the retail price, one
that it gives up costs the feed-in price, a battery has no value of its own, and trades with the
retailer bring nothing. All that is left is what the neighbourhood as a whole buys and sells:

    minimise Σ_t retail · import_t − feed_in · export_t
    import_t − export_t = Σ net_t + Σ_b (charge_bt − discharge_bt)
    soc_bt = soc_b,t−1 + η · charge_bt − discharge_bt / η,   0 ≤ soc ≤ energy,  soc_end = soc_start

The welfare of trading is what this saves against every household dealing with the retailer alone,
batteries idle.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from client.replay.week import Week

PPM: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Values:
    """True values in µTHB per Wh, and the batteries' one-way efficiency in ppm."""

    retail_per_wh: int = 3_950
    feed_in_per_wh: int = 2_200
    efficiency_ppm: int = 948_683
    soc_start_ppm: int = 500_000


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The optimum: its welfare in THB against no trading, and the neighbourhood's exchange."""

    welfare_thb: float
    import_wh: float
    export_wh: float


class DispatchError(RuntimeError):
    """The solver did not find the optimum; names its status."""


def alone_cost_uthb(week: Week, values: Values) -> int:
    """Return what all households pay if each deals with the retailer alone, batteries idle."""
    return sum(
        wh * (values.retail_per_wh if wh > 0 else values.feed_in_per_wh)
        for household in week.households
        for wh in household.net_wh
    )


def best_dispatch(week: Week, values: Values | None = None) -> Dispatch:
    """Solve the program; raises `DispatchError`."""
    v = values or Values()
    batteries = [h.battery for h in week.households if h.battery is not None]
    quarters, count = week.quarters, len(batteries)
    net = np.sum([h.net_wh for h in week.households], axis=0).astype(np.float64)
    eta = v.efficiency_ppm / PPM
    # Columns: import_t, export_t, then charge, discharge, soc for each battery and quarter.
    width = quarters * (2 + 3 * count)
    t = np.arange(quarters)
    rows, columns, entries = [t, t], [t, quarters + t], [np.ones(quarters), -np.ones(quarters)]
    bounds: list[tuple[float, float | None]] = [(0, None)] * (2 * quarters)
    right = [net]
    for b, battery in enumerate(batteries):
        first = quarters * (2 + 3 * b)
        charge, discharge, soc = first + t, first + quarters + t, first + 2 * quarters + t
        rows += [t, t]
        columns += [charge, discharge]
        entries += [-np.ones(quarters), np.ones(quarters)]
        balance = quarters * (1 + b) + t
        rows += [balance, balance[1:], balance, balance]
        columns += [soc, soc[:-1], charge, discharge]
        entries += [
            np.ones(quarters),
            -np.ones(quarters - 1),
            np.full(quarters, -eta),
            np.full(quarters, 1 / eta),
        ]
        start = battery.energy_wh * v.soc_start_ppm / PPM
        right.append(np.concatenate(([start], np.zeros(quarters - 1))))
        limit = float(battery.quarter_wh_max)
        bounds += [(0, limit)] * (2 * quarters)
        bounds += [(0, float(battery.energy_wh))] * (quarters - 1) + [(start, start)]
    matrix = coo_array(
        (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))),
        shape=(quarters * (1 + count), width),
    )
    cost = np.zeros(width)
    cost[:quarters] = v.retail_per_wh
    cost[quarters : 2 * quarters] = -v.feed_in_per_wh
    equal = matrix.tocsc()
    # HiGHS takes sparse matrices; the stubs do not say so.
    solved = linprog(  # type: ignore[call-overload]  # as said above
        cost,
        A_eq=equal,
        b_eq=np.concatenate(right),
        bounds=bounds,
        method="highs",
    )
    if not solved.success:
        msg = f"the linear program was not solved: {solved.message}"
        raise DispatchError(msg)
    saved = (alone_cost_uthb(week, v) - solved.fun) / PPM
    flows = solved.x
    return Dispatch(
        float(saved), float(flows[:quarters].sum()), float(flows[quarters : 2 * quarters].sum())
    )
