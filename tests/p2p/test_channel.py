"""Channels: what is sent arrives in order, and nobody is held up by anybody else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from libp2p.custom_types import TProtocol
from trio.testing import wait_all_tasks_blocked

from contracts.kernel import Value
from p2p.channel import QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX, Channel, Incoming, Queue
from p2p.frames import encode_frame
from tests.p2p.hosts import Peer, peers
from tests.p2p.test_links import until

PROTOCOL = "/gridtokenx/test/1"
GREETING: Value = [1, bytes(32)]


class End:
    """A peer's end of the channel, and what came to it."""

    def __init__(self, one: Peer) -> None:
        self.peer = one
        self.came: list[tuple[object, object]] = []
        self.gate = trio.Event()
        self.gate.set()
        self.channel = Channel(
            one.host, PROTOCOL, GREETING, self.take, lambda: 7, frame_bytes_max=2**16
        )

    async def take(self, message: Incoming) -> None:
        assert message.arrival_ms == 7
        await self.gate.wait()
        self.came.append((message.peer, message.value))


@asynccontextmanager
async def ends(*numbers: int) -> AsyncIterator[list[End]]:
    async with peers(*numbers) as hosts, trio.open_nursery() as nursery:
        made = [End(one) for one in hosts]
        for end in made:
            nursery.start_soon(end.channel.run)
        await wait_all_tasks_blocked()
        for i, end in enumerate(made):
            for other in made[i + 1 :]:
                await end.peer.dial(other.peer)
                end.channel.changed(other.peer.id, is_up=True)
                other.channel.changed(end.peer.id, is_up=True)
        yield made
        nursery.cancel_scope.cancel()


async def test_messages_arrive_in_order_both_ways() -> None:
    async with ends(1, 2) as (one, other):
        for number in range(300):
            assert one.channel.send(other.peer.id, ["from one", number])
            assert other.channel.send(one.peer.id, ["from other", number])
        await until(lambda: len(one.came) == len(other.came) == 300)
        assert other.came == [(one.peer.id, ["from one", n]) for n in range(300)]
        assert one.came == [(other.peer.id, ["from other", n]) for n in range(300)]


async def test_a_broadcast_reaches_every_peer_that_is_there() -> None:
    async with ends(1, 2, 3) as (one, two, three):
        one.channel.broadcast(["to all"])
        await until(lambda: two.came and three.came)
        two.channel.changed(one.peer.id, is_up=False)
        assert not two.channel.send(one.peer.id, ["nobody"])
        two.channel.broadcast(["to the rest"])
        await until(lambda: len(three.came) == 2)
        assert one.came == []
        assert three.came == [(one.peer.id, ["to all"]), (two.peer.id, ["to the rest"])]


async def test_a_peer_that_does_not_read_holds_nobody_up_and_loses_the_oldest() -> None:
    async with ends(1, 2, 3) as (one, slow, quick):
        slow.gate = trio.Event()
        payload = bytes(2**15)
        # The library's windows grow to 16 MiB, which the slow peer's side takes before it stalls.
        count = (QUEUE_BYTES_MAX + 2**24) // len(payload) + 400
        for number in range(count):
            one.channel.broadcast([number, payload])
            await until(lambda number=number: len(quick.came) > number - 64)
        await until(lambda: len(quick.came) == count)
        assert one.channel.dropped(quick.peer.id) == 0
        assert one.channel.dropped(slow.peer.id) > 0
        slow.gate.set()
        await until(lambda: slow.came and slow.came[-1][1][0] == count - 1)  # type: ignore[index]  # a list
        numbers = [value[0] for _, value in slow.came]  # type: ignore[index]  # a list
        assert numbers == sorted(numbers)
        assert len(numbers) == count - one.channel.dropped(slow.peer.id)


async def test_a_stream_that_breaks_is_opened_again() -> None:
    async with ends(1, 2) as (one, other):
        one.channel.send(other.peer.id, ["before"])
        await until(lambda: other.came)
        for connection in other.peer.host.connections(one.peer.id):
            for stream in tuple(connection.streams):
                await stream.reset()
        await until(lambda: one.channel.send(other.peer.id, ["after"]) and len(other.came) > 1)
        assert other.came[-1][1] == ["after"]


async def test_bad_frames_are_counted_and_the_next_stream_is_read() -> None:
    async with ends(1, 2) as (one, other):
        one.channel.send(other.peer.id, ["first"])
        await until(lambda: other.came)
        for number, garbage in enumerate((b"\xff\xff\xff\xff", b"\0\0\0\x02\x18\x01", b"\0\0\0\0")):
            stream = await one.peer.host.new_stream(other.peer.id, [PROTOCOL])  # type: ignore[list-item]  # a NewType of str
            await stream.write(encode_frame(GREETING) + garbage)
            await until(lambda number=number: other.channel.bad[one.peer.id] == number + 1)
        await until(lambda: one.channel.send(other.peer.id, ["fine"]) and len(other.came) > 1)
        assert other.came[-1] == (one.peer.id, ["fine"])


@pytest.mark.parametrize(
    "greeting", [[2, bytes(32)], [1, bytes(31) + b"\1"], [True, bytes(32)], [1], 7, "x" * 127]
)
async def test_a_peer_of_another_chain_or_version_is_not_read(greeting: Value) -> None:
    async with ends(1, 2) as (one, other):
        one.channel.send(other.peer.id, ["first"])
        await until(lambda: other.came)
        stream = await one.peer.host.new_stream(other.peer.id, [TProtocol(PROTOCOL)])
        await stream.write(encode_frame(greeting) + encode_frame(["hidden"]))
        await until(lambda: other.channel.bad[one.peer.id] == 1)
        await until(lambda: one.channel.send(other.peer.id, ["fine"]) and len(other.came) > 1)
        assert [value for _, value in other.came[:2]] == [["first"], ["fine"]]


@given(st.lists(st.integers(1, QUEUE_BYTES_MAX // 3), max_size=12), st.integers(0, 2_000))
def test_a_queue_keeps_the_newest_within_its_bounds(large: list[int], small: int) -> None:
    queue = Queue()
    frames = [bytes(size) for size in large] + [encode_frame(n) for n in range(small)]
    for frame in frames:
        queue.put(frame)
    kept = frames[len(frames) - len(queue) :]
    assert len(queue) <= QUEUE_MESSAGES_MAX
    assert sum(map(len, kept)) <= QUEUE_BYTES_MAX
    assert queue.dropped == len(frames) - len(queue)

    async def taken() -> list[bytes]:
        return [await queue.take() for _ in range(len(queue))]

    assert trio.run(taken) == kept
