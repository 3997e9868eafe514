"""Gossip with peers that don't behave: they are counted, and nobody else notices.

The first four tests are of what ended the library's host or pubsub: a frame that is no RPC, a key
that is none in a signed message, a validator that raises, and an error in a stream's handler (for
that, see `test_network`, too).
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from libp2p.abc import INetStream
from libp2p.network.stream.exceptions import StreamError
from libp2p.pubsub.pb.rpc_pb2 import (
    RPC,
    ControlGraft,
    ControlIHave,
    ControlIWant,
    ControlMessage,
    ControlPrune,
    Message,
    PeerInfo,
)
from libp2p.utils.varint import encode_uvarint

from p2p.gossip import Verdict
from p2p.gossip_router import ANSWERS_MAX, BACK_OFF_S, CONTROLS_MAX, MESHSUB
from p2p.rpc import (
    ENVELOPE_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    MESSAGES_PER_RPC_MAX,
    RPC_BYTES_MAX,
    SUBSCRIPTIONS_PER_RPC_MAX,
    frame_of,
    message_id,
)
from tests.p2p.gossiping import TOPIC, Node, Rude, hello, mesh, rude, signed, until
from tests.p2p.hosts import id_of

VILLAIN = 66


@asynccontextmanager
async def attacked() -> AsyncIterator[tuple[Node, Node, Rude, INetStream]]:
    """Give two nodes, and a stream from a villain to the first; in the end they still talk."""
    async with mesh(1, 2) as (victim, other), rude(VILLAIN, victim) as villain:
        stream = await villain.stream(victim)
        await until(lambda: villain.peer.id in victim.gossip.peers)
        yield victim, other, villain, stream
        before = len(victim.came), len(other.came)
        victim.gossip.publish(TOPIC, b"from the victim")
        other.gossip.publish(TOPIC, b"from the other")
        await until(lambda: len(victim.came) > before[0] and len(other.came) > before[1])
        assert victim.came[-1] == (other.id, b"from the other")
        assert other.came[-1] == (victim.id, b"from the victim")


async def still_heard(victim: Node, villain: Rude) -> None:
    """Say something decent on a new stream."""
    stream = await villain.stream(victim)
    await stream.write(frame_of(hello(TOPIC)))
    await stream.write(frame_of(RPC(publish=[signed(VILLAIN, b"decent")])))
    await until(lambda: (villain.peer.id, b"decent") in victim.came)


GARBAGE = {
    "no protobuf": b"\x06\xff\xff\xff\xff\xff\xff",
    "field cut short": b"\x03\x12\x05\x0a",
    "endless length": b"\xff" * 10,
    "padded length": b"\x80\x80\x80\x80\x00",
    "too large": encode_uvarint(RPC_BYTES_MAX + 1),
    "messages": frame_of(RPC(publish=[Message()] * (MESSAGES_PER_RPC_MAX + 1))),
    "subscriptions": frame_of(hello(*map(str, range(SUBSCRIPTIONS_PER_RPC_MAX + 1)))),
    "control": frame_of(RPC(control=ControlMessage(graft=[ControlGraft()] * (CONTROLS_MAX + 1)))),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
async def test_a_frame_that_no_honest_peer_sends_ends_its_stream_alone(garbage: bytes) -> None:
    async with attacked() as (victim, _, villain, stream):
        await stream.write(frame_of(hello(TOPIC)) + garbage)
        await until(lambda: victim.gossip.bad == {villain.peer.id: 1})
        assert victim.peer.host.failures[MESHSUB] == 1
        await still_heard(victim, villain)


async def test_a_frame_that_is_cut_off_is_not_taken() -> None:
    async with attacked() as (victim, _, villain, stream):
        whole = frame_of(RPC(publish=[signed(VILLAIN, b"cut off")]))
        await stream.write(whole[:-1])
        await stream.close()
        await still_heard(victim, villain)
        assert victim.data == [b"decent"]


async def test_a_key_that_is_none_in_a_signed_message_is_not_looked_at() -> None:
    async with attacked() as (victim, _, villain, stream):
        rsa_like = Message(
            from_id=b"\x12\x20" + bytes(32), data=b"x", seqno=bytes(8), topicIDs=[TOPIC],
            signature=bytes(64), key=b"\xff\xff\xff",
        )  # fmt: skip
        with_key = signed(VILLAIN, b"a key beside a good signature")
        with_key.key = b"\xff\xff\xff"
        await stream.write(frame_of(RPC(publish=[rsa_like, with_key])))
        await until(lambda: victim.came)
        assert victim.gossip.bad == {villain.peer.id: 1}
        assert victim.data == [with_key.data]


@pytest.mark.parametrize("where", ["validate", "receive"])
async def test_what_raises_for_one_message_is_not_the_end_of_the_next(where: str) -> None:
    async with attacked() as (victim, other, _, _):

        async def fail(_: bytes) -> Verdict:
            await trio.lowlevel.checkpoint()
            raise ZeroDivisionError

        async def fail_to_receive(*_: object) -> None:
            await trio.lowlevel.checkpoint()
            raise ZeroDivisionError

        good = victim.judge, victim.take
        if where == "validate":
            victim.judge = fail
        else:
            victim.gossip._topics[TOPIC] = type(victim.gossip._topics[TOPIC])(  # noqa: SLF001
                TOPIC, victim.validate, fail_to_receive
            )
        other.gossip.publish(TOPIC, b"one that it fails on")
        await until(lambda: victim.gossip.failures == {TOPIC: 1})
        assert not victim.gossip.bad
        victim.judge = good[0]
        victim.gossip._topics[TOPIC] = type(victim.gossip._topics[TOPIC])(  # noqa: SLF001
            TOPIC, victim.validate, good[1]
        )


def bent(**fields: object) -> Message:
    message = signed(VILLAIN, b"bent")
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def of_two_topics() -> Message:
    message = signed(VILLAIN, b"bent")
    message.topicIDs.append(TOPIC)
    return message


BAD_MESSAGES = {
    "other data": bent(data=b"other data"),
    "other number": bent(seqno=bytes(8)),
    "other author": bent(from_id=id_of(2).to_bytes()),
    "no author": bent(from_id=b""),
    "author without key": bent(from_id=bytes(38)),
    "zero signature": bent(signature=bytes(64)),
    "no signature": bent(signature=b""),
    "no number": bent(seqno=b""),
    "large envelope": bent(key=bytes(ENVELOPE_BYTES_MAX)),
    "two topics": of_two_topics(),
    "empty": signed(VILLAIN, b""),
    "too large": signed(VILLAIN, bytes(MESSAGE_BYTES_MAX + 1)),
    "unknown topic": signed(VILLAIN, b"x", topic="/gridtokenx/unknown"),
}


@pytest.mark.parametrize("message", BAD_MESSAGES.values(), ids=BAD_MESSAGES.keys())
async def test_a_bad_message_is_counted_and_does_not_keep_the_true_one_out(
    message: Message,
) -> None:
    async with attacked() as (victim, other, villain, stream):
        await stream.write(frame_of(RPC(publish=[message])))
        await until(lambda: victim.gossip.bad == {villain.peer.id: 1})
        assert victim.asked == 0
        await stream.write(frame_of(RPC(publish=[signed(VILLAIN, b"bent")])))
        await until(lambda: victim.data == other.data == [b"bent"])
        assert victim.came[0][0] == villain.peer.id


async def test_what_is_not_signed_by_somebody_admitted_is_nobodys_fault() -> None:
    async with mesh(1, 2) as (victim, other), rude(VILLAIN, victim) as villain:
        victim.gossip._admits = lambda who: who != id_of(77)  # noqa: SLF001 - as the chain says
        stream = await villain.stream(victim)
        strange = [signed(77, b"from a stranger"), signed(1, b"from the victim itself")]
        await stream.write(frame_of(RPC(publish=[*strange, signed(VILLAIN, b"then this")])))
        await until(lambda: victim.data == other.data == [b"then this"])
        assert not victim.gossip.bad
        # When it is admitted, the same message is heard.
        victim.gossip._admits = lambda _: True  # noqa: SLF001
        await stream.write(frame_of(RPC(publish=strange)))
        await until(lambda: b"from a stranger" in victim.data)
        assert victim.asked == 2


async def test_a_flood_makes_no_tasks_and_waits_its_turn() -> None:
    async with attacked() as (victim, other, _, stream):

        async def slow(data: bytes) -> Verdict:
            await trio.sleep(0.02 if data.startswith(b"flood") else 0)
            return Verdict.IGNORE if data.startswith(b"flood") else Verdict.ACCEPT

        victim.judge = slow
        flood = [signed(VILLAIN, b"flood %d" % number) for number in range(600)]
        tasks = trio.lowlevel.current_statistics().tasks_living
        for start in range(0, 600, 100):
            await stream.write(frame_of(RPC(publish=flood[start : start + 100])))
        await until(lambda: victim.asked > 5)
        asked = victim.asked
        for number in range(20):
            other.gossip.publish(TOPIC, b"decent %d" % number)
        await until(lambda: len(victim.came) == 20)
        assert trio.lowlevel.current_statistics().tasks_living <= tasks
        assert victim.asked - asked < 300
        assert other.came == []


async def test_a_second_stream_of_a_peer_takes_the_place_of_the_first() -> None:
    async with attacked() as (victim, _, villain, first):
        await first.write(frame_of(RPC(publish=[signed(VILLAIN, b"on the first")])))
        await until(lambda: victim.came)
        second = await villain.stream(victim)
        await second.write(frame_of(hello(TOPIC)))
        with trio.fail_after(15), pytest.raises((EOFError, StreamError)):
            await first.read(1)
        await second.write(frame_of(RPC(publish=[signed(VILLAIN, b"on the second")])))
        await until(lambda: victim.data == [b"on the first", b"on the second"])


async def test_a_rejected_message_is_judged_once() -> None:
    async with attacked() as (victim, _, villain, stream):
        asked = 0

        async def reject(data: bytes) -> Verdict:
            nonlocal asked
            asked += data == b"nonsense"
            await trio.lowlevel.checkpoint()
            return Verdict.REJECT if data == b"nonsense" else Verdict.ACCEPT

        victim.judge = reject
        again = RPC(publish=[signed(VILLAIN, b"nonsense", seqno=number) for number in range(9)])
        await stream.write(frame_of(again))
        await until(lambda: victim.gossip.duplicates == {villain.peer.id: 8})
        assert asked == 1
        assert victim.gossip.bad == {villain.peer.id: 1}


class Heard:
    """What a villain is told, after it has subscribed."""

    def __init__(self, villain: Rude) -> None:
        self.villain = villain

    @property
    def messages(self) -> list[bytes]:
        return [one.data for rpc in self.villain.told for one in rpc.publish]

    @property
    def news(self) -> list[bytes]:
        return [
            key for rpc in self.villain.told for one in rpc.control.ihave for key in one.messageIDs
        ]

    @property
    def wanted(self) -> list[bytes]:
        return [
            key for rpc in self.villain.told for one in rpc.control.iwant for key in one.messageIDs
        ]


async def test_a_message_is_asked_for_if_it_was_not_seen_and_only_then() -> None:
    async with attacked() as (victim, other, villain, stream):
        heard = Heard(villain)
        other.gossip.publish(TOPIC, b"seen")
        await until(lambda: victim.came)
        seen, unseen = signed(2, b"seen"), signed(VILLAIN, b"unseen")
        keys = [message_id(seen), message_id(unseen), b"short", bytes(1_000)]
        news = ControlIHave(topicID=TOPIC, messageIDs=keys)
        strange = ControlIHave(topicID="/gridtokenx/unknown", messageIDs=[bytes(32)])
        control = ControlMessage(ihave=[news, strange])
        await stream.write(frame_of(hello(TOPIC)) + frame_of(RPC(control=control)))
        await until(lambda: heard.wanted)
        assert heard.wanted == [message_id(unseen)]
        await stream.write(frame_of(RPC(publish=[unseen])))
        await until(lambda: b"unseen" in victim.data and b"unseen" in other.data)


async def test_who_is_not_in_the_mesh_is_told_the_news() -> None:
    async with attacked() as (victim, _, villain, stream):
        heard = Heard(villain)
        out = RPC(control=ControlMessage(prune=[ControlPrune(topicID=TOPIC)]))
        await stream.write(frame_of(hello(TOPIC)) + frame_of(out))
        await until(lambda: villain.peer.id in victim.gossip._router.back_off.get(TOPIC, ()))  # noqa: SLF001
        victim.gossip.publish(TOPIC, b"news")
        await until(lambda: heard.news)
        assert set(heard.news) == {message_id(signed(1, b"news"))}
        assert heard.messages == []


async def test_who_asks_for_one_message_ten_thousand_times_gets_it_a_few_times() -> None:
    async with attacked() as (victim, _, villain, stream):
        heard = Heard(villain)
        victim.gossip.publish(TOPIC, b"rare")
        key = message_id(signed(1, b"rare"))
        want = RPC(control=ControlMessage(iwant=[ControlIWant(messageIDs=[key] * 10_000)]))
        for _ in range(6):
            await stream.write(frame_of(want))
        await until(lambda: len(heard.messages) >= ANSWERS_MAX)
        await trio.sleep(0.3)
        assert heard.messages == [b"rare"] * ANSWERS_MAX


async def test_nothing_is_kept_of_topics_that_are_not_ours_and_nobody_is_dialled() -> None:
    async with attacked() as (victim, other, villain, stream):
        names = [f"/gridtokenx/unknown/{number}" for number in range(15)]
        control = ControlMessage(
            graft=[ControlGraft(topicID=one) for one in names],
            prune=[ControlPrune(topicID=one, backoff=2**40) for one in names],
            ihave=[ControlIHave(topicID=one, messageIDs=[bytes(32)]) for one in names],
        )
        px = PeerInfo(peerID=id_of(77).to_bytes())
        control.prune.append(ControlPrune(topicID=TOPIC, backoff=2**63, peers=[px]))
        await stream.write(frame_of(hello(*names)) + frame_of(RPC(control=control)))
        await still_heard(victim, villain)
        router = victim.gossip._router  # noqa: SLF001 - what it keeps
        ours = set(victim.gossip._table.peer_topics)  # noqa: SLF001
        maps = (router.mesh, router.back_off, router.fanout, victim.gossip._table.peer_topics)  # noqa: SLF001
        assert all(set(one) <= ours for one in maps)
        assert set(router.graft_flood_tracking[villain.peer.id]) == {TOPIC}
        until_s = router.back_off[TOPIC][villain.peer.id]
        assert time.time() < until_s <= time.time() + BACK_OFF_S
        assert set(victim.peer.host.get_network().connections) == {other.id, villain.peer.id}
        assert id_of(77) not in victim.peer.host.get_peerstore().peer_ids()


async def test_who_subscribes_and_leaves_again_and_again_is_told_the_news_once() -> None:
    async with attacked() as (victim, _, villain, stream):
        heard = Heard(villain)
        victim.gossip.publish(TOPIC, b"news")
        leave = RPC(subscriptions=[RPC.SubOpts(subscribe=False, topicid=TOPIC)])
        for _ in range(50):
            await stream.write(frame_of(hello(TOPIC)) + frame_of(leave))
        await stream.write(frame_of(hello(TOPIC)))
        await until(lambda: villain.peer.id in victim.gossip.mesh(TOPIC))
        await trio.sleep(0.3)
        assert heard.messages == [b"news"]
        await stream.write(frame_of(leave))
        await until(lambda: villain.peer.id not in victim.gossip.mesh(TOPIC))
        victim.gossip.publish(TOPIC, b"more news")
        await trio.sleep(0.3)
        assert heard.messages == [b"news"]


async def test_a_peer_that_shuts_every_stream_is_not_dialled_without_pause() -> None:
    async with attacked() as (victim, _, villain, _):
        count = 0

        async def shut(stream: INetStream) -> None:
            nonlocal count
            count += 1
            await stream.reset()

        villain.peer.host.set_stream_handler(MESHSUB, shut)
        for connection in villain.peer.host.connections(victim.id):
            for stream in tuple(connection.streams):
                await stream.reset()
        await trio.sleep(3)
        assert 1 <= count <= 5


async def test_a_heartbeat_that_fails_is_not_the_last() -> None:
    async with attacked() as (victim, _, _, _):
        router, beats = victim.gossip._router, 0  # noqa: SLF001 - fails as the library may

        def fail() -> None:
            nonlocal beats
            beats += 1
            if beats == 1:
                raise KeyError(TOPIC)

        router.fanout_heartbeat = fail  # type: ignore[method-assign]  # for one beat
        await until(lambda: beats > 2)
