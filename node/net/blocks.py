"""Blocks from peers and for peers, by height and id.

A block that consensus asks for is fetched from one peer after the other until one has it. Whether
it is the block that was asked for is decided by its header's hash here, and whether its body fits
by the machine; a peer that sends another one is a liar.
"""

import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Final

import structlog
import trio
from libp2p.peer.id import ID

from chain.block import Block, Body, Header
from chain.consensus.inputs import BlockReceived, Input
from contracts.kernel import Record, Value, record
from contracts.kernel.shape import BadValueError
from contracts.kernel.types import Hash32, Height
from node.net.protocols import BLOCK
from p2p.requests import AskError, BadQuestionError, Requests

FETCHES_MAX: Final = 16
# Peers that are asked for one block before consensus has to ask again.
PEERS_EACH_MAX: Final = 4

log = structlog.get_logger(__name__)

Give = Callable[[Input], Awaitable[None]]
BlockOf = Callable[[int, bytes], Awaitable[Block | None]]


@record(version=1)
class BlockWanted(Record):
    """The question for one block."""

    height: Height
    block_id: Hash32


@record(version=1)
class BlockGiven(Record):
    """Its answer; none if the peer does not have it."""

    header: Header
    body: Body


class Blocks:
    """Fetches and serves single blocks; `lies` counts by peer."""

    def __init__(
        self, requests: Requests, peers: Callable[[], Sequence[ID]], block_of: BlockOf, give: Give
    ) -> None:
        """Serve what `block_of` finds; what was fetched goes to `give`."""
        self._requests = requests
        self._peers = peers
        self._block_of = block_of
        self._give = give
        self._random = random.Random()  # noqa: S311 - spreads questions, protects nothing
        self._wanted: dict[bytes, None] = {}
        self._nursery: trio.Nursery | None = None
        self.lies: Counter[ID] = Counter()
        requests.serve(BLOCK, self._answer)

    async def run(self) -> None:
        """Fetch what is asked for until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await trio.sleep_forever()

    def request(self, height: int, block_id: bytes) -> None:
        """Fetch a block, unless that is under way; beyond so many at a time it is not begun."""
        if self._nursery is None or block_id in self._wanted or len(self._wanted) >= FETCHES_MAX:
            return
        self._wanted[block_id] = None
        self._nursery.start_soon(self._fetch, BlockWanted(height, block_id))

    async def _fetch(self, wanted: BlockWanted) -> None:
        try:
            peers = list(self._peers())
            self._random.shuffle(peers)
            for peer in peers[:PEERS_EACH_MAX]:
                block = await self._ask(peer, wanted)
                if block is not None:
                    await self._give(BlockReceived(peer.to_bytes(), block))
                    return
        finally:
            del self._wanted[wanted.block_id]

    async def _ask(self, peer: ID, wanted: BlockWanted) -> Block | None:
        """Return the block that was asked for, or None."""
        try:
            answers = await self._requests.ask(peer, BLOCK, wanted.to_wire())
            if not answers:
                return None
            given = BlockGiven.from_wire(answers[0])
        except (AskError, BadValueError) as error:
            if isinstance(error, BadValueError) or error.is_lie:
                self.lies[peer] += 1
            log.info("block_not_given", height=wanted.height, reason=str(error))
            return None
        block = Block(given.header, given.body)
        if block.id != wanted.block_id:
            self.lies[peer] += 1
            log.info("block_not_given", height=wanted.height, reason="another block was sent")
            return None
        return block

    async def _answer(self, peer: ID, question: Value) -> AsyncGenerator[Value, None]:
        del peer
        try:
            wanted = BlockWanted.from_wire(question)
        except BadValueError as error:
            raise BadQuestionError(str(error)) from error
        block = await self._block_of(wanted.height, wanted.block_id)
        if block is not None:
            yield BlockGiven(block.header, block.body).to_wire()
