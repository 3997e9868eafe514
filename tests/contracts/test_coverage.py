"""What the tests of contracts must cover: every invariant, and every refusal.

- A contract with invariants is driven by a stateful test that checks them after every step. Each
  machine names its contracts, and is run here for a few steps to see that it changes them.
- A refusal is met by a test that asserts that the state is unchanged. The tests' sources are read
  for the refusals that reach `World.without_effect`, through whatever helpers.
"""

import importlib

import pytest
from hypothesis import settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from contracts.kernel import Kind
from contracts.registry import CATALOGUE
from tests.contracts.refusal_scan import refusals_in
from tests.support.machine import ContractMachine
from tests.tidy.project import ROOT

SOURCES = sorted((ROOT / "tests").rglob("*.py"))
WITH_INVARIANTS = [spec.name for spec in CATALOGUE.specs if spec.of_kind(Kind.INVARIANT)]
Tables = tuple[tuple[bytes, bytes], ...]
NUMBERS = {spec.name: spec.number for spec in CATALOGUE.specs}
# Few are enough for most; which rules a few examples come upon depends on what else is imported.
EXAMPLES = (5, 25, 100)


def machines() -> list[type[ContractMachine]]:
    """Return the machines of all tests; each is run as a test of its module."""
    found = []
    for path in SOURCES:
        if "(ContractMachine)" not in path.read_text():
            continue
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        values = vars(importlib.import_module(name))
        tests = [value for key, value in values.items() if key.startswith("Test")]
        for value in values.values():
            if isinstance(value, type) and issubclass(value, ContractMachine):
                if value.__module__ != name:
                    continue
                assert value.TestCase in tests, f"{value.__name__} of {name} is not run as a test"
                found.append(value)
    return found


MACHINES = machines()


def test_every_contract_with_invariants_is_driven_by_a_machine() -> None:
    driven = {name for machine in MACHINES for name in machine.contracts}
    assert set(WITH_INVARIANTS) - driven == set()
    assert driven <= NUMBERS.keys()


@pytest.mark.parametrize("machine", MACHINES, ids=lambda one: one.__name__)
def test_a_machine_changes_the_contracts_that_it_names(machine: type[ContractMachine]) -> None:
    seen: dict[str, set[Tables]] = {name: set() for name in machine.contracts}

    class Watched(machine):  # type: ignore[misc, valid-type]  # of whichever machine
        @invariant()
        def watch(self) -> None:
            for name, tables in seen.items():
                first = NUMBERS[name]
                tables.add(tuple(self.world.state.scan(bytes([first]), bytes([first + 1]))))

    unchanged = list(seen)
    for count in EXAMPLES:
        if unchanged:
            few = settings(max_examples=count, stateful_step_count=15)
            run_state_machine_as_test(Watched, settings=few)
            unchanged = [name for name, tables in seen.items() if len(tables) == 1]
    assert unchanged == []


def test_every_refusal_is_met_by_a_test_that_asserts_that_nothing_changed() -> None:
    names = [reject.__name__ for reject in CATALOGUE.code_by_reject]
    assert len(names) == len(set(names)), "a refusal is told by its name alone"
    met = refusals_in(path.read_text() for path in SOURCES)
    assert sorted(set(names) - met) == []


def test_every_refusal_says_what_to_do() -> None:
    for reject in CATALOGUE.code_by_reject:
        what, _, advice = (reject.__doc__ or "").partition("\n\n")
        assert what.strip(), reject
        assert advice.strip(), reject


READ = """
def helper(world, reject: type[Reject], *rest):
    return world.without_effect(rest)

def outer(world, why: type[Reject]):
    helper(world, why)

def forgetful(world, reject: type[Reject]):
    assert world.send().code == reject.code

CASES = [(1, InTable), (2, AlsoInTable)]

def test_plain(world):
    helper(world, Plain)
    outer(world, words.Dotted)
    forgetful(world, Forgotten)
    assert world.code == Compared.code
    with pytest.raises(Raised):
        world.call()

@pytest.mark.parametrize(("number", "reject"), [(1, Parameter)])
def test_parameter(world, number, reject):
    helper(world, reject)

@pytest.mark.parametrize("reject", [Unused])
def test_unused(world, reject):
    forgetful(world, reject)

def test_loops(world):
    for number, reject in CASES:
        outer(world, reject)
    local = [InLocal]
    for reject in local:
        outer(world, reject)
"""


def test_only_refusals_that_reach_the_comparison_of_states_count() -> None:
    names = refusals_in([READ])
    named = {"Plain", "Dotted", "Parameter", "InTable", "AlsoInTable", "InLocal"}
    assert named <= names
    assert names.isdisjoint({"Forgotten", "Compared", "Raised", "Unused"})
