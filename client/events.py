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

import trio_websocket as ws

from client.rpc import Json, NodeUnreachableError, RpcError

MESSAGE_BYTES_MAX: Final = 64 * 2**20
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
    url: str, *, cursor: str = FROM_GENESIS, contract: str | None = None
) -> AsyncIterator[AsyncGenerator[BlockEvents, None]]:
    """Subscribe to a node from a cursor on; raises `NodeUnreachableError` or `RpcError`."""
    parts = urlsplit(url)
    address = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}/ws"
    params: dict[str, Json] = {"cursor": cursor, "every_block": True}
    if contract is not None:
        params["contract"] = contract
    try:
        async with ws.open_websocket_url(address, max_message_size=MESSAGE_BYTES_MAX) as socket:
            await socket.send_message(
                json.dumps(
                    {"jsonrpc": "2.0", "id": 1, "method": "events_subscribe", "params": params}
                )
            )
            generator = _blocks(socket, cursor)
            try:
                yield generator
            finally:
                await generator.aclose()
    except (ws.HandshakeError, OSError) as error:
        raise NodeUnreachableError(url, str(error) or type(error).__name__) from error


async def _blocks(socket: ws.WebSocketConnection, cursor: str) -> AsyncGenerator[BlockEvents, None]:
    while True:
        try:
            message = json.loads(await socket.get_message())
        except ws.ConnectionClosed as error:
            raise FollowError("the connection closed", cursor) from error
        if "error" in message:
            raise RpcError(message["error"])
        if "params" not in message:
            continue
        told = message["params"]
        if told["ended"] is not None:
            raise FollowError(str(told["ended"].get("message")), told["cursor"])
        cursor = told["cursor"]
        yield BlockEvents(told["height"], told["events"], cursor)
