"""Queries and the manifest over RPC."""

from typing import Any

import pytest

from chain.bech32 import encode_address
from contracts.registry import CATALOGUE
from node.api import ApiLimits
from tests.node.api.serving import RpcFailure, serving
from tests.node.api.test_chain_methods import fill
from tests.support.genesis import FUNDS_UTHB
from tests.support.people import account_of

ALICE = encode_address(account_of("alice"))


@pytest.mark.parametrize("arguments", [{"account": ALICE}, [ALICE], [account_of("alice").hex()]])
async def test_arguments_go_by_name_or_in_order(arguments: object) -> None:
    async with serving() as served:
        await fill(served, 1)
        answer = await served.call(
            "contract_query", contract="accounts", method="nonce", arguments=arguments
        )
        assert (answer["value"], answer["height"]) == (1, 1)
        assert answer["weight"] > 0


async def test_a_record_comes_back_by_the_names_of_its_fields() -> None:
    async with serving() as served:
        answer = await served.call(
            "contract_query", contract="credit", method="account", arguments=[ALICE]
        )
        assert answer["value"]["free"] == FUNDS_UTHB
        assert answer["value"]["history_head"] == "00" * 32


@pytest.mark.parametrize(
    ("params", "name", "said"),
    [
        ({"contract": "credits", "method": "account"}, "UnknownContract", "Did you mean credit?"),
        ({"contract": "credit", "method": "acount"}, "UnknownMethod", "Did you mean account?"),
        ({"contract": "credit", "method": "transfer"}, "UnknownMethod", "send it in a transaction"),
        ({"contract": "credit", "method": "columns_add_up_to_supply"}, "UnknownMethod", ""),
    ],
)
async def test_a_query_that_there_is_not_is_refused_by_name(
    params: dict[str, Any], name: str, said: str
) -> None:
    async with serving() as served:
        with pytest.raises(RpcFailure) as caught:
            await served.call("contract_query", **params)
        assert (caught.value.code, caught.value.name) == (-32001, name)
        assert said in caught.value.hint


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({"weight": -5}, "arguments.weight"),
        ({"weight": True}, "arguments.weight"),
        ({"weight": 1.0}, "arguments.weight"),
        ({"weight": 2**63}, "arguments.weight"),
        ({"weight": "1e3"}, "arguments.weight"),
        ({"weight": None}, "arguments.weight"),
        ({"weight": [1]}, "arguments.weight"),
        ({}, "arguments"),
        ({"weight": 1, "more": 1}, "arguments"),
        ([], "arguments"),
        ([1, 2], "arguments"),
        ("1", "arguments"),
    ],
)
async def test_wrong_arguments_are_refused_with_their_path(arguments: object, path: str) -> None:
    async with serving() as served:
        with pytest.raises(RpcFailure) as caught:
            await served.call(
                "contract_query", contract="parameters", method="fee_for", arguments=arguments
            )
        assert (caught.value.name, caught.value.values["path"]) == ("InvalidParams", path)


async def test_no_query_works_beyond_the_nodes_limit() -> None:
    async with serving(limits=ApiLimits(query_weight_max=100)) as served:
        with pytest.raises(RpcFailure) as caught:
            await served.call("contract_query", contract="nrg", method="circulating_supply")
        assert (caught.value.name, caught.value.values) == ("QueryTooHeavy", {"weight_max": 100})
        one = await served.call("contract_query", contract="credit", method="total_supply")
        assert one["weight"] <= 100


async def test_the_manifest_is_of_all_contracts_or_of_one() -> None:
    async with serving() as served:
        whole = await served.call("contract_manifest")
        names = [one["name"] for one in whole["manifest"]["contracts"]]
        assert names == [spec.name for spec in CATALOGUE.specs]
        one = await served.call("contract_manifest", contract="credit")
        assert [each["name"] for each in one["manifest"]["contracts"]] == ["credit"]
        assert one["hash"] == whole["hash"]
        with pytest.raises(RpcFailure, match="There is no contract"):
            await served.call("contract_manifest", contract="kredit")
