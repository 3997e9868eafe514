"""Blocks, headers, validators and accounts over RPC."""

from typing import Any

import pytest

from chain.bech32 import encode_address
from chain.block import Header
from chain.json_form import from_json
from chain.light import verify_final
from chain.merkle import merkle_root
from chain.votes import Certificate
from contracts.kernel.manifest import manifest_hash, manifest_of
from contracts.registry import CATALOGUE
from node.api import ApiLimits
from tests.node.api.backend import ChainBackend
from tests.node.api.serving import RpcFailure, Served, serving
from tests.support.genesis import FUNDS_UTHB, START_S
from tests.support.people import account_of, key_of

ALICE = account_of("alice")


def header_of(answer: dict[str, Any]) -> Header:
    return Header.from_wire(from_json(Header.shape, answer["header"]))


def certificate_of(answer: dict[str, Any]) -> Certificate:
    return Certificate.from_wire(from_json(Certificate.shape, answer["certificate"]))


def from_hex(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


async def fill(served: Served, count: int) -> None:
    """Put transactions of alice into the next block."""
    first = served.backend.nonce_of(ALICE)
    for nonce in range(first, first + count):
        raw = served.backend.chain.transfer("alice", nonce).signed.raw
        await served.call("tx_submit", transaction=raw.hex())
    served.backend.commit()


async def test_the_status_names_the_tip_and_what_is_in_force() -> None:
    async with serving() as served:
        await fill(served, 1)
        status = await served.call("chain_status")
        tip = served.backend.chain.ledger.tip
        assert status["height"] == tip.height == 1
        assert status["block_id"] == tip.block_id.hex()
        assert status["chain_id"] == served.backend.chain.genesis.chain_id.hex()
        assert status["state_root"] == tip.header.state_root.hex()
        assert status["market_time_s"] == START_S
        assert status["manifest_hash"] == manifest_hash(manifest_of(CATALOGUE.specs)).hex()
        assert status["parameters"]["fee_base_uthb"] == tip.parameters.fee_base_uthb


async def test_a_header_comes_with_the_certificate_that_made_it_final() -> None:
    async with serving(ChainBackend(4)) as served:
        await fill(served, 1)
        await fill(served, 0)
        chain = served.backend.chain
        for height in (1, 2, None):
            answer = await served.call("chain_header", height=height)
            header = header_of(answer)
            assert header.id().hex() == answer["block_id"]
            verify_final(
                chain.genesis.chain_id, chain.ledger.tip.validators, header, certificate_of(answer)
            )
        assert (await served.call("chain_header", height=0))["certificate"] is None


async def test_all_roots_can_be_computed_from_a_raw_block() -> None:
    async with serving() as served:
        await fill(served, 5)
        items: list[dict[str, Any]] = []
        page: dict[str, Any] = {"next": 0}
        while page["next"] is not None:
            start = page["next"]
            page = await served.call("chain_block", height=1, detail="raw", start=start, limit=2)
            assert len(page["items"]) <= 2
            items += page["items"]
        header = header_of(page)
        assert [item["receipt_index"] for item in items] == list(range(6))
        assert items[0]["raw"] is None
        assert merkle_root(from_hex([item["raw"] for item in items[1:]])) == header.txs_root
        receipts = from_hex([item["receipt_raw"] for item in items])
        assert merkle_root(receipts) == header.receipts_root


async def test_a_block_for_people_names_calls_results_and_events() -> None:
    async with serving() as served:
        await fill(served, 1)
        page = await served.call("chain_block", detail="full")
        own, one = page["items"]
        assert (own["transaction"], own["receipt"]["results"]) == (None, [])
        (call,) = one["transaction"]["calls"]
        assert (call["contract"], call["method"]) == ("credit", "transfer")
        assert call["arguments"]["recipient"] == encode_address(account_of("bob"))
        assert one["receipt"]["results"][0]["outcome"] == "ok"
        assert one["events"][0]["event"] == "CreditTransferred"
        assert one["events"][0]["fields"]["amount_uthb"] == 5
        assert (await served.call("chain_block"))["items"][1]["transaction"] is None


async def test_a_page_of_a_block_ends_at_the_nodes_page_size() -> None:
    limits = ApiLimits(page_bytes_max=600)
    async with serving(limits=limits) as served:
        await fill(served, 3)
        page = await served.call("chain_block", detail="raw")
        assert page["next"] == len(page["items"]) == 2
        # One receipt is given in any case, or nobody could go on.
        small = ApiLimits(page_bytes_max=1)
    async with serving(served.backend, small) as served:
        page = await served.call("chain_block", detail="raw", start=2)
        assert ([item["receipt_index"] for item in page["items"]], page["next"]) == ([2], 3)
        assert (await served.call("chain_block", start=99))["items"] == []


async def test_a_height_that_is_not_there_is_named_with_the_tip() -> None:
    async with serving() as served:
        for method in ("chain_block", "chain_header"):
            with pytest.raises(RpcFailure) as caught:
                await served.call(method, height=7)
            assert (caught.value.name, caught.value.values) == (
                "NotFound",
                {"height": 7, "tip_height": 0},
            )
            assert "height 0" in caught.value.hint


async def test_validators_are_named_in_their_order() -> None:
    async with serving(ChainBackend(4)) as served:
        answer = await served.call("chain_validators")
        tip = served.backend.chain.ledger.tip
        assert answer["validators_hash"] == tip.validators.hash.hex()
        assert answer["next_validators"] == answer["validators"]
        for one, member in zip(answer["validators"], tip.validators.members, strict=True):
            assert one["address"] == encode_address(member.address)
            assert one["public_key"] == key_of(one["name"]).hex() == member.public_key.hex()


async def test_an_account_has_its_nonce_keys_and_balances() -> None:
    async with serving() as served:
        await fill(served, 2)
        for address in (encode_address(ALICE), ALICE.hex(), "0x" + ALICE.hex().upper()):
            account = await served.call("account_get", address=address)
            assert (account["nonce"], account["keys"], account["height"]) == (2, None, 1)
            assert account["address"] == encode_address(ALICE)
            assert FUNDS_UTHB - 100_000 < account["credit"]["free"] < FUNDS_UTHB
            assert account["credit"]["history_count"] == 2
        nobody = await served.call("account_get", address=account_of("nobody").hex())
        assert (nobody["nonce"], nobody["credit"]["free"], nobody["nrg_unrg"]) == (0, 0, 0)


async def test_what_no_json_reader_can_hold_exactly_is_a_decimal_string() -> None:
    async with serving() as served:
        mine = await served.call("contract_query", contract="nrg", method="circulating_supply")
        assert mine["value"] == 400_000_000 * 1_000_000
        manifest = (await served.call("contract_manifest", contract="nrg"))["manifest"]
        (transfer,) = manifest["contracts"][0]["calls"]
        assert transfer["arguments"][1]["of"]["high"] == str(2**63 - 1)
