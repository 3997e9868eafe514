"""Transactions and receipts for people: calls with named arguments, results with their reasons."""

from typing import Final, Literal

from chain.execution.receipt import CallResult, Outcome, Receipt
from chain.json_form import any_to_json, to_json
from chain.transaction import Call, Mode, SignedTransaction
from contracts.kernel import Kind, Method, Value
from contracts.registry import CATALOGUE
from node.api.errors import explained, value_form
from node.api.types import AddressOut, Answer, AnyJson, AnyObject, Hex, Number

OutcomeName = Literal["ok", "rejected", "not_run", "undone", "out_of_weight", "unit_failed"]
ModeName = Literal["all_or_nothing", "each_alone"]

_OUTCOMES: Final[dict[int, OutcomeName]] = {
    Outcome.OK: "ok",
    Outcome.NOT_RUN: "not_run",
    Outcome.UNDONE: "undone",
    Outcome.OUT_OF_WEIGHT: "out_of_weight",
    Outcome.UNIT_FAILED: "unit_failed",
}
_MODES: Final[dict[int, ModeName]] = {
    Mode.ALL_OR_NOTHING: "all_or_nothing",
    Mode.EACH_ALONE: "each_alone",
}


class Refusal(Answer):
    """Why a call was refused: the name, permanent code and values of a contract's `Reject`."""

    name: str
    code: int
    message: str
    values: AnyObject
    hint: str


class CallAnswer(Answer):
    """One call of a transaction; arguments that do not fit the method are shown as they came."""

    contract: str
    method: str
    arguments: AnyJson
    owner: AddressOut | None


class ResultAnswer(Answer):
    """What came of one call or due unit; `code` is that of the receipt."""

    contract: str | None
    method: str | None
    outcome: OutcomeName
    code: int
    weight: Number
    value: AnyJson
    refusal: Refusal | None


class ReceiptAnswer(Answer):
    """A receipt; that of the block's own work has a zero id and names no calls."""

    id: Hex
    mode: ModeName
    results: list[ResultAnswer]
    weight: Number
    fee_uthb: Number
    events_root: Hex


class TransactionAnswer(Answer):
    """A transaction, decoded."""

    id: Hex
    sender: AddressOut
    nonce: Number
    valid_until_height: Number
    fee_max_uthb: Number
    mode: ModeName
    calls: list[CallAnswer]
    memo: Hex
    keys: list[Hex]


def transaction_answer(signed: SignedTransaction) -> TransactionAnswer:
    """Return a transaction for people."""
    transaction = signed.transaction
    return TransactionAnswer(
        id=signed.id,
        sender=transaction.sender,
        nonce=transaction.nonce,
        valid_until_height=transaction.valid_until_height,
        fee_max_uthb=transaction.fee_max_uthb,
        mode=_MODES[transaction.mode],
        calls=[_call(call) for call in transaction.calls],
        memo=transaction.memo,
        keys=list(signed.keys),
    )


def receipt_answer(receipt: Receipt, signed: SignedTransaction | None) -> ReceiptAnswer:
    """Return a receipt for people; `signed` is its transaction, None for the block's own."""
    calls: tuple[Call | None, ...] = (None,) * len(receipt.results)
    if signed is not None:
        calls = signed.transaction.calls
    return ReceiptAnswer(
        id=receipt.id,
        mode=_MODES[receipt.mode],
        results=[result_answer(r, c) for r, c in zip(receipt.results, calls, strict=True)],
        weight=receipt.weight,
        fee_uthb=receipt.fee_uthb,
        events_root=receipt.events_root,
    )


def result_answer(result: CallResult, call: Call | None) -> ResultAnswer:
    """Return the result of a call for people."""
    code = int(result.code)
    outcome = _OUTCOMES.get(code, "rejected")
    method = None if call is None else _method_of(call)
    value = any_to_json(result.value)
    if outcome == "ok" and method is not None and method.result is not None:
        value = to_json(method.result, result.value)
    return ResultAnswer(
        contract=None if call is None else call.contract,
        method=None if call is None else call.method,
        outcome=outcome,
        code=code,
        weight=result.weight,
        value=None if outcome == "rejected" else value,
        refusal=_refusal(code, result.value) if outcome == "rejected" else None,
    )


def _refusal(code: int, value: Value) -> Refusal:
    reject = CATALOGUE.reject_by_code.get(code)
    name = "Unknown" if reject is None else reject.__name__
    message, hint = ("", "") if reject is None else explained(reject)
    values = value if isinstance(value, dict) else {}
    shown = {key: value_form(item) for key, item in values.items()}
    return Refusal(name=name, code=code, message=message, values=shown, hint=hint)


def _call(call: Call) -> CallAnswer:
    method = _method_of(call)
    arguments: object = any_to_json(list(call.arguments))
    if method is not None and len(method.arguments) == len(call.arguments):
        arguments = _named(method, call)
    return CallAnswer(
        contract=call.contract, method=call.method, arguments=arguments, owner=call.owner
    )


def _named(method: Method, call: Call) -> object:
    """Return the arguments by name, or as they came where one does not fit its type."""
    out = {}
    for (name, shape), value in zip(method.arguments, call.arguments, strict=True):
        try:
            shape.from_wire(value)
        except ValueError:
            return any_to_json(list(call.arguments))
        out[name] = to_json(shape, value)
    return out


def _method_of(call: Call) -> Method | None:
    spec = CATALOGUE.by_name.get(call.contract)
    return None if spec is None else spec.methods.get((Kind.CALL, call.method))
