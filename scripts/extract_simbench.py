#!/usr/bin/env python3
"""Extract weeks of one SimBench low-voltage grid into the form of `data/simbench_rural2/`.

    pip download --no-deps simbench==1.6.3
    scripts/extract_simbench.py simbench-1.6.3-py3-none-any.whl --start 2016-06-06 --out DIR

Reads the CSV files inside the package, needs nothing but Python, and writes one line per bus and
kind with integer watt-hours per quarter-hour, the grid's lines, its transformer and batteries.

Times: SimBench labels quarter-hours in German local time with daylight saving (02:00 to 02:45 are
missing on 27 March 2016 and stand twice on 30 October). `t000` is therefore midnight of the start
date in Central European (Summer) Time; for 2016-06-06 that is 2016-06-05 22:00 UTC.

Bus numbers are the positions of the grid's busbars in Node.csv; 0 is the medium-voltage side. A
bus' load is the sum of its loads, each its rated power times its profile, rounded to whole
watt-hours after summing. Loads of a bus without a household or business profile (heat pumps,
charging points) count like any other.
"""

import argparse
import csv
import datetime as dt
import io
import json
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

SCENARIO = "simbench/networks/1-complete_data-mixed-all-{scenario}-sw/{table}.csv"
QUARTERS_PER_WEEK = 672
WH_PER_MW_QUARTER = Decimal(250_000)


def main() -> int:
    """Parse arguments, extract, and say what was written."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("package", type=Path, help="the downloaded simbench wheel")
    parser.add_argument("--subnet", default="LV2.101", help="subnet in the data (LV2.101: rural2)")
    parser.add_argument("--scenario", type=int, default=2, choices=(0, 1, 2), help="0 today … 2")
    parser.add_argument("--start", default="2016-06-06", help="first day, a date of 2016")
    parser.add_argument("--weeks", type=int, default=1, help="how many weeks")
    parser.add_argument("--name", default="simbench_rural2", help="prefix of the files")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    options = parser.parse_args()
    with zipfile.ZipFile(options.package) as package:
        source = Source(package, options.scenario, options.subnet)
        day = dt.date.fromisoformat(options.start)
        options.out.mkdir(parents=True, exist_ok=True)
        span = "1week" if options.weeks == 1 else f"{options.weeks}weeks"
        rows = source.energy(day, options.weeks * QUARTERS_PER_WEEK)
        write_csv(
            options.out / f"{options.name}_15min_{span}.csv",
            ["bus", "kind", *(f"t{i:03d}" for i in range(options.weeks * QUARTERS_PER_WEEK))],
            rows,
        )
        write_csv(
            options.out / f"{options.name}_lines.csv",
            ["line", "from_bus", "to_bus", "r_mohm", "x_mohm", "max_ma"],
            source.lines(),
        )
        grid = json.dumps(source.grid(), indent=1)
        (options.out / f"{options.name}_grid.json").write_text(grid)
    sys.stdout.write(f"wrote {len(rows)} rows of {options.start} to {options.out}\n")
    return 0


class Source:
    """The tables of one subnet."""

    def __init__(self, package: zipfile.ZipFile, scenario: int, subnet: str) -> None:
        """Read the grid's own tables; profiles are streamed later."""
        self.package, self.scenario, self.subnet = package, scenario, subnet
        busbars = [
            row["id"]
            for row in self.table("Node")
            if row["type"] == "busbar" and subnet in row["subnet"].split("_")
        ]
        self.bus = {name: number for number, name in enumerate(busbars)}

    def table(self, name: str) -> Iterator[dict[str, str]]:
        """Yield the rows of a table of the package."""
        path = SCENARIO.format(scenario=self.scenario, table=name)
        with self.package.open(path) as file:
            yield from csv.DictReader(io.TextIOWrapper(file, "utf-8"), delimiter=";")

    def own(self, name: str) -> list[dict[str, str]]:
        """Return the rows of a table that belong to the subnet."""
        return [row for row in self.table(name) if row["subnet"] == self.subnet]

    def energy(self, day: dt.date, quarters: int) -> list[list[object]]:
        """Return `[bus, kind, Wh, …]` per bus: loads, then photovoltaic generators."""
        loads = [
            (self.bus[r["node"]], f"{r['profile']}_pload", r["pLoad"]) for r in self.own("Load")
        ]
        solar = [
            (self.bus[r["node"]], r["profile"], r["pRES"])
            for r in self.own("RES")
            if r["type"] == "PV"
        ]
        out: list[list[object]] = []
        for kind, table, units in (
            ("load_wh", "LoadProfile", loads),
            ("pv_wh", "RESProfile", solar),
        ):
            sums: dict[int, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * quarters)
            for t, row in enumerate(self.window(table, day, quarters)):
                for bus, column, power_mw in units:
                    sums[bus][t] += Decimal(power_mw) * Decimal(row[column])
            out += [[bus, kind, *map(whole_wh, sums[bus])] for bus in sorted(sums)]
        return sorted(out, key=lambda row: (row[0], row[1]))

    def window(self, table: str, day: dt.date, quarters: int) -> Iterator[dict[str, str]]:
        """Yield the profile rows from midnight of `day` on."""
        first = day.strftime("%d.%m.%Y 00:00")
        left = 0
        for row in self.table(table):
            if row["time"] == first:
                left = quarters
            if left:
                left -= 1
                yield row
                if not left:
                    return
        message = f"{table} has not {quarters} quarter-hours from {first} on"
        raise SystemExit(message)

    def lines(self) -> list[list[object]]:
        """Return `[line, from bus, to bus, resistance, reactance, limit]` in mΩ and mA."""
        types = {row["id"]: row for row in self.table("LineType")}
        ends = self._busbar_behind()
        out: list[list[object]] = []
        for number, row in enumerate(self.own("Line")):
            kind, km = types[row["type"]], Decimal(row["length"])
            out.append([
                number, ends[row["nodeA"]], ends[row["nodeB"]],
                thousandths(Decimal(kind["r"]) * km * 1000),
                thousandths(Decimal(kind["x"]) * km * 1000),
                int(Decimal(kind["iMax"]) * 1000),
            ])  # fmt: skip
        return out

    def grid(self) -> dict[str, object]:
        """Return the transformer and the batteries."""
        transformer = self.own("Transformer")[0]
        kind = next(r for r in self.table("TransformerType") if r["id"] == transformer["type"])
        ends = self._busbar_behind()
        return {
            "lv_bus": ends[transformer["nodeLV"]],
            "hv_bus": ends[transformer["nodeHV"]],
            "sn_va": int(Decimal(kind["sR"]) * 10**6),
            "v_lv_v": int(Decimal(kind["vmLV"]) * 1000),
            "vk_percent": float(kind["vmImp"]),
            "vkr_percent": round(float(kind["pCu"]) / (float(kind["sR"]) * 1000) * 100, 6),
            "storages": [
                {
                    "bus": self.bus[row["node"]],
                    "energy_wh": int(Decimal(row["eStore"]) * 10**6),
                    "power_w": int(-Decimal(row["pMin"]) * 10**6),
                }
                for row in self.own("Storage")
            ],
        }

    def _busbar_behind(self) -> dict[str, int]:
        """Map every node to its busbar: lines end in auxiliary nodes behind switches."""
        parent = {
            row["id"]: row["id"]
            for row in self.table("Node")
            if self.subnet in row["subnet"].split("_")
        }

        def root(node: str) -> str:
            while parent[node] != node:
                node = parent[node]
            return node

        for row in self.table("Switch"):
            if row["nodeA"] in parent and row["nodeB"] in parent:
                one, other = root(row["nodeA"]), root(row["nodeB"])
                keep, drop = (one, other) if one in self.bus else (other, one)
                parent[drop] = keep
        return {node: self.bus[root(node)] for node in parent if root(node) in self.bus}


def whole_wh(power_mw: Decimal) -> int:
    """Return the energy of a quarter-hour at this power, in whole watt-hours."""
    return int((power_mw * WH_PER_MW_QUARTER).quantize(Decimal(1), ROUND_HALF_EVEN))


def thousandths(value: Decimal) -> str:
    """Return a number with at most three decimals and no trailing zeros."""
    return str(float(round(value, 3)))


def write_csv(path: Path, header: list[str], rows: list[list[object]]) -> None:
    """Write a CSV file with a header."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
