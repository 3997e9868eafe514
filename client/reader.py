"""Reading a chain without trusting the node that answers.

    async with Rpc(url) as rpc:
        reader = Reader(rpc, genesis)
        account = await reader.get(Credit.accounts, address)
        print(account.value.free, "in block", account.header.height)

All trust is in the genesis, which must come from elsewhere than the node. Every answer is checked:
its form, that its header is final by a certificate of the validator set that follows from genesis
(`client.light.finality` has the argument), and that the value, its absence, the whole range or the
receipt leads to a root in that header. What does not follow raises `chain.light.VerificationError`,
the one error of all light verification; `ForkError` is the kind of it that is evidence. A node that
refuses or does not answer raises what `client.rpc` says: a refusal proves nothing, nor does "not
found" for a transaction.

A reader is never taken back: once a block is verified, an answer of the newest state that is older
than it is refused. But a node that stops giving new blocks cannot be told from a chain that stands
still, except by the clock: `header.time_ms` is the block's time.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from chain.block import Header
from chain.execution.executor import UNLIMITED
from chain.execution.receipt import Receipt
from chain.genesis import Genesis
from chain.light import VerificationError, verify_receipt
from chain.merkle import merkle_root
from chain.store import MemoryState
from chain.trie.proof import Existence, Item, ProofError
from chain.trie.verify import verify_absence, verify_existence, verify_range
from client.light.answers import Answer, range_of, receipt_of, value_of
from client.light.finality import Finality
from client.rpc import Rpc
from contracts.kernel import BadValueError, Cell, CodecError, Map, codec
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.record import RecordShape
from contracts.kernel.state import VALUE_BYTES_MAX, State
from contracts.kernel.storage import Table

PAGE_ITEMS: Final = 1_000
# What `range` reads as a whole; `page` has no end.
RANGE_ITEMS_MAX: Final = 100_000
# How often several answers are asked for again because a block came between them.
ATTEMPTS_MAX: Final = 8

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


class IncompleteReadError(Exception):
    """What was asked for cannot be read whole at one block; nothing is wrong with the answers."""


@dataclass(frozen=True, slots=True)
class Proven(Generic[T]):
    """A value that was proven in the state after a final block."""

    header: Header
    value: T


@dataclass(frozen=True, slots=True)
class ProvenPage:
    """All items from the start asked for to the end, or to `cursor`, where the next page starts."""

    header: Header
    items: tuple[Item, ...]
    cursor: bytes | None


@dataclass(frozen=True, slots=True)
class ProvenReceipt:
    """A transaction's receipt in a final block, and the bytes of all its events in order."""

    header: Header
    receipt: Receipt
    events: tuple[bytes, ...]


class Reader:
    """Reads one chain from one node, and believes nothing that is not proven."""

    def __init__(self, rpc: Rpc, genesis: Genesis) -> None:
        """Trust the genesis, which is executed here (about 50 µs a key of its state)."""
        self._rpc = rpc
        self._finality = Finality(rpc, genesis)

    @property
    def newest(self) -> Header:
        """Return the newest header verified so far; that of block 0 at first."""
        return self._finality.blocks.newest.header

    async def header(self, height: int | None = None) -> Header:
        """Return the final header of a height, or the newest."""
        if height is None:
            return (await self._newest("chain_header"))[0]
        answer = Answer.of("chain_header", await self._rpc.call("chain_header", height=height))
        return await self._finality.verify(answer, height=height)

    async def value(self, key: bytes) -> Proven[bytes | None]:
        """Return the bytes that a key of the newest state has, None if it is proven absent."""
        header, answer = await self._newest("state_get", key=key.hex())
        value, proof = value_of(answer)
        try:
            if isinstance(proof, Existence):
                # An absence that is claimed with the proof of a value has no bytes at all.
                verify_existence(header.state_root, key, value or b"", proof)
            elif value is not None:
                raise VerificationError(
                    f"state_get: the key {key.hex()} is said to have a value, the proof is of its "
                    "absence"
                )
            else:
                verify_absence(header.state_root, key, proof)
        except ProofError as error:
            raise VerificationError(f"state_get, block {header.height}: {error}") from error
        return Proven(header, value)

    async def values(self, keys: Sequence[bytes]) -> Proven[tuple[bytes | None, ...]]:
        """Return what several keys have in one and the same state.

        Raises `IncompleteReadError` where blocks come faster than the answers.
        """

        async def read() -> Proven[tuple[bytes | None, ...]] | None:
            found = [await self.value(key) for key in keys]
            if any(one.header != found[0].header for one in found):
                return None
            header = found[0].header if found else self.newest
            return Proven(header, tuple(one.value for one in found))

        return await _at_one_block(read)

    async def get(self, table: Map[K, V], key: K) -> Proven[V]:
        """Return what a contract's map holds under a key, which is its default if absent."""
        raw_key = table.raw_key(key)
        found = await self.value(raw_key)
        bound = table.bind(_state_of(table, [(raw_key, found.value)]))
        return Proven(found.header, bound[key])

    async def get_each(self, key: K, *tables: Map[K, Any]) -> Proven[tuple[Any, ...]]:
        """Return what several maps hold under one key, in one and the same state.

        Raises as `values` does.
        """
        found = await self.values([table.raw_key(key) for table in tables])
        bound = [
            table.bind(_state_of(table, [(table.raw_key(key), value)]))
            for table, value in zip(tables, found.value, strict=True)
        ]
        return Proven(found.header, tuple(one[key] for one in bound))

    async def cell(self, cell: Cell[V]) -> Proven[V]:
        """Return what a contract's cell holds."""
        found = await self.value(cell.prefix)
        bound = cell.bind(_state_of(cell, [(cell.prefix, found.value)]))
        return Proven(found.header, bound.get())

    async def page(self, start: bytes, end: bytes, limit: int = PAGE_ITEMS) -> ProvenPage:
        """Return the items of the newest state with start ≤ key < end, or the first of them.

        At most `limit` are returned, or fewer where the node's pages are smaller. Pages are of the
        newest block each, so those that follow one another can be of different states.
        """
        header, answer = await self._newest(
            "state_range", start=start.hex(), end=end.hex(), limit=limit
        )
        proof = range_of(answer, start, end)
        try:
            items = verify_range(header.state_root, start, end, proof)
        except ProofError as error:
            raise VerificationError(f"state_range, block {header.height}: {error}") from error
        return ProvenPage(header, items, proof.cursor)

    async def range(self, start: bytes, end: bytes) -> Proven[tuple[Item, ...]]:
        """Return all items with start ≤ key < end of one and the same state, none left out.

        Raises `IncompleteReadError` where they are more than `RANGE_ITEMS_MAX`, or blocks come
        faster than the pages.
        """

        async def read() -> Proven[tuple[Item, ...]] | None:
            page = await self.page(start, end)
            header, items = page.header, list(page.items)
            while page.cursor is not None:
                page = await self.page(page.cursor, end)
                items += page.items
                if page.header != header:
                    return None
                if len(items) > RANGE_ITEMS_MAX:
                    raise IncompleteReadError(
                        f"the range has more than {RANGE_ITEMS_MAX} items; read it page by page"
                    )
            return Proven(header, tuple(items))

        return await _at_one_block(read)

    async def items(self, table: Map[K, V], *leading: Any) -> Proven[tuple[tuple[K, V], ...]]:  # noqa: ANN401 - as in `Map.items`
        """Return all pairs of a contract's map whose key begins with the parts `leading`.

        Raises as `range` does.
        """
        found = await self.range(*table.bounds(*leading))
        bound = table.bind(_state_of(table, found.value))
        return Proven(found.header, tuple(bound.items(*leading)))

    async def receipt(self, transaction_id: bytes) -> ProvenReceipt:
        """Return the receipt of a transaction and its events, proven in a final block.

        That it stands at a certain place of the block is not proven, and not said.
        """
        said = await self._rpc.call("tx_receipt", id=transaction_id.hex())
        answer = Answer.of("tx_receipt", said)
        data, proof, events = receipt_of(answer)
        header = await self._finality.verify(answer)
        try:
            receipt = verify_receipt(header, data, proof)
        except (CodecError, BadValueError) as error:
            raise VerificationError(f"tx_receipt, block {header.height}: {error}") from error
        if receipt.id != transaction_id:
            raise VerificationError(
                f"tx_receipt: the receipt is of transaction {receipt.id.hex()}, "
                f"not of {transaction_id.hex()}"
            )
        root = merkle_root(events)
        if root != receipt.events_root:
            raise VerificationError(
                f"tx_receipt: the events have the root {root.hex()}, the receipt says "
                f"{receipt.events_root.hex()}"
            )
        return ProvenReceipt(header, receipt, events)

    async def _newest(self, method: str, **params: str | int) -> tuple[Header, Answer]:
        """Call a method that answers of the newest block, and verify that block's header.

        Only what was verified before the call bounds it: of two calls under way at once the later
        answer may be the older one.
        """
        known = self.newest.height
        answer = Answer.of(method, await self._rpc.call(method, **params))
        return await self._finality.verify(answer, height_min=known), answer


async def _at_one_block(read: Callable[[], Awaitable[T | None]]) -> T:
    """Read until no block came between; `read` returns None where one did."""
    for _ in range(ATTEMPTS_MAX):
        found = await read()
        if found is not None:
            return found
    raise IncompleteReadError(
        f"blocks came between the answers {ATTEMPTS_MAX} times; ask for less at once"
    )


def _state_of(table: Table, items: Iterable[tuple[bytes, bytes | None]]) -> State:
    """Return a state of proven values, each of which the table can read.

    They are what a quorum of validators wrote. One that cannot be read is of a newer version of
    the contracts than these.
    """
    values = list(items)
    for key, value in values:
        if value is not None and not _is_readable(table, value):
            raise VerificationError(
                f"the value of {key.hex()} is proven, but no {table.name} that is known here: "
                f"{value[:40].hex()}"
            )
    state = MemoryState()
    state.write(values)
    return State(state, Meter(WeightTable(), UNLIMITED))


def _is_readable(table: Table, value: bytes) -> bool:
    shape = table.value_shape
    if table.packed:
        assert isinstance(shape, RecordShape), "only records are packed"
        return len(value) == shape.packed_size and value[0] == shape.version
    try:
        shape.from_wire(codec.decode(value, size_max=VALUE_BYTES_MAX))
    except (CodecError, BadValueError):
        return False
    return True
