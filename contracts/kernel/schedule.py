"""The schedule: due work, kept in state and run at the beginning of blocks.

A unit is a contract's `@unit` method with its arguments, due at a time of one of the two clocks:
header time (ms) or market time (s). The queue's key order (clock, due, id) is the order of running.
A unit runs in an overlay of its own; one that raises or exceeds its weight moves to `failed` with
an event and the chain goes on. (PROTOCOL §4.)
"""

import enum
from collections.abc import Iterator
from typing import Annotated, Any

from contracts.kernel import codec
from contracts.kernel.contract import Contract, Kind, Lane, invariant, query
from contracts.kernel.event import Event
from contracts.kernel.record import Record, record
from contracts.kernel.shape import Size
from contracts.kernel.storage import Cell, Map
from contracts.kernel.types import Height, Text32, Uint

ARGUMENTS_BYTES_MAX = 1024


class ClockKind(enum.IntEnum):
    """Which clock a due time is of."""

    HEADER = 0
    MARKET = 1


@record(version=1)
class Work(Record):
    """A unit to call: contract, method, encoded arguments."""

    contract: Text32
    unit: Text32
    arguments: Annotated[bytes, Size(1, ARGUMENTS_BYTES_MAX)]


@record(version=1)
class FailedWork(Record):
    """A unit that raised or exceeded its weight, kept for governance."""

    work: Work
    clock: ClockKind
    due: Uint
    height: Height


class WorkFailed(Event):
    """A due unit failed and waits for governance; nothing it did remains."""

    id: Uint
    contract: Text32
    unit: Text32


class Schedule(Contract, name="schedule", number=0x01, lane=Lane.GOVERNANCE):
    """Due work in the order in which it runs."""

    queue = Map[tuple[ClockKind, Uint, Uint], Work | None](id=0x0101, default=None)
    next_id = Cell[Uint](id=0x0102, default=0)
    failed = Map[Uint, FailedWork | None](id=0x0103, default=None)

    def at_market_time(self, due_s: int, work: Any, *arguments: Any) -> None:  # noqa: ANN401
        """Call the unit `work`, a bound method, once market time reaches `due_s`."""
        self._add(ClockKind.MARKET, due_s, work, arguments)

    def at_header_time(self, due_ms: int, work: Any, *arguments: Any) -> None:  # noqa: ANN401
        """Call the unit `work`, a bound method, once header time reaches `due_ms`."""
        self._add(ClockKind.HEADER, due_ms, work, arguments)

    def due(self, clock: ClockKind, latest: int) -> Iterator[tuple[int, int, Work]]:
        """Yield (due, id, work) of the units of this clock due at or before `latest`, in order.

        Units may be taken and added while iterating; one added behind the last one yielded is not
        seen any more.
        """
        for (_, due, number), work in self.queue.items(clock):
            if due > latest:
                return
            assert work is not None, "a key in the queue has work"
            yield due, number, work

    def next_due(self, clock: ClockKind) -> int | None:
        """Return when the next unit of this clock is due."""
        entry = self.queue.first(clock)
        return None if entry is None else entry[0][1]

    def take(self, clock: ClockKind, due: int, number: int) -> None:
        """Remove a unit that is about to run."""
        del self.queue[clock, due, number]

    def fail(self, clock: ClockKind, due: int, number: int, work: Work, height: int) -> None:
        """Set a failed unit aside."""
        self.failed[number] = FailedWork(work, clock, due, height)
        self.emit(WorkFailed(number, work.contract, work.unit))

    @query
    def next_market_stop_s(self) -> Uint | None:
        """Market time at which the next unit is due, or null."""
        return self.next_due(ClockKind.MARKET)

    @query
    def failed_work(self, id: Uint) -> FailedWork | None:
        """Return a failed unit by its id, or null."""
        return self.failed[id]

    @invariant
    def ids_are_unique_and_used(self) -> bool:
        """No id is queued twice or both queued and failed, and all are below the counter."""
        ids = [number for (_, _, number), _ in self.queue.items()]
        ids += [number for number, _ in self.failed.items()]
        return len(ids) == len(dict.fromkeys(ids)) and all(n < self.next_id.get() for n in ids)

    def _add(self, clock: ClockKind, due: int, work: Any, arguments: tuple[Any, ...]) -> None:  # noqa: ANN401
        contract: Contract = work.__self__
        method = contract.spec.methods[Kind.UNIT, work.__name__]
        shapes = [shape for _, shape in method.arguments]
        plain = [s.to_wire(a) for s, a in zip(shapes, arguments, strict=True)]
        number = self.next_id.get()
        self.next_id.set(number + 1)
        self.queue[clock, due, number] = Work(
            contract.spec.name, method.name, codec.encode_trusted(plain)
        )
