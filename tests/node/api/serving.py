"""A real server on loopback around a node, and a client that speaks plain JSON-RPC to it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import trio
from fastapi import FastAPI
from trio_websocket import WebSocketConnection, wrap_client_stream

from node.api import ApiLimits, make_app, serve
from tests.node.api.backend import ChainBackend

TIMEOUT_S = 30


class RpcFailure(Exception):
    """The error object of an answer."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error)
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.name: str = error["data"]["name"]
        self.refusal_code: int | None = error["data"]["code"]
        self.values: dict[str, Any] = error["data"]["values"]
        self.hint: str = error["data"]["hint"]


@dataclass
class Client:
    """What speaks to an API."""

    url: str
    http: httpx.AsyncClient

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def call(self, method: str, /, **params: Any) -> Any:  # noqa: ANN401
        return result_of(await self.json({"method": method, "params": params}))

    async def json(self, request: dict[str, Any] | list[dict[str, Any]]) -> Any:  # noqa: ANN401
        """Send a request, or a batch of them, completed by version and id."""
        head = {"jsonrpc": "2.0", "id": 1}
        body = [head | one for one in request] if isinstance(request, list) else head | request
        return (await self.post(json.dumps(body).encode())).json()

    async def post(self, body: bytes, **headers: str) -> httpx.Response:
        kind = {"content-type": "application/json"} | headers
        return await self.http.post(self.url, content=body, headers=kind)

    async def has_subscriptions(self, count: int) -> None:
        """Return once the API counts so many subscriptions; nothing but asking tells."""
        while (await self.call("node_health"))["subscriptions"] != count:  # noqa: ASYNC110
            await trio.sleep(0.01)

    async def stream(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)

    @asynccontextmanager
    async def websocket(self) -> AsyncIterator["Socket"]:
        # On a stream of our own: the library leaves its own open where the node cuts it off.
        async with await self.stream() as stream, trio.open_nursery() as nursery:
            connection = await wrap_client_stream(nursery, stream, "127.0.0.1", "/ws")
            yield Socket(connection)
            await connection.aclose()


@dataclass
class Served(Client):
    """An API over a chain in this process."""

    app: FastAPI
    backend: ChainBackend
    shutdown: trio.Event


@dataclass
class Socket:
    """A WebSocket client."""

    connection: WebSocketConnection

    async def send(self, method: str, /, id_: int | None = 1, **params: Any) -> None:  # noqa: ANN401
        request = {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}
        await self.connection.send_message(json.dumps(request))

    async def receive(self) -> Any:  # noqa: ANN401
        return json.loads(await self.connection.get_message())

    async def call(self, method: str, /, **params: Any) -> Any:  # noqa: ANN401
        """Call, where nothing but the answer can come next."""
        await self.send(method, **params)
        return result_of(await self.receive())


def result_of(answer: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return the result of an answer; raises `RpcFailure`."""
    assert answer["jsonrpc"] == "2.0"
    if "error" in answer:
        assert "result" not in answer
        raise RpcFailure(answer["error"])
    return answer["result"]


@asynccontextmanager
async def serving(
    backend: ChainBackend | None = None, limits: ApiLimits | None = None, *, now_ms: int = 0
) -> AsyncIterator[Served]:
    """Serve an API for the length of a block; everything in it must end within `TIMEOUT_S`."""
    backend = backend or ChainBackend()
    app = make_app(backend, limits, clock_ms=lambda: now_ms)
    shutdown = trio.Event()
    async with serving_app(app, shutdown) as client:
        yield Served(client.url, client.http, app, backend, shutdown)


@asynccontextmanager
async def serving_app(app: FastAPI, shutdown: trio.Event) -> AsyncIterator[Client]:
    """Serve an app for the length of a block, which must end within `TIMEOUT_S`."""
    with trio.fail_after(TIMEOUT_S):
        async with trio.open_nursery() as nursery, httpx.AsyncClient(timeout=TIMEOUT_S) as http:
            (url,) = await nursery.start(serve, app, "127.0.0.1", 0, shutdown)
            try:
                yield Client(url, http)
            finally:
                shutdown.set()
