"""Subscriptions and requests on WebSockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed

from chain.bech32 import encode_address
from chain.store import StoredBlock
from node.api import ApiLimits
from tests.node.api.backend import ChainBackend
from tests.node.api.serving import RpcFailure, Served, Socket, serving
from tests.node.api.test_chain_methods import fill
from tests.support.people import account_of

BOB = encode_address(account_of("bob"))


async def submit(served: Served, sender: str, nonce: int) -> None:
    raw = served.backend.chain.transfer(sender, nonce).signed.raw
    await served.call("tx_submit", transaction=raw.hex())


async def notified(socket: Socket) -> dict[str, Any]:
    message = await socket.receive()
    assert message["method"] == "events_notification"
    assert "id" not in message
    params: dict[str, Any] = message["params"]
    return params


async def test_every_method_is_there_on_a_websocket_and_answers_in_order() -> None:
    async with serving() as served, served.websocket() as socket:
        for id_ in range(5):
            await socket.send("chain_status", id_)
        assert [(await socket.receive())["id"] for _ in range(5)] == list(range(5))
        with pytest.raises(RpcFailure, match="no method"):
            await socket.call("chain_stat")
        await socket.connection.send_message("{")
        assert (await socket.receive())["error"]["code"] == -32700
        await socket.connection.send_message(b'{"jsonrpc":"2.0","id":7,"method":"node_health"}')
        assert (await socket.receive())["id"] == 7


async def test_a_subscription_gets_each_blocks_events_that_match() -> None:
    async with serving() as served, served.websocket() as socket:
        number = (await socket.call("events_subscribe", event="CreditTransferred"))["subscription"]
        await submit(served, "alice", 0)
        await submit(served, "alice", 1)
        served.backend.commit()
        served.backend.commit()
        await submit(served, "carol", 0)
        served.backend.commit()
        first, second = await notified(socket), await notified(socket)
        assert (first["subscription"], first["height"], len(first["events"])) == (number, 1, 2)
        assert (second["height"], second["cursor"]) == (3, "4.0.0")
        searched = await served.call("events_query", event="CreditTransferred")
        assert first["events"] + second["events"] == searched["events"]


async def test_a_subscription_goes_on_from_a_cursor_without_gap_or_repetition() -> None:
    async with serving() as served:
        for _ in range(3):
            await fill(served, 2)
        searched = (await served.call("events_query", owner=BOB))["events"]
        page = await served.call("events_query", owner=BOB, limit=3)
        async with served.websocket() as socket:
            await socket.send("events_subscribe", owner=BOB, cursor=page["cursor"])
            assert "result" in await socket.receive()
            found = page["events"]
            while len(found) < len(searched):
                found += (await notified(socket))["events"]
            assert found == searched
            await fill(served, 1)
            assert (await notified(socket))["height"] == 4


async def test_blocks_without_a_match_are_told_if_wanted() -> None:
    async with serving() as served, served.websocket() as socket:
        await socket.call("events_subscribe", contract="nrg", every_block=True)
        for height in (1, 2):
            served.backend.commit()
            one = await notified(socket)
            assert (one["height"], one["events"]) == (height, [])
            assert one["cursor"] == f"{height + 1}.0.0"


async def test_nothing_is_missed_when_the_node_cuts_the_hub_off() -> None:
    async with serving() as served, served.websocket() as socket:
        await socket.call("events_subscribe", every_block=True)
        served.backend.cut_off()
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(3):
            served.backend.commit()
        assert [(await notified(socket))["height"] for _ in range(3)] == [1, 2, 3]


class LateListener(ChainBackend):
    """A node that commits a block just before somebody begins to listen."""

    async def blocks(self) -> AsyncIterator[StoredBlock]:
        self.commit()
        async for block in super().blocks():
            yield block


async def test_a_block_just_before_the_hub_listens_is_not_missed() -> None:
    async with serving(LateListener()) as served, served.websocket() as socket:
        await socket.call("events_subscribe", cursor="1.0.0", every_block=True)
        assert (await notified(socket))["height"] == 1


async def test_a_subscription_ends_when_it_is_told_to() -> None:
    async with serving() as served, served.websocket() as socket:
        one = await socket.call("events_subscribe", every_block=True)
        served.backend.commit()
        await notified(socket)
        assert await socket.call("events_unsubscribe", **one) == one
        served.backend.commit()
        # Had it sent anything, that would come before this answer.
        assert (await socket.call("node_health"))["subscriptions"] == 0
        with pytest.raises(RpcFailure) as caught:
            await socket.call("events_unsubscribe", **one)
        assert caught.value.name == "NotFound"


async def test_nobody_ends_the_subscription_of_another() -> None:
    async with serving() as served, served.websocket() as one, served.websocket() as other:
        mine = await one.call("events_subscribe")
        with pytest.raises(RpcFailure, match="no such subscription"):
            await other.call("events_unsubscribe", **mine)
        assert (await one.call("node_health"))["subscriptions"] == 1


async def test_subscriptions_end_with_their_websocket() -> None:
    async with serving() as served:
        async with served.websocket() as socket:
            for _ in range(3):
                await socket.call("events_subscribe")
        await served.has_subscriptions(0)


@pytest.mark.parametrize("method", ["events_subscribe", "events_unsubscribe"])
async def test_subscriptions_need_a_websocket(method: str) -> None:
    async with serving() as served:
        with pytest.raises(RpcFailure) as caught:
            await served.call(method)
        assert (caught.value.name, caught.value.hint) == ("NeedsWebSocket", "Connect to /ws.")


async def test_subscriptions_are_limited_for_one_websocket_and_for_all() -> None:
    limits = ApiLimits(subscriptions_max=3, connection_subscriptions_max=2)
    async with serving(limits=limits) as served, served.websocket() as one:
        await one.call("events_subscribe")
        await one.call("events_subscribe")
        with pytest.raises(RpcFailure, match="as one may"):
            await one.call("events_subscribe")
        async with served.websocket() as other:
            await other.call("events_subscribe")
            with pytest.raises(RpcFailure, match="as it allows"):
                await other.call("events_subscribe")
        await served.has_subscriptions(2)
        async with served.websocket() as other:
            await other.call("events_subscribe")


async def test_a_subscriber_that_falls_behind_is_told_where_to_go_on() -> None:
    limits = ApiLimits(subscription_lag_blocks_max=3)
    async with serving(limits=limits) as served, served.websocket() as socket:
        await socket.call("events_subscribe", event="CreditTransferred", every_block=True)
        served.backend.commit()
        assert (await notified(socket))["ended"] is None
        # Blocks that come faster than anybody can be told of them.
        for nonce in range(8):
            raw = served.backend.chain.transfer("alice", nonce).signed.raw
            await served.backend.submit([raw])
            served.backend.commit()
        last = await notified(socket)
        while last["ended"] is None:
            last = await notified(socket)
        assert last["ended"]["data"]["name"] == "SlowSubscriber"
        wanted = {"event": "CreditTransferred", "cursor": last["cursor"]}
        again = await socket.call("events_subscribe", **wanted)
        heights = set()
        while 9 not in heights:
            one = await notified(socket)
            assert one["subscription"] == again["subscription"]
            heights.add(one["height"])
        assert (await socket.call("node_health"))["subscriptions"] == 1


async def test_a_subscriber_that_does_not_read_is_cut_off() -> None:
    limits = ApiLimits(send_timeout_s=0.2)
    async with serving(limits=limits) as served, handshaken(served) as stream:
        await stream.send_all(text_frame(request("events_subscribe")))
        await served.has_subscriptions(1)
        # Answers that it never reads fill what the system holds for it.
        for _ in range(300):
            await stream.send_all(text_frame(request("rpc_discover")))
        await served.has_subscriptions(0)


async def test_a_page_of_another_site_gets_no_websocket() -> None:
    async with serving() as served:
        for origin, status in (
            ("https://evil.example", 403),
            ("null", 403),
            (served.url, 101),
        ):
            async with await served.stream() as stream:
                head = await handshake(stream, f"127.0.0.1:{served.port}", f"Origin: {origin}\r\n")
                assert head.startswith(f"HTTP/1.1 {status} ".encode())


async def test_a_message_beyond_the_limit_closes_the_websocket() -> None:
    async with serving(limits=ApiLimits(message_bytes_max=1_000)) as served:
        async with served.websocket() as socket:
            await socket.connection.send_message("x" * 5_000)
            with pytest.raises(ConnectionClosed) as caught:
                await socket.receive()
            assert caught.value.reason is not None
            assert caught.value.reason.code == 1009
        # One that goes on sending without a look is cut off.
        async with handshaken(served) as stream:
            with pytest.raises(trio.BrokenResourceError):
                await send_without_end(stream)


async def test_messages_are_never_compressed() -> None:
    async with serving() as served:
        offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
        async with handshaken(served, offer) as stream:
            await stream.send_all(text_frame(request("node_health")))
            answer = b""
            while b'"height":0' not in answer:
                answer += await stream.receive_some()
            ping, text = b"\x89\x00", b"\x81"
            assert answer.removeprefix(ping)[:1] == text


async def handshake(stream: trio.SocketStream, host: str, extra: str) -> bytes:
    """Ask for a WebSocket by hand; returns the head of the answer."""
    await stream.send_all(
        f"GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"{extra}\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await stream.receive_some(1)
    return head


async def send_without_end(stream: trio.SocketStream) -> None:
    """Send the parts of a message for as long as the node lets us."""
    for _ in range(1_000):
        await stream.send_all(text_frame("y" * 60_000, is_last=False))


@asynccontextmanager
async def handshaken(served: Served, extra: str = "") -> AsyncIterator[trio.SocketStream]:
    """Give a stream on which a WebSocket has been opened by hand."""
    async with await served.stream() as stream:
        head = await handshake(stream, "x", extra)
        assert b" 101 " in head
        assert b"extensions" not in head.lower()
        yield stream


def request(method: str) -> str:
    return f'{{"jsonrpc":"2.0","id":1,"method":"{method}"}}'


def text_frame(text: str, *, is_last: bool = True) -> bytes:
    """Return a client's frame, masked with zeros."""
    data = text.encode()
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return (b"\x81" if is_last else b"\x01") + size + bytes(4) + data
