"""Machines that are broken on purpose, one fault each: the simulation must catch every one.

Each mutant names the rule it breaks. That a simulation passes means little until it is seen to
fail.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final

from chain.consensus.effects import Broadcast, Effect
from chain.consensus.guard import MustNotSign, Restored
from chain.consensus.inputs import Input
from chain.consensus.log import SignedPrecommit
from chain.consensus.machine import Machine
from chain.consensus.rules import Rules
from chain.consensus.timing import Timeout, Timer
from chain.consensus.votes import TimedProposal
from chain.validators import Validator
from chain.votes import Proposal, Verifier
from tests.sim.node import MakeMachine


class UnlocksOnNil(Rules):
    """L44: a nil polka never unlocks."""

    def _note_nil(self) -> bool:
        noted = super()._note_nil()
        if noted:
            self.locked = None
        return noted


class PrevotesWhateverComes(Rules):
    """L23: a locked validator prevotes nil for another fresh block."""

    def _judge_fresh(self, timed: TimedProposal) -> bool | None:
        locked, self.locked = self.locked, None
        verdict = super()._judge_fresh(timed)
        self.locked = locked
        return verdict


class TrustsOldPolkas(Rules):
    """L29: a polka older than the lock does not overrule it."""

    def _judge_again(self, proposal: Proposal) -> bool | None:
        return self._is_valid(proposal)


class NeverLocks(Rules):
    """L38, L39: who precommits a block is locked on it."""

    def _note_polka(self) -> bool:
        noted = super()._note_polka()
        self.locked = None
        return noted


class CountsTooFew(Rules):
    """A quorum is more than two thirds: one vote less is none."""

    def run(self) -> None:
        self.votes._quorum = self.validators.quorum - 1  # noqa: SLF001 - broken on purpose
        super().run()


class SaysNothingTwice(Machine):
    """A stuck step says again what it said, and where it stands."""

    def _on_timeout(self, timeout: Timeout) -> None:
        if timeout.timer is not Timer.RESEND:
            super()._on_timeout(timeout)


class ForgetsTheLock(Machine):
    """A restart restores the lock."""

    def __init__(
        self,
        chain_id: bytes,
        me: Validator | None,
        recovered: Restored | MustNotSign,
        nonce: bytes,
        verifier: Verifier,
    ) -> None:
        if isinstance(recovered, Restored):
            forgotten = tuple(
                replace(one, polka=None) if isinstance(one, SignedPrecommit) else one
                for one in recovered.spoken
            )
            recovered = replace(recovered, spoken=forgotten)
        super().__init__(chain_id, me, recovered, nonce, verifier)


class ForgetsWhatItSaid(Machine):
    """A restart restores the position, and the signer remembers it."""

    def __init__(
        self,
        chain_id: bytes,
        me: Validator | None,
        recovered: Restored | MustNotSign,
        nonce: bytes,
        verifier: Verifier,
    ) -> None:
        if isinstance(recovered, Restored):
            recovered = replace(recovered, spoken=(), last=None)
        super().__init__(chain_id, me, recovered, nonce, verifier)


class SpeaksFirst(Machine):
    """Nothing is sent before it is on disk."""

    def handle(self, event: Input, now_ms: int) -> list[Effect]:
        made = super().handle(event, now_ms)
        sent = [one for one in made if isinstance(one, Broadcast)]
        return sent + [one for one in made if not isinstance(one, Broadcast)]


def _with(rules: type[Rules]) -> MakeMachine:
    return partial(Machine, rules=rules)


MUTANTS: Final[Mapping[str, MakeMachine]] = MappingProxyType(
    {
        "unlocks on nil": _with(UnlocksOnNil),
        "prevotes whatever comes": _with(PrevotesWhateverComes),
        "trusts old polkas": _with(TrustsOldPolkas),
        "never locks": _with(NeverLocks),
        "counts too few": _with(CountsTooFew),
        "forgets the lock": ForgetsTheLock,
        "forgets what it said": ForgetsWhatItSaid,
        "speaks first": SpeaksFirst,
        "says nothing twice": SaysNothingTwice,
    }
)
