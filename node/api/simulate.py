"""Simulation: execute a transaction on a published version and throw the result away.

Everything is as in the next block, but for two things. Due work is left to that block: it may weigh
far more than any transaction, and whoever asks has not caused it. And the signatures of the
transaction may be left open, so that somebody can learn the fee before all have signed; signatures
of meters and others inside the arguments are always checked.
"""

from collections.abc import Iterator

from chain.execution.executor import BlockContext, BlockExecution
from chain.execution.receipt import Receipt
from chain.transaction import PreparedTransaction
from chain.verdicts import SignedMessage, Verdicts
from contracts.kernel.schedule import Schedule
from contracts.kernel.state import Reader
from node.backend import Published


class _StateWithoutDueWork:
    """A state whose schedule shows no work while `hides` is set."""

    def __init__(self, state: Reader) -> None:
        self._state = state
        self.hides = True

    def get(self, key: bytes) -> bytes | None:
        return self._state.get(key)

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        if self.hides and start.startswith(Schedule.queue.prefix):
            return iter(())
        return self._state.scan(start, end, reverse=reverse)


class _Judge:
    """Gives true verdicts on what is taken for granted, and finds all others."""

    def __init__(self, granted: tuple[SignedMessage, ...]) -> None:
        self._granted = granted
        self._others = Verdicts(limit=1)

    def verdict(self, signed: SignedMessage) -> bool:
        return signed in self._granted or self._others.verdict(signed)


def simulate(
    published: Published, prepared: PreparedTransaction, time_ms: int, *, unsigned: bool
) -> tuple[Receipt, tuple[bytes, ...]]:
    """Execute a transaction on top of a published version; returns its receipt and events.

    Raises `NotIncludableError`. `unsigned` takes the transaction's own signatures for granted.
    """
    tip = published.tip
    state = _StateWithoutDueWork(published.state)
    judge = _Judge(prepared.signed.signed if unsigned else ())
    next_ms = max(time_ms, tip.header.time_ms + 1)
    context = BlockContext(tip.header.chain_id, tip.height + 1, next_ms, tip.block_id)
    execution = BlockExecution(state, context, judge)
    execution.begin(())
    state.hides = False
    receipt = execution.apply(prepared)
    return receipt, execution.finish().events[1]
