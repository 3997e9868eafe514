"""A contract that misbehaves on purpose, wired beside the real ones for tests of execution."""

import enum
from typing import Annotated, ClassVar

from contracts.kernel import (
    Claim,
    Context,
    Contract,
    Event,
    Items,
    Lane,
    Map,
    Record,
    Reject,
    Size,
    call,
    query,
    record,
    unit,
)
from contracts.kernel.catalogue import Catalogue
from contracts.kernel.errors import StopRequestedError, StorageError
from contracts.kernel.host import Host
from contracts.kernel.rounding import floor_div
from contracts.kernel.schedule import ClockKind, Schedule
from contracts.kernel.types import Address, Hash32, PublicKey, Signature, TimeS, Uint
from contracts.registry import CONTRACTS, Registry


class Fault(enum.IntEnum):
    """The ways in which a call or unit can go wrong."""

    NONE = 0
    REJECT = 1
    VALUE_ERROR = 2
    ASSERTION = 3
    OUT_OF_RANGE = 4
    UNKNOWN_REJECT = 5
    VALUES_WITHOUT_ENCODING = 6
    ENDLESS_LOOP = 7
    RECURSION = 8
    MEMORY = 9
    STORAGE = 10
    STOP = 11


FATAL_FAULTS = (Fault.RECURSION, Fault.MEMORY, Fault.STORAGE, Fault.STOP)
BUGS = (
    Fault.VALUE_ERROR,
    Fault.ASSERTION,
    Fault.OUT_OF_RANGE,
    Fault.UNKNOWN_REJECT,
    Fault.VALUES_WITHOUT_ENCODING,
)
SECRET = "text of an exception"


@record(version=1)
class Statement(Claim):
    """What a device says."""

    domain: ClassVar[str] = "READING"
    device: Uint
    public_key: PublicKey
    signature: Signature


@record(version=1)
class Bundle(Claim):
    """What a gateway says about statements of devices."""

    domain: ClassVar[str] = "GATEWAY"
    statements: Annotated[tuple[Statement, ...], Items(4)]
    public_key: PublicKey
    signature: Signature


@record(version=1)
class Parcel(Record):
    """Claims at several depths."""

    bundles: Annotated[tuple[Bundle, ...], Items(4)]
    spare: Statement | None


class Refused(Reject):
    """The laboratory refuses.

    Ask for something else.
    """

    code = 1


class Wrote(Event, owners=("writer",)):
    """A cell was written."""

    writer: Address
    key: Uint
    value: Uint


class Lab(Contract, name="lab", number=0x7F, lane=Lane.METERING):
    """Does what it is told."""

    cells = Map[Uint, Uint](id=0x7F01, default=0)
    journal = Map[Uint, Uint | None](id=0x7F02, default=None)

    def __init__(self, host: Host, schedule: Schedule) -> None:
        """Keep the schedule."""
        super().__init__(host)
        self._schedule = schedule

    @call
    def write(self, ctx: Context, key: Uint, value: Uint) -> None:
        """Write one cell and say so."""
        self.cells[key] = value
        self.emit(Wrote(ctx.caller, key, value))

    @call
    def write_many(self, ctx: Context, count: Uint) -> Uint:
        """Write cells 0, 1, … with their numbers; returns how many."""
        for key in range(count):
            self.write(ctx, key, key + 1)
        return count

    @call
    def read(self, ctx: Context, key: Uint) -> Uint:
        """Return one cell."""
        return self.cells[key]

    @call
    def total(self, ctx: Context) -> Uint:
        """Return the sum of all cells."""
        return sum(value for _, value in self.cells.items())

    @call
    def spin(self, ctx: Context, steps: Uint) -> None:
        """Turn a loop."""
        self.charge_steps(steps)

    @call
    def go_wrong(self, ctx: Context, fault: Fault) -> None:
        """Write, emit, and then fail."""
        self.write(ctx, 7, 7)
        self._fail(fault)

    @call
    def try_each(
        self, ctx: Context, faults: Annotated[tuple[Fault, ...], Items(16)]
    ) -> Annotated[tuple[bool, ...], Items(16)]:
        """Write a cell for each item, undoing those that are refused."""
        done = []
        for key, fault in enumerate(faults):
            done.append(not isinstance(self.attempt(self._item, ctx, key, fault), Reject))
        return tuple(done)

    @call
    def echo(self, ctx: Context, size: Uint) -> Annotated[bytes, Size(0, 2**16)]:
        """Return bytes."""
        return bytes(size)

    @call
    def lie(self, ctx: Context) -> Uint:
        """Return what is not a Uint."""
        return -1

    @call(lane=Lane.MARKET)
    def who(self, ctx: Context) -> Annotated[tuple[Address, ...], Items(2)]:
        """Return signer and caller."""
        return ctx.signer, ctx.caller

    @call
    def when(self, ctx: Context) -> TimeS:
        """Return market time."""
        return ctx.market_time_s

    @call
    def item(self, ctx: Context, index: Uint) -> Hash32:
        """Return the id of an item of this call."""
        return ctx.item_id(index)

    @call
    def judge(self, ctx: Context, parcel: Parcel) -> Annotated[tuple[bool, ...], Items(32)]:
        """Return the verdict on each claim: bundles, each followed by its statements, the spare."""
        verdicts = []
        for bundle in parcel.bundles:
            verdicts.append(ctx.verified(bundle))
            verdicts.extend(ctx.verified(one) for one in bundle.statements)
        if parcel.spare is not None:
            verdicts.append(ctx.verified(parcel.spare))
        return tuple(verdicts)

    @call
    def schedule_note(self, ctx: Context, clock: ClockKind, due: Uint, value: Uint) -> None:
        """Schedule a unit that writes to the journal."""
        self._at(clock, due, self.note, value)

    @call
    def schedule_fault(self, ctx: Context, clock: ClockKind, due: Uint, fault: Fault) -> None:
        """Schedule a unit that fails."""
        self._at(clock, due, self.fail, fault)

    @call
    def schedule_spin(self, ctx: Context, due_s: Uint, steps: Uint) -> None:
        """Schedule a unit that turns a loop."""
        self._at(ClockKind.MARKET, due_s, self.turn, steps)

    @call
    def schedule_chain(self, ctx: Context, due_s: Uint, count: Uint) -> None:
        """Schedule a unit that schedules itself `count` times more."""
        self._at(ClockKind.MARKET, due_s, self.chain, count)

    @query
    def notes(self) -> Annotated[tuple[Uint, ...], Items(2**16)]:
        """Return the journal in the order in which it was written."""
        return tuple(value for _, value in self.journal.items() if value is not None)

    @unit
    def note(self, ctx: Context, value: Uint) -> None:
        """Write to the journal."""
        self._write_note(value)

    @unit
    def fail(self, ctx: Context, fault: Fault) -> None:
        """Write to the journal, emit, and then fail."""
        self._write_note(0)
        self.emit(Wrote(ctx.caller, 7, 7))
        self._fail(fault)

    @unit
    def turn(self, ctx: Context, steps: Uint) -> None:
        """Turn a loop."""
        self._write_note(steps)
        self.charge_steps(steps)

    @unit
    def chain(self, ctx: Context, count: Uint) -> None:
        """Write to the journal and schedule the rest at once."""
        self._write_note(count)
        if count:
            self._at(ClockKind.MARKET, ctx.market_time_s, self.chain, count - 1)

    def _item(self, ctx: Context, key: int, fault: Fault) -> None:
        self.write(ctx, key, 1)
        self._fail(fault)

    def _write_note(self, value: int) -> None:
        last = next(self.journal.items(reverse=True), None)
        self.journal[0 if last is None else last[0] + 1] = value

    def _at(self, clock: ClockKind, due: int, work: object, *arguments: object) -> None:
        if clock is ClockKind.MARKET:
            self._schedule.at_market_time(due, work, *arguments)
        else:
            self._schedule.at_header_time(due, work, *arguments)

    def _fail(self, fault: Fault) -> None:
        match fault:
            case Fault.REJECT:
                raise Refused(key=7, who=b"x")
            case Fault.VALUE_ERROR:
                raise ValueError(SECRET)
            case Fault.ASSERTION:
                raise AssertionError(SECRET)
            case Fault.OUT_OF_RANGE:
                self.cells[1] = 2**63
            case Fault.UNKNOWN_REJECT:
                raise Reject
            case Fault.VALUES_WITHOUT_ENCODING:
                raise Refused(key=2**64)
            case Fault.ENDLESS_LOOP:
                while True:
                    self.cells[floor_div(self.cells[1], 2)] = 1
            case Fault.RECURSION:
                self._fail(fault)
            case Fault.MEMORY:
                raise MemoryError
            case Fault.STORAGE:
                raise StorageError
            case Fault.STOP:
                raise StopRequestedError


class LabRegistry(Registry):
    """The real contracts and the laboratory."""

    catalogue = Catalogue.of((*CONTRACTS, Lab))

    def __init__(self, host: Host) -> None:
        """Wire the laboratory after all others."""
        super().__init__(host)
        self.lab = Lab(host, self.schedule)
        self.contracts = (*self.contracts, self.lab)
        self.by_name[self.lab.spec.name] = self.lab
