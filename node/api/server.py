"""The server: listens, counts connections, and stops when it is told to."""

from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
import trio
from fastapi import FastAPI
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext

from node.api.app import service_of
from node.api.connection import Connection
from node.api.dispatch import failure_of_body
from node.api.errors import Busy
from node.api.service import Service

if TYPE_CHECKING:
    # libp2p brings trio-typing, whose stubs take the place of trio's own types.
    from trio_typing import TaskStatus

log = structlog.get_logger(__name__)

BACKLOG: Final = 256
REFUSALS_AT_ONCE_MAX: Final = 64
REFUSAL_TIME_S: Final = 1.0
DISCARD_BYTES: Final = 2**16


async def serve(
    app: FastAPI,
    host: str,
    port: int,
    shutdown: trio.Event,
    task_status: "TaskStatus[list[str]]" = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve an app of `make_app` until `shutdown`; starts with the URLs it listens on.

    Requests under way then have `graceful_s` to end; WebSockets are told that the node stops. Port
    0 takes a free one. Raises `OSError` if it cannot listen.
    """
    service = service_of(app)
    server = _Server(app, service)
    listeners = await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG)
    async with app.router.lifespan_context(app), trio.open_nursery() as connections:
        async with trio.open_nursery() as accepting:
            accept = partial(
                trio.serve_listeners, server.handle, listeners, handler_nursery=connections
            )
            accepting.start_soon(accept)
            task_status.started([_url(listener) for listener in listeners])
            await shutdown.wait()
            accepting.cancel_scope.cancel()
        await server.stop()
        connections.cancel_scope.deadline = trio.current_time() + service.limits.graceful_s


class _Server:
    """The connections of one server."""

    def __init__(self, app: FastAPI, service: Service) -> None:
        self._app = app
        self._service = service
        self._limits = service.limits
        self._context = WorkerContext(None)
        self._config = Config()
        self._config.errorlog = None
        self._config.include_server_header = False
        self._config.max_app_queue_size = service.limits.messages_waiting_max
        self._config.websocket_max_message_size = service.limits.message_bytes_max
        self._config.websocket_ping_interval = service.limits.ping_interval_s
        self._open: dict[int, Connection] = {}
        self._refusing = 0

    async def handle(self, stream: trio.SocketStream) -> None:
        """Serve one connection, or say that there are too many."""
        if len(self._open) >= self._limits.connections_max:
            await self._refuse(stream)
            return
        connection = Connection(self._app, self._config, self._context, self._limits, stream)
        self._open[id(connection)] = connection
        try:
            await connection.run()
        finally:
            del self._open[id(connection)]

    async def stop(self) -> None:
        """Let no connection begin anything new."""
        await self._context.terminated.set()
        self._service.closing.set()
        for connection in list(self._open.values()):
            connection.stop()

    async def _refuse(self, stream: trio.SocketStream) -> None:
        """Answer a connection beyond the limit, so that its client knows why."""
        log.warning("connection_refused", open=len(self._open))
        body = failure_of_body(Busy(what="connections", max=self._limits.connections_max))
        head = (
            "HTTP/1.1 503 Service Unavailable\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        async with stream:
            if self._refusing >= REFUSALS_AT_ONCE_MAX:
                return
            self._refusing += 1
            try:
                with trio.move_on_after(REFUSAL_TIME_S):
                    await _answer_and_drain(stream, head.encode("ascii") + body)
            finally:
                self._refusing -= 1


async def _answer_and_drain(stream: trio.SocketStream, answer: bytes) -> None:
    try:
        await stream.send_all(answer)
        await stream.send_eof()
        while await stream.receive_some(DISCARD_BYTES):
            continue
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        log.debug("connection_lost")


def _url(listener: trio.SocketListener) -> str:
    host, port = listener.socket.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
