"""Intake: an answer for each, in order; verdicts on all that is signed; the loop goes on."""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
import trio

from chain.block import TRANSACTION_BYTES_MAX
from chain.mempool import AlreadyKnown, Departure, Mempool
from chain.refusals import BadSignature, MalformedTransaction, NonceGap, WrongChain
from chain.transaction import (
    CheckedFields,
    PreparedTransaction,
    decode_transaction,
    from_fields,
    prepare,
)
from chain.verdicts import SignedMessage, Verdicts
from contracts.kernel import sha256
from node import intake
from node.backend import Submission
from node.intake import CHUNK_MAX, Intake
from node.worker_process import Decoded
from node.workers import BATCH_MAX, SignatureWorkers
from tests.node.submitted import CHAIN_ID, forged, readings, transfer
from tests.support.genesis import parameters
from tests.support.mempool import rich


class Desk:
    """An intake with a real pool and real workers, and how often it called for a block."""

    def __init__(self, workers: SignatureWorkers) -> None:
        self.verdicts = Verdicts()
        self.mempool = Mempool(rich(), parameters(), 0, self.verdicts)
        self.woken = 0
        self.intake = Intake(CHAIN_ID, self.mempool, workers, self.verdicts, self._wake)

    def _wake(self) -> None:
        self.woken += 1


class Forbidden(SignatureWorkers):
    """Workers that nothing may be sent to."""

    async def decode(self, chain_id: bytes, batch: object) -> list[object]:  # type: ignore[override]  # never answers
        pytest.fail("sent to a worker")


class Watched(SignatureWorkers):
    """Workers that say when a batch has come back."""

    batch = trio.Event()

    async def decode(self, chain_id: bytes, raws: Sequence[bytes]) -> list[Decoded | None]:
        found = await super().decode(chain_id, raws)
        self.batch.set()
        self.batch = trio.Event()
        return found


@pytest.fixture(scope="module")
def workers() -> Iterator[SignatureWorkers]:
    with SignatureWorkers(1) as started:
        yield started


@pytest.fixture
def desk(workers: SignatureWorkers) -> Desk:
    return Desk(workers)


def errors(answers: list[Submission]) -> list[type]:
    return [type(answer.error) for answer in answers]


NONE = type(None)


async def test_a_hostile_one_among_good_ones_costs_only_itself(desk: Desk) -> None:
    batch = [
        transfer(0), b"", transfer(1), transfer(1)[:-1], transfer(2, chain_id=bytes(32)),
        bytes(TRANSACTION_BYTES_MAX + 1), b"\xff" * TRANSACTION_BYTES_MAX, transfer(2),
    ]  # fmt: skip
    answers = await desk.intake.submit(batch)
    bad = MalformedTransaction
    assert errors(answers) == [NONE, bad, NONE, bad, WrongChain, bad, bad, NONE]
    assert [one.id for one in answers] == [
        sha256(raw) if answer.error is None else b""
        for raw, answer in zip(batch, answers, strict=True)
    ]
    for place in (1, 3, 4, 5, 6):
        here: Exception | None = None
        try:
            decode_transaction(batch[place], CHAIN_ID)
        except (MalformedTransaction, WrongChain) as error:
            here = error
        got = answers[place].error
        assert isinstance(got, MalformedTransaction | WrongChain)
        assert isinstance(here, MalformedTransaction | WrongChain)
        assert got.values == here.values
    assert len(desk.mempool) == 3
    assert desk.woken == 1


async def test_a_bad_signature_of_many_is_refused_by_itself(desk: Desk) -> None:
    batch = [transfer(nonce) for nonce in range(20)]
    batch[13] = forged(batch[13])
    answers = await desk.intake.submit(batch)
    assert errors(answers) == [BadSignature if place == 13 else NONE for place in range(20)]
    assert answers[13].id == sha256(batch[13])
    assert [sha256(raw) in desk.mempool for raw in batch] == [place != 13 for place in range(20)]


async def test_the_pools_refusals_come_with_the_id_and_in_order(desk: Desk) -> None:
    batch = [transfer(0), transfer(0), transfer(999), transfer(1)]
    answers = await desk.intake.submit(batch)
    assert errors(answers) == [NONE, AlreadyKnown, NonceGap, NONE]
    assert [one.id for one in answers] == [sha256(raw) for raw in batch]


def known(desk: Desk, raw: bytes) -> dict[SignedMessage, bool]:
    """Return the verdicts on a transaction that execution will find without work."""
    messages = prepare(decode_transaction(raw, CHAIN_ID)).signed_messages
    assert desk.verdicts.unknown(messages) == []
    return {message: desk.verdicts.verdict(message) for message in messages}


async def test_the_verdict_on_every_claim_is_kept_true_and_false_alike(desk: Desk) -> None:
    true = [place % 3 != 1 for place in range(100)]
    batch = [readings(0, true), transfer(1)]
    assert errors(await desk.intake.submit(batch)) == [NONE, NONE]
    assert list(known(desk, batch[0]).values()) == [True, *true]
    assert len(desk.verdicts) == 1 + 100 + 1, "no verdict on anything else"


async def test_what_is_refused_leaves_no_verdict_behind(desk: Desk) -> None:
    true = [True] * 100
    batch = [readings(0, true), forged(transfer(1)), readings(999, true), forged(readings(1, true))]
    answers = await desk.intake.submit(batch)
    assert errors(answers) == [NONE, BadSignature, NonceGap, BadSignature]
    assert len(known(desk, batch[0])) == len(desk.verdicts) == 1 + 100


async def test_a_submission_of_many_batches_is_answered_in_order(desk: Desk) -> None:
    batch = [transfer(nonce) for nonce in range(60)] * (3 * BATCH_MAX // 60)
    answers = await desk.intake.submit(batch)
    assert [one.id for one in answers] == [sha256(raw) for raw in batch]
    assert errors(answers) == [NONE] * 60 + [AlreadyKnown] * (len(batch) - 60)


async def test_what_is_too_long_is_sent_to_no_worker() -> None:
    with Forbidden(1) as idle:
        desk = Desk(idle)
        answers = await desk.intake.submit([bytes(TRANSACTION_BYTES_MAX + 1)] * 3)
        assert errors(answers) == [MalformedTransaction] * 3
        assert await desk.intake.submit([]) == []


async def test_a_worker_killed_in_mid_batch_costs_no_transaction() -> None:
    others = multiprocessing.active_children()
    with Watched(1) as workers:
        desk = Desk(workers)
        await desk.intake.submit([transfer(0)])
        (child,) = [one for one in multiprocessing.active_children() if one not in others]
        assert child.pid is not None
        # Signed claims keep the worker busy after the first batch.
        batch = [transfer(1), *[readings(nonce, [True] * 300) for nonce in range(2, 12)]]
        batch[5] = forged(batch[5])
        answers: list[Submission] = []

        async def submit() -> None:
            answers.extend(await desk.intake.submit(batch))

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(submit)
                await workers.batch.wait()
                assert not answers, "the worker is still at work"
                os.kill(child.pid, signal.SIGKILL)
        assert errors(answers) == [BadSignature if place == 5 else NONE for place in range(11)]
        assert all(known(desk, raw) for place, raw in enumerate(batch) if place != 5)


class Ticking:
    """Counts the turns of the loop, and what is done in each."""

    def __init__(self) -> None:
        self.turn = 0
        self.done: Counter[tuple[str, int]] = Counter()

    async def run(self) -> None:
        while True:
            await trio.lowlevel.checkpoint()
            self.turn += 1

    def count(self, what: str) -> None:
        self.done[what, self.turn] += 1


async def test_a_large_submission_gives_way_to_the_loop(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticking = Ticking()
    add = desk.mempool.add

    def counted_from_fields(
        raw: bytes, chain_id: bytes, fields: CheckedFields
    ) -> PreparedTransaction:
        ticking.count("make")
        return from_fields(raw, chain_id, fields)

    def counted_add(
        prepared: PreparedTransaction, verdicts: Sequence[bool] = ()
    ) -> list[Departure]:
        ticking.count("add")
        return add(prepared, verdicts)

    monkeypatch.setattr(intake, "from_fields", counted_from_fields)
    desk.mempool.add = counted_add  # type: ignore[method-assign]  # counts, and does the same
    batch = [transfer(nonce) for nonce in range(60)] * (BATCH_MAX // 60)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ticking.run)
        answers = await desk.intake.submit(batch)
        nursery.cancel_scope.cancel()
    for what in ("make", "add"):
        per_turn = [count for (whose, _), count in ticking.done.items() if whose == what]
        assert sum(per_turn) == len(batch) == len(answers)
        # Of two tasks the loop may run either first in its turn, so one may have two in a row.
        assert max(per_turn) <= 2 * CHUNK_MAX


async def test_what_is_refused_gives_way_too() -> None:
    ticking = Ticking()
    with Forbidden(1) as idle:
        desk = Desk(idle)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ticking.run)
            await desk.intake.submit([bytes(TRANSACTION_BYTES_MAX + 1)] * 20)
            nursery.cancel_scope.cancel()
    assert ticking.turn >= 10
