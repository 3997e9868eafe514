"""Sources of an audit: a node's RPC gives the blocks of its database, or its answer is refused."""

from typing import Any

import pytest

from client.audit import Progress, RpcSource, SourceError, StoreSource, audit
from client.rpc import Rpc
from node.api import ApiLimits
from tests.node.api.backend import ChainBackend
from tests.node.api.serving import serving
from tests.support.genesis import make_genesis


async def transferring(backend: ChainBackend, blocks: int) -> None:
    """Make blocks of three transfers each."""
    for number in range(blocks):
        signed = [backend.chain.transfer(who, number) for who in ("alice", "bob", "carol")]
        await backend.submit([one.signed.raw for one in signed])
        backend.commit()


async def test_a_node_gives_the_blocks_of_its_database_page_by_page() -> None:
    backend = ChainBackend(4)
    await transferring(backend, 3)
    async with serving(backend, ApiLimits(items_max=2)) as client, Rpc(client.url) as rpc:
        source = RpcSource(backend.chain.genesis, rpc)
        assert await source.tip_height() == 3
        for height in range(4):
            assert await source.block(height) == backend.archive.block(height)


async def test_an_audit_over_rpc_is_that_of_the_database_and_tells_how_far_it_is() -> None:
    backend = ChainBackend()
    await transferring(backend, 20)
    said: list[Progress] = []
    async with serving(backend) as client, Rpc(client.url) as rpc:
        report = await audit(RpcSource(backend.chain.genesis, rpc), said.append)
    assert report == await audit(StoreSource(backend.chain.genesis, backend.archive))
    assert report.is_clean
    assert report.counts.transactions == 60
    heights = [one.height for one in said]
    assert heights == sorted(heights)
    assert said[-1] == Progress(20, 20, 0)


class Saying:
    """A node that says the same to everything."""

    def __init__(self, answer: Any) -> None:  # noqa: ANN401 - whatever a node may say
        self.answer = answer

    async def call(self, method: str, /, **params: Any) -> Any:  # noqa: ANN401
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"items": None, "next": None},
        {"items": [], "next": None},
        {"items": [{}], "next": None, "header": {}, "certificate": None},
        {"items": [], "next": None, "header": "x", "certificate": 1, "parent_certificate": []},
    ],
)
async def test_an_answer_that_cannot_be_read_ends_the_audit(answer: object) -> None:
    source = RpcSource(make_genesis(), Saying(answer))
    with pytest.raises(SourceError, match="block 7"):
        await source.block(7)


@pytest.mark.parametrize("answer", [None, {}, {"height": "5"}, {"height": -1}, {"height": True}])
async def test_a_status_without_a_height_ends_the_audit(answer: object) -> None:
    with pytest.raises(SourceError, match="height"):
        await RpcSource(make_genesis(), Saying(answer)).tip_height()


async def test_a_node_that_turns_pages_for_ever_ends_the_audit() -> None:
    source = RpcSource(make_genesis(), Saying({"items": [{}], "next": 1}))
    with pytest.raises(SourceError, match="pages"):
        await source.block(7)


async def test_what_the_node_refuses_is_raised_as_it_is() -> None:
    class Gone(Saying):
        async def call(self, method: str, /, **params: Any) -> Any:  # noqa: ANN401
            if method == "chain_block":
                raise ConnectionError(method)
            return self.answer

    with pytest.raises(ConnectionError):
        await audit(RpcSource(make_genesis(), Gone({"height": 3})))
