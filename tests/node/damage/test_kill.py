"""kill −9 at every write point of a block: the chain goes on, and nothing is signed twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.chain_node import genesis_of
from node.home import Home
from tests.node.damage.faults import Fault, How
from tests.node.damage.launcher import Launcher, launcher
from tests.node.damage.places import new_home
from tests.node.damage.program import Plan
from tests.node.damage.record import KILLED, Record

# What a run of two blocks on a new home must come to; a write point that is added must be named.
STATEMENT = [
    "append to data/consensus.log",
    "sync data/consensus.log",
    "sync the last-signed file",
    "rename the last-signed file",
    "sync signer",
]
BLOCK = [*STATEMENT * 3, "commit to the database"]


@pytest.fixture(scope="module")
def start() -> Iterator[Launcher]:
    with launcher() as started:
        yield started


def test_a_block_has_the_write_points_that_are_killed_below(
    start: Launcher, tmp_path: Path
) -> None:
    home = new_home(tmp_path / "home")
    record = Record()
    events = record.add(start.run(home.folder, Plan(2, points=True).to_json()))
    names = [event["name"] for event in events if event["event"] == "point"]
    height = events[-1]["height"]
    assert names == ["commit to the database"] + BLOCK * height
    record.assert_complete(genesis_of(home.genesis), 2)


def files_of(home: Home) -> list[str]:
    """Return the names of the files that are not LevelDB's or the lock."""
    folders = (home.data, home.folder / "signer")
    return sorted(path.name for folder in folders for path in folder.iterdir() if path.is_file())


@pytest.mark.parametrize("how", ["before", "half"])
def test_killed_at_every_write_point_one_after_the_other(
    start: Launcher, tmp_path: Path, how: How
) -> None:
    """Every run but the last is killed one write point further than the one before."""
    home = new_home(tmp_path / "home")
    before = files_of(home)
    record = Record()
    transactions = 0
    points = len(BLOCK) + len(STATEMENT)
    for point in range(1, points):
        transactions += 2
        ended = start.run(home.folder, Plan(transactions, Fault(point, how)).to_json())
        assert ended.status == KILLED, ended.err
        record.add(ended)
    ended = start.run(home.folder, Plan(transactions).to_json())
    assert ended.status == 0, ended.err
    record.add(ended)
    record.assert_complete(genesis_of(home.genesis), transactions)
    assert files_of(home) == before, "a kill leaves half-written files behind for ever"
