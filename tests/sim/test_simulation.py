"""Validators of the real machine on a seeded virtual network, clock and disk.

A failure names its seed; `python -m tests.sim --seed N --trace` plays it again. The long sweep is
`python -m tests.sim --seeds 10000 --jobs 2`.
"""

from random import Random

import pytest

from tests.sim.ledger_app import LedgerApp
from tests.sim.plan import draw
from tests.sim.world import simulate

CHUNK = 50
SMALL_CHUNKS = 10
LEDGER_CHUNKS = 4


def seeds_of(chunk: int) -> range:
    return range(chunk * CHUNK, (chunk + 1) * CHUNK)


@pytest.mark.parametrize("chunk", range(SMALL_CHUNKS))
def test_four_validators_agree_and_go_on_under_every_fault(chunk: int) -> None:
    failed = {o.seed: o.violation for o in map(simulate, seeds_of(chunk)) if o.violation}
    assert not failed, failed


@pytest.mark.parametrize("validators", [1, 7])
def test_one_and_seven_validators_agree_and_go_on(validators: int) -> None:
    outcomes = [simulate(seed, validators, 3) for seed in range(20)]
    failed = {o.seed: o.violation for o in outcomes if o.violation}
    assert not failed, failed


@pytest.mark.parametrize("chunk", range(LEDGER_CHUNKS))
def test_real_execution_agrees_on_every_root_under_every_fault(chunk: int) -> None:
    # The ledger's validator set does not change yet: plans with a newcomer are for the small app.
    seeds = [s for s in seeds_of(chunk) if draw(Random(s), 4).newcomer_at is None]
    assert len(seeds) > CHUNK // 2
    outcomes = [simulate(seed, make_app=LedgerApp) for seed in seeds]
    failed = {o.seed: o.violation for o in outcomes if o.violation}
    assert not failed, failed


def test_the_same_seed_gives_the_same_run() -> None:
    one, other = simulate(5, trace=True), simulate(5, trace=True)
    assert one.trace == other.trace
    assert (one.counts, one.virtual_ms) == (other.counts, other.virtual_ms)
