"""Everything that may happen to one validator, in full.

python -m tests.node.damage --all              every write point, byte of the log, many seeds
python -m tests.node.damage --only files --seed 7 --each 40
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.node.damage.faults import Fault, How
from tests.node.damage.launcher import Launcher, launcher
from tests.node.damage.scenarios import (
    BLOCK,
    COMPACTION,
    FIRST_RUN,
    LATER_RUN,
    OPENING,
    Grown,
    cuts_of_the_log,
    damaged,
    damages_of,
    full_disk,
    grown,
    killed_at_any_time,
    killed_in_turn,
)

HOWS: Final[tuple[How, ...]] = ("before", "half", "after")
BLOCKS: Final = 3
RECORDS_BYTES: Final = 2_500
RANDOM_RUNS: Final = 20


@dataclass(frozen=True, slots=True)
class Matrix:
    """Where the cases run, and how many there are."""

    start: Launcher
    folder: Path
    seed: int
    each: int

    def kills(self) -> Iterator[str]:
        """Kill at every write point of genesis and three blocks, alone and one after the other."""
        points = range(1, len(FIRST_RUN + BLOCK * (BLOCKS - 1)) + 1)
        for how in HOWS:
            for point in points:
                folder = self.folder / f"kill-{how}-{point}"
                # The second fault meets a node that has just recovered from the first.
                faults = [Fault(point, how), Fault(1 + point % 12, how)]
                killed_in_turn(self.start, folder, faults, blocks=BLOCKS)
                yield f"killed {how} a write point"
            killed_in_turn(
                self.start, self.folder / f"kills-{how}",
                [Fault(point, how) for point in points if point <= len(FIRST_RUN)],
            )  # fmt: skip
            yield f"killed {how} every write point in turn"

    def rewrites(self) -> Iterator[str]:
        """Kill at every write point of a block while the log is rewritten after each."""
        for how in HOWS:
            for point in range(1, len(FIRST_RUN + COMPACTION + BLOCK) + 1):
                folder = self.folder / f"rewrite-{how}-{point}"
                killed_in_turn(self.start, folder, [Fault(point, how)], compact_bytes=1, blocks=2)
                yield f"killed {how} a write point with a rewritten log"

    def times(self) -> Iterator[str]:
        """Kill at random times, also inside LevelDB."""
        for number in range(self.each):
            killed_at_any_time(
                self.start, self.folder / f"times-{number}", self.seed + number, RANDOM_RUNS
            )
            yield f"killed {RANDOM_RUNS} times at random"

    def files(self) -> Iterator[str]:
        """Damage every file in many places."""
        base = self._base("files")
        for number, (name, one) in enumerate(damages_of(base, self.seed, self.each)):
            folder = self.folder / f"files-{number}"
            yield _outcome(damaged(self.start, folder, base, name, one), f"{one.kind} of a file")

    def cuts(self) -> Iterator[str]:
        """Cut the signer's log at every byte of its last records."""
        base = self._base("cuts")
        for number, (name, one) in enumerate(cuts_of_the_log(base, RECORDS_BYTES, 1)):
            folder = self.folder / f"cuts-{number}"
            yield _outcome(damaged(self.start, folder, base, name, one), "cut of the signer's log")

    def disks(self) -> Iterator[str]:
        """Let the disk be full from every write point of a block on."""
        base = self._base("disks")
        # After the commit there is nothing more to write.
        for point in range(len(OPENING) + 1, len(LATER_RUN) + 1):
            full_disk(self.start, self.folder / f"disk-{point}", base, point)
            yield "full disk"

    def _base(self, name: str) -> Grown:
        return grown(self.start, self.folder / f"base-{name}", runs=3)


PARTS: Final[tuple[tuple[str, Callable[[Matrix], Iterator[str]]], ...]] = (
    ("kills", Matrix.kills),
    ("rewrites", Matrix.rewrites),
    ("times", Matrix.times),
    ("files", Matrix.files),
    ("cuts", Matrix.cuts),
    ("disks", Matrix.disks),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; the first case that fails ends it with its folder's name."""
    names = [name for name, _ in PARTS]
    parser = argparse.ArgumentParser(prog="python -m tests.node.damage", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--all", action="store_true", help="the full matrix")
    what.add_argument("--only", choices=names, help="one part of it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=20, help="cuts, flips, … of each file")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="damage-") as folder, launcher() as start:
        matrix = Matrix(start, Path(folder), asked.seed, asked.each)
        for name, part in PARTS:
            if asked.only in {None, name}:
                _run(name, part(matrix))
    return 0


def _run(name: str, cases: Iterator[str]) -> None:
    begun, outcomes = time.monotonic(), Counter[str]()
    for outcome in cases:
        outcomes[outcome] += 1
        sys.stderr.write(f"\r{name}: {outcomes.total()} cases")
    sys.stderr.write("\n")
    sys.stdout.write(f"{name}: {outcomes.total()} cases in {time.monotonic() - begun:.0f} s\n")
    for outcome, count in sorted(outcomes.items()):
        sys.stdout.write(f"  {count:5d}  {outcome}\n")


def _outcome(words: str | None, what: str) -> str:
    return f"{what}: the same chain" if words is None else f"{what}: explained"


if __name__ == "__main__":
    raise SystemExit(main())
