"""Re-execution: every block run again from genesis, in memory, against what the source claims.

Block by block: links, validator sets and certificates, list roots, and the state root that the
transactions make of the parent's state, each against the header; then every receipt and event
against those that execution makes. A block that does not follow ends the re-execution, since no
state is known behind it; a receipt or event that differs from what the header proves is reported,
and the proven one takes its place in all that follows. (PROTOCOL §2–4.)
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from chain.block import Block, InvalidBlockError
from chain.execution.executor import UNLIMITED
from chain.genesis import Genesis
from chain.ledger import Ledger, Preparer
from chain.light import VerificationError, verify_final
from chain.store import CommitBatch, MemoryState, StoredBlock
from chain.verdicts import Verdicts
from chain.votes import Certificate
from client.audit.report import Findings, shown
from contracts.kernel import Host
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.state import State
from contracts.registry import Registry


class ReplayStore(MemoryState):
    """The state at the tip, and nothing of the blocks that led to it."""

    def __init__(self) -> None:
        """Start before genesis."""
        super().__init__()
        self._height: int | None = None

    def commit(self, batch: CommitBatch) -> None:
        """Keep the state that a block leaves."""
        self.write(batch.changes)
        self._height = batch.block.header.height

    def tip_height(self) -> int | None:
        """Return the height of the last block."""
        return self._height

    def block(self, height: int) -> StoredBlock | None:
        """Return None: blocks are not kept."""
        del height
        return None

    def place_of(self, transaction_id: bytes) -> tuple[int, int] | None:
        """Return None: transactions are not kept."""
        del transaction_id
        return None

    def history_node(self, position: int) -> bytes:
        """Refuse: only reopening a chain asks for it."""
        raise KeyError(position)


class Reexecution:
    """A chain run again; `is_complete` as long as every block followed from the one before."""

    def __init__(self, genesis: Genesis, findings: Findings, verdicts: Verdicts) -> None:
        """Run the genesis; raises `InvalidGenesisError`."""
        self._findings = findings
        self._store = ReplayStore()
        self._ledger = Ledger.create(genesis, self._store, verdicts)
        self.is_complete = True

    @property
    def state_root(self) -> bytes:
        """Return the root of the state reached."""
        return self._ledger.tip.header.state_root

    @property
    def height(self) -> int:
        """Return the height reached."""
        return self._ledger.tip.height

    def contracts(self) -> Registry:
        """Return the contracts over the state reached, for reading."""
        return Registry(Host(State(self._store, Meter(WeightTable(), UNLIMITED))))

    def begin(self, block: StoredBlock) -> None:
        """Compare block 0 with the one that the genesis makes."""
        header = self._ledger.tip.header
        self._compare_headers(header.to_wire(), block.header.to_wire(), header.shape.names)
        if block.header != header:
            self.is_complete = False

    def apply(self, block: StoredBlock, preparer: Preparer) -> StoredBlock:
        """Run a block; returns it with the receipts and events that its header proves.

        After a block that does not follow, what is claimed is returned as it is.
        """
        if not self.is_complete:
            return block
        ledger, header = self._ledger, block.header
        ledger.preparer = preparer
        made = Block(header, block.body)
        try:
            ledger.validate(made)
            certificate = _certificate(block)
            verify_final(header.chain_id, ledger.tip.next_validators, header, certificate)
        except InvalidBlockError as error:
            self._stop(error.reason, error.expected, error.got)
            return block
        except VerificationError as error:
            self._stop("certificate", "valid", str(error))
            return block
        self._findings.counts.certificate_signatures += len(certificate.signatures)
        candidate = ledger.commit(made.id, certificate)
        self._findings.compare("block id", "block", made.id, block.block_id)
        result = candidate.result
        receipts = tuple(one.encode() for one in result.receipts)
        self._compare_all("receipt", receipts, block.receipts)
        for index, (expected, found) in enumerate(zip(result.events, block.events, strict=False)):
            self._compare_all(f"event of receipt {index}", expected, found)
        if len(result.events) != len(block.events):
            self._findings.differ("events", "lists", len(result.events), len(block.events))
        return replace(block, receipts=receipts, events=result.events)

    def _compare_all(self, what: str, expected: Iterable[bytes], found: Iterable[bytes]) -> None:
        expected, found = list(expected), list(found)
        for index, (one, other) in enumerate(zip(expected, found, strict=False)):
            self._findings.compare(f"{what} differs", f"number {index}", one, other)
        if len(expected) != len(found):
            self._findings.differ(f"{what} count", "list", len(expected), len(found))

    def _compare_headers(
        self, expected: Sequence[object], found: Sequence[object], names: tuple[str, ...]
    ) -> None:
        for name, one, other in zip(("version", *names), expected, found, strict=True):
            self._findings.compare("block 0 is not the genesis'", name, one, other)

    def _stop(self, reason: str, expected: object, found: object) -> None:
        self.is_complete = False
        said = f"{reason}; re-execution ends here"
        self._findings.differ("block does not follow", said, shown(expected), shown(found))


def _certificate(block: StoredBlock) -> Certificate:
    if block.certificate is None:
        raise VerificationError("there is none")
    return block.certificate
