"""Subscribers: whoever wants each block as it is committed."""

from collections.abc import AsyncIterator
from typing import Final

import structlog
import trio

from chain.store import StoredBlock

# How far a subscriber may be behind before it is cut off.
SUBSCRIBER_BLOCKS_MAX: Final = 256

log = structlog.get_logger(__name__)


class Subscribers:
    """Readers of new blocks; a slow one is cut off and holds nobody up."""

    def __init__(self) -> None:
        """Start without any."""
        self._channels: dict[int, trio.MemorySendChannel[StoredBlock]] = {}
        self._count = 0

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._channels)

    async def blocks(self) -> AsyncIterator[StoredBlock]:
        """Yield each block from now on; for a slow reader it ends early."""
        send, receive = trio.open_memory_channel[StoredBlock](SUBSCRIBER_BLOCKS_MAX)
        self._count += 1
        number = self._count
        self._channels[number] = send
        try:
            async for block in receive:
                yield block
        finally:
            self._channels.pop(number, None)
            receive.close()

    def tell(self, block: StoredBlock) -> None:
        """Hand a block to all of them."""
        for number, channel in tuple(self._channels.items()):
            try:
                channel.send_nowait(block)
            except trio.WouldBlock:
                log.warning("subscriber_too_slow", number=number)
                del self._channels[number]
                channel.close()
