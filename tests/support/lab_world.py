"""A world with the laboratory in it, and short words for what its tests do most."""

from chain.execution.receipt import Receipt
from chain.transaction import Call
from contracts.governance.parameters import ChainParameters
from contracts.kernel import Value
from tests.support.genesis import make_genesis
from tests.support.lab import Fault, Lab, LabRegistry
from tests.support.world import World


def lab_world(chain: ChainParameters | None = None) -> World:
    """Return a fresh world with these parameters."""
    return World(make_genesis(chain=chain), LabRegistry)


def lab(method: str, *arguments: Value) -> Call:
    """Return a call of the laboratory."""
    return Call("lab", method, arguments)


def wrong(fault: Fault) -> Call:
    """Return a call that writes, emits and then goes wrong in this way."""
    return lab("go_wrong", int(fault))


def codes(receipt: Receipt) -> list[int]:
    """Return the result codes."""
    return [result.code for result in receipt.results]


def cells(world: World) -> dict[int, int]:
    """Return the laboratory's cells."""
    return dict(_lab_of(world).cells.items())


def notes(world: World) -> tuple[int, ...]:
    """Return the laboratory's journal, in the order in which it was written."""
    return _lab_of(world).notes()


def _lab_of(world: World) -> Lab:
    registry = world.read
    assert isinstance(registry, LabRegistry)
    return registry.lab
