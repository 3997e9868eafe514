"""Worker processes that verify signatures, once, in batches.

A spawned pool: the parent's threads and locks do not leak into it. A worker that dies breaks the
whole pool (`BrokenProcessPool`); the pool is then made anew and its batches are sent again, a
bounded number of times. (DESIGN §7.)
"""

import contextlib
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final, Self

import structlog
import trio

from chain.verdicts import SignedMessage, Verdicts
from node.verify_batch import Triple, begin_worker, verify_batch

BATCH_MAX: Final = 256
RETRIES_MAX: Final = 3
WAITING_BATCHES_MAX: Final = 64

log = structlog.get_logger(__name__)


class WorkersBrokenError(Exception):
    """The worker processes died again and again; the node cannot verify signatures."""


class SignatureWorkers:
    """Fills a cache of verdicts from worker processes."""

    def __init__(self, verdicts: Verdicts, processes: int) -> None:
        """Start the pool; its processes come up when they are first needed."""
        self._verdicts = verdicts
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

    async def verify(self, signed: Sequence[SignedMessage]) -> None:
        """Make sure that the cache has a verdict on each of these."""
        unknown = self._verdicts.unknown(dict.fromkeys(signed))
        chunks = [unknown[i : i + BATCH_MAX] for i in range(0, len(unknown), BATCH_MAX)]
        async with trio.open_nursery() as nursery:
            for chunk in chunks:
                nursery.start_soon(self._verify_chunk, chunk)

    async def _verify_chunk(self, chunk: list[SignedMessage]) -> None:
        async with self._places:
            for _ in range(RETRIES_MAX):
                generation = self._generation
                try:
                    future = self._pool.submit(verify_batch, list[Triple](chunk))
                    verdicts = await _wait(future)
                except BrokenProcessPool:
                    self._renew(generation)
                    continue
                for one, verdict in zip(chunk, verdicts, strict=True):
                    self._verdicts.keep(one, verdict=verdict)
                return
        msg = f"worker processes broke {RETRIES_MAX} times on one batch of {len(chunk)} signatures"
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


async def _wait(future: "Future[list[bool]]") -> list[bool]:
    """Wait for a future of the pool without holding the loop."""
    done = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def tell(_: "Future[list[bool]]") -> None:
        # A batch may outlive the loop that was cancelled while it waited.
        with contextlib.suppress(trio.RunFinishedError):
            token.run_sync_soon(done.set)

    future.add_done_callback(tell)
    await done.wait()
    return future.result()
