"""Many seeds: run them on several processes, add up what happened, and say how one failed."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from multiprocessing import get_context
from random import Random
from typing import Final

from chain.consensus.machine import Machine
from tests.sim.app import AppMaker, SmallApp
from tests.sim.invariants import Counts
from tests.sim.ledger_app import LedgerApp
from tests.sim.node import MakeMachine
from tests.sim.plan import draw
from tests.sim.world import Journals, Outcome, simulate

TRACE_LINES: Final = 40
CHUNK: Final = 20
APPS: Final[tuple[tuple[str, AppMaker], ...]] = (("small", SmallApp), ("ledger", LedgerApp))


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is run for every seed."""

    validators: int = 4
    heights: int = 5
    app: str = "small"
    make_machine: MakeMachine = Machine

    def app_of(self, seed: int) -> AppMaker:
        """Return the application's maker.

        The validator set of the real chain does not change yet: newcomers are for the small one.
        """
        has_newcomer = draw(Random(seed), self.validators).newcomer_at is not None
        return SmallApp if has_newcomer else dict(APPS)[self.app]

    def run(self, seed: int, *, trace: bool = False, journals: Journals | None = None) -> Outcome:
        """Run one seed."""
        return simulate(
            seed, self.validators, self.heights, self.app_of(seed), self.make_machine,
            trace=trace, journals=journals,
        )  # fmt: skip

    def over(self, seeds: Iterable[int], jobs: int = 1) -> Iterator[Outcome]:
        """Run seeds in order, on as many processes."""
        if jobs == 1:
            yield from map(self.run, seeds)
            return
        with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
            yield from pool.map(partial(_run, self), seeds, chunksize=CHUNK)

    def report(self, outcome: Outcome, lines: int = TRACE_LINES) -> str:
        """Say how a run failed: its last lines, what went wrong, and how to see it again."""
        traced = self.run(outcome.seed, trace=True).trace
        shape = f"--validators {self.validators} --heights {self.heights} --app {self.app}"
        return "\n".join(
            (
                *traced[-lines:],
                f"seed {outcome.seed}: {outcome.violation}",
                f"  see it again: python -m tests.sim --seed {outcome.seed} {shape} --trace",
            )
        )


def total(counts: Iterable[Counts]) -> Counts:
    """Add up what happened; of `…_max` take the largest."""
    added = Counts()
    for one in counts:
        for name in (field.name for field in fields(Counts)):
            held, new = getattr(added, name), getattr(one, name)
            setattr(added, name, max(held, new) if name.endswith("_max") else held + new)
    return added


def said(counts: Counts) -> str:
    """Say counts in one line."""
    names = [field.name for field in fields(Counts)]
    return ", ".join(f"{name.replace('_', ' ')} {getattr(counts, name)}" for name in names)


def _run(sweep: Sweep, seed: int) -> Outcome:
    return sweep.run(seed)
