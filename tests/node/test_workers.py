"""Workers: fields and verdicts as the chain's functions find them; no loss when one dies."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from itertools import pairwise

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from chain.block import TRANSACTION_BYTES_MAX
from chain.crypto import verify
from chain.transaction import decode_transaction, from_fields, prepare
from node.worker_process import Decoded, decode_batch
from node.workers import (
    BATCH_BYTES_MAX,
    BATCH_MAX,
    RETRIES_MAX,
    SignatureWorkers,
    WorkersBrokenError,
    batches,
)
from tests.node.submitted import CHAIN_ID, forged, readings, transfer


@pytest.fixture
def workers() -> Iterator[SignatureWorkers]:
    with SignatureWorkers(1) as started:
        yield started


def judged(one: Decoded | None, raw: bytes) -> list[bool]:
    """Return the verdicts, after a look at what they are on."""
    assert one is not None
    fields, verdicts = one
    here = prepare(decode_transaction(raw, CHAIN_ID))
    assert from_fields(raw, CHAIN_ID, fields) == here
    assert verdicts == [verify(*signed) for signed in here.signed_messages]
    return verdicts


async def test_every_transaction_comes_back_in_its_place(workers: SignatureWorkers) -> None:
    batch = [
        transfer(0),
        b"\x80",
        forged(transfer(1)),
        readings(2, [True, False, True]),
        transfer(3, chain_id=bytes(32)),
        transfer(4),
    ]
    found = await workers.decode(CHAIN_ID, batch)
    assert found[1] is None
    assert found[4] is None
    assert [judged(found[place], batch[place]) for place in (0, 2, 3, 5)] == [
        [True], [False], [True, True, False, True], [True],
    ]  # fmt: skip


@given(st.binary(max_size=80))
def test_a_worker_survives_whatever_is_submitted(raw: bytes) -> None:
    good = transfer(0)
    first, bad, second = decode_batch(CHAIN_ID, [good, raw, good])
    assert bad is None
    assert judged(first, good) == judged(second, good) == [True]


def test_one_bad_signature_of_many_is_found() -> None:
    batch = [transfer(nonce) for nonce in range(20)]
    batch[13] = forged(batch[13])
    found = [judged(*one) for one in zip(decode_batch(CHAIN_ID, batch), batch, strict=True)]
    assert found == [[place != 13] for place in range(20)]


SIZES = st.lists(
    st.sampled_from([0, 1, 200, 9_000, TRANSACTION_BYTES_MAX - 1, TRANSACTION_BYTES_MAX,
                     TRANSACTION_BYTES_MAX + 1, 10 * TRANSACTION_BYTES_MAX]),
    max_size=20,
)  # fmt: skip


@given(SIZES, st.integers(0, 3 * BATCH_MAX))
def test_batches_are_bounded_and_leave_out_only_what_is_too_long(
    sizes: list[int], short: int
) -> None:
    raws = [bytes(size) for size in sizes] + [b"short"] * short
    made = list(batches(raws))
    fitting = [place for place, raw in enumerate(raws) if len(raw) <= TRANSACTION_BYTES_MAX]
    assert [place for batch in made for place in batch] == fitting
    for batch in made:
        assert 1 <= len(batch) <= BATCH_MAX
        assert sum(len(raws[place]) for place in batch) <= BATCH_BYTES_MAX
    for batch, after in pairwise(made):
        size = sum(len(raws[place]) for place in [*batch, after[0]])
        assert len(batch) == BATCH_MAX or size > BATCH_BYTES_MAX, "no batch is closed early"


async def test_what_is_no_batch_is_a_bug(workers: SignatureWorkers) -> None:
    with pytest.raises(AssertionError, match="bounded"):
        await workers.decode(CHAIN_ID, [b""] * (BATCH_MAX + 1))
    with pytest.raises(AssertionError, match="bounded"):
        await workers.decode(CHAIN_ID, [bytes(BATCH_BYTES_MAX), b"\0"])


async def test_a_killed_worker_costs_no_answer(workers: SignatureWorkers) -> None:
    await workers.decode(CHAIN_ID, [transfer(0)])
    children = workers_alive()
    assert children
    for child in children:
        os.kill(child, signal.SIGKILL)
    batch = [transfer(nonce) for nonce in range(1, 50)]
    with trio.fail_after(60):
        found = await workers.decode(CHAIN_ID, batch)
    assert all(judged(*one) == [True] for one in zip(found, batch, strict=True))
    assert not set(children) & set(workers_alive())


async def test_a_worker_killed_at_work_costs_no_answer(workers: SignatureWorkers) -> None:
    await workers.decode(CHAIN_ID, [transfer(0)])
    (child,) = workers_alive()
    batch = [transfer(nonce) for nonce in range(20)]
    batch[7] = forged(batch[7])
    # One of them is in the worker, the others wait.
    count = 40
    found: list[list[Decoded | None]] = []

    async def ask() -> None:
        found.append(await workers.decode(CHAIN_ID, batch * 10))

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(ask)
            while not found:  # noqa: ASYNC110 - nobody tells of a batch
                await trio.sleep(0.001)
            assert len(found) < count, "the worker is still at work"
            os.kill(child, signal.SIGKILL)
    assert len(found) == count
    assert child not in workers_alive()
    for answers in found:
        assert [one is not None and one[1] for one in answers] == [
            [place % 20 != 7] for place in range(200)
        ]


async def test_workers_that_die_again_and_again_are_an_error(
    workers: SignatureWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Aborts in the worker: what a fault in a library under it would do.
    monkeypatch.setattr("node.workers.decode_batch", abort)
    with trio.fail_after(60), pytest.raises(WorkersBrokenError, match=f"{RETRIES_MAX} times"):
        await workers.decode(CHAIN_ID, [transfer(0)])
    monkeypatch.undo()
    (one,) = await workers.decode(CHAIN_ID, [transfer(0)])
    assert judged(one, transfer(0)) == [True]


def abort(_chain_id: bytes, _raws: list[bytes]) -> None:
    os.abort()


def workers_alive() -> list[int]:
    """Return the process ids of our own workers."""
    return [child.pid for child in multiprocessing.active_children() if child.pid is not None]
