"""Damaged files: a restart goes on with the same chain, or says what is wrong and what to do."""

import os
from pathlib import Path

import pytest

from chain.consensus.slots import PAGE_BYTES, read_file, slot_start
from tests.node.damage.launcher import Launcher
from tests.node.damage.places import Damage
from tests.node.damage.program import Plan
from tests.node.damage.record import explained
from tests.node.damage.scenarios import (
    BLOCK,
    OPENING,
    Grown,
    cuts_of_the_log,
    damaged,
    damages_of,
    full_disk,
    grown,
)

LAST_RECORDS_BYTES = 4_000
LOG_BLOCK_BYTES = 2**15
# Table, log, manifest and CURRENT of the database; log and last-signed file of the signer.
FILES_MIN = 6


def test_damage_to_any_file_is_survived_or_explained(
    start: Launcher, base: Grown, tmp_path: Path
) -> None:
    said: dict[str, list[str | None]] = {}
    for number, (name, one) in enumerate(damages_of(base, seed=1, each=1)):
        words = damaged(start, tmp_path / str(number), base, name, one)
        said.setdefault(one.kind, []).append(words)
        # What was in one slot of that file the log tells too; see below.
        assert one.kind != "flip" or name.endswith(".last") or words is not None
    assert all(len(words) >= FILES_MIN for words in said.values())
    assert None in said["cut"] + said["delete"], "what can be made again is"


@pytest.mark.parametrize("slot", [0, 1])
def test_a_spoiled_slot_is_survived_only_where_the_log_tells_what_it_held(
    start: Launcher, base: Grown, tmp_path: Path, slot: int
) -> None:
    (path,) = (base.home.folder / "signer").glob("*.last")
    file = read_file(path.read_bytes())
    for byte in (0, 5, 20, PAGE_BYTES - 1):
        one = Damage("flip", 8 * (slot_start(slot) + byte))
        name = str(path.relative_to(base.home.folder))
        words = damaged(start, tmp_path / str(byte), base, name, one)
        if slot == file.next_slot:
            assert words is not None
            assert "the last-signed file is damaged: a slot does not read" in words
        else:
            assert words is None, "the log is one ahead of the other slot"


def test_the_log_cut_in_its_last_records_never_lets_it_sign(
    start: Launcher, base: Grown, tmp_path: Path
) -> None:
    for number, (name, one) in enumerate(cuts_of_the_log(base, LAST_RECORDS_BYTES, 500)):
        words = damaged(start, tmp_path / str(number), base, name, one)
        assert words is not None
        assert "does not know what it has signed" in words
        assert "gtx signer reset --above " in words


def test_a_lost_database_is_made_again_from_the_signers_log(
    start: Launcher, base: Grown, tmp_path: Path
) -> None:
    """The log holds every block since it was last rewritten."""
    for number, name in enumerate(("LevelDB", "its log")):
        case = base.again(tmp_path / str(number))
        for path in case.home.database.iterdir():
            if name == "LevelDB" or path.suffix == ".log":
                path.unlink()
        wanted = case.transactions + 2
        ended = start.run(case.home.folder, Plan(wanted).to_json())
        assert ended.status == 0, ended.err
        case.record.add(ended)
        assert "block_restored_from_log" in ended.err
        assert len(case.record.chain) > len(base.record.chain)


def test_a_database_that_lacks_blocks_in_the_middle_is_not_taken_for_the_chain(
    start: Launcher, tmp_path: Path
) -> None:
    """The log of the database lost a part, and what was written later is whole."""
    base = grown(start, tmp_path / "base", runs=1, transactions=100)
    (log,) = base.home.database.glob("*.log")
    assert log.stat().st_size > 2 * LOG_BLOCK_BYTES
    name = str(log.relative_to(base.home.folder))
    words = damaged(start, tmp_path / "case", base, name, Damage("zero", LOG_BLOCK_BYTES))
    assert words is not None
    assert "restore the data folder" in words


@pytest.mark.parametrize(
    ("point", "words"),
    [
        (BLOCK.index("append to the signer's log"), "consensus.log and"),
        (BLOCK.index("sync the signer's log"), "consensus.log and"),
        (BLOCK.index("write into the last-signed file"), "consensus.log and"),
        (BLOCK.index("commit to the database"), "write to the database"),
    ],
)
def test_a_full_disk_stops_the_node_until_there_is_room(
    start: Launcher, base: Grown, tmp_path: Path, point: int, words: str
) -> None:
    """In the middle of an append, before and after the last-signed file, in a batch."""
    said = full_disk(start, tmp_path / "case", base, len(OPENING) + point + 1)
    assert words in said
    assert "then restart" in said


def test_a_second_process_is_kept_out_with_the_first_ones_number(
    start: Launcher, base: Grown, tmp_path: Path
) -> None:
    case = base.again(tmp_path / "case")
    with case.home.locked():
        words = explained(start.run(case.home.folder, Plan(2).to_json()))
    assert f"another node (process {os.getpid()}) uses {case.home.folder}" in words
    ended = start.run(case.home.folder, Plan(case.transactions + 2).to_json())
    assert ended.status == 0, ended.err


def test_killed_workers_lose_no_transaction(start: Launcher, base: Grown, tmp_path: Path) -> None:
    case = base.again(tmp_path / "case")
    plan = Plan(case.transactions + 6, kill_workers=True)
    ended = start.run(case.home.folder, plan.to_json())
    assert ended.status == 0, ended.err
    events = case.record.add(ended)
    assert sum(event["event"] == "worker_killed" for event in events) == 2
    assert all(event["errors"] == [] for event in events if event["event"] == "answers")
    assert ended.err.count("signature_workers_restarted") == 2
