"""Readings in any order, late, revised, corrected or never: what is settled adds up all the same.

The model knows what the devices counted and which readings were taken. From that follow each code,
each recorded quarter, the gaps, and what settlement has to charge altogether: of a quarter that was
read what it says, of a gap whose registers are known exactly what they say.
"""

from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from contracts.grid.metering_words import (
    Final,
    FutureReading,
    NotFinal,
    ReadingConflict,
    VersionGap,
)
from contracts.grid.reading import Quality, Reading, SignedReading
from contracts.kernel import Reject
from tests.support.grid import GATEWAY, RULES, TERMS, ZONE
from tests.support.machine import ContractMachine
from tests.support.metering import ALICE, BOB, GridWorld, quarter

QUICK = replace(RULES, provisional_s=900, final_s=4_500)
FINAL_AFTER = 6  # A quarter is final when the sixth after it begins.
PEOPLE = ("alice", "bob")
METERS = st.sampled_from([ALICE, BOB])
ENERGIES = st.sampled_from([(0, 0), (1, 0), (700, 2), (0, 2_500), (5_000, 5_000)])
BACK = st.integers(0, 8)
SUBSTITUTE = (TERMS.base_load_wh, 0)
Energy = tuple[int, int]


@dataclass
class Taken:
    """What was taken of a quarter; one that came in time is a link in the row of registers."""

    energy: Energy
    version: int
    in_row: bool


class MeteringMachine(ContractMachine):
    """Two meters that count, and all that can become of their messages."""

    contracts = ("metering", "schedule")
    world: GridWorld

    @initialize()
    def begin(self) -> None:
        self.world = GridWorld(PEOPLE, QUICK)
        self.now = 0
        self.sequence = 0
        self.taken: dict[int, dict[int, Taken]] = {ALICE: {}, BOB: {}}
        self.settled = {ALICE: (0, 0), BOB: (0, 0)}
        self.closed: dict[int, list[tuple[int, int]]] = {ALICE: [], BOB: []}
        self.replaced = {ALICE: (0, 0), BOB: (0, 0)}

    def message(self, meter: int, number: int, energy: Energy, version: int) -> SignedReading:
        """Sign a message now: registers as they were counted, energy as is given."""
        self.sequence += 1
        honest = self.world.reading(meter, number, version=version, sequence=self.sequence)
        return self.world.sign(replace(honest, import_wh=energy[0], export_wh=energy[1]))

    @rule(energies=st.lists(st.tuples(ENERGIES, ENERGIES), min_size=1, max_size=4))
    def pass_quarters(self, energies: list[tuple[Energy, Energy]]) -> None:
        for own in energies:
            for meter, energy in zip((ALICE, BOB), own, strict=True):
                self.world.measure(meter, energy)
            self.now += 1
            self.world.to_quarter(self.now)
            final = self.now - FINAL_AFTER
            if final >= 0:
                for meter, taken in self.taken.items():
                    held = taken.get(final)
                    settled = SUBSTITUTE if held is None else held.energy
                    self.settled[meter] = plus(self.settled[meter], settled)

    @precondition(lambda self: self.now > 0)
    @rule(meter=METERS, picks=st.lists(st.integers(0, FINAL_AFTER - 1), min_size=1, max_size=4))
    def deliver(self, meter: int, picks: list[int]) -> None:
        """Send first messages that are still awaited, in any order, in one list."""
        taken, first = self.taken[meter], max(0, self.now - FINAL_AFTER + 1)
        numbers = [first + pick for pick in dict.fromkeys(picks)]
        missing = [number for number in numbers if number < self.now and number not in taken]
        counted = self.world.measured[meter]
        if missing:
            self.world.accepted(*(self.message(meter, n, counted[n], 1) for n in missing))
        for number in missing:
            taken[number] = Taken(counted[number], 1, in_row=True)

    @precondition(lambda self: self.now > 0)
    @rule(meter=METERS, back=BACK, off=st.sampled_from([0, 0, 0, 1]))
    def submit(self, meter: int, back: int, off: int) -> None:
        """Send the first message of a quarter, or one that says otherwise."""
        number = max(0, self.now - 1 - back)
        counted = self.world.measured[meter][number]
        held = self.taken[meter].get(number)
        # Another energy alone contradicts the registers, so it is sent where one is recorded.
        energy = plus(counted, (off, 0)) if held is not None else counted
        reading = self.message(meter, number, energy, 1)
        refusal: type[Reject] | None = None
        if held is not None and held.version == 1:
            if held.energy == energy:
                self.world.accepted(reading)
                return
            refusal = ReadingConflict
        elif number <= self.now - FINAL_AFTER:
            refusal = Final
        elif held is not None:
            refusal = VersionGap
        if refusal is None:
            self.world.accepted(reading)
            self.taken[meter][number] = Taken(energy, 1, in_row=True)
        else:
            self.world.refuses(refusal, reading)

    @precondition(lambda self: self.now > 0)
    @rule(meter=METERS, back=BACK, energy=ENERGIES, skipped=st.sampled_from([0, 0, 0, 1]))
    def revise(self, meter: int, back: int, energy: Energy, skipped: int) -> None:
        """Send a later version before the deadline."""
        number = max(0, self.now - 1 - back)
        held = self.taken[meter].get(number)
        version = (2 if held is None else held.version + 1) + skipped
        reading = self.message(meter, number, energy, version)
        if number <= self.now - FINAL_AFTER:
            self.world.refuses(Final, reading)
        elif held is None or skipped:
            self.world.refuses(VersionGap, reading)
        else:
            self.world.accepted(reading)
            self.taken[meter][number] = Taken(energy, version, in_row=True)

    @precondition(lambda self: self.now > 0)
    @rule(meter=METERS, back=BACK, energy=ENERGIES)
    def correct(self, meter: int, back: int, energy: Energy) -> None:
        """Let the metering operator replace a quarter, read or substituted."""
        number = max(0, self.now - 1 - back)
        held = self.taken[meter].get(number)
        version = 1 if held is None else held.version + 1
        reading = self.message(meter, number, energy, version)
        if number > self.now - FINAL_AFTER:
            self.world.refuses_correction(NotFinal, reading)
            return
        self.world.corrected(reading)
        in_row = held is not None and held.in_row
        self.taken[meter][number] = Taken(energy, version, in_row=in_row)

    @precondition(lambda self: self.now > 0)
    @rule(meter=METERS)
    def submit_too_soon(self, meter: int) -> None:
        counted = self.world.measured[meter]
        counted.append((0, 0))
        reading = self.message(meter, self.now, (0, 0), 1)
        counted.pop()
        self.world.refuses(FutureReading, reading)

    @rule()
    def settle_changes(self) -> None:
        """Take what metering hands over to settlement."""
        metering = self.world.contracts.metering
        for meter in (ALICE, BOB):
            self.settled[meter] = plus(self.settled[meter], self.waiting(meter))
        for (participant, quarter_s), _ in metering.pending_corrections(ZONE, 1_000):
            self.world.call(GATEWAY, "settler", "take_correction", participant, quarter_s)
        for (participant, first_s), _ in metering.pending_differences(ZONE, 1_000):
            self.world.call(GATEWAY, "settler", "take_difference", participant, first_s)

    # ── What came of it ──

    def waiting(self, meter: int) -> Energy:
        """Return what settlement has still to take for a meter."""
        total, metering = (0, 0), self.world.contracts.metering
        for (participant, _), one in metering.pending_corrections(ZONE, 1_000):
            if participant == meter:
                new, old = (one.new_import_wh, one.new_export_wh), (
                    one.old_import_wh, one.old_export_wh,
                )  # fmt: skip
                total = plus(total, minus(new, old))
        for (participant, _), gap in metering.pending_differences(ZONE, 1_000):
            if participant == meter:
                total = plus(total, (gap.import_wh, gap.export_wh))
        return total

    def shown(self, meter: int) -> list[Reading | None]:
        """Return what is recorded of all quarters that are over."""
        metering = self.world.contracts.metering
        return [metering.reading(meter, quarter(number)) for number in range(self.now)]

    def recorded(self, meter: int, first: int, end: int) -> Energy:
        """Return what is recorded of all quarters from `first` to before `end`."""
        total = (0, 0)
        for held in self.shown(meter)[first:end]:
            assert held is not None
            total = plus(total, (held.import_wh, held.export_wh))
        return total

    @invariant()
    def what_was_taken_is_recorded_and_the_rest_substituted(self) -> None:
        for meter, taken in self.taken.items():
            for number, shown in enumerate(self.shown(meter)):
                held = taken.get(number)
                if held is not None:
                    assert shown == Reading(*held.energy, held.version, Quality.MEASURED)
                elif number <= self.now - FINAL_AFTER:
                    assert shown is not None
                    assert shown.quality is Quality.SUBSTITUTED
                else:
                    assert shown is None

    @invariant()
    def gaps_are_the_quarters_between_two_readings(self) -> None:
        for meter, taken in self.taken.items():
            rows = sorted(number for number, one in taken.items() if one.in_row)
            bounds = list(zip([-1, *rows], rows, strict=False))
            gaps = [(last + 1, number) for last, number in bounds if number > last + 1]
            shown = [
                (number_of(one.first_s), number_of(one.gap.end_s))
                for one in self.world.read.metering.gaps_of(meter)
            ]
            assert set(shown) <= set(gaps)
            for gap in gaps:
                # It closes when its last quarter is final, or a quarter later; what is left of
                # a gap that was split, when the whole would have closed, not as late as again.
                if gap[1] - 1 > self.now - FINAL_AFTER:
                    assert gap in shown
                if gap[1] + FINAL_AFTER <= self.now - FINAL_AFTER:
                    assert gap not in shown
                if gap not in shown and gap not in self.closed[meter]:
                    self.close(meter, *gap)
            self.closed[meter] = [gap for gap in gaps if gap not in shown]

    def close(self, meter: int, first: int, end: int) -> None:
        """Check a gap that is closed; what readings hold beyond its registers stays settled."""
        counted = (0, 0)
        for energy in self.world.measured[meter][first:end]:
            counted = plus(counted, energy)
        known = (0, 0)
        corrected = [self.taken[meter][n] for n in range(first, end) if n in self.taken[meter]]
        for one in corrected:
            known = plus(known, one.energy)
        recorded = self.recorded(meter, first, end)
        if len(corrected) == end - first:
            assert recorded == known
            return
        assert recorded == (max(counted[0], known[0]), max(counted[1], known[1]))
        self.replaced[meter] = plus(self.replaced[meter], minus(recorded, counted))

    @invariant()
    def what_is_settled_adds_up(self) -> None:
        for meter, settled in self.settled.items():
            recorded = self.recorded(meter, 0, max(0, self.now - FINAL_AFTER + 1))
            due = minus(recorded, self.replaced[meter])
            assert plus(settled, self.waiting(meter)) == due


def plus(one: Energy, other: Energy) -> Energy:
    return one[0] + other[0], one[1] + other[1]


def minus(one: Energy, other: Energy) -> Energy:
    return one[0] - other[0], one[1] - other[1]


def number_of(quarter_s: int) -> int:
    return (quarter_s - quarter(0)) // 900


MeteringMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=25)
TestMetering = MeteringMachine.TestCase
