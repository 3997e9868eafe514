"""kill −9 at every write point of a block: the chain goes on, and nothing is signed twice."""

from pathlib import Path

from chain.consensus.slots import LastSignedFile
from node.chain_node import genesis_of
from node.home import Home
from node.signer import read_last_signed
from tests.node.damage.faults import Fault
from tests.node.damage.launcher import Launcher
from tests.node.damage.places import new_home
from tests.node.damage.program import Plan
from tests.node.damage.record import KILLED, Record
from tests.node.damage.scenarios import (
    APPENDED,
    BLOCK,
    COMPACTION,
    FIRST_RUN,
    GENESIS,
    LATER_RUN,
    MADE_WHOLE,
    OPENING,
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
    assert points == FIRST_RUN + BLOCK * (len(record.chain) - 2)
    points = points_of(start, home, record, Plan(4, points=True, compact_bytes=1))
    assert points == LATER_RUN + COMPACTION


def test_killed_before_every_write_point_of_a_block_run_after_run(
    start: Launcher, tmp_path: Path
) -> None:
    points = range(1, len(FIRST_RUN + STATEMENT))
    home = killed_in_turn(start, tmp_path / "home", faults_at(points, "before"))
    assert own_files(home) == own_files(new_home(tmp_path / "new")), "halves are removed"


def test_killed_while_the_first_statement_makes_the_file(start: Launcher, tmp_path: Path) -> None:
    first = len(GENESIS + OPENING + APPENDED)
    assert FIRST_RUN[first : first + len(MADE_WHOLE)] == MADE_WHOLE
    for point in range(first + 1, first + len(MADE_WHOLE) + 1):
        home = killed_in_turn(start, tmp_path / str(point), [Fault(point, "before")])
        assert own_files(home) == own_files(new_home(tmp_path / f"new-{point}"))


def test_killed_in_the_middle_of_every_append(start: Launcher, tmp_path: Path) -> None:
    for point in points_named("append to the signer's log", 3):
        killed_in_turn(start, tmp_path / str(point), [Fault(point, "half")])


def test_killed_in_the_middle_of_a_slot(start: Launcher, tmp_path: Path) -> None:
    for point in points_named("write into the last-signed file", 2):
        home, record = new_home(tmp_path / str(point)), Record()
        ended = start.run(home.folder, Plan(2, Fault(point, "half")).to_json())
        assert ended.status == KILLED, ended.err
        record.add(ended)
        torn = last_signed_file(home)
        assert not torn.whole
        assert torn.newest is not None
        ended = start.run(home.folder, Plan(2).to_json())
        assert ended.status == 0, ended.err
        record.add(ended)
        record.assert_complete(genesis_of(home.genesis), 2)
        assert last_signed_file(home).whole


def test_killed_while_the_log_is_rewritten(start: Launcher, tmp_path: Path) -> None:
    rewrites = [len(FIRST_RUN) + 1, *(len(LATER_RUN) + extra for extra in (2, 3, 2, 1))]
    faults = faults_at(rewrites, "before")
    home = killed_in_turn(start, tmp_path / "home", faults, compact_bytes=1)
    assert own_files(home) == own_files(new_home(tmp_path / "new")), "halves are removed"


def test_killed_at_any_time(start: Launcher, tmp_path: Path) -> None:
    killed_at_any_time(start, tmp_path / "home", seed=1, kills=5)


def points_named(name: str, count: int) -> list[int]:
    """Return where the first run comes to a write point of this name."""
    found = [number for number, one in enumerate(FIRST_RUN, start=1) if one == name]
    assert len(found) == count
    return found


def last_signed_file(home: Home) -> LastSignedFile:
    """Read the last-signed file of the only key."""
    (path,) = (home.folder / "signer").glob("*.last")
    return read_last_signed(path)


def own_files(home: Home) -> list[str]:
    """Return the names of the signer's files."""
    folders = (home.data, home.folder / "signer")
    return sorted(path.name for folder in folders for path in folder.iterdir() if path.is_file())
