"""What can go wrong in a request: the tree of errors, their codes, and their form in JSON.

ApiError
├── ParseError            −32700   not JSON
├── InvalidRequest        −32600   JSON, but no request
├── MethodNotFound        −32601
├── InvalidParams         −32602   with the path to the fault
├── InternalError         −32603   ours; says nothing of the inside
├── TransactionRefused    −32000   no block can hold it: a `NotIncludableError` of the chain
├── CallRefused           −32001   a contract's `Reject`
├── NotFound              −32002   no such block, transaction, subscription
├── TooLarge              −32003   a body, batch or answer beyond its limit
├── TooManyRequests       −32004   this client's rate
├── Busy                  −32005   all clients together
├── QueryTooHeavy         −32006
├── NeedsWebSocket        −32007
└── SlowSubscriber        −32008   in the last notification of a subscription

An error object has `data` with the same four fields always: `name`, `code` (that of a refusal, else
null), `values` and `hint`. The docstrings are shown to people: what happened, then what to do.
"""

import difflib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import structlog

from chain.bech32 import encode_address
from chain.json_form import any_to_json
from chain.refusals import NotIncludableError
from contracts.kernel import Reject, Value

Json = Any

log = structlog.get_logger(__name__)

ADDRESS_BYTES: Final = 20
_SAID_MAX: Final = 64
_INCIDENT_BYTES: Final = 4


class ApiError(Exception):
    """A request is not answered as asked."""

    code: ClassVar[int]
    http_status: ClassVar[int] = 200

    def __init__(
        self, message: str | None = None, hint: str | None = None, **values: Value
    ) -> None:
        """Keep the values; message and hint are those of the docstring unless given."""
        super().__init__(message, values)
        what, advice = explained(type(self))
        self.form = ErrorForm(
            self.code,
            message or what,
            type(self).__name__,
            None,
            {name: value_form(value) for name, value in values.items()},
            advice if hint is None else hint,
        )


@dataclass(frozen=True, slots=True)
class ErrorForm:
    """An error as it is shown; `refusal_code` is the permanent code of a refusal."""

    code: int
    message: str
    name: str
    refusal_code: int | None
    values: Mapping[str, Json]
    hint: str

    def to_json(self) -> dict[str, Json]:
        """Return the error object of JSON-RPC."""
        return {"code": self.code, "message": self.message, "data": self.data()}

    def data(self) -> dict[str, Json]:
        """Return the fields that all errors have."""
        return {
            "name": self.name,
            "code": self.refusal_code,
            "values": dict(self.values),
            "hint": self.hint,
        }

    def encode(self) -> bytes:
        """Return the error object as JSON text in ASCII."""
        return json.dumps(self.to_json()).encode("ascii")


class ParseError(ApiError):
    """The body is not JSON.

    Send one JSON-RPC 2.0 request, or an array of them, in UTF-8.
    """

    code = -32700


class InvalidRequest(ApiError):
    """The request is not one of JSON-RPC 2.0.

    Send {"jsonrpc": "2.0", "id": 1, "method": "chain_status", "params": {}}.
    """

    code = -32600


class WrongMediaType(InvalidRequest):
    """The body is not declared to be JSON.

    Send the header `Content-Type: application/json`.
    """

    http_status = 415


class MethodNotFound(ApiError):
    """There is no such method.

    `rpc_discover` lists all methods.
    """

    code = -32601


class InvalidParams(ApiError):
    """The parameters do not fit the method.

    `rpc_discover` describes the parameters of each method.
    """

    code = -32602


class InternalError(ApiError):
    """The node failed to answer.

    The node's log has the reason under the incident's number.
    """

    code = -32603


class TransactionRefused(ApiError):
    """The transaction cannot be part of a block."""

    code = -32000


class CallRefused(ApiError):
    """A contract refuses this."""

    code = -32001

    @classmethod
    def because(cls, refusal: Reject, advice: str) -> "CallRefused":
        """Return a contract's refusal with an advice before its own hint."""
        made = cls()
        own = form_of(refusal)
        made.form = replace(own, hint=f"{advice} {own.hint}".strip())
        return made


class NotFound(ApiError):
    """There is no such thing on this node."""

    code = -32002


class TooLarge(ApiError):
    """The request or its answer is larger than the node allows.

    Ask for less at once.
    """

    code = -32003
    http_status = 413


class BodyTooSlow(TooLarge):
    """The body did not arrive in time.

    Send it without a pause, or send less.
    """

    http_status = 408


class TooManyRequests(ApiError):
    """The client sends more requests than the node allows.

    Wait `retry_after_ms`; send several calls as one `tx_submit_batch` where that is possible.
    """

    code = -32004
    http_status = 429


class Busy(ApiError):
    """The node has all the work that it can take.

    Try again in a moment.
    """

    code = -32005
    http_status = 503


class QueryTooHeavy(ApiError):
    """The query needs more work than one query may.

    Ask for a part of it, or read the state by `state_range`.
    """

    code = -32006


class NeedsWebSocket(ApiError):
    """The method exists on a WebSocket only.

    Connect to /ws.
    """

    code = -32007


class SlowSubscriber(ApiError):
    """The subscriber fell too far behind the chain.

    Subscribe again with the cursor of the last notification.
    """

    code = -32008


ERRORS: Final = (
    ParseError,
    InvalidRequest,
    MethodNotFound,
    InvalidParams,
    InternalError,
    TransactionRefused,
    CallRefused,
    NotFound,
    TooLarge,
    TooManyRequests,
    Busy,
    QueryTooHeavy,
    NeedsWebSocket,
    SlowSubscriber,
)


def form_of(error: ApiError | NotIncludableError | Reject) -> ErrorForm:
    """Return the form of an error; a refusal of the chain or a contract keeps its own name."""
    if isinstance(error, ApiError):
        return error.form
    what, advice = explained(type(error))
    is_call = isinstance(error, Reject)
    return ErrorForm(
        CallRefused.code if is_call else TransactionRefused.code,
        what,
        type(error).__name__,
        error.receipt_code() if isinstance(error, Reject) else error.code,
        {name: value_form(value) for name, value in error.values.items()},
        advice,
    )


def incident(error: BaseException, **context: Json) -> InternalError:
    """Log what went wrong in here under a number, and return the error that tells the number."""
    number = secrets.token_hex(_INCIDENT_BYTES)
    log.error("request_failed", incident=number, exc_info=error, **context)
    return InternalError(incident=number)


def explained(cls: type[Exception]) -> tuple[str, str]:
    """Return what happened and what to do, as the docstring says, each in one line."""
    what, _, hint = (cls.__doc__ or "").partition("\n\n")
    return " ".join(what.split()), " ".join(hint.split())


def value_form(value: Value) -> Json:
    """Return a refusal's value for people: byte strings of an address's size are addresses."""
    if isinstance(value, bytes) and len(value) == ADDRESS_BYTES:
        return encode_address(value)
    return any_to_json(value)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question with the most similar known name, or nothing."""
    close = difflib.get_close_matches(name[:_SAID_MAX], list(known), n=1)
    return f"Did you mean {close[0]}?" if close else ""


def said(text: str) -> str:
    """Repeat what somebody wrote, as far as it helps."""
    return repr(text if len(text) <= _SAID_MAX else text[:_SAID_MAX] + "…")
