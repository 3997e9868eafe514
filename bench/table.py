"""The benchmarks that have a bar: what runs them, what is read from their answers, and the page.

Figures are kept in `docs/reference/benchmarks.json` with the machine's R of the same run; the page
beside it is made of nothing else.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
FIGURES: Final = ROOT / "docs" / "reference" / "benchmarks.json"
PAGE: Final = FIGURES.with_suffix(".md")


_HEAD: Final = """# Benchmarks

What the project measures itself by. R is the machine's own Ed25519 verify rate (libsodium, one
core), measured in the same run; "in verifications" is how many signatures one core could have
verified meanwhile, and travels to other machines better than milliseconds. Why the figures are what
they are: [Where the time goes](../explanation/where-the-time-goes.md).

| benchmark | what | measured | in verifications | bar | | R |
|---|---|---:|---:|---:|---|---:|"""
_FOOT: Final = """
```sh by hand
python -m bench --write                     # all of it: about twenty minutes
python -m bench --only validator --write    # these rows alone; the others stay
```

`python -m bench --list` names the benchmarks. Each is a program of its own with more to tell, such
as `python -m bench.trie --help`. Figures stand as they came out, also where they miss their bar;
they are medians of several runs, but for the week and the memory, which are single ones.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what its figure is, and where it stands in the benchmark's answer."""

    name: str
    what: str
    unit: str
    bar: float
    read: Callable[[Any], float]
    at_least: bool = False
    in_verifies: float = 0.0  # how much of the unit is a second; 0 where R says nothing

    def is_within(self, figure: float) -> bool:
        """Say whether the figure keeps to the bar."""
        return figure >= self.bar if self.at_least else figure <= self.bar


@dataclass(frozen=True, slots=True)
class Job:
    """One benchmark, run in a process of its own, and the rows it fills."""

    name: str
    command: tuple[str, ...]
    rows: tuple[Row, ...]


def _cleared(orders: int) -> Callable[[Any], float]:
    return lambda said: next(
        float(one["clear_ms"])
        for one in said["clearing"]
        if (one["reader"], one["orders"]) == ("leveldb", orders)
    )


def _trie(name: str, unit: str) -> Callable[[Any], float]:
    return lambda said: next(
        float(one["figure"])
        for one in said["results"]
        if one["name"].startswith(name) and one["unit"] == unit
    )


def _share(kind: str) -> Callable[[Any], float]:
    return lambda said: next(float(one["share"]) for one in said if one["kind"] == kind)


def _worst_clear_ms(said: Any) -> float:  # noqa: ANN401 - a benchmark's JSON
    return float(max(one["clear_ms"] for one in said["results"]))


JOBS: Final = (
    Job(
        "clearing",
        ("bench.clearing",),
        (
            Row("clearing-10k", "clearing of 10 000 stored orders, with every fill decided", "ms",
                60, _cleared(10_000), in_verifies=1e3),
            Row("clearing-100k", "clearing of 100 000", "ms", 400, _cleared(100_000),
                in_verifies=1e3),
        ),
    ),
    Job(
        "auction",
        ("bench.auction", "--orders", "1000000"),
        (Row("auction-1m", "the algorithm alone, 1 000 000 orders, worst book", "ms", 1_000,
             _worst_clear_ms, in_verifies=1e3),),
    ),
    Job(
        "trie",
        ("bench.trie", "--batches", "1000"),
        (
            Row("trie-batch", "trie of 1 000 000 keys: a batch of 1 000 new values, a key", "µs",
                30, _trie("update", "µs/key"), in_verifies=1e6),
            Row("trie-memory", "memory of that trie, a key", "bytes", 150,
                _trie("memory", "bytes/key")),
            Row("trie-rebuild", "rebuilding it", "s", 8, _trie("rebuild", "s"), in_verifies=1),
        ),
    ),
    Job(
        "trie-10m",
        ("bench.trie", "--keys", "10000000", "--batches", "1000", "--repeat", "3"),
        (Row("trie-10m-memory", "memory of a trie of 10 000 000 keys", "MB", 1_500,
             _trie("memory", "MB")),),
    ),
    Job(
        "validator",
        ("bench.validator",),
        (
            Row("transfers", "one validator: transfers final and synced", "R", 0.20,
                _share("transfers"), at_least=True),
            Row("orders", "orders, one a transaction", "R", 0.14, _share("orders"),
                at_least=True),
            Row("lists", "orders in lists of a hundred", "R", 0.40, _share("lists"),
                at_least=True),
            Row("readings", "readings with their devices' signatures", "R", 0.30,
                _share("readings"), at_least=True),
        ),
    ),
    Job(
        "week",
        ("bench.week",),
        (
            Row("week-time", "replay of the week, with report and audit", "s", 300,
                lambda said: float(said["replay_s"]), in_verifies=1),
            Row("week-memory", "its validator with its workers, resident", "MB", 700,
                lambda said: float(said["rss_bytes_max"]) / 1e6),
        ),
    ),
)  # fmt: skip


def rate_of(said: Any) -> float:  # noqa: ANN401 - a benchmark's JSON
    """Return R of a benchmark's answer; the lowest, where it was measured for each line."""
    lines = said if isinstance(said, list) else [said]
    return float(min(line["verifies_per_s"] for line in lines))


def kept_figures() -> dict[str, Any]:
    """Return the figures that the page was made of."""
    found: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8"))
    return found


def rendered(figures: Mapping[str, Any]) -> str:
    """Return the page: a row for each benchmark that has a bar, measured or not."""
    rows = [_line(row, figures.get(row.name)) for job in JOBS for row in job.rows]
    machines = sorted({f"Python {f['python']}, {f['cores']} cores" for f in figures.values()})
    measured = f"Measured with {' and '.join(machines)}, shared with other programs."
    return "\n".join([_HEAD, *rows, _FOOT, measured, ""])


def _line(row: Row, figure: Mapping[str, Any] | None) -> str:
    bar = f"{'≥' if row.at_least else '≤'} {_number(row.bar)} {row.unit}"
    if figure is None:
        return f"| {row.name} | {row.what} | not measured | | {bar} | | |"
    value, rate = figure["figure"], figure["verifies_per_s"]
    verifies = f"{value * rate / row.in_verifies:,.3g}" if row.in_verifies else ""
    if verifies and value * rate / row.in_verifies >= 1_000:
        verifies = f"{value * rate / row.in_verifies:,.0f}"
    said = "within" if row.is_within(value) else "**MISSED**"
    measured = f"{_number(value)} {row.unit}"
    return f"| {row.name} | {row.what} | {measured} | {verifies} | {bar} | {said} | {rate:,.0f} |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
