"""The table of methods, the document made of it, and the page made of that."""

from typing import Any

import pytest

from node.api.methods.chain import ChainStatus, NoParams
from node.api.openrpc import openrpc_document
from node.api.reference import reference
from node.api.service import Service
from node.api.table import METHODS, Where, method_of
from node.backend import PeerState
from tests.node.api.schemas import faults
from tests.node.api.serving import Served, serving
from tests.support.people import account_of
from tests.tidy.project import ROOT

DOCUMENT = openrpc_document(METHODS.values())
SCHEMAS = DOCUMENT["components"]["schemas"]
PAGE = ROOT / "docs" / "reference" / "rpc.md"


def test_the_reference_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "write it anew: python -m node.api.reference > docs/reference/rpc.md"
    )


def test_every_reference_in_the_document_leads_to_a_schema() -> None:
    def references(part: Any) -> list[str]:  # noqa: ANN401
        if isinstance(part, list):
            return [ref for item in part for ref in references(item)]
        if not isinstance(part, dict):
            return []
        own = [part["$ref"]] if "$ref" in part else []
        return own + [ref for item in part.values() for ref in references(item)]

    found = references(DOCUMENT)
    assert found
    for reference_ in found:
        _, _, kind, name = reference_.split("/")
        assert name in DOCUMENT["components"][kind]


def test_a_function_that_does_not_say_all_is_no_method() -> None:
    def no_types(service, params):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        """Say something."""

    def no_doc(service: Service, params: NoParams) -> ChainStatus:
        raise NotImplementedError

    for function in (no_types, no_doc):
        with pytest.raises(TypeError, match="needs a params model"):
            method_of(function)


async def examples(served: Served) -> dict[str, dict[str, Any]]:
    """Return parameters for every method, over a chain with a few blocks."""
    chain = served.backend.chain
    first = chain.transfer("alice", 0)
    await served.call("tx_submit", transaction=first.signed.raw.hex())
    served.backend.others.append(PeerState("12D3KooW", False, 0, None, 3, 3, 0, 0, "refused"))
    served.backend.commit()
    served.backend.commit()
    second = chain.transfer("alice", 1).signed.raw.hex()
    third = chain.transfer("alice", 2).signed.raw.hex()
    return {
        "chain_status": {},
        "chain_block": {"height": 1, "detail": "full"},
        "chain_header": {"height": 2},
        "chain_validators": {},
        "tx_submit": {"transaction": second},
        "tx_submit_batch": {"transactions": [third, third, "00"]},
        "tx_simulate": {"transaction": second},
        "tx_status": {"id": first.id.hex()},
        "tx_receipt": {"id": first.id.hex()},
        "mempool_status": {},
        "account_get": {"address": account_of("alice").hex()},
        "state_get": {"key": "0000"},
        "state_range": {"start": "00", "end": "ff", "limit": 3},
        "contract_query": {"contract": "credit", "method": "total_supply"},
        "contract_manifest": {},
        "events_query": {"owner": account_of("alice").hex()},
        "events_subscribe": {"contract": "credit", "cursor": "0.0.0"},
        "events_unsubscribe": {"subscription": 1},
        "net_peers": {},
        "consensus_state": {},
        "node_health": {},
        "rpc_discover": {},
    }


async def test_every_method_answers_as_the_document_says() -> None:
    async with serving() as served, served.websocket() as socket:
        params = await examples(served)
        assert params.keys() == METHODS.keys()
        for name, method in METHODS.items():
            if method.where is Where.SOCKET:
                await socket.send(name, **params[name])
                while "result" not in (message := await socket.receive()):
                    assert list(faults(message["params"], SCHEMAS["Notification"], SCHEMAS)) == []
                answer = message["result"]
            else:
                answer = await served.call(name, **params[name])
            described = SCHEMAS[method.answer.__name__]
            assert list(faults(answer, described, SCHEMAS)) == [], name


async def test_discovery_gives_the_document_under_both_names() -> None:
    async with serving() as served:
        assert await served.call("rpc_discover") == DOCUMENT
        assert await served.call("rpc.discover") == DOCUMENT


@pytest.mark.parametrize(
    ("value", "schema", "is_right"),
    [
        (1, {"type": "integer"}, True),
        (True, {"type": "integer"}, False),
        ("0g", {"type": "string", "pattern": "^[0-9a-f]*$"}, False),
        ({"a": 1}, {"type": "object", "properties": {}, "additionalProperties": False}, False),
        ({}, {"type": "object", "required": ["a"]}, False),
        (None, {"anyOf": [{"type": "string"}, {"type": "null"}]}, True),
        ([1, "x"], {"type": "array", "items": {"type": "integer"}}, False),
        ({"b": 1}, {"type": "object", "additionalProperties": {"type": "string"}}, False),
    ],
)
def test_the_check_of_schemas_finds_faults(
    value: object, schema: dict[str, Any], is_right: bool
) -> None:
    assert (list(faults(value, schema, {})) == []) is is_right
