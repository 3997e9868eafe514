"""A node of the simulation: performs the effects of one real machine on virtual edges."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from chain.block import Block
from chain.consensus import effects, inputs
from chain.consensus.effects import Effect, Message
from chain.consensus.guard import Guard, MustNotSign, Restored
from chain.consensus.inputs import Input
from chain.consensus.journal import Opening, RecordedMachine
from chain.consensus.log import MaySignAbove
from chain.consensus.machine import Machine
from chain.consensus.messages import ClaimRequest, Status, StatusClaim
from chain.consensus.timing import due_at_ms
from chain.crypto import SIGNATURE_BYTES
from chain.validators import Validator
from chain.votes import Certificate, Polka, Proposal, Vote
from contracts.kernel import sha256
from tests.sim.app import App
from tests.sim.disk import Crashed, CrashPoint, Disk
from tests.sim.plan import Crash

if TYPE_CHECKING:
    from tests.sim.world import World

_TORN = (CrashPoint.TORN_LOG, CrashPoint.TORN_FILE)
_AT_COMMIT = (CrashPoint.BEFORE_COMMIT, CrashPoint.AFTER_COMMIT)
BODIES_MAX = 8


@dataclass(frozen=True, slots=True)
class Fetch:
    """A peer asks for a block."""

    peer: bytes
    block_id: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """A proposal on its way, perhaps with its block; it arrives at the receiver's time."""

    peer: bytes
    proposal: Proposal
    block: Block | None


MakeMachine = Callable[..., Machine]
Item = Input | Fetch | Said


class Node:
    """An honest node."""

    is_honest = True

    def __init__(
        self, world: "World", index: int, me: Validator, seed: bytes, app: App, disk: Disk
    ) -> None:
        self.world = world
        self.index = index
        self.me = me
        self.app = app
        self.disk = disk
        self.machine: Machine | None = None
        self.incarnation = 0
        self.chances = 0
        self.height = 0
        self.crashes: list[Crash] = []
        self._secret = crypto_sign_seed_keypair(seed)[1]
        self._guard = Guard(MustNotSign("not started"))
        self._bodies: dict[bytes, Block] = {}
        self._executed: dict[bytes, None] = {}
        self._queue: deque[Input] = deque()

    @property
    def speaks(self) -> bool:
        """Say whether this node lives and may vote at its height."""
        return self.machine is not None and self.machine.rules.voice.address is not None

    def clock_ms(self) -> int:
        """Return what this node's clock shows."""
        return self.world.clock_ms(self.index)

    def sign(self, message: bytes) -> bytes:
        """Sign with this node's consensus key."""
        return crypto_sign(message, self._secret)[:SIGNATURE_BYTES]

    # ── Life ──

    def boot(self) -> None:
        """Start or restart from disk."""
        recovered = self.disk.recover()
        if isinstance(recovered, MustNotSign) and not self.world.is_wiped(self.index):
            self.fail(f"must not sign: {recovered.reason}")
        self._guard = Guard(recovered)
        self.incarnation += 1
        nonce = sha256(b"%d of %d" % (self.incarnation, self.index))
        self.machine = self.make(recovered, nonce)
        self._bodies.clear()
        self._executed.clear()
        self._queue.clear()
        context = self.app.context()
        self.feed(inputs.Start(context))
        self._await_block(context)

    def make(self, recovered: Restored | MustNotSign, nonce: bytes) -> Machine:
        """Make the machine that this node runs."""
        world = self.world
        if world.journals is not None:
            opening = Opening(world.chain_id, self.me, recovered, nonce)
            journal = world.journals.setdefault((self.index, self.incarnation), bytearray())
            return RecordedMachine(opening, journal.extend, world.verifier)
        return world.make_machine(world.chain_id, self.me, recovered, nonce, world.verifier)

    def die(self, crash: Crash) -> None:
        """Lose everything but the disk."""
        self.world.note(self.index, "crash", crash.point.value)
        self.world.watch.counts.crashes += 1
        self.world.watch.counts.tears += crash.point in _TORN
        self.machine = None
        self.app.restart()
        if crash.wipe:
            self.world.watch.counts.wipes += 1
            self.world.wiped.add(self.index)
            self.disk.wipe()
        self.world.restart_later(self.index, crash.down_ms)

    def kill(self, down_ms: int) -> None:
        """Die now, if alive."""
        if self.machine is not None:
            self.die(Crash(self.index, 0, CrashPoint.IDLE, down_ms, wipe=False))

    def fail(self, reason: str) -> None:
        """Say that this run is wrong."""
        self.world.watch.guard_refused(self.me.address, reason)

    # ── Inputs ──

    def receive(self, item: Item) -> None:
        """Take something that the network or a timer brings."""
        match item:
            case Said(peer, proposal, block):
                if block is not None:
                    self._keep_body(block)
                self.feed(inputs.ProposalReceived(peer, proposal, self.clock_ms()))
            case Fetch(peer, block_id):
                block = self._block(block_id)
                if block is not None:
                    self.world.send(
                        self, peer, "Block", inputs.BlockReceived(self.me.address, block)
                    )
            case _:
                self.feed(item)

    def feed(self, event: Input) -> None:
        """Give the machine an input, and what its effects answer at once."""
        queue = self._queue
        queue.append(event)
        machine, world = self.machine, self.world
        assert machine is not None, "a dead node gets no input"
        now_ms, traces, counts = self.clock_ms(), world.trace is not None, world.watch.counts
        try:
            while queue:
                event = queue.popleft()
                counts.inputs += 1
                made = machine.handle(event, now_ms)
                if type(event) is inputs.Committed:
                    self._await_block(event.context)
                if traces:
                    world.note(self.index, "in", event)
                for effect in made:
                    if traces:
                        world.note(self.index, "out", effect)
                    self.perform(effect)
        except Crashed:
            queue.clear()
            self.die(self.crashes.pop(0))

    # ── Effects ──

    def perform(self, effect: Effect) -> None:
        """Do what the machine asks for; answers go to the queue."""
        match effect:
            case effects.Broadcast(message):
                self.broadcast(message)
            case effects.SendTo(peer, message):
                self.send(peer, message)
            case effects.ScheduleTimeout(timeout, delay_ms, jitter_ms):
                jitter_ms = self.world.rng.randrange(jitter_ms + 1) if jitter_ms else 0
                self.world.later(delay_ms + jitter_ms, self, inputs.TimeoutFired(timeout))
            case effects.Sign(statement):
                refusal = self._guard.refusal(statement)
                if refusal is not None:
                    self.fail(refusal)
                    return
                self._guard.note(statement)
                signature = self.sign(statement.message(self.world.chain_id))
                self._queue.append(inputs.Signed(statement, signature))
            case effects.Persist(record):
                self.disk.persist(record, self._next_crash(at_commit=False))
                if isinstance(record, MaySignAbove):
                    self._guard.release(record.height)
            case effects.Validate(block):
                ok = self.app.validate(block)
                if ok:
                    self._executed[block.id] = None
                self._answer(inputs.Validated(block.id, ok))
            case effects.Propose(height, round_, time_ms, parent_certificate):
                self.propose(height, round_, time_ms, parent_certificate)
            case effects.Commit(block, certificate):
                self._commit(block, certificate)
            case _:
                self._perform_rest(effect)

    def _perform_rest(self, effect: Effect) -> None:
        match effect:
            case effects.RequestBlock(_, block_id):
                body = self._bodies.get(block_id)
                if body is not None:
                    self._queue.append(inputs.BlockReceived(self.me.address, body))
                    return
                for peer in self.world.some_peers(self, 2):
                    self.world.send(self, peer, "Fetch", Fetch(self.me.address, block_id))
            case effects.SendDecision(peer, height):
                decision = self.app.decision(height)
                if decision is not None:
                    self.send(peer, decision.certificate)
            case effects.SignClaim(peer, height, nonce):
                claim = StatusClaim(height, nonce, self.me.address, bytes(SIGNATURE_BYTES))
                signature = self.sign(claim.message(self.world.chain_id))
                self._queue.append(inputs.ClaimSigned(peer, replace(claim, signature=signature)))
            case effects.Report(finding):
                self.world.watch.reported(self.me.address, finding)
            case _:
                raise AssertionError(f"{effect} was performed elsewhere")

    def propose(
        self, height: int, round_: int, time_ms: int, parent_certificate: Certificate | None
    ) -> None:
        """Build a block."""
        block = self.app.propose(self.me.address, time_ms, parent_certificate)
        self._executed[block.id] = None
        self._answer(inputs.Proposed(height, round_, block))

    def _commit(self, block: Block, certificate: Certificate) -> None:
        crash = self._next_crash(at_commit=True)
        if crash is CrashPoint.BEFORE_COMMIT:
            raise Crashed
        self.note_commit(block, certificate)
        self.app.commit(block, certificate)
        self.height = block.height
        self.world.decided(self, certificate)
        if crash is CrashPoint.AFTER_COMMIT:
            raise Crashed
        context = self.app.context()
        if self.world.rng.random() < 0.15:
            self.disk.compact(context.height)
        self._executed.clear()
        self._answer(inputs.Committed(context))

    def note_commit(self, block: Block, certificate: Certificate) -> None:
        """Show a commit to the watch."""
        assert self.machine is not None, "a dead node commits nothing"
        self.world.watch.committed(
            self.me.address,
            block,
            certificate,
            is_executed=block.id in self._executed,
            round_=self.machine.rules.round,
        )

    def _answer(self, event: Input) -> None:
        """Give an answer of the application: at once, or as late as this run's execution is."""
        delay_ms = self.world.execution_delay_ms()
        if delay_ms:
            self.world.later(delay_ms, self, event)
        else:
            self._queue.append(event)

    def _await_block(self, context: inputs.HeightContext) -> None:
        """Say when a block is due, by this node's clock and by what work it has."""
        has_work, lag_ms = self.world.work()
        due_ms = due_at_ms(context.timing, context.parent_time_ms, None, has_work=has_work)
        delay_ms = max(0, due_ms - self.clock_ms()) + lag_ms
        self.world.later(delay_ms, self, inputs.BlockDue(context.height))

    def _next_crash(self, *, at_commit: bool) -> CrashPoint | None:
        """Return where to die now, if it is time."""
        self.chances += 1
        if not self.crashes or self.world.is_healed:
            return None
        crash = self.crashes[0]
        if crash.chance > self.chances or (crash.point in _AT_COMMIT) is not at_commit:
            return None
        return crash.point

    # ── The network ──

    def broadcast(self, message: Message) -> None:
        """Send to all others."""
        self.world.watch.left(self.me.address, message)
        kind, item = self._packed(message)
        for peer in self.world.peers(self):
            self.world.send(self, peer, kind, item)

    def send(self, peer: bytes, message: Message) -> None:
        """Send to one other."""
        self.world.watch.left(self.me.address, message)
        self.world.send(self, peer, *self._packed(message))

    def _packed(self, message: Message) -> tuple[str, Item]:
        me = self.me.address
        match message:
            case Vote():
                return message.step.name, inputs.VoteReceived(me, message)
            case Proposal():
                travels = self.world.rng.random() < self.world.plan.bodies_travel_share
                block = self._block(message.block_id) if travels else None
                return "Proposal", Said(me, message, block)
            case Status():
                return "Status", inputs.StatusReceived(me, message)
            case Polka() | Certificate():
                return "Tally", inputs.TallyReceived(me, message)
            case ClaimRequest(nonce):
                return "Claim", inputs.ClaimAsked(me, nonce)
            case StatusClaim():
                return "Claim", inputs.ClaimReceived(me, message)

    def _keep_body(self, block: Block) -> None:
        while len(self._bodies) >= BODIES_MAX:
            del self._bodies[next(iter(self._bodies))]
        self._bodies[block.id] = block

    def _block(self, block_id: bytes) -> Block | None:
        """Find a block: of the height under way, or committed."""
        assert self.machine is not None, "a dead node answers nothing"
        block = self.machine.block(block_id)
        if block is not None:
            return block
        for height in range(self.height, 0, -1):
            decision = self.app.decision(height)
            if decision is not None and decision.block.id == block_id:
                return decision.block
        return None
