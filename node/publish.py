"""What the execution thread publishes after each block, and how others read it.

A `Published` is immutable: a snapshot of the database, the tip, and the trie version for proofs,
which stays pinned as long as somebody reads it.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from chain.execution.executor import UNLIMITED
from contracts.kernel import Host
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.state import Reader, State
from contracts.registry import Registry
from node.backend import Published

CACHED_KEYS_MAX: Final = 200_000


class _Held:
    """A version whose trie nodes are kept: one hold for being the newest, one a reader."""

    __slots__ = ("holds", "published")

    def __init__(self, published: Published) -> None:
        self.published = published
        self.holds = 1
        published.trie.pin(published.tip.version)


class Publisher:
    """Holds the newest published version; one thread sets it, any thread reads it.

    The trie lets a version go when the next block is committed, a while before that is published.
    So the newest is pinned here from the start, and readers share that pin: none is ever refused.
    """

    def __init__(self, first: Published) -> None:
        """Publish the version that the node starts with."""
        self._lock = threading.Lock()
        self._newest = _Held(first)

    @property
    def newest(self) -> Published:
        """Return the newest version, without a pin: for its tip and state, not for proofs."""
        with self._lock:
            return self._newest.published

    def publish(self, version: Published) -> None:
        """Make the trie's present version the newest."""
        held = _Held(version)
        with self._lock:
            before, self._newest = self._newest, held
        self._leave(before)

    @contextmanager
    def pinned(self) -> Iterator[Published]:
        """Keep the newest version's trie nodes for the length of a `with` block."""
        with self._lock:
            held = self._newest
            held.holds += 1
        try:
            yield held.published
        finally:
            self._leave(held)

    def _leave(self, held: _Held) -> None:
        with self._lock:
            held.holds -= 1
            if held.holds == 0:
                held.published.trie.unpin(held.published.tip.version)


class CachedReader:
    """A reader of the tip that remembers values and is moved on by each block's changes.

    The mempool asks for the same few keys of many senders; without this each would cost three
    reads of the database a block.
    """

    def __init__(self, state: Reader) -> None:
        """Read from this version until `advance`."""
        self._state = state
        self._known: OrderedDict[bytes, bytes | None] = OrderedDict()

    def get(self, key: bytes) -> bytes | None:
        """Return a state value, from memory if it is known."""
        try:
            return self._known[key]
        except KeyError:
            value = self._state.get(key)
            self._known[key] = value
            if len(self._known) > CACHED_KEYS_MAX:
                self._known.popitem(last=False)
            return value

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield pairs of the present version."""
        return self._state.scan(start, end, reverse=reverse)

    def advance(self, state: Reader, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Move on to the version that a block made."""
        self._state = state
        for key, value in changes:
            if key in self._known:
                self._known[key] = value


class TipAccounts:
    """The mempool's view of accounts at the tip."""

    def __init__(self, reader: Reader) -> None:
        """Read through `reader`, which its owner moves on."""
        registry = Registry(Host(State(reader, Meter(WeightTable(), UNLIMITED))))
        self._accounts, self._credit = registry.accounts, registry.credit

    def nonce(self, sender: bytes) -> int:
        """Return the nonce of the sender's next transaction."""
        return self._accounts.nonces[sender]

    def accepts_keys(self, sender: bytes, keys: tuple[bytes, ...]) -> bool:
        """Say whether exactly these keys may sign for the sender."""
        return self._accounts.accepts_keys(sender, keys)

    def free_uthb(self, sender: bytes) -> int:
        """Return the sender's free credit."""
        return self._credit.free(sender)
