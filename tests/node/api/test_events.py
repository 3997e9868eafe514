"""Events searched by page."""

from typing import Any

import pytest

from chain.bech32 import encode_address
from chain.execution.receipt import Receipt
from chain.merkle import merkle_root
from node.api import ApiLimits
from tests.node.api.backend import ChainBackend
from tests.node.api.serving import RpcFailure, Served, serving
from tests.node.api.test_chain_methods import fill
from tests.support.people import account_of

BOB = encode_address(account_of("bob"))


async def pages(served: Served, **params: Any) -> tuple[list[dict[str, Any]], int]:  # noqa: ANN401
    """Return all events of a search and how many pages they took."""
    found: list[dict[str, Any]] = []
    count = 0
    while True:
        page = await served.call("events_query", **params)
        found, count = found + page["events"], count + 1
        params["cursor"] = page["cursor"]
        if not page["more"]:
            return found, count


async def test_pages_join_to_all_events_whatever_their_size() -> None:
    async with serving(ChainBackend(4)) as served:
        for count in (3, 0, 2, 1):
            await fill(served, count)
        whole, once = await pages(served)
        assert once == 1
        places = [(e["height"], e["receipt"], e["index"]) for e in whole]
        assert places == sorted(set(places))
        for limit in (1, 2, 4):
            assert (await pages(served, limit=limit))[0] == whole
        stored = [served.backend.chain.store.block(height) for height in range(5)]
        data = [d.hex() for block in stored if block for events in block.events for d in events]
        assert [event["data"] for event in whole] == data


async def test_events_hash_to_the_root_in_their_receipt() -> None:
    async with serving() as served:
        await fill(served, 1)
        found, _ = await pages(served, from_height=1)
        block = served.backend.chain.store.block(1)
        assert block is not None
        receipt = Receipt.decode(block.receipts[1])
        mine = [bytes.fromhex(e["data"]) for e in found if e["transaction_id"] == receipt.id.hex()]
        assert merkle_root(mine) == receipt.events_root


async def test_events_are_found_by_contract_name_and_owner() -> None:
    async with serving() as served:
        await fill(served, 2)
        await fill(served, 0)
        transfers, _ = await pages(served, contract="credit", event="CreditTransferred")
        assert [event["fields"]["recipient"] for event in transfers] == [BOB, BOB]
        assert [e["receipt"] for e in transfers] == [1, 2]
        shared, _ = await pages(served, event="FeesShared")
        assert [(e["height"], e["receipt"], e["transaction_id"]) for e in shared] == [(2, 0, None)]
        assert await pages(served, owner=BOB) == (transfers, 1)
        assert await pages(served, contract="nrg") == ([], 1)
        # The proposer is in `FeesShared`, but not as one whose history it enters.
        assert await pages(served, owner=account_of("validator 0").hex()) == ([], 1)
        # A name inside a memo or another name is no match.
        assert await pages(served, event="Credit") == ([], 1)


async def test_heights_bound_a_search() -> None:
    async with serving() as served:
        for _ in range(4):
            await fill(served, 1)
        found, _ = await pages(served, from_height=2, to_height=3, event="CreditTransferred")
        assert [event["height"] for event in found] == [2, 3]
        page = await served.call("events_query", from_height=99)
        assert (page["events"], page["more"], page["tip_height"]) == ([], False, 4)


@pytest.mark.parametrize(
    "limits", [ApiLimits(event_blocks_max=1), ApiLimits(event_scan_bytes_max=1)]
)
async def test_one_search_reads_a_bounded_part_of_the_chain(limits: ApiLimits) -> None:
    async with serving(limits=limits) as served:
        for _ in range(3):
            await fill(served, 1)
        first = await served.call("events_query", from_height=1)
        assert {event["height"] for event in first["events"]} == {1}
        assert (first["more"], first["cursor"]) == (True, "2.0.0")
        found, count = await pages(served, event="CreditTransferred")
        assert [event["height"] for event in found] == [1, 2, 3]
        assert count >= 3


@pytest.mark.parametrize("cursor", ["", "1", "1.2", "a.b.c", "-1.0.0", "1.2.3.4", "1" * 40])
async def test_a_cursor_that_no_answer_gave_is_refused(cursor: str) -> None:
    async with serving() as served:
        with pytest.raises(RpcFailure) as caught:
            await served.call("events_query", cursor=cursor)
        assert (caught.value.name, caught.value.values["path"]) == ("InvalidParams", "cursor")
