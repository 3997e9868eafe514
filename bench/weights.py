"""What execution costs by the clock, beside what the weight table charges for it.

    python -m bench.weights [--items 2000] [--repeat 7] [--json]

A unit of weight is 100 ns of the reference core, on which libsodium verifies R = 16 000 signatures
a second; times of this machine are scaled by its own R, measured beside every figure. Each line is
one thing that the table charges, done through the contracts' own tables; the last four are whole
transactions of `bench.validator`: decoding, mempool, execution, the trie, the list roots and
LevelDB. Signatures are verified by other processes: a line says what the validator's own process
does, and a signature's weight stands for handing it over and for the core that verifies it.

Least times of processor time: on a machine that others use, the least is the steadiest.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.rate import used_s, verify_rate_per_s
from bench.workloads import KINDS, Kind
from chain.execution.executor import UNLIMITED, BlockContext, BlockExecution
from chain.genesis import run_genesis
from chain.mempool import Mempool
from chain.merkle import merkle_root
from chain.store import MemoryState
from chain.transaction import decode_transaction, prepare
from chain.trie.trie import Trie
from chain.verdicts import Verdicts
from contracts.kernel import Host
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.state import State
from contracts.money.credit import Account, CreditTransferred
from contracts.registry import Registry
from node.leveldb import StateView
from node.publish import CachedReader, TipAccounts

REFERENCE_VERIFIES_PER_S: Final = 16_000
UNITS_PER_S: Final = 10**7
BLOCK_MS: Final = 100
TRIE_KEYS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Line:
    """One thing: how many units it takes here, and how many the table charges."""

    name: str
    measured: float
    charged: float


class Clock:
    """Measures in units of weight."""

    def __init__(self, repeat: int) -> None:
        self.lines: list[Line] = []
        self._repeat = repeat
        self._verifies_per_s = 0.0

    @property
    def verifies_per_s(self) -> float:
        """Return R as far as it is known."""
        return self._verifies_per_s

    def least_s(self, work: Callable[[], object]) -> float:
        """Return the least processor time of `work`, with R measured in between."""
        times = []
        for _ in range(self._repeat):
            self._verifies_per_s = max(self._verifies_per_s, verify_rate_per_s(1))
            times.append(used_s(work))
        return min(times)

    def add(self, name: str, charged: float, time_s: float, count: int) -> None:
        """Note a line: `count` things in `time_s`."""
        scale = UNITS_PER_S * self.verifies_per_s / REFERENCE_VERIFIES_PER_S
        self.lines.append(Line(name, time_s / count * scale, charged))


def measure_parts(clock: Clock, count: int) -> None:
    """Measure reads, writes, ranges and events, on accounts of packed records."""
    table = WeightTable()
    base = MemoryState()
    accounts = [number.to_bytes(20, "big") for number in range(count)]
    one = Account(10**9, 0, 0, 0, 0, 0, 0, 5, bytes(32))
    state = State(base, Meter(table, UNLIMITED))
    credit = Registry(Host(state)).credit
    for account in accounts:
        credit.accounts[account] = one
    base.write(state.changes())
    chunks = -(-len(Account.shape.pack(one)) // 64) * table.chunk

    def fresh() -> Registry:
        return Registry(Host(State(base, Meter(table, UNLIMITED))))

    def read() -> None:
        table_of = fresh().credit.accounts
        for account in accounts:
            assert table_of[account] is not None

    def write() -> None:
        table_of = fresh().credit.accounts
        for number, account in enumerate(accounts):
            table_of[account] = Account(number + 1, 0, 0, 0, 0, 0, 0, 5, bytes(32))

    def walk() -> None:
        assert sum(1 for _ in fresh().credit.accounts.items()) == count

    def emit() -> None:
        credit = fresh().credit
        for account in accounts:
            credit.emit(CreditTransferred(account, account, 5, b""))

    clock.add("read", table.read + chunks, clock.least_s(read), count)
    write_s = clock.least_s(write) + store_s(clock, count)
    clock.add("write, with its share of trie and disk", table.write + chunks, write_s, count)
    clock.add("range item", table.range_item + chunks, clock.least_s(walk), count)
    clock.add("event", table.event + 2 * table.chunk, clock.least_s(emit), count)


def store_s(clock: Clock, count: int) -> float:
    """Return what the trie and LevelDB take for a block of so many changed keys."""
    import plyvel  # noqa: PLC0415 - needs no place among the imports of the chain

    keys = [b"\x11\x01" + (number * 7919).to_bytes(20, "little") for number in range(TRIE_KEYS)]
    trie, version = Trie.from_sorted((key, bytes(105)) for key in sorted(keys))
    changes = [(key, bytes(104) + b"\1") for key in sorted(keys[:count])]

    def apply() -> None:
        trie.release(trie.apply(version, changes))

    with tempfile.TemporaryDirectory() as folder:
        database = plyvel.DB(str(Path(folder) / "db"), create_if_missing=True)

        def write() -> None:
            view = StateView(database)
            with database.write_batch(transaction=True, sync=True) as batch:
                for key, value in changes:
                    old = view.get(key)
                    batch.put(b"u|" + bytes(8) + key, b"\0" if old is None else b"\1" + old)
                    batch.put(b"s|" + key, value)

        found_s = clock.least_s(apply) + clock.least_s(write)
        database.close()
    return found_s


def measure_kind(clock: Clock, kind: Kind, count: int) -> None:
    """Measure whole transactions of one kind, all but their signatures."""
    work = kind.make(count, 1)
    genesis, (raws,) = work.genesis, work.lanes
    state, judge = MemoryState(), Verdicts()
    begun = run_genesis(genesis, state)
    state.write(begun.changes)
    height = 0

    def begin() -> BlockExecution:
        time_ms = genesis.time_ms + BLOCK_MS * (height + 1)
        context = BlockContext(genesis.chain_id, height + 1, time_ms, genesis.chain_id)
        execution = BlockExecution(state, context, judge)
        execution.begin(())
        execution.weight_left = UNLIMITED
        return execution

    while changes := begin().finish().changes:
        state.write(changes)
        height += 1
    prepared = [prepare(decode_transaction(raw, genesis.chain_id)) for raw in raws]
    for one in prepared:
        for signed in one.signed_messages:
            judge.keep(signed, verdict=True)
    weights: list[int] = []
    changed: list[int] = []

    def run() -> None:
        taken = [prepare(decode_transaction(raw, genesis.chain_id)) for raw in raws]
        view = TipAccounts(CachedReader(state))
        pool = Mempool(view, begun.parameters, height, judge)
        execution = begin()
        for one in taken:
            pool.add(one)
        receipts = [execution.apply(one) for one in taken]
        result = execution.finish()
        merkle_root(raws)
        merkle_root([receipt.encode() for receipt in receipts])
        weights.append(sum(receipt.weight for receipt in receipts))
        changed.append(len(result.changes))

    run_s = clock.least_s(run) + store_s(clock, changed[-1])
    items = len(raws) * kind.items
    signature = begun.parameters.weights.signature
    signatures = sum(len(one.signed_messages) for one in prepared)
    weight = (weights[-1] - signatures * signature) / items
    clock.add(f"{kind.name}, without signatures", weight, run_s, items)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=2_000)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    clock = Clock(options.repeat)
    measure_parts(clock, options.items)
    for kind in KINDS.values():
        measure_kind(clock, kind, options.items)
    if options.json:
        lines = [asdict(line) for line in clock.lines]
        print(json.dumps({"verifies_per_s": clock.verifies_per_s, "lines": lines}))
        return
    print(f"R = {clock.verifies_per_s:,.0f} Ed25519 verifications a second\n")
    print(f"{'':40}{'measured':>10}{'charged':>10}{'ratio':>8}")
    for line in clock.lines:
        ratio = line.measured / line.charged
        print(f"{line.name:40}{line.measured:>10.0f}{line.charged:>10.0f}{ratio:>8.2f}")


if __name__ == "__main__":
    main()
