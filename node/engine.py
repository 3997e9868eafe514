"""The engine: feeds the consensus machine and performs what it asks for.

The machine is pure; here are the clock, the timers, the execution thread, the log, and the mempool.
Inputs go in one after the other; the effects of each are performed in their order before the next,
so that `Persist` is a barrier by itself. What execution or signing gives back is fed at once.

One trio task owns machine and mempool; ledger and database are touched by one thread at a time.
Anything that must stop the node (a failed write, a broken invariant) is raised out of `run`.
"""

import math
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, TypeVarTuple

import structlog
import trio

from chain.block import Block, InvalidBlockError
from chain.consensus.effects import (
    Broadcast,
    Commit,
    Effect,
    Persist,
    Propose,
    Report,
    RequestBlock,
    ScheduleTimeout,
    SendDecision,
    SendTo,
    Sign,
    SignClaim,
    Validate,
)
from chain.consensus.inputs import (
    BlockDue,
    ClaimSigned,
    Committed,
    HeightContext,
    Input,
    Proposed,
    Signed,
    Start,
    TimeoutFired,
    Validated,
)
from chain.consensus.timing import due_at_ms
from chain.ledger import Candidate, Ledger
from chain.mempool import Mempool, accounts_in
from chain.refusals import BrokenCall
from chain.store import Decided, StoredBlock
from chain.validity import transactions_bytes_max
from chain.votes import Certificate, InvalidTallyError
from contracts.kernel import Value
from node.backend import BlockArchive, Published
from node.due import next_due
from node.findings import diverged, report
from node.leveldb import LevelStore
from node.outbox import Outbox
from node.publish import CachedReader, Publisher, TipAccounts
from node.signer import Signer
from node.subscribers import Subscribers

if TYPE_CHECKING:
    # libp2p brings trio-typing, whose stubs take the place of trio's own types.
    from trio_typing import TaskStatus

# Few: whoever waits to bring one takes turns, so that a peer that floods holds up itself alone.
INPUTS_MAX: Final = 64
MS_PER_S: Final = 1_000

log = structlog.get_logger(__name__)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class ConsensusMachine(Protocol):
    """The pure machine, as the engine drives it."""

    def handle(self, event: Input, now_ms: int) -> list[Effect]:
        """Take one input at a local time; return what to do."""


@dataclass(frozen=True, slots=True)
class Seat:
    """For which authority a validator speaks, and what signs for it."""

    account: bytes
    signer: Signer


@dataclass(frozen=True)
class Parts:
    """What an engine is made of; `accounts` is the reader behind the mempool's view.

    A node without a seat follows the chain and says nothing in consensus.
    """

    machine: ConsensusMachine
    ledger: Ledger
    store: LevelStore
    seat: Seat | None
    mempool: Mempool
    accounts: CachedReader
    outbox: Outbox
    clock_ms: Callable[[], int]


@dataclass(slots=True)
class _Adoption:
    """A block that others have decided, on its way to the task that owns the chain."""

    decided: Decided
    done: trio.Event = field(default_factory=trio.Event)
    is_adopted: bool = False
    error: Exception | None = None


class Engine:
    """One node's chain at work; also what the API reads from."""

    def __init__(self, parts: Parts) -> None:
        """Wire the parts and publish the tip."""
        self._machine = parts.machine
        self._ledger = parts.ledger
        self._store = parts.store
        self._seat = parts.seat
        self.mempool = parts.mempool
        self._accounts = parts.accounts
        self._outbox = parts.outbox
        self._clock_ms = parts.clock_ms
        self._send, self._receive = trio.open_memory_channel[Input | _Adoption](INPUTS_MAX)
        self._execution = trio.CapacityLimiter(1)
        self._wake = trio.Event()
        self._jitter = random.Random()  # noqa: S311 - spreads retries, protects nothing
        self._subscribers = Subscribers()
        self._nursery: trio.Nursery | None = None
        self._publisher = Publisher(
            Published(parts.ledger.tip, parts.store.snapshot(), parts.ledger.trie)
        )
        self._next_due_ms: int | None = None
        self._unit_is_due = False
        self._read_schedule()

    @property
    def archive(self) -> BlockArchive:
        """Return the committed blocks."""
        return self._store

    def published(self) -> AbstractContextManager[Published]:
        """Pin the newest published version for the length of a `with` block; any thread."""
        return self._publisher.pinned()

    async def run(self, task_status: "TaskStatus[None]" = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled; raises what must stop the node."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._announce_due_blocks)
            await self._feed(Start(self._context()))
            task_status.started()
            async for input_ in self._receive:
                if isinstance(input_, _Adoption):
                    await self._adopt(input_)
                else:
                    await self._feed(input_)

    @property
    def chain_id(self) -> bytes:
        """Return which chain this is."""
        return self._publisher.newest.tip.header.chain_id

    @property
    def height(self) -> int:
        """Return the height of the newest block."""
        return self._publisher.newest.tip.height

    async def adopt(self, decided: Decided) -> bool:
        """Commit a block that others have decided; says whether it was the next.

        Raises `InvalidTallyError` or `InvalidBlockError` where certificate and block do not belong
        together, and then nothing has changed. Where they do, and this node's execution refuses the
        block, `run` ends with `DivergedError`.
        """
        adoption = _Adoption(decided)
        await self._send.send(adoption)
        await adoption.done.wait()
        if adoption.error is not None:
            raise adoption.error
        return adoption.is_adopted

    async def give(self, input_: Input) -> None:
        """Hand the machine an input from the network."""
        await self._send.send(input_)

    def wake(self) -> None:
        """Look anew at whether a block is due: something waits, or a block was committed."""
        wake, self._wake = self._wake, trio.Event()
        wake.set()

    def health(self) -> dict[str, Value]:
        """Return what an operator looks at first."""
        tip = self._publisher.newest.tip
        return {
            "role": "full" if self._seat is None else "validator",
            "height": tip.height,
            "tip_time_ms": tip.header.time_ms,
            "tip_age_ms": max(0, self._clock_ms() - tip.header.time_ms),
            "waiting_transactions": len(self.mempool),
            "subscribers": len(self._subscribers),
        }

    def blocks(self) -> AsyncIterator[StoredBlock]:
        """Yield each block as it is committed, from now on; for a slow reader it ends early."""
        return self._subscribers.blocks()

    async def _adopt(self, adoption: "_Adoption") -> None:
        """Commit a decided block, or say why its sender is wrong; all else ends the node."""
        block, certificate = adoption.decided.block, adoption.decided.certificate
        try:
            if block.height == self._ledger.tip.height + 1:
                await self._in_execution_thread(self._ledger.check_decided, block, certificate)
                adoption.is_adopted = True
        except (InvalidTallyError, InvalidBlockError) as error:
            adoption.error = error
        if adoption.is_adopted:
            try:
                await self._in_execution_thread(self._ledger.validate, block)
            except InvalidBlockError as error:
                raise diverged(certificate, str(error)) from error
            await self._feed(await self._commit(Commit(block, certificate)))
        adoption.done.set()

    async def _feed(self, first: Input) -> None:
        """Feed an input and everything that comes back from its effects."""
        waiting = deque([first])
        while waiting:
            for effect in self._machine.handle(waiting.popleft(), self._clock_ms()):
                back = await self._perform(effect)
                if back is not None:
                    waiting.append(back)

    async def _perform(self, effect: Effect) -> Input | None:
        match effect:
            case Validate():
                return await self._validate(effect.block)
            case Propose():
                return await self._propose(effect)
            case Sign():
                return Signed(effect.statement, self._signer.sign(effect.statement))
            case Persist():
                await self._in_execution_thread(self._signer.persist, effect.record)
            case Commit():
                return await self._commit(effect)
            case ScheduleTimeout():
                assert self._nursery is not None, "effects are performed while running"
                self._nursery.start_soon(self._time_out, effect)
            case Broadcast():
                self._outbox.broadcast(effect.message)
            case SendTo():
                self._outbox.send(effect.peer, effect.message)
            case SendDecision():
                self._outbox.send_decision(effect.peer, effect.height)
            case RequestBlock():
                self._outbox.request_block(effect.height, effect.block_id)
            case SignClaim():
                claim = self._signer.claim(self._account, effect.height, effect.nonce)
                return ClaimSigned(effect.peer, claim)
            case Report():
                report(effect.finding)
        return None

    async def _validate(self, block: Block) -> Validated:
        try:
            await self._in_execution_thread(self._ledger.validate, block)
        except InvalidBlockError as error:
            log.warning("block_refused", height=block.height, id=block.id.hex(), reason=str(error))
            return Validated(block.id, ok=False)
        return Validated(block.id, ok=True)

    async def _propose(self, effect: Propose) -> Proposed:
        parameters = self._ledger.tip.parameters
        waiting = self.mempool.proposal(
            bytes_max=transactions_bytes_max(parameters), weight_max=parameters.block_weight_max
        )
        block, refused = await self._in_execution_thread(
            self._ledger.build, effect.time_ms, self._account, effect.parent_certificate, waiting
        )
        for one, error in refused:
            self.mempool.remove(one.id)
            level = log.error if isinstance(error, BrokenCall) else log.info
            level("transaction_dropped", id=one.id.hex(), reason=str(error))
        return Proposed(effect.height, effect.round, block)

    async def _commit(self, effect: Commit) -> Committed:
        block = effect.block
        if self._ledger.candidate(block.id) is None:
            await self._in_execution_thread(self._ledger.validate, block)
        done = await self._in_execution_thread(self._commit_in_thread, block.id, effect.certificate)
        candidate, published = done
        changes = candidate.result.changes
        self._accounts.advance(published.state, changes)
        tip = published.tip
        left = self.mempool.update(
            TipAccounts(self._accounts),
            tip.parameters,
            tip.height,
            accounts_in(changes),
            candidate.transaction_ids,
        )
        self._publisher.publish(published)
        self._read_schedule()
        if len(self._subscribers):
            self._subscribers.tell(candidate.stored(effect.certificate))
        log.info(
            "block_committed",
            height=tip.height,
            txs=len(candidate.transaction_ids),
            round=effect.certificate.round,
            dropped=len(left),
        )
        for work, error in candidate.result.failed_units:
            log.error("unit_failed", contract=work.contract, unit=work.unit, exc_info=error)
        self.wake()
        return Committed(self._context())

    def _commit_in_thread(
        self, block_id: bytes, certificate: Certificate
    ) -> tuple[Candidate, Published]:
        candidate = self._ledger.commit(block_id, certificate)
        if self._seat is not None:
            self._seat.signer.compact(candidate.block.height)
        snapshot = self._store.snapshot()
        return candidate, Published(self._ledger.tip, snapshot, self._ledger.trie)

    @property
    def _signer(self) -> Signer:
        assert self._seat is not None, "the machine of a node without a seat signs nothing"
        return self._seat.signer

    @property
    def _account(self) -> bytes:
        assert self._seat is not None, "the machine of a node without a seat proposes nothing"
        return self._seat.account

    async def _in_execution_thread(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        return await trio.to_thread.run_sync(function, *arguments, limiter=self._execution)

    async def _time_out(self, effect: ScheduleTimeout) -> None:
        jitter_ms = self._jitter.uniform(0, effect.jitter_ms)
        await trio.sleep((effect.delay_ms + jitter_ms) / MS_PER_S)
        await self._send.send(TimeoutFired(effect.timeout))

    async def _announce_due_blocks(self) -> None:
        """Tell the machine once a height when a block is due."""
        announced = -1
        while True:
            # Taken first: whatever changes from here on, this very event says so.
            wake = self._wake
            tip = self._publisher.newest.tip
            has_work = self._unit_is_due or self.mempool.has_ready()
            due_ms = due_at_ms(
                tip.parameters.timing, tip.header.time_ms, self._next_due_ms, has_work=has_work
            )
            wait_ms = due_ms - self._clock_ms()
            if wait_ms <= 0 and announced <= tip.height:
                announced = tip.height + 1
                await self._send.send(BlockDue(announced))
            timeout_s = max(wait_ms, 0) / MS_PER_S if announced <= tip.height else math.inf
            with trio.move_on_after(timeout_s):
                await wake.wait()

    def _read_schedule(self) -> None:
        """Find out when due work calls for a block, from the published state."""
        self._next_due_ms, self._unit_is_due = next_due(self._publisher.newest.state)

    def _context(self) -> HeightContext:
        tip = self._ledger.tip
        return HeightContext(
            height=tip.height + 1,
            validators=tip.next_validators,
            parent_id=tip.block_id,
            parent_time_ms=tip.header.time_ms,
            parent_certificate=tip.certificate,
            parent_validators=tip.validators,
            timing=tip.parameters.timing,
        )
