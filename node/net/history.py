"""Decided blocks in ranges: asked of one peer, served to any.

An answer is the blocks of successive heights from the one asked for, each with its certificate, as
far as the answerer has them, and no more than `RANGE_BYTES_MAX` holds. Nothing of it is believed
here but that heights follow each other; certificates are checked before anything is executed.
"""

from collections.abc import AsyncGenerator
from typing import Annotated

import trio
from libp2p.peer.id import ID

from chain.block import Block, Body, Header
from chain.store import Decided
from chain.votes import Certificate
from contracts.kernel import Range, Record, Value, record
from contracts.kernel.shape import BadValueError
from contracts.kernel.types import Height
from node.backend import BlockArchive
from node.net.protocols import BLOCKS, RANGE_BLOCKS_MAX, RANGE_BYTES_MAX
from p2p.requests import AskError, BadQuestionError, Requests


@record(version=1)
class RangeWanted(Record):
    """The question for the blocks of successive heights."""

    first: Height
    count: Annotated[int, Range(1, RANGE_BLOCKS_MAX)]


@record(version=1)
class BlockDecided(Record):
    """One block of an answer."""

    header: Header
    body: Body
    certificate: Certificate


class History:
    """Asks for ranges of decided blocks, and serves them."""

    def __init__(self, requests: Requests, archive: BlockArchive) -> None:
        """Serve what the archive holds."""
        self._requests = requests
        self._archive = archive
        requests.serve(BLOCKS, self._answer)

    async def ask(self, peer: ID, first: int, count: int) -> list[Decided]:
        """Return blocks from `first` on, at most `count`, none if the peer has none there.

        Raises `AskError`.
        """
        wanted = RangeWanted(first, min(count, RANGE_BLOCKS_MAX))
        found: list[Decided] = []
        size = 0
        async with self._requests.asking(peer, BLOCKS, wanted.to_wire()) as answers:
            async for value in answers:
                try:
                    one = BlockDecided.from_wire(value)
                except BadValueError as error:
                    raise AskError(peer, BLOCKS.name, str(error), is_lie=True) from error
                if one.header.height != first + len(found):
                    why = f"block {one.header.height} where {first + len(found)} follows"
                    raise AskError(peer, BLOCKS.name, why, is_lie=True)
                found.append(Decided(Block(one.header, one.body), one.certificate))
                size += sum(map(len, one.body.transactions))
                if len(found) > wanted.count or (size > RANGE_BYTES_MAX and len(found) > 1):
                    why = f"{len(found)} blocks of {size} bytes, more than was asked for"
                    raise AskError(peer, BLOCKS.name, why, is_lie=True)
        return found

    async def _answer(self, peer: ID, question: Value) -> AsyncGenerator[Value, None]:
        del peer
        try:
            wanted = RangeWanted.from_wire(question)
        except BadValueError as error:
            raise BadQuestionError(str(error)) from error
        size = 0
        for height in range(wanted.first, wanted.first + wanted.count):
            found = await trio.to_thread.run_sync(self._decided, height)
            if found is None:
                return
            value, bytes_ = found
            size += bytes_
            if size > RANGE_BYTES_MAX and height != wanted.first:
                return
            yield value

    def _decided(self, height: int) -> tuple[Value, int] | None:
        one = self._archive.decided(height)
        if one is None:
            return None
        made = BlockDecided(one.block.header, one.block.body, one.certificate)
        return made.to_wire(), sum(map(len, one.block.body.transactions))
