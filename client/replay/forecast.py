"""Forecasts: what a household expects of a quarter, from its own meter alone.

At the gate of quarter t the quarter before it still runs, so the newest reading is that of t − 2.
A forecast is the mean of the same quarter on earlier days, moved by how far the last hours were
above or below their own such means, the more so the higher the household's `weight_percent` of
recent readings. On the first day there is no earlier day: the last reading stands in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from client.replay.week import QUARTERS_PER_DAY

KNOWN_BEFORE: Final = 2
DAYS_BACK_MAX: Final = 4
RECENT_QUARTERS: Final = 4


@dataclass(frozen=True, slots=True)
class Forecaster:
    """A household's way of forecasting."""

    weight_percent: int

    def net_wh(self, quarter: int, readings_wh: Sequence[int]) -> int:
        """Forecast load less generation of `quarter` from the readings of quarters 0 … t − 2.

        `readings_wh` may be longer; what the household cannot know yet is not looked at.
        """
        known = quarter - KNOWN_BEFORE + 1
        if known <= 0:
            return 0
        usual = _usual(quarter, readings_wh, known)
        if usual is None:
            return readings_wh[known - 1]
        deviation = count = 0
        for recent in range(max(0, known - RECENT_QUARTERS), known):
            expected = _usual(recent, readings_wh, recent)
            if expected is not None:
                deviation += readings_wh[recent] - expected
                count += 1
        if count == 0:
            return usual
        return usual + _halfway(deviation * self.weight_percent, count * 100)


def _usual(quarter: int, readings_wh: Sequence[int], known: int) -> int | None:
    """Return the mean of the same quarter on up to four earlier days, or None without any."""
    earlier = [
        readings_wh[quarter - day * QUARTERS_PER_DAY]
        for day in range(1, DAYS_BACK_MAX + 1)
        if 0 <= quarter - day * QUARTERS_PER_DAY < known
    ]
    return _halfway(sum(earlier), len(earlier)) if earlier else None


def _halfway(total: int, count: int) -> int:
    """Round to the nearest whole number, halves away from zero."""
    sign = -1 if total < 0 else 1
    return sign * ((2 * abs(total) + count) // (2 * count))
