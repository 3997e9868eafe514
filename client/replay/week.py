"""The replay's input: households, generators and batteries of one grid, in whole watt-hours."""

import csv
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

QUARTER_S: Final = 900
QUARTERS_PER_DAY: Final = 96
# Midnight of 2016-06-06 in Central European Summer Time; see data/simbench_rural2/README.md.
WEEK_START_S: Final = 1_465_164_000
ZONE_OFFSET_S: Final = 7_200
WH_PER_W_QUARTER: Final = 4


class WeekDataError(ValueError):
    """The input files do not fit together; says which and how."""


@dataclass(frozen=True, slots=True)
class Battery:
    """A battery behind a household's settlement meter; energy and power at its terminals."""

    energy_wh: int
    power_w: int

    @property
    def quarter_wh_max(self) -> int:
        """Return what its power moves in a quarter."""
        return self.power_w // WH_PER_W_QUARTER


@dataclass(frozen=True)
class Household:
    """One customer of the grid: a load, perhaps a generator, perhaps a battery."""

    bus: int
    load_wh: tuple[int, ...]
    solar_wh: tuple[int, ...] | None
    battery: Battery | None

    @cached_property
    def net_wh(self) -> tuple[int, ...]:
        """Return load less generation per quarter, before any battery."""
        if self.solar_wh is None:
            return self.load_wh
        return tuple(a - b for a, b in zip(self.load_wh, self.solar_wh, strict=True))


@dataclass(frozen=True)
class Week:
    """All households over the same quarters, the first of which begins at `start_s`."""

    start_s: int
    households: tuple[Household, ...]
    transformer_va: int

    @property
    def quarters(self) -> int:
        """Return the number of quarters."""
        return len(self.households[0].load_wh)

    def quarter_start_s(self, quarter: int) -> int:
        """Return when a quarter begins, in seconds since the epoch."""
        return self.start_s + quarter * QUARTER_S

    def first(self, quarters: int) -> "Week":
        """Return the same households over the first quarters only."""
        return self._cut(slice(quarters))

    def days(self, first: int, count: int) -> "Week":
        """Return the same households over some days only."""
        return self._cut(slice(first * QUARTERS_PER_DAY, (first + count) * QUARTERS_PER_DAY))

    def _cut(self, cut: slice) -> "Week":
        households = tuple(
            Household(
                h.bus,
                h.load_wh[cut],
                None if h.solar_wh is None else h.solar_wh[cut],
                h.battery,
            )
            for h in self.households
        )
        if not households[0].load_wh:
            msg = f"the data has {self.quarters} quarters, none from {cut.start or 0} to {cut.stop}"
            raise WeekDataError(msg)
        return Week(self.quarter_start_s(cut.start or 0), households, self.transformer_va)


def load_week(folder: Path) -> Week:
    """Read `*_15min_1week.csv` and `*_grid.json`; raises `WeekDataError`."""
    (energy_file,) = folder.glob("*_15min_1week.csv")
    (grid_file,) = folder.glob("*_grid.json")
    series: dict[tuple[int, str], tuple[int, ...]] = {}
    with energy_file.open(newline="") as file:
        reader = csv.reader(file)
        header = next(reader)
        for row in reader:
            if len(row) != len(header):
                msg = f"{energy_file.name}: bus {row[0]} has {len(row)} columns"
                raise WeekDataError(msg)
            series[int(row[0]), row[1]] = tuple(map(int, row[2:]))
    grid = json.loads(grid_file.read_text())
    batteries = {one["bus"]: Battery(one["energy_wh"], one["power_w"]) for one in grid["storages"]}
    buses = [bus for bus, kind in series if kind == "load_wh"]
    strange = sorted((set(batteries) | {b for b, k in series if k == "pv_wh"}) - set(buses))
    if strange:
        msg = f"buses {strange} have a generator or battery but no load"
        raise WeekDataError(msg)
    households = tuple(
        Household(bus, series[bus, "load_wh"], series.get((bus, "pv_wh")), batteries.get(bus))
        for bus in sorted(buses)
    )
    return Week(WEEK_START_S, households, grid["sn_va"])
