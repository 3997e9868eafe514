"""Worker processes that decode transactions and verify their signatures, once, in batches.

A spawned pool: the parent's threads and locks do not leak into it. A worker that dies breaks the
whole pool (`BrokenProcessPool`); the pool is then made anew and its batches are sent again, a
bounded number of times. A batch is bounded in transactions and in bytes, and by these in signed
claims, so that none keeps a worker for long while others wait. (DESIGN §7.)
"""

import contextlib
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final, Self

import structlog
import trio

from chain.block import TRANSACTION_BYTES_MAX
from node.worker_process import Decoded, begin_worker, decode_batch

BATCH_MAX: Final = 256
BATCH_BYTES_MAX: Final = 2**16
RETRIES_MAX: Final = 3
WAITING_BATCHES_MAX: Final = 64

assert BATCH_BYTES_MAX >= TRANSACTION_BYTES_MAX, "every transaction fits a batch"

log = structlog.get_logger(__name__)


class WorkersBrokenError(Exception):
    """The worker processes died again and again; the node can take nothing in."""


class SignatureWorkers:
    """Decodes and verifies in worker processes."""

    def __init__(self, processes: int) -> None:
        """Start the pool; its processes come up when they are first needed."""
        self._processes = processes
        self._pool = self._new_pool()
        self._generation = 0
        self._places = trio.CapacityLimiter(WAITING_BATCHES_MAX)

    def __enter__(self) -> Self:
        """Use as a context: the processes end with it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def decode(self, chain_id: bytes, batch: Sequence[bytes]) -> list[Decoded | None]:
        """Return what a worker found of each transaction; None where it does not decode.

        The batch is one of `batches`. Raises `WorkersBrokenError`.
        """
        assert len(batch) <= BATCH_MAX, "a batch is bounded"
        assert sum(map(len, batch)) <= BATCH_BYTES_MAX, "a batch is bounded"
        async with self._places:
            for _ in range(RETRIES_MAX):
                generation = self._generation
                try:
                    return await _wait(self._pool.submit(decode_batch, chain_id, list(batch)))
                except BrokenProcessPool:
                    self._renew(generation)
        msg = f"worker processes broke {RETRIES_MAX} times on a batch of {len(batch)} transactions"
        raise WorkersBrokenError(msg)

    def _renew(self, generation: int) -> None:
        """Replace a broken pool, once for all the batches that saw it break."""
        if generation == self._generation:
            log.warning("signature_workers_restarted", processes=self._processes)
            self._pool.shutdown(wait=False)
            self._pool = self._new_pool()
            self._generation += 1

    def _new_pool(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._processes, mp_context=context, initializer=begin_worker)


def batches(raws: Sequence[bytes]) -> Iterator[list[int]]:
    """Yield the places of transactions that go to a worker together, in order.

    Those that are too long for a transaction are in no batch: their length refuses them.
    """
    batch: list[int] = []
    size = 0
    for place, raw in enumerate(raws):
        if len(raw) > TRANSACTION_BYTES_MAX:
            continue
        if len(batch) == BATCH_MAX or size + len(raw) > BATCH_BYTES_MAX:
            yield batch
            batch, size = [], 0
        batch.append(place)
        size += len(raw)
    if batch:
        yield batch


async def _wait(future: "Future[list[Decoded | None]]") -> list[Decoded | None]:
    """Wait for a future of the pool without holding the loop."""
    done = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def tell(_: "Future[list[Decoded | None]]") -> None:
        # A batch may outlive the loop that was cancelled while it waited.
        with contextlib.suppress(trio.RunFinishedError):
            token.run_sync_soon(done.set)

    future.add_done_callback(tell)
    await done.wait()
    return future.result()
