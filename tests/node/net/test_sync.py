"""Sync: from honest and lying peers, in whatever pieces, the same chain and nothing else."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import trio
from libp2p.peer.id import ID

from chain.block import Block
from chain.store import Decided
from node.net import sync as sync_module
from node.net.sync import LAG_MIN, Sync
from p2p.requests import AskError
from tests.support.chain import ChainNode

HEIGHT = 60
HONEST, LIAR, SLOW, EMPTY = (ID(name) for name in (b"honest", b"liar", b"slow", b"empty"))


@pytest.fixture(scope="module")
def chain() -> ChainNode:
    node = ChainNode(4)
    for nonce in range(HEIGHT):
        node.decide(node.transfer("alice", nonce))
    return node


class Follower:
    """A ledger that adopts as the engine does."""

    def __init__(self) -> None:
        self.node = ChainNode(4)

    @property
    def height(self) -> int:
        return self.node.ledger.tip.height

    async def adopt(self, decided: Decided) -> bool:
        await trio.lowlevel.checkpoint()
        if decided.block.height != self.height + 1:
            return False
        self.node.ledger.check_decided(decided.block, decided.certificate)
        self.node.follow(decided.block, decided.certificate)
        return True


class Peers:
    """What peers answer, each in its way."""

    def __init__(self, chain: ChainNode, lie: Callable[[Decided], Decided]) -> None:
        self.chain = chain
        self.lie = lie
        self.asked: list[tuple[ID, int, int]] = []

    async def ask(self, peer: ID, first: int, count: int) -> list[Decided]:
        self.asked.append((peer, first, count))
        await trio.sleep(0.01)
        if peer == SLOW:
            await trio.sleep(5)
            raise AskError(peer, "blocks", "too slow")
        if peer == EMPTY:
            return []
        count = min(count, 17)  # As much as its bytes allow.
        last = min(HEIGHT, first + count - 1)
        found = [self.chain.store.decided(height) for height in range(first, last + 1)]
        blocks = [one for one in found if one is not None]
        if peer == LIAR:
            blocks[len(blocks) // 2] = self.lie(blocks[len(blocks) // 2])
        return blocks


def another_body(one: Decided) -> Decided:
    body = replace(one.block.body, transactions=())
    return replace(one, block=Block(one.block.header, body))


def another_header(one: Decided) -> Decided:
    header = replace(one.block.header, time_ms=one.block.header.time_ms + 1)
    return replace(one, block=Block(header, one.block.body))


def another_signature(one: Decided) -> Decided:
    signatures = (bytes(64), *one.certificate.signatures[1:])
    return replace(one, certificate=replace(one.certificate, signatures=signatures))


def too_few(one: Decided) -> Decided:
    certificate = replace(one.certificate, signer_bitmap=b"\x80",
                          signatures=one.certificate.signatures[:1])  # fmt: skip
    return replace(one, certificate=certificate)


async def caught_up(
    chain: ChainNode, peers: list[ID], lie: Callable[[Decided], Decided] = another_body
) -> tuple[Follower, Sync, Peers]:
    follower, answers = Follower(), Peers(chain, lie)
    sync = Sync(follower, answers, lambda: peers)  # type: ignore[arg-type]  # all that it uses of both
    for peer in peers:
        sync.hear(peer, HEIGHT)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sync.run)
        with trio.fail_after(120):
            while follower.height < HEIGHT:  # noqa: ASYNC110 - it tells nobody
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    assert follower.node.ledger.tip.header == chain.ledger.tip.header
    return follower, sync, answers


@pytest.mark.usefixtures("autojump_clock")
async def test_one_peer_is_enough(chain: ChainNode) -> None:
    _, sync, peers = await caught_up(chain, [HONEST])
    assert sync.lies.total() == 0
    assert [first for _, first, _ in peers.asked] == sorted(first for _, first, _ in peers.asked)


@pytest.mark.usefixtures("autojump_clock")
@pytest.mark.parametrize("lie", [another_body, another_header, another_signature, too_few])
async def test_a_liar_is_found_out_and_not_asked_again(
    chain: ChainNode, lie: Callable[[Decided], Decided]
) -> None:
    _, sync, peers = await caught_up(chain, [LIAR, HONEST], lie)
    assert dict(sync.lies) == {LIAR: 1}
    assert sum(peer == LIAR for peer, _, _ in peers.asked) == 1


@pytest.mark.usefixtures("autojump_clock")
async def test_slow_and_empty_peers_hold_nothing_up_for_long(chain: ChainNode) -> None:
    _, sync, _ = await caught_up(chain, [SLOW, EMPTY, HONEST])
    assert sync.lies.total() == 0


@pytest.mark.usefixtures("autojump_clock")
async def test_nothing_is_asked_of_those_who_are_not_ahead_or_a_little(chain: ChainNode) -> None:
    follower, peers = Follower(), Peers(chain, another_body)
    sync = Sync(follower, peers, lambda: [HONEST])  # type: ignore[arg-type]  # all that it uses of both
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sync.run)
        for height in range(LAG_MIN):
            sync.hear(HONEST, height)
            await trio.sleep(5 * sync_module.LOOK_EVERY_S)
        assert peers.asked == []
        sync.hear(HONEST, LAG_MIN)
        await trio.sleep(5 * sync_module.LOOK_EVERY_S)
        assert follower.height == LAG_MIN
        nursery.cancel_scope.cancel()
