"""Algorithm 1 of "The latest gossip on BFT consensus" (arXiv 1807.04938), for one height.

State, with the paper's names:

    round, step      round_p, step_p
    locked           lockedValue_p and lockedRound_p: a block, the round of its polka, the polka
    valid            validValue_p and validRound_p: the same for the latest polka seen
    decided          decision_p[h_p]

Each rule stands in a method with the numbers of its lines. `run` applies them until none applies.
What differs from the page, and why it may:

- Values are block ids. Body and verdict come later, as inputs; a rule that needs them waits.
- Round 0 opens when a block is due, not when the height begins; a vote or proposal of the height
  starts its timeout too. Every other round opens at once (PROTOCOL §5).
- L21: a proposer waits with a timeout as well, as building a block takes time and may fail.
- L22 asks for more than valid(v): the message comes from the block's own proposer, and its time
  fitted our clock on arrival. Both are about the proposal, so validity stays free of round and
  clock; L28 asks neither, as a polka shows that a quorum has asked.
- L36 and L49 need the value, not the message that proposed it: with a quorum for its id the block
  may come from anyone.
- L54 is the machine's: a height ends when its block is on disk.

A lock is never given up because of nil votes. (PROTOCOL §5.)
"""

from collections.abc import Iterable

from chain.block import Block
from chain.consensus.blocks import Shelf
from chain.consensus.effects import (
    Commit,
    Diverged,
    Effect,
    Finding,
    Propose,
    Report,
    ScheduleTimeout,
    SkewedProposer,
    WrongBlock,
)
from chain.consensus.inputs import HeightContext
from chain.consensus.log import SignedPrecommit, SignedProposal, Spoken, message_of
from chain.consensus.parent import ParentVotes
from chain.consensus.timing import (
    Timeout,
    Timer,
    is_timely,
    proposal_time_ms,
    proposal_wait_ms,
    timeout_ms,
)
from chain.consensus.voice import Lock, Voice
from chain.consensus.votes import ROUNDS_KEPT, Ahead, Arrival, TimedProposal, VoteKeeper
from chain.votes import NO_ROUND, Certificate, Proposal, Step, Vote


class Rules:
    """One validator's view of one height, and the rules that move it."""

    def __init__(
        self,
        chain_id: bytes,
        context: HeightContext,
        parent: ParentVotes,
        voice: Voice,
        out: list[Effect],
    ) -> None:
        """Stand at round 0 of the height (L1–L9); effects go to `out`."""
        self.chain_id = chain_id
        self.context = context
        self.height = context.height
        self.validators = context.validators
        self.parent = parent
        self.voice = voice
        self.round = 0
        self.step = Step.PROPOSE
        self.locked: Lock | None = None
        self.valid: Lock | None = None
        self.decided: Certificate | None = None
        self.votes = VoteKeeper(context.validators)
        self.ahead = Ahead(context.validators.size)
        self.proposals: dict[int, TimedProposal] = {}
        self.shelf = Shelf(context.height, out)
        self.now_ms = 0
        self._out = out
        self._timers: dict[Timer, None] = {}
        self._asked_for_block = False
        self._polka_is_noted = False
        self._diverged = False

    @property
    def is_open(self) -> bool:
        """Say whether the height is under way, rather than waiting until a block is due."""
        return bool(self._timers) or self.round > 0

    # ── What happens to a height ──

    def restore(self, records: Iterable[Spoken]) -> None:
        """Stand where the log ends: same round and step, same lock, same messages."""
        spoken = tuple(records)
        if not spoken:
            return
        last = message_of(spoken[-1])
        self.round = last.round
        self.step = Step.PROPOSE if isinstance(last, Proposal) else last.step
        assert self.voice.address is not None, "only who speaks has something to restore"
        position = self.validators.index_of[self.voice.address]
        for record in spoken:
            message = self.voice.restore(record)
            if isinstance(record, SignedProposal):
                self._restore_proposal(position, record)
                continue
            if isinstance(record, SignedPrecommit):
                self._restore_lock(record)
            assert isinstance(message, Vote), "what is not a proposal is a vote"
            self.admit(position, message)
        if self.round > 0:
            self.open_round()

    def open_round(self) -> None:
        """Go on with a round in which a block is due: wait for a proposal, or make it."""
        self._await_proposal()  # L21
        if self.validators.proposer(self.height, self.round).address == self.voice.address:  # L14
            self._propose()

    def proposed(self, round_: int, block: Block) -> None:
        """Take the block that `Propose` asked for, if its round still waits for it."""
        in_time = round_ == self.round and self.step is Step.PROPOSE and self._asked_for_block
        if not in_time or self.voice.has_drafted(round_, Step.PROPOSE):
            return
        assert block.header.proposer == self.voice.address, "we propose our own blocks"
        self.shelf.put(block)
        self.shelf.judge(block.id, ok=True)
        self.voice.propose(round_, block, None)  # L19

    def held(self, position: int, round_: int, step: Step) -> Arrival | None:
        """Return the message that is held of a validator for this round and step."""
        if round_ > self.round:
            return self.ahead.find(position, round_, step)
        if step is Step.PROPOSE:
            return self.proposals.get(round_)
        return self.votes.held(round_, step, position)

    def has_room(self, position: int, round_: int, step: Step) -> bool:
        """Say whether a message of this place would be kept at all."""
        if round_ > self.round:
            return self.ahead.has_room(position, round_, step)
        if step is Step.PROPOSE:
            return round_ >= self.round - ROUNDS_KEPT
        return self.votes.is_kept(round_, step, self.round)

    def admit(self, position: int, message: Arrival) -> None:
        """Count a verified message of this height; none is held of its place."""
        if not self.has_room(position, message.round, message.step):
            return
        if message.round > self.round:
            self.ahead.add(position, message)
        elif isinstance(message, TimedProposal):
            self.proposals[message.round] = message
        else:
            self.votes.add(position, message)
        if self.step is Step.PROPOSE:
            self._await_proposal()

    def timed_out(self, timeout: Timeout) -> None:
        """Act on a timeout of this height, if its round and step are still the present ones."""
        if timeout.round != self.round or self.decided is not None:
            return
        if timeout.timer is Timer.PROPOSE and self.step is Step.PROPOSE:  # L57, L58
            self._prevote(None)  # L59, L60
        elif timeout.timer is Timer.PREVOTE and self.step is Step.PREVOTE:  # L61, L62
            self._precommit(None)  # L63, L64
        elif timeout.timer is Timer.PRECOMMIT:  # L65, L66
            self.start_round(self.round + 1)  # L67
        elif timeout.timer is Timer.PROPOSE_WAIT:
            self._propose()

    def run(self) -> None:
        """Apply the rules until none applies."""
        while self.decided is None and (
            self._decide()
            or self._skip_rounds()
            or self._answer_proposal()
            or self._note_polka()
            or self._note_nil()
            or self._await_prevotes()
            or self._await_precommits()
        ):
            pass

    # ── The rules ──

    def start_round(self, round_: int) -> None:
        """L11–L21: begin a round above the present one, with the messages kept for it."""
        assert round_ > self.round, "rounds only rise"
        self.round = round_  # L12
        self.step = Step.PROPOSE  # L13
        self._timers.clear()
        self._asked_for_block = self._polka_is_noted = False
        self.votes.forget_before(round_)
        for position, message in self.ahead.take(round_):
            self.admit(position, message)
        self._tidy()
        self.open_round()

    def _propose(self) -> None:
        """L15–L19: propose the block that had a polka, or ask for a new one."""
        started = self._asked_for_block or self.voice.has_drafted(self.round, Step.PROPOSE)
        if started or self.step is not Step.PROPOSE:
            return
        if self.valid is not None:  # L15
            self.voice.propose(self.round, self.valid.block, self.valid)  # L16, L19
            return
        timing, parent_time_ms = self.context.timing, self.context.parent_time_ms
        wait_ms = proposal_wait_ms(timing, self.now_ms, parent_time_ms)
        if wait_ms > 0:
            self._schedule(Timer.PROPOSE_WAIT, wait_ms)
            return
        self._asked_for_block = True
        time_ms = proposal_time_ms(self.now_ms, parent_time_ms)
        certificate = self.parent.certificate()
        self._out.append(Propose(self.height, self.round, time_ms, certificate))  # L18

    def _answer_proposal(self) -> bool:
        """L22–L33: prevote on the proposal of the round; the two rules never both apply."""
        timed = self.proposals.get(self.round)
        if self.step is not Step.PROPOSE or timed is None:
            return False
        is_fresh = timed.proposal.valid_round == NO_ROUND
        accepted = self._judge_fresh(timed) if is_fresh else self._judge_again(timed.proposal)
        if accepted is None:
            return False
        self._prevote(timed.proposal.block_id if accepted else None)  # L24, L26, L30, L32
        return True

    def _judge_fresh(self, timed: TimedProposal) -> bool | None:
        """L22, L23: a fresh proposal is for those who are not locked, or locked on this block."""
        proposal = timed.proposal
        if self.locked is not None and self.locked.block.id != proposal.block_id:
            return False
        block = self.shelf.fetch(proposal.block_id)
        if block is None:
            return None
        if block.header.proposer != proposal.proposer:
            self._report(self._wrong(proposal))
            return False
        time_ms, timing = block.header.time_ms, self.context.timing
        if not is_timely(timing, self.round, time_ms, timed.arrival_ms):
            place = (self.height, self.round, proposal.proposer)
            self._report(SkewedProposer(*place, time_ms, timed.arrival_ms))
            return False
        return self._is_valid(proposal)

    def _judge_again(self, proposal: Proposal) -> bool | None:
        """L28, L29: a re-proposal has a polka of `valid_round`, which overrules older locks.

        `valid_round` < round and the polka were checked when the message came.
        """
        locked = self.locked
        if (
            locked is not None
            and locked.round > proposal.valid_round
            and locked.block.id != proposal.block_id
        ):
            return False
        return self._is_valid(proposal)

    def _await_prevotes(self) -> bool:
        """L34, L35: a quorum prevoted, for whatever: wait for more only so long."""
        ready = self.step is Step.PREVOTE and Timer.PREVOTE not in self._timers
        if not ready or self.votes.total(self.round, Step.PREVOTE) < self.validators.quorum:
            return False
        self._start_timer(Timer.PREVOTE)
        return True

    def _note_polka(self) -> bool:
        """L36–L43: lock and precommit while in step prevote; later only note the valid block."""
        block_id = self.votes.winner(self.round, Step.PREVOTE)
        if self.step is Step.PROPOSE or self._polka_is_noted or block_id is None:
            return False
        if not self.shelf.verdict(block_id):
            return False
        block = self.shelf.get(block_id)
        assert block is not None, "a block with a verdict is on the shelf"
        self._polka_is_noted = True
        lock = Lock(block, self.round, self.votes.polka(self.chain_id, self.round))
        if self.step is Step.PREVOTE:  # L37
            self.locked = lock  # L38, L39
            self._precommit(lock)  # L40, L41
        self.valid = lock  # L42, L43
        return True

    def _note_nil(self) -> bool:
        """L44–L46: a quorum prevoted nil: precommit nil, and keep the lock."""
        if self.step is not Step.PREVOTE or not self.votes.nil_wins(self.round, Step.PREVOTE):
            return False
        self._precommit(None)
        return True

    def _await_precommits(self) -> bool:
        """L47, L48: a quorum precommitted, for whatever: wait for more only so long."""
        if Timer.PRECOMMIT in self._timers:
            return False
        if self.votes.total(self.round, Step.PRECOMMIT) < self.validators.quorum:
            return False
        self._start_timer(Timer.PRECOMMIT)
        return True

    def _decide(self) -> bool:
        """L49–L51: a quorum of any round precommitted a block: it is final."""
        certified = self.votes.certified
        if certified is None:
            return False
        verdict = self.shelf.verdict(certified.block_id)
        if verdict is None:
            return False
        certificate = self.votes.certificate(self.chain_id, certified.round)
        if not verdict:  # L50
            if not self._diverged:
                self._diverged = True
                self._report(Diverged(certificate))
            return False
        block = self.shelf.get(certified.block_id)
        assert block is not None, "a block with a verdict is on the shelf"
        self.decided = certificate  # L51
        self._out.append(Commit(block, certificate))
        return True

    def _skip_rounds(self) -> bool:
        """L55, L56: f+1 have reached a higher round, one of them is honest: go there."""
        reached = self.ahead.reached_by(self.validators.faulty_max + 1)
        if reached <= self.round:
            return False
        self.start_round(reached)
        return True

    # ── Parts of rules ──

    def _prevote(self, block_id: bytes | None) -> None:
        self.voice.prevote(self.round, block_id)
        self.step = Step.PREVOTE

    def _precommit(self, lock: Lock | None) -> None:
        self.voice.precommit(self.round, lock)
        self.step = Step.PRECOMMIT

    def _is_valid(self, proposal: Proposal) -> bool | None:
        verdict = self.shelf.verdict(proposal.block_id)
        if verdict is False:
            self._report(self._wrong(proposal))
        return verdict

    def _wrong(self, proposal: Proposal) -> WrongBlock:
        return WrongBlock(self.height, self.round, proposal.proposer, proposal.block_id)

    def _await_proposal(self) -> None:
        if Timer.PROPOSE not in self._timers:
            self._start_timer(Timer.PROPOSE)

    def _start_timer(self, timer: Timer) -> None:
        self._timers[timer] = None
        self._schedule(timer, timeout_ms(self.context.timing, timer, self.round))

    def _schedule(self, timer: Timer, delay_ms: int) -> None:
        self._out.append(ScheduleTimeout(Timeout(timer, self.height, self.round), delay_ms))

    def _report(self, finding: Finding) -> None:
        self._out.append(Report(finding))

    def _note_valid(self, lock: Lock) -> None:
        if self.valid is None or lock.round > self.valid.round:
            self.valid = lock

    def _restore_proposal(self, position: int, record: SignedProposal) -> None:
        proposal, block = record.proposal, Block(record.header, record.body)
        self.shelf.put(block)
        if proposal.polka is not None:
            self._note_valid(Lock(block, proposal.valid_round, proposal.polka))
        self.admit(position, TimedProposal(proposal, block.header.time_ms))

    def _restore_lock(self, record: SignedPrecommit) -> None:
        if record.polka is None or record.header is None or record.body is None:
            return
        block = Block(record.header, record.body)
        self.shelf.put(block)
        self.locked = Lock(block, record.vote.round, record.polka)
        self._note_valid(self.locked)

    def _tidy(self) -> None:
        """Drop blocks and proposals that no rule needs in this round."""
        oldest = self.round - ROUNDS_KEPT
        for round_ in [one for one in self.proposals if one < oldest]:
            del self.proposals[round_]
        kept = [lock.block.id for lock in (self.locked, self.valid) if lock is not None]
        if self.votes.certified is not None:
            kept.append(self.votes.certified.block_id)
        recent = (self.proposals.get(self.round - 1), self.proposals.get(self.round))
        kept += [timed.proposal.block_id for timed in recent if timed is not None]
        self.shelf.keep_only(kept)
