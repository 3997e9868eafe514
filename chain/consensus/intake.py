"""The checks a message of the present height passes before it counts.

In this order, cheap before dear: is its signer a member; is it news; does it fit itself; does its
signature verify. A message that contradicts a held one of the same validator is never counted; the
pair becomes evidence, once. A polka or certificate as a whole counts by its own signatures, even
where other votes of its signers are held. A body that does not fit its header is dropped, and the
block id is never marked bad for it. (PROTOCOL §2, §5.)
"""

from chain.block import Block
from chain.consensus.effects import Effect, Fault, Refused, Report
from chain.consensus.evidence import EvidenceBook, Offence, evidence_of, speaker
from chain.consensus.rules import Rules
from chain.consensus.votes import TimedProposal
from chain.validators import Validator
from chain.votes import (
    NO_ROUND,
    Certificate,
    InvalidTallyError,
    Polka,
    Proposal,
    Step,
    Verifier,
    Vote,
)


class Intake:
    """The door to the rules of one height."""

    def __init__(self, rules: Rules, verifier: Verifier, out: list[Effect]) -> None:
        """Stand before `rules`; reports go to `out`."""
        self._rules = rules
        self._validators = rules.validators
        self._verifier = verifier
        self._out = out
        self._evidence = EvidenceBook()

    def vote(self, peer: bytes, vote: Vote) -> None:
        """Count a vote of this height."""
        position = self._validators.index_of.get(vote.validator)
        if position is None:
            self.refuse(peer, Fault.STRANGER)
        elif self._is_news(peer, position, vote):
            self._rules.admit(position, vote)

    def late_vote(self, peer: bytes, vote: Vote) -> None:
        """Add a precommit for the parent to its certificate, if it is lacking there."""
        parent = self._rules.parent
        if parent.lacks(vote):
            signers = parent.validators
            if self._verifies(peer, signers.members[signers.index_of[vote.validator]], vote):
                parent.add(vote)

    def proposal(self, peer: bytes, proposal: Proposal, arrival_ms: int) -> None:
        """Count a proposal of this height."""
        validators = self._validators
        proposer = validators.proposer(proposal.height, proposal.round)
        position = validators.index_of[proposer.address]
        if proposal.proposer != proposer.address:
            self.refuse(peer, Fault.PROPOSER)
        elif proposal.valid_round >= proposal.round:
            self.refuse(peer, Fault.FORM)
        elif self._is_news(peer, position, proposal) and self._has_its_polka(peer, proposal):
            self._rules.admit(position, TimedProposal(proposal, arrival_ms))

    def tally(self, peer: bytes, tally: Polka | Certificate) -> None:
        """Count a polka or certificate of this height as a whole, if it tells us something."""
        if self._rules.votes.winner(tally.round, _step_of(tally)) != tally.block_id:
            self._counts_whole(peer, tally, Fault.TALLY)

    def block(self, peer: bytes, block: Block) -> None:
        """Put a block on the shelf, if it is wanted there."""
        if not self._rules.shelf.wants(block.id):
            return
        if block.misfit is not None:
            self.refuse(peer, Fault.BODY)
            return
        self._rules.shelf.put(block)

    def own(self, message: Proposal | Vote) -> None:
        """Count a message of our own, signed and persisted."""
        position = self._validators.index_of[speaker(message)]
        held = self._held(position, message)
        if held is not None:
            # Another process speaks with our key, or ours spoke before its log was lost.
            if not _says_the_same(held, message):
                self._report(held, message)
        elif isinstance(message, Proposal):
            block = self._rules.shelf.get(message.block_id)
            assert block is not None, "a proposer has its block"
            self._rules.admit(position, TimedProposal(message, block.header.time_ms))
        else:
            self._rules.admit(position, message)

    def refuse(self, peer: bytes, fault: Fault) -> None:
        """Report what a peer did."""
        self._out.append(Report(Refused(peer, fault)))

    def _is_news(self, peer: bytes, position: int, message: Proposal | Vote) -> bool:
        """Check a message of a member; say whether it is new and contradicts none."""
        held, member = self._held(position, message), self._validators.members[position]
        if held is None:
            has_room = self._rules.has_room(position, message.round, _step_of(message))
            return has_room and self._verifies(peer, member, message)
        wanted = not _says_the_same(held, message) and self._evidence.is_open(_offence(message))
        if wanted and self._verifies(peer, member, message):
            self._report(held, message)
        return False

    def _has_its_polka(self, peer: bytes, proposal: Proposal) -> bool:
        """Check and count the polka that a re-proposal needs and a fresh one must not have."""
        polka = proposal.polka
        if proposal.valid_round == NO_ROUND and polka is None:
            return True
        subject = (proposal.height, proposal.valid_round, proposal.block_id)
        if polka is None or (polka.height, polka.round, polka.block_id) != subject:
            self.refuse(peer, Fault.POLKA)
            return False
        return self._counts_whole(peer, polka, Fault.POLKA)

    def _counts_whole(self, peer: bytes, tally: Polka | Certificate, fault: Fault) -> bool:
        """Verify a tally and count it by its own signatures; say whether it holds."""
        rules, step = self._rules, _step_of(tally)
        try:
            tally.verify(step, rules.chain_id, self._validators, self._verifier)
        except InvalidTallyError:
            self.refuse(peer, fault)
            return False
        for vote in tally.votes(step, self._validators):
            position = self._validators.index_of[vote.validator]
            held = self._held(position, vote)
            if held is None:
                rules.admit(position, vote)
            elif not _says_the_same(held, vote):
                self._report(held, vote)
        rules.votes.add_whole(tally)
        return True

    def _verifies(self, peer: bytes, member: Validator, message: Proposal | Vote) -> bool:
        signed = message.message(self._rules.chain_id)
        if self._verifier(member.public_key, signed, message.signature):
            return True
        self.refuse(peer, Fault.SIGNATURE)
        return False

    def _held(self, position: int, message: Proposal | Vote) -> Proposal | Vote | None:
        held = self._rules.held(position, message.round, _step_of(message))
        return held.proposal if isinstance(held, TimedProposal) else held

    def _report(self, held: Proposal | Vote, message: Proposal | Vote) -> None:
        """Report evidence of two verified messages, once."""
        offence = _offence(message)
        if self._evidence.is_open(offence):
            self._evidence.close(offence)
            self._out.append(Report(evidence_of(held, message)))


def _step_of(message: Proposal | Vote | Polka | Certificate) -> Step:
    match message:
        case Proposal():
            return Step.PROPOSE
        case Vote():
            return message.step
        case Polka():
            return Step.PREVOTE
        case Certificate():
            return Step.PRECOMMIT


def _offence(message: Proposal | Vote) -> Offence:
    return Offence(speaker(message), message.height, message.round, _step_of(message))


def _says_the_same(one: Proposal | Vote, other: Proposal | Vote) -> bool:
    """Compare two messages of one validator and position by what they state."""
    if isinstance(one, Proposal) and isinstance(other, Proposal):
        return (one.block_id, one.valid_round) == (other.block_id, other.valid_round)
    return one.block_id == other.block_id
