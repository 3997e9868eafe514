"""The page of benchmarks is made of its figures, and no benchmark with a bar is missing."""

import math

import pytest

from bench.table import JOBS, PAGE, Row, kept_figures, rendered

ROWS = [row for job in JOBS for row in job.rows]


def test_the_page_is_what_its_figures_make() -> None:
    assert PAGE.read_text(encoding="utf-8") == rendered(kept_figures())


def test_every_benchmark_with_a_bar_was_measured() -> None:
    figures = kept_figures()
    assert list(figures) == sorted(row.name for row in ROWS)
    assert all(f["figure"] > 0 and f["verifies_per_s"] > 0 for f in figures.values())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_figure_beyond_its_bar_is_called_missed(row: Row) -> None:
    measured = {"verifies_per_s": 16_000, "python": "3.11", "cores": 2}
    beyond = row.bar * (0.9 if row.at_least else 1.1)
    for figure, said in ((row.bar, "within"), (beyond, "**MISSED**"), (math.nan, "**MISSED**")):
        page = rendered({row.name: measured | {"figure": figure}})
        (line,) = [line for line in page.splitlines() if line.startswith(f"| {row.name} ")]
        assert f"| {said} |" in line
        assert page.count("not measured") == len(ROWS) - 1
