"""Run many seeds, or one again.

python -m tests.sim --seeds 10000 --start 0 --jobs 2
python -m tests.sim --seed 1234 --trace
python -m tests.sim --seed 1234 --journals FOLDER      for gtx replay-wal, one for each start
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.sim.invariants import Counts
from tests.sim.sweep import APPS, Sweep, said, total
from tests.sim.world import Journals

PROGRESS_EVERY = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run; 1 if anything went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many")
    parser.add_argument("--start", type=int, default=0, help="the first")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--trace", action="store_true", help="print all that happens in it")
    parser.add_argument("--journals", type=Path, help="write its nodes' journals to this folder")
    parser.add_argument("--validators", type=int, default=4)
    parser.add_argument("--heights", type=int, default=5)
    parser.add_argument("--app", choices=[name for name, _ in APPS], default="ledger")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    asked = parser.parse_args(arguments)
    sweep = Sweep(asked.validators, asked.heights, asked.app)
    if asked.seed is not None:
        return run_one(sweep, asked.seed, trace=asked.trace, folder=asked.journals)
    return run_many(sweep, range(asked.start, asked.start + asked.seeds), asked.jobs)


def run_one(sweep: Sweep, seed: int, *, trace: bool, folder: Path | None = None) -> int:
    """Run one seed and say how it ended."""
    journals: Journals | None = None if folder is None else {}
    outcome = sweep.run(seed, trace=trace, journals=journals)
    if folder is not None and journals is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for (index, start), journal in sorted(journals.items()):
            (folder / f"node-{index}-start-{start}.journal").write_bytes(journal)
    for line in outcome.trace:
        say(line)
    say(f"seed {seed}: {outcome.violation or 'nothing wrong'}")
    say(f"  {outcome.virtual_ms} ms of virtual time: {said(outcome.counts)}")
    return 1 if outcome.violation else 0


def run_many(sweep: Sweep, seeds: range, jobs: int) -> int:
    """Run many seeds and show how far it is; every failure says how to see it again."""
    begun = time.monotonic()
    counts: list[Counts] = []
    failed: list[int] = []
    for outcome in sweep.over(seeds, jobs):
        counts.append(outcome.counts)
        if outcome.violation is not None:
            failed.append(outcome.seed)
            say(sweep.report(outcome))
        if len(counts) % PROGRESS_EVERY == 0:
            spent_s = time.monotonic() - begun
            done = f"{len(counts)} of {len(seeds)} seeds, {len(failed)} failed, {spent_s:.1f} s"
            sys.stderr.write(f"\r{done}")
    sys.stderr.write("\n")
    say(f"{len(counts)} seeds in {time.monotonic() - begun:.1f} s: {said(total(counts))}")
    if failed:
        say(f"failed: {', '.join(map(str, failed))}")
    return 1 if failed else 0


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    raise SystemExit(main())
