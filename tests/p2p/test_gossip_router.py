"""The router's parts: what they remember is bounded, and the library is as they expect it."""

import inspect
import re
from collections import Counter

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.mcache import MessageCache
from libp2p.pubsub.pb.rpc_pb2 import RPC, ControlMessage, Message
from libp2p.pubsub.rpc_queue import RpcQueue
from trio.testing import MockClock

from p2p import library
from p2p.gossip_router import (
    ANSWERS_MAX,
    HISTORY_HEARTBEATS,
    IDS_MAX,
    NEWS_HEARTBEATS,
    OUTBOX_BYTES_MAX,
    OUTBOX_RPCS_MAX,
    RECENT_BYTES_MAX,
    RECENT_MESSAGES_MAX,
    SEEN_MAX,
    SEEN_S,
    Outbox,
    Recent,
    Router,
    Seen,
    Table,
)
from p2p.identity import key_pair_of
from p2p.library import LibraryError, check_library
from p2p.network import make_host
from p2p.rpc import (
    RPC_BYTES_MAX,
    BadRpcError,
    RpcReader,
    bare_of,
    flaw_of,
    frame_of,
    is_signed,
    message_id,
)
from tests.p2p.gossiping import OTHER, TOPIC, signed
from tests.p2p.hosts import id_of, seed


def plain(data: bytes, topic: str = TOPIC) -> Message:
    return Message(data=data, topicIDs=[topic])


def numbered(number: int) -> bytes:
    return number.to_bytes(4, "big")


# ── Ids and signatures ──


def test_an_id_is_of_topic_and_data_whoever_says_it() -> None:
    assert message_id(signed(1, b"x")) == message_id(signed(2, b"x", seqno=9))
    assert message_id(signed(1, b"x")) != message_id(signed(1, b"y"))
    assert message_id(signed(1, b"x")) != message_id(signed(1, b"x", topic=OTHER))


@given(st.binary(min_size=1, max_size=100), st.integers(0, 2**64 - 1))
def test_what_is_signed_is_well_formed_and_changed_is_not_signed(data: bytes, number: int) -> None:
    message = signed(1, data, seqno=number)
    assert flaw_of(message) == ""
    assert is_signed(message)
    assert is_signed(bare_of(message))
    with_more = signed(1, data, seqno=number)
    with_more.key = b"more"
    with_more.MergeFromString(b"\xfa\x01\x04more")  # A field that nobody knows.
    assert with_more.ByteSize() > message.ByteSize()
    assert bare_of(with_more) == message
    message.data += b"\0"
    assert not is_signed(message)


# ── Frames ──


class Pieces:
    """A stream whose reads give what was written, in pieces of given sizes."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self.data = data
        self.sizes = sizes

    async def read(self, n: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        size = min(n or 1, self.sizes.pop() if self.sizes else 2**16)
        piece, self.data = self.data[:size], self.data[size:]
        return piece

    async def write(self, data: bytes) -> None:
        raise AssertionError(data)


async def all_of(reader: RpcReader) -> list[RPC]:
    found: list[RPC] = []
    while True:
        try:
            found.append(await reader.read())
        except EOFError:
            return found


@given(
    st.lists(st.integers(0, 40_000), max_size=6),
    st.lists(st.integers(1, 300), max_size=60),
    st.integers(0, 3),
)
def test_frames_are_read_whole_however_they_come(
    sizes: list[int], pieces: list[int], cut: int
) -> None:
    rpcs = [RPC(publish=[plain(bytes(size))]) for size in sizes]
    data = b"".join(map(frame_of, rpcs))
    whole = rpcs if not cut else rpcs[:-1]
    found = trio.run(all_of, RpcReader(Pieces(data[: len(data) - cut], pieces)))
    assert found == whole


@pytest.mark.parametrize("size", [RPC_BYTES_MAX + 1, 2**27, 2**28 - 1])
async def test_a_frame_that_is_too_large_is_refused_before_it_is_read(size: int) -> None:
    head = bytes(
        [size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14 & 0x7F | 0x80, size >> 21]
    )
    stream = Pieces(head + bytes(10_000_000), [4])
    with pytest.raises(BadRpcError, match="at most"):
        await RpcReader(stream).read()
    assert len(stream.data) == 10_000_000


# ── What is remembered ──


async def test_an_id_is_seen_for_a_while(autojump_clock: MockClock) -> None:
    seen = Seen()
    seen.add(b"one")
    await trio.sleep(SEEN_S / 2)
    seen.add(b"two")
    assert seen.has(b"one")
    assert not seen.has(b"three")
    await trio.sleep(SEEN_S / 2)
    assert not seen.has(b"one")
    assert seen.has(b"two")
    seen.add(b"three")
    assert len(seen) == 2


async def test_only_so_many_ids_are_seen(autojump_clock: MockClock) -> None:
    seen = Seen()
    for number in range(SEEN_MAX + 10):
        seen.add(numbered(number))
    assert len(seen) == SEEN_MAX
    assert not seen.has(numbered(9))
    assert seen.has(numbered(10))


def test_recent_messages_leave_with_time() -> None:
    recent = Recent()
    recent.put(plain(b"one"))
    recent.put(plain(b"one"))
    recent.put(plain(b"other", OTHER))
    key = message_id(plain(b"one"))
    for beat in range(HISTORY_HEARTBEATS):
        assert recent.window(TOPIC) == ([key] if beat < NEWS_HEARTBEATS else [])
        assert recent.get(key) is not None
        recent.shift()
    assert recent.get(key) is None
    assert recent.size_bytes == 0


@given(st.lists(st.integers(1, RECENT_BYTES_MAX // 2), max_size=9), st.integers(0, 5_000))
def test_recent_messages_are_bounded_and_the_oldest_leave(large: list[int], small: int) -> None:
    recent = Recent()
    sizes = [*large, *([4] * small)]
    messages = [plain(numbered(number).ljust(size, b"\0")) for number, size in enumerate(sizes)]
    for message in messages:
        recent.put(message)
    kept = [message_id(one) for one in messages[len(messages) - len(recent.msgs) :]]
    assert list(recent.msgs) == kept
    assert recent.window(TOPIC) == kept
    assert len(kept) <= RECENT_MESSAGES_MAX
    assert recent.size_bytes == sum(len(one.data) for one in recent.msgs.values())
    assert recent.size_bytes <= RECENT_BYTES_MAX
    for _ in range(HISTORY_HEARTBEATS):
        recent.shift()
    assert (len(recent.msgs), recent.size_bytes) == (0, 0)


def test_each_peer_is_answered_a_few_times() -> None:
    recent = Recent()
    recent.put(plain(b"one"))
    key = message_id(plain(b"one"))
    for peer in (id_of(1), id_of(2)):
        answers = [recent.answer(key, peer) for _ in range(ANSWERS_MAX + 5)]
        assert answers == [plain(b"one")] * ANSWERS_MAX + [None] * 5
    assert recent.answer(b"unknown", id_of(1)) is None


@given(st.lists(st.integers(1, OUTBOX_BYTES_MAX // 2), max_size=6), st.integers(0, 1_100))
def test_an_outbox_is_bounded_and_loses_what_finds_no_room(large: list[int], small: int) -> None:
    lost: Counter[ID] = Counter()
    outbox = Outbox(id_of(1), lost)
    rpcs = [RPC(publish=[plain(bytes(size))]) for size in [*large, *([4] * small)]]
    taken = [rpc for rpc in rpcs if outbox.push(rpc)]
    assert len(outbox) == len(taken) <= OUTBOX_RPCS_MAX
    assert outbox.size_bytes == sum(rpc.ByteSize() for rpc in taken) <= OUTBOX_BYTES_MAX
    assert lost[id_of(1)] == len(rpcs) - len(taken)

    async def popped() -> list[RPC | None]:
        return [await outbox.pop() for _ in taken]

    assert trio.run(popped) == taken
    assert outbox.size_bytes == 0


# ── The mesh ──


def router() -> Router:
    host, _ = make_host(key_pair_of(seed(1)), lambda _: True)
    return Router(Table(host, {TOPIC: set(), OTHER: set()}))


async def test_each_peer_is_told_what_is_for_it_and_nothing_else() -> None:
    one, two, three = map(id_of, (2, 3, 4))
    made = router()
    queues = {peer: Outbox(peer, Counter()) for peer in (one, two, three)}
    made.table.peer_queues.update(queues)
    keys = [numbered(number) for number in range(5)]
    await made._emit_control_msgs(  # noqa: SLF001 - what the heartbeat calls
        {one: [TOPIC], two: [OTHER]}, {one: [OTHER], three: [TOPIC]}, {two: {TOPIC: keys}}
    )
    told: dict[ID, ControlMessage] = {}
    for peer, queue in queues.items():
        rpc = await queue.pop()
        assert rpc is not None
        assert len(queue) == 0
        assert not rpc.HasField("senderRecord")
        told[peer] = rpc.control
    assert [one.topicID for one in told[one].graft] == [TOPIC]
    assert [one.topicID for one in told[one].prune] == [OTHER]
    assert [one.topicID for one in told[two].graft] == [OTHER]
    assert [list(one.messageIDs) for one in told[two].ihave] == [keys]
    assert [one.topicID for one in told[three].prune] == [TOPIC]
    assert not [*told[one].ihave, *told[two].prune, *told[three].graft, *told[three].ihave]


def test_the_news_go_to_who_is_not_in_the_mesh_sent_out_of_it_or_not() -> None:
    made = router()
    subscribers = {id_of(number) for number in range(2, 50)}
    members = {id_of(number) for number in range(2, 8)}
    made.table.peer_topics[TOPIC] |= subscribers
    made.mesh = {TOPIC: members, OTHER: set()}
    made.back_off = {TOPIC: dict.fromkeys(subscribers, 2**40)}
    assert made.gossip_heartbeat() == {}
    for number in range(IDS_MAX + 5):
        made.recent.put(plain(numbered(number)))
    news = made.gossip_heartbeat()
    assert len(news) == (len(subscribers) - len(members)) // 4
    assert set(news) <= subscribers - members
    assert all(one == {TOPIC: made.recent.window(TOPIC)[5:]} for one in news.values())


# ── The library ──


def test_a_table_has_what_the_library_asks_of_its_pubsub() -> None:
    table = router().table
    asked = {
        name
        for key, method in inspect.getmembers(GossipSub, inspect.isfunction)
        if key not in vars(Router)
        for name in re.findall(r"\bpubsub\.(\w+)", inspect.getsource(method))
    }
    # Pending messages are queued by the library's `publish` alone, which is not called here.
    asked_for_pending = set(re.findall(r"\bpubsub\.(\w+)", inspect.getsource(
        GossipSub.flush_pending_messages
    )))  # fmt: skip
    assert {"host", "peers", "peer_topics", "peer_queues", "seen_messages"} <= asked
    assert asked - asked_for_pending <= {name for name in dir(table) if not name.startswith("_")}


def test_the_library_is_as_it_is_expected() -> None:
    check_library()


@pytest.mark.parametrize("name", ["send_rpc", "_get_peers_to_send"])
def test_a_library_that_has_changed_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(GossipSub, name)
    with pytest.raises(LibraryError, match=rf"libp2p \d+\.\d+\.\d+: GossipSub\.{name} is gone"):
        check_library()
    monkeypatch.setattr(GossipSub, name, lambda self, peer: None, raising=False)
    with pytest.raises(LibraryError, match=rf"{name} takes \(peer\), not \("):
        check_library()


def test_an_attribute_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "ATTRIBUTES", {GossipSub: ("no_such",)})
    with pytest.raises(LibraryError, match=r"GossipSub\.no_such is gone"):
        check_library()


def test_every_method_that_is_overridden_is_looked_at() -> None:
    for ours, theirs in (
        (Router, GossipSub),
        (Recent, MessageCache),
        (Outbox, RpcQueue),
    ):
        overridden = {
            name
            for name, value in vars(ours).items()
            if inspect.isfunction(value) and name in vars(theirs) and not name.startswith("__")
        }
        assert overridden
        assert {(theirs, name) for name in overridden} <= set(library.METHODS)
