"""The process under test: a validator on its folders, and a sender who submits to its intake.

It tells on standard output, one JSON object a line, each written at once so that it outlives a
kill: the chain that it found, every block it commits, every message that leaves it, every write
point it comes to. A failure that a node explains ends it with status 3 and the explanation on
standard error; a traceback means a bug.

python -m tests.node.damage.program FOLDER '{"transactions": 6}'
"""

import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import structlog
import trio

import node.signer
from chain.consensus.effects import Message
from chain.consensus.statement import statement_of
from chain.genesis import Genesis
from chain.transaction import Call, Mode, Transaction, sign_transaction
from chain.votes import Proposal, Vote
from contracts.kernel import sha256
from node.chain_node import ChainNode, genesis_of, open_node
from node.explained import failures_explained
from node.failure import Failure
from node.home import Home
from node.outbox import Alone
from node.validator_key import ValidatorKey
from tests.node.damage.faults import Fault, WritePoints
from tests.support.genesis import validator_names
from tests.support.people import account_of, seed_of

BATCH: Final = 2
SENDER: Final = "alice"
VALID_UNTIL: Final = 5_000
FEE_MAX_UTHB: Final = 100_000
WAIT_S: Final = 8
VALIDATOR: Final = validator_names(1)[0]

_write = os.write


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run is to do: go on until so many transactions are final; meet at most one fault."""

    transactions: int
    fault: Fault | None = None
    # Tell of every write point; a long list.
    points: bool = False
    # Rewrite the signer's log from this size on; None leaves the node's own bound.
    compact_bytes: int | None = None
    # End by a signal that nobody handles, after this time.
    end_after_ms: int | None = None
    # Kill the worker processes before each batch is submitted.
    kill_workers: bool = False

    def to_json(self) -> str:
        """Return the plan as the program's argument."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Read the program's argument."""
        values = json.loads(text)
        fault = values.pop("fault", None)
        return cls(**values, fault=None if fault is None else Fault(**fault))


def tell(event: str, **values: Any) -> None:  # noqa: ANN401 - anything that JSON holds
    """Say what happened, at once."""
    _write(1, json.dumps({"event": event, **values}).encode() + b"\n")


class Telling(Alone):
    """The network of one validator, which tells what leaves the node."""

    def broadcast(self, message: Message) -> None:
        """Tell of a signed message, which from here on anybody may hold."""
        if isinstance(message, Proposal | Vote):
            statement = statement_of(message)
            tell(
                "sent",
                place=[statement.height, statement.round, int(statement.step)],
                payload=sha256(statement.payload).hex(),
                signature=message.signature.hex(),
                block=None if message.block_id is None else message.block_id.hex(),
            )


def transfer(genesis: Genesis, nonce: int) -> bytes:
    """Return the sender's transaction of this nonce, the same in every run."""
    amount = Random(nonce).randrange(1, 1_000)
    call = Call("credit", "transfer", (account_of("bob"), amount, b"damage"))
    transaction = Transaction(
        genesis.chain_id, account_of(SENDER), nonce, VALID_UNTIL, FEE_MAX_UTHB,
        Mode.ALL_OR_NOTHING, (call,),
    )  # fmt: skip
    return sign_transaction(transaction, [seed_of(SENDER)]).raw


async def run(home: Home, plan: Plan) -> None:
    """Open the node, send what is not final yet, and stop once it is."""

    def tell_point(number: int, name: str) -> None:
        if plan.points:
            tell("point", number=number, name=name)

    WritePoints(home, plan.fault, tell_point).watch()
    if plan.end_after_ms is not None:
        signal.setitimer(signal.ITIMER_REAL, plan.end_after_ms / 1_000)
    if plan.compact_bytes is not None:
        node.signer.COMPACT_BYTES = plan.compact_bytes  # type: ignore[misc]  # a smaller log
    genesis = genesis_of(home.genesis)
    with open_node(
        home, genesis, ValidatorKey(account_of(VALIDATOR), seed_of(VALIDATOR)),
        workers=1, outbox=Telling(),
    ) as chain:  # fmt: skip
        tell("opened", height=chain.ledger.tip.height)
        told = _tell_blocks("found", chain, 0)
        async with trio.open_nursery() as nursery:
            await nursery.start(chain.engine.run)
            with trio.fail_after(WAIT_S):
                await _send(chain, genesis, plan, told)
            nursery.cancel_scope.cancel()
        tell("done", height=chain.ledger.tip.height)


async def _send(chain: ChainNode, genesis: Genesis, plan: Plan, told: int) -> None:
    for nonce in range(0, plan.transactions, BATCH):
        batch = [transfer(genesis, one) for one in range(nonce, nonce + BATCH)]
        ids = [sha256(raw) for raw in batch]
        if all(chain.engine.archive.place_of(one) is not None for one in ids):
            continue
        if plan.kill_workers:
            _kill_workers()
        answers = await chain.intake.submit(batch)
        tell("answers", errors=[type(one.error).__name__ for one in answers if one.error])
        # The archive tells nobody of a block.
        while any(chain.engine.archive.place_of(one) is None for one in ids):  # noqa: ASYNC110
            await trio.sleep(0.002)
        told = _tell_blocks("committed", chain, told)
    _tell_blocks("committed", chain, told)


def _kill_workers() -> None:
    for child in multiprocessing.active_children():
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        tell("worker_killed", pid=child.pid)


def _tell_blocks(event: str, chain: ChainNode, first: int) -> int:
    """Tell of the blocks from a height to the tip; returns the height that comes next."""
    tip = chain.engine.archive.tip_height()
    assert tip is not None, "an open node has a chain"
    for height in range(first, tip + 1):
        block = chain.engine.archive.block(height)
        assert block is not None, f"block {height} is committed"
        ids = [one.hex() for one in block.transaction_ids]
        tell(event, height=height, id=block.block_id.hex(), transactions=ids)
    return tip + 1


def main(arguments: Sequence[str]) -> int:
    """Run once; the status says whether it went well, was explained, or is a bug."""
    folder, plan = arguments
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        with failures_explained():
            trio.run(run, Home(Path(folder)), Plan.from_json(plan))
    except Failure as failure:
        sys.stderr.write(f"error: {failure.what}\nhelp: {failure.help}\n")
        return failure.code
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
