"""The executor: one block's execution in progress.

Order: the parent certificate's signers, due work (`begin`), the transactions in the block's order
(`apply`), then the fee pool and the sets of the next block (`finish`). The same class builds a
proposal, where a transaction that does not fit is dropped, and checks one, where it makes the block
invalid. What comes out depends on the parent state and the block alone. (PROTOCOL §4.)
"""

import enum
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from chain.block import ZERO_ADDRESS, ZERO_HASH
from chain.execution.admission import check_window, intrinsic_weight, weight_limit
from chain.execution.receipt import CallResult, Outcome, Receipt
from chain.merkle import merkle_root
from chain.refusals import (
    BadSignature,
    BlockFull,
    BrokenCall,
    CannotPayFee,
    LowNonce,
    NonceGap,
    NotIncludableError,
    WrongChain,
    WrongKeys,
)
from chain.transaction import Mode, PreparedCall, PreparedTransaction, claim_message
from chain.validators import Validator, ValidatorSet
from chain.verdicts import Judge
from contracts.governance.parameters import ChainParameters
from contracts.kernel import Claim, Context, Kind, OutOfWeight, Reject, Value, codec
from contracts.kernel.clock import Clock
from contracts.kernel.errors import FATAL
from contracts.kernel.frozen import maker
from contracts.kernel.host import Host
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.schedule import ClockKind, Work
from contracts.kernel.state import Decoded, Reader, State
from contracts.registry import Registry

UNLIMITED: Final = 2**62
# Weight ends the due work of a block long before; this bound holds whatever the weight table says.
UNITS_MAX: Final = 10_000


_make_context: Final = maker(Context)
_make_result: Final = maker(CallResult)


@dataclass(frozen=True, slots=True)
class BlockContext:
    """What execution knows of the block before it knows its contents."""

    chain_id: bytes
    height: int
    time_ms: int
    parent_hash: bytes


class FailedUnit(NamedTuple):
    """A unit that failed here and the exception, for the operator's log alone."""

    work: Work
    error: Exception


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What a block did: receipts with their events, state changes, and what acts next."""

    receipts: tuple[Receipt, ...]
    events: tuple[tuple[bytes, ...], ...]
    changes: tuple[tuple[bytes, bytes | None], ...]
    next_validators: ValidatorSet
    next_parameters: ChainParameters
    failed_units: tuple[FailedUnit, ...] = field(default=(), compare=False)


class _Stage(enum.Enum):
    NEW = 0
    OPEN = 1
    ENDED = 2


class _Savepoint(NamedTuple):
    host: tuple[int, int]
    market_time_s: int


class BlockExecution:
    """One block, executed step by step over a parent state: `begin`, `apply` …, `finish`.

    `weight_left` is what the transactions still to come may use together; `failed_units` holds what
    went wrong in due work. A fatal exception leaves an execution that takes nothing any more.
    """

    def __init__(
        self,
        base: Reader,
        block: BlockContext,
        judge: Judge,
        registry: type[Registry] = Registry,
        decoded: Decoded | None = None,
    ) -> None:
        """Wire the contracts over a working copy of `base`; `decoded` serves many executions."""
        self._meter = Meter(WeightTable(), UNLIMITED)
        self._state = State(base, self._meter, decoded)
        self._host = Host(self._state)
        self.registry = registry(self._host)
        self.parameters = self.registry.parameters.in_force()
        self._meter.table = self.parameters.weights
        self._block = block
        self._judge = judge
        self._market_time_s = self.registry.clock.market_time_s(block.time_ms)
        self._receipts: list[Receipt] = []
        self._events: list[tuple[bytes, ...]] = []
        self._fees_uthb = 0
        self._stage = _Stage.NEW
        self.weight_left = 0
        self.failed_units: list[FailedUnit] = []

    def begin(self, signers: tuple[bytes, ...]) -> None:
        """Share the fee pool among the parent's signers, then run due work up to half a block."""
        assert self._stage is _Stage.NEW, "a block begins once"
        self._stage = _Stage.ENDED
        if signers:
            self.registry.credit.share_fees(signers)
        results, used = self._run_due_work()
        self.registry.credit.record_history(self._host.events)
        self._close(ZERO_HASH, int(Mode.EACH_ALONE), results, used, 0)
        half = self.parameters.block_weight_max >> 1
        self.weight_left = max(self.parameters.block_weight_max - used, half)
        self._stage = _Stage.OPEN

    def apply(self, prepared: PreparedTransaction) -> Receipt:
        """Execute one transaction; raises `NotIncludableError` and leaves no trace then."""
        assert self._stage is _Stage.OPEN, "transactions stand between begin and finish"
        savepoint = self._savepoint()
        # What escapes below is fatal: half a transaction is in the state, and nothing may follow.
        self._stage = _Stage.ENDED
        try:
            limit = self._admit(prepared)
            receipt = self._run(prepared, limit)
        except NotIncludableError:
            self._undo_transaction(savepoint)
            raise
        except FATAL:
            raise
        except Exception as error:
            self._undo_transaction(savepoint)
            raise BrokenCall(id=prepared.id, error=type(error).__name__) from error
        finally:
            self._meter.limit = UNLIMITED
        self._stage = _Stage.OPEN
        self.weight_left -= receipt.weight
        self._fees_uthb += receipt.fee_uthb
        return receipt

    def finish(self) -> BlockResult:
        """Close the block: fees into the pool, and what is in force after it."""
        assert self._stage is _Stage.OPEN, "a block that began ends once"
        self._stage = _Stage.ENDED
        self.registry.credit.collect_fees(self._fees_uthb)
        members = [Validator(*member) for member in self.registry.authorities.validators()]
        return BlockResult(
            tuple(self._receipts),
            tuple(self._events),
            tuple(self._state.changes()),
            ValidatorSet.of(members),
            self.registry.parameters.in_force(),
            tuple(self.failed_units),
        )

    def _admit(self, prepared: PreparedTransaction) -> int:
        """Check that the transaction is includable; returns its weight limit."""
        transaction = prepared.signed.transaction
        if transaction.chain_id != self._block.chain_id:
            raise WrongChain(expected=self._block.chain_id, got=transaction.chain_id)
        check_window(transaction.valid_until_height, self._block.height, self.parameters)
        accounts, sender = self.registry.accounts, transaction.sender
        nonce = accounts.nonces[sender]
        if transaction.nonce < nonce:
            raise LowNonce(sender=sender, expected=nonce, got=transaction.nonce)
        if transaction.nonce > nonce:
            raise NonceGap(sender=sender, expected=nonce, got=transaction.nonce)
        if not accounts.accepts_keys(sender, prepared.signed.keys):
            raise WrongKeys(sender=sender)
        limit = weight_limit(prepared, self.parameters)
        free = self.registry.credit.free(sender)
        if free < transaction.fee_max_uthb:
            raise CannotPayFee(sender=sender, have_uthb=free, need_uthb=transaction.fee_max_uthb)
        for signed in prepared.signed.signed:
            if not self._judge.verdict(signed):
                raise BadSignature(public_key=signed.public_key)
        return limit

    def _run(self, prepared: PreparedTransaction, limit: int) -> Receipt:
        transaction = prepared.signed.transaction
        sender, parameters = transaction.sender, self.parameters
        first_event = len(self._host.events)
        self.registry.accounts.nonces[sender] = transaction.nonce + 1
        credit, fee_max = self.registry.credit, transaction.fee_max_uthb
        credit.set_fee_aside(sender, parameters.fee_aside_uthb(fee_max))
        self._meter.used = intrinsic_weight(prepared, parameters)
        self._meter.limit = limit
        results = self._run_calls(prepared)
        weight = self._meter.used
        self._meter.limit = UNLIMITED
        if weight > self.weight_left:
            raise BlockFull(weight=weight, left=self.weight_left)
        fee = parameters.fee_uthb(weight)
        credit.return_fee(fee)
        credit.settle_fee(self._host.events[first_event:])
        return self._close(prepared.id, int(transaction.mode), results, weight, fee)

    def _run_calls(self, prepared: PreparedTransaction) -> list[CallResult]:
        """Run each call in an overlay of its own; mode 0 undoes all when one fails."""
        whole = prepared.signed.transaction.mode is Mode.ALL_OR_NOTHING
        outer = self._savepoint()
        results: list[CallResult] = []
        for index, call in enumerate(prepared.calls):
            result = self._run_call(prepared, call, index)
            results.append(result)
            if result.code == Outcome.OK and call.call.contract == Clock.spec.name:
                self._market_time_s = self._read_market_time()
            if result.code == Outcome.OK or (not whole and result.code != Outcome.OUT_OF_WEIGHT):
                continue
            if whole:
                self._undo(outer)
                results[:-1] = [CallResult(Outcome.UNDONE, r.weight) for r in results[:-1]]
            break
        missing = len(prepared.calls) - len(results)
        return results + [CallResult(Outcome.NOT_RUN, 0)] * missing

    def _run_call(
        self, prepared: PreparedTransaction, call: PreparedCall, index: int
    ) -> CallResult:
        before = self._meter.used
        mark = self._host.mark()
        try:
            self._meter.charge(self.parameters.weights.call)
            value = self._dispatch(prepared, call, index)
        except Reject as reject:
            self._host.undo(mark)
            weight = self._meter.used - before
            code = self.registry.catalogue.code_by_reject[type(reject)]
            return CallResult(code, weight, dict(sorted(reject.values.items())))
        except OutOfWeight:
            self._host.undo(mark)
            return CallResult(Outcome.OUT_OF_WEIGHT, self._meter.used - before)
        return _make_result(Outcome.OK, self._meter.used - before, value)

    def _dispatch(self, prepared: PreparedTransaction, call: PreparedCall, index: int) -> Value:
        if call.refusal is not None:
            # A fresh one: an exception that was raised keeps this execution's frames alive.
            raise type(call.refusal)(**call.refusal.values)
        method = call.method
        assert method is not None, "a call without a refusal has a method"
        transaction = prepared.signed.transaction
        contract = self.registry.by_name[call.call.contract]
        owner = call.call.owner
        ctx = self._context(
            transaction.sender, owner or transaction.sender, transaction.nonce, index
        )
        if owner is None or owner == transaction.sender:
            value = method.function(contract, ctx, *call.arguments)
        else:
            accounts, credit = self.registry.accounts, self.registry.credit
            accounts.require_mandate(ctx, owner, call.call.contract, call.call.method)
            free_before = credit.free(owner)
            value = method.function(contract, ctx, *call.arguments)
            spent = free_before - credit.free(owner)
            if spent > 0:
                accounts.spend_mandate(ctx, owner, spent)
        if method.result is None:
            return None
        plain = method.result.to_wire(value)
        self._meter.charge(len(codec.encode(plain)) * self.parameters.weights.byte)
        return plain

    def _run_due_work(self) -> tuple[list[CallResult], int]:
        """Run what is due in the order (clock, due, id); returns the results and their weight.

        What a unit schedules behind its own place in that order runs in the next block.
        """
        half = self.parameters.block_weight_max >> 1
        results: list[CallResult] = []
        used = 0
        for clock, latest in (
            (ClockKind.HEADER, self._block.time_ms),
            (ClockKind.MARKET, self._market_time_s),
        ):
            waiting = self.registry.schedule.due(clock, latest)
            while used < half and len(results) < UNITS_MAX:
                self._meter.used = 0
                found = next(waiting, None)
                if found is None:
                    break
                results.append(self._run_unit(clock, *found))
                used += results[-1].weight
        return results, used

    def _run_unit(self, clock: ClockKind, due: int, number: int, work: Work) -> CallResult:
        """Run one unit; its weight includes finding it and, if it fails, setting it aside."""
        self.registry.schedule.take(clock, due, number)
        mark = self._host.mark()
        self._meter.limit = self.parameters.unit_weight_max
        code = Outcome.OK
        try:
            self._meter.charge(self.parameters.weights.call)
            self._call_unit(work, number)
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a unit raises, the chain goes on without it
            self._host.undo(mark)
            self.failed_units.append(FailedUnit(work, error))
            code = Outcome.UNIT_FAILED
        self._meter.limit = UNLIMITED
        if code is not Outcome.OK:
            self.registry.schedule.fail(clock, due, number, work, self._block.height)
        return CallResult(code, self._meter.used)

    def _call_unit(self, work: Work, number: int) -> None:
        contract = self.registry.by_name[work.contract]
        method = contract.spec.methods[Kind.UNIT, work.unit]
        plain = codec.decode_trusted(work.arguments)
        arguments = [s.load(v) for (_, s), v in zip(method.arguments, plain, strict=True)]
        ctx = self._context(ZERO_ADDRESS, ZERO_ADDRESS, number, 0)
        method.function(contract, ctx, *arguments)

    def _savepoint(self) -> _Savepoint:
        return _Savepoint(self._host.mark(), self._market_time_s)

    def _undo(self, savepoint: _Savepoint) -> None:
        self._host.undo(savepoint.host)
        self._market_time_s = savepoint.market_time_s

    def _undo_transaction(self, savepoint: _Savepoint) -> None:
        """Leave no trace of a transaction, and be ready for the next."""
        self._undo(savepoint)
        self.registry.credit.give_fee_back()
        self._stage = _Stage.OPEN

    def _read_market_time(self) -> int:
        """Read the clock for the calls that follow; it is no part of what any of them weighs."""
        used, limit = self._meter.used, self._meter.limit
        self._meter.limit = UNLIMITED
        time_s = self.registry.clock.market_time_s(self._block.time_ms)
        self._meter.used, self._meter.limit = used, limit
        return time_s

    def _context(self, signer: bytes, caller: bytes, nonce: int, index: int) -> Context:
        block = self._block
        return _make_context(
            block.chain_id,
            block.height,
            block.time_ms,
            self._market_time_s,
            block.parent_hash,
            signer,
            caller,
            nonce,
            index,
            self._verdict_of,
        )

    def _verdict_of(self, claim: Claim) -> bool:
        return self._judge.verdict(claim_message(self._block.chain_id, claim))

    def _close(
        self, id_: bytes, mode: int, results: list[CallResult], weight: int, fee_uthb: int
    ) -> Receipt:
        """Make writes and events since the last receipt permanent and add their receipt."""
        events = tuple(event.data for event in self._host.events)
        receipt = Receipt(id_, mode, tuple(results), weight, fee_uthb, merkle_root(events))
        receipt.encode()  # A value that has no encoding must be found while all can be undone.
        self._host.events.clear()
        self._state.settle()
        self._receipts.append(receipt)
        self._events.append(events)
        return receipt
