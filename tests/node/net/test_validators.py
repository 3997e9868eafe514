"""Validators over real connections: one chain, whoever proposes, whoever is missing."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import trio

from contracts.governance.parameters import Timing
from tests.node.net.cluster import Cluster, Member, transfer
from tests.support.genesis import make_genesis, parameters
from tests.support.people import account_of


async def until(condition: Callable[[], bool], within_s: float = 90) -> None:
    with trio.fail_after(within_s):
        while not condition():  # noqa: ASYNC110 - nobody tells of it
            await trio.sleep(0.02)


async def test_four_validators_agree_on_one_chain(tmp_path: Path) -> None:
    timing = Timing(block_interval_min_ms=50, heartbeat_ms=200)
    cluster = Cluster(make_genesis(validators=4, chain=parameters(timing=timing)), tmp_path, 4)
    async with cluster.all_up() as members:
        await until(lambda: all(one.height >= 5 for one in members))
        for height in range(6):
            assert len({one.block(height).block_id for one in members}) == 1
        assert len({members[0].block(height).header.proposer for height in range(1, 6)}) == 4


def reach(member: Member, height: Callable[[], int]) -> Callable[[], bool]:
    """Return what says whether a member has come to a height that may go on growing."""
    return lambda: member.height >= height()


def has_proposed(member: Member, account: bytes, above: int) -> bool:
    heights = range(above + 1, member.height + 1)
    return any(member.block(height).header.proposer == account for height in heights)


async def test_a_late_joiner_and_a_stopped_one_catch_up_and_take_part(tmp_path: Path) -> None:
    timing = Timing(block_interval_min_ms=20, heartbeat_ms=20)
    cluster = Cluster(make_genesis(validators=4, chain=parameters(timing=timing)), tmp_path, 4)
    async with AsyncExitStack() as stack:
        three = [await stack.enter_async_context(cluster.up(n)) for n in range(3)]
        await until(lambda: all(one.height >= 12 for one in three))
        for _ in range(2):
            async with cluster.up(3) as late:
                behind = three[0].height - late.height
                assert behind >= 3
                await until(reach(late, lambda: three[0].height - 1))
                account = account_of(cluster.names[3])
                await until(partial(has_proposed, three[0], account, late.height))
                for height in range(late.height + 1):
                    assert late.block(height).block_id == three[0].block(height).block_id
            stopped = three[0].height
            await until(reach(three[0], partial(int, stopped + 8)))


def known_to(members: Sequence[Member], id_: bytes) -> bool:
    return all(one.knows(id_) for one in members)


async def test_a_transaction_submitted_anywhere_is_final_everywhere_once(tmp_path: Path) -> None:
    genesis = make_genesis(validators=4)
    cluster = Cluster(genesis, tmp_path, 4)
    async with cluster.all_up() as members:
        await until(lambda: all(len(one.peers) == 3 for one in members))
        ids = []
        for nonce in range(40):
            raw = transfer(genesis, nonce)
            (answer,) = await members[nonce % 4].backend.submit([raw])
            assert answer.error is None, answer.error
            ids.append(answer.id)
            await until(partial(known_to, members, answer.id))
        await until(lambda: all(None not in one.places(ids) for one in members))
        assert all(one.places(ids) == members[0].places(ids) for one in members)
        await until(lambda: all(len(one.node.engine.mempool) == 0 for one in members))
