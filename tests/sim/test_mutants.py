"""The simulation can fail: it catches every machine that is broken on purpose."""

import pytest

from tests.sim.__main__ import run_many
from tests.sim.mutants import MUTANTS
from tests.sim.sweep import Sweep

SEEDS_MAX = 600

# What each mutant must be caught at; anything else would be a fault of the simulation itself.
CAUGHT_AT = {
    "unlocks on nil": "two blocks are decided",
    "prevotes whatever comes": "two blocks are decided",
    "trusts old polkas": "two blocks are decided",
    "never locks": "two blocks are decided",
    "counts too few": "signers, the quorum is",
    "forgets the lock": "two blocks are decided",
    "forgets what it said": "had to refuse",
    "speaks first": "signed twice",
    "says nothing twice": "no progress",
}


def test_every_mutant_has_its_violation() -> None:
    assert list(CAUGHT_AT) == list(MUTANTS)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_machine_is_caught(name: str) -> None:
    sweep = Sweep(make_machine=MUTANTS[name])
    violations = (one.violation for one in sweep.over(range(SEEDS_MAX)) if one.violation)
    assert CAUGHT_AT[name] in next(violations, "nothing caught")


def test_a_failure_says_its_seed_its_last_lines_and_how_to_see_it_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sweep = Sweep(make_machine=MUTANTS["counts too few"])
    assert run_many(sweep, range(1), jobs=1) == 1
    lines = capsys.readouterr().out.splitlines()
    again = "python -m tests.sim --seed 0 --validators 4 --heights 5 --app small --trace"
    assert f"  see it again: {again}" in lines
    assert any(line.startswith("seed 0: Violation: certificate of height") for line in lines)
    assert sum(" ms  node " in line for line in lines) == 40
    assert lines[-1] == "failed: 0"
