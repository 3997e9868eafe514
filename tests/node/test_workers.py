"""Signature workers: right verdicts, in any number, and no loss when a worker dies."""

import multiprocessing
import os
import signal
from collections.abc import Iterator

import pytest
import trio

from chain.crypto import public_key_of, sign, verify
from chain.verdicts import SignedMessage, Verdicts
from contracts.kernel import sha256
from node.verify_batch import verify_batch
from node.workers import BATCH_MAX, SignatureWorkers


def signed(number: int, *, good: bool = True) -> SignedMessage:
    seed, message = sha256(b"%d" % number), b"message %d" % number
    signature = sign(seed, message)
    return SignedMessage(public_key_of(seed), message if good else message + b"!", signature)


@pytest.fixture
def workers() -> Iterator[tuple[Verdicts, SignatureWorkers]]:
    verdicts = Verdicts()
    with SignatureWorkers(verdicts, 1) as started:
        yield verdicts, started


async def test_every_message_gets_the_verdict_of_the_chains_own_function(
    workers: tuple[Verdicts, SignatureWorkers],
) -> None:
    verdicts, pool = workers
    batch = [signed(i, good=i % 3 != 0) for i in range(BATCH_MAX + 10)]
    await pool.verify(batch)
    assert verdicts.unknown(batch) == []
    assert [verdicts.verdict(one) for one in batch] == [i % 3 != 0 for i in range(len(batch))]


def test_a_worker_judges_as_the_chain_does_also_sizes_that_do_not_fit() -> None:
    key, message, signature = signed(1)
    odd = [
        (key, signature + message, b""),
        (key, signature[-1:] + message, signature[:-1]),
        (key[:-1], message, signature),
        (key + b"\0", message, signature),
        (bytes(32), message, signature),
        (key, message, bytes(64)),
    ]
    batch = [*odd, (key, message, signature)]
    assert verify_batch(batch) == [verify(*one) for one in batch] == [False] * len(odd) + [True]


async def test_a_killed_worker_costs_no_verdict(
    workers: tuple[Verdicts, SignatureWorkers],
) -> None:
    verdicts, pool = workers
    await pool.verify([signed(0)])
    children = workers_alive()
    assert children
    for child in children:
        os.kill(child, signal.SIGKILL)
    batch = [signed(i) for i in range(1, 50)]
    with trio.fail_after(60):
        await pool.verify(batch)
    assert verdicts.unknown(batch) == []
    assert not set(children) & set(workers_alive())


async def test_a_worker_killed_at_work_costs_no_verdict(
    workers: tuple[Verdicts, SignatureWorkers],
) -> None:
    verdicts, pool = workers
    await pool.verify([signed(0)])
    (child,) = workers_alive()
    # Some batches are in the worker, the others wait.
    batch = [signed(i, good=i % 2 == 0) for i in range(1, 10 * BATCH_MAX)]
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pool.verify, batch)
            while verdicts.unknown(batch[:BATCH_MAX]):  # noqa: ASYNC110 - nobody tells of a batch
                await trio.sleep(0.001)
            assert verdicts.unknown(batch), "the worker is still at work"
            os.kill(child, signal.SIGKILL)
    assert verdicts.unknown(batch) == []
    assert all(verdicts.verdict(one) is (i % 2 == 0) for i, one in enumerate(batch, start=1))


def workers_alive() -> list[int]:
    """Return the process ids of our own workers."""
    return [child.pid for child in multiprocessing.active_children() if child.pid is not None]
