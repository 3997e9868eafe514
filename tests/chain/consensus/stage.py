"""A stage for one machine: its validators with their keys, and everything they can say to it.

Validators are named by position; at the height of the stage, 4, the proposer of round r of four
validators is position r. The machine's signatures and verdicts are answered at once unless a test
says otherwise, and `done` keeps every effect in order.
"""

from dataclasses import replace
from typing import TypeVar

from chain.block import ZERO_HASH, Block, Body, Header
from chain.consensus import effects, inputs
from chain.consensus.effects import Effect
from chain.consensus.evidence import speaker
from chain.consensus.guard import MustNotSign, Restored
from chain.consensus.inputs import HeightContext, Input
from chain.consensus.machine import Machine
from chain.consensus.messages import Status, StatusClaim, claim_message
from chain.consensus.statement import Statement, statement_of
from chain.consensus.timing import Timeout, Timer
from chain.crypto import public_key_of, sign, verify
from chain.merkle import EMPTY_ROOT, merkle_root
from chain.validators import Validator, ValidatorSet
from chain.votes import NO_ROUND, Certificate, Polka, Proposal, Step, Vote, bitmap_of
from contracts.governance.parameters import Timing
from contracts.kernel import address_of, sha256

CHAIN_ID = sha256(b"a stage")
HEIGHT = 4
PARENT_ID = sha256(b"the parent")
PARENT_TIME_MS = 1_000_000
NOW_MS = PARENT_TIME_MS + 1_000
TIMING = Timing()
NONCE = sha256(b"a nonce")
CLEAN = Restored((), None, 0)
PEER = b"some peer"
UNSIGNED = bytes(64)

E = TypeVar("E", bound=Effect)
M = TypeVar("M", Proposal, Vote)

_VERDICTS: dict[tuple[bytes, bytes, bytes], bool] = {}
_SIGNATURES: dict[tuple[bytes, bytes], bytes] = {}


def verified(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Verify as libsodium does, each triple once."""
    triple = (public_key, message, signature)
    if triple not in _VERDICTS:
        _VERDICTS[triple] = verify(*triple)
    return _VERDICTS[triple]


def seed_at(number: int) -> bytes:
    return sha256(b"validator of the stage %d" % number)


SEED_OF = {address_of(public_key_of(seed_at(n))): seed_at(n) for n in range(30)}


def signed(address: bytes, message: bytes) -> bytes:
    """Sign with a validator's key."""
    if (address, message) not in _SIGNATURES:
        _SIGNATURES[address, message] = sign(SEED_OF[address], message)
    return _SIGNATURES[address, message]


def validator_set(size: int) -> ValidatorSet:
    keys = (public_key_of(seed_at(number)) for number in range(size))
    return ValidatorSet.of(Validator(address_of(key), key) for key in keys)


def block(name: str, proposer: bytes, time_ms: int = NOW_MS, height: int = HEIGHT) -> Block:
    """Make a block whose body fits its header."""
    body = Body(None, (name.encode(),), ())
    header = Header(
        chain_id=CHAIN_ID,
        height=height,
        time_ms=time_ms,
        parent_hash=PARENT_ID,
        parent_certificate_hash=ZERO_HASH,
        proposer=proposer,
        txs_root=merkle_root(body.transactions),
        receipts_root=EMPTY_ROOT,
        state_root=ZERO_HASH,
        history_root=ZERO_HASH,
        evidence_root=EMPTY_ROOT,
        validators_hash=ZERO_HASH,
        next_validators_hash=ZERO_HASH,
        params_hash=ZERO_HASH,
    )
    return Block(header, body)


class Stage:
    """One machine among `size` validators, the one at position `me`."""

    def __init__(
        self,
        me: int | None = 3,
        size: int = 4,
        recovered: Restored | MustNotSign = CLEAN,
        timing: Timing = TIMING,
        *,
        due: bool = True,
    ) -> None:
        self.validators = validator_set(size)
        self.timing = timing
        self.me = None if me is None else self.validators.members[me]
        self.now_ms = NOW_MS
        self.signs = True
        self.verdict: bool | None = True
        self.done: list[Effect] = []
        self.known: dict[bytes, Block] = {}
        self.machine = Machine(CHAIN_ID, self.me, recovered, NONCE, verified)
        turns = [self.validators.proposer(HEIGHT, r).address for r in range(3)]
        self.a, self.b, self.c = (block(*one) for one in zip("abc", turns, strict=True))
        for one in (self.a, self.b, self.c):
            self.known[one.id] = one
        self.give(inputs.Start(self.context()))
        if due:
            self.give(inputs.BlockDue(HEIGHT))

    # ── The world around the machine ──

    def context(self, height: int = HEIGHT, parent_id: bytes = PARENT_ID) -> HeightContext:
        """Return what a height begins with; its parent was certified by the first quorum."""
        parent = self.certificate(0, parent_id, range(self.validators.quorum), height - 1)
        return HeightContext(
            height, self.validators, parent_id, PARENT_TIME_MS, parent, self.validators, self.timing
        )

    def give(self, event: Input) -> list[Effect]:
        """Give the machine an input, and the signatures, blocks and verdicts it asks for."""
        made: list[Effect] = []
        queue = [event]
        while queue:
            for effect in self.machine.handle(queue.pop(0), self.now_ms):
                made.append(effect)
                queue += self._answer(effect)
        self.done += made
        return made

    def _answer(self, effect: Effect) -> list[Input]:
        match effect:
            case effects.Sign(statement) if self.signs:
                return [self.signature(statement)]
            case effects.RequestBlock(_, block_id) if block_id in self.known:
                return [inputs.BlockReceived(PEER, self.known[block_id])]
            case effects.Validate(asked) if self.verdict is not None:
                return [inputs.Validated(asked.id, self.verdict)]
        return []

    def signature(self, statement: Statement) -> inputs.Signed:
        assert self.me is not None
        return inputs.Signed(statement, signed(self.me.address, statement.message(CHAIN_ID)))

    # ── What validators say ──

    def address(self, position: int) -> bytes:
        return self.validators.members[position].address

    def sign(self, message: M) -> M:
        signed_bytes = statement_of(message).message(CHAIN_ID)
        return replace(message, signature=signed(speaker(message), signed_bytes))

    def proposal(
        self, round_: int, one: Block, valid_round: int = NO_ROUND, polka: Polka | None = None
    ) -> Proposal:
        """Make the proposal of a round; a re-proposal gets a good polka unless it has one."""
        proposer = self.validators.proposer(HEIGHT, round_).address
        if valid_round >= 0 and polka is None:
            polka = self.polka(valid_round, one.id)
        return self.sign(Proposal(HEIGHT, round_, one.id, valid_round, polka, proposer, UNSIGNED))

    def vote(
        self, step: Step, round_: int, block_id: bytes | None, by: int, height: int = HEIGHT
    ) -> Vote:
        return self.sign(Vote(step, height, round_, block_id, self.address(by), UNSIGNED))

    def votes(
        self, step: Step, round_: int, block_id: bytes | None, by: "range | tuple[int, ...]"
    ) -> dict[bytes, Vote]:
        return {self.address(i): self.vote(step, round_, block_id, i) for i in by}

    def polka(
        self, round_: int, block_id: bytes, by: "range | tuple[int, ...] | None" = None
    ) -> Polka:
        by = range(self.validators.quorum) if by is None else by
        votes = self.votes(Step.PREVOTE, round_, block_id, by)
        return Polka.of(CHAIN_ID, self.validators, votes)

    def certificate(
        self,
        round_: int,
        block_id: bytes,
        by: "range | tuple[int, ...] | None" = None,
        height: int = HEIGHT,
    ) -> Certificate:
        by = range(self.validators.quorum) if by is None else by
        votes = {
            self.address(i): self.vote(Step.PRECOMMIT, round_, block_id, i, height) for i in by
        }
        return Certificate.of(CHAIN_ID, self.validators, votes)

    def claim(self, height: int, by: int, nonce: bytes = NONCE) -> StatusClaim:
        address = self.address(by)
        signature = signed(address, claim_message(CHAIN_ID, height, nonce))
        return StatusClaim(height, nonce, address, signature)

    def status(
        self,
        height: int = HEIGHT,
        round_: int = 0,
        step: Step = Step.PROPOSE,
        polka_round: int = NO_ROUND,
        *,
        has_proposal: bool = False,
        prevotes: tuple[int, ...] = (),
        precommits: tuple[int, ...] = (),
    ) -> Status:
        size = self.validators.size
        bitmaps = (bitmap_of(list(one), size) for one in (prevotes, precommits))
        return Status(height, round_, step, polka_round, has_proposal, *bitmaps)

    # ── Short ways to tell the machine ──

    def propose(
        self,
        round_: int,
        one: Block,
        valid_round: int = NO_ROUND,
        polka: Polka | None = None,
        arrival_ms: int = NOW_MS,
    ) -> list[Effect]:
        self.known.setdefault(one.id, one)
        proposal = self.proposal(round_, one, valid_round, polka)
        return self.give(inputs.ProposalReceived(PEER, proposal, arrival_ms))

    def prevote(self, round_: int, one: Block | None, *by: int) -> list[Effect]:
        return self._tell(Step.PREVOTE, round_, one, by)

    def precommit(self, round_: int, one: Block | None, *by: int) -> list[Effect]:
        return self._tell(Step.PRECOMMIT, round_, one, by)

    def _tell(
        self, step: Step, round_: int, one: Block | None, by: tuple[int, ...]
    ) -> list[Effect]:
        block_id = None if one is None else one.id
        made: list[Effect] = []
        for position in by:
            vote = self.vote(step, round_, block_id, position)
            made += self.give(inputs.VoteReceived(PEER, vote))
        return made

    def fire(self, timer: Timer, round_: int | None = None) -> list[Effect]:
        """Let a timeout of the present height fire; of the present round unless told."""
        rules = self.machine.rules
        round_ = rules.round if round_ is None else round_
        round_ = 0 if timer is Timer.RESEND else round_
        return self.give(inputs.TimeoutFired(Timeout(timer, rules.height, round_)))

    def next_round(self) -> list[Effect]:
        """Bring the machine to its next round by nil votes of the others and timeouts."""
        round_, others = self.machine.rules.round, self.others()
        made = self.fire(Timer.PROPOSE)
        made += self.prevote(round_, None, *others)
        made += self.precommit(round_, None, *others)
        return made + self.fire(Timer.PRECOMMIT)

    def others(self) -> tuple[int, ...]:
        return tuple(i for i, m in enumerate(self.validators.members) if m != self.me)

    # ── What the machine did ──

    @property
    def place(self) -> tuple[int, Step]:
        """Return the machine's round and step."""
        return (self.machine.rules.round, self.machine.rules.step)

    def said(self) -> list[tuple[Step, int, bytes | None]]:
        """Return what the machine sent of its own, in order: step, round, block id."""
        own = None if self.me is None else self.me.address
        out: list[tuple[Step, int, bytes | None]] = []
        for effect in self.done:
            match effect:
                case effects.Broadcast(Proposal() as one) if one.proposer == own:
                    out.append((Step.PROPOSE, one.round, one.block_id))
                case effects.Broadcast(Vote() as vote) if vote.validator == own:
                    out.append((vote.step, vote.round, vote.block_id))
        return out

    def timeouts(self) -> list[tuple[Timer, int]]:
        """Return the timeouts of steps that were scheduled: timer and round."""
        return [
            (one.timeout.timer, one.timeout.round)
            for one in self.done
            if isinstance(one, effects.ScheduleTimeout) and one.timeout.timer is not Timer.RESEND
        ]

    def findings(self) -> list[effects.Finding]:
        return [one.finding for one in self.done if isinstance(one, effects.Report)]

    def faults(self) -> list[effects.Fault]:
        return [one.fault for one in self.findings() if isinstance(one, effects.Refused)]


def only(kind: type[E], made: list[Effect]) -> list[E]:
    """Return the effects of one kind."""
    return [one for one in made if isinstance(one, kind)]
