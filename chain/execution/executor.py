"""The executor: one block's execution in progress.

Order: the parent certificate's signers, due work (`begin`), the transactions in the block's order
(`apply`), then the fee pool and the sets of the next block (`finish`). The same class builds a
proposal, where a transaction that does not fit is dropped, and checks one, where it makes the block
invalid. What comes out depends on the parent state and the block alone. (PROTOCOL §4.)
"""

from dataclasses import dataclass
from typing import Final

from chain.block import ZERO_ADDRESS, ZERO_HASH
from chain.execution.receipt import CallResult, Outcome, Receipt
from chain.merkle import merkle_root
from chain.refusals import (
    BadSignature,
    BlockFull,
    BrokenCall,
    CannotPayFee,
    ExpiredTransaction,
    FeeTooLow,
    LowNonce,
    NonceGap,
    NotIncludableError,
    TooHeavy,
    WrongKeys,
)
from chain.transaction import Mode, PreparedCall, PreparedTransaction, claim_message
from chain.validators import Validator, ValidatorSet
from chain.verdicts import Judge
from contracts.governance.parameters import ChainParameters
from contracts.kernel import Claim, Context, Kind, OutOfWeight, Reject, Value, codec
from contracts.kernel.errors import FATAL
from contracts.kernel.host import Host
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.rounding import floor_div
from contracts.kernel.schedule import ClockKind, Work
from contracts.kernel.state import Reader, State
from contracts.registry import Registry, code_of

UNLIMITED: Final = 2**62


@dataclass(frozen=True, slots=True)
class BlockContext:
    """What execution knows of the block before it knows its contents."""

    chain_id: bytes
    height: int
    time_ms: int
    parent_hash: bytes


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What a block did: receipts with their events, state changes, and what acts next."""

    receipts: tuple[Receipt, ...]
    events: tuple[tuple[bytes, ...], ...]
    changes: tuple[tuple[bytes, bytes | None], ...]
    next_validators: ValidatorSet
    next_parameters: ChainParameters


class BlockExecution:
    """One block, executed step by step over a parent state."""

    def __init__(self, base: Reader, block: BlockContext, judge: Judge) -> None:
        """Wire the contracts over a working copy of `base`."""
        self._meter = Meter(WeightTable(), UNLIMITED)
        self._state = State(base, self._meter)
        self._host = Host(self._state)
        self.registry = Registry(self._host)
        self.parameters = self.registry.parameters.in_force()
        self._meter.table = self.parameters.weights
        self._block = block
        self._judge = judge
        self._market_time_s = self.registry.clock.market_time_s(block.time_ms)
        self._receipts: list[Receipt] = []
        self._events: list[tuple[bytes, ...]] = []
        self._fees_uthb = 0
        self._weight_left = self.parameters.block_weight_max

    def begin(self, signers: tuple[bytes, ...]) -> None:
        """Share the fee pool among the parent's signers, then run due work up to half a block."""
        if signers:
            self.registry.credit.share_fees(signers)
        results, used = self._run_due_work()
        self.registry.credit.record_history(self._host.events)
        self._close(ZERO_HASH, int(Mode.EACH_ALONE), results, used, 0)
        half = self.parameters.block_weight_max >> 1
        self._weight_left = max(self.parameters.block_weight_max - used, half)

    def apply(self, prepared: PreparedTransaction) -> Receipt:
        """Execute one transaction; raises `NotIncludableError` and leaves no trace then."""
        mark = self._host.mark()
        try:
            limit = self._admit(prepared)
            receipt = self._run(prepared, limit)
        except NotIncludableError:
            self._host.undo(mark)
            raise
        except FATAL:
            raise
        except Exception as error:
            self._host.undo(mark)
            raise BrokenCall(id=prepared.id, error=type(error).__name__) from error
        finally:
            self._meter.limit = UNLIMITED
        self._weight_left -= receipt.weight
        self._fees_uthb += receipt.fee_uthb
        if any(call.call.contract == self.registry.clock.spec.name for call in prepared.calls):
            self._market_time_s = self.registry.clock.market_time_s(self._block.time_ms)
        return receipt

    def finish(self) -> BlockResult:
        """Close the block: fees into the pool, and what is in force after it."""
        self.registry.credit.collect_fees(self._fees_uthb)
        members = [Validator(*member) for member in self.registry.authorities.validators()]
        return BlockResult(
            tuple(self._receipts),
            tuple(self._events),
            tuple(self._state.changes()),
            ValidatorSet.of(members),
            self.registry.parameters.in_force(),
        )

    def intrinsic_weight(self, prepared: PreparedTransaction) -> int:
        """Return what the transaction weighs before any call: itself, its bytes and signatures."""
        return intrinsic_weight(prepared, self.parameters)

    def _admit(self, prepared: PreparedTransaction) -> int:
        """Check that the transaction is includable; returns its weight limit."""
        transaction = prepared.signed.transaction
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
        self.registry.credit.take_fee(sender, transaction.fee_max_uthb)
        self._meter.used = self.intrinsic_weight(prepared)
        self._meter.limit = limit
        results = self._run_calls(prepared)
        weight = self._meter.used
        self._meter.limit = UNLIMITED
        if weight > self._weight_left:
            raise BlockFull(weight=weight, left=self._weight_left)
        fee = parameters.fee_base_uthb + weight * parameters.fee_per_weight_uthb
        rest = transaction.fee_max_uthb - fee
        self.registry.credit.settle_fee(sender, rest, self._host.events[first_event:])
        return self._close(prepared.id, int(transaction.mode), results, weight, fee)

    def _run_calls(self, prepared: PreparedTransaction) -> list[CallResult]:
        """Run each call in an overlay of its own; mode 0 undoes all when one fails."""
        whole = prepared.signed.transaction.mode is Mode.ALL_OR_NOTHING
        outer = self._host.mark()
        results: list[CallResult] = []
        for index, call in enumerate(prepared.calls):
            result = self._run_call(prepared, call, index)
            results.append(result)
            if result.code == Outcome.OK or (not whole and result.code != Outcome.OUT_OF_WEIGHT):
                continue
            if whole:
                self._host.undo(outer)
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
            return CallResult(code_of(reject), weight, dict(sorted(reject.values.items())))
        except OutOfWeight:
            self._host.undo(mark)
            return CallResult(Outcome.OUT_OF_WEIGHT, self._meter.used - before)
        return CallResult(Outcome.OK, self._meter.used - before, value)

    def _dispatch(self, prepared: PreparedTransaction, call: PreparedCall, index: int) -> Value:
        if call.refusal is not None:
            raise call.refusal
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
        return None if method.result is None else method.result.to_wire(value)

    def _run_due_work(self) -> tuple[list[CallResult], int]:
        half = self.parameters.block_weight_max >> 1
        schedule = self.registry.schedule
        results: list[CallResult] = []
        used = 0
        for clock, latest in (
            (ClockKind.HEADER, self._block.time_ms),
            (ClockKind.MARKET, self._market_time_s),
        ):
            while used < half and (first := schedule.first_due(clock, latest)) is not None:
                due, number, work = first
                result = self._run_unit(clock, due, number, work, len(results))
                results.append(result)
                used += result.weight
        return results, used

    def _run_unit(
        self, clock: ClockKind, due: int, number: int, work: Work, index: int
    ) -> CallResult:
        self.registry.schedule.take(clock, due, number)
        contract = self.registry.by_name[work.contract]
        method = contract.spec.methods[Kind.UNIT, work.unit]
        plain = codec.decode_trusted(work.arguments)
        arguments = [s.load(v) for (_, s), v in zip(method.arguments, plain, strict=True)]
        mark = self._host.mark()
        self._meter.used = 0
        self._meter.limit = self.parameters.unit_weight_max
        ctx = self._context(ZERO_ADDRESS, ZERO_ADDRESS, number, index)
        try:
            self._meter.charge(self.parameters.weights.call)
            method.function(contract, ctx, *arguments)
            result = CallResult(Outcome.OK, self._meter.used)
        except FATAL:
            raise
        except Exception:  # noqa: BLE001 - whatever a unit raises, the chain goes on without it
            self._host.undo(mark)
            result = CallResult(Outcome.UNIT_FAILED, self._meter.used)
        self._meter.limit = UNLIMITED
        if result.code != Outcome.OK:
            self.registry.schedule.fail(clock, due, number, work, self._block.height)
        return result

    def _context(self, signer: bytes, caller: bytes, nonce: int, index: int) -> Context:
        block = self._block
        return Context(
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
        self._host.events.clear()
        self._state.settle()
        root = merkle_root(events)
        receipt = Receipt(id_, mode, tuple(results), weight, fee_uthb, root)
        self._receipts.append(receipt)
        self._events.append(events)
        return receipt


def intrinsic_weight(prepared: PreparedTransaction, parameters: ChainParameters) -> int:
    """Return what a transaction weighs before any call runs."""
    weights = parameters.weights
    signatures = len(prepared.signed.signatures) + prepared.claim_count
    return (
        weights.transaction
        + len(prepared.signed.raw) * weights.byte
        + signatures * weights.signature
    )


def weight_limit(prepared: PreparedTransaction, parameters: ChainParameters) -> int:
    """Return the weight a transaction may use; raises `TooHeavy` or `FeeTooLow`."""
    intrinsic = intrinsic_weight(prepared, parameters)
    if intrinsic > parameters.transaction_weight_max:
        raise TooHeavy(weight=intrinsic, weight_max=parameters.transaction_weight_max)
    price, base = parameters.fee_per_weight_uthb, parameters.fee_base_uthb
    fee_max = prepared.signed.transaction.fee_max_uthb
    need = base + intrinsic * price
    if fee_max < need:
        raise FeeTooLow(fee_max_uthb=fee_max, need_uthb=need)
    if price == 0:
        return parameters.transaction_weight_max
    return min(parameters.transaction_weight_max, floor_div(fee_max - base, price))


def check_window(valid_until_height: int, height: int, parameters: ChainParameters) -> None:
    """Raise `ExpiredTransaction` unless `height` is within the transaction's validity."""
    latest = height + parameters.validity_blocks_max
    if not height <= valid_until_height <= latest:
        raise ExpiredTransaction(
            valid_until_height=valid_until_height, height=height, latest=latest
        )
