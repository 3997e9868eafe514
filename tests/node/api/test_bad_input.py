"""Bad input, as an API can meet it: each has a named error with what to do, and changes nothing."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from chain.block import TRANSACTION_BYTES_MAX
from chain.refusals import NotIncludableError
from chain.transaction import Call, Mode, Transaction, sign_transaction
from contracts.kernel import Value, codec
from contracts.registry import CATALOGUE
from node.api.errors import explained
from tests.node.api.serving import RpcFailure, Served, serving
from tests.support.people import account_of, key_of, seed_of

ALICE, BOB = account_of("alice"), account_of("bob")
TRANSFER = Call("credit", "transfer", (BOB, 5, b""))


def transaction(served: Served, *calls: Call, **fields: Any) -> Transaction:  # noqa: ANN401
    """Return a right transaction but for the fields given."""
    values: dict[str, Any] = {
        "chain_id": served.backend.chain.genesis.chain_id,
        "sender": ALICE,
        "nonce": 0,
        "valid_until_height": 100,
        "fee_max_uthb": 1_000_000,
        "mode": Mode.ALL_OR_NOTHING,
        "calls": calls or (TRANSFER,),
    }
    return Transaction(**(values | fields))


def raw_of(
    served: Served,
    *calls: Call,
    keys: tuple[str, ...] = ("alice",),
    **fields: Any,  # noqa: ANN401
) -> bytes:
    signed = sign_transaction(transaction(served, *calls, **fields), [seed_of(k) for k in keys])
    return signed.raw


def all_subclasses(cls: type[Exception]) -> list[type[Exception]]:
    direct = cls.__subclasses__()
    return direct + [one for each in direct for one in all_subclasses(each)]


def resigned(served: Served, *signatures: bytes) -> bytes:
    body: Value = transaction(served).to_wire()
    pairs: Value = [[key_of("alice"), signature] for signature in signatures]
    return codec.encode([body, pairs])


def unencodable_body(served: Served, position: int, value: Value) -> bytes:
    """Return a transaction with one field of a wrong type or range."""
    body = transaction(served).to_wire()
    body[position] = value
    return codec.encode([body, [[key_of("alice"), bytes(64)]]])


REFUSED: list[tuple[str, str, Callable[[Served], bytes]]] = [
    ("not CBOR", "MalformedTransaction", lambda _: b"\xff\xff"),
    ("empty", "MalformedTransaction", lambda _: b""),
    ("bytes behind", "MalformedTransaction", lambda s: raw_of(s) + b"\0"),
    ("cut off", "MalformedTransaction", lambda s: raw_of(s)[:-1]),
    ("another form of CBOR", "MalformedTransaction", lambda s: b"\x98\x02" + raw_of(s)[1:]),
    ("oversized", "MalformedTransaction", lambda _: bytes(TRANSACTION_BYTES_MAX + 1)),
    ("no call", "MalformedTransaction", lambda s: unencodable_body(s, 7, [])),
    ("nonce -5", "MalformedTransaction", lambda s: unencodable_body(s, 3, -5)),
    ("nonce True", "MalformedTransaction", lambda s: unencodable_body(s, 3, True)),
    ("sender of 19 bytes", "MalformedTransaction", lambda s: unencodable_body(s, 2, bytes(19))),
    ("mode 2", "MalformedTransaction", lambda s: unencodable_body(s, 6, 2)),
    ("version 2", "MalformedTransaction", lambda s: unencodable_body(s, 0, 2)),
    ("wrong chain", "WrongChain", lambda s: raw_of(s, chain_id=bytes(32))),
    ("bad signature", "BadSignature", lambda s: resigned(s, bytes(64))),
    ("missing signature", "MalformedTransaction", resigned),
    ("another's key", "WrongKeys", lambda s: raw_of(s, keys=("bob",))),
    ("too many keys", "WrongKeys", lambda s: raw_of(s, keys=("alice", "bob"))),
    ("far nonce", "NonceGap", lambda s: raw_of(s, nonce=66)),
    ("expired", "ExpiredTransaction", lambda s: raw_of(s, valid_until_height=0)),
    ("valid too long", "ExpiredTransaction", lambda s: raw_of(s, valid_until_height=2**40)),
    ("fee too low", "FeeTooLow", lambda s: raw_of(s, fee_max_uthb=10)),
    ("fee not held", "CannotPayFee", lambda s: raw_of(s, sender=account_of("x"), keys=("x",))),
]  # fmt: skip


@pytest.mark.parametrize(("what", "name", "make"), REFUSED, ids=[what for what, *_ in REFUSED])
@pytest.mark.parametrize("method", ["tx_submit", "tx_simulate", "tx_submit_batch"])
async def test_a_transaction_that_no_block_can_hold_is_refused_by_name(
    method: str, what: str, name: str, make: Callable[[Served], bytes]
) -> None:
    async with serving() as served:
        before = served.backend.publisher.newest.tip
        text = make(served).hex()
        if method == "tx_submit_batch":
            answer = await served.call(method, transactions=[text])
            error = answer["items"][0]["error"]
            assert answer["accepted"] == 0
        else:
            answer = await served.json({"method": method, "params": {"transaction": text}})
            error = answer["error"]
        assert (error["code"], error["data"]["name"]) == (-32000, name)
        assert error["message"]
        assert isinstance(error["data"]["code"], int)
        assert served.backend.publisher.newest.tip is before
        assert len(served.backend.mempool) == 0


def test_every_refusal_says_what_to_do() -> None:
    refusals = [*all_subclasses(NotIncludableError), *CATALOGUE.reject_by_code.values()]
    assert len(refusals) > 50
    silent = [one.__name__ for one in refusals if not all(explained(one))]
    assert silent == []


async def test_a_used_nonce_is_low_after_the_block() -> None:
    async with serving() as served:
        first = raw_of(served)
        await served.call("tx_submit", transaction=first.hex())
        served.backend.commit()
        with pytest.raises(RpcFailure) as caught:
            await served.call("tx_submit", transaction=first.hex())
        assert caught.value.name == "LowNonce"
        assert (caught.value.values["expected"], caught.value.values["got"]) == (1, 0)
        assert "account_get" in caught.value.hint


async def test_a_threshold_needs_exactly_as_many_keys() -> None:
    async with serving() as served:
        names = sorted(("alice", "bob", "carol"), key=key_of)
        keys: list[Value] = [key_of(name) for name in names]
        await served.call(
            "tx_submit",
            transaction=raw_of(served, Call("accounts", "set_keys", (keys, 2))).hex(),
        )
        served.backend.commit()
        for signers in (("alice",), ("alice", "bob", "carol"), ("alice", "dave")):
            raw = raw_of(served, nonce=1, keys=signers)
            with pytest.raises(RpcFailure) as caught:
                await served.call("tx_submit", transaction=raw.hex())
            assert caught.value.name == "WrongKeys"
        raw = raw_of(served, nonce=1, keys=("bob", "carol"))
        await served.call("tx_submit", transaction=raw.hex())
        account = await served.call("account_get", address=ALICE.hex())
        assert account["keys"] == {"threshold": 2, "keys": [key_of(name).hex() for name in names]}


REJECTED: list[tuple[str, Call]] = [
    ("UnknownContract", Call("kredit", "transfer", (BOB, 5, b""))),
    ("UnknownMethod", Call("credit", "donate", (BOB, 5, b""))),
    ("BadArguments", Call("credit", "transfer", (BOB, -5, b""))),
    ("BadArguments", Call("credit", "transfer", (BOB, True, b""))),
    ("BadArguments", Call("credit", "transfer", (BOB, "5", b""))),
    ("BadArguments", Call("credit", "transfer", (BOB[:19], 5, b""))),
    ("BadArguments", Call("credit", "transfer", (BOB, 5))),
    ("InsufficientFunds", Call("credit", "transfer", (BOB, 2**63 - 1, b""))),
    ("ZeroAmount", Call("credit", "transfer", (BOB, 0, b""))),
    ("NoMandate", Call("credit", "transfer", (ALICE, 5, b""), owner=BOB)),
    ("NotPermitted", Call("clock", "advance", (2**33,))),
]


@pytest.mark.parametrize(("name", "call"), REJECTED)
async def test_a_call_that_a_contract_refuses_says_so_in_simulation_and_receipt(
    name: str, call: Call
) -> None:
    async with serving() as served:
        raw = raw_of(served, call)
        simulated = await served.call("tx_simulate", transaction=raw.hex())
        id_ = (await served.call("tx_submit", transaction=raw.hex()))["id"]
        served.backend.commit()
        proven = await served.call("tx_receipt", id=id_)
        for receipt in (simulated["receipt"], proven["receipt"]):
            (result,) = receipt["results"]
            assert (result["outcome"], result["refusal"]["name"]) == ("rejected", name)
            assert result["refusal"]["message"]
        assert proven["receipt"]["fee_uthb"] == simulated["receipt"]["fee_uthb"] > 0
        assert proven["events"] == []


async def test_what_an_agent_may_not_spend_is_refused() -> None:
    async with serving() as served:
        calls: list[Value] = ["credit.transfer"]
        grant = Call("accounts", "grant_mandate", (BOB, calls, 10, 2**50))
        await served.call("tx_submit", transaction=raw_of(served, grant).hex())
        served.backend.commit()
        results = []
        for amount in (10, 11):
            pay = Call("credit", "transfer", (account_of("carol"), amount, b""), owner=ALICE)
            raw = raw_of(served, pay, sender=BOB, keys=("bob",))
            simulated = await served.call("tx_simulate", transaction=raw.hex())
            results += simulated["receipt"]["results"]
        assert [result["outcome"] for result in results] == ["ok", "rejected"]
        refusal = results[1]["refusal"]
        assert refusal["name"] == "MandateExceeded"
        assert refusal["values"] == {"spent_uthb": 11, "limit_uthb": 10}


@pytest.mark.parametrize(
    ("method", "params", "path"),
    [
        ("tx_submit", {}, "transaction"),
        ("tx_submit", {"transaction": 5}, "transaction"),
        ("tx_submit", {"transaction": "0"}, "transaction"),
        ("tx_submit", {"transaction": "zz zz"}, "transaction"),
        ("tx_submit", {"transaction": "00", "more": 1}, "more"),
        ("tx_submit_batch", {"transactions": "00"}, "transactions"),
        ("tx_submit_batch", {"transactions": ["00", None]}, "transactions[1]"),
        ("tx_status", {"id": "00"}, "id"),
        ("account_get", {"address": "gtx1qqqq"}, "address"),
        ("account_get", {"address": "bc1qqqqq"}, "address"),
        ("chain_block", {"height": -5}, "height"),
        ("chain_block", {"height": True}, "height"),
        ("chain_block", {"height": 1.0}, "height"),
        ("chain_block", {"height": 2**63}, "height"),
        ("chain_block", {"height": [1]}, "height"),
        ("chain_block", {"detail": "all"}, "detail"),
        ("chain_block", {"limit": 0}, "limit"),
        ("events_query", {"limit": 10**9}, "limit"),
        ("events_query", {"owner": "x"}, "owner"),
        ("contract_query", {"contract": "credit"}, "method"),
        ("contract_query", {"contract": "c" * 99, "method": "x"}, "contract"),
        ("chain_status", {"verbose": True}, "verbose"),
    ],
)
async def test_wrong_parameters_are_refused_with_the_path_to_the_fault(
    method: str, params: dict[str, Any], path: str
) -> None:
    async with serving() as served:
        with pytest.raises(RpcFailure) as caught:
            await served.call(method, **params)
        assert (caught.value.code, caught.value.values["path"]) == (-32602, path)
        assert caught.value.message.startswith(f"{path}: ")
        assert caught.value.hint


async def test_a_misspelt_parameter_or_method_is_answered_with_a_proposal() -> None:
    async with serving() as served:
        with pytest.raises(RpcFailure) as caught:
            await served.call("chain_block", heigth=1)
        assert caught.value.hint == "Did you mean height?"
        with pytest.raises(RpcFailure) as caught:
            await served.call("chain_stats")
        assert (caught.value.code, caught.value.hint) == (-32601, "Did you mean chain_status?")
        with pytest.raises(RpcFailure) as caught:
            await served.call("eth_blockNumber" * 50)
        assert len(caught.value.message) < 200


async def test_a_defect_says_nothing_of_the_inside_but_a_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = "/path/to/the secret"

    def broken() -> dict[str, Value]:
        raise ValueError(secret)

    async with serving() as served:
        monkeypatch.setattr(served.backend, "health", broken)
        with structlog.testing.capture_logs() as logged, pytest.raises(RpcFailure) as caught:
            await served.call("node_health")
        assert (caught.value.code, caught.value.name) == (-32603, "InternalError")
        number = caught.value.values["incident"]
        assert secret not in json.dumps(caught.value.args)
        (told,) = [one for one in logged if one.get("incident") == number]
        assert secret in repr(told["exc_info"])
        assert (await served.call("chain_status"))["height"] == 0
