"""Requests: a question to one peer on a stream of its own, answered by one or more frames.

    asker     greeting ‖ question
    answerer  answer ‖ answer ‖ … ‖ null

The null tells a whole answer from one that was cut off: the library shows a stream that was reset
as one that has ended. Each protocol says how large its frames may be and how many may come;
everything has a deadline. Who asks too much at a time is refused by a reset, at once, and asks
somebody else. (PROTOCOL §5; what a question means belongs to whoever serves it.)
"""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.network.stream.exceptions import StreamError
from libp2p.peer.id import ID

from contracts.kernel import Value
from p2p.frames import (
    GREETING_BYTES_MAX,
    BadFrameError,
    encode_frame,
    read_frame,
    read_greeting,
)
from p2p.network import Host

QUESTION_BYTES_MAX: Final = 2**12
QUESTION_TIMEOUT_S: Final = 5.0
# How many questions of one peer are answered at a time, and how many of all.
ANSWERING_EACH_MAX: Final = 4
ANSWERING_MAX: Final = 64


class AskError(Exception):
    """A peer did not answer as it should: says whom, what was asked, and what went wrong.

    `is_lie`: no honest peer would do so.
    """

    def __init__(self, peer: ID, protocol: str, why: str, *, is_lie: bool = False) -> None:
        """Say what happened."""
        super().__init__(f"{peer.to_base58()} on {protocol}: {why}")
        self.is_lie = is_lie


@dataclass(frozen=True, slots=True)
class Protocol:
    """A kind of question: its name, and what an answer may cost."""

    name: str
    answer_bytes_max: int
    answers_max: int
    answer_timeout_s: float
    """How long each frame of an answer may take."""


class BadQuestionError(Exception):
    """A question that no honest peer asks; says what is wrong with it."""


Answerer = Callable[[ID, Value], AsyncGenerator[Value, None]]


class Requests:
    """Asks and answers over one host; `refused` counts by peer what was too much or no question."""

    def __init__(self, host: Host, greeting: Value) -> None:
        """Ask and answer for one chain."""
        self._host = host
        self._greeting = greeting
        self._answering: Counter[ID] = Counter()
        self.refused: Counter[ID] = Counter()

    def serve(self, protocol: Protocol, answer: Answerer) -> None:
        """Answer questions of a protocol; `answer` may raise `BadQuestionError`."""

        async def serve(stream: INetStream) -> None:
            peer = stream.muxed_conn.peer_id
            if (
                self._answering[peer] >= ANSWERING_EACH_MAX
                or self._answering.total() >= ANSWERING_MAX
            ):
                self.refused[peer] += 1
                await stream.reset()
                return
            self._answering[peer] += 1
            try:
                await self._answer(stream, protocol, answer)
            finally:
                self._answering[peer] -= 1
                if not self._answering[peer]:
                    del self._answering[peer]

        self._host.set_stream_handler(TProtocol(protocol.name), serve)

    async def ask(self, peer: ID, protocol: Protocol, question: Value) -> list[Value]:
        """Return all of an answer; raises `AskError`."""
        async with self.asking(peer, protocol, question) as answers:
            return [one async for one in answers]

    @asynccontextmanager
    async def asking(
        self, peer: ID, protocol: Protocol, question: Value
    ) -> AsyncIterator[AsyncIterator[Value]]:
        """Give the frames of an answer as they come; raises `AskError`, also while they come."""
        try:
            with trio.fail_after(QUESTION_TIMEOUT_S):
                stream = await self._host.new_stream(peer, [TProtocol(protocol.name)])
        except trio.TooSlowError as error:
            raise AskError(peer, protocol.name, "no stream in time") from error
        except Exception as error:
            why = f"no stream: {type(error).__name__}: {error}"
            raise AskError(peer, protocol.name, why) from error
        is_done = False
        try:
            await self._put(stream, peer, protocol, question)
            async with aclosing(self._answers(stream, peer, protocol)) as answers:
                yield answers
            is_done = True
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await (stream.close() if is_done else stream.reset())

    async def _put(self, stream: INetStream, peer: ID, protocol: Protocol, question: Value) -> None:
        frames = encode_frame(self._greeting, GREETING_BYTES_MAX)
        frames += encode_frame(question, QUESTION_BYTES_MAX)
        try:
            with trio.fail_after(QUESTION_TIMEOUT_S):
                await stream.write(frames)
        except (StreamError, trio.TooSlowError) as error:
            why = f"the question did not get through: {type(error).__name__}"
            raise AskError(peer, protocol.name, why) from error

    async def _answers(
        self, stream: INetStream, peer: ID, protocol: Protocol
    ) -> AsyncGenerator[Value, None]:
        name, count = protocol.name, 0
        while True:
            try:
                with trio.fail_after(protocol.answer_timeout_s):
                    value = await read_frame(stream, protocol.answer_bytes_max)
            except EOFError as error:
                raise AskError(peer, name, "refused, or cut off") from error
            except BadFrameError as error:
                raise AskError(peer, name, str(error), is_lie=True) from error
            except trio.TooSlowError as error:
                why = f"answer {count + 1} did not come within {protocol.answer_timeout_s} s"
                raise AskError(peer, name, why) from error
            except StreamError as error:
                why = f"refused, or gone: {type(error).__name__}"
                raise AskError(peer, name, why) from error
            if value is None:
                return
            count += 1
            if count > protocol.answers_max:
                why = f"more than {protocol.answers_max} answers"
                raise AskError(peer, name, why, is_lie=True)
            yield value

    async def _answer(self, stream: INetStream, protocol: Protocol, answer: Answerer) -> None:
        peer = stream.muxed_conn.peer_id
        count = 0
        try:
            with trio.fail_after(QUESTION_TIMEOUT_S):
                await read_greeting(stream, self._greeting)
                question = await read_frame(stream, QUESTION_BYTES_MAX)
            async with aclosing(answer(peer, question)) as answers:
                async for one in answers:
                    count += 1
                    assert one is not None, "null ends an answer"
                    assert count <= protocol.answers_max, "an answer keeps to its protocol"
                    with trio.fail_after(protocol.answer_timeout_s):
                        await stream.write(encode_frame(one, protocol.answer_bytes_max))
        except (BadFrameError, BadQuestionError, EOFError):
            self.refused[peer] += 1
            raise
        with trio.fail_after(protocol.answer_timeout_s):
            await stream.write(encode_frame(None))
        await stream.close()
