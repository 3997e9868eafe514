"""What happened to a node of the simulation happens again from its journal, and to no other."""

from dataclasses import replace

import pytest

from chain.consensus.inputs import Start, TimeoutFired
from chain.consensus.journal import (
    JournalError,
    Opening,
    RecordedMachine,
    Told,
    answer_hash,
    plain,
    read_journal,
    unplain,
)
from chain.consensus.machine import Machine
from chain.crypto import verify
from tests.sim.mutants import SaysNothingTwice
from tests.sim.sweep import Sweep
from tests.sim.world import Journals

SEEDS = range(12)


def journals_of(seed: int, *, real: bool = False) -> Journals:
    made: Journals = {}
    outcome = Sweep(app="ledger" if real else "small").run(seed, journals=made)
    assert outcome.violation is None
    return made


def answers(machine: Machine, told: list[Told]) -> list[bytes]:
    return [answer_hash(machine.handle(one.input, one.now_ms)) for one in told]


def test_each_machine_does_again_what_it_did_to_the_same_inputs() -> None:
    inputs = 0
    seen: set[str] = set()
    for seed in SEEDS:
        for journal in journals_of(seed, real=seed < 3).values():
            opening, told = read_journal(bytes(journal))
            written = [one.answer_hash for one in told]
            # A node that died on the way to the disk has not answered its last input's effects.
            assert None not in written[:-1]
            found = answers(opening.machine(), told)
            assert found[: len(written) - 1] == written[:-1]
            inputs += len(told)
            seen |= {type(one.input).__name__ for one in told}
    assert inputs > 3_000
    assert seen >= {
        "Start", "Committed", "BlockDue", "Proposed", "Validated", "Signed", "ProposalReceived",
        "BlockReceived", "VoteReceived", "StatusReceived", "TimeoutFired",
    }  # fmt: skip


def test_another_machine_is_found_out_at_the_first_input_that_it_takes_otherwise() -> None:
    found_out = 0
    for seed in SEEDS:
        for journal in journals_of(seed).values():
            opening, told = read_journal(bytes(journal))
            other = SaysNothingTwice(
                opening.chain_id, opening.seat, opening.recovered, opening.nonce, verify
            )
            for one in told:
                answer = answer_hash(other.handle(one.input, one.now_ms))
                if answer != one.answer_hash:
                    assert isinstance(one.input, TimeoutFired)
                    found_out += 1
                    break
    assert found_out > 0


def test_a_journal_that_ends_within_a_frame_is_read_to_there() -> None:
    journal = bytes(next(iter(journals_of(0).values())))
    opening, told = read_journal(journal)
    for cut in range(1, 200, 7):
        again, left = read_journal(journal[:-cut])
        assert again == opening
        assert left[:-1] == told[: len(left) - 1]
        assert len(told) - 4 <= len(left) <= len(told)
    with pytest.raises(JournalError, match="no whole frame"):
        read_journal(journal[:6])


def test_a_changed_bit_is_found() -> None:
    journal = bytearray(next(iter(journals_of(0).values())))
    for place in range(8, len(journal) - 8, len(journal) // 50):
        journal[place] ^= 4
        with pytest.raises(JournalError, match="frame at byte"):
            # A changed length may also end the journal early; then what it holds is less.
            read_shorter(bytes(journal))
        journal[place] ^= 4


def read_shorter(data: bytes) -> None:
    opening, told = read_journal(data)
    whole = len(read_journal(bytes(next(iter(journals_of(0).values()))))[1])
    assert isinstance(opening, Opening)
    assert len(told) < whole
    raise JournalError("frame at byte ?: cut short")


def test_frames_out_of_place_and_values_that_are_no_inputs_are_refused() -> None:
    _, told = read_journal(bytes(next(iter(journals_of(0).values()))))
    (start,) = [one.input for one in told if isinstance(one.input, Start)]
    assert unplain(plain(start)) == start
    for value in (["Path", "x"], ["Validated", b""], [3], [], ["", ["Nobody"]]):
        with pytest.raises(JournalError):
            unplain(value)  # type: ignore[arg-type]  # that is the point
    written = bytearray()
    opening, _ = read_journal(bytes(next(iter(journals_of(0).values()))))
    RecordedMachine(opening, written.extend)
    first = bytes(written)
    RecordedMachine(replace(opening, nonce=bytes(32)), written.extend)
    with pytest.raises(JournalError, match="not in its place"):
        read_journal(bytes(written))
    assert read_journal(first)[0] == opening
