"""`gtx init`: what a genesis can begin with, and that it is not changed afterwards."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from chain.genesis import Genesis
from node.failure import ExitCode
from tests.node.cli.program import Gtx

QUARTER_S = 900
STANDING = {"standing": "compliant", "licence": "L-1", "licence_expires_s": 4_102_444_800}
LIMITS = {"import_limit_w": 50_000, "export_limit_w": 50_000, "base_load_wh": 0}
TERMS = {
    "zones": [1], "quarters": 1, "mechanism": "uniform_price", "tick_per_wh": 10,
    "band_low_per_wh": 1_000, "band_high_per_wh": 10_000, "fee_per_wh": 0,
    "import_per_wh": 3_950, "feed_in_per_wh": 2_200, "gate_lead_s": 300, "open_ahead_s": 86_400,
    "order_min_wh": 1, "order_max_wh": 1_000_000, "orders_max": 100,
    "product_orders_max": 10_000, "slice_orders_max": 1_000,
}  # fmt: skip


@pytest.fixture
def gtx(tmp_path: Path) -> Gtx:
    return Gtx(tmp_path)


def market(grid: str, start_s: int) -> dict[str, dict[str, Any]]:
    """Return a zone with its retailer and a market, whose offices are all the authority's."""
    zone = {
        "name": "north", "utc_offset_s": 0, "metering_operator": "AUTHORITY",
        "market_operator": "AUTHORITY", "grid_account": grid,
    }  # fmt: skip
    retailer = {
        "zone": 1, "head": None, "accounts": ["AUTHORITY"],
        "terms": LIMITS | {"market_maker": True}, "compliance": STANDING,
    }  # fmt: skip
    local = {"number": 1, "name": "local", "terms": TERMS, "first_start_s": start_s}
    return {
        "registry": {
            "zones": [{"number": 1, "terms": zone, "retailer": 1}],
            "participants": [retailer],
        },
        "statements": {"first_quarter_s": start_s},
        "markets": {"markets": [local]},
        "settlement": {"first_quarter_s": start_s},
    }


def test_a_chain_begins_with_the_market_that_it_is_given(gtx: Gtx) -> None:
    grid = gtx.json("keys", "new", "grid")["address"]
    start_s = (int(time.time()) // QUARTER_S + 1) * QUARTER_S
    (gtx.folder / "market.json").write_text(json.dumps(market(grid, start_s)))
    begun = gtx.json("init", "--sections", "market.json")
    genesis = Genesis.from_json((gtx.folder / "home" / "genesis.json").read_text())
    assert begun["chain_id"] == genesis.chain_id.hex()
    assert genesis.sections["settlement"]["rules"] is not None, "what is not given is as usual"
    with gtx.running("run"):
        found = gtx.json("query", "markets.market_of", "1")["value"]
        assert found["name"] == "local"
        order = ("orders.submit_bid", "1", str(start_s + 4 * QUARTER_S), "1", "500", "3000")
        sent = gtx.json("call", *order, "false", "--key", "authority")
        assert sent["receipt"]["results"][0]["outcome"] == "ok"
        orders = gtx.json("query", "orders.open_orders", "1", "1", order[2])["value"]
        assert [int(one["quantity_wh"]) for one in orders] == [500]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "is no object of contracts"),
        ('{"markets": []}', "is no object of contracts"),
        ('{"market": {}}', "did you mean markets?"),
        ('{"markets": {"market": []}}', "did you mean markets?"),
        ('{"auction": {"x": 1}}', "it takes none"),
        ('{"authorities": {"authorities": []}}', "are made by this command"),
        ('{"markets": {"markets": [{"number": 1}]}}', "contracts.markets.markets"),
        ('{"statements": {"first_quarter_s": 7}}', "not a multiple of 900"),
        ('{"clock": {"mode": "driven", "driver": "AUTHORITY"}}', "is for devnets only"),
        (
            '{"credit": {"allocations": [{"account": "AUTHOR", "amount_uthb": 1}]}}',
            "an address begins",
        ),
    ],
)
def test_sections_that_cannot_begin_a_chain_make_nothing(gtx: Gtx, text: str, said: str) -> None:
    (gtx.folder / "wrong.json").write_text(text)
    done = gtx.run("init", "--sections", "wrong.json")
    assert done.status == ExitCode.CONFIG
    assert said in done.err
    assert "wrong.json" in done.err
    assert "help: " in done.err
    assert not (gtx.folder / "home").exists()


def test_a_file_that_is_not_there_is_named(gtx: Gtx) -> None:
    done = gtx.run("init", "--sections", "nowhere.json")
    assert done.status == ExitCode.USAGE
    assert "nowhere.json" in done.err
    assert not (gtx.folder / "home").exists()


def test_a_genesis_that_was_changed_after_init_is_told_before_anything_is_written(
    gtx: Gtx,
) -> None:
    begun = gtx.json("init")
    path = gtx.folder / "home" / "genesis.json"
    first = path.read_text()
    path.write_text(first.replace('"name": "gridtokenx"', '"name": "another"'))
    changed = Genesis.from_json(path.read_text()).chain_id.hex()
    for command in (
        ("run", "--rpc-port", "0"),
        ("signer", "reset", "--above", "0", "--yes"),
    ):
        done = gtx.run(*command)
        assert done.status == ExitCode.CONFIG
        assert "genesis.json has changed since this home was made" in done.err
        assert changed in done.err
        assert begun["chain_id"] in done.err
        assert "help: put the first genesis.json back" in done.err
        assert not (gtx.folder / "home" / "data" / "chain").exists()
    path.write_text(first)
    with gtx.running("run") as node:
        assert node.form["chain_id"] == begun["chain_id"]
