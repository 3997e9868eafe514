"""A network that works against agreement: it keeps messages back where that hurts most.

Losing messages at random seldom builds the situations that locks are for: one node decides, and
nobody else knows. Two ways to build them:

- Omission. A share of all pairs (sender, receiver) never see what the other says in a round and
  step, however often it is sent.
- Plots. In a round a `favourite` and some `deaf` nodes are chosen. The deaf get neither the
  proposal, so that they prevote nil, nor the favourite's prevotes, nor polkas. Then either nobody
  gets the favourite's precommits, so that it alone can see a decision ("decides alone"); or nobody
  gets its prevotes, so that it alone can see a polka ("locks alone").

Above the round in which somebody decides a height, everything flows.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from chain.consensus.inputs import TallyReceived, VoteReceived
from chain.validators import ValidatorSet
from chain.votes import ROUND_MAX, Certificate, Polka, Step
from contracts.kernel.rounding import floor_div
from tests.sim.node import Item, Said
from tests.sim.plan import Malice


class Plot(enum.Enum):
    """What the favourite of a round does alone."""

    LOCKS = "locks alone"
    DECIDES = "decides alone"


@dataclass(frozen=True, slots=True)
class Roles:
    """Who is chosen in one round, by address."""

    plot: Plot
    favourite: bytes
    deaf: tuple[bytes, ...]


class Spoiler:
    """Decides which messages never arrive."""

    def __init__(self, malice: Malice, set_at: Callable[[int], ValidatorSet], rng: Random) -> None:
        self._malice = malice
        self._set_at = set_at
        self._rng = rng
        self._decided_round: dict[int, int] = {}
        self._roles: dict[tuple[int, int], Roles] = {}
        self._omitted: dict[tuple[int, int, Step, bytes, bytes], bool] = {}

    def is_first_to_decide(self, certificate: Certificate) -> bool:
        """Note a decision; say whether its height had none."""
        if certificate.height in self._decided_round:
            return False
        self._decided_round[certificate.height] = certificate.round
        return True

    def keeps_back(self, sender: bytes, receiver: bytes, item: Item) -> bool:
        """Say whether this message never arrives."""
        match item:
            case Said(_, proposal, _):
                height, round_, step = proposal.height, proposal.round, Step.PROPOSE
            case VoteReceived(_, vote):
                height, round_, step = vote.height, vote.round, vote.step
            case TallyReceived(_, Polka() as polka):
                height, round_, step = polka.height, polka.round, Step.PREVOTE
            case _:
                return False
        if round_ > self._decided_round.get(height, ROUND_MAX):
            return False
        if not self._malice.plots:
            return self._is_omitted((height, round_, step, sender, receiver))
        roles = self._roles_in(height, round_)
        by_favourite = sender == roles.favourite
        if step is Step.PRECOMMIT:
            return by_favourite and roles.plot is Plot.DECIDES
        is_hidden = receiver in roles.deaf or roles.plot is Plot.LOCKS
        match item:
            case VoteReceived():
                return by_favourite and is_hidden
            case TallyReceived():
                return is_hidden
            case _:
                return receiver in roles.deaf

    def _is_omitted(self, key: tuple[int, int, Step, bytes, bytes]) -> bool:
        omitted = self._omitted.get(key)
        if omitted is None:
            omitted = self._omitted[key] = self._rng.random() < self._malice.omission_share
        return omitted

    def _roles_in(self, height: int, round_: int) -> Roles:
        if (height, round_) not in self._roles:
            self._cast(height, round_)
        return self._roles[height, round_]

    def _cast(self, height: int, round_: int) -> None:
        """Draw the roles of a round, and perhaps of the next."""
        rng, validators = self._rng, self._set_at(height)
        everybody = [member.address for member in validators.members]
        first, second = (validators.proposer(height, round_ + i).address for i in (1, 2))
        present = self._drawn(Plot.DECIDES, everybody, None, None)
        match rng.randrange(4):
            case 0:
                # The proposer of the next round decides and is gone: the others prevote nil there.
                # Then somebody proposes who has seen nothing.
                present = self._drawn(Plot.DECIDES, everybody, first, second)
            case 1:
                # One locks; the next round decides another block; then the first proposes again.
                present = self._drawn(Plot.LOCKS, everybody, second, None)
                following = self._drawn(Plot.DECIDES, everybody, None, second)
                self._roles[height, round_ + 1] = following
            case _:
                pass
        self._roles[height, round_] = present

    def _drawn(
        self, plot: Plot, everybody: list[bytes], favourite: bytes | None, deaf: bytes | None
    ) -> Roles:
        """Draw the roles that are not given; as many are deaf as a quorum can spare."""
        others = [one for one in everybody if one not in (favourite, deaf)]
        self._rng.shuffle(others)
        if favourite is None:
            favourite = others.pop()
        spared = floor_div(len(everybody) - 1, 3)
        deaf_ones = others[:spared] if deaf is None else [deaf, *others[: spared - 1]]
        return Roles(plot, favourite, tuple(deaf_ones))
