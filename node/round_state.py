"""Where consensus stands, read off the machine for people."""

from chain.consensus.machine import Machine
from chain.votes import Step, bitmap_positions
from node.backend import RoundState


def round_state_of(machine: Machine) -> RoundState:
    """Return the round under way, in the task that owns the machine."""
    rules, status = machine.rules, machine.status()
    prevotes, precommits = map(bitmap_positions, (status.prevotes, status.precommits))
    return RoundState(
        height=status.height,
        round=status.round,
        step=Step(status.step).name.lower(),
        proposer=rules.validators.proposer(status.height, status.round).address,
        quorum=rules.validators.quorum,
        is_due=rules.is_open,
        has_proposal=status.has_proposal,
        may_sign=machine.may_sign,
        votes=tuple(
            (member.address, position in prevotes, position in precommits)
            for position, member in enumerate(rules.validators.members)
        ),
    )
