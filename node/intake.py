"""Intake: from submitted bytes to waiting transactions.

Decode, verify in worker processes, admit: in this order, cheapest refusal first. All of it gives
way to the loop every few transactions, so that a large batch holds nobody up.
"""

from collections.abc import Callable, Sequence
from typing import Final

import trio

from chain.mempool import Mempool
from chain.refusals import NotIncludableError
from chain.transaction import PreparedTransaction, decode_transaction, prepare
from node.backend import Submission
from node.workers import SignatureWorkers

SUBMISSIONS_AT_ONCE_MAX: Final = 64
# A few milliseconds of work each.
DECODE_CHUNK_BYTES: Final = 2**14
ADMIT_CHUNK: Final = 64


class Intake:
    """Takes transactions in for one node."""

    def __init__(
        self,
        chain_id: bytes,
        mempool: Mempool,
        workers: SignatureWorkers,
        wake: Callable[[], None],
    ) -> None:
        """Admit to `mempool`; `wake` is called when something new may wait for a block."""
        self._chain_id = chain_id
        self._mempool = mempool
        self._workers = workers
        self._wake = wake
        self._places = trio.CapacityLimiter(SUBMISSIONS_AT_ONCE_MAX)

    async def submit(self, raws: Sequence[bytes]) -> list[Submission]:
        """Verify and admit transactions; one answer each, in order."""
        async with self._places:
            decoded = await self._decode(raws)
            good = [one for one in decoded if isinstance(one, PreparedTransaction)]
            await self._workers.verify([s for one in good for s in one.signed_messages])
            answers: list[Submission] = []
            for index, one in enumerate(decoded):
                if index and index % ADMIT_CHUNK == 0:
                    await trio.lowlevel.checkpoint()
                answers.append(self._admit(one))
        self._wake()
        return answers

    async def _decode(
        self, raws: Sequence[bytes]
    ) -> list[PreparedTransaction | NotIncludableError]:
        out: list[PreparedTransaction | NotIncludableError] = []
        size = 0
        for raw in raws:
            size += len(raw)
            if size > DECODE_CHUNK_BYTES:
                size = 0
                await trio.lowlevel.checkpoint()
            try:
                out.append(prepare(decode_transaction(raw, self._chain_id)))
            except NotIncludableError as error:
                out.append(error)
        return out

    def _admit(self, one: PreparedTransaction | NotIncludableError) -> Submission:
        if isinstance(one, NotIncludableError):
            return Submission(b"", one)
        try:
            self._mempool.add(one)
        except NotIncludableError as error:
            return Submission(one.id, error)
        return Submission(one.id)
