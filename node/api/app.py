"""The application: JSON-RPC at POST / and on the WebSocket /ws.

Only bodies declared as JSON are read, and a page of another site gets no WebSocket: a browser that
its user has open can then not be made to talk to a node on the same machine.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import structlog
import trio
from fastapi import FastAPI, Request, Response, WebSocket
from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocketDisconnect

from node.api.dispatch import Client, Dispatcher, failure_of_body
from node.api.errors import ApiError, BodyTooSlow, TooLarge, TooManyRequests, WrongMediaType
from node.api.limits import ApiLimits
from node.api.openrpc import openrpc_document
from node.api.service import MS_PER_S, Service
from node.api.sockets import SocketSession, address_of
from node.api.table import METHODS
from node.backend import Backend

log = structlog.get_logger(__name__)

NS_PER_MS: Final = 1_000_000
JSON_TYPE: Final = "application/json"
# A close code of RFC 6455.
POLICY_VIOLATION: Final = 1008


def wall_clock_ms() -> int:
    """Return milliseconds since the epoch, UTC."""
    return time.time_ns() // NS_PER_MS


def make_app(
    backend: Backend,
    limits: ApiLimits | None = None,
    *,
    clock_ms: Callable[[], int] = wall_clock_ms,
) -> FastAPI:
    """Make the API of a node; `serve` serves it."""
    document = openrpc_document(METHODS.values())
    service = Service.over(backend, limits or ApiLimits(), clock_ms, document)
    endpoints = _Endpoints(service)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            await nursery.start(service.hub.run)
            yield
            nursery.cancel_scope.cancel()

    app = FastAPI(title="GridTokenX node", openapi_url=None, lifespan=lifespan)
    app.state.service = service
    # A plain route: FastAPI would read the source of the endpoint at the first request.
    app.add_route("/", endpoints.post, methods=["POST"])
    app.add_api_websocket_route("/ws", endpoints.socket)
    return app


def service_of(app: FastAPI) -> Service:
    """Return the service of an app that `make_app` made."""
    service = app.state.service
    assert isinstance(service, Service), "the app is of make_app"
    return service


class _Endpoints:
    """The two endpoints of one API."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._dispatcher = Dispatcher(service)

    async def post(self, request: Request) -> Response:
        client = Client(address_of(request))
        with self._service.held.account() as hold:
            try:
                self._service.charge(client.address, 1)
                body = await self._body(request, hold)
                answer = await self._dispatcher.answer(body, client, hold)
            except ApiError as error:
                return _refused(error)
            except ClientDisconnect:
                # Nobody is there to read what we say.
                return Response(status_code=400)
        if answer is None:
            return Response(status_code=204)
        return Response(answer, media_type=JSON_TYPE)

    async def socket(self, socket: WebSocket) -> None:
        if not _is_of_this_site(socket):
            await socket.close(POLICY_VIOLATION)
            return
        await socket.accept()
        try:
            async with trio.open_nursery() as nursery:
                session = SocketSession(self._service, self._dispatcher, socket, nursery)
                try:
                    nursery.start_soon(session.close_with_the_node)
                    await session.run()
                finally:
                    session.forget()
                nursery.cancel_scope.cancel()
        except* WebSocketDisconnect:
            log.debug("websocket_gone", client=address_of(socket))

    async def _body(self, request: Request, hold: Callable[[int], None]) -> bytes:
        """Read a body within its limits; raises `ApiError`."""
        limits = self._service.limits
        if request.headers.get("content-type", "").partition(";")[0].strip() != JSON_TYPE:
            raise WrongMediaType
        most = limits.body_bytes_max
        announced = request.headers.get("content-length", "0")
        if int(announced) > most:
            raise TooLarge(f"The body is larger than {most} bytes.", None, max=most)
        chunks: list[bytes] = []
        size = 0
        with trio.move_on_after(limits.body_timeout_s) as scope:
            async with aclosing(_stream_of(request)) as stream:
                async for chunk in stream:
                    size += len(chunk)
                    if size > most:
                        raise TooLarge(f"The body is larger than {most} bytes.", None, max=most)
                    hold(len(chunk))
                    chunks.append(chunk)
        if scope.cancelled_caught:
            raise BodyTooSlow(received=size, timeout_ms=int(limits.body_timeout_s * MS_PER_S))
        return b"".join(chunks)


def _stream_of(request: Request) -> AsyncGenerator[bytes, None]:
    stream = request.stream()
    assert isinstance(stream, AsyncGenerator), "Starlette gives bodies by a generator"
    return stream


def _refused(error: ApiError) -> Response:
    headers = {}
    if isinstance(error, TooManyRequests):
        wait_ms = error.form.values["retry_after_ms"]
        headers["Retry-After"] = str(-(-wait_ms // MS_PER_S))
    return Response(
        failure_of_body(error),
        status_code=error.http_status,
        media_type=JSON_TYPE,
        headers=headers,
    )


def _is_of_this_site(socket: WebSocket) -> bool:
    """Say whether no page, or one that this host served itself, opens the WebSocket."""
    origin = socket.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == socket.headers.get("host")
