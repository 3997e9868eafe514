"""Requests: a question gets all of its answer, or an error that says what went wrong."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID

from contracts.kernel import Value
from p2p.frames import encode_frame
from p2p.requests import (
    ANSWERING_EACH_MAX,
    AskError,
    BadQuestionError,
    Protocol,
    Requests,
)
from tests.p2p.hosts import Peer, peers
from tests.p2p.test_links import until

GREETING: Value = [1, bytes(32)]
COUNT = Protocol("/gridtokenx/count/1", 2**10, answers_max=8, answer_timeout_s=0.5)


class Counting:
    """Answers n with 0, 1, … n − 1; negative numbers are no questions."""

    def __init__(self) -> None:
        self.gate = trio.Event()
        self.gate.set()
        self.asked: list[Value] = []

    async def answer(self, peer: ID, question: Value) -> AsyncGenerator[Value, None]:
        self.asked.append(question)
        if type(question) is not int or question < 0:
            raise BadQuestionError(f"{peer}: {question!r} is no count")
        for number in range(question):
            await self.gate.wait()
            yield number


@asynccontextmanager
async def asker() -> AsyncIterator[tuple[Requests, Counting, Requests, Peer]]:
    async with peers(1, 2) as (one, other):
        await one.dial(other)
        asks, answers, counting = (
            Requests(one.host, GREETING),
            Requests(other.host, GREETING),
            Counting(),
        )
        answers.serve(COUNT, counting.answer)
        yield asks, counting, answers, other


async def test_an_answer_comes_whole_and_in_order() -> None:
    async with asker() as (requests, _, _, other):
        for count in (0, 1, 8):
            assert await requests.ask(other.id, COUNT, count) == list(range(count))


async def test_answers_can_be_taken_one_by_one_and_left() -> None:
    async with asker() as (requests, _, _, other):
        async with requests.asking(other.id, COUNT, 8) as answers:
            async for one in answers:
                if one == 3:
                    break
        assert await requests.ask(other.id, COUNT, 2) == [0, 1]


@pytest.mark.parametrize("question", [-1, "seven", [1]])
async def test_what_is_no_question_is_counted_and_gets_no_answer(question: Value) -> None:
    async with asker() as (requests, _, answers, other):
        with pytest.raises(AskError) as caught:
            await requests.ask(other.id, COUNT, question)
        assert not caught.value.is_lie
        await until(lambda: answers.refused.total() == 1)


async def test_a_question_for_another_chain_is_not_looked_at() -> None:
    async with asker() as (requests, counting, answers, other):
        stranger = Requests(requests._host, [1, bytes(31) + b"\1"])  # noqa: SLF001 - the same host
        with pytest.raises(AskError):
            await stranger.ask(other.id, COUNT, 1)
        assert (counting.asked, answers.refused.total()) == ([], 1)


async def test_an_answer_that_does_not_come_ends_in_time() -> None:
    async with asker() as (requests, counting, _, other):
        counting.gate = trio.Event()
        with pytest.raises(AskError, match=r"answer 1 did not come within 0\.5 s"):
            await requests.ask(other.id, COUNT, 1)


async def test_who_asks_too_much_at_a_time_is_refused_and_the_rest_is_answered() -> None:
    async with asker() as (requests, counting, answers, other):
        counting.gate = trio.Event()
        done: list[object] = []

        async def ask() -> None:
            try:
                done.append(await requests.ask(other.id, COUNT, 1))
            except AskError as error:
                done.append(error.is_lie)

        async with trio.open_nursery() as nursery:
            for _ in range(ANSWERING_EACH_MAX):
                nursery.start_soon(ask)
            await until(lambda: len(counting.asked) == ANSWERING_EACH_MAX)
            for _ in range(3):
                nursery.start_soon(ask)
            await until(lambda: len(done) == 3)
            assert done == [False] * 3
            assert answers.refused.total() == 3
            counting.gate.set()
        assert done[3:] == [[0]] * ANSWERING_EACH_MAX
        assert await requests.ask(other.id, COUNT, 1) == [0]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"\0\0\0\2\x18\1", "not deterministic CBOR"),
        (b"\0\0\0\0", "a frame of 0 bytes"),
        (b"\xff\xff\xff\xff", "a frame of 4294967295 bytes"),
        (encode_frame(1) * 9, "more than 8 answers"),
        (encode_frame(bytes(100))[:-1], "the stream ends after"),
        (encode_frame(1) + b"\0\0", "the stream ends after 2 of 4 bytes"),
    ],
)
async def test_a_lying_answer_is_said_to_be_one(said: bytes, why: str) -> None:
    async def lie(stream: INetStream) -> None:
        await stream.write(said)
        await stream.close()

    async with asker() as (requests, _, _, other):
        other.host.set_stream_handler(TProtocol(COUNT.name), lie)
        with pytest.raises(AskError, match=why) as caught:
            await requests.ask(other.id, COUNT, 1)
        assert caught.value.is_lie


async def test_an_answer_that_is_cut_off_between_its_frames_is_not_taken_for_whole() -> None:
    async def stop(stream: INetStream) -> None:
        await stream.write(encode_frame(1) * 2)
        await stream.close()

    async with asker() as (requests, _, _, other):
        other.host.set_stream_handler(TProtocol(COUNT.name), stop)
        with pytest.raises(AskError, match="refused, or cut off") as caught:
            await requests.ask(other.id, COUNT, 2)
        assert not caught.value.is_lie


async def test_a_peer_that_is_not_there_or_does_not_know_the_protocol() -> None:
    async with asker() as (requests, _, _, other):
        unknown = Protocol("/gridtokenx/unknown/1", 10, 1, 1)
        with pytest.raises(AskError, match="no stream"):
            await requests.ask(other.id, unknown, 1)
        await requests._host.disconnect(other.id)  # noqa: SLF001 - the host that asks
        with pytest.raises(AskError, match="no stream"):
            await requests.ask(other.id, COUNT, 1)
