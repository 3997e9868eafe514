"""The extract of SimBench: complete, whole numbers, remade byte for byte where the package is."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT / "data" / "simbench_rural2"
WEEK = DATA / "simbench_rural2_15min_1week.csv"


def rows() -> list[dict[str, str]]:
    with WEEK.open() as file:
        return list(csv.DictReader(file))


def test_it_has_93_loads_and_11_generators_of_672_whole_quarters() -> None:
    kinds = [row["kind"] for row in rows()]
    assert (kinds.count("load_wh"), kinds.count("pv_wh"), len(kinds)) == (93, 11, 104)
    for row in rows():
        values = [int(row[f"t{t:03d}"]) for t in range(672)]
        assert all(0 <= value < 100_000 for value in values)
        assert any(values)


def test_generation_exceeds_load_somewhere_in_356_quarters() -> None:
    # The number of quarters in which at least one household has more generation than load.
    load = {row["bus"]: row for row in rows() if row["kind"] == "load_wh"}
    solar = [row for row in rows() if row["kind"] == "pv_wh"]
    surplus = sum(
        any(int(pv[t]) > int(load[pv["bus"]][t]) for pv in solar)
        for t in (f"t{i:03d}" for i in range(672))
    )
    assert surplus == 356


def test_the_sun_is_highest_an_hour_and_a_quarter_after_noon_of_summer_time() -> None:
    solar = [row for row in rows() if row["kind"] == "pv_wh"]
    energy = [sum(int(row[f"t{t:03d}"]) for row in solar) for t in range(672)]
    centre = sum(e * (t % 96 + 0.5) / 4 for t, e in enumerate(energy)) / sum(energy)
    assert 12.5 < centre < 13.5


def test_the_package_gives_the_same_bytes(tmp_path: Path) -> None:
    package = os.environ.get("GTX_SIMBENCH_WHEEL")
    if package is None:
        pytest.skip("GTX_SIMBENCH_WHEEL names no downloaded simbench wheel (91 MB)")
    command = [sys.executable, "scripts/extract_simbench.py", package, "--out", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (DATA / path.name).read_bytes()
