"""`gtx replay-wal`: goes through a journal again, and says where it comes out otherwise."""

from dataclasses import replace
from pathlib import Path

import pytest

from chain.consensus.inputs import Committed, Start
from chain.consensus.journal import Opening, RecordedMachine, read_journal
from node.failure import ExitCode
from tests.node.cli.program import Gtx
from tests.sim.mutants import SaysNothingTwice
from tests.sim.sweep import Sweep
from tests.sim.world import Journals


class Other(RecordedMachine, SaysNothingTwice):
    """A machine that does something else at some timeouts, and records it."""


@pytest.fixture(scope="module")
def simulated() -> Journals:
    made: Journals = {}
    assert Sweep().run(0, journals=made).violation is None
    return made


@pytest.fixture
def gtx(tmp_path: Path) -> Gtx:
    return Gtx(tmp_path)


def test_a_journal_of_the_simulation_is_gone_through_again(gtx: Gtx, simulated: Journals) -> None:
    path = gtx.folder / "some.journal"
    for journal in simulated.values():
        path.write_bytes(journal)
        told = gtx.json("replay-wal", str(path), "--last", "3")
        assert (told["differing"], told["failure"]) == (0, None)
        assert told["inputs"] == len(read_journal(bytes(journal))[1])
        assert len(told["shown"]) == min(3, told["inputs"])
    path.write_bytes(simulated[0, 1])
    shown = gtx.start("replay-wal", str(path), "--last", "0").out
    assert "Start" in shown
    assert "VoteReceived precommit" in shown
    assert "Commit" in shown


def test_what_another_machine_did_is_told_with_its_input(gtx: Gtx) -> None:
    path = gtx.folder / "other.journal"
    for seed in range(12):
        made: Journals = {}
        Sweep().run(seed, journals=made)
        for journal in made.values():
            opening, told = read_journal(bytes(journal))
            written = bytearray()
            other = Other(opening, written.extend)
            for one in told:
                other.handle(one.input, one.now_ms)
            if bytes(written) == bytes(journal):
                continue
            path.write_bytes(written)
            done = gtx.start("replay-wal", str(path), "--last", "0")
            assert done.status == ExitCode.DIFFERENCES
            (line, *_) = [line for line in done.out.splitlines() if "DIFFERS" in line]
            assert "TimeoutFired resend" in line
            return
    raise AssertionError("the other machine never did anything else")


def test_a_machine_that_fails_fails_again(gtx: Gtx, simulated: Journals) -> None:
    opening, told = read_journal(bytes(simulated[0, 1]))
    start = told[0].input
    assert isinstance(start, Start)
    written = bytearray()
    machine = RecordedMachine(opening, written.extend)
    machine.handle(start, told[0].now_ms)
    with pytest.raises(AssertionError, match="heights only rise"):
        machine.handle(Committed(start.context), told[0].now_ms + 5)
    path = gtx.folder / "failed.journal"
    path.write_bytes(written)
    done = gtx.start("replay-wal", str(path))
    assert done.status == ExitCode.BUG
    assert "failed at input 2, Committed: AssertionError: heights only rise" in done.out


def test_what_is_no_journal_is_named(gtx: Gtx, simulated: Journals) -> None:
    done = gtx.start("replay-wal")
    assert done.status == ExitCode.CONFIG
    assert "node.journal = true" in done.err
    path = gtx.folder / "some.journal"
    journal = bytes(simulated[0, 1])
    for content, said in (
        (b"", "no whole frame"),
        (b"something else", "journal"),
        (journal[:20] + b"?" + journal[21:], "frame at byte 0"),
    ):
        path.write_bytes(content)
        done = gtx.start("replay-wal", str(path))
        assert done.status == ExitCode.STORAGE
        assert said in done.err
    written = bytearray()
    RecordedMachine(replace(first_of(simulated), nonce=bytes(32)), written.extend)
    path.write_bytes(written)
    done = gtx.start("replay-wal", str(path))
    assert done.status == ExitCode.STORAGE
    assert "no input" in done.err


def first_of(journals: Journals) -> Opening:
    return read_journal(bytes(journals[0, 1]))[0]
