"""Links: one connection a pair, up again after whatever happened to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from libp2p.host.ping import ID as PING
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from p2p.links import Links, LinkTiming
from tests.p2p.hosts import Peer, id_of, peer, peers

TIMING = LinkTiming(
    patience_s=0.3, retry_min_s=0.05, retry_max_s=0.2, ping_every_s=0.3, ping_timeout_s=0.5,
    look_every_s=0.02,
)  # fmt: skip


class Kept:
    """A peer with its links, and what it was told of them."""

    def __init__(self, one: Peer, contacts: dict[ID, list[Multiaddr]]) -> None:
        self.peer = one
        self.contacts = contacts
        self.told: list[tuple[ID, bool]] = []
        self.links = Links(
            one.host, lambda: contacts, lambda who, is_up: self.told.append((who, is_up)), TIMING
        )


@asynccontextmanager
async def keeping(*kept: Kept) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        for one in kept:
            nursery.start_soon(one.links.run)
        yield
        nursery.cancel_scope.cancel()


async def until(condition: object) -> None:
    assert callable(condition)
    with trio.fail_after(15):
        while not condition():  # noqa: ASYNC110 - the library tells nobody
            await trio.sleep(0.02)


def knowing(one: Peer, *others: Peer) -> Kept:
    return Kept(one, {other.id: [other.address] for other in others})


async def test_each_pair_has_one_connection_though_both_know_each_other() -> None:
    async with peers(1, 2, 3) as hosts:
        kept = [knowing(one, *(o for o in hosts if o is not one)) for one in hosts]
        async with keeping(*kept):
            await until(lambda: all(len(one.told) == 2 for one in kept))
            await trio.sleep(2 * TIMING.patience_s)
            for one in hosts:
                for other in hosts:
                    assert one.connections(other) == (one is not other)
        dials = {one.peer.id: sum(link.dials for link in one.links.links.values()) for one in kept}
        assert sum(dials.values()) == 3
        assert dials[max(dials, key=ID.to_bytes)] == 0


async def test_the_larger_id_dials_if_the_smaller_one_knows_no_address() -> None:
    async with peers(1, 2) as (one, other):
        small, large = sorted((one, other), key=lambda p: p.id.to_bytes())
        unknowing, known = Kept(small, {large.id: []}), knowing(large, small)
        async with keeping(unknowing, known):
            await until(lambda: unknowing.told and known.told)
            assert small.connections(large) == large.connections(small) == 1


async def test_a_connection_that_breaks_is_dialled_again() -> None:
    async with peers(1, 2) as (one, other):
        kept = knowing(one, other), knowing(other, one)
        async with keeping(*kept):
            for times in range(1, 4):
                told = [True, *[False, True] * (times - 1)]
                for side in kept:
                    await until(lambda side=side, told=told: [x for _, x in side.told] == told)
                assert one.connections(other) == other.connections(one) == 1
                await one.host.disconnect(other.id)


async def test_a_peer_that_comes_late_or_again_is_found() -> None:
    async with peer(1) as one:
        async with peer(2) as gone:
            address = gone.address
        contacts = {id_of(2): [Multiaddr("/ip4/127.0.0.1/tcp/1"), address]}
        kept = Kept(one, contacts)
        async with keeping(kept):
            await until(lambda: kept.links.links and kept.links.links[id_of(2)].failures > 3)
            assert kept.told == []
            async with peer(2) as back:
                contacts[back.id] = [back.address]
                await until(lambda: kept.told == [(back.id, True)])
            await until(lambda: kept.told == [(back.id, True), (back.id, False)])


async def test_a_peer_that_is_wanted_no_more_is_disconnected() -> None:
    async with peers(1, 2) as (one, other):
        kept = knowing(one, other)
        async with keeping(kept):
            await until(lambda: one.connections(other))
            kept.contacts.clear()
            await until(lambda: not one.connections(other) and not other.connections(one))
            await until(lambda: kept.told == [(other.id, True), (other.id, False)])
            assert kept.links.links == {}


async def test_a_connection_without_a_pulse_is_closed() -> None:
    async with peers(1, 2) as (one, other):

        async def silent(_: object) -> None:
            await trio.sleep_forever()

        other.host.set_stream_handler(PING, silent)
        kept = knowing(one, other)
        async with keeping(kept):
            await until(lambda: kept.told[:2] == [(other.id, True), (other.id, False)])
            assert kept.links.links[other.id].stale >= 1


async def test_a_peer_is_not_its_own() -> None:
    async with peer(1) as one:
        kept = Kept(one, {one.id: [one.address]})
        async with keeping(kept):
            await trio.sleep(0.2)
            assert kept.links.links == {}
            assert kept.told == []
