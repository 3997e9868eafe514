"""The blocks of one undecided height, and what execution said of each.

Validity never depends on the round, so one verdict serves every round. What is asked for, a body
from peers or a verdict from execution, is asked once and again only by `ask_again`. A body that
does not fit its header is dropped; that says nothing about the block id. (PROTOCOL §2, §5.)
"""

from collections.abc import Iterable

from chain.block import Block
from chain.consensus.effects import Effect, RequestBlock, Validate


class Shelf:
    """Blocks by id, with their verdicts; bounded by whoever calls `keep_only`."""

    def __init__(self, height: int, out: list[Effect]) -> None:
        """Begin empty; effects go to `out`."""
        self._height = height
        self._out = out
        self._blocks: dict[bytes, Block] = {}
        self._verdicts: dict[bytes, bool] = {}
        self._wanted: dict[bytes, None] = {}
        self._executing: dict[bytes, None] = {}

    def get(self, block_id: bytes) -> Block | None:
        """Return a block that is here."""
        return self._blocks.get(block_id)

    def fetch(self, block_id: bytes) -> Block | None:
        """Return a block, or ask the peers for it."""
        block = self._blocks.get(block_id)
        if block is None and block_id not in self._wanted:
            self._wanted[block_id] = None
            self._out.append(RequestBlock(self._height, block_id))
        return block

    def verdict(self, block_id: bytes) -> bool | None:
        """Return whether a block is valid; None while the block or the verdict is awaited."""
        known = self._verdicts.get(block_id)
        if known is not None:
            return known
        block = self.fetch(block_id)
        if block is not None and block_id not in self._executing:
            self._executing[block_id] = None
            self._out.append(Validate(block))
        return None

    def wants(self, block_id: bytes) -> bool:
        """Say whether this block is awaited."""
        return block_id in self._wanted

    def put(self, block: Block) -> None:
        """Keep a block whose body fits its header."""
        self._wanted.pop(block.id, None)
        self._blocks[block.id] = block

    def judge(self, block_id: bytes, *, ok: bool) -> None:
        """Keep a verdict on a block that is here."""
        self._executing.pop(block_id, None)
        if block_id in self._blocks:
            self._verdicts[block_id] = ok

    def ask_again(self) -> None:
        """Repeat the requests that peers have not answered."""
        self._out += [RequestBlock(self._height, block_id) for block_id in self._wanted]

    def keep_only(self, block_ids: Iterable[bytes]) -> None:
        """Drop every block but these, with verdicts and open requests."""
        kept = frozenset(block_ids)
        for table in (self._blocks, self._verdicts, self._wanted, self._executing):
            for block_id in [one for one in table if one not in kept]:
                del table[block_id]
