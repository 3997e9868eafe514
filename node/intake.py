"""Intake: from submitted bytes to waiting transactions.

Refuse by length, decode and verify in worker processes, admit: in this order, cheapest refusal
first. The node itself only makes the objects that a worker has found the fields of, keeps the
verdicts on what it admits, and decodes what a worker refused, for the refusal's name. All of it
gives way to the loop every few transactions, so that a large batch holds nobody up.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import trio

from chain.mempool import Mempool
from chain.refusals import NotIncludableError
from chain.transaction import PreparedTransaction, decode_transaction, from_fields, prepare
from chain.verdicts import Verdicts
from node.backend import Submission
from node.workers import SignatureWorkers, batches

SUBMISSIONS_AT_ONCE_MAX: Final = 64
# A few milliseconds of work each: so many bytes, and so many transactions of any length.
CHUNK_BYTES: Final = 2**14
CHUNK_MAX: Final = 64


class _Decoded(NamedTuple):
    """What a worker found: the transaction, and the verdicts on its `signed_messages`."""

    prepared: PreparedTransaction
    verdicts: Sequence[bool] = ()


class Intake:
    """Takes transactions in for one node."""

    def __init__(
        self,
        chain_id: bytes,
        mempool: Mempool,
        workers: SignatureWorkers,
        verdicts: Verdicts,
        wake: Callable[[], None],
    ) -> None:
        """Admit to `mempool`; `wake` is called when something new may wait for a block.

        `verdicts` are those that execution looks up: of what waits for a block, so that nothing
        that is refused can push them out.
        """
        self._chain_id = chain_id
        self._mempool = mempool
        self._workers = workers
        self._verdicts = verdicts
        self._wake = wake
        self._places = trio.CapacityLimiter(SUBMISSIONS_AT_ONCE_MAX)

    async def submit(self, raws: Sequence[bytes]) -> list[Submission]:
        """Verify and admit transactions; one answer each, in order."""
        async with self._places:
            decoded: dict[int, _Decoded] = {}
            async with trio.open_nursery() as nursery:
                for places in batches(raws):
                    nursery.start_soon(self._decode, raws, places, decoded)
            answers: list[Submission] = []
            pace = _Pace()
            for place, raw in enumerate(raws):
                await pace.take(raw)
                answers.append(self._admit(raw, decoded.get(place)))
        self._wake()
        return answers

    async def _decode(
        self, raws: Sequence[bytes], places: list[int], decoded: dict[int, _Decoded]
    ) -> None:
        """Have a batch decoded and verified, and put what could be decoded in its place."""
        found = await self._workers.decode(self._chain_id, [raws[place] for place in places])
        pace = _Pace()
        for place, one in zip(places, found, strict=True):
            if one is None:
                continue
            raw = raws[place]
            await pace.take(raw)
            fields, verdicts = one
            decoded[place] = _Decoded(from_fields(raw, self._chain_id, fields), verdicts)

    def _admit(self, raw: bytes, decoded: _Decoded | None) -> Submission:
        """Answer for one transaction; None is one that is too long or that a worker refused."""
        try:
            one, verdicts = decoded or _Decoded(prepare(decode_transaction(raw, self._chain_id)))
        except NotIncludableError as error:
            return Submission(b"", error)
        try:
            self._mempool.add(one, verdicts)
        except NotIncludableError as error:
            return Submission(one.id, error)
        for signed, verdict in zip(one.signed_messages, verdicts, strict=False):
            self._verdicts.keep(signed, verdict=verdict)
        return Submission(one.id)


class _Pace:
    """Gives way to the loop after each chunk of work."""

    def __init__(self) -> None:
        self._transactions = 0
        self._bytes = 0

    async def take(self, raw: bytes) -> None:
        """Begin with one more transaction."""
        self._transactions += 1
        self._bytes += len(raw)
        if self._transactions > CHUNK_MAX or self._bytes > CHUNK_BYTES:
            self._transactions, self._bytes = 1, len(raw)
            await trio.lowlevel.checkpoint()
