"""A world without consensus: real transactions, real execution, state in memory.

`refused` is how refusals are tested: it asserts the refusal, and that the block leaves what it
would have left without the transaction, but for the sender's nonce and exactly the stated fee.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

import pytest

from chain.execution.executor import UNLIMITED, BlockContext, BlockExecution, BlockResult
from chain.execution.receipt import CallResult, Outcome, Receipt
from chain.genesis import Genesis, run_genesis
from chain.refusals import NotIncludableError
from chain.store import MemoryState
from chain.transaction import (
    Call,
    Mode,
    PreparedTransaction,
    Transaction,
    prepare,
    sign_transaction,
)
from chain.verdicts import Verdicts
from contracts.kernel import Host, Kind, Reject, Value, sha256
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.state import State
from contracts.money.credit import FEE_POOL
from contracts.registry import Registry
from tests.support.genesis import DRIVER, make_genesis
from tests.support.people import account_of, seed_of

FEE_MAX_UTHB = 4_000_000
BLOCK_MS = 1_000
ALL_KEYS = b"", b"\xff" * 64


@dataclass(frozen=True)
class Refusal:
    """What a refused call said."""

    code: int
    values: Mapping[str, Value]


class Options(TypedDict, total=False):
    """What a transaction of a test may say of itself other than the usual."""

    mode: Mode
    fee_max_uthb: int
    nonce: int
    keys: tuple[str, ...]
    account: bytes
    chain_id: bytes
    valid_until_height: int


class World:
    """A chain's state and the blocks that change it."""

    def __init__(self, genesis: Genesis | None = None, registry: type[Registry] = Registry) -> None:
        """Run the genesis."""
        self.genesis = genesis or make_genesis()
        self.registry = registry
        self.state = MemoryState()
        begun = run_genesis(self.genesis, self.state)
        self.state.write(begun.changes)
        self.parameters = begun.parameters
        self.height = 0
        self.time_ms = self.genesis.time_ms
        self.parent = self.genesis.chain_id
        self.judge = Verdicts()

    @property
    def read(self) -> Registry:
        """Return the contracts over the present state, for reading."""
        return self.registry(Host(State(self.state, Meter(WeightTable(), UNLIMITED))))

    def signed(
        self,
        sender: str,
        *calls: Call,
        **options: Unpack[Options],
    ) -> PreparedTransaction:
        """Sign a transaction of the person `sender`, by default with the next nonce and own key."""
        address = options.get("account", account_of(sender))
        transaction = Transaction(
            options.get("chain_id", self.genesis.chain_id),
            address,
            options["nonce"] if "nonce" in options else self.read.accounts.nonces[address],
            options.get("valid_until_height", self.height + 100),
            options.get("fee_max_uthb", FEE_MAX_UTHB),
            options.get("mode", Mode.ALL_OR_NOTHING),
            calls,
        )
        names = options.get("keys", (sender,))
        signed = sign_transaction(transaction, [seed_of(name) for name in names])
        return prepare(signed, self.registry.catalogue)

    def execution(self) -> BlockExecution:
        """Return the next block's execution, not begun."""
        context = BlockContext(
            self.genesis.chain_id, self.height + 1, self.time_ms + BLOCK_MS, self.parent
        )
        return BlockExecution(self.state, context, self.judge, self.registry)

    def block(
        self, *transactions: PreparedTransaction, signers: tuple[bytes, ...] = ()
    ) -> BlockResult:
        """Execute one block; raises `NotIncludableError` if a transaction cannot be in it."""
        execution = self.execution()
        execution.begin(signers)
        for transaction in transactions:
            execution.apply(transaction)
        result = execution.finish()
        self.state.write(result.changes)
        self.height, self.time_ms = self.height + 1, self.time_ms + BLOCK_MS
        self.parent = sha256(self.parent)
        return result

    def send(self, sender: str, *calls: Call, **options: Unpack[Options]) -> Receipt:
        """Execute a block with one transaction and return its receipt."""
        return self.block(self.signed(sender, *calls, **options)).receipts[1]

    def call(self, sender: str, contract: str, method: str, *arguments: Value) -> Value:
        """Execute one call that must succeed, and return its value."""
        receipt = self.send(sender, Call(contract, method, arguments))
        assert receipt.results[0].code == Outcome.OK, receipt.results[0]
        return receipt.results[0].value

    def refused(
        self,
        reject: type[Reject],
        sender: str,
        contract: str,
        method: str,
        *arguments: Value,
        owner: bytes | None = None,
    ) -> CallResult:
        """Execute one call that must be refused so, changing nothing but nonce and fee."""
        result = self.without_effect(self.signed(sender, Call(contract, method, arguments, owner)))
        assert result.code == self.registry.catalogue.code_by_reject[reject], result
        return result

    def without_effect(self, prepared: PreparedTransaction) -> CallResult:
        """Execute one call that must change nothing but nonce and fee; returns its result.

        The state after the block is compared, value by value, with that after a block without it:
        what is due in that block anyway is no effect of the call.
        """
        sender = prepared.signed.transaction.sender
        expected = self._next_state_without()
        before = self.registry(Host(State(expected, Meter(WeightTable(), UNLIMITED))))
        nonce, own = before.accounts.nonces[sender], before.credit.account(sender)
        pool = before.credit.account(FEE_POOL)
        receipt = self.block(prepared).receipts[1]
        after, fee_uthb = self.read, receipt.fee_uthb
        assert fee_uthb == after.parameters.fee_for(receipt.weight) > 0
        assert after.accounts.nonces[sender] == nonce + 1
        assert after.credit.account(sender) == replace(own, free=own.free - fee_uthb)
        assert after.credit.account(FEE_POOL) == replace(pool, free=pool.free + fee_uthb)
        changed = (
            after.accounts.nonces.raw_key(sender),
            after.credit.accounts.raw_key(sender),
            after.credit.accounts.raw_key(FEE_POOL),
        )
        assert_same(expected, self.state, but=changed)
        (result,) = receipt.results
        return result

    def not_includable(
        self,
        error: type[NotIncludableError],
        prepared: PreparedTransaction,
        after: Sequence[PreparedTransaction] = (),
    ) -> NotIncludableError:
        """Try a transaction that this block may not hold; the block must be as if it were not."""
        with_it, without = self.execution(), self.execution()
        for execution in (with_it, without):
            execution.begin(())
            for transaction in after:
                execution.apply(transaction)
        with pytest.raises(NotIncludableError) as caught:
            with_it.apply(prepared)
        assert type(caught.value) is error, caught.value
        assert with_it.weight_left == without.weight_left
        assert with_it.finish() == without.finish()
        return caught.value

    def advance(self, to_s: int) -> None:
        """Drive market time to `to_s`, stop by stop, running the work that is due at each."""
        while True:
            stop = self.read.schedule.next_market_stop_s()
            now = self.read.clock.driven_time_s()
            if stop is not None and stop <= now:
                self.block()
            elif now < to_s:
                self.call(DRIVER, "clock", "advance", to_s if stop is None else min(stop, to_s))
            else:
                return

    def check_invariants(self) -> None:
        """Assert every invariant of every contract."""
        for contract in self.read.contracts:
            for name, method in contract.spec.of_kind(Kind.INVARIANT).items():
                assert method.function(contract), f"{contract.spec.name}.{name} does not hold"

    def _next_state_without(self) -> MemoryState:
        """Return the state after a next block that holds no transaction."""
        execution = self.execution()
        execution.begin(())
        state = MemoryState()
        state.write(self.state.scan(*ALL_KEYS))
        state.write(execution.finish().changes)
        return state


def assert_same(first: MemoryState, second: MemoryState, but: Sequence[bytes] = ()) -> None:
    """Assert that two states agree in every value but those of some keys."""
    one, other = dict(first.scan(*ALL_KEYS)), dict(second.scan(*ALL_KEYS))
    changed = [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]
    assert sorted(key.hex() for key in changed if key not in but) == []
