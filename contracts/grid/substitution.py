"""Substitution: what counts for quarters without a reading, and what the registers say later.

At the final deadline a missing import is the mean of the same quarter on the last up to four days
of its type that were measured, rounded up, and at least the registered base load; a missing export
is 0. Days are weekdays or weekends in the market's time zone. Estimates and substitutes are no
history: one bad day does not beget the next.

When registers after a gap are known, its substitutes together become what flowed less what is known
of the gap's other quarters. Each keeps its proportion; where all are 0, each gets the same.
(MARKET §4.)
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from contracts.grid.model import DAY_S
from contracts.grid.reading import Quality, Slot
from contracts.kernel.rounding import ceil_div, floor_div, floor_mod, largest_remainder

DAYS_MAX: Final = 4
WEEK_DAYS: Final = 7
MONDAY_TO_FRIDAY: Final = 5
EPOCH_WEEKDAY: Final = 3  # 1970-01-01 was a Thursday, Monday being 0
U32_MAX: Final = 2**32 - 1


def is_weekend(time_s: int, utc_offset_s: int) -> bool:
    """Say whether it is Saturday or Sunday at this time, this far east of Greenwich."""
    day = floor_div(time_s + utc_offset_s, DAY_S)
    return floor_mod(day + EPOCH_WEEKDAY, WEEK_DAYS) >= MONDAY_TO_FRIDAY


def like_days(quarter_s: int, utc_offset_s: int, window_days: int) -> Iterator[int]:
    """Yield the days back, within a window, that are of the same type as this quarter's."""
    weekend = is_weekend(quarter_s, utc_offset_s)
    for back in range(1, window_days):
        if is_weekend(quarter_s - back * DAY_S, utc_offset_s) is weekend:
            yield back


def substitute_wh(history: Iterable[Slot | None], base_load_wh: int) -> int:
    """Return what counts as imported, from the same quarter on earlier days, latest first.

    Looks at no more days than it needs.
    """
    measured = (s.import_wh for s in history if s is not None and s.quality == Quality.MEASURED)
    last = list(islice(measured, DAYS_MAX))
    return max(base_load_wh, ceil_div(sum(last), len(last))) if last else base_load_wh


def shared(total_wh: int, substitutes_wh: Sequence[int]) -> list[int]:
    """Share what flowed in a gap over its substitutes, in their proportion; at least 0 each.

    The sum is exact but for what 32 bits a quarter cannot hold: gigawatts over years.
    """
    weights = substitutes_wh if any(substitutes_wh) else [1] * len(substitutes_wh)
    places = [place.to_bytes(4, "big") for place in range(len(weights))]
    return [min(wh, U32_MAX) for wh in largest_remainder(weights, max(0, total_wh), places)]
