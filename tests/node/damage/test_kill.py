"""kill −9 at every write point of a block: the chain goes on, and nothing is signed twice."""

from pathlib import Path

from node.home import Home
from tests.node.damage.faults import Fault
from tests.node.damage.launcher import Launcher
from tests.node.damage.places import new_home
from tests.node.damage.program import Plan
from tests.node.damage.record import Record
from tests.node.damage.scenarios import (
    BLOCK,
    COMPACTION,
    GENESIS,
    STATEMENT,
    faults_at,
    killed_at_any_time,
    killed_in_turn,
    points_of,
)


def test_a_block_has_the_write_points_that_are_killed_below(
    start: Launcher, tmp_path: Path
) -> None:
    home, record = new_home(tmp_path / "home"), Record()
    points = points_of(start, home, record, Plan(2, points=True))
    assert points == GENESIS + BLOCK * (len(record.chain) - 1)
    points = points_of(start, home, record, Plan(4, points=True, compact_bytes=1))
    assert points == BLOCK + COMPACTION


def test_killed_before_every_write_point_of_a_block_run_after_run(
    start: Launcher, tmp_path: Path
) -> None:
    points = range(1, len(GENESIS + BLOCK + STATEMENT))
    home = killed_in_turn(start, tmp_path / "home", faults_at(points, "before"))
    assert own_files(home) == own_files(new_home(tmp_path / "new")), "halves are removed"


def test_killed_in_the_middle_of_every_append(start: Launcher, tmp_path: Path) -> None:
    appends = [
        number
        for number, name in enumerate(GENESIS + BLOCK, start=1)
        if name == "append to the signer's log"
    ]
    assert len(appends) == 3
    killed_in_turn(start, tmp_path / "home", faults_at(appends, "half"))


def test_killed_while_the_log_is_rewritten(start: Launcher, tmp_path: Path) -> None:
    faults = [Fault(len(BLOCK) + 1 + extra, "before") for extra in (1, 2, 3, 2, 1)]
    home = killed_in_turn(start, tmp_path / "home", faults, compact_bytes=1)
    assert own_files(home) == own_files(new_home(tmp_path / "new")), "halves are removed"


def test_killed_at_any_time(start: Launcher, tmp_path: Path) -> None:
    killed_at_any_time(start, tmp_path / "home", seed=1, kills=5)


def own_files(home: Home) -> list[str]:
    """Return the names of the signer's files."""
    folders = (home.data, home.folder / "signer")
    return sorted(path.name for folder in folders for path in folder.iterdir() if path.is_file())
