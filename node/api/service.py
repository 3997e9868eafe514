"""What every method of the API works with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import trio

from node.api.errors import TooManyRequests
from node.api.limits import ApiLimits, ByteBudget, HeavyWork, TokenBuckets
from node.api.reading import BlockReader
from node.api.subscriptions import EventHub
from node.api.types import Form
from node.backend import Backend

MS_PER_S: Final = 1_000


@dataclass(frozen=True)
class Service:
    """One API: the node behind it, its limits and what keeps them, and its OpenRPC document."""

    backend: Backend
    limits: ApiLimits
    clock_ms: Callable[[], int]
    document: Form
    blocks: BlockReader
    hub: EventHub
    heavy: HeavyWork
    buckets: TokenBuckets
    held: ByteBudget
    closing: trio.Event = field(default_factory=trio.Event)

    @classmethod
    def over(
        cls, backend: Backend, limits: ApiLimits, clock_ms: Callable[[], int], document: Form
    ) -> "Service":
        """Make the API of a node."""
        blocks = BlockReader(backend.archive, limits.blocks_cached_max)
        return cls(
            backend=backend,
            limits=limits,
            clock_ms=clock_ms,
            document=document,
            blocks=blocks,
            hub=EventHub(backend, blocks, limits),
            heavy=HeavyWork(limits.heavy_at_once_max, limits.heavy_waiting_max),
            buckets=TokenBuckets(
                limits.requests_per_s, limits.requests_burst, limits.addresses_max
            ),
            held=ByteBudget(limits.bytes_held_max),
        )

    def charge(self, address: str, count: int) -> None:
        """Take tokens of a client; raises `TooManyRequests`."""
        wait_s = self.buckets.take(address, count, trio.current_time())
        if wait_s:
            raise TooManyRequests(
                requests_per_s=self.limits.requests_per_s,
                retry_after_ms=int(wait_s * MS_PER_S) + 1,
            )
