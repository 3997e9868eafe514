"""Counting: votes and tallies of one undecided height, and messages of rounds ahead.

`VoteKeeper` holds, per round and step, the first vote of each validator and at most one tally
received as a whole. A block has a quorum if q validators are held to vote for it, or if a whole
tally proves it by its own signatures, even where another vote of its signers is held. Whoever
votes twice is the business of `evidence.py`; here the first vote stands.

`Ahead` holds, per validator, the two highest messages of rounds that we have not reached, so that
no distance of rounds costs memory: O(n). What it drops is fetched by status.

Everything given to these classes has been verified. (PROTOCOL §5.)
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from chain.validators import ValidatorSet
from chain.votes import (
    NO_ROUND,
    Certificate,
    Polka,
    Proposal,
    Step,
    Vote,
    bitmap_of,
)

# Rounds behind ours whose votes are kept. One further back is kept only if f+1 precommits name a
# block there, so that it might still decide; a certificate as a whole counts for any round.
ROUNDS_KEPT: Final = 64
AHEAD_MAX: Final = 2


@dataclass(frozen=True, slots=True)
class TimedProposal:
    """A proposal and the local time when its message arrived."""

    proposal: Proposal
    arrival_ms: int

    @property
    def round(self) -> int:
        """Return the proposal's round."""
        return self.proposal.round

    @property
    def step(self) -> Step:
        """Return the step in which proposals are made."""
        return Step.PROPOSE


Arrival: TypeAlias = TimedProposal | Vote


class Quorum(NamedTuple):
    """A block and the round in which a quorum voted for it."""

    round: int
    block_id: bytes


@dataclass(slots=True)
class Ballot:
    """The votes of one round and step."""

    held: dict[int, Vote] = field(default_factory=dict)
    count_of: dict[bytes | None, int] = field(default_factory=dict)
    whole: Polka | Certificate | None = None
    winner: bytes | None = None
    made: Certificate | None = None


class VoteKeeper:
    """The votes of one height, by round and step."""

    def __init__(self, validators: ValidatorSet) -> None:
        """Begin empty."""
        self._validators = validators
        self._quorum = validators.quorum
        self._ballots: dict[tuple[int, Step], Ballot] = {}
        self.certified: Quorum | None = None
        self.polka_round = NO_ROUND

    def held(self, round_: int, step: Step, position: int) -> Vote | None:
        """Return the vote that is held of a validator."""
        ballot = self._ballots.get((round_, step))
        return None if ballot is None else ballot.held.get(position)

    def add(self, position: int, vote: Vote) -> None:
        """Count a validator's first vote of its round and step."""
        ballot = self._ballot(vote.round, vote.step)
        assert position not in ballot.held, "one vote of a validator counts"
        ballot.held[position] = vote
        count = ballot.count_of.get(vote.block_id, 0) + 1
        ballot.count_of[vote.block_id] = count
        if count >= self._quorum and vote.block_id is not None and ballot.winner is None:
            self._won(ballot, vote.round, vote.step, vote.block_id)

    def add_whole(self, tally: Polka | Certificate) -> None:
        """Count a tally by its own signatures."""
        step = Step.PREVOTE if isinstance(tally, Polka) else Step.PRECOMMIT
        ballot = self._ballot(tally.round, step)
        if ballot.winner is None:
            ballot.whole = tally
            self._won(ballot, tally.round, step, tally.block_id)

    def total(self, round_: int, step: Step) -> int:
        """Return how many validators voted, for whatever."""
        ballot = self._ballots.get((round_, step))
        return 0 if ballot is None else len(ballot.held)

    def winner(self, round_: int, step: Step) -> bytes | None:
        """Return the block that a quorum voted for."""
        ballot = self._ballots.get((round_, step))
        return None if ballot is None else ballot.winner

    def nil_wins(self, round_: int, step: Step) -> bool:
        """Say whether a quorum voted for nil."""
        ballot = self._ballots.get((round_, step))
        return ballot is not None and ballot.count_of.get(None, 0) >= self._quorum

    def polka(self, chain_id: bytes, round_: int) -> Polka:
        """Return the polka of a round that has one."""
        ballot = self._ballots[round_, Step.PREVOTE]
        if isinstance(ballot.whole, Polka):
            return ballot.whole
        return Polka.of(chain_id, self._validators, self._for_winner(ballot))

    def certificate(self, chain_id: bytes, round_: int) -> Certificate:
        """Return the certificate of a round that has one, with every precommit that is held."""
        ballot = self._ballots[round_, Step.PRECOMMIT]
        votes = self._for_winner(ballot)
        made = ballot.made
        if made is None or len(made.signatures) < len(votes):
            made = ballot.made = Certificate.of(chain_id, self._validators, votes)
        return made

    def bitmap(self, round_: int, step: Step) -> bytes:
        """Return who voted."""
        ballot = self._ballots.get((round_, step))
        held = [] if ballot is None else sorted(ballot.held)
        return bitmap_of(held, self._validators.size)

    def lacking(self, round_: int, step: Step, present: tuple[int, ...]) -> Iterator[Vote]:
        """Yield the held votes of validators that are not `present`."""
        ballot = self._ballots.get((round_, step))
        if ballot is not None:
            for position in sorted(ballot.held):
                if position not in present:
                    yield ballot.held[position]

    def forget_before(self, round_: int) -> None:
        """Drop the votes of rounds that are too far back to matter."""
        oldest = round_ - ROUNDS_KEPT
        for key in [key for key in self._ballots if key[0] < oldest]:
            if not self._may_decide(self._ballots[key], key[1]):
                del self._ballots[key]

    def is_kept(self, round_: int, step: Step, current: int) -> bool:
        """Say whether votes of this round still count one by one."""
        return round_ >= current - ROUNDS_KEPT or (round_, step) in self._ballots

    def _ballot(self, round_: int, step: Step) -> Ballot:
        ballot = self._ballots.get((round_, step))
        if ballot is None:
            ballot = self._ballots[round_, step] = Ballot()
        return ballot

    def _won(self, ballot: Ballot, round_: int, step: Step, block_id: bytes) -> None:
        ballot.winner = block_id
        if step is Step.PREVOTE:
            self.polka_round = max(self.polka_round, round_)
        elif self.certified is None:
            self.certified = Quorum(round_, block_id)

    def _for_winner(self, ballot: Ballot) -> dict[bytes, Vote]:
        """Return the votes for the winner by validator: held ones, and those of a whole tally."""
        votes = {v.validator: v for v in ballot.held.values() if v.block_id == ballot.winner}
        if ballot.whole is not None:
            step = Step.PREVOTE if isinstance(ballot.whole, Polka) else Step.PRECOMMIT
            for vote in ballot.whole.votes(step, self._validators):
                votes.setdefault(vote.validator, vote)
        return votes

    def _may_decide(self, ballot: Ballot, step: Step) -> bool:
        enough = self._validators.faulty_max + 1
        return step is Step.PRECOMMIT and any(
            count >= enough for block_id, count in ballot.count_of.items() if block_id is not None
        )


class Ahead:
    """Per validator the two highest messages of rounds ahead."""

    def __init__(self, size: int) -> None:
        """Begin empty, for a set of this size."""
        self._kept: list[list[Arrival]] = [[] for _ in range(size)]
        self._is_empty = True

    def find(self, position: int, round_: int, step: Step) -> Arrival | None:
        """Return the message that is held of a validator for this round and step."""
        for one in self._kept[position]:
            if (one.round, one.step) == (round_, step):
                return one
        return None

    def has_room(self, position: int, round_: int, step: Step) -> bool:
        """Say whether a message of this place would be among the two highest of its validator."""
        kept = self._kept[position]
        return len(kept) < AHEAD_MAX or (round_, step) > (kept[0].round, kept[0].step)

    def add(self, position: int, message: Arrival) -> None:
        """Keep a message if it is among the two highest of its validator."""
        kept = self._kept[position]
        kept.append(message)
        kept.sort(key=lambda one: (one.round, one.step))
        del kept[:-AHEAD_MAX]
        self._is_empty = False

    def reached_by(self, count: int) -> int:
        """Return the largest round that `count` validators have reached, `NO_ROUND` if none."""
        if self._is_empty:
            return NO_ROUND
        highest = sorted((kept[-1].round for kept in self._kept if kept), reverse=True)
        return highest[count - 1] if len(highest) >= count else NO_ROUND

    def take(self, round_: int) -> list[tuple[int, Arrival]]:
        """Remove and return the messages of rounds up to this one, in validator order."""
        taken: list[tuple[int, Arrival]] = []
        for position, kept in enumerate(self._kept):
            taken += [(position, one) for one in kept if one.round <= round_]
            kept[:] = [one for one in kept if one.round > round_]
        self._is_empty = not any(self._kept)
        return taken
