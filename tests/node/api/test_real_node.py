"""The API of a real validator: final, proven, and hard to harm."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest

from chain.block import TRANSACTION_BYTES_MAX
from chain.crypto import sign
from chain.transaction import Call, SignedTransaction, decode_transaction
from contracts.kernel import Value, codec
from contracts.money.credit import Credit
from tests.node.api.real_node import RealNode, real_node
from tests.node.api.refused import account_from, refused
from tests.node.api.serving import RpcFailure
from tests.support.genesis import FUNDS_UTHB
from tests.support.people import account_of, key_of, seed_of

ALICE, BOB, CAROL = map(account_of, ("alice", "bob", "carol"))


def transfer(amount: Value, recipient: bytes = BOB) -> Call:
    return Call("credit", "transfer", (recipient, amount, b""))


async def test_a_batch_of_transfers_is_final_and_all_about_it_is_proven(tmp_path: Path) -> None:
    async with real_node(tmp_path) as node:
        assert await node.value(Credit.accounts.raw_key(account_of("frank"))) is None
        ids = await node.submit(
            node.signed(transfer(1_000 + nonce, account_of("frank")), nonce=nonce)
            for nonce in range(20)
        )
        await node.final(ids)
        fees = 0
        for id_ in ids:
            receipt, _ = await node.receipt(id_)
            assert [result.code for result in receipt.results] == [0]
            fees += receipt.fee_uthb
        sent = sum(1_000 + nonce for nonce in range(20))
        held = {name: await balance(node, name) for name in ("alice", "frank")}
        assert held == {"alice": FUNDS_UTHB - sent - fees, "frank": sent}
        assert await node.value(Credit.accounts.raw_key(account_of("nobody"))) is None
        for name, uthb in held.items():
            shown = await node.client.call("account_get", address=account_of(name).hex())
            assert shown["credit"]["free"] == uthb
        found = await node.client.call("events_query", event="CreditTransferred")
        assert [one["transaction_id"] for one in found["events"]] == ids


async def test_every_block_is_final_by_its_own_certificate(tmp_path: Path) -> None:
    async with real_node(tmp_path) as node:
        for nonce in range(3):
            await node.final(await node.submit([node.signed(transfer(1), nonce=nonce)]))
        parent = None
        for height in range((await node.client.call("chain_status"))["height"] + 1):
            answer = await node.client.call("chain_header", height=height)
            header = node.trusted(answer)
            assert header.height == height
            assert parent in (None, header.parent_hash)
            parent = header.id()
        assert height >= 3


async def test_a_simulation_tells_the_fee_that_the_block_takes(tmp_path: Path) -> None:
    async with real_node(tmp_path) as node:
        raw = node.signed(transfer(7))
        simulated = await node.client.call("tx_simulate", transaction=raw.hex())
        (id_,) = await node.submit([raw])
        await node.final([id_])
        _, shown = await node.receipt(id_)
        assert shown == simulated["receipt"]


def resigned(node: RealNode, *signatures: bytes) -> bytes:
    """Return a right transaction with other signatures."""
    signed = decode(node, node.signed(transfer(5)))
    pairs: Value = [[key_of("alice"), signature] for signature in signatures]
    return codec.encode([signed.transaction.to_wire(), pairs])


def paying(node: RealNode, amount: object) -> bytes:
    """Return a transaction that pays what our own codec would not write."""
    body: Any = decode(node, node.signed(transfer(1))).transaction.to_wire()
    body[7][0][2] = (BOB, amount, b"")
    return cbor2.dumps([body, [[key_of("alice"), bytes(64)]]], canonical=True)


def decode(node: RealNode, raw: bytes) -> SignedTransaction:
    return decode_transaction(raw, node.chain_id)


PAY = transfer(5)
Maker = Callable[[RealNode], bytes]
REFUSED: list[tuple[str, str, Maker]] = [
    ("malformed CBOR", "MalformedTransaction", lambda _: b"\x9f\x01"),
    ("1.0", "MalformedTransaction", lambda n: paying(n, 1.0)),
    ("2^63", "MalformedTransaction", lambda n: paying(n, 2**63)),
    ("a date", "MalformedTransaction", lambda n: paying(n, cbor2.CBORTag(1, 5))),
    ("oversized", "MalformedTransaction", lambda _: bytes(TRANSACTION_BYTES_MAX + 1)),
    ("another chain", "WrongChain", lambda n: n.signed(PAY, chain_id=bytes(32))),
    ("bad signature", "BadSignature", lambda n: resigned(n, sign(seed_of("alice"), b"other"))),
    ("no signature", "MalformedTransaction", resigned),
    ("another's key", "WrongKeys", lambda n: n.signed(PAY, keys=("bob",))),
    ("below threshold", "WrongKeys", lambda n: n.signed(PAY, sender="carol", nonce=1)),
    ("low nonce", "LowNonce", lambda n: n.signed(PAY, sender="carol", keys=("carol", "dave"))),
    ("far nonce", "NonceGap", lambda n: n.signed(PAY, nonce=65)),
    ("expired", "ExpiredTransaction", lambda n: n.signed(PAY, valid_until_height=0)),
    ("far expiry", "ExpiredTransaction", lambda n: n.signed(PAY, valid_until_height=2**40)),
    ("fee too low", "FeeTooLow", lambda n: n.signed(PAY, fee_max_uthb=999)),
    ("fee not held", "CannotPayFee", lambda n: n.signed(PAY, sender="nobody")),
]  # fmt: skip


async def test_what_no_block_can_hold_is_refused_by_name_and_changes_nothing(
    tmp_path: Path,
) -> None:
    async with real_node(tmp_path) as node:
        await share_key_of_carol(node)
        before = await node.state()
        for what, name, make in REFUSED:
            text = make(node).hex()
            with pytest.raises(RpcFailure) as caught:
                await node.client.call("tx_submit", transaction=text)
            assert (what, caught.value.name, caught.value.code) == (what, name, -32000)
            assert isinstance(caught.value.refusal_code, int)
            assert caught.value.message
            assert caught.value.hint, what
        batch = [make(node).hex() for _, _, make in REFUSED]
        answer = await node.client.call("tx_submit_batch", transactions=batch)
        names = [item["error"]["data"]["name"] for item in answer["items"]]
        assert (names, answer["accepted"]) == ([name for _, name, _ in REFUSED], 0)
        assert (await node.client.call("mempool_status"))["transactions"] == 0
        assert await node.state() == before


REJECTED: list[tuple[str, Call]] = [
    ("UnknownContract", Call("kredit", "transfer", (BOB, 5, b""))),
    ("UnknownMethod", Call("credit", "donate", (BOB, 5, b""))),
    ("UnknownMethod", Call("credit", "_move", (BOB, 5, b""))),
    ("BadArguments", transfer(-5)),
    ("BadArguments", transfer(True)),
    ("BadArguments", transfer("5")),
    ("BadArguments", transfer(None)),
    ("BadArguments", transfer([5])),
    ("BadArguments", transfer(5, BOB[:19])),
    ("BadArguments", Call("credit", "transfer", (BOB, 5))),
    ("InsufficientFunds", transfer(FUNDS_UTHB)),
    ("InsufficientFunds", transfer(2**63 - 1)),
    ("ZeroAmount", transfer(0)),
    ("NoMandate", Call("credit", "transfer", (ALICE, 5, b""), owner=BOB)),
    ("MandateExceeded", Call("credit", "transfer", (BOB, 11, b""), owner=CAROL)),
    ("NotPermitted", Call("clock", "advance", (2**33,))),
]


async def test_what_a_contract_refuses_costs_the_stated_fee_and_nothing_else(
    tmp_path: Path,
) -> None:
    async with real_node(tmp_path) as node:
        mandate = Call("accounts", "grant_mandate", (ALICE, ["credit.transfer"], 10, 2**50))
        await node.final(await node.submit([node.signed(mandate, sender="carol")]))
        # A block after it shares out the fee, so that only our own fees move below.
        await node.final(await node.submit([node.signed(transfer(1), sender="dave")]))
        await refused(node, REJECTED)


async def share_key_of_carol(node: RealNode) -> None:
    """Let carol's account answer to her and dave together."""
    keys: list[Value] = [*sorted(map(key_of, ("carol", "dave")))]
    both = Call("accounts", "set_keys", (keys, 2))
    await node.final(await node.submit([node.signed(both, sender="carol")]))


async def balance(node: RealNode, name: str) -> int:
    """Return the free credit of an account, as the state proves it."""
    data = await node.value(Credit.accounts.raw_key(account_of(name)))
    assert data is not None
    return account_from(data).free
