"""The chain: its tip, blocks, headers and validators."""

from itertools import islice
from typing import Annotated, Literal

from pydantic import Field

from chain.block import BLOCK_TRANSACTIONS_MAX
from chain.execution.receipt import Receipt
from chain.store import StoredBlock
from chain.transaction import SignedTransaction, decode_transaction
from chain.validators import Validator
from contracts.governance.authorities import Authority
from contracts.kernel.manifest import manifest_hash, manifest_of
from contracts.registry import CATALOGUE
from node.api.chain_events import EventAnswer, EventFilter, Place, events_from
from node.api.reading import contracts_over
from node.api.receipts import (
    ReceiptAnswer,
    TransactionAnswer,
    receipt_answer,
    transaction_answer,
)
from node.api.service import Service
from node.api.types import (
    LIMIT_DEFAULT,
    AddressOut,
    Answer,
    CertificateForm,
    HeaderForm,
    HeightIn,
    Hex,
    Limit,
    ParametersForm,
    Params,
    form,
    form_or_null,
)

MANIFEST_HASH = manifest_hash(manifest_of(CATALOGUE.specs))


class NoParams(Params):
    """The method takes no parameters."""


class ChainStatus(Answer):
    """The tip of the chain and what is in force for the next block."""

    chain_id: Hex
    height: int
    block_id: Hex
    time_ms: int
    market_time_s: int
    state_root: Hex
    manifest_hash: Hex
    parameters: ParametersForm


class HeightParams(Params):
    """Which height is meant; null or left out means the newest block."""

    height: HeightIn | None = None


class HeaderAnswer(Answer):
    """A header and the certificate that made it final; block 0 has none."""

    height: int
    block_id: Hex
    header: HeaderForm
    certificate: CertificateForm | None


class BlockParams(HeightParams):
    """Which block, from which receipt on, and how much of each transaction is wanted."""

    detail: Literal["ids", "raw", "full"] = "ids"
    start: Annotated[int, Field(ge=0, le=BLOCK_TRANSACTIONS_MAX)] = 0
    limit: Limit = LIMIT_DEFAULT


class BlockItem(Answer):
    """One receipt of a block with its transaction; what the detail leaves out is null.

    Receipt 0 is the block's own and has no transaction; receipt i is of transaction i − 1.
    """

    receipt_index: int
    id: Hex | None
    raw: Hex | None = None
    receipt_raw: Hex | None = None
    events_raw: list[Hex] | None = None
    transaction: TransactionAnswer | None = None
    receipt: ReceiptAnswer | None = None
    events: list[EventAnswer] | None = None


class BlockAnswer(HeaderAnswer):
    """A block: header, certificates and a page of its receipts; `next` starts the next page."""

    parent_certificate: CertificateForm | None
    receipt_count: int
    items: list[BlockItem]
    next: int | None


class ValidatorAnswer(Answer):
    """One validator."""

    address: AddressOut
    public_key: Hex
    name: str | None


class ValidatorsAnswer(Answer):
    """The validator sets of the tip and of the block after it, in their order."""

    height: int
    validators: list[ValidatorAnswer]
    validators_hash: Hex
    next_validators: list[ValidatorAnswer]
    next_validators_hash: Hex


def chain_status(service: Service, _: NoParams) -> ChainStatus:
    """Return the tip of the chain and the parameters in force."""
    with service.backend.published() as published:
        tip = published.tip
        contracts = contracts_over(published)
        market_time_s = contracts.clock.market_time_s(tip.header.time_ms)
    return ChainStatus(
        chain_id=tip.header.chain_id,
        height=tip.height,
        block_id=tip.block_id,
        time_ms=tip.header.time_ms,
        market_time_s=market_time_s,
        state_root=tip.header.state_root,
        manifest_hash=MANIFEST_HASH,
        parameters=form(tip.parameters),
    )


def chain_header(service: Service, params: HeightParams) -> HeaderAnswer:
    """Return a header with the certificate that made it final.

    The certificate is the one that this node saw; any certificate of the block is as good.
    """
    block = service.blocks.at(params.height)
    return HeaderAnswer(
        height=block.header.height,
        block_id=block.block_id,
        header=form(block.header),
        certificate=form_or_null(block.certificate),
    )


def chain_block(service: Service, params: BlockParams) -> BlockAnswer:
    """Return a block, page by page of its receipts.

    `detail` is `ids`, `raw` (all bytes in hex, from which every root can be computed) or `full`
    (decoded for people). A page ends at `limit` receipts or at the node's page size; go on with
    `start` = `next`.
    """
    block = service.blocks.at(params.height)
    items: list[BlockItem] = []
    size = 0
    limit = min(params.limit, service.limits.items_max)
    for index in range(params.start, min(params.start + limit, len(block.receipts))):
        size += _size(block, index) if params.detail != "ids" else 0
        if items and size > service.limits.page_bytes_max:
            break
        items.append(_item(block, index, params.detail))
    end = params.start + len(items)
    return BlockAnswer(
        height=block.header.height,
        block_id=block.block_id,
        header=form(block.header),
        certificate=form_or_null(block.certificate),
        parent_certificate=form_or_null(block.body.parent_certificate),
        receipt_count=len(block.receipts),
        items=items,
        next=end if end < len(block.receipts) else None,
    )


def chain_validators(service: Service, _: NoParams) -> ValidatorsAnswer:
    """Return the validators of the newest block and of the one after it."""
    with service.backend.published() as published:
        tip = published.tip
        contracts = contracts_over(published)
        seats = contracts.authorities.members
        now, later = (
            [_validator(member, seats[member.address]) for member in members]
            for members in (tip.validators.members, tip.next_validators.members)
        )
    return ValidatorsAnswer(
        height=tip.height,
        validators=now,
        validators_hash=tip.validators.hash,
        next_validators=later,
        next_validators_hash=tip.next_validators.hash,
    )


def signed_of(block: StoredBlock, receipt_index: int) -> SignedTransaction | None:
    """Return the transaction of a receipt, None for the block's own."""
    if not receipt_index:
        return None
    raw = block.body.transactions[receipt_index - 1]
    return decode_transaction(raw, block.header.chain_id)


def events_of(block: StoredBlock, receipt_index: int) -> list[EventAnswer]:
    """Return the events of one receipt for people."""
    start = Place(block.header.height, receipt_index)
    count = len(block.events[receipt_index])
    return [one.form() for one in islice(events_from(block, start, EventFilter()), count)]


def _validator(member: Validator, seat: Authority | None) -> ValidatorAnswer:
    name = None if seat is None else seat.name
    return ValidatorAnswer(address=member.address, public_key=member.public_key, name=name)


def _size(block: StoredBlock, index: int) -> int:
    raw = len(block.body.transactions[index - 1]) if index else 0
    return raw + len(block.receipts[index]) + sum(map(len, block.events[index]))


def _item(block: StoredBlock, index: int, detail: str) -> BlockItem:
    transaction_id = block.transaction_ids[index - 1] if index else None
    if detail == "raw":
        return BlockItem(
            receipt_index=index,
            id=transaction_id,
            raw=block.body.transactions[index - 1] if index else None,
            receipt_raw=block.receipts[index],
            events_raw=list(block.events[index]),
        )
    if detail == "full":
        signed = signed_of(block, index)
        return BlockItem(
            receipt_index=index,
            id=transaction_id,
            transaction=None if signed is None else transaction_answer(signed),
            receipt=receipt_answer(Receipt.decode(block.receipts[index]), signed),
            events=events_of(block, index),
        )
    return BlockItem(receipt_index=index, id=transaction_id)
