"""Gossip: what is published comes once to everybody who should have it, and to nobody else."""

import random

import pytest
import trio
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.tools.anyio_service import background_trio_service

from p2p.gossip import Gossip, Verdict
from p2p.gossip_router import MESHSUB, OUTBOX_RPCS_MAX
from p2p.rpc import MESSAGE_BYTES_MAX
from tests.p2p.gossiping import OTHER, TOPIC, Node, both_hear, line, mesh, nodes, until
from tests.p2p.hosts import peer


def payloads(count: int, size: int = 300) -> list[bytes]:
    source = random.Random(7)
    return [source.randbytes(size) for _ in range(count)]


async def test_a_message_comes_once_to_everybody_but_its_publisher() -> None:
    async with mesh(1, 2, 3, 4) as all_nodes:
        for number, node in enumerate(all_nodes):
            node.gossip.publish(TOPIC, b"from %d" % number)
            node.gossip.publish(OTHER, b"other from %d" % number)
        expected = {b"from %d" % number for number in range(4)}
        await until(lambda: all(len(node.came) == len(node.others) == 3 for node in all_nodes))
        await trio.sleep(0.3)
        for number, node in enumerate(all_nodes):
            assert sorted(node.data) == sorted(expected - {b"from %d" % number})
            assert sorted(node.others) == sorted(
                b"other " + one for one in expected - {b"from %d" % number}
            )
            assert not node.gossip.bad
            assert not node.gossip.lost


async def test_a_burst_gets_through_whole() -> None:
    async with mesh(1, 2, 3, 4) as (one, *others):
        sent = payloads(500)
        for data in sent:
            one.gossip.publish(TOPIC, data)
        await until(lambda: all(len(node.came) >= 500 for node in others), timeout_s=60)
        for node in others:
            assert sorted(node.data) == sorted(sent)
            assert node.asked == 500
            assert not node.gossip.lost
        assert not one.gossip.lost
        assert one.came == []


async def test_the_largest_message_gets_through_and_a_larger_one_is_our_own_fault() -> None:
    async with mesh(1, 2) as (one, other):
        largest = bytes(MESSAGE_BYTES_MAX)
        one.gossip.publish(TOPIC, largest)
        await until(lambda: other.data == [largest])
        for wrong in (b"", largest + b"\0"):
            with pytest.raises(AssertionError):
                one.gossip.publish(TOPIC, wrong)
        with pytest.raises(AssertionError):
            one.gossip.publish("/gridtokenx/unknown", b"x")


async def test_a_message_goes_along_a_line_if_it_is_accepted_and_only_then() -> None:
    async with line(1, 2, 3) as (one, middle, last):

        async def judge(data: bytes) -> Verdict:
            await trio.lowlevel.checkpoint()
            return {b"r": Verdict.REJECT, b"i": Verdict.IGNORE}.get(data[:1], Verdict.ACCEPT)

        middle.judge = judge
        for data in (b"rejected", b"ignored", b"accepted"):
            one.gossip.publish(TOPIC, data)
        await until(lambda: len(last.came) == 1)
        await trio.sleep(2.5)  # Two heartbeats: nothing is told of the others afterwards, either.
        assert middle.came == [(one.id, b"accepted")]
        assert last.came == [(middle.id, b"accepted")]
        assert last.asked == 1
        assert middle.gossip.bad == {one.id: 1}


async def test_what_was_seen_is_dropped_whoever_publishes_it() -> None:
    async with line(1, 2, 3) as (one, middle, last):
        one.gossip.publish(TOPIC, b"same")
        await until(lambda: last.came)
        one.gossip.publish(TOPIC, b"same")
        middle.gossip.publish(TOPIC, b"same")
        one.gossip.publish(OTHER, b"same")
        await until(lambda: last.others)
        assert (middle.data, last.data, middle.others) == ([b"same"], [b"same"], [b"same"])
        assert middle.asked == last.asked == 2
        assert middle.gossip.duplicates == {one.id: 1}
        assert not one.gossip.bad + middle.gossip.bad + last.gossip.bad


async def test_what_is_being_judged_is_not_judged_again() -> None:
    async with mesh(1, 2, 3) as (one, two, three):
        gate = trio.Event()

        async def wait(_: bytes) -> Verdict:
            await gate.wait()
            return Verdict.ACCEPT

        three.judge = wait
        one.gossip.publish(TOPIC, b"same")
        await until(lambda: three.gossip.duplicates == {two.id: 1})
        gate.set()
        await until(lambda: three.came)
        assert three.asked == 1
        assert three.came == [(one.id, b"same")]


async def test_who_comes_late_hears_what_is_published_then() -> None:
    async with mesh(1, 2, 3) as (one, two, three), nodes(4) as (late,):
        one.gossip.publish(TOPIC, b"early")
        await until(lambda: two.came and three.came)
        await late.peer.dial(two.peer)
        await late.know(two)
        one.gossip.publish(TOPIC, b"later")
        await until(lambda: b"later" in late.data)
        late.gossip.publish(TOPIC, b"thanks")
        await until(lambda: b"thanks" in one.data and b"thanks" in three.data)
        assert sorted(set(late.data)) == sorted(late.data)


async def test_what_was_just_published_is_told_to_who_has_just_come() -> None:
    async with nodes(1, 2) as (one, other):
        one.gossip.publish(TOPIC, b"before you came")
        await one.peer.dial(other.peer)
        await until(lambda: other.data == [b"before you came"])


async def test_a_node_that_goes_and_comes_back_hears_and_is_heard() -> None:
    async with mesh(1, 2, 3) as (one, two, three):
        async with peer(9) as host, trio.open_nursery() as nursery:
            node = Node(host)
            await nursery.start(node.gossip.run)
            await host.dial(one.peer)
            await node.know(one)
            nursery.cancel_scope.cancel()
        await until(lambda: node.id not in one.gossip.mesh(TOPIC) | set(one.gossip.peers))
        await until(lambda: one.gossip._table.peer_topics[TOPIC] == {two.id, three.id})  # noqa: SLF001
        one.gossip.publish(TOPIC, b"while away")
        async with peer(9) as host, trio.open_nursery() as nursery:
            node = Node(host)
            await nursery.start(node.gossip.run)
            await host.dial(one.peer)
            await node.know(one)
            two.gossip.publish(TOPIC, b"welcome back")
            await until(lambda: b"welcome back" in node.data)
            node.gossip.publish(TOPIC, b"I am back")
            await until(lambda: b"I am back" in two.data)
            nursery.cancel_scope.cancel()


async def test_a_second_connection_may_close_without_a_gap_that_stays() -> None:
    async with mesh(1, 2) as (one, other):
        await other.peer.dial(one.peer)
        await until(lambda: one.peer.connections(other.peer) == 2)
        for number in (0, 0):
            await one.peer.host.connections(other.id)[number].close()
            await trio.sleep(0.1)
            if not one.peer.connections(other.peer):
                await one.peer.dial(other.peer)
            await other.know(one)
            await one.know(other)
        await both_hear(one, other)


@pytest.mark.parametrize("direction", [0, 1])
async def test_a_stream_that_breaks_on_either_side_is_opened_again(direction: int) -> None:
    async with mesh(1, 2) as pair:
        breaker, other = pair[direction], pair[1 - direction]
        for connection in breaker.peer.host.connections(other.id):
            for stream in tuple(connection.streams):
                await stream.reset()
        await trio.sleep(0.1)
        await breaker.know(other)
        await other.know(breaker)
        await both_hear(breaker, other)


async def test_reconnecting_leaves_nothing_behind() -> None:
    async with mesh(1, 2) as (one, other):

        def held(node: Node) -> tuple[int, ...]:
            gossip: Gossip = node.gossip
            router, table = gossip._router, gossip._table  # noqa: SLF001 - what could grow
            maps = (
                gossip._reading, gossip._scopes, table.peers, table.peer_queues,  # noqa: SLF001
                router.peer_protocol, router._pending_messages, router._pending_control,  # noqa: SLF001
                router.dont_send_message_ids, router.message_rate_limits, router.fanout,
                router._mesh_peer_events, router.recent_message_deliveries,  # noqa: SLF001
                router.equivocation_detection, router.recent_peer_connections,
                *router.mesh.values(), *table.peer_topics.values(), *router.back_off.values(),
            )  # fmt: skip
            return tuple(len(one) for one in maps)  # type: ignore[arg-type]  # maps and sets

        before = held(one), held(other)
        await trio.sleep(0.5)
        tasks = trio.lowlevel.current_statistics().tasks_living
        for _ in range(50):
            await one.peer.host.disconnect(other.id)
            await until(lambda: not other.peer.connections(one.peer))
            await one.peer.dial(other.peer)
            await until(lambda: one.gossip.peers and other.gossip.peers, timeout_s=10)
        await one.know(other)
        await other.know(one)
        one.gossip.publish(TOPIC, b"still there")
        await until(lambda: other.data == [b"still there"])
        await until(lambda: trio.lowlevel.current_statistics().tasks_living <= tasks, timeout_s=30)
        assert (held(one), held(other)) == before


async def test_a_peer_that_does_not_read_holds_nobody_up() -> None:
    async with mesh(1, 2, 3) as (one, slow, quick):
        gate = trio.Event()

        async def wait(_: bytes) -> Verdict:
            await gate.wait()
            return Verdict.ACCEPT

        slow.judge = wait
        sent = payloads(OUTBOX_RPCS_MAX // 2)
        for data in sent:
            one.gossip.publish(TOPIC, data)
        await until(lambda: len(quick.came) == len(sent), timeout_s=60)
        # It reads one message of each peer, and leaves the others on the stream.
        assert slow.asked <= 2
        gate.set()
        await until(lambda: len(slow.came) == len(sent), timeout_s=60)


async def test_a_peer_with_the_librarys_own_pubsub_hears_and_is_heard() -> None:
    async with mesh(1, 2) as (one, other), peer(3) as plain:
        router = GossipSub([MESHSUB], 6, 5, 12, heartbeat_interval=1, spam_protection_enabled=False)
        pubsub = Pubsub(plain.host, router, strict_signing=True)
        async with background_trio_service(pubsub), background_trio_service(router):
            await pubsub.wait_until_ready()
            subscription = await pubsub.subscribe(TOPIC)
            await plain.dial(one.peer)
            await until(lambda: plain.id in one.gossip.mesh(TOPIC))
            await until(lambda: one.id in router.mesh[TOPIC])
            one.gossip.publish(TOPIC, b"from ours")
            assert (await subscription.get()).data == b"from ours"
            await pubsub.publish(TOPIC, b"from the library's")
            await until(lambda: other.data == [b"from ours", b"from the library's"])
            assert one.came == [(plain.id, b"from the library's")]
            assert not one.gossip.bad + other.gossip.bad
        pubsub.seen_messages.stop()
