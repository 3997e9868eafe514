"""What this validator says at one height: draft, signature, log record, message, in this order.

A statement is drafted when a rule demands it, and counts for nothing until its signature is back;
then its record is persisted, and only after that the message goes out and is counted. Own messages
of every round are kept, as the only copies that are sure to exist. One position is never drafted
twice, nor one below another. A node that is not in the set, or must not sign, says nothing.
(PROTOCOL §5: log, file, send.)
"""

from dataclasses import dataclass, replace
from typing import Final

from chain.block import Block
from chain.consensus.effects import Broadcast, Effect, Persist, Sign
from chain.consensus.log import (
    SignedPrecommit,
    SignedPrevote,
    SignedProposal,
    Spoken,
    message_of,
    said,
)
from chain.consensus.statement import Position, Statement
from chain.validators import Validator, ValidatorSet
from chain.votes import NO_ROUND, Polka, Proposal, Step, Vote

UNSIGNED: Final = bytes(64)


@dataclass(frozen=True, slots=True)
class Lock:
    """A block that had a polka in a round."""

    block: Block
    round: int
    polka: Polka


class Voice:
    """The statements of one validator at one height."""

    def __init__(
        self, me: Validator | None, validators: ValidatorSet, height: int, out: list[Effect]
    ) -> None:
        """Speak for `me` if it is not None and in the set with this key; effects go to `out`."""
        self._me = me if me is not None and me in validators.members else None
        self._height = height
        self._out = out
        self._drafts: dict[Statement, Spoken] = {}
        self._last: Position | None = None
        self.spoken: dict[tuple[int, Step], Proposal | Vote] = {}

    @property
    def address(self) -> bytes | None:
        """Return who speaks; None for a node that only follows."""
        return None if self._me is None else self._me.address

    @property
    def last(self) -> Position | None:
        """Return the highest position drafted or restored."""
        return self._last

    def propose(self, round_: int, block: Block, valid: Lock | None) -> None:
        """Draft the proposal of a round: a fresh block, or one that had a polka."""
        if self._me is None:
            return
        valid_round, polka = (NO_ROUND, None) if valid is None else (valid.round, valid.polka)
        proposal = Proposal(
            self._height, round_, block.id, valid_round, polka, self._me.address, UNSIGNED
        )
        self._draft(SignedProposal(proposal, block.header, block.body))

    def prevote(self, round_: int, block_id: bytes | None) -> None:
        """Draft the prevote of a round."""
        if self._me is not None:
            self._draft(SignedPrevote(self._vote(Step.PREVOTE, round_, block_id)))

    def precommit(self, round_: int, lock: Lock | None) -> None:
        """Draft the precommit of a round, with what it locks; None is nil."""
        if self._me is None:
            return
        if lock is None:
            vote = self._vote(Step.PRECOMMIT, round_, None)
            self._draft(SignedPrecommit(vote, None, None, None))
        else:
            vote = self._vote(Step.PRECOMMIT, round_, lock.block.id)
            header, body = lock.block.header, lock.block.body
            self._draft(SignedPrecommit(vote, lock.polka, header, body))

    def has_drafted(self, round_: int, step: Step) -> bool:
        """Say whether something is drafted or said at this position or a later one."""
        return self._last is not None and self._last >= (self._height, round_, step)

    def expects(self, statement: Statement) -> bool:
        """Say whether this statement is drafted and not yet signed."""
        return statement in self._drafts

    def signed(self, statement: Statement, signature: bytes) -> Proposal | Vote:
        """Complete a draft: persist its record, then send its message, which is returned."""
        record = _with_signature(self._drafts.pop(statement), signature)
        message = message_of(record)
        self.spoken[statement.round, statement.step] = message
        self._out += (Persist(record), Broadcast(message))
        return message

    def restore(self, record: Spoken) -> Proposal | Vote:
        """Take back a statement from the log; ascending."""
        statement, message = said(record), message_of(record)
        assert statement.height == self._height, "a statement of another height"
        assert self._last is None or statement.position > self._last, "the log goes back"
        self._last = statement.position
        self.spoken[statement.round, statement.step] = message
        return message

    def _vote(self, step: Step, round_: int, block_id: bytes | None) -> Vote:
        assert self._me is not None, "nobody speaks here"
        return Vote(step, self._height, round_, block_id, self._me.address, UNSIGNED)

    def _draft(self, record: Spoken) -> None:
        statement = said(record)
        position = statement.position
        assert self._last is None or position > self._last, (
            f"{position} is not above {self._last}: nothing is signed twice"
        )
        self._last = position
        self._drafts[statement] = record
        self._out.append(Sign(statement))


def _with_signature(record: Spoken, signature: bytes) -> Spoken:
    match record:
        case SignedProposal(proposal, header, body):
            return SignedProposal(replace(proposal, signature=signature), header, body)
        case SignedPrevote(vote):
            return SignedPrevote(replace(vote, signature=signature))
        case SignedPrecommit(vote, polka, header, body):
            return SignedPrecommit(replace(vote, signature=signature), polka, header, body)
