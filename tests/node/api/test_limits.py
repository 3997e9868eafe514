"""Every limit of the API: below it all is well, beyond it there is a named answer."""

import json
from typing import Any

import pytest
import trio
import trio.testing

from node.api import ApiLimits
from node.api.errors import Busy
from node.api.limits import ByteBudget, HeavyWork, TokenBuckets
from tests.node.api.backend import ChainBackend
from tests.node.api.serving import RpcFailure, Served, serving

STATUS = {"jsonrpc": "2.0", "id": 1, "method": "chain_status"}


def padded(size: int) -> bytes:
    """Return a request of exactly this many bytes."""
    body = json.dumps(STATUS).encode()
    return body + b" " * (size - len(body))


def refusal(answer: Any) -> tuple[int, str]:  # noqa: ANN401
    return answer.status_code, answer.json()["error"]["data"]["name"]


async def test_a_body_has_at_most_so_many_bytes() -> None:
    async with serving(limits=ApiLimits(body_bytes_max=1_000)) as served:
        assert (await served.post(padded(1_000))).status_code == 200
        assert refusal(await served.post(padded(1_001))) == (413, "TooLarge")


async def test_a_body_of_unknown_length_is_cut_off_at_the_limit() -> None:
    async def chunks() -> Any:  # noqa: ANN401
        for _ in range(40):
            yield b" " * 100

    async with serving(limits=ApiLimits(body_bytes_max=1_000)) as served:
        kind = {"content-type": "application/json"}
        answer = await served.http.post(served.url, content=chunks(), headers=kind)
        assert refusal(answer) == (413, "TooLarge")


async def test_a_body_has_at_most_so_many_values() -> None:
    async with serving(limits=ApiLimits(json_values_max=50)) as served:
        many = json.dumps(STATUS | {"params": list(range(60))}).encode()
        assert refusal(await served.post(many)) == (413, "TooLarge")
        assert (await served.call("chain_status"))["height"] == 0


async def test_a_batch_has_at_most_so_many_requests() -> None:
    async with serving(limits=ApiLimits(batch_max=3)) as served:
        assert len(await served.json([STATUS] * 3)) == 3
        assert refusal(await served.post(json.dumps([STATUS] * 4).encode())) == (413, "TooLarge")


async def test_an_answer_has_at_most_so_many_bytes_and_a_batch_too() -> None:
    async with serving(limits=ApiLimits(answer_bytes_max=20_000)) as served:
        with pytest.raises(RpcFailure) as caught:
            await served.call("rpc_discover")
        assert caught.value.name == "TooLarge"
        answers = await served.json([STATUS] * 40)
        names = [a["error"]["data"]["name"] if "error" in a else "" for a in answers]
        fitting = names.index("TooLarge")
        assert names == [""] * fitting + ["TooLarge"] * (40 - fitting)
        assert fitting == 20_000 // len(json.dumps(answers[0]["result"], separators=(",", ":")))


async def test_one_address_has_a_rate_and_is_told_when_to_come_again() -> None:
    limits = ApiLimits(requests_per_s=10, requests_burst=5, batch_max=5)
    async with serving(limits=limits) as served:
        assert len(await served.json([STATUS] * 5)) == 5
        refused = await served.post(json.dumps(STATUS).encode())
        assert refusal(refused) == (429, "TooManyRequests")
        assert refused.headers["retry-after"] == "1"
        wait_ms = refused.json()["error"]["data"]["values"]["retry_after_ms"]
        assert 0 < wait_ms <= 100
        await trio.sleep(wait_ms / 1_000)
        assert (await served.post(json.dumps(STATUS).encode())).status_code == 200
        # A batch counts as its requests.
        await trio.sleep(0.3)
        assert refusal(await served.post(json.dumps([STATUS] * 5).encode()))[0] == 429


async def test_messages_on_a_websocket_have_the_same_rate() -> None:
    limits = ApiLimits(requests_per_s=1, requests_burst=5, batch_max=5)
    async with serving(limits=limits) as served, served.websocket() as socket:
        for _ in range(5):
            await socket.call("chain_status")
        with pytest.raises(RpcFailure) as caught:
            await socket.call("chain_status")
        assert caught.value.name == "TooManyRequests"


def test_a_bucket_fills_up_to_its_burst_and_no_further() -> None:
    buckets = TokenBuckets(10, 5, 100)
    assert buckets.take("a", 5, 0.0) == 0
    assert buckets.take("a", 1, 0.0) == pytest.approx(0.1)
    assert buckets.take("a", 1, 0.1) == 0
    assert buckets.take("a", 5, 100.0) == 0
    assert buckets.take("a", 1, 100.0) > 0
    assert buckets.take("b", 5, 100.0) == 0


def test_addresses_of_one_customer_share_a_bucket() -> None:
    buckets = TokenBuckets(1, 1, 100)
    assert buckets.take("2001:db8:0:1::1", 1, 0) == 0
    assert buckets.take("2001:db8:0:1:ffff::2", 1, 0) > 0
    assert buckets.take("2001:db8:0:2::1", 1, 0) == 0
    assert buckets.take("::ffff:192.0.2.1", 1, 0) == 0
    assert buckets.take("192.0.2.1", 1, 0) > 0
    assert buckets.take("192.0.2.2", 1, 0) == 0
    assert buckets.take("no address", 1, 0) == 0


def test_only_so_many_addresses_are_remembered() -> None:
    buckets = TokenBuckets(1, 1, 3)
    for number in range(10):
        buckets.take(f"192.0.2.{number}", 1, 0)
    assert len(buckets) == 3
    assert buckets.take("192.0.2.9", 1, 0) > 0
    assert buckets.take("192.0.2.0", 1, 0) == 0


def test_bytes_are_held_up_to_the_budget_and_given_back() -> None:
    budget = ByteBudget(100)
    with budget.account() as one, budget.account() as other:
        one(60)
        other(40)
        with pytest.raises(Busy):
            other(1)
        assert budget.held == 100
    assert budget.held == 0


async def test_all_bodies_together_hold_at_most_so_many_bytes() -> None:
    backend = ChainBackend()
    backend.gate = trio.Event()
    size = 20_000
    limits = ApiLimits(body_bytes_max=size, answer_bytes_max=size, bytes_held_max=50_000)
    async with serving(backend, limits) as served, trio.open_nursery() as nursery:
        raw = backend.chain.transfer("alice", 0).signed.raw.hex()
        submit = json.dumps(STATUS | {"method": "tx_submit", "params": [raw]}).encode()
        for _ in range(2):
            nursery.start_soon(served.post, submit + b" " * (size - len(submit)))
        await backend.has_submissions(2)
        assert refusal(await served.post(padded(size))) == (503, "Busy")
        assert (await served.post(padded(5_000))).status_code == 200
        backend.gate.set()
    assert len(backend.mempool) == 1


async def test_heavy_work_has_a_queue_of_known_length() -> None:
    work = HeavyWork(1, 2)
    release = trio.Event()

    def wait() -> None:
        trio.from_thread.run(release.wait)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(work.run, wait)
        await trio.testing.wait_all_tasks_blocked(0.05)
        with pytest.raises(Busy):
            await work.run(wait)
        release.set()
    assert await work.run(lambda: 7) == 7


@pytest.mark.parametrize(
    "wrong", [{"requests_burst": 10}, {"bytes_held_max": 10 * 2**20}, {"batch_max": 5_000}]
)
def test_limits_that_contradict_each_other_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"batch_max|bytes_held_max"):
        ApiLimits(**wrong)


def test_every_limit_says_what_it_is() -> None:
    rows = list(ApiLimits.described())
    assert len(rows) > 20
    assert all(default > 0 and meaning for _, default, meaning in rows)
    assert len({name for name, *_ in rows}) == len(rows)


async def test_connections_beyond_the_limit_are_told_so() -> None:
    async with serving(limits=ApiLimits(connections_max=2)) as served:
        await _two_and_one_more(served)


async def _two_and_one_more(served: Served) -> None:
    async with await served.stream() as one, await served.stream() as other:
        for stream in (one, other):
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 405 " in await stream.receive_some()
        refused = await served.post(json.dumps(STATUS).encode())
        assert refusal(refused) == (503, "Busy")
        assert refused.json()["error"]["data"]["values"] == {"what": "connections", "max": 2}
    # Only asking tells when the node has seen them go.
    while (await served.post(json.dumps(STATUS).encode())).status_code != 200:  # noqa: ASYNC110
        await trio.sleep(0.01)
