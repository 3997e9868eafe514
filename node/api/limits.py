"""Every limit of the API has its name here, and the means that keep the shared ones.

Sizes are bytes, times seconds. What one client may do is bounded by its connection (`server.py`)
and by its tokens; what all clients together may hold in memory or keep busy is bounded by
`ByteBudget` and `HeavyWork`. Whoever asks for more gets a named error at once and no place in a
hidden queue.
"""

import dataclasses
import typing
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Annotated, TypeVar

import trio

from node.api.errors import Busy

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """The limits of one API; the defaults suit a node with a few hundred clients."""

    # One request.
    body_bytes_max: Annotated[int, "bytes of a request's body"] = 8 * 2**20
    json_values_max: Annotated[int, "values in a request's JSON"] = 100_000
    batch_max: Annotated[int, "requests in one batch"] = 100
    transactions_max: Annotated[int, "transactions in one `tx_submit_batch`"] = 1_000
    items_max: Annotated[int, "receipts, items or events in one page"] = 1_000
    page_bytes_max: Annotated[int, "bytes of blocks or state in one page"] = 2 * 2**20
    answer_bytes_max: Annotated[int, "bytes of the answer to one body"] = 16 * 2**20
    query_weight_max: Annotated[int, "weight that a contract's query may use"] = 2_000_000
    event_blocks_max: Annotated[int, "blocks that one `events_query` reads"] = 1_000
    event_scan_bytes_max: Annotated[int, "bytes that one `events_query` goes through"] = 16 * 2**20

    # One client address; an IPv6 client is known by its /64.
    requests_per_s: Annotated[int, "requests a second of one address, in the long run"] = 2_000
    requests_burst: Annotated[int, "requests of one address at once"] = 4_000
    addresses_max: Annotated[int, "addresses whose rate is remembered"] = 10_000

    # All clients together.
    bytes_held_max: Annotated[int, "bytes of all bodies and answers in memory"] = 128 * 2**20
    heavy_at_once_max: Annotated[int, "threads that read, prove and compute"] = 2
    heavy_waiting_max: Annotated[int, "requests that wait for such a thread"] = 128
    blocks_cached_max: Annotated[int, "decoded blocks kept in memory"] = 8
    subscriptions_max: Annotated[int, "event subscriptions"] = 64

    # One connection.
    connections_max: Annotated[int, "connections at once"] = 256
    idle_timeout_s: Annotated[float, "seconds that a connection lives without a request"] = 30
    body_timeout_s: Annotated[float, "seconds in which a body must arrive"] = 20
    send_timeout_s: Annotated[float, "seconds in which a client must take what is sent, and …"] = 10
    send_bytes_per_s_min: Annotated[int, "… the rate by which that grows with its size"] = 2**18
    linger_s: Annotated[float, "seconds that a closing connection is still read"] = 1
    graceful_s: Annotated[float, "seconds that requests have to end when the node stops"] = 5

    # One WebSocket.
    message_bytes_max: Annotated[int, "bytes of a WebSocket message"] = 2**20
    messages_waiting_max: Annotated[int, "messages read ahead of the one in work"] = 4
    connection_subscriptions_max: Annotated[int, "subscriptions of one WebSocket"] = 16
    subscription_lag_blocks_max: Annotated[int, "blocks that a subscriber may be behind"] = 256
    ping_interval_s: Annotated[float, "seconds between pings"] = 30

    @classmethod
    def described(cls) -> Iterator[tuple[str, int | float, str]]:
        """Yield name, default and meaning of each limit."""
        hints = typing.get_type_hints(cls, include_extras=True)
        for one in dataclasses.fields(cls):
            assert isinstance(one.default, int | float), f"{one.name} has a default"
            yield one.name, one.default, hints[one.name].__metadata__[0]

    def __post_init__(self) -> None:
        """Refuse limits under which some request that is allowed could never be answered."""
        if self.requests_burst < self.batch_max:
            msg = f"requests_burst {self.requests_burst} is below batch_max {self.batch_max}"
            raise ValueError(msg)
        if self.bytes_held_max < self.body_bytes_max + self.answer_bytes_max:
            msg = "bytes_held_max does not hold one body and its answer"
            raise ValueError(msg)


class TokenBuckets:
    """A token bucket a client address: `rate_per_s` in the long run, `burst` at once.

    Of too many addresses the one that asked longest ago is forgotten; that can only be to its good.
    """

    def __init__(self, rate_per_s: int, burst: int, addresses_max: int) -> None:
        """Start with every bucket full."""
        self._rate = rate_per_s
        self._burst = burst
        self._addresses_max = addresses_max
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, count: int, now_s: float) -> float:
        """Take `count` tokens and return 0, or take none and return how long to wait for them."""
        name = _group_of(address)
        level, since_s = self._levels.get(name, (float(self._burst), now_s))
        level = min(self._burst, level + (now_s - since_s) * self._rate)
        wait_s = max(0.0, (count - level) / self._rate)
        self._levels[name] = (level if wait_s else level - count, now_s)
        self._levels.move_to_end(name)
        if len(self._levels) > self._addresses_max:
            self._levels.popitem(last=False)
        return wait_s

    def __len__(self) -> int:
        """Return how many addresses are remembered."""
        return len(self._levels)


def _group_of(address: str) -> str:
    """Return what shares a bucket: an IPv4 address, or the /64 that one IPv6 customer has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped is not None else parsed.exploded[:19]
    return str(parsed)


class ByteBudget:
    """How many bytes of bodies and answers all requests together may hold."""

    def __init__(self, size: int) -> None:
        """Start with nothing held."""
        self._size = size
        self._held = 0

    @property
    def held(self) -> int:
        """Return how much is held now."""
        return self._held

    @contextmanager
    def account(self) -> Iterator[Callable[[int], None]]:
        """Give a function that takes bytes for the length of the block; it raises `Busy`."""
        taken = 0

        def take(count: int) -> None:
            nonlocal taken
            if self._held + count > self._size:
                raise Busy(what="memory for requests", bytes_max=self._size)
            self._held += count
            taken += count

        try:
            yield take
        finally:
            self._held -= taken


class HeavyWork:
    """Runs what reads the database, proves or computes in a few threads, off the loop."""

    def __init__(self, at_once_max: int, waiting_max: int) -> None:
        """Allow so many threads, and so many requests that wait for one."""
        self._limiter = trio.CapacityLimiter(at_once_max)
        self._waiting_max = waiting_max

    async def run(self, function: Callable[[], T]) -> T:
        """Call `function` in a thread; raises `Busy` if too many wait already."""
        waiting = self._limiter.statistics().tasks_waiting
        if waiting >= self._waiting_max:
            raise Busy(what="threads", waiting=waiting)
        return await trio.to_thread.run_sync(function, limiter=self._limiter)
