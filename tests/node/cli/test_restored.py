"""The only validator of a chain, put back from a backup that is older than what it signed.

What it is told is the same wherever it asks, and what it is told to do works.
"""

import shutil
from pathlib import Path

import pytest

from node.failure import ExitCode
from tests.node.cli.program import Gtx

AMOUNT = 7


class Validator:
    """A devnet of one validator whose folder is backed up, used, and put back."""

    def __init__(self, folder: Path) -> None:
        self.gtx = Gtx(folder)
        self.data = folder / "home" / "data"
        self.newest = folder / "newest"

    def send(self, transfers: int, *options: str) -> None:
        """Run it for so many transfers, each in a block of its own."""
        with self.gtx.running("devnet", *options) as node:
            first, second, *_ = node.form["accounts"]
            for _ in range(transfers):
                self.gtx.json(
                    "call", "credit.transfer", second["address"], str(AMOUNT), "--key", first["key"]
                )

    def received(self) -> int:
        """Return what the second account got in all."""
        with self.gtx.running("devnet", "--keep"):
            return int(self.gtx.json("account", "devnet/account-1")["credit"]["free"]) % 1_000

    def highest(self) -> int:
        return int(self.gtx.json("signer", "status")["highest_height"])


@pytest.fixture
def validator(tmp_path: Path) -> Validator:
    """Return one whose whole data folder is from a backup, the newest put aside."""
    made = Validator(tmp_path)
    made.send(1)
    shutil.copytree(made.data, tmp_path / "backup")
    made.send(3, "--keep")
    made.data.rename(made.newest)
    shutil.copytree(tmp_path / "backup", made.data)
    return made


def test_every_way_says_the_same_and_none_leads_in_a_circle(validator: Validator) -> None:
    gtx = validator.gtx
    highest = validator.highest()
    refused = gtx.run("devnet", "--keep", "--rpc-port", "0")
    assert refused.status == ExitCode.STORAGE
    assert f"this validator has signed at height {highest}" in refused.err
    assert "put back the newest data/consensus.log" in refused.err
    assert "gtx init begins another" in refused.err
    assert "reset" not in refused.err
    for above in (0, highest - 1, highest, highest + 5):
        reset = gtx.run("signer", "reset", "--above", str(above), "--yes")
        assert (reset.status, reset.err) == (ExitCode.STORAGE, refused.err)
    assert validator.highest() == highest


def test_the_newest_log_beside_the_backups_database_brings_the_blocks_back(
    validator: Validator,
) -> None:
    shutil.copy2(validator.newest / "consensus.log", validator.data / "consensus.log")
    assert validator.received() == 4 * AMOUNT
    assert any(one["event"] == "block_restored_from_log" for one in validator.gtx.log())
    validator.send(1, "--keep")
    assert validator.received() == 5 * AMOUNT


def test_a_data_folder_that_reaches_the_last_signature_goes_on(validator: Validator) -> None:
    shutil.rmtree(validator.data)
    shutil.copytree(validator.newest, validator.data)
    assert validator.received() == 4 * AMOUNT


def test_a_lost_log_beside_a_whole_database_is_told_the_one_height_that_is_taken(
    validator: Validator,
) -> None:
    shutil.rmtree(validator.data)
    shutil.copytree(validator.newest, validator.data)
    (validator.data / "consensus.log").unlink()
    refused = validator.gtx.run("devnet", "--keep", "--rpc-port", "0")
    assert refused.status == ExitCode.SIGNER
    command = refused.err.strip().rpartition("gtx ")[2].split()
    assert command[:3] == ["signer", "reset", "--above"]
    assert validator.gtx.run(*command, "--yes").status == 0
    assert validator.received() == 4 * AMOUNT
    validator.send(1, "--keep")
    assert validator.received() == 5 * AMOUNT
