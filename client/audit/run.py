"""One audit: blocks fetched ahead, re-executed and booked in step, compared in the end.

Each block goes through both ways. Re-execution comes first: it says which receipts and events the
header proves, and those the accountant books, so that a falsified one is found once and where it
is. If a block does not follow, the accountant goes on with what is claimed; only the comparison
with a state, which is then unknown, is left out.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import Final, NamedTuple

import trio

from chain.store import StoredBlock
from chain.transaction import PreparedTransaction, SignedTransaction, decode_transaction, prepare
from chain.verdicts import Verdicts
from client.audit.accountant import Accountant
from client.audit.compare import compare_with_state
from client.audit.deeds import decode_transactions, deeds_of
from client.audit.reexecute import Reexecution
from client.audit.report import AuditReport, Findings
from client.audit.source import BlockSource

# Blocks that wait between the source and the audit.
BLOCKS_AHEAD: Final = 64
BLOCKS_PER_BATCH: Final = 16


class Progress(NamedTuple):
    """How far an audit has come: blocks done, the last to do, differences so far."""

    height: int
    tip_height: int
    differences: int


class _Fetched(NamedTuple):
    """A block, and the newest height that was known when it was asked for."""

    block: StoredBlock
    tip_height: int


async def audit(
    source: BlockSource,
    progress: Callable[[Progress], object] | None = None,
    heights: AsyncGenerator[int, None] | None = None,
) -> AuditReport:
    """Audit a chain up to its present tip, or as it grows: up to each of `heights` in turn.

    Raises `InvalidGenesisError`, and what the source raises. About 100 s of one core for a week of
    a hundred households.
    """
    run = Audit(source)
    tip_height = 0
    failure: Exception | None = None
    send, receive = trio.open_memory_channel[_Fetched | Exception](BLOCKS_AHEAD)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_fetch, source, _tip(source) if heights is None else heights, send)
        batch: list[StoredBlock] = []
        async for fetched in receive:
            if isinstance(fetched, Exception):
                failure = fetched
                break
            tip_height = fetched.tip_height
            batch.append(fetched.block)
            if len(batch) == BLOCKS_PER_BATCH:
                await trio.to_thread.run_sync(run.take, tuple(batch))
                batch.clear()
                if progress is not None:
                    progress(Progress(run.height, tip_height, run.findings.total))
    if failure is not None:
        raise failure
    await trio.to_thread.run_sync(run.take, tuple(batch))
    report = await trio.to_thread.run_sync(run.report)
    if progress is not None:
        progress(Progress(run.height, tip_height, run.findings.total))
    return report


class Audit:
    """An audit under way; `take` blocks in their order from 0, then ask for the `report`."""

    def __init__(self, source: BlockSource) -> None:
        """Run the genesis both ways; raises `InvalidGenesisError`."""
        self.findings = Findings()
        verdicts = Verdicts()
        self._chain_id = source.genesis.chain_id
        self._reexecution = Reexecution(source.genesis, self.findings, verdicts)
        self._accountant = Accountant(source.genesis, self.findings, verdicts)
        self.height = -1

    def take(self, blocks: tuple[StoredBlock, ...]) -> None:
        """Audit the next blocks."""
        for block in blocks:
            self._take(block)

    def report(self) -> AuditReport:
        """Compare the books with the state, and return what came of the audit."""
        findings, accountant = self.findings, self._accountant
        accountant.finish()
        if self._reexecution.is_complete:
            compare_with_state(accountant, self._reexecution.contracts(), findings)
        return AuditReport(
            chain_id=self._chain_id,
            height=self.height,
            state_root=self._reexecution.state_root,
            counts=findings.counts,
            totals=accountant.totals(),
            accounts=accountant.accounts(),
            differences=tuple(findings.differences),
            differences_total=findings.total,
        )

    def _take(self, block: StoredBlock) -> None:
        findings = self.findings
        self.height += 1
        findings.at(self.height)
        findings.compare("block of another height", "height", self.height, block.header.height)
        if self.height == 0:
            self._reexecution.begin(block)
            return
        decoded = decode_transactions(block, self._chain_id, findings)
        proven = self._reexecution.apply(block, partial(self._prepare, decoded))
        is_proven = self._reexecution.is_complete
        self._accountant.apply(deeds_of(proven, decoded, findings, is_proven=is_proven))

    def _prepare(self, decoded: dict[bytes, SignedTransaction], raw: bytes) -> PreparedTransaction:
        """Prepare a transaction that is decoded already, or say again why it cannot be."""
        signed = decoded.get(raw)
        return prepare(decode_transaction(raw, self._chain_id) if signed is None else signed)


async def _tip(source: BlockSource) -> AsyncGenerator[int, None]:
    yield await source.tip_height()


async def _fetch(
    source: BlockSource,
    heights: AsyncGenerator[int, None],
    send: trio.MemorySendChannel[_Fetched | Exception],
) -> None:
    """Send all blocks in their order, or at last what went wrong, for the audit to raise."""
    async with send:
        try:
            height = 0
            async with aclosing(heights):
                async for tip_height in heights:
                    while height <= tip_height:
                        await send.send(_Fetched(await source.block(height), tip_height))
                        height += 1
        except Exception as error:  # noqa: BLE001 - the audit raises it
            await send.send(error)
