"""Transactions: submit, simulate, follow, prove."""

from typing import Annotated, Literal

from pydantic import Field

from chain.execution.receipt import Receipt
from chain.merkle import InclusionProof
from chain.refusals import NotIncludableError
from chain.transaction import decode_transaction, prepare
from node.api.chain_events import EventAnswer, Place, PlacedEvent
from node.api.errors import Json, TooLarge, form_of, incident
from node.api.methods.chain import NoParams, events_of, signed_of
from node.api.receipts import ReceiptAnswer, receipt_answer
from node.api.service import Service
from node.api.simulate import simulate
from node.api.types import (
    Answer,
    AnyObject,
    CertificateForm,
    HashIn,
    HeaderForm,
    Hex,
    InclusionForm,
    Params,
    TransactionIn,
    form,
    form_or_null,
)
from node.backend import Submission


class SubmitParams(Params):
    """One signed transaction."""

    transaction: TransactionIn


class BatchParams(Params):
    """Signed transactions, in the order in which they shall be taken in."""

    transactions: Annotated[list[TransactionIn], Field(min_length=1)]


class Submitted(Answer):
    """The id of a transaction that waits for a block."""

    id: Hex


class BatchItem(Answer):
    """One transaction of a batch: its id if it has one, and the error if it was refused."""

    id: Hex | None
    error: AnyObject | None


class BatchAnswer(Answer):
    """What became of each transaction of a batch, in its order."""

    items: list[BatchItem]
    accepted: int


class LaneAnswer(Answer):
    """What waits in one lane of the mempool."""

    transactions: int
    bytes: int


class MempoolAnswer(Answer):
    """What waits in the mempool, and how much may."""

    transactions: int
    transactions_max: int
    bytes: int
    bytes_max: int
    senders: int
    lanes: dict[str, LaneAnswer]


class SimulateParams(Params):
    """A signed transaction; `unsigned` takes its own signatures for granted."""

    transaction: TransactionIn
    unsigned: bool = False


class Simulated(Answer):
    """What the transaction would do in the block after `height`."""

    height: int
    receipt: ReceiptAnswer
    events: list[EventAnswer]


class IdParams(Params):
    """The id of a transaction."""

    id: HashIn


class StatusAnswer(Answer):
    """Where a transaction is; height and index (its place in the block) only if it is final."""

    id: Hex
    status: Literal["waiting", "final", "unknown"]
    height: int | None
    index: int | None


class ReceiptProof(Answer):
    """A receipt with its events and all that proves them.

    `receipt_raw` is a leaf under the header's `receipts_root` by `proof`; the events are all those
    under the receipt's `events_root`, in order.
    """

    id: Hex
    height: int
    index: int
    receipt: ReceiptAnswer
    receipt_raw: Hex
    proof: InclusionForm
    events: list[EventAnswer]
    header: HeaderForm
    certificate: CertificateForm | None


async def tx_submit(service: Service, params: SubmitParams) -> Submitted:
    """Submit a signed transaction and return its id.

    It waits for a block then; `tx_status` and `tx_receipt` tell when it is final. A refusal has the
    name, code, values and hint of its reason.
    """
    (answer,) = await _submit(service, [params.transaction])
    if answer.error is not None:
        raise answer.error
    return Submitted(id=answer.id)


async def tx_submit_batch(service: Service, params: BatchParams) -> BatchAnswer:
    """Submit many signed transactions; each is accepted or refused by itself."""
    count, limit = len(params.transactions), service.limits.transactions_max
    if count > limit:
        raise TooLarge(f"{count} transactions at once.", None, transactions=count, max=limit)
    answers = await _submit(service, params.transactions)
    items = [
        {
            "id": answer.id or None,
            "error": None if answer.error is None else _error_object(answer.error),
        }
        for answer in answers
    ]
    accepted = sum(answer.error is None for answer in answers)
    # All items are checked in one go: a model made for each would cost more than the rest.
    return BatchAnswer.model_validate({"items": items, "accepted": accepted})


def tx_simulate(service: Service, params: SimulateParams) -> Simulated:
    """Execute a transaction on the newest state and throw the result away.

    Tells what each call would return, the weight, the fee and the events. Work that is due in the
    next block is not done before it.
    """
    with service.backend.published() as published:
        chain_id = published.tip.header.chain_id
        prepared = prepare(decode_transaction(params.transaction, chain_id))
        receipt, events = simulate(
            published, prepared, service.clock_ms(), unsigned=params.unsigned
        )
        height = published.tip.height
    return Simulated(
        height=height,
        receipt=receipt_answer(receipt, prepared.signed),
        events=[
            PlacedEvent(Place(height + 1, 1, index), prepared.id, data).form()
            for index, data in enumerate(events)
        ],
    )


async def tx_status(service: Service, params: IdParams) -> StatusAnswer:
    """Say whether a transaction waits, is final in a block, or is unknown to this node."""
    # In this order: what leaves the pool for a block is in the archive before it has left.
    if service.backend.is_waiting(params.id):
        return StatusAnswer(id=params.id, status="waiting", height=None, index=None)
    place = await service.heavy.run(lambda: service.blocks.place_of(params.id))
    if place is None:
        return StatusAnswer(id=params.id, status="unknown", height=None, index=None)
    return StatusAnswer(id=params.id, status="final", height=place[0], index=place[1])


def tx_receipt(service: Service, params: IdParams) -> ReceiptProof:
    """Return the receipt of a final transaction with its proof, header and certificate."""
    block, index = service.blocks.holding(params.id)
    position = index + 1
    raw = block.receipts[position]
    return ReceiptProof(
        id=params.id,
        height=block.header.height,
        index=index,
        receipt=receipt_answer(Receipt.decode(raw), signed_of(block, position)),
        receipt_raw=raw,
        proof=form(InclusionProof.of(block.receipts, position)),
        events=events_of(block, position),
        header=form(block.header),
        certificate=form_or_null(block.certificate),
    )


async def mempool_status(service: Service, _: NoParams) -> MempoolAnswer:
    """Return how many transactions wait, in all and by lane, and the limits."""
    return MempoolAnswer.model_validate(service.backend.mempool_status())


async def _submit(service: Service, raws: list[bytes]) -> list[Submission]:
    answers = await service.backend.submit(raws)
    assert len(answers) == len(raws), "the node answers for each transaction"
    return answers


def _error_object(error: Exception) -> dict[str, Json]:
    if isinstance(error, NotIncludableError):
        return form_of(error).to_json()
    return incident(error, method="tx_submit_batch").form.to_json()
