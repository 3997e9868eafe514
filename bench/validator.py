"""How many transactions a second one validator makes final, and where the time goes.

    python -m bench.validator [--kinds transfers orders lists readings] [--seconds 5] [--runs 3]
                              [--workers 1] [--lanes 4] [--functions 0] [--json]

The validator is `gtx run` in a process of its own, with an empty home and the API on loopback. The
transactions are signed beforehand; another process sends them in batches over RPC, four at once. A
first tenth warms up and is final before the clock starts. It stops when the last transaction is
final, that is in a block that is synced to disk; what is in the blocks is then counted from the
database of the stopped node, by receipts whose every result is success. The run in the middle of
several is shown; where the time goes comes from one more run, with a sampler inside the node.

R is the Ed25519 verify rate of one core in processor time, measured before and after each run. On a
machine that others use too, the share of R suffers by what they take; beside it stand therefore the
processor time of the node per item, in units of one verification, for the process that runs the
node and for the workers that verify, and the share that a core of its own would allow.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.load import Lane, Sent, ask, body_of, send
from bench.rate import verify_rate_per_s
from bench.sampling import PARTS, Sample, shared_out
from bench.workloads import KINDS, VALIDATOR, Kind, Work, batches
from chain.execution.receipt import Receipt
from contracts.kernel import sha256
from node.chain_node import make_signer
from node.home import Home
from node.leveldb import LevelStore
from node.validator_key import ValidatorKey
from tests.support.people import account_of, seed_of

MS_PER_S: Final = 1_000
START_TIMEOUT_S: Final = 60
READY_TIMEOUT_S: Final = 60
POLL_S: Final = 0.05
WARM_UP_SHARE: Final = 10


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one kind; times per item are in verifications."""

    kind: str
    items: int
    seconds: float
    verifies_per_s: float
    items_per_s: float
    share: float
    bar: float
    node_verifies: float
    worker_verifies: float
    blocks: int
    parts: dict[str, float]
    functions: dict[str, float]

    @property
    def possible(self) -> float:
        """Return the share of R that the node's process allows with a core of its own."""
        return 1 / self.node_verifies


@dataclass(slots=True)
class Usage:
    """Processor seconds of a process and of its children."""

    node_s: float
    children_s: float


class Node:
    """A validator in a process of its own, in an empty home."""

    def __init__(self, folder: Path, work: Work, workers: int) -> None:
        self.home = Home(folder)
        self.samples = folder / "samples"
        self.log = folder / "log"
        key = ValidatorKey(account_of(VALIDATOR), seed_of(VALIDATOR))
        folder.mkdir()
        self.home.config.write_text(f"[node]\nworkers = {workers}\n")
        self.home.genesis.write_text(work.genesis.to_json())
        key.save(self.home)
        make_signer(self.home, work.genesis.chain_id, key.seed)

    @contextlib.contextmanager
    def running(self, *, sampled: bool) -> Iterator[tuple[str, int]]:
        """Run for the length of a block; gives its URL and process id."""
        program = ["bench.sampling", str(self.samples)] if sampled else ["node.cli"]
        command = [
            sys.executable, "-m", *program, "run", "--home", str(self.home.folder), "--json",
            "--rpc-port", "0", "--log-format", "json",
        ]  # fmt: skip
        with (
            self.log.open("w") as log,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
        ):
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the node did not start: {self.log.read_text()}")
            try:
                yield json.loads(line)["urls"][0], process.pid
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(START_TIMEOUT_S)
        if process.returncode != 0:
            raise RuntimeError(f"the node failed: {self.log.read_text()[-4_000:]}")

    def sampled(self, sent: Sent) -> list[Sample]:
        """Return what the sampler saw from the first body sent to the last transaction final."""
        with self.samples.open() as lines:
            samples = [Sample(*json.loads(line)) for line in lines]
        low_ms, high_ms = sent.began_s * MS_PER_S, sent.final_s * MS_PER_S
        return list(shared_out([one for one in samples if low_ms <= one.wall_ms <= high_ms]))


def usage(pid: int) -> Usage:
    """Return the processor time of a process, and of its children and theirs."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return Usage(_used_s(pid), sum(_used_s(int(child)) for child in children))


def _used_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(
    kind: Kind, seconds: float, lanes: int, workers: int, *, sampled: bool = False
) -> Measured:
    """Run one kind once, by itself or with the sampler beside it."""
    rates = [verify_rate_per_s()]
    count = int(seconds * kind.bar * rates[0])
    work = kind.make(count, lanes)
    warm_up, load = [], []
    for lane in work.lanes:
        cut = max(1, len(lane) // WARM_UP_SHARE)
        warm_up.append(_lane(lane[:cut], kind.batch))
        load.append(_lane(lane[cut:], kind.batch))
    with tempfile.TemporaryDirectory() as folder:
        node = Node(Path(folder) / "home", work, workers)
        with node.running(sampled=sampled) as (url, pid):
            wait_ready(url, work.lanes[0][0])
            send(url, warm_up)
            before = usage(pid)
            sent = send(url, load)
            after = usage(pid)
        rates.append(verify_rate_per_s())
        items, blocks = final_items(node, work)
        samples = node.sampled(sent) if sampled else []
    rate = statistics.mean(rates)
    elapsed_s = sent.final_s - sent.began_s
    expected = sum(len(lane) - max(1, len(lane) // WARM_UP_SHARE) for lane in work.lanes)
    if items != expected * kind.items:
        raise RuntimeError(f"{items} {kind.name} are final, {expected * kind.items} were sent")
    parts: dict[str, float] = defaultdict(float)
    functions: dict[str, float] = defaultdict(float)
    for one in samples:
        parts[one.part] += one.cpu_us
        functions[f"{one.part}  {one.function}"] += one.cpu_us
    scale = rate / items / 1e6
    return Measured(
        kind=kind.name,
        items=items,
        seconds=elapsed_s,
        verifies_per_s=rate,
        items_per_s=items / elapsed_s,
        share=items / elapsed_s / rate,
        bar=kind.bar,
        node_verifies=(after.node_s - before.node_s) * rate / items,
        worker_verifies=(after.children_s - before.children_s) * rate / items,
        blocks=blocks,
        parts={part: us * scale for part, us in parts.items()},
        functions={
            name: us * scale for name, us in sorted(functions.items(), key=lambda one: -one[1])
        },
    )


def _lane(transactions: list[bytes], size: int) -> Lane:
    last = sha256(transactions[-1]).hex()
    return Lane([body_of(batch) for batch in batches(transactions, size)], last)


def wait_ready(url: str, first: bytes) -> None:
    """Wait until the chain's first blocks have made everything that the work needs."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        answer = ask(url, "tx_simulate", transaction=first.hex())
        (result,) = answer["receipt"]["results"]
        value = result["value"]
        if result["code"] == 0 and not (isinstance(value, list) and any(value)):
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"the chain is not ready after {READY_TIMEOUT_S} s: {answer}")
        time.sleep(POLL_S)


def final_items(node: Node, work: Work) -> tuple[int, int]:
    """Count from the stopped node's database the items final after the warm-up, and blocks."""
    warm = {
        sha256(one) for lane in work.lanes for one in lane[: max(1, len(lane) // WARM_UP_SHARE)]
    }
    store = LevelStore(node.home.database)
    items = blocks = 0
    for height in range(1, (store.tip_height() or 0) + 1):
        block = store.block(height)
        assert block is not None
        receipts = [Receipt.decode(data) for data in block.receipts[1:]]
        found = sum(_items(one) for one in receipts if one.id not in warm)
        items += found
        blocks += found > 0
    store.close()
    return items, blocks


def _items(receipt: Receipt) -> int:
    """Return how many items of a transaction of one call succeeded."""
    (result,) = receipt.results
    if result.code != 0:
        return 0
    return result.value.count(0) if isinstance(result.value, list) else 1


def measure_kind(kind: Kind, seconds: float, runs: int, lanes: int, workers: int) -> Measured:
    """Return the median run, with the parts of one more run that was sampled."""
    found = [measure(kind, seconds, lanes, workers) for _ in range(runs)]
    median = sorted(found, key=lambda run: run.share)[len(found) // 2]
    beside = measure(kind, seconds, lanes, workers, sampled=True)
    return replace(median, parts=beside.parts, functions=beside.functions)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seconds", type=float, default=5, help="about how long a run lasts")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=4, help="submissions under way at once")
    parser.add_argument("--functions", type=int, default=0, help="so many functions of each kind")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    runs = {
        name: measure_kind(
            KINDS[name], options.seconds, options.runs, options.lanes, options.workers
        )
        for name in options.kinds
    }
    if options.json:
        print(json.dumps([asdict(run) for run in runs.values()]))
        return
    print_tables(runs, options.functions)


def print_tables(runs: dict[str, Measured], functions: int) -> None:
    """Print the figures, and where the node's time goes."""
    print("kind            R    items/s share of R     bar           node  workers possible blocks")
    for name, run in runs.items():
        said = "within" if run.share >= run.bar else "UNDER"
        print(
            f"{name:10} {run.verifies_per_s:>7,.0f} {run.items_per_s:>10,.0f}"
            f" {run.share:>10.3f} {run.bar:>7.2f} {said:6}"
            f" {run.node_verifies:>7.2f} {run.worker_verifies:>8.2f} {run.possible:>8.3f}"
            f" {run.blocks:>6}"
        )
    print("\nnode's processor time per item, in verifications, by part\n")
    names = list(dict.fromkeys([part for _, part in PARTS] + ["other"]))
    print(f"{'':12}" + "".join(f"{name:>11}" for name in runs))
    for part in names:
        figures: list[Any] = [run.parts.get(part, 0.0) for run in runs.values()]
        if any(figures):
            print(f"{part:12}" + "".join(f"{figure:>11.3f}" for figure in figures))
    for name, run in runs.items():
        if functions:
            print(f"\n{name}")
        for function, figure in list(run.functions.items())[:functions]:
            print(f"  {figure:>8.3f}  {function}")


if __name__ == "__main__":
    main()
