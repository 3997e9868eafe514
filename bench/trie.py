"""What the trie costs: rebuilding, batches, proofs and memory.

    python -m bench.trie [--keys 1000000] [--batches 100 1000 5000] [--repeat 15] [--json]

Keys are a 2-byte table and 20, 32 or 40 bytes, a third each, evenly spread like hashes. Values are
32 bytes. Times are medians, on versions that follow one another as blocks do, 128 of them kept:

    rebuild      from sorted keys and value hashes, without the time it takes to make those up
    memory       growth of the resident set by the rebuild, and again by 128 blocks of 1 000 writes
    update N     a batch of N new values of random keys
    mixed N      a batch of 80 % new values, 10 % new keys, 10 % deletions
    prove        existence of a random key, of 100 000; verify it, and the absence of another
    range        prove a thousand neighbouring items of 100 000; verify and expand them

Bars, on a million keys: a batch of 1 000 within 30 µs a key, 150 bytes a key, rebuilt within 8 s;
ten million keys within 1.5 GB. R is the Ed25519 verify rate of one core. Because it drifts on a
shared machine it is measured beside every figure; `x R` is how many signatures could have been
verified meanwhile.
"""

import argparse
import gc
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256, sha512
from pathlib import Path
from typing import Final

from bench.rate import used_s, verify_rate_per_s
from chain.trie import ics23
from chain.trie.proof import Absence, Existence
from chain.trie.shape import expand
from chain.trie.trie import Trie
from chain.trie.verify import verify_absence, verify_existence, verify_range
from chain.trie.versions import VERSIONS_KEPT_MAX, Version

TABLES: Final = ((b"\x03\x01", 20), (b"\x05\x01", 32), (b"\x07\x02", 40))

Writes = list[tuple[bytes, bytes | None]]


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table."""

    name: str
    figure: float
    unit: str
    verifies: float | None  # the figure's whole time, in signatures verified


class Bench:
    """One trie and the clock beside it."""

    def __init__(self, keys: int, repeat: int) -> None:
        self.keys = keys
        self.repeat = repeat
        self.random = random.Random(keys)
        self.results: list[Result] = []
        self.rates: list[float] = []

    def key(self, number: int) -> bytes:
        """Give a key, ascending with `number`."""
        table, length = TABLES[number * len(TABLES) // self.keys]
        digest = sha512(number.to_bytes(8)).digest()
        width = 2**64 // self.keys
        place = number * width + int.from_bytes(digest[:8]) % width
        return table + place.to_bytes(8) + digest[: length - 8]

    def some_keys(self, count: int) -> list[bytes]:
        """Give random keys, ascending."""
        return [self.key(number) for number in sorted(self.random.sample(range(self.keys), count))]

    def add(self, name: str, time_s: float, per: int, unit: str) -> None:
        """Note a time, for each of `per` things."""
        rate = verify_rate_per_s()
        self.rates.append(rate)
        scale = 1.0 if unit == "s" else 1e6
        self.results.append(Result(name, time_s / per * scale, unit, time_s / per * rate))

    def rebuild(self) -> tuple[Trie, Version]:
        """Build the trie, and see what time and memory it takes."""

        def leaves() -> Iterator[tuple[bytes, bytes]]:
            for number in range(self.keys):
                yield self.key(number), sha256(self.key(number)).digest()

        gc.collect()
        before = resident_bytes()
        making_s = used_s(lambda: sum(1 for _ in leaves()))
        start = time.process_time()
        trie, version = Trie.from_sorted_hashes(leaves())
        building_s = time.process_time() - start - making_s
        gc.collect()
        self.add("rebuild", building_s, 1, "s")
        self.add("rebuild", building_s, self.keys, "µs/key")
        grown = resident_bytes() - before
        self.results.append(Result("memory, one version", grown / self.keys, "bytes/key", None))
        self.results.append(Result("memory, one version", grown / 1e6, "MB", None))
        return trie, version

    def batches(self, trie: Trie, head: Version, sizes: list[int]) -> None:
        """Apply batches of each size, as blocks that follow one another."""
        before = resident_bytes()
        for size in sizes:
            for name, writes_of in (("update", self.update), ("mixed", self.mixed)):
                times: list[float] = []
                for _ in range(self.repeat):
                    writes = writes_of(size)
                    start = time.process_time()
                    head = trie.apply(head, writes)
                    trie.prune(head)
                    times.append(time.process_time() - start)
                self.add(f"{name} {size:,}", statistics.median(times), size, "µs/key")
        for _ in range(VERSIONS_KEPT_MAX):
            head = trie.apply(head, self.update(1000))
            trie.prune(head)
        gc.collect()
        grown = resident_bytes() - before
        kept = f"memory, {trie.versions_kept - 1} versions more"
        self.results.append(Result(kept, grown / 1e6, "MB", None))
        superseded = trie.superseded_nodes / 1e3
        self.results.append(Result("  nodes only they reach", superseded, "thousand", None))

    def update(self, count: int) -> Writes:
        """Give new values."""
        return [(key, self.random.randbytes(32)) for key in self.some_keys(count)]

    def mixed(self, count: int) -> Writes:
        """Give new values, new keys and deletions."""
        writes: Writes = []
        for key in self.some_keys(count):
            kind = self.random.randrange(10)
            if kind == 0:
                writes.append((key[:-8] + self.random.randbytes(8), self.random.randbytes(32)))
            else:
                writes.append((key, None if kind == 1 else self.random.randbytes(32)))
        return sorted(dict(writes).items())

    def proofs(self) -> None:
        """Prove and verify, on a trie whose values are at hand: the first 100 000 keys."""
        count = min(self.keys, 100_000)
        items = {self.key(number): sha256(b"%d" % number).digest() for number in range(count)}
        trie, version = Trie.from_sorted(items.items())
        keys = self.random.sample(list(items), 500)
        root = version.root_hash

        def prove_each() -> list[Existence | Absence]:
            return [trie.prove(version, key, items.__getitem__) for key in keys]

        def verify_each(proofs: list[Existence | Absence]) -> None:
            for proof in proofs:
                if isinstance(proof, Existence):
                    verify_existence(root, proof.key, proof.value, proof)
                else:
                    verify_absence(root, proof.key, proof)

        proven = prove_each()
        absences = [trie.prove(version, key + b"\0", items.__getitem__) for key in keys]
        self.time("prove a key", 500, prove_each)
        self.time("verify it", 500, lambda: verify_each(proven))
        self.time("encode it for ICS-23", 500, lambda: [ics23.encode(proof) for proof in proven])
        self.time("verify an absence", 500, lambda: verify_each(absences))
        start = sorted(items)[count // 2]
        ranged = trie.prove_range(version, start, b"\xff", 1000, items.__getitem__)
        self.time(
            "prove a range of 1 000",
            1000,
            lambda: trie.prove_range(version, start, b"\xff", 1000, items.__getitem__),
        )
        self.time("verify it", 1000, lambda: verify_range(root, start, b"\xff", ranged))
        self.time("expand it", 1000, lambda: expand(ranged))

    def time(self, name: str, count: int, work: Callable[[], object]) -> None:
        """Note the median time of `work`, for each of the `count` things it does."""
        self.add(
            name, statistics.median(used_s(work) for _ in range(self.repeat)), count, "µs/item"
        )


def resident_bytes() -> int:
    """Give the size of the resident set."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--batches", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    if options.keys < max(2000, *options.batches):
        parser.error("--keys: at least 2 000, and as many as the largest batch")

    bench = Bench(options.keys, options.repeat)
    trie, version = bench.rebuild()
    bench.batches(trie, version, options.batches)
    bench.proofs()
    rate = statistics.median(bench.rates)
    if options.json:
        figures = [asdict(result) for result in bench.results]
        print(json.dumps({"keys": options.keys, "verifies_per_s": rate, "results": figures}))
        return
    print(f"{options.keys:,} keys; R = {rate:,.0f} Ed25519 verifications a second (median)\n")
    print(f"{'':28}{'figure':>10} {'unit':10}{'x R':>10}")
    for result in bench.results:
        verifies = "" if result.verifies is None else f"{result.verifies:,.2f}"
        print(f"{result.name:28}{result.figure:>10.2f} {result.unit:10}{verifies:>10}")


if __name__ == "__main__":
    main()
