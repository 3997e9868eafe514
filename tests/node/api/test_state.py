"""State values and ranges over RPC, with proofs that verify."""

from typing import Any

import pytest

from chain.trie import ics23
from chain.trie.proof import Absence, Existence, RangeProof
from chain.trie.verify import verify_absence, verify_existence, verify_range
from contracts.money.credit import Credit
from node.api import ApiLimits
from tests.node.api.serving import RpcFailure, serving
from tests.node.api.test_chain_methods import fill, header_of
from tests.support.people import account_of

KEY = Credit.accounts.raw_key(account_of("alice"))
NO_KEY = Credit.accounts.raw_key(account_of("nobody"))


def item_of(form: dict[str, str] | None) -> tuple[bytes, bytes] | None:
    return None if form is None else (bytes.fromhex(form["key"]), bytes.fromhex(form["value"]))


def range_of(page: dict[str, Any]) -> RangeProof:
    proof = page["proof"]
    items = [item_of(item) for item in proof["items"]]
    return RangeProof(
        start=bytes.fromhex(page["start"]),
        end=bytes.fromhex(page["end"]),
        cursor=None if page["cursor"] is None else bytes.fromhex(page["cursor"]),
        before=item_of(proof["before"]),
        items=tuple(item for item in items if item is not None),
        after=item_of(proof["after"]),
        left_hashes=tuple(map(bytes.fromhex, proof["left_hashes"])),
        right_hashes=tuple(map(bytes.fromhex, proof["right_hashes"])),
        shape=bytes.fromhex(proof["shape"]),
    )


async def test_a_value_is_proven_against_the_headers_state_root() -> None:
    async with serving() as served:
        await fill(served, 2)
        answer = await served.call("state_get", key=KEY.hex())
        value = bytes.fromhex(answer["value"])
        assert served.backend.chain.store.get(KEY) == value
        proof = ics23.decode(bytes.fromhex(answer["proof"]["ics23"]))
        assert isinstance(proof, Existence)
        verify_existence(header_of(answer).state_root, KEY, value, proof)
        shown = answer["proof"]["exist"]
        assert [step["prefix"] for step in shown["path"]] == [s.prefix.hex() for s in proof.path]
        assert answer["proof"]["nonexist"] is None


async def test_an_absence_is_proven_by_the_neighbours() -> None:
    async with serving() as served:
        answer = await served.call("state_get", key=NO_KEY.hex())
        assert answer["value"] is None
        proof = ics23.decode(bytes.fromhex(answer["proof"]["ics23"]))
        assert isinstance(proof, Absence)
        verify_absence(header_of(answer).state_root, NO_KEY, proof)
        shown = answer["proof"]["nonexist"]
        assert shown["key"] == NO_KEY.hex()
        assert proof.left is not None
        assert shown["left"]["key"] == proof.left.key.hex()


@pytest.mark.parametrize("key", ["", "0", "zz", "00" * 257, 5, None])
async def test_a_key_that_no_proof_can_be_of_is_refused(key: object) -> None:
    async with serving() as served:
        with pytest.raises(RpcFailure) as caught:
            await served.call("state_get", key=key)
        assert (caught.value.name, caught.value.values["path"]) == ("InvalidParams", "key")


async def test_pages_of_a_range_give_all_of_it_and_each_is_proven() -> None:
    async with serving() as served:
        await fill(served, 3)
        start, end = b"\x11", b"\x12"
        expected = list(served.backend.chain.store.scan(start, end))
        found: list[tuple[bytes, bytes]] = []
        cursor: str | None = start.hex()
        pages = 0
        while cursor is not None:
            page = await served.call("state_range", start=cursor, end=end.hex(), limit=2)
            first = bytes.fromhex(cursor)
            found += verify_range(header_of(page).state_root, first, end, range_of(page))
            cursor, pages = page["cursor"], pages + 1
        assert found == expected
        assert pages == (len(expected) + 1) // 2


async def test_an_empty_range_is_proven_too() -> None:
    async with serving() as served:
        page = await served.call("state_range", start="7e00", end="7e01")
        proof = range_of(page)
        root = header_of(page).state_root
        assert verify_range(root, bytes.fromhex("7e00"), bytes.fromhex("7e01"), proof) == ()


async def test_a_page_ends_at_the_nodes_page_size_but_holds_one_item() -> None:
    for size, count in ((1, 1), (250, 2)):
        async with serving(limits=ApiLimits(page_bytes_max=size)) as served:
            page = await served.call("state_range", start="1101", end="1102")
            assert len(page["proof"]["items"]) == count
            assert page["cursor"] is not None


@pytest.mark.parametrize(("start", "end"), [("11", "11"), ("12", "11")])
async def test_a_range_begins_before_it_ends(start: str, end: str) -> None:
    async with serving() as served:
        with pytest.raises(RpcFailure) as caught:
            await served.call("state_range", start=start, end=end)
        assert caught.value.name == "InvalidParams"
