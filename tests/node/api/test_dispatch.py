"""JSON-RPC 2.0 by the letter: requests, notifications, batches, ids, and garbage."""

import json
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from node.api import ApiLimits
from node.api.app import wall_clock_ms
from node.api.dispatch import Client, Dispatcher
from node.api.errors import InvalidRequest, ParseError, TooLarge
from node.api.service import Service
from node.api.table import METHODS
from tests.node.api.backend import ChainBackend
from tests.node.api.serving import serving

STATUS = {"jsonrpc": "2.0", "id": 1, "method": "chain_status"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | json_values,
        "id": json_values,
        "method": st.sampled_from([*METHODS, "rpc.discover"]) | json_values,
        "params": json_values,
        "more": json_values,
    },
)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        ("{}".encode("utf-16"), -32700),
        (b"[" * 100_000, -32700),
        (b"1" * 5_000, -32700),
        (b"NaN", -32700),
        (b"1", -32600),
        (b'"text"', -32600),
        (b"[]", -32600),
        (b"{}", -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"chain_status"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":5}', -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"chain_status"}', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"chain_status"}', -32600),
        (b'{"jsonrpc":"2.0","id":[1],"method":"chain_status"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"chain_status","param":{}}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"no_such"}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"chain_status","params":5}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"chain_header","params":[1,2]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"chain_header","params":{"height":1e400}}', -32602),
    ],
)
async def test_what_is_no_right_request_has_its_code(body: bytes, code: int) -> None:
    async with serving() as served:
        answer = (await served.post(body)).json()
        assert answer["error"]["code"] == code
        assert answer["error"]["data"].keys() == {"name", "code", "values", "hint"}
        assert answer["jsonrpc"] == "2.0"


@pytest.mark.parametrize("id_", [0, -1, 2**62, "", "a", "ü" * 60, None])
async def test_an_answer_carries_the_id_of_its_request(id_: object) -> None:
    async with serving() as served:
        assert (await served.json({"method": "chain_status", "id": id_}))["id"] == id_
        assert (await served.json({"method": "chain_stats", "id": id_}))["id"] == id_


async def test_parameters_go_by_name_or_in_order() -> None:
    async with serving() as served:
        by_name = await served.json({"method": "chain_block", "params": {"detail": "raw"}})
        in_order = await served.json({"method": "chain_block", "params": [None, "raw"]})
        assert by_name == in_order
        assert "result" in by_name


async def test_a_notification_is_done_but_not_answered() -> None:
    async with serving() as served:
        raw = served.backend.chain.transfer("alice", 0).signed.raw.hex()
        note = {"jsonrpc": "2.0", "method": "tx_submit", "params": [raw]}
        answer = await served.post(json.dumps(note).encode())
        assert (answer.status_code, answer.content) == (204, b"")
        assert len(served.backend.mempool) == 1
        wrong = {"jsonrpc": "2.0", "method": "tx_submit", "params": []}
        assert (await served.post(json.dumps([wrong, note]).encode())).status_code == 204


async def test_a_batch_is_answered_in_order_without_its_notifications() -> None:
    async with serving() as served:
        note = {"jsonrpc": "2.0", "method": "chain_status"}
        batch = [STATUS, note, 5, STATUS | {"id": "b", "method": "x"}, STATUS | {"id": 3}]
        answers = (await served.post(json.dumps(batch).encode())).json()
        assert [answer["id"] for answer in answers] == [1, None, "b", 3]
        codes = [answer.get("error", {}).get("code") for answer in answers]
        assert codes == [None, -32600, -32601, None]


async def test_a_batch_runs_in_order() -> None:
    async with serving() as served:
        raws = [served.backend.chain.transfer("alice", n).signed.raw.hex() for n in range(9)]
        batch = [{"method": "tx_submit", "params": [raw], "id": i} for i, raw in enumerate(raws)]
        answers = await served.json(batch)
        assert all("result" in answer for answer in answers)
        assert [raw.hex() for raw in served.backend.commit().body.transactions] == raws


@pytest.mark.parametrize("header", ["text/plain", "", "application/x-www-form-urlencoded"])
async def test_a_body_that_does_not_say_that_it_is_json_is_not_read(header: str) -> None:
    async with serving() as served:
        answer = await served.post(json.dumps(STATUS).encode(), **{"content-type": header})
        assert answer.status_code == 415
        assert answer.json()["error"]["data"]["name"] == "WrongMediaType"
        charset = "application/json; charset=utf-8"
        answer = await served.post(json.dumps(STATUS).encode(), **{"content-type": charset})
        assert answer.status_code == 200


async def test_only_post_is_answered() -> None:
    async with serving() as served:
        assert (await served.http.get(served.url)).status_code == 405
        assert (await served.http.get(served.url + "/docs")).status_code == 404
        assert (await served.http.post(served.url + "/x")).status_code == 404


def ask(bodies: list[bytes]) -> list[bytes | None]:
    """Answer bodies by a dispatcher without a server; errors of whole bodies count as None."""

    async def run() -> list[bytes | None]:
        service = Service.over(ChainBackend(), ApiLimits(), wall_clock_ms, {})
        dispatcher = Dispatcher(service)
        answers: list[bytes | None] = []
        for body in bodies:
            try:
                answers.append(await dispatcher.answer(body, Client("x"), lambda _: None))
            except (ParseError, InvalidRequest, TooLarge):
                answers.append(None)
        return answers

    return trio.run(run)


anything = st.binary(max_size=40) | json_values.map(lambda value: json.dumps(value).encode())


@given(st.lists(anything, max_size=8))
def test_no_bytes_are_too_strange_to_be_answered(bodies: list[bytes]) -> None:
    ask(bodies)


@given(st.lists(requests, max_size=8))
def test_no_request_is_too_strange_to_be_answered(given_: list[dict[str, Any]]) -> None:
    for request, answer in zip(given_, ask([json.dumps(r).encode() for r in given_]), strict=True):
        if answer is not None:
            parsed = json.loads(answer)
            assert ("result" in parsed) != ("error" in parsed)
            assert parsed.get("error", {}).get("code") != -32603, request
