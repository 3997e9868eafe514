"""What an operator asks first: whether the node is well."""

import pytest
import trio
import trio.testing

from chain.mempool import MempoolLimits
from chain.store import MemoryState
from contracts.kernel import Host, codec
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.schedule import ClockKind, FailedWork, Work
from contracts.kernel.state import State
from contracts.registry import Registry
from node.api import ApiLimits
from node.api.app import service_of
from node.api.methods.node import FAILED_SHOWN_MAX
from tests.node.api.backend import ChainBackend
from tests.node.api.serving import RpcFailure, serving
from tests.node.api.test_chain_methods import fill


def with_failed_work(count: int) -> ChainBackend:
    """Return a node whose published state has units that failed."""
    backend = ChainBackend()
    newest = backend.publisher.newest.state
    assert isinstance(newest, MemoryState)
    state = State(newest, Meter(WeightTable(), 2**40))
    schedule = Registry(Host(state)).schedule
    work = Work("auction", "clear", codec.encode([]))
    for number in range(count):
        schedule.failed[number] = FailedWork(work, ClockKind.MARKET, 900 * number, number)
    newest.write(state.changes())
    return backend


async def test_a_node_that_is_well_says_so_and_how_busy_it_is() -> None:
    async with serving() as served:
        await fill(served, 1)
        health = await served.call("node_health")
        assert (health["ok"], health["problems"], health["failed_work"]) == (True, [], [])
        tip = served.backend.chain.ledger.tip
        assert (health["height"], health["tip_time_ms"]) == (1, tip.header.time_ms)
        assert (health["subscriptions"], health["tip_age_ms"]) == (0, 0)
        assert health["bytes_held"] > 0


async def test_a_chain_that_stands_still_is_a_problem() -> None:
    backend = ChainBackend()
    heartbeat_ms = backend.chain.ledger.tip.parameters.timing.heartbeat_ms
    async with serving(backend) as served:
        backend.tip_age_ms = 3 * heartbeat_ms
        assert (await served.call("node_health"))["ok"]
        backend.tip_age_ms += 1
        health = await served.call("node_health")
        (problem,) = health["problems"]
        assert not health["ok"]
        assert problem.startswith(f"No block for {3 * heartbeat_ms // 1_000} s")


async def test_failed_work_is_named_oldest_first() -> None:
    async with serving(with_failed_work(2)) as served:
        health = await served.call("node_health")
        assert health["failed_work"] == [
            {"id": number, "contract": "auction", "unit": "clear", "height": number}
            for number in range(2)
        ]
        (problem,) = health["problems"]
        assert "auction.clear at height 0" in problem
        assert "unit_failed" in problem
        assert not health["ok"]


async def test_only_so_much_failed_work_is_shown() -> None:
    async with serving(with_failed_work(FAILED_SHOWN_MAX + 5)) as served:
        health = await served.call("node_health")
        assert [one["id"] for one in health["failed_work"]] == list(range(FAILED_SHOWN_MAX))


async def test_a_mempool_that_is_nearly_full_is_a_problem() -> None:
    async with serving(ChainBackend(limits=MempoolLimits(transactions=10))) as served:
        for nonce, well in [(nonce, nonce < 8) for nonce in range(9)]:
            raw = served.backend.chain.transfer("alice", nonce).signed.raw
            await served.call("tx_submit", transaction=raw.hex())
            assert (await served.call("node_health"))["ok"] is well
        (problem,) = (await served.call("node_health"))["problems"]
        assert "9 of 10 transactions" in problem


async def test_health_is_told_while_all_threads_are_busy() -> None:
    limits = ApiLimits(heavy_at_once_max=1, heavy_waiting_max=1)
    release = trio.Event()
    async with serving(limits=limits) as served, trio.open_nursery() as nursery:
        for _ in range(2):
            heavy = service_of(served.app).heavy
            nursery.start_soon(heavy.run, lambda: trio.from_thread.run(release.wait))
        await trio.testing.wait_all_tasks_blocked(0.05)
        with pytest.raises(RpcFailure, match="all the work that it can take"):
            await served.call("chain_status")
        assert (await served.call("node_health"))["ok"]
        release.set()
