"""Bad orders and bad readings, sent to a real validator: named, explained, and without effect."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from chain.crypto import Domain, sign, signed_bytes
from chain.genesis import Genesis
from chain.transaction import Call
from contracts.grid.metering_words import Final, ReadingConflict
from contracts.grid.reading import Quality, SignedReading
from contracts.kernel import Value
from contracts.kernel.types import QUARTER_S
from contracts.trading.markets import GenesisMarket
from tests.node.api.real_node import RealNode, real_node
from tests.node.api.refused import only_fees_moved, refused
from tests.support.genesis import DRIVER, FUNDS_UTHB, START_S, make_genesis
from tests.support.grid import GATEWAY, RULES, TERMS, ZONE, meter_name
from tests.support.market import FIRST_S, MARKET, SOLAR, terms
from tests.support.metering import ALICE, BOB, UNSIGNED
from tests.support.people import account_of, key_of, seed_of

CAROL = account_of("carol")
MARKET_TERMS = terms(open_ahead_s=7_200)
QUICK = replace(RULES, provisional_s=300, final_s=600)
NOW_S = START_S + QUARTER_S + QUICK.final_s
"""The first quarter is final, and its gate and that of the second are closed."""
OPEN_S = FIRST_S + 2 * QUARTER_S
CAP_WH = TERMS.export_limit_w * QUARTER_S // 3_600


def market_genesis() -> Genesis:
    """Return the genesis of the tests with a market of quarters and quick deadlines."""
    genesis = make_genesis(metering=QUICK)
    market = GenesisMarket(MARKET, "quarters", MARKET_TERMS, FIRST_S)
    sections: dict[str, Mapping[str, Value]] = {
        **genesis.sections,
        "markets": {"markets": [market.to_wire()]},
    }
    return replace(genesis, sections=sections)


@asynccontextmanager
async def market_node(folder: Path) -> AsyncIterator[RealNode]:
    """Run a validator whose market time is `NOW_S`, with what the bad calls run against."""
    async with real_node(folder, genesis=market_genesis()) as node:
        pay = Call("credit", "transfer", (CAROL, 1, b""))
        now_s, nonce = START_S, 0
        while now_s < NOW_S:
            stop_s = await next_stop_s(node)
            due = stop_s is not None and stop_s <= now_s
            if not due:
                now_s = NOW_S if stop_s is None else min(stop_s, NOW_S)
            # Any block runs what is due.
            await settle(node, DRIVER, pay if due else Call("clock", "advance", (now_s,)), nonce)
            nonce += 1
            if now_s == START_S + QUARTER_S and not due:
                await settle(node, GATEWAY, submit(reading(node, ALICE, 100)), 0)
        calls: list[Value] = ["orders.submit_bid"]
        mandate = Call("accounts", "grant_mandate", (account_of("alice"), calls, 10 * 4_005, 2**50))
        await settle(node, "carol", mandate, 0)
        await settle(node, "alice", bid(1, 4_000, start_s=OPEN_S + QUARTER_S), 0)
        # A block after it shares out the fee, so that only what is sent later moves.
        await settle(node, "dave", pay, 0)
        yield node


async def next_stop_s(node: RealNode) -> int | None:
    """Return when market time must stop for work that is due then."""
    answer = await node.client.call(
        "contract_query", contract="schedule", method="next_market_stop_s"
    )
    stop_s: int | None = answer["value"]
    return stop_s


async def settle(node: RealNode, sender: str, call: Call, nonce: int) -> None:
    """Send a call that must succeed."""
    (id_,) = await node.submit([node.signed(call, sender=sender, nonce=nonce)])
    await node.final([id_])
    receipt, shown = await node.receipt(id_)
    assert [result.code for result in receipt.results] == [0], shown


def reading(node: RealNode, meter: int, import_wh: int) -> SignedReading:
    """Return a device's reading of the first quarter."""
    name = meter_name(meter)
    unsigned = SignedReading(
        meter, START_S, import_wh, 0, import_wh, 0, Quality.MEASURED, 1, 1, key_of(name), UNSIGNED
    )
    message = signed_bytes(Domain.READING, node.chain_id, unsigned.payload())
    return replace(unsigned, signature=sign(seed_of(name), message))


def submit(*readings: SignedReading) -> Call:
    return Call("metering", "submit_readings", ([one.to_wire() for one in readings],))


def bid(
    quantity_wh: Value, limit: Value = 4_000, *, start_s: int = OPEN_S, owner: bytes | None = None
) -> Call:
    return Call("orders", "submit_bid", (MARKET, start_s, ZONE, quantity_wh, limit, False), owner)


def ask(quantity_wh: Value, limit: Value = 4_000, *, start_s: int = OPEN_S) -> Call:
    return Call("orders", "submit_ask", (MARKET, start_s, ZONE, quantity_wh, limit, SOLAR, False))


REJECTED: list[tuple[str, Call]] = [
    ("GateClosed", bid(10, start_s=FIRST_S)),
    ("GateClosed", ask(10, start_s=FIRST_S)),
    ("CapExceeded", ask(CAP_WH + 1)),
    ("BothSides", ask(10, start_s=OPEN_S + QUARTER_S)),
    ("MandateExceeded", bid(11, owner=CAROL)),
    ("NoMandate", bid(1, owner=account_of("bob"))),
    ("InsufficientFunds", Call("credit", "transfer", (CAROL, FUNDS_UTHB, b""))),
    ("UnknownProduct", bid(10, start_s=OPEN_S + 1)),
    ("BadLimit", bid(10, 4_001)),
    ("BadQuantity", bid(0)),
    ("BadQuantity", bid(2**63 - 1)),
    ("BadArguments", bid(-5)),
    ("BadArguments", bid(True)),
    ("BadArguments", bid("10")),
    ("BadArguments", bid(10, None)),
    ("UnregisteredGateway", Call("metering", "submit_readings", ([],))),
]


async def test_bad_orders_are_named_and_cost_the_stated_fee_and_nothing_else(
    tmp_path: Path,
) -> None:
    async with market_node(tmp_path) as node:
        await refused(node, REJECTED, nonce=1)


async def test_bad_readings_are_named_one_by_one_and_change_nothing(tmp_path: Path) -> None:
    async with market_node(tmp_path) as node:
        before = await node.state()
        conflict, late = reading(node, ALICE, 101), reading(node, BOB, 100)
        (id_,) = await node.submit([node.signed(submit(conflict, late), sender=GATEWAY, nonce=1)])
        await node.final([id_])
        receipt, shown = await node.receipt(id_)
        codes = [ReadingConflict.receipt_code(), Final.receipt_code()]
        assert shown["results"][0]["value"] == codes
        await only_fees_moved(node, before, GATEWAY, receipt.fee_uthb)
        # A list's codes are explained by the manifest.
        answer = await node.client.call("contract_manifest", contract="metering")
        (metering,) = answer["manifest"]["contracts"]
        named = {one["code"]: (one["name"], one["hint"]) for one in metering["rejects"]}
        assert [named[code][0] for code in codes] == ["ReadingConflict", "Final"]
        assert all(named[code][1] for code in codes)
