"""The relay: batches within their bounds, judged as what users submit, told again if they wait."""

from collections.abc import Sequence

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from libp2p.peer.id import ID
from trio.testing import MockClock, wait_all_tasks_blocked

from chain.block import TRANSACTION_BYTES_MAX
from chain.mempool import AlreadyKnown
from chain.refusals import BadSignature, LowNonce, MalformedTransaction, NotIncludableError
from contracts.kernel import Value, codec
from node.backend import Submission
from node.net.relay import (
    AGAIN_AFTER_S,
    BATCH_BYTES_MAX,
    BATCH_MAX,
    BadBatchError,
    Relay,
    decode_batch,
    encode_batch,
)
from p2p.gossip import Verdict
from p2p.rpc import MESSAGE_BYTES_MAX

PEER = ID(b"somebody")


class Desk:
    """Takes transactions in as it is told to, and remembers what was published."""

    def __init__(self) -> None:
        self.errors: dict[bytes, NotIncludableError] = {}
        self.waiting: set[bytes] = set()
        self.published: list[list[bytes]] = []
        self.relay = Relay(bytes(32), self.submit, self.waiting.__contains__)

    async def submit(self, raws: Sequence[bytes]) -> list[Submission]:
        return [Submission(raw, self.errors.get(raw)) for raw in raws]

    def publish(self, topic: str, data: bytes) -> None:
        assert topic == self.relay.topic.name
        assert len(data) <= MESSAGE_BYTES_MAX
        self.published.append(decode_batch(data))

    async def judge(self, *raws: bytes) -> Verdict:
        return await self.relay.topic.validate(PEER, encode_batch(raws))


@given(st.lists(st.integers(1, TRANSACTION_BYTES_MAX), max_size=40), st.integers(0, 600))
def test_everything_offered_is_published_once_in_order_and_within_bounds(
    large: list[int], small: int
) -> None:
    desk = Desk()
    raws = [bytes(size) for size in large] + [b"%d" % number for number in range(small)]

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.relay.run, desk.publish)
            desk.relay.offer((raw, raw) for raw in raws)
            while sum(map(len, desk.published)) < len(raws):
                await wait_all_tasks_blocked()
                clock.jump(1)
            nursery.cancel_scope.cancel()

    clock = MockClock()
    trio.run(main, clock=clock)
    assert [raw for batch in desk.published for raw in batch] == raws
    assert all(1 <= len(batch) <= BATCH_MAX for batch in desk.published)
    assert all(sum(map(len, batch[:-1])) < BATCH_BYTES_MAX for batch in desk.published)


async def test_what_waits_for_long_is_told_again_and_what_does_not_is_not(
    autojump_clock: MockClock,
) -> None:
    del autojump_clock
    desk = Desk()
    desk.waiting.add(b"waits")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.relay.run, desk.publish)
        desk.relay.offer([(b"waits", b"waits"), (b"done", b"done")])
        await trio.sleep(1)
        assert desk.published == [[b"waits", b"done"]]
        await trio.sleep(AGAIN_AFTER_S + 1)
        assert desk.published[1:] == [[b"waits"]]
        desk.waiting.clear()
        await trio.sleep(3 * AGAIN_AFTER_S)
        assert len(desk.published) == 2
        nursery.cancel_scope.cancel()


async def test_a_batch_with_news_is_passed_on_and_one_without_is_not() -> None:
    desk = Desk()
    assert await desk.judge(b"a", b"b") is Verdict.ACCEPT
    desk.errors = {b"a": AlreadyKnown(id=b"a"), b"b": LowNonce(sender=b"", expected=2, got=1)}
    assert await desk.judge(b"a", b"b") is Verdict.IGNORE
    assert await desk.judge(b"a", b"c") is Verdict.ACCEPT


@pytest.mark.parametrize(
    "lie", [MalformedTransaction(reason="it is"), BadSignature(public_key=bytes(32))]
)
async def test_what_no_honest_node_passes_on_is_refused(lie: NotIncludableError) -> None:
    desk = Desk()
    desk.errors = {b"lie": lie}
    assert await desk.judge(b"good", b"lie") is Verdict.REJECT


@pytest.mark.parametrize(
    "value",
    [
        [],
        7,
        "a",
        [b""],
        [7],
        [b"a"] * (BATCH_MAX + 1),
        [bytes(TRANSACTION_BYTES_MAX + 1)],
        {1: b"a"},
    ],
)
async def test_what_is_no_batch_is_refused(value: Value) -> None:
    data = codec.encode(value) if not isinstance(value, dict) else b"\xa1\x01\x41a"
    with pytest.raises(BadBatchError):
        decode_batch(data)
    assert await Desk().relay.topic.validate(PEER, data) is Verdict.REJECT
