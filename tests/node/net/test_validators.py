"""Validators over real connections: one chain, whoever proposes, whoever is missing."""

from collections.abc import Callable
from pathlib import Path

import trio

from contracts.governance.parameters import Timing
from tests.node.net.cluster import Cluster
from tests.support.genesis import make_genesis, parameters


async def until(condition: Callable[[], bool], within_s: float = 30) -> None:
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
