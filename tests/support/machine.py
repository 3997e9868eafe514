"""Stateful tests of contracts: random calls, and every invariant of every contract after each.

A machine names the contracts that it drives; `tests/contracts/test_coverage.py` checks that it does
change them, and that no contract with invariants is left out.
"""

from typing import ClassVar

from hypothesis.stateful import RuleBasedStateMachine, invariant

from tests.support.world import World


class ContractMachine(RuleBasedStateMachine):
    """A machine whose rules change the state of some contracts of its world."""

    contracts: ClassVar[tuple[str, ...]]
    """The names of the contracts that the rules change, alone and by due work."""
    world: World

    @invariant()
    def every_contract_is_sound(self) -> None:
        """Check what contracts say must hold between any two transactions."""
        self.world.check_invariants()
