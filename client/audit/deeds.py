"""What a block says was done: its transactions, their receipts, and their events, decoded.

The accountant reads these and never the state. A deed is one receipt with what belongs to it; the
first deed of a block is the block's own, without a transaction. Whatever cannot be decoded is a
difference, and is left out of all that follows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chain.block import Header
from chain.execution.receipt import Outcome, Receipt
from chain.refusals import NotIncludableError
from chain.store import StoredBlock
from chain.transaction import Call, SignedTransaction, decode_transaction
from chain.votes import Certificate
from client.audit.report import Findings
from contracts.kernel import Event, Value, codec
from contracts.registry import CATALOGUE

EVENT_BYTES_MAX: Final = 2**20


@dataclass(frozen=True, slots=True)
class Told:
    """An event: who says it, its bytes, and what it says."""

    contract: str
    data: bytes
    event: Event


@dataclass(frozen=True, slots=True)
class DoneCall:
    """A call that ran well: its place in the transaction, for whom it was, what it returned."""

    index: int
    call: Call
    caller: bytes
    value: Value


@dataclass(frozen=True, slots=True)
class Deed:
    """One receipt with its transaction, None for the block's own, and its events."""

    signed: SignedTransaction | None
    receipt: Receipt
    events: tuple[Told, ...]

    def done_calls(self) -> Iterator[DoneCall]:
        """Yield the calls that ran well, in their order."""
        if self.signed is None:
            return
        transaction = self.signed.transaction
        pairs = zip(transaction.calls, self.receipt.results, strict=False)
        for index, (call, result) in enumerate(pairs):
            if result.code == Outcome.OK:
                yield DoneCall(index, call, call.owner or transaction.sender, result.value)


@dataclass(frozen=True, slots=True)
class BlockDeeds:
    """A block as the accountant reads it."""

    header: Header
    parent_certificate: Certificate | None
    deeds: tuple[Deed, ...]


def decode_transactions(
    block: StoredBlock, chain_id: bytes, findings: Findings
) -> dict[bytes, SignedTransaction]:
    """Return the transactions by their bytes; one that cannot be read is a difference."""
    decoded: dict[bytes, SignedTransaction] = {}
    for index, raw in enumerate(block.body.transactions):
        try:
            decoded[raw] = decode_transaction(raw, chain_id)
        except NotIncludableError as error:
            findings.differ("transaction cannot be read", f"number {index}", "readable", str(error))
    return decoded


def deeds_of(
    block: StoredBlock,
    decoded: Mapping[bytes, SignedTransaction],
    findings: Findings,
    *,
    is_proven: bool,
) -> BlockDeeds:
    """Decode receipts and events; proven ones are in the one form that the codec gives."""
    header, raws = block.header, block.body.transactions
    if not len(raws) + 1 == len(block.receipts) == len(block.events):
        counts = (len(raws) + 1, len(block.receipts), len(block.events))
        findings.differ("receipts", "count", counts[0], counts[1:])
    deeds = []
    for index, (data, events) in enumerate(zip(block.receipts, block.events, strict=False)):
        signed = decoded.get(raws[index - 1]) if 0 < index <= len(raws) else None
        if index and signed is None:
            continue
        findings.at(header.height, None if signed is None else signed.id)
        try:
            receipt = Receipt.decode(data)
        except ValueError as error:
            findings.differ("receipt cannot be read", f"number {index}", "readable", error)
            continue
        told = (
            _told(data, number, findings, is_proven=is_proven) for number, data in enumerate(events)
        )
        deeds.append(Deed(signed, receipt, tuple(one for one in told if one is not None)))
        if signed is not None:
            findings.compare("receipt is of another transaction", "id", signed.id, receipt.id)
            calls = len(signed.transaction.calls)
            findings.compare("results", "count", calls, len(receipt.results))
    return BlockDeeds(header, block.body.parent_certificate, tuple(deeds))


def _told(data: bytes, number: int, findings: Findings, *, is_proven: bool) -> Told | None:
    try:
        decoded: Any = (
            codec.decode_trusted(data)
            if is_proven
            else codec.decode(data, size_max=EVENT_BYTES_MAX)
        )
        version, contract, name, fields = decoded
        known = CATALOGUE.by_name[contract].events[name]
        event = known.from_wire(fields)
    except (KeyError, TypeError, ValueError) as error:
        findings.differ("event cannot be read", f"number {number}", "readable", repr(error))
        return None
    findings.compare("event version", f"number {number}", 1, version)
    return Told(contract, data, event)
