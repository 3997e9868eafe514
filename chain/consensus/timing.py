"""Time in consensus: how long to wait, which proposal times to accept, when a block is due.

All in milliseconds; every instant comes in as an argument. Timeouts and the accepted message delay
grow linearly with the round, so that after any period of chaos some round is long enough; timeouts
have a cap, the delay has none, as a proposal that is late is not otherwise accepted. A proposer
uses max(now, parent + 1). (PROTOCOL §5.)
"""

import enum
from dataclasses import dataclass
from typing import Final

from contracts.governance.parameters import Timing

# How often a node says where it stands: while a round is under way, and while no block is due.
RESEND_MS: Final = 500
RESEND_IDLE_MS: Final = 2_000
RESEND_JITTER_MS: Final = 250


class Timer(enum.IntEnum):
    """What a timeout is for."""

    PROPOSE = 0
    PREVOTE = 1
    PRECOMMIT = 2
    PROPOSE_WAIT = 3
    RESEND = 4


@dataclass(frozen=True, slots=True)
class Timeout:
    """A timer of one height and round; it means nothing in another."""

    timer: Timer
    height: int
    round: int


def timeout_ms(timing: Timing, timer: Timer, round_: int) -> int:
    """Return how long a step of this round waits: linear in the round, up to the cap."""
    assert timer in (Timer.PROPOSE, Timer.PREVOTE, Timer.PRECOMMIT), f"{timer.name} is no step"
    first = timing.timeout_propose_ms if timer is Timer.PROPOSE else timing.timeout_vote_ms
    return min(first + round_ * timing.timeout_step_ms, timing.timeout_cap_ms)


def message_delay_ms(timing: Timing, round_: int) -> int:
    """Return how late a proposal of this round may arrive: linear in the round."""
    return timing.message_delay_ms * (round_ + 1)


def is_timely(timing: Timing, round_: int, time_ms: int, arrival_ms: int) -> bool:
    """Say whether a fresh proposal's time fits the local clock when its message arrived."""
    earliest = arrival_ms - timing.precision_ms - message_delay_ms(timing, round_)
    return earliest <= time_ms <= arrival_ms + timing.precision_ms


def proposal_time_ms(now_ms: int, parent_time_ms: int) -> int:
    """Return the time of a new block: the proposer's clock, and later than the parent."""
    return max(now_ms, parent_time_ms + 1)


def proposal_wait_ms(timing: Timing, now_ms: int, parent_time_ms: int) -> int:
    """Return how long a proposer waits until the time it must use is within the precision."""
    ahead_ms = proposal_time_ms(now_ms, parent_time_ms) - now_ms
    return max(0, ahead_ms - timing.precision_ms)


def due_at_ms(
    timing: Timing, parent_time_ms: int, next_due_ms: int | None, *, has_work: bool
) -> int:
    """Return when the next block is due.

    `has_work`: there is an includable transaction, evidence, or a unit already due by the parent
    state. `next_due_ms`: when the earliest unit falls due by header time, None if there is none.
    Never before the minimum interval, never after the heartbeat.
    """
    earliest = parent_time_ms + timing.block_interval_min_ms
    if has_work:
        return earliest
    heartbeat = max(earliest, parent_time_ms + timing.heartbeat_ms)
    return heartbeat if next_due_ms is None else min(heartbeat, max(earliest, next_due_ms))
