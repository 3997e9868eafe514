"""Where the audit gets a chain from: its genesis and its blocks, nothing else.

A source is not trusted: `client/audit/reexecute.py` checks all that it says. Only what cannot be
read at all, or is missing, ends an audit, as a `SourceError`.
"""

from typing import Any, Final, Protocol

from chain.block import Body, Header
from chain.genesis import Genesis
from chain.json_form import from_json
from chain.store import StoredBlock
from chain.votes import Certificate
from contracts.kernel import BadValueError, Record, sha256

PAGE_RECEIPTS: Final = 1_000
# A block has at most 20 000 transactions, and every page brings at least one receipt.
PAGES_MAX: Final = 20_001
SENT_BYTES_MAX: Final = 2**20

Json = Any


class SourceError(Exception):
    """The source cannot give a block, or what it gave cannot be read; says which and why."""


class BlockSource(Protocol):
    """A chain's genesis and blocks; `StoreSource` and `RpcSource` are two."""

    @property
    def genesis(self) -> Genesis:
        """What the chain begins with; the auditor has it from elsewhere than the audited node."""

    async def tip_height(self) -> int:
        """Return the height up to which to audit."""

    async def block(self, height: int) -> StoredBlock:
        """Return a block with its receipts and events; raises `SourceError`."""


class Archive(Protocol):
    """A database of blocks: that of a node, or one in memory."""

    def tip_height(self) -> int | None:
        """Return the height of the last block, None before genesis."""

    def block(self, height: int) -> StoredBlock | None:
        """Return a block, or None."""


class Rpc(Protocol):
    """What calls a node's methods (`client.rpc.Rpc`); raises errors of its own."""

    async def call(self, method: str, /, **params: Json) -> Json:
        """Call a method by name and return its result."""


class StoreSource:
    """Blocks of a database."""

    def __init__(self, genesis: Genesis, archive: Archive) -> None:
        """Keep both."""
        self.genesis = genesis
        self._archive = archive

    async def tip_height(self) -> int:
        """Return the height of the last block; raises `SourceError` before genesis."""
        height = self._archive.tip_height()
        if height is None:
            raise SourceError("the database holds no block")
        return height

    async def block(self, height: int) -> StoredBlock:
        """Return a block; raises `SourceError` if it is missing."""
        block = self._archive.block(height)
        if block is None:
            raise SourceError(f"block {height} is missing")
        return block


class RpcSource:
    """Blocks of a node, page by page over `chain_block`."""

    def __init__(self, genesis: Genesis, rpc: Rpc) -> None:
        """Keep both."""
        self.genesis = genesis
        self._rpc = rpc

    async def tip_height(self) -> int:
        """Return the node's newest height."""
        status = await self._rpc.call("chain_status")
        height = status.get("height") if isinstance(status, dict) else None
        if type(height) is not int or height < 0:
            raise SourceError("the node's status has no height")
        return height

    async def block(self, height: int) -> StoredBlock:
        """Return a block; raises `SourceError` if an answer cannot be read."""
        answer: Json = None
        items: list[Json] = []
        start: Json = 0
        for _ in range(PAGES_MAX):
            answer = await self._rpc.call(
                "chain_block", height=height, detail="raw", start=start, limit=PAGE_RECEIPTS
            )
            try:
                items += answer["items"]
                start = answer["next"]
            except (KeyError, TypeError) as error:
                raise SourceError(f"block {height}: {error!r} in the answer") from error
            if start is None:
                break
        else:
            raise SourceError(f"block {height}: more than {PAGES_MAX} pages")
        try:
            return _stored(answer, items)
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError(f"block {height}: {error}") from error


def _stored(answer: Json, items: list[Json]) -> StoredBlock:
    """Read a `BlockAnswer` of detail `raw`, whose items are those of all pages."""
    parent, certificate = answer["parent_certificate"], answer["certificate"]
    raws = tuple(_bytes(item["raw"]) for item in items[1:])
    return StoredBlock(
        header=_record(Header, answer["header"]),
        body=Body(None if parent is None else _record(Certificate, parent), raws, ()),
        block_id=_bytes(answer["block_id"]),
        certificate=None if certificate is None else _record(Certificate, certificate),
        receipts=tuple(_bytes(item["receipt_raw"]) for item in items),
        events=tuple(tuple(_bytes(one) for one in item["events_raw"]) for item in items),
        transaction_ids=tuple(sha256(raw) for raw in raws),
    )


def _record(cls: type[Record], value: Json) -> Any:  # noqa: ANN401 - a record of `cls`
    return cls.from_wire(from_json(cls.shape, value))


def _bytes(value: Json) -> bytes:
    if not isinstance(value, str) or len(value) > 2 * SENT_BYTES_MAX:
        raise BadValueError("not a short string of hex digits")
    return bytes.fromhex(value)
