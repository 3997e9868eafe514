"""A chain's events as they happen, over a node's WebSocket, from any place on.

    async with follow(url, cursor="1.0.0") as blocks:
        async for block in blocks:
            ...

Every block comes, whether it has events or not, in order and once. A block with many events comes
in several parts; `is_last` marks the part that completes it. If the node ends the subscription, or
goes away, `FollowError` carries the cursor from which to go on.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import trio
import trio_websocket as ws

from client.rpc import Json, NodeUnreachableError, RpcError

MESSAGE_BYTES_MAX: Final = 64 * 2**20
OPEN_TIMEOUT_S: Final = 30
CLOSE_TIMEOUT_S: Final = 5
FROM_GENESIS: Final = "0.0.0"


class FollowError(Exception):
    """The subscription ended; `cursor` is the place from which to go on."""

    def __init__(self, why: str, cursor: str) -> None:
        """Keep both."""
        super().__init__(f"the node's events ended at {cursor}: {why}")
        self.cursor = cursor


@dataclass(frozen=True, slots=True)
class BlockEvents:
    """Events of one block in order, as the node shows them, and the cursor after them."""

    height: int
    events: list[dict[str, Any]]
    cursor: str

    @property
    def is_last(self) -> bool:
        """Say whether the block has no further part."""
        return int(self.cursor.partition(".")[0]) > self.height


@asynccontextmanager
async def follow(
    url: str, *, cursor: str = FROM_GENESIS
) -> AsyncIterator[AsyncGenerator[BlockEvents, None]]:
    """Subscribe to a node from a cursor on; raises `NodeUnreachableError`.

    Its blocks raise `RpcError` where the node refuses, and `FollowError`.
    """
    failure: Exception | None = None
    try:
        # On a stream of our own: the library leaves its own open where the node hangs up.
        async with await _stream_to(url) as stream, trio.open_nursery() as nursery:
            socket = await _subscribed(nursery, stream, url, cursor)
            generator = _blocks(socket, cursor)
            try:
                yield generator
            except Exception as error:  # noqa: BLE001 - raised below, where no nursery wraps it
                failure = error
            await generator.aclose()
            with trio.move_on_after(CLOSE_TIMEOUT_S):
                await socket.aclose()
            nursery.cancel_scope.cancel()
    except* (ws.HandshakeError, ws.ConnectionClosed, trio.TooSlowError, OSError) as group:
        (first, *_) = group.exceptions
        failure = NodeUnreachableError(url, str(first) or type(first).__name__)
    if failure is not None:
        raise failure


async def _stream_to(url: str) -> trio.SocketStream | trio.SSLStream:
    parts = urlsplit(url)
    host = parts.hostname or ""
    with trio.fail_after(OPEN_TIMEOUT_S):
        if parts.scheme == "https":
            return await trio.open_ssl_over_tcp_stream(host, parts.port or 443)
        return await trio.open_tcp_stream(host, parts.port or 80)


async def _subscribed(
    nursery: trio.Nursery,
    stream: trio.SocketStream | trio.SSLStream,
    url: str,
    cursor: str,
) -> ws.WebSocketConnection:
    params: dict[str, Json] = {"cursor": cursor, "every_block": True}
    call = {"jsonrpc": "2.0", "id": 1, "method": "events_subscribe", "params": params}
    with trio.fail_after(OPEN_TIMEOUT_S):
        socket = await ws.wrap_client_stream(
            nursery, stream, urlsplit(url).netloc, "/ws", max_message_size=MESSAGE_BYTES_MAX
        )
        await socket.send_message(json.dumps(call))
    return socket


async def _blocks(socket: ws.WebSocketConnection, cursor: str) -> AsyncGenerator[BlockEvents, None]:
    while True:
        try:
            part = _part_of(await socket.get_message())
        except ws.ConnectionClosed as error:
            raise FollowError("the connection closed", cursor) from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise FollowError(f"a message cannot be read: {error!r}", cursor) from error
        if part is not None:
            cursor = part.cursor
            yield part


def _part_of(text: str | bytes) -> BlockEvents | None:
    """Read a message, which a node may have made up; None for the answer to the subscription.

    Raises `RpcError`, `FollowError`, or what reading it raised.
    """
    message = json.loads(text)
    if not isinstance(message, dict):
        msg = "it is no object"
        raise TypeError(msg)
    if "error" in message:
        raise RpcError(message["error"])
    if "params" not in message:
        return None
    told = message["params"]
    height, events, cursor = int(told["height"]), list(told["events"]), str(told["cursor"])
    if told["ended"] is not None:
        raise FollowError(str(told["ended"]["message"]), cursor)
    part = BlockEvents(height, events, cursor)
    if not part.is_last and not cursor.startswith(f"{height}."):
        msg = f"the cursor {cursor} is not of block {height}"
        raise ValueError(msg)
    return part
