"""Host: what the contracts of one execution share: state, events, and the schedule's door."""

from typing import Any, NamedTuple, Protocol

from contracts.kernel import codec
from contracts.kernel.event import Event
from contracts.kernel.state import State


class EmittedEvent(NamedTuple):
    """An event's bytes, and the accounts whose history it belongs to."""

    data: bytes
    owners: tuple[bytes, ...]


class Host:
    """One execution's state and events, with savepoints over both."""

    __slots__ = ("events", "state")

    def __init__(self, state: State) -> None:
        """Start without events."""
        self.state = state
        self.events: list[EmittedEvent] = []

    def emit(self, contract: str, event: Event) -> None:
        """Append the event `[1, contract, name, fields]`; charged by size and by owner."""
        meter = self.state.meter
        data = codec.encode_trusted([1, contract, type(event).__name__, event.to_wire()])
        owners = event.owners()
        meter.charge_sized(meter.table.event, len(data))
        meter.charge(len(owners) * (meter.table.read + meter.table.write))
        self.events.append(EmittedEvent(data, owners))

    def mark(self) -> tuple[int, int]:
        """Return a savepoint over state and events."""
        return self.state.savepoint(), len(self.events)

    def undo(self, mark: tuple[int, int]) -> None:
        """Return to a savepoint; weight stays spent."""
        writes, events = mark
        self.state.rollback(writes)
        del self.events[events:]


class Scheduler(Protocol):
    """What contracts need of the schedule."""

    def at_market_time(self, due_s: int, work: Any, *arguments: Any) -> None:  # noqa: ANN401
        """Call the unit `work`, a bound method, once market time reaches `due_s`."""

    def at_header_time(self, due_ms: int, work: Any, *arguments: Any) -> None:  # noqa: ANN401
        """Call the unit `work`, a bound method, once header time reaches `due_ms`."""
