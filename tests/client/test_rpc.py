"""A client of the API, and nodes that answer as none should: each is named, nothing is believed."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
import trio
import trio_websocket as ws

from client import rpc as rpc_module
from client.events import FollowError, follow
from client.groups import leaves
from client.rpc import NodeUnreachableError, Rpc, RpcError


@asynccontextmanager
async def answering(body: bytes) -> AsyncIterator[str]:
    """Serve one HTTP answer to whoever asks; yields the address."""

    async def handle(stream: trio.SocketStream) -> None:
        await stream.receive_some(65_536)
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        try:
            await stream.send_all(head.encode() + body)
        except trio.BrokenResourceError:
            return  # The client has seen enough.

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def ask(body: bytes) -> Any:  # noqa: ANN401
    failure: RpcError | NodeUnreachableError | None = None
    async with answering(body) as url, Rpc(url) as rpc:
        try:
            return await rpc.call("chain_status")
        except (RpcError, NodeUnreachableError) as error:
            failure = error
    raise failure


async def test_a_result_is_returned() -> None:
    assert await ask(b'{"jsonrpc":"2.0","id":1,"result":{"height":7}}') == {"height": 7}


async def test_an_error_has_its_name_values_and_hint() -> None:
    data = {"name": "LowNonce", "code": 7, "values": {"expected": 3}, "hint": "ask for the nonce"}
    error = {"code": -32000, "message": "The nonce is used.", "data": data}
    with pytest.raises(RpcError) as caught:
        await ask(json.dumps({"jsonrpc": "2.0", "id": 1, "error": error}).encode())
    told = caught.value
    assert (told.name, told.code, told.hint) == ("LowNonce", 7, "ask for the nonce")
    assert str(told) == "LowNonce: The nonce is used. (expected 3)"


@pytest.mark.parametrize("error", [None, 5, "no", [], {}, {"data": None}, {"data": {"values": 7}}])
async def test_an_error_without_its_parts_is_still_one(error: object) -> None:
    with pytest.raises(RpcError, match="Unknown: the node gave no reason"):
        await ask(json.dumps({"jsonrpc": "2.0", "id": 1, "error": error}).encode())


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"7", b"null", b"{}", b"\xff\xfe", b"[" * 100_000]
)
async def test_what_is_no_answer_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(NodeUnreachableError, match="no node answers at http"):
        await ask(body)


async def test_an_answer_that_only_drips_ends_in_time() -> None:
    async def drip(stream: trio.SocketStream) -> None:
        await stream.receive_some(65_536)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        with suppress(trio.BrokenResourceError):  # The client has given up.
            while True:
                await stream.send_all(b" ")
                await trio.sleep(0.01)

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, drip, 0, host="127.0.0.1"))
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        async with Rpc(url, timeout_s=0.1) as rpc:
            with (
                trio.fail_after(10),
                pytest.raises(
                    NodeUnreachableError, match=r"no whole answer to chain_status within 0\.1 s"
                ),
            ):
                await rpc.call("chain_status")
        nursery.cancel_scope.cancel()


# The HTTP library leaves its own generators to the collector where an answer is not read out.
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
async def test_an_answer_beyond_the_limit_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_module, "ANSWER_BYTES_MAX", 1_000)
    with pytest.raises(NodeUnreachableError, match="larger than 1000 bytes"):
        await ask(b'{"result":"' + b"a" * 2_000 + b'"}')


async def test_nobody_at_the_address_is_named() -> None:
    async with Rpc("http://127.0.0.1:9") as rpc:
        with pytest.raises(NodeUnreachableError, match=r"127\.0\.0\.1:9"):
            await rpc.call("chain_status")


# Events


async def followed(*messages: str, stays: bool) -> list[int]:
    """Return the heights that a node's messages tell of; then it stays silent, or hangs up."""

    async def handle(request: ws.WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.get_message()
        for message in messages:
            await connection.send_message(message)
        if stays:
            with pytest.raises(ws.ConnectionClosed):
                await connection.get_message()

    heights: list[int] = []
    async with trio.open_nursery() as nursery:
        server = await nursery.start(ws.serve_websocket, handle, "127.0.0.1", 0, None)
        try:
            async with follow(f"http://127.0.0.1:{server.port}") as blocks:
                async for part in blocks:
                    heights.append(part.height)  # noqa: PERF401 - it ends by an exception
        finally:
            nursery.cancel_scope.cancel()
    return heights


def notification(**more: object) -> str:
    params = {"subscription": 1, "height": 4, "events": [], "cursor": "5.0.0", "ended": None}
    return json.dumps({"jsonrpc": "2.0", "method": "events_notification", "params": params | more})


async def follow_error(*messages: str, stays: bool = True) -> FollowError:
    """Return how following such a node ends."""
    with pytest.RaisesGroup(FollowError, flatten_subgroups=True, allow_unwrapped=True) as caught:
        await followed(*messages, stays=stays)
    (found,) = leaves(caught.value)
    assert isinstance(found, FollowError)
    return found


async def test_a_node_that_hangs_up_leaves_the_cursor_to_go_on_from() -> None:
    assert (await follow_error(notification(), stays=False)).cursor == "5.0.0"
    assert (await follow_error(stays=False)).cursor == "0.0.0"


async def test_a_subscription_that_the_node_ends_says_why() -> None:
    ended = notification(ended={"message": "too slow"}, cursor="4.0.0")
    error = await follow_error(ended)
    assert error.cursor == "4.0.0"
    assert "too slow" in str(error)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "[]",
        "7",
        '{"params": {}}',
        notification(height="x"),
        notification(cursor=""),
        notification(cursor="3.0.0"),
        notification(events=7),
        notification(ended=7),
    ],
)
async def test_a_message_that_cannot_be_read_ends_it_where_it_was(message: str) -> None:
    error = await follow_error(notification(), message)
    assert (error.cursor, "cannot be read" in str(error)) == ("5.0.0", True)
