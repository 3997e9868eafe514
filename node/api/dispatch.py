"""Dispatch: from the bytes of a JSON-RPC request, or a batch of them, to the bytes of the answer.

The cheapest check comes first: size, number of JSON values, form, rate, method, parameters. The
requests of a batch run one after the other, so that a client has no more work under way than it has
connections. Answers are encoded where they are made, in the worker thread. (JSON-RPC 2.0.)
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

import structlog
import trio
from pydantic import ValidationError

from chain.refusals import NotIncludableError
from contracts.kernel import Reject
from node.api.errors import (
    ApiError,
    InvalidParams,
    InvalidRequest,
    Json,
    MethodNotFound,
    NeedsWebSocket,
    ParseError,
    TooLarge,
    did_you_mean,
    form_of,
    incident,
    said,
)
from node.api.methods.events import Session
from node.api.service import Service
from node.api.table import METHODS, Method, Where
from node.api.types import Answer, Params

log = structlog.get_logger(__name__)

T = TypeVar("T")

VERSION: Final = "2.0"
ID_TEXT_MAX: Final = 128
ID_NUMBER_MAX: Final = 2**63
# Larger bodies are taken apart off the loop; below, handing over costs more than it saves.
LOOP_BODY_BYTES_MAX: Final = 2**16
PARSERS_MAX: Final = 2
# The name that the OpenRPC specification gives to its method.
ALIASES: Final = {"rpc.discover": "rpc_discover"}

_VALUE_MARKS: Final = (b",", b"[", b"{")


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks: its address, and its session if it is connected by a WebSocket."""

    address: str
    session: Session | None = None


@dataclass(frozen=True, slots=True)
class _Request:
    """A request whose form is right; `id` None with `is_notification` wants no answer."""

    id: str | int | None
    is_notification: bool
    method: str
    params: Json


class Dispatcher:
    """Answers requests for one API."""

    def __init__(self, service: Service) -> None:
        """Answer by this service."""
        self._service = service
        self._parsers = trio.CapacityLimiter(PARSERS_MAX)

    async def answer(
        self, body: bytes, client: Client, hold: Callable[[int], None]
    ) -> bytes | None:
        """Answer a request or a batch; None if it held notifications only.

        `hold` takes the bytes of answers from what all requests may hold. Raises `ApiError` for a
        body as a whole.
        """
        is_large = len(body) > LOOP_BODY_BYTES_MAX
        requests = await self._aside(lambda: self._parse(body)) if is_large else self._parse(body)
        if not isinstance(requests, list):
            return await self._answer_one(requests, client, hold, is_large=is_large)
        limit = self._service.limits.batch_max
        if not requests:
            raise InvalidRequest("The batch is empty.")
        if len(requests) > limit:
            raise TooLarge(f"{len(requests)} requests in one batch.", None, max=limit)
        self._service.charge(client.address, len(requests) - 1)
        answers, total = [], 0

        def hold_of_batch(count: int) -> None:
            nonlocal total
            total += count
            if total > self._service.limits.answer_bytes_max:
                raise TooLarge("The answers before this one fill the batch.", None, bytes=total)
            hold(count)

        for request in requests:
            answer = await self._answer_one(request, client, hold_of_batch, is_large=is_large)
            if answer is not None:
                answers.append(answer)
        return b"[" + b",".join(answers) + b"]" if answers else None

    def _parse(self, body: bytes) -> Json:
        """Parse JSON; raises `ParseError` or `TooLarge`."""
        most = self._service.limits.json_values_max
        if sum(body.count(mark) for mark in _VALUE_MARKS) > most:
            raise TooLarge("The body has too many values.", None, max=most)
        try:
            return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ParseError(problem=str(error)[:ID_TEXT_MAX]) from error

    async def _answer_one(
        self, given: Json, client: Client, hold: Callable[[int], None], *, is_large: bool
    ) -> bytes | None:
        id_: str | int | None = None
        try:
            request = _request(given)
            id_ = request.id
            result = await self._run(request, client, is_large=is_large)
            hold(len(result))
        except (ApiError, NotIncludableError, Reject) as error:
            if isinstance(given, dict) and "id" not in given and "method" in given:
                return None
            return _failure(_id_of(given), error)
        except Exception as error:  # noqa: BLE001 - a defect of one method must not end the server
            return _failure(id_, incident(error, method=said(str(given.get("method")))))
        if request.is_notification:
            return None
        return b'{"jsonrpc":"2.0","id":' + json.dumps(id_).encode() + b',"result":' + result + b"}"

    async def _run(self, request: _Request, client: Client, *, is_large: bool) -> bytes:
        """Run a method and encode what it returns."""
        method = METHODS.get(ALIASES.get(request.method, request.method))
        if method is None:
            advice = did_you_mean(request.method, METHODS)
            raise MethodNotFound(
                f"There is no method {said(request.method)}.", advice or None, method=request.method
            )
        if method.where is Where.SOCKET and client.session is None:
            raise NeedsWebSocket(method=method.name)
        service, params = self._service, await self._params(method, request, is_large=is_large)
        if method.where is Where.THREAD:
            return await service.heavy.run(lambda: self._encoded(method.function(service, params)))
        if method.where is Where.LOOP:
            return self._encoded(await method.function(service, params))
        return self._encoded(await method.function(service, params, client.session))

    async def _params(self, method: Method, request: _Request, *, is_large: bool) -> Params:
        if is_large:
            return await self._aside(lambda: _params(method, request.params))
        return _params(method, request.params)

    async def _aside(self, function: Callable[[], T]) -> T:
        """Take a large body apart in a thread; how many wait is bounded by `bytes_held_max`."""
        return await trio.to_thread.run_sync(function, limiter=self._parsers)

    def _encoded(self, answer: Answer) -> bytes:
        data: bytes = answer.__pydantic_serializer__.to_json(answer)
        most = self._service.limits.answer_bytes_max
        if len(data) > most:
            raise TooLarge(f"The answer has {len(data)} bytes.", None, bytes=len(data), max=most)
        return data


def _request(given: Json) -> _Request:
    """Check the form of a request; raises `InvalidRequest`."""
    if not isinstance(given, dict):
        raise InvalidRequest
    if given.get("jsonrpc") != VERSION:
        raise InvalidRequest('`jsonrpc` is not "2.0".', None)
    method = given.get("method")
    if not isinstance(method, str):
        raise InvalidRequest("`method` is not a string.", None)
    if "id" in given and not _is_id(given["id"]):
        raise InvalidRequest("`id` is neither a short string, nor an integer, nor null.", None)
    unknown = [name for name in given if name not in ("jsonrpc", "id", "method", "params")]
    if unknown:
        raise InvalidRequest(f"Unknown field {said(unknown[0])}.", None)
    return _Request(given.get("id"), "id" not in given, method, given.get("params", {}))


def _params(method: Method, given: Json) -> Params:
    """Read parameters by name or in order; raises `InvalidParams`."""
    names = list(method.params.model_fields)
    if isinstance(given, list):
        if len(given) > len(names):
            takes = f"{method.name} takes ({', '.join(names)})"
            raise InvalidParams(f"{len(given)} parameters; {takes}.", path="params")
        given = dict(zip(names, given, strict=False))
    if not isinstance(given, dict):
        raise InvalidParams("`params` is neither an object nor an array.", path="params")
    try:
        return method.params.model_validate(given)
    except ValidationError as error:
        raise _invalid(error, names) from None


def _invalid(error: ValidationError, names: list[str]) -> InvalidParams:
    """Return the first fault with its path."""
    first: Any = error.errors(include_url=False, include_input=False)[0]
    path = "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in first["loc"])
    path = path.removeprefix(".")
    problem = str(first.get("ctx", {}).get("error", first["msg"]))
    advice = did_you_mean(path, names) if first["type"] == "extra_forbidden" else ""
    return InvalidParams(
        f"{path}: {problem}.",
        advice or None,
        path=path,
        problem=problem,
        faults=error.error_count(),
    )


def _failure(id_: str | int | None, error: ApiError | NotIncludableError | Reject) -> bytes:
    head = b'{"jsonrpc":"2.0","id":' + json.dumps(id_).encode()
    return head + b',"error":' + form_of(error).encode() + b"}"


def failure_of_body(error: ApiError) -> bytes:
    """Return the answer to a body that could not be taken apart into requests."""
    return _failure(None, error)


def _is_id(value: Json) -> bool:
    if isinstance(value, str):
        return len(value) <= ID_TEXT_MAX
    return value is None or (type(value) is int and abs(value) < ID_NUMBER_MAX)


def _id_of(given: Json) -> str | int | None:
    """Return the id of a request that may be wrong in itself."""
    found = given.get("id") if isinstance(given, dict) else None
    return found if _is_id(found) else None


def _refuse_constant(text: str) -> NoReturn:
    msg = f"{text} is no number here"
    raise ValueError(msg)
