"""Run many seeds, or one again.

python -m tests.sim --seeds 10000 --start 0 --jobs 2
python -m tests.sim --seed 1234 --trace
"""

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields
from functools import partial

from tests.sim.invariants import Counts
from tests.sim.world import Outcome, simulate

TRACE_LINES = 40
CHUNK = 50


def report(outcome: Outcome, validators: int, heights: int, *, lines: int) -> str:
    """Say how a run failed, its last lines, and how to see it again."""
    again = f"--seed {outcome.seed} --validators {validators} --heights {heights} --trace"
    traced = simulate(outcome.seed, validators, heights, trace=True).trace
    return "\n".join(
        (
            *traced[-lines:],
            f"seed {outcome.seed}: {outcome.violation}",
            f"  see it again: python -m tests.sim {again}",
        )
    )


def outcomes(seeds: range, validators: int, heights: int, jobs: int) -> Iterator[Outcome]:
    """Run seeds, on several processes if asked."""
    run = partial(simulate, validators=validators, heights=heights)
    if jobs == 1:
        yield from map(run, seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(run, seeds, chunksize=CHUNK)


def total(counts: list[Counts]) -> str:
    """Say what happened in all runs together."""
    parts = []
    for name in (field.name for field in fields(Counts)):
        values = [getattr(one, name) for one in counts]
        value = max(values) if name.endswith("_max") else sum(values)
        parts.append(f"{name.replace('_', ' ')} {value}")
    return ", ".join(parts)


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many")
    parser.add_argument("--start", type=int, default=0, help="the first")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--trace", action="store_true", help="print all that happens in it")
    parser.add_argument("--validators", type=int, default=4)
    parser.add_argument("--heights", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    asked = parser.parse_args()
    if asked.seed is not None:
        outcome = simulate(asked.seed, asked.validators, asked.heights, trace=asked.trace)
        for line in outcome.trace:
            say(line)
        say(f"seed {asked.seed}: {outcome.violation or 'nothing wrong'}")
        say(f"  {outcome.virtual_ms} ms of virtual time: {total([outcome.counts])}")
        return 1 if outcome.violation else 0
    return sweep(asked)


def sweep(asked: argparse.Namespace) -> int:
    """Run many seeds and show how far it is."""
    begun = time.monotonic()
    counts: list[Counts] = []
    failed: list[Outcome] = []
    seeds = range(asked.start, asked.start + asked.seeds)
    for outcome in outcomes(seeds, asked.validators, asked.heights, asked.jobs):
        counts.append(outcome.counts)
        if outcome.violation is not None:
            failed.append(outcome)
            say(report(outcome, asked.validators, asked.heights, lines=TRACE_LINES))
        if len(counts) % 100 == 0 or len(counts) == asked.seeds:
            spent_s = time.monotonic() - begun
            done = f"{len(counts)} of {asked.seeds} seeds, {len(failed)} failed, {spent_s:.1f} s"
            sys.stderr.write(f"\r{done}")
    sys.stderr.write("\n")
    say(total(counts))
    if failed:
        say(f"failed: {', '.join(str(one.seed) for one in failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
