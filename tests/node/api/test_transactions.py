"""Submitting, simulating and following transactions over RPC."""

import base64

import pytest
import trio

from chain.execution.receipt import Receipt
from chain.json_form import from_json
from chain.light import verify_event, verify_final, verify_receipt
from chain.merkle import InclusionProof, merkle_root
from chain.store import MemoryState
from chain.transaction import (
    Call,
    Mode,
    PreparedTransaction,
    Transaction,
    prepare,
    sign_transaction,
)
from contracts.kernel import Host, Value, codec
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.schedule import ClockKind, Work
from contracts.kernel.state import State
from contracts.registry import Registry
from node.api import ApiLimits
from node.api.dispatch import LOOP_BODY_BYTES_MAX
from tests.node.api.backend import ChainBackend
from tests.node.api.serving import RpcFailure, Served, result_of, serving
from tests.node.api.test_chain_methods import certificate_of, header_of
from tests.support.genesis import PEOPLE, START_S
from tests.support.people import account_of, seed_of

BOB = account_of("bob")


def signed(
    served: Served,
    sender: str,
    *calls: tuple[str, str, tuple[Value, ...]],
    nonce: int = 0,
    mode: Mode = Mode.ALL_OR_NOTHING,
    fee_max_uthb: int = 1_000_000,
) -> PreparedTransaction:
    transaction = Transaction(
        served.backend.chain.genesis.chain_id, account_of(sender), nonce, 100, fee_max_uthb, mode,
        tuple(Call(*call) for call in calls),
    )  # fmt: skip
    return prepare(sign_transaction(transaction, [seed_of(sender)]))


def unsigned(prepared: PreparedTransaction) -> str:
    """Return the transaction with signatures of zeros."""
    pairs: Value = [[key, bytes(64)] for key in prepared.signed.keys]
    return codec.encode([prepared.signed.transaction.to_wire(), pairs]).hex()


async def test_a_transaction_waits_and_then_is_final_with_a_proven_receipt() -> None:
    async with serving(ChainBackend(4)) as served:
        one = served.backend.chain.transfer("alice", 0)
        id_ = one.id.hex()
        assert (await served.call("tx_status", id=id_))["status"] == "unknown"
        assert await served.call("tx_submit", transaction=one.signed.raw.hex()) == {"id": id_}
        assert (await served.call("tx_status", id=id_))["status"] == "waiting"
        assert (await served.call("mempool_status"))["transactions"] == 1
        with pytest.raises(RpcFailure, match="No block holds this transaction"):
            await served.call("tx_receipt", id=id_)
        served.backend.commit()
        status = await served.call("tx_status", id=id_)
        assert status == {"id": id_, "status": "final", "height": 1, "index": 0}

        answer = await served.call("tx_receipt", id=id_)
        header, tip = header_of(answer), served.backend.chain.ledger.tip
        verify_final(tip.header.chain_id, tip.validators, header, certificate_of(answer))
        proof = InclusionProof.from_wire(from_json(InclusionProof.shape, answer["proof"]))
        receipt = verify_receipt(header, bytes.fromhex(answer["receipt_raw"]), proof)
        assert receipt.id == one.id
        events = [bytes.fromhex(event["data"]) for event in answer["events"]]
        assert merkle_root(events) == receipt.events_root
        verify_event(receipt, events[0], InclusionProof.of(events, 0))
        assert answer["receipt"]["fee_uthb"] == receipt.fee_uthb


async def test_base64_is_read_as_well_as_hex() -> None:
    async with serving() as served:
        raw = served.backend.chain.transfer("alice", 0).signed.raw
        await served.call("tx_submit", transaction=base64.b64encode(raw).decode())
        with pytest.raises(RpcFailure) as caught:
            await served.call("tx_submit", transaction="0x" + raw.hex().upper())
        assert caught.value.name == "AlreadyKnown"


async def test_each_transaction_of_a_batch_is_judged_by_itself_and_in_order() -> None:
    async with serving() as served:
        chain = served.backend.chain
        good = [chain.transfer("alice", nonce).signed.raw for nonce in range(3)]
        poor = chain.transfer("nobody", 0).signed.raw
        raws = [good[0], poor, good[1], b"\x80", good[1], good[2]]
        answer = await served.call("tx_submit_batch", transactions=[raw.hex() for raw in raws])
        errors = [item["error"] and item["error"]["data"]["name"] for item in answer["items"]]
        assert errors == [None, "CannotPayFee", None, "MalformedTransaction", "AlreadyKnown", None]
        assert answer["accepted"] == 3
        assert answer["items"][3]["id"] is None
        assert served.backend.submissions == [6]
        assert len(served.backend.commit().transaction_ids) == 3


async def test_a_batch_has_at_most_as_many_transactions_as_the_node_says() -> None:
    async with serving(limits=ApiLimits(transactions_max=2)) as served:
        raw = served.backend.chain.transfer("alice", 0).signed.raw.hex()
        with pytest.raises(RpcFailure) as caught:
            await served.call("tx_submit_batch", transactions=[raw] * 3)
        assert (caught.value.name, caught.value.values) == (
            "TooLarge",
            {"transactions": 3, "max": 2},
        )
        with pytest.raises(RpcFailure, match="transactions"):
            await served.call("tx_submit_batch", transactions=[])
        assert served.backend.submissions == []


async def test_a_simulation_tells_what_would_happen_and_changes_nothing() -> None:
    async with serving() as served:
        one = served.backend.chain.transfer("alice", 0)
        before = served.backend.publisher.newest.tip.header
        answer = await served.call("tx_simulate", transaction=one.signed.raw.hex())
        assert served.backend.publisher.newest.tip.header == before
        assert len(served.backend.mempool) == 0

        await served.call("tx_submit", transaction=one.signed.raw.hex())
        stored = served.backend.commit()
        receipt = Receipt.decode(stored.receipts[1])
        assert answer["receipt"]["fee_uthb"] == receipt.fee_uthb
        assert answer["receipt"]["events_root"] == receipt.events_root.hex()
        assert [bytes.fromhex(e["data"]) for e in answer["events"]] == list(stored.events[1])


async def test_a_simulation_names_each_refusal_of_a_call_with_values_and_hint() -> None:
    async with serving() as served:
        one = signed(
            served,
            "alice",
            ("credit", "transfer", (BOB, 1, b"")),
            ("credit", "transfer", (BOB, 2**62, b"")),
            ("credit", "transfer", (BOB, 0, b"")),
            mode=Mode.EACH_ALONE,
        )
        answer = await served.call("tx_simulate", transaction=one.signed.raw.hex())
        results = answer["receipt"]["results"]
        assert [one["outcome"] for one in results] == ["ok", "rejected", "rejected"]
        poor, zero = results[1]["refusal"], results[2]["refusal"]
        assert (poor["name"], zero["name"]) == ("InsufficientFunds", "ZeroAmount")
        assert poor["code"] == results[1]["code"] == 0x1101
        assert poor["values"]["need_uthb"] == str(2**62)
        assert poor["values"]["account"].startswith("gtx1")
        assert poor["hint"].startswith("Free credit is what is not held")


async def test_a_fee_can_be_known_before_anybody_signs() -> None:
    async with serving() as served:
        one = served.backend.chain.transfer("alice", 0)
        open_ = unsigned(one)
        with pytest.raises(RpcFailure) as caught:
            await served.call("tx_simulate", transaction=open_)
        assert caught.value.name == "BadSignature"
        answer = await served.call("tx_simulate", transaction=open_, unsigned=True)
        exact = await served.call("tx_simulate", transaction=one.signed.raw.hex())
        assert answer["receipt"]["fee_uthb"] == exact["receipt"]["fee_uthb"]
        # Nobody's signature is taken for that of another key.
        stranger = signed(served, "bob", ("credit", "transfer", (BOB, 1, b"")))
        body = stranger.signed.transaction.to_wire()
        body[2] = account_of("alice")
        forged: Value = [body, [[stranger.signed.keys[0], bytes(64)]]]
        with pytest.raises(RpcFailure) as caught:
            await served.call("tx_simulate", transaction=codec.encode(forged).hex(), unsigned=True)
        assert caught.value.name == "WrongKeys"


async def test_a_simulation_leaves_due_work_to_the_block_but_calls_see_it() -> None:
    backend = ChainBackend()
    newest = backend.publisher.newest
    assert isinstance(newest.state, MemoryState)
    state = State(newest.state, Meter(WeightTable(), 2**40))
    overdue = Work("nowhere", "nothing", codec.encode([]))
    Registry(Host(state)).schedule.queue[ClockKind.MARKET, START_S, 7] = overdue
    newest.state.write(state.changes())
    async with serving(backend) as served:
        one = signed(served, "driver", ("clock", "advance", (START_S + 1,)))
        answer = await served.call("tx_simulate", transaction=one.signed.raw.hex())
        (result,) = answer["receipt"]["results"]
        assert result["refusal"]["name"] == "WorkPending"
        assert result["refusal"]["values"] == {"now_s": START_S, "due_s": START_S}
        # Had the unit run, it would have failed and left the queue, and the clock would be free.


async def test_submissions_of_many_clients_are_taken_side_by_side() -> None:
    async with serving() as served:
        names = ("alice", "bob", "carol", "dave")

        async def submit(name: str) -> None:
            for nonce in range(5):
                raw = served.backend.chain.transfer(name, nonce).signed.raw
                await served.call("tx_submit", transaction=raw.hex())

        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(submit, name)
        assert len(served.backend.commit().transaction_ids) == 20


async def test_a_thousand_transactions_go_in_one_submission() -> None:
    async with serving() as served:
        chain = served.backend.chain
        raws = [chain.transfer(name, n).signed.raw for name in PEOPLE for n in range(50)] * 5
        body = {"method": "tx_submit_batch", "params": [[raw.hex() for raw in raws]]}
        assert len(raws) == ApiLimits().transactions_max == 1_000
        assert len(str(body)) > LOOP_BODY_BYTES_MAX
        answer = result_of(await served.json(body))
        assert [item["error"] is None for item in answer["items"]] == [True] * 200 + [False] * 800
        assert answer["accepted"] == len(served.backend.mempool) == 200


async def test_a_large_body_is_refused_as_a_small_one_is() -> None:
    async with serving() as served:
        padding = "00" * LOOP_BODY_BYTES_MAX
        one = served.backend.chain.transfer("alice", 0).signed.raw.hex()
        for wrong, path in (("0", "transactions[1]"), (None, "transactions[1]")):
            with pytest.raises(RpcFailure) as caught:
                await served.call("tx_submit_batch", transactions=[one, wrong, padding])
            assert caught.value.values["path"] == path
        cut = await served.post(b'{"jsonrpc": "2.0", "id": 1, "params": ["' + padding.encode())
        assert cut.json()["error"]["data"]["name"] == "ParseError"
        assert len(served.backend.mempool) == 0
