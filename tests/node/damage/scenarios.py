"""What is done to a node, in sizes from a few cases to all of them.

Each scenario starts real processes on real files and asserts the rules of `record.py` over all runs
of a home. The tests run a part; `python -m tests.node.damage --all` runs the whole.
"""

import copy
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from node.chain_node import genesis_of
from node.home import Home
from tests.node.damage.faults import Fault, How
from tests.node.damage.launcher import Ended, Launcher
from tests.node.damage.places import Damage, copy_of, damages, new_home
from tests.node.damage.program import BATCH, Plan
from tests.node.damage.record import ENDED_BY_TIMER, KILLED, Record, explained

# What a run comes to. A write point that is added must be named here.
GENESIS: Final = ["commit to the database"]
OPENING: Final = ["sync the signer's log", "sync the last-signed file"]
MADE_WHOLE: Final = [
    "sync the last-signed file",
    "rename the last-signed file",
    "sync the folder signer",
]
APPENDED: Final = ["append to the signer's log", "sync the signer's log"]
STATEMENT: Final = [*APPENDED, "write into the last-signed file", "sync the last-signed file"]
BLOCK: Final = [*STATEMENT * 3, "commit to the database"]
# The first statement of a key makes its last-signed file once more.
FIRST_BLOCK: Final = [*APPENDED, *MADE_WHOLE, *STATEMENT * 2, "commit to the database"]
FIRST_RUN: Final = [*GENESIS, *OPENING, *FIRST_BLOCK]
LATER_RUN: Final = [*OPENING, *BLOCK]
COMPACTION: Final = ["sync the signer's log", "rename the signer's log", "sync the folder data"]
# Files of a home that hold nothing: LevelDB's diary and the locks.
UNREAD: Final = ("LOG", "LOG.old", "LOCK", "node.lock", "genesis.json")


@dataclass(frozen=True, slots=True)
class Grown:
    """A home with a chain, and what its processes said so far."""

    home: Home
    record: Record
    transactions: int

    def again(self, folder: Path) -> "Grown":
        """Return a copy of the home, with the record so far."""
        return Grown(copy_of(self.home, folder), copy.deepcopy(self.record), self.transactions)


def grown(start: Launcher, folder: Path, runs: int, transactions: int = 2 * BATCH) -> Grown:
    """Make a chain in several runs, each of so many transactions; each leaves a table behind."""
    home, record = new_home(folder), Record()
    for number in range(1, runs + 1):
        _good(record, start.run(home.folder, Plan(transactions * number).to_json()))
    return Grown(home, record, transactions * runs)


def points_of(start: Launcher, home: Home, record: Record, plan: Plan) -> list[str]:
    """Return the names of the write points that a run comes to, in order."""
    events = _good(record, start.run(home.folder, plan.to_json()))
    return [event["name"] for event in events if event["event"] == "point"]


def killed_in_turn(
    start: Launcher,
    folder: Path,
    faults: Iterable[Fault],
    compact_bytes: int | None = None,
    blocks: int = 1,
) -> Home:
    """Kill runs one after the other, each at a fault in so many blocks; the last ends well."""
    home, record = new_home(folder), Record()
    transactions = 0
    for fault in faults:
        transactions += blocks * BATCH
        plan = Plan(transactions, fault, compact_bytes=compact_bytes)
        ended = start.run(home.folder, plan.to_json())
        assert ended.status == KILLED, f"{fault}: status {ended.status}\n{ended.err}"
        record.add(ended)
    _completes(start, home, record, transactions, compact_bytes)
    return home


def killed_at_any_time(start: Launcher, folder: Path, seed: int, kills: int) -> None:
    """Kill one run after the other after a random time, wherever it is then."""
    rng = Random(seed)
    home, record = new_home(folder), Record()
    transactions = 0
    for _ in range(kills):
        transactions += 4 * BATCH
        plan = Plan(transactions, end_after_ms=rng.randrange(5, 500), compact_bytes=4_096)
        ended = start.run(home.folder, plan.to_json())
        assert ended.status in {0, ENDED_BY_TIMER}, f"status {ended.status}\n{ended.err}"
        record.add(ended)
    _completes(start, home, record, transactions)


def full_disk(start: Launcher, folder: Path, base: Grown, point: int) -> str:
    """Let the disk be full from a write point on, then make room; returns what the node said."""
    case = base.again(folder)
    plan = Plan(case.transactions + BATCH, Fault(point, "full"))
    ended = start.run(case.home.folder, plan.to_json())
    case.record.add(ended)
    words = explained(ended)
    _completes(start, case.home, case.record, case.transactions + BATCH)
    return words


def damaged(start: Launcher, folder: Path, base: Grown, name: str, one: Damage) -> str | None:
    """Damage one file; returns what the node said, or None if it went on with the same chain."""
    case = base.again(folder)
    one.do(case.home.folder / name)
    wanted = case.transactions + BATCH
    ended = start.run(case.home.folder, Plan(wanted).to_json())
    case.record.add(ended)
    shutil.rmtree(folder)
    if ended.status != 0:
        return explained(ended)
    case.record.assert_complete(genesis_of(base.home.genesis), wanted)
    return None


def damages_of(base: Grown, seed: int, each: int) -> Iterator[tuple[str, Damage]]:
    """Draw damage to every file that a node reads, but for its genesis."""
    rng, folder = Random(seed), base.home.folder
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in UNREAD:
            for one in damages(path.stat().st_size, rng, each):
                yield str(path.relative_to(folder)), one


def cuts_of_the_log(base: Grown, records_bytes: int, step: int) -> Iterator[tuple[str, Damage]]:
    """Cut the signer's log at places in its last records, every `step` bytes."""
    path = base.home.data / "consensus.log"
    size = path.stat().st_size
    for place in range(size - records_bytes, size, step):
        yield str(path.relative_to(base.home.folder)), Damage("cut", place)


def faults_at(points: Sequence[int], how: How) -> list[Fault]:
    """Return a fault of one kind at each point."""
    return [Fault(point, how) for point in points]


def _completes(
    start: Launcher, home: Home, record: Record, transactions: int,
    compact_bytes: int | None = None,
) -> None:  # fmt: skip
    plan = Plan(transactions, compact_bytes=compact_bytes)
    _good(record, start.run(home.folder, plan.to_json()))
    record.assert_complete(genesis_of(home.genesis), transactions)


def _good(record: Record, ended: Ended) -> list[dict[str, Any]]:
    assert ended.status == 0, f"status {ended.status}\n{ended.err}"
    return record.add(ended)
