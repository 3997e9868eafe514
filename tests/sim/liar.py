"""A Byzantine validator: a real machine whose signer obeys and whose network lies.

Each liar draws its habits. It may tell one half of the network something else than the other, vote
for every block there is, keep messages back, lie about where it stands, send old messages again,
propose blocks that break rules, answer with bodies that do not fit, and send what it cannot have.
It cannot sign for others.
"""

from dataclasses import replace
from typing import Final, TypeVar

from chain.block import Block, Body
from chain.consensus import effects, inputs
from chain.consensus.effects import Effect, Message
from chain.consensus.guard import MustNotSign, Restored
from chain.consensus.machine import Machine
from chain.consensus.messages import Status
from chain.consensus.rules import Rules
from chain.consensus.statement import statement_of
from chain.votes import NO_ROUND, Certificate, Polka, Proposal, Step, Vote, bitmap_of
from tests.sim.node import Fetch, Item, Node, Said

Spoken = TypeVar("Spoken", Proposal, Vote)

HABITS: Final = (
    "two-faced",
    "yes-man",
    "withholds",
    "lies about its status",
    "replays",
    "bad blocks",
    "bad bodies",
    "forges",
    "forgets",
)
MEMORY_MAX: Final = 100
UNSIGNED: Final = bytes(64)


class Forgetful(Rules):
    """Proposes and prevotes as if there had been no round before."""

    def start_round(self, round_: int) -> None:
        self.locked = self.valid = None
        super().start_round(round_)


class Liar(Node):
    """A validator with bad habits."""

    is_honest = False

    def boot(self) -> None:
        rng = self.world.rng
        self.habits = frozenset(habit for habit in HABITS if rng.random() < 0.5)
        self._favoured = frozenset(peer for peer in self.world.peers(self) if rng.random() < 0.5)
        self._heard: list[tuple[str, Item]] = []
        self._seen: dict[bytes, None] = {}
        self._others: dict[bytes, Block] = {}
        self.world.note(self.index, "habit", ", ".join(sorted(self.habits)))
        super().boot()

    def make(self, recovered: Restored | MustNotSign, nonce: bytes) -> Machine:
        rules = Forgetful if "forgets" in self.habits else Rules
        world = self.world
        return Machine(world.chain_id, self.me, recovered, nonce, world.verifier, rules)

    # ── What it does with effects ──

    def perform(self, effect: Effect) -> None:
        match effect:
            case effects.Sign(statement):
                signature = self.sign(statement.message(self.world.chain_id))
                self._queue.append(inputs.Signed(statement, signature))
            case effects.Persist() | effects.Report():
                pass
            case _:
                super().perform(effect)

    def note_commit(self, block: Block, certificate: Certificate) -> None:
        """What a liar commits is nobody's business."""

    def broadcast(self, message: Message) -> None:
        if isinstance(message, Proposal):
            self._broadcast_proposal(message)
            return
        other: Message = message
        if isinstance(message, Vote) and "two-faced" in self.habits:
            other = self._signed(replace(message, block_id=self._something_else(message)))
        for peer in self.world.peers(self):
            self.send(peer, message if peer in self._favoured else other)

    def send(self, peer: bytes, message: Message) -> None:
        rng = self.world.rng
        if "withholds" in self.habits and rng.random() < 0.4:
            return
        if "lies about its status" in self.habits and isinstance(message, Status):
            message = self._false_status(message)
        self.world.send(self, peer, *self._packed(message))

    def _broadcast_proposal(self, proposal: Proposal) -> None:
        other, block = proposal, self._block(proposal.block_id)
        is_fresh = proposal.valid_round == NO_ROUND
        if is_fresh and block is not None and {"two-faced", "bad blocks"} & self.habits:
            made = self._another(block)
            self._others[made.id] = made
            other = self._signed(replace(proposal, block_id=made.id))
        for peer in self.world.peers(self):
            told = proposal if peer in self._favoured else other
            self.world.send(self, peer, "Proposal", Said(self.me.address, told, None))
            for liked in (proposal, other):
                if "yes-man" in self.habits:
                    self._vote_for(liked, peer)

    # ── What it does with messages ──

    def receive(self, item: Item) -> None:
        rng = self.world.rng
        self._remember(item)
        if isinstance(item, Said):
            self._seen[item.proposal.block_id] = None
            if "yes-man" in self.habits:
                for peer in self.world.peers(self):
                    if rng.random() < 0.8:
                        self._vote_for(item.proposal, peer)
        if isinstance(item, Fetch) and self._answers_falsely(item):
            return
        if rng.random() < 0.1:
            self._mischief()
        super().receive(item)

    def _vote_for(self, proposal: Proposal, peer: bytes) -> None:
        """Prevote and precommit for a block, whatever was said before."""
        for step in (Step.PREVOTE, Step.PRECOMMIT):
            self.send(peer, self._vote(step, proposal.height, proposal.round, proposal.block_id))

    def _mischief(self) -> None:
        rng, peers = self.world.rng, self.world.peers(self)
        peer = rng.choice(peers)
        if "replays" in self.habits and self._heard:
            kind, item = rng.choice(self._heard)
            self.world.send(self, peer, kind, item)
        if "forges" in self.habits:
            self.send(peer, self._forgery())

    def _forgery(self) -> Message:
        """Make a message that no honest node sends."""
        assert self.machine is not None, "it lives"
        rng, rules = self.world.rng, self.machine.rules
        height, block_id = rules.height, self._any_block_id()
        victim = rng.choice(rules.validators.members).address
        round_ = rng.choice((0, 1, rules.round + 1, rules.round + 2, 40, 2**31 - 1))
        noise = rng.randbytes(64)
        vote = self._vote(rng.choice((Step.PREVOTE, Step.PRECOMMIT)), height, round_, block_id)
        size, quorum = rules.validators.size, rules.validators.quorum
        bitmap, noises = bitmap_of(list(range(quorum)), size), (noise,) * quorum
        proposal = Proposal(height, round_, block_id, NO_ROUND, None, self.me.address, UNSIGNED)
        kind = rng.choice((Polka, Certificate))
        choices: tuple[Message, ...] = (
            vote,
            replace(vote, validator=victim),
            replace(vote, signature=noise),
            replace(vote, validator=noise[:20]),
            kind(self.world.chain_id, height, round_, block_id, bitmap, noises),
            kind(self.world.chain_id, height, round_, block_id, bitmap[:1] + b"\1", (noise,)),
            self._signed(proposal),
            self._signed(replace(proposal, round=round_, valid_round=0)),
            replace(proposal, proposer=victim, signature=noise),
        )
        return rng.choice(choices)

    def _answers_falsely(self, fetch: Fetch) -> bool:
        block = self._others.get(fetch.block_id) or self._block(fetch.block_id)
        if block is None:
            return False
        if "bad bodies" in self.habits and self.world.rng.random() < 0.5:
            body = Body(block.body.parent_certificate, (b"not in the header",), ())
            block = Block(block.header, body)
        answer = inputs.BlockReceived(self.me.address, block)
        self.world.send(self, fetch.peer, "Block", answer)
        return True

    # ── Parts ──

    def _another(self, block: Block) -> Block:
        """Make another block for the same place: a good one, or one that breaks a rule."""
        header, rng = block.header, self.world.rng
        if "bad blocks" not in self.habits or rng.random() < 0.5:
            certificate = block.body.parent_certificate
            return self.app.propose(self.me.address, header.time_ms + 1, certificate)
        stranger = rng.choice(self.world.peers(self))
        wrong = rng.choice(
            (
                replace(header, state_root=rng.randbytes(32)),
                replace(header, proposer=stranger),
                replace(header, height=header.height + 1),
                replace(header, time_ms=header.time_ms + 60_000),
                replace(header, parent_hash=rng.randbytes(32)),
            )
        )
        return Block(wrong, block.body)

    def _something_else(self, vote: Vote) -> bytes | None:
        if vote.block_id is not None and self.world.rng.random() < 0.5:
            return None
        return self._any_block_id()

    def _any_block_id(self) -> bytes:
        rng = self.world.rng
        known = [*self._seen, *self._others]
        return rng.choice(known) if known and rng.random() < 0.8 else rng.randbytes(32)

    def _vote(self, step: Step, height: int, round_: int, block_id: bytes | None) -> Vote:
        return self._signed(Vote(step, height, round_, block_id, self.me.address, UNSIGNED))

    def _signed(self, message: Spoken) -> Spoken:
        signature = self.sign(statement_of(message).message(self.world.chain_id))
        return replace(message, signature=signature)

    def _false_status(self, status: Status) -> Status:
        rng = self.world.rng
        size = rng.choice((len(status.prevotes), len(status.prevotes), 3))
        return replace(
            status,
            height=max(0, status.height + rng.randrange(-2, 3)),
            round=max(0, status.round + rng.randrange(-2, 3)),
            step=rng.choice(tuple(Step)),
            polka_round=rng.randrange(-1, 4),
            has_proposal=rng.random() < 0.5,
            prevotes=rng.randbytes(size),
            precommits=rng.randbytes(size),
        )

    def _remember(self, item: Item) -> None:
        """Keep a message of somebody else, to send it again as one's own."""
        me = self.me.address
        kind, own = "", item
        match item:
            case Said(_, proposal, _):
                kind, own = "Proposal", Said(me, proposal, None)
            case inputs.VoteReceived(_, vote):
                kind, own = vote.step.name, inputs.VoteReceived(me, vote)
            case inputs.TallyReceived(_, tally):
                kind, own = "Tally", inputs.TallyReceived(me, tally)
            case inputs.StatusReceived(_, status):
                kind, own = "Status", inputs.StatusReceived(me, status)
        if not kind:
            return
        if len(self._heard) >= MEMORY_MAX:
            del self._heard[self.world.rng.randrange(MEMORY_MAX)]
        self._heard.append((kind, own))
