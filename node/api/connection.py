"""One client's connection: hypercorn's HTTP/1.1 and WebSocket protocols over a trio stream.

Hypercorn's protocol classes do no I/O of their own; here is what moves their bytes. Its own server
for trio (0.18) is not used, for what a client can do to it: one that does not read holds a shielded
send, and with it the end of the process, for ever; one that sends a long body to an application
that has answered fills a queue that nobody empties; clear-text HTTP/2 comes in unasked.

- A connection that is idle, or that has not said a whole head, lives for `idle_timeout_s`.
- A send must end within `send_timeout_s` plus its size by `send_bytes_per_s_min`; else the client
  is cut off.
- What the application does not want to read any more is thrown away.
- Before closing, what the client still sends is read for `linger_s`: a reset would take the answer
  from it.
- WebSockets without compression: 64 KiB received would be 64 MiB to unpack.
"""

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import h11
import structlog
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.ws_stream import WSStream
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from node.api.limits import ApiLimits

log = structlog.get_logger(__name__)

RECEIVE_BYTES: Final = 2**16

AsgiMessage = dict[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]


class _Protocol(H11Protocol):
    """HTTP/1.1, and WebSockets without extensions; nothing is upgraded to HTTP/2."""

    async def _check_protocol(self, event: h11.Request) -> None:
        """Keep to HTTP/1.1 whatever the client would rather speak."""

    async def _create_stream(self, request: h11.Request) -> None:
        headers = [pair for pair in request.headers if pair[0] != b"sec-websocket-extensions"]
        await super()._create_stream(
            h11.Request(
                method=request.method,
                target=request.target,
                headers=headers,
                http_version=request.http_version,
            )
        )


class Connection:
    """One TCP connection, from its first byte to its end."""

    def __init__(
        self,
        app: App,
        config: Config,
        context: WorkerContext,
        limits: ApiLimits,
        stream: trio.SocketStream,
    ) -> None:
        """Serve `app` to the client at the other end of `stream`."""
        self._app = app
        self._config = config
        self._context = context
        self._limits = limits
        self._stream = stream
        self._sending = trio.Lock()
        self._is_gone = False
        self._is_idle = True
        self._deadline = trio.current_time() + limits.idle_timeout_s
        self._reading: trio.CancelScope | None = None
        self._helpers: list[trio.CancelScope] = []
        self._nursery: trio.Nursery

    async def run(self) -> None:
        """Serve until either side is done; whatever goes wrong here ends this connection alone."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                socket = self._stream.socket
                protocol = _Protocol(
                    self._app,  # type: ignore[arg-type]  # given back to `spawn_app` as it is
                    self._config,
                    self._context,
                    self,  # type: ignore[arg-type]  # what the protocol needs of a task group
                    ConnectionState({}),
                    False,
                    _named(socket.getpeername()),
                    _named(socket.getsockname()),
                    self._handle,
                )
                await self._read(protocol)
                for helper in self._helpers:
                    helper.cancel()
        except OSError:
            log.debug("connection_lost")
        except Exception:
            log.exception("connection_failed")
        finally:
            await trio.aclose_forcefully(self._stream)

    def stop(self) -> None:
        """End an idle connection now, and any other after its answer."""
        if self._is_idle:
            self._set_deadline(-math.inf)

    async def spawn_app(
        self,
        app: App,
        _: Config,
        scope: Any,  # noqa: ANN401 - of ASGI
        send: Callable[[Any], Awaitable[None]],
    ) -> Callable[[AsgiMessage], Awaitable[None]]:
        """Start the application on a request; returns what hands it the client's messages."""
        give, take = trio.open_memory_channel[AsgiMessage](self._config.max_app_queue_size)
        self._nursery.start_soon(self._run_app, app, scope, take, send)

        async def deliver(message: AsgiMessage) -> None:
            # An application that has answered reads no more; the rest of the body is its client's.
            with suppress(trio.BrokenResourceError):
                await give.send(message)

        return deliver

    def spawn(self, function: Callable[..., Awaitable[None]], *arguments: Any) -> None:  # noqa: ANN401
        """Start a task of the protocol, the pings of a WebSocket; it ends with the reading."""
        self._nursery.start_soon(self._run_helper, function, arguments)

    async def _run_helper(
        self, function: Callable[..., Awaitable[None]], arguments: tuple[Any, ...]
    ) -> None:
        with trio.CancelScope() as scope:
            self._helpers.append(scope)
            await function(*arguments)

    async def _run_app(
        self,
        app: App,
        scope: Any,  # noqa: ANN401 - of ASGI
        take: trio.MemoryReceiveChannel[AsgiMessage],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        async def send_if_there(message: AsgiMessage) -> None:
            if self._is_gone:
                raise ConnectionResetError
            await send(message)

        try:
            with take:
                await app(scope, take.receive, send_if_there)
        except OSError:
            log.debug("client_gone")
        except Exception:
            log.exception("app_failed")
        await send(None)

    async def _read(self, protocol: _Protocol) -> None:
        """Read until the client is done or too slow, handing all to the protocol."""
        while data := await self._receive():
            await protocol.handle(RawData(data))
            stream = protocol.stream
            if isinstance(stream, WSStream) and stream.buffer.length > stream.buffer.max_length:
                # The protocol has said that the message is too long, but would go on collecting it.
                break
        self._is_gone = True
        await protocol.handle(Closed())

    async def _receive(self) -> bytes:
        """Return what comes next; nothing at the end, or when the time is over."""
        is_lost = suppress(trio.BrokenResourceError, trio.ClosedResourceError)
        with trio.CancelScope(deadline=self._deadline) as self._reading, is_lost:
            return bytes(await self._stream.receive_some(RECEIVE_BYTES))
        return b""

    async def _handle(self, event: Event) -> None:
        """Do what the protocol asks for."""
        match event:
            case RawData():
                await self._send(event.data)
            case Updated():
                self._is_idle = event.idle
                is_over = event.idle and self._context.terminated.is_set()
                wait_s = -math.inf if is_over else self._limits.idle_timeout_s
                self._set_deadline(trio.current_time() + wait_s if event.idle else math.inf)
            case Closed():
                await self._linger()

    async def _send(self, data: bytes) -> None:
        time_s = self._limits.send_timeout_s + len(data) / self._limits.send_bytes_per_s_min
        async with self._sending:
            if self._is_gone:
                return
            with trio.move_on_after(time_s) as scope:
                try:
                    await self._stream.send_all(data)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    self._cut_off()
            if scope.cancelled_caught:
                log.info("client_too_slow", bytes=len(data))
                self._cut_off()

    async def _linger(self) -> None:
        """Say that nothing more is sent; the reader goes on for a while."""
        async with self._sending:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._stream.send_eof()
        self._set_deadline(min(self._deadline, trio.current_time() + self._limits.linger_s))

    def _cut_off(self) -> None:
        self._is_gone = True
        self._set_deadline(-math.inf)

    def _set_deadline(self, deadline: float) -> None:
        self._deadline = deadline
        if self._reading is not None:
            self._reading.deadline = deadline


def _named(address: Any) -> tuple[str, int]:  # noqa: ANN401 - as the system gives it
    return str(address[0]), int(address[1])
