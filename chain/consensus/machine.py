"""The consensus machine: inputs in, effects out; from height to height.

    machine = Machine(chain_id, me, recover(...), nonce)
    effects = machine.handle(Start(context), now_ms)

One call handles one input and returns what is to be done, in order; the machine keeps no clock, no
chance and no I/O. `now_ms` is the local wall clock and serves only the time of own proposals. The
rules of one height are in `rules.py`, the checks before them in `intake.py`; here is the rest:

- A height begins with empty state, and after a restart where the log ends.
- Messages of heights ahead are not kept; their senders get our status when we arrive there.
- While a step lasts, the node repeats its status and, when stuck, its own messages.
- A validator that must not sign follows without a voice, and asks the others how far they are.

One validator alone runs the same machine. (PROTOCOL §5.)
"""

from typing import Final, assert_never

from chain.block import Block
from chain.consensus import exchange, inputs
from chain.consensus.effects import (
    Broadcast,
    Effect,
    Fault,
    Persist,
    Released,
    Report,
    ScheduleTimeout,
    SendTo,
    SignClaim,
)
from chain.consensus.guard import MustNotSign, Restored
from chain.consensus.inputs import Claim, Event, HeightContext, Input
from chain.consensus.intake import Intake
from chain.consensus.log import MaySignAbove, said
from chain.consensus.messages import ClaimRequest, Status
from chain.consensus.parent import ParentVotes
from chain.consensus.rules import Rules
from chain.consensus.timing import (
    RESEND_IDLE_MS,
    RESEND_JITTER_MS,
    RESEND_MS,
    Timeout,
    Timer,
)
from chain.consensus.voice import Voice
from chain.consensus.wiped import ClaimBook
from chain.crypto import verify
from chain.validators import Validator
from chain.votes import Step, Verifier

# How many peers' standing is remembered, and how many that are ahead of us.
PEERS_MAX: Final = 256


class Machine:
    """One node's consensus; `me` is None for a node that only follows."""

    def __init__(
        self,
        chain_id: bytes,
        me: Validator | None,
        recovered: Restored | MustNotSign,
        nonce: bytes,
        verifier: Verifier = verify,
        rules: type[Rules] = Rules,
    ) -> None:
        """Begin before `Start`; `nonce` is 32 random bytes, used if `recovered` forbids to sign."""
        self._chain_id = chain_id
        self._me = me
        self._restored = recovered if isinstance(recovered, Restored) else None
        self._above = None if self._restored is None else self._restored.above
        self._claims = ClaimBook(nonce)
        self._verifier = verifier
        self._rules_class = rules
        self._rules: Rules | None = None
        self._intake: Intake | None = None
        self._out: list[Effect] = []
        self._statuses: dict[bytes, Status] = {}
        self._peers_ahead: dict[bytes, None] = {}
        self._repeated_at: tuple[int, Step] | None = None

    @property
    def rules(self) -> Rules:
        """Return the height under way, to be looked at."""
        assert self._rules is not None, "Start comes first"
        return self._rules

    @property
    def may_sign(self) -> bool:
        """Say whether this is a validator that knows what it may sign."""
        return self._me is not None and self._above is not None

    def block(self, block_id: bytes) -> Block | None:
        """Return a block of the height under way, for a peer that asks."""
        return self.rules.shelf.get(block_id)

    def status(self) -> Status:
        """Return where this node stands."""
        return exchange.status_of(self.rules)

    def handle(self, event: Input, now_ms: int) -> list[Effect]:
        """Take one input at the local time `now_ms`; return the effects, to be done in order."""
        match event:
            case inputs.Start(context) | inputs.Committed(context):
                self._begin(context, now_ms)
            case _:
                self.rules.now_ms = now_ms
                self._take(event)
        self.rules.run()
        made = self._out[:]
        self._out.clear()
        return made

    # ── Inputs, by kind ──

    def _take(self, event: Event) -> None:  # noqa: C901, PLR0912 - one case a kind of input
        """Hand an input to the intake or the rules, if it is of this height."""
        rules, intake = self.rules, self._intake
        assert intake is not None, "a height has its intake"
        match event:
            case inputs.VoteReceived(peer, vote):
                if self._is_here(peer, vote.height):
                    intake.vote(peer, vote)
                else:
                    intake.late_vote(peer, vote)
            case inputs.ProposalReceived(peer, proposal, arrival_ms):
                if self._is_here(peer, proposal.height):
                    intake.proposal(peer, proposal, arrival_ms)
            case inputs.TallyReceived(peer, tally):
                if self._is_here(peer, tally.height):
                    intake.tally(peer, tally)
            case inputs.BlockReceived(peer, block):
                intake.block(peer, block)
            case inputs.Validated(block_id, ok):
                rules.shelf.judge(block_id, ok=ok)
            case inputs.Proposed(height, round_, block):
                if height == rules.height:
                    rules.proposed(round_, block)
            case inputs.BlockDue(height):
                if height == rules.height and rules.round == 0:
                    rules.open_round()
            case inputs.Signed():
                self._on_signed(event, intake)
            case inputs.TimeoutFired(timeout):
                if timeout.height == rules.height:
                    self._on_timeout(timeout)
            case inputs.StatusReceived(peer, status):
                self._on_status(peer, status, intake)
            case _:
                self._take_claim(event, intake)

    def _take_claim(self, event: Claim, intake: Intake) -> None:
        match event:
            case inputs.ClaimAsked(peer, nonce):
                if self.rules.voice.address is not None:
                    self._out.append(SignClaim(peer, self.rules.height, nonce))
            case inputs.ClaimSigned(peer, claim):
                self._out.append(SendTo(peer, claim))
            case inputs.ClaimReceived():
                self._on_claim(event, intake)
            case _:
                assert_never(event)

    # ── Heights ──

    def _begin(self, context: HeightContext, now_ms: int) -> None:
        """L52–L54, and the start of the node: begin a height."""
        before, height = self._rules, context.height
        assert before is None or height > before.height, "heights only rise"
        certificate = context.parent_certificate
        decided = None if before is None else before.decided
        if before is not None and decided is not None and decided.block_id == context.parent_id:
            # Ours may have grown since it decided.
            certificate = before.votes.certificate(self._chain_id, decided.round)
        parent = ParentVotes(self._chain_id, context.parent_validators, certificate)
        me = self._me if self._speaks_at(height) else None
        voice = Voice(me, context.validators, height, self._out)
        rules = self._rules_class(self._chain_id, context, parent, voice, self._out)
        rules.now_ms = now_ms
        self._rules, self._intake = rules, Intake(rules, self._verifier, self._out)
        self._repeated_at = None
        self._statuses.clear()
        if before is None and self._restored is not None and voice.address is not None:
            spoken = self._restored.spoken
            rules.restore(one for one in spoken if said(one).height == height)
        self._try_release()
        if before is None:
            # Where we stand, and once more what we said there before the restart.
            self._out += exchange.repeat(rules, stuck=True)
        self._out += [SendTo(peer, self.status()) for peer in self._peers_ahead]
        self._peers_ahead.clear()
        # On a fast chain no height lasts until its first repetition.
        self._ask_for_claims()
        self._schedule_repeat()

    def _speaks_at(self, height: int) -> bool:
        """Say whether the log allows to sign at this height."""
        if self._above is None or height <= self._above:
            return False
        last = None if self._restored is None else self._restored.last
        return last is None or height >= last.height

    # ── Own statements and timers ──

    def _on_signed(self, event: inputs.Signed, intake: Intake) -> None:
        """Count what we said, once it is signed and on disk."""
        voice, statement = self.rules.voice, event.statement
        if self._me is None or not voice.expects(statement):
            return  # The height it was for is over.
        message = statement.message(self._chain_id)
        if self._verifier(self._me.public_key, message, event.signature):
            intake.own(voice.signed(statement, event.signature))
        else:
            intake.refuse(self._me.address, Fault.SIGNATURE)

    def _on_timeout(self, timeout: Timeout) -> None:
        if timeout.timer is not Timer.RESEND:
            self.rules.timed_out(timeout)
            return
        place = (self.rules.round, self.rules.step)
        self._out += exchange.repeat(self.rules, stuck=place == self._repeated_at)
        self._repeated_at = place
        self.rules.shelf.ask_again()
        self._ask_for_claims()
        self._schedule_repeat()

    def _schedule_repeat(self) -> None:
        delay_ms = RESEND_MS if self.rules.is_open else RESEND_IDLE_MS
        timeout = Timeout(Timer.RESEND, self.rules.height, 0)
        self._out.append(ScheduleTimeout(timeout, delay_ms, RESEND_JITTER_MS))

    # ── Peers ──

    def _is_here(self, peer: bytes, height: int) -> bool:
        """Say whether a message is of our height; remember who is ahead of us."""
        present = self.rules.height
        if height > present and len(self._peers_ahead) < PEERS_MAX:
            self._peers_ahead[peer] = None
        return height == present

    def _on_status(self, peer: bytes, status: Status, intake: Intake) -> None:
        rules = self.rules
        if status.height == rules.height and not exchange.is_well_formed(status, rules):
            intake.refuse(peer, Fault.FORM)
            return
        stuck = self._statuses.pop(peer, None) == status
        while len(self._statuses) >= PEERS_MAX:
            del self._statuses[next(iter(self._statuses))]
        self._statuses[peer] = status
        self._out += exchange.answer(rules, peer, status, stuck=stuck)

    def _ask_for_claims(self) -> None:
        if self._above is None and self._me is not None:
            self._out.append(Broadcast(ClaimRequest(self._claims.nonce)))

    def _on_claim(self, event: inputs.ClaimReceived, intake: Intake) -> None:
        """Keep a claim by a key of our set; who is ahead of us may have another set and key."""
        claim, rules = event.claim, self.rules
        index = rules.validators.index_of.get(claim.validator)
        if self._above is not None or claim.nonce != self._claims.nonce or index is None:
            return
        key = rules.validators.members[index].public_key
        if self._verifier(key, claim.message(self._chain_id), claim.signature):
            self._claims.add(claim)
            self._try_release()
        elif claim.height == rules.height:
            intake.refuse(event.peer, Fault.SIGNATURE)

    def _try_release(self) -> None:
        """Let a validator without its log sign again, once enough others said how far they are."""
        if self._above is not None or self._me is None:
            return
        rules = self.rules
        above = self._claims.release(rules.height, rules.validators, self._me.address)
        if above is not None:
            self._above = above
            self._out += (Persist(MaySignAbove(above)), Report(Released(above)))
