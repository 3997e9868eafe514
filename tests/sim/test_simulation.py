"""Validators of the real machine on a seeded virtual network, clock and disk.

A failure names its seed; `python -m tests.sim --seed N --trace` plays it again. The long sweep is
`python -m tests.sim --seeds 10000 --jobs 2`.
"""

import os

import pytest

from tests.sim.invariants import Counts
from tests.sim.sweep import Sweep, total
from tests.sim.world import simulate

JOBS = min(2, os.cpu_count() or 1)


def run(sweep: Sweep, seeds: range, jobs: int = JOBS) -> Counts:
    """Run seeds; fail with the first that fails. Returns what happened in all."""
    outcomes = list(sweep.over(seeds, jobs))
    failed = [one for one in outcomes if one.violation is not None]
    assert not failed, f"{[one.seed for one in failed]}\n{sweep.report(failed[0])}"
    assert [one.seed for one in outcomes] == list(seeds)
    return total(one.counts for one in outcomes)


def test_four_validators_agree_and_go_on_in_a_thousand_seeds_of_real_execution() -> None:
    counts = run(Sweep(4, app="ledger"), range(1_000))
    # What was meant to happen did happen, and often.
    assert counts.heights > 1_000 * 4 * 4
    assert counts.crashes > 500
    assert counts.tears > 50
    assert counts.wipes >= counts.releases >= 5
    assert counts.lost > 10_000
    assert counts.kept_back > 5_000
    assert counts.evidence > 1_000
    assert counts.refusals > 1_000
    assert counts.skewed > 100
    assert counts.wrong_blocks > 50
    assert counts.later_rounds > 2_000
    assert counts.late_decisions > 100
    assert counts.reproposals > 100
    assert counts.round_max >= 5


@pytest.mark.parametrize(("validators", "seeds"), [(1, 100), (2, 40), (3, 40), (7, 40)])
def test_other_numbers_of_validators_agree_and_go_on(validators: int, seeds: int) -> None:
    counts = run(Sweep(validators, heights=4, app="ledger"), range(seeds), jobs=1)
    assert counts.heights >= seeds * validators * 4 * 3 >> 2
    assert counts.crashes > seeds >> 2
    assert (counts.evidence > 0) is (validators == 7), "f is 0 below four"


def test_the_same_seed_gives_the_same_run() -> None:
    one, other = simulate(5, trace=True), simulate(5, trace=True)
    assert one.trace == other.trace
    assert len(one.trace) > 500
    assert (one.counts, one.virtual_ms) == (other.counts, other.virtual_ms)
    assert simulate(5).counts == one.counts, "watching changes nothing"
