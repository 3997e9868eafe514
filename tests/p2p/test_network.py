"""Hosts: who gets in, what a failing handler takes with it, and what is left of a connection."""

from contextlib import suppress
from pathlib import Path

import pytest
import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.host.ping import ID as PING
from libp2p.network.exceptions import SwarmException
from libp2p.network.stream.exceptions import StreamReset
from libp2p.peer.id import ID
from multiaddr import Multiaddr
from trio.testing import wait_all_tasks_blocked

from contracts.kernel import Value
from p2p import network
from p2p.errors import ListenError
from p2p.frames import encode_frame, read_frame
from p2p.identity import key_pair_of
from p2p.network import make_host, running
from tests.p2p.hosts import Peer, id_of, peer, peers, seed
from tests.p2p.test_links import until

IDENTIFY = TProtocol("/ipfs/id/1.0.0")
PUSH = TProtocol("/ipfs/id/push/1.0.0")
ECHO = TProtocol("/gridtokenx/echo/1")
BROKEN = TProtocol("/gridtokenx/broken/1")


async def echo(stream: INetStream) -> None:
    await stream.write(encode_frame(await read_frame(stream)))
    await stream.close()


async def broken(stream: INetStream) -> None:
    await read_frame(stream)
    raise ZeroDivisionError


async def asked(one: Peer, other: Peer, protocol: TProtocol, value: Value) -> Value:
    stream = await one.host.new_stream(other.id, [protocol])
    await stream.write(encode_frame(value))
    return await read_frame(stream)


async def until_gone(one: Peer, other: Peer) -> None:
    with trio.fail_after(10):
        while one.connections(other):  # noqa: ASYNC110 - the library tells nobody
            await trio.sleep(0.01)


async def test_two_hosts_talk_over_noise_and_yamux() -> None:
    async with peers(1, 2) as (one, other):
        other.host.set_stream_handler(ECHO, echo)
        await one.dial(other)
        assert await asked(one, other, ECHO, [1, b"x"]) == [1, b"x"]
        assert one.connections(other) == other.connections(one) == 1


async def test_whoever_is_not_admitted_is_refused_by_the_side_that_is_dialled() -> None:
    async with peer(1) as stranger, peer(2, lambda one: one == id_of(3)) as other, peer(3) as known:
        with pytest.raises(SwarmException):
            await stranger.dial(other)
        await known.dial(other)
        assert other.gate.refused == {stranger.id.to_base58(): 1}
        assert stranger.connections(other) == other.connections(stranger) == 0
        assert other.connections(known) == 1


async def test_whoever_is_not_admitted_is_refused_by_the_side_that_dials() -> None:
    async with peer(1, lambda _: False) as one, peer(2) as other:
        with pytest.raises(SwarmException):
            await one.dial(other)
        assert one.gate.refused == {other.id.to_base58(): 1}
        await until_gone(other, one)


async def test_a_host_with_another_key_than_expected_is_refused() -> None:
    async with peers(1, 2) as (one, other):
        with pytest.raises(SwarmException):
            await one.host.get_network().dial_addr(other.address, id_of(3))
        assert one.connections(other) == 0


async def test_a_failing_handler_loses_its_stream_and_nothing_else() -> None:
    async with peers(1, 2) as (one, other):
        other.host.set_stream_handler(ECHO, echo)
        other.host.set_stream_handler(BROKEN, broken)
        await one.dial(other)
        for count in (1, 2):
            with pytest.raises((EOFError, StreamReset)):
                await asked(one, other, BROKEN, count)
            assert other.host.failures == {BROKEN: count}
        assert await asked(one, other, ECHO, "still there") == "still there"


@pytest.mark.parametrize("protocol", [PING, IDENTIFY, PUSH])
async def test_the_librarys_own_handlers_fail_alone_too(protocol: TProtocol) -> None:
    async with peers(1, 2) as (one, other):
        other.host.set_stream_handler(ECHO, echo)
        await one.dial(other)
        for garbage in (b"", b"\xff" * 7, b"\x05hello"):
            stream = await one.host.new_stream(other.id, [protocol])
            if garbage:
                await stream.write(garbage)
            await stream.reset()
            stream = await one.host.new_stream(other.id, [protocol])
            if garbage:
                await stream.write(garbage)
            await stream.close()
        assert await asked(one, other, ECHO, "still there") == "still there"


async def test_a_host_that_cannot_end_its_connections_in_time_leaves_no_socket_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(network, "CLOSE_TIMEOUT_S", 0)
    before = open_sockets()
    async with peers(1, 2) as (one, other):
        await one.dial(other)
        assert len(open_sockets()) >= len(before) + 4
    assert open_sockets() == before


def open_sockets() -> list[str]:
    links = [str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    return sorted(link for link in links if link.startswith("socket:"))


async def test_a_connection_that_is_over_leaves_no_task_behind() -> None:
    async with peers(1, 2) as (one, other):
        await one.dial(other)
        await wait_all_tasks_blocked()
        tasks = trio.lowlevel.current_statistics().tasks_living
        for _ in range(10):
            await one.host.disconnect(other.id)
            await until_gone(other, one)
            await one.dial(other)
        with trio.fail_after(10):
            while trio.lowlevel.current_statistics().tasks_living > tasks:  # noqa: ASYNC110
                await trio.sleep(0.01)
        assert other.host.inbound_places_taken == 1


async def test_garbage_in_place_of_a_handshake_is_refused() -> None:
    async with peers(1, 2) as (one, other):
        port = int(other.address.value_for_protocol("tcp") or 0)
        for garbage in (
            b"",
            b"GET / HTTP/1.1\r\n\r\n",
            bytes(100_000),
            b"\x13/multistream/1.0.0\n",
        ):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            async with stream:
                await stream.send_all(garbage)
        await one.dial(other)
        assert other.connections(one) == 1


async def test_an_address_that_is_taken_is_an_error() -> None:
    async with peer(1) as one:
        host, _ = make_host(key_pair_of(seed(2)), lambda _: True)
        with pytest.raises(ListenError, match="port"):
            async with running(host, [one.address]):
                pass


def test_a_peer_is_known_by_its_key() -> None:
    assert id_of(1) == ID.from_pubkey(key_pair_of(seed(1)).public_key)
    assert id_of(1) != id_of(2)


async def say_nothing(_: trio.SocketStream) -> None:
    await trio.sleep_forever()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("given_up_after_s", [0.2, None])
async def test_a_handshake_that_is_not_answered_ends_and_leaves_nothing_open(
    given_up_after_s: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "HANDSHAKE_TIMEOUT_S", 0.5)
    async with peer(1) as one, trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, say_nothing, [listener])
        address = Multiaddr(f"/ip4/127.0.0.1/tcp/{listener.socket.getsockname()[1]}")
        before = open_files()
        for _ in range(3):
            with (
                trio.move_on_after(given_up_after_s or 60) as scope,
                suppress(trio.TooSlowError, SwarmException),
            ):
                await one.host.get_network().dial_addr(address, id_of(2))
            assert scope.cancelled_caught == (given_up_after_s is not None)
        # The other side's ends are still there, one for each.
        await until(lambda: open_files() == before + 3)
        nursery.cancel_scope.cancel()
