"""What orders and their clearing cost inside a block: from stored orders to fills and payments.

    python -m bench.clearing [--orders 10000 100000] [--repeat 5] [--json]

Orders are counted over both sides of one product. Three things are measured:

clear       the due unit that runs at the gate: one scan of each side of the book, decoding, the
            price and the record from which every fill follows. Bars: 10 000 orders in 60 ms,
            100 000 in 400 ms. Over the state in memory, and over LevelDB where plyvel is installed
allocate    the slices after it: fills, payments, positions, events, and the accounts' histories
entry       a transaction of one order, and one of 100, executed in a block: all but the signature's
            verification, which belongs to other processes, the trie and the disk

Medians of processor time. R is the Ed25519 verify rate of one core, measured in the same run; "x R"
is how many signatures one core verifies meanwhile.
"""

import argparse
import importlib.util
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from random import Random
from typing import Final

from bench.rate import median_s, verify_rate_per_s
from chain.execution.executor import UNLIMITED
from chain.transaction import Call, PreparedTransaction
from contracts.kernel import Context, Host, Value
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.state import Reader, State
from contracts.registry import Registry
from contracts.trading.model import OrderItem, ProductState
from contracts.trading.uniform_price import Side
from tests.support.market import MARKET, SOLAR, MarketWorld, household, terms
from tests.support.people import account_of

BARS_MS: Final = {10_000: 60.0, 100_000: 400.0}
ORDERS_EACH: Final = 10  # of one participant, all on one side
ALLOCATED_MAX: Final = 10_000  # what comes after is linear
ENTRY_SENDERS: Final = 10


@dataclass(frozen=True, slots=True)
class Cleared:
    """One line of the table of clearings."""

    reader: str
    orders: int
    clear_ms: float
    clear_in_verifies: float
    allocate_us_per_order: float | None
    volume_wh: int


@dataclass(frozen=True, slots=True)
class Entered:
    """What an order costs when it comes in calls of so many."""

    orders_per_call: int
    us_per_order: float
    verifies_per_order: float
    weight_per_order: int
    state_changes_per_order: float


# ── Clearing ──


def world_with(orders: int) -> MarketWorld:
    """Return a world whose first product has so many open orders, limits all over the band."""
    random = Random(orders)
    names = [f"household {i}" for i in range(orders // ORDERS_EACH)]
    market = terms(open_ahead_s=3_600, slice_orders_max=1_000)
    world = MarketWorld([household("retailer"), *map(household, names)], market=market)
    with world.edit() as registry:
        for i, name in enumerate(names):
            side = Side(i & 1)
            source = None if side is Side.BID else SOLAR
            items = [
                OrderItem.from_wire(
                    [1, MARKET, world.start_s(0), 1, int(side), random.randint(1, 2_000),
                     random.randrange(1_000, 10_001, 10), source, False]
                )
                for _ in range(ORDERS_EACH)
            ]  # fmt: skip
            ctx = context(world, account_of(name), world.start_s(0) - 301)
            codes = registry.orders.submit_orders(ctx, tuple(items))
            assert not any(codes), codes
    return world


def context(world: MarketWorld, caller: bytes, now_s: int) -> Context:
    """Return the circumstances of a call at this market time."""
    return Context(
        world.genesis.chain_id, world.height + 1, world.time_ms, now_s, world.parent,
        caller, caller, 0, 0, lambda _: False,
    )  # fmt: skip


@contextmanager
def on_disk(world: MarketWorld) -> Iterator[Reader]:
    """Yield the world's state over a LevelDB of its own."""
    import plyvel  # noqa: PLC0415 - only where it is installed

    from node.leveldb import StateView  # noqa: PLC0415 - needs plyvel

    with tempfile.TemporaryDirectory() as folder:
        database = plyvel.DB(folder, create_if_missing=True)
        with database.write_batch() as batch:
            for key, value in world.state.scan(b"", b"\xff" * 64):
                batch.put(b"s|" + key, value)
        database.compact_range()
        yield StateView(database)
        database.close()


def measure_clearing(
    reader: str, state: Reader, world: MarketWorld, orders: int, repeat: int, rate: float
) -> Cleared:
    """Time the clearing of the first product, and its allocation where that is short."""
    start_s = world.start_s(0)
    ctx = context(world, bytes(20), start_s - world.terms.gate_lead_s)
    volumes = []

    def cleared() -> tuple[Host, Registry]:
        host = Host(State(state, Meter(WeightTable(), UNLIMITED)))
        registry = world.registry(host)
        registry.auction.clear(ctx, MARKET, start_s)
        result = registry.auction.result(MARKET, start_s)
        assert result is not None
        assert result.bids + result.asks == orders
        volumes.append(result.volume_wh)
        return host, registry

    clear_s = median_s(cleared, repeat)
    allocate_us = None
    if orders <= ALLOCATED_MAX:
        host, registry = cleared()
        began = time.process_time()
        while registry.markets.product(MARKET, start_s).state is ProductState.CLEARING:
            registry.auction.allocate(ctx, MARKET, start_s)
        registry.credit.record_history(host.events)
        allocate_us = (time.process_time() - began) * 1e6 / orders
    return Cleared(reader, orders, clear_s * 1e3, clear_s * rate, allocate_us, volumes[0])


# ── Entry ──


def measure_entry(orders_per_call: int, calls_each: int, repeat: int, rate: float) -> Entered:
    """Time the execution of transactions of one call each, over many products and senders."""
    names = [f"household {i}" for i in range(ENTRY_SENDERS)]
    people = [household("retailer"), *map(household, names)]
    world = MarketWorld(people, market=terms(orders_max=1_000))
    transactions = [
        transaction(world, name, nonce, orders_per_call)
        for nonce in range(calls_each)
        for name in names
    ]
    orders = len(transactions) * orders_per_call
    for one in transactions:
        world.judge.verdict(one.signed.signed[0])
    weights: list[int] = []
    changes: list[int] = []

    def execute() -> None:
        execution = world.execution()
        execution.begin(())
        receipts = [execution.apply(one) for one in transactions]
        weights.append(sum(receipt.weight for receipt in receipts))

    def begin() -> None:
        world.execution().begin(())

    each_s = (median_s(execute, repeat) - median_s(begin, repeat)) / orders
    result = world.block(*transactions)
    for receipt in result.receipts[1:]:
        code, value = receipt.results[0].code, receipt.results[0].value
        assert code == 0
        assert orders_per_call == 1 or value == [0] * orders_per_call
    changes.append(len(result.changes))
    return Entered(
        orders_per_call, each_s * 1e6, each_s * rate, weights[0] // orders, changes[0] / orders
    )


def transaction(world: MarketWorld, who: str, nonce: int, orders: int) -> PreparedTransaction:
    """Return a signed transaction of one order, or of a list."""
    items: list[Value] = [
        world.item(Side.BID, 10 + i, 3_000 + 10 * nonce, product=1 + (i + 7 * nonce) % 90)
        for i in range(orders)
    ]
    if orders > 1:
        call = Call("orders", "submit_orders", (items,))
    else:
        arguments = world.start_s(1 + 7 * nonce % 90), 1, 10, 3_000 + 10 * nonce, False
        call = Call("orders", "submit_bid", (MARKET, *arguments))
    return world.signed(who, call, nonce=nonce)


# ── The table ──


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--orders", type=int, nargs="+", default=list(BARS_MS))
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    rate = verify_rate_per_s(options.repeat)
    entered = [
        measure_entry(1, 20, options.repeat, rate),
        measure_entry(100, 1, options.repeat, rate),
    ]
    cleared = []
    for orders in options.orders:
        world = world_with(orders)
        cleared.append(measure_clearing("memory", world.state, world, orders, options.repeat, rate))
        if importlib.util.find_spec("plyvel") is not None:
            with on_disk(world) as state:
                line = measure_clearing("leveldb", state, world, orders, options.repeat, rate)
                cleared.append(line)
    if options.json:
        lines = {"entry": [asdict(e) for e in entered], "clearing": [asdict(c) for c in cleared]}
        print(json.dumps({"verifies_per_s": rate, **lines}))
        return
    print_tables(rate, entered, cleared)


def print_tables(rate: float, entered: Sequence[Entered], cleared: Sequence[Cleared]) -> None:
    """Print what was measured, with the bars."""
    print(f"R = {rate:,.0f} Ed25519 verifications a second\n")
    print("orders/call   µs/order   x R   weight/order   keys changed/order")
    for e in entered:
        print(
            f"{e.orders_per_call:>11} {e.us_per_order:>10.1f} {e.verifies_per_order:>5.2f}"
            f" {e.weight_per_order:>14,} {e.state_changes_per_order:>20.2f}"
        )
    print("\nreader      orders   clear ms   clear x R      bar   allocate µs/order")
    for c in cleared:
        bar_ms = BARS_MS.get(c.orders)
        said = "" if bar_ms is None else "within" if c.clear_ms <= bar_ms else "OVER"
        allocate = "" if c.allocate_us_per_order is None else f"{c.allocate_us_per_order:.1f}"
        print(
            f"{c.reader:8} {c.orders:>9,} {c.clear_ms:>10.1f} {c.clear_in_verifies:>11,.0f}"
            f" {said:>8} {allocate:>19}"
        )


if __name__ == "__main__":
    main()
