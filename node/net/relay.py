"""The relay: transactions that this node took in, told to all others in batches.

What users submit here is collected for a moment and published as one message, which travels from
peer to peer. Every node checks a batch as it checks what its own users submit, and passes it on
only if something of it was news to its mempool; a batch with a transaction that no honest node
would have passed on counts against whoever sent it.

Gossip loses silently. A transaction that was taken in here and still waits after a while is
published again, in another batch than before.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import structlog
import trio
from libp2p.peer.id import ID

from chain.block import TRANSACTION_BYTES_MAX
from chain.refusals import BadSignature, MalformedTransaction, WrongChain
from contracts.kernel import CodecError, codec
from node.backend import Submission
from p2p.gossip import Topic, Verdict
from p2p.rpc import MESSAGE_BYTES_MAX

BATCH_MAX: Final = 256
# With the transaction that goes beyond it, a batch is within what gossip carries.
BATCH_BYTES_MAX: Final = 128 * 2**10
COLLECT_S: Final = 0.05
# How many own transactions are remembered to be told again, and after how long.
KEPT_MAX: Final = 50_000
AGAIN_AFTER_S: Final = 5.0
LOOK_EVERY_S: Final = 1.0
# What no honest node passes on, whatever the state of its mempool.
LIES: Final = (MalformedTransaction, BadSignature, WrongChain)

log = structlog.get_logger(__name__)

Submit = Callable[[Sequence[bytes]], Awaitable[list[Submission]]]


class BadBatchError(Exception):
    """A message that is no batch of transactions; says what is wrong with it."""


class Relay:
    """Publishes what was taken in here, and takes in what others publish."""

    def __init__(
        self, chain_id: bytes, submit: Submit, is_waiting: Callable[[bytes], bool]
    ) -> None:
        """Hand what others publish to `submit`; `is_waiting` knows the mempool."""
        self._submit = submit
        self._is_waiting = is_waiting
        self._fresh: deque[bytes] = deque(maxlen=KEPT_MAX)
        self._told: deque[tuple[float, bytes, bytes]] = deque(maxlen=KEPT_MAX)
        self._filled = trio.Event()
        name = f"/gridtokenx/transactions/1/{chain_id.hex()}"
        self.topic = Topic(name, self._judge, _nothing_more)

    def offer(self, transactions: Iterable[tuple[bytes, bytes]]) -> None:
        """Tell the others of transactions, (id, bytes), that the mempool has taken in."""
        now = trio.current_time()
        for id_, raw in transactions:
            self._fresh.append(raw)
            self._told.append((now, id_, raw))
        if self._fresh:
            self._filled.set()

    async def run(self, publish: Callable[[str, bytes], None]) -> None:
        """Publish what is offered until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell_again)
            while True:
                if not self._fresh:
                    self._filled = trio.Event()
                    await self._filled.wait()
                    await trio.sleep(COLLECT_S)
                publish(self.topic.name, encode_batch(self._take()))
                await trio.lowlevel.checkpoint()

    def _take(self) -> list[bytes]:
        """Return the next batch; one transaction at least."""
        batch: list[bytes] = []
        size = 0
        while self._fresh and len(batch) < BATCH_MAX and size < BATCH_BYTES_MAX:
            batch.append(self._fresh.popleft())
            size += len(batch[-1])
        return batch

    async def _tell_again(self) -> None:
        """Offer again what has waited for long: others may never have heard of it."""
        while True:
            await trio.sleep(LOOK_EVERY_S)
            late = trio.current_time() - AGAIN_AFTER_S
            again: list[tuple[bytes, bytes]] = []
            while self._told and self._told[0][0] <= late and len(again) < BATCH_MAX:
                _, id_, raw = self._told.popleft()
                if self._is_waiting(id_):
                    again.append((id_, raw))
            self.offer(again)

    async def _judge(self, peer: ID, data: bytes) -> Verdict:
        """Take in what a peer passed on."""
        try:
            batch = decode_batch(data)
        except BadBatchError as error:
            log.info("batch_refused", peer=peer.to_base58(), reason=str(error))
            return Verdict.REJECT
        answers = await self._submit(batch)
        for answer in answers:
            if isinstance(answer.error, LIES):
                log.info("batch_refused", peer=peer.to_base58(), reason=str(answer.error))
                return Verdict.REJECT
        is_news = any(answer.error is None for answer in answers)
        return Verdict.ACCEPT if is_news else Verdict.IGNORE


async def _nothing_more(peer: ID, data: bytes) -> None:
    """Do nothing: whoever judged a batch has taken it in."""


def encode_batch(batch: Sequence[bytes]) -> bytes:
    """Return the message that carries transactions."""
    return codec.encode(list(batch))


def decode_batch(data: bytes) -> list[bytes]:
    """Read a message; raises `BadBatchError`."""
    try:
        value = codec.decode(data, size_max=MESSAGE_BYTES_MAX)
    except CodecError as error:
        raise BadBatchError(str(error)) from error
    if type(value) is not list or not 1 <= len(value) <= BATCH_MAX:
        raise BadBatchError(f"a batch is an array of 1 to {BATCH_MAX} transactions")
    batch: list[bytes] = []
    for one in value:
        if type(one) is not bytes or not 0 < len(one) <= TRANSACTION_BYTES_MAX:
            raise BadBatchError(f"a transaction has 1 to {TRANSACTION_BYTES_MAX} bytes")
        batch.append(one)
    return batch
