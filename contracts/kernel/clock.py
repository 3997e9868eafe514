"""The market clock: the only time that market rules know.

In `HEADER` mode market time is the block's header time in seconds. In `DRIVEN` mode, for devnets
only, it is a cell that one account advances, never past work that is due: a replay then does not
depend on the machine's speed, a pause or a kill. (MARKET §1.)
"""

import enum

from contracts.kernel.context import Context
from contracts.kernel.contract import Contract, Lane, call, genesis, query
from contracts.kernel.errors import NotPermitted, Reject
from contracts.kernel.event import Event
from contracts.kernel.host import Host
from contracts.kernel.rounding import floor_div
from contracts.kernel.schedule import ClockKind, Schedule
from contracts.kernel.storage import Cell
from contracts.kernel.types import Address, TimeS

MS_PER_S = 1000


class ClockMode(enum.IntEnum):
    """Where market time comes from."""

    HEADER = 0
    DRIVEN = 1


class WorkPending(Reject):
    """Work due at the present market time is unfinished.

    Wait for the next block; it runs due work first. Then advance again.
    """

    code = 1


class NotDriven(Reject):
    """Market time follows the block headers on this chain and cannot be advanced.

    Wait until it comes by itself.
    """

    code = 2


class NotForward(Reject):
    """Market time only moves upwards.

    Name a time after the present market time (`chain_status`).
    """

    code = 3


class PastNextStop(Reject):
    """The step would pass a gate, delivery start or deadline.

    Advance to `next_stop_s` at most, so that work due there runs first.
    """

    code = 4


class ClockAdvanced(Event):
    """Market time moved."""

    from_s: TimeS
    to_s: TimeS


class Clock(Contract, name="clock", number=0x02, lane=Lane.GOVERNANCE):
    """Market time and who may move it."""

    mode = Cell[ClockMode](id=0x0201, default=ClockMode.HEADER)
    driver = Cell[Address | None](id=0x0202, default=None)
    driven_s = Cell[TimeS](id=0x0203, default=0)

    def __init__(self, host: Host, schedule: Schedule) -> None:
        """Keep the schedule, whose next unit is the next stop."""
        super().__init__(host)
        self._schedule = schedule

    @genesis
    def set_up(self, mode: ClockMode, driver: Address | None, start_s: TimeS) -> None:
        """Fix the mode for good; a driven clock starts at `start_s` and obeys `driver`."""
        if mode is ClockMode.DRIVEN and driver is None:
            msg = "driver: a driven clock needs the account that advances it"
            raise ValueError(msg)
        if mode is ClockMode.HEADER and (driver is not None or start_s != 0):
            msg = "mode: a clock that follows the headers has no driver and starts at 0"
            raise ValueError(msg)
        self.mode.set(mode)
        self.driver.set(driver)
        self.driven_s.set(start_s)

    def market_time_s(self, header_time_ms: int) -> int:
        """Return market time for calls of a block with this header time."""
        if self.mode.get() is ClockMode.HEADER:
            return floor_div(header_time_ms, MS_PER_S)
        return self.driven_s.get()

    @call
    def advance(self, ctx: Context, to_s: TimeS) -> None:
        """Move market time up to `to_s`; takes effect for the calls after this one."""
        if self.mode.get() is not ClockMode.DRIVEN:
            raise NotDriven
        driver = self.driver.get()
        if ctx.caller != driver:
            raise NotPermitted(driver=driver)
        now_s = self.driven_s.get()
        if to_s <= now_s:
            raise NotForward(now_s=now_s, to_s=to_s)
        stop_s = self._schedule.next_due(ClockKind.MARKET)
        if stop_s is not None and stop_s <= now_s:
            raise WorkPending(now_s=now_s, due_s=stop_s)
        if stop_s is not None and to_s > stop_s:
            raise PastNextStop(next_stop_s=stop_s, to_s=to_s)
        self.driven_s.set(to_s)
        self.emit(ClockAdvanced(now_s, to_s))

    @query
    def market_mode(self) -> ClockMode:
        """Where market time comes from: 0 header, 1 driven."""
        return self.mode.get()

    @query
    def driven_time_s(self) -> TimeS:
        """Market time of a driven clock; 0 in header mode."""
        return self.driven_s.get()
