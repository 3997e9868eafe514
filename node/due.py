"""When due work calls for a block.

Other reasons for one are transactions that wait, and the heartbeat. (PROTOCOL §5.)
"""

from typing import Final

from chain.execution.executor import UNLIMITED
from contracts.kernel import Host
from contracts.kernel.clock import ClockMode
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.schedule import ClockKind
from contracts.kernel.state import Reader, State
from contracts.registry import Registry

MS_PER_S: Final = 1_000


def next_due(state: Reader) -> tuple[int | None, bool]:
    """Return the header time in ms at which the next unit falls due, and whether one is due now.

    Market time that a driver moves stands still between blocks: its units are due or not.
    """
    registry = Registry(Host(State(state, Meter(WeightTable(), UNLIMITED))))
    header_due = registry.schedule.next_due(ClockKind.HEADER)
    market_due = registry.schedule.next_due(ClockKind.MARKET)
    is_due = False
    candidates = [] if header_due is None else [header_due]
    if market_due is not None:
        if registry.clock.market_mode() is ClockMode.HEADER:
            candidates.append(market_due * MS_PER_S)
        else:
            is_due = market_due <= registry.clock.driven_time_s()
    return min(candidates, default=None), is_due
